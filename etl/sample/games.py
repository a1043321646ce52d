"""Rows of the small legacy tables: sportsbooks, teams, games and outcomes."""

from datetime import UTC, datetime

import polars as pl

from etl.sample import books
from etl.sample.clubs import CLUBS, name_in
from etl.sample.draw import Draws, row_key
from etl.sample.lines import with_texts
from etl.sample.truth import NODE, Truth
from etl.sample.world import PLAYED, SUSPENDED

FOUNDED = datetime(2021, 1, 4, 12, tzinfo=UTC)
_SKIES = ("clear", "cloudy", "dome", "overcast", "rain")
_WINDS = ("in", "out", "left", "right")
OUTCOME_SHARE = 0.985
EVEN = 0.5


def sportsbook_rows() -> pl.DataFrame:
    """The sportsbooks table."""
    return books.book_frame().select(
        id=pl.col("book_id").cast(pl.Int32),
        name="name",
        display_name="display",
        is_active=pl.lit(value=True),
        created_at=pl.lit(FOUNDED),
    )


def team_rows(season: int) -> pl.DataFrame:
    """The teams table, with the names of one season."""
    rows = [
        (
            at,
            club.club_id,
            name.full,
            name.nickname,
            name.nickname,
            name.city or name.nickname,
            name.code,
            club.league,
            club.division,
        )
        for at, club in enumerate((club for club in CLUBS if club.since <= season), start=1)
        for name in [name_in(club.club_id, season)]
    ]
    names = (
        "id",
        "team_id",
        "full_name",
        "display_name",
        "short_name",
        "location",
        "abbr",
        "conference_type",
        "division_type",
    )
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("id", "team_id").cast(pl.Int32))
    return frame.with_columns(created_at=pl.lit(FOUNDED), updated_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))


def game_rows(listings: pl.DataFrame, texts: pl.DataFrame, draws: Draws) -> pl.DataFrame:
    """The games table, `listings` in the spelling and with the ids of their sources.

    NOTE: as in the legacy, one source stores the UTC date as the game's date, and a suspended game stands as a
    completed one with the score at which it was halted.
    """
    venues = pl.DataFrame(
        [(club.club_id, club.venue_id, club.venue) for club in CLUBS],
        schema=["home", "venue_id", "venue_name"],
        orient="row",
    )
    frame = with_texts(listings, texts).pipe(_scored).join(venues, on="home", how="left", maintain_order="left")
    key = row_key(frame["game_id"])
    source, pk = pl.col("source"), pl.col("game_pk").cast(pl.String)
    weather = pl.when("has_pk")
    archive_id = pl.format("SBR-{}-{}@{}-{}", "day", "away_team", "home_team", pl.col("real_key") % 10)
    warm = draws.normal("temperature", key)
    sky, wind, speed = (draws.uniform(name, key) for name in ("sky", "wind", "wind_speed"))
    ahead = pl.lit((draws.uniform("listed_at", key) * 2800 + 2000).cast(pl.Int64))
    stored = pl.col("start_at") - pl.duration(minutes=ahead)
    final = (
        pl.when(pl.col("home_score").is_not_null()).then(pl.col("start_at") + pl.duration(hours=4)).otherwise(stored)
    )
    return frame.select(
        id=pl.col("game_id").cast(pl.Int32),
        sportsbookreview_game_id=pl.when(source == books.ARCHIVE).then(archive_id),
        mlb_stats_api_game_id=pl.when("has_pk").then(pk),
        action_network_game_id=pl.when(source == books.FEED).then(pl.col("real_key")).cast(pl.Int32),
        vsin_game_id=pl.when(source == books.VEGAS).then(pl.format("vsin-{}", "real_key")),
        home_team="home_team",
        away_team="away_team",
        game_date=pl.when(source == books.VEGAS).then(pl.col("start_at").dt.date()).otherwise("day"),
        game_datetime="start_at",
        game_status=pl.when(pl.col("status") == SUSPENDED).then(pl.lit(PLAYED)).otherwise("status"),
        home_score=pl.col("home_score").cast(pl.Int32),
        away_score=pl.col("away_score").cast(pl.Int32),
        winning_team=pl.when(pl.col("home_score") > pl.col("away_score"))
        .then("home_team")
        .when(pl.col("home_score") < pl.col("away_score"))
        .then("away_team"),
        venue_name=weather.then("venue_name"),
        venue_id=weather.then("venue_id").cast(pl.Int32),
        season=pl.col("season").cast(pl.Int32),
        season_type=pl.lit("regular"),
        game_type=pl.lit("regular"),
        weather_condition=weather.then(_one_of(sky, _SKIES)),
        temperature=weather.then((71 + 9 * warm).round()).cast(pl.Int32),
        wind_speed=weather.then((speed * 18).floor()).cast(pl.Int32),
        wind_direction=weather.then(_one_of(wind, _WINDS)),
        humidity=weather.then((35 + 50 * sky).floor()).cast(pl.Int32),
        data_quality=weather.then(pl.lit("HIGH")).otherwise(pl.lit("MEDIUM")),
        mlb_correlation_confidence=weather.then(0.9 + 0.1 * wind.round(3)),
        has_mlb_enrichment="has_pk",
        created_at=stored,
        updated_at=final,
    )


def outcome_rows(listings: pl.DataFrame, texts: pl.DataFrame, truth: Truth, draws: Draws) -> pl.DataFrame:
    """The outcomes table, for nearly all games with a score. As in the legacy, ties are away wins and pushes unders."""
    line = ((pl.col("fair_total") * 2).round() / 2).alias("total_line")
    frame = with_texts(listings, texts).pipe(_scored).join(truth.nodes, on=NODE, how="left", maintain_order="left")
    known = draws.uniform("outcome", row_key(frame["game_id"])) < OUTCOME_SHARE
    frame = frame.with_columns(line, spread=pl.when(pl.col("p_home") > EVEN).then(-1.5).otherwise(1.5)).filter(known)
    home, away = pl.col("home_score"), pl.col("away_score")
    stored = pl.col("start_at") + pl.duration(hours=4)
    return (
        frame.filter(home.is_not_null())
        .with_row_index("id", offset=1)
        .select(
            pl.col("id", "game_id").cast(pl.Int32),
            "home_team",
            "away_team",
            home.cast(pl.Int32),
            away.cast(pl.Int32),
            home_win=home > away,
            over=home + away > pl.col("total_line"),
            home_cover_spread=home - away + pl.col("spread") > 0,
            total_line="total_line",
            home_spread_line="spread",
            game_date="start_at",
            created_at=stored,
            updated_at=stored,
        )
    )


def _scored(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `home_score` and `away_score` as the legacy holds them: null if not played, equal if suspended."""
    level = pl.min_horizontal("home_runs", "away_runs")
    halted, played = pl.col("status") == SUSPENDED, pl.col("status") == PLAYED
    return frame.with_columns(
        home_score=pl.when(played).then("home_runs").when(halted).then(level),
        away_score=pl.when(played).then("away_runs").when(halted).then(level),
    )


def _one_of(draw: pl.Series, words: tuple[str, ...]) -> pl.Expr:
    return pl.lit((draw * len(words)).floor().cast(pl.Int64)).replace_strict(
        dict(enumerate(words)), return_dtype=pl.String
    )
