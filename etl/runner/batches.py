"""Batches at work: read, transform, and commit each in one transaction together with its ledger row."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict

import polars as pl

from etl.database import Connection
from etl.errors import BatchesFailed, DatabaseFault, DatabaseUnreachable, EtlError
from etl.events import Notice, PhaseAdvanced
from etl.extract.plan import Batch
from etl.load import ledger
from etl.load.copy import copy_frame
from etl.load.ddl import load_relation
from etl.runner.context import Context, Parcel
from schemas import LOADS, TABLES

Work = Callable[[Parcel], None]
BatchWork = Callable[[Batch, Parcel], None]


def write_batch(context: Context, batch_id: int, work: Work, batch: Batch | None = None) -> None:
    """Do a batch and write it whole: its rows, its rejects and its ledger row, or nothing of it.

    Rows are copied while the next tables are being made: the server and this process work side by side.

    Raises:
        LockHeld: the run's lock was lost to another run.
        Interrupted: the run was closed.
    """
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
        context.lock.ensure()
        ledger.fence(connection, context.run_id)


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
    )


def run_batches(context: Context, batches: Sequence[Batch], work: BatchWork) -> None:
    """Do every batch, several at once; one that fails does not stop the others.

    Raises:
        BatchesFailed: some failed; the message names the first cause.
    """
    failures: dict[int, EtlError] = {}
    pending: dict[Future[None], Batch] = {context.executor.submit(_one, context, b, work): b for b in batches}
    try:
        for future in as_completed(pending):
            batch = pending[future]
            try:
                future.result()
            except EtlError as error:
                failures[batch.batch_id] = error
                context.observer.emit(Notice(f"batch {batch.batch_id} failed: {error.message}", "error"))
    finally:
        for future in pending:
            future.cancel()  # only what an interruption left unbegun
    if failures:
        _raise_failed(context, failures, len(batches))


def _raise_failed(context: Context, failures: dict[int, EtlError], total: int) -> None:
    first = failures[min(failures)]
    if len(failures) == total and not isinstance(first, DatabaseFault | DatabaseUnreachable):
        raise first
    raise BatchesFailed(
        f"run {context.run_id}: {len(failures)} of {total} batches failed, first batch {min(failures)}: "
        f"{first.message}; nothing was published",
        next_step=first.next_step or "mend the cause, then: etl run",
    )


def _one(context: Context, batch: Batch, work: BatchWork) -> None:
    began = time.perf_counter()
    try:
        write_batch(context, batch.batch_id, lambda parcel: work(batch, parcel), batch)
    except EtlError as error:
        _note_attempt(context, batch, error, time.perf_counter() - began)
        raise
    for phase in context.request.phases:
        if phase.value != "analyze":
            context.observer.emit(PhaseAdvanced(phase.value, batch.expected_rows))


def _note_attempt(context: Context, batch: Batch, error: EtlError, seconds: float) -> None:
    try:
        with context.pool.lend() as connection:
            ledger.enter_attempt(
                connection, context.run_id, batch.batch_id, outcome="failed", error=error.message, seconds=seconds
            )
    except EtlError as second:
        context.observer.emit(Notice(f"the failed attempt could not be entered: {second.message}", "warning"))
