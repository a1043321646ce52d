"""What a server says about itself in its `postmaster.pid`, and whether that is still true."""

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PORT = 5432
_LINES = 8  # pid, data folder, start, port, socket folder, host, shared memory, state
_SOCKET_LINE = 4


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The main process of a server, as its file describes it. The process may be long gone."""

    pid: int
    since: datetime
    socket_dir: Path
    is_ready: bool

    def listens(self) -> bool:
        """Whether a server takes sessions. The file alone cannot say: after a crash it reads ready for ever."""
        return self.is_ready and _accepts(self.socket_dir / f".s.PGSQL.{PORT}")

    def is_alive(self, data_dir: Path) -> bool:
        """Whether the process is a server on `data_dir`, and not a later process that got the same number."""
        import psutil  # noqa: PLC0415  # only when something is wrong or is to stop; it takes longer than all the rest

        try:
            process = psutil.Process(self.pid)
            return str(process.name()).startswith("postgres") and Path(process.cwd()).samefile(data_dir)
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            return False


def read_postmaster(data_dir: Path) -> Postmaster | None:
    """The server that works on `data_dir`, dead or alive; None if there is no file or none that can be read."""
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, PermissionError):
        return None
    if len(lines) <= _SOCKET_LINE:  # it is being written
        return None
    return Postmaster(
        pid=int(lines[0]),
        since=datetime.fromtimestamp(int(lines[2]), tz=UTC),
        socket_dir=data_dir / lines[_SOCKET_LINE],  # a dot for the data folder itself
        is_ready=len(lines) == _LINES and lines[-1].strip() == "ready",
    )


def disown_if_dead(found: Postmaster, data_dir: Path) -> bool:
    """Whether the server is gone; then nothing that it left behind keeps the next one from starting.

    NOTE: PostgreSQL refuses to start while any process has the number in a file that a killed server left, as may be
    after a reboot or in a container. The files stay, for from them it sees whether children of the old server still
    write; only the number becomes that of this process, which PostgreSQL, as its grandchild, knows to be no server.
    """
    if found.is_alive(data_dir):
        return False
    if _is_taken(found.pid):
        for file in (data_dir / "postmaster.pid", found.socket_dir / f".s.PGSQL.{PORT}.lock"):
            _replace_number(file, found.pid)
    return True


def _replace_number(file: Path, pid: int) -> None:
    if not file.is_file():
        return
    first, *others = file.read_text(encoding="utf-8").split("\n")
    if first == str(pid):
        # NOTE: the folder is another account's when we are root, so a link in it is not followed.
        with open(os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w", encoding="utf-8") as target:  # noqa: PTH123
            target.write("\n".join([str(os.getpid()), *others]))


def _is_taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
