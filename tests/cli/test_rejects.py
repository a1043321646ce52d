"""`etl rejects`, as its user types it."""

import json
import os

import polars as pl
import pytest
from typer.testing import CliRunner

from etl.cli import app
from tests.runs import published, sample, scalar
from tests.servers import execute

DONE, USAGE = 0, 2
NAMES = ("rejects_cli_legacy", "rejects_cli_target")
WIDER = "[gates]\nrejected_max_pct = 50.0\n"


@pytest.fixture(scope="module")
def urls(embedded, tmp_path_factory):
    """A dirty legacy and a target that holds one run of it."""
    execute(embedded.url("postgres"), *(f"create database {name}" for name in NAMES))
    legacy, target = map(embedded.url, NAMES)
    sample(legacy, tmp_path_factory.mktemp("rejects_cli") / "truth", scale=0.05)
    published(legacy, target, validate=False)
    yield legacy, target
    execute(embedded.url("postgres"), *(f"drop database {name} with (force)" for name in NAMES))


@pytest.fixture
def etl(urls, monkeypatch, tmp_path):
    """Runs a command, which must end with the exit code given; gives its result."""
    for name in [name for name in os.environ if name.startswith(("ETL_", "PG", "LOG_LEVEL"))]:
        monkeypatch.delenv(name)
    for name, value in zip(("HOME", "LEGACY_URL", "TARGET_URL"), (tmp_path / "home", *urls), strict=True):
        monkeypatch.setenv(f"ETL_{name}", str(value))

    def run(*arguments, code=DONE):
        result = CliRunner().invoke(app, ["rejects", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.mark.parametrize("command", ["list", "show", "export", "replay"])
def test_each_command_has_an_example(etl, command):
    assert f"etl rejects {command}" in " ".join(etl(command, "--help").stdout.split())


def test_the_list_is_a_table_for_people_and_data_for_machines(etl):
    counts = json.loads(etl("list", "--json").stdout)
    lines = etl("list").stdout.splitlines()
    assert lines[0].split() == ["zone", "table", "rule", "rows", "runs", "first_run", "example"]
    assert [line.split()[:4] for line in lines[1 : len(counts) + 1]] == [
        [entry["zone"], entry["table"], entry["rule"], str(entry["rows"])] for entry in counts
    ]
    assert etl("list", "--zone", "curated").stdout == "no rejects\n"


def test_one_is_shown_by_table_and_id_and_by_key(etl):
    first = json.loads(etl("list", "--json").stdout)[0]
    (shown,) = json.loads(etl("show", f"{first['table']}:{first['example']}", "--json").stdout)
    page = etl("show", shown["reject_key"]).stdout
    assert f"reject   {shown['reject_key']}" in page
    assert f"refused  by {first['zone']}.{first['table']}" in page
    assert f"rule     {first['rule']}: {first['sentence']}" in page
    assert json.loads(page.partition("\nrow\n")[2]) == shown["row"]


def test_one_that_is_not_there_is_an_error_of_use(etl):
    assert "next: etl rejects list" in etl("show", "totals:none", code=USAGE).stderr


def test_they_are_written_to_a_file_and_no_file_is_overwritten(etl, tmp_path):
    path = tmp_path / "rejects.parquet"
    said = etl("export", path, "--zone", "staging")
    assert said.stdout == ""
    assert f"{len(pl.read_parquet(path))} rejects: {path}" in said.stderr
    assert "--force" in etl("export", path, code=USAGE).stderr
    etl("export", path, "--force")


def test_they_are_put_back_and_accounted_for(etl, urls, tmp_path):
    config = tmp_path / "etl.toml"
    config.write_text(WIDER)
    before = json.loads(etl("list", "--json", "--rule", "price_invalid").stdout)
    done = etl("replay", "--rule", "price_invalid", "--json", "--config", config)
    report = json.loads(done.stdout)
    told = report["details"]["replay"]["rejects"]
    assert (report["status"], report["phases"]) == ("published", ["staging", "curated"])
    assert sum(entry["refused"] for entry in told) == sum(entry["rows"] for entry in before) > 0
    assert "are carried on as they are" in done.stderr
    replayed = scalar(urls[1], f"select replay->>'rule' from audit.runs where run_id = {report['run_id']}")
    assert replayed == "price_invalid"
    page = etl("replay", "--rule", "price_invalid", "--no-publish", "--yes", "--config", config).stdout
    assert page.splitlines()[0].split() == ["table", "rule", "accepted", "refused"]


def test_a_rule_that_refused_nothing_puts_nothing_back(etl):
    assert "nothing to put back" in etl("replay", "--rule", "no_such_rule", code=USAGE).stderr
