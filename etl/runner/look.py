"""Look at a target without changing it: what readers see, the last runs, and the checks of published zones."""

from collections.abc import Sequence
from typing import Any

from etl import database
from etl.check.zones import check_zones, reading
from etl.load import ddl, ledger
from etl.report import Check
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
    with database.session(target_url, autocommit=True) as connection:
        ddl.ensure_target(connection)
        with reading(connection):
            checks = check_zones(connection, zones, ledger.relations(ledger.current_map(connection)))
        ledger.enter_checks(connection, None, checks)
    return checks
