"""The end of a run: key and index what was filled, prove it, publish it, and let go of what nobody needs."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from etl import database
from etl.check import gates, reconcile
from etl.database import Connection, Pool, identifier, literal
from etl.errors import DatabaseFault, GateFailed, NotConserved
from etl.load import ddl, ledger, publish
from etl.report import Check, TableCount, failed
from etl.runner.context import RunRequest, Tally
from schemas import LOADS, TABLES, Table, tables_of

LINE_NAMES = ("moneylines", "spreads", "totals")


def tally_run(connection: Connection, run_id: int) -> dict[str, Tally]:
    """The tallies of a run by ``zone.table``, summed from what its committed batches say."""
    tallies: dict[str, Tally] = {}
    found = database.rows(
        connection,
        "select t.key, t.value->>'read', t.value->>'loaded', t.value->>'rejected', t.value->>'collapsed', "
        "t.value->>'expected', t.value->>'validated', t.value->>'seconds' "
        f"from audit.batches b, jsonb_each(b.counts) t where b.run_id = {run_id}",
    )
    names = ("read", "loaded", "rejected", "collapsed", "expected", "validated", "seconds")
    for name, *values in found:
        counted = dict(zip(names, map(float, values), strict=True))
        tallies.setdefault(str(name), Tally()).add(counted)
    return tallies


def counts_of(request: RunRequest, tallies: Mapping[str, Tally]) -> list[TableCount]:
    """The lines of the report, zone by zone."""
    return [tallies.get(table.full_name, Tally()).as_count(table) for table in request.tables()]


def seal_loads(
    request: RunRequest, run_id: int, relations: Mapping[str, str], *, executor: Executor, pool: Pool
) -> None:
    """Every load of the run has its keys, indexes, foreign keys and statistics."""
    tables = request.tables()
    list(executor.map(lambda table: _seal(table, run_id, pool), tables))
    list(executor.map(lambda table: _refer(table, run_id, relations, pool), tables))


def _seal(table: Table, run_id: int, pool: Pool) -> None:
    with pool.lend() as connection:
        # A tenth of the usual sample: readers filter by key, game and load, whose statistics that gives well enough.
        database.execute(connection, "set default_statistics_target = 10")
        database.script(connection, ddl.finish_load(table, run_id))
        database.execute(connection, ddl.analyze_load(table, run_id))


def _refer(table: Table, run_id: int, relations: Mapping[str, str], pool: Pool) -> None:
    with pool.lend() as connection:
        # One at a time: a key takes a lock on the table that it refers to, which others wait for.
        for statement in ddl.reference_load(table, run_id, relations):
            database.execute(connection, statement)


def prove(connection: Connection, counts: Sequence[TableCount], relations: Mapping[str, str]) -> list[Check]:
    """The conservation checks of a run; :func:`require` acts on them."""
    return [*reconcile.conservation_checks(counts), *reconcile.stored_checks(connection, counts, relations)]


def require(checks: Sequence[Check], run_id: int) -> None:
    """Nothing may be published while a check fails.

    Raises:
        GateFailed: only gates failed.
        NotConserved: rows are missing or doubled.
    """
    wrong = failed(checks)
    if not wrong:
        return
    listed = "; ".join(f"{c.zone} {c.name}: expected {c.expected}, got {c.actual}" for c in wrong[:5])
    if all(check.name.startswith("gate ") for check in wrong):
        raise GateFailed(
            f"run {run_id} is not published: {listed}; {wrong[0].sentence}",
            next_step="look at the rejects, mend the cause and run again, or change [gates] in config/etl.toml, "
            "or etl run --no-validate",
        )
    raise NotConserved(
        f"run {run_id} is not published: {listed}", next_step=f"select * from audit.checks where run_id = {run_id}"
    )


def judge(connection: Connection, request: RunRequest, run_id: int, tallies: Mapping[str, Tally]) -> list[Check]:
    """The gates of the zones that the run wrote."""
    given = _gate_input(connection, run_id, tallies)
    checks: list[Check] = []
    if "raw_data" in request.zones:
        checks += gates.raw_gates(given, request.gates)
    if "staging" in request.zones:
        checks += gates.staging_gates(given, request.gates)
    return checks


def _gate_input(connection: Connection, run_id: int, tallies: Mapping[str, Tally]) -> gates.GateInput:
    def total(zone: str, what: str, names: Sequence[str]) -> int:
        return sum(int(getattr(tallies[f"{zone}.{n}"], what)) for n in names if f"{zone}.{n}" in tallies)

    raw_names = [table.name for table in tables_of("raw_data") if table.one_to_one]
    found = database.scalar(
        connection, f"select sum(copies)::bigint from {ledger.refused(run_id, literal('no_market') + ' = table_name')}"
    )
    strays = int(found or 0)
    games = unresolved = 0
    if "staging.games" in tallies:
        games = tallies["staging.games"].loaded
        relation = identifier(LOADS, ddl.load_relation(TABLES["staging.games"], run_id))
        unresolved = _count(connection, f"{relation} where home_team_id is null or away_team_id is null")
    return gates.GateInput(
        run_id=run_id,
        legacy_rows=total("raw_data", "read", raw_names) + strays,
        raw_loaded=total("raw_data", "loaded", raw_names),
        staging_read=total("staging", "read", LINE_NAMES),
        staging_collapsed=total("staging", "collapsed", LINE_NAMES),
        staging_rejected=total("staging", "rejected", LINE_NAMES),
        staging_validated=total("staging", "validated", LINE_NAMES),
        games=games,
        games_unresolved=unresolved,
        causes=_causes(connection, run_id),
    )


def _count(connection: Connection, what: str) -> int:
    return int(database.scalar(connection, f"select count(*) from {what}"))


def _causes(connection: Connection, run_id: int) -> str:
    found = database.rows(
        connection,
        f"select zone || '.' || table_name || ' ' || rule, sum(copies)::bigint from {ledger.refused(run_id)} "
        "group by 1 order by 2 desc, 1 limit 3",
    )
    return ", ".join(f"{what} ({rows})" for what, rows in found)


def publish_run(connection: Connection, request: RunRequest, run_id: int) -> float:
    """Readers see the run's loads, and what it did not write as it was published before; return the seconds of it.

    Raises:
        ReadersInTheWay: see :func:`etl.load.publish.publish`.
    """
    target = ledger.current_map(connection) | {table.full_name: run_id for table in request.tables()}
    return publish.publish(connection, run_id=run_id, kind="publish", target=target, options=request.publish_options)


def prune(connection: Connection, keep: int, *, run_id: int) -> list[str]:
    """Drop loads that no kept publication needs; return their names. What cannot be had at once is left for later.

    A load that another one descends from is kept by its foreign keys. Loads of unfinished runs older than the run
    that was just published go too.
    """
    stale = database.rows(
        connection,
        f"with kept as (select map from audit.publications order by publication_id desc limit {keep + 1}) "
        "select l.relation, l.table_name, l.load_id from audit.loads l where l.dropped_at is null "
        f"and l.run_id < {run_id} and not exists (select from kept where (map->>l.table_name)::int = l.load_id)",
    )
    ordered = _children_first(stale)
    # All at once where nobody is in the way, else one by one.
    if len(ordered) > 1 and _drop(connection, ordered):
        return [str(relation) for relation, _, _ in ordered]
    return [str(row[0]) for row in ordered if _drop(connection, [row])]


def _children_first(stale: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    order = {name: n for n, name in enumerate(TABLES)}
    return sorted(stale, key=lambda row: -order.get(str(row[1]), 0))


def _drop(connection: Connection, loads: Sequence[tuple[Any, ...]]) -> bool:
    gone = ", ".join(f"({literal(name)}, {load_id})" for _, name, load_id in loads)
    drops = [f"drop table if exists {identifier(LOADS, relation)}" for relation, _, _ in loads]
    entered = f"update audit.loads set dropped_at = now() where (table_name, load_id) in ({gone})"
    try:
        database.script(connection, ["set local lock_timeout = 100", *drops, entered])
    except DatabaseFault:
        return False
    return True


def load_relations(request: RunRequest, run_id: int, published: Mapping[str, int]) -> dict[str, str]:
    """``zone.table`` -> load that the run's rows may refer to: its own, else the published one."""
    own = {table.full_name: ddl.load_relation(table, run_id) for table in request.tables()}
    return ledger.relations(published) | own
