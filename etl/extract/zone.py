"""Read a zone back, for a phase that runs alone: one publication, resolved once, from its tables in `loads`."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from etl.database import identifier
from etl.errors import ConfigurationError
from etl.extract.layout import LINE_TABLES, SourceTable
from etl.extract.snapshot import Snapshot
from schemas import LOADS, Column, tables_of


@dataclass(frozen=True, slots=True)
class ZoneSource:
    """A published zone under one snapshot of the target."""

    snapshot: Snapshot
    zone: str
    tables: Mapping[str, SourceTable]

    @property
    def line_tables(self) -> tuple[str, ...]:
        """The zone's tables that hold lines."""
        return LINE_TABLES if self.zone == "raw_data" else tuple(name.removesuffix("_raw") for name in LINE_TABLES)

    def read(self, table: str, predicate: str = "true") -> pl.DataFrame:
        """The rows of a zone table that keep the predicate, in the contract's exact types."""
        source = self.tables[table]
        frame = self.snapshot.read(source.query(predicate))
        return frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in source.table.schema.items())


def open_zone(snapshot: Snapshot, zone: str, relations: Mapping[str, str]) -> ZoneSource:
    """A zone as a source.

    Args:
        snapshot: of the target.
        zone: ``raw_data`` or ``staging``.
        relations: ``zone.table`` -> name of its table in schema `loads`, of one publication.

    Raises:
        ConfigurationError: the zone was never published.
    """
    missing = [table.full_name for table in tables_of(zone) if table.full_name not in relations]
    if missing:
        raise ConfigurationError(
            f"nothing is published in zone {zone} (no load of {missing[0]}), so a later phase cannot run alone",
            next_step="etl run --phase all",
        )
    tables = {
        table.name: SourceTable(
            table=table,
            relation=identifier(LOADS, relations[table.full_name]),
            where="true",
            select=", ".join(f"{_read(column)} as {identifier(column.name)}" for column in table.columns),
        )
        for table in tables_of(zone)
    }
    return ZoneSource(snapshot, zone, tables)


def _read(column: Column) -> str:
    value = f"l.{identifier(column.name)}"
    return f"{value}::text" if column.sql_type in ("jsonb", "uuid") else value
