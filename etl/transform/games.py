"""Real games from the legacy's rows: duplicates merged, doubleheaders told apart, scores that can be believed.

Features definition, sections 5, 7 and 12. What the legacy cannot say is not invented: it is null, or flagged.
"""

import polars as pl

from etl.transform.books import REAL
from etl.transform.clean import expr_key, expr_local_date, expr_recorded_at, expr_text
from etl.transform.game_flags import MAX_RUNS, GameFlag, expr_flags
from etl.transform.merging import NO_FEED, expr_sources, with_game_id
from etl.transform.staging_params import GameParams
from etl.transform.teams import LAST_SEASON, ClubLookup, expr_code_set, with_team
from schemas.staging import GAME_STATUSES

_RANKED = ("scheduled", "postponed", "cancelled", "suspended", "completed")
_OFF = ("postponed", "cancelled")
COMPLETED, SUSPENDED = "completed", "suspended"
_PAIRS = ("home_score", "away_score")


START_MISSING = "start_missing"


def resolve_games(
    games_raw: pl.LazyFrame,
    outcomes_raw: pl.LazyFrame,
    *,
    clubs: ClubLookup,
    names: pl.LazyFrame,
    params: GameParams,
) -> pl.LazyFrame:
    """Rows of `staging.games` and `broken_rules`, which is empty unless the rows of the game have no start at all.

    `names` are the clubs' names (`teams.club_names`). One row a real game; every legacy id is in one `raw_ids`.
    """
    return (
        games_raw.pipe(_rows, clubs=clubs, params=params)
        .pipe(with_game_id, params=params)
        .pipe(_with_outcomes, outcomes_raw)
        .pipe(_one_row_a_game)
        .pipe(_judged, params=params)
        .pipe(_numbered, params=params)
        .pipe(_with_codes, names=names)
        .pipe(_columns, params=params)
    )


def game_map(games: pl.LazyFrame) -> pl.LazyFrame:
    """`legacy_game_id` -> `game_id`, both Int32, of staged games; games without a start are in no map."""
    return (
        games.filter(pl.col("start_at").is_not_null())
        .select("game_id", legacy_game_id="raw_ids")
        .explode("legacy_game_id", empty_as_null=False, keep_nulls=False)
        .select("legacy_game_id", "game_id")
    )


def flag_low_coverage(games: pl.LazyFrame, lines: pl.LazyFrame, *, params: GameParams) -> pl.LazyFrame:
    """Add the flag `low_coverage` (W08) to games with fewer brands of real books than configured.

    `lines` are staged lines of any market with game_id, brand and book_kind. The row count is unchanged.
    """
    books = lines.filter(pl.col("book_kind") == REAL).group_by("game_id").agg(_books=pl.col("brand").n_unique())
    flag = pl.lit([GameFlag.LOW_COVERAGE.value], dtype=pl.List(pl.String))
    flags = pl.col("quality_flags")
    low = pl.col("_books").fill_null(0) < params.coverage_min_books
    return (
        games.join(books, on="game_id", how="left")
        .with_columns(quality_flags=pl.when(low).then(flags.list.set_union(flag).list.sort()).otherwise(flags))
        .drop("_books")
    )


def _rows(games_raw: pl.LazyFrame, *, clubs: ClubLookup, params: GameParams) -> pl.LazyFrame:
    """The legacy's rows, cleaned: one row a legacy id."""
    local_date = pl.coalesce(expr_local_date(pl.col("game_datetime")), "game_date")
    status = expr_key(pl.col("game_status"))
    known = status.replace_strict(
        {s: s for s in GAME_STATUSES} | dict(params.statuses), default=None, return_dtype=pl.String
    )
    feed = (
        pl.when(pl.col("sportsbookreview_game_id").is_not_null())
        .then(pl.lit("sbr"))
        .when(pl.col("action_network_game_id").is_not_null())
        .then(pl.lit("action_network"))
    )
    return (
        games_raw.select(
            "id",
            "season_type",
            *_PAIRS,
            start_at="game_datetime",
            local_date=local_date,
            stored_date="game_date",
            stored_season="season",
            season=local_date.dt.year(),
            code_set=expr_code_set(feed, feeds=clubs.feeds),
            sources=expr_sources(),
            game_pk=expr_text(pl.col("mlb_stats_api_game_id")).str.to_integer(strict=False, dtype=pl.Int32),
            home_text="home_team",
            away_text="away_team",
            venue_name=expr_text(pl.col("venue_name")),
            status=known.fill_null("scheduled"),
            is_status_unknown=known.is_null(),
            recorded_at=expr_recorded_at(pl.col("created_at"), pl.col("updated_at")),
        )
        .pipe(with_team, lookup=clubs, text="home_text", season="season", code_set="code_set", out="home_team_id")
        .pipe(with_team, lookup=clubs, text="away_text", season="season", code_set="code_set", out="away_team_id")
    )


def _with_outcomes(rows: pl.LazyFrame, outcomes_raw: pl.LazyFrame) -> pl.LazyFrame:
    """Add `pairs`, the distinct (home, away) scores that the row, if completed, and its outcomes state."""
    is_known = pl.all_horizontal(pl.col(_PAIRS).is_not_null())
    outcomes = outcomes_raw.filter(is_known).group_by("game_id").agg(outcome_pairs=pl.struct(_PAIRS).unique())
    none = pl.lit([], dtype=pl.List(pl.Struct(dict.fromkeys(_PAIRS, pl.Int32))))
    own = pl.when(is_known & (pl.col("status") == COMPLETED)).then(pl.concat_list(pl.struct(_PAIRS))).otherwise(none)
    return rows.join(outcomes, left_on="id", right_on="game_id", how="left").with_columns(
        pairs=pl.concat_list(own, pl.col("outcome_pairs").fill_null(none)),
        has_outcome=pl.col("outcome_pairs").is_not_null(),
    )


def _one_row_a_game(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Merge the rows of each game: the canonical row's texts, the first known facts, the latest recorded start."""
    clubs = pl.struct("home_team_id", "away_team_id")
    is_clubs_known = pl.col("home_team_id").is_not_null() & pl.col("away_team_id").is_not_null()
    rank = pl.col("status").replace_strict({status: k for k, status in enumerate(_RANKED)}, return_dtype=pl.Int8)
    # NOTE: sorted by id, so within a group `first` is the canonical row's; sort_by is stable.
    by_latest = pl.col("start_at").sort_by("recorded_at", descending=True, nulls_last=True)
    return (
        rows.sort("id")
        .group_by("game_id")
        .agg(
            pl.col("home_text", "away_text").first(),
            pl.col("home_team_id", "away_team_id", "game_pk", "season_type", "venue_name").drop_nulls().first(),
            pl.col("recorded_at").max(),
            pl.col("sources").bitwise_or(),
            pl.col("is_status_unknown").any(),
            raw_ids=pl.col("id"),
            start_at=by_latest.drop_nulls().first(),
            status=pl.col("status").sort_by(rank).last(),
            stored_date=pl.col("stored_date").drop_nulls().first(),
            is_date_conflict=(pl.col("stored_date") != pl.col("local_date")).any(),
            is_season_conflict=(pl.col("stored_season") != pl.col("season")).any(),
            is_club_conflict=clubs.filter(is_clubs_known).n_unique() > 1,
            is_start_conflict=pl.col("start_at").drop_nulls().n_unique() > 1,
            pairs=pl.col("pairs").list.explode(keep_nulls=False, empty_as_null=False).unique(),
            has_outcome=pl.col("has_outcome").any(),
        )
    )


def _judged(games: pl.LazyFrame, *, params: GameParams) -> pl.LazyFrame:
    """Add the local date, the season, the status and the scores that can be believed."""
    ties = [{"local_date": day, "home_team_id": home, "away_team_id": away} for day, home, away in params.official_ties]
    schema = {"local_date": pl.Date, "home_team_id": pl.Int32, "away_team_id": pl.Int32}
    official = pl.LazyFrame(ties, schema=schema).with_columns(is_official_tie=pl.lit(value=True))
    pair = pl.col("pairs").list.first()
    home, away = pair.struct.field("home_score"), pair.struct.field("away_score")
    in_range = home.is_between(0, MAX_RUNS) & away.is_between(0, MAX_RUNS)
    is_completed = pl.col("status") == COMPLETED
    is_level = (is_completed & (home == away)).fill_null(value=False)
    is_agreed = pl.col("pairs").list.len() == 1
    is_final = (is_completed & is_agreed & in_range & (~is_level | pl.col("is_official_tie"))).fill_null(value=False)
    return (
        games.with_columns(local_date=pl.coalesce(expr_local_date(pl.col("start_at")), "stored_date"))
        .join(official, on=["local_date", "home_team_id", "away_team_id"], how="left")
        .with_columns(pl.col("is_official_tie").fill_null(value=False) & is_level)
        .with_columns(
            is_final=is_final,
            is_score_conflict=pl.col("pairs").list.len() > 1,
            is_out_of_range=(~in_range).fill_null(value=False),
            is_unfinished=is_level & is_agreed & ~pl.col("is_official_tie"),
            year=pl.col("local_date").dt.year(),
        )
        .with_columns(
            home_score=pl.when("is_final").then(home),
            away_score=pl.when("is_final").then(away),
            is_outcome_unbacked=pl.col("has_outcome") & (pl.col("status") != COMPLETED),
            status=pl.when("is_unfinished").then(pl.lit(SUSPENDED)).otherwise("status"),
        )
    )


def _numbered(games: pl.LazyFrame, *, params: GameParams) -> pl.LazyFrame:
    """Number the games of the same two clubs on one local date by start; likely duplicates share a number.

    Games that were called off are numbered by themselves: only meetings that may be played make a doubleheader.
    """
    clubs = ("home_team_id", "away_team_id")
    feeds = pl.col("sources") & (NO_FEED - 1)
    before = [pl.col(name) == pl.col(name).shift() for name in clubs]
    # Feeds that give a day and no hour of their own make one game look like two on that day.
    is_other_feed = ((pl.col("sources") & pl.col("sources").shift()) == 0) & (
        pl.col("local_date").diff() == pl.duration()
    )
    is_close = pl.col("start_at").diff() <= pl.duration(minutes=params.merge_window_min)
    is_near = (is_close | is_other_feed) & pl.all_horizontal(before)
    is_own_game = ((feeds & feeds.shift()) != 0) | (pl.col("game_pk") != pl.col("game_pk").shift()).fill_null(
        value=False
    )
    meeting = ["local_date", pl.min_horizontal(clubs), pl.max_horizontal(clubs), pl.col("status").is_in(_OFF)]
    are_known = pl.all_horizontal(pl.col(clubs).is_not_null())
    number = (~pl.col("_repeats")).cum_sum().over(meeting, order_by=["start_at", "game_id"])
    return (
        games.sort(*clubs, "start_at", "game_id", nulls_last=True)
        .with_columns(_repeats=(is_near & ~is_own_game).fill_null(value=False))
        .with_columns(is_duplicate=pl.col("_repeats") | pl.col("_repeats").shift(-1, fill_value=False))
        .with_columns(_number=pl.when(are_known).then(number).otherwise(1))
        .with_columns(
            game_number=pl.max_horizontal("_number", 1).cast(pl.Int16),
            is_doubleheader=are_known & (pl.col("_number").max().over(meeting) > 1),
        )
        .drop("_repeats", "_number")
    )


def _with_codes(games: pl.LazyFrame, *, names: pl.LazyFrame) -> pl.LazyFrame:
    """Add the clubs' codes in the season of the game."""
    by_season = (
        names.with_columns(
            year=pl.int_ranges("valid_from", pl.col("valid_to").fill_null(LAST_SEASON) + 1, dtype=pl.Int32)
        )
        .explode("year", empty_as_null=False, keep_nulls=False)
        .select("year", "team_id", "code")
    )
    home, away = by_season.rename({"code": "home_code"}), by_season.rename({"code": "away_code"})
    return games.join(home, left_on=["home_team_id", "year"], right_on=["team_id", "year"], how="left").join(
        away, left_on=["away_team_id", "year"], right_on=["team_id", "year"], how="left"
    )


def _columns(games: pl.LazyFrame, *, params: GameParams) -> pl.LazyFrame:
    result_at = pl.col("start_at") + pl.duration(minutes=params.result_after_h * 60)
    broken = pl.lit([START_MISSING], dtype=pl.List(pl.String))
    none = pl.lit([], dtype=pl.List(pl.String))
    return games.select(
        "game_id",
        "raw_ids",
        "game_pk",
        season=pl.col("year").cast(pl.Int16),
        season_type=expr_key(pl.col("season_type")),
        game_date="local_date",
        start_at="start_at",
        game_number="game_number",
        is_doubleheader="is_doubleheader",
        home_team_id="home_team_id",
        away_team_id="away_team_id",
        home_code="home_code",
        away_code="away_code",
        home_text="home_text",
        away_text="away_text",
        status="status",
        home_score="home_score",
        away_score="away_score",
        is_final="is_final",
        is_official_tie="is_official_tie",
        length_assumed=pl.lit(value=True),
        result_available_at=pl.when("is_final").then(result_at),
        venue_name="venue_name",
        recorded_at="recorded_at",
        quality_flags=expr_flags(),
        broken_rules=pl.when(pl.col("start_at").is_null()).then(broken).otherwise(none),
    ).sort("game_id")
