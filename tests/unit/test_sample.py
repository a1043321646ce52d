"""The sample: what it promises about volumes, truth, believability and faults."""

import dataclasses
import math

import polars as pl
import pytest

from etl.errors import ConfigurationError
from etl.sample import SampleOptions, collected, generate
from etl.sample.books import BOOKS
from etl.sample.clubs import name_in, spelling
from etl.sample.draw import Draws, _mix, _mix_one, row_key
from etl.sample.generate import LINE_TABLES, RAW_TABLES, Chunk, Sample
from etl.sample.lines import PRICES
from etl.sample.market import american
from etl.sample.options import MARKETS, load_knobs, volumes
from etl.sample.runs import results
from etl.sample.truth import NODE, scores, truth_of
from etl.sample.world import listings

REAL_BOOKS = [book.book_id for book in BOOKS]


@pytest.fixture(scope="module")
def sample() -> Sample:
    return generate(SampleOptions())


@pytest.fixture(scope="module")
def quotes(sample: Sample) -> Chunk:
    return collected(sample)


def games_with_four_books(lines: dict[str, pl.DataFrame], columns: list[str]) -> pl.DataFrame:
    counted = [
        frame.filter(pl.col("sportsbook_id").is_in(REAL_BOOKS))
        .group_by("game_id")
        .agg(pl.col("sportsbook_id").n_unique())
        .filter(pl.col("sportsbook_id") >= 4)
        for frame in (lines[market] for market in columns)
    ]
    return counted[0].join(counted[1], on="game_id", how="semi").join(counted[2], on="game_id", how="semi")


def true_closes(sample: Sample, quotes: Chunk) -> pl.DataFrame:
    """Last clean pre-game quotes of real books with the no-vig probability (multiplicative) and the result."""
    implied = [
        pl.when(pl.col(name) > 0)
        .then(100 / (pl.col(name) + 100))
        .otherwise(pl.col(name).abs() / (pl.col(name).abs() + 100))
        for name in ("home_ml", "away_ml")
    ]
    dirty = quotes.dirty.filter(market="moneyline")
    return (
        quotes.lines["moneyline"]
        .join(dirty, on="id", how="anti")
        .filter(pl.col("sportsbook_id").is_in(REAL_BOOKS))
        .join(sample.games.filter(pl.col("home_score") != pl.col("away_score")), left_on="game_id", right_on="id")
        .sort("odds_timestamp", "id")
        .group_by("game_id")
        .agg(
            p=(implied[0] / (implied[0] + implied[1])).last(),
            won=(pl.col("home_score") > pl.col("away_score")).last().cast(pl.Float64),
        )
    )


def test_scale_one_is_the_seed_volume(sample, quotes):
    assert sample.games.height == 1687
    assert {market: frame.height for market, frame in quotes.lines.items()} == {
        "moneyline": 10_665,
        "spread": 1_615,
        "totals": 8_822,
    }


@pytest.mark.parametrize(
    ("scale", "games", "moneyline", "spread", "totals"),
    [(0.1, 169, 1_066, 162, 882), (2.0, 3_374, 21_330, 3_230, 17_644), (50.0, 84_350, 533_250, 80_750, 441_100)],
)
def test_volumes_are_proportional(scale, games, moneyline, spread, totals):
    size = volumes(SampleOptions(scale=scale), load_knobs())
    assert (size.games, size.quotes) == (games, {"moneyline": moneyline, "spread": spread, "totals": totals})


@pytest.mark.parametrize("scale", [0.001, 0.01, 0.37])
def test_odd_scales_keep_their_volumes(scale):
    options = SampleOptions(scale=scale)
    made, size = generate(options), volumes(options, load_knobs())
    assert (made.games.height, made.quotes) == (size.games, size.quotes)


@pytest.mark.parametrize("market", MARKETS)
def test_lines_have_the_types_of_the_contract_and_ids_from_one(quotes, market):
    frame, contract = quotes.lines[market], RAW_TABLES[LINE_TABLES[market]].schema
    assert {name: dtype for name, dtype in contract.items() if name in frame.columns} == dict(frame.schema)
    assert frame["id"].to_list() == list(range(1, frame.height + 1))


def test_three_hundred_games_have_four_books_in_all_markets(quotes):
    assert games_with_four_books(quotes.lines, list(MARKETS)).height >= 300


def test_dense_gives_every_game_four_books_in_all_markets():
    made = generate(SampleOptions(scale=0.2, dense=True, dirty_pct=0))
    assert games_with_four_books(collected(made).lines, list(MARKETS)).height == made.games.height == 337


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SampleOptions(scale=0), "scale 0: expected more than 0"),
        (SampleOptions(layout="star"), "layout 'star': expected unified or core_betting"),
        (SampleOptions(dirty_pct=101), "dirty 101: expected 0 to 100 percent"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        generate(options)


def test_a_scale_beyond_the_seasons_that_there_are_is_refused():
    knobs = dataclasses.replace(load_knobs(), last_season=1978)
    with pytest.raises(ConfigurationError, match="10,000 games: expected a scale of at most 2"):
        listings(Draws(1), knobs, 10_000)


def test_results_are_like_baseball(sample):
    played = sample.games_truth.filter(pl.col("status") == "completed")
    margin, total = pl.col("home_runs") - pl.col("away_runs"), pl.col("home_runs") + pl.col("away_runs")
    home_win, expected, one_run, runs = played.select(
        (margin > 0).mean(),
        pl.col("p_home").mean(),
        (margin.abs() == 1).mean().alias("one"),
        total.mean().alias("runs"),
    ).row(0)
    # Three standard errors of 1,650 games about the expected values.
    assert home_win == pytest.approx(expected, abs=0.037)
    assert expected == pytest.approx(0.53, abs=0.01)
    assert one_run == pytest.approx(0.295, abs=0.035)
    assert runs == pytest.approx(8.9, abs=0.4)


def test_the_truth_is_the_model_that_results_are_drawn_from():
    key = row_key(pl.int_range(40_000, eager=True))
    games = pl.DataFrame({"home_level": [3] * 40_000, "away_level": [-2] * 40_000})
    drawn = results(games, Draws(5), key)
    truth = truth_of(games)
    margin, total = pl.col("home_runs") - pl.col("away_runs"), pl.col("home_runs") + pl.col("away_runs")
    seen = drawn.select(
        (margin > 0).mean().alias("p_home"),
        (margin >= 2).mean().alias("p_home_minus"),
        (margin >= -1).mean().alias("p_home_plus"),
        (total > 8.5).mean().alias("p_over"),
    ).row(0)
    over = truth.totals.filter(total_line=8.5)["p_over"].item()
    expected = (*truth.nodes.select("p_home", "p_home_minus", "p_home_plus").row(0), over)
    assert seen == pytest.approx(expected, abs=0.0085)


def test_the_scores_of_a_node_have_probability_one_and_no_tie():
    found = scores(pl.DataFrame({"home_level": [0], "away_level": [0]}, schema=dict.fromkeys(NODE, pl.Int64)))
    assert found["share"].sum() == pytest.approx(1, abs=1e-12)
    assert found.filter(pl.col("home") == pl.col("away")).height == 0


def test_closing_prices_are_calibrated(sample, quotes):
    close = true_closes(sample, quotes)
    loss = close.select(
        -(pl.col("won") * pl.col("p").log() + (1 - pl.col("won")) * (1 - pl.col("p")).log()).mean()
    ).item()
    # A line is efficient when the residual of the result does not depend on the price.
    tilt = close.select(((pl.col("won") - pl.col("p")) * (pl.col("p") - pl.col("p").mean())).mean()).item()
    spread = close["p"].var()
    assert 0.66 < loss < 0.69
    assert tilt / spread == pytest.approx(0, abs=0.5)
    assert 0.06 < math.sqrt(spread) < 0.10


@pytest.mark.parametrize(
    ("market", "low", "high"), [("moneyline", 0.02, 0.05), ("spread", 0.02, 0.05), ("totals", 0.02, 0.05)]
)
def test_every_book_holds_two_to_five_percent(quotes, market, low, high):
    one, two = PRICES[market]
    implied = [
        pl.when(pl.col(name) > 0)
        .then(100 / (pl.col(name) + 100))
        .otherwise(pl.col(name).abs() / (pl.col(name).abs() + 100))
        for name in (one, two)
    ]
    clean = quotes.lines[market].join(quotes.dirty.filter(market=market), on="id", how="anti")
    hold = clean.group_by("sportsbook_id").agg((1 - 1 / (implied[0] + implied[1])).mean().alias("hold"))
    assert hold.filter(~pl.col("hold").is_between(low, high)).height == 0


def test_injected_moves_show_in_prices(quotes):
    steam, reverse = (quotes.moves.filter(move=move) for move in ("steam", "reverse"))
    assert steam.height >= 20
    assert reverse.height >= 20
    assert steam.filter("is_visible")["n_books"].min() >= 3
    assert (
        steam.filter("is_visible").select((pl.col("last_at") - pl.col("first_at")).dt.total_minutes().max()).item()
        <= 15
    )
    assert reverse["tickets_pct"].min() >= 60
    assert quotes.moves["is_visible"].mean() > 0.8


@pytest.mark.parametrize(("status", "least"), [("completed", 1_500), ("postponed", 5), ("scheduled", 1)])
def test_games_of_every_status_occur(sample, status, least):
    assert sample.games.filter(game_status=status).height >= least


def test_unplayed_games_have_no_score_and_suspended_ones_stand_as_ties(sample):
    unplayed = sample.games.filter(pl.col("game_status").is_in(["postponed", "scheduled"]))
    ties = sample.games.filter(pl.col("home_score") == pl.col("away_score"))
    assert unplayed["home_score"].null_count() == unplayed.height
    assert ties.height == sample.games_truth.filter(status="suspended").height > 0
    assert ties["winning_team"].null_count() == ties.height


def test_some_games_stand_under_two_ids_of_two_sources(sample):
    twins = sample.listings.filter(pl.col("real_key").is_duplicated())
    assert 60 <= twins.height <= 240
    assert twins.group_by("real_key").agg(pl.col("source").n_unique(), pl.len())["source"].min() == 2


@pytest.mark.parametrize(
    ("club_id", "season", "source", "expected"),
    [
        (119, 2025, "SPORTSBOOKREVIEW", "LOS"),
        (119, 2025, "VSIN", "LA Dodgers"),
        (114, 2025, "SBD", "Indians"),
        (114, 2025, "MLB_STATS_API", "Cleveland Guardians"),
        (114, 2021, "MLB_STATS_API", "Cleveland Indians"),
        (138, 2025, "ODDS_API", "St Louis Cardinals"),
        (133, 2025, "ACTION_NETWORK", "ATH"),
        (133, 2025, "MLB_STATS_API", "Athletics"),
        (133, 2024, "MLB_STATS_API", "Oakland Athletics"),
        (112, 2025, "SPORTSBOOKREVIEW", "CUB"),
        (120, 2004, "ACTION_NETWORK", "MON"),
        (109, 2025, "ACTION_NETWORK", "ARI"),
    ],
)
def test_sources_spell_clubs_in_their_own_way(club_id, season, source, expected):
    assert spelling(name_in(club_id, season), source) == expected


@pytest.mark.parametrize(
    ("implied", "cents", "expected"),
    [(0.5, 1, 100), (110 / 210, 1, -110), (100 / 250, 1, 150), (0.5238, 5, -110), (0.51, 5, -105), (0.75, 1, -300)],
)
def test_prices_lie_on_the_grid_of_the_book(implied, cents, expected):
    assert pl.DataFrame({"p": [implied]}).select(american(pl.col("p"), pl.lit(cents))).item() == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [(1, 6457827717110365317), (2, 3203168211198807973), (3, 9817491932198370423), (4, 4593380528125082431)],
)
def test_the_hash_is_splitmix64(step, expected):
    """The published first outputs of splitmix64 for seed 1234567."""
    word = (1234567 + step * 0x9E3779B97F4A7C15) % 2**64
    assert _mix(pl.Series([word], dtype=pl.UInt64)).item() == _mix_one(word) == expected


@pytest.mark.parametrize(
    ("stream", "key", "expected"),
    [("a", 0, 3169102302468293668), ("a", 1, 16563646275945597769), ("b", 1, 16178753110489820177)],
)
def test_draws_stay_what_they_were(stream, key, expected):
    assert Draws(20250401).bits(stream, pl.Series([key], dtype=pl.UInt64)).item() == expected
