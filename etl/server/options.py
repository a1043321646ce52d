"""What the embedded server is started with."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # PostgreSQL's choice on Linux, not ours; only its size is read
_ENOUGH_FOR_PARALLEL_MB = 1024


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Settings of a server that loads in bulk on a developer's machine. They take effect at its next start.

    `synchronous_commit` stays on: 300 commits of one row took 0.13 s with it and 0.05 s without, and a run makes tens.
    WAL is not compressed: loading became no faster, and its volume shrank by two percent.
    `enter_closed_folders`: as root, use a home below a folder that is closed to other users instead of refusing it.
    Nothing is opened either way.
    """

    shared_buffers_mb: int = 256
    work_mem_mb: int = 32
    maintenance_work_mem_mb: int = 256
    max_wal_size_mb: int = 4096
    checkpoint_timeout_s: int = 900
    max_connections: int = 50
    synchronous_commit: bool = True
    start_timeout_s: int = 120
    enter_closed_folders: bool = False

    def as_flags(self) -> tuple[str, ...]:
        """Each setting as one ``name=value``, in a fixed order. Times are UTC whatever the machine's zone is."""
        return (
            f"shared_buffers={self.shared_buffers_mb}MB",
            f"work_mem={self.work_mem_mb}MB",
            f"maintenance_work_mem={self.maintenance_work_mem_mb}MB",
            f"max_wal_size={self.max_wal_size_mb}MB",
            f"checkpoint_timeout={self.checkpoint_timeout_s}s",
            f"max_connections={self.max_connections}",
            f"synchronous_commit={'on' if self.synchronous_commit else 'off'}",
            "timezone=UTC",
            "log_timezone=UTC",
            *_parallel_flags(),
        )


def _parallel_flags() -> Iterator[str]:
    """Switch parallel queries off where their shared memory is scarce.

    NOTE: containers get 64 MB of it, and a parallel hash or index build that needs more fails outright.
    """
    if not _SHARED_MEMORY.is_dir():
        return
    room = os.statvfs(_SHARED_MEMORY)
    if room.f_bavail * room.f_frsize < _ENOUGH_FOR_PARALLEL_MB * 1024**2:
        yield "max_parallel_workers_per_gather=0"
        yield "max_parallel_maintenance_workers=0"
