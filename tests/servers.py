"""PostgreSQL servers for the tests: the embedded one, and the distribution's one with a port and a password."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adbc_driver_postgresql import dbapi

from etl import server

DEBIAN_PROGRAMS = min(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/15/bin"))
DEBIAN_NAME = f"debian{DEBIAN_PROGRAMS.parent.name}"
PASSWORD_ROLE = "etl_password"  # noqa: S105
PASSWORD = "right: p@ss/word"  # noqa: S105
PASSWORD_IN_URL = "right%3A%20p%40ss%2Fword"  # noqa: S105


@dataclass(frozen=True)
class Postgres:
    """A server of the tests.

    `url` gives the address of a database for its superuser; `port` is None without TCP; `restart` takes a mode of
    pg_ctl (fast, immediate), where the server can be restarted at all.
    """

    name: str
    url: Callable[[str], str]
    port: int | None = None
    restart: Callable[[str], None] | None = None

    def url_with_password(self, database: str, password_in_url: str = PASSWORD_IN_URL) -> str:
        return f"postgresql://{PASSWORD_ROLE}:{password_in_url}@127.0.0.1:{self.port}/{database}"


@contextmanager
def public_folder() -> Iterator[Path]:
    """A short temporary folder that every user can enter: a server of root runs as another account."""
    folder = Path(tempfile.mkdtemp(prefix="etl-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def embedded_server() -> Iterator[Postgres]:
    with public_folder() as folder:
        server.ensure_running(folder, options=server.ServerOptions(shared_buffers_mb=64))
        try:
            yield Postgres("embedded18", lambda database: server.url(folder, database))
        finally:
            server.stop(folder)


@contextmanager
def debian_server() -> Iterator[Postgres]:
    port = free_port()
    with public_folder() as folder:
        data = folder / "data"
        data.mkdir(mode=0o700)
        account = _account(data)
        _program("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", data, account=account)
        rules = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (data / "pg_hba.conf").write_text(rules)
        flags = f"-c port={port} -c listen_addresses=127.0.0.1 -k {data} -c fsync=off -c timezone=UTC"
        _program("pg_ctl", "start", "-w", "-s", "-D", data, "-o", flags, "-l", data / "log", account=account)

        def restart(mode: str) -> None:
            _program("pg_ctl", "restart", "-w", "-s", "-m", mode, "-D", data, "-l", data / "log", account=account)

        address = f"host={data}&port={port}"
        found = Postgres("debian15", lambda name: f"postgresql://postgres@/{name}?{address}", port, restart)
        try:
            execute(found.url("postgres"), f"CREATE ROLE {PASSWORD_ROLE} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
            yield found
        finally:
            _program("pg_ctl", "stop", "-m", "immediate", "-s", "-D", data, account=account)


def execute(url: str, *statements: str) -> None:
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def answer(url: str, query: str) -> object:
    """The first value of a query."""
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_user(name: str, task: Callable[[], None]) -> int:
    """Exit code of a child of this process that does `task` as another user, for tests that root runs."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        entry = pwd.getpwnam(name)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        task()
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def _account(data: Path) -> dict[str, object]:
    """The user that runs the distribution's server: this one, or for root the one that came with the package."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(data, "postgres", "postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _program(name: str, *arguments: object, account: dict[str, object]) -> None:
    # NOTE: a server that pg_ctl starts keeps its output open, so a pipe would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [DEBIAN_PROGRAMS / name, *map(str, arguments)],
            stdout=output,
            stderr=output,
            cwd="/",
            check=False,
            **account,
        )
        output.seek(0)
        assert done.returncode == 0, output.read().decode()
