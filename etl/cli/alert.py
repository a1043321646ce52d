"""--on-failure: a command of the operator's, run when one of ours ends with a code other than 0."""

import functools
import os
import signal
import subprocess
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from etl.errors import ConfigurationError, EtlError, Exit

OnFailure = Annotated[
    str | None, typer.Option("--on-failure", help="Shell command to run if this ends with a code other than 0.")
]
_STDERR = 2  # what it prints is no data of ours
_LAST: ContextVar[tuple[Any, Path] | None] = ContextVar("report of the run and its file", default=None)


def remember(report: Any, file: Path) -> None:
    """Whoever is alerted is told of this report."""
    _LAST.set((report, file))


def alerted(command: Callable[..., None]) -> Callable[..., None]:
    """A command with an option `on_failure`: what it or else the setting says is run if the command fails.

    The exit code stays the command's, whatever becomes of the alert.
    """

    @functools.wraps(command)
    def watched(*args: Any, **kwargs: Any) -> None:
        code, error = int(Exit.FAULT), None
        _LAST.set(None)
        try:
            command(*args, **kwargs)
            code = 0
        except typer.Exit as ended:
            code, error = ended.exit_code, ended.__cause__
            raise
        finally:
            if code:
                _alert(kwargs, code, error)

    return watched


def _alert(given: dict[str, Any], code: int, error: BaseException | None) -> None:
    script, timeout_s = _wanted(given)
    if not script:
        return
    from etl.passwords import child_environment

    child = subprocess.Popen(  # noqa: S602 - the operator's own command line
        script, shell=True, stdin=subprocess.DEVNULL, stdout=_STDERR, start_new_session=True,
        env=child_environment() | _facts(code, error),
    )  # fmt: skip
    try:
        ended = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        typer.echo(f"warning: the command of --on-failure was stopped after {timeout_s:g} s", err=True)
    else:
        if ended:
            typer.echo(f"warning: the command of --on-failure ended with code {ended}", err=True)


def _wanted(given: dict[str, Any]) -> tuple[str, float]:
    """The command and its time; of the option alone where the settings themselves are what is wrong."""
    from etl.cli.door import settings_of

    try:
        settings = settings_of(given.get("config"), given.get("profile")).run
    except ConfigurationError:
        return given.get("on_failure") or "", 60.0
    return given.get("on_failure") or settings.on_failure, settings.on_failure_timeout_s


def _facts(code: int, error: BaseException | None) -> dict[str, str]:
    """What the command is told. NOTE: no name begins with ETL_, for that would be a setting to an etl that it calls."""
    report, file = _LAST.get() or (None, "")
    return {
        "FAILED_EXIT_CODE": str(code),
        "FAILED_RUN_ID": str(report.run_id) if report else "",
        "FAILED_STATUS": report.status if report else "",
        "FAILED_REPORT": str(file),
        "FAILED_MESSAGE": error.message if isinstance(error, EtlError) else "",
        "FAILED_NEXT_STEP": error.next_step if isinstance(error, EtlError) else "",
    }
