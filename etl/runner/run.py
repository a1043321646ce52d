"""One run from its lock to its publication."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from etl import database
from etl.analyze import Analysis
from etl.database import Connection, Pool
from etl.errors import DatabaseBusy, DatabaseFault, DatabaseUnreachable, EtlError, Exit, Interrupted
from etl.events import Notice, Observer, RunStarted, Silent
from etl.load import ddl, ledger, standing
from etl.load.lock import RunLock
from etl.report import RunReport, now, to_json
from etl.runner import finish
from etl.runner.backup import after_publication, before_run
from etl.runner.basis import enter_basis
from etl.runner.context import RunRequest
from etl.runner.facts import facts_of, holder
from etl.runner.fill import Progress, fill
from etl.runner.resume import reopen
from etl.runner.retry import RetryPolicy, patiently
from etl.runner.sessions import require_whole_sessions

Step = Callable[[Connection], None]
Filling = Callable[[RunRequest, Progress, Observer, RunLock, Pool], None]
_LAST_WORDS = RetryPolicy(attempts=2, base_s=0.5, max_s=0.5)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: its report, the analysis if it made one, and the error that stopped it, if any."""

    report: RunReport
    analysis: Analysis | None
    error: EtlError | None


def run(request: RunRequest, observer: Observer) -> RunOutcome:
    """Do the phases of a request and publish the result, whole or not at all.

    Nothing is raised once the run has its number: what stopped it is in the outcome.

    Raises:
        LockHeld: another run works on the target.
        DatabaseUnreachable: a database cannot be reached.
        PermissionMissing: the target's role may not do what a run needs.
        ForeignObject: a table that is not ours stands where ours should be.
        ConfigurationError: a pooler takes sessions apart.
        BackupFailed: a backup that settings ask for before the run could not be taken.
    """
    with _locked(request, observer) as lock, database.session(request.target_url, autocommit=True) as connection:
        require_whole_sessions(request.target_url)
        before_run(connection, request.target_url, request.backup, observer)
        ddl.ensure_target(connection)
        run_id = ledger.begin_run(connection, facts_of(request))
        enter_basis(connection, run_id, request.params)
        return _backed_up(request, _carry_out(request, run_id, lock, observer), observer)


def resume_run(request: RunRequest, run_id: int, observer: Observer) -> RunOutcome:
    """Go on with a run that was interrupted, died or failed, and finish it as :func:`run` does.

    What is in and still as the source has it stays; what has changed there is done again; what came is added.

    Raises:
        ResumeRefused: the run has come to its end, or is not what `request` asks for; nothing was touched.
        LockHeld, DatabaseUnreachable, PermissionMissing, ForeignObject: as :func:`run`.
    """
    with _locked(request, observer) as lock, database.session(request.target_url, autocommit=True) as connection:
        require_whole_sessions(request.target_url)
        before_run(connection, request.target_url, request.backup, observer)
        ddl.ensure_target(connection)
        reopen(connection, request, run_id, holder=holder())
        return _backed_up(request, _carry_out(request, run_id, lock, observer), observer)


def finish_run(request: RunRequest, run_id: int, lock: RunLock, observer: Observer, *, filling: Filling) -> RunOutcome:
    """Carry out a run that has its number and fills its loads in a way of its own.

    `filling` leaves the loads keyed and indexed, and tallies, relations and read checks in the progress.
    """
    return _backed_up(request, _carry_out(request, run_id, lock, observer, filling), observer)


def _locked(request: RunRequest, observer: Observer) -> RunLock:
    """The target's lock. A server that has no session to give yet is waited for; another run is not."""
    return patiently(
        lambda: RunLock(request.target_url),
        request.retry,
        told=lambda text: observer.emit(Notice(text, "warning")),
        worth=lambda error: isinstance(error, DatabaseBusy),
    )


def _carry_out(
    request: RunRequest, run_id: int, lock: RunLock, observer: Observer, filling: Filling = fill
) -> RunOutcome:
    """Everything between the run's number and its outcome. No session is relied on: a server may restart meanwhile."""
    progress = Progress(run_id, time.perf_counter(), now().isoformat())
    places = database.redacted(request.legacy_url), database.redacted(request.target_url)
    observer.emit(RunStarted(run_id, request.phases, *places))
    pool = database.Pool(request.target_url, name=standing.session_name(run_id))
    outcome: RunOutcome | None = None
    try:
        filling(request, progress, observer, lock, pool)
        _steadily(lambda connection: _prove(request, progress, connection), request.retry, observer, pool)
        lock.ensure()
        _steadily(lambda connection: _publish(request, progress, connection, observer), request.retry, observer, pool)
        outcome = _ended(pool, request, progress, None)
    except EtlError as error:
        outcome = _ended(pool, request, progress, _with_way_on(error, run_id))
    except KeyboardInterrupt:
        stopped = Interrupted(
            f"run {run_id} was interrupted; readers saw nothing of it", next_step=f"etl run --resume {run_id}"
        )
        outcome = _ended(pool, request, progress, stopped)
    finally:
        if outcome is None:
            # A fault of ours goes on as the traceback it is; the ledger must not call the run alive.
            _ended(pool, request, progress, EtlError("stopped by a fault of etl itself"))
        pool.close()
    return outcome


def _backed_up(request: RunRequest, outcome: RunOutcome, observer: Observer) -> RunOutcome:
    """The outcome, once the backup is taken that settings ask for after a publication; without it, an error."""
    if not outcome.report.published:
        return outcome
    run_id = outcome.report.run_id
    error: EtlError | None = None
    try:
        after_publication(request.target_url, run_id, request.backup, observer)
    except EtlError as failed:
        error = failed
    except KeyboardInterrupt:
        error = Interrupted(f"run {run_id} is published, but its backup was interrupted", next_step="etl backup")
    return replace(outcome, error=outcome.error or error)


def _steadily(step: Step, policy: RetryPolicy, observer: Observer, pool: Pool) -> None:
    """Do a step on a session of the pool, and on another where that one was lost. It must be safe to do twice."""

    def once() -> None:
        with pool.lend() as connection:
            step(connection)

    patiently(once, policy, told=lambda text: observer.emit(Notice(text, "warning")))


def _with_way_on(error: EtlError, run_id: int) -> EtlError:
    """The error, saying how the run is finished where it does not say so itself."""
    if isinstance(error, DatabaseUnreachable | DatabaseFault):
        error.next_step = f"{error.next_step or 'mend the cause'}, then: etl run --resume {run_id}"
    return error


def _prove(request: RunRequest, progress: Progress, connection: Connection) -> None:
    """The run's checks are made, entered and passed.

    Raises:
        NotConserved: rows are missing or doubled.
        GateFailed: a threshold is not reached, and gates are not skipped.
    """
    counts = finish.counts_of(request, progress.tallies)
    progress.checks = [*progress.read_checks, *finish.prove(connection, counts, progress.relations)]
    progress.checks += finish.prove_content(connection, request, progress.run_id, progress.relations)
    if request.validate:
        progress.checks += finish.judge(connection, request, progress.run_id, progress.tallies)
    ledger.set_loaded(connection, progress.run_id, {f"{c.zone}.{c.table}": c.loaded for c in counts})
    ledger.enter_checks(connection, progress.run_id, progress.checks)
    finish.require(progress.checks, progress.run_id)


def _publish(request: RunRequest, progress: Progress, connection: Connection, observer: Observer) -> None:
    """Readers see the run; loads that no kept publication needs are gone."""
    # A session that was lost as it committed may have published already.
    if standing.stored_run(connection, progress.run_id).status != "published":
        ledger.end_run(
            connection, progress.run_id, status="filled", message="filled, not published", report=None, holder=holder()
        )
        if not request.publish:
            return
        progress.published_s = finish.publish_run(connection, request, progress.run_id)
    progress.published = True
    for notice in finish.prune(connection, request.publish_options.keep):
        observer.emit(Notice(notice))


def _ended(pool: Pool, request: RunRequest, progress: Progress, error: EtlError | None) -> RunOutcome:
    """The run's end, entered in the ledger as far as the database still answers."""
    if error is not None and not progress.tallies:
        with suppress(EtlError), pool.lend() as connection:  # what is in already, for the report
            progress.tallies = finish.tally_run(connection, progress.run_id)
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
        details=progress.details
        | ({"publish_lock_seconds": round(progress.published_s, 4)} if progress.published else {}),
    )

    def enter(connection: Connection) -> None:
        text = to_json(report.as_dict())
        ledger.end_run(
            connection, progress.run_id, status=report.status, message=report.message, report=text, holder=holder()
        )

    try:
        _steadily(enter, _LAST_WORDS, Silent(), pool)
    except EtlError as second:
        error = error or second
    return RunOutcome(report, progress.analysis, error)


def _status(progress: Progress, error: EtlError | None) -> str:
    if progress.published:
        return "published"
    if error is None or error.exit_code == Exit.UNPUBLISHED:
        return "filled"
    return "interrupted" if error.exit_code in (Exit.INTERRUPTED, Exit.LOCKED) else "failed"
