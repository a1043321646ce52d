"""What the commands on rejects print: counts by rule, one reject whole, and what became of those put back."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from etl.console import text

_OUTCOMES = ("accepted", "refused", "collapsed", "gone", "not_tried")
_RUNS = 8  # runs of a reject that are named


def print_counts(counts: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """One line for each zone, table and rule, then what the rules say."""
    out = stream or sys.stdout
    if not counts:
        text.write(out, ["no rejects"])
        return
    columns = ("zone", "table", "rule", "rows", "runs", "first_run", "example")
    text.write(out, text.table(counts, columns))
    sentences = {str(entry["rule"]): str(entry["sentence"]) for entry in counts}
    text.write(out, ["", *(f"{rule}: {sentence}" for rule, sentence in sorted(sentences.items()))])
    total = sum(entry["rows"] for entry in counts)
    example = next((f"{e['table']}:{e['example']}" for e in counts if e["example"]), None)
    text.write(
        out, ["", f"{text.count(total)} rows" + (f"; one of them whole: etl rejects show {example}" if example else "")]
    )


def print_rejects(found: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """Each reject: where it came from, what it broke, which runs met it, and its whole row."""
    out = stream or sys.stdout
    for number, reject in enumerate(found):
        text.write(out, [""] if number else [])
        text.write(out, _reject(reject))


def _reject(reject: Mapping[str, Any]) -> Iterator[str]:
    yield f"reject   {reject['reject_key']}"
    yield f"refused  by {reject['zone']}.{reject['table_name']}"
    yield f"origin   {reject['source_table']}, id {text.cell(reject['source_id'])}"
    for rule in reject["rules"]:
        yield f"rule     {rule['rule']}: {rule['sentence']}" if rule["sentence"] else f"rule     {rule['rule']}"
    yield f"runs     {_runs(reject)}"
    yield "row"
    yield from (f"  {line}" for line in json.dumps(reject["row"], indent=2, ensure_ascii=False).splitlines())


def _runs(reject: Mapping[str, Any]) -> str:
    numbers = [str(number) for number in dict.fromkeys(met["run"] for met in reject["runs"])]
    named = ", ".join(numbers[-_RUNS:]) or "none that is kept"
    earlier = (reject["forgotten_runs"] or 0) + max(0, len(numbers) - _RUNS)
    copies = max((met["copies"] for met in reject["runs"]), default=1)
    return (
        f"{named}; first {reject['first_run_id']}"
        + (f"; {earlier} more" if earlier else "")
        + (f"; {copies} rows like it in a batch" if copies > 1 else "")
    )


def print_replay(details: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """What became of each kind of reject, and what was refused that was not before."""
    out = stream or sys.stdout
    replay = details.get("replay", {})
    lines = [
        {"table": f"{e['zone']}.{e['table']}", "rule": e["rule"]} | {name: e[name] for name in _OUTCOMES}
        for e in replay.get("rejects", ())
    ]
    shown = [name for name in _OUTCOMES if name in ("accepted", "refused") or any(line[name] for line in lines)]
    if lines:
        text.write(out, [*text.table(lines, ("table", "rule", *shown)), ""])
    text.write(out, _now(replay.get("rejects", ())))
    for entry in replay.get("newly_refused", ()):
        where = f"{entry['zone']}.{entry['table']}"
        text.write(out, [f"refused for the first time: {text.count(entry['rows'])} rows of {where}, {entry['rule']}"])
    if replay.get("settled"):
        text.write(out, [f"{text.count(replay['settled'])} of the rejects are no longer met by what is published"])


def _now(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rejects that are refused still, but by another rule than before."""
    return [
        f"{entry['zone']}.{entry['table']} {entry['rule']}: {text.count(rows)} rows are refused by {rule} now"
        for entry in entries
        for rule, rows in entry["rules_now"].items()
        if rule != entry["rule"]
    ]
