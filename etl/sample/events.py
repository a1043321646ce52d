"""What the sample knows and the pipeline must find out: beliefs, steam moves, reverse line moves, games."""

from datetime import timedelta

import polars as pl

from etl.sample.books import REAL
from etl.sample.draw import Draws
from etl.sample.market import LOGIT_PER_RUN, inverse_logit, logit, with_error
from etl.sample.plan import REVERSE, STEAM
from etl.sample.truth import NODE, Truth

LATENT_HOURS = (30.0, 24.0, 12.0, 6.0, 3.0, 1.0, 0.0)
LEAST_BOOKS, LEAST_PP, LEAST_RUNS = 3, 1.0, 0.5


def games_record(games: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """One row for each row of the games table: true probabilities, expected runs, final score (null: not played)."""
    line = ((pl.col("fair_total") * 2).round() / 2).alias("total_line")
    frame = games.join(truth.nodes, on=NODE, how="left", maintain_order="left").with_columns(line)
    played = pl.col("status").is_in(["completed", "suspended"])
    return frame.join(truth.totals, on=(*NODE, "total_line"), how="left", maintain_order="left").select(
        "game_id", "real_key", "twin", "game_pk", "season", "day", "status",
        pl.col("home").alias("home_club_id"),
        pl.col("away").alias("away_club_id"),
        "p_home", "p_home_minus", "p_home_plus", "home_runs_mean", "away_runs_mean",
        "fair_total", "total_line", "p_over", "p_push",
        pl.when(played).then("home_runs").alias("home_runs"),
        pl.when(played).then("away_runs").alias("away_runs"),
    )  # fmt: skip


def latent_record(games: pl.DataFrame, moves: pl.DataFrame, truth: Truth, draws: Draws, market: str) -> pl.DataFrame:
    """game_id, market, hours_before, belief: P(home), P(home covers -1.5) or the fair total, as the market sees it."""
    own = moves.filter(market=market).drop("market", "game_id")
    frame = (
        games.join(truth.nodes, on=NODE, how="left", maintain_order="left")
        .join(own, on="real_key", how="left", maintain_order="left")
        .join(pl.DataFrame({"hours_before": LATENT_HOURS}), how="cross")
        .pipe(with_error, draws, market, hours="hours_before")
    )
    belief = {
        "moneyline": inverse_logit(logit(pl.col("p_home")) + pl.col("error")),
        "spread": inverse_logit(logit(pl.col("p_home_minus")) + pl.col("error")),
        "totals": pl.col("fair_total") + pl.col("error") / LOGIT_PER_RUN,
    }[market]
    return frame.select("game_id", pl.lit(market).alias("market"), "hours_before", belief=belief.round(6))


def moves_record(priced: pl.DataFrame, market: str) -> pl.DataFrame:
    """Injected moves of a market as they came out in prices, before any fault.

    Columns: game_id, market, move, side, n_books, books, first_at, last_at, tickets_pct, move_pp, is_visible. A steam
    move is visible when at least three books moved by a point of probability or half a run; `move_pp` is the median
    over books of the step (steam) or of the way from first to last quote (reverse), side A up; null where lines moved.
    """
    implied = [
        pl.when(pl.col(p) > 0).then(100 / (pl.col(p) + 100)).otherwise(pl.col(p).abs() / (pl.col(p).abs() + 100))
        for p in ("price_a", "price_b")
    ]
    fair = inverse_logit((logit(implied[0].clip(0.001, 0.999)) - logit(implied[1].clip(0.001, 0.999))) / 2)
    series = (
        priced.filter((pl.col("moved_id") == pl.col("game_id")) & (pl.col("kind") == REAL))
        .sort("series", "seq")
        .with_columns(
            p=100 * fair,
            at=pl.col("start_at") - (pl.col("hours_before") * 3600).round().cast(pl.Int64) * timedelta(seconds=1),
        )
        .with_columns(
            step_pp=pl.col("p") - pl.col("p").shift().over("series"),
            step_runs=pl.col("line") - pl.col("line").shift().over("series"),
        )
    )
    return pl.concat([_steam(series), _reverse(series)]).select(
        "game_id", pl.lit(market).alias("market"), pl.exclude("game_id")
    ).sort("game_id")  # fmt: skip


def _steam(series: pl.DataFrame) -> pl.DataFrame:
    by_line = pl.col("step_runs").fill_null(0) * pl.col("side")
    same = pl.col("step_runs").fill_null(0) == 0
    moved = pl.when(same).then(pl.col("step_pp") * pl.col("side") >= LEAST_PP).otherwise(by_line >= LEAST_RUNS)
    return (
        series.filter((pl.col("move") == STEAM) & pl.col("steamed"))
        .with_columns(moved=moved)
        .sort("game_id", "at", "series")
        .group_by("game_id", maintain_order=True)
        .agg(
            pl.col("move").first(),
            pl.col("side").first(),
            n_books=pl.col("moved").sum().cast(pl.Int64),
            books=pl.col("name").filter("moved"),
            first_at=pl.col("at").filter("moved").min(),
            last_at=pl.col("at").filter("moved").max(),
            tickets_pct=pl.lit(None, dtype=pl.Int64),
            move_pp=pl.col("step_pp").filter(pl.col("moved") & same).median().round(4),
        )
        .with_columns(is_visible=pl.col("n_books") >= LEAST_BOOKS)
    )


def _reverse(series: pl.DataFrame) -> pl.DataFrame:
    by_book = (
        series.filter((pl.col("move") == REVERSE) & (pl.col("in_series") > 1))
        .sort("game_id", "series", "seq")
        .group_by("game_id", "series", maintain_order=True)
        .agg(
            pl.col("move", "side", "tickets_pct", "name").first(),
            way_pp=pl.when(pl.col("line").n_unique() == 1).then(pl.col("p").last() - pl.col("p").first()).first(),
            way_runs=(pl.col("line").last() - pl.col("line").first()).fill_null(0),
            first_at=pl.col("at").first(),
            last_at=pl.col("at").last(),
        )
    )
    against = pl.max_horizontal(
        -pl.col("move_pp") * pl.col("side") >= LEAST_PP, -pl.col("way_runs") * pl.col("side") >= LEAST_RUNS
    )
    return (
        by_book.group_by("game_id", maintain_order=True)
        .agg(
            pl.col("move").first(),
            pl.col("side").first(),
            n_books=pl.len().cast(pl.Int64),
            books=pl.col("name"),
            first_at=pl.col("first_at").min(),
            last_at=pl.col("last_at").max(),
            tickets_pct=pl.col("tickets_pct").first(),
            move_pp=pl.col("way_pp").median().round(4),
            way_runs=pl.col("way_runs").median(),
        )
        .with_columns(is_visible=against.fill_null(value=False))
        .drop("way_runs")
    )
