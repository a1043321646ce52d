"""Commands for the embedded server and the sample: etl db …, etl sample …"""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from etl.cli.door import AsJson, Config, Profile, answered, home_of, place_of, settings_of
from etl.errors import ConfigurationError

db = typer.Typer(no_args_is_help=True, help="The embedded PostgreSQL: start, stop, status, uri, shell.")
sample = typer.Typer(no_args_is_help=True, help="The sample legacy database.")
Database = Annotated[str, typer.Argument(help="legacy or target.")]


@db.command()
@answered
def start(config: Config = None, profile: Profile = None) -> None:
    """Start the embedded server, and make it if there is none. Example: etl db start"""
    place_of(_embedded_settings(config, profile))


@db.command()
@answered
def stop(config: Config = None, profile: Profile = None) -> None:
    """Stop the embedded server; its data stay. Example: etl db stop"""
    from etl import server

    stopped = server.stop(home_of(settings_of(config, profile)))
    typer.echo("stopped" if stopped else "it was not running", err=True)


@db.command("status")
@answered
def db_status(as_json: AsJson = False, config: Config = None, profile: Profile = None) -> None:
    """Whether the embedded server runs, and where its data are. Example: etl db status --json"""
    from dataclasses import asdict

    from etl import server
    from etl.console import print_json, print_status

    facts = asdict(server.status(home_of(settings_of(config, profile))))
    if as_json:
        print_json(facts)
    else:
        print_status(facts)


@db.command()
@answered
def uri(database: Database = "target", config: Config = None, profile: Profile = None) -> None:
    """Print the DSN of one of the embedded databases. Example: etl db uri legacy"""
    from etl import server

    typer.echo(server.url(home_of(settings_of(config, profile)), _known(database)))


@db.command()
@answered
def shell(database: Database = "target", config: Config = None, profile: Profile = None) -> None:
    """Open psql on one of the embedded databases. Example: etl db shell target"""
    from etl import server

    place = place_of(_embedded_settings(config, profile))
    program = server.client_program("psql")
    code = subprocess.run([program, server.url(place.home, _known(database))], check=False).returncode  # noqa: S603
    raise typer.Exit(code)


@sample.command()
@answered
def create(
    scale: Annotated[float, typer.Option(help="1 is 1,687 games and 21,102 lines.")] = 1.0,
    layout: Annotated[str | None, typer.Option(help="unified or core_betting; default: as configured.")] = None,
    dirty: Annotated[float, typer.Option(help="Share of lines with a known fault (percent).")] = 2.0,
    dense: Annotated[bool, typer.Option("--dense", help="Four or more books in all markets for every game.")] = False,
    seed: Annotated[int | None, typer.Option(help="Same seed, same rows.")] = None,
    truth_dir: Annotated[
        Path | None, typer.Option(help="Folder for the truth behind it; default: in ETL_HOME.")
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Create the sample legacy database where there is none. Example: etl sample create --scale 50 --layout unified"""
    from dataclasses import asdict

    from etl import sample as generator
    from etl.console import print_json, print_status

    settings = settings_of(config, profile)
    place = place_of(settings)
    options = generator.SampleOptions(
        scale=scale, layout=layout or settings.legacy.layout, dirty_pct=dirty, dense=dense,
        **({} if seed is None else {"seed": seed}),
    )  # fmt: skip
    counts = generator.create_sample(
        place.legacy_url, options=options, truth_dir=truth_dir or place.home / "sample-truth"
    )
    if as_json:
        print_json(asdict(counts))
    else:
        print_status(asdict(counts))


def _embedded_settings(config: Path | None, profile: str | None) -> object:
    settings = settings_of(config, profile)
    if not settings.is_embedded:
        raise ConfigurationError(
            "ETL_LEGACY_URL and ETL_TARGET_URL are set: the embedded server is not used",
            next_step="unset them, or open your own server with psql",
        )
    return settings


def _known(database: str) -> str:
    if database not in ("legacy", "target"):
        raise ConfigurationError(
            f"unknown database {database!r}: expected legacy or target", next_step="etl db uri target"
        )
    return database
