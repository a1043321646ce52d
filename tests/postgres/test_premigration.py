"""Could a run start at all? What stands in its way is told with what to do about it."""

import re

import pytest

from etl.analyze.doctor import DoctorRequest
from etl.analyze.premigration import pre_migration
from etl.runner.params import load_layout
from tests.legacy_rows import LAYOUTS, databases, ddl, statements


@pytest.fixture(scope="module")
def make_database(postgres):
    with databases(postgres, "premigration") as make:
        yield make


@pytest.fixture(scope="module")
def legacies(make_database):
    return {layout: make_database(*statements(layout)) for layout in LAYOUTS}


@pytest.fixture(scope="module")
def bare(make_database):
    return make_database(*ddl("unified"))


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    """The checks of the servers and of the path, whatever the machine of the tests is like."""
    how = {"refuse_unmapped": False, "workers": 1, "batch_rows": 1000, "home": tmp_path_factory.mktemp("premigration")}

    def examine(legacy_url, target_url, layout):
        checks = pre_migration(DoctorRequest(legacy_url, target_url, load_layout(layout), **how))
        return [check for check in checks if check.zone != "here"]

    return examine


@pytest.fixture(scope="module", params=LAYOUTS)
def ready(request, examined, legacies, bare):
    """The checks of a legacy of each layout and a target that are ready."""
    return examined(legacies[request.param], bare, request.param)


def verdicts(checks):
    return {f"{check.zone}: {check.name}": check.passed for check in checks}


def failures(checks):
    return {f"{check.zone}: {check.name}": check for check in checks if not check.passed}


def test_a_legacy_and_a_target_that_are_ready_pass(ready):
    found = verdicts(ready)
    assert all(found.values())
    assert found.keys() >= {"legacy: reachable", "target: may create", "path: numeric(5,2)"}


def test_each_check_is_made_once(ready):
    assert len(verdicts(ready)) == len(ready)


def test_the_rows_of_each_table_are_told(ready):
    found = {check.name.split(" -> ")[1]: check.actual for check in ready if " -> " in check.name}
    assert found == {
        "sportsbooks_raw": "2 rows",
        "teams_raw": "1 rows",
        "games_raw": "3 rows",
        "game_outcomes_raw": "1 rows",
        "moneylines_raw": "3 rows",
        "spreads_raw": "1 rows",
        "totals_raw": "2 rows",
    }


def test_an_empty_legacy_is_a_warning(examined, bare):
    found = failures(examined(bare, bare, "unified"))
    assert found.keys() >= {"legacy: curated.games_complete -> games_raw"}
    assert {check.severity for check in found.values()} == {"warning"}


def test_the_wrong_layout_and_a_missing_server_are_told_with_what_to_do(examined, legacies):
    found = failures(examined(legacies["unified"], "postgresql://nobody@/none?host=/nowhere", "core_betting"))
    assert found.keys() == {"legacy: layout", "target: reachable"}
    assert "ETL_LEGACY_LAYOUT" in found["legacy: layout"].sentence
    assert "pg_isready" in found["target: reachable"].sentence


def test_a_table_that_is_not_ours_is_named(examined, make_database, bare):
    target = make_database("create schema staging", "create table staging.games (id int)")
    ours = failures(examined(bare, target, "unified"))["target: ours"]
    assert (ours.severity, ours.actual) == ("error", "not made by etl: staging.games")


def test_missing_grants_are_told_with_the_grant(examined, make_database):
    url = make_database(
        *ddl("unified"),
        "create role premigration_reader login",
        "grant usage on schema curated to premigration_reader",
        "grant select on all tables in schema curated to premigration_reader",
        "revoke select on curated.games_complete from premigration_reader",
    )
    as_reader = re.sub("//[^@/]*@", "//premigration_reader@", url)
    found = {name: check.sentence for name, check in failures(examined(as_reader, as_reader, "unified")).items()}
    assert found.keys() == {"legacy: readable", "target: may create"}
    assert found["legacy: readable"].startswith("grant select on curated.games_complete")
    assert found["target: may create"].startswith('grant create, usage on schema "curated"; have schemas raw_data,')
