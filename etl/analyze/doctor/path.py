"""The path that rows take, walked with edge values: connectorx, contract, ADBC, into temporary tables of the target.

The queries, casts, rules and copies are the very ones of a run. Nothing is left in either database.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from etl import database
from etl.analyze.doctor.edges import Edge, Kind, edges, kinds
from etl.analyze.doctor.facts import ServerFacts
from etl.check.contract import split
from etl.database import Connection
from etl.errors import EtlError
from etl.extract.layout import UNFIT, SourceTable, source_of
from etl.extract.snapshot import Snapshot, open_snapshot
from etl.load.copy import copy_frame
from etl.report import Check
from etl.transform import raw
from schemas import Column, Table
from schemas.raw import RawRow

ZONE = "path"
_TEMPORARY = "pg_temp"  # where a session finds its own temporary tables
_NAME = "etl_doctor"
_LONGEST = 60  # characters of a value that are shown
# What `::text` gives must not depend on how either server is set up.
_FORMS = ("set timezone to 'UTC'", "set datestyle to 'ISO, MDY'", "set extra_float_digits to 1")
_UTF8 = "set client_encoding to 'UTF8'"
_SENTENCE = "do not run before this is understood: the value would be lost, changed, or stop its batch"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one value: `text` is how the target holds it, or what the reject says of it; null is None."""

    is_refused: bool
    text: str | None

    def __str__(self) -> str:
        shown = "null" if self.text is None else repr(self.text)
        cut = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}… ({len(self.text or ''):,} characters)"
        return f"refused {cut}" if self.is_refused else cut


def check_path(legacy_url: str, target_url: str, legacy: ServerFacts) -> list[Check]:
    """One check for each column type of the contracts: all its edge values arrive, or are refused with their text.

    Args:
        legacy_url: where the values are made, by SELECTs of constants.
        target_url: where they arrive, in temporary tables of one session that is closed at the end.
        legacy: decides which values can exist there.

    Raises:
        DatabaseUnreachable: a session could not be had, or was lost.
    """
    with (
        open_snapshot(legacy_url) as snapshot,
        database.session(legacy_url, autocommit=True, name="etl doctor") as origin,
        database.session(target_url, autocommit=True, name="etl doctor") as target,
    ):
        for statement in (*_FORMS, _UTF8):
            database.execute(origin, statement)
        for statement in _FORMS:
            database.execute(target, statement)
        return [_check(kind, legacy, snapshot, origin, target) for kind in kinds()]


def _check(kind: Kind, legacy: ServerFacts, snapshot: Snapshot, origin: Connection, target: Connection) -> Check:
    values = edges(kind, major=legacy.major, is_utf8=legacy.encoding == "UTF8")
    told = _told(values)
    try:
        wanted = _as_the_legacy_says(kind, values, origin)
        arrived = walk(kind, values, snapshot, target)
    except (EtlError, pl.exceptions.PolarsError) as error:
        return Check(
            ZONE, kind.name, passed=False, expected=told, actual=" ".join(str(error).split()), sentence=_SENTENCE
        )
    for number, (edge, text) in enumerate(zip(values, wanted, strict=True)):
        found, carried = arrived.get(number), Arrival(is_refused=False, text=text)
        expected = carried if edge.is_carried else Arrival(is_refused=True, text=text)
        if found not in (carried, expected):
            lost = "nothing: the row is lost" if found is None else str(found)
            return Check(ZONE, kind.name, passed=False, expected=str(expected), actual=lost, sentence=_SENTENCE)
    return Check(ZONE, kind.name, passed=True, expected=told, actual=told)


def _told(values: Sequence[Edge]) -> str:
    refused = sum(not edge.is_carried for edge in values)
    return f"{len(values) - refused} values arrive" + (f", {refused} refused with text" if refused else "")


def _as_the_legacy_says(kind: Kind, values: Sequence[Edge], origin: Connection) -> list[str | None]:
    """Each value as text: in the contract's type, or as it is where that cannot hold it."""
    parts = [
        f"select {number}, {_value(edge.sql, kind.given, *([kind.sql_type] if edge.is_carried else []))}::text"
        for number, edge in enumerate(values)
    ]
    return [text for _, text in database.rows(origin, f"{' union all '.join(parts)} order by 1")]


def _value(sql: str, *types: str) -> str:
    return f"({sql})" + "".join(f"::{sql_type}" for sql_type in types)


def walk(kind: Kind, values: Sequence[Edge], snapshot: Snapshot, target: Connection) -> Mapping[int, Arrival]:
    """Send the values of one type down the path together, as the rows of one table; what became of each, by number.

    Raises:
        EtlError: a step failed for all of them.
    """
    table = _table(kind)
    frame = snapshot.read(_source(table, kind, values).query())
    typed = raw.typed(
        frame.lazy(), table, load_id=0, batch_id=0, source_table=_NAME, extracted_at=datetime(2024, 6, 1, tzinfo=UTC)
    ).collect()
    halves = split(typed.drop(UNFIT), table)
    refused = typed.join(halves.rejected.select("n"), on="n", how="semi").select("n", UNFIT).rows()
    arrived = _copied(table, kind, halves.valid, target)
    return arrived | {int(n): Arrival(is_refused=True, text=_reason(unfit)) for n, unfit in refused}


def _reason(unfit: str | None) -> str | None:
    found: str | None = json.loads(unfit or "{}").get("value")
    return found


def _table(kind: Kind) -> Table:
    """A contract of one column of the type, and a number to tell its rows by."""
    number = Column("n", pl.Int32(), "integer", False, "", "", "", "", ())  # noqa: FBT003
    value = Column("value", kind.dtype, kind.sql_type, True, "", "", "", "", ())  # noqa: FBT003
    return Table(_TEMPORARY, _NAME, RawRow, ("n",), "one edge value", "", True, True, (), (), (number, value))  # noqa: FBT003


def _source(table: Table, kind: Kind, values: Sequence[Edge]) -> SourceTable:
    """The query that a legacy table with a column of the type would be read by, over constants."""
    listed = ", ".join(f"({number}, {_value(edge.sql, kind.given)})" for number, edge in enumerate(values))
    source = source_of(table, _NAME, {"n": "integer", "value": kind.given})
    return replace(source, relation=f"(select * from (values {listed}) v(n, value))")


def _copied(table: Table, kind: Kind, frame: pl.DataFrame, target: Connection) -> dict[int, Arrival]:
    """Copy the rows into a temporary table as a run would, and ask the target for its text of each."""
    database.execute(target, "begin read write")
    try:
        database.execute(target, f"create temporary table {_NAME} (n integer, value {kind.sql_type}) on commit drop")
        copy_frame(target, frame, table, relation=(_TEMPORARY, _NAME))
        # NOTE: only now, for a run copies in the encoding that the session came with.
        database.execute(target, _UTF8.replace("set ", "set local ", 1))
        found = database.rows(target, f"select n, value::text from {_TEMPORARY}.{_NAME}")
    finally:
        database.execute(target, "rollback")
    return {int(n): Arrival(is_refused=False, text=text) for n, text in found}
