"""Staging and curated of a replay: the affected games by the ordinary path, all others carried on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from etl import database
from etl.errors import ContractBroken
from etl.events import Notice
from etl.extract.zone import ZoneSource, open_zone
from etl.load import ledger
from etl.load.carry import Cut
from etl.runner.batches import commit_batch
from etl.runner.carry import carry_games, read_told
from etl.runner.context import Context, Reference
from etl.runner.fill import do_batches, plan_batches
from etl.runner.reference import make_reference
from etl.runner.rejects import met_by
from etl.runner.replay_scope import Change, canonical, find_change, judged_games, plan_chosen, reference_change

if TYPE_CHECKING:
    from etl.runner.replay import Task

_STAMP = "config_hash"


def refill_games(context: Context, task: "Task", first_batch: int) -> dict[str, Any]:
    """All rows of staging and curated are in; return which games were done again and why.

    Args:
        context: with the raw zone as the replay leaves it for a source, and the phases after it.
        task: the replay.
        first_batch: number of the first batch that is free, besides 0.
    """
    made: list[Reference] = []
    commit_batch(context, 0, lambda parcel: made.append(make_reference(context, parcel)))
    reference, source = made[-1], _zone(context)
    with context.pool.lend() as connection:
        change = find_change(connection, task.published, context.request.zones, context.request.params)
    published = ledger.relations(task.published)
    whole = change.whole or reference_change(reference, open_zone(source.snapshot, "staging", published))
    if whole:
        scope = _scope(len(reference.games), len(reference.games), whole, change)
        _tell(context, scope)
        planned = plan_batches(context, reference)
        batches = [replace(batch, batch_id=first_batch + number) for number, batch in enumerate(planned)]
        do_batches(context, reference, batches)
        return scope
    games = _touched(context, task, reference, change)
    scope = _scope(len(reference.games), len(games), (), change)
    _tell(context, scope)
    size = context.request.batch_rows
    batches = plan_chosen(source, reference.game_map, games, batch_rows=size, first_batch=first_batch)
    do_batches(context, _only(reference, games), batches)
    cut = Cut(context.run_id, published, games, {_STAMP: context.request.params.curated.config_hash})
    with context.pool.lend() as connection:
        told = read_told(connection, task.published)
    carry_games(context, cut, told, zones=context.request.zones, first_batch=first_batch + len(batches))
    return scope


def _zone(context: Context) -> ZoneSource:
    if isinstance(context.source, ZoneSource):
        return context.source
    raise ContractBroken("a replay reads a zone of the target", next_step="please report this")


def _touched(context: Context, task: "Task", reference: Reference, change: Change) -> tuple[int, ...]:
    """Canonical games of the chosen rejects, of raw rows put back, and of lines that changed bounds judge otherwise."""
    # A canonical id is a legacy id too, the smallest of its game's: so both kinds of rejects name a legacy game.
    named = (
        "select distinct (row->>'game_id')::int from audit.rejects join audit.sightings using (reject_key) "
        f"where {task.chosen} and {met_by(task.base)} and row->>'game_id' is not null"
    )
    with context.pool.lend() as connection:
        games = {int(game) for (game,) in database.rows(connection, named)}
    judged = judged_games(_zone(context), change, context.request.params.staging.bounds)
    return canonical(games | judged | task.put_back.games(), reference.game_map)


def _only(reference: Reference, games: Sequence[int]) -> Reference:
    """The reference with the chosen games as the ones to write; lookups and form still know all games."""
    chosen = pl.Series(games, dtype=pl.Int32).implode()
    return replace(reference, games=reference.games.filter(pl.col("game_id").is_in(chosen)))


def _scope(total: int, again: int, whole: Sequence[str], change: Change) -> dict[str, Any]:
    return {
        "games": total, "done_again": again, "carried": total - again,
        "all_because": list(whole), "changed_bounds": list(change.bounds),
    }  # fmt: skip


def _tell(context: Context, scope: Mapping[str, Any]) -> None:
    if scope["all_because"]:
        text = f"all {scope['games']} games are done again: {'; '.join(scope['all_because'])}"
    else:
        text = f"{scope['done_again']} games are done again, {scope['carried']} are carried on as they are"
    context.observer.emit(Notice(text))
