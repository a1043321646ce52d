import pytest

from etl.transform.form import game_features
from schemas import TABLES
from tests.staged_cases import START, curate, games, params, quote, split, staged

P50, P60 = (100, 100), (-150, 150)
BOTH = ["feature_set_version", "devig_method", "config_hash", "as_of", "game_id", "market", "horizon_min"]
BOTH += ["load_id", "batch_id"]
FUTURE = ["close_line", "close_p_fair_a", "close_n_books", "clv_ev", "winning_team", "profit_loss", "total_runs"]
FUTURE += ["margin", "pnl", "winning_side", "record", "over", "home_cover"]


def vectors(settings=None, games_=None, **rows):
    settings = settings or params()
    frames = staged(games_=games_, **rows)
    form = {h: game_features(frames["games"], horizon_min=h, params=settings) for h in settings.horizons_min}
    found = curate(frames, form=form, params=settings)["feature_vectors"].collect()
    return {(row["market"], row["horizon_min"]): row for row in found.to_dicts()}


def moneyline(**rows):
    return vectors(**rows)["moneyline", 60]


def test_no_feature_is_a_label_or_known_only_later():
    labels = set(TABLES["curated.labels"].schema) - set(BOTH)
    features = set(TABLES["curated.feature_vectors"].schema)
    assert features.isdisjoint(labels | set(FUTURE))
    assert [name for name in features if name.startswith(("close", "closing"))] == []


def test_a_game_without_quotes_has_a_vector_for_every_market_and_horizon():
    found = vectors(params(horizons_min=(60, 360)))
    assert sorted(found) == [(m, h) for m in ("moneyline", "spread", "totals") for h in (60, 360)]
    assert {row["n_books"] for row in found.values()} == {0}
    assert {row["pit_basis"] for row in found.values()} == {None}
    assert {row["season"] for row in found.values()} == {2025}


def test_medians_are_of_each_books_own_move():
    rows = [quote(*P50, book_id=1, ago_min=300), quote(*P60, book_id=1)]
    rows += [quote(*P60, book_id=2, ago_min=300), quote(*P60, book_id=2), quote(*P60, book_id=3)]
    found = moneyline(moneylines=rows)
    assert found["open_p_fair_a_median"] == pytest.approx(0.6)
    assert found["move_pp_median"] == pytest.approx(0)
    assert found["movement_consistency_median"] == pytest.approx(1)
    assert found["pit_basis"] == "observed_and_recorded"


def test_the_last_usable_split_is_taken():
    first = split(ago_min=200, tickets_pct_a=70.0, raw_id=2)
    found = moneyline(splits=[first, split(ago_min=80), split(ago_min=59, tickets_pct_a=10.0)])
    assert (found["tickets_pct_a"], found["money_pct_a"], found["money_minus_tickets_pp"]) == (60.0, 45.0, -15.0)


def test_of_splits_of_one_clock_the_one_over_all_books_comes_first():
    per_book = split(tickets_pct_a=20.0, book_id=1, book_key=1)
    assert moneyline(splits=[per_book, split()])["tickets_pct_a"] == 60.0


@pytest.mark.parametrize(
    "change",
    [
        {"is_one_sided": True},
        {"is_in_play": True},
        {"lag_s": 601},
        {"recorded_at": None},
        {"market": "spread"},
        {"ago_min": 2000, "lag_s": 86401},
    ],
)
def test_a_split_that_may_not_be_used_leaves_nulls(change):
    found = moneyline(splits=[split(**change)])
    assert (found["tickets_pct_a"], found["money_pct_a"], found["money_minus_tickets_pp"]) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tickets_a": 60, "tickets_b": 39}, None),
        ({"tickets_a": 60, "tickets_b": 40}, -15.0),
        ({"tickets_a": 5}, -15.0),
        ({"money_pct_a": None}, None),
    ],
)
def test_money_minus_tickets_needs_enough_tickets_where_they_are_counted(change, expected):
    assert moneyline(splits=[split(**change)])["money_minus_tickets_pp"] == expected


def test_an_admitted_backfill_marks_the_vector():
    found = vectors(params(admit_backfilled=True), moneylines=[quote(*P50, lag_s=90_000)])
    assert found["moneyline", 60]["pit_basis"] == "event_time"
    assert found["totals", 60]["pit_basis"] is None


def test_form_is_that_of_the_horizon():
    before = {"game_id": 7, "start_at": START.replace(hour=13)}
    after = {"game_id": 8, "start_at": START.replace(hour=22)}
    found = vectors(params(horizons_min=(60, 300)), games_=games(before, after))
    assert found["moneyline", 60]["home_season_win_pct"] == 1.0
    assert found["moneyline", 300]["home_season_win_pct"] is None
