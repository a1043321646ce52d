"""Properties of staging: nothing depends on the order or the cut of the rows, and every row comes out once."""

from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl.transform.games import resolve_games
from etl.transform.splits import expected_splits, stage_splits
from etl.transform.staging import MARKETS, resolve_lines, stage_lines
from etl.transform.steps import expected_movements, stage_movements
from etl.transform.teams import club_names
from tests.staging_cases import (
    CATALOGUE,
    CLUBS,
    NOON,
    PARAMS,
    START,
    games_raw,
    lines,
    minutes,
    outcomes_raw,
    references,
)

REFS = references({"game_id": 1}, {"game_id": 2}, {"game_id": 3, "home_team_id": None}, mapped={1: 1, 2: 2, 3: 3, 4: 1})
FEW = settings(max_examples=8, deadline=None)
BOOKS = ("fanduel", "draftkings", "draftkings_nj", "betmgm", "caesars", "sbro_archive", "?")
prices = st.sampled_from([-110, -100, 100, 130, -150, -300, 250, 50, None])
moments = st.sampled_from([None, NOON, NOON + minutes(5), NOON + minutes(9), START])
shares = st.sampled_from([(None, None), (60.0, 40.0), (0.6, 0.4), (70.0, 30.0), (100.0, 0.0), (60.0, 20.0)])


@st.composite
def moneylines(draw):
    clock = draw(moments)
    home, away = draw(shares)
    stored = draw(st.sampled_from([NOON + minutes(9), START, START + timedelta(hours=30)]))
    return {
        "game_id": draw(st.sampled_from([1, 1, 2, 2, 3, 4, 99, None])),
        "sportsbook": draw(st.sampled_from(BOOKS)),
        "home_ml": draw(prices),
        "away_ml": draw(prices),
        "home_bets_percentage": home,
        "away_bets_percentage": away,
        "odds_timestamp": clock,
        "created_at": stored,
        "updated_at": stored,
    }


@st.composite
def markets(draw):
    """Raw frames of the three markets: moneylines are drawn, the others follow a few of them."""
    rows = draw(st.lists(moneylines(), min_size=1, max_size=30))
    ids = draw(st.permutations(range(1, len(rows) + 1)))
    rows = [{"id": n, **row} for n, row in zip(ids, rows, strict=True)]
    shared = [{k: v for k, v in row.items() if "_ml" not in k} for row in rows]
    steps = draw(st.lists(st.sampled_from([8.5, 9.0, 104.0]), min_size=len(rows), max_size=len(rows)))
    totals = [
        {"total_line": line} | {k: v for k, v in row.items() if "percentage" not in k}
        for row, line in zip(shared, steps, strict=True)
    ]
    return {
        "moneylines": lines("moneylines", *rows),
        "spreads": lines("spreads", *shared),
        "totals": lines("totals", *totals),
    }


def collected(given_lines):
    made = stage_lines(resolve_lines(given_lines, REFS), REFS, params=PARAMS)
    return {key: frame.sort("raw_id") for key, frame in zip(made, pl.collect_all(made.values()), strict=True)}


def split_rows(given_lines):
    made = stage_splits(resolve_lines(given_lines, REFS), REFS, params=PARAMS)
    return made.collect().sort("market", "raw_id", "book_key", "tickets_pct_a")


def assert_same(one, other):
    for key in MARKETS:
        assert_frame_equal(one[key], other[key], check_exact=True)


@given(markets(), st.randoms(use_true_random=False))
@FEW
def test_row_order_does_not_matter(given_lines, random):
    seed = random.randrange(1000)
    shuffled = {key: lf.collect().sample(fraction=1, shuffle=True, seed=seed).lazy() for key, lf in given_lines.items()}
    assert_same(collected(given_lines), collected(shuffled))
    assert_frame_equal(split_rows(given_lines), split_rows(shuffled), check_exact=True)


@given(markets())
@FEW
def test_the_cut_of_the_slices_does_not_matter(given_lines):
    # Legacy games 1 and 4 are one game, so they stay together; lines without a game may be cut anywhere.
    first = pl.col("game_id").is_in([1, 4]) | (pl.col("game_id").is_null() & (pl.col("id") % 2 == 0))
    first = first.fill_null(value=False)
    halves = [{key: lf.filter(keep) for key, lf in given_lines.items()} for keep in (first, ~first)]
    cut = [collected(half) for half in halves]
    whole = {key: pl.concat([half[key] for half in cut]).sort("raw_id") for key in MARKETS}
    assert_same(collected(given_lines), whole)
    parts = pl.concat([split_rows(half) for half in halves]).sort("market", "raw_id", "book_key", "tickets_pct_a")
    assert_frame_equal(split_rows(given_lines), parts, check_exact=True)


@given(markets())
@FEW
def test_every_row_comes_out_once(given_lines):
    made = collected(given_lines)
    for key, lf in given_lines.items():
        assert made[key]["raw_id"].to_list() == lf.select(pl.col("id").sort()).collect()["id"].to_list()


@given(markets())
@FEW
def test_staging_again_without_the_copies_changes_nothing(given_lines):
    once = collected(given_lines)
    kept = {key: once[key].filter(~pl.col("is_collapsed")) for key in MARKETS}
    ids = {key: pl.col("id").is_in(kept[key]["raw_id"].implode()) for key in MARKETS}
    assert_same(kept, collected({key: lf.filter(ids[key]) for key, lf in given_lines.items()}))


@given(markets())
@FEW
def test_splits_and_steps_are_as_many_as_counted(given_lines):
    staged = {key: frame.lazy() for key, frame in collected(given_lines).items()}
    steps = stage_movements(staged, devig_method="odds_ratio").collect()
    accepted = split_rows(given_lines).filter(pl.col("broken_rules").list.len() == 0)
    assert expected_movements(staged).collect().item() == steps.height
    expected = expected_splits(resolve_lines(given_lines, REFS), params=PARAMS)
    assert expected.collect().item() == accepted.height
    assert accepted.select("game_id", "market", "source", "book_key", "observed_at").is_unique().all()


@st.composite
def game_rows(draw):
    return {
        "mlb_stats_api_game_id": draw(st.sampled_from([None, None, "7", "8"])),
        "sportsbookreview_game_id": draw(st.sampled_from([None, "SBR"])),
        "vsin_game_id": draw(st.sampled_from([None, None, "V"])),
        "home_team": draw(st.sampled_from(["BOS", "Red Sox", "NYM", "?"])),
        "game_datetime": START + minutes(draw(st.sampled_from([0, 30, 60, 89, 91, 150, 300, 1440]))),
        "home_score": draw(st.sampled_from([None, 3, 5, 5])),
        "game_status": draw(st.sampled_from(["completed", "completed", "scheduled", "postponed"])),
    }


def resolved(rows):
    names = club_names(CATALOGUE)
    made = resolve_games(rows, outcomes_raw(), clubs=CLUBS, names=names, params=PARAMS.games)
    return made.collect()


@given(st.lists(game_rows(), min_size=1, max_size=15), st.integers(0, 999))
@FEW
def test_games_do_not_depend_on_the_order_of_their_rows(rows, seed):
    given_rows = games_raw(*rows)
    made = resolved(given_rows)
    shuffled = resolved(given_rows.collect().sample(fraction=1, shuffle=True, seed=seed).lazy())
    assert_frame_equal(made, shuffled, check_exact=True)
    assert made["raw_ids"].list.explode().sort().to_list() == list(range(1, len(rows) + 1))
    assert made["game_id"].to_list() == made["raw_ids"].list.min().to_list()
