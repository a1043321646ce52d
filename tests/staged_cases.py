"""Staged frames for tests of the curated zone: rows name what matters, the rest is a plain pre-game quote or game."""

import csv
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from etl.transform.curated import curate_games, curate_lines, market_quotes
from etl.transform.curated_params import (
    ConsensusParams,
    CuratedParams,
    FormParams,
    MovementParams,
    SettleParams,
    SplitParams,
)
from schemas import TABLES

ROOT = Path(__file__).parent
START = datetime(2025, 7, 1, 23, 5, tzinfo=UTC)
OWN = ("load_id", "batch_id")
BRANDS = {1: "alpha", 2: "beta", 3: "gamma", 4: "delta", 5: "sharpie", 6: "opener", 7: "archive", 8: "alpha"}
KINDS = {6: "opening", 7: "archive"}
TIERS = {1: "retail", 2: "retail", 5: "sharp"}


def reference(name):
    """Rows of a reference file, as text."""
    with (ROOT / "reference" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def half_unit(text):
    """Tolerance of a printed number: half a unit of its last digit, and 1e-9."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2]) + 1e-9


def params(*, horizons_min=(60,), devig_method="odds_ratio", **changes):
    """The shipped parameters; `changes` are fields of the consensus section."""
    made = tomllib.loads((ROOT.parent / "config" / "features.toml").read_text(encoding="utf-8"))
    made = {s: {k: tuple(v) if isinstance(v, list) else v for k, v in d.items()} for s, d in made.items()}
    return CuratedParams(
        feature_set_version="1",
        devig_method=devig_method,
        config_hash="test",
        horizons_min=horizons_min,
        consensus=ConsensusParams(**made["consensus"] | changes),
        movement=MovementParams(**made["movement"]),
        form=FormParams(**made["form"]),
        settle=SettleParams(**made["settle"]),
        splits=SplitParams(**made["splits"]),
    )


def ago(minutes, *, start=START):
    """The moment `minutes` before the start."""
    return start - timedelta(minutes=minutes)


def _frame(table, rows):
    schema = {name: dtype for name, dtype in TABLES[table].schema.items() if name not in OWN}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def games(*rows):
    """staging.games: completed games of clubs 1 (home) and 2, 5 to 3, at START."""
    return _frame("staging.games", [_game(row) for row in (rows or ({},))])


def _game(row):
    start = row.get("start_at", START)
    known = {"game_id": 1, "season": start.year, "game_date": (start - timedelta(hours=4)).date(), "start_at": start}
    known |= {"home_team_id": 1, "away_team_id": 2, "game_number": 1, "is_doubleheader": False, "status": "completed"}
    known |= {"home_score": 5, "away_score": 3, "is_final": True, "is_official_tie": False, "length_assumed": True}
    known |= {"raw_ids": [row.get("game_id", 1)], "quality_flags": []}
    return known | {"result_available_at": start + timedelta(hours=5)} | row


def quote(price_a, price_b, *, book_id=1, ago_min=70, lag_s=10, line=None, raw_id=None, start=START, **more):
    """A staged line as a plain mapping: `ago_min` before the start, recorded `lag_s` later."""
    observed = start - timedelta(minutes=ago_min)
    row = {"price_a": price_a, "price_b": price_b, "line": line, "raw_id": raw_id, "book_id": book_id, "game_id": 1}
    row |= {"brand": BRANDS[book_id], "book_kind": KINDS.get(book_id, "book"), "source": "feed", "clock": "source"}
    row |= {"observed_at": observed, "recorded_at": observed + timedelta(seconds=lag_s), "is_in_play": ago_min <= 0}
    return row | {"line_kind": "current", "validation_status": "validated", "quality_flags": []} | more


NAMES = {
    "moneylines": {"price_a": "home_price", "price_b": "away_price"},
    "spreads": {"price_a": "home_price", "price_b": "away_price", "line": "home_line"},
    "totals": {"price_a": "over_price", "price_b": "under_price", "line": "total_line"},
}


def lines(table, rows):
    """A staging line table of `quote` rows; a row without raw_id gets its place, from 1."""
    named = [
        {NAMES[table].get(name, name): value for name, value in row.items()} | {"raw_id": row["raw_id"] or place}
        for place, row in enumerate(rows, start=1)
    ]
    return _frame(f"staging.{table}", named)


def books():
    """staging.sportsbooks of BRANDS: two of them are one brand, one gives openings, one is an archive."""
    rows = [
        {"book_id": i, "book": f"{b}{i}", "brand": b, "kind": KINDS.get(i, "book"), "tier": TIERS.get(i)}
        for i, b in BRANDS.items()
    ]
    return _frame("staging.sportsbooks", rows)


def split(*, ago_min=70, lag_s=10, **more):
    """A staged split of the moneyline as a plain mapping."""
    observed = START - timedelta(minutes=ago_min)
    row = {"game_id": 1, "market": "moneyline", "source": "feed", "book_id": None, "book_key": 0, "is_in_play": False}
    row |= {"observed_at": observed, "recorded_at": observed + timedelta(seconds=lag_s), "is_one_sided": False}
    row |= {"tickets_pct_a": 60.0, "tickets_pct_b": 40.0, "money_pct_a": 45.0, "money_pct_b": 55.0}
    return row | {"was_fraction": False, "raw_id": 1, "lines": 1} | more


def staged(*, moneylines=(), spreads=(), totals=(), splits=(), games_=None):
    """The staged frames that `curate` takes, lazy."""
    frames = {"games": games() if games_ is None else games_, "sportsbooks": books()}
    frames |= {"moneylines": lines("moneylines", moneylines), "spreads": lines("spreads", spreads)}
    frames |= {"totals": lines("totals", totals), "betting_splits": _frame("staging.betting_splits", splits)}
    return {name: frame.lazy() for name, frame in frames.items()}


def curate(staged_, *, form, params):
    """All curated tables but games, as plans."""
    quotes = {name: lf.cache() for name, lf in market_quotes(staged_, params=params).items()}
    lines = curate_lines(quotes, params=params)
    return lines | curate_games(quotes, staged=staged_, form=form, params=params)
