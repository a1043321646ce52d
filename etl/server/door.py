"""What the rest of the project asks of the embedded server. Safe from several threads and processes at once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import platformdirs

from etl.errors import ConfigurationError, DatabaseUnreachable
from etl.server.account import Account, make_home, require_way_in, server_account
from etl.server.cluster import SUPERUSER, Cluster, shut_down
from etl.server.layout import Layout, layout_of
from etl.server.options import ServerOptions
from etl.server.postmaster import Postmaster, read_postmaster
from etl.server.programs import server_programs, server_version

if sys.platform != "win32":
    import fcntl

DATABASES = ("legacy", "target")
ROOT_HOME = Path("/var/lib/etl")  # root's own home is private, and the server runs as another account


@dataclass(frozen=True, slots=True)
class Server:
    """A server that takes sessions. `started` is true if this call started it; `version` is like 18.4."""

    data_dir: Path
    legacy_url: str
    target_url: str
    started: bool
    version: str


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of the embedded server.

    `pid` and `since` are None when it does not run; `version` is empty if it never did; the size is in bytes.
    """

    running: bool
    pid: int | None
    since: datetime | None
    socket_dir: Path
    data_dir: Path
    log: Path
    size_bytes: int
    version: str


def default_home(*, is_root: bool) -> Path:
    """Where data, log and reports lie unless `ETL_HOME` says otherwise: a folder of the user, never root's own."""
    return ROOT_HOME if is_root else platformdirs.user_data_path("etl", appauthor=False)


def ensure_running(home: Path, *, options: ServerOptions) -> Server:
    """The embedded server of `home` runs and has both databases. It stays up when this process ends.

    Costs a millisecond when it runs already. Of several processes one makes and starts it while the others wait.

    Raises:
        ConfigurationError: The place cannot be used: no permission, another owner, or closed to the server's account.
        DatabaseUnreachable: PostgreSQL did not start; its last words are in the message.
    """
    layout = layout_of(home)
    if _running(layout):
        return _server(layout, started=False)
    account = server_account()
    data_name = require_way_in(layout.data_dir, account, enter_closed=options.enter_closed_folders)
    make_home(layout.home, account)
    with _locked(layout):
        if _running(layout):
            return _server(layout, started=False)
        started = _start(layout, account, data_name, options)
    return _server(layout, started=started)


def require_running(home: Path) -> Server:
    """The embedded server of `home`, which runs.

    Raises:
        DatabaseUnreachable: It does not, or there is none.
    """
    layout = layout_of(home)
    if not _running(layout):
        what = "does not run" if layout.data_dir.is_dir() else "was never started"
        raise DatabaseUnreachable(
            f"the embedded PostgreSQL of {layout.home} {what}",
            next_step="etl db start (or set ETL_LEGACY_URL and ETL_TARGET_URL, if another server is meant)",
        )
    return _server(layout, started=False)


def stop(home: Path) -> bool:
    """The embedded server of `home` does not run. Its sessions were ended, its data is whole.

    Returns:
        False if it was not running.

    Raises:
        DatabaseUnreachable: It was told to stop and still has not.
    """
    layout = layout_of(home)
    if not layout.data_dir.is_dir():
        return False
    with _locked(layout):
        found = read_postmaster(layout.data_dir)
        if found is None or not found.is_alive(layout.data_dir):
            return False
        shut_down(found, layout)
    return True


def status(home: Path) -> ServerStatus:
    """What is known of the embedded server of `home`, whether it was ever made or not."""
    layout = layout_of(home)
    found = _running(layout)
    return ServerStatus(
        running=found is not None,
        pid=found.pid if found else None,
        since=found.since if found else None,
        socket_dir=layout.socket_dir,
        data_dir=layout.data_dir,
        log=layout.log,
        size_bytes=layout.size_bytes(),
        version=layout.version(),
    )


def url(home: Path, database: str) -> str:
    """The libpq address of a database of the embedded server, whether it runs or not."""
    folder = quote(os.fsencode(layout_of(home).socket_dir))
    return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={folder}"


def _server(layout: Layout, *, started: bool) -> Server:
    legacy_url, target_url = (url(layout.home, database) for database in DATABASES)
    return Server(layout.data_dir, legacy_url, target_url, started, layout.version())


def _running(layout: Layout) -> Postmaster | None:
    """The server that takes sessions and was started whole, both databases included."""
    found = read_postmaster(layout.data_dir) if layout.marker.exists() else None
    return found if found is not None and found.listens() else None


def _start(layout: Layout, account: Account, data_name: str, options: ServerOptions) -> bool:
    layout.marker.unlink(missing_ok=True)
    programs = server_programs(account, ROOT_HOME / "programs")
    cluster = Cluster(layout, account, programs, data_name)
    cluster.make()
    started = cluster.start(options)
    cluster.make_databases(url(layout.home, SUPERUSER), DATABASES)
    layout.marker.write_text(server_version(programs), encoding="utf-8")
    return started


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Nobody else starts or stops this server meanwhile. The system lets go of the lock of a process that dies."""
    try:
        lock = layout.lock.open("ab")
    except OSError as error:
        message = f"the folder of the embedded server cannot be written to: {layout.home}: {error.strerror}"
        raise ConfigurationError(message, next_step="set ETL_HOME to a folder of your own") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
