"""What an analysis says. Shares are in percent, rounded to two decimals."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

NONE = "(none)"  # stands for a null or blank text


@dataclass(frozen=True, slots=True)
class Volume:
    """Rows that a raw table will be read from."""

    table: str
    source_table: str
    rows: int


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of one source or sportsbook. `pct`: of all lines."""

    name: str
    rows: int
    pct: float
    by_market: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DateRange:
    """First and last value of a date or timestamp, ISO 8601 in UTC; None where it has no value."""

    table: str
    column: str
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class Completeness:
    """How often a column has no value: null, blank, or one that cannot be carried."""

    table: str
    column: str
    rows: int
    missing: int
    missing_pct: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Lines by the legacy's own grades."""

    data_quality: Mapping[str, int]
    completeness_score: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LineFacts:
    """Lines by what is odd about them; one line may be counted several times.

    Attributes:
        rows: Lines of all markets.
        strays: Rows of the line tables that no market takes; they are not among `rows`.
        without_game: game_id is null.
        of_unknown_game: game_id names no game.
        without_clock: odds_timestamp has no value.
        without_book: Neither a sportsbook's id nor its name.
        one_sided: One price of two.
        without_price: No price at all.
        with_splits: A share of tickets or money.
        unfit: A value that cannot be carried (NaN, infinite or BC dates, out of range).
    """

    rows: int
    strays: int
    without_game: int
    of_unknown_game: int
    without_clock: int
    without_book: int
    one_sided: int
    without_price: int
    with_splits: int
    unfit: int


@dataclass(frozen=True, slots=True)
class GameFacts:
    """Games, and lines a game.

    Attributes:
        rows: Rows of the games table.
        without_lines: No line names the game.
        same_day: Rows that share date and both teams' spellings with another: duplicates or doubleheaders.
        same_pk: Rows that share the MLB Stats API id with another: duplicates.
        completed_without_score: Completed, but a score is missing.
        completed_without_outcome: Completed, but no outcome row names the game.
        lines_min: Fewest lines of a game that has any; None without one.
        lines_median: Median lines of such games.
        lines_mean: Mean lines of such games.
        lines_max: Most lines of a game.
    """

    rows: int
    without_lines: int
    same_day: int
    same_pk: int
    completed_without_score: int
    completed_without_outcome: int
    lines_min: int | None
    lines_median: float | None
    lines_mean: float | None
    lines_max: int | None


@dataclass(frozen=True, slots=True)
class Complexity:
    """How hard the move will be: 0-100, a grade, and what the score is made of."""

    score: int
    grade: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a full run should take."""

    rows: int
    rows_per_s: float
    seconds: float
    batch_rows: int
    batches: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the legacy holds; see :mod:`etl.analyze` for the shape."""

    layout: str
    snapshot_at: datetime
    rows: int
    volumes: tuple[Volume, ...]
    sources: tuple[Part, ...]
    sportsbooks: tuple[Part, ...]
    dates: tuple[DateRange, ...]
    quality: Quality
    completeness: tuple[Completeness, ...]
    lines: LineFacts
    games: GameFacts
    seasons: Mapping[str, int]
    statuses: Mapping[str, int]
    complexity: Complexity
    estimate: Estimate
    recommendations: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The analysis as plain data, keys in their documented order."""
        return asdict(self)


def pct(part: int, whole: int) -> float:
    """`part` of `whole` in percent, two decimals; 0 of nothing."""
    return round(100.0 * part / whole, 2) if whole else 0.0
