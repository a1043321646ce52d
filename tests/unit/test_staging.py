"""Staged lines: values, exact copies, conservation, sides."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from etl.transform.staging import MARKETS, resolve_lines, stage_betting_lines, stage_lines
from schemas import TABLES
from tests.staging_cases import NOON, PARAMS, START, lines, raw, references, staged

COPY_FREE = {"created_at": START, "updated_at": START, "collection_batch_id": "7d9d2a3e-0000-4000-8000-000000000001"}


def test_a_staged_total():
    (row,) = staged(
        "totals", {"over_price": -100, "under_price": -120, "source": " SBD ", "data_completeness_score": 9.0}
    )
    assert row == {
        "raw_id": 1, "game_id": 1, "book_id": 6, "brand": "fanduel", "book_kind": "book", "source": "sbd",
        "line_kind": None, "clock": "source", "observed_at": NOON, "recorded_at": NOON, "is_in_play": False,
        "quality_score": Decimal("1.00"), "completeness": 1.0, "validity": 1.0, "consistency": 1.0, "timeliness": 1.0,
        "uniqueness": 1.0, "validation_status": "validated", "quality_flags": [],
        "legacy_quality_score": Decimal("0.90"),
        "total_line": 8.5, "over_price": 100, "under_price": -120, "is_collapsed": False, "broken_rules": [],
    }  # fmt: skip


@pytest.mark.parametrize("key", list(MARKETS))
def test_types_are_the_contracts(key):
    contract = TABLES[f"staging.{key}"].schema
    made = stage_lines(resolve_lines(raw(), references()), references(), params=PARAMS)[key].collect_schema()
    own = {name: dtype for name, dtype in made.items() if name not in ("is_collapsed", "broken_rules")}
    assert own == {name: dtype for name, dtype in contract.items() if name not in ("load_id", "batch_id")}


def test_lines_of_merged_games_are_of_one_game():
    refs = references({"game_id": 1}, mapped={1: 1, 7: 1})
    assert [row["game_id"] for row in staged("moneylines", {}, {"game_id": 7}, refs=refs)] == [1, 1]


def copies(*rows, key="moneylines", refs=None):
    return [row["is_collapsed"] for row in staged(key, *rows, refs=refs)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([{}, {}, {}], [False, True, True], id="the smallest id stays"),
        pytest.param([COPY_FREE, {}], [True, False], id="the earliest recorded stays"),
        pytest.param([{}, {"home_ml": -115}], [False, False], id="another price"),
        pytest.param([{}, {"home_ml": -100}, {"home_ml": 100}], [False, False, False], id="-100 and +100 were typed"),
        pytest.param([{}, {"source_metadata": "{}"}], [False, False], id="another note"),
        pytest.param([{}, {"unmapped": "{}"}], [False, False], id="another value without a column"),
        pytest.param([{"game_id": None}, {"game_id": None}], [False, False], id="no game"),
        pytest.param([{"odds_timestamp": None}, {"odds_timestamp": None}], [False, True], id="no clock"),
        pytest.param([{"home_ml": 50}, {"home_ml": 50}], [False, True], id="copies of a bad row"),
    ],
)
def test_exact_copies(rows, expected):
    assert copies(*rows) == expected


def test_a_copy_breaks_no_rule():
    assert [row["broken_rules"] for row in staged("moneylines", {"home_ml": 50}, {"home_ml": 50})] == [
        ["price_invalid"],
        [],
    ]


def test_the_same_quote_under_two_legacy_games_is_no_copy():
    refs = references({"game_id": 1}, mapped={1: 1, 7: 1})
    assert copies({}, {"game_id": 7}, refs=refs) == [False, False]


def test_same_key_with_other_prices_is_kept_and_flagged():
    rows = staged("moneylines", {}, {"home_ml": -115, "away_ml": -105}, {"sportsbook": "draftkings"})
    assert [row["quality_flags"] for row in rows] == [["duplicate_key"], ["duplicate_key"], []]


def test_one_brand_is_one_key():
    rows = staged("moneylines", {}, {"sportsbook": "fanduel_nj", "home_ml": -115, "away_ml": -105})
    assert [row["uniqueness"] for row in rows] == [0.5, 0.5]


def test_every_raw_row_comes_out_once():
    rows = ({}, {}, {"game_id": None}, {"home_ml": 5}, {"sportsbook": None}, {"game_id": 99}, {"odds_timestamp": None})
    assert [row["raw_id"] for row in staged("moneylines", *rows)] == [1, 2, 3, 4, 5, 6, 7]


def test_notes_of_the_collector():
    (row,) = staged("moneylines", {"source_metadata": '{"clock":"assumed","line_kind":"close"}'})
    assert (row["clock"], row["line_kind"]) == ("assumed", "close")


def test_an_unlisted_book_is_staged():
    (row,) = staged("moneylines", {"sportsbook": "Joe's Book"})
    assert (row["book_id"], row["brand"], row["book_kind"]) == (100077, "joe's book", "unlisted")


def test_two_sides_a_line():
    given = {
        "moneylines": lines("moneylines", {"away_ml": None}, {"home_ml": 5}),
        "spreads": lines("spreads", {}, {}),
        "totals": lines("totals", {"under_price": 200, "over_price": -250}),
    }
    made = stage_lines(resolve_lines(given, references()), references(), params=PARAMS)
    out = stage_betting_lines(made).collect().sort("market", "side")
    assert out.select("market", "raw_id", "side", "line", "price", "decimal_odds").rows() == [
        ("moneyline", 1, "away", None, None, None),
        ("moneyline", 1, "home", None, -110, pytest.approx(1 + 100 / 110)),
        ("spread", 1, "away", 1.5, -110, pytest.approx(1 + 100 / 110)),
        ("spread", 1, "home", -1.5, -110, pytest.approx(1 + 100 / 110)),
        ("totals", 1, "over", 8.5, -250, pytest.approx(1.4)),
        ("totals", 1, "under", 8.5, 200, pytest.approx(3.0)),
    ]


def test_clocks_are_utc():
    (row,) = staged("moneylines", {"odds_timestamp": datetime(2025, 7, 1, 12, tzinfo=UTC)})
    assert row["observed_at"] == datetime(2025, 7, 1, 12, tzinfo=UTC)
