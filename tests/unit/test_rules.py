"""Rules of lines, one by one, on staged rows."""

import json
from datetime import timedelta

import pytest

from etl.transform.rules import CHECKS, Dimension, Rule, Severity, Subject
from tests.staging_cases import NOON, START, minutes, reference, references, staged


def broken(key, row, refs=None):
    return staged(key, row, refs=refs)[0]["broken_rules"]


def flags(key, row, **others):
    return staged(key, row, **others)[0]["quality_flags"]


@pytest.mark.parametrize(
    ("key", "row", "expected"),
    [
        ("moneylines", {}, []),
        ("moneylines", {"game_id": 99}, ["game_unresolved"]),
        ("moneylines", {"game_id": None}, ["game_unresolved"]),
        ("moneylines", {"sportsbook": "?"}, ["book_unresolved"]),
        ("moneylines", {"home_ml": 50}, ["price_invalid"]),
        ("moneylines", {"home_ml": -10_001}, ["price_invalid"]),
        ("moneylines", {"home_ml": -100}, []),
        ("moneylines", {"home_ml": 200, "away_ml": 200}, ["booksum_impossible"]),
        ("moneylines", {"home_ml": -200, "away_ml": -200}, ["booksum_impossible"]),
        ("spreads", {"spread_line": None}, ["line_invalid"]),
        ("spreads", {"spread_line": -1.4}, ["line_invalid"]),
        ("spreads", {"spread_line": 5.5}, []),
        ("spreads", {"spread_line": 6.0}, ["line_invalid"]),
        ("totals", {"total_line": 104.0}, ["line_invalid"]),
        ("totals", {"total_line": 3.5}, ["line_invalid"]),
        ("totals", {"total_line": 20.0}, []),
        ("totals", {"over_price": None}, []),
        ("totals", {"over_price": None, "under_price": None}, []),
    ],
)
def test_critical(key, row, expected):
    assert broken(key, row) == expected


def test_a_moneyline_without_a_price_is_rejected():
    assert broken("moneylines", {"home_ml": None, "away_ml": None}) == ["no_price", "score_too_low"]


@pytest.mark.parametrize("game", [{"home_team_id": None}, {"away_team_id": None}, {"away_team_id": 111}])
def test_a_game_needs_two_clubs(game):
    assert broken("moneylines", {}, references(game)) == ["clubs_unknown"]


@pytest.mark.parametrize(
    ("key", "row", "expected"),
    [
        ("moneylines", {}, []),
        ("moneylines", {"home_ml": None}, ["one_side_missing"]),
        ("moneylines", {"home_ml": -130, "away_ml": -120}, ["booksum_unusual"]),
        ("moneylines", {"home_ml": -2001, "away_ml": 1300}, ["price_unusual"]),
        ("moneylines", {"odds_timestamp": START, "updated_at": START}, ["in_play"]),
        ("moneylines", {"odds_timestamp": START - minutes(1), "updated_at": START}, []),
        ("moneylines", {"odds_timestamp": NOON + minutes(1)}, ["clock_reversed"]),
        ("moneylines", {"home_team": "Boston Beans"}, ["unknown_team_text"]),
        ("moneylines", {"home_team": None}, []),
        ("spreads", {"spread_line": -2.5}, ["unusual_run_line"]),
        ("spreads", {"spread_line": 1.5}, []),
    ],
)
def test_warnings(key, row, expected):
    assert flags(key, row) == expected


@pytest.mark.parametrize(
    ("moneyline", "expected"),
    [
        ({"home_ml": 130, "away_ml": -150}, ["favourite_disagrees"]),
        ({"home_ml": -150, "away_ml": 130}, []),
        ({"home_ml": -110, "away_ml": -110}, []),
        ({"home_ml": 130, "away_ml": -150, "sportsbook": "draftkings"}, []),
        ({"home_ml": 130, "away_ml": -150, "odds_timestamp": NOON + minutes(1)}, []),
        ({"home_ml": 130, "away_ml": None}, []),
    ],
)
def test_favourites_of_one_book(moneyline, expected):
    assert flags("spreads", {"spread_line": -1.5}, moneylines=[moneyline]) == expected


def test_the_latest_moneyline_is_compared():
    older = {"home_ml": 130, "away_ml": -150, "odds_timestamp": NOON - minutes(9)}
    assert flags("spreads", {"spread_line": -1.5}, moneylines=[older, {"home_ml": -150, "away_ml": 130}]) == []


PEERS = ("draftkings", "betmgm", "caesars")
SHARP = {"home_ml": -300, "away_ml": 250}


def consensus(*peers, own=SHARP):
    return staged("moneylines", own, *peers)[0]["quality_flags"]


def test_far_from_consensus():
    assert consensus(*({"sportsbook": book} for book in PEERS)) == ["far_from_consensus"]


@pytest.mark.parametrize(
    "peers",
    [
        pytest.param([{"sportsbook": book} for book in PEERS[:2]], id="two books"),
        pytest.param([{"sportsbook": b} for b in (*PEERS[:2], "draftkings_nj")], id="two brands"),
        pytest.param([{"sportsbook": b} for b in (*PEERS[:2], "sbro_archive")], id="an archive is no book"),
        pytest.param([{"sportsbook": b, "home_ml": -290, "away_ml": 245} for b in PEERS], id="near"),
        pytest.param([{"sportsbook": b, "odds_timestamp": NOON + minutes(1)} for b in PEERS], id="later"),
        pytest.param([{"sportsbook": b, "odds_timestamp": None} for b in PEERS], id="without a clock"),
        pytest.param([{"sportsbook": b, "away_ml": None} for b in PEERS], id="one-sided"),
        pytest.param(
            [
                *({"sportsbook": b, "odds_timestamp": NOON - minutes(5)} for b in PEERS),
                *(
                    {"sportsbook": b, "home_ml": -290, "away_ml": 245, "odds_timestamp": NOON - minutes(1)}
                    for b in PEERS
                ),
            ],
            id="they have moved since",
        ),
    ],
)
def test_no_objection_from_the_consensus(peers):
    assert "far_from_consensus" not in consensus(*peers)


@pytest.mark.parametrize(
    ("homes", "is_far"),
    [
        # No-vig probabilities of the own quote, +100/-100 style: .5; of the peers about .5, .56, .66 and .72.
        pytest.param([-110, -110, -210, -280], False, id="mean of the middle two is .0999 away at most"),
        pytest.param([-110, -210, -210, -280], True, id="both middle ones are far"),
        pytest.param([-110, -110, -110, -280], False, id="both middle ones are near"),
    ],
)
def test_an_even_number_of_books(homes, is_far):
    aways = {-110: -110, -210: 175, -280: 230}
    books = ("draftkings", "betmgm", "caesars", "bet365")
    peers = [{"sportsbook": b, "home_ml": h, "away_ml": aways[h]} for b, h in zip(books, homes, strict=True)]
    assert ("far_from_consensus" in consensus(*peers, own={})) is is_far


def test_totals_at_another_line_are_not_compared():
    peers = [{"sportsbook": book, "total_line": 9.0} for book in PEERS]
    own = {"over_price": -300, "under_price": 250}
    assert staged("totals", own, *peers)[0]["quality_flags"] == []
    assert staged("totals", own | {"total_line": 9.0}, *peers)[0]["quality_flags"] == ["far_from_consensus"]


def test_every_rule_of_lines_has_one_check():
    checked = [check.rule for check in CHECKS]
    of_lines = {rule for rule in Rule if rule.subject is Subject.LINE} - {Rule.SCORE_TOO_LOW}
    assert set(checked) == of_lines
    assert len(checked) == len(of_lines)


def test_dimensions_are_the_published_ones():
    counted = {d: {r.code for r in Rule if r.dimension is d} for d in (Dimension.VALIDITY, Dimension.CONSISTENCY)}
    assert counted == {
        Dimension.VALIDITY: {"V03", "V04", "V06", "V09", "W02", "W10"},
        Dimension.CONSISTENCY: {"V05", "V07", "W03", "W05", "W09"},
    }
    assert {r.code[0] for r in Rule if r.severity is Severity.CRITICAL} == {"V"}


TABLES = {"moneyline": "moneylines", "spread": "spreads", "total": "totals"}
COLUMNS = {
    "moneyline": {"home": "home_ml", "away": "away_ml"},
    "spread": {"home": "home_spread_price", "away": "away_spread_price", "line": "spread_line"},
    "total": {"over": "over_price", "under": "under_price", "line": "total_line"},
}
BOOKS = {"fanduel": "fanduel", "x": "draftkings", None: None}


@pytest.mark.parametrize(
    "case", [c for c in reference("dq_cases") if c["table"] != "splits"], ids=lambda case: case["case"] + case["why"]
)
def test_reference_cases(case):
    given = json.loads(case["record"])
    names = COLUMNS[case["table"]]
    row = {names[name]: value for name, value in given.items() if name in names}
    row |= {"sportsbook": BOOKS[given["book"]], "game_id": given["game"]}
    (line,) = staged(TABLES[case["table"]], row)
    verdict = "rejected" if line["broken_rules"] else line["validation_status"]
    assert verdict == case["expected_status"]


def test_a_backfilled_row_is_accepted():
    (line,) = staged("moneylines", {"updated_at": NOON + timedelta(days=30)})
    assert (line["broken_rules"], line["timeliness"], line["validation_status"]) == ([], 0.0, "validated")
