"""Feature vectors: one row a game, market and horizon, from what was observed and recorded by as_of.

Never a label, never a close: those live in labels. Features definition, sections 3 to 5, 12.2 and 12.9.
"""

from collections.abc import Mapping

import polars as pl

from etl.transform.consensus import KEY
from etl.transform.curated_params import CuratedParams
from schemas import TABLES

FULL = 100.0
VECTORS = [name for name in TABLES["curated.feature_vectors"].schema if name not in ("load_id", "batch_id")]
MEDIANS = {
    "open_p_fair_a_median": "open_p_fair_a",
    "open_line_median": "open_line",
    "move_pp_median": "move_pp",
    "line_move_runs_median": "line_move_runs",
    "velocity_pp_h_median": "velocity_pp_h",
    "movement_consistency_median": "movement_consistency",
}


def feature_vectors(
    state: pl.LazyFrame,
    *,
    movements: pl.LazyFrame,
    splits: pl.LazyFrame,
    form: Mapping[int, pl.LazyFrame],
    params: CuratedParams,
) -> pl.LazyFrame:
    """The columns of curated.feature_vectors (and some of its inputs), one row per row of `state`.

    `form` holds, for each horizon, the columns of curated.games at that horizon for (at least) the games of `state`.
    """
    medians = movements.group_by(KEY).agg(**{name: pl.col(column).median() for name, column in MEDIANS.items()})
    return (
        state.join(medians, on=KEY, how="left")
        .join(splits.pipe(splits_at, state=state, params=params), on=KEY, how="left")
        .join(_of_games(form, horizons_min=params.horizons_min), on=["game_id", "horizon_min"], how="left")
        .with_columns(pit_basis=_expr_basis())
    )


def _expr_basis() -> pl.Expr:
    return (
        pl.when(pl.col("has_event_time"))
        .then(pl.lit("event_time"))
        .when(pl.col("n_books") > 0)
        .then(pl.lit("observed_and_recorded"))
    )


def _of_games(form: Mapping[int, pl.LazyFrame], *, horizons_min: tuple[int, ...]) -> pl.LazyFrame:
    schema = TABLES["curated.games"].schema
    wanted = [name for name in VECTORS if name in schema and name not in ("as_of", "game_id")]
    wanted = [name for name in wanted if name not in ("feature_set_version", "devig_method", "config_hash")]
    return pl.concat(
        form[horizon].select("game_id", *wanted).with_columns(horizon_min=pl.lit(horizon, pl.Int32))
        for horizon in horizons_min
    )


def splits_at(splits: pl.LazyFrame, *, state: pl.LazyFrame, params: CuratedParams) -> pl.LazyFrame:
    """The last split of each game and market that was usable at as_of; no row without one.

    Usable: both clocks known and by as_of, recorded within `backfill_h`, before the start, no share of exactly 0 or
    100. Of several with the same clock the one over all books comes first, then the smallest book, source and line.
    """
    lag_h = (pl.col("recorded_at") - pl.col("observed_at")).dt.total_seconds() / 3600
    return (
        splits.filter(~pl.col("is_in_play"), ~pl.col("is_one_sided"), lag_h <= params.consensus.backfill_h)
        .join(state.select(*KEY, "as_of"), on=["game_id", "market"])
        .filter(pl.max_horizontal("observed_at", "recorded_at") <= pl.col("as_of"))
        .sort("observed_at", "book_key", "source", "raw_id", descending=[True, False, False, False])
        .unique(KEY, keep="first", maintain_order=True)
        .select(*KEY, "tickets_pct_a", "money_pct_a", money_minus_tickets_pp=expr_money_minus_tickets(params))
    )


def expr_money_minus_tickets(params: CuratedParams) -> pl.Expr:
    """money% - tickets% of side A, in pp; null if either is, or both counts are known and too few in sum."""
    few = (pl.col("tickets_a") + pl.col("tickets_b") < params.splits.min_tickets).fill_null(value=False)
    return pl.when(~few).then(pl.col("money_pct_a") - pl.col("tickets_pct_a"))
