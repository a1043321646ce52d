"""Steps between consecutive quotes."""

from datetime import timedelta

import pytest

from etl.transform.staging import resolve_lines, stage_lines
from etl.transform.steps import expected_movements, stage_movements
from tests.staging_cases import NOON, PARAMS, START, minutes, raw, references


def steps(refs=None, **markets):
    refs = refs or references()
    lines = stage_lines(resolve_lines(raw(**markets), refs), refs, params=PARAMS)
    out = stage_movements(lines, devig_method="multiplicative").collect().sort("market", "raw_id").to_dicts()
    assert expected_movements(lines).collect().item() == len(out)
    return out


def at(count, **row):
    clock = NOON + minutes(count)
    return {"odds_timestamp": clock, "created_at": clock, "updated_at": clock, **row}


def test_a_moneyline_that_moved():
    (step,) = steps(moneylines=[at(0), at(30, home_ml=-150, away_ml=130)])
    assert step == {
        "market": "moneyline", "raw_id": 2, "from_raw_id": 1, "game_id": 1, "book_id": 6, "from_observed_at": NOON,
        "observed_at": NOON + minutes(30), "minutes": 30.0, "is_in_play": False, "from_line": None, "line": None,
        "line_move_runs": None, "from_p_fair_a": 0.5, "p_fair_a": pytest.approx(0.6 / (0.6 + 100 / 230)),
        "move_pp": pytest.approx(100 * (0.6 / (0.6 + 100 / 230) - 0.5)),
    }  # fmt: skip


def test_a_total_that_moved_has_no_move_of_the_price():
    (step,) = steps(totals=[at(0), at(5, total_line=9.0)])
    assert (step["from_line"], step["line"], step["line_move_runs"], step["move_pp"]) == (8.5, 9.0, 0.5, None)


def test_quotes_of_one_instant_follow_each_other_by_recording_then_id():
    late = at(0, home_ml=-120, away_ml=100) | {"updated_at": START}
    found = steps(moneylines=[late, at(0), at(0, home_ml=-115, away_ml=-105)])
    assert [(s["from_raw_id"], s["raw_id"], s["minutes"]) for s in found] == [(3, 1, 0.0), (2, 3, 0.0)]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(at(5, home_ml=None), id="one-sided"),
        pytest.param(at(5, home_ml=50), id="rejected"),
        pytest.param(at(5) | {"odds_timestamp": None}, id="without a clock"),
        pytest.param(at(5, sportsbook="draftkings"), id="of another book"),
        pytest.param(at(0), id="an exact copy"),
    ],
)
def test_what_makes_no_step(second):
    assert steps(moneylines=[at(0), second]) == []


@pytest.mark.parametrize(("book", "count"), [("sbro_archive", 1), ("jsonodds_site_3", 0), ("consensus", 0)])
def test_kinds_of_books(book, count):
    found = steps(moneylines=[at(0, sportsbook=book), at(5, sportsbook=book, home_ml=-115, away_ml=-105)])
    assert len(found) == count


def test_series_are_apart():
    refs = references({"game_id": 1}, {"game_id": 2})
    found = steps(refs, moneylines=[at(0), at(1, game_id=2), at(2)], spreads=[at(1)])
    assert [(s["game_id"], s["from_raw_id"], s["raw_id"]) for s in found] == [(1, 1, 3)]


def test_a_later_quote_in_play():
    (step,) = steps(moneylines=[at(0), at(600, home_ml=-150, away_ml=130)])
    assert (step["is_in_play"], step["minutes"]) == (True, timedelta(hours=10) / minutes(1))
