"""Which game gets how many quotes, and which games and markets get a steam move or a reverse line move."""

import polars as pl

from etl.sample.draw import Draws, row_key
from etl.sample.options import MARKETS, Knobs, Volumes
from etl.sample.world import POSTPONED

THIN, COVERED, FOLLOWED = 0, 1, 2
STEAM, REVERSE = "steam", "reverse"
HALF = 0.5


def planned(
    frame: pl.DataFrame, draws: Draws, *, knobs: Knobs, volumes: Volumes, scale: float, dense: bool
) -> pl.DataFrame:
    """Add `tier` and the number of quotes of each market, named as the market.

    The numbers add up to the volumes exactly; with `dense` every game has at least a covered game's.
    """
    tiered = _tiered(frame, knobs=knobs, volumes=volumes, scale=scale, dense=dense)
    weight = draws.bits("quotes", row_key(tiered["game_id"])) % 15 + 3
    rank = tiered.with_columns(weight=pl.when(pl.col("tier") == THIN).then(weight.cast(pl.Int64)).otherwise(0))
    return rank.with_columns(_quotes(market, rank, knobs, volumes.quotes[market]) for market in MARKETS).drop("weight")


def _quotes(market: str, frame: pl.DataFrame, knobs: Knobs, wanted: int) -> pl.Expr:
    by_tier = {COVERED: knobs.covered_quotes[market], FOLLOWED: knobs.followed_quotes[market]}
    fixed = pl.col("tier").replace_strict(by_tier, default=0, return_dtype=pl.Int64)
    rest = max(0, wanted - frame.select(fixed.sum()).item())
    upto = pl.col("weight").cum_sum() * rest // pl.max_horizontal(pl.col("weight").sum(), 1)
    thin: pl.Expr = upto - upto.shift(1, fill_value=0)
    return (fixed + thin).alias(market)


def _tiered(frame: pl.DataFrame, *, knobs: Knobs, volumes: Volumes, scale: float, dense: bool) -> pl.DataFrame:
    """Tiers by the draw `cover` among games that were to be played and are listed first."""
    followed = round(knobs.followed_games * scale)
    room = [
        (volumes.quotes[market] - followed * knobs.followed_quotes[market]) // knobs.covered_quotes[market]
        for market in MARKETS
    ]
    covered = max(0, min(round(knobs.covered_games * scale), *room))
    eligible = (pl.col("status") != POSTPONED) & (pl.col("twin") == 0)
    place = pl.struct(~eligible, "cover", "game_id").rank("ordinal")
    lowest = COVERED if dense else THIN
    tier = (
        pl.when(eligible & (place <= followed))
        .then(FOLLOWED)
        .when(eligible & (place <= followed + covered))
        .then(COVERED)
        .otherwise(lowest)
    )
    return frame.with_columns(tier=tier.cast(pl.Int64)).drop("cover")


def injected_moves(frame: pl.DataFrame, draws: Draws, knobs: Knobs) -> pl.DataFrame:
    """One row for each game and market with an injected move, on games of tier `COVERED` and up.

    Columns: game_id, real_key, market, move, side (+1: home or over), hours (before the start, steam only), size
    (log-odds), n_books (steam only), tickets_pct (of the majority, reverse only). A reverse move goes against `side`.
    """
    parts = [_market_moves(frame, draws, knobs, market) for market in MARKETS]
    return pl.concat(parts).sort("game_id", "market")


def _market_moves(frame: pl.DataFrame, draws: Draws, knobs: Knobs, market: str) -> pl.DataFrame:
    lowest = FOLLOWED if market == "spread" else COVERED
    games = frame.filter((pl.col("tier") >= lowest) & (pl.col("twin") == 0) & (pl.col("status") != POSTPONED))
    key = row_key(games["game_id"], pl.repeat(MARKETS.index(market), games.height, dtype=pl.Int64, eager=True))
    unit = {name: draws.uniform(f"move_{name}", key) for name in ("kind", "hours", "size", "books", "tickets", "side")}
    # Totals are priced more coarsely: half a run is about 0.2 in log-odds.
    stretch = 1.6 if market == "totals" else 1.0
    is_steam = unit["kind"] < knobs.steam_share
    steam = pl.when(is_steam)
    reverse = pl.when(~is_steam)
    return (
        games.select("game_id", "real_key")
        .with_columns(
            market=pl.lit(market),
            move=steam.then(pl.lit(STEAM)).otherwise(pl.lit(REVERSE)),
            side=pl.when(unit["side"] < HALF).then(1.0).otherwise(-1.0),
            hours=steam.then(1.5 + 3.5 * unit["hours"]),
            size=steam.then((0.12 + 0.12 * unit["size"]) * stretch).otherwise((0.14 + 0.14 * unit["size"]) * stretch),
            n_books=steam.then((3 + 3 * unit["books"]).floor().cast(pl.Int64)),
            tickets_pct=reverse.then((62 + 20 * unit["tickets"]).floor().cast(pl.Int64)),
        )
        .filter(unit["kind"] < knobs.steam_share + knobs.reverse_share)
    )
