"""What became of the rejects that a replay put back: each is accepted, refused still, a copy, or not made any more.

Everything is asked of the new loads and of the ledger, after all batches of the run are in.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl import database
from etl.database import Connection, identifier, literal
from etl.runner.rejects import met_by
from schemas import LOADS, TABLES, Table

OUTCOMES = ("accepted", "refused", "collapsed", "gone", "not_tried")
_FEW = 20  # kinds of new rejects that a report names
_LINES = ("moneylines", "spreads", "totals")
# Not told by the reject's own row: a split may be accepted under the book that it shares with others.
_NOT_COMPARED = ("book_key",)


def account(
    connection: Connection,
    run_id: int,
    chosen: str,
    base: Sequence[tuple[str, int]],
    *,
    zones: Sequence[str],
    relations: Mapping[str, str],
) -> dict[str, Any]:
    """By zone, table and rule, rows of the chosen rejects by outcome; and the rejects that are new.

    Args:
        connection: a session of the target.
        run_id: the replay.
        chosen: SQL over the columns of `audit.rejects`: what was to be put back.
        base: (zone, run) of what was published.
        zones: those that the replay wrote. A reject of another zone was judged and is refused still.
        relations: ``zone.table`` -> name in schema `loads`, of the run's own loads and of what it left as it was.

    Returns:
        ``rejects``: entries with zone, table, rule, each of `OUTCOMES` and `rules_now` (rule -> rows refused by it);
        ``newly_refused``: zone, table, rule, rows of what no published run refused.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for zone, name in _places(connection, chosen, base):
        for rule, outcome, rule_now, rows in _outcomes(
            connection, run_id, (chosen, base), (zone, name), zones, relations
        ):
            entry = found.setdefault((zone, name, rule), _empty(zone, name, rule))
            entry[outcome] += rows
            if outcome == "refused":
                entry["rules_now"][rule_now] = entry["rules_now"].get(rule_now, 0) + rows
    return {"rejects": [found[key] for key in sorted(found)], "newly_refused": _new(connection, run_id, base)}


def _empty(zone: str, name: str, rule: str) -> dict[str, Any]:
    return {"zone": zone, "table": name, "rule": rule, **dict.fromkeys(OUTCOMES, 0), "rules_now": {}}


def _places(connection: Connection, chosen: str, base: Sequence[tuple[str, int]]) -> list[tuple[str, str]]:
    found = database.rows(
        connection,
        "select distinct zone, table_name from audit.rejects j join audit.sightings using (reject_key) "
        f"where ({chosen}) and {met_by(base)} order by 1, 2",
    )
    return [(str(zone), str(name)) for zone, name in found]


def _outcomes(
    connection: Connection,
    run_id: int,
    which: tuple[str, Sequence[tuple[str, int]]],
    place: tuple[str, str],
    zones: Sequence[str],
    relations: Mapping[str, str],
) -> Iterator[tuple[str, str, str, int]]:
    """(rule, outcome, rule of today, rows)."""
    (chosen, base), (zone, name) = which, place
    table = TABLES.get(f"{zone}.{name}")
    if table is None:
        case, now = "'not_tried'", "null"
    elif zone not in zones:
        case, now = "'refused'", "j.rule"
    else:
        case, now = _case(table, relations), "q.rule"
    found = database.rows(
        connection,
        f"""with j as materialized (
            select j.*, copies from audit.rejects j join audit.sightings using (reject_key)
            where ({chosen}) and {met_by(base)} and zone = {literal(zone)} and table_name = {literal(name)}),
        q as materialized (
            select distinct on (source_id, {_apart(table)}) source_id, {_apart(table)} as apart, rule
            from audit.rejects join audit.sightings using (reject_key)
            where run_id = {run_id} and zone = {literal(zone)} and table_name = {literal(name)} order by 1, 2, 3)
        select j.rule, {case}, {now}, sum(j.copies)::bigint
        from j left join q on q.source_id is not distinct from j.source_id
            and q.apart is not distinct from {_apart(table, "j.")}
        group by 1, 2, 3 order by 1, 2, 3""",
    )
    for rule, outcome, rule_now, rows in found:
        yield str(rule), str(outcome), str(rule_now), int(rows)


def _apart(table: Table | None, of: str = "") -> str:
    """SQL for what tells two rejects of one source id apart: the whole row in raw, the market of derived rows."""
    if table is not None and table.zone == "raw_data":
        return f"md5({of}row::text)"
    return f"coalesce({of}row->>'market', '')"


def _case(table: Table, relations: Mapping[str, str]) -> str:
    here = f"exists (select from {identifier(LOADS, relations[table.full_name])} t where {_same(table)})"
    collapsed = ""
    if table.name in _LINES:
        # There in the zone below and not here: another row tells it.
        below, key = (
            (f"raw_data.{table.name}_raw", "id") if table.zone == "staging" else (f"staging.{table.name}", "raw_id")
        )
        parent = identifier(LOADS, relations[below])
        collapsed = f"when exists (select from {parent} p where p.{key} = j.source_id::bigint) then 'collapsed' "
    return f"case when q.rule is not null then 'refused' when {here} then 'accepted' {collapsed}else 'gone' end"


def _same(table: Table) -> str:
    """SQL: row t of the new load is what the reject j was to be."""
    if table.zone == "raw_data":
        return "t.id = j.source_id::bigint"
    if table.full_name == "staging.games":
        return "j.source_id::int = any(t.raw_ids)"
    if "raw_id" in table.key and table.one_to_one:
        return "t.raw_id = j.source_id::bigint"
    types = {column.name: column.sql_type for column in table.columns}
    compared = [name for name in table.key if name not in _NOT_COMPARED]
    return " and ".join(f"t.{identifier(name)} = (j.row->>{literal(name)})::{types[name]}" for name in compared)


def _new(connection: Connection, run_id: int, base: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    found = database.rows(
        connection,
        f"""select zone, table_name, rule, sum(copies)::bigint from audit.rejects n
        join audit.sightings using (reject_key) where run_id = {run_id} and not exists (
            select from audit.rejects o join audit.sightings using (reject_key)
            where {met_by(base)} and o.zone = n.zone and o.table_name = n.table_name
            and o.source_id is not distinct from n.source_id)
        group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit {_FEW}""",
    )
    return [dict(zip(("zone", "table", "rule", "rows"), row, strict=True)) for row in found]


def totals(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Rows by outcome, of all entries."""
    return {outcome: sum(entry[outcome] for entry in entries) for outcome in OUTCOMES}
