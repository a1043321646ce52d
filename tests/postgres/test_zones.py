"""Validation of a published zone: a sound publication passes, and each kind of damage fails its own check."""

import pytest

from etl import database
from etl.check.zones import check_zones, reading
from etl.load import ddl, ledger, publish
from schemas import LOADS, TABLES, tables_of
from tests.servers import execute

RUN = 1
ZONES = ("raw_data", "staging")
WRITTEN = [table for zone in ZONES for table in tables_of(zone)]
OF_TYPE = {
    "smallint": "2024",
    "integer": "1",
    "bigint": "1",
    "double precision": "1",
    "text": "'x'",
    "boolean": "false",
    "date": "'2024-06-01'",
    "timestamp with time zone": "'2024-06-01 12:00+00'",
    "text[]": "'{}'",
    "integer[]": "'{1}'",
    "numeric(3,2)": "1",
}
# Two raw moneylines, of which staging took the first and refused the second.
ROWS = [
    ("raw_data.sportsbooks_raw", {"id": "1"}),
    ("raw_data.games_raw", {"id": "1"}),
    ("raw_data.moneylines_raw", {"id": "1", "game_id": "1"}),
    ("raw_data.moneylines_raw", {"id": "2", "game_id": "1"}),
    ("raw_data.betting_lines_raw", {"bet_type": "'moneyline'", "id": "1", "team_type": "'home'"}),
    ("raw_data.betting_lines_raw", {"bet_type": "'moneyline'", "id": "1", "team_type": "'away'"}),
    ("raw_data.betting_lines_raw", {"bet_type": "'moneyline'", "id": "2", "team_type": "'home'"}),
    ("raw_data.betting_lines_raw", {"bet_type": "'moneyline'", "id": "2", "team_type": "'away'"}),
    ("staging.sportsbooks", {"book_id": "1"}),
    ("staging.games", {"game_id": "1"}),
    ("staging.moneylines", {"raw_id": "1", "validation_status": "'validated'"}),
    ("staging.betting_lines", {"market": "'moneyline'", "side": "'home'"}),
    ("staging.betting_lines", {"market": "'moneyline'", "side": "'away'"}),
]
LOADED = {table.full_name: sum(name == table.full_name for name, _ in ROWS) for table in WRITTEN}
READ = LOADED | {"staging.moneylines": 2}
REJECTED = {"staging.moneylines": 1}


@pytest.fixture(scope="module")
def template(postgres):
    """A database with a published run of both zones, made by the same steps as a run makes it."""
    execute(postgres.url("postgres"), "create database zones_template")
    with database.session(postgres.url("zones_template"), autocommit=True) as connection:
        ddl.ensure_target(connection)
        ledger.begin_run(connection, ledger.RunFacts(("raw", "staging"), "unified", "1", "1", "1", "here", 1))
        ledger.create_loads(connection, RUN, WRITTEN)
        for name, values in ROWS:
            database.execute(connection, insert(name, values))
        database.script(connection, REJECT)
        ledger.enter_batch(connection, ledger.BatchEntry(RUN, 0, None, None, 4, 13, 1, 0, tallies()))
        ledger.set_loaded(connection, RUN, LOADED)
        relations = ledger.relations(dict.fromkeys(LOADED, RUN))
        for table in WRITTEN:
            database.script(connection, ddl.finish_load(table, RUN))
        for table in WRITTEN:
            database.script(connection, ddl.reference_load(table, RUN, relations))
        options = publish.PublishOptions(wait_s=5, lock_timeout_ms=100, keep=2)
        publish.publish(connection, run_id=RUN, kind="publish", target=dict.fromkeys(LOADED, RUN), options=options)
    yield "zones_template"
    execute(postgres.url("postgres"), "drop database zones_template with (force)")


REJECT = (
    f"insert into audit.rejects values ('k', {RUN}, 'staging', 'moneylines', 'x', '2', 'r', '{{r}}', 'y', '{{}}', 'h')",
    f"insert into audit.sightings (run_id, batch_id, reject_key, copies) values ({RUN}, 0, 'k', 1)",
)


def insert(name, values):
    needed = {column.name: OF_TYPE[column.sql_type] for column in TABLES[name].columns if not column.nullable}
    row = needed | {"load_id": str(RUN)} | values
    place = database.identifier(LOADS, ddl.load_relation(TABLES[name], RUN))
    return f"insert into {place} ({', '.join(row)}) values ({', '.join(row.values())})"


def tallies():
    return {
        name: {
            "read": READ[name],
            "loaded": loaded,
            "rejected": REJECTED.get(name, 0),
            "collapsed": 0,
            "expected": loaded,
            "seconds": 0.1,
        }
        for name, loaded in LOADED.items()
    }


@pytest.fixture
def target(postgres, template):
    """A copy of it that a test may damage."""
    execute(postgres.url("postgres"), f"create database zones_damaged template {template}")
    with database.session(postgres.url("zones_damaged"), autocommit=True) as connection:
        yield connection
    execute(postgres.url("postgres"), "drop database zones_damaged with (force)")


def checks_of(connection, zones=ZONES):
    with reading(connection):
        return check_zones(connection, zones, ledger.relations(ledger.current_map(connection)))


def failed(checks):
    return {(check.zone, check.name) for check in checks if not check.passed}


def test_a_sound_publication_passes_every_check(target):
    checks = checks_of(target)
    assert failed(checks) == set()
    assert {check.zone for check in checks} == set(ZONES)


def test_every_table_reference_and_key_is_looked_at(target):
    names = {(check.zone, check.name) for check in checks_of(target)}
    wanted = {
        (table.zone, f"{table.name}: {what}")
        for table in WRITTEN
        for what in (
            "rows",
            "seen by readers",
            "key unique",
            "conserved",
            "rejects kept",
            *(f"{', '.join(reference.columns)} in {reference.to}" for reference in table.references),
        )
    }
    assert wanted <= names


def test_quality_is_told_for_each_staged_market(target):
    told = {check.name: check.actual for check in checks_of(target) if check.name.endswith(": quality")}
    assert told == {
        "moneylines: quality": "1 validated, 0 needs_review",
        "spreads: quality": "0 validated, 0 needs_review",
        "totals: quality": "0 validated, 0 needs_review",
    }


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        pytest.param(
            ["delete from loads.raw_data_sportsbooks_raw_1"],
            {("raw_data", "sportsbooks_raw: rows"), ("raw_data", "sportsbooks_raw: conserved")},
            id="a row is gone",
        ),
        pytest.param(
            ["alter table raw_data.sportsbooks_raw detach partition loads.raw_data_sportsbooks_raw_1"],
            {("raw_data", "sportsbooks_raw: seen by readers")},
            id="a load is not attached",
        ),
        pytest.param(
            [
                "alter table loads.raw_data_sportsbooks_raw_1 drop constraint raw_data_sportsbooks_raw_1_id_key",
                "insert into loads.raw_data_sportsbooks_raw_1 select * from loads.raw_data_sportsbooks_raw_1",
            ],
            {
                ("raw_data", "sportsbooks_raw: rows"),
                ("raw_data", "sportsbooks_raw: conserved"),
                ("raw_data", "sportsbooks_raw: key unique"),
            },
            id="a keyed table lost its key and has a row twice",
        ),
        pytest.param(
            ["update loads.staging_betting_lines_1 set side = 'home'"],
            {("staging", "betting_lines: key unique")},
            id="a table without an index has a key twice",
        ),
        pytest.param(
            [
                "alter table loads.staging_moneylines_1 drop constraint staging_moneylines_1_book_id_fkey",
                "update loads.staging_moneylines_1 set book_id = 9",
            ],
            {("staging", "moneylines: book_id in staging.sportsbooks")},
            id="a line's book does not exist",
        ),
        pytest.param(
            ["update audit.batches set counts = jsonb_set(counts, '{staging.moneylines,read}', '3')"],
            {("staging", "moneylines: conserved"), ("staging", "moneylines: up to date")},
            id="a source row is unaccounted for",
        ),
        pytest.param(
            ["delete from audit.rejects"],
            {("staging", "moneylines: rejects kept"), ("raw_data", "rejects of run 1")},
            id="a reject is gone",
        ),
        pytest.param(
            ["delete from audit.batches"],
            {(table.zone, f"{table.name}: conserved") for table in WRITTEN} | {("raw_data", "rejects of run 1")},
            id="the ledger is gone",
        ),
        pytest.param(
            [
                "delete from loads.raw_data_betting_lines_raw_1 where team_type = 'home'",
                "update audit.loads set loaded_rows = 2 where table_name = 'raw_data.betting_lines_raw'",
                "update audit.batches set counts = jsonb_set(counts, '{raw_data.betting_lines_raw,expected}', '2')",
            ],
            {("raw_data", "betting_lines_raw: rows of its parents")},
            id="sides are missing although the ledger agrees",
        ),
    ],
)
def test_damage_fails_the_checks_that_it_concerns(target, damage, broken):
    for statement in damage:
        database.execute(target, statement)
    checks = checks_of(target)
    assert failed(checks) == broken
    assert all(check.sentence for check in checks if not check.passed)


def test_a_zone_that_was_never_published_says_so(target):
    checks = checks_of(target, ["curated"])
    assert failed(checks) == {("curated", f"{table.name}: published") for table in tables_of("curated")}
    assert checks[0].sentence.startswith("etl run")


def test_reading_ends_its_transaction_whatever_happens(target):
    with pytest.raises(ZeroDivisionError), reading(target):
        raise ZeroDivisionError
    locks = "select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'raw_data.games_raw'::regclass"
    assert database.scalar(target, locks) == 0


def test_nothing_can_be_written_while_reading(target):
    with pytest.raises(database.DatabaseFault, match="read-only"), reading(target):
        database.execute(target, "delete from audit.rejects")
