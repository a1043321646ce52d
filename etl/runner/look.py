"""Look at a target without changing it: what readers see, the last runs, and the checks of published zones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etl import database
from etl.check.checksum import STRAYS, Way, legacy_checks
from etl.check.checksum import ZONE as RAW
from etl.check.zones import check_zones, reading
from etl.database import Connection
from etl.extract.layout import Layout
from etl.extract.legacy import open_legacy
from etl.extract.snapshot import open_snapshot
from etl.load import ddl, ledger
from etl.report import Check
from etl.rowhash import agreed
from schemas import ZONES

_RUNS = (
    "select run_id, status, array_to_string(phases, ','), started_at, "
    "extract(epoch from finished_at - started_at)::float8, coalesce(message, '') "
    "from audit.runs order by run_id desc limit 10"
)
_NAMES = ("run", "status", "phases", "started", "seconds", "message")


def look(target_url: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Facts about the target, and its last ten runs, newest first."""
    with database.session(target_url, autocommit=True) as connection:
        facts: dict[str, Any] = {
            "target": database.redacted(target_url),
            "server": database.scalar(connection, "select current_setting('server_version')"),
        }
        if database.scalar(connection, "select to_regclass('audit.publications')::text") is None:
            return facts | {"published": "nothing yet: etl run"}, []
        published = ledger.current_map(connection)
        for zone in ZONES:
            loads = {load for name, load in published.items() if name.startswith(f"{zone}.")}
            facts[zone] = f"run {', '.join(map(str, sorted(loads)))}" if loads else "never published"
        found = database.rows(connection, _RUNS)
        return facts, [dict(zip(_NAMES, row, strict=True)) for row in found]


def check_published(target_url: str, zones: Sequence[str]) -> list[Check]:
    """The checks of published zones; entered in `audit.checks`."""
    return _checked(target_url, lambda connection, shown: check_zones(connection, zones, ledger.relations(shown)))


def check_legacy(legacy_url: str, layout: Layout, target_url: str) -> list[Check]:
    """Whether readers see in `raw_data` what the legacy holds now, table by table; entered in `audit.checks`.

    Every row of both is hashed inside its database: minutes, for hundreds of millions.

    Raises:
        LegacyMismatch: the legacy is not of the layout.
    """
    with open_snapshot(legacy_url) as snapshot:
        with database.session(target_url, autocommit=True) as connection:
            fold = agreed(snapshot.rows, lambda query: database.rows(connection, query))
        source = open_legacy(snapshot, layout, refuse_unmapped=False, fold=fold)
        held = source.checksums(dict.fromkeys(source.tables, "true"))
        legacy = {f"{RAW}.{name}": (Way(fold, source.tables[name].texts), found) for name, found in held.items()}

        def compare(connection: Connection, shown: Mapping[str, int]) -> list[Check]:
            runs = {name: shown[name] for name in legacy if name in shown}
            wanted = {name: legacy[name] for name in runs}
            if source.layout.strays is not None and runs:
                wanted[STRAYS] = Way(fold), source.stray_checksum()
                runs[STRAYS] = max(runs.values())
            return legacy_checks(connection, wanted, runs, ledger.relations(shown))

        return _checked(target_url, compare)


def _checked(target_url: str, look_at: Callable[[Connection, Mapping[str, int]], list[Check]]) -> list[Check]:
    """What is found with what is published, all in one transaction; entered in `audit.checks`."""
    with database.session(target_url, autocommit=True) as connection:
        ddl.ensure_target(connection)
        with reading(connection):
            checks = look_at(connection, ledger.current_map(connection))
        ledger.enter_checks(connection, None, checks)
    return checks
