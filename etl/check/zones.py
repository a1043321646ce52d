"""Validate zones as readers see them: SQL over the loads of one publication, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from etl import database
from etl.check.checksum import checksum_checks
from etl.check.zone_facts import Facts, gather
from etl.database import Connection, identifier
from etl.report import Check
from schemas import LOADS, ZONES, Reference, Table, tables_of

_WORK_MEM = "64MB"  # of the one session: so that a million keys are grouped without a sort on disk
_RERUN = "load the zone again: etl run"
_LINES = ("moneylines", "spreads", "totals")
# Tables made of one row of another table each, by ``zone.table``.
_MADE_OF = (
    {"staging.games": "raw_data.games_raw", "curated.games": "staging.games"}
    | {f"staging.{name}": f"raw_data.{name}_raw" for name in _LINES}
    | {f"curated.{name}": f"staging.{name}" for name in _LINES}
)
# Tables with so many rows for each row of others.
_TIMES = {
    "raw_data.betting_lines_raw": (2, tuple(f"raw_data.{name}_raw" for name in _LINES)),
    "staging.betting_lines": (2, tuple(f"staging.{name}" for name in _LINES)),
    "curated.market_efficiency": (3, ("staging.games",)),
    "curated.labels": (1, ("curated.feature_vectors",)),
}


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """Everything read inside is of one moment, and no publication switches in between. Nothing is written.

    Args:
        connection: an autocommit session of the target, which has all zone tables.
    """
    # NOTE: an attach is not MVCC, so a snapshot alone does not hold the parents still; the weakest lock does.
    parents = ", ".join(f"only {identifier(t.zone, t.name)}" for zone in ZONES for t in tables_of(zone))
    database.execute(connection, "begin isolation level repeatable read read only")
    try:
        database.execute(connection, f"lock table {parents} in access share mode")
        database.execute(connection, f"set local work_mem = '{_WORK_MEM}'")
        yield
    finally:
        database.execute(connection, "rollback")


def check_zones(connection: Connection, zones: Sequence[str], relations: Mapping[str, str]) -> list[Check]:
    """The checks of the zones of one publication.

    Args:
        connection: a session inside :func:`reading`.
        zones: of `schemas.ZONES`.
        relations: ``zone.table`` -> name in schema `loads` of the whole publication, read in the same transaction.
    """
    tables = [table for zone in zones for table in tables_of(zone)]
    bare = [_unpublished(table) for table in tables if table.full_name not in relations]
    published = [table for table in tables if table.full_name in relations]
    if not published:
        return bare
    facts = gather(connection, _needed(published, relations), judged=[table.full_name for table in published])
    checks = [check for table in published for check in _table_checks(connection, table, facts)]
    return [*bare, *checks, *_reject_checks(connection, published, facts), *_content_checks(connection, facts, zones)]


def _content_checks(connection: Connection, facts: Facts, zones: Sequence[str]) -> Iterator[Check]:
    """Of each run that wrote raw tables and noted the legacy's sums: what is stored is still what the legacy had."""
    if "raw_data" not in zones:
        return
    mine = {name: run for name, run in facts.runs.items() if name.startswith("raw_data.")}
    for run in sorted(set(mine.values())):
        yield from checksum_checks(connection, run, {n: facts.relations[n] for n, by in mine.items() if by == run})


def _needed(tables: Sequence[Table], relations: Mapping[str, str]) -> dict[str, str]:
    """The relations of the tables and of all that they refer to or follow from."""
    names = {table.full_name for table in tables}
    named = {reference.to for table in tables for reference in table.references}
    made_of = {_MADE_OF[name] for name in names if name in _MADE_OF}
    times = {parent for name in names if name in _TIMES for parent in _TIMES[name][1]}
    return {name: relations[name] for name in sorted(names | named | made_of | times) if name in relations}


def _table_checks(connection: Connection, table: Table, facts: Facts) -> Iterator[Check]:
    yield from _count_checks(table, facts)
    if table.key:
        yield _key_check(connection, table, facts)
    for reference in table.references:
        yield _reference_check(connection, table, reference, facts)
    yield from _ledger_checks(table, facts)
    yield from _parent_checks(table, facts)
    if "validation_status" in table.schema and table.zone == "staging" and table.one_to_one:
        yield _quality(connection, table, facts)


def _unpublished(table: Table) -> Check:
    return Check(
        table.zone, f"{table.name}: published", passed=False, expected="a published load", actual="none",
        sentence="etl run, or etl publish of a run that is filled but not published",
    )  # fmt: skip


def _count_checks(table: Table, facts: Facts) -> Iterator[Check]:
    name, relation = table.full_name, facts.relations[table.full_name]
    stored, entered, seen = facts.stored[name], facts.entered.get(name), facts.seen[name]
    yield Check(
        table.zone, f"{table.name}: rows", stored == entered, f"{entered} in the ledger", f"{stored} stored",
        sentence="" if stored == entered else f"rows of loads.{relation} were changed after the run: {_RERUN}",
    )  # fmt: skip
    yield Check(
        table.zone, f"{table.name}: seen by readers", seen == stored, f"{stored} in loads.{relation}",
        f"{seen} in {name}",
        sentence="" if seen == stored else f"what is attached is not what was published: {_RERUN}",
    )  # fmt: skip


def _key_check(connection: Connection, table: Table, facts: Facts) -> Check:
    key, relation = ", ".join(table.key), facts.relations[table.full_name]
    if relation in facts.indexed:
        doubled, how = 0, "0 doubled (unique index)"
    else:
        names = ", ".join(identifier(name) for name in table.key)
        groups = f"select count(*) as n from {identifier(LOADS, relation)} group by {names} having count(*) > 1"
        doubled = int(database.scalar(connection, f"select coalesce(sum(n), 0)::bigint from ({groups}) d"))
        how = f"{doubled} doubled"
    return Check(
        table.zone, f"{table.name}: key unique", doubled == 0, f"({key}) unique", how,
        sentence=f"find them: select {key}, count(*) from {table.full_name} group by {key} having count(*) > 1"
        if doubled
        else "",
    )  # fmt: skip


def _reference_check(connection: Connection, table: Table, reference: Reference, facts: Facts) -> Check:
    columns = ", ".join(reference.columns)
    name = f"{table.name}: {columns} in {reference.to}"
    if reference.to not in facts.relations:
        return Check(table.zone, name, passed=False, expected="0 orphans", actual="not published", sentence=_RERUN)
    child, parent = (identifier(LOADS, facts.relations[full]) for full in (table.full_name, reference.to))
    pairs = zip(reference.columns, reference.to_columns, strict=True)
    on = " and ".join(f"p.{identifier(there)} = c.{identifier(here)}" for here, there in pairs)
    given = " and ".join(f"c.{identifier(here)} is not null" for here in reference.columns)
    orphans = int(
        database.scalar(
            connection,
            f"select count(*) from {child} c where {given} and not exists (select from {parent} p where {on})",
        )
    )
    return Check(
        table.zone, name, orphans == 0, "0 orphans", f"{orphans} orphans",
        sentence=f"{reference.to} was loaded again without {table.zone}: etl run with this zone's phase"
        if orphans
        else "",
    )  # fmt: skip


def _ledger_checks(table: Table, facts: Facts) -> Iterator[Check]:
    """Conservation as the run's own batches tell it, and the rejects that they speak of."""
    tally, stored = facts.tallies.get(table.full_name), facts.stored[table.full_name]
    if tally is None:
        yield Check(
            table.zone, f"{table.name}: conserved", passed=False, expected="batches in the ledger", actual="none",
            sentence=f"audit.batches does not know the run that wrote it: {_RERUN}",
        )  # fmt: skip
        return
    told = stored + tally["rejected"] + tally["collapsed"]
    kept = stored == tally["expected"] and (not table.one_to_one or told == tally["read"])
    run = facts.runs[table.full_name]
    actual = f"{stored} stored"
    if table.one_to_one:
        actual += f" + {tally['rejected']} rejected + {tally['collapsed']} collapsed"
    yield Check(
        table.zone, f"{table.name}: conserved", kept,
        f"{tally['read']} read" if table.one_to_one else f"{tally['expected']} rows", actual,
        sentence="" if kept else f"select * from audit.batches where run_id = {run}; then {_RERUN}",
    )  # fmt: skip
    rejects = facts.rejects[table.full_name]
    yield Check(
        table.zone, f"{table.name}: rejects kept", rejects == tally["rejected"], f"{tally['rejected']} rejected",
        f"{rejects} in audit.rejects",
        sentence="" if rejects == tally["rejected"] else f"rejects of run {run} were removed or doubled: {_RERUN}",
    )  # fmt: skip


def _reject_checks(connection: Connection, tables: Sequence[Table], facts: Facts) -> Iterator[Check]:
    """Of each run that wrote the tables: as many rejects as its batches say, lines of no market included."""
    runs = {facts.runs[t.full_name]: t.zone for t in reversed(tables) if t.full_name in facts.runs}
    for run, zone in sorted(runs.items()):
        ((told, held),) = database.rows(
            connection,
            f"select (select coalesce(sum(rejected_rows), 0)::bigint from audit.batches where run_id = {run}), "
            "(select coalesce(sum(copies), 0)::bigint from audit.sightings join audit.rejects using (reject_key) "
            f"where run_id = {run})",
        )
        yield Check(
            zone, f"rejects of run {run}", told == held, f"{told} in its batches", f"{held} in audit.rejects",
            sentence="" if told == held else f"rejects of run {run} were removed or doubled: {_RERUN}",
        )  # fmt: skip


def _parent_checks(table: Table, facts: Facts) -> Iterator[Check]:
    """Counts that follow from the published parents, whatever the run told."""
    name, stale = table.full_name, f"{table.zone} is older than what it was made of: {_RERUN}"
    if name in _TIMES:
        factor, parents = _TIMES[name]
        wanted = factor * sum(facts.stored.get(parent, 0) for parent in parents)
        stored = facts.stored[name]
        yield Check(
            table.zone, f"{table.name}: rows of its parents", stored == wanted,
            f"{wanted} = {factor} x {' + '.join(parents)}", f"{stored} stored",
            sentence="" if stored == wanted else stale,
        )  # fmt: skip
    if name in _MADE_OF and name in facts.tallies:
        parent, read = _MADE_OF[name], facts.tallies[name]["read"]
        held = facts.stored.get(parent, 0)
        yield Check(
            table.zone, f"{table.name}: up to date", read == held, f"{held} in {parent}", f"{read} read", "warning",
            "" if read == held else stale,
        )  # fmt: skip


def _quality(connection: Connection, table: Table, facts: Facts) -> Check:
    found = database.rows(
        connection,
        f"select validation_status, count(*) from {identifier(LOADS, facts.relations[table.full_name])} group by 1",
    )
    graded = {str(status): int(rows) for status, rows in found}
    told = ", ".join(f"{graded.get(status, 0)} {status}" for status in ("validated", "needs_review"))
    return Check(table.zone, f"{table.name}: quality", passed=True, expected="", actual=told, severity="warning")
