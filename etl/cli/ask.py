"""Questions to people: asked only where there are any, on a terminal, and never with --yes."""

import sys
from typing import Annotated

import typer

from etl.errors import Exit

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Nobody is asked without a terminal.")]


def confirm(question: str, *, yes: bool) -> None:
    """Go on only where the answer is yes, nobody can be asked, or `yes` has said it; otherwise leave with code 130."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(Exit.INTERRUPTED)
