"""Which games a change of bounds touches: those with a line that some rule about one row judges otherwise than before.

Everything else that staging and curated make of a line follows from its own game, so no other game can change.
"""

import polars as pl

from etl.transform.odds import expr_booksum, expr_canonical_price, expr_implied
from etl.transform.rules import Rule, checks_of
from etl.transform.staging import Market
from etl.transform.staging_params import BoundParams

# The rules that read a row's own prices and line and nothing else, and the bounds that only they read.
ROW_RULES = (
    Rule.LINE_INVALID,
    Rule.BOOKSUM_IMPOSSIBLE,
    Rule.BOOKSUM_UNUSUAL,
    Rule.UNUSUAL_RUN_LINE,
    Rule.PRICE_UNUSUAL,
)
ROW_BOUNDS = (
    *("run_line_max_runs", "total_min_runs", "total_max_runs", "line_grid_runs", "booksum_min", "booksum_max"),
    *("booksum_usual_min", "booksum_usual_max", "price_usual_max", "usual_run_line_runs"),
)


def judged_otherwise(raw: pl.LazyFrame, *, market: Market, before: BoundParams, after: BoundParams) -> pl.LazyFrame:
    """One column, `game_id` (legacy): the games with a line that bounds `after` judge otherwise than `before`.

    `raw` has the raw columns game_id, both prices and the line. Lines without a game are left out.
    """
    line = pl.lit(None, dtype=pl.Float64) if market.line is None else pl.col(market.line).cast(pl.Float64)
    price_a, price_b = pl.col("price_a"), pl.col("price_b")
    is_other = pl.any_horizontal(
        check.holds(before, market.name).ne_missing(check.holds(after, market.name))
        for check in checks_of(market.name)
        if check.rule in ROW_RULES
    )
    return (
        raw.select(
            "game_id",
            line=line,
            price_a=expr_canonical_price(pl.col(market.price_a)),
            price_b=expr_canonical_price(pl.col(market.price_b)),
        )
        .with_columns(booksum=expr_booksum(expr_implied(price_a), expr_implied(price_b)))
        .filter(is_other & pl.col("game_id").is_not_null())
        .select("game_id")
        .unique()
    )
