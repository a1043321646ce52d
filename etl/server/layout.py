"""Where everything of the embedded server lies below its home."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from etl.server.postmaster import PORT

_LONGEST_SOCKET = 103  # bytes: 107 on Linux, 103 on macOS, without the closing zero
_SHORT_FOLDER = Path("/tmp")  # noqa: S108  # not TMPDIR, which is long on macOS and differs between sessions


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one home. All are absolute; none needs to exist."""

    home: Path

    @property
    def data_dir(self) -> Path:
        """PostgreSQL's own folder."""
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        """What PostgreSQL says."""
        return self.home / "server.log"

    @property
    def lock(self) -> Path:
        """The file that one process at a time locks to start or stop the server."""
        return self.home / "server.lock"

    @property
    def marker(self) -> Path:
        """The file that says that the server was started whole, both databases included. It holds the version."""
        return self.home / "server.version"

    @property
    def socket_dir(self) -> Path:
        """The folder of the server's socket: the data folder, which only its owner enters, or a short one like it.

        NOTE: a socket's whole path has a limit of about a hundred bytes, and libpq divides a host at its commas.
        """
        longest = len(os.fsencode(self.data_dir / f".s.PGSQL.{PORT}"))
        if longest <= _LONGEST_SOCKET and "," not in str(self.data_dir):
            return self.data_dir
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return _SHORT_FOLDER / f"etl-{digest}"

    def version(self) -> str:
        """The version the server was last started with, as 18.4; empty if it never was."""
        return self.marker.read_text(encoding="utf-8") if self.marker.exists() else ""

    def size_bytes(self) -> int:
        """The room that the data takes on the disk. Files that vanish while it is measured count nothing."""
        return sum(_size(Path(folder) / name) for folder, _, names in os.walk(self.data_dir) for name in names)


def layout_of(home: Path) -> Layout:
    """The layout of a home that may be given relative to the working folder."""
    return Layout(home.expanduser().absolute())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
