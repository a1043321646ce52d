"""What history, show, pin and prune print: runs as one table, one run as a page, loads grouped by run and reason."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from etl.console import text
from etl.phases import Phase

if TYPE_CHECKING:
    from etl.load.holdings import Load
    from etl.load.retention import Plan, Pruned

_ZONES = 3
_COUNTED = ("read", "loaded", "rejected", "collapsed")


def print_history(runs: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """One line a run, newest first. Times are UTC; phases are their numbers; `readers`: the zones they see from it."""
    lines = [
        {
            "run": run["run"],
            "status": f"{run['status']}{', pinned' if run['pinned_at'] else ''}",
            "phases": _numbers(run["phases"]),
            "started": _minute(run["started_at"]),
            "seconds": None if run["seconds"] is None else round(run["seconds"], 1),
            "loaded": run["loaded"],
            "rejected": run["rejected"],
            "published": _since(run["published_at"], run["started_at"]),
            "readers": "all" if len(run["zones"]) == _ZONES else ",".join(run["zones"]) or None,
            "size": text.size(run["size_bytes"]) if run["loads"] else None,
        }
        for run in runs
    ]
    text.write(stream or sys.stdout, text.table(lines))


def _numbers(phases: Sequence[str]) -> str:
    """``1-4``: phases as operators count them; they follow each other."""
    numbers = sorted(Phase(phase).number for phase in phases)
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else "".join(map(str, numbers))


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _since(moment: datetime | None, start: datetime) -> str | None:
    """The time alone where the day is that of the start."""
    if moment is None or moment.date() != start.date():
        return _minute(moment)
    return f"{moment:%H:%M}"


def print_run(told: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """All that is known of one run, section by section, and what can be done with it."""
    out = stream or sys.stdout
    head = {
        "run": told["run"],
        "status": told["status"] + (f": {told['message']}" if told["message"] else ""),
        "readers see": f"its {', '.join(told['zones'])}" if told["zones"] else "nothing of it",
        "phases": ", ".join(told["phases"]),
        "started": told["started_at"],
        "seconds": told["seconds"],
        "snapshot": told["snapshot_at"],
        "layout": told["layout"],
        "code": f"{told['code_version']}, contracts {told['contracts_hash']}, configuration {told['config_hash']}",
        "by": f"pid {told['pid']} on {told['host']}",
        "on disk": text.size(told["size_bytes"]),
        "pinned": told["pinned_at"],
    }
    width = max(map(len, head))
    text.write(out, [f"{name:<{width}}  {text.cell(value)}" for name, value in head.items() if value is not None])
    for title, lines in _sections(told):
        if lines:
            text.write(out, ["", text.coloured(title, "head", out), *lines])


def _sections(told: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    tables = [
        {"table": t["table"], **{n: t[n] for n in _COUNTED}, "load": t["load"], "size": text.size(t["size_bytes"])}
        for t in told["tables"]
    ]
    yield "Tables", text.table(tables)
    batches = told["batches"]
    last = f", the last at {text.cell(batches['last_at'])}" if batches["last_at"] else ""
    yield "Batches", [f"{text.count(batches['committed'])} committed{last}"]
    yield (
        "Failed attempts",
        [
            f"batch {a['batch']}, attempt {a['attempt']}, {text.cell(a['finished_at'])}: {a['error']}"
            + (" (in by now)" if a["is_in"] else "")
            for a in told["failed_attempts"]
        ],
    )
    checks = told["checks"]
    bad = [f"{c['zone']} {c['name']}: expected {c['expected']}, found {c['actual']}" for c in checks["failed"]]
    yield "Checks", [*bad, f"{checks['made']} made, {len(bad)} failed"] if checks["made"] else []
    rejects = told["rejects"]
    more = [f"{text.count(rejects['rows'])} rows in all: etl rejects list"] if rejects["rows"] else []
    yield "Rejects", [*text.table(rejects["rules"]), *more]
    yield "Publications", text.table(told["publications"])
    width = max((len(step["command"]) for step in told["next"]), default=0)
    yield "Next", [f"{step['command']:<{width}}  {step['does']}" for step in told["next"]]


def print_plan(plan: "Plan", stream: TextIO | None = None) -> None:
    """What a prune would drop and keep."""
    _print_loads(plan.kept, "kept", stream)
    _print_loads(plan.stale, "would be dropped", stream)
    room = text.size(sum(load.size_bytes for load in plan.stale))
    text.write(stream or sys.stdout, ["", f"{len(plan.stale)} loads would be dropped, {room}; nothing was changed"])


def print_pruned(pruned: "Pruned", stream: TextIO | None = None) -> None:
    """What a prune dropped, kept and left."""
    _print_loads(pruned.kept, "kept", stream)
    _print_loads(pruned.left, "left for the next prune", stream)
    _print_loads(pruned.dropped, "dropped", stream)
    room = text.size(sum(load.size_bytes for load in pruned.dropped))
    text.write(stream or sys.stdout, ["", f"{len(pruned.dropped)} loads were dropped, {room}"])


def _print_loads(loads: Sequence["Load"], title: str, stream: TextIO | None) -> None:
    """A line for each run and reason; what descends from one load or another is one reason."""
    out = stream or sys.stdout
    groups: dict[tuple[int | None, str], list[Load]] = {}
    for load in loads:
        reason = "a load that is kept descends from it" if load.reason.endswith("descends from it") else load.reason
        groups.setdefault((load.run_id, reason), []).append(load)
    lines = [
        {
            "run": run_id if run_id is not None else "orphans",
            "loads": len(group),
            "size": text.size(sum(load.size_bytes for load in group)),
            "why": reason or None,
        }
        for (run_id, reason), group in groups.items()
    ]
    names = ["run", "loads", "size", *(["why"] if any(line["why"] for line in lines) else [])]
    if lines:
        text.write(out, [text.coloured(title, "head", out), *text.table(lines, names)])
