"""What commands print: tables and figures to stdout, errors to stderr. Plain text that fits 80 columns and pipes."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from etl.console import text
from etl.errors import EtlError
from etl.report import Check, RunReport, TableCount, to_json

if TYPE_CHECKING:  # a command that analyses nothing starts without polars
    from etl.analyze import Analysis

_COUNTED = ("read", "loaded", "rejected", "collapsed")
_LARGEST = 10  # sources and sportsbooks that the analysis names one by one


def print_json(data: Any, stream: TextIO | None = None) -> None:
    """Data as JSON; in ASCII where the stream's encoding cannot carry its text."""
    out = stream or sys.stdout
    whole = to_json(data)
    try:
        whole.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        whole = json.dumps(json.loads(whole), indent=2)
    text.write(out, [whole])


def print_error(error: EtlError, stream: TextIO | None = None) -> None:
    """What happened and what to do next, on stderr."""
    out = stream or sys.stderr
    text.write(out, [f"{text.coloured('error:', 'error', out)} {error.message}"])
    if error.next_step:
        text.write(out, [f"{text.coloured('next:', 'info', out)} {error.next_step}"])


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, stream: TextIO | None = None
) -> None:
    """Rows as an aligned table; see :func:`etl.console.text.table`."""
    text.write(stream or sys.stdout, text.table(rows, columns))


def print_status(
    facts: Mapping[str, Any], runs: Sequence[Mapping[str, Any]] = (), stream: TextIO | None = None
) -> None:
    """Facts, one a line, then a table of runs."""
    out = stream or sys.stdout
    width = max((len(name) for name in facts), default=0)
    text.write(out, [f"{name:<{width}}  {text.cell(value)}" for name, value in facts.items()])
    if runs:
        text.write(out, ["", *text.table(runs)])


def print_closing_table(report: RunReport, stream: TextIO | None = None) -> None:
    """What a run did to each table, zone by zone, and a sentence on how it ended."""
    out = stream or sys.stdout
    if report.tables:
        lines = text.aligned(_closing_cells(report.tables), (False, *[True] * 5))
        zones = {table.zone for table in report.tables}
        text.write(out, [text.coloured(line, "head", out) if line in zones else line for line in lines])
    meaning = "done" if report.published or report.status in ("filled", "dry_run") else "error"
    what = "dry run" if report.status == "dry_run" else f"run {report.run_id} {report.status}"
    how = f"{what} in {text.duration(report.seconds)}"
    text.write(out, [*([""] if report.tables else []), text.coloured(how, meaning, out)])
    text.write(out, [line for line in (_totals(report.tables), report.message) if line])


def _closing_cells(tables: Sequence[TableCount]) -> list[list[str]]:
    cells = [["table", *_COUNTED, "seconds"]]
    for zone in dict.fromkeys(table.zone for table in tables):
        cells.append([zone, *[""] * 5])
        cells += [
            [f"  {t.table}", *(text.count(getattr(t, name)) for name in _COUNTED), f"{t.seconds:.2f}"]
            for t in tables
            if t.zone == zone
        ]
    return cells


def _totals(tables: Sequence[TableCount]) -> str:
    """Source rows are those read into the first zone, each once; rows loaded are of all tables."""
    if not tables:
        return ""
    read = sum(t.read for t in tables if t.zone == tables[0].zone and _is_one_to_one(t))
    totals = {name: sum(getattr(t, name) for t in tables) for name in _COUNTED[1:]}
    return ", ".join([f"{text.count(read)} source rows", *(f"{text.count(n)} {name}" for name, n in totals.items())])


def _is_one_to_one(count: TableCount) -> bool:
    from schemas import TABLES  # noqa: PLC0415 - contracts are slow to load, and loaded where a run has been

    contract = TABLES.get(f"{count.zone}.{count.table}")
    return contract is not None and contract.one_to_one


def print_checks(checks: Sequence[Check], *, every: bool = False, stream: TextIO | None = None) -> None:
    """Failed checks first, each with its sentence; then how many passed, or with `every` each of them."""
    out = stream or sys.stdout
    bad = sorted((c for c in checks if not c.passed), key=lambda check: check.severity != "error")
    good = [check for check in checks if check.passed]
    for check in bad:
        meaning, word = ("error", "FAILED") if check.severity == "error" else ("warning", "warning")
        found = f"{check.zone} {check.name}: expected {check.expected}, found {check.actual}"
        text.write(out, [f"{text.coloured(f'{word:<7}', meaning, out)} {found}"])
        text.write(out, [f"        {check.sentence}"] if check.sentence else [])
    if every:
        passed = text.coloured("passed ", "done", out)
        text.write(out, [f"{passed} {check.zone} {check.name}: {check.actual}" for check in good])
    text.write(out, [_verdict(bad, good)])


def _verdict(bad: Sequence[Check], good: Sequence[Check]) -> str:
    errors = sum(check.severity == "error" for check in bad)
    counted = {"failed": errors, "passed with a warning": len(bad) - errors, "passed": len(good)}
    told = ", ".join(f"{n} {what}" for what, n in counted.items() if n)
    return f"{len(bad) + len(good)} checks: {told}" if told else "no checks"


def print_analysis(analysis: "Analysis", stream: TextIO | None = None) -> None:
    """The analysis on one screen or two; its whole is in the JSON."""
    out = stream or sys.stdout
    grade, expected = analysis.complexity, analysis.estimate
    pace = f"{text.duration(expected.seconds)} at {text.count(expected.rows_per_s)} rows/s"
    batches = "batch" if expected.batches == 1 else "batches"
    cut = f"{text.count(expected.batches)} {batches} of {text.count(expected.batch_rows)} lines"
    text.write(
        out,
        [
            f"layout {analysis.layout}, {text.count(analysis.rows)} rows, as of {text.cell(analysis.snapshot_at)}",
            f"estimate {pace}, {cut}",
            f"complexity {grade.grade}, {grade.score} of 100",
            *(f"- {reason}" for reason in grade.reasons),
        ],
    )
    for title, lines in _sections(analysis):
        text.write(out, ["", text.coloured(title, "head", out), *lines])


def _sections(analysis: "Analysis") -> Iterator[tuple[str, list[str]]]:
    volumes = [{"table": v.table, "read from": v.source_table, "rows": v.rows} for v in analysis.volumes]
    yield "Volumes", text.table(volumes)
    for title, parts in (("Sources", analysis.sources), ("Sportsbooks", analysis.sportsbooks)):
        listed = [
            {"name": p.name, "lines": p.rows, "%": p.pct} | {m: p.by_market.get(m, 0) for m in _markets(analysis)}
            for p in parts[:_LARGEST]
        ]
        more = [f"and {len(parts) - _LARGEST} more"] if len(parts) > _LARGEST else []
        yield title, [*text.table(listed), *more]
    dates = [{"column": f"{d.table}.{d.column}", "first": d.first, "last": d.last} for d in analysis.dates]
    yield "Dates", text.table(dates)
    quality = analysis.quality
    yield "Quality", [*_shares("grade", quality.data_quality), *_shares("score", quality.completeness_score)]
    missing = [
        {"column": f"{c.table}.{c.column}", "missing": c.missing, "%": c.missing_pct}
        for c in analysis.completeness
        if c.missing
    ]
    yield "Missing values", text.table(missing) or ["none"]
    yield "Lines", _facts(analysis.lines)
    yield "Games", _facts(analysis.games)
    yield "Recommendations", [f"- {sentence}" for sentence in analysis.recommendations] or ["none"]


def _markets(analysis: "Analysis") -> list[str]:
    return sorted({market for part in analysis.sources for market in part.by_market})


def _shares(what: str, counted: Mapping[str, int]) -> list[str]:
    return [f"{what} {name}: {text.count(rows)}" for name, rows in counted.items()]


def _facts(facts: Any) -> list[str]:
    listed = {name.replace("_", " "): getattr(facts, name) for name in facts.__dataclass_fields__}
    width = max(map(len, listed))
    return [f"{name:<{width}}  {text.cell(value):>12}" for name, value in listed.items() if value]
