"""Publication: readers see whole tables before, during and after it, whatever they are doing meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import polars as pl
import pytest

from etl import database
from etl.errors import ConfigurationError, ReadersInTheWay
from etl.load.publish import PublishOptions
from etl.runner.switch import publish_filled, roll_back
from schemas import TABLES, Column, tables_of
from tests import runs
from tests.runs import attached, content, published, rows, scalar
from tests.servers import execute

OPTIONS = PublishOptions(wait_s=5, lock_timeout_ms=100, keep=2)
LINES = TABLES["raw_data.moneylines_raw"]
STEAM_RANK = Column(
    "steam_rank", pl.Int32(), "integer", nullable=True, meaning="", unit="", null_means="", source="", rules=()
)
RAW = tables_of("raw_data")
FILLED = "select exists (select from audit.runs where run_id = 2 and status = 'filled')"
COUNT = f"select count(*) from {LINES.full_name}"


@pytest.fixture(scope="module")
def template(postgres, tmp_path_factory):
    """A database that is legacy and target at once, with one publication of the raw zone."""
    execute(postgres.url("postgres"), "create database publish_template")
    url = postgres.url("publish_template")
    runs.sample(url, tmp_path_factory.mktemp("publish") / "truth", scale=0.02)
    published(url, url, phases="raw")
    yield "publish_template"
    execute(postgres.url("postgres"), "drop database publish_template with (force)")


@pytest.fixture
def place(postgres, template):
    """A copy of it that a test may change."""
    execute(postgres.url("postgres"), f"create database publish_place template {template}")
    yield postgres.url("publish_place")
    execute(postgres.url("postgres"), "drop database publish_place with (force)")


def reload(place, **options):
    return published(place, place, phases="raw", **options)


def forget_a_line(place):
    """The legacy changes: its first moneyline goes."""
    execute(place, "delete from curated.betting_lines_unified where id = 1")


def shows(run_id):
    return {(table.full_name, str(run_id)) for table in RAW}


def begin(reader, isolation):
    database.execute(reader, f"begin isolation level {isolation}")
    database.scalar(reader, "select count(*) from pg_class")


def test_a_reader_with_an_old_snapshot_keeps_whole_tables_and_is_named(place):
    before = scalar(place, COUNT)
    forget_a_line(place)
    with database.session(place, autocommit=True, name="nightly dump") as reader:
        begin(reader, "repeatable read")
        outcome = runs.run(place, place, phases="raw", wait_s=0.3)
        assert isinstance(outcome.error, ReadersInTheWay)
        pid = database.scalar(reader, "select pg_backend_pid()")
        assert f"pid {pid}, user postgres, application nightly dump" in outcome.error.message
        assert outcome.error.next_step == "etl publish 2"
        assert database.scalar(reader, COUNT) == scalar(place, COUNT) == before
        with pytest.raises(ReadersInTheWay):
            publish_filled(place, 2, options=PublishOptions(wait_s=0.2, lock_timeout_ms=50, keep=2))
        assert database.scalar(reader, COUNT) == before
    assert (outcome.report.status, outcome.report.published) == ("filled", False)
    assert scalar(place, "select status from audit.runs where run_id = 2") == "filled"
    assert attached(place) == shows(1)
    publish_filled(place, 2, options=OPTIONS)
    assert attached(place) == shows(2)
    assert scalar(place, COUNT) == before - 1
    assert scalar(place, "select status from audit.runs where run_id = 2") == "published"


def test_a_publication_waits_until_an_old_snapshot_is_gone(place):
    before = scalar(place, COUNT)
    forget_a_line(place)
    with database.session(place, autocommit=True) as reader, ThreadPoolExecutor(1) as pool:
        begin(reader, "repeatable read")
        coming = pool.submit(reload, place, wait_s=30)
        assert until(place, FILLED)
        time.sleep(0.3)
        assert database.scalar(reader, COUNT) == scalar(place, COUNT) == before
        database.execute(reader, "commit")
        assert coming.result().published
        assert database.scalar(reader, COUNT) == before - 1


def test_a_reader_that_holds_a_lock_is_named_and_holds_up_nobody_else(place):
    before = scalar(place, COUNT)
    forget_a_line(place)
    with database.session(place, autocommit=True, name="open cursor") as reader, ThreadPoolExecutor(1) as pool:
        begin(reader, "read committed")
        assert database.scalar(reader, COUNT) == before
        coming = pool.submit(runs.run, place, place, phases="raw", wait_s=1.5)
        assert until(place, FILLED)
        # Each try may hold up others for the lock timeout, 0.1 s; the bound leaves room for a busy machine.
        while not coming.done():
            began = time.monotonic()
            assert scalar(place, COUNT) == before
            assert time.monotonic() - began < 1.4
        outcome = coming.result()
        assert isinstance(outcome.error, ReadersInTheWay)
        assert "application open cursor" in outcome.error.message
        assert database.scalar(reader, COUNT) == before
        database.execute(reader, "commit")
        publish_filled(place, 2, options=OPTIONS)
        assert database.scalar(reader, COUNT) == before - 1


def until(place, question, patience_s=20):
    """Whether the answer became true in time."""
    deadline = time.monotonic() + patience_s
    while not scalar(place, question):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_views_and_grants_survive(place):
    execute(
        place,
        f"create view public.lines as select * from {LINES.full_name}",
        "create role publish_reader",
        "grant usage on schema raw_data to publish_reader",
        f"grant select on {LINES.full_name} to publish_reader",
    )
    before = scalar(place, "select count(*) from public.lines")
    forget_a_line(place)
    reload(place)
    try:
        assert scalar(place, "select count(*) from public.lines") == before - 1
        with database.session(place, autocommit=True) as reader:
            database.execute(reader, "set role publish_reader")
            assert database.scalar(reader, COUNT) == before - 1
            roll_back(place, None, options=OPTIONS)
            assert database.scalar(reader, COUNT) == scalar(place, "select count(*) from public.lines") == before
    finally:
        execute(place, "drop owned by publish_reader", "drop role publish_reader")


def test_rollback_gives_the_earlier_rows_and_forward_again(place):
    before = content(place, LINES)
    forget_a_line(place)
    reload(place)
    after = content(place, LINES)
    assert len(after) == len(before) - 1
    assert roll_back(place, None, options=OPTIONS).run_id == 1
    assert content(place, LINES) == before
    assert attached(place) == shows(1)
    assert roll_back(place, 2, options=OPTIONS).run_id == 2
    assert content(place, LINES) == after
    kinds = runs.rows(place, "select run_id, kind from audit.publications order by publication_id")
    assert kinds == [(1, "publish"), (2, "publish"), (1, "rollback"), (2, "rollback")]


def test_there_is_nothing_to_roll_back_to_after_one_publication(place):
    with pytest.raises(ConfigurationError):
        roll_back(place, None, options=OPTIONS)
    assert attached(place) == shows(1)


@pytest.mark.parametrize(("keep", "left"), [(0, {3}), (1, {2, 3}), (2, {1, 2, 3})])
def test_older_loads_are_pruned_but_for_those_to_keep(place, keep, left):
    reload(place, keep=keep)
    reload(place, keep=keep)
    assert runs.loads(place) == {f"raw_data_{table.name}_{run}" for table in RAW for run in left}
    dropped = "select distinct load_id from audit.loads where dropped_at is not null"
    assert {load for (load,) in runs.rows(place, dropped)} == {1, 2, 3} - left
    assert attached(place) == shows(3)


def test_a_load_that_another_descends_from_is_not_pruned(place):
    published(place, place, phases="staging", keep=0)
    staged = scalar(place, "select count(*) from staging.moneylines")
    reload(place, keep=0)
    assert "raw_data_moneylines_raw_1" in runs.loads(place)
    assert scalar(place, "select count(*) from staging.moneylines") == staged > 0
    assert runs.loads(place) >= {f"raw_data_{table.name}_3" for table in RAW}


def test_a_new_column_of_a_contract_comes_to_the_parent_and_to_the_load_that_readers_see(place):
    execute(place, f"alter table {LINES.full_name} drop column unmapped")
    outcome = runs.run(place, place, phases="raw", publish=False)
    assert outcome.error is None
    assert scalar(place, f"select count(*) from {LINES.full_name} where unmapped is null") == scalar(place, COUNT)
    publish_filled(place, 2, options=OPTIONS)
    assert content(place, LINES) == content(place, LINES, load=1)


def test_an_older_load_gets_the_columns_that_it_never_had_when_it_is_published_again(place):
    before = content(place, LINES)
    reload(place)
    execute(place, "alter table loads.raw_data_moneylines_raw_1 drop column unmapped, drop column source")
    assert roll_back(place, 1, options=OPTIONS).run_id == 1
    assert attached(place) == shows(1)
    assert scalar(place, f"select count(*) from {LINES.full_name} where source is null") == len(before)


def test_a_contract_that_grew_between_two_publications_stands_in_no_way_there_or_back(place, monkeypatch):
    legacy, rank = "curated.betting_lines_unified", "select count(steam_rank), sum(steam_rank)::int"
    old = content(place, LINES)
    execute(
        place,
        f"create view public.lines as select * from {LINES.full_name}",
        f"alter table {legacy} add column steam_rank int",
        f"update {legacy} set steam_rank = 7 where id <= 3",
    )
    with monkeypatch.context() as newer:
        newer.setitem(TABLES, LINES.full_name, replace(LINES, columns=(*LINES.columns, STEAM_RANK)))
        reload(place)
        assert scalar(place, f"select count(*) from {LINES.full_name} where unmapped is not null") == 0
        new = content(place, LINES)
        assert rows(place, f"{rank} from {LINES.full_name}") == [(3, 21)]
        assert roll_back(place, None, options=OPTIONS).run_id == 1
        assert rows(place, f"{rank} from {LINES.full_name}") == [(0, None)]
        assert sorted(line.replace(', "steam_rank": null', "") for line in content(place, LINES)) == old
        assert roll_back(place, 2, options=OPTIONS).run_id == 2
        assert content(place, LINES) == new
    # The older code, which knows no such column, can go back and forth too: nothing but loads is switched.
    assert roll_back(place, 1, options=OPTIONS).run_id == 1
    assert scalar(place, "select count(*) from public.lines") == scalar(place, COUNT) == len(old)
    assert roll_back(place, 2, options=OPTIONS).run_id == 2
    assert content(place, LINES) == new


@pytest.fixture
def eager(postgres):
    """Autovacuum looks for work every second."""
    admin = postgres.url("postgres")
    execute(admin, "alter system set autovacuum_naptime = '1s'", "select pg_reload_conf()")
    yield
    execute(admin, "alter system reset autovacuum_naptime", "select pg_reload_conf()")


def test_autovacuum_on_a_load_gives_way(place, eager):
    runs.run(place, place, phases="raw", publish=False)
    load = "loads.raw_data_moneylines_raw_1"
    slow = (
        "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, "
        "autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0"
    )
    execute(place, *[f"update {load} set home_ml = home_ml"] * 20, f"alter table {load} set ({slow})")
    at_work = (
        "select count(*) from pg_locks l join pg_stat_activity a using (pid) "
        f"where l.relation = '{load}'::regclass and a.backend_type = 'autovacuum worker'"
    )
    deadline = time.monotonic() + 60
    while not scalar(place, at_work):
        assert time.monotonic() < deadline, "autovacuum does not begin"
        time.sleep(0.05)
    publish_filled(place, 2, options=OPTIONS)
    assert attached(place) == shows(2)
