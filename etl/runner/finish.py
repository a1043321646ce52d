"""The end of a run: key and index what was filled, prove it, publish it, and let go of what nobody needs."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

from etl import database
from etl.check import checksum, reconcile
from etl.database import Connection, Pool, identifier, literal
from etl.errors import GateFailed, NotConserved
from etl.load import ddl, ledger, publish, retention, seal
from etl.report import Check, TableCount, failed
from etl.runner.context import RunRequest, Tally
from etl.runner.gating import gate_input, judged
from etl.runner.retry import RetryPolicy, patiently
from schemas import LOADS, TABLES


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
    tables, policy = request.tables(), request.retry
    list(executor.map(lambda table: _steadily(pool, policy, lambda c: seal.seal(c, table, run_id)), tables))
    list(executor.map(lambda table: _steadily(pool, policy, lambda c: seal.refer(c, table, run_id, relations)), tables))


def _steadily(pool: Pool, policy: RetryPolicy, work: Callable[[Connection], None]) -> None:
    def once() -> None:
        with pool.lend() as connection:
            work(connection)

    patiently(once, policy, told=lambda _: None)


def prove(connection: Connection, counts: Sequence[TableCount], relations: Mapping[str, str]) -> list[Check]:
    """The conservation checks of a run; :func:`require` acts on them."""
    return [*reconcile.conservation_checks(counts), *reconcile.stored_checks(connection, counts, relations)]


def prove_content(
    connection: Connection, request: RunRequest, run_id: int, relations: Mapping[str, str]
) -> list[Check]:
    """The checks that what the run loaded and rejected is what the legacy summed; none where that is off."""
    if not request.checksums or "raw_data" not in request.zones:
        return []
    database.execute(connection, "begin isolation level repeatable read read only")
    checks = checksum.checksum_checks(connection, run_id, relations)
    database.execute(connection, "commit")
    return checks


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
    strays = ledger.refused(run_id, literal("no_market") + " = table_name")
    found = database.scalar(connection, f"select sum(copies)::bigint from {strays}")
    unresolved = 0
    if "staging.games" in tallies:
        relation = identifier(LOADS, ddl.load_relation(TABLES["staging.games"], run_id))
        unresolved = _count(connection, f"{relation} where home_team_id is null or away_team_id is null")
    given = gate_input(
        run_id, tallies, strays=int(found or 0), games_unresolved=unresolved, causes=_causes(connection, run_id)
    )
    return judged(request, given)


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


def prune(connection: Connection, keep: int) -> list[str]:
    """Loads that nobody needs any more are dropped; return what was done, in sentences for people."""
    return retention.prune(connection, keep=keep).notices()


def load_relations(request: RunRequest, run_id: int, published: Mapping[str, int]) -> dict[str, str]:
    """``zone.table`` -> load that the run's rows may refer to: its own, else the published one."""
    own = {table.full_name: ddl.load_relation(table, run_id) for table in request.tables()}
    return ledger.relations(published) | own
