"""Prices, probabilities and margin: expressions over American odds. Features definition, section 1.

`price_a` and `price_b` are American prices of both sides of one quote; `pi_a` and `pi_b` are their implied (break-even)
probabilities. An invalid or missing price makes every value that depends on it null; nothing here gives NaN or inf.
"""

from typing import Literal, get_args

import polars as pl

from etl.transform.clean import expr_quotient

DevigMethod = Literal["multiplicative", "shin", "odds_ratio", "power"]
DEVIG_METHODS: tuple[DevigMethod, ...] = get_args(DevigMethod)

EVEN = 100
MAX_PRICE = 10_000
EVEN_PROB = 0.5
GUARD_LOW = 0.90
GUARD_HIGH = 1.30
NEWTON_STEPS = 8


def expr_is_valid_price(price: pl.Expr) -> pl.Expr:
    """True if 100 <= |price| <= 10000; null for a missing price."""
    return price.abs().is_between(EVEN, MAX_PRICE)


def expr_canonical_price(price: pl.Expr) -> pl.Expr:
    """The price with even money written one way: -100 becomes +100."""
    return pl.when(price == -EVEN).then(-price).otherwise(price)


def expr_payout(price: pl.Expr) -> pl.Expr:
    """Profit per unit staked on a winning bet: decimal odds - 1, in (0, 100]. Null for an invalid price."""
    payout = pl.when(price > 0).then(expr_quotient(price, EVEN)).otherwise(EVEN / price.abs())
    return pl.when(expr_is_valid_price(price)).then(payout)


def expr_decimal(price: pl.Expr) -> pl.Expr:
    """Decimal odds in (1, 101]. Null for an invalid price."""
    return 1.0 + expr_payout(price)


def expr_implied(price: pl.Expr) -> pl.Expr:
    """Implied (break-even) probability in (0, 1): 1 / decimal odds. Null for an invalid price."""
    return 1.0 / expr_decimal(price)


def expr_linear_cents(price: pl.Expr) -> pl.Expr:
    """Distance from even money in cents: -105 -> -5, +105 -> +5, 0 at even money. Null for an invalid price."""
    cents = pl.when(price > 0).then(price - EVEN).otherwise(price + EVEN)
    return pl.when(expr_is_valid_price(price)).then(cents)


def expr_american_from_prob(p: pl.Expr) -> pl.Expr:
    """Nearest American price (Int32) of probability `p`, +100 at .5. Null outside (0, 1)."""
    exact = pl.when(p >= EVEN_PROB).then(-EVEN * p / (1.0 - p)).otherwise(EVEN * (1.0 - p) / p)
    price = pl.when((p > 0.0) & (p < 1.0)).then(exact.round(0))
    return expr_canonical_price(price.cast(pl.Int32, strict=False))


def expr_booksum(pi_a: pl.Expr, pi_b: pl.Expr) -> pl.Expr:
    """Sum of both implied probabilities, about 1.00-1.10. Null if either is."""
    return pi_a + pi_b


def expr_overround(pi_a: pl.Expr, pi_b: pl.Expr) -> pl.Expr:
    """Booksum - 1, of both implied probabilities. Null if either is."""
    return expr_booksum(pi_a, pi_b) - 1.0


def expr_hold(pi_a: pl.Expr, pi_b: pl.Expr) -> pl.Expr:
    """1 - 1/booksum: the book's theoretical win per unit staked. Null if either implied probability is."""
    return 1.0 - 1.0 / expr_booksum(pi_a, pi_b)


def expr_no_vig(pi_a: pl.Expr, pi_b: pl.Expr) -> pl.Expr:
    """Multiplicative no-vig probability of side A, in (0, 1), without a guard on the booksum. Null if either is."""
    return pi_a / expr_booksum(pi_a, pi_b)


def expr_in_guard(pi_a: pl.Expr, pi_b: pl.Expr) -> pl.Expr:
    """True if a no-vig probability may be derived: 0.90 <= booksum <= 1.30. Null if either probability is."""
    return expr_booksum(pi_a, pi_b).is_between(GUARD_LOW, GUARD_HIGH)


def _guarded(price_a: pl.Expr, price_b: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(expr_in_guard(expr_implied(price_a), expr_implied(price_b))).then(value)


def expr_p_multiplicative(price_a: pl.Expr, price_b: pl.Expr) -> pl.Expr:
    """Multiplicative no-vig probability of side A. Null if a price is, or outside the guard."""
    return _guarded(price_a, price_b, expr_no_vig(expr_implied(price_a), expr_implied(price_b)))


def expr_p_odds_ratio(price_a: pl.Expr, price_b: pl.Expr) -> pl.Expr:
    """Odds-ratio (Cheung) no-vig probability of side A. Null if a price is, or outside the guard."""
    root_a, root_b = expr_payout(price_a).sqrt(), expr_payout(price_b).sqrt()
    return _guarded(price_a, price_b, root_b / (root_a + root_b))


def expr_p_shin(price_a: pl.Expr, price_b: pl.Expr) -> pl.Expr:
    """Shin no-vig probability of side A. Null if a price is, or outside the guard.

    For two sides it equals the additive method (Clarke, Kovalchik & Ingram 2017).
    """
    return _guarded(price_a, price_b, (1.0 + (expr_implied(price_a) - expr_implied(price_b))) / 2.0)


def expr_shin_z(price_a: pl.Expr, price_b: pl.Expr) -> pl.Expr:
    """Shin's share of insiders; negative if and only if the booksum is below 1. Null as `expr_p_shin`."""
    pi_a, pi_b = expr_implied(price_a), expr_implied(price_b)
    booksum, delta2 = pi_a + pi_b, (pi_a - pi_b) ** 2
    return _guarded(price_a, price_b, (booksum - 1.0) * (delta2 - booksum) / (booksum * (delta2 - 1.0)))


def with_power(lf: pl.LazyFrame, *, a: str, b: str, out_p: str, out_k: str) -> pl.LazyFrame:
    """Add the power no-vig probability of side A (`out_p`) and its exponent (`out_k`): p = a^k with a^k + b^k = 1.

    `a` and `b` name columns of implied probabilities. Newton's method on ln(a^k + b^k), which is convex and decreasing
    in k, from k = 1. Both are null if either probability is, or outside the guard. The row count is unchanged.
    """
    inside = expr_in_guard(pl.col(a), pl.col(b))
    lf = lf.with_columns(
        _log_a=pl.when(inside).then(pl.col(a).log()), _log_b=pl.when(inside).then(pl.col(b).log()), _k=pl.lit(1.0)
    )
    # NOTE: one layer a step. As one nested expression the plan grows sevenfold with every step.
    for _ in range(NEWTON_STEPS):
        lf = lf.with_columns(
            _pow_a=(pl.col("_k") * pl.col("_log_a")).exp(), _pow_b=(pl.col("_k") * pl.col("_log_b")).exp()
        ).with_columns(_k=pl.col("_k") - _newton_step())
    power_a, power_b = (pl.col("_k") * pl.col("_log_a")).exp(), (pl.col("_k") * pl.col("_log_b")).exp()
    return lf.with_columns(
        (power_a / (power_a + power_b)).alias(out_p), pl.when(inside).then(pl.col("_k")).alias(out_k)
    ).drop("_log_a", "_log_b", "_k", "_pow_a", "_pow_b")


def _newton_step() -> pl.Expr:
    power_a, power_b = pl.col("_pow_a"), pl.col("_pow_b")
    total = power_a + power_b
    return total.log() * total / (power_a * pl.col("_log_a") + power_b * pl.col("_log_b"))


def expr_p_fair(price_a: pl.Expr, price_b: pl.Expr, *, method: str) -> pl.Expr:
    """No-vig probability of side A by a method with a closed form. Null if a price is, or outside the guard.

    Raises:
        ValueError: `method` has no closed form (``power``: use `with_p_fair`) or is unknown.
    """
    match method:
        case "multiplicative":
            return expr_p_multiplicative(price_a, price_b)
        case "shin":
            return expr_p_shin(price_a, price_b)
        case "odds_ratio":
            return expr_p_odds_ratio(price_a, price_b)
    raise ValueError(f"no closed form for de-vig method {method!r}: expected multiplicative, shin or odds_ratio")


def with_p_fair(lf: pl.LazyFrame, *, price_a: str, price_b: str, out: str, method: str) -> pl.LazyFrame:
    """Add the no-vig probability of side A as column `out`, by any of the four methods.

    `price_a` and `price_b` name columns of American prices. Null if a price is, or outside the guard. The row count is
    unchanged.
    """
    if method != "power":
        return lf.with_columns(expr_p_fair(pl.col(price_a), pl.col(price_b), method=method).alias(out))
    return (
        lf.with_columns(_pi_a=expr_implied(pl.col(price_a)), _pi_b=expr_implied(pl.col(price_b)))
        .pipe(with_power, a="_pi_a", b="_pi_b", out_p=out, out_k="_power_k")
        .drop("_pi_a", "_pi_b", "_power_k")
    )


def expr_logit(p: pl.Expr) -> pl.Expr:
    """Log odds of a probability in (0, 1)."""
    return (p / (1.0 - p)).log()


def expr_inv_logit(x: pl.Expr) -> pl.Expr:
    """Probability of log odds `x`."""
    return 1.0 / (1.0 + (-x).exp())


def expr_ev(p: pl.Expr, price: pl.Expr) -> pl.Expr:
    """Expected profit per unit staked at an American price, given no push: p x decimal - 1. Null if either is."""
    return p * expr_decimal(price) - 1.0


def expr_kelly(p: pl.Expr, price: pl.Expr, *, fraction: float, cap: float) -> pl.Expr:
    """Stake as a share of the bankroll: `fraction` of full Kelly, in [0, cap]. Null if either input is.

    `p` is the probability of winning given no push, from a source other than the price itself.
    """
    return (expr_ev(p, price) / expr_payout(price) * fraction).clip(0.0, cap)
