"""One run from its lock to its publication."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

from etl import database
from etl.analyze import Analysis, analyze
from etl.check.reconcile import source_check
from etl.database import Connection, Pool
from etl.errors import EtlError, Exit, Interrupted
from etl.events import Notice, Observer, PhaseFinished, PhaseStarted, RunStarted
from etl.extract.legacy import LegacySource, open_legacy
from etl.extract.plan import Batch
from etl.extract.snapshot import open_snapshot
from etl.extract.source import Source, plan_by_game, plan_by_line, total_lines
from etl.extract.zone import open_zone
from etl.load import ddl, ledger
from etl.load.lock import RunLock, hold_lock
from etl.phases import Phase
from etl.report import Check, RunReport, now, to_json
from etl.runner import finish
from etl.runner.batches import run_batches, write_batch
from etl.runner.context import Context, Reference, RunRequest, Tally
from etl.runner.reference import make_reference
from etl.runner.steps import batch_work
from schemas import contracts_hash

WORTH_A_BATCH_ROWS = 40_000  # a batch costs about half a second whatever it holds: fewer lines are not divided


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: its report, the analysis if it made one, and the error that stopped it, if any."""

    report: RunReport
    analysis: Analysis | None
    error: EtlError | None


@dataclass(slots=True)
class _Progress:
    """What a run knows about itself so far; the report is made of it whether the run succeeds or not."""

    run_id: int
    began: float
    started_at: str
    tallies: dict[str, Tally] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    analysis: Analysis | None = None
    published: bool = False
    published_s: float = 0.0


def run(request: RunRequest, observer: Observer) -> RunOutcome:
    """Do the phases of a request and publish the result, whole or not at all.

    Nothing is raised once the run has its number: what stopped it is in the outcome.

    Raises:
        LockHeld: another run works on the target.
        DatabaseUnreachable: a database cannot be reached.
        PermissionMissing: the target's role may not do what a run needs.
        ForeignObject: a table that is not ours stands where ours should be.
    """
    with hold_lock(request.target_url) as lock, database.session(request.target_url, autocommit=True) as connection:
        ddl.ensure_target(connection)
        run_id = ledger.begin_run(connection, _facts(request))
        progress = _Progress(run_id, time.perf_counter(), now().isoformat())
        places = database.redacted(request.legacy_url), database.redacted(request.target_url)
        observer.emit(RunStarted(run_id, request.phases, *places))
        pool = database.Pool(request.target_url, name=f"etl run {run_id}")
        outcome: RunOutcome | None = None
        try:
            _fill(request, progress, connection, observer, lock, pool)
            _prove(request, progress, connection)
            _publish(request, progress, connection, observer)
            outcome = _ended(connection, request, progress, None)
        except EtlError as error:
            outcome = _ended(connection, request, progress, error)
        except KeyboardInterrupt:
            stopped = Interrupted(f"run {run_id} was interrupted; readers saw nothing of it", next_step="etl run")
            outcome = _ended(connection, request, progress, stopped)
        finally:
            pool.close()
            if outcome is None:
                # A fault of ours goes on as the traceback it is; the ledger must not call the run alive.
                fault = EtlError("stopped by a fault of etl itself")
                _ended(connection, request, progress, fault)
        return outcome


def _facts(request: RunRequest) -> ledger.RunFacts:
    return ledger.RunFacts(
        phases=tuple(request.phases),
        layout=request.layout.name,
        code_version=version("etl"),
        contracts_hash=contracts_hash(),
        config_hash=request.config_hash,
        host=socket.gethostname(),
        pid=os.getpid(),
    )


@contextmanager
def _open_source(request: RunRequest, published: Mapping[str, int]) -> Iterator[Source]:
    """The legacy, or the published zone before the first one that the run writes."""
    if request.zones[0] == "raw_data":
        with open_snapshot(request.legacy_url) as snapshot:
            yield open_legacy(snapshot, request.layout, refuse_unmapped=request.refuse_unmapped)
    else:
        zone = "raw_data" if request.zones[0] == "staging" else "staging"
        with open_snapshot(request.target_url) as snapshot:
            yield open_zone(snapshot, zone, ledger.relations(published))


def _fill(
    request: RunRequest, progress: _Progress, connection: Connection, observer: Observer, lock: RunLock, pool: Pool
) -> None:
    """Every row of the request's zones is in its load table, committed batch by batch."""
    published = ledger.current_map(connection)
    with _open_source(request, published) as source, ThreadPoolExecutor(request.workers, "batch") as executor:
        context = Context(request, progress.run_id, source, observer, lock, executor, pool)
        ledger.set_snapshot(connection, progress.run_id, source.snapshot.taken_at)
        # Analysis is the server's work; the small tables are read, resolved and written meanwhile.
        analysis = executor.submit(_analyze, request, source, observer)
        ledger.create_loads(connection, progress.run_id, request.tables())
        made: list[Reference] = []
        write_batch(context, 0, lambda parcel: made.append(make_reference(context, parcel)))
        reference = made[0]
        progress.analysis = analysis.result()
        batches = _plan(context, reference)
        began = time.perf_counter()
        phases = [phase for phase in request.phases if phase is not Phase.ANALYZE]
        for phase in phases:
            observer.emit(PhaseStarted(phase, total_lines(batches)))
        run_batches(context, batches, batch_work(context, reference))
        for phase in phases:
            observer.emit(PhaseFinished(phase, total_lines(batches), time.perf_counter() - began))
        progress.tallies = finish.tally_run(connection, progress.run_id)
        progress.checks += _source_checks(context, progress.tallies)
    # NOTE: the snapshot is released before anything is published: where legacy and target are one database, a
    # publication would have to wait for it.
    progress.relations = finish.load_relations(request, progress.run_id, published)
    with ThreadPoolExecutor(request.workers, "seal") as executor:
        finish.seal_loads(request, progress.run_id, progress.relations, executor=executor, pool=pool)


def _analyze(request: RunRequest, source: Source, observer: Observer) -> Analysis | None:
    if Phase.ANALYZE not in request.phases or not isinstance(source, LegacySource):
        return None
    observer.emit(PhaseStarted(Phase.ANALYZE, None))
    began = time.perf_counter()
    analysis = analyze(source, rows_per_s=request.rows_per_s, batch_rows=request.batch_rows)
    observer.emit(PhaseFinished(Phase.ANALYZE, analysis.rows, time.perf_counter() - began))
    return analysis


def _plan(context: Context, reference: Reference) -> list[Batch]:
    """Even batches of at most `batch_rows` lines, and at least one for each worker where there is enough to do."""
    size = context.request.batch_rows
    if context.request.zones == ("raw_data",):
        return plan_by_line(context.source, batch_rows=size)
    batches = plan_by_game(context.source, reference.game_map, batch_rows=size)
    even = max(WORTH_A_BATCH_ROWS, -(-total_lines(batches) // context.request.workers))
    return batches if even >= size else plan_by_game(context.source, reference.game_map, batch_rows=even)


def _source_checks(context: Context, tallies: Mapping[str, Tally]) -> list[Check]:
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


def _prove(request: RunRequest, progress: _Progress, connection: Connection) -> None:
    """The run's checks are made, entered and passed.

    Raises:
        NotConserved: rows are missing or doubled.
        GateFailed: a threshold is not reached, and gates are not skipped.
    """
    counts = finish.counts_of(request, progress.tallies)
    progress.checks += finish.prove(connection, counts, progress.relations)
    if request.validate:
        progress.checks += finish.judge(connection, request, progress.run_id, progress.tallies)
    ledger.set_loaded(connection, progress.run_id, {f"{c.zone}.{c.table}": c.loaded for c in counts})
    ledger.enter_checks(connection, progress.run_id, progress.checks)
    finish.require(progress.checks, progress.run_id)


def _publish(request: RunRequest, progress: _Progress, connection: Connection, observer: Observer) -> None:
    """Readers see the run; loads that no kept publication needs are gone."""
    ledger.end_run(connection, progress.run_id, status="filled", message="filled, not published", report=None)
    if not request.publish:
        return
    progress.published_s = finish.publish_run(connection, request, progress.run_id)
    progress.published = True
    dropped = finish.prune(connection, request.publish_options.keep, run_id=progress.run_id)
    if dropped:
        observer.emit(Notice(f"{len(dropped)} tables of older loads were dropped"))


def _ended(connection: Connection, request: RunRequest, progress: _Progress, error: EtlError | None) -> RunOutcome:
    """The run's end, entered in the ledger as far as the database still answers."""
    report = RunReport(
        run_id=progress.run_id,
        status=_status(progress, error),
        phases=tuple(request.phases),
        seconds=round(time.perf_counter() - progress.began, 3),
        tables=tuple(finish.counts_of(request, progress.tallies)),
        checks=tuple(progress.checks),
        published=progress.published,
        message=error.message if error else "",
        started_at=progress.started_at,
        details={"publish_lock_seconds": round(progress.published_s, 4)} if progress.published else {},
    )
    try:
        ledger.end_run(
            connection, progress.run_id, status=report.status, message=report.message, report=to_json(report.as_dict())
        )
    except EtlError as second:
        error = error or second
    return RunOutcome(report, progress.analysis, error)


def _status(progress: _Progress, error: EtlError | None) -> str:
    if progress.published:
        return "published"
    if error is None or error.exit_code == Exit.UNPUBLISHED:
        return "filled"
    return "interrupted" if error.exit_code == Exit.INTERRUPTED else "failed"
