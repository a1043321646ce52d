"""Zone `curated`: analysis-ready lines, games, features and labels. Definitions: docs/features-definition.md."""

from typing import Any

import polars as pl

from schemas._base import Contract, Reference, Texts, Utc, column, table
from schemas.staging import BOOK_KINDS, GAME_STATUSES, STATUSES, TIERS

SIGNIFICANCE = ("minor", "moderate", "significant", "major")
PIT_BASES = ("observed_and_recorded", "event_time", "assumed")
OPEN_SOURCES = ("feed_open", "first_seen")
OUTCOMES = ("win", "loss", "push", "void", "pending")
P: dict[str, Any] = {"unit": "0-1", "gt": 0, "lt": 1}
NO_PAIR = "a side is missing, or the pair is outside the de-vig guard"
FEW_BOOKS = "fewer than the configured books"
TO_GAME = Reference(("game_id",), "staging.games", ("game_id",))


class CuratedRow(Contract):
    """Load, batch and the versions that the derived values depend on."""

    load_id: pl.Int32 = column("Load that wrote the row", source="audit.loads")
    batch_id: pl.Int32 = column("Batch of the run that wrote the row", source="audit.batches")
    feature_set_version: pl.String = column("Version of the feature definitions")
    devig_method: pl.String = column("Method behind p_fair", isin=("multiplicative", "shin", "odds_ratio", "power"))
    config_hash: pl.String = column("Hash of the settings that the values depend on")
    as_of: Utc = column("Nothing observed or recorded later was used", unit="UTC", null="the row has no clock")


@table("curated", "games", key=("game_id",), grain="one real game", references=(TO_GAME,), indexes=(("game_date",),))
class Games(CuratedRow):
    """Games with form, rest and head to head, from results available by `as_of`."""

    game_id: pl.Int32 = column("Canonical game")
    game_pk: pl.Int32 = column("MLB Stats API id", null="the legacy has none")
    season: pl.Int16 = column("Season")
    game_date: pl.Date = column("Local date, America/New_York")
    start_at: Utc = column("Scheduled start", unit="UTC")
    game_number: pl.Int16 = column("1, or 2 and up in a doubleheader", ge=1)
    home_team_id: pl.Int32 = column("Home club", null="unknown club")
    away_team_id: pl.Int32 = column("Away club", null="unknown club")
    home_code: pl.String = column("Code of the home club in this season", null="unknown club")
    away_code: pl.String = column("Code of the away club in this season", null="unknown club")
    status: pl.String = column("Status", isin=GAME_STATUSES)
    hour_local: pl.Int16 = column("Hour of the start, America/New_York", unit="hour", ge=0, le=23)
    dow_local: pl.Int16 = column("ISO day of the week of game_date, Monday = 1", ge=1, le=7)
    month: pl.Int16 = column("Month of game_date", ge=1, le=12)
    is_weekend: pl.Boolean = column("game_date is a Saturday or Sunday")
    is_doubleheader: pl.Boolean = column("The clubs meet more than once on this date")
    is_dh_game2: pl.Boolean = column("Second or later game of a doubleheader")
    home_form_win_pct_10: pl.Float64 = column(
        "Wins of the last 10 available results", unit="0-1", null="under 5 games", ge=0, le=1
    )
    away_form_win_pct_10: pl.Float64 = column(
        "Wins of the last 10 available results", unit="0-1", null="under 5 games", ge=0, le=1
    )
    home_form_run_diff_10: pl.Float64 = column("Mean run difference of the last 10", unit="runs", null="under 5 games")
    away_form_run_diff_10: pl.Float64 = column("Mean run difference of the last 10", unit="runs", null="under 5 games")
    home_rs_pg_10: pl.Float64 = column("Mean runs scored of the last 10", unit="runs", null="under 5 games", ge=0)
    away_rs_pg_10: pl.Float64 = column("Mean runs scored of the last 10", unit="runs", null="under 5 games", ge=0)
    home_ra_pg_10: pl.Float64 = column("Mean runs allowed of the last 10", unit="runs", null="under 5 games", ge=0)
    away_ra_pg_10: pl.Float64 = column("Mean runs allowed of the last 10", unit="runs", null="under 5 games", ge=0)
    home_form_ewm: pl.Float64 = column(
        "Wins of the season, weights 0.9^k from the newest", unit="0-1", null="under 5 games", ge=0, le=1
    )
    away_form_ewm: pl.Float64 = column(
        "Wins of the season, weights 0.9^k from the newest", unit="0-1", null="under 5 games", ge=0, le=1
    )
    home_season_win_pct: pl.Float64 = column("Wins of the season so far", unit="0-1", null="no games", ge=0, le=1)
    away_season_win_pct: pl.Float64 = column("Wins of the season so far", unit="0-1", null="no games", ge=0, le=1)
    home_season_games: pl.Int32 = column("Available results of the season", unit="games", null="unknown club", ge=0)
    away_season_games: pl.Int32 = column("Available results of the season", unit="games", null="unknown club", ge=0)
    home_days_since_last_game: pl.Int32 = column(
        "Days since the last played game with an available result", unit="days", null="first of the season", ge=0
    )
    away_days_since_last_game: pl.Int32 = column(
        "Days since the last played game with an available result", unit="days", null="first of the season", ge=0
    )
    home_rest_days: pl.Int32 = column(
        "max(0, days since last game - 1), at most 10", unit="days", null="first of the season", ge=0, le=10
    )
    away_rest_days: pl.Int32 = column(
        "max(0, days since last game - 1), at most 10", unit="days", null="first of the season", ge=0, le=10
    )
    home_games_last_7d: pl.Int32 = column(
        "Played games in the 7 local days before game_date", unit="games", null="unknown club", ge=0
    )
    away_games_last_7d: pl.Int32 = column(
        "Played games in the 7 local days before game_date", unit="games", null="unknown club", ge=0
    )
    h2h_n: pl.Int32 = column(
        "Available meetings, at most the last 10 of 3 years", unit="games", null="unknown club", ge=0, le=10
    )
    h2h_home_win_pct: pl.Float64 = column(
        "Share won by today's home club", unit="0-1", null="under 3 meetings", ge=0, le=1
    )
    h2h_home_win_pct_shrunk: pl.Float64 = column("(wins + 5) / (n + 10)", unit="0-1", null="unknown club", gt=0, lt=1)
    h2h_avg_total: pl.Float64 = column("Mean total runs of the meetings", unit="runs", null="under 3 meetings", ge=0)


class CuratedLine(CuratedRow):
    """One quote with its odds, probabilities and place in the market. Side A is home or over, side B away or under.

    `as_of` is greatest(observed_at, recorded_at) of the line itself.
    """

    raw_id: pl.Int64 = column("Legacy id of the line, unique within its market")
    game_id: pl.Int32 = column("Canonical game")
    book_id: pl.Int32 = column("Canonical book")
    brand: pl.String = column("Brand: the book of all consensus figures")
    book_kind: pl.String = column("Kind of the book", isin=BOOK_KINDS)
    tier: pl.String = column("Tier of the book", isin=TIERS, null="not a book, or not known")
    source: pl.String = column("Feed", null="unknown")
    observed_at: Utc = column("When the source says the quote was current", unit="UTC", null="unknown")
    recorded_at: Utc = column("When the row was stored", unit="UTC", null="unknown")
    minutes_to_start: pl.Float64 = column("Scheduled start - observed_at", unit="minutes", null="observed_at unknown")
    is_in_play: pl.Boolean = column("Quoted at or after the scheduled start", null="observed_at unknown")
    pit_basis: pl.String = column("Which clocks the row rests on", isin=PIT_BASES, null="a clock is unknown")
    line: pl.Float64 = column("Home line, or total", unit="runs", null="moneyline")
    price_a: pl.Int32 = column("Price of side A", unit="American odds", null="not offered")
    price_b: pl.Int32 = column("Price of side B", unit="American odds", null="not offered")
    decimal_a: pl.Float64 = column("Price of side A", unit="decimal odds", null="not offered", gt=1)
    decimal_b: pl.Float64 = column("Price of side B", unit="decimal odds", null="not offered", gt=1)
    implied_prob_a: pl.Float64 = column("1 / decimal odds: the break-even probability", null="not offered", **P)
    implied_prob_b: pl.Float64 = column("1 / decimal odds: the break-even probability", null="not offered", **P)
    overround: pl.Float64 = column("Sum of both implied probabilities - 1", unit="1", null="a side is missing")
    hold: pl.Float64 = column(
        "1 - 1 / booksum: theoretical win per unit staked", unit="1", null="a side is missing", lt=1
    )
    no_vig_probability_a: pl.Float64 = column("Multiplicative no-vig probability", null="a side is missing", **P)
    no_vig_probability_b: pl.Float64 = column("Multiplicative no-vig probability", null="a side is missing", **P)
    p_fair_a: pl.Float64 = column("No-vig probability by devig_method; given no push on whole lines", null=NO_PAIR, **P)
    p_fair_b: pl.Float64 = column("1 - p_fair_a", null=NO_PAIR, **P)
    p_shin_a: pl.Float64 = column("Shin (= additive for two sides)", null=NO_PAIR, **P)
    shin_z: pl.Float64 = column("Shin's share of insiders; negative below a booksum of 1", unit="1", null=NO_PAIR)
    p_power_a: pl.Float64 = column("Power method", null=NO_PAIR, **P)
    power_k: pl.Float64 = column("Exponent of the power method", unit="1", null=NO_PAIR, gt=0)
    n_other_books: pl.Int32 = column(
        "Other brands with an eligible quote at as_of", unit="books", null="the row has no clock", ge=0
    )
    consensus_line: pl.Float64 = column(
        "Modal line of all eligible brands at as_of", unit="runs", null="moneyline, or no eligible quote"
    )
    consensus_p_a_loo: pl.Float64 = column(
        "Median-logit consensus of the other brands at this line", null=FEW_BOOKS, **P
    )
    consensus_deviation: pl.Float64 = column("100 x (p_fair_a - consensus_p_a_loo)", unit="pp", null="either is null")
    line_deviation: pl.Float64 = column("line - consensus_line", unit="runs", null="moneyline, or no consensus")
    p_ref_a: pl.Float64 = column(
        "Independent reference: leave-one-out consensus, else the sharp tier of other books", null="neither exists", **P
    )
    ev_a: pl.Float64 = column(
        "p_ref_a x decimal_a - 1: expected profit per unit, given no push", unit="1", null="p_ref or price is null"
    )
    ev_b: pl.Float64 = column("(1 - p_ref_a) x decimal_b - 1", unit="1", null="p_ref or price is null")
    validation_status: pl.String = column("Verdict of staging", isin=STATUSES)
    quality_flags: Texts = column("Warnings of staging")


LINE_GRAIN = "one quote of one brand, game, line and observed_at: the last recorded one"


def _to_staging(name: str) -> tuple[Reference, ...]:
    return (Reference(("raw_id",), f"staging.{name}", ("raw_id",)),)


@table(
    "curated",
    "moneylines",
    key=("raw_id",),
    grain=LINE_GRAIN,
    references=_to_staging("moneylines"),
    indexes=(("game_id",),),
)
class Moneylines(CuratedLine):
    """Moneyline quotes with probabilities, hold, expected value and consensus deviation."""


@table(
    "curated", "spreads", key=("raw_id",), grain=LINE_GRAIN, references=_to_staging("spreads"), indexes=(("game_id",),)
)
class Spreads(CuratedLine):
    """Spread quotes with probabilities, hold, expected value and consensus deviation."""


@table(
    "curated", "totals", key=("raw_id",), grain=LINE_GRAIN, references=_to_staging("totals"), indexes=(("game_id",),)
)
class Totals(CuratedLine):
    """Total quotes with probabilities, hold, expected value and consensus deviation."""
