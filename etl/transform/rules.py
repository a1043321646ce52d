"""The rules of staging as data: what each says, how severe it is, where it applies and when it holds.

Features definition, section 7. A rule's expression is true where the row keeps it, false where it breaks it, and null
where its inputs are missing. It reads the working columns that `staging` prepares, the same for all markets:
price_a and price_b (home and away, or over and under), line, booksum, p_fair and what the row was joined with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

import polars as pl

from etl.transform.clean import expr_quotient
from etl.transform.odds import expr_is_valid_price
from etl.transform.staging_params import BoundParams

EVEN_CHANCE = 0.5
MONEYLINE, SPREAD, TOTALS = "moneyline", "spread", "totals"


class Severity(StrEnum):
    """A broken critical rule rejects the row whatever its score; a warning is a flag on it."""

    CRITICAL = "critical"
    WARNING = "warning"


class Dimension(StrEnum):
    """The part of the score that counts the rule."""

    VALIDITY = "validity"
    CONSISTENCY = "consistency"
    NONE = "none"


class Subject(StrEnum):
    """What a rule judges."""

    LINE = "line"
    SPLIT = "split"
    GAME = "game"


class Rule(Enum):
    """Every rule of staging, by the name that flags and rejects hold (`flag`, in lower case)."""

    GAME_UNRESOLVED = ("V01", "the line's game is known", Severity.CRITICAL)
    BOOK_UNRESOLVED = ("V02", "the line's book is known", Severity.CRITICAL)
    PRICE_INVALID = (
        "V03",
        "a price that is present is an American price up to 10,000",
        Severity.CRITICAL,
        Dimension.VALIDITY,
    )
    LINE_INVALID = ("V04", "the line is present, on its grid and in range", Severity.CRITICAL, Dimension.VALIDITY)
    CLUBS_UNKNOWN = ("V05", "the game has two different known clubs", Severity.CRITICAL, Dimension.CONSISTENCY)
    BOOKSUM_IMPOSSIBLE = (
        "V06",
        "the implied probabilities add up to what a book can offer",
        Severity.CRITICAL,
        Dimension.VALIDITY,
    )
    LINES_NOT_OPPOSITE = (
        "V07",
        "the home line is the negative of the away line",
        Severity.CRITICAL,
        Dimension.CONSISTENCY,
    )
    SPLIT_INVALID = ("V08", "shares are in range and add up to 100", Severity.CRITICAL, Dimension.NONE, Subject.SPLIT)
    NO_PRICE = ("V09", "a moneyline has a price", Severity.CRITICAL, Dimension.VALIDITY)
    SCORE_TOO_LOW = ("V10", "the score reaches the minimum for a review", Severity.CRITICAL)
    SPLIT_CLOCK_MISSING = ("V11", "a split says when it was current", Severity.CRITICAL, Dimension.NONE, Subject.SPLIT)
    ONE_SIDE_MISSING = ("W01", "both sides have a price", Severity.WARNING)
    BOOKSUM_UNUSUAL = ("W02", "the overround is a usual one", Severity.WARNING, Dimension.VALIDITY)
    FAR_FROM_CONSENSUS = (
        "W03",
        "the quote is near the consensus of the other books",
        Severity.WARNING,
        Dimension.CONSISTENCY,
    )
    IN_PLAY = ("W04", "the quote is from before the start", Severity.WARNING)
    CLOCK_REVERSED = ("W05", "the quote was not stored before it was current", Severity.WARNING, Dimension.CONSISTENCY)
    UNUSUAL_RUN_LINE = ("W06", "the run line is the usual one", Severity.WARNING)
    FAVOURITE_DISAGREES = (
        "W07",
        "moneyline and run line have the same favourite (a disagreement is legal)",
        Severity.WARNING,
    )
    LOW_COVERAGE = ("W08", "the game has enough books", Severity.WARNING, Dimension.NONE, Subject.GAME)
    DUPLICATE_KEY = (
        "W09",
        "no other quote has the same key and different prices",
        Severity.WARNING,
        Dimension.CONSISTENCY,
    )
    PRICE_UNUSUAL = ("W10", "the prices are of a usual size", Severity.WARNING, Dimension.VALIDITY)
    SPLIT_ONE_SIDED = ("W11", "no share is exactly 0 or 100", Severity.WARNING, Dimension.NONE, Subject.SPLIT)
    UNKNOWN_TEAM_TEXT = ("W12", "the team texts of the line name known clubs", Severity.WARNING)

    def __init__(
        self,
        code: str,
        sentence: str,
        severity: Severity,
        dimension: Dimension = Dimension.NONE,
        subject: Subject = Subject.LINE,
    ) -> None:
        self.code = code
        self.sentence = sentence
        self.severity = severity
        self.dimension = dimension
        self.subject = subject

    @property
    def flag(self) -> str:
        """The name that `quality_flags` and rejects hold."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Check:
    """One rule at work: when it `holds`, on which rows its dimension counts it, and in which markets it applies."""

    rule: Rule
    holds: Callable[[BoundParams, str], pl.Expr]
    markets: tuple[str, ...] = (MONEYLINE, SPREAD, TOTALS)
    applies: Callable[[BoundParams, str], pl.Expr | None] = lambda *_: None


def expr_all_valid(is_valid: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """True if every present price is valid; null if neither is present."""
    price_a, price_b = pl.col("price_a"), pl.col("price_b")
    valid = is_valid(price_a).fill_null(value=True) & is_valid(price_b).fill_null(value=True)
    return pl.when(price_a.is_not_null() | price_b.is_not_null()).then(valid)


def expr_line_on_grid(bounds: BoundParams, market: str) -> pl.Expr:
    """True if the line is on the grid and in the market's range. Null for a missing line."""
    line = pl.col("line")
    in_range = line.is_between(bounds.total_min_runs, bounds.total_max_runs)
    if market == SPREAD:
        in_range = line.abs() <= bounds.run_line_max_runs
    steps = expr_quotient(line, bounds.line_grid_runs)
    return in_range & (steps == steps.round(0))


def _clubs_known(*_: object) -> pl.Expr:
    home, away = pl.col("home_team_id"), pl.col("away_team_id")
    known = home.is_not_null() & away.is_not_null() & (home != away).fill_null(value=False)
    return pl.when(pl.col("game_id").is_not_null()).then(known)


def _has_consensus(_: BoundParams, market: str) -> pl.Expr:
    """Rows that lack a value of their own count (as failed); a row whose market has no consensus does not."""
    lacks = pl.any_horizontal(pl.col("p_fair", "observed_at", "game_id").is_null())
    if market != MONEYLINE:
        lacks = lacks | pl.col("line").is_null()
    return lacks | pl.col("is_far").is_not_null()


def _favourites_agree(*_: object) -> pl.Expr:
    """False if the moneyline favours one side and the run line the other; a pick'em agrees with both."""
    lead = (pl.col("moneyline_p") - EVEN_CHANCE).sign()
    return lead * pl.col("line").sign() <= 0


CHECKS: tuple[Check, ...] = (
    Check(Rule.GAME_UNRESOLVED, lambda *_: pl.col("game_id").is_not_null()),
    Check(Rule.BOOK_UNRESOLVED, lambda *_: pl.col("book_id").is_not_null()),
    Check(Rule.PRICE_INVALID, lambda *_: expr_all_valid(expr_is_valid_price)),
    Check(Rule.LINE_INVALID, lambda b, m: expr_line_on_grid(b, m).fill_null(value=False), (SPREAD, TOTALS)),
    Check(Rule.CLUBS_UNKNOWN, _clubs_known),
    Check(Rule.BOOKSUM_IMPOSSIBLE, lambda b, _: pl.col("booksum").is_between(b.booksum_min, b.booksum_max)),
    # The legacy holds one run line, the home side's, so its opposite is the away side's by construction.
    Check(Rule.LINES_NOT_OPPOSITE, lambda *_: pl.col("line") == pl.col("line"), (SPREAD,)),
    Check(Rule.NO_PRICE, lambda *_: pl.any_horizontal(pl.col("price_a", "price_b").is_not_null()), (MONEYLINE,)),
    Check(Rule.ONE_SIDE_MISSING, lambda *_: pl.all_horizontal(pl.col("price_a", "price_b").is_not_null())),
    Check(Rule.BOOKSUM_UNUSUAL, lambda b, _: pl.col("booksum").is_between(b.booksum_usual_min, b.booksum_usual_max)),
    Check(Rule.FAR_FROM_CONSENSUS, lambda *_: ~pl.col("is_far"), applies=_has_consensus),
    Check(Rule.IN_PLAY, lambda *_: pl.col("observed_at") < pl.col("start_at")),
    Check(Rule.CLOCK_REVERSED, lambda *_: pl.col("observed_at") <= pl.col("recorded_at")),
    Check(Rule.UNUSUAL_RUN_LINE, lambda b, _: pl.col("line").abs() == b.usual_run_line_runs, (SPREAD,)),
    Check(Rule.FAVOURITE_DISAGREES, _favourites_agree, (SPREAD,)),
    Check(Rule.DUPLICATE_KEY, lambda *_: pl.col("key_values") == 1),
    Check(Rule.PRICE_UNUSUAL, lambda b, _: expr_all_valid(lambda price: price.abs() <= b.price_usual_max)),
    Check(Rule.UNKNOWN_TEAM_TEXT, lambda *_: ~pl.col("is_text_unknown") | pl.col("home_team_id").is_null()),
)


def checks_of(market: str) -> tuple[Check, ...]:
    """The checks that apply to the lines of a market."""
    return tuple(check for check in CHECKS if market in check.markets)
