"""A run that loses sessions, or its server, on the way: it finishes by itself, and nobody sees a half."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from etl import runner
from etl.errors import Exit, LockHeld
from etl.events import Notice
from etl.load.lock import hold_lock
from etl.runner import RetryPolicy
from tests import runs
from tests.faults import gates
from tests.faults.gates import COPY, READ
from tests.servers import debian_server, execute

QUICK = RetryPolicy(attempts=8, base_s=0.1, max_s=2.0)
ATTEMPTS = "select batch_id, outcome, error from audit.attempts where run_id = 2 order by batch_id, attempt"
NAMED = "application_name ~ '^etl run '"
LOST = {
    "in mid-read": (READ, "pid in (select pid from pg_locks where not granted)"),
    "in mid-copy": (COPY, "pid in (select pid from pg_locks where not granted)"),
    "with its snapshot": (COPY, "application_name = 'etl snapshot'"),
    "with its snapshot, in mid-read": (READ, "application_name in ('', 'etl snapshot')"),
    "with its lock": (COPY, "application_name ~ '^etl lock '"),
    "of every kind": (COPY, "application_name ~ '^etl' or application_name = ''"),
}


def run(place):
    return runs.run(place, place, phases="raw", batch_rows=gates.BATCH_ROWS, workers=2, retry=QUICK)


def end_sessions(place, which):
    here = "datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    found = runs.rows(place, f"select pg_terminate_backend(pid) from pg_stat_activity where {here} and ({which})")
    assert found


def require_finished(place, outcome, undisturbed):
    after, rows, _ = undisturbed
    assert outcome.error is None, outcome.error
    assert outcome.report.published
    assert gates.shown(place) == after
    assert gates.content(place) == rows
    counts = "select batch_id, count(*) from audit.attempts where run_id = 2 and outcome = 'committed' group by 1"
    batches = "select batch_id, 1::bigint from audit.batches where run_id = 2"
    assert sorted(runs.rows(place, counts)) == sorted(runs.rows(place, batches))


@pytest.mark.parametrize("lost", LOST)
def test_a_run_goes_on_after_the_loss_of_sessions(undisturbed, place, lost):
    gate, which = LOST[lost]
    before = gates.shown(place)
    with gates.watched(place) as seen, ThreadPoolExecutor(1) as executor:
        with gates.closed(place, gate):
            coming = executor.submit(run, place)
            gates.until_waiting(place, lambda: not coming.done(), gate)
            end_sessions(place, which)
        outcome = coming.result(gates.PATIENCE_S)
    require_finished(place, outcome, undisturbed)
    assert seen <= {before, undisturbed[0]}


@pytest.mark.parametrize("lost", ["in mid-read", "in mid-copy"])
def test_the_failed_try_is_in_the_ledger(place, lost):
    gate, which = LOST[lost]
    with ThreadPoolExecutor(1) as executor:
        with gates.closed(place, gate):
            coming = executor.submit(run, place)
            gates.until_waiting(place, lambda: not coming.done(), gate)
            end_sessions(place, which)
        assert coming.result(gates.PATIENCE_S).error is None
    second = [(outcome, error) for batch, outcome, error in runs.rows(place, ATTEMPTS) if batch == 2]
    assert [outcome for outcome, _ in second] == ["failed", "committed"]
    assert "the session was lost" in second[0][1]


def test_a_run_that_lost_its_lock_to_another_stops_before_its_next_commit(place):
    before = gates.shown(place)
    with ThreadPoolExecutor(1) as executor, gates.watched(place) as seen:
        with gates.closed(place, COPY):
            coming = executor.submit(run, place)
            gates.until_waiting(place, lambda: not coming.done(), COPY)
            end_sessions(place, "application_name ~ '^etl lock '")
            with hold_lock(place):
                pass
            other = hold_lock(place)
            other.__enter__()
        outcome = coming.result(gates.PATIENCE_S)
    assert isinstance(outcome.error, LockHeld)
    assert (outcome.error.exit_code, outcome.report.status) == (Exit.LOCKED, "interrupted")
    assert seen == {before}
    assert runs.scalar(place, "select count(*) from audit.batches where run_id = 2 and batch_id >= 2") == 0
    other.__exit__(None, None, None)
    assert runs.resumed(place, place, 2, phases="raw").error is None


@dataclass
class Listener:
    notices: list[Notice]

    def emit(self, event):
        if isinstance(event, Notice):
            self.notices.append(event)


@pytest.fixture
def crowded(embedded):
    """A role that may have no session, until it is let in."""
    admin = embedded.url("postgres")
    execute(admin, "create role crowded login in role postgres connection limit 0")
    yield lambda: execute(admin, "alter role crowded connection limit -1")
    execute(admin, "drop role crowded")


@pytest.mark.parametrize("side", ["legacy", "target"])
def test_a_run_waits_for_a_server_that_has_no_session_to_give(place, crowded, side):
    turned_away = re.sub("//[^@/]*@", "//crowded@", place)
    urls = (turned_away, place) if side == "legacy" else (place, turned_away)
    told = []
    try:
        with ThreadPoolExecutor(1) as executor:
            request = runs.request(*urls, phases="raw", retry=QUICK)
            coming = executor.submit(runner.run, request, Listener(told))
            while not (told or coming.done()):
                time.sleep(0.02)
            crowded()
            outcome = coming.result(gates.PATIENCE_S)
        assert outcome.error is None, outcome.error
        assert "too many connections for role" in told[0].message
    finally:
        execute(place, "reassign owned by crowded to postgres", "drop owned by crowded")


@pytest.fixture
def restartable(tmp_path):
    """A server of its own, with a place on it."""
    with debian_server() as server:
        database_url = server.url("postgres")
        gates.prepare(database_url, tmp_path / "truth")
        yield server, database_url


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_run_goes_on_after_a_restart_of_its_server(restartable, mode):
    server, place = restartable
    before = gates.shown(place)
    with gates.watched(place) as seen, ThreadPoolExecutor(1) as executor:
        with gates.closed(place, COPY):
            coming = executor.submit(run, place)
            gates.until_waiting(place, lambda: not coming.done(), COPY)
            server.restart(mode)
        outcome = coming.result(gates.PATIENCE_S)
    assert outcome.error is None, outcome.error
    after = gates.shown(place)
    assert seen <= {before, after}
    assert {run for _, run in runs.attached(place)} == {"2"}
    assert outcome.report.details["resumed"]["kept_batches"] >= 1
