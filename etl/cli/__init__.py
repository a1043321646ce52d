"""The command line: parses, calls one function, renders, and exits with a documented code."""

import typer

from etl.cli import backup, databases, diff, doctor, history, looking, rejects, running, switching

app = typer.Typer(
    name="etl",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Migrate MLB betting lines from a legacy schema into raw, staging and curated zones. Begin with: etl run",
)
app.command(epilog=running.EXAMPLES)(running.run)
app.command()(running.retry)
app.command()(running.analyze)
app.command()(doctor.doctor)
app.command()(looking.validate)
app.command()(looking.status)
app.command()(switching.publish)
app.command()(switching.rollback)
app.command()(history.history)
app.command()(history.show)
app.command()(diff.diff)
app.command()(history.pin)
app.command()(history.prune)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(rejects.rejects, name="rejects")
app.add_typer(databases.sample, name="sample")
app.add_typer(databases.db, name="db")


def main() -> None:
    """Entry point of the program `etl`."""
    app()
