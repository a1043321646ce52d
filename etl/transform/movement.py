"""Each brand's way from its opening to its current quote. Features definition, section 3.

A move is in percentage points of the no-vig probability of side A. American odds are never subtracted.
"""

from datetime import timedelta

import polars as pl

from etl.transform.clean import MINUTE_US, expr_quotient
from etl.transform.consensus import KEY, as_ofs, eligible_at, usable_at
from etl.transform.curated_params import CuratedParams, MovementParams
from etl.transform.market_quotes import SPREAD, TOTALS

OPENING = "opening"
OPEN = "open"
# NOTE: steps are summed as whole billionths of a point: a sum of floats could depend on how the rows were split.
STEP_UNITS = 1e9
SERIES = [*KEY, "brand"]
POINT = ["raw_id", "observed_at", "line", "p_fair_a"]


def line_movements(quotes: pl.LazyFrame, *, games: pl.LazyFrame, params: CuratedParams) -> pl.LazyFrame:
    """One row per game, market, brand and horizon with an eligible quote at as_of; columns of the contract and KEY."""
    moments = as_ofs(games, horizons_min=params.horizons_min)
    usable = quotes.pipe(usable_at, as_ofs=moments).sort("market", "order").cache()
    earlier = usable.pipe(_until, minutes=params.movement.velocity_window_min)
    return (
        eligible_at(usable)
        .select(*SERIES, "as_of", "start_at", *_as("current"))
        .join(usable.pipe(_path, params=params.movement), on=SERIES, how="left")
        .join(quotes.pipe(_pseudo_openings, moments=moments), on=KEY, how="left")
        .join(earlier, on=SERIES, how="left")
        .with_columns(**_opening())
        .with_columns(**_moves(params.movement))
        .with_columns(**_shape(params.movement))
    )


def _as(name: str) -> list[pl.Expr]:
    return [pl.col(column).alias(f"{name}_{column}") for column in POINT]


def _until(usable: pl.LazyFrame, *, minutes: float) -> pl.LazyFrame:
    """The last quote of each series that was usable `minutes` before as_of."""
    return (
        usable.filter(pl.col("usable_from") <= pl.col("as_of") - timedelta(minutes=minutes))
        .select(*SERIES, *_as("earlier"))
        .unique(SERIES, keep="last", maintain_order=True)
    )


def _path(usable: pl.LazyFrame, *, params: MovementParams) -> pl.LazyFrame:
    """The first quotes of each series and the steps between consecutive ones; `usable` is sorted by order."""
    is_same = pl.all_horizontal(pl.col(c) == pl.col(c).shift(1) for c in ["market", "series", "horizon_min"])
    step = expr_move_pp(
        market=pl.col("market"),
        line=(pl.col("line").shift(1), pl.col("line")),
        p=(pl.col("p_fair_a").shift(1), pl.col("p_fair_a")),
        params=params,
    )
    first_open = pl.col("line_kind") == OPEN
    firsts = [pl.col(c).first().alias(f"first_{c}") for c in POINT]
    opens = [pl.col(c).filter(first_open).first().alias(f"open_{c}") for c in POINT]
    return (
        usable.sort("market", "series", "horizon_min", "order")
        .with_columns(step=pl.when(is_same).then(step).abs())
        .group_by(SERIES, maintain_order=True)
        .agg(
            *firsts,
            *opens,
            n_quotes=pl.len().cast(pl.Int32),
            steps=(pl.col("step") >= params.min_step_pp).sum().cast(pl.Int32),
            path_pp=(pl.col("step") * STEP_UNITS).round(0).cast(pl.Int64).sum().pipe(expr_quotient, STEP_UNITS),
        )
    )


def _pseudo_openings(quotes: pl.LazyFrame, *, moments: pl.LazyFrame) -> pl.LazyFrame:
    """The opening that a feed's pseudo-book of opening lines gives for a game and market."""
    is_opening = (pl.col("book_kind") == OPENING) & (pl.col("pit_basis") == "observed_and_recorded")
    return (
        quotes.filter(is_opening, pl.col("p_fair_a").is_not_null(), pl.col("observed_at") < pl.col("start_at"))
        .with_columns(usable_from=pl.col("as_of"))
        .pipe(usable_at, as_ofs=moments)
        .sort("market", "order")
        .select(*KEY, *_as("feed"))
        .unique(KEY, keep="first", maintain_order=True)
    )


def _opening() -> dict[str, pl.Expr]:
    """The brand's own opening quote, else the feed's opening of the market, else the first quote that was seen."""
    has_own, has_feed = pl.col("open_raw_id").is_not_null(), pl.col("feed_raw_id").is_not_null()
    opened = pl.when(has_own | has_feed).then(pl.lit("feed_open")).otherwise(pl.lit("first_seen"))
    points = {
        f"open_{c}": pl.when(has_own).then(f"open_{c}").when(has_feed).then(f"feed_{c}").otherwise(f"first_{c}")
        for c in POINT
    }
    return {**points, "open_source": opened}


def _moves(params: MovementParams) -> dict[str, pl.Expr]:
    line, p, market = pl.col("current_line"), pl.col("current_p_fair_a"), pl.col("market")
    opened, earlier = pl.col("open_line"), pl.col("earlier_line")
    hours = params.velocity_window_min / 60
    low, high = pl.min_horizontal(opened, line), pl.max_horizontal(opened, line)
    crosses = pl.any_horizontal(pl.lit(key).is_between(low, high) for key in params.key_totals)
    return {
        "open_lead_min": expr_quotient(
            (pl.col("start_at") - pl.col("open_observed_at")).dt.total_microseconds(), MINUTE_US
        ),
        "move_pp": expr_move_pp(market=market, line=(opened, line), p=(pl.col("open_p_fair_a"), p), params=params),
        "line_move_runs": line - opened,
        "rl_flip": pl.when(market == SPREAD.name).then(opened.sign() != line.sign()),
        "crosses_key_total": pl.when(market == TOTALS.name).then((opened != line) & crosses),
        "velocity_pp_h": expr_quotient(
            expr_move_pp(market=market, line=(earlier, line), p=(pl.col("earlier_p_fair_a"), p), params=params), hours
        ),
    }


def _shape(params: MovementParams) -> dict[str, pl.Expr]:
    move, path = pl.col("move_pp").abs(), pl.col("path_pp")
    runs = pl.col("line_move_runs").abs()
    return {
        "n_moves": pl.when(pl.col("n_quotes") > 1).then("steps"),
        # A total's steps are converted piecewise, so their sum may miss the net move by a little: at most 1.
        "movement_consistency": pl.when(path > 0).then((move / path).clip(upper_bound=1.0)),
        "movement_significance": pl.when(move.is_not_null()).then(
            pl.when(pl.col("market") == TOTALS.name)
            .then(expr_significance(runs, bounds=params.significance_runs))
            .otherwise(expr_significance(move, bounds=params.significance_pp))
        ),
    }


def expr_significance(size: pl.Expr, *, bounds: tuple[float, float, float]) -> pl.Expr:
    """Size class of a move: minor below the first bound, then moderate, significant, major. Null for null."""
    minor, moderate, significant = bounds
    return (
        pl.when(size < minor)
        .then(pl.lit("minor"))
        .when(size < moderate)
        .then(pl.lit("moderate"))
        .when(size < significant)
        .then(pl.lit("significant"))
        .when(size.is_not_null())
        .then(pl.lit("major"))
    )


def expr_fair_total(line: pl.Expr, p_over: pl.Expr, *, push_prob: pl.Expr, params: MovementParams) -> pl.Expr:
    """The total at which over and under would be equally likely, in runs."""
    is_high = line >= params.density_high_from_runs
    density = pl.when(is_high).then(params.density_per_run_high).otherwise(params.density_per_run_low)
    return line + (p_over - 0.5) * (1.0 - push_prob) / density


def expr_move_pp(
    *, market: pl.Expr, line: tuple[pl.Expr, pl.Expr], p: tuple[pl.Expr, pl.Expr], params: MovementParams
) -> pl.Expr:
    """Move of side A from the first (line, p) to the second, in percentage points.

    At a changed run line null; at a changed total the difference of fair totals, by the density of totals per run. Push
    probabilities are taken as 0 in it. Null if either probability is.
    """
    none = pl.lit(0.0)
    fair = [expr_fair_total(at, over, push_prob=none, params=params) for at, over in zip(line, p, strict=True)]
    is_moved = (line[0] != line[1]).fill_null(value=False)
    return (
        pl.when(~is_moved)
        .then(100 * (p[1] - p[0]))
        .when(market == TOTALS.name)
        .then(100 * params.move_density_per_run * (fair[1] - fair[0]))
    )
