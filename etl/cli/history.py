"""Commands on what was loaded before: history, show, pin, prune."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli.ask import Yes, confirm
from etl.cli.door import AsJson, Config, Profile, answered, place_of, settings_of

if TYPE_CHECKING:
    from etl.load.retention import Plan, Pruned

RunId = Annotated[int, typer.Argument(help="Number of the run; etl history lists them.")]


@answered
def history(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Runs that are shown, the newest.")] = 20,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Every run: how it ended, its rows, who sees it, and what it takes on disk. Example: etl history --limit 5"""
    from etl.console import print_json
    from etl.console.history import print_history
    from etl.runner.history import history as found

    place = place_of(settings_of(config, profile), start=False)
    runs = found(place.target_url, limit=limit)
    if as_json:
        print_json(runs)
    elif runs:
        print_history(runs)
    else:
        typer.echo("nothing was ever loaded into this target: etl run", err=True)


@answered
def show(run_id: RunId, as_json: AsJson = False, config: Config = None, profile: Profile = None) -> None:
    """One run: tables, batches, failures, checks, rejects, and what can be done with it now. Example: etl show 12"""
    from etl.console import print_json
    from etl.console.history import print_run
    from etl.runner.history import show as found

    place = place_of(settings_of(config, profile), start=False)
    told = found(place.target_url, run_id)
    if as_json:
        print_json(told)
    else:
        print_run(told)


@answered
def pin(
    run_id: RunId,
    off: Annotated[bool, typer.Option("--off", help="No longer: its loads are like any other's.")] = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Keep the loads of a run, and those it was published with, whatever is pruned. Example: etl pin 12"""
    from etl.console.text import size
    from etl.runner.retain import pin_run

    place = place_of(settings_of(config, profile), start=False)
    tables, size_bytes = pin_run(place.target_url, run_id, on=not off)
    state = "no longer pinned" if off else "pinned"
    typer.echo(f"run {run_id} is {state}: {tables} loads of its own, {size(size_bytes)}", err=True)


@answered
def prune(
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, help="Earlier publications to keep; default: run.keep_publications.")
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also loads of runs newer than the last publication.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be dropped and kept.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Drop loads that nobody needs, and say why the others are kept. Example: etl prune --keep 1 --dry-run"""
    from etl.console.history import print_plan, print_pruned
    from etl.console.text import size
    from etl.runner.retain import plan_prune, prune_target

    settings = settings_of(config, profile)
    place = place_of(settings, start=False)
    kept = settings.run.keep_publications if keep is None else keep
    planned = plan_prune(place.target_url, keep=kept, unfinished=unfinished)
    if dry_run:
        _print(planned, print_plan, as_json=as_json)
        return
    if planned.stale:
        room = size(sum(load.size_bytes for load in planned.stale))
        confirm(f"drop {len(planned.stale)} loads, {room}, for good?", yes=yes)
    _print(prune_target(place.target_url, keep=kept, unfinished=unfinished), print_pruned, as_json=as_json)


def _print(outcome: "Plan | Pruned", show_it: Any, *, as_json: bool) -> None:
    from dataclasses import asdict

    from etl.console import print_json

    if as_json:
        print_json(asdict(outcome))
    else:
        show_it(outcome)
