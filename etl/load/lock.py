"""One run at a time: an advisory lock on a session of its own that runs nothing else."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from etl import database
from etl.database import Connection, literal
from etl.errors import DatabaseFault, DatabaseUnreachable, LockHeld

_KEY = "hashtext('etl run'), hashtext(current_database())"
_NAME = "etl lock "
# A server forgets a holder whose machine went away within some ten seconds. A holder that merely died is gone at once:
# its system closes the connection. Both settings mean nothing, and harm nothing, on a unix socket.
_PROMPTLY = (
    "set tcp_keepalives_idle = 5",
    "set tcp_keepalives_interval = 2",
    "set tcp_keepalives_count = 3",
    "set tcp_user_timeout = 12000",
    "set idle_in_transaction_session_timeout = 0",
)
_OWN_PATIENCE_S = 3.0


class RunLock:
    """The lock of a run. It belongs to its session: a dead holder blocks nobody for more than seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Others read from the name who holds the lock; the last part tells this lock from every other.
        self._name = f"{_NAME}{socket.gethostname()[:40]} {os.getpid()} {secrets.token_hex(2)}"
        self._mutex = threading.Lock()
        self._connection = self._take()

    def ensure(self) -> None:
        """The lock is held now; it is taken again where its session was lost.

        Raises:
            LockHeld: another run took it in between: nothing more may be committed.
            DatabaseUnreachable: the server is away, and so the lock is nobody's yet.
        """
        with self._mutex:
            try:
                database.scalar(self._connection, "select 1")
            except (DatabaseUnreachable, DatabaseFault):
                self._connection.close()
                self._connection = self._take(again=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """The lock is free for the next run."""
        with self._mutex:
            self._connection.close()

    def _take(self, *, again: bool = False) -> Connection:
        connection = database.connect(self._url, autocommit=True, name=self._name)
        is_ours = False
        try:
            # A name in the DSN must not stand in the place of the lock's own.
            database.script(connection, [*_PROMPTLY, f"set application_name = {literal(self._name)}"])
            is_ours = self._try(connection) or (again and self._take_from_itself(connection))
            if not is_ours:
                raise LockHeld(
                    f"another run works on this target: {_holder(connection)}",
                    next_step="wait for it, or stop it: etl status",
                )
        finally:
            if not is_ours:
                connection.close()
        return connection

    def _try(self, connection: Connection) -> bool:
        return bool(database.scalar(connection, f"select pg_try_advisory_lock({_KEY})"))

    def _take_from_itself(self, connection: Connection) -> bool:
        """Whether it could be had from a session of this lock that the server has not given up yet."""
        stale = f"application_name = {literal(self._name)} and pid <> pg_backend_pid()"
        found = database.rows(connection, f"select pg_terminate_backend(pid) from pg_stat_activity where {stale}")
        deadline = time.monotonic() + (_OWN_PATIENCE_S if found else 0.0)
        while not self._try(connection):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def _holder(connection: Connection) -> str:
    """Run, host, pid and since when, as far as the server says: publishing and the like have no run under way."""
    found = database.rows(
        connection,
        "select a.application_name, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SSOF') "
        "from pg_locks l join pg_stat_activity a on a.pid = l.pid "
        "where l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.database = "
        "(select oid from pg_database where datname = current_database()) "
        # NOTE: the catalog shows both keys as oid, which is their value without a sign.
        "and l.classid::bigint = hashtext('etl run')::bigint & 4294967295 "
        "and l.objid::bigint = hashtext(current_database())::bigint & 4294967295",
    )
    if not found:
        return "it has ended since"
    name, since = found[0]
    host, pid, *_ = [*str(name).removeprefix(_NAME).split(), "?", "?"]
    run = _run_of(connection, host, pid)
    return f"{run} on {host}, pid {pid}" + (f", since {since}" if since else "")


def _run_of(connection: Connection, host: str, pid: str) -> str:
    if database.scalar(connection, f"select to_regclass({literal('audit.runs')})::text") is None:
        return "a run that has just begun"
    run = database.scalar(
        connection,
        f"select run_id from audit.runs where status = 'running' and pid::text = {literal(pid)} "
        f"and left(host, 40) = {literal(host)} order by run_id desc limit 1",
    )
    return f"run {run}" if run else "a command that has no run"


@contextmanager
def hold_lock(url: str) -> Iterator[RunLock]:
    """Hold the target's lock, or fail at once.

    Raises:
        LockHeld: another run holds it; the message names its host, pid, number and start.
    """
    with RunLock(url) as lock:
        yield lock
