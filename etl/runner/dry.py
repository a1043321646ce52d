"""A run without its writing: everything is read, transformed, checked, counted and judged, and nothing is kept."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace

from etl import database
from etl.check.reconcile import conservation_checks
from etl.database import Pool
from etl.errors import (
    BatchesFailed,
    DatabaseUnreachable,
    EtlError,
    GateFailed,
    Interrupted,
    NotConserved,
    PermissionMissing,
)
from etl.events import Notice, Observer, PhaseAdvanced, PhaseFinished, PhaseStarted
from etl.extract.plan import Batch
from etl.extract.source import total_lines
from etl.load import ledger
from etl.load.lock import RunLock
from etl.phases import Phase
from etl.report import Check, RunReport, failed, now
from etl.runner import finish
from etl.runner.context import Context, Parcel, Reference, RunRequest
from etl.runner.fill import analyze_source, open_source, plan_batches, source_checks
from etl.runner.findings import Findings
from etl.runner.gating import gate_input, judged
from etl.runner.reference import make_reference
from etl.runner.run import RunOutcome
from etl.runner.steps import batch_work

RUN_ID = 0  # no run: the ledger counts from 1
_STRAYS = "raw_data.no_market"


class _NoLock(RunLock):
    """Nothing is written, so nothing is locked: a run of the same target may go on meanwhile."""

    def __init__(self) -> None:
        """No session is opened."""


def dry_run(request: RunRequest, observer: Observer) -> RunOutcome:
    """Find out what a run would write, refuse and be stopped by. Neither database is written to.

    The report is that of a run, numbered 0, with status ``dry_run``; `details` has the rejects by rule with examples.
    What needs loads is not checked: keys over several batches, foreign keys, stored rows. The error of the outcome is
    what the run would end with, if anything: a gate, conservation, a batch that fails.

    Raises:
        DatabaseUnreachable: the source of the first phase cannot be reached.
        ConfigurationError: it is a zone that was never published.
        LegacyMismatch: it is a legacy of another layout.
    """
    began, started_at, found = time.perf_counter(), now().isoformat(), Findings()
    phases = ", ".join(request.phases)
    places = database.redacted(request.legacy_url), database.redacted(request.target_url)
    observer.emit(Notice(f"dry run: {phases}; from {places[0]} to {places[1]}, where nothing is written"))
    published = _published(request, observer)
    error: EtlError | None = None
    try:
        _read_all(request, published, observer, found)
    except (BatchesFailed, Interrupted) as stopped:
        error = stopped
    except KeyboardInterrupt:
        error = Interrupted("the dry run was interrupted; nothing was written", next_step="etl run --dry-run")
    counts = finish.counts_of(request, found.tallies)
    if error is None:
        found.checks += [*conservation_checks(counts), *(_gates(request, found) if request.validate else [])]
        error = _verdict(found.checks)
    report = RunReport(
        run_id=RUN_ID,
        status="dry_run",
        phases=tuple(request.phases),
        seconds=round(time.perf_counter() - began, 3),
        tables=tuple(counts),
        checks=tuple(found.checks),
        published=False,
        message=error.message if error else "nothing was written; a run would load these rows and publish them",
        started_at=started_at,
        details={"rejects": found.rejects()},
    )
    return RunOutcome(report, found.analysis, error)


def _published(request: RunRequest, observer: Observer) -> dict[str, int]:
    """What the target shows now. It need not be there, unless a phase reads from it."""
    try:
        with database.session(request.target_url, autocommit=True) as connection:
            if database.scalar(connection, "select to_regclass('audit.publications')::text") is None:
                observer.emit(Notice("nothing was ever loaded into the target"))
                return {}
            return ledger.current_map(connection)
    except (DatabaseUnreachable, PermissionMissing) as error:
        if request.zones[0] != "raw_data":
            raise
        step = "etl validate pre-migration says what a run needs there"
        observer.emit(Notice(f"the target cannot be looked at: {error.message}; {step}", "warning"))
        return {}


def _read_all(request: RunRequest, published: dict[str, int], observer: Observer, found: Findings) -> None:
    pool = Pool(request.target_url, name="etl dry run")  # opens no session by itself
    with open_source(request, published) as source, ThreadPoolExecutor(request.workers, "batch") as executor:
        context = Context(request, RUN_ID, source, observer, _NoLock(), executor, pool)
        analysis = executor.submit(analyze_source, request, source, observer)
        first = Parcel(RUN_ID, 0, found.look)
        try:
            reference = make_reference(context, first)
        except EtlError:
            analysis.result()  # a fault of the shared session is its fault first
            raise
        found.take(first)
        found.analysis = analysis.result()
        _do_batches(context, reference, found)
        found.checks += source_checks(context, found.tallies)


def _do_batches(context: Context, reference: Reference, found: Findings) -> None:
    batches = plan_batches(context, reference)
    work = batch_work(context, reference)
    phases = [phase for phase in context.request.phases if phase is not Phase.ANALYZE]
    began = time.perf_counter()
    for phase in phases:
        context.observer.emit(PhaseStarted(phase, total_lines(batches)))
    _at_once(context, batches, lambda batch: _one(context, batch, work, found))
    for phase in phases:
        context.observer.emit(PhaseFinished(phase, total_lines(batches), time.perf_counter() - began))


def _one(context: Context, batch: Batch, work: Callable[[Batch, Parcel], None], found: Findings) -> None:
    parcel = Parcel(RUN_ID, batch.batch_id, found.look)
    work(batch, parcel)
    found.take(parcel)
    for phase in context.request.phases:
        if phase is not Phase.ANALYZE:
            context.observer.emit(PhaseAdvanced(phase, batch.expected_rows))


def _at_once(context: Context, batches: list[Batch], one: Callable[[Batch], None]) -> None:
    """Every batch is done; one that fails does not stop the others.

    Raises:
        BatchesFailed: some failed; the message names the first cause.
    """
    failures: dict[int, EtlError] = {}
    pending: dict[Future[None], int] = {context.executor.submit(one, batch): batch.batch_id for batch in batches}
    try:
        for future in as_completed(pending):
            try:
                future.result()
            except EtlError as error:
                failures[pending[future]] = error
                context.observer.emit(Notice(f"batch {pending[future]} failed: {error.message}", "error"))
    finally:
        for future in pending:
            future.cancel()
    if failures:
        first = failures[min(failures)]
        raise BatchesFailed(
            f"{len(failures)} of {len(batches)} batches would fail, first batch {min(failures)}: {first.message}",
            next_step=first.next_step or "mend the cause, then: etl run --dry-run",
        )


def _gates(request: RunRequest, found: Findings) -> list[Check]:
    strays = sum(refusal.rows for (table, _), refusal in found.refusals.items() if table == _STRAYS)
    causes = ", ".join(f"{r['table']} {r['rule']} ({r['rows']})" for r in found.rejects()[:3])
    given = gate_input(RUN_ID, found.tallies, strays=strays, games_unresolved=found.games_unresolved, causes=causes)
    # A gate's own sentence has a query for the run's rejects, of which there are none in the ledger.
    told = f"largest causes: {causes or 'none known'}"
    return [check if check.passed else replace(check, sentence=told) for check in judged(request, given)]


def _verdict(checks: list[Check]) -> EtlError | None:
    wrong = failed(checks)
    if not wrong:
        return None
    listed = "; ".join(f"{c.zone} {c.name}: expected {c.expected}, got {c.actual}" for c in wrong[:5])
    message = f"this run would not be published: {listed}"
    if all(check.name.startswith("gate ") for check in wrong):
        step = "look at the rejects and mend the cause, or change [gates] in config/etl.toml"
        return GateFailed(f"{message}; {wrong[0].sentence}", next_step=step)
    return NotConserved(message, next_step="please report this: rows are missed or doubled")
