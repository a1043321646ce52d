"""Poolers between us and the server: what PgBouncer itself does to sessions, in each of its modes."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest

from etl import database
from etl.analyze.doctor import DoctorRequest, examine_servers, exit_code
from etl.analyze.pooling import check_sessions, pooled
from etl.errors import Exit
from etl.runner.params import load_layout
from tests.legacy_rows import databases, statements
from tests.servers import free_port, public_folder

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
pidfile =
server_round_robin = {in_turn}
"""


@contextmanager
def pgbouncer(server_port, mode, *, in_turn=0):
    """The port of a PgBouncer before the server; it stops at the end."""
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    listens = free_port()
    with public_folder() as folder:
        file = folder / "pgbouncer.ini"
        file.write_text(CONFIGURATION.format(port=server_port, listens=listens, mode=mode, in_turn=in_turn))
        with subprocess.Popen([PGBOUNCER, "-q", file], stderr=subprocess.DEVNULL, cwd="/", **account) as process:
            try:
                wait_for(listens)
                yield listens
            finally:
                process.kill()


def wait_for(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("PgBouncer does not listen")


def url(port, name="postgres"):
    return f"postgresql://postgres@127.0.0.1:{port}/{name}"


def test_sessions_of_a_server_are_whole(postgres):
    assert check_sessions("legacy", postgres.url("postgres")).passed


@needs_pgbouncer
def test_sessions_of_session_pooling_are_whole(debian):
    with pgbouncer(debian.port, "session") as port:
        assert pooled(url(port)) == ""


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_other_pooling_is_refused_with_the_reason(debian, mode):
    with pgbouncer(debian.port, mode) as port:
        found = check_sessions("target", url(port))
    assert not found.passed
    assert "two open sessions have one backend" in found.actual
    assert "advisory lock" in found.sentence


@needs_pgbouncer
def test_backends_that_are_lent_in_turn_are_found_out_too(debian):
    with pgbouncer(debian.port, "transaction", in_turn=1) as port:
        open_backends(url(port))
        assert "a statement that was prepared is gone" in pooled(url(port))


def open_backends(address, count=3):
    """The pool holds as many backends, which it lends in turn from now on."""
    sessions = [database.connect(address, autocommit=True) for _ in range(count)]
    for statement in ("begin", "select 1", "rollback"):
        for connection in sessions:
            database.execute(connection, statement)
    for connection in sessions:
        connection.close()


@needs_pgbouncer
@pytest.mark.parametrize("in_turn", [0, 1])
def test_the_doctor_looks_no_further_behind_a_pooler(debian, tmp_path, in_turn):
    how = {"refuse_unmapped": False, "workers": 1, "batch_rows": 1000, "home": tmp_path}
    with databases(debian, "pooling") as make, pgbouncer(debian.port, "transaction", in_turn=in_turn) as port:
        legacy, target = make(*statements("unified")), make()
        behind = url(port, database.database_name(target))
        open_backends(behind)
        checks, walkable = examine_servers(DoctorRequest(legacy, behind, load_layout("unified"), **how))
    failed = [check for check in checks if not check.passed and check.zone != "here"]
    assert [(check.zone, check.name) for check in failed] == [("target", "sessions")]
    assert exit_code(failed) == Exit.USAGE
    assert walkable is None
