"""Which games a change of bounds touches."""

from dataclasses import fields, replace

import polars as pl
import pytest

from etl.transform.staging import MARKETS
from etl.transform.verdicts import ROW_BOUNDS, judged_otherwise
from tests.runs import load_params

BOUNDS = load_params().staging.bounds
TOTALS = {
    "game_id": [1, 1, 2, 3, None],
    "total_line": [8.5, 21.0, 21.5, None, 21.0],
    "over_price": [-110, -110, -110, -110, -110],
    "under_price": [-110, -110, None, -110, -110],
}
MONEYLINES = {
    "game_id": [1, 2, 3, 4],
    "home_ml": [-110, -150, 150, 3000],
    "away_ml": [-110, -150, None, -3000],
}
SPREADS = {
    "game_id": [1, 2, 3],
    "spread_line": [1.5, -6.5, 2.5],
    "home_spread_price": [-110, -110, -110],
    "away_spread_price": [-110, -110, -110],
}
LINES = {"totals": TOTALS, "moneylines": MONEYLINES, "spreads": SPREADS}


@pytest.mark.parametrize(
    ("market", "changed", "games"),
    [
        ("totals", {}, []),
        ("totals", {"total_max_runs": 21.0}, [1]),
        ("totals", {"total_max_runs": 30.0}, [1, 2]),
        ("totals", {"total_max_runs": 8.0}, [1]),
        ("totals", {"line_grid_runs": 1.0}, [1]),
        ("totals", {"run_line_max_runs": 1.0}, []),
        ("spreads", {"run_line_max_runs": 6.5}, [2]),
        ("spreads", {"usual_run_line_runs": 2.5}, [1, 3]),
        ("moneylines", {"total_max_runs": 1.0}, []),
        ("moneylines", {"booksum_max": 1.3}, [2]),
        ("moneylines", {"booksum_usual_max": 1.02}, [1]),
        ("moneylines", {"price_usual_max": 5000}, [4]),
    ],
)
def test_a_game_is_touched_if_one_of_its_lines_is_judged_otherwise(market, changed, games):
    raw = pl.LazyFrame(LINES[market], schema_overrides={"game_id": pl.Int32})
    after = replace(BOUNDS, **changed)
    found = judged_otherwise(raw, market=MARKETS[market], before=BOUNDS, after=after)
    assert sorted(found.collect()["game_id"].to_list()) == games


def test_every_other_bound_is_known_to_reach_beyond_one_row():
    others = {field.name for field in fields(BOUNDS)} - set(ROW_BOUNDS)
    assert others == {"consensus_max_pp", "consensus_min_books", "devig_method"}
