"""Splits: shares brought to 0-100, checked, one row a key."""

import json

import pytest

from etl.transform.splits import expected_splits, stage_splits
from etl.transform.staging import resolve_lines
from tests.staging_cases import NOON, PARAMS, START, minutes, raw, reference, references

PAIR = {"home_bets_percentage": 60.0, "away_bets_percentage": 40.0}
OTHER = {"home_bets_percentage": 70.0, "away_bets_percentage": 30.0}
DK = {"sportsbook": "draftkings"}


def splits(*rows, refs=None, **markets):
    refs = refs or references()
    given = resolve_lines(raw(moneylines=rows, **markets), refs)
    out = stage_splits(given, refs, params=PARAMS).collect().sort("game_id", "market", "book_key", "raw_id").to_dicts()
    accepted = [row for row in out if not row["broken_rules"]]
    assert expected_splits(given, params=PARAMS).collect().item() == len(accepted)
    return out


def values(*rows):
    return [(r["book_key"], r["tickets_pct_a"], r["raw_id"], r["lines"]) for r in splits(*rows)]


def test_a_split():
    (row,) = splits(PAIR | {"home_bets_count": 6, "away_bets_count": 4})
    assert row == {
        "game_id": 1, "market": "moneyline", "source": "sbd", "book_id": 6, "book_key": 6, "observed_at": NOON,
        "recorded_at": NOON, "is_in_play": False, "tickets_pct_a": 60.0, "tickets_pct_b": 40.0, "money_pct_a": None,
        "money_pct_b": None, "tickets_a": 6, "tickets_b": 4, "is_one_sided": False, "was_fraction": False, "raw_id": 1,
        "lines": 1, "broken_rules": [],
    }  # fmt: skip


def test_over_is_side_a():
    (row,) = splits(totals=[{"over_money_percentage": 80.0, "under_money_percentage": 20.0}])
    assert (row["market"], row["money_pct_a"], row["money_pct_b"]) == ("totals", 80.0, 20.0)


@pytest.mark.parametrize("case", [c for c in reference("dq_cases") if c["table"] == "splits"], ids=lambda c: c["why"])
def test_reference_cases(case):
    given = json.loads(case["record"])
    (row,) = splits({"home_bets_percentage": given["bets_home"], "away_bets_percentage": given["bets_away"]})
    assert (row["tickets_pct_a"], row["tickets_pct_b"], row["was_fraction"]) == (66.0, 34.0, True)
    assert row["broken_rules"] == []


@pytest.mark.parametrize("case", reference("split_cases"), ids=lambda case: case["case_id"])
def test_real_shares_are_kept(case):
    tickets, money = float(case["tickets_pct_a"]), float(case["money_pct_a"])
    (row,) = splits(
        {
            "home_bets_percentage": tickets,
            "away_bets_percentage": round(100 - tickets, 2),
            "home_money_percentage": money,
            "away_money_percentage": round(100 - money, 2),
        }
    )
    assert (row["tickets_pct_a"], row["money_pct_a"], row["broken_rules"]) == (tickets, money, [])


@pytest.mark.parametrize(
    ("home", "away", "expected"),
    [
        (60.0, 41.0, []),
        (60.0, 39.0, []),
        (60.0, 41.01, ["split_invalid"]),
        (60.0, 38.99, ["split_invalid"]),
        (0.5, 0.49, []),
        (0.5, 0.48, ["split_invalid"]),
        (110.0, -10.0, ["split_invalid"]),
        (60.0, None, ["split_invalid"]),
        (0.0, 0.0, ["split_invalid"]),
        (100.0, 0.0, []),
    ],
)
def test_sums(home, away, expected):
    (row,) = splits({"home_bets_percentage": home, "away_bets_percentage": away})
    assert row["broken_rules"] == expected


@pytest.mark.parametrize(("home", "away", "expected"), [(100.0, 0.0, True), (1.0, 0.0, True), (99.99, 0.01, False)])
def test_one_sided(home, away, expected):
    (row,) = splits({"home_bets_percentage": home, "away_bets_percentage": away})
    assert row["is_one_sided"] is expected


def test_a_split_without_a_clock_is_rejected():
    assert splits(PAIR | {"odds_timestamp": None})[0]["broken_rules"] == ["split_clock_missing"]


def test_negative_counts_are_rejected():
    assert splits({"home_bets_count": -1})[0]["broken_rules"] == ["split_invalid"]


def test_a_rejected_line_keeps_its_split():
    (row,) = splits(PAIR | {"home_ml": None, "away_ml": None})
    assert row["broken_rules"] == []


def test_lines_without_a_game_or_a_split_give_none():
    assert splits(PAIR | {"game_id": 99}, {}) == []


def test_in_play():
    assert splits(PAIR | {"odds_timestamp": START})[0]["is_in_play"] is True


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([PAIR, PAIR | DK], [(0, 60.0, 1, 2)], id="one split of two books"),
        pytest.param([PAIR, OTHER | DK], [(4, 70.0, 2, 1), (6, 60.0, 1, 1)], id="two splits of two books"),
        pytest.param(
            [PAIR, PAIR | DK, OTHER | {"sportsbook": "betmgm"}], [(0, 60.0, 1, 2), (8, 70.0, 3, 1)], id="both"
        ),
        pytest.param([PAIR | {"home_ml": -105}, PAIR], [(6, 60.0, 1, 2)], id="repeated with other prices"),
        pytest.param([PAIR | {"updated_at": START}, OTHER], [(6, 60.0, 1, 1)], id="the latest recorded wins"),
        pytest.param([PAIR, OTHER], [(6, 70.0, 2, 1)], id="then the highest raw_id"),
        pytest.param(
            [PAIR, OTHER, PAIR | {"home_ml": -105}], [(6, 60.0, 1, 2)], id="the winner may be an old split again"
        ),
        pytest.param([PAIR, PAIR], [(6, 60.0, 1, 1)], id="exact copies count once"),
        pytest.param(
            [PAIR, PAIR | DK, OTHER | {"sportsbook": "betmgm"}, OTHER | {"sportsbook": "caesars"}],
            [(0, 70.0, 3, 2)],
            id="two shared splits at one moment",
        ),
    ],
)
def test_one_row_a_key(rows, expected):
    assert values(*rows) == expected


def test_other_moments_and_sources_are_other_keys():
    assert len(splits(PAIR, PAIR | {"odds_timestamp": NOON + minutes(1)}, PAIR | {"source": None})) == 3
