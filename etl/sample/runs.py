"""How runs are scored: one model that gives results and, for the same game, its true probabilities in all markets.

Runs of nine innings are negative binomial for each club. The home club does not bat in the ninth when it leads and
stops when it goes ahead; a tie goes to extra innings. Means move on a grid of levels, so that the truth of a game is
the exact truth of the model that its result was drawn from.
"""

import math
from itertools import product

import polars as pl

from etl.sample.draw import Draws

BASE_RUNS = 4.3
STEP = 0.03
LIMIT = 20
SIZE = 4.0
MOST_RUNS, MOST_NINTH = 22, 9
EXTRA_HOME_WIN = 0.52
_BOTH = {0: 0.5, 1: 0.3, 2: 0.15, 3: 0.05}
_HOME_BY = {1: 0.76, 2: 0.15, 3: 0.05, 4: 0.04}
_AWAY_BY = {1: 0.46, 2: 0.26, 3: 0.15, 4: 0.13}
WALK_OFF_BY = {1: 0.8, 2: 0.1, 3: 0.06, 4: 0.04}


def level(log_factor: pl.Expr) -> pl.Expr:
    """The level of a club's mean runs, from the log of its ratio to `BASE_RUNS`."""
    return (log_factor / STEP).round().clip(-LIMIT, LIMIT).cast(pl.Int64)


def _shares(mean: float, size: float, most: int) -> list[float]:
    """Negative binomial probabilities of 0 to `most`, brought to a sum of one."""
    shares = [(size / (size + mean)) ** size]
    for runs in range(most):
        shares.append(shares[-1] * (runs + size) / (runs + 1) * mean / (mean + size))
    total = math.fsum(shares)
    return [share / total for share in shares]


def levels(innings: int, most: int) -> pl.DataFrame:
    """level, runs, share: runs in some innings, by level."""
    rows = [
        (at, runs, share)
        for at in range(-LIMIT, LIMIT + 1)
        for runs, share in enumerate(_shares(BASE_RUNS * math.exp(STEP * at) * innings / 9, SIZE * innings / 9, most))
    ]
    return pl.DataFrame(rows, schema={"level": pl.Int64, "runs": pl.Int64, "share": pl.Float64}, orient="row")


def extras() -> pl.DataFrame:
    """home_more, away_more, extra_share: what extra innings add to a tie."""
    home = [
        (both + by, both, p * q * EXTRA_HOME_WIN) for (both, p), (by, q) in product(_BOTH.items(), _HOME_BY.items())
    ]
    away = [
        (both, both + by, p * q * (1 - EXTRA_HOME_WIN))
        for (both, p), (by, q) in product(_BOTH.items(), _AWAY_BY.items())
    ]
    schema = {"home_more": pl.Int64, "away_more": pl.Int64, "extra_share": pl.Float64}
    return pl.DataFrame([*home, *away], schema=schema, orient="row")


def _drawn(frame: pl.DataFrame, table: pl.DataFrame, *, level_name: str, draw: str, name: str) -> pl.DataFrame:
    """Add `name`: the runs at which the cumulated share of the level passes the uniform `draw`."""
    cumulated = table.with_columns(pl.col("share").cum_sum().over("level")).pivot("runs", index="level", values="share")
    tops = [column for column in cumulated.columns if column != "level"][:-1]
    runs = pl.sum_horizontal((pl.col(draw) >= pl.col(top)).cast(pl.Int64) for top in tops)
    return (
        frame.join(cumulated, left_on=level_name, right_on="level", how="left", maintain_order="left")
        .with_columns(runs.alias(name))
        .drop(tops)
    )


def _pick(draw: str, shares: dict[int, float]) -> pl.Expr:
    """The key of `shares` at which their sum passes the uniform `draw`."""
    keys = list(shares)
    sums = [sum(list(shares.values())[: at + 1]) for at in range(len(keys) - 1)]
    return pl.lit(keys[0]) + sum((pl.col(draw) >= top).cast(pl.Int64) for top in sums)


def results(frame: pl.DataFrame, draws: Draws, key: pl.Series) -> pl.DataFrame:
    """Add `home_runs` and `away_runs`, drawn from the model of `home_level` and `away_level`. Rows keep their order."""
    names = ("u_away", "u_home", "u_ninth", "u_winner", "u_both", "u_by", "u_off")
    start_home = (pl.col("_early") <= pl.col("_away")).cast(pl.Int64)
    after = pl.col("_early") + start_home * pl.col("_ninth")
    lead = after - pl.col("_away")
    walked = (
        pl.when((start_home == 1) & (lead > 0))
        .then(pl.min_horizontal(lead, _pick("u_off", WALK_OFF_BY)))
        .otherwise(lead)
    )
    home_wins = pl.col("u_winner") < EXTRA_HOME_WIN
    both = _pick("u_both", _BOTH)
    tied = lead == 0
    return (
        frame.with_columns(draws.uniform(name, key) for name in names)
        .pipe(_drawn, levels(9, MOST_RUNS), level_name="away_level", draw="u_away", name="_away")
        .pipe(_drawn, levels(8, MOST_RUNS), level_name="home_level", draw="u_home", name="_early")
        .pipe(_drawn, levels(1, MOST_NINTH), level_name="home_level", draw="u_ninth", name="_ninth")
        .with_columns(
            home_runs=pl.col("_away")
            + pl.when(tied)
            .then(both + pl.when(home_wins).then(_pick("u_by", _HOME_BY)).otherwise(0))
            .otherwise(walked),
            away_runs=pl.col("_away")
            + pl.when(tied).then(both + pl.when(home_wins).then(0).otherwise(_pick("u_by", _AWAY_BY))).otherwise(0),
        )
        .drop(*names, "_away", "_early", "_ninth")
    )
