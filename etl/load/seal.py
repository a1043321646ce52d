"""Keys, indexes, statistics and foreign keys of a load, put on however far an earlier try came."""

from collections.abc import Mapping, Sequence

from etl import database
from etl.database import Connection, identifier, literal
from etl.load import ddl
from schemas import LOADS, Table

_OF_LOAD = "of_load"  # the check constraint that a load is made with


def seal(connection: Connection, table: Table, load_id: int) -> None:
    """A load has its keys, indexes and statistics. They are made all at once, and none while rows may be missing."""
    # A tenth of the usual sample: readers filter by key, game and load, whose statistics that gives well enough.
    database.execute(connection, "set default_statistics_target = 10")
    wanted = ddl.finish_load(table, load_id)
    if len(_indexes(connection, table, load_id)) != len(wanted):
        database.script(connection, [*_unkey(connection, table, load_id), *wanted])
    database.execute(connection, ddl.analyze_load(table, load_id))


def refer(connection: Connection, table: Table, load_id: int, relations: Mapping[str, str]) -> None:
    """A load has its foreign keys on the loads that it descends from; see :func:`etl.load.ddl.reference_load`."""
    present = set(_foreign_keys(connection, table, load_id)) if table.references else set()
    for reference, statement in zip(table.references, ddl.reference_load(table, load_id, relations), strict=True):
        # One at a time: a key takes a lock on the table that it refers to, which others wait for.
        if (relations[reference.to], ",".join(reference.columns)) not in present:
            database.execute(connection, statement)


def unseal(connection: Connection, tables: Sequence[Table], load_id: int) -> None:
    """The loads of a run, which nobody else reads yet, are as they were made: rows can go and come quickly."""
    keys = [
        f"alter table {_relation(table, load_id)} drop constraint {identifier(name)}"
        for table in tables
        for name in _constraints(connection, table, load_id, "f")
    ]
    database.script(connection, [*keys, *(sql for table in tables for sql in _unkey(connection, table, load_id))])


def _unkey(connection: Connection, table: Table, load_id: int) -> list[str]:
    """Statements that take the key and the indexes off a load; a foreign key on it must be gone before."""
    keys = _constraints(connection, table, load_id, "u")
    alone = [name for name in _indexes(connection, table, load_id) if name not in keys]
    return [
        *(f"alter table {_relation(table, load_id)} drop constraint {identifier(name)}" for name in keys),
        *(f"drop index {identifier(LOADS, name)}" for name in alone),
    ]


def _indexes(connection: Connection, table: Table, load_id: int) -> list[str]:
    found = database.rows(
        connection,
        "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid "
        f"where i.indrelid = to_regclass({literal(_relation(table, load_id))}) order by 1",
    )
    return [str(name) for (name,) in found]


def _constraints(connection: Connection, table: Table, load_id: int, kind: str) -> list[str]:
    found = database.rows(
        connection,
        f"select conname from pg_constraint where conrelid = to_regclass({literal(_relation(table, load_id))}) "
        f"and contype = {literal(kind)} and conname <> {literal(_OF_LOAD)} order by 1",
    )
    return [str(name) for (name,) in found]


def _foreign_keys(connection: Connection, table: Table, load_id: int) -> list[tuple[str, str]]:
    """(load that is referred to, columns) of each."""
    found = database.rows(
        connection,
        "select (select relname from pg_class where oid = confrelid), (select string_agg(a.attname, ',' order by k.n) "
        "from unnest(conkey) with ordinality k(num, n) join pg_attribute a on a.attrelid = conrelid "
        "and a.attnum = k.num) from pg_constraint "
        f"where conrelid = to_regclass({literal(_relation(table, load_id))}) and contype = 'f'",
    )
    return [(str(relation), str(columns)) for relation, columns in found]


def _relation(table: Table, load_id: int) -> str:
    return identifier(LOADS, ddl.load_relation(table, load_id))
