"""Is a session a session? PgBouncer in transaction or statement mode lends a server session for a while only.

The address alone does not tell, and a pooler's own `show pool_mode` is for its administrators. What tells is what two
open sessions see: each must keep a backend, a setting and a transaction of its own.
"""

from etl import database
from etl.database import Connection
from etl.errors import DatabaseFault, EtlError
from etl.report import Check

REASON = (
    "the advisory lock that keeps a second run out, the exported snapshot, prepared statements and settings belong to "
    "a server session, and this pooler gives a session away between transactions; use the server's own port, or a pool "
    "with pool_mode = session"
)
_PID = "select pg_backend_pid()"
_NAME = "etl.doctor"  # a setting of ours, without meaning; it is reset, for a pooler may hand the session to others
_STATEMENT_MODE = "not allowed in statement pooling mode"
_PREPARED = ("26000", "42P05")  # a prepared statement that is not there, or is there already


def check_sessions(side: str, url: str) -> Check:
    """Whether sessions at `url` are what a run needs. Nothing is left behind: it asks for numbers and one setting.

    Raises:
        DatabaseUnreachable: two sessions could not be had, for a reason other than pooling.
    """
    return judge_sessions(side, pooled(url))


def judge_sessions(side: str, found: str) -> Check:
    """The check, of what :func:`pooled` or :func:`trace` found."""
    return Check(
        side, "sessions", not found, "each session keeps its own server session", found or "as expected",
        sentence=REASON if found else "",
    )  # fmt: skip


def pooled(url: str) -> str:
    """What gives a pooler in transaction or statement mode away; empty where sessions are whole."""
    try:
        with (
            database.session(url, autocommit=True, name="etl doctor") as first,
            database.session(url, autocommit=True, name="etl doctor") as second,
        ):
            return _shared(first, second) or _moved(first, second) or _kept(first)
    except EtlError as error:
        found = trace(error)
        if not found:
            raise
        return found


def trace(error: EtlError) -> str:
    """What gives a pooler away in an error that it caused; empty for any other error."""
    if _STATEMENT_MODE in error.message:
        return "transactions are refused: statement pooling"
    if isinstance(error, DatabaseFault) and error.sqlstate in _PREPARED:
        return "a statement that was prepared is gone: the backend changes within one statement"
    return ""


def _shared(first: Connection, second: Connection) -> str:
    """An idle pooler gives the backend that it used last to whoever asks next."""
    pids = [database.scalar(connection, _PID) for connection in (first, second)]
    return f"two open sessions have one backend, pid {pids[0]}" if pids[0] == pids[1] else ""


def _kept(connection: Connection) -> str:
    """A pooler that takes the backends in turn loses a setting from one statement to the next."""
    database.execute(connection, f"set {_NAME} = 'kept'")
    found = {database.scalar(connection, f"select current_setting('{_NAME}', true)") for _ in range(3)}
    database.execute(connection, f"reset {_NAME}")
    return "" if found == {"kept"} else "a setting is gone in the next statement"


def _moved(first: Connection, second: Connection) -> str:
    """A transaction keeps its backend, so a pooler has to give the other session a different one than before."""
    before = {database.scalar(first, _PID), database.scalar(first, _PID)}
    database.execute(second, "begin")
    held = database.scalar(second, _PID)
    meanwhile = database.scalar(first, _PID)
    database.execute(second, "rollback")
    if {held, meanwhile} - before == {held}:
        return ""
    return f"the backend changes between statements of one session: pids {sorted(before | {held, meanwhile})}"
