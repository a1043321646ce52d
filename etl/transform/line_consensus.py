"""What the other brands said at the very instant of each line. Features definition, section 2 and 12.1, 12.4, 12.6.

A brand's quote holds from its instant to the brand's next one, or to its greatest age. All instants of a game are
numbered, so each quote covers a range of instants; the ranges, written out, are the panel of the market: which prices
stood at each instant. Medians without the own brand follow from the three values around the middle of each group.

NOTE: a panel row is one integer, (instant, line, rank of the value): a million lines may have ten million panel rows,
and one integer sorts ten times faster than three columns.
"""

import polars as pl

from etl.transform.curated_params import CuratedParams
from etl.transform.odds import EVEN_PROB, expr_inv_logit, expr_logit

RANKS = 1 << 24
LINES = 1 << 8
STEPS_PER_RUN = 4
SHARP = "sharp"
FIGURES = ["n_other_books", "consensus_line", "consensus_p_a_loo", "p_sharp_loo"]


def line_figures(quotes: pl.LazyFrame, *, params: CuratedParams) -> pl.LazyFrame:
    """The market around each line that has a clock and is not in play: one row a line, keyed by `order`.

    Columns: `n_other_books` (other brands with an eligible quote), `consensus_line` (modal line of all eligible
    brands, 0 for the moneyline), `consensus_p_a_loo` (median-logit consensus of the other brands at this line, null
    under `min_books`) and `p_sharp_loo` (the same of other sharp brands, null without one). The market ends at the
    start: lines in play get no row.
    """
    asks = quotes.filter(pl.col("as_of").is_not_null(), pl.col("is_in_play").ne_missing(pl.lit(value=True)))
    asks = asks.pipe(_numbered).cache()
    states = asks.filter("is_usable").pipe(_states, instants=asks.pipe(_instants)).cache()
    groups = states.pipe(_groups, rank="p_rank")
    sharp = states.filter(pl.col("tier") == SHARP).pipe(_groups, rank="p_rank")
    logits = states.select(rank="p_rank", value=expr_logit(pl.col("p_fair_a"))).unique("rank")
    is_sharp = (pl.col("tier") == SHARP).fill_null(value=False)
    return (
        asks.pipe(_with_own, states=states)
        .join(groups.pipe(_modal_lines, states=states), on="instant", how="left")
        .with_columns(n_other_books=pl.col("n_books").fill_null(0) - pl.col("own_rank").is_not_null())
        .pipe(_with_loo, "consensus_p_a_loo", groups, logits=logits, least=params.consensus.min_books)
        .pipe(_with_loo, "p_sharp_loo", sharp, logits=logits, least=1, counted=is_sharp)
        .select("order", *FIGURES)
    )


def _numbered(asks: pl.LazyFrame) -> pl.LazyFrame:
    """Number the instants (game, as_of), the lines of the market and the values, all from the smallest up."""
    return asks.sort("game_id", "as_of", "order").select(
        *["order", "series", "game_id", "as_of", "observed_at", "max_age", "tier", "is_usable", "p_fair_a", "line"],
        instant=pl.struct("game_id", "as_of").rle_id().cast(pl.Int64),
        line_code=(pl.col("line_key") * STEPS_PER_RUN).round(0).cast(pl.Int64) + LINES // 2,
        p_rank=pl.col("p_fair_a").rank("dense").cast(pl.Int64),
        evenness_rank=(pl.col("p_fair_a") - EVEN_PROB).abs().rank("dense").cast(pl.Int64),
    )


def _instants(asks: pl.LazyFrame) -> pl.LazyFrame:
    return asks.select("game_id", "as_of", last_instant="instant").unique(["game_id", "as_of"], maintain_order=True)


def _states(usable: pl.LazyFrame, *, instants: pl.LazyFrame) -> pl.LazyFrame:
    """The quotes that were ever a brand's last one, each with the range [instant, until) of instants it stood for."""
    series = pl.col("series")
    is_next_same = series == series.shift(-1)
    return (
        usable.sort("series", "instant", "order")
        # A quote that was recorded after a newer one of its brand never stood for anything.
        .filter(pl.col("order") == pl.col("order").cum_max())
        .with_columns(
            next_instant=pl.when(is_next_same).then(pl.col("instant").shift(-1)),
            expires_at=pl.col("observed_at") + pl.col("max_age"),
        )
        .sort("game_id", "expires_at", "order")
        .join_asof(
            instants.rename({"as_of": "expires_at"}),
            on="expires_at",
            by="game_id",
            strategy="backward",
            check_sortedness=False,
        )
        .with_columns(until=pl.min_horizontal("next_instant", pl.col("last_instant") + 1))
        .filter(pl.col("until") > pl.col("instant"))
    )


def _groups(states: pl.LazyFrame, *, rank: str) -> pl.LazyFrame:
    """Per (instant, line): the number of brands `n` and the ranks below, at and above the middle of their values."""
    place = pl.col("line_code") * RANKS + pl.col(rank)
    step = RANKS * LINES
    middle = pl.len().cast(pl.Int64) // 2
    panel = states.select(
        key=pl.int_ranges(pl.col("instant") * step + place, pl.col("until") * step + place, step=step)
    ).explode("key")
    return (
        panel.sort("key")
        .select(group=pl.col("key") // RANKS, rank=pl.col("key") % RANKS)
        .with_columns(pl.col("group").set_sorted())
        .group_by("group", maintain_order=True)
        .agg(
            n=pl.len().cast(pl.Int64),
            low=pl.col("rank").get(middle - 1, null_on_oob=True),
            mid=pl.col("rank").get(middle, null_on_oob=True),
            high=pl.col("rank").get(middle + 1, null_on_oob=True),
        )
    )


def _with_own(asks: pl.LazyFrame, *, states: pl.LazyFrame) -> pl.LazyFrame:
    """Add what the line's own brand stood for at the instant: `own_code` and `own_rank`, null if nothing."""
    own = states.select("series", "instant", "until", own_code="line_code", own_rank="p_rank")
    return (
        asks.sort("series", "instant", "order")
        .join_asof(own, on="instant", by="series", strategy="backward", check_sortedness=False)
        .with_columns(pl.when(pl.col("instant") < pl.col("until")).then(pl.col("own_code", "own_rank")))
    )


def _modal_lines(groups: pl.LazyFrame, *, states: pl.LazyFrame) -> pl.LazyFrame:
    """Per instant: `n_books` and the line that most brands quote.

    A tie goes to the line whose median distance from even odds is smallest, then to the lower line.
    """
    is_even = pl.col("n") % 2 == 0
    values = states.select(rank="evenness_rank", value=(pl.col("p_fair_a") - EVEN_PROB).abs()).unique("rank")
    evenness = (
        states.pipe(_groups, rank="evenness_rank")
        .select("group", low=pl.when(is_even).then("low").otherwise("mid"), high="mid")
        .pipe(_with_mean, "evenness", values=values)
        .select("group", "evenness")
    )
    code = pl.col("group") % LINES
    return (
        groups.join(evenness, on="group", how="left")
        .select("n", "evenness", instant=pl.col("group") // LINES, line=(code - LINES // 2) / STEPS_PER_RUN)
        .sort("instant", "n", "evenness", "line", descending=[False, True, False, False])
        .group_by("instant", maintain_order=True)
        .agg(n_books=pl.col("n").sum().cast(pl.Int32), consensus_line=pl.col("line").first())
    )


def _with_loo(
    asks: pl.LazyFrame,
    out: str,
    groups: pl.LazyFrame,
    *,
    logits: pl.LazyFrame,
    least: int,
    counted: pl.Expr | None = None,
) -> pl.LazyFrame:
    """Add the median-logit consensus at the line of each row, without the own brand; null under `least` others.

    Without the own value the values from its place on move down by one. Where several are equal it does not matter
    which is the own one, so the comparison of values is enough. `counted` says whether the own brand is of the group.
    """
    is_in = (pl.col("own_code") == pl.col("line_code")) & (pl.lit(value=True) if counted is None else counted)
    is_in, is_even, own = is_in.fill_null(value=False), pl.col("n") % 2 == 0, pl.col("own_rank")
    lower = pl.when(pl.col("low") < own).then("low").otherwise("mid")
    upper = pl.when(is_even).then(lower).when(pl.col("mid") < own).then("mid").otherwise("high")
    return (
        asks.with_columns(group=pl.col("instant") * LINES + pl.col("line_code"))
        .join(groups, on="group", how="left")
        .with_columns(
            _low=pl.when(is_in).then(lower).when(is_even).then("low").otherwise("mid"),
            _high=pl.when(is_in).then(upper).otherwise("mid"),
            _others=pl.col("n") - is_in,
        )
        .drop("n", "low", "mid", "high")
        .rename({"_low": "low", "_high": "high"})
        .pipe(_with_mean, out, values=logits)
        .with_columns(pl.when(pl.col("_others") >= least).then(expr_inv_logit(pl.col(out))).alias(out))
        .drop("group", "low", "high", "_others")
    )


def _with_mean(lf: pl.LazyFrame, out: str, *, values: pl.LazyFrame) -> pl.LazyFrame:
    """Add the mean of the values behind the ranks `low` and `high`."""
    return (
        lf.join(values.select(low="rank", _low_value="value"), on="low", how="left")
        .join(values.select(high="rank", _high_value="value"), on="high", how="left")
        .with_columns(((pl.col("_low_value") + pl.col("_high_value")) / 2).alias(out))
        .drop("_low_value", "_high_value")
    )
