"""Sessions with PostgreSQL over ADBC (libpq), and the errors they raise, in words and types that a user can act on."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit
from weakref import WeakValueDictionary

import adbc_driver_manager as adbc_errors
import adbc_driver_postgresql.dbapi as adbc
from adbc_driver_manager.dbapi import Connection as Connection  # noqa: PLC0414 - handed on with its sessions

from etl.errors import DatabaseBusy, DatabaseFault, DatabaseUnreachable, EtlError, PermissionMissing

CONNECT_TIMEOUT_S = 5
_OPEN: WeakValueDictionary[str, Connection] = WeakValueDictionary()
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_UNDERSTOOD = {"connect_timeout", "application_name", "options", *_KEEPALIVES}
# Serialization failure, deadlock, too many connections: another try may well succeed.
_TRANSIENT_STATES = {"40001", "40P01", "53300"}
_DROPPED = "57P04"
_BUSY = re.compile(
    r"too many (clients|connections)|remaining connection slots|the database system is (starting|shutting|not yet)"
)
_FULL = re.compile(r"No space left on device|could not write init file")
_LOST = (
    "server closed the connection",
    "no connection to",
    "connection to server",
    "could not send data",
    "could not receive data",
    "SSL connection has been closed",
    "SSL SYSCALL error",
)


@contextmanager
def session(url: str, *, autocommit: bool = False, name: str = "etl") -> Iterator[Connection]:
    """A session that is closed at the end, whatever happens. Nothing is committed unless the caller does.

    Args:
        url: an ordinary ``postgresql://`` DSN; a socket directory goes in ``?host=``.
        autocommit: every statement is its own transaction; explicit ``BEGIN`` … ``COMMIT`` work.
        name: application_name, by which others see the session.

    Raises:
        DatabaseUnreachable: no session within the connect timeout.
    """
    connection = connect(url, autocommit=autocommit, name=name)
    try:
        yield connection
    finally:
        with _translated():
            connection.close()


class Pool:
    """Autocommit sessions that are used again.

    Safe from several threads; a session belongs to one thread while it is lent. Closed as a whole.
    """

    def __init__(self, url: str, *, name: str) -> None:
        self._url = url
        self._name = name
        self._idle: deque[Connection] = deque()

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A session for one piece of work; after an error it is closed, which undoes what was not committed.

        Where the session itself was lost, the idle ones go too: a server that restarts takes all of them.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self._url, autocommit=True, name=self._name)
        is_sound = False
        try:
            yield connection
            is_sound = True
        except DatabaseUnreachable:
            self.close()
            raise
        finally:
            if is_sound:
                self._idle.append(connection)
            else:
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The same, with all of the work in one transaction: committed at its end, or nothing of it."""
        with self.lend() as connection:
            execute(connection, "begin")
            yield connection
            execute(connection, "commit")

    def close(self) -> None:
        """Close every session that is not lent."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def connect(url: str, *, autocommit: bool = False, name: str = "etl") -> Connection:
    """Open a session; the caller closes it. See :func:`session`.

    A database's type catalogue is read by the first session only (some 100 ms); the others share it.
    """
    try:
        connection = _beside(url, name)
        if connection is None:
            connection = _OPEN[url] = _first(url, name)
        connection.adbc_connection.set_autocommit(autocommit)
    except adbc_errors.Error as error:
        raise _connect_error(url, error) from None
    return connection


def _first(url: str, name: str) -> Connection:
    defaults = {"connect_timeout": str(CONNECT_TIMEOUT_S), "application_name": name, **_KEEPALIVES}
    connection: Connection = adbc.connect(with_parameters(url, defaults))
    return connection


def _beside(url: str, name: str) -> Connection | None:
    """A session that shares the catalogue of one that is open, if one is."""
    other = _OPEN.get(url)
    if other is None:
        return None
    try:
        connection: Connection = other.adbc_clone()
    except (adbc_errors.InterfaceError, adbc_errors.ProgrammingError):
        return None  # it was closed meanwhile
    try:
        connection.adbc_connection.set_autocommit(True)
        execute(connection, f"set application_name = {literal(name)}")
    except EtlError:
        connection.close()
        raise
    return connection


def execute(connection: Connection, sql: str) -> None:
    """Run one statement for its effect."""
    with _translated(sql), connection.cursor() as cursor:
        cursor.execute(sql)


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    """Run one query and return all its rows."""
    with _translated(sql), connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def scalar(connection: Connection, sql: str) -> Any:
    """The first column of the first row of a query, or None without a row."""
    found = rows(connection, sql)
    return found[0][0] if found else None


def commit(connection: Connection) -> None:
    """Commit, with errors translated (a deferred constraint fails here)."""
    with _translated("commit"):
        connection.commit()


def ingest(connection: Connection, relation: tuple[str, str], reader: Any) -> int:
    """COPY a record batch reader into the table ``(schema, name)``; return the number of rows written."""
    with _translated(f"copy into {relation[0]}.{relation[1]}"), connection.cursor() as cursor:
        return int(cursor.adbc_ingest(relation[1], reader, mode="append", db_schema_name=relation[0]))


def script(connection: Connection, statements: Sequence[str]) -> None:
    """Run several statements that return nothing in one round trip, all or none."""
    if not statements:
        return
    # NOTE: ADBC prepares what it is given, and a prepared statement is one command; a DO block is one command too.
    body = ";\n".join(statement.rstrip().rstrip(";") for statement in statements)
    execute(connection, f"do $etl_script$ begin\n{body};\nend $etl_script$")


def identifier(*parts: str) -> str:
    """A quoted, possibly qualified SQL name."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(value: Any) -> str:
    """A value as an SQL literal: None, bool, int, float, text, or a list of these (as an array)."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # NOTE: PostgreSQL stores no NUL character in text.
            return "'" + value.replace("\0", "").replace("'", "''") + "'"
        case list() | tuple():
            return "array[" + ",".join(literal(item) for item in value) + "]"
    return literal(str(value))


def with_parameters(url: str, defaults: dict[str, str]) -> str:
    """The DSN with `defaults` added where it does not set them itself."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    return _dsn(parts._replace(query=urlencode(defaults | given, quote_via=quote)))


def redacted(url: str) -> str:
    """The DSN without its password: fit for messages, logs and reports."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username or ""
    kept = [(k, v) for k, v in parse_qsl(parts.query) if k not in {"password", "sslpassword"} | _UNDERSTOOD]
    return _dsn(parts._replace(netloc=f"{user}@{host}" if user else host, query=urlencode(kept, safe="/")))


def _dsn(parts: SplitResult) -> str:
    """The parts as a DSN. NOTE: `urlunsplit` drops the `//` of an empty authority, and libpq then sees no DSN."""
    return (
        f"{parts.scheme}://{urlunsplit(parts._replace(scheme='', netloc=''))}" if not parts.netloc else parts.geturl()
    )


def database_name(url: str) -> str:
    """The database that a DSN names."""
    return unquote(urlsplit(url).path.lstrip("/")) or unquote(urlsplit(url).username or "")


@contextmanager
def _translated(sql: str = "") -> Iterator[None]:
    try:
        yield
    except adbc_errors.Error as error:
        raise _statement_error(sql, error) from None


def plain_message(error: BaseException) -> str:
    """The server's own words, without the driver's wrapping, the statement and any password."""
    text = str(error)
    found = re.search(
        r"(?:ERROR|FATAL|PANIC):\s+(.*?)(?:\n\s*(?:LINE|Query was|\.\s*SQLSTATE)|\. SQLSTATE|$)", text, re.S
    )
    message = found.group(1) if found else re.sub(r"^.*?(?:\[libpq\]\s*)", "", text, flags=re.S)
    return " ".join(re.sub(r"://([^:/@\s]*):[^@\s]*@", r"://\1@", message).split())


def _connect_error(url: str, error: adbc_errors.Error) -> EtlError:
    message = plain_message(error)
    place = redacted(url)
    if "authentication failed" in message or "no password supplied" in message:
        step = "check the user and password in the DSN (ETL_LEGACY_URL, ETL_TARGET_URL), or libpq's password file"
        return DatabaseUnreachable(f"{place} refused the password: {message}", is_transient=False, next_step=step)
    if "does not exist" in message:
        step = "check the database and user names in the DSN, or create them"
        return DatabaseUnreachable(f"{place}: {message}", is_transient=False, next_step=step)
    if _BUSY.search(message):
        return DatabaseBusy(
            f"{place}: {message}", next_step="wait until it has a session to give, or raise max_connections"
        )
    if _FULL.search(message):
        step = "make room on the server's disk (docs/operations.md, 'The disk is full')"
        return DatabaseUnreachable(f"{place}: {message}", is_transient=False, next_step=step)
    step = "check that the server runs and that host and port are right: pg_isready -d <dsn>"
    return DatabaseUnreachable(f"cannot reach {place}: {message}", next_step=step)


def _statement_error(sql: str, error: adbc_errors.Error) -> EtlError:
    state = getattr(error, "sqlstate", None) or ""
    message = plain_message(error)
    head = " ".join(sql.split())[:120]
    if state == "42501":
        return PermissionMissing(message, next_step="grant the role what README, 'Roles', lists, and run again")
    # NOTE: the driver gives no state where the session itself broke, only libpq's words.
    if state.startswith(("08", "57P")) or (not state and any(word in str(error) for word in _LOST)):
        lost = f"the session was lost: {message}"
        return DatabaseUnreachable(
            lost, is_transient=state != _DROPPED, next_step="check that the server runs: etl status"
        )
    return DatabaseFault(f"{message} (in: {head})", sqlstate=state, is_transient=state in _TRANSIENT_STATES)
