"""Could a run start at all? What stands in its way is told with what to do about it."""

import re

import pytest

from etl.analyze import pre_migration
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


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request):
    return request.param


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def test_a_legacy_and_a_target_that_are_ready_pass(legacies, layout, bare):
    checks = pre_migration(legacies[layout], bare, load_layout(layout), refuse_unmapped=False)
    assert all(verdicts(checks).values())
    assert "legacy: reachable" in verdicts(checks)
    assert "target: may create" in verdicts(checks)


def test_an_empty_legacy_is_a_warning(bare):
    checks = pre_migration(bare, bare, load_layout("unified"), refuse_unmapped=False)
    assert {check.severity for check in checks if not check.passed} == {"warning"}


def test_the_wrong_layout_and_a_missing_server_are_told_with_what_to_do(legacies):
    away = "postgresql://nobody@/none?host=/nowhere"
    checks = pre_migration(legacies["unified"], away, load_layout("core_betting"), refuse_unmapped=False)
    assert verdicts(checks) == {"legacy: usable": False, "target: usable": False}
    assert "ETL_LEGACY_LAYOUT" in checks[0].sentence
    assert "pg_isready" in checks[1].sentence


def test_a_table_that_is_not_ours_is_named(make_database, bare):
    target = make_database("create schema staging", "create table staging.games (id int)")
    checks = pre_migration(bare, target, load_layout("unified"), refuse_unmapped=False)
    (ours,) = [check for check in checks if check.name == "target: ours"]
    assert (ours.passed, ours.actual) == (False, "not made by etl: staging.games")


def test_missing_grants_are_told_with_the_grant(make_database):
    url = make_database(
        *ddl("unified"),
        "create role premigration_reader login",
        "grant usage on schema curated to premigration_reader",
        "grant select on all tables in schema curated to premigration_reader",
        "revoke select on curated.games_complete from premigration_reader",
    )
    as_reader = re.sub("//[^@/]*@", "//premigration_reader@", url)
    checks = pre_migration(as_reader, as_reader, load_layout("unified"), refuse_unmapped=False)
    failed = {check.name: check.sentence for check in checks if not check.passed}
    assert failed.keys() == {"legacy: readable", "target: may create"}
    assert failed["legacy: readable"].startswith("grant select on curated.games_complete")
    assert failed["target: may create"].startswith('grant create, usage on schema "curated"; have schemas raw_data,')
