"""Read the legacy: introspect it once, then read table by table and batch by batch under one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from etl.extract.layout import LINE_TABLES, Layout, SourceTable, columns_query, resolve
from etl.extract.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class LegacySource:
    """The legacy under one snapshot, by its layout."""

    snapshot: Snapshot
    layout: Layout
    tables: Mapping[str, SourceTable]

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


def open_legacy(snapshot: Snapshot, layout: Layout, *, refuse_unmapped: bool) -> LegacySource:
    """The legacy as a source.

    Raises:
        LegacyMismatch: it is not of the layout; the message lists every missing table or column.
    """
    found = snapshot.rows(columns_query(layout.relations()))
    columns = [(str(relation), str(name), str(sql_type)) for relation, name, sql_type in found]
    return LegacySource(snapshot, layout, resolve(layout, columns, refuse_unmapped=refuse_unmapped))
