from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl.transform.curated import expected_line_movements
from etl.transform.form import game_features
from schemas import TABLES
from tests.staged_cases import KINDS, START, curate, games, params, quote, staged

SETTINGS = params(horizons_min=(60, 360))
GAMES = {1: START, 2: START + timedelta(hours=3), 3: START + timedelta(days=1)}
MARKETS = {"moneylines": [None], "spreads": [-1.5, 1.5], "totals": [8.0, 8.5, 9.0]}
PRICES = [(100, 100), (-150, 130), (130, -150), (-115, -105), (-110, -110), (-300, 250), (120, None), (None, None)]
LAGS_S = [0, 30, 1800, 7200, 90_000]
KEYS = {"moneylines": ["raw_id"], "spreads": ["raw_id"], "totals": ["raw_id"]}
KEYS |= {name: list(TABLES[f"curated.{name}"].key) for name in ("line_movements", "market_efficiency")}
KEYS |= {name: list(TABLES[f"curated.{name}"].key) for name in ("feature_vectors", "labels")}


def _quotes(line_values):
    return st.builds(
        lambda game, book, ago, lag, prices, line, clock, kind: quote(
            *prices,
            book_id=book,
            ago_min=ago,
            lag_s=lag,
            line=line,
            clock=clock,
            line_kind=kind,
            game_id=game,
            start=GAMES[game],
        ),
        st.sampled_from(list(GAMES)),
        st.integers(1, 8),
        st.sampled_from([-20, 5, 30, 59, 60, 61, 90, 120, 300, 361, 400, 1000, 1600, 3000]),
        st.sampled_from(LAGS_S),
        st.sampled_from(PRICES),
        st.sampled_from(line_values),
        st.sampled_from(["source"] * 9 + ["assumed"]),
        st.sampled_from(["current", "current", "open", None]),
    )


STAGED = st.fixed_dictionaries({table: st.lists(_quotes(at), max_size=30) for table, at in MARKETS.items()})


def numbered(rows):
    return {table: [row | {"raw_id": place} for place, row in enumerate(of, 1)] for table, of in rows.items()}


def make(rows, *, only=tuple(GAMES)):
    everything = games(*({"game_id": i, "start_at": start} for i, start in GAMES.items()))
    kept = {table: [row for row in of if row["game_id"] in only] for table, of in rows.items()}
    frames = staged(**kept, games_=everything.filter(pl.col("game_id").is_in(list(only))))
    form = {h: game_features(everything.lazy(), horizon_min=h, params=SETTINGS) for h in SETTINGS.horizons_min}
    made = curate(frames, form=form, params=SETTINGS)
    found = dict(zip(made, pl.collect_all(list(made.values())), strict=True))
    return {name: frame.sort(KEYS[name]) for name, frame in found.items()}, frames


@settings(max_examples=6, deadline=None)
@given(STAGED, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    rows = numbered(rows)
    mixed = {table: random.sample(of, len(of)) for table, of in rows.items()}
    first, second = make(rows)[0], make(mixed)[0]
    for name, frame in first.items():
        assert_frame_equal(frame, second[name], check_exact=True)


@settings(max_examples=6, deadline=None)
@given(STAGED)
def test_the_cut_of_slices_does_not_matter(rows):
    rows = numbered(rows)
    whole = make(rows)[0]
    parts = [make(rows, only=only)[0] for only in ((1,), (2, 3))]
    for name, frame in whole.items():
        assert_frame_equal(frame, pl.concat(part[name] for part in parts).sort(KEYS[name]), check_exact=True)


@settings(max_examples=6, deadline=None)
@given(STAGED, STAGED)
def test_nothing_recorded_after_as_of_changes_a_feature(rows, later):
    late = {
        table: [row | {"recorded_at": GAMES[row["game_id"]] - timedelta(minutes=59)} for row in of]
        for table, of in later.items()
    }
    both = numbered({table: [*of, *late[table]] for table, of in rows.items()})
    first, second = make(numbered(rows))[0], make(both)[0]
    for name in ("feature_vectors", "market_efficiency", "line_movements"):
        assert_frame_equal(first[name], second[name], check_exact=True)


@settings(max_examples=6, deadline=None)
@given(STAGED)
def test_no_clock_of_a_feature_is_after_its_as_of_and_every_rule_holds(rows):
    made, frames = make(numbered(rows))
    vectors = made["feature_vectors"]
    assert vectors.height == 3 * len(GAMES) * len(SETTINGS.horizons_min)
    assert vectors.filter(pl.max_horizontal("last_observed_at", "last_recorded_at") > pl.col("as_of")).height == 0
    assert made["line_movements"].height == expected_line_movements(frames, params=SETTINGS).collect().item()
    broken = {
        (name, rule.name): frame.filter(~rule.holds).height
        for name, frame in made.items()
        for rule in TABLES[f"curated.{name}"].rules()
        if not rule.name.startswith(("load_id", "batch_id"))
    }
    assert {rule: count for rule, count in broken.items() if count} == {}


@settings(max_examples=6, deadline=None)
@given(STAGED)
def test_pseudo_books_never_move_a_consensus(rows):
    rows = numbered(rows)
    real = {table: [row for row in of if row["book_id"] not in KINDS] for table, of in rows.items()}
    first, second = make(rows)[0]["market_efficiency"], make(real)[0]["market_efficiency"]
    assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize("table", list(MARKETS))
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_every_staged_line_has_one_row_and_every_key_one_survivor(table, data):
    rows = data.draw(st.lists(_quotes(MARKETS[table]), max_size=30))
    given_rows = numbered({table: rows})
    found = make({name: given_rows.get(name, []) for name in MARKETS})[0][table]
    keys = ["game_id", "brand", "line", "observed_at"]
    assert found["raw_id"].to_list() == list(range(1, len(rows) + 1))
    assert found.filter(~pl.col("is_collapsed")).height == found.select(keys).unique().height
