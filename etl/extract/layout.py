"""How a legacy layout maps to the contracts of zone `raw_data`: data from configuration, checked against the legacy.

For every raw table this makes the query that reads it with nothing lost: values that the path cannot carry are nulled
and kept as text in `unfit`, values that have no column of their own are kept as JSON in `unmapped`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.database import identifier, literal
from etl.errors import LegacyMismatch
from schemas import Column, Table, tables_of

LINEAGE = ("load_id", "batch_id", "source_table", "extracted_at", "unmapped")
UNFIT = "unfit"
LINE_TABLES = ("moneylines_raw", "spreads_raw", "totals_raw")
REFERENCE_TABLES = ("sportsbooks_raw", "teams_raw", "games_raw", "game_outcomes_raw")
_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
_TEXTUAL = ("text", "jsonb", "uuid")


@dataclass(frozen=True, slots=True)
class LegacyColumn:
    """A column as the legacy declares it."""

    name: str
    sql_type: str


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One raw table's place in the legacy. `select` reads all contract columns, `unmapped` and `unfit`."""

    table: Table
    relation: str
    where: str
    select: str

    def query(self, predicate: str = "true") -> str:
        """The SELECT for the rows that belong to the table and keep `predicate`."""
        return f"select {self.select} from {self.relation} l where ({self.where}) and ({predicate})"

    def count(self, predicate: str = "true") -> str:
        """The SELECT that counts them."""
        return f"select count(*) from {self.relation} l where ({self.where}) and ({predicate})"


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


def resolve(layout: Layout, found: Sequence[tuple[str, str, str]], *, refuse_unmapped: bool) -> dict[str, SourceTable]:
    """The source of each raw table, or an error that lists everything the legacy lacks.

    Args:
        layout: the configured layout.
        found: rows of :func:`columns_query`.
        refuse_unmapped: raise when the legacy has columns that the contracts do not know.

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
    return {name: _source(table, layout.tables[name], legacy) for name, table in tables.items()}


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
        known.setdefault(layout.tables[name].source, set()).update(table.schema)
    unknown = [f"{r}.{c.name}" for r, columns in known.items() for c in legacy[r] if c.name not in columns]
    if unknown:
        raise LegacyMismatch(
            f"the contracts do not know {', '.join(unknown)}",
            next_step="set ETL_LEGACY_UNMAPPED=keep to keep such values as JSON in `unmapped`",
        )


def source_columns(table: Table) -> list[Column]:
    """The columns of a raw table that come from the legacy."""
    return [column for column in table.columns if column.name not in LINEAGE]


def _source(table: Table, entry: TableMap, legacy: Mapping[str, list[LegacyColumn]]) -> SourceTable:
    types = {column.name: column.sql_type for column in legacy[entry.source]}
    selected, unfit = [], []
    for column in source_columns(table):
        given = entry.columns.get(column.name)
        value = f"({given})" if given else f"l.{identifier(column.name)}"
        condition = _unfit_condition(value, column.sql_type, types.get(column.name, ""))
        read = f"case when {condition} then null else {value} end" if condition else value
        selected.append(f"{_cast(read, column.sql_type, types.get(column.name, ''))} as {identifier(column.name)}")
        if condition:
            unfit.append((column.name, condition, value))
    left = [c.name for c in legacy[entry.source] if c.name not in table.schema]
    selected += [f"{_left_over(left)} as unmapped", f"{_unfit(unfit)} as {UNFIT}"]
    schema, _, name = entry.source.partition(".")
    return SourceTable(table, identifier(schema, name), entry.where, ", ".join(selected))


def _cast(value: str, wanted: str, given: str) -> str:
    if wanted in _TEXTUAL:
        return value if given.startswith(("character varying", "text")) else f"({value})::text"
    return value if wanted == given or wanted.startswith("numeric") else f"({value})::{wanted}"


def _unfit_condition(value: str, wanted: str, given: str) -> str:
    """SQL that is true where the value cannot be carried as it is; empty where every value can."""
    if wanted.startswith("numeric"):
        precision, scale = (int(part) for part in wanted[8:-1].split(","))
        nan = f"{value} = 'NaN'"
        return (
            nan
            if wanted == given
            else f"({nan} or abs({value}) >= 1e{precision - scale} or {value} <> round({value}, {scale}))"
        )
    if wanted == "double precision":
        return f"{value} in ('NaN', 'Infinity', '-Infinity')"
    if wanted == "date":
        return f"({value} < '0001-01-01' or {value} > '9999-12-31')"
    if wanted == "timestamp with time zone":
        return f"({value} < '0001-01-02 00:00+00' or {value} >= '9999-12-31 00:00+00')"
    if _INTEGERS.get(wanted, 63) < _INTEGERS.get(given, 0):
        return f"({value} not between -{2 ** _INTEGERS[wanted]} and {2 ** _INTEGERS[wanted] - 1})"
    return ""


def _unfit(parts: Sequence[tuple[str, str, str]]) -> str:
    """SQL for a JSON object of the values that do not fit, as the legacy's own text; null where all fit."""
    if not parts:
        return "null::text"
    any_of = " or ".join(condition for _, condition, _ in parts)
    pairs = ", ".join(f"{literal(name)}, case when {cond} then ({value})::text end" for name, cond, value in parts)
    return f"case when {any_of} then jsonb_strip_nulls(jsonb_build_object({pairs}))::text end"


def _left_over(names: Sequence[str]) -> str:
    """SQL for a JSON object of the non-null values of columns that the contract does not know; null for none."""
    if not names:
        return "null::text"
    values = ", ".join(f"l.{identifier(name)}" for name in names)
    pairs = ", ".join(f"{literal(name)}, l.{identifier(name)}" for name in names)
    kept = f"select jsonb_object_agg(k, v)::text from jsonb_each(jsonb_build_object({pairs})) e(k, v) where v <> 'null'"
    return f"case when num_nonnulls({values}) > 0 then ({kept}) end"
