"""Go on with a run: verify what is in against what the source holds today, take out what has changed, plan the rest.

A new run goes the same way and finds nothing in. So does a run that loses its snapshot halfway.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from etl import database
from etl.database import Connection
from etl.errors import ResumeRefused
from etl.events import Notice
from etl.extract.layout import REFERENCE_TABLES
from etl.extract.legacy import LegacySource
from etl.extract.plan import Batch
from etl.extract.replan import from_plain, plan_rest, to_plain
from etl.load import ledger, seal, standing
from etl.load.rejects import is_replay
from etl.load.standing import StoredBatch, StoredRun
from etl.rowhash import Fold
from etl.runner.basis import entered_basis
from etl.runner.context import Context, Parcel, RunRequest
from etl.runner.facts import require_same
from etl.runner.rawzone import take_strays

_RAW = "raw_data"
_CLOSED = {
    "filled": "is filled and only has to be published",
    "published": "is published: there is nothing left to do",
    "dry_run": "was a dry run, which writes nothing",
}


@dataclass(frozen=True, slots=True)
class Stock:
    """What of a run is in and still as its source has it.

    Attributes:
        done: numbers of those batches; 0 is the reference tables.
        batches: the plan, whether done or not; None where there is none yet, or where it no longer holds.
        redone: why a batch that was in is to be done again, by its number.
    """

    done: frozenset[int] = frozenset()
    batches: tuple[Batch, ...] | None = None
    redone: Mapping[int, str] = field(default_factory=dict)


def find_run(target_url: str, run_id: int) -> StoredRun:
    """A run that can be gone on with.

    Raises:
        ConfigurationError: there is none of that number.
        ResumeRefused: it has come to its end.
    """
    with database.session(target_url, autocommit=True) as connection:
        return _open_run(connection, run_id)


def _open_run(connection: Connection, run_id: int) -> StoredRun:
    stored = standing.stored_run(connection, run_id)
    if stored.status in _CLOSED:
        step = f"etl publish {run_id}" if stored.status == "filled" else "etl run"
        raise ResumeRefused(f"run {run_id} {_CLOSED[stored.status]}", next_step=step)
    if stored.is_replay:
        raise ResumeRefused(f"run {run_id} put rejects back: that is begun anew", next_step="etl rejects replay")
    if is_replay(connection, run_id):
        raise ResumeRefused(
            f"run {run_id} put rejects back, which is begun anew, not gone on with", next_step="etl rejects replay"
        )
    return stored


def reopen(connection: Connection, request: RunRequest, run_id: int, *, holder: tuple[str, int]) -> None:
    """The run is running again, under the lock that this process holds.

    Raises:
        ResumeRefused: the request is not for that very run; every difference is named. Nothing was changed.
    """
    stored = _open_run(connection, run_id)
    require_same(stored, request, entered_basis(connection, run_id))
    standing.has_loads(connection, run_id, request.tables())
    _require_same_zone(connection, request, run_id)
    standing.reopen_run(connection, run_id, host=holder[0], pid=holder[1])


def _require_same_zone(connection: Connection, request: RunRequest, run_id: int) -> None:
    """A run that reads from a zone reads what it read before: loads never change, but readers may be elsewhere."""
    if request.zones[0] == _RAW:
        return
    zone = _RAW if request.zones[0] == "staging" else "staging"
    then, today = standing.published_when(connection, run_id) or {}, ledger.current_map(connection)
    moved = [
        f"{name}: load {then.get(name, 'unknown')}, now {today.get(name, 'none')}"
        for name in sorted({*then, *today})
        if name.startswith(f"{zone}.") and then.get(name) != today.get(name)
    ]
    if moved:
        raise ResumeRefused(
            f"run {run_id} cannot be gone on with: it reads zone {zone}, which was switched since ({'; '.join(moved)})",
            next_step=f"etl run --phase {','.join(phase for phase in request.phases)}",
        )


def take_stock(context: Context) -> Stock:
    """What is in stays only if it is what the source holds under today's snapshot; the rest is out again."""
    tables = context.request.tables()
    with context.pool.lend() as connection:
        known = standing.committed(connection, context.run_id)
        plan = standing.stored_plan(connection, context.run_id)
        if not standing.has_loads(connection, context.run_id, tables):
            ledger.create_loads(connection, context.run_id, tables)
    batches = None if plan is None else from_plain(plan)
    stock = _verified(context, known, batches)
    out = sorted(set(known) - stock.done)
    if out:
        with context.pool.lend() as connection:
            seal.unseal(connection, tables, context.run_id)
            if stock.done:
                standing.take_out(connection, context.run_id, out, tables)
            else:
                standing.empty(connection, context.run_id, tables)
    return stock


def _verified(context: Context, known: Mapping[int, StoredBatch], batches: Sequence[Batch] | None) -> Stock:
    if not known:
        return Stock()
    if not isinstance(context.source, LegacySource):
        return Stock(frozenset(known), None if batches is None else tuple(batches))
    why = _changes(context, context.source, known, batches or ())
    if 0 in why and context.request.zones != (_RAW,):
        # Games may be others now, and every line beyond raw_data depends on its game.
        _tell(context, f"the reference tables have changed ({why[0]}): everything is done again", level="warning")
        return Stock(redone=dict.fromkeys(known, why[0]))
    for number, reason in sorted(why.items()):
        _tell(context, f"batch {number} is done again: {reason}", level="warning")
    _tell(context, f"{len(known) - len(why)} of {len(known)} batches are in and as the source has them")
    return Stock(frozenset(set(known) - set(why)), None if batches is None else tuple(batches), why)


def _changes(
    context: Context, source: LegacySource, known: Mapping[int, StoredBatch], batches: Sequence[Batch]
) -> dict[int, str]:
    """Why batches that are in are not what the source holds today, by their number."""
    predicates: dict[int, Mapping[str, str]] = {0: dict.fromkeys(REFERENCE_TABLES, "true")}
    predicates |= {batch.batch_id: batch.predicate for batch in batches}
    asked = [
        (known[number], table, predicate)
        for number, by_table in predicates.items()
        if number in known
        for table, predicate in by_table.items()
    ]
    if any(_stored_sum(batch, table) is None for batch, table, _ in asked):
        _tell(context, "without checksums, what is in is compared by its count only", level="warning")
    found = list(context.executor.map(lambda one: _change(source, *one), asked))
    why = {batch.batch_id: reason for (batch, _, _), reason in zip(asked, found, strict=True) if reason}
    strangers = dict.fromkeys(set(known) - set(predicates), "its plan is not known")
    strays = _stray_change(context, source) if 0 in known and 0 not in why else ""
    return why | strangers | ({0: strays} if strays else {})


def _change(source: LegacySource, batch: StoredBatch, table: str, predicate: str) -> str:
    """In what a table's part of a batch is not as the source has it; empty where it is."""
    then = _stored_sum(batch, table)
    if then is None:
        read = batch.read_rows.get(f"{_RAW}.{table}", 0)
        ((rows,),) = source.snapshot.rows(source.tables[table].count(predicate))
        return "" if rows == read else f"{table} had {read} rows, has {rows}"
    if list(source.tables[table].texts) != list(then["texts"]):
        return f"{table} has columns of other types"
    # Summed in the way that it was summed then, whatever the servers have agreed on today.
    rows, total = replace(source, fold=Fold(then["fold"])).checksum(table, predicate)
    if rows != then["rows"]:
        return f"{table} had {then['rows']} rows, has {rows}"
    return "" if total == then["sum"] else f"{table} has {rows} rows as before, and other values"


def _stored_sum(batch: StoredBatch, table: str) -> Mapping[str, Any] | None:
    return (batch.checksums or {}).get(f"{_RAW}.{table}")


def _stray_change(context: Context, source: LegacySource) -> str:
    """Lines of no market belong to batch 0, as rejects."""
    parcel = Parcel(context.run_id, 0)
    take_strays(context, source, parcel)
    today = pl.concat(parcel.rejects)["reject_key"].to_list() if parcel.rejects else []
    with context.pool.lend() as connection:
        found = database.rows(
            connection,
            f"select reject_key, copies from {ledger.refused(context.run_id, 'batch_id = 0 and rule = ' + _STRAY)}",
        )
    then = [key for key, copies in found for _ in range(copies)]
    return "" if sorted(then) == sorted(today) else f"{len(then)} lines had no known market, {len(today)} have none"


_STRAY = database.literal("market_known")


def complete_plan(context: Context, stock: Stock, planned: Callable[[], list[Batch]]) -> list[Batch]:
    """All batches of the run, done or not, kept in the ledger: as planned before, and what came to the source since.

    Args:
        context: the run.
        stock: what is in.
        planned: plans the whole source anew.
    """
    if stock.batches is None:
        batches = planned()
    elif isinstance(context.source, LegacySource):
        first = 1 + max((batch.batch_id for batch in stock.batches), default=0)
        rest = plan_rest(context.source, stock.batches, batch_rows=context.request.batch_rows, first_batch=first)
        batches = [*stock.batches, *rest]
        if rest:
            _tell(context, f"{sum(batch.expected_rows for batch in rest)} lines came to the source since")
    else:
        batches = list(stock.batches)
    with context.pool.lend() as connection:
        standing.store_plan(connection, context.run_id, to_plain(batches))
        if stock.done and any(batch.batch_id not in stock.done for batch in batches):
            # A run that was stopped late has its keys already, which rows of one batch would break on their way in.
            seal.unseal(connection, context.request.tables(), context.run_id)
    return batches


def _tell(context: Context, message: str, *, level: str = "info") -> None:
    context.observer.emit(Notice(message, level))
