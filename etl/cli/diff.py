"""The command that compares loads: diff."""

from typing import Annotated

import typer

from etl.cli.door import AsJson, Config, Profile, answered, place_of, settings_of


@answered
def diff(
    run_id: Annotated[
        int | None, typer.Argument(help="A run; default: the newest that is filled, else the published one.")
    ] = None,
    against: Annotated[
        int | None, typer.Option("--against", help="A run; default: what readers see, or saw before it.")
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this table (zone.table or its name); again for more.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Examples for each table.")] = 5,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Rows that a run adds, removes and changes, by table, with examples. Example: etl diff 12 --table moneylines"""
    from etl.console import print_json
    from etl.console.diff import print_diff
    from etl.runner.diff import diff as compared

    place = place_of(settings_of(config, profile), start=False)
    found = compared(place.target_url, run_id, against, tables=tuple(table or ()), limit=limit)
    if as_json:
        print_json(found.as_dict())
    else:
        print_diff(found)
