"""What a run depends on where it is started: libraries, memory, cores, and a folder to write to."""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from etl.report import Check

ZONE = "here"
LIBRARIES = ("polars", "connectorx", "adbc-driver-postgresql", "pandera", "pyarrow")
BASE_MB, WORKER_MB = 400, 200  # a run of 200,000 lines in two batches of 100,000 at once took 680 MB at its peak
_PLANNED_ROWS = 100_000  # of a batch, that WORKER_MB was measured with
_CONTROL_GROUP = Path("/sys/fs/cgroup")
_MB = 1024**2


def check_here(home: Path, *, workers: int, batch_rows: int) -> list[Check]:
    """The checks of this machine; nothing is written to find out."""
    return [*_libraries(), _memory(workers, batch_rows), _cores(workers), _home(home)]


def _libraries() -> Iterator[Check]:
    yield Check(ZONE, "python", sys.version_info >= (3, 11), "3.11 or newer", sys.version.split()[0])
    for name in LIBRARIES:
        try:
            yield Check(ZONE, name, passed=True, expected="installed", actual=version(name))
        except PackageNotFoundError:
            yield Check(ZONE, name, passed=False, expected="installed", actual="missing", sentence="uv sync")


def _memory(workers: int, batch_rows: int) -> Check:
    needed = BASE_MB + round(workers * WORKER_MB * max(1.0, batch_rows / _PLANNED_ROWS))
    free = _free_bytes() // _MB
    said = "use fewer --workers or smaller --batch-rows (or --profile small)"
    return Check(
        ZONE, "memory", free >= needed, f"about {needed:,} MB for {workers} workers", f"{free:,} MB free", "warning",
        "" if free >= needed else said,
    )  # fmt: skip


def _free_bytes() -> int:
    """What the machine has to give, or less where a control group allows less."""
    import psutil  # noqa: PLC0415 - a run, which imports this package, does without it

    free: int = psutil.virtual_memory().available
    try:
        limit, used = ((_CONTROL_GROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return free
    return min(free, int(limit) - int(used)) if limit.isdigit() else free


def _cores(workers: int) -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check(
        ZONE, "cores", workers <= cores, f"one for each of {workers} workers", f"{cores}", "warning",
        "" if workers <= cores else "more --workers than cores only cost memory",
    )  # fmt: skip


def _home(home: Path) -> Check:
    """The folder itself, or the nearest one above it in which it would be made."""
    nearest = next(path for path in (home, *home.parents) if path.exists())
    is_fit = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    return Check(
        ZONE, "ETL_HOME", is_fit, "a folder that can be written to", str(home) if is_fit else f"{nearest} cannot be",
        sentence="" if is_fit else "set ETL_HOME to a folder of your own",
    )  # fmt: skip
