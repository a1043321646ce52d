"""Raw frames for tests of the staging zone: rows name what matters, the rest is one clean quote of a known game."""

import csv
import tomllib
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from etl.transform.books import book_catalogue, book_lookup, real_brands, staged_sportsbooks
from etl.transform.staging import MARKETS, References, resolve_lines, stage_lines
from etl.transform.staging_params import staging_params
from etl.transform.teams import club_lookup, team_catalogue
from schemas import TABLES

ROOT = Path(__file__).parent
START = datetime(2025, 7, 1, 23, 5, tzinfo=UTC)
NOON = datetime(2025, 7, 1, 16, 0, tzinfo=UTC)
PRICES = {
    "moneylines": {"home_ml": -110, "away_ml": -110},
    "spreads": {"spread_line": -1.5, "home_spread_price": -110, "away_spread_price": -110},
    "totals": {"total_line": 8.5, "over_price": -110, "under_price": -110},
}
MARKET_NAMES = {"moneylines": "moneyline", "spreads": "spread", "totals": "totals"}
SPORTSBOOKS = [{"id": 12, "name": "fanduel"}, {"id": 77, "name": "Joe's Book"}]


def config(name):
    return tomllib.loads((ROOT.parent / "config" / f"{name}.toml").read_text(encoding="utf-8"))


PARAMS = staging_params(config("quality"))
CATALOGUE = team_catalogue(config("teams"))
_LAZY = club_lookup(CATALOGUE)
CLUBS = replace(_LAZY, always=_LAZY.always.collect().lazy(), seasonal=_LAZY.seasonal.collect().lazy())
BOOKS = book_catalogue(config("sportsbooks"))


def reference(name):
    with (ROOT / "reference" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def frame(table, rows, defaults=None):
    """Rows of a contract, lineage left out; what neither a row nor `defaults` names is null."""
    schema = {name: dtype for name, dtype in TABLES[table].schema.items() if name not in ("load_id", "batch_id")}
    plain = {name: pl.Float64 if isinstance(dtype, pl.Decimal) else dtype for name, dtype in schema.items()}
    full = [{**dict.fromkeys(schema), **(defaults or {}), **row} for row in rows]
    return pl.DataFrame(full, schema=plain, orient="row").cast(schema).lazy()


def lines(key, *rows):
    """Raw lines of a market: ids count from 1, the rest is a clean FanDuel quote of game 1."""
    defaults = {
        "game_id": 1,
        "sportsbook": "fanduel",
        "market_type": MARKET_NAMES[key],
        "home_team": "BOS",
        "away_team": "NYY",
        "odds_timestamp": NOON,
        "created_at": NOON,
        "updated_at": NOON,
        "source": "SBD",
        **PRICES[key],
    }
    return frame(f"raw_data.{key}_raw", [{"id": n, **row} for n, row in enumerate(rows, 1)], defaults)


def raw(**rows):
    return {key: lines(key, *rows.get(key, ())) for key in MARKETS}


def games(*rows):
    """Staged games with the columns that lines need."""
    default = {"game_id": 1, "start_at": START, "season": 2025, "home_team_id": 111, "away_team_id": 147}
    return pl.LazyFrame(
        [{**default, **row} for row in rows or ({},)],
        schema={
            "game_id": pl.Int32,
            "start_at": pl.Datetime("us", "UTC"),
            "season": pl.Int16,
            "home_team_id": pl.Int32,
            "away_team_id": pl.Int32,
        },
    )


def _shops():
    """Staged books and their lookup, in memory."""
    rows = frame("raw_data.sportsbooks_raw", SPORTSBOOKS)
    lookup = book_lookup(rows, BOOKS)
    kept = {field.name: getattr(lookup, field.name).collect().lazy() for field in fields(lookup)}
    return staged_sportsbooks(rows, BOOKS).collect().lazy(), replace(lookup, **kept)


SHOPS, BOOK_LOOKUP = _shops()


def references(*rows, mapped=None):
    """References of the games named; each legacy id is its own game unless `mapped` says otherwise."""
    staged = games(*rows)
    ids = mapped or {row.get("game_id", 1): row.get("game_id", 1) for row in rows or ({},)}
    return References(
        games=staged,
        game_map=pl.LazyFrame(
            {"legacy_game_id": list(ids), "game_id": list(ids.values())},
            schema={"legacy_game_id": pl.Int32, "game_id": pl.Int32},
        ),
        books=SHOPS,
        book_lookup=BOOK_LOOKUP,
        clubs=CLUBS,
        brands=real_brands(BOOKS),
    )


def staged(key, *rows, refs=None, params=PARAMS, **others):
    """Staged lines of one market as rows, by raw_id."""
    refs = refs or references()
    out = stage_lines(resolve_lines(raw(**{key: rows}, **others), refs), refs, params=params)
    return out[key].collect().sort("raw_id").to_dicts()


def minutes(count):
    return timedelta(minutes=count)


def games_raw(*rows):
    default = {
        "home_team": "BOS",
        "away_team": "NYY",
        "game_datetime": START,
        "game_date": date(2025, 7, 1),
        "game_status": "completed",
        "home_score": 5,
        "away_score": 3,
        "season": 2025,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return frame("raw_data.games_raw", [{"id": n, **row} for n, row in enumerate(rows, 1)], default)


def outcomes_raw(*rows):
    return frame("raw_data.game_outcomes_raw", [{"id": n, **row} for n, row in enumerate(rows, 1)])
