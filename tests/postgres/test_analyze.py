"""Phase 1 on a dozen hand-made rows, in both layouts: what is odd about them is counted and spoken of."""

from dataclasses import fields

import pytest

from etl.analyze import Limits, analyze
from etl.extract.legacy import open_legacy
from etl.extract.snapshot import open_snapshot
from etl.report import to_json
from etl.runner.params import load_layout
from tests.legacy_rows import LAYOUTS, PLACES, databases, ddl, statements


@pytest.fixture(scope="module")
def make_database(postgres):
    with databases(postgres, "analyze") as make:
        yield make


@pytest.fixture(scope="module")
def legacies(make_database):
    return {layout: make_database(*statements(layout)) for layout in LAYOUTS}


@pytest.fixture(scope="module")
def bare(make_database):
    return make_database(*ddl("unified"))


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request):
    return request.param


def analysis_of(url, layout, **given):
    with open_snapshot(url) as snapshot:
        source = open_legacy(snapshot, load_layout(layout), refuse_unmapped=False)
        return analyze(source, **({"rows_per_s": 10, "batch_rows": 4} | given))


@pytest.fixture(scope="module")
def found(legacies, layout):
    return analysis_of(legacies[layout], layout)


def counts(facts):
    return {field.name: getattr(facts, field.name) for field in fields(facts)}


def test_volumes_name_raw_table_legacy_table_and_rows(found, layout):
    places = PLACES[layout]
    assert [(v.table, v.source_table, v.rows) for v in found.volumes] == [
        ("sportsbooks_raw", places["books"], 2),
        ("teams_raw", places["teams"], 1),
        ("games_raw", places["games"], 3),
        ("game_outcomes_raw", places["outcomes"], 1),
        ("moneylines_raw", places["moneyline"], 3),
        ("spreads_raw", places["spread"], 1),
        ("totals_raw", places["totals"], 2),
    ]


@pytest.mark.parametrize(("one", "rows"), [("unified", 14), ("core_betting", 13)])
def test_rows_count_lines_of_no_market_too(legacies, one, rows):
    assert analysis_of(legacies[one], one).rows == rows


def test_blank_and_missing_sources_are_one_source(found):
    assert [(p.name, p.rows, p.pct, p.by_market) for p in found.sources] == [
        ("SBD", 4, 66.67, {"moneyline": 1, "spread": 1, "totals": 2}),
        ("(none)", 2, 33.33, {"moneyline": 2}),
    ]


def test_a_book_without_text_goes_by_the_name_of_its_id(found):
    assert [(p.name, p.rows) for p in found.sportsbooks] == [
        ("betmgm", 3),
        ("(none)", 1),
        ("draftkings", 1),
        ("id 7", 1),
    ]


def test_dates_leave_out_what_cannot_be_carried(found):
    assert {(d.table, d.column): (d.first, d.last) for d in found.dates if d.column != "updated_at"} == {
        ("moneylines_raw", "odds_timestamp"): ("2024-06-01T12:00:00Z", "2024-06-01T14:00:00Z"),
        ("spreads_raw", "odds_timestamp"): (None, None),
        ("totals_raw", "odds_timestamp"): ("2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z"),
        ("games_raw", "game_date"): ("2024-06-01", "2025-06-02"),
        ("games_raw", "game_datetime"): ("2024-06-01T23:05:00Z", "2025-06-03T02:10:00Z"),
        ("game_outcomes_raw", "game_date"): ("2024-06-01T23:05:00Z", "2024-06-01T23:05:00Z"),
    }


def test_quality_is_told_by_grade_and_by_bucket_of_the_score(found):
    assert found.quality.data_quality == {"(none)": 4, "HIGH": 2}
    assert found.quality.completeness_score == {"(none)": 3, "0.50-0.69": 1, "0.90 and above": 2}


@pytest.mark.parametrize(
    ("table", "column", "missing", "pct"),
    [
        ("moneylines_raw", "game_id", 1, 33.33),
        ("moneylines_raw", "sportsbook", 2, 66.67),
        ("moneylines_raw", "source", 2, 66.67),
        ("moneylines_raw", "away_ml", 2, 66.67),
        ("spreads_raw", "odds_timestamp", 1, 100.0),
        ("totals_raw", "total_line", 0, 0.0),
        ("games_raw", "mlb_stats_api_game_id", 1, 33.33),
        ("games_raw", "season", 2, 66.67),
        ("teams_raw", "abbr", 1, 100.0),
    ],
)
def test_null_and_blank_count_as_missing(found, table, column, missing, pct):
    (told,) = [c for c in found.completeness if (c.table, c.column) == (table, column)]
    assert (told.missing, told.missing_pct) == (missing, pct)


def test_what_is_odd_about_lines_is_counted(found, layout):
    assert counts(found.lines) == {
        "rows": 6,
        "strays": {"unified": 1, "core_betting": 0}[layout],
        "without_game": 1,
        "of_unknown_game": 1,
        "without_clock": 2,
        "without_book": 1,
        "one_sided": 1,
        "without_price": 1,
        "with_splits": 1,
        "unfit": 1,
    }


def test_what_is_odd_about_games_is_counted(found):
    assert counts(found.games) == {
        "rows": 3,
        "without_lines": 1,
        "same_day": 2,
        "same_pk": 2,
        "completed_without_score": 1,
        "completed_without_outcome": 1,
        "lines_min": 1,
        "lines_median": 2.0,
        "lines_mean": 2.0,
        "lines_max": 3,
    }


def test_games_are_told_by_season_and_status(found):
    assert found.seasons == {"2024": 2, "2025": 1}
    assert found.statuses == {"completed": 2, "scheduled": 1}


def test_the_estimate_follows_from_rows_and_batches(legacies):
    expected = analysis_of(legacies["core_betting"], "core_betting").estimate
    assert (expected.rows, expected.seconds, expected.batches) == (13, 1.3, 2)


@pytest.mark.parametrize(
    ("limits", "score", "grade"),
    [
        (Limits(), 75, "complex"),
        (Limits(large_pct=101), 40, "moderate"),
        (Limits(notable_pct=101), 0, "simple"),
        (Limits(notable_pct=101, many_lines=6), 15, "simple"),
        (Limits(notable_pct=101, very_many_lines=6, many_sources=2, many_books=4), 50, "moderate"),
    ],
)
def test_complexity_is_the_sum_of_its_reasons(legacies, limits, score, grade):
    made = analysis_of(legacies["unified"], "unified", limits=limits).complexity
    assert (made.score, made.grade) == (score, grade)


@pytest.mark.parametrize(
    "start",
    [
        "1 rows are of no known market",
        "1 lines hold a value that cannot be carried",
        "2 lines (33.33 %) have no game",
        "1 lines name no sportsbook",
        "2 lines (33.33 %) have no odds_timestamp",
        "1 lines (16.67 %) have one price of two",
        "1 lines (16.67 %) have no price at all",
        "2 games share an MLB Stats API id",
        "2 games share date and teams",
        "1 completed games lack a score",
        "2 batches of 4 lines",
    ],
)
def test_what_is_odd_is_worth_a_recommendation(legacies, start):
    made = analysis_of(legacies["unified"], "unified", limits=Limits(many_batches=1))
    assert any(sentence.startswith(start) for sentence in made.recommendations)


def test_an_empty_legacy_is_analysed_too(bare):
    made = analysis_of(bare, "unified")
    assert (made.rows, made.sources, made.games.lines_max, made.complexity.grade) == (0, (), None, "simple")
    assert made.recommendations[0].startswith("There are no lines")


def test_the_result_is_json(found):
    assert '"layout"' in to_json(found.as_dict())
