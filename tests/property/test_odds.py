import math

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etl.transform import odds

PRICES = st.one_of(st.integers(-2000, -101), st.integers(100, 2000))
METHODS = pytest.mark.parametrize("method", odds.DEVIG_METHODS)


def fair(price_a, price_b, method):
    frame = pl.LazyFrame({"a": [price_a], "b": [price_b]}, schema={"a": pl.Int32, "b": pl.Int32})
    return frame.pipe(odds.with_p_fair, price_a="a", price_b="b", out="p", method=method).collect()["p"].item()


def implied(price):
    return pl.select(odds.expr_implied(pl.lit(price, pl.Int32))).item()


def in_guard(price_a, price_b):
    return 0.9 <= implied(price_a) + implied(price_b) <= 1.3


@METHODS
@given(PRICES, PRICES)
def test_both_sides_sum_to_one_and_mirror(method, price_a, price_b):
    assume(in_guard(price_a, price_b))
    side_a, side_b = fair(price_a, price_b, method), fair(price_b, price_a, method)
    assert 0 < side_a < 1
    assert side_a + side_b == pytest.approx(1, abs=1e-12)


@METHODS
@given(PRICES, PRICES, PRICES)
def test_a_shorter_price_never_lowers_the_probability(method, shorter, longer, other):
    assume(implied(shorter) > implied(longer))
    assume(in_guard(shorter, other) and in_guard(longer, other))
    assert fair(shorter, other, method) > fair(longer, other, method)


@METHODS
@given(PRICES, PRICES)
def test_with_a_margin_both_sides_fall_below_their_implied_probability(method, price_a, price_b):
    assume(in_guard(price_a, price_b) and implied(price_a) + implied(price_b) > 1.0001)
    assert fair(price_a, price_b, method) < implied(price_a)


@METHODS
@given(st.integers(100, 2000))
def test_without_a_margin_the_implied_probability_is_fair(method, price):
    other = -price if price > 100 else price
    assert fair(price, other, method) == pytest.approx(implied(price), abs=1e-12)


@METHODS
@given(PRICES)
def test_equal_prices_are_even(method, price):
    assume(in_guard(price, price))
    assert fair(price, price, method) == pytest.approx(0.5, abs=1e-15)


@given(PRICES, PRICES)
def test_shin_is_the_additive_method(price_a, price_b):
    assume(in_guard(price_a, price_b))
    assert fair(price_a, price_b, "shin") == pytest.approx((1 + implied(price_a) - implied(price_b)) / 2, abs=1e-15)


@given(PRICES, PRICES)
def test_odds_ratio_halves_the_difference_of_log_odds(price_a, price_b):
    assume(in_guard(price_a, price_b))
    logit = [math.log(p / (1 - p)) for p in (implied(price_a), implied(price_b), fair(price_a, price_b, "odds_ratio"))]
    assert logit[2] == pytest.approx((logit[0] - logit[1]) / 2, abs=1e-9)


@given(PRICES, PRICES)
def test_a_books_own_no_vig_probability_values_both_its_sides_at_minus_the_vig(price_a, price_b):
    pi_a, pi_b, price = implied(price_a), implied(price_b), pl.lit(price_a, pl.Int32)
    own = pl.select(odds.expr_ev(odds.expr_no_vig(pl.lit(pi_a), pl.lit(pi_b)), price)).item()
    assert own == pytest.approx(1 / (pi_a + pi_b) - 1, abs=1e-12)


@given(PRICES)
def test_a_price_survives_the_way_through_its_probability(price):
    assert pl.select(odds.expr_american_from_prob(pl.lit(implied(price)))).item() == price
