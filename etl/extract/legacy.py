"""Read the legacy: introspect it once, then read table by table and batch by batch under one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from etl.database import literal
from etl.extract.layout import LINE_TABLES, Layout, SourceTable, columns_query, resolve
from etl.extract.snapshot import Snapshot
from etl.rowhash import Checksum, Fold, row_hash


@dataclass(frozen=True, slots=True)
class LegacySource:
    """The legacy under one snapshot, by its layout.

    Attributes:
        fold: How rows are hashed for checksums, as the target hashes them too; None: nobody compares them.
        refuse_unmapped: Rows with values that have no column of their own are refused.
    """

    snapshot: Snapshot
    layout: Layout
    tables: Mapping[str, SourceTable]
    fold: Fold | None = None
    refuse_unmapped: bool = False

    @property
    def line_tables(self) -> tuple[str, ...]:
        """The raw tables that hold lines."""
        return LINE_TABLES

    def read(self, table: str, predicate: str = "true") -> pl.DataFrame:
        """The rows of a raw table as the legacy holds them: contract columns, `unmapped` and `unfit`."""
        return self.snapshot.read(self.tables[table].query(predicate))

    def source_name(self, table: str) -> str:
        """The legacy table that feeds a raw table."""
        return self.layout.tables[table].source

    def read_strays(self) -> pl.DataFrame:
        """(id, row): lines that no market filter takes, as JSON text."""
        entry = self.layout.strays
        if entry is None:
            return pl.DataFrame(schema={"id": pl.String, "row": pl.String})
        where = f"from {entry.source} l where {entry.where}"
        return self.snapshot.read(f"select l.id::text as id, to_jsonb(l)::text as row {where} order by l.id")

    def checksum(self, table: str, predicate: str = "true") -> tuple[int, str]:
        """(rows, sum as decimal text) of a raw table's legacy rows that keep the predicate, summed by the legacy."""
        found = self.checksums({table: predicate})[table]
        return found.rows, str(found.total)

    def checksums(self, predicates: Mapping[str, str]) -> dict[str, Checksum]:
        """The checksums of several raw tables, each over the rows that keep its predicate; no row leaves the legacy."""
        fold = self.fold or Fold.MD5
        return self._summed({name: self.tables[name].checksum(fold, sql) for name, sql in predicates.items()})

    def stray_checksum(self) -> Checksum:
        """That of the lines that no market filter takes."""
        entry = self.layout.strays
        if entry is None:
            return Checksum(0, 0)
        hashed = row_hash(['to_jsonb(l)::text collate "C"'], "to_jsonb(l)->>'id'", self.fold or Fold.MD5)
        query = f"select count(*) as rows, coalesce(sum({hashed}), 0)::text as total from {entry.source} l"
        return self._summed({"": f"{query} where {entry.where}"})[""]

    def _summed(self, queries: Mapping[str, str]) -> dict[str, Checksum]:
        parts = (f"select {literal(name)} as name, c.rows, c.total from ({sql}) c" for name, sql in queries.items())
        found = self.snapshot.read(" union all ".join(parts))
        return {str(name): Checksum(int(rows), int(total)) for name, rows, total in found.rows()}


def open_legacy(snapshot: Snapshot, layout: Layout, *, refuse_unmapped: bool, fold: Fold | None = None) -> LegacySource:
    """The legacy as a source.

    Raises:
        LegacyMismatch: it is not of the layout; the message lists every missing table or column.
    """
    found = snapshot.rows(columns_query(layout.relations()))
    columns = [(str(relation), str(name), str(sql_type)) for relation, name, sql_type in found]
    tables = resolve(layout, columns, refuse_unmapped=refuse_unmapped)
    return LegacySource(snapshot, layout, tables, fold, refuse_unmapped)
