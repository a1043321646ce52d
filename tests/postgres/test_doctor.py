"""Before anything moves: what is not sound is found on real servers, named, and nothing is left behind."""

import re
from dataclasses import replace

import polars as pl
import pytest

from etl import database
from etl.analyze.doctor import DoctorRequest, diagnose, examine_servers, exit_code
from etl.analyze.doctor.edges import Edge, Kind, kinds
from etl.analyze.doctor.facts import gather, rooms
from etl.analyze.doctor.path import Arrival, walk
from etl.errors import Exit
from etl.extract.snapshot import open_snapshot
from etl.load.ddl import ensure_target
from etl.runner.params import load_layout
from tests.legacy_rows import databases, statements
from tests.runs import scalar
from tests.servers import execute

RELATIONS = "select string_agg(oid::regclass::text, ',' order by oid) from pg_class"


@pytest.fixture(scope="module")
def make_database(postgres):
    with databases(postgres, "doctor") as make:
        yield make


@pytest.fixture(scope="module")
def legacy(make_database):
    return make_database(*statements("unified"))


@pytest.fixture(scope="module")
def target(make_database):
    return make_database()


@pytest.fixture(scope="module")
def sound(legacy, target, tmp_path_factory):
    """A request that nothing is wrong with; the tests break one side of it."""
    how = {"refuse_unmapped": False, "workers": 1, "batch_rows": 1000, "home": tmp_path_factory.mktemp("doctor")}
    return DoctorRequest(legacy, target, load_layout("unified"), **how)


@pytest.fixture
def role(postgres):
    """Gives the address of a database for a role that has no rights but those of the statements."""
    execute(postgres.url("postgres"), "create role doctor_role login")
    used = set()

    def give(url, *statements):
        used.add(url)
        execute(url, *statements)
        return re.sub("//[^@/]*@", "//doctor_role@", url)

    yield give
    for url in used:
        execute(url, "drop owned by doctor_role")
    execute(postgres.url("postgres"), "drop role doctor_role")


@pytest.fixture
def encoded(postgres):
    """Makes databases of another encoding."""
    made = []

    def make(encoding, *statements):
        made.append(f"doctor_{encoding.lower()}")
        options = f"encoding '{encoding}' locale 'C' template template0"
        execute(postgres.url("postgres"), f"create database {made[-1]} {options}")
        execute(postgres.url(made[-1]), *statements)
        return postgres.url(made[-1])

    yield make
    execute(postgres.url("postgres"), *(f"drop database {name} with (force)" for name in made))


def failures(checks):
    """What is wrong, whatever the machine of the tests is like."""
    return {f"{check.zone}: {check.name}": check for check in checks if not check.passed and check.zone != "here"}


def servers(request):
    checks, _ = examine_servers(request)
    return failures(checks)


def code(found):
    return exit_code(list(found.values()))


def test_what_is_sound_is_told_for_every_type_and_leaves_nothing(sound):
    before = scalar(sound.legacy_url, RELATIONS), scalar(sound.target_url, RELATIONS)
    checks = diagnose(sound)
    assert failures(checks) == {}
    assert [check.name for check in checks if check.zone == "path"] == [kind.name for kind in kinds()]
    assert (scalar(sound.legacy_url, RELATIONS), scalar(sound.target_url, RELATIONS)) == before


def test_both_sides_may_be_one_database(sound, legacy):
    assert failures(diagnose(replace(sound, target_url=legacy))) == {}


def walked(request, kind, *values):
    with open_snapshot(request.legacy_url) as snapshot, database.session(request.target_url, autocommit=True) as target:
        found = walk(kind, [Edge(value) for value in values], snapshot, target)
    return [found[number] for number in range(len(values))]


def test_a_value_is_refused_with_its_text_and_its_neighbours_arrive(sound):
    kind = Kind("numeric(5,2)", pl.Decimal(5, 2), "numeric")
    assert walked(sound, kind, "999.99", "'NaN'", "1000", "null") == [
        Arrival(is_refused=False, text="999.99"),
        Arrival(is_refused=True, text="NaN"),
        Arrival(is_refused=True, text="1000"),
        Arrival(is_refused=False, text=None),
    ]


def test_a_value_that_the_path_changes_is_told_as_it_arrives(sound):
    """Cast to a type that is coarser than the table's."""
    kind = Kind("numeric(5,2)", pl.Decimal(5, 1), "numeric(5,2)")
    assert walked(sound, kind, "1.24") == [Arrival(is_refused=False, text="1.20")]


def test_a_target_of_another_encoding_is_an_error_and_the_path_shows_why(sound, encoded):
    found = failures(diagnose(replace(sound, target_url=encoded("LATIN1"))))
    assert found["target: encoding"].severity == "error"
    assert found["path: text"].expected == r"'é ß Ж 漢'"
    assert found["path: text"].actual.encode("latin-1").startswith(b"'\xc3\xa9 ")
    assert "path: integer" not in found
    assert code(found) == Exit.USAGE
    assert code({"path: text": found["path: text"]}) == Exit.REFUSED


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_legacy_of_another_encoding_is_a_warning(sound, encoded, encoding):
    found = failures(diagnose(replace(sound, legacy_url=encoded(encoding, *statements("unified")))))
    assert found.keys() == {"legacy: encoding"}
    assert (found["legacy: encoding"].actual, code(found)) == (encoding, Exit.DONE)


def test_timeouts_of_the_role_are_named_with_how_to_lift_them(sound, role, target):
    name = database.database_name(target)
    url = role(target, f"grant create on database {name} to doctor_role")
    execute(target, f"alter role doctor_role in database {name} set statement_timeout = '90s'")
    found = servers(replace(sound, target_url=url))
    assert found.keys() == {"target: timeouts"}
    assert found["target: timeouts"].actual == "statement_timeout = 90000 ms (set by: database user)"
    way_out = f'alter role "doctor_role" in database "{name}" set statement_timeout = 0'
    assert found["target: timeouts"].sentence.endswith(way_out)
    assert code(found) == Exit.DONE


def test_a_timeout_of_the_address_is_taken_out_there(sound, target):
    url = database.with_parameters(target, {"options": "-c statement_timeout=90000"})
    way_out = "take statement_timeout out of the options in ETL_TARGET_URL or PGOPTIONS"
    assert servers(replace(sound, target_url=url))["target: timeouts"].sentence.endswith(way_out)


def test_a_role_that_may_not_read(sound, role, legacy):
    found = servers(replace(sound, legacy_url=role(legacy)))
    assert found.keys() == {"legacy: permitted"}
    assert found["legacy: permitted"].actual == "permission denied for schema curated"
    assert code(found) == Exit.UNREACHABLE


def test_a_role_that_may_read_all_but_one_table(sound, role, legacy):
    tables = "curated.sportsbooks, curated.teams_master, curated.games_complete, curated.betting_lines_unified"
    url = role(legacy, "grant usage on schema curated to doctor_role", f"grant select on {tables} to doctor_role")
    found = servers(replace(sound, legacy_url=url))
    assert found.keys() == {"legacy: readable"}
    assert found["legacy: readable"].sentence.startswith("grant select on curated.game_outcomes to")


def test_clocks_without_a_zone_are_named(sound, make_database):
    table = "curated.games_complete"
    without = f"alter table {table} alter game_datetime type timestamp without time zone"
    found = servers(replace(sound, legacy_url=make_database(*statements("unified"), without)))
    assert found.keys() == {"legacy: clocks"}
    assert (found["legacy: clocks"].actual, code(found)) == (f"{table}.game_datetime", Exit.DONE)


def test_a_role_that_may_not_write(sound, role, make_database):
    url = make_database()
    name = database.database_name(url)
    found = servers(replace(sound, target_url=role(url, f"revoke temporary on database {name} from public")))
    assert found.keys() == {"target: may create", "target: temporary tables"}
    assert found["target: temporary tables"].sentence.startswith(f'grant temporary on database "{name}" to')
    assert code(found) == Exit.UNREACHABLE


def test_a_table_of_others_in_the_place_of_ours(sound, make_database):
    url = make_database("create schema raw_data", "create table raw_data.games_raw (id int)")
    found = servers(replace(sound, target_url=url))
    assert found.keys() == {"target: ours"}
    assert (found["target: ours"].actual, code(found)) == ("not made by etl: raw_data.games_raw", Exit.USAGE)


def test_tables_of_ours_that_another_role_made(sound, role, make_database):
    url = make_database()
    with database.session(url, autocommit=True) as connection:
        ensure_target(connection)
    grant = "grant create, usage on schema raw_data, staging, curated, loads, audit to doctor_role"
    found = servers(replace(sound, target_url=role(url, grant)))
    assert found.keys() == {"target: owner"}
    way_out = 'use the role that made them, or grant "postgres" to the role of ETL_TARGET_URL'
    assert (found["target: owner"].sentence, code(found)) == (way_out, Exit.UNREACHABLE)


def test_too_few_sessions_for_a_role(sound, role, legacy):
    url = role(legacy, "alter role doctor_role connection limit 2")
    found = servers(replace(sound, legacy_url=url))
    assert found.keys() == {"legacy: connections"}
    told = found["legacy: connections"]
    assert (told.expected, told.actual, code(found)) == ("4 free", "1 free (role doctor_role)", Exit.UNREACHABLE)


def test_the_limit_of_a_database_counts_too(role, make_database):
    url = make_database()
    name = database.database_name(url)
    execute(url, f"alter database {name} connection limit 7")
    with database.session(role(url), autocommit=True) as first, database.session(url):
        assert rooms(gather(first))[f"database {name}"] == 5


def test_a_target_that_is_read_only_by_default(sound, make_database):
    url = make_database()
    execute(url, f"alter database {database.database_name(url)} set default_transaction_read_only = on")
    found = servers(replace(sound, target_url=url))
    assert found.keys() == {"target: writable"}
    assert (found["target: writable"].actual, code(found)) == ("on (set by: database)", Exit.USAGE)


def test_forms_of_text_that_a_run_does_not_understand(sound, make_database):
    url = make_database(*statements("unified"))
    execute(url, f"alter database {database.database_name(url)} set datestyle = 'German'")
    found = servers(replace(sound, legacy_url=url))
    assert found.keys() == {"legacy: text forms"}
    assert found["legacy: text forms"].actual.startswith("DateStyle = German")
