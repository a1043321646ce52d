"""One view of a database for a whole run: exported by a coordinator, joined by every reader."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from etl import database
from etl.extract.reader import read_frame

_BEGIN = "begin isolation level repeatable read read only"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An exported snapshot. Every read through it sees the same rows, from any thread or process."""

    url: str
    token: str
    taken_at: datetime
    holder: database.Connection

    def read(self, query: str) -> pl.DataFrame:
        """The rows of `query` as of the snapshot."""
        joined = [_BEGIN, f"set transaction snapshot {database.literal(self.token)}", "set local timezone to 'UTC'"]
        return read_frame(query, self.url, before=joined)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small query as of the snapshot, on the coordinator's own session."""
        return database.rows(self.holder, query)


@contextmanager
def open_snapshot(url: str) -> Iterator[Snapshot]:
    """Take a snapshot of the database at `url` and hold it until the end. Nothing is ever written there."""
    with database.session(url, autocommit=True, name="etl snapshot") as holder:
        database.execute(holder, _BEGIN)
        ((token, taken_at),) = database.rows(holder, "select pg_export_snapshot(), transaction_timestamp()")
        yield Snapshot(url, token, taken_at, holder)
        database.execute(holder, "rollback")
