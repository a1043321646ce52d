"""A run that dies at any moment harms nobody: readers keep what they saw, and the next run works."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl import database
from tests import runs
from tests.runs import LOCK, scalar, seen
from tests.servers import execute

PATIENCE_S = 60
NEWEST = "run_id = (select max(run_id) from audit.runs)"
# What the ledger and the catalog show when a run has come so far, in the order of a run.
MOMENTS = {
    "as it begins": f"select status = 'running' from audit.runs where {NEWEST}",
    "after its reference tables": f"select count(*) >= 1 from audit.batches where {NEWEST}",
    "while it keys its loads": "select count(*) >= 1 from pg_indexes where schemaname = 'loads' and tablename = "
    "'raw_data_moneylines_raw_' || (select max(run_id) from audit.runs)",
    "as it waits to publish": f"select status = 'filled' from audit.runs where {NEWEST}",
}


@pytest.fixture(scope="module")
def place(embedded, tmp_path_factory):
    """A database that is legacy and target at once, with a first publication of all zones."""
    execute(embedded.url("postgres"), "create database kill_place")
    url = embedded.url("kill_place")
    runs.sample(url, tmp_path_factory.mktemp("kill") / "truth", scale=0.03)
    runs.published(url, url)
    yield url
    execute(embedded.url("postgres"), "drop database kill_place with (force)")


@contextmanager
def begun(url, home, *options):
    """A real `etl run` in a process of its own, dead at the end in any case."""
    own = {"ETL_LEGACY_URL": url, "ETL_TARGET_URL": url, "ETL_HOME": str(home), "ETL_RUN_BATCH_ROWS": "300"}
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", "run", "--json", "--workers", "1", *options],
        env={**os.environ, **own},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def newest(url):
    return scalar(url, "select max(run_id) from audit.runs")


def until(url, question, process, every_time):
    """Wait for a moment of a run; `every_time` is called at each look."""
    deadline = time.monotonic() + PATIENCE_S
    while not scalar(url, question):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, question
        every_time()
        time.sleep(0.05)


def await_free_lock(url):
    """The server notices within moments that the holder of the lock is gone."""
    until(url, f"select ({LOCK}) = 0", None, lambda: None)


# More of them, and closer, are in test_points.py.
@pytest.mark.parametrize("moment", ["as it begins", "while it keys its loads", "as it waits to publish"])
def test_readers_of_a_killed_run_keep_what_they_saw_and_the_next_run_takes_over(place, tmp_path, moment):
    await_free_lock(place)
    before, shown, last = seen(place), runs.attached(place), newest(place)
    assert min(before.values()) > 0

    def readers_are_undisturbed():
        assert seen(place) == before

    # An old snapshot holds the run back from publishing before it can be killed.
    with database.session(place, autocommit=True) as reader, begun(place, tmp_path) as process:
        database.execute(reader, "begin isolation level repeatable read")
        database.scalar(reader, "select 1")
        until(place, f"select max(run_id) > {last} from audit.runs", process, readers_are_undisturbed)
        assert scalar(place, f"select count(*) from audit.runs where status = 'running' and run_id <= {last}") == 0
        until(place, MOMENTS[moment], process, readers_are_undisturbed)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        readers_are_undisturbed()
    readers_are_undisturbed()
    assert runs.attached(place) == shown
    died = scalar(place, f"select status from audit.runs where {NEWEST}")
    # Between the look and the kill it may have come as far as the reader lets it: filled, never published.
    assert died in {"running", "filled"}


def test_the_next_run_works_publishes_and_leaves_no_run_running(place, tmp_path):
    await_free_lock(place)
    before = seen(place)
    execute(place, "delete from curated.betting_lines_unified where id = 1")
    counts = set()
    with begun(place, tmp_path) as process:
        while process.poll() is None:
            counts.add(tuple(seen(place).values()))
            time.sleep(0.1)
        out, err = process.communicate()
    assert process.returncode == 0, err
    report = json.loads(out)
    after = seen(place)
    assert report["published"]
    assert after["raw_data.moneylines_raw"] == before["raw_data.moneylines_raw"] - 1
    # No look in between saw anything but all of the old rows or all of the new.
    assert counts <= {tuple(before.values()), tuple(after.values())}
    assert {load for _, load in runs.attached(place)} == {str(report["run_id"])}
    statuses = dict(runs.rows(place, "select run_id, status from audit.runs"))
    assert "running" not in statuses.values()
    assert statuses[report["run_id"]] == "published"
    assert runs.loads(place) >= {f"{t.zone}_{t.name}_1" for t in runs.PUBLISHED}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_says_so_and_changes_nothing(place, tmp_path, number, code):
    await_free_lock(place)
    before, last = seen(place), newest(place)
    with begun(place, tmp_path) as process:
        until(place, f"select max(run_id) > {last} from audit.runs", process, lambda: None)
        until(place, MOMENTS["after its reference tables"], process, lambda: None)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert f"next: etl run --resume {last + 1}" in err
    assert seen(place) == before
    assert scalar(place, f"select status from audit.runs where {NEWEST}") == "interrupted"
    assert scalar(place, f"select count(*) from audit.runs where {NEWEST} and finished_at is not null") == 1


def test_an_interrupted_run_is_gone_on_with_where_it_stopped(place, tmp_path):
    await_free_lock(place)
    run_id = newest(place)
    assert scalar(place, f"select status from audit.runs where run_id = {run_id}") == "interrupted"
    was_in = scalar(place, f"select count(*) from audit.batches where run_id = {run_id}")
    with begun(place, tmp_path, "--resume", str(run_id)) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert (report["run_id"], report["published"]) == (run_id, True)
    assert report["details"]["resumed"] == {"kept_batches": was_in, "redone_batches": {}}
    assert {load for _, load in runs.attached(place)} == {str(run_id)}
    again = subprocess.run(
        [sys.executable, "-m", "etl", "retry", str(run_id)],
        env={**os.environ, "ETL_LEGACY_URL": place, "ETL_TARGET_URL": place, "ETL_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, "there is nothing left to do" in again.stderr) == (2, True)
