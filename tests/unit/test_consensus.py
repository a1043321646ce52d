import json

import polars as pl
import pytest

from etl.transform.consensus import arbitrage, as_ofs, eligible_at, expr_efficiency_score, market_state, usable_at
from etl.transform.market_quotes import MARKETS, quotes_of
from etl.transform.odds import expr_decimal
from tests.staged_cases import games, params, quote, reference, staged

P40, P50, P60, P75 = (150, -150), (100, 100), (-150, 150), (-300, 300)


def state(market="moneyline", settings=None, **rows):
    settings = settings or params()
    frames = staged(**rows)
    given = {"games": frames["games"], "books": frames["sportsbooks"], "params": settings}
    quotes = pl.concat(quotes_of(frames[m.table], market=m, **given) for m in MARKETS)
    moments = as_ofs(frames["games"], horizons_min=settings.horizons_min)
    eligible = quotes.pipe(usable_at, as_ofs=moments).pipe(eligible_at)
    found = eligible.pipe(market_state, as_ofs=moments, params=settings.consensus)
    return found.filter(pl.col("market") == market).collect().row(0, named=True)


def test_three_books_give_consensus_and_dispersion():
    found = state(moneylines=[quote(*P50, book_id=1), quote(*P60, book_id=2), quote(*P75, book_id=3)])
    assert found["n_books"] == 3
    assert found["consensus_p_a"] == pytest.approx(0.6)
    assert found["dispersion_pp"] == pytest.approx(12.583057)
    assert found["dispersion_mad_pp"] == pytest.approx(14.826)
    assert found["range_pp"] == pytest.approx(25)
    assert found["hold_median"] == pytest.approx(0, abs=1e-12)
    assert found["consensus_line"] is None


def test_two_books_are_too_few_for_a_consensus_but_have_a_range():
    found = state(moneylines=[quote(*P50, book_id=1), quote(*P60, book_id=2)])
    assert found["range_pp"] == pytest.approx(10)
    assert (found["consensus_p_a"], found["dispersion_pp"], found["market_efficiency_score"]) == (None, None, None)


def test_a_market_without_quotes_has_a_row_of_nulls_and_no_books():
    found = state(market="totals")
    assert found["n_books"] == 0
    assert found["consensus_line"] is None
    assert found["last_observed_at"] is None


def test_two_books_of_one_brand_count_once_and_the_later_quote_counts():
    found = state(moneylines=[quote(*P60, book_id=8, ago_min=90), quote(*P50, book_id=1, ago_min=80)])
    assert found["n_books"] == 1
    assert found["hold_median"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "row",
    [
        quote(*P50, ago_min=59),
        quote(*P50, ago_min=70, lag_s=700),
        quote(*P50, ago_min=60 + 24 * 60 + 1),
        quote(*P50, ago_min=-5),
        quote(*P50, book_id=6),
        quote(*P50, book_id=7),
        quote(*P50, clock="assumed"),
        quote(100, None),
        quote(None, None),
        quote(*P50, ago_min=2000, lag_s=86_401),
        quote(*P50, recorded_at=None),
        quote(*P50, observed_at=None),
    ],
    ids=[
        "observed late",
        "recorded late",
        "stale",
        "in play",
        "opening",
        "archive",
        "assumed",
        "one side",
        "no side",
        "backfilled",
        "no record clock",
        "no clock",
    ],
)
def test_a_quote_that_may_not_be_used_is_not_counted(row):
    assert state(moneylines=[row])["n_books"] == 0


@pytest.mark.parametrize("ago_min", [60 + 10 / 60, 60 + 24 * 60])
def test_the_bounds_of_eligibility_are_inclusive(ago_min):
    assert state(moneylines=[quote(*P50, ago_min=ago_min)])["n_books"] == 1


def test_a_polled_source_goes_stale_sooner():
    settings = params(polled_sources=("feed",))
    assert state(moneylines=[quote(*P50, ago_min=91)], settings=settings)["n_books"] == 0
    assert state(moneylines=[quote(*P50, ago_min=90)], settings=settings)["n_books"] == 1


def test_backfills_are_admitted_by_a_setting_and_marked():
    late = quote(*P50, ago_min=70, lag_s=90_000)
    found = state(moneylines=[late], settings=params(admit_backfilled=True))
    assert (found["n_books"], found["has_event_time"]) == (1, True)


def test_an_older_quote_that_arrives_later_does_not_replace_a_newer_one():
    newer = quote(*P60, ago_min=80, lag_s=10, line=8.0)
    older = quote(*P60, ago_min=100, lag_s=1500, line=9.0)
    assert state(market="totals", totals=[newer, older])["consensus_line"] == 8.0


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([(8.0, P50), (8.5, P60), (8.5, P60)], 8.5),
        ([(8.0, P60), (8.0, P60), (8.5, P50), (8.5, P40)], 8.5),
        ([(8.0, P60), (8.0, P40), (8.5, P60), (8.5, P60)], 8.0),
        ([(9.0, P50), (8.5, P50)], 8.5),
    ],
    ids=["mode", "tie by the nearest to even", "tie by the median distance, not the distance of the median", "lower"],
)
def test_modal_line(rows, line):
    quotes = [quote(*prices, book_id=book, line=at) for book, (at, prices) in enumerate(rows, start=1)]
    found = state(market="totals", totals=quotes)
    assert found["consensus_line"] == line


def test_line_agreement_and_conflict_of_run_lines():
    rows = [(1, -1.5), (2, -1.5), (3, 1.5)]
    found = state(market="spread", spreads=[quote(*P50, book_id=book, line=line) for book, line in rows])
    assert found["line_agreement"] == pytest.approx(2 / 3)
    assert found["runline_side_conflict"] is True


def test_tiers_need_one_book_and_are_null_without():
    rows = [quote(*P60, book_id=1), quote(*P40, book_id=5)]
    found = state(moneylines=rows)
    assert found["p_sharp_a"] == pytest.approx(0.4)
    assert found["p_retail_a"] == pytest.approx(0.6)
    assert found["sharp_minus_retail_pp"] == pytest.approx(-20)
    assert state(moneylines=rows[:1])["sharp_minus_retail_pp"] is None


def test_best_prices_use_fresh_quotes_only_unless_the_feed_reports_changes():
    rows = [quote(-110, -110, book_id=1, ago_min=70), quote(120, -140, book_id=2, ago_min=75.5)]
    rows += [quote(-120, 100, book_id=3, ago_min=75)]
    found = state(moneylines=rows)
    assert found["best_decimal_a"] == pytest.approx(1 + 100 / 110)
    assert found["best_decimal_b"] == pytest.approx(2.0)
    exempt = state(moneylines=rows, settings=params(change_only_sources=("feed",)))
    assert exempt["best_decimal_a"] == pytest.approx(2.2)
    assert state(moneylines=rows[:2])["best_overround"] is None


@pytest.mark.parametrize(
    ("hold", "dispersion", "score"),
    [(0.0, 0.0, 1.0), (0.045, 0.5, 1 / 3), (-0.02, 0.5, 0.5), (0.045, None, None), (None, 0.5, None)],
)
def test_efficiency_score(hold, dispersion, score):
    frame = pl.DataFrame({"h": [hold], "d": [dispersion]}, schema={"h": pl.Float64, "d": pl.Float64})
    found = frame.select(expr_efficiency_score(pl.col("h"), pl.col("d"), params=params().consensus)).item()
    assert found == pytest.approx(score)


@pytest.mark.parametrize("row", reference("arbitrage_cases"), ids=lambda row: row["note"])
def test_arbitrage_follows_the_reference(row):
    prices = pl.DataFrame(json.loads(row["books_home_away"]), schema=["a", "b"], orient="row")
    best = prices.select(a=expr_decimal(pl.col("a")).max(), b=expr_decimal(pl.col("b")).max())
    found = best.select(**arbitrage(pl.col("a"), pl.col("b"))).row(0, named=True)
    assert found["has_arb"] is (row["has_arb"] == "true")
    assert found["arb_margin"] == pytest.approx(-float(row["best_price_overround"]), abs=2e-9)
    assert found["arb_return"] == pytest.approx(float(row["guaranteed_return"]), abs=2e-9)
    assert found["arb_stake_share_a"] == pytest.approx(float(row["stake_share_home"]), abs=2e-9)


@pytest.mark.parametrize(("a", "expected"), [(1.9, [False, 0.0, 0.0, 0.0]), (None, [None, None, None, None])])
def test_without_an_arbitrage_all_is_zero_and_without_prices_null(a, expected):
    frame = pl.DataFrame({"a": [a], "b": [1.9]}, schema={"a": pl.Float64, "b": pl.Float64})
    assert list(frame.select(**arbitrage(pl.col("a"), pl.col("b"))).row(0)) == expected


@pytest.mark.parametrize("row", reference("point_in_time_cases"), ids=lambda row: row["case"])
def test_point_in_time(row):
    start, observed, recorded = (
        pl.Series([row[c]]).str.to_datetime(time_zone="UTC").item()
        for c in ("game_start_utc", "observed_at", "recorded_at")
    )
    found = state(
        moneylines=[quote(*P50, observed_at=observed, recorded_at=recorded, is_in_play=observed >= start)],
        games_=games({"start_at": start}),
    )
    assert found["n_books"] == int(row["usable"] == "true")
