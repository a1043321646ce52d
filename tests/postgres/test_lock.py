"""The lock of a run: one holder, named to whoever comes second; a dead one is forgotten at once."""

import os
import socket
import subprocess
import sys

import pytest

from etl import database
from etl.errors import Exit, LockHeld
from etl.load.lock import RunLock, hold_lock
from tests.runs import LOCK, rows, scalar
from tests.servers import execute

HERE = f"on {socket.gethostname()[:40]}, pid {os.getpid()}"
SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^etl lock '"


@pytest.fixture
def url(database):
    return database()


def refusal(url):
    with pytest.raises(LockHeld) as refused, hold_lock(url):
        pass
    assert refused.value.exit_code == Exit.LOCKED
    return refused.value.message


def test_whoever_comes_second_is_told_who_holds_the_lock(url):
    with hold_lock(url):
        since = scalar(
            url,
            "select to_char(backend_start, 'YYYY-MM-DD HH24:MI:SSOF') from pg_stat_activity "
            "where application_name ~ '^etl lock '",
        )
        assert refusal(url) == f"another run works on this target: a run that has just begun {HERE}, since {since}"
    with hold_lock(url):
        pass


def test_the_run_of_the_holder_is_named(url):
    execute(
        url,
        "create schema audit",
        "create table audit.runs (run_id int, status text, host text, pid int)",
        f"insert into audit.runs values (6, 'running', 'elsewhere', {os.getpid()}), "
        f"(7, 'running', '{socket.gethostname()}', {os.getpid()}), (8, 'failed', '{socket.gethostname()}', 1)",
    )
    with hold_lock(url):
        assert f"another run works on this target: run 7 {HERE}, since" in refusal(url)


def test_the_server_forgets_a_machine_that_went_away_within_seconds(debian):
    with hold_lock(debian.url_with_password("postgres")) as lock:
        found = database.rows(
            lock._connection,
            "select current_setting('tcp_keepalives_idle')::int, current_setting('tcp_keepalives_interval')::int, "
            "current_setting('tcp_keepalives_count')::int, current_setting('tcp_user_timeout')",
        )
    assert found == [(5, 2, 3, "12000")]


def test_a_holder_that_was_killed_blocks_nobody(url):
    code = (
        "import time; from etl.load.lock import RunLock; "
        f"lock = RunLock({url!r}); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert f"pid {holder.pid}, since" in refusal(url)
        holder.kill()
        holder.wait()
    while scalar(url, LOCK):
        pass  # the server sees the closed connection in its own time, which is moments
    with hold_lock(url):
        pass


def test_a_lock_whose_session_was_lost_is_taken_again(url):
    with hold_lock(url) as lock:
        rows(url, SESSIONS)
        lock.ensure()
        refusal(url)


def test_a_lock_that_another_took_meanwhile_is_gone(url):
    with hold_lock(url) as lock:
        rows(url, SESSIONS)
        with hold_lock(url), pytest.raises(LockHeld):
            lock.ensure()


def test_a_session_of_its_own_that_the_server_still_keeps_is_no_obstacle(url):
    lock = RunLock(url)
    stale, lock._connection = lock._connection, database.connect(url, autocommit=True)
    lock._connection.close()
    lock.ensure()
    refusal(url)
    lock.release()
    stale.close()
