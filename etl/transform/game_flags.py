"""Warnings about a game: what staging noticed when it made one row of several. Features definition, section 12."""

from enum import StrEnum

import polars as pl

MAX_RUNS = 60


class GameFlag(StrEnum):
    """Warnings about a game; the value is what `quality_flags` holds."""

    UNKNOWN_TEAM = "unknown_team"
    SAME_TEAM_TWICE = "same_team_twice"
    CLUB_CONFLICT = "club_conflict"
    START_CONFLICT = "start_conflict"
    DATE_CONFLICT = "date_conflict"
    SEASON_CONFLICT = "season_conflict"
    SCORE_CONFLICT = "score_conflict"
    SCORE_OUT_OF_RANGE = "score_out_of_range"
    EQUAL_SCORES = "equal_scores"
    OUTCOME_WITHOUT_COMPLETION = "outcome_without_completion"
    UNKNOWN_STATUS = "unknown_status"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    LOW_COVERAGE = "low_coverage"

    @property
    def sentence(self) -> str:
        """What the flag says, for people."""
        return _SENTENCES[self]


_SENTENCES = {
    GameFlag.UNKNOWN_TEAM: "a team's text names no known club",
    GameFlag.SAME_TEAM_TWICE: "both texts name the same club",
    GameFlag.CLUB_CONFLICT: "rows that share a game_pk name different clubs; the canonical row's were taken",
    GameFlag.START_CONFLICT: "the merged rows start at different times; the latest recorded row's was taken",
    GameFlag.DATE_CONFLICT: "the stored date is not the local date of the start",
    GameFlag.SEASON_CONFLICT: "the stored season is not the year of the local date",
    GameFlag.SCORE_CONFLICT: "rows of the game and its outcome disagree about the score; it is not final",
    GameFlag.SCORE_OUT_OF_RANGE: f"a score is below 0 or above {MAX_RUNS}; it is not final",
    GameFlag.EQUAL_SCORES: "completed with equal scores and no official tie: suspended, not final",
    GameFlag.OUTCOME_WITHOUT_COMPLETION: "there is an outcome, but no row says that the game was completed",
    GameFlag.UNKNOWN_STATUS: "a status is not in the vocabulary; it was read as scheduled",
    GameFlag.POSSIBLE_DUPLICATE: "nearly the start of another game of the same clubs, but nothing proves them one",
    GameFlag.LOW_COVERAGE: "fewer books than the configured minimum (W08)",
}


def expr_flags() -> pl.Expr:
    """Names of the flags that the game raised, sorted."""
    is_unknown = pl.col("home_team_id").is_null() | pl.col("away_team_id").is_null()
    raised = {
        GameFlag.UNKNOWN_TEAM: is_unknown,
        GameFlag.SAME_TEAM_TWICE: pl.col("home_team_id") == pl.col("away_team_id"),
        GameFlag.CLUB_CONFLICT: pl.col("is_club_conflict"),
        GameFlag.START_CONFLICT: pl.col("is_start_conflict"),
        GameFlag.DATE_CONFLICT: pl.col("is_date_conflict"),
        GameFlag.SEASON_CONFLICT: pl.col("is_season_conflict"),
        GameFlag.SCORE_CONFLICT: pl.col("is_score_conflict"),
        GameFlag.SCORE_OUT_OF_RANGE: pl.col("is_out_of_range"),
        GameFlag.EQUAL_SCORES: pl.col("is_unfinished"),
        GameFlag.OUTCOME_WITHOUT_COMPLETION: pl.col("is_outcome_unbacked"),
        GameFlag.UNKNOWN_STATUS: pl.col("is_status_unknown"),
        GameFlag.POSSIBLE_DUPLICATE: pl.col("is_duplicate"),
    }
    texts = [pl.when(is_raised).then(pl.lit(flag.value)) for flag, is_raised in sorted(raised.items())]
    return pl.concat_list(texts).list.drop_nulls()
