"""The faults of the sample: their share, their kinds, and the record of what was true."""

import polars as pl
import pytest

from etl.sample import SampleOptions, collected, generate
from etl.sample.generate import Chunk, Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    return generate(SampleOptions())


@pytest.fixture(scope="module")
def quotes(sample: Sample) -> Chunk:
    return collected(sample)


def test_exactly_two_percent_of_each_market_is_dirty(quotes):
    counts = quotes.dirty.unique(["market", "id"]).group_by("market").len().sort("market").rows()
    assert counts == [("moneyline", 213), ("spread", 32), ("totals", 176)]


def test_a_row_has_one_fault_at_most(quotes):
    assert quotes.dirty.group_by("market", "id").agg(pl.col("kind").n_unique())["kind"].max() == 1


def test_the_record_of_faults_is_the_difference_to_the_clean_sample():
    clean = collected(generate(SampleOptions(scale=0.5, dirty_pct=0)))
    dirty = collected(generate(SampleOptions(scale=0.5, dirty_pct=20)))
    record = dirty.dirty.filter(pl.col("column") != "*")
    assert clean.dirty.height == 0
    for market, column in record.select("market", "column").unique().sort("market", "column").rows():
        own = record.filter(market=market, column=column).sort("id")
        was, given = (
            frame.lines[market].filter(pl.col("id").is_in(own["id"].implode())).sort("id")[column]
            for frame in (clean, dirty)
        )
        assert given.ne_missing(was).all(), (market, column)
    same = dirty.lines["spread"].join(dirty.dirty.filter(market="spread"), on="id", how="anti")
    assert same.equals(clean.lines["spread"].join(same, on="id", how="semi"))


@pytest.mark.parametrize(
    "kind",
    [
        "dead_zone_price", "crossed_prices", "swapped_sides", "price_extra_digit", "price_missing_digit",
        "price_moved_digit", "price_in_total_cell", "line_off_grid", "unknown_team", "unknown_book", "no_game",
        "exact_duplicate", "conflicting_duplicate", "one_side_missing", "both_prices_missing", "in_play_quote",
        "split_sum_off", "split_all_or_nothing", "stale_recording", "recorded_before_observed",
    ],
)  # fmt: skip
def test_every_kind_of_fault_occurs(quotes, kind):
    assert quotes.dirty.filter(kind=kind).height > 0


def test_an_exact_duplicate_equals_the_row_it_doubles(quotes):
    own = ["id", "created_at", "updated_at", "collection_batch_id"]
    lines = quotes.lines["moneyline"]
    doubles = quotes.dirty.filter(market="moneyline", kind="exact_duplicate").select(
        "id", doubled=pl.col("given_value").cast(pl.Int64)
    )
    copies = doubles.join(lines, on="id").drop(*own, "doubled")
    originals = doubles.join(lines, left_on="doubled", right_on="id").drop("id", "doubled", *own[1:])
    assert doubles.height > 0
    assert copies.equals(originals)


def test_clean_quotes_keep_the_rules(quotes, sample):
    starts = sample.games.select(game_id="id", start="game_datetime")
    dirty = quotes.dirty.filter(market="totals")
    clean = quotes.lines["totals"].join(dirty, on="id", how="anti").join(starts, on="game_id")
    broken = clean.filter(
        (pl.col("odds_timestamp") >= pl.col("start"))
        | (pl.col("created_at") < pl.col("odds_timestamp"))
        | (pl.col("over_price").abs() < 100)
        | (pl.col("total_line").cast(pl.Float64) % 0.5 != 0)
        | ((pl.col("over_bets_percentage") + pl.col("under_bets_percentage")).cast(pl.Float64) % 99 != 1)
    )
    assert clean.height == 8_822 - 176
    assert broken.height == 0
