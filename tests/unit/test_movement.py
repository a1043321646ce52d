import polars as pl
import pytest

from etl.transform.market_quotes import MARKETS, quotes_of
from etl.transform.movement import expr_fair_total, expr_move_pp, expr_significance, line_movements
from etl.transform.odds import expr_p_fair
from tests.staged_cases import ago, params, quote, reference, staged

P40, P50, P60 = (150, -150), (100, 100), (-150, 150)
PP = params().movement.significance_pp
RUNS = params().movement.significance_runs


def movements(**rows):
    settings, frames = params(), staged(**rows)
    given = {"games": frames["games"], "books": frames["sportsbooks"], "params": settings}
    quotes = pl.concat(quotes_of(frames[m.table], market=m, **given) for m in MARKETS)
    found = quotes.pipe(line_movements, games=frames["games"], params=settings)
    return found.sort("market", "brand").collect().to_dicts()


@pytest.mark.parametrize("row", reference("movement_cases"), ids=lambda row: row["case_id"])
@pytest.mark.parametrize("method", ["oddsratio", "multiplicative"])
def test_moves_follow_the_reference(row, method):
    names = ["home_open", "away_open", "home_now", "away_now"]
    frame = pl.DataFrame({name: [int(row[name])] for name in names})
    devig = {"oddsratio": "odds_ratio"}.get(method, method)
    opened = expr_p_fair(pl.col("home_open"), pl.col("away_open"), method=devig)
    now = expr_p_fair(pl.col("home_now"), pl.col("away_now"), method=devig)
    none = pl.lit(None, pl.Float64)
    move = expr_move_pp(market=pl.lit("moneyline"), line=(none, none), p=(opened, now), params=params().movement)
    assert frame.select(move).item() == pytest.approx(float(row[f"move_pp_{method}_home"]), abs=6e-7)


def test_a_brand_moves_from_its_first_quote_to_its_last_one():
    steps = [quote(*P50, ago_min=300), quote(*P60, ago_min=200), quote(*P50, ago_min=130), quote(*P60, ago_min=70)]
    (found,) = movements(moneylines=[*steps, quote(*P40, ago_min=50)])
    assert (found["open_raw_id"], found["current_raw_id"], found["n_quotes"]) == (1, 4, 4)
    assert (found["open_source"], found["open_lead_min"]) == ("first_seen", 300)
    assert (found["open_observed_at"], found["current_observed_at"]) == (ago(300), ago(70))
    assert found["move_pp"] == pytest.approx(10)
    assert found["velocity_pp_h"] == pytest.approx(10)
    assert found["n_moves"] == 3
    assert found["movement_consistency"] == pytest.approx(1 / 3)
    assert found["movement_significance"] == "major"
    assert (found["line_move_runs"], found["rl_flip"], found["crosses_key_total"]) == (None, None, None)


def test_one_quote_is_no_movement():
    (found,) = movements(moneylines=[quote(*P50)])
    assert found["move_pp"] == 0
    assert (found["n_quotes"], found["n_moves"], found["movement_consistency"]) == (1, None, None)
    assert found["velocity_pp_h"] is None
    assert found["movement_significance"] == "minor"


def test_an_opening_of_the_feed_comes_before_the_first_seen_quote():
    rows = [quote(*P50, ago_min=300), quote(*P40, ago_min=290, line_kind="open"), quote(*P60, ago_min=70)]
    (found,) = movements(moneylines=rows)
    assert (found["open_raw_id"], found["open_source"]) == (2, "feed_open")
    assert found["move_pp"] == pytest.approx(20)


def test_the_pseudo_book_of_openings_opens_every_brand_and_is_nothing_else():
    rows = [quote(*P40, book_id=6, ago_min=100), quote(*P50, book_id=1, ago_min=90), quote(*P60, book_id=2)]
    found = movements(moneylines=rows)
    assert [row["brand"] for row in found] == ["alpha", "beta"]
    assert [row["open_raw_id"] for row in found] == [1, 1]
    assert {row["open_source"] for row in found} == {"feed_open"}
    assert [row["n_quotes"] for row in found] == [1, 1]


def test_an_opening_recorded_after_as_of_is_not_used():
    rows = [quote(*P40, ago_min=300, lag_s=20_000, line_kind="open"), quote(*P50, ago_min=90)]
    (found,) = movements(moneylines=rows)
    assert (found["open_raw_id"], found["open_source"]) == (2, "first_seen")


@pytest.mark.parametrize(
    ("opened", "now", "move", "flip"),
    [(-1.5, -1.5, 10.0, False), (-1.5, 1.5, None, True), (-1.5, -2.5, None, False), (1.5, -1.5, None, True)],
)
def test_a_run_line_moves_by_its_price_and_only_where_it_stands_still(opened, now, move, flip):
    (found,) = movements(spreads=[quote(*P50, ago_min=200, line=opened), quote(*P60, line=now)])
    assert found["move_pp"] == pytest.approx(move)
    assert found["rl_flip"] is flip
    assert found["line_move_runs"] == pytest.approx(now - opened)
    assert found["movement_significance"] == (None if move is None else "major")


@pytest.mark.parametrize(
    ("opened", "now", "move", "crosses", "size"),
    [
        ((8.0, P50), (8.0, P60), 10.0, False, "minor"),
        ((8.0, P50), (8.5, P50), 4.75, False, "moderate"),
        ((8.0, P60), (8.5, P50), -5.25, False, "moderate"),
        ((8.5, P50), (9.5, P50), 9.5, True, "significant"),
        ((9.0, P50), (9.5, P50), 4.75, True, "moderate"),
        ((7.0, P50), (7.0, P50), 0.0, False, "minor"),
        ((8.5, P50), (10.0, P60), 27.6303, True, "major"),
    ],
)
def test_totals_move_by_line_and_price(opened, now, move, crosses, size):
    rows = [quote(*opened[1], ago_min=200, line=opened[0]), quote(*now[1], line=now[0])]
    (found,) = movements(totals=rows)
    assert found["move_pp"] == pytest.approx(move, abs=1e-4)
    assert found["crosses_key_total"] is crosses
    assert found["movement_significance"] == size


@pytest.mark.parametrize(("push", "total"), [(0.0, 9.0), (0.1, 8.9)])
def test_a_fair_total_moves_by_what_the_over_is_worth(push, total):
    expr = expr_fair_total(pl.lit(8.0), pl.lit(0.595), push_prob=pl.lit(push), params=params().movement)
    assert pl.select(expr).item() == pytest.approx(total)


@pytest.mark.parametrize(
    ("bounds", "size", "name"),
    [
        (PP, 0.0, "minor"),
        (PP, 0.9, "moderate"),
        (PP, 3.3, "significant"),
        (PP, 6.0, "major"),
        (PP, None, None),
        (RUNS, 0.0, "minor"),
        (RUNS, 0.5, "moderate"),
        (RUNS, 1.0, "significant"),
        (RUNS, 1.5, "major"),
    ],
)
def test_size_classes(bounds, size, name):
    assert pl.select(expr_significance(pl.lit(size, pl.Float64), bounds=bounds)).item() == name
