"""What the market believes at any moment, and the prices that books make of it.

The belief is the truth's log-odds plus an error that shrinks from open to close along a random bridge. It is drawn
towards the mean by as much as the error asks for, so that prices are calibrated at the open and at the close alike.
"""

from dataclasses import dataclass

import polars as pl

from etl.sample.draw import Draws, row_key
from etl.sample.options import MARKETS
from etl.sample.plan import REVERSE, STEAM
from etl.sample.truth import LINES, NODE, Truth

LONGEST_HOURS = 30.0
WAVES = 6
LOGIT_PER_RUN = 0.4
EVEN = 0.5
# From how many cents off even money a book quotes in steps of twice, then five times its own.
FINE_CENTS, MIDDLE_CENTS = 60, 150


@dataclass(frozen=True, slots=True)
class Belief:
    """Deviations of a market's error at open, close and on the way, and how far truth is shrunk to `mean`."""

    open_sd: float
    close_sd: float
    bridge_sd: float
    open_shrink: float
    close_shrink: float
    mean: float


BELIEFS = {
    "moneyline": Belief(0.115, 0.046, 0.11, 0.11, 0.02, 0.12),
    "spread": Belief(0.03, 0.02, 0.03, 0.0, 0.0, 0.0),
    "totals": Belief(0.15, 0.05, 0.13, 0.25, 0.04, 8.4),
}


def logit(probability: pl.Expr) -> pl.Expr:
    """Log-odds."""
    return (probability / (1 - probability)).log()


def inverse_logit(value: pl.Expr) -> pl.Expr:
    """Probability of log-odds."""
    return 1 / (1 + (-value).exp())


def progress(hours: pl.Expr) -> pl.Expr:
    """0 at the open, 1 at the start; information comes faster near the start."""
    return 1 - (hours.clip(0, LONGEST_HOURS) / LONGEST_HOURS).sqrt()


def with_error(frame: pl.DataFrame, draws: Draws, market: str, *, hours: str) -> pl.DataFrame:
    """Add `error`: the belief's distance from truth in log-odds at `hours` before the start, moves included.

    Needs real_key, p_home, fair_total, and the injected move of the game (move, side, hours, size).
    """
    at = progress(pl.col(hours))
    own = _wandering(frame, draws, market, at)
    belief = BELIEFS[market]
    shrink = belief.open_shrink + (belief.close_shrink - belief.open_shrink) * at
    if market == "spread":
        base = BELIEFS["moneyline"]
        money = _wandering(frame, draws, "moneyline", at)
        far = -(base.open_shrink + (base.close_shrink - base.open_shrink) * at) * (logit(pl.col("p_home")) - base.mean)
        own = own + 0.9 * (money + far)
    elif market == "moneyline":
        own = own - shrink * (logit(pl.col("p_home")) - belief.mean)
    else:
        own = own - shrink * (pl.col("fair_total") - belief.mean) * LOGIT_PER_RUN
    ahead = (
        pl.when(pl.col("move") == STEAM)
        .then(pl.when(pl.col(hours) > pl.col("hours")).then(-pl.col("side") * pl.col("size")).otherwise(0.0))
        .when(pl.col("move") == REVERSE)
        .then(pl.col("side") * pl.col("size") * (1 - at))
        .otherwise(0.0)
    )
    return frame.with_columns(error=own + ahead)


def _wandering(frame: pl.DataFrame, draws: Draws, market: str, at: pl.Expr) -> pl.Expr:
    """The random part of the error: open and close errors and a bridge of sine waves (Karhunen-Loeve) between them."""
    belief = BELIEFS[market]
    key = row_key(frame["real_key"], pl.repeat(MARKETS.index(market), frame.height, dtype=pl.Int64, eager=True))
    # Some games move a lot and some hardly: steady where a move is injected, so that it can be seen.
    restless = pl.when(pl.col("move").is_null()).then(0.5 + draws.uniform("restless", key)).otherwise(0.35)
    start, end = draws.normal("open", key) * belief.open_sd, draws.normal("close", key) * belief.close_sd
    waves = pl.sum_horizontal(
        draws.normal(f"wave-{wave}", key)
        * (at * (wave * 3.141592653589793)).sin()
        * (1.4142135623730951 / (wave * 3.141592653589793))
        for wave in range(1, WAVES + 1)
    )
    return restless * (start * (1 - at) + waves * belief.bridge_sd) + end * at


def priced(frame: pl.DataFrame, truth: Truth, books: pl.DataFrame, draws: Draws, market: str) -> pl.DataFrame:
    """Add `line` (null for moneylines), `price_a`, `price_b` (home and away, or over and under)."""
    key = frame["key"]
    noise = draws.normal("noise", key) * 0.006
    late = 0.5 + draws.uniform("late", key)
    frame = (
        frame.join(truth.nodes, on=NODE, how="left", maintain_order="left")
        .join(books, on="book_id", how="left", maintain_order="left")
        .with_columns(
            seen=pl.col("hours_before") + pl.when("steamed").then(0.0).otherwise(late * pl.col("lag_min") / 60)
        )
        .pipe(with_error, draws, market, hours="seen")
    )
    view = draws.normal(
        "view", row_key(frame["series"], pl.repeat(MARKETS.index(market), frame.height, dtype=pl.Int64, eager=True))
    )
    frame = frame.with_columns(error=pl.col("error") + view * pl.col("bias_sd") + noise)
    margin = pl.col("moneyline" if market == "moneyline" else "other") * (0.92 + 0.16 * draws.uniform("margin", key))
    load = ((1 + margin) / (1 - margin)).log()
    return _lined(frame, truth, market).with_columns(
        price_a=american(inverse_logit(pl.col("log_odds") + load), pl.col("cents")),
        price_b=american(inverse_logit(load - pl.col("log_odds")), pl.col("cents")),
    )


def _lined(frame: pl.DataFrame, truth: Truth, market: str) -> pl.DataFrame:
    """Add `line` and `log_odds`: what the book believes of side A at the line that it offers."""
    if market == "moneyline":
        lined = frame.with_columns(
            line=pl.lit(None, dtype=pl.Float64), log_odds=logit(pl.col("p_home")) + pl.col("error")
        )
    elif market == "spread":
        gives = logit(pl.col("p_home")) + pl.col("error") > 0
        cover = pl.when(gives).then(pl.col("p_home_minus")).otherwise(pl.col("p_home_plus"))
        lined = frame.with_columns(
            line=pl.when(gives).then(-1.5).otherwise(1.5), log_odds=logit(cover) + pl.col("error")
        )
    else:
        wanted = pl.col("fair_total") + pl.col("error") / LOGIT_PER_RUN
        lined = (
            frame.with_columns(total_line=((wanted * 2).round() / 2).clip(LINES[0], LINES[-1]))
            .join(truth.totals, on=(*NODE, "total_line"), how="left", maintain_order="left")
            .with_columns(line="total_line", log_odds=logit(pl.col("p_over")) + pl.col("error"))
        )
    return lined.with_columns(pl.col("log_odds").clip(-2.2, 2.2))


def american(implied: pl.Expr, cents: pl.Expr) -> pl.Expr:
    """American odds of an implied probability, on the book's grid of cents (coarser for long prices)."""
    linear = (
        pl.when(implied >= EVEN)
        .then(100 * (1 - 2 * implied) / (1 - implied))
        .otherwise(100 * (1 - 2 * implied) / implied)
    )
    step = cents * pl.when(linear.abs() < FINE_CENTS).then(1).when(linear.abs() < MIDDLE_CENTS).then(2).otherwise(5)
    grid = (linear / step + 0.5).floor() * step
    return pl.when(grid >= 0).then(grid + 100).otherwise(grid - 100).cast(pl.Int32)
