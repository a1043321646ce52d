"""Commands that put our tables into a file and back: backup, restore."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli.ask import Yes, confirm
from etl.cli.door import AsJson, Config, Place, Profile, answered, place_of, settings_of

if TYPE_CHECKING:
    from etl.runner.backup import BackupOptions


def backup_options(place: Place) -> "BackupOptions":
    """What the settings say of backups, their folder made complete."""
    from etl.runner.backup import BackupOptions

    given = place.settings.backup
    folder = Path(given.dir).expanduser().absolute() if given.dir else place.home / "backups"
    return BackupOptions(given.when, folder, given.keep, given.bin_dir)


@answered
def backup(
    file: Annotated[Path | None, typer.Argument(help="Where to; default: a name of its own in the folder.")] = None,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Put all tables of etl in the target, and nothing else, into a file. Example: etl backup /backups/mlb.dump"""
    from etl.runner.backup import back_up

    place = place_of(settings_of(config, profile))
    made = back_up(place.target_url, file.expanduser().absolute() if file else None, backup_options(place))
    _show(made, as_json=as_json)


@answered
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    force: Annotated[bool, typer.Option("--force", help="Drop the tables of etl that the target holds.")] = False,
    verify: Annotated[bool, typer.Option(help="Hold what comes back against the ledger in the backup.")] = True,
    yes: Yes = False,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Put a backup into the target, whole or not at all; other tables stay. Example: etl restore /backups/mlb.dump"""
    from etl.runner.restore import restore as put_back

    place = place_of(settings_of(config, profile))
    if force:
        _ask(place, yes=yes)
    done = put_back(
        place.target_url, file.expanduser(), force=force, verify=verify, bin_dir=place.settings.backup.bin_dir
    )
    for warning in done.warnings:
        typer.echo(warning, err=True)
    _show(done, as_json=as_json)


def _ask(place: Place, *, yes: bool) -> None:
    from etl.database import redacted
    from etl.runner.restore import our_tables_in

    held = our_tables_in(place.target_url)
    if held:
        confirm(f"drop {held} tables of etl in {redacted(place.target_url)}?", yes=yes)


def _show(done: Any, *, as_json: bool) -> None:
    from dataclasses import asdict

    from etl.console import print_json, print_status

    if as_json:
        print_json(asdict(done))
    else:
        print_status({name: value for name, value in asdict(done).items() if name != "warnings"})
