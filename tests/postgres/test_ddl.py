"""Every contract as tables of a real server, and every type through COPY and back."""

import json

import polars as pl
import pytest

from etl import database as db
from etl.errors import ForeignObject
from etl.extract.reader import read_frame
from etl.extract.snapshot import open_snapshot
from etl.extract.zone import open_zone
from etl.load import ddl
from etl.load.copy import copy_frame
from schemas import AUDIT, LOADS, TABLES, ZONES, tables_of
from tests import factories

ZONED = [table for zone in ZONES for table in tables_of(zone)]
AUDITS = list(tables_of(AUDIT))
COLUMNS = """select a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull from pg_attribute a
where a.attrelid = '{}'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"""


def names(table):
    return table.full_name


@pytest.fixture(scope="module")
def target(postgres):
    """The address of a target with all parents, and a load of every table, keyed but without references."""
    db_name = "ddl_target"
    admin = postgres.url("postgres")
    with db.session(admin, autocommit=True) as connection:
        db.execute(connection, f"create database {db_name} template template0")
    with db.session(postgres.url(db_name), autocommit=True) as connection:
        ddl.ensure_target(connection)
        for table in ZONED:
            db.script(connection, [*ddl.create_load(table, 1), *ddl.finish_load(table, 1)])
    yield postgres.url(db_name)
    with db.session(admin, autocommit=True) as connection:
        db.execute(connection, f"drop database {db_name} with (force)")


@pytest.fixture
def connection(target):
    with db.session(target) as found:
        yield found


def expected(table, *, nullable):
    return [(c.name, c.sql_type, c.nullable if nullable is None else nullable) for c in table.columns]


@pytest.mark.parametrize("table", ZONED, ids=names)
def test_a_parent_has_the_columns_of_its_contract_and_promises_nothing(connection, table):
    assert db.rows(connection, COLUMNS.format(table.full_name)) == expected(table, nullable=True)
    kind = db.scalar(connection, f"select relkind::text from pg_class where oid = '{table.full_name}'::regclass")
    assert kind == "p"


@pytest.mark.parametrize("table", ZONED, ids=names)
def test_a_load_has_the_columns_of_its_contract_and_its_nulls(connection, table):
    place = f"{LOADS}.{ddl.load_relation(table, 1)}"
    assert db.rows(connection, COLUMNS.format(place)) == expected(table, nullable=None)


@pytest.mark.parametrize("table", AUDITS, ids=names)
def test_an_audit_table_has_the_columns_of_its_contract(connection, table):
    assert db.rows(connection, COLUMNS.format(table.full_name)) == expected(table, nullable=None)


@pytest.mark.parametrize("table", list(TABLES.values()), ids=names)
def test_our_tables_say_that_they_are_ours(connection, table):
    comment = db.scalar(connection, f"select obj_description('{table.full_name}'::regclass, 'pg_class')")
    assert comment == f"etl contract {table.fingerprint()}: {table.meaning}"


@pytest.mark.parametrize("nulls_every", [1, 3], ids=["null", "mixed"])
@pytest.mark.parametrize("table", ZONED, ids=names)
def test_rows_of_a_load_come_back_as_they_were_written(connection, target, table, nulls_every):
    place = (LOADS, f"{ddl.load_relation(table, 1)}_{nulls_every}")
    frame = factories.rows(table, 40, nulls_every=nulls_every)
    shape = f"create table {'.'.join(place)} (like {LOADS}.{ddl.load_relation(table, 1)} including all)"
    db.execute(connection, shape)
    assert copy_frame(connection, frame, table, relation=place) == 40
    db.commit(connection)
    relations = {other.full_name: ddl.load_relation(other, 1) for other in ZONED} | {table.full_name: place[1]}
    with open_snapshot(target) as snapshot:
        found = open_zone(snapshot, table.zone, relations).read(table.name)
    order = list(table.key) or list(table.schema)
    assert comparable(found, table, order).equals(comparable(frame, table, order))
    assert found.schema == table.schema


def comparable(frame, table, order):
    """The server writes JSON in its own way."""
    jsons = [column.name for column in table.columns if column.sql_type == "jsonb"]
    plain = {
        name: pl.Series(name, [text and json.dumps(json.loads(text)) for text in frame[name]], pl.String)
        for name in jsons
    }
    return frame.with_columns(**plain).sort(order)


@pytest.mark.parametrize("table", AUDITS, ids=names)
def test_rows_of_the_audit_are_accepted(connection, table):
    frame = factories.rows(table, 10)
    assert copy_frame(connection, frame, table, relation=(AUDIT, table.name)) == 10
    assert db.scalar(connection, f"select count(*) from {table.full_name}") == 10


def test_nothing_is_copied_for_no_rows(connection):
    table = TABLES["staging.games"]
    empty = pl.DataFrame(schema=table.schema)
    assert copy_frame(connection, empty, table, relation=(LOADS, "there_is_no_such_table")) == 0


def test_a_row_of_another_load_cannot_enter(connection):
    table = TABLES["curated.moneylines"]
    frame = factories.rows(table, 2, load_id=2)
    with pytest.raises(db.DatabaseFault, match="of_load"):
        copy_frame(connection, frame, table, relation=(LOADS, ddl.load_relation(table, 1)))


def test_the_second_time_nothing_changes(connection, target):
    tables = "select md5(string_agg(c.oid::text || c.relname || c.xmin::text, ',' order by c.oid)) from pg_class c"
    before = db.scalar(connection, tables)
    db.commit(connection)
    with db.session(target, autocommit=True) as other:
        ddl.ensure_target(other)
    assert db.scalar(connection, tables) == before


def test_a_column_that_an_older_generation_lacks_is_added(database):
    url = database()
    with db.session(url, autocommit=True) as connection:
        ddl.ensure_target(connection)
        db.execute(connection, "alter table staging.games drop column venue_name")
        ddl.ensure_target(connection)
        found = {name for name, _, _ in db.rows(connection, COLUMNS.format("staging.games"))}
    assert found == set(TABLES["staging.games"].schema)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("alter table staging.games add column mood text", "dropped \\['mood'\\]"),
        ("alter table staging.games alter column season type integer", "retyped \\['season'\\]"),
    ],
)
def test_another_generation_of_contracts_is_refused(database, change, named):
    with db.session(database(), autocommit=True) as connection:
        ddl.ensure_target(connection)
        db.execute(connection, change)
        with pytest.raises(ForeignObject, match=named):
            ddl.ensure_target(connection)


@pytest.mark.parametrize(
    "made",
    [
        "create table curated.moneylines (id int)",
        "create view curated.moneylines as select 1 as id",
        "create materialized view curated.moneylines as select 1 as id",
    ],
)
def test_what_others_made_is_left_alone(database, made):
    url = database()
    with db.session(url, autocommit=True) as connection:
        db.execute(connection, "create schema curated")
        db.execute(connection, made)
        with pytest.raises(ForeignObject, match=r"curated\.moneylines exists in test_"):
            ddl.ensure_target(connection)
        assert db.rows(connection, "select nspname from pg_namespace where nspname in ('raw_data', 'audit')") == []
        assert len(db.rows(connection, COLUMNS.format("curated.moneylines"))) == 1


def test_a_statement_that_fails_leaves_no_half_of_a_target(database):
    # NOTE: a type of that name keeps a table of ours from being created, and is no table itself.
    url = database()
    with db.session(url, autocommit=True) as connection:
        db.script(connection, ["create schema audit", "create type audit.publications as enum ('a')"])
        with pytest.raises(db.DatabaseFault):
            ddl.ensure_target(connection)
        assert read_frame("select count(*) from pg_class where relname = 'runs'", url).item() == 0
