"""Could a run start at all, and is there something to move? Both databases are looked at, neither is touched."""

from etl.analyze.doctor import DoctorRequest, diagnose
from etl.analyze.doctor.rights import LEGACY
from etl.database import literal
from etl.extract.legacy import LegacySource, open_legacy
from etl.extract.snapshot import open_snapshot
from etl.report import Check

_COUNTABLE = {"layout", "readable"}


def pre_migration(request: DoctorRequest) -> list[Check]:
    """The whole examination (:mod:`etl.analyze.doctor`), then the rows of each legacy table that would be read.

    What fails is a failed check with the next step; nothing is raised for a database that cannot be reached.
    """
    checks = diagnose(request)
    sound = {check.name for check in checks if check.zone == LEGACY and check.passed}
    return [*checks, *(_counts(request) if sound >= _COUNTABLE else [])]


def _counts(request: DoctorRequest) -> list[Check]:
    with open_snapshot(request.legacy_url) as snapshot:
        source = open_legacy(snapshot, request.layout, refuse_unmapped=request.refuse_unmapped)
        parts = [f"select {literal(name)}, ({table.count()})" for name, table in source.tables.items()]
        return [_count(source, str(name), rows) for name, rows in snapshot.rows(" union all ".join(parts))]


def _count(source: LegacySource, name: str, rows: int) -> Check:
    return Check(
        LEGACY, f"{source.source_name(name)} -> {name}", rows > 0, "rows", f"{rows:,} rows", "warning",
        "" if rows else "empty: nothing will be loaded from it; check ETL_LEGACY_LAYOUT if that is unexpected",
    )  # fmt: skip
