"""Read a query into a frame through connectorx, under a snapshot where one is given."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import polars as pl

from etl.errors import DatabaseFault, DatabaseUnreachable, EtlError, PermissionMissing, SnapshotLost

_NOT_FOR_CONNECTORX = {"host", "port", "password", "user", "dbname", "passfile", "service"}
# What the session was lost by, in the words of the server and of connectorx, which hands on no SQLSTATE.
_LOST = (
    "connection closed", "server closed", "terminating connection", "error communicating", "timed out",
    "connection reset", "broken pipe", "connection refused", "error connecting", "unexpected eof",
    "the database system is", "too many clients", "remaining connection slots",
)  # fmt: skip
_TRANSIENT = ("deadlock detected", "could not serialize access", "conflict with recovery")
# Words of 13 to 15, of 16 and later, and of a source that has ended between the two.
_SNAPSHOT_GONE = re.compile(
    r"invalid snapshot identifier|snapshot \S+ does not exist|import the requested snapshot", re.I
)


def read_frame(query: str, url: str, *, before: Sequence[str] = ()) -> pl.DataFrame:
    """The rows of `query`, in connectorx's types: numeric is decimal(38,10), timestamptz is microseconds in UTC.

    Args:
        query: one SELECT.
        url: an ordinary DSN that :mod:`etl.database` has already opened once: connectorx needs half a minute to
            notice that a server is not there.
        before: statements for the session, such as those that join a snapshot.

    Raises:
        DatabaseFault: the query failed; the message is the server's.
        DatabaseUnreachable: the session was lost, or none could be had.
        SnapshotLost: the snapshot that `before` joins is gone.
    """
    with _panics_are_errors():
        return pl.read_database_uri(
            query, connectorx_url(url), engine="connectorx", protocol="binary", pre_execution_query=list(before)
        )


def connectorx_url(url: str) -> str:
    """The DSN as connectorx takes it: host (or socket directory, percent-encoded) and port in the authority."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    user = given.get("user") or unquote(parts.username or "")
    password = given.get("password") or unquote(parts.password or "")
    host = given.get("host") or unquote(parts.hostname or "") or "localhost"
    authority = quote(host, safe="")
    if user:
        authority = f"{quote(user, safe='')}{':' + quote(password, safe='') if password else ''}@{authority}"
    # NOTE: a port beside the authority would count as that of a second host.
    port = given.get("port") or parts.port
    if port:
        authority = f"{authority}:{port}"
    kept = {k: v for k, v in given.items() if k not in _NOT_FOR_CONNECTORX}
    path = f"/{given['dbname']}" if given.get("dbname") else parts.path
    return urlunsplit(parts._replace(netloc=authority, path=path, query=urlencode(kept)))


@contextmanager
def _panics_are_errors() -> Iterator[None]:
    # NOTE: what connectorx cannot decode, or loses in mid-stream, is a PanicException, which is a BaseException.
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except RuntimeError as error:
        raise _typed(error) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise _typed(error) from None


def _typed(error: BaseException) -> EtlError:
    message = " ".join(str(error).split())
    lowered = message.lower()
    if "permission denied" in lowered:
        return PermissionMissing(message, next_step="grant the reading role SELECT on the legacy tables")
    if _SNAPSHOT_GONE.search(message):
        return SnapshotLost(f"the snapshot of the source is gone: {message}", next_step="check that the server runs")
    if any(word in lowered for word in _LOST):
        return DatabaseUnreachable(
            f"the session was lost while reading: {message}", next_step="check that the server runs"
        )
    return DatabaseFault(f"reading failed: {message}", is_transient=any(word in lowered for word in _TRANSIENT))
