"""The command as its user has it: on both layouts, with exit codes, as a table and as JSON."""

import json
import os

import pytest
from typer.testing import CliRunner

from etl import database
from etl.cli import app
from tests.legacy_rows import databases, statements
from tests.runs import scalar
from tests.servers import execute

DONE, USAGE, UNREACHABLE = 0, 2, 3
SCHEMAS = "select count(*) from pg_namespace where nspname in ('raw_data', 'staging', 'audit', 'loads')"


@pytest.fixture(scope="module")
def make_database(embedded):
    with databases(embedded, "doctor_cli") as make:
        yield make


@pytest.fixture(scope="module")
def legacy(make_database):
    return make_database(*statements("unified"))


@pytest.fixture
def etl(monkeypatch, tmp_path):
    """Runs a command on two databases, which must end with the exit code given."""
    for name in [name for name in os.environ if name.startswith(("ETL_", "PG", "LOG_LEVEL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ETL_HOME", str(tmp_path / "home"))

    def run(legacy_url, target_url, *arguments, code):
        monkeypatch.setenv("ETL_LEGACY_URL", legacy_url)
        monkeypatch.setenv("ETL_TARGET_URL", target_url)
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, result.output
        return result

    return run


def test_what_is_sound_is_printed_line_by_line(etl, make_database, legacy):
    target = make_database()
    said = etl(legacy, target, "doctor", code=DONE).stdout
    assert "passed  path numeric(5,2): 7 values arrive, 1 refused with text" in said.splitlines()
    assert "passed  legacy snapshot: a second session sees it" in said.splitlines()
    assert scalar(target, SCHEMAS) == 0


def test_the_json_has_every_check(etl, make_database, legacy):
    told = json.loads(etl(legacy, make_database(), "doctor", "--json", "--workers", "1", code=DONE).stdout)
    assert told["sound"] is True
    assert {check["zone"] for check in told["checks"]} == {"legacy", "target", "path", "here"}
    keys = {"zone", "name", "passed", "expected", "actual", "severity", "sentence"}
    assert all(check.keys() == keys for check in told["checks"])


def test_what_is_not_fit_ends_with_its_code_and_the_next_step(etl, make_database, legacy):
    target = make_database()
    execute(target, f"alter database {database.database_name(target)} set default_transaction_read_only = on")
    result = etl(legacy, target, "doctor", code=USAGE)
    assert "FAILED  target writable: expected default_transaction_read_only = off, found on" in result.stdout
    assert "set default_transaction_read_only = off" in result.stderr


def test_a_server_that_is_not_there_ends_with_its_code_and_the_rest_is_told(etl, legacy):
    result = etl(legacy, "postgresql://u@127.0.0.1:1/db", "doctor", "--json", code=UNREACHABLE)
    told = json.loads(result.stdout)
    assert told["sound"] is False
    failed = [(check["zone"], check["name"]) for check in told["checks"] if not check["passed"]]
    assert failed == [("target", "reachable")]
    assert "pg_isready" in result.stderr


def test_a_validation_before_a_run_includes_it(etl, make_database, legacy):
    told = json.loads(etl(legacy, make_database(), "validate", "pre-migration", "--json", code=DONE).stdout)
    names = [f"{check['zone']} {check['name']}" for check in told["checks"]]
    assert len(set(names)) == len(names)
    assert {"path jsonb", "target disk", "legacy curated.sportsbooks -> sportsbooks_raw"} <= set(names)
