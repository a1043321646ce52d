"""Which pg_dump is found for which server, and what is said where none fits."""

import pytest

from etl import server
from etl.errors import ConfigurationError
from etl.passwords import child_environment, without_password
from etl.server import pgtools
from etl.server.pgtools import PROGRAMS


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A file system that holds only what a test puts there; no wheel. Gives a maker of folders of programs."""
    monkeypatch.setattr(pgtools, "client_folders", list)

    def install(place, major, programs=PROGRAMS):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        for name in programs:
            (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.3 (Debian {major}.3-1)'\n")
            (folder / name).chmod(0o755)
        return folder

    return install


def find(tmp_path, major, *, bin_dir="", path=()):
    return server.find_tools(major, bin_dir=str(bin_dir), path=":".join(map(str, path)), root=tmp_path)


def majors(found):
    return [tools.major for tools in found]


@pytest.mark.parametrize(
    ("wanted", "found"), [(13, [14, 16, 18]), (14, [14, 16, 18]), (15, [16, 18]), (16, [16, 18]), (18, [18])]
)
def test_the_servers_own_version_comes_first_and_then_newer_ones(system, tmp_path, wanted, found):
    for major in (18, 14, 16):
        system(f"usr/lib/postgresql/{major}/bin", major)
    assert majors(find(tmp_path, wanted)) == found


def test_an_older_one_never_serves(system, tmp_path):
    folder = system("usr/lib/postgresql/15/bin", 15)
    with pytest.raises(ConfigurationError) as raised:
        find(tmp_path, 16, bin_dir=tmp_path / "named", path=[tmp_path / "one", tmp_path / "two"])
    said = raised.value.message
    assert "pg_dump, pg_restore, psql of PostgreSQL 16 or newer" in said
    for place in (tmp_path / "named", tmp_path / "one", tmp_path / "two"):
        assert f"{place} (no such set)" in said
    assert f"{folder} (15)" in said
    assert "postgresql-client-16" in raised.value.next_step


def test_of_one_version_the_folder_that_settings_name_is_taken(system, tmp_path):
    system("usr/lib/postgresql/15/bin", 15)
    in_path, named = system("path", 15), system("named", 15)
    assert find(tmp_path, 15, bin_dir=named, path=[in_path])[0].folder == named
    assert find(tmp_path, 15, path=[in_path])[0].folder == in_path


def test_a_folder_without_all_programs_is_passed_over(system, tmp_path):
    folder = system("half", 15, programs=("pg_dump", "psql"))
    whole = system("usr/pgsql-16/bin", 16)
    assert [tools.folder for tools in find(tmp_path, 15, path=[folder])] == [whole]


def test_debians_script_that_chooses_by_itself_is_passed_over(system, tmp_path):
    folder = system("usr/bin", 15, programs=("psql", "pg_restore"))
    script = system("usr/share/postgresql-common", 15, programs=("pg_wrapper",)) / "pg_wrapper"
    (folder / "pg_dump").symlink_to(script)
    real = system("usr/lib/postgresql/15/bin", 15)
    assert [tools.folder for tools in find(tmp_path, 15, path=[folder])] == [real]


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho something else\n", "no program"])
def test_a_program_that_does_not_say_its_version_is_passed_over(system, tmp_path, text):
    folder = system("odd", 15)
    (folder / "pg_dump").write_text(text)
    with pytest.raises(ConfigurationError):
        find(tmp_path, 15, path=[folder])


def test_the_wheel_brings_its_own(tmp_path):
    assert find(tmp_path, 18)[0].major == 18


@pytest.mark.parametrize(
    ("url", "place", "password"),
    [
        ("postgresql://u:p%40ss@h:1/db?sslmode=require", "postgresql://u@h:1/db?sslmode=require", "p@ss"),
        ("postgresql://u@/db?host=%2Ftmp%2Fa%20b", "postgresql://u@/db?host=%2Ftmp%2Fa%20b", ""),
        ("postgresql:///db?host=/tmp&password=x%20+y", "postgresql:///db?host=/tmp", "x +y"),
        ("postgresql://:secret@h/db", "postgresql://h/db", "secret"),
    ],
)
def test_a_password_is_taken_out_of_a_dsn(url, place, password):
    assert without_password(url) == (place, password)


def test_a_password_that_could_only_be_shown_is_refused():
    with pytest.raises(ConfigurationError, match="sslpassword") as raised:
        without_password("postgresql://u@h/db?sslpassword=hush")
    assert "hush" not in raised.value.message


def test_a_child_gets_no_secret_but_the_one_it_needs(monkeypatch):
    monkeypatch.setenv("ETL_TARGET_URL", "postgresql://u:hush@h/db")
    monkeypatch.setenv("ETL_LEGACY_URL", "postgresql://u:hush@h/db")
    monkeypatch.setenv("PGPASSWORD", "hush")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert not {"ETL_TARGET_URL", "ETL_LEGACY_URL", "PGPASSWORD"} & set(child_environment())
    assert child_environment()["PGSSLMODE"] == "require"
    assert child_environment("needed")["PGPASSWORD"] == "needed"
