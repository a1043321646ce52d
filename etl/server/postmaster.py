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


def forget_if_dead(found: Postmaster, data_dir: Path) -> bool:
    """Whether the server is gone; then its file does not keep the next one from starting.

    NOTE: PostgreSQL itself refuses to start while any process has the number, as after a reboot or in a container. A
    file whose number nobody has is left alone: from it the next server sees whether children of the old one still live.
    """
    if found.is_alive(data_dir):
        return False
    if _is_taken(found.pid):
        (data_dir / "postmaster.pid").unlink(missing_ok=True)
    return True


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
