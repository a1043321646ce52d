"""A hot standby: fine to read a legacy from, no place for a target."""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl import database
from etl.analyze.doctor import DoctorRequest, diagnose, exit_code
from etl.errors import Exit
from etl.runner.params import load_layout
from tests.legacy_rows import databases, statements
from tests.servers import _account, _program, debian_server, execute, free_port, public_folder

NOT_COPIED = ("postmaster.*", ".s.PGSQL*", "log")


@contextmanager
def hot_standby(primary_url):
    """A copy of a server that goes on replaying what it was copied with; gives the folder and port of its socket."""
    port, data = free_port(), Path(re.search(r"host=([^&]*)", primary_url)[1])
    with public_folder() as folder:
        copy = folder / "data"
        with database.session(primary_url, autocommit=True) as session:
            database.execute(session, "select pg_backup_start('standby', true)")
            shutil.copytree(data, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
            label = database.scalar(session, "select labelfile from pg_backup_stop(false)")
        shutil.copytree(data / "pg_wal", copy / "pg_wal", dirs_exist_ok=True)
        (copy / "backup_label").write_text(label)
        (copy / "standby.signal").touch()
        copy.chmod(0o700)
        account = _account(copy)
        for path in copy.rglob("*") if account else ():
            shutil.chown(path, account["user"], account["group"])
        flags = f"-c port={port} -c listen_addresses=127.0.0.1 -k {copy} -c timezone=UTC"
        _program("pg_ctl", "start", "-w", "-s", "-D", copy, "-o", flags, "-l", copy / "log", account=account)
        try:
            yield copy, port
        finally:
            _program("pg_ctl", "stop", "-m", "immediate", "-s", "-D", copy, account=account)


@pytest.fixture(scope="module")
def places(debian):
    """The address of a legacy on a standby, and of a target on another server."""
    with databases(debian, "standby") as make, debian_server() as primary:
        target = make()
        execute(primary.url("postgres"), "create database legacy")
        execute(primary.url("legacy"), *statements("unified"))
        with hot_standby(primary.url("postgres")) as (folder, port):
            yield f"postgresql://postgres@/legacy?host={folder}&port={port}", target


def examined(legacy_url, target_url, tmp_path):
    how = {"refuse_unmapped": False, "workers": 1, "batch_rows": 1000, "home": tmp_path}
    checks = diagnose(DoctorRequest(legacy_url, target_url, load_layout("unified"), **how))
    return checks, [check for check in checks if not check.passed and check.zone != "here"]


def test_a_legacy_on_a_standby_is_read_and_its_delay_named(places, tmp_path):
    checks, (warned,) = examined(*places, tmp_path)
    assert (warned.zone, warned.name, warned.severity) == ("legacy", "standby", "warning")
    assert "max_standby_streaming_delay 30000 ms" in warned.actual
    assert "hot_standby_feedback = on" in warned.sentence
    assert {check.name for check in checks if check.passed} >= {"snapshot", "numeric(5,2)", "text"}


def test_a_target_on_a_standby_is_an_error(places, tmp_path):
    standby, primary = places
    checks, failed = examined(primary.replace("standby_0", "postgres"), standby, tmp_path)
    assert ("target", "standby", "error") in [(check.zone, check.name, check.severity) for check in failed]
    assert exit_code([check for check in failed if check.zone == "target"]) == Exit.USAGE
    assert not [check for check in checks if check.zone == "path"]
