"""Fill the loads of a run: read its source under one snapshot, batch by batch, and go on where an earlier try ended."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from etl import database
from etl.analyze import Analysis, analyze
from etl.check.reconcile import source_check
from etl.database import Pool
from etl.errors import DatabaseBusy, EtlError
from etl.events import Notice, Observer, PhaseFinished, PhaseStarted
from etl.extract.legacy import LegacySource, open_legacy
from etl.extract.plan import Batch
from etl.extract.snapshot import Snapshot, open_snapshot
from etl.extract.source import Source, plan_by_game, plan_by_line, total_lines
from etl.extract.zone import open_zone
from etl.load import ledger
from etl.load.lock import RunLock
from etl.phases import Phase
from etl.report import Check
from etl.rowhash import Fold, agreed
from etl.runner import finish
from etl.runner.batches import commit_batch, run_batches
from etl.runner.context import Context, Parcel, Reference, RunRequest, Tally
from etl.runner.facts import holder
from etl.runner.reference import make_reference
from etl.runner.resume import Stock, complete_plan, take_stock
from etl.runner.retry import pause
from etl.runner.steps import batch_work

WORTH_A_BATCH_ROWS = 40_000  # a batch costs about half a second whatever it holds: fewer lines are not divided


@dataclass(slots=True)
class Progress:
    """What a run knows about itself so far; the report is made of it whether the run succeeds or not."""

    run_id: int
    began: float
    started_at: str
    tallies: dict[str, Tally] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    read_checks: list[Check] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    batches_in: int = 0
    has_source: bool = False
    analysis: Analysis | None = None
    published: bool = False
    published_s: float = 0.0


@contextmanager
def open_source(request: RunRequest, published: Mapping[str, int], pool: Pool | None = None) -> Iterator[Source]:
    """The legacy, or the published zone before the first one that the run writes.

    With the target's `pool`, both databases agree on how rows are hashed for checksums.
    """
    if request.zones[0] == "raw_data":
        with open_snapshot(request.legacy_url) as snapshot:
            fold = _agreed(snapshot, pool) if pool else None
            yield open_legacy(snapshot, request.layout, refuse_unmapped=request.refuse_unmapped, fold=fold)
    else:
        zone = "raw_data" if request.zones[0] == "staging" else "staging"
        with open_snapshot(request.target_url) as snapshot:
            yield open_zone(snapshot, zone, ledger.relations(published))


def _agreed(snapshot: Snapshot, pool: Pool) -> Fold:
    with pool.lend() as connection:
        return agreed(snapshot.rows, lambda query: database.rows(connection, query))


def fill(request: RunRequest, progress: Progress, observer: Observer, lock: RunLock, pool: Pool) -> None:
    """Every row of the request's zones is in its load table, committed batch by batch, keyed and indexed.

    Where the source's snapshot is lost halfway, another one is taken, and what is in is verified under it. A source
    that cannot be reached in the first place is not waited for, unless it answers that it is busy.
    """
    failed, most_in = 0, -1
    while True:
        try:
            _read_all(request, progress, observer, lock, pool)
            break
        except EtlError as error:
            # Only tries in a row that brought nothing wear patience out.
            failed = 1 if progress.batches_in > most_in else failed + 1
            most_in = max(most_in, progress.batches_in)
            may_pass = error.is_transient and (progress.has_source or isinstance(error, DatabaseBusy))
            if failed >= request.retry.attempts or not may_pass:
                raise
            pause(request.retry, failed, error, told=lambda text: observer.emit(Notice(text, "warning")))
    # NOTE: the snapshot is released before anything is published: where legacy and target are one database, a
    # publication would have to wait for it.
    with ThreadPoolExecutor(request.workers, "seal") as executor:
        finish.seal_loads(request, progress.run_id, progress.relations, executor=executor, pool=pool)


def _read_all(request: RunRequest, progress: Progress, observer: Observer, lock: RunLock, pool: Pool) -> None:
    """Every batch of the source is in, as one snapshot of it has them."""
    with pool.lend() as connection:
        published = ledger.current_map(connection)
    progress.relations = finish.load_relations(request, progress.run_id, published)
    with open_source(request, published, pool) as source, ThreadPoolExecutor(request.workers, "batch") as executor:
        progress.has_source = True
        context = Context(request, progress.run_id, source, observer, lock, executor, pool, holder())
        with pool.lend() as connection:
            ledger.set_snapshot(connection, progress.run_id, source.snapshot.taken_at)
        # Analysis is the server's work; the small tables are read, resolved and written meanwhile.
        analysis = executor.submit(analyze_source, request, source, observer)
        try:
            stock = take_stock(context)
            progress.batches_in = len(stock.done)
            reference = _refer(context, stock)
        except EtlError:
            # A statement that fails in the snapshot's own session ends the snapshot for everybody: its cause is first.
            analysis.result()
            raise
        progress.analysis = analysis.result()
        _do_batches(context, reference, stock, progress)
        with pool.lend() as connection:
            progress.tallies = finish.tally_run(connection, progress.run_id)
        progress.read_checks = source_checks(context, progress.tallies)


def _refer(context: Context, stock: Stock) -> Reference:
    """The reference of the run; batch 0 is in afterwards."""
    made: list[Reference] = []

    def work(parcel: Parcel) -> None:
        made.append(make_reference(context, parcel))

    if 0 in stock.done:
        work(Parcel(context.run_id, 0))  # the rows are in; only what the batches look up is made again
    else:
        commit_batch(context, 0, work)
    return made[-1]


def _do_batches(context: Context, reference: Reference, stock: Stock, progress: Progress) -> None:
    """Every batch of the plan is in."""
    batches = complete_plan(context, stock, lambda: plan_batches(context, reference))
    missing = [batch for batch in batches if batch.batch_id not in stock.done]
    if stock.done or stock.redone:
        progress.details["resumed"] = {"kept_batches": len(stock.done), "redone_batches": dict(stock.redone)}
    do_batches(context, reference, missing)


def do_batches(context: Context, reference: Reference, batches: Sequence[Batch]) -> None:
    """Every given batch is in."""
    began, lines = time.perf_counter(), total_lines(batches)
    phases = [phase for phase in context.request.phases if phase is not Phase.ANALYZE]
    for phase in phases:
        context.observer.emit(PhaseStarted(phase, lines))
    run_batches(context, batches, batch_work(context, reference))
    for phase in phases:
        context.observer.emit(PhaseFinished(phase, lines, time.perf_counter() - began))


def analyze_source(request: RunRequest, source: Source, observer: Observer) -> Analysis | None:
    """Phase 1 of a run; None where it is not asked for, or the source is no legacy."""
    if Phase.ANALYZE not in request.phases or not isinstance(source, LegacySource):
        return None
    observer.emit(PhaseStarted(Phase.ANALYZE, None))
    began = time.perf_counter()
    analysis = analyze(source, rows_per_s=request.rows_per_s, batch_rows=request.batch_rows)
    observer.emit(PhaseFinished(Phase.ANALYZE, analysis.rows, time.perf_counter() - began))
    return analysis


def plan_batches(context: Context, reference: Reference) -> list[Batch]:
    """Even batches of at most `batch_rows` lines, and at least one for each worker where there is enough to do."""
    size = context.request.batch_rows
    if context.request.zones == ("raw_data",):
        return plan_by_line(context.source, batch_rows=size)
    batches = plan_by_game(context.source, reference.game_map, batch_rows=size)
    even = max(WORTH_A_BATCH_ROWS, -(-total_lines(batches) // context.request.workers))
    return batches if even >= size else plan_by_game(context.source, reference.game_map, batch_rows=even)


def source_checks(context: Context, tallies: Mapping[str, Tally]) -> list[Check]:
    """What was read of each table against what its source holds in the snapshot."""
    first = context.request.zones[0]
    wanted = {name: table for name, table in context.source.tables.items() if name in _read_tables(context)}
    parts = [f"select {database.literal(name)}, ({table.count()})" for name, table in wanted.items()]
    held = {str(name): int(rows) for name, rows in context.source.snapshot.rows(" union all ".join(parts))}
    return [
        source_check(first, name, in_source=rows, read=tallies.get(_reader(first, name), Tally()).read)
        for name, rows in held.items()
    ]


def _read_tables(context: Context) -> tuple[str, ...]:
    """The source's tables that are read one to one into the first zone that the run writes."""
    one_to_one = {table.name for table in context.request.tables() if table.one_to_one}
    return tuple(name for name in context.source.tables if _target_name(context.request.zones[0], name) in one_to_one)


def _target_name(zone: str, source_table: str) -> str:
    return source_table.removesuffix("_raw") if zone == "staging" else source_table


def _reader(zone: str, source_table: str) -> str:
    return f"{zone}.{_target_name(zone, source_table)}"
