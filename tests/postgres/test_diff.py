"""Loads compared: rows added, removed and changed, by key where there is one, whatever contract wrote them."""

import polars as pl
import pytest

from etl import database as db
from etl.check.compare import Example
from etl.errors import ConfigurationError
from etl.runner.diff import THE_SAME, diff
from etl.runner.switch import roll_back
from schemas import TABLES
from tests import factories, targets
from tests.servers import execute

GAMES, TEAMS, SPLITS = "raw_data.games_raw", "raw_data.teams_raw", "staging.betting_splits"
LINES, SIDES = "raw_data.moneylines_raw", "raw_data.betting_lines_raw"


def rows(name, n=4):
    return factories.rows(TABLES[name], n, nulls_every=0)


def load(frame):
    """The frame as that of any run."""
    return lambda run: frame.with_columns(load_id=pl.lit(run, pl.Int32), batch_id=pl.lit(run, pl.Int32))


def put(frame, column, value, *, where):
    """The frame with another value in one place: (key column, key)."""
    new = pl.when(pl.col(where[0]) == where[1]).then(pl.lit(value, frame.schema[column])).otherwise(pl.col(column))
    return frame.with_columns(new.alias(column))


def two(target, before, after):
    """Run 1 is published with one frame, run 2 is filled with another, each a (table, frame)."""
    targets.published(target, [before[0]], {before[0]: load(before[1])})
    return targets.fill(target, [after[0]], {after[0]: load(after[1])})


def only(found):
    (table,) = found.tables
    return table.difference


def counts(found):
    return found.added, found.removed, found.changed


def test_rows_are_told_apart_by_key_and_columns(target):
    whole = rows(GAMES, 5)
    after = put(whole, "home_score", 77, where=("id", 2)).pipe(put, "venue_name", None, where=("id", 2))
    after = after.pipe(put, "venue_name", "Añejo's", where=("id", 3))
    two(target, (GAMES, whole.filter(pl.col("id") < 5)), (GAMES, after.filter(pl.col("id") > 1)))
    found = only(diff(target, None, None))
    assert (found.rows_before, found.rows_after, found.by, found.same) == (4, 4, "key", False)
    assert counts(found) == (1, 1, 2)
    assert found.columns == {"venue_name": 2, "home_score": 1}
    assert (found.added_keys, found.removed_keys) == (({"id": "5"},), ({"id": "1"},))
    named = dict(zip(whole["id"], whole["venue_name"], strict=True))
    assert found.examples == (
        Example({"id": "2"}, "home_score", str(whole["home_score"][1]), "77"),
        Example({"id": "2"}, "venue_name", named[2], None),
        Example({"id": "3"}, "venue_name", named[3], "Añejo's"),
    )


def test_what_only_the_load_tells_is_no_change(target):
    frame = rows("curated.games")
    two(target, ("curated.games", frame), ("curated.games", frame.with_columns(config_hash=pl.lit("another"))))
    assert only(diff(target, None, None)).same


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("unmapped", '{"a": 1.10}', '{"a": 1.1}'),
        ("home_team", "", None),
        ("home_team", "a", "a "),
        ("home_team", "NULL", None),
    ],
)
def test_values_are_held_against_each_other_exactly(target, column, before, after):
    frame = rows(GAMES, 2)
    old, new = (put(frame, column, value, where=("id", 1)) for value in (before, after))
    two(target, (GAMES, old), (GAMES, new))
    found = only(diff(target, None, None))
    assert (counts(found), found.columns) == ((0, 0, 1), {column: 1})
    assert [(e.before, e.after) for e in found.examples] == [(before, after)]


def test_a_key_of_several_columns(target):
    frame = rows("staging.teams", 3)
    two(target, ("staging.teams", frame), ("staging.teams", put(frame, "city", "Else", where=("team_id", 2))))
    found = only(diff(target, None, None))
    assert [list(example.key) for example in found.examples] == [["team_id", "valid_from"]]


def test_a_table_without_a_unique_key_is_compared_as_a_whole(target):
    frame = rows(SIDES, 3)
    two(target, (SIDES, frame), (SIDES, frame.reverse()))
    found = only(diff(target, None, None))
    assert (found.by, found.same, found.rows_after, counts(found)) == ("hash", True, 3, (None, None, None))
    targets.published(target, [SIDES], {SIDES: load(put(frame, "id", 99, where=("id", 2)))})
    assert not only(diff(target, None, 2)).same


def test_loads_of_two_contracts_are_compared_by_the_columns_of_both(target):
    frame = rows(GAMES, 2)
    for _ in range(2):
        targets.fill(target, [GAMES], {GAMES: load(frame)})
    execute(
        target,
        "alter table loads.raw_data_games_raw_1 drop column humidity",
        "alter table loads.raw_data_games_raw_2 add column roof text, drop column venue_id, add column venue_id bigint",
        "update loads.raw_data_games_raw_2 set roof = 'open', venue_id = (select venue_id from "
        "loads.raw_data_games_raw_1 b where b.id = raw_data_games_raw_2.id)",
    )
    found = only(diff(target, 2, 1))
    assert (found.same, found.only_before, found.only_after) == (True, (), ("humidity", "roof"))


def test_examples_are_as_many_as_are_asked_for_and_of_every_column_first(target):
    frame = rows(GAMES, 6)
    new = frame.with_columns(home_score=pl.lit(91, pl.Int32), away_score=pl.lit(92, pl.Int32))
    two(target, (GAMES, frame), (GAMES, new))
    three, none = only(diff(target, None, None, limit=3)), only(diff(target, None, None, limit=0))
    assert [(e.key["id"], e.column) for e in three.examples] == [
        ("1", "home_score"),
        ("1", "away_score"),
        ("2", "home_score"),
    ]
    assert (none.examples, none.changed) == ((), 6)


def test_a_run_is_compared_with_what_readers_saw_before_it_or_see(target):
    """Run 2 writes another table only; 4 is filled; readers then go back from 3 to 1."""
    targets.published(target, [GAMES], {GAMES: load(rows(GAMES, 1))})
    targets.published(target, [TEAMS])
    targets.published(target, [GAMES], {GAMES: load(rows(GAMES, 3))})
    targets.fill(target, [GAMES], {GAMES: load(rows(GAMES, 4))})

    def compared(*asked):
        found = diff(target, *asked)
        return [(t.table, t.load_before, t.load_after) for t in found.tables]

    assert compared(None, None) == [(GAMES, 3, 4)]
    assert compared(3, None) == [(GAMES, 1, 3)]
    assert compared(4, 1) == [(GAMES, 1, 4)]
    assert compared(4, 2) == [(GAMES, 1, 4)]
    roll_back(target, 1, options=targets.OPTIONS)
    assert compared(4, None) == [(GAMES, 1, 4)]
    assert compared(1, None) == [(GAMES, 3, 1)]
    targets.published(target, [GAMES])
    assert compared(None, None) == [(GAMES, 1, 5)]


def test_what_cannot_be_compared_says_why(target):
    targets.published(target, [GAMES])
    targets.published(target, [GAMES, TEAMS])
    found = diff(target, 2, None)
    assert {t.table: t.note for t in found.tables} == {GAMES: "", TEAMS: "no load before it"}
    assert not found.same
    targets.published(target, [TEAMS])
    execute(target, "drop table loads.raw_data_games_raw_1")
    assert [t.note for t in diff(target, 2, 3).tables] == [THE_SAME, ""]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ((7, None), "there is no run 7 with loads"),
        ((1, None), "nothing was published before run 1"),
        ((2, 2), "run 2 is compared with itself"),
        ((3, None), "the load of run 2 was dropped"),
        ((2, 9), "there is no run 9 with loads"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_an_error(target, asked, named):
    for _ in range(3):
        targets.published(target, [GAMES])
    execute(target, "drop table loads.raw_data_games_raw_2")
    with pytest.raises(ConfigurationError, match=named):
        diff(target, *asked)


def test_a_table_that_the_run_did_not_write_is_an_error_that_names_those_it_did(target):
    targets.published(target, [GAMES])
    targets.published(target, [GAMES])
    with pytest.raises(ConfigurationError, match=r"run 2 wrote no table labels: its tables are raw_data\.games_raw"):
        diff(target, None, None, tables=["games_raw", "labels"])


def test_a_diff_leaves_nothing_behind(target):
    frame = rows(GAMES)
    two(target, (GAMES, frame), (GAMES, frame.head(1)))
    before = "select md5(string_agg(c.oid::text || c.relname, ',' order by c.oid)) from pg_class c"
    with db.session(target, autocommit=True) as connection:
        tables = db.scalar(connection, before)
        diff(target, None, None)
        assert db.scalar(connection, before) == tables
