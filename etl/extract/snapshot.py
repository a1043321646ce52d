"""One view of a database for a whole run: exported by a coordinator, joined by every reader."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from etl import database
from etl.errors import DatabaseUnreachable, EtlError, SnapshotLost
from etl.extract.reader import read_frame
from etl.rowhash import SETTINGS

_BEGIN = "begin isolation level repeatable read read only"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An exported snapshot. Every read through it sees the same rows, from any thread or process."""

    url: str
    token: str
    taken_at: datetime
    holder: database.Connection
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def read(self, query: str) -> pl.DataFrame:
        """The rows of `query` as of the snapshot.

        Raises:
            SnapshotLost: the coordinator's session is gone, and the snapshot with it.
            DatabaseUnreachable: only the reading session was lost; the snapshot still stands.
        """
        joined = [_BEGIN, f"set transaction snapshot {database.literal(self.token)}", *SETTINGS]
        try:
            return read_frame(query, self.url, before=joined)
        except DatabaseUnreachable:
            self.rows("select 1")  # NOTE: connectorx needs half a minute to see that a server is away: do not go on
            raise

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small query as of the snapshot, on the coordinator's own session; safe from any thread.

        Raises:
            SnapshotLost: that session is gone, and the snapshot with it.
        """
        with self.mutex:
            try:
                return database.rows(self.holder, query)
            except DatabaseUnreachable as lost:
                raise SnapshotLost(
                    f"the snapshot of the source is gone: {lost.message}", next_step=lost.next_step
                ) from None


@contextmanager
def open_snapshot(url: str) -> Iterator[Snapshot]:
    """Take a snapshot of the database at `url` and hold it until the end. Nothing is ever written there."""
    with database.session(url, autocommit=True, name="etl snapshot") as holder:
        # The session rests in its transaction while batches are transformed and written.
        database.execute(holder, "set idle_in_transaction_session_timeout = 0")
        database.execute(holder, _BEGIN)
        ((token, taken_at),) = database.rows(holder, "select pg_export_snapshot(), transaction_timestamp()")
        yield Snapshot(url, token, taken_at, holder)
        with suppress(EtlError):  # a session that was lost holds nothing any more
            database.execute(holder, "rollback")
