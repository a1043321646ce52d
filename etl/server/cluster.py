"""The life of a cluster: made by initdb, started by pg_ctl, stopped by a signal. The caller holds the lock."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from etl.errors import DatabaseUnreachable
from etl.server.account import Account, make_folder
from etl.server.layout import Layout
from etl.server.options import ServerOptions
from etl.server.postmaster import PORT, Postmaster, disown_if_dead, read_postmaster
from etl.server.programs import CLEAN_ENVIRONMENT, client_program

SUPERUSER = "postgres"
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_ORPHANS = "is still in use"  # what a server says while the children of a killed one still end
_ORPHANS_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.02
_LAST_WORDS_BYTES = 2000
_MAKE_MISSING = r"""
SELECT format('CREATE DATABASE %I', wanted) FROM unnest(string_to_array(:'wanted', ',')) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = wanted) \gexec
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, the account that runs it, and the folder of the programs that it runs.

    `data_name` is what the programs call the data folder; they are started inside it.
    """

    layout: Layout
    account: Account
    programs: Path
    data_name: str = "."

    def make(self) -> None:
        """The data folder holds a cluster: UTF-8, sorted by code point whatever the machine's locale is."""
        make_folder(self.layout.data_dir, self.account)
        if not (self.layout.data_dir / "PG_VERSION").exists():
            # NOTE: trust is safe here, for the only way in is a socket in a folder that nobody else can enter.
            command = ("initdb", "--auth=trust", f"--username={SUPERUSER}", *_LOCALE, "-D", self.data_name)
            self._require(self._run(*command), "make its data folder")

    def start(self, options: ServerOptions) -> bool:
        """The server takes sessions. One that an interrupted call left on its way up is waited for.

        Returns:
            False if it was started before.
        """
        if self._comes_up(options.start_timeout_s):
            return False
        make_folder(self.layout.socket_dir, self.account)
        command = ("pg_ctl", "start", "-w", "-s", "-t", str(options.start_timeout_s), "-D", self.data_name)
        arguments = ("-o", " ".join(f"-c {shlex.quote(flag)}" for flag in self._flags(options)))
        _wait_until(lambda: _ORPHANS not in self._run(*command, *arguments), _ORPHANS_TIMEOUT_S)
        if not self._listens():
            self._require(_last_words(self.layout.log, 0) or "it takes no sessions", "start")
        return True

    def make_databases(self, url: str, names: Iterable[str]) -> None:
        """Databases of these names exist; `url` is of another database."""
        options = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"wanted={','.join(names)}")
        done = subprocess.run(  # noqa: S603
            [client_program("psql"), *options, url],
            input=_MAKE_MISSING,
            text=True,
            capture_output=True,
            check=False,
            env=CLEAN_ENVIRONMENT,
        )
        self._require(done.stderr if done.returncode else "", "make its databases")

    def _flags(self, options: ServerOptions) -> Iterable[str]:
        inside = self.layout.socket_dir == self.layout.data_dir
        yield f"port={PORT}"
        yield "listen_addresses="
        yield f"unix_socket_directories={'.' if inside else self.layout.socket_dir}"
        yield from options.as_flags()

    def _comes_up(self, timeout_s: float) -> bool:
        """Whether a server of before takes sessions, once it has either come up or gone."""
        found = read_postmaster(self.layout.data_dir)
        if found is None or disown_if_dead(found, self.layout.data_dir):
            return False
        _wait_until(lambda: self._listens() or not found.is_alive(self.layout.data_dir), timeout_s)
        return self._listens()

    def _listens(self) -> bool:
        found = read_postmaster(self.layout.data_dir)
        return found is not None and found.listens()

    def _run(self, program: str, *arguments: str) -> str:
        """Run a program in the data folder and give its last words if it failed.

        The log is its output, and the output of a server that it leaves running.
        """
        with self.layout.log.open("ab") as log:
            begin = log.tell()
            done = subprocess.run(  # noqa: S603
                [self.programs / program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.layout.data_dir,
                env=CLEAN_ENVIRONMENT,
                **self.account.as_subprocess(),
            )
        return _last_words(self.layout.log, begin) or f"{program} failed" if done.returncode else ""

    def _require(self, failure: str, task: str) -> None:
        if failure:
            message = f"the embedded server in {self.layout.data_dir} could not {task}: {failure.strip()}"
            raise DatabaseUnreachable(message, next_step=f"read {self.layout.log}, or name a server by its URL")


def shut_down(found: Postmaster, layout: Layout) -> None:
    """The server is gone, its sessions are ended and its data is whole.

    Raises:
        DatabaseUnreachable: It was told to stop and still has not.
    """
    os.kill(found.pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    if not _wait_until(lambda: not found.is_alive(layout.data_dir), _STOP_TIMEOUT_S):
        message = f"the embedded server (process {found.pid}) has not stopped within {_STOP_TIMEOUT_S:.0f} s"
        raise DatabaseUnreachable(message, next_step=f"read {layout.log}")
    if layout.socket_dir != layout.data_dir:
        with contextlib.suppress(OSError):  # whatever else is in it is not ours
            layout.socket_dir.rmdir()


def _wait_until(holds: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not (result := holds()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return result


def _last_words(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - _LAST_WORDS_BYTES))
        return file.read().decode(errors="replace").strip()
