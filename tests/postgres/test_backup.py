"""Backup and restore: our tables and nothing else go out and come back, whole or not at all, and history goes on."""

import re
import stat

import pytest

from etl import database
from etl.errors import BackupFailed, ConfigurationError, ForeignObject, LockHeld, NotConserved
from etl.events import Notice
from etl.load.lock import hold_lock
from etl.load.publish import PublishOptions
from etl.runner.backup import BackupOptions, after_publication, back_up, before_run, tools_for
from etl.runner.restore import restore
from etl.runner.switch import roll_back
from schemas import tables_of
from tests import runs
from tests.runs import PUBLISHED, attached, content, loads, published, rows, scalar, seen
from tests.servers import execute

OPTIONS = PublishOptions(wait_s=5, lock_timeout_ms=100, keep=2)
LEGACY = "curated.betting_lines_unified"
DROP_ALL = (
    "drop schema raw_data, staging, loads, audit cascade",
    f"drop table {', '.join(table.full_name for table in tables_of('curated'))}",
)


@pytest.fixture(scope="module")
def make(postgres):
    """Makes a database of this module, empty or a copy of another one."""
    admin, made = postgres.url("postgres"), []

    def create(template="template0"):
        made.append(f"backup_{len(made)}")
        execute(admin, f"create database {made[-1]} template {template}")
        return postgres.url(made[-1])

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture(scope="module")
def whole(make, tmp_path_factory):
    """A database that is legacy and target at once, after two runs, and a backup of it."""
    url = make()
    runs.sample(url, tmp_path_factory.mktemp("backup") / "truth", scale=0.02)
    published(url, url)
    execute(url, f"delete from {LEGACY} where id = 1")
    published(url, url)
    file = tmp_path_factory.mktemp("backups") / "whole.dump"
    made = back_up(url, file, BackupOptions())
    return url, made


@pytest.fixture
def copy(make, whole):
    """A copy of that database that a test may change."""
    return make(template=database.database_name(whole[0]))


def put_back(url, file, *, force=False, verify=True, bin_dir=""):
    return restore(url, file, force=force, verify=verify, bin_dir=bin_dir)


def everything(url):
    """All that readers and the ledger hold."""
    with database.session(url):  # the other sessions share its catalogue of types
        return (
            {table.full_name: content(url, table) for table in PUBLISHED},
            {name: rows(url, f"select t::text from audit.{name} t order by 1") for name in LEDGER},
            loads(url),
            attached(url),
            rows(url, KEYS),
        )


LEDGER = ("runs", "loads", "batches", "attempts", "rejects", "sightings", "checks", "publications")
KEYS = (
    "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint "
    "where connamespace = 'loads'::regnamespace and contype in ('u', 'f', 'c') order by 1, 2"
)


def test_all_of_it_comes_back_in_an_empty_database(make, whole):
    url, made = whole
    empty = make()
    done = put_back(empty, made.file)
    assert everything(empty) == everything(url)
    assert (done.run, done.published, done.tables, done.warnings) == (2, 2, made.tables, ())
    assert done.rows == scalar(url, "select sum(loaded_rows)::bigint from audit.loads")
    assert scalar(empty, f"select to_regclass('{LEGACY}')::text") is None


def test_history_goes_on_after_a_restore(make, whole):
    url, made = whole
    moved = make()
    put_back(moved, made.file)
    before = seen(moved)
    report = published(url, moved, keep=1)
    assert report.run_id == 3
    assert seen(moved) == before
    roll_back(moved, None, options=OPTIONS)
    assert attached(moved) == {(table.full_name, "2") for table in PUBLISHED}
    published(url, moved, keep=1)
    assert scalar(moved, "select count(*) from audit.loads where run_id = 1 and dropped_at is not null") == len(
        PUBLISHED
    )


def test_a_legacy_in_the_same_database_is_not_touched(whole, copy):
    legacy = content_of(copy, LEGACY)
    execute(copy, *DROP_ALL)
    put_back(copy, whole[1].file)
    assert content_of(copy, LEGACY) == legacy
    assert everything(copy) == everything(whole[0])
    assert published(copy, copy).run_id == 3


def content_of(url, table):
    return rows(url, f"select t.ctid::text, t::text from {table} t order by 1")


def test_the_backup_holds_no_table_but_ours(whole, make, tmp_path):
    url, made = whole
    assert LEGACY.encode() not in made.file.read_bytes()
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert list(made.file.parent.iterdir()) == [made.file]


def test_tables_of_ours_are_replaced_only_when_that_is_said(whole, copy):
    url, made = whole
    published(copy, copy)
    with pytest.raises(ConfigurationError, match="holds .* tables of etl already"):
        put_back(copy, made.file)
    assert scalar(copy, "select max(run_id) from audit.runs") == 3
    put_back(copy, made.file, force=True)
    assert everything(copy) == everything(url)


def test_a_view_on_a_table_of_ours_stops_a_restore_and_nothing_is_lost(whole, copy):
    execute(copy, "create view public.lines as select * from raw_data.moneylines_raw")
    before = everything(copy)
    with pytest.raises(BackupFailed, match="view lines depends on table raw_data.moneylines_raw"):
        put_back(copy, whole[1].file, force=True)
    assert everything(copy) == before


def test_a_table_that_is_not_ours_is_not_replaced(whole, make):
    target = make()
    execute(target, "create schema staging", "create table staging.games (id int)")
    with pytest.raises(ForeignObject, match=r"staging\.games exists"):
        put_back(target, whole[1].file, force=True)
    assert rows(target, "select nspname from pg_namespace where nspname in ('raw_data', 'audit', 'loads')") == []


def test_grants_come_back_for_roles_that_are_there(whole, copy, make, tmp_path):
    execute(
        copy,
        "create role backup_stays",
        'create role "backup goes"',
        "grant select on raw_data.games_raw to backup_stays",
        'grant select on raw_data.games_raw to "backup goes"',
    )
    made = back_up(copy, tmp_path / "granted.dump", BackupOptions())
    execute(copy, 'drop owned by "backup goes"', 'drop role "backup goes"')
    target = make()
    done = put_back(target, made.file)
    assert scalar(target, "select has_table_privilege('backup_stays', 'raw_data.games_raw', 'select')")
    assert len(done.warnings) == 1
    assert 'role "backup goes" does not exist' in done.warnings[0]
    execute(target, "drop owned by backup_stays")
    execute(copy, "drop owned by backup_stays", "drop role backup_stays")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_restores_nothing(whole, make, tmp_path, share):
    target, file = make(), tmp_path / "half.dump"
    good = whole[1].file.read_bytes()
    file.write_bytes(good[: int(len(good) * share)])
    with pytest.raises(BackupFailed, match="nothing was changed"):
        put_back(target, file)
    assert scalar(target, "select count(*) from pg_namespace where nspname in ('raw_data', 'audit', 'loads')") == 0


def test_a_damaged_file_takes_nothing_away(whole, copy, tmp_path):
    file, good = tmp_path / "bad.dump", bytearray(whole[1].file.read_bytes())
    middle = len(good) // 2
    good[middle : middle + 4096] = bytes(4096)
    file.write_bytes(good)
    before = everything(copy)
    with pytest.raises(BackupFailed, match="nothing was changed"):
        put_back(copy, file, force=True)
    assert everything(copy) == before


def test_a_backup_that_its_ledger_belies_is_refused(copy, make, tmp_path):
    execute(copy, "update audit.loads set loaded_rows = loaded_rows + 1 where relation = 'staging_games_2'")
    made, target = back_up(copy, tmp_path / "odd.dump", BackupOptions()), make()
    with pytest.raises(NotConserved, match=r"staging_games_2 has \d+ rows instead of \d+"):
        put_back(target, made.file)
    assert scalar(target, "select count(*) from pg_namespace where nspname = 'audit'") == 0
    assert put_back(target, made.file, verify=False).published == 2


def test_a_load_that_is_not_attached_is_refused(copy, make, tmp_path):
    execute(copy, "alter table staging.games detach partition loads.staging_games_2")
    made, target = back_up(copy, tmp_path / "odd.dump", BackupOptions()), make()
    with pytest.raises(NotConserved, match=r"staging\.games of run 2 is not attached"):
        put_back(target, made.file)


def test_a_file_of_something_else_is_left_alone(whole, make, tmp_path):
    target, file = make(), tmp_path / "notes.txt"
    file.write_text("not a dump")
    with pytest.raises(ConfigurationError, match="no backup of etl"):
        put_back(target, file)
    with pytest.raises(ConfigurationError, match="exists and is no backup"):
        back_up(whole[0], file, BackupOptions())
    with pytest.raises(ConfigurationError, match="cannot read"):
        put_back(target, tmp_path / "nowhere.dump")
    with pytest.raises(ConfigurationError, match="no tables of etl"):
        back_up(target, None, BackupOptions(folder=tmp_path))
    assert file.read_text() == "not a dump"


def test_one_at_a_time(whole, tmp_path):
    url, made = whole
    with hold_lock(url):
        with pytest.raises(LockHeld):
            back_up(url, tmp_path / "file", BackupOptions())
        with pytest.raises(LockHeld):
            put_back(url, made.file, force=True)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_pg_dump_serves_an_older_server(whole, make, tmp_path):
    """Of the wheel's versions, the one after the server's own, and the way back into the same server."""
    with database.session(whole[0]) as connection:
        newest = tools_for(connection, "")[-1]
    made = back_up(whole[0], tmp_path / "newer.dump", BackupOptions(bin_dir=str(newest.folder)))
    target = make()
    put_back(target, made.file, bin_dir=str(newest.folder))
    assert everything(target) == everything(whole[0])


class Told:
    def __init__(self):
        self.notices = []

    def emit(self, event):
        self.notices += [event.message] if isinstance(event, Notice) else []


@pytest.mark.parametrize(("when", "before", "after"), [("off", 0, 0), ("first", 1, 1), ("each_phase", 1, 3)])
def test_when_a_run_takes_backups(whole, tmp_path, when, before, after):
    url, options = whole[0], BackupOptions(when=when, folder=tmp_path, keep=5)
    with database.session(url, autocommit=True) as connection:
        before_run(connection, url, options, Told())
        before_run(connection, url, options, Told())
        assert len(list(tmp_path.iterdir())) == before
        for number in range(2):
            age_the_newest(tmp_path, number)
            after_publication(url, 2, options, Told())
    assert len(list(tmp_path.iterdir())) == after


def age_the_newest(folder, number):
    """Backups are seconds apart in life; here the newest one is moved into the past."""
    for newest in sorted(folder.glob("etl_backup*"))[-1:]:
        newest.rename(folder / re.sub(r"_\d{8}T", f"_1000010{number}T", newest.name))


def test_only_the_newest_backups_of_this_target_are_kept(whole, tmp_path):
    url, other = whole[0], tmp_path / "etl_other_000000_10000101T000000Z_run1.dump"
    other.touch()
    for number in range(4):
        back_up(url, None, BackupOptions(folder=tmp_path, keep=2))
        age_the_newest(tmp_path, number)
    days = sorted(path.name.split("_")[3][:8] for path in tmp_path.iterdir() if path != other)
    assert days == ["10000102", "10000103"]
    assert other.exists()


def test_nothing_is_there_to_back_up_before_the_first_run(make, tmp_path):
    url, told = make(), Told()
    with database.session(url, autocommit=True) as connection:
        before_run(connection, url, BackupOptions(when="each_phase", folder=tmp_path), told)
    assert told.notices == ["the target holds nothing of etl yet: there is nothing to back up before this run"]
    assert list(tmp_path.iterdir()) == []
