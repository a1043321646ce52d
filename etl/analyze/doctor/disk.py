"""Room on the disk, where it can be known: the server must be on this machine and let its folder be read."""

import shutil
from pathlib import Path

from etl.analyze.doctor.facts import ServerFacts
from etl.report import Check

# A run of the sample with 211,020 lines wrote 439 MB from 79 MB of legacy tables, indexes and all three zones included.
WRITTEN_PER_LEGACY_BYTE = 6
_SAME_START_S = 60  # between the start that the server reports and the one in its own file


def check_size(side: str, facts: ServerFacts) -> Check:
    """How large a database is and where it lies; nothing to fail."""
    return Check(
        side, "size", passed=True, expected="any",
        actual=f"{_size(facts.size_bytes)} in tablespace {facts.tablespace}",
    )  # fmt: skip


def check_room(facts: ServerFacts, legacy_bytes: int) -> Check:
    """Whether the target has room for one more load.

    Args:
        facts: of the target.
        legacy_bytes: size of the legacy's tables of the layout, indexes included; 0 where it is not known.
    """
    needed = legacy_bytes * WRITTEN_PER_LEGACY_BYTE
    expected = f"about {_size(needed)} for a run" if needed else "room for a run"
    free = free_bytes(facts)
    if free is None:
        actual = "unknown: its disk is not on this machine, or not to be looked at"
        return Check("target", "disk", passed=True, expected=expected, actual=actual)
    said = "make room, or drop older loads: fewer keep_publications in [run]"
    return Check(
        "target", "disk", free >= needed, expected, f"{_size(free)} free", "warning",
        "" if free >= needed else said,
    )  # fmt: skip


def free_bytes(facts: ServerFacts) -> int | None:
    """Free bytes where the database lies; None where this machine cannot tell."""
    folder = Path(facts.value("data_directory"))
    try:
        if not facts.value("data_directory") or not _is_running_from(folder, facts):
            return None
        return shutil.disk_usage(facts.tablespace_dir or folder).free
    except OSError:
        return None


def _is_running_from(folder: Path, facts: ServerFacts) -> bool:
    """The folder is this server's, not that of another machine's server with the same path: its file says the start."""
    lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    started_s = float(lines[2]) if len(lines) > 2 and lines[2].isdigit() else 0.0  # noqa: PLR2004 - the third line
    return abs(started_s - facts.started_at.timestamp()) < _SAME_START_S


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:,.0f} MB"
