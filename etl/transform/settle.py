"""Settlement, profit and labels: what is known only after the game. Features definition, sections 3 and 6."""

from datetime import timedelta

import polars as pl

from etl.transform.consensus import KEY, line_summary, modal_line
from etl.transform.curated_params import CuratedParams
from etl.transform.market_quotes import MONEYLINE, SPREAD
from etl.transform.odds import expr_ev, expr_payout

OFFICIAL_INNINGS = 5.0
HALF_INNING = 0.5
HALF_RUN = 0.5
CLOSING_KINDS = ("book", "archive")
A_SIDES = ("home", "over")
VOID_STATUSES = ("postponed", "cancelled")
FINAL_STATUSES = ("completed", "final", "final_tie")
SETTLED = ("win", "loss", "push")


def expr_margin(*, market: pl.Expr, side: pl.Expr, line: pl.Expr, home: pl.Expr, away: pl.Expr) -> pl.Expr:
    """By how many runs a bet is ahead of its line: positive wins, 0 pushes, negative loses.

    `line` is the bet's own: runs added to its side's score, or the total; it is not read for the moneyline.
    """
    sign = pl.when(side.is_in(A_SIDES)).then(1.0).otherwise(-1.0)
    return (
        pl.when(market == MONEYLINE.name)
        .then(sign * (home - away))
        .when(market == SPREAD.name)
        .then(sign * (home - away) + line)
        .otherwise(sign * (home + away - line))
    )


def expr_outcome(margin: pl.Expr) -> pl.Expr:
    """Settlement by the margin. Quarter lines are two half bets: half_win or half_loss at a margin of +-0.25."""
    return (
        pl.when(margin >= HALF_RUN)
        .then(pl.lit("win"))
        .when(margin > 0)
        .then(pl.lit("half_win"))
        .when(margin == 0)
        .then(pl.lit("push"))
        .when(margin > -HALF_RUN)
        .then(pl.lit("half_loss"))
        .when(margin.is_not_null())
        .then(pl.lit("loss"))
    )


def expr_stands(
    *, market: pl.Expr, innings: pl.Expr, scheduled: pl.Expr, home_leads: pl.Expr, is_decided: pl.Expr, decided: bool
) -> pl.Expr:
    """True if the game was long enough for the bet: 5 innings for the moneyline, all of them for the others.

    Half an inning less is enough if the home club leads. With `decided`, a total that was already over stands however
    short the game.
    """
    needed = pl.when(market == MONEYLINE.name).then(OFFICIAL_INNINGS).otherwise(scheduled)
    full = innings >= needed - pl.when(home_leads).then(HALF_INNING).otherwise(0.0)
    return full | is_decided if decided else full


def expr_settlement(
    *,
    market: pl.Expr,
    side: pl.Expr,
    line: pl.Expr,
    home: pl.Expr,
    away: pl.Expr,
    status: pl.Expr,
    innings: pl.Expr,
    scheduled: pl.Expr,
    decided_totals_stand: bool,
) -> pl.Expr:
    """win, loss, push, half_win, half_loss, void or pending; null if the game is final and the bet has no line.

    Postponed and cancelled games are void, suspended and scheduled ones pending. House-dependent: a shortened game
    voids run lines and totals, `decided_totals_stand` excepted.
    """
    is_decided = (market == "totals") & (home + away > line)
    stands = expr_stands(
        market=market,
        innings=innings,
        scheduled=scheduled,
        home_leads=home > away,
        is_decided=is_decided,
        decided=decided_totals_stand,
    )
    outcome = expr_outcome(expr_margin(market=market, side=side, line=line, home=home, away=away))
    return (
        pl.when(status.is_in(VOID_STATUSES))
        .then(pl.lit("void"))
        .when(~status.is_in(FINAL_STATUSES))
        .then(pl.lit("pending"))
        .when(~stands)
        .then(pl.lit("void"))
        .otherwise(outcome)
    )


def expr_pnl(outcome: pl.Expr, price: pl.Expr) -> pl.Expr:
    """Profit per unit staked: win d - 1, loss -1, push and void 0, halves half of it; null while pending."""
    return (
        pl.when(outcome == "win")
        .then(expr_payout(price))
        .when(outcome == "half_win")
        .then(expr_payout(price) / 2)
        .when(outcome == "half_loss")
        .then(-0.5)
        .when(outcome == "loss")
        .then(-1.0)
        .when(outcome.is_in(["push", "void"]))
        .then(0.0)
    )


def expr_clv_ev(price: pl.Expr, p_close: pl.Expr) -> pl.Expr:
    """Closing line value: expected profit of the bet's price at the closing no-vig probability of its side."""
    return expr_ev(p_close, price)


def closing(quotes: pl.LazyFrame, *, params: CuratedParams) -> pl.LazyFrame:
    """One row per game and market with a close: `close_line`, `close_p_fair_a`, `close_n_books`.

    A brand's close is its last two-sided quote before the start and within `close_window_min` of it. Archives and
    assumed clocks serve here, when a quote was recorded does not matter; openings do not serve.
    """
    window = timedelta(minutes=params.settle.close_window_min)
    lead = pl.col("start_at") - pl.col("observed_at")
    last = (
        quotes.filter(
            pl.col("book_kind").is_in(CLOSING_KINDS),
            pl.col("p_fair_a").is_not_null(),
            pl.col("line_kind").ne_missing(pl.lit("open")),
            (lead > timedelta(0)) & (lead <= window),
        )
        .filter(pl.col("order") == pl.col("order").max().over("market", "series"))
        .with_columns(horizon_min=pl.lit(0, pl.Int32))
    )
    brands = last.group_by("game_id", "market").agg(close_n_books=pl.len().cast(pl.Int32))
    return (
        last.pipe(line_summary, params=params.consensus)
        .pipe(modal_line)
        .select("game_id", "market", close_line="consensus_line", close_p_fair_a="p_median")
        .join(brands, on=["game_id", "market"])
    )


def labels(state: pl.LazyFrame, *, games: pl.LazyFrame, quotes: pl.LazyFrame, params: CuratedParams) -> pl.LazyFrame:
    """One row per row of `state` (game, market, horizon): the outcome, settled at the row's consensus line."""
    facts = games.select("game_id", "status", "length_assumed", **_final_facts())
    return (
        state.select(*KEY, "as_of", "consensus_p_a", line="consensus_line")
        .join(facts, on="game_id", how="left")
        .join(closing(quotes, params=params), on=["game_id", "market"], how="left")
        .with_columns(outcome_a=_expr_outcome_a(params), close_n_books=pl.col("close_n_books").fill_null(0))
        .with_columns(**_targets())
    )


def _final_facts() -> dict[str, pl.Expr]:
    final, home, away = pl.col("is_final"), pl.col("home_score"), pl.col("away_score")
    return {
        "is_final": final,
        "result_available_at": pl.when(final).then("result_available_at"),
        "home_score": pl.when(final).then(home),
        "away_score": pl.when(final).then(away),
        "margin_of_victory": pl.when(final).then(home - away),
        "total_score": pl.when(final).then(home + away),
        "home_win": pl.when(final & (home != away)).then(home > away),
    }


def _expr_outcome_a(params: CuratedParams) -> pl.Expr:
    # The legacy does not say how long a game was: regulation length is assumed, and `length_assumed` says so.
    regulation = pl.lit(9.0)
    is_unfinished = (pl.col("status") == "completed") & ~pl.col("is_final")
    return expr_settlement(
        market=pl.col("market"),
        side=pl.lit("home"),
        line=pl.col("line"),
        home=pl.col("home_score"),
        away=pl.col("away_score"),
        status=pl.when(is_unfinished).then(pl.lit("suspended")).otherwise("status"),
        innings=regulation,
        scheduled=regulation,
        decided_totals_stand=params.settle.decided_totals_stand,
    )


def _targets() -> dict[str, pl.Expr]:
    outcome = pl.col("outcome_a")
    target = pl.when(outcome == "win").then(1).when(outcome == "loss").then(0)
    is_same_line = (pl.col("line") == pl.col("close_line")) | (pl.col("market") == MONEYLINE.name)
    return {
        "is_push": pl.when(outcome.is_in(SETTLED)).then(outcome == "push"),
        "target": target.cast(pl.Int16),
        "move_to_close_pp": pl.when(is_same_line).then(100 * (pl.col("close_p_fair_a") - pl.col("consensus_p_a"))),
    }
