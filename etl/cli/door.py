"""What every command does first: settings, the place of both databases, and errors with a documented exit code."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from etl.errors import EtlError, Exit

TERMINATED = 143

Config = Annotated[Path | None, typer.Option("--config", help="TOML file that overrides the shipped settings.")]
Profile = Annotated[str | None, typer.Option("--profile", help="Name of a table under `profiles` in the settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON on stdout.")]
ReportDir = Annotated[Path | None, typer.Option("--report-dir", help="Folder for reports; default: below ETL_HOME.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an invocation works: settings, both complete DSNs, home and report folder."""

    settings: Any
    home: Path
    legacy_url: str
    target_url: str
    reports: Path


@contextmanager
def errors_are_answers() -> Iterator[None]:
    """Turn what goes wrong into a message and a documented exit code; no traceback for anything a user can mend."""
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except EtlError as error:
        fail(error)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read our output has gone away; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.FAULT) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def fail(error: EtlError) -> None:
    """Show an error and leave with its exit code."""
    from etl.console import print_error

    print_error(error)
    terminated = error.exit_code == Exit.INTERRUPTED and _Stopped.by_term
    raise typer.Exit(TERMINATED if terminated else error.exit_code) from error


class _Stopped:
    by_term = False


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    _Stopped.by_term = True
    raise KeyboardInterrupt


def settings_of(config: Path | None, profile: str | None, **overrides: Any) -> Any:
    """The settings of this invocation; `overrides` by section win over everything."""
    from etl.settings import load_settings

    return load_settings(config=config, profile=profile, overrides=overrides)


def home_of(settings: Any) -> Path:
    """The folder of the embedded server, reports and truth files."""
    from etl import server

    is_root = getattr(os, "geteuid", lambda: 1)() == 0
    return Path(settings.home).expanduser().absolute() if settings.home else server.default_home(is_root=is_root)


def place_of(settings: Any, *, report_dir: Path | None = None, start: bool = True) -> Place:
    """Where to work; the embedded server is started where no DSN is given and `start` allows it."""
    from etl.passwords import with_password

    home = home_of(settings)
    if settings.is_embedded:
        legacy, target = _embedded(settings, home) if start else _embedded_urls(home)
    else:
        legacy, target = with_password(settings.legacy.url), with_password(settings.target.url)
    folder = report_dir or (Path(settings.run.report_dir) if settings.run.report_dir else home / "reports")
    return Place(settings, home, legacy, target, folder)


def _embedded(settings: Any, home: Path) -> tuple[str, str]:
    from etl import server

    running = server.ensure_running(home, options=server.ServerOptions(**settings.server.model_dump()))
    if running.started:
        typer.echo(f"started PostgreSQL {running.version} in {running.data_dir} (etl db stop ends it)", err=True)
    return running.legacy_url, running.target_url


def _embedded_urls(home: Path) -> tuple[str, str]:
    from etl import server

    running = server.require_running(home)
    return running.legacy_url, running.target_url


def ensure_sample(place: Place) -> None:
    """The embedded legacy database holds something: the sample, created and announced if there was nothing."""
    from etl import sample

    layout = place.settings.legacy.layout
    if not place.settings.is_embedded or sample.sample_exists(place.legacy_url, layout):
        return
    typer.echo("no legacy database was given: creating the sample (etl sample create --help)", err=True)
    counts = sample.create_sample(
        place.legacy_url, options=sample.SampleOptions(layout=layout), truth_dir=place.home / "sample-truth"
    )
    lines = counts.moneylines + counts.spreads + counts.totals
    typer.echo(f"sample created: {counts.games:,} games, {lines:,} lines, layout {layout}", err=True)


def answered(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are answers; see :func:`errors_are_answers`."""
    import functools

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        with errors_are_answers():
            command(*args, **kwargs)

    return guarded
