"""Public splits: who bets on which side, by tickets and by money, as the feeds that know it report it."""

import polars as pl

from etl.sample.books import CONSENSUS
from etl.sample.draw import Draws, row_key
from etl.sample.market import inverse_logit, progress
from etl.sample.options import MARKETS
from etl.sample.plan import REVERSE

# Log-odds of the ticket share of side A: what the public likes (home, run-line favourites, overs) and how far it goes.
LIKES = {"moneyline": 0.1, "spread": 0.0, "totals": 0.45}
FAVOURITE = 2.2
SIDED_SD, MONEY_SD = 0.8, 0.45
UNKNOWN_SHARE, NO_COUNTS_SHARE = 0.3, 0.3


def with_splits(frame: pl.DataFrame, feeds: pl.DataFrame, draws: Draws, market: str) -> pl.DataFrame:
    """Add `tickets_a`, `tickets_b` (counts), `tickets_pct_a` … `money_pct_b`: null where the feed does not say.

    Percentages are whole and add up to 100; one feed writes them as fractions that add up to 1.
    """
    number = pl.repeat(MARKETS.index(market), frame.height, dtype=pl.Int64, eager=True)
    game = row_key(frame["real_key"], number)
    listing = row_key(frame["game_id"], number)
    feed = feeds.select("source", "splits", "fractions")
    seen = _shares(draws, market, game)
    size = 300 + 12_000 * draws.uniform("handle", game) * draws.uniform("handle_2", game)
    known = (
        pl.col("splits")
        & (pl.col("kind") <= CONSENSUS)
        & ((draws.uniform("splits", listing) >= UNKNOWN_SHARE) | (pl.col("move") == REVERSE).fill_null(value=False))
    )
    counted = draws.uniform("counted", listing) >= NO_COUNTS_SHARE
    total = (size * (0.25 + 0.75 * progress(pl.col("hours_before")))).floor()
    unit = pl.when("fractions").then(100).otherwise(1)
    mine = (total * pl.col("_tickets") / 100).round()
    return (
        frame.with_columns(seen)
        .join(feed, on="source", how="left", maintain_order="left")
        .with_columns(
            tickets_a=pl.when(known & counted & ~pl.col("fractions")).then(mine).cast(pl.Int32),
            tickets_b=pl.when(known & counted & ~pl.col("fractions")).then(total - mine).cast(pl.Int32),
            tickets_pct_a=pl.when(known).then(pl.col("_tickets") / unit),
            tickets_pct_b=pl.when(known).then((100 - pl.col("_tickets")) / unit),
            money_pct_a=pl.when(known).then(pl.col("_money") / unit),
            money_pct_b=pl.when(known).then((100 - pl.col("_money")) / unit),
        )
        .drop("_tickets", "_money", "splits", "fractions")
    )


def _shares(draws: Draws, market: str, game: pl.Series) -> list[pl.Expr]:
    """`_tickets` and `_money`: whole percentages of side A, 2 to 98, drifting a little towards the start."""
    at = progress(pl.col("hours_before"))
    drift = draws.normal("ticket_drift", game) * 0.25 * (at - 0.5)
    lean = FAVOURITE * (pl.col("p_home") - 0.5) if market != "totals" else pl.lit(0.0)
    public = LIKES[market] + lean + draws.normal("tickets", game) * SIDED_SD + drift
    # The money of a reverse move is on the other side: few, large bets.
    reverse = pl.col("move") == REVERSE
    wise = draws.normal("money", game) * MONEY_SD - pl.when(reverse).then(pl.col("side") * 0.8).otherwise(0.0)
    by_side = pl.when(pl.col("side") > 0).then(pl.col("tickets_pct")).otherwise(100 - pl.col("tickets_pct"))
    tickets = pl.when(reverse).then(by_side).otherwise((inverse_logit(public) * 100).round().clip(2, 98))
    bet = (inverse_logit((tickets / (100 - tickets)).log() * 0.8 + wise) * 100).round().clip(2, 98)
    return [tickets.cast(pl.Float64).alias("_tickets"), bet.alias("_money")]
