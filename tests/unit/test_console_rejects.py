"""What the commands on rejects print."""

import io

import pytest

from etl.console.rejects import print_counts, print_rejects, print_replay

REJECT = {
    "reject_key": "ab12",
    "zone": "staging",
    "table_name": "totals",
    "source_table": "raw_data.totals_raw",
    "source_id": None,
    "rule": "line_invalid",
    "rules": [{"rule": "line_invalid", "sentence": "V04: on its grid"}, {"rule": "gone", "sentence": ""}],
    "reason": "V04: on its grid",
    "first_run_id": 1,
    "forgotten_runs": 3,
    "runs": [{"run": run, "batch": 1, "copies": 2} for run in range(4, 14)],
    "row": {"home_team": "Añejo"},
}
NONE = {"accepted": 0, "refused": 0, "collapsed": 0, "gone": 0, "not_tried": 0, "rules_now": {}}


@pytest.fixture
def stream():
    return io.StringIO()


def test_a_reject_is_told_whole(stream):
    print_rejects([REJECT], stream)
    assert stream.getvalue() == (
        "reject   ab12\n"
        "refused  by staging.totals\n"
        "origin   raw_data.totals_raw, id -\n"
        "rule     line_invalid: V04: on its grid\n"
        "rule     gone\n"
        "runs     6, 7, 8, 9, 10, 11, 12, 13; first 1; 5 more; 2 rows like it in a batch\n"
        "row\n"
        '  {\n    "home_team": "Añejo"\n  }\n'
    )


def test_counts_end_with_a_way_to_see_one(stream):
    counted = {"zone": "raw_data", "table": "no_market", "rule": "market_known", "rows": 12_000, "runs": 2}
    counted |= {"first_run": 1, "example": "7", "sentence": "market_type is none of three"}
    print_counts([counted], stream)
    *_, sentence, empty, last = stream.getvalue().splitlines()
    assert (sentence, empty) == ("market_known: market_type is none of three", "")
    assert last == "12,000 rows; one of them whole: etl rejects show no_market:7"


def test_a_replay_tells_what_became_of_each_kind(stream):
    totals = {"zone": "staging", "table": "totals", "rule": "line_invalid"} | NONE
    totals |= {"accepted": 2, "refused": 3, "rules_now": {"line_invalid": 1, "price_invalid": 2}}
    strays = {"zone": "raw_data", "table": "no_market", "rule": "market_known"} | NONE | {"not_tried": 1}
    new = {"zone": "staging", "table": "spreads", "rule": "no_price", "rows": 1_500}
    print_replay({"replay": {"rejects": [strays, totals], "newly_refused": [new], "settled": 4}}, stream)
    assert stream.getvalue().splitlines() == [
        "table               rule          accepted  refused  not_tried",
        "raw_data.no_market  market_known         0        0          1",
        "staging.totals      line_invalid         2        3          0",
        "",
        "staging.totals line_invalid: 2 rows are refused by price_invalid now",
        "refused for the first time: 1,500 rows of staging.spreads, no_price",
        "4 of the rejects are no longer met by what is published",
    ]


def test_a_replay_that_ended_before_it_could_account_prints_nothing(stream):
    print_replay({}, stream)
    assert stream.getvalue() == ""
