"""What happened in a target, from its ledger: all runs, newest first, and one run with all that is known of it."""

from typing import Any

from etl import database
from etl.database import Connection
from etl.errors import ConfigurationError
from etl.load import ledger
from etl.runner.finish import tally_run
from etl.runner.next_steps import next_steps
from etl.runner.switch import require_ledger
from schemas import LOADS, TABLES, ZONES

_TOP_RULES = 5
_SIZE = f"pg_total_relation_size(to_regclass('{LOADS}.' || quote_ident(l.relation)))"
_ALIVE = f"from audit.loads l where l.run_id = r.run_id and l.dropped_at is null and {_SIZE} is not null"
_BATCHES = "from audit.batches b where b.run_id = r.run_id"
_RUNS = (
    "select r.run_id, r.status, r.phases, r.started_at, extract(epoch from r.finished_at - r.started_at)::float8, "
    f"(select coalesce(sum(b.loaded_rows), 0)::bigint {_BATCHES}), "
    f"(select coalesce(sum(b.rejected_rows), 0)::bigint {_BATCHES}), "
    "(select max(p.published_at) from audit.publications p where p.run_id = r.run_id), r.pinned_at, "
    f"(select count(*) {_ALIVE}), (select coalesce(sum({_SIZE}), 0)::bigint {_ALIVE}) from audit.runs r"
)
_NAMES = (
    *("run", "status", "phases", "started_at", "seconds", "loaded", "rejected", "published_at"),
    *("pinned_at", "loads", "size_bytes"),
)
_FACTS = (
    *("layout", "finished_at", "snapshot_at", "code_version", "contracts_hash", "config_hash", "host", "pid"),
    "message",
)


def history(target_url: str, *, limit: int | None) -> list[dict[str, Any]]:
    """The runs of a target, newest first.

    `loaded` and `rejected` are rows of committed batches; `seconds` and `published_at` (the last time) may be null;
    `zones` are those in which readers see loads of the run; `size_bytes` is what its `loads` tables take on disk.
    """
    with database.session(target_url, autocommit=True) as connection:
        if database.scalar(connection, "select to_regclass('audit.publications')::text") is None:
            return []
        return _runs(connection, "true", limit)


def _runs(connection: Connection, condition: str, limit: int | None) -> list[dict[str, Any]]:
    shown = _zones_by_run(connection)
    last = "" if limit is None else f" limit {limit}"
    found = database.rows(connection, f"{_RUNS} where {condition} order by r.run_id desc{last}")
    return [
        made | {"phases": list(made["phases"]), "zones": shown.get(int(made["run"]), [])}
        for made in (dict(zip(_NAMES, row, strict=True)) for row in found)
    ]


def _zones_by_run(connection: Connection) -> dict[int, list[str]]:
    """Run -> the zones in which readers see loads of it."""
    shown: dict[int, list[str]] = {}
    published = ledger.current_map(connection)
    for zone in ZONES:
        for load in {load for name, load in published.items() if name.startswith(f"{zone}.")}:
            shown.setdefault(load, []).append(zone)
    return shown


def show(target_url: str, run_id: int) -> dict[str, Any]:
    """All that the ledger knows of one run: its line of the history and, with it, facts, tables, batches and so on.

    Raises:
        ConfigurationError: there is no such run.
    """
    with database.session(target_url, autocommit=True) as connection:
        require_ledger(connection)
        found = _runs(connection, f"r.run_id = {run_id}", None)
        if not found:
            raise ConfigurationError(f"there is no run {run_id} in this target", next_step="etl history")
        told = (
            found[0]
            | _facts(connection, run_id)
            | {
                "tables": _tables(connection, run_id),
                "batches": _batches(connection, run_id),
                "failed_attempts": _failed_attempts(connection, run_id),
                "checks": _checks(connection, run_id),
                "publications": _publications(connection, run_id),
                "rejects": _rejects(connection, run_id),
            }
        )
        return told | {"next": next_steps(told)}


def _named(connection: Connection, names: tuple[str, ...], sql: str) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in database.rows(connection, sql)]


def _facts(connection: Connection, run_id: int) -> dict[str, Any]:
    return _named(connection, _FACTS, f"select {', '.join(_FACTS)} from audit.runs where run_id = {run_id}")[0]


def _tables(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    """Every table of the run: counts in rows, where its load is now (`published`, `kept`, `dropped`), and its size."""
    tallies = tally_run(connection, run_id)
    published = ledger.current_map(connection)
    found = database.rows(
        connection,
        f"select l.table_name, l.dropped_at is null and {_SIZE} is not null, coalesce({_SIZE}, 0)::bigint "
        f"from audit.loads l where l.run_id = {run_id}",
    )
    order = {name: number for number, name in enumerate(TABLES)}
    made = []
    for name, is_there, size in sorted(found, key=lambda row: order.get(str(row[0]), len(order))):
        tally = tallies.get(str(name))
        counts = {n: getattr(tally, n) if tally else 0 for n in ("read", "loaded", "rejected", "collapsed", "expected")}
        state = "published" if published.get(str(name)) == run_id else "kept" if is_there else "dropped"
        made.append({"table": str(name), **counts, "load": state, "size_bytes": int(size)})
    return made


def _batches(connection: Connection, run_id: int) -> dict[str, Any]:
    names = ("committed", "read", "loaded", "rejected", "collapsed", "first_at", "last_at")
    sums = ", ".join(f"coalesce(sum({n}_rows), 0)::bigint" for n in names[1:5])
    return _named(
        connection, names,
        f"select count(*), {sums}, min(committed_at), max(committed_at) from audit.batches where run_id = {run_id}",
    )[0]  # fmt: skip


def _failed_attempts(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    """Newest first. `is_in`: the batch was committed after all."""
    return _named(
        connection,
        ("batch", "attempt", "error", "seconds", "finished_at", "is_in"),
        "select a.batch_id, a.attempt, a.error, a.seconds, a.finished_at, exists (select from audit.batches b "
        "where b.run_id = a.run_id and b.batch_id = a.batch_id) from audit.attempts a "
        f"where a.run_id = {run_id} and a.outcome = 'failed' order by a.finished_at desc",
    )


def _checks(connection: Connection, run_id: int) -> dict[str, Any]:
    """How many checks were made, and those that failed, the last verdict of each."""
    last = (
        "select distinct on (zone, name) zone, name, severity, passed, expected, actual, sentence from audit.checks "
        f"where run_id = {run_id} order by zone, name, checked_at desc"
    )
    return {
        "made": int(database.scalar(connection, f"select count(*) from ({last}) c")),
        "failed": _named(
            connection,
            ("zone", "name", "severity", "expected", "actual", "sentence"),
            f"select zone, name, severity, expected, actual, sentence from ({last}) c where not passed order by 1, 2",
        ),
    }


def _publications(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    return _named(
        connection, ("publication", "kind", "published_at"),
        f"select publication_id, kind, published_at from audit.publications where run_id = {run_id} order by 1",
    )  # fmt: skip


def _rejects(connection: Connection, run_id: int) -> dict[str, Any]:
    """Rows that the run refused: how many, and the commonest rules."""
    refused = ledger.refused(run_id)
    return {
        "rows": int(database.scalar(connection, f"select coalesce(sum(copies), 0)::bigint from {refused}")),
        "rules": _named(
            connection,
            ("table", "rule", "rows", "reason"),
            f"select zone || '.' || table_name, rule, sum(copies)::bigint, min(reason) from {refused} "
            f"group by 1, 2 order by 3 desc, 1, 2 limit {_TOP_RULES}",
        ),
    }
