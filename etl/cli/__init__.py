"""The command line: parses, calls one function, renders, and exits with a documented code."""

import typer

from etl.cli import databases, looking, running

app = typer.Typer(
    name="etl",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Migrate MLB betting lines from a legacy schema into raw, staging and curated zones. Begin with: etl run",
)
app.command(epilog=running.EXAMPLES)(running.run)
app.command()(running.analyze)
app.command()(looking.validate)
app.command()(looking.status)
app.command()(running.publish)
app.command()(running.rollback)
app.add_typer(databases.sample, name="sample")
app.add_typer(databases.db, name="db")


def main() -> None:
    """Entry point of the program `etl`."""
    app()
