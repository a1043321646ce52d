"""The embedded server without a server: addresses, paths, settings, and what a server's file says."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
import pytest

from etl import server
from etl.errors import ConfigurationError
from etl.server.account import Account, closed_folders, make_folder, make_home, require_way_in
from etl.server.layout import layout_of
from etl.server.postmaster import disown_if_dead, read_postmaster

NOBODY = Account(uid=65534, gid=65534, switched=True)
OURSELVES = Account(os.geteuid(), os.getegid(), switched=False)
PID_FILE = "{pid}\n/home/postgres\n1750000000\n5432\n{socket}\n\n  2155761        10\n{state}\n"


def write_pid_file(folder, *, pid=1, socket=".", state="ready   "):
    (folder / "postmaster.pid").write_text(PID_FILE.format(pid=pid, socket=socket, state=state))


@pytest.mark.parametrize(
    ("home", "database", "expected"),
    [
        ("/srv/etl", "legacy", "postgresql://postgres@/legacy?host=/srv/etl/postgres"),
        ("/srv/my etl", "target", "postgresql://postgres@/target?host=/srv/my%20etl/postgres"),
        ("/srv/50%&b=c?d#é", "a/b", "postgresql://postgres@/a%2Fb?host=/srv/50%25%26b%3Dc%3Fd%23%C3%A9/postgres"),
    ],
)
def test_url_escapes_what_an_address_cannot_hold(home, database, expected):
    assert server.url(Path(home), database) == expected


@pytest.mark.parametrize("home", ["/srv/" + "long" * 30, "/srv/" + "é" * 45, "/srv/a,b"])
def test_a_socket_that_its_path_cannot_name_lies_in_a_short_folder(home):
    socket_dir = layout_of(Path(home)).socket_dir
    assert len(str(socket_dir)) < 30
    assert socket_dir != layout_of(Path(home + "x")).socket_dir


@pytest.mark.parametrize(("length", "own"), [(80, True), (81, False)])
def test_a_socket_of_103_bytes_still_lies_with_the_data(length, own):
    home = Path("/" + "h" * (length - len("/")))
    layout = layout_of(home)
    assert len(f"{layout.data_dir}/.s.PGSQL.5432") == length + 23
    assert (layout.socket_dir == layout.data_dir) is own


def test_a_relative_home_is_below_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert layout_of(Path("here")).data_dir == tmp_path / "here" / "postgres"


def test_default_home():
    assert server.default_home(is_root=True) == Path("/var/lib/etl")
    assert server.default_home(is_root=False) == Path(platformdirs.user_data_dir("etl", appauthor=False))


def test_options_become_flags():
    flags = server.ServerOptions(shared_buffers_mb=64, synchronous_commit=False, max_connections=7).as_flags()
    assert {"shared_buffers=64MB", "synchronous_commit=off", "max_connections=7", "timezone=UTC"} <= set(flags)


def test_postmaster_of_a_file(tmp_path):
    write_pid_file(tmp_path, pid=42)
    found = read_postmaster(tmp_path)
    assert (found.pid, found.socket_dir, found.is_ready) == (42, tmp_path, True)
    assert found.since == datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)


@pytest.mark.parametrize("text", [None, "", "42\n/home", "42\n/home\n1750000000\n5432\n"])
def test_no_postmaster_of_a_missing_or_unfinished_file(tmp_path, text):
    if text is not None:
        (tmp_path / "postmaster.pid").write_text(text)
    assert read_postmaster(tmp_path) is None


def test_a_server_that_starts_does_not_listen_yet(tmp_path):
    write_pid_file(tmp_path, state="starting")
    assert not read_postmaster(tmp_path).is_ready


def test_a_file_left_by_a_crash_says_ready_but_nobody_listens(tmp_path):
    write_pid_file(tmp_path)
    assert not read_postmaster(tmp_path).listens()


def test_a_number_that_another_process_has_now_becomes_ours(tmp_path):
    other = os.getppid()
    write_pid_file(tmp_path, pid=other)
    (tmp_path / ".s.PGSQL.5432.lock").write_text(f"{other}\n{tmp_path}\n")
    assert disown_if_dead(read_postmaster(tmp_path), tmp_path)
    assert (tmp_path / "postmaster.pid").read_text() == PID_FILE.format(pid=os.getpid(), socket=".", state="ready   ")
    assert (tmp_path / ".s.PGSQL.5432.lock").read_text() == f"{os.getpid()}\n{tmp_path}\n"


def test_a_number_that_nobody_has_is_left_for_postgresql_to_judge(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    write_pid_file(tmp_path, pid=ended.pid)
    assert disown_if_dead(read_postmaster(tmp_path), tmp_path)
    assert read_postmaster(tmp_path).pid == ended.pid


def test_a_home_that_was_never_used(tmp_path):
    facts = server.status(tmp_path / "none")
    assert (facts.running, facts.pid, facts.since, facts.size_bytes, facts.version) == (False, None, None, 0, "")
    assert not server.stop(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_client_programs():
    said = subprocess.run([server.client_program("psql"), "--version"], capture_output=True, text=True, check=True)
    assert "18." in said.stdout
    with pytest.raises(ConfigurationError, match="no program 'psqll'"):
        server.client_program("psqll")


def test_a_closed_folder_on_the_way_is_refused_by_name(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    assert private in closed_folders(private / "etl" / "postgres", NOBODY)
    with pytest.raises(ConfigurationError, match="closed to other users") as refused:
        require_way_in(private / "etl" / "postgres", NOBODY, enter_closed=False)
    assert "ETL_HOME" in refused.value.next_step


def test_our_own_folders_are_never_closed_to_us(tmp_path):
    assert require_way_in(tmp_path / "postgres", OURSELVES, enter_closed=False) == "."


@pytest.mark.parametrize(("account", "mode"), [(NOBODY, 0o755), (OURSELVES, 0o700)])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_folders_that_were_missing_get_a_mode(tmp_path, account, mode, umask):
    before = os.umask(umask)
    try:
        make_home(tmp_path / "a" / "b", account)
    finally:
        os.umask(before)
    assert [folder.stat().st_mode & 0o777 for folder in (tmp_path / "a", tmp_path / "a" / "b")] == [mode, mode]
    tmp_path.chmod(0o710)
    make_home(tmp_path, account)
    assert tmp_path.stat().st_mode & 0o777 == 0o710


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        make_home(tmp_path / "file" / "home", OURSELVES)


def test_a_folder_of_someone_else_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="owns"):
        make_folder(tmp_path, NOBODY)
