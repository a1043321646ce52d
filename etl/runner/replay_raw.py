"""Rejects of the raw zone put back: from their stored text through today's raw contract, as if they were read anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from etl.check.contract import BROKEN, split
from etl.database import identifier, literal
from etl.extract.layout import LINE_TABLES, UNFIT, SourceTable, source_columns, source_of
from etl.extract.snapshot import Snapshot
from etl.runner.context import Parcel
from etl.transform import raw
from schemas import LOADS, TABLES, Column, Table, tables_of

_TAKEN = "key_unique"
_SENTENCES = {raw.UNFIT_RULE: raw.UNFIT_SENTENCE, raw.UNMAPPED_RULE: raw.UNMAPPED_SENTENCE}
_LINES = "raw_data.betting_lines_raw"


@dataclass(frozen=True, slots=True)
class PutBack:
    """Rejected raw rows as they were read, by raw table, in the contract's types with `unfit` and `broken_rules`."""

    frames: Mapping[str, pl.DataFrame]

    def accepted(self) -> int:
        """Rows that today's contract accepts."""
        return sum(len(self._valid(name, frame)) for name, frame in self.frames.items())

    def games(self) -> set[int]:
        """Legacy games of the lines that are accepted."""
        found = [self._valid(name, frame) for name, frame in self.frames.items() if name in LINE_TABLES]
        return {int(game) for frame in found for game in frame["game_id"].drop_nulls()}

    def put(self, parcel: Parcel) -> None:
        """All rows go into a batch: accepted ones into their tables, the others to its rejects."""
        accepted = {name: _put(name, frame, parcel) for name, frame in self.frames.items()}
        lines = [name for name in LINE_TABLES if name in accepted]
        none = {name: pl.DataFrame(schema=TABLES[f"raw_data.{name}"].schema) for name in LINE_TABLES}
        whole = {name: frame.lazy() for name, frame in (none | {n: accepted[n] for n in lines}).items()}
        rows = sum(len(accepted[name]) for name in lines)
        parcel.put(_LINES, raw.betting_lines(whole).collect(), read=rows, expected=2 * rows)

    @staticmethod
    def _valid(name: str, frame: pl.DataFrame) -> pl.DataFrame:
        return split(frame.drop(UNFIT), TABLES[f"raw_data.{name}"]).valid


def _put(name: str, frame: pl.DataFrame, parcel: Parcel) -> pl.DataFrame:
    typed = frame.with_columns(load_id=pl.lit(parcel.run_id, pl.Int32), batch_id=pl.lit(parcel.batch_id, pl.Int32))
    return parcel.put(f"raw_data.{name}", typed, read=len(typed), id_column="id", sentences=_SENTENCES)


def read_rejected(
    snapshot: Snapshot,
    chosen: str,
    *,
    run_id: int,
    relations: Mapping[str, str],
    extracted_at: datetime,
    refuse_unmapped: bool,
) -> PutBack:
    """The rejects of the raw zone that keep `chosen`, as rows.

    Args:
        snapshot: of the target.
        chosen: SQL over the columns of `audit.rejects`.
        run_id: the run that wrote the published raw zone; it met them.
        relations: ``zone.table`` -> name in schema `loads` of what is published.
        extracted_at: when that run's legacy snapshot was taken.
        refuse_unmapped: a value that has no column of its own makes a reject.
    """
    frames = {}
    for table in (table for table in tables_of("raw_data") if table.one_to_one):
        read = snapshot.read(_source(table, chosen, run_id).query())
        if not read.is_empty():
            typed = _typed(read, table, extracted_at, refuse_unmapped=refuse_unmapped)
            taken = _present(snapshot, relations[table.full_name], typed["id"].drop_nulls().unique().to_list())
            frames[table.name] = typed.with_columns(_with_taken(taken))
    return PutBack(frames)


def _source(table: Table, chosen: str, run_id: int) -> SourceTable:
    """The rejects of a table as a source like the legacy: the same query judges what can be carried."""
    types = {column.name: _wide(column) for column in source_columns(table)}
    stored = ", ".join(f"{_stored(name, sql_type)} as {identifier(name)}" for name, sql_type in types.items())
    copies = f"(select sum(copies)::int from audit.sightings s where s.reject_key = j.reject_key and run_id = {run_id})"
    beside = f"row->>'unmapped' as kept_unmapped, row->>'source_table' as kept_source, {copies} as copies"
    mine = f"zone = {literal(table.zone)} and table_name = {literal(table.name)}"
    source = source_of(table, "audit.rejects", types)
    return replace(
        source,
        relation=f"(select {stored}, {beside} from audit.rejects j where {mine} and ({chosen}))",
        select=f"{source.select}, kept_unmapped, kept_source, copies",
    )


def _stored(name: str, sql_type: str) -> str:
    return f"coalesce(((row->>'unfit')::jsonb)->>{literal(name)}, row->>{literal(name)})::{sql_type}"


def _wide(column: Column) -> str:
    """A type that holds whatever the legacy may have held, so that the query judges it as it does the legacy."""
    if column.sql_type.startswith("numeric"):
        return "numeric"
    if column.sql_type in ("smallint", "integer", "bigint"):
        return "bigint"
    return "text" if column.sql_type in ("text", "jsonb", "uuid") else column.sql_type


def _typed(read: pl.DataFrame, table: Table, extracted_at: datetime, *, refuse_unmapped: bool) -> pl.DataFrame:
    """The rows in the contract's types, each as often as it was refused, with the rules that they break at once."""
    repeated = (
        read.drop("unmapped").rename({"kept_unmapped": "unmapped"}).select(pl.all().repeat_by("copies").explode())
    )
    lineage = {
        "load_id": pl.lit(0),
        "batch_id": pl.lit(0),
        "source_table": pl.col("kept_source"),
        "extracted_at": pl.lit(extracted_at),
    }
    columns = [lineage.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in table.schema.items()]
    return repeated.select(*columns, UNFIT, raw.expr_unfit_rules(refuse_unmapped=refuse_unmapped).alias(BROKEN))


def _with_taken(taken: Sequence[int]) -> pl.Expr:
    """The broken rules, and that the id is taken by a row that was accepted before."""
    rule = pl.when(pl.col("id").is_in(pl.Series(taken, dtype=pl.Int64).implode())).then(pl.lit(_TAKEN))
    return pl.concat_list(BROKEN, pl.concat_list(rule).list.drop_nulls()).alias(BROKEN)


def _present(snapshot: Snapshot, relation: str, ids: Sequence[int]) -> list[int]:
    """Those of the ids that an accepted row has."""
    listed = f"{literal(list(ids))}::bigint[]"
    found = snapshot.rows(f"select id from {identifier(LOADS, relation)} where id = any({listed})")
    return [int(number) for (number,) in found]
