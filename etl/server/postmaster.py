"""What a running server says about itself in its `postmaster.pid`, and whether that is still true."""

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

PORT = 5432
_READY = "ready"
_LINES = 8
_START_TOLERANCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The main process of a server, as its file describes it. The process may be gone."""

    pid: int
    since: datetime
    socket_dir: Path
    is_ready: bool

    def listens(self) -> bool:
        """Whether a server takes sessions at the socket. A file left by a crash or a reboot says ready for ever."""
        return self.is_ready and _accepts(self.socket_dir / f".s.PGSQL.{PORT}")

    def is_alive(self) -> bool:
        """Whether the process is still the one that wrote the file, and not a later one with the same number."""
        try:
            started = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return False
        return abs(started - self.since.timestamp()) < _START_TOLERANCE_S


def read_postmaster(data_dir: Path) -> Postmaster | None:
    """The server that works on `data_dir`, dead or alive; None if there is no file or it is still being written."""
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(lines) < 5 or not lines[0].isdecimal():  # noqa: PLR2004  # pid, folder, start, port, socket folder
        return None
    return Postmaster(
        pid=int(lines[0]),
        since=datetime.fromtimestamp(int(lines[2]), tz=UTC),
        socket_dir=data_dir / lines[4],  # it says "." for the data folder itself
        is_ready=len(lines) == _LINES and lines[-1].strip() == _READY,
    )


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
