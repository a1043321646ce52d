"""History, show, diff, pin, prune, publish, rollback and dry runs as their users meet them."""

import json
import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from etl import database
from etl.cli import app
from etl.load import ddl
from tests import targets
from tests.runs import attached, loads, sample, scalar
from tests.servers import execute

DONE, USAGE, UNREACHABLE, REFUSED, UNPUBLISHED, INTERRUPTED = 0, 2, 3, 4, 7, 130
GAMES, LABELS = "raw_data.games_raw", "curated.labels"
JSON = "--json"


@pytest.fixture(scope="module")
def server(embedded):
    """Makes databases that are dropped after the module."""
    admin, made = embedded.url("postgres"), []

    def create(name, template="template0"):
        execute(admin, f"create database {name} template {template}")
        made.append(name)
        return embedded.url(name)

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture(scope="module")
def legacy(server, tmp_path_factory):
    url = server("shown_legacy")
    sample(url, tmp_path_factory.mktemp("shown") / "truth", scale=0.02)
    return url


@pytest.fixture(scope="module")
def ready_made(server):
    """A target in which run 1 is published, run 2 too, of another zone as well, and run 3 is filled."""
    url = server("shown_ready")
    with database.session(url, autocommit=True) as connection:
        ddl.ensure_target(connection)
    targets.published(url, [GAMES])
    targets.published(url, [GAMES, LABELS])
    targets.fill(url, [GAMES])
    return "shown_ready"


@pytest.fixture
def target(embedded, ready_made):
    execute(embedded.url("postgres"), f"create database shown_target template {ready_made}")
    yield embedded.url("shown_target")
    execute(embedded.url("postgres"), "drop database shown_target with (force)")


@pytest.fixture
def etl(monkeypatch, tmp_path, legacy, target):
    """Runs a command, which must end with the exit code given; gives its stdout, and its stderr in one line."""
    for name in [name for name in os.environ if name.startswith(("ETL_", "PG", "LOG_LEVEL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ETL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ETL_LEGACY_URL", legacy)
    monkeypatch.setenv("ETL_TARGET_URL", target)

    def run(*arguments, code=DONE):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        return result.stdout, " ".join(result.stderr.split())

    return run


def on_a_terminal(*arguments, answer):
    """Exit code and output of a command whose question is answered."""
    parent, child = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "etl", *arguments], stdin=child, stdout=child, stderr=child)
    os.close(child)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(parent, 1024)
    os.write(parent, answer)
    code = process.wait(timeout=60)
    os.close(parent)
    return code, said.decode()


def test_history_is_a_line_a_run(etl):
    lines = etl("history")[0].splitlines()
    assert lines[0].split() == [
        *("run", "status", "phases", "started", "seconds", "loaded", "rejected", "published", "readers", "size")
    ]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["3", "filled", "2"],
        ["2", "published", "2"],
        ["1", "published", "2"],
    ]
    told = json.loads(etl("history", JSON, "--limit", 2)[0])
    assert [(run["run"], run["zones"]) for run in told] == [(3, []), (2, ["raw_data", "curated"])]


def test_show_says_what_can_be_done(etl):
    page = etl("show", 3)[0]
    assert "etl publish 3  switch readers to it" in page
    told = json.loads(etl("show", 3, JSON)[0])
    assert {"tables", "batches", "failed_attempts", "checks", "publications", "rejects", "next"} <= set(told)
    assert "there is no run 9" in etl("show", 9, code=USAGE)[1]


def test_diff_is_a_table_or_json(etl):
    assert "nothing differs" in etl("diff")[0]
    told = json.loads(etl("diff", 2, "--against", 1, "--table", "games_raw", JSON)[0])
    assert (told["after"]["run"], [run["run"] for run in told["before"]]) == (2, [1])
    assert [(t["table"], t["difference"]["by"], t["difference"]["same"]) for t in told["tables"]] == [
        (GAMES, "key", True)
    ]
    assert told["same"] is True
    assert "nothing was published before run 1" in etl("diff", 1, code=USAGE)[1]


def test_pin_and_prune(etl, target):
    assert "run 1 is pinned: 1 loads of its own" in etl("pin", 1)[1]
    page = etl("prune", "--keep", 0)[0]
    assert "0 loads were dropped" in page
    assert "run 1 is pinned" in page
    etl("pin", 1, "--off")
    planned = json.loads(etl("prune", "--keep", 0, "--dry-run", JSON)[0])
    assert [load["relation"] for load in planned["stale"]] == ["raw_data_games_raw_1"]
    assert len(loads(target)) == 4
    done = json.loads(etl("prune", "--keep", 0, JSON)[0])
    assert [load["relation"] for load in done["dropped"]] == ["raw_data_games_raw_1"]
    assert len(loads(target)) == 3
    assert "1 loads were dropped" in etl("prune", "--unfinished", "--yes")[0]


def test_rollback_says_from_what_to_what(etl, target):
    said = etl("rollback")[1]
    assert "raw_data run 2 -> run 1 staging nothing, stays curated run 2 -> nothing" in said
    assert "readers see the publication of run 1 again" in said
    assert "no earlier publication exists next: etl history" in etl("rollback", code=USAGE)[1]


@pytest.mark.parametrize(
    ("command", "answer", "code", "left"),
    [
        (("rollback",), b"n\n", INTERRUPTED, 2),
        (("rollback",), b"\x04", INTERRUPTED, 2),
        (("rollback",), b"y\n", DONE, 1),
    ],
)
def test_a_terminal_is_asked(etl, target, command, answer, code, left):
    assert on_a_terminal(*command, answer=answer)[0] == code
    assert (GAMES, str(left)) in attached(target)


def test_pruning_asks_with_what_it_would_drop(etl, target):
    code, said = on_a_terminal("prune", "--keep", "0", answer=b"n\n")
    assert code == INTERRUPTED
    assert "drop 1 loads, " in said
    assert len(loads(target)) == 4


def test_a_publication_among_long_readers_names_them_and_is_finished_later(etl, target, monkeypatch):
    monkeypatch.setenv("ETL_RUN_PUBLISH_WAIT_S", "0.3")
    with database.session(target, autocommit=True, name="quarterly report") as reader:
        database.execute(reader, "begin isolation level repeatable read")
        database.scalar(reader, f"select count(*) from {GAMES}")
        said = etl("publish", 3, code=UNPUBLISHED)[1]
        assert "application quarterly report" in said
        assert "next: etl publish 3" in said
        assert "application quarterly report" in etl("rollback", code=UNPUBLISHED)[1]
        assert (GAMES, "2") in attached(target)
    assert "raw_data run 2 -> run 3 staging nothing, stays curated run 2, stays" in etl("publish", 3)[1]
    assert (GAMES, "3") in attached(target)


def test_a_run_that_is_filled_says_how_to_look_at_it_and_publish_it(etl, target):
    said = etl("run", "--phase", "raw", "--no-publish")[1]
    assert "run 4 is filled and not published: etl diff 4 shows what it would change, etl publish 4 switches" in said
    assert (GAMES, "2") in attached(target)
    etl("publish", 4)
    assert (GAMES, "4") in attached(target)


def test_a_dry_run_shows_and_stores_what_a_run_would_do(etl, target, tmp_path):
    runs = scalar(target, "select count(*) from audit.runs")
    page, said = etl("run", "--phase", "raw,staging", "--dry-run")
    assert "Would be refused" in page
    assert "nothing was written" in page
    told = json.loads(etl("run", "--phase", "raw,staging", "--dry-run", JSON)[0])
    assert (told["run_id"], told["status"], told["published"]) == (0, "dry_run", False)
    assert json.loads((tmp_path / "home" / "reports" / "dry_run.json").read_text())["tables"] == told["tables"]
    assert not list((tmp_path / "home" / "reports").glob("run_*"))
    assert scalar(target, "select count(*) from audit.runs") == runs


def test_a_dry_run_ends_as_the_run_would(etl, monkeypatch, tmp_path):
    monkeypatch.setenv("ETL_GATES_VALIDATED_MIN_PCT", "100")
    page, said = etl("run", "--phase", "raw,staging", "--dry-run", code=REFUSED)
    assert "gate validated: expected >= 100 %" in page
    assert "error: this run would not be published" in said
    monkeypatch.setenv("ETL_TARGET_URL", os.environ["ETL_TARGET_URL"].replace("shown_target", "nowhere"))
    assert "the target cannot be looked at" in etl("run", "--phase", "raw", "--dry-run")[1]
    etl("run", "--phase", "staging", "--dry-run", code=UNREACHABLE)
    assert "do not go together" in etl("run", "--resume", 1, "--dry-run", code=USAGE)[1]


@pytest.mark.parametrize("command", [("history",), ("show", 1), ("diff",), ("prune",), ("pin", 1), ("rollback",)])
def test_a_target_that_nothing_was_loaded_into(etl, server, monkeypatch, command):
    monkeypatch.setenv("ETL_TARGET_URL", server(f"shown_empty_{command[0]}"))
    assert (
        "nothing was ever loaded into this target" in etl(*command, code=DONE if command == ("history",) else USAGE)[1]
    )
