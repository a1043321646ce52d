"""The curated zone from the staged one: lines, movements, efficiency, feature vectors and labels."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from etl.transform.clean import MINUTE_US, expr_quotient
from etl.transform.consensus import arbitrage, as_ofs, eligible_at, market_state, usable_at
from etl.transform.curated_params import CuratedParams
from etl.transform.line_consensus import line_figures
from etl.transform.market_quotes import MARKETS, MONEYLINE, Market, quotes_of
from etl.transform.movement import line_movements
from etl.transform.odds import (
    expr_decimal,
    expr_ev,
    expr_hold,
    expr_implied,
    expr_no_vig,
    expr_overround,
    expr_p_shin,
    expr_shin_z,
    with_power,
)
from etl.transform.settle import labels
from etl.transform.vectors import feature_vectors
from schemas import TABLES

OWN = ("load_id", "batch_id")


def market_quotes(staged: Mapping[str, pl.LazyFrame], *, params: CuratedParams) -> dict[str, pl.LazyFrame]:
    """The staged lines of each market with what every figure rests on: see :func:`quotes_of`."""
    games, books = staged["games"], staged["sportsbooks"]
    return {
        market.table: quotes_of(staged[market.table], market=market, games=games, books=books, params=params)
        for market in MARKETS
    }


def curate_lines(quotes: Mapping[str, pl.LazyFrame], *, params: CuratedParams) -> dict[str, pl.LazyFrame]:
    """The curated lines of each market, one row a staged line, without load and batch.

    `is_collapsed` is true if a later recorded line of the same brand, line and clock took the row's place.
    """
    return {market.table: quotes[market.table].pipe(_lines, market=market, params=params) for market in MARKETS}


def curate_games(
    quotes: Mapping[str, pl.LazyFrame],
    *,
    staged: Mapping[str, pl.LazyFrame],
    form: Mapping[int, pl.LazyFrame],
    params: CuratedParams,
) -> dict[str, pl.LazyFrame]:
    """The curated tables of the markets of games, without load and batch.

    `quotes` are those of :func:`market_quotes`; `staged` holds games and betting_splits; `form` the columns of
    curated.games for each horizon. Movements and efficiency are at the first horizon, vectors and labels at all.
    """
    games, every = staged["games"], pl.concat(quotes.values()).cache()
    moments = as_ofs(games, horizons_min=params.horizons_min)
    eligible = every.pipe(usable_at, as_ofs=moments).pipe(eligible_at)
    state = eligible.pipe(market_state, as_ofs=moments, params=params.consensus).pipe(_stamped, params=params).cache()
    movements = every.pipe(line_movements, games=games, params=params).pipe(_stamped, params=params).cache()
    main = pl.col("horizon_min") == params.horizons_min[0]
    best = pl.col("best_decimal_a"), pl.col("best_decimal_b")
    vectors = feature_vectors(state, movements=movements, splits=staged["betting_splits"], form=form, params=params)
    outcomes = labels(state, games=games, quotes=every, params=params)
    return {
        "line_movements": movements.filter(main).pipe(_finished, "line_movements"),
        "market_efficiency": state.filter(main).with_columns(**arbitrage(*best)).pipe(_finished, "market_efficiency"),
        "feature_vectors": vectors.pipe(_finished, "feature_vectors"),
        "labels": outcomes.pipe(_stamped, params=params).pipe(_finished, "labels"),
    }


def _finished(lf: pl.LazyFrame, table: str) -> pl.LazyFrame:
    return lf.select(columns_of(table)).sort(TABLES[f"curated.{table}"].key)


def columns_of(table: str) -> list[str]:
    """The columns of a curated table that the transforms make: all but load and batch, in the contract's order."""
    return [name for name in TABLES[f"curated.{table}"].schema if name not in OWN]


def _stamped(lf: pl.LazyFrame, *, params: CuratedParams) -> pl.LazyFrame:
    return lf.with_columns(
        feature_set_version=pl.lit(params.feature_set_version),
        devig_method=pl.lit(params.devig_method),
        config_hash=pl.lit(params.config_hash),
    )


def _lines(quotes: pl.LazyFrame, *, market: Market, params: CuratedParams) -> pl.LazyFrame:
    """The curated lines of one market, one row a staged line, with `is_collapsed`."""
    return (
        quotes.pipe(_priced)
        .join(quotes.pipe(line_figures, params=params), on="order", how="left", maintain_order="left")
        .pipe(_placed, market=market)
        .pipe(_stamped, params=params)
        .select(*columns_of(market.table), "is_collapsed")
    )


def _priced(quotes: pl.LazyFrame) -> pl.LazyFrame:
    """Add what a line's own two prices say."""
    price_a, price_b = pl.col("price_a"), pl.col("price_b")
    pi_a, pi_b = pl.col("implied_prob_a"), pl.col("implied_prob_b")
    lead = (pl.col("start_at") - pl.col("observed_at")).dt.total_microseconds()
    return (
        quotes.with_columns(
            decimal_a=expr_decimal(price_a),
            decimal_b=expr_decimal(price_b),
            implied_prob_a=expr_implied(price_a),
            implied_prob_b=expr_implied(price_b),
            p_fair_b=1.0 - pl.col("p_fair_a"),
            p_shin_a=expr_p_shin(price_a, price_b),
            shin_z=expr_shin_z(price_a, price_b),
            minutes_to_start=expr_quotient(lead, MINUTE_US),
        )
        .with_columns(
            overround=expr_overround(pi_a, pi_b),
            hold=expr_hold(pi_a, pi_b),
            no_vig_probability_a=expr_no_vig(pi_a, pi_b),
            no_vig_probability_b=expr_no_vig(pi_b, pi_a),
        )
        .pipe(with_power, a="implied_prob_a", b="implied_prob_b", out_p="p_power_a", out_k="power_k")
    )


def _placed(lines: pl.LazyFrame, *, market: Market) -> pl.LazyFrame:
    """Add how the line stands to the market: needs the columns of `line_figures`."""
    has_clock = pl.col("as_of").is_not_null()
    line = pl.lit(None, pl.Float64) if market is MONEYLINE else pl.col("consensus_line")
    return lines.with_columns(
        n_other_books=pl.when(has_clock).then(pl.col("n_other_books").fill_null(0)),
        consensus_line=line,
        line_deviation=pl.col("line") - line,
        consensus_deviation=100 * (pl.col("p_fair_a") - pl.col("consensus_p_a_loo")),
        p_ref_a=pl.coalesce("consensus_p_a_loo", "p_sharp_loo"),
    ).with_columns(
        ev_a=expr_ev(pl.col("p_ref_a"), pl.col("price_a")),
        ev_b=expr_ev(1.0 - pl.col("p_ref_a"), pl.col("price_b")),
    )


def expected_line_movements(staged: Mapping[str, pl.LazyFrame], *, params: CuratedParams) -> pl.LazyFrame:
    """How many rows curated.line_movements must have: one row, column `expected`.

    Counted from the staged lines by themselves, so that it can prove the table: series of a real book whose last
    two-sided pre-game quote, of those with both clocks by as_of, is fresh enough.
    """
    counts = [_expected_series(staged, market, params) for market in MARKETS]
    return pl.concat(counts).select(expected=pl.col("series").sum())


def _expected_series(staged: Mapping[str, pl.LazyFrame], market: Market, params: CuratedParams) -> pl.LazyFrame:
    as_of = pl.col("start_at") - timedelta(minutes=params.horizons_min[0])
    observed, recorded, rules = pl.col("observed_at"), pl.col("recorded_at"), params.consensus
    late = recorded - observed > timedelta(hours=rules.backfill_h)
    by_as_of = pl.when(late & rules.admit_backfilled).then(observed <= as_of).otherwise(~late & (recorded <= as_of))
    beta = expr_implied(pl.col(market.price_a)) + expr_implied(pl.col(market.price_b))
    polled = pl.col("source").is_in(list(rules.polled_sources)).fill_null(value=False)
    minutes = pl.when(polled).then(rules.polled_max_quote_age_min).otherwise(rules.max_quote_age_h * 60)
    return (
        staged[market.table]
        .join(staged["games"].select("game_id", "start_at"), on="game_id")
        .filter(pl.col("book_kind") == "book", pl.col("clock") == "source", beta.is_between(0.9, 1.3))
        .filter(observed <= as_of, observed < pl.col("start_at"), by_as_of)
        .with_columns(age=expr_quotient((as_of - observed).dt.total_microseconds(), MINUTE_US), limit=minutes)
        .group_by("game_id", "brand")
        .agg(is_fresh=(pl.col("age") <= pl.col("limit")).sort_by("observed_at", "recorded_at", "raw_id").last())
        .select(series=pl.col("is_fresh").sum().cast(pl.Int64))
    )
