"""How a legacy layout maps to the contracts of zone `raw_data`: data from configuration, checked against the legacy.

For every raw table this makes the query that reads it with nothing lost: values that the path cannot carry are nulled
and kept as text in `unfit`, values that have no column of their own are kept as JSON in `unmapped`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.database import identifier, literal
from etl.errors import LegacyMismatch
from etl.extract.carried import Carried, plain_type
from etl.rowhash import Fold, as_value, compared_columns, row_hash
from schemas import Column, Table, tables_of

LINEAGE = ("load_id", "batch_id", "source_table", "extracted_at", "unmapped")
UNFIT = "unfit"
LINE_TABLES = ("moneylines_raw", "spreads_raw", "totals_raw")
REFERENCE_TABLES = ("sportsbooks_raw", "teams_raw", "games_raw", "game_outcomes_raw")


@dataclass(frozen=True, slots=True)
class LegacyColumn:
    """A column as the legacy declares it."""

    name: str
    sql_type: str


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table's place in a source. `select` reads all contract columns; from the legacy `unfit` too.

    Attributes:
        compared: SQL of each value that takes part in the checksum, in the order of
            `etl.rowhash.compared_columns`; none where the source is no legacy.
        texts: names of the columns among them that are compared as text.
    """

    table: Table
    relation: str
    where: str
    select: str
    compared: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def query(self, predicate: str = "true") -> str:
        """The SELECT for the rows that belong to the table and keep `predicate`."""
        return f"select {self.select} from {self.relation} l where ({self.where}) and ({predicate})"

    def count(self, predicate: str = "true") -> str:
        """The SELECT that counts them."""
        return f"select count(*) from {self.relation} l where ({self.where}) and ({predicate})"

    def checksum(self, fold: Fold, predicate: str = "true") -> str:
        """The SELECT that gives their number and, as text, the sum of their hashes; one row, whatever there is."""
        key = self.compared[[column.name for column in compared_columns(self.table)].index("id")]
        return (
            f"select count(*) as rows, coalesce(sum({row_hash(self.compared, key, fold)}), 0)::text as total "
            f"from {self.relation} l where ({self.where}) and ({predicate})"
        )


@dataclass(frozen=True, slots=True)
class TableMap:
    """One entry of a layout file: `source` relation, filter, and SQL for columns that differ."""

    source: str
    where: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """A legacy layout: its name, its entries by raw table, and the filter of rows that no entry takes."""

    name: str
    tables: Mapping[str, TableMap]
    strays: TableMap | None

    def relations(self) -> tuple[str, ...]:
        """The legacy tables that the layout reads, each once."""
        return tuple(dict.fromkeys(entry.source for entry in self.tables.values()))


def columns_query(relations: Sequence[str]) -> str:
    """The query that lists the columns of the legacy tables: relation, column, type."""
    wanted = ", ".join(f"({literal(name)})" for name in relations)
    return (
        "select w.name, a.attname, format_type(a.atttypid, a.atttypmod) "
        f"from (values {wanted}) w(name) join pg_attribute a on a.attrelid = to_regclass(w.name) "
        "where a.attnum > 0 and not a.attisdropped order by 1, a.attnum"
    )


def resolve(
    layout: Layout, found: Sequence[tuple[str, str, str]], *, refuse_unmapped: bool, keep_replaced: bool = True
) -> dict[str, SourceTable]:
    """The source of each raw table, or an error that lists everything the legacy lacks.

    Args:
        layout: the configured layout.
        found: rows of :func:`columns_query`.
        refuse_unmapped: raise when the legacy has columns that the contracts do not know.
        keep_replaced: keep the values of a column that the layout replaces by an expression, as of an unknown one.

    Raises:
        LegacyMismatch: tables or columns are missing, or unknown ones are to be refused.
    """
    legacy: dict[str, list[LegacyColumn]] = {}
    for relation, name, sql_type in found:
        legacy.setdefault(relation, []).append(LegacyColumn(name, sql_type))
    _require_tables(layout, legacy)
    tables = {table.name: table for table in tables_of("raw_data") if table.name in layout.tables}
    _require_columns(layout, tables, legacy)
    if refuse_unmapped:
        _refuse_unknown(layout, tables, legacy)
    return {
        name: _source(table, layout.tables[name], legacy, keep_replaced=keep_replaced) for name, table in tables.items()
    }


def _require_tables(layout: Layout, legacy: Mapping[str, list[LegacyColumn]]) -> None:
    missing = [relation for relation in layout.relations() if relation not in legacy]
    if missing:
        raise LegacyMismatch(
            f"layout {layout.name!r}: the legacy has no table {', '.join(missing)} (or the role may not see it)",
            next_step="check ETL_LEGACY_URL and ETL_LEGACY_LAYOUT (unified | core_betting), or etl sample create",
        )


def _require_columns(layout: Layout, tables: Mapping[str, Table], legacy: Mapping[str, list[LegacyColumn]]) -> None:
    missing = [
        f"{layout.tables[name].source}.{column.name}"
        for name, table in tables.items()
        for column in source_columns(table)
        if column.name not in layout.tables[name].columns
        and column.name not in {c.name for c in legacy[layout.tables[name].source]}
    ]
    if missing:
        raise LegacyMismatch(
            f"layout {layout.name!r}: the legacy lacks {', '.join(missing)}",
            next_step=f"map the column in config/legacy/{layout.name}.toml, or choose the other layout",
        )


def _refuse_unknown(layout: Layout, tables: Mapping[str, Table], legacy: Mapping[str, list[LegacyColumn]]) -> None:
    known: dict[str, set[str]] = {}
    for name, table in tables.items():
        known.setdefault(layout.tables[name].source, set()).update(_read_names(table, layout.tables[name]))
    unknown = [f"{r}.{c.name}" for r, columns in known.items() for c in legacy[r] if c.name not in columns]
    if unknown:
        raise LegacyMismatch(
            f"the contracts do not know {', '.join(unknown)}",
            next_step="set ETL_LEGACY_UNMAPPED=keep to keep such values as JSON in `unmapped`",
        )


def _read_names(table: Table, entry: TableMap, *, keep_replaced: bool = True) -> set[str]:
    """Names of legacy columns that are read as they are. NOTE: one that is called like our lineage is not."""
    names = {column.name for column in source_columns(table)}
    return names - set(entry.columns) if keep_replaced else names


def source_columns(table: Table) -> list[Column]:
    """The columns of a raw table that come from the legacy."""
    return [column for column in table.columns if column.name not in LINEAGE]


def source_of(table: Table, relation: str, types: Mapping[str, str]) -> SourceTable:
    """The source of a contract outside the layouts, read from a relation with columns of the given SQL types."""
    columns = [LegacyColumn(name, sql_type) for name, sql_type in types.items()]
    return _source(table, TableMap(relation, "true", {}), {relation: columns})


def _source(
    table: Table, entry: TableMap, legacy: Mapping[str, list[LegacyColumn]], *, keep_replaced: bool = True
) -> SourceTable:
    read = _read_names(table, entry, keep_replaced=keep_replaced)
    types = {column.name: plain_type(column.sql_type) for column in legacy[entry.source] if column.name in read}
    columns = [_carried(column, entry, types) for column in source_columns(table)]
    left = _left_over([c.name for c in legacy[entry.source] if c.name not in read])
    selected = [f"{column.read()} as {identifier(column.name)}" for column in columns]
    compared = {column.name: column.compared() for column in columns} | {"unmapped": as_value(left, "text")}
    schema, _, name = entry.source.partition(".")
    return SourceTable(
        table=table,
        relation=identifier(schema, name),
        where=entry.where,
        select=", ".join([*selected, f"{left} as unmapped", f"{_unfit(columns)} as {UNFIT}"]),
        compared=tuple(compared[c.name] for c in compared_columns(table) if c.name in compared),
        texts=tuple(column.name for column in columns if column.is_text),
    )


def _carried(column: Column, entry: TableMap, types: Mapping[str, str]) -> Carried:
    given = entry.columns.get(column.name)
    value = f"({given})" if given else f"l.{identifier(column.name)}"
    return Carried(column.name, value, column.sql_type, types.get(column.name, ""))


def _unfit(columns: Sequence[Carried]) -> str:
    """SQL for a JSON object of the values that do not fit, as the legacy's own text; null where all fit."""
    parts = [(literal(column.name), column.unfit, column.value) for column in columns if column.unfit]
    if not parts:
        return "null::text"
    any_of = " or ".join(condition for _, condition, _ in parts)
    pairs = ", ".join(f"{name}, case when {condition} then ({value})::text end" for name, condition, value in parts)
    return f"case when {any_of} then jsonb_strip_nulls(jsonb_build_object({pairs}))::text end"


def _left_over(names: Sequence[str]) -> str:
    """SQL for a JSON object of the non-null values of columns that the contract does not know; null for none."""
    if not names:
        return "null::text"
    values = ", ".join(f"l.{identifier(name)}" for name in names)
    # NOTE: a json null is a value, and is told from null only beside it.
    listed = ", ".join(
        f"({literal(name)}, to_jsonb(l.{identifier(name)}), l.{identifier(name)} is not null)" for name in names
    )
    kept = f"select jsonb_object_agg(k, v)::text from (values {listed}) e(k, v, is_given) where is_given"
    return f"case when num_nonnulls({values}) > 0 then ({kept}) end"
