"""Batches at work: read, transform, and commit each in one transaction together with its ledger row."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict

import polars as pl

from etl.database import Connection
from etl.errors import BatchesFailed, DatabaseFault, DatabaseUnreachable, EtlError, Interrupted, LockHeld, SnapshotLost
from etl.events import Notice, PhaseAdvanced
from etl.extract.plan import Batch
from etl.load import ledger, standing
from etl.load.copy import copy_frame
from etl.load.ddl import load_relation
from etl.runner.context import Context, Parcel
from etl.runner.retry import is_worth_another_try, pause
from schemas import LOADS, TABLES

Work = Callable[[Parcel], None]
BatchWork = Callable[[Batch, Parcel], None]
# What ends all batches of the run at once: another has the lock, the run was closed, or nothing can be read any more.
_ENDS = (LockHeld, Interrupted, SnapshotLost)


def write_batch(context: Context, batch_id: int, work: Work, batch: Batch | None = None) -> None:
    """Do a batch and write it whole, once: its rows, its rejects and its ledger row, or nothing of it.

    Rows are copied while the next tables are being made: the server and this process work side by side.

    Raises:
        LockHeld: the run's lock was lost to another run.
        Interrupted: the run was closed.
    """
    began = time.perf_counter()
    with context.pool.transaction() as connection, ThreadPoolExecutor(1, "copy") as writer:
        pending: list[Future[tuple[str, float]]] = []
        parcel = Parcel(
            context.run_id,
            batch_id,
            lambda name, frame: pending.append(writer.submit(_copy, context, connection, name, frame)),
        )
        work(parcel)
        for name, seconds in (future.result() for future in pending):
            parcel.tally(name).seconds += seconds
        rejected = ledger.enter_rejects(connection, context.run_id, batch_id, parcel.rejects)
        ledger.enter_batch(connection, _entry(context, parcel, batch, rejected))
        seconds = time.perf_counter() - began
        ledger.enter_attempt(connection, context.run_id, batch_id, outcome="committed", error=None, seconds=seconds)
        context.lock.ensure()
        ledger.fence(connection, context.run_id, context.holder)


def _copy(context: Context, connection: Connection, name: str, frame: pl.DataFrame) -> tuple[str, float]:
    began = time.perf_counter()
    table = TABLES[name]
    copy_frame(connection, frame, table, relation=(LOADS, load_relation(table, context.load_id)))
    return name, time.perf_counter() - began


def _entry(context: Context, parcel: Parcel, batch: Batch | None, rejected: int) -> ledger.BatchEntry:
    first_zone = context.request.zones[0]
    sources = [t for name, t in parcel.tallies.items() if name.startswith(first_zone) and TABLES[name].one_to_one]
    return ledger.BatchEntry(
        run_id=context.run_id,
        batch_id=parcel.batch_id,
        first_key=batch.first_key if batch else None,
        last_key=batch.last_key if batch else None,
        read_rows=sum(tally.read for tally in sources),
        loaded_rows=sum(tally.loaded for tally in parcel.tallies.values()),
        rejected_rows=rejected,
        collapsed_rows=sum(tally.collapsed for tally in parcel.tallies.values()),
        counts={name: asdict(tally) for name, tally in parcel.tallies.items()},
        checksums=parcel.checksums or None,
    )


def commit_batch(context: Context, batch_id: int, work: Work, batch: Batch | None = None) -> None:
    """Do a batch as :func:`write_batch` does, again where a transient fault stopped it; it is in afterwards, once.

    Raises:
        EtlError: the fault of the last try, or a terminal one. Every failed try is entered in `audit.attempts`.
    """
    policy, failed = context.request.retry, 0
    while True:
        began = time.perf_counter()
        try:
            write_batch(context, batch_id, work, batch)
        except EtlError as error:
            failed += 1
            # NOTE: a session that is lost while it commits leaves open whether it did.
            if _is_in(context, batch_id):
                return
            _note_attempt(context, batch_id, error, time.perf_counter() - began)
            if failed >= policy.attempts or not is_worth_another_try(error):
                raise
            pause(policy, failed, error, told=lambda text: _tell(context, batch_id, text), stop=context.stop)
        else:
            return


def _is_in(context: Context, batch_id: int) -> bool:
    try:
        with context.pool.lend() as connection:
            return standing.is_in(connection, context.run_id, batch_id)
    except EtlError:
        return False  # the server is away: the next try will see


def _tell(context: Context, batch_id: int, text: str) -> None:
    context.observer.emit(Notice(f"batch {batch_id}: {text}", "warning"))


def run_batches(context: Context, batches: Sequence[Batch], work: BatchWork) -> None:
    """Do every batch, several at once; one that fails does not stop the others.

    Raises:
        BatchesFailed: some failed; the message names the first cause.
        LockHeld: another run has the lock: no further batch was begun.
        Interrupted: the run was closed, likewise.
        SnapshotLost: nothing can be read any more, likewise.
    """
    failures: dict[int, EtlError] = {}
    pending: dict[Future[None], Batch] = {context.executor.submit(_one, context, b, work): b for b in batches}
    try:
        for future in as_completed(pending):
            batch = pending[future]
            try:
                future.result()
            except _ENDS:
                raise
            except EtlError as error:
                failures[batch.batch_id] = error
                context.observer.emit(Notice(f"batch {batch.batch_id} failed: {error.message}", "error"))
    finally:
        # Whatever ended the loop early: nothing more is begun, and nobody sleeps on between two tries.
        if not all(future.done() for future in pending):
            context.stop.set()
        for future in pending:
            future.cancel()
    if failures:
        _raise_failed(context, failures, len(batches))


def _raise_failed(context: Context, failures: dict[int, EtlError], total: int) -> None:
    first = failures[min(failures)]
    if len(failures) == total and not isinstance(first, DatabaseFault | DatabaseUnreachable):
        raise first
    raise BatchesFailed(
        f"run {context.run_id}: {len(failures)} of {total} batches failed, first batch {min(failures)}: "
        f"{first.message}; nothing was published",
        next_step=f"mend the cause, then: etl retry {context.run_id}",
    )


def _one(context: Context, batch: Batch, work: BatchWork) -> None:
    commit_batch(context, batch.batch_id, lambda parcel: work(batch, parcel), batch)
    for phase in context.request.phases:
        if phase.value != "analyze":
            context.observer.emit(PhaseAdvanced(phase.value, batch.expected_rows))


def _note_attempt(context: Context, batch_id: int, error: EtlError, seconds: float) -> None:
    try:
        with context.pool.lend() as connection:
            ledger.enter_attempt(
                connection, context.run_id, batch_id, outcome="failed", error=error.message, seconds=seconds
            )
    except EtlError as second:
        _tell(context, batch_id, f"the failed attempt could not be entered: {second.message}")
