"""The score of a line, its five parts, its status and its flags. Features definition, section 7 and 12.16."""

from collections.abc import Sequence
from functools import cache

import polars as pl

from etl.transform.clean import expr_quotient
from etl.transform.rules import MONEYLINE, Dimension, Rule, Severity, checks_of
from etl.transform.staging_params import ScoreParams, StagingParams

HOUR_US = 3_600_000_000
VALIDATED, NEEDS_REVIEW = "validated", "needs_review"
REQUIRED = ("game_id", "book_id", "price_a", "price_b", "home_team_id", "away_team_id", "observed_at")


def with_quality(lf: pl.LazyFrame, *, market: str, params: StagingParams) -> pl.LazyFrame:
    """Add the parts, `score` (unrounded), `validation_status`, `quality_flags` and `broken_rules`.

    A row is accepted if and only if `broken_rules` is empty. The row count is unchanged.
    """
    checks = checks_of(market)
    critical = [check.rule for check in checks if check.rule.severity is Severity.CRITICAL]
    warnings = [check.rule for check in checks if check.rule.severity is Severity.WARNING]
    holds = {check.rule: check.holds(params.bounds, market) for check in checks}
    counted = {check.rule: check.applies(params.bounds, market) for check in checks}
    return (
        lf.with_columns(expr.alias(_name(rule)) for rule, expr in holds.items())
        .with_columns(
            completeness=expr_completeness(market),
            validity=expr_share(Dimension.VALIDITY, counted),
            consistency=expr_share(Dimension.CONSISTENCY, counted),
            timeliness=expr_timeliness(params.score),
            uniqueness=1.0 / pl.col("key_rows"),
        )
        .with_columns(score=expr_score(params.score))
        .with_columns(
            (pl.col("score") >= params.score.needs_review_min).alias(_name(Rule.SCORE_TOO_LOW)),
            validation_status=expr_status(params.score),
            quality_flags=expr_names(warnings),
        )
        .with_columns(broken_rules=expr_names([*critical, Rule.SCORE_TOO_LOW]))
        .drop(_name(rule) for rule in (*holds, Rule.SCORE_TOO_LOW))
    )


def _name(rule: Rule) -> str:
    return f"_{rule.flag}"


def expr_completeness(market: str) -> pl.Expr:
    """Share of the required fields that are present, in [0, 1]."""
    required = REQUIRED if market == MONEYLINE else (*REQUIRED, "line")
    return expr_quotient(pl.sum_horizontal(pl.col(name).is_not_null() for name in required), len(required))


def expr_share(dimension: Dimension, counted: dict[Rule, pl.Expr | None]) -> pl.Expr:
    """Share of the dimension's rules that the row keeps, in [0, 1]; a rule whose inputs are missing counts as broken.

    `counted` says for each rule on which rows it counts at all; None: on every row.
    """
    rules = [rule for rule in counted if rule.dimension is dimension]
    applies = {rule: counted[rule] for rule in rules}
    kept = pl.sum_horizontal(pl.col(_name(rule)).fill_null(value=False) & _or_true(applies[rule]) for rule in rules)
    # The divisor may be one literal for all rows: see `clean.expr_quotient`.
    return kept / (kept * 0 + pl.sum_horizontal(_or_true(applies[rule]) for rule in rules))


def _or_true(expr: pl.Expr | None) -> pl.Expr:
    return pl.lit(value=True) if expr is None else expr


def expr_timeliness(params: ScoreParams) -> pl.Expr:
    """1 if stored within `fresh_h` of the quote, falling evenly to 0 at `stale_h`; 0 without a clock or before it."""
    hours = expr_quotient((pl.col("recorded_at") - pl.col("observed_at")).dt.total_microseconds(), HOUR_US)
    falling = expr_quotient(params.stale_h - hours, params.stale_h - params.fresh_h).clip(0.0, 1.0)
    return pl.when(hours >= 0).then(falling).otherwise(0.0)


def expr_score(params: ScoreParams) -> pl.Expr:
    """The weighted sum of the parts, in [0, 1], unrounded."""
    return (
        params.weight_completeness * pl.col("completeness")
        + params.weight_validity * pl.col("validity")
        + params.weight_consistency * pl.col("consistency")
        + params.weight_timeliness * pl.col("timeliness")
        + params.weight_uniqueness * pl.col("uniqueness")
    )


def expr_status(params: ScoreParams) -> pl.Expr:
    """``validated`` for a high score of a two-sided quote with a clock, else ``needs_review``."""
    is_capped = ~pl.col(_name(Rule.ONE_SIDE_MISSING)) | pl.col("observed_at").is_null()
    is_valid = (pl.col("score") >= params.validated_min) & ~is_capped
    return pl.when(is_valid).then(pl.lit(VALIDATED)).otherwise(pl.lit(NEEDS_REVIEW))


def expr_names(rules: Sequence[Rule]) -> pl.Expr:
    """List of the flags of the rules that the row breaks, in the order given; empty if it breaks none."""
    bits = [pl.when(~pl.col(_name(rule))).then(1 << k).otherwise(0) for k, rule in enumerate(rules)]
    # Building lists row by row is slow; there are few combinations, so each row looks its own up.
    return pl.lit(_combinations(tuple(rule.flag for rule in rules))).gather(pl.sum_horizontal(bits).cast(pl.UInt32))


@cache
def _combinations(flags: tuple[str, ...]) -> pl.Series:
    lists = [[flag for k, flag in enumerate(flags) if mask >> k & 1] for mask in range(1 << len(flags))]
    return pl.Series(lists, dtype=pl.List(pl.String))
