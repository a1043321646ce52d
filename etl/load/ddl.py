"""DDL from contracts: zone parents, load tables, the audit schema. What others made is never altered or dropped."""

from collections.abc import Mapping, Sequence

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import ForeignObject
from schemas import AUDIT, LOADS, TABLES, ZONES, Column, Reference, Table

MARK = "etl contract "  # our tables carry it as their comment
SCHEMAS = (*ZONES, LOADS, AUDIT)


def ensure_target(connection: Connection) -> None:
    """All schemas, audit tables and zone parents exist and are of today's contracts.

    Raises:
        ForeignObject: a table of that name exists and is not ours; nothing was changed.
        ContractBroken: a contract dropped or retyped a column of an existing table.
    """
    present = _present(connection)
    foreign = [name for name, comment in present.items() if name in TABLES and not (comment or "").startswith(MARK)]
    if foreign:
        raise ForeignObject(
            f"{', '.join(sorted(foreign))} exists in {database.scalar(connection, 'select current_database()')} "
            "and was not made by etl; it was left alone",
            next_step="rename or move that table, or give another database in ETL_TARGET_URL",
        )
    have = {str(name) for (name,) in database.rows(connection, "select nspname from pg_namespace")}
    database.script(connection, [f"create schema {identifier(name)}" for name in SCHEMAS if name not in have])
    missing = [table for table in TABLES.values() if table.full_name not in present]
    database.script(connection, [statement for table in missing for statement in _parent(table)])
    align(connection, [table for table in TABLES.values() if table.full_name in present])


def _present(connection: Connection) -> dict[str, str | None]:
    schemas = ", ".join(literal(name) for name in (*ZONES, AUDIT))
    found = database.rows(
        connection,
        "select n.nspname || '.' || c.relname, obj_description(c.oid, 'pg_class') from pg_class c "
        f"join pg_namespace n on n.oid = c.relnamespace where n.nspname in ({schemas}) "
        "and c.relkind in ('r', 'p', 'v', 'm', 'f')",
    )
    return {str(name): comment for name, comment in found}


def _parent(table: Table) -> list[str]:
    name = identifier(table.zone, table.name)
    if table.zone == AUDIT:
        key = [f"primary key ({_names(table.key)})"] if table.key else []
        columns = [*(_definition(column) for column in table.columns), *key]
        indexes = [f"create index on {name} ({_names(index)})" for index in table.indexes]
        return [f"create table {name} ({', '.join(columns)})", *indexes, *_comments(name, table)]
    # NOTE: no constraint on the parent: contracts grow by columns that older loads hold as null.
    columns = [f"{identifier(column.name)} {column.sql_type}" for column in table.columns]
    return [f"create table {name} ({', '.join(columns)}) partition by list (load_id)", *_comments(name, table)]


def _comments(name: str, table: Table) -> list[str]:
    return [f"comment on table {name} is {literal(f'{MARK}{table.fingerprint()}: {table.meaning}')}"]


def _definition(column: Column) -> str:
    return f"{identifier(column.name)} {column.sql_type}{'' if column.nullable else ' not null'}"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(identifier(name) for name in columns)


def align(connection: Connection, tables: Sequence[Table]) -> None:
    """Existing parents (and through them their attached loads) have every column of today's contracts."""
    names = ", ".join(f"({literal(table.full_name)})" for table in tables)
    if not tables:
        return
    found = database.rows(
        connection,
        "select w.name, a.attname, format_type(a.atttypid, a.atttypmod) "
        f"from (values {names}) w(name) join pg_attribute a on a.attrelid = to_regclass(w.name) "
        "where a.attnum > 0 and not a.attisdropped",
    )
    have: dict[str, dict[str, str]] = {}
    for name, column, sql_type in found:
        have.setdefault(name, {})[column] = sql_type
    for table in tables:
        _refuse_breaking(table, have[table.full_name])
        new = [column for column in table.columns if column.name not in have[table.full_name]]
        place = identifier(table.zone, table.name)
        adds = [f"alter table {place} add column {identifier(c.name)} {c.sql_type}" for c in new]
        database.script(connection, [*adds, *_comments(place, table)] if adds else [])


def _refuse_breaking(table: Table, have: Mapping[str, str]) -> None:
    retyped = [c.name for c in table.columns if have.get(c.name, c.sql_type).replace(", ", ",") != c.sql_type]
    dropped = sorted(set(have) - set(table.schema))
    if retyped or dropped:
        raise ForeignObject(
            f"{table.full_name} was made by another generation of contracts: "
            f"retyped {retyped or 'none'}, dropped {dropped or 'none'}",
            next_step="use the version of etl that made it, or give a fresh database in ETL_TARGET_URL",
        )


def load_relation(table: Table, load_id: int) -> str:
    """The name in schema `loads` of one generation of a table."""
    return f"{table.zone}_{table.name}_{load_id}"


def create_load(table: Table, load_id: int) -> list[str]:
    """Statements that make an empty, standalone table for one load, out of readers' sight."""
    name = identifier(LOADS, load_relation(table, load_id))
    columns = ", ".join(_definition(column) for column in table.columns)
    # The check constraint lets an attach skip its scan of the whole table.
    return [
        f"create table {name} ({columns}, constraint of_load check (load_id = {load_id}))",
        f"comment on table {name} is {literal(MARK + table.fingerprint())}",
    ]


def finish_load(table: Table, load_id: int) -> list[str]:
    """Statements that key and index a filled load."""
    name = identifier(LOADS, load_relation(table, load_id))
    keyed = [f"alter table {name} add unique ({_names(table.key)})"]
    indexes = [f"create index on {name} ({_names(index)})" for index in table.indexes]
    return [*(keyed if table.keyed and table.key else []), *indexes]


def reference_load(table: Table, load_id: int, relations: Mapping[str, str]) -> list[str]:
    """Statements that put the foreign keys of a load on the loads that it descends from.

    Args:
        table: the table.
        load_id: its load.
        relations: ``zone.table`` -> name in schema `loads` of the load that is referred to.
    """
    name = identifier(LOADS, load_relation(table, load_id))
    return [f"alter table {name} add {_foreign_key(reference, relations)}" for reference in table.references]


def _foreign_key(reference: Reference, relations: Mapping[str, str]) -> str:
    to = identifier(LOADS, relations[reference.to])
    return f"foreign key ({_names(reference.columns)}) references {to} ({_names(reference.to_columns)})"


def analyze_load(table: Table, load_id: int) -> str:
    """The statement that gives the planner statistics of a load's keys and indexes before readers see it.

    The other columns get theirs from autovacuum; for all of them it would cost as much as the copy.
    """
    asked = {
        *table.key,
        *(c for index in table.indexes for c in index),
        *(c for r in table.references for c in r.columns),
    }
    columns = [name for name in table.schema if name in asked]
    return f"analyze {identifier(LOADS, load_relation(table, load_id))} ({_names(columns)})"
