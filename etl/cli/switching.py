"""Commands that switch readers and move nothing: publish, rollback."""

from typing import Annotated, Any

import typer

from etl.cli.ask import Yes, confirm
from etl.cli.door import Config, Profile, answered, place_of, settings_of
from etl.cli.running import publish_options


@answered
def publish(
    run_id: Annotated[int, typer.Argument(help="A run that is filled but not published.")],
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Switch readers to a run that was filled and proved but not published. Example: etl publish 12"""
    from etl.runner.switch import publish_filled

    place = place_of(settings_of(config, profile), start=False)
    done = publish_filled(place.target_url, run_id, options=publish_options(place.settings))
    _say_switch(done)
    typer.echo(f"run {run_id} is published; readers were held up for {1000 * done.seconds:.0f} ms", err=True)
    for notice in done.notices:
        typer.echo(notice, err=True)


@answered
def rollback(
    to: Annotated[int | None, typer.Option("--to", help="Run whose publication is reinstated.")] = None,
    yes: Yes = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Switch readers back to the publication before, or to that of a run. Example: etl rollback --to 11"""
    from etl.runner.switch import plan_rollback, roll_back

    place = place_of(settings_of(config, profile), start=False)
    planned = plan_rollback(place.target_url, to)
    _say_switch(planned)
    confirm(f"give readers the publication of run {planned.run_id} again?", yes=yes)
    # The run is named, so that nothing else is reinstated than what was asked about.
    done = roll_back(place.target_url, planned.run_id, options=publish_options(place.settings))
    held_up = f"readers were held up for {1000 * done.seconds:.0f} ms"
    typer.echo(f"readers see the publication of run {done.run_id} again; {held_up}", err=True)


def _say_switch(switch: Any) -> None:
    """From what to what, zone by zone."""
    for zone, before, after in switch.zones():
        typer.echo(f"{zone:<8}  {before} -> {after}" if before != after else f"{zone:<8}  {before}, stays", err=True)
