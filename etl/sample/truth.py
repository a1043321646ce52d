"""The truth of a game: the probabilities of the runs model itself, for each pair of levels that occurs."""

from dataclasses import dataclass

import polars as pl

from etl.sample.runs import MOST_NINTH, MOST_RUNS, WALK_OFF_BY, extras, levels

NODE = ("home_level", "away_level")
LINES = [half / 2 for half in range(8, 33)]
DIGITS = 9
NODES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Truth:
    """`nodes`: one row a node. `totals`: one row a node and total line, with P(over | no push) and P(push)."""

    nodes: pl.DataFrame
    totals: pl.DataFrame


def truth_of(nodes: pl.DataFrame) -> Truth:
    """The truth of each distinct (home_level, away_level). Probabilities are rounded to nine digits.

    The rounding makes them the same on every machine, whatever the order in which shares are summed up.
    """
    nodes = nodes.select(NODE).unique().sort(NODE)
    parts = [_truth(nodes[at : at + NODES_AT_ONCE]) for at in range(0, nodes.height, NODES_AT_ONCE)]
    return Truth(pl.concat(part.nodes for part in parts), pl.concat(part.totals for part in parts))


def _truth(nodes: pl.DataFrame) -> Truth:
    all_scores = scores(nodes)
    share, margin = pl.col("share"), pl.col("home") - pl.col("away")
    sums = all_scores.group_by(NODE).agg(
        p_home=share.filter(margin > 0).sum(),
        p_home_minus=share.filter(margin > 1).sum(),
        p_home_plus=share.filter(margin >= -1).sum(),
        home_runs_mean=(share * pl.col("home")).sum(),
        away_runs_mean=(share * pl.col("away")).sum(),
    )
    totals = _totals(all_scores)
    fair = totals.sort(*NODE, (pl.col("p_over") - 0.5).abs(), "total_line").group_by(NODE, maintain_order=True).first()
    fair = fair.select(*NODE, fair_total=pl.col("total_line") + (pl.col("p_over") - 0.5) / 0.1)
    rounded = pl.exclude(NODE).round(DIGITS)
    return Truth(sums.join(fair, on=NODE).sort(NODE).with_columns(rounded), totals)


def _totals(all_scores: pl.DataFrame) -> pl.DataFrame:
    """home_level, away_level, total_line, p_over (given no push), p_push."""
    by_total = all_scores.group_by(*NODE, total=pl.col("home") + pl.col("away")).agg(pl.col("share").sum())
    share, total = pl.col("share"), pl.col("total")
    return (
        by_total.group_by(NODE)
        .agg(
            *(share.filter(total > line).sum().alias(f"over_{line}") for line in LINES),
            *(share.filter(total == line).sum().alias(f"push_{line}") for line in LINES),
        )
        .sort(NODE)
        .select(
            *NODE,
            total_line=pl.lit(pl.Series([LINES])).first(),
            p_over=pl.concat_list(pl.col(f"over_{line}") / (1 - pl.col(f"push_{line}")) for line in LINES),
            p_push=pl.concat_list(f"push_{line}" for line in LINES),
        )
        .explode("total_line", "p_over", "p_push")
        .with_columns(pl.col("p_over", "p_push").round(DIGITS))
    )


def scores(nodes: pl.DataFrame) -> pl.DataFrame:
    """home_level, away_level, home, away, share: final scores of each node with their probabilities."""
    away = levels(9, MOST_RUNS).rename({"level": "away_level", "runs": "away", "share": "away_share"})
    early = levels(8, MOST_RUNS).rename({"level": "home_level", "runs": "home", "share": "home_share"})
    cells = nodes.join(away, on="away_level").join(early, on="home_level")
    cells = cells.select(*NODE, "home", "away", share=pl.col("away_share") * pl.col("home_share"))
    batted = _after_ninth(cells.filter(pl.col("home") <= pl.col("away")))
    parts = (
        cells.filter(pl.col("home") > pl.col("away")),
        batted.filter(pl.col("home") < pl.col("away")),
        _walk_offs(batted.filter(pl.col("home") > pl.col("away"))),
        _after_extras(batted.filter(pl.col("home") == pl.col("away"))),
    )
    return pl.concat(part.select(*NODE, "home", "away", "share") for part in parts)


def _after_ninth(cells: pl.DataFrame) -> pl.DataFrame:
    ninth = levels(1, MOST_NINTH).rename({"level": "home_level", "runs": "more", "share": "more_share"})
    return (
        cells.join(ninth, on="home_level")
        .group_by(*NODE, "away", home=pl.col("home") + pl.col("more"))
        .agg((pl.col("share") * pl.col("more_share")).sum().alias("share"))
    )


def _walk_offs(batted: pl.DataFrame) -> pl.DataFrame:
    """Home wins in the ninth: by no more runs than scored, and by no more than the last hit brought in."""
    sizes = pl.DataFrame({"hit": list(WALK_OFF_BY), "hit_share": list(WALK_OFF_BY.values())})
    return batted.join(sizes, how="cross").with_columns(
        home=pl.col("away") + pl.min_horizontal(pl.col("home") - pl.col("away"), "hit"),
        share=pl.col("share") * pl.col("hit_share"),
    )


def _after_extras(tied: pl.DataFrame) -> pl.DataFrame:
    return tied.join(extras(), how="cross").with_columns(
        pl.col("home") + pl.col("home_more"),
        pl.col("away") + pl.col("away_more"),
        pl.col("share") * pl.col("extra_share"),
    )
