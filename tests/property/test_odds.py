import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.transform import odds
from etl.transform.settle import expr_clv_ev

PRICES = st.one_of(st.integers(-2000, -101), st.integers(100, 2000))
EVEN_PAIRS = st.one_of(st.integers(-180, -101), st.integers(100, 120))


def american(probability):
    """The nearest price, written out here so that the prices of the tests do not come from the code under test."""
    favourite = probability > 0.5
    return round(-100 * probability / (1 - probability) if favourite else 100 * (1 - probability) / probability)


def pair(probability, booksum):
    return american(probability * booksum), american((1 - probability) * booksum)


MARKETS = st.builds(pair, st.floats(0.26, 0.74), st.floats(0.92, 1.27))
WITH_MARGIN = st.builds(pair, st.floats(0.26, 0.74), st.floats(1.01, 1.27))
METHODS = pytest.mark.parametrize("method", odds.DEVIG_METHODS)


def fair(price_a, price_b, method):
    frame = pl.LazyFrame({"a": [price_a], "b": [price_b]}, schema={"a": pl.Int32, "b": pl.Int32})
    return frame.pipe(odds.with_p_fair, price_a="a", price_b="b", out="p", method=method).collect()["p"].item()


def implied(price):
    return pl.select(odds.expr_implied(pl.lit(price, pl.Int32))).item()


@METHODS
@settings(max_examples=40)
@given(MARKETS)
def test_both_sides_sum_to_one_and_mirror(method, prices):
    side_a, side_b = fair(*prices, method), fair(*prices[::-1], method)
    assert 0 < side_a < 1
    assert side_a + side_b == pytest.approx(1, abs=1e-12)


@METHODS
@settings(max_examples=40)
@given(WITH_MARGIN, st.integers(2, 9))
def test_a_longer_price_lowers_the_probability(method, prices, cents):
    longer = american(implied(prices[0]) - cents / 100)
    assert fair(longer, prices[1], method) < fair(*prices, method)


@METHODS
@settings(max_examples=40)
@given(WITH_MARGIN)
def test_with_a_margin_both_sides_fall_below_their_implied_probability(method, prices):
    p = fair(*prices, method)
    assert p < implied(prices[0])
    assert 1 - p < implied(prices[1])


@METHODS
@settings(max_examples=40)
@given(st.integers(101, 2000))
def test_without_a_margin_the_implied_probability_is_fair(method, price):
    assert fair(price, -price, method) == pytest.approx(implied(price), abs=1e-12)


@METHODS
@settings(max_examples=40)
@given(EVEN_PAIRS)
def test_equal_prices_are_even(method, price):
    assert fair(price, price, method) == pytest.approx(0.5, abs=1e-15)


@settings(max_examples=40)
@given(MARKETS)
def test_shin_is_the_additive_method(prices):
    additive = (1 + implied(prices[0]) - implied(prices[1])) / 2
    assert fair(*prices, "shin") == pytest.approx(additive, abs=1e-15)


@settings(max_examples=40)
@given(MARKETS)
def test_odds_ratio_halves_the_difference_of_log_odds(prices):
    p = [implied(prices[0]), implied(prices[1]), fair(*prices, "odds_ratio")]
    log_odds = [math.log(x / (1 - x)) for x in p]
    assert log_odds[2] == pytest.approx((log_odds[0] - log_odds[1]) / 2, abs=1e-9)


@settings(max_examples=40)
@given(MARKETS)
def test_a_books_own_no_vig_probability_values_its_bets_at_minus_the_vig(prices):
    pi_a, pi_b = implied(prices[0]), implied(prices[1])
    own = odds.expr_ev(odds.expr_no_vig(pl.lit(pi_a), pl.lit(pi_b)), pl.lit(prices[0], pl.Int32))
    assert pl.select(own).item() == pytest.approx(1 / (pi_a + pi_b) - 1, abs=1e-12)


@settings(max_examples=40)
@given(MARKETS)
def test_closing_line_value_without_a_move_is_minus_the_hold(prices):
    pi_a, pi_b = pl.lit(implied(prices[0])), pl.lit(implied(prices[1]))
    value = expr_clv_ev(pl.lit(prices[0], pl.Int32), odds.expr_no_vig(pi_a, pi_b))
    assert pl.select(value + odds.expr_hold(pi_a, pi_b)).item() == pytest.approx(0, abs=1e-12)


@settings(max_examples=40)
@given(PRICES)
def test_a_price_survives_the_way_through_its_probability(price):
    assert pl.select(odds.expr_american_from_prob(pl.lit(implied(price)))).item() == price
