"""Faults that a user can mend: a clear message, the documented exit code, no traceback, nothing half-written."""

import json
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from etl.cli import app
from etl.load.lock import hold_lock
from tests.runs import attached, loads, rows, sample, scalar, seen
from tests.servers import PASSWORD, PASSWORD_IN_URL, answer, execute, free_port

DONE, USAGE, UNREACHABLE, REFUSED, LOCKED = 0, 2, 3, 4, 6
LINES = "curated.betting_lines_unified"
HUSH = (PASSWORD, PASSWORD_IN_URL)
SIDES = pytest.mark.parametrize("side", ["legacy", "target"])


@pytest.fixture(scope="module")
def legacy(debian, tmp_path_factory):
    """The name of a database that holds a small legacy."""
    execute(debian.url("postgres"), "create database errors_legacy template template0")
    sample(debian.url("errors_legacy"), tmp_path_factory.mktemp("errors") / "truth", scale=0.05)
    yield "errors_legacy"
    execute(debian.url("postgres"), "drop database errors_legacy with (force)")


@pytest.fixture
def make(debian):
    """Makes databases that are dropped after the test, and gives their addresses for a role with a password."""
    admin, made = debian.url("postgres"), []

    def create(*statements, template="template0"):
        made.append(f"errors_{len(made)}")
        execute(admin, f"create database {made[-1]} template {template}")
        execute(debian.url(made[-1]), *statements)
        return debian.url_with_password(made[-1])

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture
def reader(debian):
    """A role that may do nothing of its own."""
    execute(debian.url("postgres"), "create role errors_reader login password 'reader'")
    yield lambda url: url.replace(debian.url_with_password("").rpartition("@")[0], "postgresql://errors_reader:reader")
    execute(debian.url("postgres"), "drop role errors_reader")


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Sets the databases of the commands of a test, and nothing else of ours."""
    for name in [name for name in os.environ if name.startswith(("ETL_", "PG", "LOG_LEVEL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ETL_HOME", str(tmp_path / "home"))

    def give(legacy_url, target_url):
        monkeypatch.setenv("ETL_LEGACY_URL", legacy_url)
        monkeypatch.setenv("ETL_TARGET_URL", target_url)

    return give


@pytest.fixture
def etl(environment):
    """Runs a command in this process, which must end with the exit code given; gives all that it printed."""

    def run(*arguments, code):
        began = time.monotonic()
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        assert_answered(result.stderr, code)
        assert time.monotonic() - began < 30
        return " ".join(result.output.replace("│", " ").split())

    return run


def program(*arguments, code):
    """The same in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "etl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert_answered(done.stderr, code)
    return " ".join((done.stdout + done.stderr).split())


def assert_answered(stderr, code):
    assert "Traceback" not in stderr
    assert not any(secret in stderr for secret in HUSH)
    if code != DONE:
        assert "error: " in stderr.lower() or "╭─ Error" in stderr


def assert_untouched(url):
    """No table and no schema of ours."""
    assert scalar(url, "select count(*) from pg_namespace where nspname in ('raw_data', 'audit', 'loads')") == 0


def assert_nothing_loaded(url):
    assert loads(url) == set()
    assert attached(url) == set()
    assert scalar(url, "select count(*) from audit.publications") == 0


def place(side, broken, whole):
    return (broken, whole) if side == "legacy" else (whole, broken)


@SIDES
def test_a_server_that_does_not_answer(environment, make, legacy, side):
    whole, nowhere = make(template=legacy), f"postgresql://u:{PASSWORD_IN_URL}@127.0.0.1:{free_port()}/db"
    environment(*place(side, nowhere, whole))
    began = time.monotonic()
    said = program("run", code=UNREACHABLE)
    assert time.monotonic() - began < 10
    assert f"cannot reach {nowhere.replace(f':{PASSWORD_IN_URL}', '')}" in said
    assert "next: check that the server runs" in said


def test_a_server_that_never_answers(etl, environment, make):
    # NOTE: an address of documentation (RFC 5737): packets to it are dropped, or refused at once without a network.
    environment("postgresql://u@192.0.2.1/db", make())
    began = time.monotonic()
    assert "cannot reach postgresql://u@192.0.2.1/db" in etl("analyze", code=UNREACHABLE)
    assert time.monotonic() - began < 10


@SIDES
def test_a_wrong_password(etl, environment, debian, make, legacy, side):
    whole = make(template=legacy)
    environment(*place(side, debian.url_with_password("errors_0", "mistaken%20one"), whole))
    said = etl("run", code=UNREACHABLE)
    assert "refused the password" in said
    assert "mistaken" not in said


@SIDES
def test_a_database_that_is_not_there(etl, environment, debian, make, legacy, side):
    environment(*place(side, debian.url_with_password("nowhere"), make(template=legacy)))
    said = etl("run", code=UNREACHABLE)
    assert 'database "nowhere" does not exist' in said
    assert "next: check the database and user names" in said


@pytest.mark.parametrize("command", ["status", "validate"])
def test_the_commands_that_look_say_so_too(etl, environment, debian, make, command):
    environment(make(), debian.url_with_password("nowhere"))
    assert 'database "nowhere" does not exist' in etl(
        command, *["raw-zone"] * (command == "validate"), code=UNREACHABLE
    )


def test_a_legacy_that_is_empty(environment, make):
    target = make()
    environment(make(), target)
    said = program("run", code=USAGE)
    assert "the legacy has no table curated.sportsbooks, curated.teams_master" in said
    assert_nothing_loaded(target)


def test_a_legacy_without_one_table(etl, environment, make, legacy):
    target = make()
    environment(make("drop table curated.game_outcomes", template=legacy), target)
    said = etl("run", code=USAGE)
    assert "the legacy has no table curated.game_outcomes (or" in said
    assert "ETL_LEGACY_LAYOUT" in said
    assert_nothing_loaded(target)


@pytest.mark.parametrize("command", ["run", "analyze"])
def test_a_legacy_without_a_column(etl, environment, make, legacy, command):
    broken = [f"alter table {LINES} drop column home_ml", "alter table curated.games_complete drop column venue_id"]
    target = make()
    environment(make(*broken, template=legacy), target)
    said = etl(command, code=USAGE)
    assert f"the legacy lacks {LINES}.home_ml, curated.games_complete.venue_id" in said


def test_a_column_that_no_contract_knows_is_refused_where_that_is_wanted(etl, environment, make, legacy, tmp_path):
    config = tmp_path / "own.toml"
    config.write_text("[legacy]\nunmapped = 'refuse'\n")
    target = make()
    environment(make(f"alter table {LINES} add column mood text", template=legacy), target)
    said = etl("run", "--config", config, code=USAGE)
    assert f"the contracts do not know {LINES}.mood" in said
    assert_nothing_loaded(target)


@pytest.mark.parametrize(
    ("grants", "named"),
    [
        ((), "permission denied for schema curated"),
        (("grant usage on schema curated to errors_reader",), "permission denied for table"),
        (
            (
                "grant usage on schema curated to errors_reader",
                "grant select on all tables in schema curated to errors_reader",
                "revoke select on curated.game_outcomes from errors_reader",
            ),
            "permission denied for table game_outcomes",
        ),
    ],
    ids=["schema", "tables", "table"],
)
@pytest.mark.parametrize("phase", ["all", "raw"])
def test_a_legacy_that_may_not_be_read(etl, environment, reader, make, legacy, grants, named, phase):
    url, target = make(*grants, template=legacy), make()
    environment(reader(url), target)
    said = etl("run", "--phase", phase, code=UNREACHABLE)
    assert named in said
    assert "next: grant the" in said
    assert attached(target) == set()
    assert scalar(target, "select count(*) from audit.runs where status = 'failed'") == 1


def test_a_target_that_may_not_be_written(etl, environment, reader, make, legacy):
    target = make()
    environment(make(template=legacy), reader(target))
    said = etl("run", code=UNREACHABLE)
    assert "permission denied for database" in said
    assert "next: grant the role" in said
    assert_untouched(target)


def test_a_table_that_is_not_ours_is_left_alone(etl, environment, make, legacy):
    target = make(
        "create schema staging", "create table staging.games (id int)", "insert into staging.games values (7)"
    )
    environment(make(template=legacy), target)
    said = etl("run", code=USAGE)
    assert "staging.games exists in errors_0 and was not made by etl; it was left alone" in said
    assert rows(target, "select * from staging.games") == [(7,)]
    assert_untouched(target)


def test_a_second_run_at_the_same_time(etl, environment, make, legacy):
    target = make()
    environment(make(template=legacy), target)
    with hold_lock(target):
        said = etl("run", code=LOCKED)
    assert "another run works on this target" in said
    assert_untouched(target)


def test_a_gate_that_fails_keeps_what_readers_see(etl, environment, make, legacy, tmp_path):
    target, config = make(), tmp_path / "strict.toml"
    environment(make(template=legacy), target)
    etl("run", code=DONE)
    before = attached(target), seen(target)
    config.write_text("[gates]\nvalidated_min_pct = 100\n")
    said = etl("run", "--config", config, code=REFUSED)
    assert "gate validated" in said
    assert ">= 100 %" in said
    assert (attached(target), seen(target)) == before
    assert rows(target, "select status from audit.runs order by run_id") == [("published",), ("failed",)]
    told = json.loads((tmp_path / "home" / "reports" / "run_2.json").read_text())
    assert (told["status"], told["published"]) == ("failed", False)
    etl("run", "--config", config, "--no-validate", code=DONE)


def test_a_password_is_told_nowhere(environment, make, legacy, tmp_path):
    target = make()
    environment(make(template=legacy), target)
    said = program("run", "--json", code=DONE) + program("status", code=DONE) + program("validate", code=DONE)
    reports = "".join(path.read_text() for path in (tmp_path / "home").rglob("*") if path.is_file())
    kept = scalar(target, "select string_agg(t::text, ' ') from audit.runs t")
    for text in (said, reports, kept):
        assert text
        assert not any(secret in text for secret in HUSH)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--phase", "nope"], "unknown phase 'nope'"),
        (["run", "--phase", "raw,curated"], "leave a gap"),
        (["run", "--workers", "many"], "Invalid value for '--workers'"),
        (["run", "--workers", "-1"], "run.workers"),
        (["run", "--batch-rows", "0"], "run.batch_rows"),
        (["run", "--nope"], "No such option: --nope"),
        (["run", "extra"], "unexpected extra argument"),
        (["nope"], "No such command 'nope'"),
        (["validate", "nope"], "unknown stage 'nope'"),
        (["publish"], "Missing argument"),
        (["publish", "x"], "parse string as an integer"),
        (["rollback", "--to", "x"], "Invalid value for '--to'"),
        (["db", "uri", "nope"], "unknown database 'nope'"),
        (["run", "--profile", "nope"], "no profile 'nope'"),
        (["run", "--config", "/nowhere/etl.toml"], "cannot read /nowhere/etl.toml"),
        (["db", "shell"], "the embedded server is not used"),
        (["db", "start"], "the embedded server is not used"),
    ],
)
def test_a_command_that_cannot_be_meant(etl, environment, arguments, named):
    environment("postgresql://u@127.0.0.1:1/legacy", "postgresql://u@127.0.0.1:1/target")
    assert named in etl(*arguments, code=USAGE)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[run]\nspeed = 1\n", "run.speed"),
        ("[run]\nbatch_rows = 'x'\nworkers = 99\n", "run.workers"),
        ("[legacy]\nurl = 'postgresql://u:hush@h/db'\n", "legacy.url holds a password in a file"),
        ("[legacy\n", "cannot read"),
        ("legacy = 1\n", "legacy"),
    ],
)
def test_a_configuration_that_is_wrong(etl, tmp_path, text, named):
    config = tmp_path / "own.toml"
    config.write_text(text)
    said = etl("run", "--config", config, code=USAGE)
    assert named in said
    assert "hush" not in said
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("ETL_RUN_WORKERS", "many", "run.workers"),
        ("ETL_RUN_SPEED", "1", "run.speed"),
        ("ETL_LEGACY_URL", "postgresql://u:hush@h/db", "ETL_TARGET_URL is not set"),
        ("ETL_LEGACY_LAYOUT", "other", "expected one of core_betting, unified"),
    ],
)
def test_an_environment_that_is_wrong(etl, monkeypatch, tmp_path, name, value, named):
    monkeypatch.setenv(name, value)
    said = etl("run", code=USAGE)
    assert named in said
    assert "hush" not in said
    assert not (tmp_path / "home").exists()


def test_a_log_level_that_is_unknown(etl, environment, monkeypatch, make, legacy):
    target = make()
    environment(make(template=legacy), target)
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert "LOG_LEVEL is 'loud'" in etl("run", code=USAGE)
    assert_untouched(target)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["run", "--phase", "curated"], "nothing is published in zone staging"),
        (["publish", "7"], "nothing was ever loaded into this target"),
        (["rollback"], "nothing was ever loaded into this target"),
    ],
)
def test_a_step_that_has_nothing_to_stand_on(etl, environment, make, legacy, command, named):
    environment(make(template=legacy), make())
    assert named in etl(*command, code=USAGE)


def test_an_empty_target_does_not_pass_for_a_valid_one(etl, environment, make, legacy):
    environment(make(template=legacy), make())
    assert "expected a published load, found none" in etl("validate", "staging-zone", code=REFUSED)


def test_a_status_of_a_fresh_target_is_an_answer(etl, environment, make):
    target = make()
    environment(make(), target)
    etl("status", code=DONE)
    assert answer(target, "select count(*) from pg_namespace where nspname = 'audit'") == 0
