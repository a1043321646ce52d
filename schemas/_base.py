"""What a contract is: a pandera model that also says which table it stands for.

A contract is declared once, as a :class:`Contract` with :func:`column` fields under :func:`table`. Everything else is
derived from the :class:`Table` that the decorator registers: the DDL, the exact casts, the value rules, the data
dictionary and the test factories.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pandera.polars as pa
import polars as pl
from polars.datatypes import DataTypeClass

Utc = Annotated[pl.Datetime, "us", "UTC"]
Texts = Annotated[pl.List, pl.String]
Ints = Annotated[pl.List, pl.Int32]
Numeric5_1 = Annotated[pl.Decimal, 5, 1]
Numeric5_2 = Annotated[pl.Decimal, 5, 2]
Numeric3_2 = Annotated[pl.Decimal, 3, 2]
Numeric5_4 = Annotated[pl.Decimal, 5, 4]

ZONES = ("raw_data", "staging", "curated")
AUDIT = "audit"
LOADS = "loads"

_SQL_TYPES: dict[pl.DataType | DataTypeClass, str] = {
    pl.Int16(): "smallint",
    pl.Int32(): "integer",
    pl.Int64(): "bigint",
    pl.Float64(): "double precision",
    pl.String(): "text",
    pl.Boolean(): "boolean",
    pl.Date(): "date",
    pl.Datetime("us", "UTC"): "timestamp with time zone",
    pl.List(pl.String()): "text[]",
    pl.List(pl.Int32()): "integer[]",
}


class Contract(pa.DataFrameModel):
    """Base of every contract: exactly these columns, in this order, of exactly these types."""

    class Config:
        """No extra column, no missing one, no coercion."""

        strict = True
        ordered = True
        coerce = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on the rows of a table. `holds` is true where the row keeps it; null counts as kept."""

    name: str
    holds: pl.Expr
    sentence: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract, with all that is derived from its declaration."""

    name: str
    dtype: pl.DataType
    sql_type: str
    nullable: bool
    meaning: str
    unit: str
    null_means: str
    source: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key from `columns` to the key `to_columns` of table `to`, written ``zone.table``."""

    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A contract and its place in the target: the single source of DDL, casts, dictionary and factories."""

    zone: str
    name: str
    model: type[Contract]
    key: tuple[str, ...]
    grain: str
    expected: str
    one_to_one: bool
    keyed: bool
    references: tuple[Reference, ...]
    indexes: tuple[tuple[str, ...], ...]
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        """``zone.table``: the name that messages, publications and reports use."""
        return f"{self.zone}.{self.name}"

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name -> exact polars type, in the contract's order."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def meaning(self) -> str:
        """The first paragraph of the contract's docstring, on one line."""
        return " ".join((self.model.__doc__ or "").strip().split("\n\n")[0].split())

    def rules(self) -> Iterator[Rule]:
        """Every value rule of every column."""
        for column in self.columns:
            yield from column.rules

    def fingerprint(self) -> str:
        """A short hash of all that a stored row depends on: names, types, nullability, rules and key."""
        parts = [f"{c.name}:{c.sql_type}:{c.nullable}:{','.join(r.name for r in c.rules)}" for c in self.columns]
        return hashlib.sha256("|".join([self.full_name, *self.key, *parts]).encode()).hexdigest()[:16]


REGISTRY: dict[str, Table] = {}


def column(
    meaning: str,
    *,
    unit: str = "",
    null: str | None = None,
    source: str = "",
    sql: str | None = None,
    **checks: Any,
) -> Any:
    """Declare a column. `null` says what a null means and makes the column nullable; `checks` are pandera's.

    `unit`, `source` and `sql` (a PostgreSQL type where the polars type is not enough: ``jsonb``, ``uuid``) go to the
    dictionary and the DDL.
    """
    facts = {"unit": unit, "null_means": null or "", "source": source, "sql": sql}
    return pa.Field(nullable=null is not None, description=meaning, metadata=facts, **checks)


def table(
    zone: str,
    name: str,
    *,
    key: tuple[str, ...],
    grain: str,
    expected: str = "read - rejected - collapsed",
    one_to_one: bool = True,
    keyed: bool = True,
    references: tuple[Reference, ...] = (),
    indexes: tuple[tuple[str, ...], ...] = (),
) -> Callable[[type[Contract]], type[Contract]]:
    """Register a contract as the table ``zone.name``. See :class:`Table` for what the arguments mean.

    `keyed=False`: the key follows from the parents' keys, so no unique index is built for it.
    """

    def register(model: type[Contract]) -> type[Contract]:
        made = Table(zone, name, model, key, grain, expected, one_to_one, keyed, references, indexes, _columns(model))
        missing = set(key).union(*(r.columns for r in references), *indexes) - set(made.schema)
        if missing:
            raise TypeError(f"{made.full_name}: key, reference or index names no column: {sorted(missing)}")
        REGISTRY[made.full_name] = made
        return model

    return register


def _columns(model: type[Contract]) -> tuple[Column, ...]:
    return tuple(_column(name, declared) for name, declared in model.to_schema().columns.items())


def _column(name: str, declared: Any) -> Column:
    dtype = _instance(declared.dtype.type)
    facts = declared.metadata or {}
    return Column(
        name=name,
        dtype=dtype,
        sql_type=facts.get("sql") or sql_type(dtype),
        nullable=bool(declared.nullable),
        meaning=declared.description or "",
        unit=facts.get("unit", ""),
        null_means=facts.get("null_means", ""),
        source=facts.get("source", ""),
        rules=tuple(_rules(name, declared)),
    )


def _instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """Pandera hands out parameterless types as classes."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def sql_type(dtype: pl.DataType) -> str:
    """The PostgreSQL type of the same width and meaning as a polars type."""
    if isinstance(dtype, pl.Decimal):
        return f"numeric({dtype.precision},{dtype.scale})"
    return _SQL_TYPES[dtype]


def _rules(name: str, declared: Any) -> Iterator[Rule]:
    if not declared.nullable:
        yield Rule(f"{name}_present", pl.col(name).is_not_null(), f"{name} must have a value")
    if _instance(declared.dtype.type) == pl.Float64:
        yield Rule(f"{name}_finite", pl.col(name).is_finite(), f"{name} must be a finite number")
    for check in declared.checks:
        yield _value_rule(name, _instance(declared.dtype.type), check)


def _value_rule(name: str, dtype: pl.DataType, check: Any) -> Rule:
    column_, facts = pl.col(name), check.statistics

    def bound(key: str) -> Any:
        return pl.lit(facts[key]).cast(dtype) if isinstance(dtype, pl.Decimal) else facts[key]

    match check.name:
        case "greater_than_or_equal_to":
            return Rule(f"{name}_min", column_ >= bound("min_value"), f"{name} must be at least {facts['min_value']}")
        case "greater_than":
            return Rule(f"{name}_above", column_ > bound("min_value"), f"{name} must be above {facts['min_value']}")
        case "less_than_or_equal_to":
            return Rule(f"{name}_max", column_ <= bound("max_value"), f"{name} must be at most {facts['max_value']}")
        case "less_than":
            return Rule(f"{name}_below", column_ < bound("max_value"), f"{name} must be below {facts['max_value']}")
        case "isin":
            allowed = list(facts["allowed_values"])
            return Rule(
                f"{name}_known", column_.is_in(allowed), f"{name} must be one of {', '.join(map(str, allowed))}"
            )
        case "str_matches":
            return Rule(f"{name}_form", column_.str.contains(facts["pattern"]), f"{name} must match {facts['pattern']}")
    raise TypeError(f"column {name}: a contract cannot use the check {check.name!r} (see schemas/_base.py)")
