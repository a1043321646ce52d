"""Whatever the legacy holds: every row is loaded or rejected, and the sums of both databases are equal."""

import json
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.database import literal
from etl.extract.layout import source_columns
from schemas import tables_of
from tests.legacy_rows import LAYOUTS, PLACES, databases, ddl
from tests.runs import run
from tests.servers import execute

TABLES = {table.name: table for table in tables_of("raw_data") if table.one_to_one}
KIND = {
    "sportsbooks_raw": "books", "teams_raw": "teams", "games_raw": "games", "game_outcomes_raw": "outcomes",
    "moneylines_raw": "moneyline", "spreads_raw": "spread", "totals_raw": "totals",
}  # fmt: skip
MARKETS = ("moneyline", "spread", "totals")
# An installation that has lost all its constraints but the primary keys, and has a column of its own in each table.
LOOSEN_ALL = """do $$ declare c record; begin
for c in select conrelid::regclass as t, conname from pg_constraint where contype in ('c', 'f', 'u')
  and connamespace in (select oid from pg_namespace where nspname in ('curated', 'core_betting'))
loop execute format('alter table %s drop constraint %I cascade', c.t, c.conname); end loop;
for c in select attrelid::regclass as t, attname from pg_attribute where attnotnull and attnum > 0 and attname <> 'id'
  and attrelid in (select oid from pg_class where relkind = 'r' and relnamespace in
  (select oid from pg_namespace where nspname in ('curated', 'core_betting')))
loop execute format('alter table %s alter column %I drop not null', c.t, c.attname); end loop;
for c in select oid::regclass as t from pg_class where relkind = 'r' and relnamespace in
  (select oid from pg_namespace where nspname in ('curated', 'core_betting'))
loop execute format('alter table %s add mystery jsonb', c.t); end loop;
end $$"""

LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(LETTERS, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=2), inner, max_size=3),
    max_leaves=5,
)
MOMENTS = st.sampled_from(["infinity", "-infinity", "0044-03-15 12:00+00 BC", "10000-01-01 00:00+00"])
NOT_FINITE = st.sampled_from(["NaN", "Infinity", "-Infinity"])


def values(column):
    """SQL literals of what a legacy column of a contract's type can hold, what cannot be carried among it."""
    kind = column.sql_type
    if kind.startswith("numeric"):
        precision, scale = map(int, kind[8:-1].split(","))
        most = 10**precision - 1
        return mostly(st.integers(-most, most).map(lambda n: f"{n}e-{scale}"), st.just("NaN"))
    return {
        "smallint": mostly(st.integers(-(2**15), 2**15 - 1)),
        "integer": mostly(st.integers(-(2**31), 2**31 - 1)),
        "bigint": mostly(st.integers(-(2**31), 2**31 - 1)),
        "boolean": mostly(st.booleans()),
        "text": mostly(st.text(LETTERS, max_size=2)),
        "jsonb": mostly(JSON.map(json.dumps)).filter(lambda sql: r"\u0000" not in sql),
        "uuid": mostly(st.uuids()),
        "double precision": mostly(st.floats(allow_nan=False, allow_infinity=False), NOT_FINITE),
        "date": mostly(st.dates(), st.sampled_from(["infinity", "0044-03-15 BC"])),
        "timestamp with time zone": mostly(
            st.datetimes().map(lambda moment: f"{datetime.isoformat(moment)}+00"), MOMENTS
        ),
    }[kind]


def mostly(fit, unfit=None):
    """Usually null, for short examples; seldom what cannot be carried."""
    kinds = [st.none(), st.none(), fit, fit, fit] + ([unfit] if unfit is not None else [])
    return st.one_of(kinds).map(lambda value: "null" if value is None else literal(str(value)))


def row_of(table, layout):
    """Columns and SQL literals of one legacy row, without its id."""
    columns = {column.name: values(column) for column in source_columns(TABLES[table]) if column.name != "id"}
    columns["mystery"] = mostly(JSON.map(json.dumps)).filter(lambda sql: r"\u0000" not in sql)
    if KIND[table] in MARKETS:
        del columns["market_type"]
        if layout == "unified":
            other = [
                c for t in ("moneylines_raw", "totals_raw") for c in source_columns(TABLES[t]) if c.name not in columns
            ]
            columns |= {c.name: values(c) for c in other if c.name not in ("id", "market_type")}
            columns["market_type"] = st.sampled_from(["'prop'", "null", *[f"'{KIND[table]}'"] * 8])
    names = sorted(columns)
    return st.lists(st.sampled_from(names), unique=True, max_size=9).flatmap(
        lambda some: st.fixed_dictionaries({name: columns[name] for name in {*some, *({"market_type"} & {*names})}})
    )


@st.composite
def legacies(draw):
    """A layout, and rows for each of its tables."""
    layout = draw(st.sampled_from(LAYOUTS))
    return layout, {table: draw(st.lists(row_of(table, layout), max_size=4)) for table in TABLES}


@pytest.fixture(scope="module")
def places(embedded):
    """A legacy of each layout, without rows, and an empty target."""
    with databases(embedded, "random") as make:
        yield {layout: make(*ddl(layout), LOOSEN_ALL) for layout in LAYOUTS} | {"target": make()}


def fill(url, layout, legacy):
    """The legacy has exactly these rows; ids count through all tables. Returns the rows of each raw table."""
    number, held = 0, dict.fromkeys(TABLES, 0)
    statements = [f"truncate {', '.join(dict.fromkeys(PLACES[layout].values()))}"]
    for table, rows in legacy.items():
        for row in rows:
            number += 1
            names, given = ", ".join(["id", *row]), ", ".join([str(number), *row.values()])
            statements.append(f"insert into {PLACES[layout][KIND[table]]} ({names}) values ({given})")
            held[table] += row.get("market_type") not in ("null", "'prop'")
    execute(url, *statements)
    return held


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(legacies())
def test_every_row_is_accounted_for_and_the_sums_are_equal(places, made):
    layout, legacy = made
    held = fill(places[layout], layout, legacy)
    outcome = run(
        places[layout], places["target"], layout=layout, phases="raw", validate=False, publish=False, batch_rows=3
    )
    assert outcome.error is None, outcome.error
    counts = {count.table: count for count in outcome.report.tables if count.table in TABLES}
    assert {table: count.read for table, count in counts.items()} == held
    assert all(count.read == count.loaded + count.rejected + count.collapsed for count in counts.values())
    sums = {check.name for check in outcome.report.checks if check.passed and check.name.endswith(": checksum")}
    assert sums >= {f"{table}: checksum" for table in TABLES if held[table]}
