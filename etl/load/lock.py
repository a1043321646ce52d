"""One run at a time: an advisory lock on a session of its own that runs nothing else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from etl import database
from etl.database import Connection, literal
from etl.errors import DatabaseFault, DatabaseUnreachable, LockHeld

_KEY = "hashtext('etl run'), hashtext(current_database())"


class RunLock:
    """The lock of a run. It belongs to its session: a dead holder blocks nobody for more than seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._mutex = threading.Lock()
        self._connection = self._take()

    def ensure(self) -> None:
        """The lock is held now; it is taken again where its session was lost.

        Raises:
            LockHeld: another run took it in between: nothing more may be committed.
        """
        with self._mutex:
            try:
                database.scalar(self._connection, "select 1")
            except (DatabaseUnreachable, DatabaseFault):
                self._connection = self._take()

    def release(self) -> None:
        """The lock is free for the next run."""
        with self._mutex:
            self._connection.close()

    def _take(self) -> Connection:
        connection = database.connect(self._url, autocommit=True, name="etl lock")
        if database.scalar(connection, f"select pg_try_advisory_lock({_KEY})"):
            return connection
        holder = _holder(connection)
        connection.close()
        raise LockHeld(f"another run works on this target: {holder}", next_step="wait for it, or stop it: etl status")


def _holder(connection: Connection) -> str:
    if database.scalar(connection, f"select to_regclass({literal('audit.runs')})::text") is None:
        return "it has just begun"
    found = database.rows(
        connection,
        "select format('run %s on %s, pid %s, since %s', run_id, host, pid, "
        "to_char(started_at, 'YYYY-MM-DD HH24:MI:SSOF')) "
        "from audit.runs where status = 'running' order by run_id desc limit 1",
    )
    return str(found[0][0]) if found else "it has just begun"


@contextmanager
def hold_lock(url: str) -> Iterator[RunLock]:
    """Hold the target's lock, or fail at once.

    Raises:
        LockHeld: another run holds it; the message names its host, pid, number and start.
    """
    lock = RunLock(url)
    try:
        yield lock
    finally:
        lock.release()
