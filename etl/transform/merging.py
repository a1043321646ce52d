"""Which rows of games are one game. Features definition, section 12.17.

Two rows are one game if game_pk and local date agree, or if different sources give the same clubs and starts close to
each other. A feed numbers its games itself: two ids of one feed are two games, unless game_pk says otherwise.
"""

import polars as pl

from etl.transform.staging_params import GameParams

FEED_IDS = ("sportsbookreview_game_id", "action_network_game_id", "vsin_game_id")
NO_FEED = 1 << len(FEED_IDS)
# At most four sources (three feeds and "no feed id") can meet in one game, and each round joins pairs.
ROUNDS = 3


def expr_sources() -> pl.Expr:
    """Bits of the feeds whose id the row carries; a bit of its own where it carries none."""
    bits = [pl.when(pl.col(name).is_not_null()).then(1 << k).otherwise(0) for k, name in enumerate(FEED_IDS)]
    mask = pl.sum_horizontal(bits).cast(pl.Int32)
    return pl.when(mask == 0).then(NO_FEED).otherwise(mask)


def with_game_id(rows: pl.LazyFrame, *, params: GameParams) -> pl.LazyFrame:
    """Add `game_id`, the smallest id of the rows that are the same game. The row count is unchanged.

    Needs id, game_pk, local_date, start_at, home_team_id, away_team_id and sources.
    """
    by_pk = pl.when(pl.col("game_pk").is_not_null()).then(pl.col("id").min().over("game_pk", "local_date"))
    rows = rows.with_columns(unit=pl.coalesce(by_pk, "id"))
    edges = rows.pipe(_units).pipe(_edges, window=pl.duration(minutes=params.merge_window_min))
    for _ in range(ROUNDS):
        edges = edges.pipe(_merge_round)
    merged = edges.group_by("unit").agg(game_id=pl.col("game").first())
    return rows.join(merged, on="unit", how="left").with_columns(pl.coalesce("game_id", "unit")).drop("unit")


def _units(rows: pl.LazyFrame) -> pl.LazyFrame:
    """One row for each set of rows that game_pk has joined, where clubs and start are known."""
    return (
        rows.filter(
            pl.all_horizontal(pl.col("start_at", "home_team_id", "away_team_id").is_not_null()),
            pl.col("home_team_id") != pl.col("away_team_id"),
        )
        .sort("id")
        .group_by("unit")
        .agg(
            pl.col("start_at", "home_team_id", "away_team_id").first(),
            pk=pl.col("game_pk").drop_nulls().first(),
            sources=pl.col("sources").bitwise_or(),
        )
    )


def _edges(units: pl.LazyFrame, *, window: pl.Expr) -> pl.LazyFrame:
    """Pairs of units with the same clubs and near starts, each in both directions, with the same `rank`.

    `rank` orders the pairs: the nearest starts first, then the smallest ids. `game`, `sources` and `pk` say what the
    first unit belongs to so far; the same with `_other`, the second one.
    """
    is_new = (pl.struct("home_team_id", "away_team_id") != pl.struct("home_team_id", "away_team_id").shift()) | (
        pl.col("start_at").diff() > window
    )
    near = (
        units.sort("home_team_id", "away_team_id", "start_at", "unit")
        .with_columns(session=is_new.fill_null(value=True).cum_sum())
        .filter(pl.len().over("session") > 1)
        .select("session", "unit", "start_at", "sources", "pk", game="unit")
    )
    low, high = pl.min_horizontal("unit", "unit_other"), pl.max_horizontal("unit", "unit_other")
    return (
        near.join(near, on="session", suffix="_other")
        .with_columns(gap=(pl.col("start_at") - pl.col("start_at_other")).abs(), low=low, high=high)
        .filter((pl.col("unit") != pl.col("unit_other")) & (pl.col("gap") <= window))
        .sort("gap", "low", "high", "unit")
        .with_columns(rank=pl.struct("low", "high").rle_id())
    )


def _merge_round(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Join the games that are each other's best partner. The row count is unchanged.

    Only mutual choices are joined, and never two games of one source or with different game_pk: a game has at most one
    partner a round, and no chain of near starts grows beyond one row a source.
    """
    is_open = (
        (pl.col("game") != pl.col("game_other"))
        & ((pl.col("sources") & pl.col("sources_other")) == 0)
        & (pl.col("pk") == pl.col("pk_other")).fill_null(value=True)
    )
    partner = pl.col("_joined")
    edges = (
        edges.with_columns(_rank=pl.when(is_open).then("rank"))
        .with_columns(_joined=(pl.col("_rank") == pl.col("_rank").min().over("game")).fill_null(value=False))
        .with_columns(_joined=pl.col("_joined").all().over("rank"))
        .with_columns(
            _game=pl.when(partner).then(pl.min_horizontal("game", "game_other")).min().over("game"),
            _sources=pl.when(partner).then(pl.col("sources_other")).max().over("game"),
            _pk=pl.when(partner).then("pk_other").max().over("game"),
        )
        .with_columns(
            game=pl.coalesce("_game", "game"),
            sources=pl.col("sources") | pl.col("_sources").fill_null(0),
            pk=pl.coalesce("pk", "_pk"),
        )
    )
    # NOTE: the other direction of a pair has the same rank, and there are two rows a rank: its twin is the other row.
    twins = [pl.col(name).reverse().over("rank").alias(f"{name}_other") for name in ("game", "sources", "pk")]
    return edges.with_columns(twins).drop("_rank", "_joined", "_game", "_sources", "_pk")
