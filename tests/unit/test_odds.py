import polars as pl
import pytest

from etl.transform import odds
from tests.staged_cases import half_unit, reference

A, B = pl.col("a"), pl.col("b")


def one(expr, **values):
    schema = {name: pl.Int32 if isinstance(value, int) else pl.Float64 for name, value in values.items()}
    return pl.DataFrame({name: [value] for name, value in values.items()}, schema=schema).select(expr).item()


CONVERSIONS = [row for row in reference("odds_conversion") if row["american_in"].lstrip("-").isdigit()]
VALID = [row for row in CONVERSIONS if row["valid"] == "true"]
INVALID = [row for row in CONVERSIONS if row["valid"] == "false"]
PAIRS = reference("devig_two_way")
BETS = reference("ev_kelly_cases")


@pytest.mark.parametrize("row", VALID, ids=lambda row: row["american_in"])
def test_a_valid_price_converts_as_the_reference_says(row):
    price = int(row["american_in"])
    assert one(odds.expr_is_valid_price(A), a=price) is True
    assert one(odds.expr_canonical_price(A), a=price) == int(row["american_canonical"])
    assert one(odds.expr_decimal(A), a=price) == pytest.approx(float(row["decimal"]), abs=half_unit(row["decimal"]))
    assert one(odds.expr_implied(A), a=price) == pytest.approx(float(row["implied_prob"]), abs=1e-9)
    assert one(odds.expr_linear_cents(odds.expr_canonical_price(A)), a=price) == int(row["linear_cents"])


@pytest.mark.parametrize("row", INVALID, ids=lambda row: row["american_in"])
def test_an_invalid_price_has_no_derived_value(row):
    price = int(row["american_in"])
    assert one(odds.expr_is_valid_price(A), a=price) is False
    assert one(odds.expr_decimal(A), a=price) is None
    assert one(odds.expr_implied(A), a=price) is None
    assert one(odds.expr_linear_cents(A), a=price) is None


@pytest.mark.parametrize("expr", [odds.expr_is_valid_price, odds.expr_decimal, odds.expr_canonical_price])
def test_a_missing_price_gives_null(expr):
    assert pl.DataFrame({"a": [None]}, schema={"a": pl.Int32}).select(expr(A)).item() is None


@pytest.mark.parametrize(
    ("probability", "price"),
    [(0.5, 100), (1 / 1.91, -110), (0.6, -150), (0.4, 150), (0.25, 300), (0.0, None), (1.0, None), (1.5, None)],
)
def test_american_price_of_a_probability_is_rounded_not_cut(probability, price):
    assert one(odds.expr_american_from_prob(A), a=probability) == price


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: row["case_id"])
def test_margin_and_closed_forms_follow_the_reference(row):
    prices = {"a": int(row["home_american"]), "b": int(row["away_american"])}
    pi = odds.expr_implied(A), odds.expr_implied(B)
    expected = {
        "overround": odds.expr_overround(*pi),
        "hold": odds.expr_hold(*pi),
        "p_home_multiplicative_pb": odds.expr_no_vig(*pi),
        "p_home_shin_shinpkg": odds.expr_p_shin(A, B),
        "p_home_additive_pb": odds.expr_p_shin(A, B),
        "p_home_oddsratio_pb": odds.expr_p_odds_ratio(A, B),
        "shin_z_shinpkg": odds.expr_shin_z(A, B),
    }
    found = {name: one(expr, **prices) for name, expr in expected.items()}
    assert found == {name: pytest.approx(float(row[name]), abs=1e-8) for name in expected}


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: row["case_id"])
def test_power_follows_the_reference(row):
    frame = pl.LazyFrame({"x": [int(row["home_american"])], "y": [int(row["away_american"])]})
    frame = frame.select(a=odds.expr_implied(pl.col("x")), b=odds.expr_implied(pl.col("y")))
    found = frame.pipe(odds.with_power, a="a", b="b", out_p="p", out_k="k").collect()
    assert found["p"].item() == pytest.approx(float(row["p_home_power_pb"]), abs=1e-8)
    assert found["k"].item() == pytest.approx(float(row["power_k_pb"]), abs=1e-8)
    assert found.columns == ["a", "b", "p", "k"]


@pytest.mark.parametrize("method", odds.DEVIG_METHODS)
@pytest.mark.parametrize("pair", [(200, 200), (-400, -400), (-110, None), (None, None), (50, -110), (0, 0)])
def test_outside_the_guard_or_with_a_side_missing_no_method_gives_a_value(method, pair):
    frame = pl.LazyFrame([pair], schema={"a": pl.Int32, "b": pl.Int32}, orient="row")
    found = frame.pipe(odds.with_p_fair, price_a="a", price_b="b", out="p", method=method).collect()
    assert found["p"].to_list() == [None]


@pytest.mark.parametrize("method", ["power", "wpo"])
def test_a_method_without_closed_form_is_refused_as_an_expression(method):
    with pytest.raises(ValueError, match=method):
        odds.expr_p_fair(A, B, method=method)


@pytest.mark.parametrize("row", BETS, ids=lambda row: row["case_id"])
def test_expected_value_and_kelly_follow_the_reference(row):
    bet = {"a": float(row["p_win_independent"]), "b": int(row["american"])}
    quarter = one(odds.expr_kelly(A, B, fraction=0.25, cap=0.05), **bet)
    assert one(odds.expr_ev(A, B), **bet) == pytest.approx(float(row["ev_per_unit_pb_edge"]), abs=2e-9)
    assert quarter == pytest.approx(float(row["kelly_quarter_pb"]), abs=2e-9)


def test_kelly_is_capped():
    assert one(odds.expr_kelly(A, B, fraction=0.25, cap=0.05), a=0.9, b=100) == 0.05
