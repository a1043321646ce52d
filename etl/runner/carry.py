"""The batches of a replay that read nothing: what it does not do again goes from load to load inside the database."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from etl.database import Connection, literal
from etl.events import Notice
from etl.load import ledger, standing
from etl.load.carry import REMADE, Counts, Cut, carry_rows, carry_sightings, carry_whole
from etl.runner import finish
from etl.runner.context import Context, Tally
from etl.runner.retry import patiently
from schemas import Table, tables_of

STRAYS = "no_market"
Work = Callable[[Connection], Counts]


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger says of the loads that are carried on: the run that wrote each, and its tallies."""

    wrote: Mapping[str, int]
    tallies: Mapping[int, Mapping[str, Tally]]

    def counts(self, table: Table) -> Counts:
        """The tally of a table, by name."""
        tally = self.tallies[self.wrote[table.full_name]].get(table.full_name, Tally())
        return {name: int(value) for name, value in asdict(tally).items()}


def read_told(connection: Connection, published: Mapping[str, int]) -> Told:
    """What the ledger says of the published loads."""
    return Told(published, {run: finish.tally_run(connection, run) for run in sorted(set(published.values()))})


def carry_raw(context: Context, cut: Cut, told: Told, *, left: str, first_batch: int) -> int:
    """All rows and rejects of the raw zone, but the rejects that keep `left`, are in the new loads, a batch a table.

    Returns:
        The number of the next batch.
    """
    tables = tables_of("raw_data")

    def one(number: int) -> None:
        batch_id = first_batch + number
        if number == len(tables):
            _strays(context, batch_id, told.wrote[tables[0].full_name])
            return
        table = tables[number]

        def work(connection: Connection) -> Counts:
            wrote = told.wrote[table.full_name]
            return carry_whole(
                connection, table, cut, batch_id=batch_id, left=left, wrote=wrote, told=told.counts(table)
            )

        _commit(context, batch_id, table, work)

    list(context.executor.map(one, range(len(tables) + 1)))
    return first_batch + len(tables) + 1


def carry_games(context: Context, cut: Cut, told: Told, *, zones: Sequence[str], first_batch: int) -> None:
    """All rows and rejects of the games that are not done again are in the new loads, a batch a table."""
    tables = [table for zone in zones for table in tables_of(zone) if table.full_name not in REMADE]

    def one(number: int) -> None:
        batch_id, table = first_batch + number, tables[number]

        def work(connection: Connection) -> Counts:
            wrote = told.wrote[table.full_name]
            return carry_rows(connection, table, cut, batch_id=batch_id, wrote=wrote, told=told.counts(table))

        _commit(context, batch_id, table, work)

    list(context.executor.map(one, range(len(tables))))


def _strays(context: Context, batch_id: int, wrote: int) -> None:
    """Lines of no market stay rejects: which market they are of is the layout's word on the legacy."""
    mine = f"s.run_id = {wrote} and j.zone = 'raw_data' and j.table_name = {literal(STRAYS)}"

    def work(connection: Connection) -> Counts:
        return {"rejected": carry_sightings(connection, context.run_id, batch_id, mine)}

    _commit(context, batch_id, None, work)


def _commit(context: Context, batch_id: int, table: Table | None, work: Work) -> None:
    """Do a batch inside the database and commit it with its ledger row, once, again after a transient fault."""

    def attempt() -> None:
        began = time.perf_counter()
        with context.pool.transaction() as connection:
            # NOTE: a session that is lost while it commits leaves open whether it did.
            if standing.is_in(connection, context.run_id, batch_id):
                return
            counts = work(connection)
            seconds = time.perf_counter() - began
            ledger.enter_batch(connection, _entry(context, batch_id, table, counts, seconds))
            ledger.enter_attempt(connection, context.run_id, batch_id, outcome="committed", error=None, seconds=seconds)
            context.lock.ensure()
            ledger.fence(connection, context.run_id, context.holder)

    def told(text: str) -> None:
        context.observer.emit(Notice(f"batch {batch_id}: {text}", "warning"))

    patiently(attempt, context.request.retry, told=told, stop=context.stop)


def _entry(context: Context, batch_id: int, table: Table | None, counts: Counts, seconds: float) -> ledger.BatchEntry:
    is_first = table is not None and table.zone == context.request.zones[0] and table.one_to_one
    return ledger.BatchEntry(
        run_id=context.run_id,
        batch_id=batch_id,
        first_key=None,
        last_key=None,
        read_rows=counts["read"] if is_first else 0,
        loaded_rows=counts.get("loaded", 0),
        rejected_rows=counts["rejected"],
        collapsed_rows=counts.get("collapsed", 0),
        counts={table.full_name: {**counts, "seconds": seconds}} if table else {},
    )
