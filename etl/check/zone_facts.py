"""What the ledger and the database say about the loads of one publication."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl import database
from etl.database import Connection, identifier, literal
from schemas import LOADS, TABLES

_TALLIED = ("read", "loaded", "rejected", "collapsed", "expected")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks of a publication judge. By ``zone.table``.

    Attributes:
        relations: Name in schema `loads` of each published table.
        stored: Rows of each load.
        seen: Rows that a reader of each zone table sees.
        entered: Rows that the ledger says each load has; absent where the ledger does not say.
        runs: The run that wrote each load.
        tallies: Sums over the batches of the run that wrote it: read, loaded, rejected, collapsed, expected.
        rejects: Rows of `audit.rejects` of that run for each table.
        indexed: Names of loads whose key has a unique index.
    """

    relations: Mapping[str, str]
    stored: Mapping[str, int]
    seen: Mapping[str, int]
    entered: Mapping[str, int]
    runs: Mapping[str, int]
    tallies: Mapping[str, Mapping[str, int]]
    rejects: Mapping[str, int]
    indexed: frozenset[str]


def gather(connection: Connection, relations: Mapping[str, str], *, judged: Sequence[str]) -> Facts:
    """The facts of a publication.

    Args:
        connection: a session of the target.
        relations: ``zone.table`` -> name in schema `loads`: the tables that are judged and those that they rest on.
        judged: ``zone.table`` of the tables that are judged.
    """
    wanted = ", ".join(f"({literal(name)}, {literal(relation)})" for name, relation in relations.items())
    loads = database.rows(
        connection,
        f"select w.name, l.run_id, l.loaded_rows from (values {wanted}) w(name, relation) "
        "join audit.loads l on l.table_name = w.name and l.relation = w.relation",
    )
    runs = {str(name): int(run) for name, run, _ in loads}
    return Facts(
        relations=relations,
        stored=_counted(connection, {name: identifier(LOADS, relation) for name, relation in relations.items()}),
        seen=_counted(connection, {name: identifier(*name.split(".")) for name in judged}),
        entered={str(name): int(rows) for name, _, rows in loads if rows is not None},
        runs=runs,
        tallies=_tallies(connection, runs),
        rejects=_rejects(connection, runs),
        indexed=_indexed(connection, relations),
    )


def _counted(connection: Connection, places: Mapping[str, str]) -> dict[str, int]:
    parts = [f"select {literal(name)}, count(*) from {place}" for name, place in places.items()]
    return {str(name): int(rows) for name, rows in database.rows(connection, " union all ".join(parts))}


def _tallies(connection: Connection, runs: Mapping[str, int]) -> dict[str, dict[str, int]]:
    sums = ", ".join(f"sum((t.value->>{literal(name)})::float8)::bigint" for name in _TALLIED)
    found = database.rows(
        connection,
        f"select b.run_id, t.key, {sums} from audit.batches b, jsonb_each(b.counts) t "
        f"where b.run_id = any({_run_list(runs)}) group by 1, 2",
    )
    by_run = {(int(run), str(name)): dict(zip(_TALLIED, map(int, n), strict=True)) for run, name, *n in found}
    return {name: by_run[run, name] for name, run in runs.items() if (run, name) in by_run}


def _rejects(connection: Connection, runs: Mapping[str, int]) -> dict[str, int]:
    found = database.rows(
        connection,
        "select run_id, zone || '.' || table_name, sum(copies)::bigint from audit.sightings "
        f"join audit.rejects using (reject_key) where run_id = any({_run_list(runs)}) group by 1, 2",
    )
    by_run = {(int(run), str(name)): int(rows) for run, name, rows in found}
    return {name: by_run.get((run, name), 0) for name, run in runs.items()}


def _run_list(runs: Mapping[str, int]) -> str:
    return f"{literal(sorted(set(runs.values())))}::int[]"


def _indexed(connection: Connection, relations: Mapping[str, str]) -> frozenset[str]:
    """Loads with a valid unique index over exactly the columns of their contract's key."""
    found = database.rows(
        connection,
        "select c.relname, (select json_agg(a.attname order by a.attname)::text from pg_attribute a "
        "where a.attrelid = c.oid and a.attnum = any(i.indkey)) from pg_index i join pg_class c on c.oid = i.indrelid "
        f"where c.relnamespace = to_regnamespace({literal(LOADS)}) and i.indisunique and i.indisvalid "
        "and i.indpred is null and i.indexprs is null",
    )
    keys = {relations[name]: sorted(TABLES[name].key) for name in relations}
    return frozenset(str(relation) for relation, columns in found if json.loads(columns) == keys.get(relation))
