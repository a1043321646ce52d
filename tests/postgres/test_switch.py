"""Readers are switched by hand: to a run that was filled, and back to what they saw before."""

import pytest

from etl import database
from etl.errors import ConfigurationError, ReadersInTheWay
from etl.load.publish import PublishOptions
from etl.runner.switch import plan_rollback, publish_filled, roll_back
from tests import runs, targets
from tests.runs import attached
from tests.servers import execute

OPTIONS = targets.OPTIONS
GAMES = "raw_data.games_raw"


def test_going_back_again_goes_further_back_and_never_to_and_fro(target):
    for _ in range(3):
        targets.published(target, [GAMES])
    assert [roll_back(target, None, options=OPTIONS).run_id for _ in range(2)] == [2, 1]
    with pytest.raises(ConfigurationError, match="no earlier publication exists"):
        roll_back(target, None, options=OPTIONS)
    assert roll_back(target, 3, options=OPTIONS).zones()[0] == ("raw_data", "run 1", "run 3")
    with pytest.raises(ConfigurationError, match="readers see run 3 already"):
        roll_back(target, 3, options=OPTIONS)


def test_a_publication_is_reinstated_whole_and_so_without_zones_that_came_later(target):
    targets.published(target, [GAMES])
    targets.published(target, [GAMES, "curated.labels"])
    planned = plan_rollback(target, None)
    assert attached(target) == {(GAMES, "2"), ("curated.labels", "2")}
    done = roll_back(target, None, options=OPTIONS)
    assert (
        planned.zones()
        == done.zones()
        == [
            ("raw_data", "run 2", "run 1"),
            ("staging", "nothing", "nothing"),
            ("curated", "run 2", "nothing"),
        ]
    )
    assert attached(target) == {(GAMES, "1")}
    assert roll_back(target, 2, options=OPTIONS).after == {GAMES: 2, "curated.labels": 2}
    assert attached(target) == {(GAMES, "2"), ("curated.labels", "2")}


def test_publishing_by_hand_lets_go_of_older_loads_too(target):
    for _ in range(2):
        targets.published(target, [GAMES])
    targets.fill(target, [GAMES])
    done = publish_filled(target, 3, options=PublishOptions(wait_s=5, lock_timeout_ms=100, keep=1))
    assert (done.before, done.after) == ({GAMES: 2}, {GAMES: 3})
    assert done.notices == ("1 tables of older loads were dropped",)
    assert runs.loads(target) == {"raw_data_games_raw_2", "raw_data_games_raw_3"}


@pytest.mark.parametrize(
    ("run", "named"),
    [
        (1, "run 1 is published: only a filled run can be published"),
        (2, "run 2 is failed"),
        (3, r"run 3 cannot be published: its loads were dropped \(raw_data\.games_raw\)"),
        (9, "run 9 is unknown"),
    ],
)
def test_a_run_that_cannot_be_published_says_why(target, run, named):
    targets.published(target, [GAMES])
    targets.fill(target, [GAMES], status="failed")
    targets.fill(target, [GAMES])
    execute(target, "drop table loads.raw_data_games_raw_3")
    with pytest.raises(ConfigurationError, match=named):
        publish_filled(target, run, options=OPTIONS)
    assert attached(target) == {(GAMES, "1")}


def test_a_reader_of_a_load_that_needs_a_column_holds_up_nobody_for_long(target):
    for _ in range(2):
        targets.published(target, [GAMES])
    execute(target, "alter table loads.raw_data_games_raw_1 drop column humidity")
    brief = PublishOptions(wait_s=0.4, lock_timeout_ms=50, keep=2)
    with database.session(target, autocommit=True, name="direct") as reader:
        database.execute(reader, "begin")
        database.scalar(reader, "select count(*) from loads.raw_data_games_raw_1")
        with pytest.raises(ReadersInTheWay):
            roll_back(target, 1, options=brief)
        assert attached(target) == {(GAMES, "2")}
        database.execute(reader, "commit")
    roll_back(target, 1, options=OPTIONS)
    assert attached(target) == {(GAMES, "1")}
