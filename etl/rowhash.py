"""A row as a number that two databases compute alike, and their sum: the checksum of a table.

The number depends on every value of the row, in its place, with null told from empty; the sum does not depend on the
order of rows. Both databases evaluate the same function of the same values, whatever their settings are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from etl.database import identifier, literal
from schemas import Column, Table

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
# For a session that prints values: what a type's text says must not depend on how a server is set up.
SETTINGS = (
    "set local timezone to 'UTC'",
    "set local datestyle to 'ISO, MDY'",
    "set local intervalstyle to 'postgres'",
    "set local extra_float_digits to 1",
    "set local bytea_output to 'hex'",
)
OF_THE_RUN = ("load_id", "batch_id", "source_table", "extracted_at")  # what a run adds to a legacy row
_RECORDS_SINCE = 140000
_UTF8 = "UTF8"


class Fold(StrEnum):
    """How the values of a row become 64 bits. All servers of a run use one way; the first that they share is taken."""

    RECORD = "record"  # PostgreSQL's own hash of each value in its binary form; since version 14
    TEXT = "text"  # PostgreSQL's hash of the row's text
    MD5 = "md5"  # half of the MD5 of the row's text in UTF-8: the same everywhere, and slowest


@dataclass(frozen=True, slots=True)
class Checksum:
    """Rows and the sum of their hashes. Sums of parts add up to the sum of the whole."""

    rows: int
    total: int


# NOTE: no times in the row that is hashed as text: theirs depends on the session.
_PLAIN_ROW = "row('é ß ⚾ 漢'::text, ''::text, null::text, 7::int, -1::bigint, 1.50::numeric(5,2), true)"
_TYPED_ROW = (
    "row('é ß ⚾ 漢'::text, ''::text, null::text, 7::int, -1::bigint, 1.50::numeric(5,2), 0::numeric, true, false, "
    "'2024-02-29'::date, '2024-02-29 12:00:00.123456+00'::timestamptz, 'infinity'::timestamptz, 1.5::float8, "
    "'0123abcd-4567-89ef-0123-456789abcdef'::uuid)"
)


def agreed(one: Ask, other: Ask) -> Fold:
    """The fastest way that gives the same numbers on both servers. Each `ask` runs one query on one of them."""
    ((version, encoding),), ((other_version, other_encoding),) = one(_FACTS), other(_FACTS)
    if {encoding, other_encoding} != {_UTF8}:
        return Fold.MD5
    # NOTE: an older server has no such function, and a query that fails would end a snapshot.
    has_records = min(int(version), int(other_version)) >= _RECORDS_SINCE
    if has_records and _is_same(_probe(Fold.RECORD, _TYPED_ROW), one, other):
        return Fold.RECORD
    return Fold.TEXT if _is_same(_probe(Fold.TEXT, _PLAIN_ROW), one, other) else Fold.MD5


_FACTS = "select current_setting('server_version_num')::int, current_setting('server_encoding')"


def _probe(fold: Fold, row: str) -> str:
    return f"select ({_folded(row, _seed('7::int'), fold)})::text"


def _is_same(query: str, one: Ask, other: Ask) -> bool:
    return list(one(query)) == list(other(query))


def row_hash(values: Sequence[str], key: str, fold: Fold) -> str:
    """SQL (bigint, never null) for the hash of a row.

    Args:
        values: SQL of its values, each made by :func:`as_value` or :func:`as_text`.
        key: SQL of the value that names the row.
        fold: the way.
    """
    return _folded(f"row({', '.join(values)})", _seed(key), fold)


def _folded(row: str, seed: str, fold: Fold) -> str:
    match fold:
        case Fold.RECORD:
            # NOTE: the hash of a record is linear in the hashes of its values, so values that changed places between
            # rows would not show in a sum. The seed makes a value's hash another one in each row.
            return f"hash_record_extended({row}, {seed})"
        case Fold.TEXT:
            return f'hashtextextended({row}::text collate "C", 0)'
        case Fold.MD5:
            return f"('x' || substr(md5(convert_to({row}::text, '{_UTF8}')), 1, 16))::bit(64)::bigint"


def _seed(key: str) -> str:
    return f'coalesce(hashtextextended(({key})::text collate "C", 1), 0)'


def as_value(sql: str, sql_type: str) -> str:
    """SQL of a value as it goes into a hash: equal values of one type are the same there, on every server."""
    if sql_type == "text":
        return f'{sql} collate "C"'  # a collation may call different texts equal
    if sql_type == "jsonb":
        return f'({sql})::text collate "C"'  # its own hash calls 1.10 and 1.1 equal
    # Minus zero is zero, as everywhere in SQL: a stored reject does not keep its sign.
    return f"({sql} + 0)" if sql_type == "double precision" else sql


def as_text(sql: str, sql_type: str) -> str:
    """SQL of a value's text, for a column whose type here is not the type there."""
    return f'({as_value(sql, sql_type)})::text collate "C"'


def compared_columns(table: Table) -> list[Column]:
    """The columns of a raw table that take part in its checksum: all of the legacy's, and `unmapped`."""
    return [column for column in table.columns if column.name not in OF_THE_RUN]


def loaded_hash(table: Table, texts: Sequence[str], fold: Fold) -> str:
    """SQL for the hash of a row `t` of a raw table; `texts`: names of columns that are compared as text."""
    columns = compared_columns(table)
    return row_hash([_value(f"t.{identifier(c.name)}", c, texts) for c in columns], "t.id", fold)


def refused_hash(table: Table, texts: Sequence[str], fold: Fold) -> str:
    """The same of a row that is kept as a reject: `x` is the row as jsonb, `u` the texts of values that did not fit."""
    values = {c.name: _kept(c, texts) for c in compared_columns(table)}
    return row_hash(list(values.values()), values["id"], fold)


def _value(sql: str, column: Column, texts: Sequence[str]) -> str:
    return as_text(sql, column.sql_type) if column.name in texts else as_value(sql, column.sql_type)


def _kept(column: Column, texts: Sequence[str]) -> str:
    unfit, kept = f"u->>{literal(column.name)}", f"x->>{literal(column.name)}"
    if column.name in texts:  # what did not fit is of another type than the contract's
        return f'coalesce({unfit}, {as_text(f"({kept})::{column.sql_type}", column.sql_type)}) collate "C"'
    return as_value(f"coalesce({unfit}, {kept})::{column.sql_type}", column.sql_type)
