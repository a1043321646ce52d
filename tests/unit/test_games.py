"""Real games: merged rows, doubleheaders, statuses, scores."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from etl.transform import games
from etl.transform.teams import club_names
from tests.staging_cases import CATALOGUE, CLUBS, PARAMS, START, games_raw, minutes, outcomes_raw

FEED = {"sportsbookreview_game_id": "SBR-1"}
OTHER_FEED = {"action_network_game_id": 9}


def resolved(rows, outcomes=()):
    lf = games.resolve_games(
        games_raw(*rows), outcomes_raw(*outcomes), clubs=CLUBS, names=club_names(CATALOGUE), params=PARAMS.games
    )
    return lf.collect().to_dicts()


def merged(*rows):
    return [game["raw_ids"] for game in resolved(rows)]


def test_one_row_is_one_game():
    (game,) = resolved([{}])
    assert game == {
        "game_id": 1, "raw_ids": [1], "game_pk": None, "season": 2025, "season_type": None,
        "game_date": date(2025, 7, 1), "start_at": START, "game_number": 1, "is_doubleheader": False,
        "home_team_id": 111, "away_team_id": 147, "home_code": "BOS", "away_code": "NYY", "home_text": "BOS",
        "away_text": "NYY", "status": "completed", "home_score": 5, "away_score": 3, "is_final": True,
        "is_official_tie": False, "length_assumed": True, "result_available_at": START + timedelta(hours=5),
        "venue_name": None, "recorded_at": datetime(2025, 7, 1, 16, tzinfo=UTC), "quality_flags": [],
        "broken_rules": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [{"mlb_stats_api_game_id": "7"}, {"mlb_stats_api_game_id": "7", "home_team": "Red Sox"}],
            [[1, 2]],
            id="same pk",
        ),
        pytest.param([{}, {"home_team": "Red Sox"}], [[1], [2]], id="no source, no pk"),
        pytest.param([FEED, {"sportsbookreview_game_id": "SBR-2"}], [[1], [2]], id="one feed, two ids"),
        pytest.param([FEED, {"game_datetime": START + minutes(90)}], [[1, 2]], id="two sources, 90 minutes"),
        pytest.param([FEED, {"game_datetime": START + minutes(91)}], [[1], [2]], id="two sources, 91 minutes"),
        pytest.param([FEED, {"home_team": "NYY", "away_team": "BOS"}], [[1], [2]], id="home and away exchanged"),
        pytest.param(
            [FEED | {"mlb_stats_api_game_id": "7"}, OTHER_FEED | {"mlb_stats_api_game_id": "8"}],
            [[1], [2]],
            id="other pk",
        ),
        pytest.param([FEED, OTHER_FEED, {}], [[1, 2, 3]], id="three sources"),
        pytest.param(
            [FEED, OTHER_FEED | {"game_datetime": START + minutes(60)}, {"game_datetime": START + minutes(120)}],
            [[1, 2, 3]],
            id="three sources in steps",
        ),
        pytest.param(
            [
                FEED,
                FEED | {"game_datetime": START + minutes(70)},
                OTHER_FEED,
                OTHER_FEED | {"game_datetime": START + minutes(65)},
            ],
            [[1, 3], [2, 4]],
            id="a doubleheader of two sources",
        ),
        pytest.param(
            [FEED, OTHER_FEED | {"game_datetime": START + minutes(50)}, FEED | {"game_datetime": START + minutes(80)}],
            [[1], [2, 3]],
            id="the nearer of two",
        ),
        pytest.param(
            [
                {"mlb_stats_api_game_id": "7"},
                {
                    "mlb_stats_api_game_id": "7",
                    "game_datetime": START + timedelta(days=1),
                    "game_date": date(2025, 7, 2),
                },
            ],
            [[1], [2]],
            id="a postponed pk on two dates",
        ),
    ],
)
def test_merging(rows, expected):
    assert merged(*rows) == expected


def test_the_map_has_every_legacy_id_once():
    lf = games.resolve_games(
        games_raw({}, FEED, {"game_datetime": None}), outcomes_raw(), clubs=CLUBS, names=club_names(CATALOGUE),
        params=PARAMS.games,
    )  # fmt: skip
    assert games.game_map(lf).collect().sort("legacy_game_id").rows() == [(1, 1), (2, 1)]


def test_rows_without_a_start_break_a_rule():
    (game,) = resolved([{"game_datetime": None}])
    assert game["broken_rules"] == ["start_missing"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([FEED, FEED | {"game_datetime": START + minutes(210)}], [(1, True), (2, True)], id="two games"),
        pytest.param([FEED, FEED], [(1, True), (2, True)], id="two ids of one feed at one time"),
        pytest.param([{}, {}], [(1, False), (1, False)], id="likely duplicates share a number"),
        pytest.param(
            [FEED, {"game_datetime": START - minutes(300)}],
            [(1, False), (1, False)],
            id="a feed without an hour of its own",
        ),
        pytest.param(
            [FEED, FEED | {"home_team": "NYY", "away_team": "BOS", "game_datetime": START + minutes(200)}],
            [(1, True), (2, True)],
            id="the second game with sides exchanged",
        ),
        pytest.param(
            [FEED | {"game_status": "postponed"}, FEED | {"game_datetime": START + minutes(210)}],
            [(1, False), (1, False)],
            id="a postponed game is no meeting",
        ),
        pytest.param(
            [FEED, FEED | {"game_datetime": START + timedelta(days=1)}], [(1, False), (1, False)], id="next day"
        ),
    ],
)
def test_doubleheaders(rows, expected):
    assert [(g["game_number"], g["is_doubleheader"]) for g in resolved(rows)] == expected


@pytest.mark.parametrize(
    ("row", "outcomes", "expected"),
    [
        pytest.param({}, [], ("completed", True, 5, 3, []), id="completed"),
        pytest.param({"game_status": "Final"}, [], ("completed", True, 5, 3, []), id="another word for it"),
        pytest.param(
            {"game_status": "??"}, [], ("scheduled", False, None, None, ["unknown_status"]), id="unknown word"
        ),
        pytest.param({"game_status": "scheduled"}, [], ("scheduled", False, None, None, []), id="scheduled"),
        pytest.param({"away_score": 5}, [], ("suspended", False, None, None, ["equal_scores"]), id="level"),
        pytest.param({"away_score": None}, [], ("completed", False, None, None, []), id="a score is missing"),
        pytest.param(
            {"home_score": None, "away_score": None},
            [{"game_id": 1, "home_score": 4, "away_score": 2}],
            ("completed", True, 4, 2, []),
            id="the outcome knows it",
        ),
        pytest.param(
            {},
            [{"game_id": 1, "home_score": 5, "away_score": 4}],
            ("completed", False, None, None, ["score_conflict"]),
            id="the outcome disagrees",
        ),
        pytest.param(
            {"game_status": "scheduled"},
            [{"game_id": 1, "home_score": 5, "away_score": 3}],
            ("scheduled", False, None, None, ["outcome_without_completion"]),
            id="an outcome of a scheduled game",
        ),
        pytest.param({"home_score": 99}, [], ("completed", False, None, None, ["score_out_of_range"]), id="99 runs"),
    ],
)
def test_scores(row, outcomes, expected):
    (game,) = resolved([row], outcomes)
    assert tuple(game[name] for name in ("status", "is_final", "home_score", "away_score", "quality_flags")) == expected


def test_an_official_tie_is_final():
    start = datetime(2016, 9, 29, 23, 5, tzinfo=UTC)
    row = {
        "home_team": "PIT",
        "away_team": "CHC",
        "game_datetime": start,
        "game_date": date(2016, 9, 29),
        "season": 2016,
    }
    (game,) = resolved([{**row, "home_score": 1, "away_score": 1}])
    assert (game["status"], game["is_final"], game["is_official_tie"], game["home_score"]) == (
        "completed",
        True,
        True,
        1,
    )


@pytest.mark.parametrize(
    ("row", "flag"),
    [
        ({"home_team": "AL All-Stars"}, "unknown_team"),
        ({"home_team": "NYY"}, "same_team_twice"),
        ({"game_date": date(2025, 7, 2)}, "date_conflict"),
        ({"season": 2024}, "season_conflict"),
    ],
)
def test_flags(row, flag):
    (game,) = resolved([row])
    assert game["quality_flags"] == [flag]


def test_flags_of_merged_rows():
    rows = [
        {"mlb_stats_api_game_id": "7"},
        {"mlb_stats_api_game_id": "7", "home_team": "Mets", "game_datetime": START + minutes(30)},
    ]
    (game,) = resolved(rows)
    assert game["quality_flags"] == ["club_conflict", "start_conflict"]
    assert (game["home_code"], game["start_at"]) == ("BOS", START)


def test_the_latest_recorded_start_is_taken():
    later = {"game_datetime": START + minutes(30), "updated_at": START}
    (game,) = resolved([FEED, OTHER_FEED | later])
    assert game["start_at"] == START + minutes(30)


def test_a_missing_season_is_the_year_of_the_local_date():
    start = datetime(2025, 1, 1, 3, tzinfo=UTC)
    (game,) = resolved([{"season": None, "game_datetime": start, "game_date": None}])
    assert (game["season"], game["game_date"]) == (2024, date(2024, 12, 31))


def test_low_coverage():
    lines = pl.LazyFrame(
        {
            "game_id": [1, 1, 2, 2, 3, 3],
            "brand": ["a", "b", "a", "a", "a", "b"],
            "book_kind": ["book", "book", "book", "book", "book", "archive"],
        },
        schema_overrides={"game_id": pl.Int32},
    )
    staged = pl.LazyFrame(
        {"game_id": [1, 2, 3, 4], "quality_flags": [[], [], ["unknown_team"], []]},
        schema={"game_id": pl.Int32, "quality_flags": pl.List(pl.String)},
    )
    once = games.flag_low_coverage(staged, lines, params=PARAMS.games)
    twice = games.flag_low_coverage(once, lines, params=PARAMS.games).collect().sort("game_id")
    assert twice["quality_flags"].to_list() == [
        [],
        ["low_coverage"],
        ["low_coverage", "unknown_team"],
        ["low_coverage"],
    ]
