"""Staged lines of one market in one shape: side A is home or over, side B away or under. Nothing is filtered here."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from etl.transform.curated_params import ConsensusParams, CuratedParams
from etl.transform.odds import with_p_fair

BOOK = "book"
ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Market:
    """Where a market's line and prices are in staging. `line` is null for a market without lines."""

    name: str
    table: str
    line: str | None
    price_a: str
    price_b: str


MONEYLINE = Market("moneyline", "moneylines", None, "home_price", "away_price")
SPREAD = Market("spread", "spreads", "home_line", "home_price", "away_price")
TOTALS = Market("totals", "totals", "total_line", "over_price", "under_price")
MARKETS = (MONEYLINE, SPREAD, TOTALS)

KEPT = ["raw_id", "game_id", "book_id", "brand", "book_kind", "source", "line_kind", "clock", "observed_at"]
KEPT += ["recorded_at", "is_in_play", "validation_status", "quality_flags"]


def quotes_of(
    lines: pl.LazyFrame, *, market: Market, games: pl.LazyFrame, books: pl.LazyFrame, params: CuratedParams
) -> pl.LazyFrame:
    """The staged lines of `market` with the facts that every figure rests on, one row a line.

    Rows come in the order of their series (game, brand) and, within it, of (observed_at, recorded_at, raw_id): `order`
    is that place and `series` the number of the series. `as_of` is greatest(observed_at, recorded_at). `is_usable` is
    true if the quote may serve features from `as_of` on: a two-sided pre-game quote of a real book, both clocks known
    and the source's own, recorded within `backfill_h`. `usable_from` is when a feature vector may use it, null for
    never; with `admit_backfilled`, later recorded rows count from `observed_at`.
    """
    return (
        lines.select(*KEPT, **_sides(market))
        .join(games.select("game_id", "start_at"), on="game_id", how="left", maintain_order="left")
        .join(_book_facts(books), on="book_id", how="left", maintain_order="left")
        .pipe(with_p_fair, price_a="price_a", price_b="price_b", out="p_fair_a", method=params.devig_method)
        .sort("game_id", "brand_id", "observed_at", "recorded_at", "raw_id")
        .with_columns(
            order=pl.int_range(pl.len()),
            series=pl.struct("game_id", "brand_id").rle_id(),
            as_of=pl.max_horizontal("observed_at", "recorded_at"),
            market=pl.lit(market.name),
            line_key=pl.col("line").fill_null(0.0),
            pit_basis=expr_pit_basis(params.consensus),
            max_age=expr_max_age(params.consensus),
        )
        .with_columns(is_usable=_expr_is_quote() & pl.col("pit_basis").eq_missing(pl.lit("observed_and_recorded")))
        .with_columns(usable_from=_expr_usable_from(params.consensus), is_collapsed=expr_is_collapsed())
    )


def _sides(market: Market) -> dict[str, pl.Expr]:
    line = pl.col(market.line) if market.line else pl.lit(None, pl.Float64)
    return {"line": line, "price_a": pl.col(market.price_a), "price_b": pl.col(market.price_b)}


def _book_facts(books: pl.LazyFrame) -> pl.LazyFrame:
    # A brand goes by its smallest book id: sorting by numbers is several times faster than by names.
    return books.select("book_id", "tier", brand_id=pl.col("book_id").min().over("brand"))


def expr_pit_basis(params: ConsensusParams) -> pl.Expr:
    """Which clocks a line rests on; null if one is unknown. Features definition, section 4."""
    lag = pl.col("recorded_at") - pl.col("observed_at")
    return (
        pl.when(pl.col("clock") == ASSUMED)
        .then(pl.lit("assumed"))
        .when(lag > timedelta(hours=params.backfill_h))
        .then(pl.lit("event_time"))
        .when(lag.is_not_null())
        .then(pl.lit("observed_and_recorded"))
    )


def expr_max_age(params: ConsensusParams) -> pl.Expr:
    """Age up to which a quote is current: shorter for sources that are polled every ten minutes or less."""
    polled = pl.col("source").is_in(list(params.polled_sources)).fill_null(value=False)
    return (
        pl.when(polled)
        .then(pl.lit(timedelta(minutes=params.polled_max_quote_age_min)))
        .otherwise(pl.lit(timedelta(hours=params.max_quote_age_h)))
    )


def _expr_is_quote() -> pl.Expr:
    is_book, is_pre_game = pl.col("book_kind") == BOOK, pl.col("observed_at") < pl.col("start_at")
    return (is_book & is_pre_game & pl.col("p_fair_a").is_not_null()).fill_null(value=False)


def _expr_usable_from(params: ConsensusParams) -> pl.Expr:
    strict = pl.when(pl.col("is_usable")).then("as_of")
    if not params.admit_backfilled:
        return strict
    backfilled = _expr_is_quote() & pl.col("pit_basis").eq_missing(pl.lit("event_time"))
    return pl.when(backfilled).then("observed_at").otherwise(strict)


def expr_is_collapsed() -> pl.Expr:
    """True if a line of the same brand, line and clock was recorded later, or as late under a higher id (W09)."""
    return pl.col("order") < pl.col("order").max().over("series", "line_key", "observed_at")
