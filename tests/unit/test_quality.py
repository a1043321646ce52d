"""The score: its five parts, the thresholds, the caps."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from etl.errors import ConfigurationError
from etl.transform.staging_params import staging_params
from tests.staging_cases import NOON, PARAMS, config, staged

PARTS = ("completeness", "validity", "consistency", "timeliness", "uniqueness")


def parts(key, *rows, params=PARAMS):
    first = staged(key, *rows, params=params)[0]
    return tuple(first[name] for name in PARTS), first["quality_score"], first["validation_status"]


@pytest.mark.parametrize("key", ["moneylines", "spreads", "totals"])
def test_a_clean_row(key):
    assert parts(key, {}) == ((1.0, 1.0, 1.0, 1.0, 1.0), Decimal("1.00"), "validated")


def test_a_moneyline_with_one_price():
    # 6 of 7 fields; V03, V09, W10 of 5 rules; V05, W05, W09 of 4 rules (without a probability W03 counts as broken).
    found, score, status = parts("moneylines", {"home_ml": None})
    assert found == pytest.approx((6 / 7, 3 / 5, 3 / 4, 1.0, 1.0))
    assert (score, status) == (Decimal("0.79"), "needs_review")


def test_a_run_line_without_prices():
    # 6 of 8 fields; V04 of 5 rules; V05, V07, W05, W09 of 5 rules: .225 + .06 + .16 + .1 + .1 = .645.
    found, score, status = parts("spreads", {"home_spread_price": None, "away_spread_price": None})
    assert found == pytest.approx((0.75, 0.2, 0.8, 1.0, 1.0))
    assert (score, status) == (Decimal("0.64"), "needs_review")


def test_a_row_without_a_clock_needs_review():
    found, _, status = parts("moneylines", {"odds_timestamp": None})
    assert found == pytest.approx((6 / 7, 1.0, 1 / 4, 0.0, 1.0))
    assert status == "needs_review"


@pytest.mark.parametrize(("hours", "expected"), [(0, 1.0), (1, 1.0), (12.5, 0.5), (24, 0.0), (240, 0.0), (-1, 0.0)])
def test_timeliness(hours, expected):
    stored = NOON + timedelta(hours=hours)
    (line,) = staged("moneylines", {"created_at": stored, "updated_at": stored})
    assert line["timeliness"] == pytest.approx(expected)


def test_uniqueness_is_one_over_the_rows_of_the_key():
    found, _, _ = parts("moneylines", {}, {"home_ml": -115, "away_ml": -105}, {"source": "ODDS_API"})
    assert found == pytest.approx((1.0, 1.0, 2 / 3, 1.0, 1 / 3))


def test_repairing_a_price_never_lowers_the_score():
    scores = [parts("moneylines", row)[1] for row in ({"home_ml": None, "away_ml": None}, {"home_ml": None}, {})]
    assert scores == sorted(scores)


def test_thresholds_act_on_the_unrounded_score():
    score = replace(PARAMS.score, validated_min=0.8000001)
    stored = NOON + timedelta(hours=30)
    twice = {"created_at": stored, "updated_at": stored}
    strict = replace(PARAMS, score=replace(score, weight_timeliness=0.2, weight_validity=0.2))
    # Everything but timeliness: exactly .80.
    assert parts("moneylines", twice, params=strict)[1:] == (Decimal("0.80"), "needs_review")


def test_weights_are_configuration():
    given = config("quality")
    given["score"] |= {"weight_completeness": 0.0, "weight_validity": 0.6}
    found = parts("moneylines", {"home_ml": None}, params=staging_params(given))
    assert found[1] == Decimal("0.71")


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("score", {"weight_validity": 0.5}, "add up to 1.2"),
        ("bounds", {"line_grid": 0.5}, "line_grid is unknown"),
        ("bounds", {"booksum_min": "much"}, r"quality.toml \[bounds\]: booksum_min: .*number"),
    ],
)
def test_wrong_configuration_is_refused(section, change, message):
    given = config("quality")
    given[section] |= change
    with pytest.raises(ConfigurationError, match=message):
        staging_params(given)


def test_a_missing_key_is_refused():
    given = config("quality")
    del given["bounds"]["booksum_min"]
    with pytest.raises(ConfigurationError, match="booksum_min is missing"):
        staging_params(given)
