import polars as pl
import pytest

from etl.transform.odds import expr_p_fair
from etl.transform.settle import expr_clv_ev, expr_outcome, expr_pnl, expr_settlement
from tests.staged_cases import reference

TYPES = {"market": pl.String, "side": pl.String, "line": pl.Float64, "american": pl.Int32, "home_score": pl.Int32}
TYPES |= {"away_score": pl.Int32, "status": pl.String, "innings_completed": pl.Float64, "scheduled_innings": pl.Float64}
WORDS = {"Over": "win", "Under": "loss", "Landed": "push"}


def settled(row, *, decided=False):
    frame = pl.DataFrame({name: [row[name] or None] for name in TYPES}).cast(TYPES)
    outcome = expr_settlement(
        market=pl.col("market").replace("total", "totals"),
        side=pl.col("side"),
        line=pl.col("line"),
        home=pl.col("home_score"),
        away=pl.col("away_score"),
        status=pl.col("status"),
        innings=pl.col("innings_completed"),
        scheduled=pl.col("scheduled_innings"),
        decided_totals_stand=decided,
    )
    return frame.select(outcome=outcome, pnl=expr_pnl(outcome, pl.col("american"))).row(0)


def total_bet(line, runs):
    bet = {"market": "total", "side": "over", "line": line, "american": "-110", "home_score": runs, "away_score": "0"}
    return bet | {"status": "final", "innings_completed": "9", "scheduled_innings": "9"}


@pytest.mark.parametrize("row", reference("settlement_cases"), ids=lambda row: row["case_id"])
def test_settlement_follows_the_reference(row):
    outcome, pnl = settled(row)
    assert outcome == row["expected"]
    assert pnl == (pytest.approx(float(row["pnl_units"]), abs=2e-9) if row["pnl_units"] else None)


@pytest.mark.parametrize(
    "row", reference("pinnacle2016_total_grading"), ids=lambda r: f"{r['closing_total']}-{r['outcome']}"
)
def test_real_gradings_are_reachable_at_their_total(row):
    found = {settled(total_bet(row["closing_total"], str(runs)))[0] for runs in range(31)}
    assert WORDS[row["outcome"]] in found
    assert ("push" in found) is row["closing_total"].endswith(".0")


@pytest.mark.parametrize(
    ("runs", "decided", "outcome"), [("9", True, "win"), ("9", False, "void"), ("7", True, "void")]
)
def test_a_decided_over_in_a_short_game_stands_by_the_house_rule_only(runs, decided, outcome):
    short = total_bet("7.5", runs) | {"innings_completed": "6"}
    assert settled(short, decided=decided)[0] == outcome


@pytest.mark.parametrize("outcome", ["push", "void"])
def test_nothing_is_won_or_lost_on_a_push_or_a_void(outcome):
    assert pl.select(expr_pnl(pl.lit(outcome), pl.lit(-110))).item() == 0


@pytest.mark.parametrize(
    ("margin", "outcome"),
    [
        (0.5, "win"),
        (0.25, "half_win"),
        (0.0, "push"),
        (-0.25, "half_loss"),
        (-0.5, "loss"),
        (-0.75, "loss"),
        (None, None),
    ],
)
def test_outcome_of_a_margin(margin, outcome):
    assert pl.select(expr_outcome(pl.lit(margin, pl.Float64))).item() == outcome


@pytest.mark.parametrize("row", reference("clv_cases"), ids=lambda row: row["note"])
@pytest.mark.parametrize("method", ["oddsratio", "multiplicative"])
def test_closing_line_value_follows_the_reference(row, method):
    prices = {name: pl.lit(int(row[name]), pl.Int32) for name in ("bet_american", "close_side", "close_other")}
    devig = {"oddsratio": "odds_ratio"}.get(method, method)
    p_close = expr_p_fair(prices["close_side"], prices["close_other"], method=devig)
    found = pl.select(expr_clv_ev(prices["bet_american"], p_close)).item()
    assert found == pytest.approx(float(row[f"clv_ev_{method}"]), abs=2e-9)
