"""Staging of lines: one spelling, one clock, one key, a score and a verdict on every row.

Every raw row comes out exactly once: collapsed onto its copy, rejected with the rules it broke, or accepted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from etl.transform.books import BookLookup, with_book_id
from etl.transform.clean import expr_clock, expr_key, expr_legacy_score, expr_line_kind, expr_recorded_at
from etl.transform.duplicates import NOT_COMPARED, with_duplicates
from etl.transform.odds import expr_booksum, expr_canonical_price, expr_decimal, expr_implied, with_p_fair
from etl.transform.peers import far_quotes, with_moneyline
from etl.transform.quality import with_quality
from etl.transform.rules import MONEYLINE, SPREAD, TOTALS, expr_line_on_grid
from etl.transform.staging_params import BoundParams, StagingParams
from etl.transform.teams import ClubLookup, expr_code_set, with_team
from schemas import TABLES

_TEXTS = ("source", "home_team", "away_team", "_year")
_WORKING = (
    *("raw_id", "game_id", "book_id", "brand", "book_kind", "source", "line", "price_a", "price_b"),
    *("observed_at", "recorded_at", "start_at", "home_team_id", "away_team_id", "is_text_unknown"),
    *("note_clock", "note_line_kind", "data_completeness_score", "is_collapsed", "key_rows", "key_values"),
)


@dataclass(frozen=True, slots=True)
class Market:
    """What the legacy calls the columns of a market. `line_out` is the line's name in staging."""

    name: str
    raw_table: str
    price_a: str
    price_b: str
    line: str | None
    sides: tuple[str, str]
    line_out: str | None
    prices_out: tuple[str, str]


MARKETS: dict[str, Market] = {
    "moneylines": Market(
        MONEYLINE,
        "raw_data.moneylines_raw",
        "home_ml",
        "away_ml",
        None,
        ("home", "away"),
        None,
        ("home_price", "away_price"),
    ),
    "spreads": Market(
        SPREAD,
        "raw_data.spreads_raw",
        "home_spread_price",
        "away_spread_price",
        "spread_line",
        ("home", "away"),
        "home_line",
        ("home_price", "away_price"),
    ),
    "totals": Market(
        TOTALS,
        "raw_data.totals_raw",
        "over_price",
        "under_price",
        "total_line",
        ("over", "under"),
        "total_line",
        ("over_price", "under_price"),
    ),
}


@dataclass(frozen=True, slots=True)
class References:
    """What lines are resolved against. Frames that are used often should be in memory.

    `games` and `books` have the columns of `staging.games` and `staging.sportsbooks`; `game_map` is legacy_game_id ->
    game_id; `brands` are the brands of real books (`books.real_brands`).
    """

    games: pl.LazyFrame
    game_map: pl.LazyFrame
    books: pl.LazyFrame
    book_lookup: BookLookup
    clubs: ClubLookup
    brands: tuple[str, ...]


def resolve_lines(raw: Mapping[str, pl.LazyFrame], refs: References) -> dict[str, pl.LazyFrame]:
    """Raw lines of the three markets with canonical prices, line and clocks, their game and book, and their copies.

    `raw` has the keys moneylines, spreads and totals. Adds `legacy_game_id` (the raw game), `game_id`, `book_id`, what
    the game and the book say, and the columns of :func:`etl.transform.duplicates.with_duplicates`. Unresolved ids are
    null. The row counts are unchanged. The rows of one game must be in one call, whatever the order.
    """
    return {key: raw[key].pipe(_unique_lines, refs, market=market) for key, market in MARKETS.items()}


def stage_lines(
    lines: Mapping[str, pl.LazyFrame], refs: References, *, params: StagingParams
) -> dict[str, pl.LazyFrame]:
    """Staged lines of the three markets: the contract's columns, `is_collapsed` and `broken_rules`.

    `lines` are those of :func:`resolve_lines`. Every one comes out once; it is accepted if it is not collapsed and
    `broken_rules` is empty.
    """
    # Quotes are used twice, as themselves and as what others are compared with.
    quotes = {key: lines[key].pipe(_quotes, refs=refs, market=MARKETS[key], params=params).cache() for key in MARKETS}
    bounds = params.bounds
    far = far_quotes(
        quotes,
        brands=refs.brands,
        min_books=bounds.consensus_min_books,
        max_gap=bounds.consensus_max_pp / 100,
    )
    found = {key: quotes[key].join(far[key], on="raw_id", how="left") for key in MARKETS}
    found["spreads"] = found["spreads"].pipe(with_moneyline, quotes["moneylines"])
    return {key: found[key].pipe(_scored, market=MARKETS[key], params=params) for key in MARKETS}


def accepted(lf: pl.LazyFrame) -> pl.LazyFrame:
    """The staged lines that are neither collapsed nor rejected."""
    return lf.filter(~pl.col("is_collapsed") & (pl.col("broken_rules").list.len() == 0))


def _resolved_lines(raw: pl.LazyFrame, refs: References, *, market: Market) -> pl.LazyFrame:
    games = refs.games.select("game_id", "start_at", "home_team_id", "away_team_id")
    books = refs.books.select("book_id", "brand", book_kind="kind")
    line = pl.lit(None, dtype=pl.Float64) if market.line is None else pl.col(market.line).cast(pl.Float64)
    return (
        raw.rename({"game_id": "legacy_game_id"})
        .with_columns(
            raw_id="id",
            price_a=expr_canonical_price(pl.col(market.price_a)),
            price_b=expr_canonical_price(pl.col(market.price_b)),
            line=line,
            observed_at="odds_timestamp",
            recorded_at=expr_recorded_at(pl.col("created_at"), pl.col("updated_at")),
        )
        .pipe(with_book_id, lookup=refs.book_lookup)
        .join(books, on="book_id", how="left")
        .join(refs.game_map, on="legacy_game_id", how="left")
        .join(games, on="game_id", how="left")
    )


def _unique_lines(raw: pl.LazyFrame, refs: References, *, market: Market) -> pl.LazyFrame:
    compared = (name for name in TABLES[market.raw_table].schema if name not in NOT_COMPARED)
    names = tuple("legacy_game_id" if name == "game_id" else name for name in compared)
    return _resolved_lines(raw, refs, market=market).pipe(with_duplicates, compared=names)


def _quotes(lines: pl.LazyFrame, *, refs: References, market: Market, params: StagingParams) -> pl.LazyFrame:
    """Working columns of the rules that look at one row, and the no-vig probability."""
    implied_a, implied_b = expr_implied(pl.col("price_a")), expr_implied(pl.col("price_b"))
    return (
        lines.pipe(_with_known_texts, clubs=refs.clubs)
        .select(_WORKING)
        .with_columns(booksum=expr_booksum(implied_a, implied_b))
        .pipe(with_p_fair, price_a="price_a", price_b="price_b", out="p_fair", method=params.bounds.devig_method)
        .with_columns(is_quotable=_expr_is_quotable(params.bounds, market.name))
    )


def _expr_is_quotable(bounds: BoundParams, market: str) -> pl.Expr:
    """True for a quote that others may be compared with: clocked, two-sided, possible, not a copy. Never null."""
    is_possible = pl.col("booksum").is_between(bounds.booksum_min, bounds.booksum_max) & pl.col("p_fair").is_not_null()
    if market != MONEYLINE:
        is_possible = is_possible & expr_line_on_grid(bounds, market)
    known = pl.all_horizontal(pl.col("game_id", "brand", "observed_at").is_not_null())
    return (is_possible & known & ~pl.col("is_collapsed")).fill_null(value=False)


def _with_known_texts(lf: pl.LazyFrame, *, clubs: ClubLookup) -> pl.LazyFrame:
    """Add `is_text_unknown`: a team text of the line is there and names no club. Never null."""
    home, away = (pl.col(f"{side}_team").is_not_null() & pl.col(f"_{side}_id").is_null() for side in ("home", "away"))
    # A season is a calendar year, and only a text that names several clubs in time asks for it.
    lf = lf.with_columns(_year=pl.col("odds_timestamp").dt.year())
    texts = (
        lf.select(_TEXTS)
        .unique()
        .with_columns(_code_set=expr_code_set(pl.col("source"), feeds=clubs.feeds))
        .pipe(with_team, lookup=clubs, text="home_team", season="_year", code_set="_code_set", out="_home_id")
        .pipe(with_team, lookup=clubs, text="away_team", season="_year", code_set="_code_set", out="_away_id")
        .select(*_TEXTS, is_text_unknown=home | away)
    )
    return lf.join(texts, on=_TEXTS, how="left", nulls_equal=True).drop("_year")


def _scored(quotes: pl.LazyFrame, *, market: Market, params: StagingParams) -> pl.LazyFrame:
    none = pl.lit([], dtype=pl.List(pl.String))
    prices = dict(zip(market.prices_out, ("price_a", "price_b"), strict=True))
    lines = {market.line_out: "line"} if market.line_out else {}
    return quotes.pipe(with_quality, market=market.name, params=params).select(
        *("raw_id", "game_id", "book_id", "brand", "book_kind", "observed_at", "recorded_at"),
        *("completeness", "validity", "consistency", "timeliness", "uniqueness"),
        *("validation_status", "quality_flags", "is_collapsed"),
        source=expr_key(pl.col("source")),
        line_kind=expr_line_kind(pl.col("note_line_kind")),
        clock=expr_clock(pl.col("note_clock")),
        is_in_play=pl.col("observed_at") >= pl.col("start_at"),
        quality_score=pl.col("score").round(2).cast(pl.Decimal(3, 2)),
        legacy_quality_score=expr_legacy_score(pl.col("data_completeness_score")),
        broken_rules=pl.when("is_collapsed").then(none).otherwise("broken_rules"),
        **prices,
        **lines,
    )


def stage_betting_lines(lines: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Rows of `staging.betting_lines`: two for each accepted line, one a side."""
    return pl.concat([_side(lines[key], market=market, index=k) for key, market in MARKETS.items() for k in (0, 1)])


def _side(lf: pl.LazyFrame, *, market: Market, index: int) -> pl.LazyFrame:
    price = pl.col(market.prices_out[index])
    line = pl.lit(None, dtype=pl.Float64) if market.line_out is None else pl.col(market.line_out)
    is_away_spread = market.name == SPREAD and index == 1
    return lf.pipe(accepted).select(
        *("raw_id", "game_id", "book_id", "observed_at", "recorded_at", "validation_status"),
        market=pl.lit(market.name),
        side=pl.lit(market.sides[index]),
        line=-line if is_away_spread else line,
        price=price,
        decimal_odds=expr_decimal(price),
    )
