from datetime import date, timedelta

import pytest

from etl.transform.form import game_features
from tests.staged_cases import START, games, params


def features(*rows, game_id=99, horizon_min=60):
    found = game_features(games(*rows).lazy(), horizon_min=horizon_min, params=params()).collect()
    return next(row for row in found.to_dicts() if row["game_id"] == game_id)


def game(game_id, day, **more):
    """Game `game_id` of clubs 1 and 2 at START + `day` days."""
    return {"game_id": game_id, "start_at": START + timedelta(days=day)} | more


def ask(day, **more):
    return (
        game(99, day, status="scheduled", home_score=None, away_score=None, is_final=False, result_available_at=None)
        | more
    )


def test_the_first_game_of_a_season_has_no_form():
    found = features(ask(0))
    assert (found["home_season_games"], found["home_season_win_pct"]) == (0, None)
    assert (found["home_days_since_last_game"], found["home_rest_days"], found["home_games_last_7d"]) == (None, None, 0)
    assert (found["h2h_n"], found["h2h_home_win_pct"], found["h2h_home_win_pct_shrunk"]) == (0, None, 0.5)


def test_form_of_five_results():
    scores = [(5, 3), (1, 2), (4, 0), (2, 3), (6, 1)]
    played = [game(i, i, home_score=h, away_score=a) for i, (h, a) in enumerate(scores, start=1)]
    found = features(*played, ask(7))
    assert found["home_form_win_pct_10"] == pytest.approx(3 / 5)
    assert found["away_form_win_pct_10"] == pytest.approx(2 / 5)
    assert found["home_rs_pg_10"] == pytest.approx(18 / 5)
    assert found["home_ra_pg_10"] == pytest.approx(9 / 5)
    assert found["home_form_run_diff_10"] == pytest.approx(9 / 5)
    assert found["away_form_run_diff_10"] == pytest.approx(-9 / 5)
    assert found["home_form_ewm"] == pytest.approx((1 + 0.81 + 0.6561) / (1 + 0.9 + 0.81 + 0.729 + 0.6561))
    assert (found["home_season_games"], found["home_season_win_pct"]) == (5, pytest.approx(0.6))
    assert (found["home_days_since_last_game"], found["home_rest_days"], found["home_games_last_7d"]) == (2, 1, 5)
    assert (found["h2h_n"], found["h2h_home_win_pct"]) == (5, pytest.approx(0.6))
    assert found["h2h_home_win_pct_shrunk"] == pytest.approx(8 / 15)
    assert found["h2h_avg_total"] == pytest.approx(27 / 5)


def test_form_needs_five_results_and_forgets_the_eleventh():
    assert features(*(game(i, i) for i in range(1, 5)), ask(6))["home_form_win_pct_10"] is None
    lost = game(1, 1, home_score=0, away_score=9)
    found = features(lost, *(game(i, i) for i in range(2, 12)), ask(13))
    assert (found["home_form_win_pct_10"], found["home_season_win_pct"]) == (1.0, pytest.approx(10 / 11))
    assert (found["h2h_n"], found["h2h_home_win_pct"]) == (10, 1.0)


def test_a_result_counts_from_the_moment_it_is_available():
    first = game(1, 0, result_available_at=START + timedelta(hours=5))
    second = {"game_number": 2, "is_doubleheader": True, "game_date": date(2025, 7, 1)}
    at_once = ask(0, start_at=START + timedelta(hours=5, minutes=59), **second)
    in_time = ask(0, start_at=START + timedelta(hours=6), **second)
    assert features(first, at_once)["home_season_games"] == 0
    found = features(first, in_time)
    assert (found["home_season_games"], found["home_days_since_last_game"], found["home_rest_days"]) == (1, 0, 0)
    assert (found["home_games_last_7d"], found["is_dh_game2"]) == (0, True)


def test_a_longer_horizon_knows_less():
    assert features(game(1, 0), ask(1), horizon_min=60)["home_season_games"] == 1
    assert features(game(1, 0), ask(1), horizon_min=1440)["home_season_games"] == 0


def test_a_season_starts_anew_but_meetings_are_remembered_for_three_years():
    old = game(1, -365 * 3 - 5)
    last_year = [game(i, -365 - i, home_team_id=2, away_team_id=1) for i in range(2, 6)]
    found = features(old, *last_year, ask(0))
    assert (found["home_season_games"], found["home_days_since_last_game"]) == (0, None)
    assert (found["h2h_n"], found["h2h_home_win_pct"]) == (4, 0.0)


@pytest.mark.parametrize(
    ("status", "more"),
    [("postponed", {"is_final": False}), ("suspended", {"is_final": False, "home_score": 3, "away_score": 3})],
)
def test_a_game_without_a_final_score_does_not_count(status, more):
    assert features(game(1, 0, status=status, **more), ask(2))["home_season_games"] == 0


def test_an_official_tie_counts_as_a_game_that_nobody_won():
    tie = game(1, 0, home_score=2, away_score=2, is_official_tie=True)
    found = features(tie, ask(2))
    assert (found["home_season_win_pct"], found["away_season_win_pct"], found["h2h_n"]) == (0.0, 0.0, 1)


def test_an_unknown_club_has_nulls():
    found = features(game(1, 0), ask(2, home_team_id=None))
    assert (found["home_season_games"], found["home_games_last_7d"], found["h2h_n"]) == (None, None, None)
    assert found["h2h_home_win_pct_shrunk"] is None
    assert found["away_season_games"] == 1


def test_two_games_of_unknown_clubs_are_no_history_of_each_other():
    unknown = {"home_team_id": None, "away_team_id": None}
    assert features(game(1, 0, **unknown), ask(2, **unknown))["h2h_n"] is None


def test_seven_days_are_local_days_before_the_game():
    rows = [game(i, day) for i, day in enumerate((2, 3, 5, 9), start=1)]
    assert features(*rows, ask(10))["home_games_last_7d"] == 3
    assert features(*rows, ask(30))["home_rest_days"] == 10


def test_calendar_is_local():
    found = features(ask(0, start_at=START + timedelta(hours=3), game_date=date(2025, 7, 1)))
    assert (found["hour_local"], found["dow_local"], found["month"], found["is_weekend"]) == (22, 2, 7, False)
    sunday = features(ask(5))
    assert (sunday["dow_local"], sunday["is_weekend"]) == (7, True)


def test_every_game_has_its_row():
    frame = games(*(game(i, i // 2) for i in range(1, 20))).lazy()
    assert game_features(frame, horizon_min=60, params=params()).collect()["game_id"].sort().to_list() == list(
        range(1, 20)
    )
