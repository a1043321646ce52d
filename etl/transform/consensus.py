"""The market of a game at an as_of: eligible quotes, consensus, cost, arbitrage. Features definition, section 2."""

from datetime import timedelta

import polars as pl

from etl.transform.clean import expr_quotient
from etl.transform.curated_params import ConsensusParams
from etl.transform.market_quotes import MARKETS, SPREAD
from etl.transform.odds import EVEN_PROB, expr_decimal, expr_hold, expr_implied, expr_inv_logit, expr_logit

KEY = ["game_id", "market", "horizon_min"]
MAD_TO_SD = 1.4826
RUN_LINE = 1.5


def as_ofs(games: pl.LazyFrame, *, horizons_min: tuple[int, ...]) -> pl.LazyFrame:
    """One row a game and horizon: `as_of` = scheduled start - horizon."""
    horizons = pl.LazyFrame({"horizon_min": horizons_min}, schema={"horizon_min": pl.Int32})
    return (
        games.select("game_id", "start_at")
        .join(horizons, how="cross")
        .with_columns(as_of=pl.col("start_at") - pl.duration(minutes="horizon_min"))
    )


def with_markets(lf: pl.LazyFrame) -> pl.LazyFrame:
    """Repeat every row for each of the three markets."""
    return lf.join(pl.LazyFrame({"market": [market.name for market in MARKETS]}), how="cross")


def usable_at(quotes: pl.LazyFrame, *, as_ofs: pl.LazyFrame) -> pl.LazyFrame:
    """The quotes that features at each as_of may use: (quote, horizon) rows. Both clocks are at or before as_of."""
    moments = as_ofs.select("game_id", "horizon_min", "as_of")
    return (
        quotes.filter(pl.col("usable_from").is_not_null())
        .drop("as_of")
        .join(moments, on="game_id")
        .filter(pl.col("usable_from") <= pl.col("as_of"))
    )


def eligible_at(usable: pl.LazyFrame) -> pl.LazyFrame:
    """The last usable quote of each brand at each as_of, if it is not older than its source's greatest age."""
    newest = pl.col("order") == pl.col("order").max().over("market", "series", "horizon_min")
    return usable.filter(newest).filter(pl.col("as_of") - pl.col("observed_at") <= pl.col("max_age"))


def market_state(eligible: pl.LazyFrame, *, as_ofs: pl.LazyFrame, params: ConsensusParams) -> pl.LazyFrame:
    """The columns of the market state for every game, market and horizon: 3 x games x horizons rows.

    A market without eligible quotes has `n_books` = 0 and nulls.
    """
    lines = eligible.pipe(line_summary, params=params)
    return (
        as_ofs.select("game_id", "horizon_min", "as_of")
        .pipe(with_markets)
        .join(eligible.pipe(_book_summary), on=KEY, how="left")
        .join(lines.pipe(modal_line), on=KEY, how="left")
        .with_columns(n_books=pl.col("n_books").fill_null(0), line_agreement=_expr_agreement())
        .with_columns(**_state_of_line(params))
        .with_columns(**_scores(params))
    )


def _book_summary(eligible: pl.LazyFrame) -> pl.LazyFrame:
    is_run_line = pl.col("market") == SPREAD.name
    conflict = (pl.col("line") == -RUN_LINE).any() & (pl.col("line") == RUN_LINE).any()
    return (
        eligible.group_by(KEY)
        .agg(
            n_books=pl.len().cast(pl.Int32),
            last_observed_at=pl.col("observed_at").max(),
            last_recorded_at=pl.col("recorded_at").max(),
            has_event_time=(pl.col("pit_basis") == "event_time").any(),
            conflict=conflict,
        )
        .with_columns(runline_side_conflict=pl.when(is_run_line).then("conflict"))
        .drop("conflict")
    )


def line_summary(eligible: pl.LazyFrame, *, params: ConsensusParams) -> pl.LazyFrame:
    """One row per game, market, horizon and line: how its brands price it.

    Values are sorted before they are summed, so that the figures do not depend on the order of rows.
    """
    p, logit = pl.col("p_fair_a"), expr_logit(pl.col("p_fair_a"))
    is_fresh = pl.col("observed_at").max() - pl.col("observed_at") <= timedelta(minutes=params.best_price_window_min)
    is_fresh = is_fresh | pl.col("source").is_in(list(params.change_only_sources)).fill_null(value=False)
    return (
        eligible.with_columns(decimal_a=expr_decimal(pl.col("price_a")), decimal_b=expr_decimal(pl.col("price_b")))
        .with_columns(hold=expr_hold(expr_implied(pl.col("price_a")), expr_implied(pl.col("price_b"))))
        .group_by(*KEY, "line")
        .agg(
            line_books=pl.len().cast(pl.Int32),
            evenness=(p - EVEN_PROB).abs().median(),
            p_median=expr_inv_logit(logit.median()),
            _prices=p.sort(),
            mad=(p - p.median()).abs().median(),
            spread_of_p=p.max() - p.min(),
            hold_median=pl.col("hold").median(),
            p_sharp_a=expr_inv_logit(logit.filter(pl.col("tier") == "sharp").median()),
            p_retail_a=expr_inv_logit(logit.filter(pl.col("tier") == "retail").median()),
            fresh_books=is_fresh.sum().cast(pl.Int32),
            fresh_a=pl.col("decimal_a").filter(is_fresh).max(),
            fresh_b=pl.col("decimal_b").filter(is_fresh).max(),
        )
        # NOTE: std of a group depends on its neighbours in the last bit; std of a list does not.
        .with_columns(sd=pl.col("_prices").list.std())
        .drop("_prices")
    )


def modal_line(lines: pl.LazyFrame) -> pl.LazyFrame:
    """The line that most brands quote; ties go to the median price nearest to even, then to the lower line."""
    return (
        lines.sort(*KEY, "line_books", "evenness", "line", descending=[False] * 3 + [True, False, False])
        .unique(KEY, keep="first", maintain_order=True)
        .rename({"line": "consensus_line"})
    )


def _expr_agreement() -> pl.Expr:
    return pl.when(pl.col("n_books") > 1).then(pl.col("line_books") / pl.col("n_books"))


def _state_of_line(params: ConsensusParams) -> dict[str, pl.Expr]:
    enough = pl.col("line_books") >= params.min_books
    several, fresh = pl.col("line_books") > 1, pl.col("fresh_books") > 1
    return {
        "consensus_p_a": pl.when(enough).then("p_median"),
        "dispersion_pp": pl.when(enough).then(100 * pl.col("sd")),
        "dispersion_mad_pp": pl.when(enough).then(100 * MAD_TO_SD * pl.col("mad")),
        "range_pp": pl.when(several).then(100 * pl.col("spread_of_p")),
        "sharp_minus_retail_pp": 100 * (pl.col("p_sharp_a") - pl.col("p_retail_a")),
        "best_decimal_a": pl.when(fresh).then("fresh_a"),
        "best_decimal_b": pl.when(fresh).then("fresh_b"),
    }


def _scores(params: ConsensusParams) -> dict[str, pl.Expr]:
    best = expr_best_overround(pl.col("best_decimal_a"), pl.col("best_decimal_b"))
    return {
        "best_overround": best,
        "market_efficiency_score": expr_efficiency_score(pl.col("hold_median"), pl.col("dispersion_pp"), params=params),
    }


def expr_efficiency_score(hold: pl.Expr, dispersion_pp: pl.Expr, *, params: ConsensusParams) -> pl.Expr:
    """A proxy of market quality in (0, 1]: 1 / (1 + hold / typical hold + dispersion / typical dispersion)."""
    cost = expr_quotient(hold.clip(lower_bound=0.0), params.typical_hold)
    return 1.0 / (1.0 + cost + expr_quotient(dispersion_pp, params.typical_dispersion_pp))


def expr_best_overround(decimal_a: pl.Expr, decimal_b: pl.Expr) -> pl.Expr:
    """Overround of the best price of each side, over all brands; below 0 it is an arbitrage."""
    return 1.0 / decimal_a + 1.0 / decimal_b - 1.0


def arbitrage(decimal_a: pl.Expr, decimal_b: pl.Expr) -> dict[str, pl.Expr]:
    """Arbitrage columns of the best prices: all 0 (and False) without one, null without both prices."""
    best = expr_best_overround(decimal_a, decimal_b)
    share = (1.0 / decimal_a) / (1.0 / decimal_a + 1.0 / decimal_b)

    def if_any(value: pl.Expr) -> pl.Expr:
        return pl.when(best < 0).then(value).when(best.is_not_null()).then(0.0)

    return {
        "has_arb": best < 0,
        "arb_margin": if_any(-best),
        "arb_return": if_any(1.0 / (1.0 + best) - 1.0),
        "arb_stake_share_a": if_any(share),
    }
