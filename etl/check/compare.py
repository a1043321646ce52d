"""Two loads of one table, compared in the database: rows by key, or by count and additive hash where no key is unique.

Values are equal where their texts are: `1.10` and `1.1` in a json value differ, as they do in the checksum of a run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from etl import database
from etl.database import Connection, identifier, literal

LINEAGE = ("load_id", "batch_id", "extracted_at", "config_hash")  # differ in every load and say nothing of the row
_LOOKED_AT = 1_000  # changed rows among which examples are sought


@dataclass(frozen=True, slots=True)
class Example:
    """One value that changed. Texts as PostgreSQL writes them; null is None."""

    key: dict[str, str]
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What tells two loads of a table apart; all counts in rows.

    Attributes:
        rows_before: of the earlier load.
        rows_after: of the later one.
        by: ``key``: compared row by row; ``hash``: only as a whole, and then the next three are None.
        added: rows whose key only the later load has.
        removed: rows whose key only the earlier load has.
        changed: rows of both that differ in a column of both.
        same: nothing differs in the columns that both have.
        columns: column -> rows in which it changed, the most often changed first.
        only_before: columns that only the earlier load has; not compared.
        only_after: columns that only the later load has; not compared.
        examples: values that changed, of as many columns as there is room for.
        added_keys: the first keys of rows that were added.
        removed_keys: the first keys of rows that were removed.
    """

    rows_before: int
    rows_after: int
    by: str
    added: int | None
    removed: int | None
    changed: int | None
    same: bool
    columns: dict[str, int]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    examples: tuple[Example, ...] = ()
    added_keys: tuple[dict[str, str], ...] = ()
    removed_keys: tuple[dict[str, str], ...] = ()


def compare(connection: Connection, before: str, after: str, key: Sequence[str], *, limit: int) -> Difference:
    """Compare two tables, in the transaction that the caller has begun.

    Args:
        connection: in a transaction that may make temporary tables.
        before: the earlier table, as a quoted name.
        after: the later one.
        key: columns that are unique in both; none: the tables are compared as a whole.
        limit: examples, and keys of added and of removed rows.
    """
    old, new = _columns(connection, before), _columns(connection, after)
    only = tuple(c for c in old if c not in new), tuple(c for c in new if c not in old)
    values = [name for name in old if name in new and name not in key]
    if not key or not set(key) <= set(old) & set(new):
        return _as_a_whole(connection, before, after, [name for name in old if name in new], only)
    _find(connection, before, after, key, values)
    told = _told(connection, (before, after), key, values, only, limit)
    database.execute(connection, "drop table pg_temp.etl_differences")
    return told


def _columns(connection: Connection, relation: str) -> list[str]:
    found = database.rows(
        connection,
        f"select attname from pg_attribute where attrelid = to_regclass({literal(relation)}) and attnum > 0 "
        "and not attisdropped order by attnum",
    )
    return [str(name) for (name,) in found if name not in LINEAGE]


def _hash(columns: Sequence[str]) -> str:
    return f"hashtextextended(row({', '.join(map(identifier, columns))})::text, 0)"


def _as_a_whole(
    connection: Connection,
    before: str,
    after: str,
    columns: Sequence[str],
    only: tuple[tuple[str, ...], tuple[str, ...]],
) -> Difference:
    """Rows in any order, doubled ones counted, have one sum of hashes."""
    (old, old_sum), (new, new_sum) = (
        database.rows(connection, f"select count(*), coalesce(sum({_hash(columns)}), 0)::text from {relation}")[0]
        for relation in (before, after)
    )
    is_same = (old, old_sum) == (new, new_sum)
    return Difference(int(old), int(new), "hash", None, None, None, is_same, {}, *only)


def _find(connection: Connection, before: str, after: str, key: Sequence[str], values: Sequence[str]) -> None:
    """Keys of rows that only one has, or whose hashes differ, are in a temporary table.

    Only keys and hashes are joined: a million wide rows would not fit into memory, these do.
    """
    keys = ", ".join(map(identifier, key))
    part = f"select {keys}, {_hash(values)} as etl_hash from"
    database.execute(
        connection,
        f"create temporary table etl_differences on commit drop as select {keys}, case when b.etl_hash is null then "
        f"'added' when a.etl_hash is null then 'removed' else 'changed' end as etl_what from ({part} {before}) b "
        f"full join ({part} {after}) a using ({keys}) where b.etl_hash is distinct from a.etl_hash",
    )
    database.execute(connection, "analyze pg_temp.etl_differences")


def _told(
    connection: Connection, pair: tuple[str, str], key: Sequence[str], values: Sequence[str],
    only: tuple[tuple[str, ...], tuple[str, ...]], limit: int,
) -> Difference:  # fmt: skip
    found = database.rows(connection, "select etl_what, count(*) from pg_temp.etl_differences group by 1")
    counts = {str(what): int(rows) for what, rows in found}
    old, new = (int(database.scalar(connection, f"select count(*) from {relation}")) for relation in pair)
    is_changed = "changed" in counts
    return Difference(
        rows_before=old,
        rows_after=new,
        by="key",
        added=counts.get("added", 0),
        removed=counts.get("removed", 0),
        changed=counts.get("changed", 0),
        same=not counts,
        columns=_changed_columns(connection, pair, key, values) if is_changed else {},
        only_before=only[0],
        only_after=only[1],
        examples=_examples(connection, pair, key, values, limit) if is_changed else (),
        added_keys=_keys(connection, "added", key, limit),
        removed_keys=_keys(connection, "removed", key, limit),
    )


def _changed_columns(
    connection: Connection, pair: tuple[str, str], key: Sequence[str], values: Sequence[str]
) -> dict[str, int]:
    counts = ", ".join(f"count(*) filter (where {_differs(name)})" for name in values)
    # NOTE: as one array: a server returns at most 1,664 columns, and a function takes 100 arguments.
    every = database.scalar(connection, f"select array_to_json(array[{counts}])::text from {_pairs(pair, key)}")
    found = dict(zip(values, json.loads(every), strict=True))
    return {name: rows for name, rows in sorted(found.items(), key=lambda item: -item[1]) if rows}


def _differs(name: str) -> str:
    return f"b.{identifier(name)}::text is distinct from a.{identifier(name)}::text"


def _pairs(pair: tuple[str, str], key: Sequence[str], changed: str = "") -> str:
    """SQL for the changed rows, both versions side by side: `b` before, `a` after."""
    keys = ", ".join(map(identifier, key))
    some = changed or "pg_temp.etl_differences where etl_what = 'changed'"
    return f"(select {keys} from {some}) d join {pair[0]} b using ({keys}) join {pair[1]} a using ({keys})"


def _examples(
    connection: Connection, pair: tuple[str, str], key: Sequence[str], values: Sequence[str], limit: int
) -> tuple[Example, ...]:
    """One of each changed column first, then a second of each, in the order of keys."""
    keys = ", ".join(map(identifier, key))
    some = f"pg_temp.etl_differences where etl_what = 'changed' order by {keys} limit {_LOOKED_AT}"
    listed = ", ".join(
        f"({n}, {literal(name)}, b.{identifier(name)}::text, a.{identifier(name)}::text)"
        for n, name in enumerate(values)
    )
    found = database.rows(
        connection,
        f"select k, name, old, new from (select {_as_json(key)} as k, v.n, v.name, v.old, v.new, row_number() over "
        f"(partition by v.n order by {keys}) as nth from {_pairs(pair, key, some)} cross join lateral (values {listed})"
        f" v(n, name, old, new) where v.old is distinct from v.new) e order by nth, n limit {limit}",
    )
    return tuple(Example(json.loads(text), str(name), old, new) for text, name, old, new in found)


def _keys(connection: Connection, what: str, key: Sequence[str], limit: int) -> tuple[dict[str, str], ...]:
    keys = ", ".join(map(identifier, key))
    found = database.rows(
        connection,
        f"select {_as_json(key)} from pg_temp.etl_differences where etl_what = {literal(what)} "
        f"order by {keys} limit {limit}",
    )
    return tuple(json.loads(text) for (text,) in found)


def _as_json(key: Sequence[str]) -> str:
    parts = ", ".join(f"{literal(name)}, {identifier(name)}::text" for name in key)
    return f"json_build_object({parts})::text"
