"""Carry the rows of games that nothing changed from one load to the next, inside the database, and count them.

The counts come from where a run's own counts do not: rows are counted in the tables on both sides of the cut, and what
was collapsed or expected follows from the ledger of the earlier run. So conservation over the new run still proves
that the two sides are the whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl import database
from etl.database import Connection, identifier, literal
from etl.load.ddl import load_relation
from schemas import LOADS, TABLES, Table

_LINES = ("moneylines", "spreads", "totals")
_STAGED = tuple(f"staging.{name}" for name in _LINES)
# What a table's rows are made of, one to one or not.
READ_FROM = (
    {f"staging.{name}": (f"raw_data.{name}_raw",) for name in _LINES}
    | {f"curated.{name}": (f"staging.{name}",) for name in _LINES}
    | {
        "staging.betting_lines": _STAGED,
        "staging.betting_splits": tuple(f"raw_data.{name}_raw" for name in _LINES),
        "staging.line_movements": _STAGED,
        "curated.games": ("staging.games",),
        "curated.line_movements": _STAGED,
        "curated.market_efficiency": _STAGED,
        "curated.feature_vectors": ("staging.games",),
        "curated.labels": ("staging.games",),
    }
)
# Made anew with batch 0, whole.
REMADE = ("staging.teams", "staging.sportsbooks")
# Counts that a carried batch enters, as a batch of the ordinary path does.
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a load is cut in two: the games that are done again, and all others, which are carried.

    Attributes:
        run_id: The new run.
        relations: ``zone.table`` -> name in schema `loads` of what was published.
        games: Canonical games that are done again; lines without a game are, too.
        stamps: Column -> value that every carried row gets, besides load and batch.
    """

    run_id: int
    relations: Mapping[str, str]
    games: Sequence[int]
    stamps: Mapping[str, str]


def carry_rows(
    connection: Connection, table: Table, cut: Cut, *, batch_id: int, wrote: int, told: Mapping[str, int]
) -> Counts:
    """The rows and rejects of the carried games are in the new load, under `batch_id`; return their counts.

    Args:
        connection: in a transaction; the caller commits.
        table: of zone staging or curated, and none of `REMADE`.
        cut: what is carried.
        batch_id: of the new run.
        wrote: the run whose load is carried.
        told: what the ledger says of the table over all of that run's batches.
    """
    _mark_games(connection, cut)
    old = identifier(LOADS, cut.relations[table.full_name])
    _insert(connection, table, cut, batch_id=batch_id, old=f"{old} o where not {_again('o.game_id')}")
    rejected = carry_sightings(
        connection, cut.run_id, batch_id, f"s.run_id = {wrote} and {_of(table)} and {_is_carried(table)}"
    )
    new = identifier(LOADS, load_relation(table, cut.run_id))
    mine = f"{new} where batch_id = {batch_id}"
    loaded = count_rows(connection, mine)
    again_rejected = _refused(connection, wrote, f"{_of(table)} and not {_is_carried(table)}")
    again_loaded = count_rows(connection, f"{old} o where {_again('o.game_id')}")
    again_collapsed = _read(connection, table, cut, carried=False) - again_loaded - again_rejected
    is_one_to_one = table.one_to_one
    return {
        "read": _read(connection, table, cut, carried=True),
        "loaded": loaded,
        "rejected": rejected,
        "collapsed": told["collapsed"] - again_collapsed if is_one_to_one else 0,
        "expected": told["loaded"] - again_loaded if is_one_to_one else told["expected"] - again_loaded,
        "validated": count_rows(connection, f"{mine} and validation_status = 'validated'")
        if "validation_status" in table.schema
        else 0,
    }


def carry_whole(
    connection: Connection, table: Table, cut: Cut, *, batch_id: int, left: str, wrote: int, told: Mapping[str, int]
) -> Counts:
    """All rows of a raw table, and its rejects but those that keep `left`, are in the new load; return their counts."""
    _insert(connection, table, cut, batch_id=batch_id, old=f"{identifier(LOADS, cut.relations[table.full_name])} o")
    whole = f"s.run_id = {wrote} and {_of(table)}"
    rejected = carry_sightings(connection, cut.run_id, batch_id, f"{whole} and not coalesce({left}, false)")
    tried = _refused(connection, wrote, f"{_of(table)} and coalesce({left}, false)")
    mine = f"{identifier(LOADS, load_relation(table, cut.run_id))} where batch_id = {batch_id}"
    return {
        "read": told["read"] - (tried if table.one_to_one else 0),
        "loaded": count_rows(connection, mine),
        "rejected": rejected,
        "collapsed": told["collapsed"],
        "expected": told["expected"],
        "validated": 0,
    }


def carry_sightings(connection: Connection, run_id: int, batch_id: int, condition: str) -> int:
    """The run meets, in a batch of its own, the rejects that keep `condition` (over s, sightings, and j, rejects).

    Returns:
        How many rows they are.
    """
    database.execute(
        connection,
        "insert into audit.sightings (run_id, batch_id, reject_key, copies) "
        f"select {run_id}, {batch_id}, s.reject_key, sum(s.copies) from audit.sightings s "
        f"join audit.rejects j using (reject_key) where {condition} group by s.reject_key",
    )
    found = database.scalar(
        connection,
        "select coalesce(sum(copies), 0)::bigint from audit.sightings "
        f"where run_id = {run_id} and batch_id = {batch_id}",
    )
    return int(found)


def count_rows(connection: Connection, what: str) -> int:
    """Rows of what stands after ``from``."""
    return int(database.scalar(connection, f"select count(*) from {what}"))


def _mark_games(connection: Connection, cut: Cut) -> None:
    """Temporary tables `again` (games that are done again) and `owners` (legacy id -> canonical game)."""
    games = identifier(LOADS, cut.relations["staging.games"])
    again = f"select unnest({literal(sorted(cut.games))}::int[]) as game_id"
    owners = f"select game_id, unnest(raw_ids) as legacy_id from {games}"
    made = [
        f"create temporary table {name} on commit drop as {rows}"
        for name, rows in (("again", again), ("owners", owners))
    ]
    indexed = ["create index on again (game_id)", "create index on owners (legacy_id)"]
    database.script(connection, [*made, *indexed, "analyze again", "analyze owners"])


def _insert(connection: Connection, table: Table, cut: Cut, *, batch_id: int, old: str) -> None:
    own = {"load_id": str(cut.run_id), "batch_id": str(batch_id)}
    own |= {name: literal(value) for name, value in cut.stamps.items()}
    names = ", ".join(identifier(name) for name in table.schema)
    values = ", ".join(own.get(name, f"o.{identifier(name)}") for name in table.schema)
    new = identifier(LOADS, load_relation(table, cut.run_id))
    database.execute(connection, f"insert into {new} ({names}) select {values} from {old}")


def _again(game: str) -> str:
    return f"exists (select from again a where a.game_id = {game})"


def _of(table: Table) -> str:
    return f"j.zone = {literal(table.zone)} and j.table_name = {literal(table.name)}"


def _is_carried(table: Table) -> str:
    """SQL: the reject belongs to a carried game. Rejected lines of staging are raw rows: they name a legacy game."""
    named = "(j.row->>'game_id')::int"
    if table.full_name == "staging.games":
        return "false"  # games are resolved, and refused, with batch 0
    if table.full_name in _STAGED:
        named = f"(select w.game_id from owners w where w.legacy_id = {named})"
    return f"coalesce(not exists (select from again a where a.game_id = {named}) and {named} is not null, false)"


def _refused(connection: Connection, run_id: int, condition: str) -> int:
    found = database.scalar(
        connection,
        "select coalesce(sum(s.copies), 0)::bigint from audit.sightings s join audit.rejects j using (reject_key) "
        f"where s.run_id = {run_id} and {condition}",
    )
    return int(found)


def _read(connection: Connection, table: Table, cut: Cut, *, carried: bool) -> int:
    """Rows that the table's carried (or other) rows are made of."""
    if table.full_name == "staging.games":
        games = identifier(LOADS, cut.relations["staging.games"])
        is_there = f"{'not ' if carried else ''}{_again('g.game_id')}"
        found = database.scalar(
            connection, f"select coalesce(sum(cardinality(raw_ids)), 0)::bigint from {games} g where {is_there}"
        )
        return int(found)
    return sum(_read_of(connection, name, cut, carried=carried) for name in READ_FROM[table.full_name])


def _read_of(connection: Connection, name: str, cut: Cut, *, carried: bool) -> int:
    parent = identifier(LOADS, cut.relations[name])
    if TABLES[name].zone != "raw_data":
        return count_rows(connection, f"{parent} p where {'not ' if carried else ''}{_again('p.game_id')}")
    joined = f"{parent} p left join owners w on w.legacy_id = p.game_id"
    own = f"w.game_id is not null and not {_again('w.game_id')}"
    other = f"w.game_id is null or {_again('w.game_id')}"
    return count_rows(connection, f"{joined} where {own if carried else other}")
