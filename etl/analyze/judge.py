"""Judge what phase 1 found: how hard, how long, and what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from etl.analyze.model import Complexity, Estimate, GameFacts, LineFacts, pct

GRADES = ((60, "complex"), (25, "moderate"), (0, "simple"))  # least score of each


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something counts towards the complexity, or is worth a recommendation.

    Attributes:
        many_lines: Lines that make a large legacy (rows).
        very_many_lines: Lines that make a very large one (rows).
        many_sources: Feeds.
        many_books: Sportsbooks, as spelled.
        notable_pct: Share of lines or games that is worth a word (percent).
        large_pct: Share that makes the move harder (percent).
        many_batches: Batches of one run.
    """

    many_lines: int = 100_000
    very_many_lines: int = 1_000_000
    many_sources: int = 4
    many_books: int = 20
    notable_pct: float = 0.1
    large_pct: float = 5.0
    many_batches: int = 50


def estimate(rows: int, lines: int, *, rows_per_s: float, batch_rows: int) -> Estimate:
    """How long a full run takes at `rows_per_s`, and how many batches of lines it is cut into at the least."""
    return Estimate(rows, rows_per_s, round(rows / rows_per_s, 1), batch_rows, -(-lines // batch_rows))


def complexity(lines: LineFacts, games: GameFacts, *, sources: int, books: int, limits: Limits) -> Complexity:
    """The score: points of each reason that holds, at most 100."""
    held = list(_reasons(lines, games, sources, books, limits))
    score = min(100, sum(points for points, _ in held))
    grade = next(name for least, name in GRADES if score >= least)
    return Complexity(score, grade, tuple(reason for _, reason in held))


def _reasons(lines: LineFacts, games: GameFacts, sources: int, books: int, limits: Limits) -> Iterator[tuple[int, str]]:
    if lines.rows >= limits.very_many_lines:
        yield 30, f"{lines.rows:,} lines"
    elif lines.rows >= limits.many_lines:
        yield 15, f"{lines.rows:,} lines"
    if sources >= limits.many_sources:
        yield 10, f"{sources} feeds"
    if books >= limits.many_books:
        yield 10, f"{books} spellings of sportsbooks"
    for count, whole, what in (
        (lines.without_game + lines.of_unknown_game, lines.rows, "lines have no game"),
        (lines.without_clock, lines.rows, "lines have no clock"),
        (lines.one_sided + lines.without_price, lines.rows, "lines lack a price"),
        (max(games.same_day, games.same_pk), games.rows, "games may be duplicates or doubleheaders"),
        (lines.strays + lines.unfit, lines.rows, "lines are of no market or hold a value that cannot be carried"),
    ):
        share = pct(count, whole)
        if share >= limits.notable_pct:
            yield (15 if share >= limits.large_pct else 8), f"{share:g} % of {what}" if whole else what


def advise(lines: LineFacts, games: GameFacts, expected: Estimate, limits: Limits) -> Iterator[str]:
    """Sentences, each with the setting or command to use; what would stop a run comes first."""
    yield from _on_rejects(lines)
    yield from _on_prices(lines, limits)
    yield from _on_games(games)
    if expected.batches > limits.many_batches:
        yield (
            f"{expected.batches} batches of {expected.batch_rows:,} lines: where memory allows, larger ones cost "
            "less (ETL_RUN_BATCH_ROWS, or --batch-rows)"
        )


def _on_rejects(lines: LineFacts) -> Iterator[str]:
    if not lines.rows:
        yield "There are no lines: check ETL_LEGACY_URL and ETL_LEGACY_LAYOUT, or make a sample: etl sample create"
    if lines.strays:
        yield (
            f"{lines.strays:,} rows are of no known market and will be rejects of zone raw_data: "
            "after the run look at the table audit.rejects"
        )
    if lines.unfit:
        yield (
            f"{lines.unfit:,} lines hold a value that cannot be carried (NaN, infinite or BC dates, out of range) "
            "and will be rejects of zone raw_data: mend them in the legacy, or look at them in the table audit.rejects"
        )
    if lost := lines.without_game + lines.of_unknown_game:
        yield (
            f"{lost:,} lines ({pct(lost, lines.rows):g} %) have no game and will be rejects of zone staging: after "
            "the run look at the table audit.rejects; if the gate finds too many, raise rejected_max_pct in [gates]"
        )
    if lines.without_book:
        yield f"{lines.without_book:,} lines name no sportsbook: after the run look at the table audit.rejects"


def _on_prices(lines: LineFacts, limits: Limits) -> Iterator[str]:
    if pct(lines.without_clock, lines.rows) >= limits.notable_pct:
        yield (
            f"{lines.without_clock:,} lines ({pct(lines.without_clock, lines.rows):g} %) have no odds_timestamp: no "
            "movement or point-in-time feature can use them; count on them in staging only where clock is 'source'"
        )
    if pct(lines.one_sided, lines.rows) >= limits.notable_pct:
        yield (
            f"{lines.one_sided:,} lines ({pct(lines.one_sided, lines.rows):g} %) have one price of two: they get no "
            "no-vig probability; filter curated lines on p_fair_a is not null"
        )
    if pct(lines.without_price, lines.rows) >= limits.notable_pct:
        yield (
            f"{lines.without_price:,} lines ({pct(lines.without_price, lines.rows):g} %) have no price at all, "
            "perhaps splits alone: look for them in staging.betting_splits after the run"
        )


def _on_games(games: GameFacts) -> Iterator[str]:
    if games.same_pk:
        yield (
            f"{games.same_pk:,} games share an MLB Stats API id with another: they are one game under several "
            "legacy ids; see raw_ids in staging.games after the run"
        )
    if games.same_day:
        yield (
            f"{games.same_day:,} games share date and teams with another, doubleheaders or duplicates: "
            "see game_number and raw_ids in staging.games after the run"
        )
    if games.completed_without_score:
        yield (
            f"{games.completed_without_score:,} completed games lack a score: their labels stay pending; "
            "mend them in the legacy and run etl run again"
        )
