"""A run's report: the shape that operators script against. Made once, printed and stored as it is."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PHASE_FILES = {
    "analyze": "phase1_analysis_results.json",
    "raw": "phase2_migration_results.json",
    "staging": "phase3_staging_results.json",
    "curated": "phase4_curated_results.json",
}


@dataclass(frozen=True, slots=True)
class TableCount:
    """What happened to one table. `read`, `rejected` and `collapsed` count source rows; all in rows.

    `expected` is the row count that the table must have: read - rejected - collapsed for a one-to-one table, its
    function of the parents for a reshaped one.
    """

    zone: str
    table: str
    read: int
    loaded: int
    rejected: int
    collapsed: int
    expected: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was expected and what was found. `sentence` says what to do where it failed."""

    zone: str
    name: str
    passed: bool
    expected: str
    actual: str
    severity: str = "error"
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that a run has to say, in the documented shape."""

    run_id: int
    status: str
    phases: tuple[str, ...]
    seconds: float
    tables: tuple[TableCount, ...]
    checks: tuple[Check, ...]
    published: bool
    message: str = ""
    started_at: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, keys in their documented order."""
        return asdict(self)


def to_json(data: Any) -> str:
    """`data` as indented JSON; dates become ISO text."""
    return json.dumps(data, indent=2, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def write_report(report: RunReport, folder: Path) -> list[Path]:
    """Write the whole report and one file for each phase that ran; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    content = to_json(report.as_dict())
    names = [f"run_{report.run_id}.json", *(PHASE_FILES[p] for p in report.phases if p != "analyze")]
    paths = [folder / name for name in names]
    for path in paths:
        write_atomically(path, content)
    return paths


def write_atomically(path: Path, content: str) -> None:
    """Put `content` at `path` so that a reader sees the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(content + "\n", encoding="utf-8")
    draft.replace(path)


def failed(checks: Sequence[Check]) -> list[Check]:
    """The checks that failed as errors."""
    return [check for check in checks if not check.passed and check.severity == "error"]


def now() -> datetime:
    """The current time, UTC."""
    return datetime.now(UTC)
