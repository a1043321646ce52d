"""What a dry run prints: the table of a run, what it would refuse and why, and what would stop it."""

import sys
from typing import TextIO

from etl.console import text
from etl.console.pages import print_checks, print_closing_table
from etl.report import RunReport, failed

_WIDEST = 60  # characters of an example that are shown; the JSON has the whole row


def print_dry_run(report: RunReport, stream: TextIO | None = None) -> None:
    """The outcome of a dry run."""
    out = stream or sys.stdout
    rejects = report.details.get("rejects", [])
    if rejects:
        text.write(out, [text.coloured("Would be refused", "head", out)])
        text.write(out, text.table(rejects, ("table", "rule", "rows", "reason")))
        text.write(out, ["", text.coloured("For example", "head", out)])
        for reject in rejects:
            text.write(out, [f"{reject['table']} {reject['rule']}: {_origins(reject['examples'])}"])
        text.write(out, [""])
    print_closing_table(report, stream)
    if failed(report.checks):
        print_checks(report.checks, stream=stream)


def _origins(examples: list[dict[str, str]]) -> str:
    named = "; ".join(f"{e['source_table']} {e['source_id'] or 'without an id'}" for e in examples)
    return named if len(named) <= 2 * _WIDEST else f"{named[: 2 * _WIDEST - 3]}..."
