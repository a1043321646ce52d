"""`etl run --dry-run`: what a run would do, shown and stored, and the exit code that it would end with."""

from typing import TYPE_CHECKING

import typer

from etl.cli.door import Place, fail

if TYPE_CHECKING:
    from etl.runner import RunRequest


def dry_run(request: "RunRequest", place: Place, *, as_json: bool) -> None:
    """Do everything of a run but its writing."""
    import sys

    from etl.cli.running import log_level
    from etl.console import ConsoleObserver, print_json
    from etl.console.dry import print_dry_run
    from etl.report import to_json, write_atomically
    from etl.runner.dry import dry_run as tried

    with ConsoleObserver(sys.stderr, level=log_level()) as observer:
        outcome = tried(request, observer)
    path = place.reports / "dry_run.json"
    write_atomically(path, to_json(outcome.report.as_dict()))
    if as_json:
        print_json(outcome.report.as_dict())
    else:
        print_dry_run(outcome.report)
    typer.echo(f"report: {path}", err=True)
    if outcome.error is not None:
        fail(outcome.error)
