"""What a prune drops, what it keeps, and what it says about it."""

import pytest

from etl import database as db
from etl.errors import ConfigurationError, LockHeld
from etl.load.lock import hold_lock
from etl.runner.retain import pin_run, plan_prune, prune_target
from etl.runner.switch import roll_back
from tests import runs, targets
from tests.servers import execute

GAMES, TEAMS, STAGED = "raw_data.games_raw", "raw_data.teams_raw", "staging.moneylines"
RAW = (GAMES, TEAMS)
STAGING = ("staging.games", "staging.sportsbooks", STAGED)
LINES = "raw_data.moneylines_raw"


def prune(url, *, keep=0, unfinished=False):
    return prune_target(url, keep=keep, unfinished=unfinished)


def told(loads):
    """(run, table) -> reason."""
    return {(load.run_id, load.table): load.reason for load in loads}


def left(url):
    """(table, run) of the tables in schema `loads`."""
    return {(name.rpartition("_")[0], int(name.rpartition("_")[2])) for name in runs.loads(url)}


def test_what_no_kept_publication_shows_is_dropped_and_entered_as_such(target):
    for _ in range(4):
        targets.published(target, RAW)
    pruned = prune(target, keep=1)
    assert told(pruned.dropped).keys() == {(run, table) for run in (1, 2) for table in RAW}
    assert told(pruned.kept) == {
        **{(4, table): "readers see it" for table in RAW},
        **{(3, table): "publication 3 (run 3) is kept for rollback" for table in RAW},
    }
    assert left(target) == {(f"raw_data_{name}", run) for name in ("games_raw", "teams_raw") for run in (3, 4)}
    dropped = "select load_id, table_name from audit.loads where dropped_at is not null"
    assert set(runs.rows(target, dropped)) == {(run, table) for run in (1, 2) for table in RAW}
    assert {load.size_bytes > 0 for load in pruned.dropped} == {True}
    assert prune(target, keep=1).dropped == ()


def test_a_plan_changes_nothing_and_is_what_is_done(target):
    for _ in range(2):
        targets.published(target, RAW)
    planned = plan_prune(target, keep=0, unfinished=False)
    assert len(left(target)) == 4
    pruned = prune(target)
    assert (planned.kept, planned.stale) == (pruned.kept, pruned.dropped)


def test_going_to_and_fro_does_not_push_out_what_can_be_had_back(target):
    for _ in range(3):
        targets.published(target, [GAMES])
    for run in (2, 3, 2, 3, 2):
        roll_back(target, run, options=targets.OPTIONS)
    pruned = prune(target, keep=1)
    assert told(pruned.dropped).keys() == {(1, GAMES)}


def test_a_publication_that_cannot_be_had_back_whole_is_not_counted(target):
    targets.published(target, [GAMES])
    targets.published(target, [GAMES])
    execute(target, "drop table loads.raw_data_games_raw_2")
    targets.published(target, [GAMES])
    assert told(prune(target, keep=1).kept) == {
        (3, GAMES): "readers see it",
        (1, GAMES): "publication 1 (run 1) is kept for rollback",
    }
    assert runs.rows(target, "select load_id from audit.loads where dropped_at is not null") == [(2,)]


def test_a_load_that_a_kept_one_descends_from_is_kept(target):
    targets.published(target, [LINES])
    targets.published(target, STAGING)
    targets.published(target, [LINES])
    assert told(prune(target).kept) == {
        (3, LINES): "readers see it",
        **{(2, table): "readers see it" for table in STAGING},
        (1, LINES): "loads.staging_moneylines_2 descends from it",
    }
    targets.published(target, STAGING)
    assert told(prune(target).dropped).keys() == {(1, LINES), *((2, table) for table in STAGING)}
    assert len(left(target)) == 4


def test_a_pinned_run_keeps_its_loads_and_those_that_it_was_published_with(target):
    targets.published(target, [GAMES])
    targets.published(target, [TEAMS])
    targets.published(target, RAW)
    assert pin_run(target, 2, on=True)[0] == 1
    pruned = prune(target)
    assert told(pruned.kept) == {
        **{(3, table): "readers see it" for table in RAW},
        (2, TEAMS): "run 2 is pinned",
        (1, GAMES): "run 2 is pinned",
    }
    assert roll_back(target, 2, options=targets.OPTIONS).after == {GAMES: 1, TEAMS: 2}
    roll_back(target, 3, options=targets.OPTIONS)
    pin_run(target, 2, on=False)
    assert told(prune(target).dropped).keys() == {(2, TEAMS), (1, GAMES)}


@pytest.mark.parametrize("status", ["filled", "failed", "interrupted"])
def test_a_run_newer_than_the_last_publication_is_kept_unless_asked_for(target, status):
    targets.fill(target, [GAMES], status=status)
    targets.published(target, [GAMES])
    targets.fill(target, [GAMES], status=status)
    assert told(plan_prune(target, keep=0, unfinished=False).stale).keys() == {(1, GAMES)}
    assert told(plan_prune(target, keep=0, unfinished=False).kept)[3, GAMES] == (
        f"run 3 is {status} and newer than the last publication"
    )
    assert told(prune(target, unfinished=True).dropped).keys() == {(1, GAMES), (3, GAMES)}


def test_tables_of_ours_that_the_ledger_does_not_know_go_and_those_of_others_stay(target):
    targets.published(target, [GAMES])
    execute(
        target,
        "create table loads.raw_data_games_raw_77 (id int)",
        "comment on table loads.raw_data_games_raw_77 is 'etl contract 0123'",
        "create table loads.notes (id int)",
        "create table loads.raw_data_games_raw_78 (id int)",
    )
    pruned = prune(target)
    assert [(load.run_id, load.relation) for load in pruned.dropped] == [(None, "raw_data_games_raw_77")]
    assert runs.loads(target) == {"raw_data_games_raw_1", "notes", "raw_data_games_raw_78"}


def test_what_is_in_use_is_left_and_named_and_the_others_go(target):
    targets.published(target, RAW)
    targets.published(target, RAW)
    with db.session(target) as reader:
        db.scalar(reader, "select count(*) from loads.raw_data_games_raw_1")
        pruned = prune(target)
        assert told(pruned.dropped).keys() == {(1, TEAMS)}
        assert told(pruned.left) == {(1, GAMES): "in use: another session holds a lock on it"}
        assert "left for the next etl prune: loads.raw_data_games_raw_1" in pruned.notices()[1]
    assert told(prune(target).dropped).keys() == {(1, GAMES)}


def test_what_somebody_s_view_stands_on_is_left_with_the_server_s_reason(target):
    targets.published(target, [GAMES])
    targets.published(target, [GAMES])
    execute(target, "create view public.mine as select * from loads.raw_data_games_raw_1")
    (kept,) = prune(target).left
    assert "other objects depend on it" in kept.reason


def test_what_a_run_refused_is_forgotten_with_the_last_of_its_loads(target):
    for _ in range(2):
        targets.published(target, RAW)
    execute(target, "insert into audit.sightings select n, 1, 'key', 1 from generate_series(1, 2) n")
    prune(target, keep=1)
    assert runs.rows(target, "select run_id from audit.sightings order by 1") == [(1,), (2,)]
    prune(target)
    assert runs.rows(target, "select run_id from audit.sightings order by 1") == [(2,)]


def test_nothing_is_pruned_while_a_run_is_at_work(target):
    targets.published(target, [GAMES])
    with hold_lock(target), pytest.raises(LockHeld):
        prune(target)


@pytest.mark.parametrize(("run", "named"), [(7, "there is no run 7"), (1, "run 1 has no load left to keep")])
def test_a_pin_that_would_keep_nothing_is_refused(target, run, named):
    for _ in range(2):
        targets.published(target, [GAMES])
    prune(target)
    with pytest.raises(ConfigurationError, match=named):
        pin_run(target, run, on=True)
    assert runs.scalar(target, "select count(*) from audit.runs where pinned_at is not null") == 0


def test_a_target_without_a_ledger_has_nothing_to_prune(database):
    with pytest.raises(ConfigurationError, match="nothing was ever loaded"):
        prune(database())
