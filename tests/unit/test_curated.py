import polars as pl
import pytest

from etl.transform.curated import columns_of, expected_line_movements
from etl.transform.form import game_features
from schemas import TABLES
from tests.staged_cases import ago, curate, games, params, quote, staged

P40, P50, P60, P75 = (150, -150), (100, 100), (-150, 150), (-300, 300)
TABLE_NAMES = ["moneylines", "spreads", "totals", "line_movements", "market_efficiency", "feature_vectors", "labels"]


def curated(frames, settings=None):
    settings = settings or params()
    form = {h: game_features(frames["games"], horizon_min=h, params=settings) for h in settings.horizons_min}
    return dict(zip(TABLE_NAMES, pl.collect_all(_ordered(curate(frames, form=form, params=settings))), strict=True))


def _ordered(frames):
    return [frames[name] for name in TABLE_NAMES]


def line(row, others=(), table="moneylines"):
    found = curated(staged(**{table: [row, *others]}))[table]
    return found.filter(pl.col("raw_id") == (row["raw_id"] or 1)).row(0, named=True)


def label(rows=(), market="moneyline", **game):
    table = {"moneyline": "moneylines", "spread": "spreads", "totals": "totals"}[market]
    found = curated(staged(games_=games(game), **{table: rows}))["labels"]
    return found.filter(pl.col("market") == market).row(0, named=True)


@pytest.mark.parametrize("table", TABLE_NAMES)
def test_every_table_has_the_columns_and_types_of_its_contract(table):
    rows = {"moneylines": [quote(*P50)], "spreads": [quote(*P50, line=-1.5)], "totals": [quote(*P50, line=8.5)]}
    found = curated(staged(**rows))[table].drop("is_collapsed", strict=False)
    assert dict(found.schema) == {name: TABLES[f"curated.{table}"].schema[name] for name in columns_of(table)}


@pytest.mark.parametrize("table", TABLE_NAMES)
def test_nothing_staged_gives_no_lines_and_empty_states(table):
    rows = {"market_efficiency": 3, "feature_vectors": 3, "labels": 3}
    assert curated(staged())[table].height == rows.get(table, 0)


def test_a_line_with_its_odds_and_its_place_in_the_market():
    others = [quote(*P40, book_id=2), quote(*P50, book_id=3), quote(*P60, book_id=5)]
    found = line(quote(-110, -110), others)
    assert found["decimal_a"] == pytest.approx(1.909090909)
    assert found["implied_prob_b"] == pytest.approx(0.523809524)
    assert found["overround"] == pytest.approx(0.047619048)
    assert found["hold"] == pytest.approx(0.045454545)
    assert (found["no_vig_probability_a"], found["p_fair_a"], found["p_fair_b"]) == (0.5, pytest.approx(0.5), 0.5)
    assert (found["p_shin_a"], found["p_power_a"]) == (0.5, pytest.approx(0.5))
    assert found["minutes_to_start"] == 70
    assert (found["as_of"], found["pit_basis"]) == (found["recorded_at"], "observed_and_recorded")
    assert (found["n_other_books"], found["consensus_line"], found["line_deviation"]) == (3, None, None)
    assert found["consensus_p_a_loo"] == pytest.approx(0.5)
    assert found["consensus_deviation"] == pytest.approx(0, abs=1e-9)
    assert found["ev_a"] == pytest.approx(-1 / 22)
    assert found["ev_b"] == pytest.approx(-1 / 22)


@pytest.mark.parametrize(
    ("method", "p"),
    [("multiplicative", 0.642857143), ("shin", 0.648148148), ("odds_ratio", 0.648371295), ("power", 0.650822366)],
)
def test_the_fair_probability_follows_the_configured_method(method, p):
    found = curated(staged(moneylines=[quote(-200, 170)]), params(devig_method=method))["moneylines"]
    assert found["p_fair_a"].item() == pytest.approx(p, abs=1e-8)
    assert found["devig_method"].item() == method


def test_without_a_consensus_the_sharp_tier_is_the_reference():
    found = line(quote(*P50), [quote(*P60, book_id=5)])
    assert found["consensus_p_a_loo"] is None
    assert found["p_ref_a"] == pytest.approx(0.6)
    assert (found["ev_a"], found["ev_b"]) == (pytest.approx(0.2), pytest.approx(-0.2))


def test_no_book_is_its_own_reference():
    assert line(quote(*P50, book_id=5), [])["p_ref_a"] is None


def test_a_one_sided_line_keeps_its_price_and_can_be_valued():
    found = line(quote(120, None), [quote(*P60, book_id=5)])
    assert (found["decimal_a"], found["decimal_b"], found["p_fair_a"], found["hold"]) == (2.2, None, None, None)
    assert found["ev_a"] == pytest.approx(0.32)
    assert found["ev_b"] is None


def test_a_line_deviates_from_the_modal_line():
    others = [quote(*P50, book_id=2, line=8.5), quote(*P50, book_id=3, line=8.5)]
    found = line(quote(*P50, line=9.0), others, table="totals")
    assert (found["consensus_line"], found["line_deviation"]) == (8.5, 0.5)


@pytest.mark.parametrize(
    ("change", "basis", "others"),
    [
        ({"clock": "assumed"}, "assumed", 1),
        ({"lag_s": 90_000}, "event_time", 0),
        ({"observed_at": None, "recorded_at": ago(60)}, None, 1),
        ({"observed_at": None, "recorded_at": None}, None, None),
        ({"ago_min": -5, "is_in_play": True}, "observed_and_recorded", 0),
    ],
    ids=["assumed", "backfilled", "no clock", "no clocks", "in play"],
)
def test_lines_that_rest_on_other_clocks_stay(change, basis, others):
    found = line(quote(*P50, **change, raw_id=50), [quote(*P60, book_id=2, ago_min=80, raw_id=51)])
    assert (found["pit_basis"], found["n_other_books"]) == (basis, others)


def test_the_last_recorded_of_equal_keys_stays_then_the_highest_id():
    rows = [quote(*P50, lag_s=10), quote(*P60, lag_s=20), quote(*P75, lag_s=20), quote(*P50, ago_min=71)]
    rows += [quote(*P50, observed_at=None, lag_s=1), quote(*P50, observed_at=None, lag_s=2)]
    found = curated(staged(moneylines=rows))["moneylines"].sort("raw_id")
    assert found["is_collapsed"].to_list() == [True, True, False, False, True, False]


def test_books_of_one_brand_collapse_and_different_lines_do_not():
    rows = [quote(*P50, book_id=1, line=8.5), quote(*P50, book_id=8, line=8.5), quote(*P50, book_id=1, line=9.0)]
    found = curated(staged(totals=rows))["totals"].sort("raw_id")
    assert found["is_collapsed"].to_list() == [True, False, False]


def test_a_collapsed_quote_was_still_the_quote_of_its_time():
    rows = [quote(*P50, lag_s=10), quote(*P60, lag_s=3600)]
    found = curated(staged(moneylines=rows))
    assert found["line_movements"]["current_raw_id"].to_list() == [1]


@pytest.mark.parametrize(
    ("game", "outcome", "push", "target", "home_win"),
    [
        ({}, "win", False, 1, True),
        ({"home_score": 1}, "loss", False, 0, False),
        ({"home_score": 3, "is_official_tie": True}, "push", True, None, None),
        ({"status": "postponed", "is_final": False}, "void", None, None, None),
        ({"status": "cancelled", "is_final": False}, "void", None, None, None),
        ({"status": "suspended", "is_final": False}, "pending", None, None, None),
        ({"status": "scheduled", "is_final": False}, "pending", None, None, None),
        ({"status": "completed", "is_final": False}, "pending", None, None, None),
    ],
)
def test_moneyline_labels(game, outcome, push, target, home_win):
    found = label(**game)
    assert (found["outcome_a"], found["is_push"], found["target"], found["home_win"]) == (
        outcome,
        push,
        target,
        home_win,
    )


@pytest.mark.parametrize(
    ("market", "at", "outcome"),
    [
        ("spread", -1.5, "win"),
        ("spread", -2.0, "push"),
        ("spread", -2.5, "loss"),
        ("totals", 7.5, "win"),
        ("totals", 8.0, "push"),
        ("totals", 8.5, "loss"),
    ],
)
def test_labels_settle_at_the_consensus_line(market, at, outcome):
    found = label([quote(*P50, line=at)], market)
    assert (found["line"], found["outcome_a"]) == (at, outcome)
    assert (found["margin_of_victory"], found["total_score"]) == (2, 8)


def test_a_final_game_without_a_line_is_not_settled_but_a_void_one_is_void():
    assert label(market="totals")["outcome_a"] is None
    assert label(market="totals", status="postponed", is_final=False)["outcome_a"] == "void"


def test_scores_of_a_game_that_is_not_final_are_not_labels():
    found = label(status="suspended", is_final=False)
    assert (found["home_score"], found["total_score"], found["result_available_at"]) == (None, None, None)


def test_the_close_is_the_last_quote_of_the_hour_before_the_start():
    rows = [quote(*P50, ago_min=59), quote(*P60, ago_min=5), quote(*P40, ago_min=0)]
    rows += [quote(*P75, book_id=2, ago_min=61), quote(*P60, book_id=7, ago_min=10, clock="assumed", lag_s=10**6)]
    rows += [quote(*P40, book_id=3, ago_min=20, line_kind="open"), quote(*P40, book_id=6, ago_min=20)]
    found = label(rows)
    assert (found["close_n_books"], found["close_p_fair_a"]) == (2, pytest.approx(0.6))


def test_the_move_to_the_close_needs_an_unchanged_line():
    early = [quote(*P50, book_id=book, line=8.5) for book in (1, 2, 3)]
    same, moved = quote(*P60, ago_min=5, line=8.5), quote(*P60, ago_min=5, line=9.0)
    assert label([*early, same], "totals")["move_to_close_pp"] == pytest.approx(10)
    found = label([*early, moved], "totals")
    assert (found["close_line"], found["move_to_close_pp"]) == (9.0, None)
    assert label(early, "totals")["close_n_books"] == 0


@pytest.mark.parametrize("changes", [{}, {"polled_sources": ("feed",)}, {"admit_backfilled": True}])
def test_the_expected_count_of_movements_is_found_by_another_way(changes):
    settings = params(**changes)
    rows = [quote(*P50), quote(*P60, ago_min=65), quote(*P50, book_id=2, ago_min=95), quote(100, None, book_id=3)]
    rows += [quote(*P50, book_id=4, lag_s=90_000), quote(*P50, book_id=5, ago_min=1600), quote(*P50, book_id=6)]
    frames = staged(moneylines=rows, totals=[quote(*P50, line=8.5), quote(*P50, book_id=7, line=8.5)])
    counted = expected_line_movements(frames, params=settings).collect()
    assert counted.columns == ["expected"]
    assert counted.item() == curated(frames, settings)["line_movements"].height
    assert counted.item() == {"": 3, "polled_sources": 2, "admit_backfilled": 4}["".join(changes)]
