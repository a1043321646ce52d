"""Form, rest and head to head of every game, from results available by as_of. Features definition, section 5 and 12.11.

State is accumulated over results in the order in which they became available, and looked up as of as_of: so the first
game of a doubleheader counts for the second one only if its result was there in time.
"""

import polars as pl

from etl.transform.curated_params import CuratedParams, FormParams

LAST = 10
RECENT_DAYS = 7
ZONE = "America/New_York"
TEAM = ["team_id", "season"]
SIDES = ("home", "away")
FORM = ["form_win_pct_10", "form_run_diff_10", "rs_pg_10", "ra_pg_10", "form_ewm", "season_win_pct", "season_games"]
FORM += ["days_since_last_game", "rest_days", "games_last_7d"]
GAME = ["game_id", "game_pk", "season", "game_date", "start_at", "game_number", "home_team_id", "away_team_id"]
GAME += ["home_code", "away_code", "status", "is_doubleheader"]


def game_features(games: pl.LazyFrame, *, horizon_min: int, params: CuratedParams) -> pl.LazyFrame:
    """The columns of curated.games but load and batch, for every row of `games`, at as_of = start - `horizon_min`.

    `games` must hold all games, for a club's form comes from its other games.
    """
    moments = games.with_columns(as_of=pl.col("start_at") - pl.duration(minutes=horizon_min)).cache()
    results = games.filter("is_final", pl.col("result_available_at").is_not_null())
    by_team = results.pipe(_team_results).cache()
    return (
        moments.select(*GAME, "as_of", **_calendar(), **_version(params))
        .join(moments.pipe(_side_form, side="home", results=by_team, params=params.form), on="game_id", how="left")
        .join(moments.pipe(_side_form, side="away", results=by_team, params=params.form), on="game_id", how="left")
        .join(moments.pipe(_head_to_head, results=results, params=params.form), on="game_id", how="left")
    )


def _calendar() -> dict[str, pl.Expr]:
    weekday = pl.col("game_date").dt.weekday()
    return {
        "hour_local": pl.col("start_at").dt.convert_time_zone(ZONE).dt.hour().cast(pl.Int16),
        "dow_local": weekday.cast(pl.Int16),
        "month": pl.col("game_date").dt.month().cast(pl.Int16),
        "is_weekend": weekday.is_between(6, 7),
        "is_dh_game2": pl.col("is_doubleheader") & (pl.col("game_number") > 1),
    }


def _version(params: CuratedParams) -> dict[str, pl.Expr]:
    return {
        "feature_set_version": pl.lit(params.feature_set_version),
        "devig_method": pl.lit(params.devig_method),
        "config_hash": pl.lit(params.config_hash),
    }


def _team_results(results: pl.LazyFrame) -> pl.LazyFrame:
    """Two rows a result, one for each club, in the order of availability."""
    kept = ["game_id", "season", "game_date", "result_available_at"]
    sides = [
        results.select(*kept, team_id=f"{us}_team_id", scored=f"{us}_score", allowed=f"{them}_score")
        for us, them in (SIDES, SIDES[::-1])
    ]
    return (
        pl.concat(sides)
        .filter(pl.col("team_id").is_not_null())
        .with_columns(won=(pl.col("scored") > pl.col("allowed")).cast(pl.Int32))
        .sort(*TEAM, "result_available_at", "game_id")
    )


def _states(results: pl.LazyFrame, *, params: FormParams) -> pl.LazyFrame:
    """After each result, what is known of the club's season. All but `form_ewm` are sums of whole numbers, so exact."""

    def last(column: str) -> pl.Expr:
        return pl.col(column).rolling_sum(LAST, min_samples=1).over(TEAM)

    return results.with_columns(
        games=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(TEAM),
        wins=pl.col("won").cum_sum().over(TEAM),
        won_10=last("won"),
        scored_10=last("scored"),
        allowed_10=last("allowed"),
        ewm=pl.col("won").cast(pl.Float64).ewm_mean(alpha=1.0 - params.ewm_decay, adjust=True).over(TEAM),
    ).with_columns(games_10=pl.col("games").clip(upper_bound=LAST))


def _side_form(moments: pl.LazyFrame, *, side: str, results: pl.LazyFrame, params: FormParams) -> pl.LazyFrame:
    """Form of the home or the away club of each game: `game_id` and the columns `<side>_*`."""
    asks = moments.select("game_id", "season", "game_date", "as_of", team_id=f"{side}_team_id")
    states = results.pipe(_states, params=params).rename({"game_date": "last_date"})
    # NOTE: joins of several keys leave the order within a group alone; both frames are sorted within their groups.
    return (
        asks.sort(*TEAM, "as_of", "game_id")
        .join_asof(
            states.drop("game_id"),
            left_on="as_of",
            right_on="result_available_at",
            by=TEAM,
            strategy="backward",
            check_sortedness=False,
        )
        .join(asks.pipe(_recent, results=results), on="game_id", how="left")
        .select("game_id", **{f"{side}_{name}": value for name, value in _form(params).items()})
    )


def _form(params: FormParams) -> dict[str, pl.Expr]:
    known = pl.col("team_id").is_not_null()
    enough = pl.col("games") >= params.min_games
    days = (pl.col("game_date") - pl.col("last_date")).dt.total_days().cast(pl.Int32)

    def mean_10(total: pl.Expr) -> pl.Expr:
        return pl.when(enough).then(total / pl.col("games_10"))

    return {
        "form_win_pct_10": mean_10(pl.col("won_10")),
        "form_run_diff_10": mean_10(pl.col("scored_10") - pl.col("allowed_10")),
        "rs_pg_10": mean_10(pl.col("scored_10")),
        "ra_pg_10": mean_10(pl.col("allowed_10")),
        "form_ewm": pl.when(enough).then(pl.col("ewm").clip(0.0, 1.0)),
        "season_win_pct": pl.col("wins") / pl.col("games"),
        "season_games": pl.when(known).then(pl.col("games").fill_null(0)),
        "days_since_last_game": days,
        "rest_days": (days - 1).clip(0, params.rest_cap_days),
        "games_last_7d": pl.when(known).then(pl.col("recent").fill_null(0)),
    }


def _recent(asks: pl.LazyFrame, *, results: pl.LazyFrame) -> pl.LazyFrame:
    """Results of the club in the 7 local days before the game's date, as far as they were available by as_of."""
    days = pl.LazyFrame({"back": range(1, RECENT_DAYS + 1)}, schema={"back": pl.Int64})
    return (
        asks.select("game_id", "team_id", "game_date", "as_of")
        .join(days, how="cross")
        .with_columns(game_date=pl.col("game_date") - pl.duration(days="back"))
        .join(results.select("team_id", "game_date", "result_available_at"), on=["team_id", "game_date"])
        .filter(pl.col("result_available_at") <= pl.col("as_of"))
        .group_by("game_id")
        .agg(recent=pl.len().cast(pl.Int32))
    )


def _head_to_head(moments: pl.LazyFrame, *, results: pl.LazyFrame, params: FormParams) -> pl.LazyFrame:
    """The last 10 available meetings of both clubs within `h2h_years`, either home, from today's home club's view."""
    meetings = (
        results.select("game_id", "home_team_id", "game_date", "result_available_at", *_pair(), *_score())
        .filter(pl.col("first_id").is_not_null())
        .sort("first_id", "second_id", "result_available_at", "game_id")
        .with_columns(number=pl.int_range(pl.len(), dtype=pl.Int64).over("first_id", "second_id"))
        .cache()
    )
    newest = meetings.select("first_id", "second_id", "result_available_at", newest="number")
    asks = (
        moments.select("game_id", "as_of", "home_team_id", *_pair())
        .filter(pl.col("first_id").is_not_null())
        .sort("first_id", "second_id", "as_of", "game_id")
        .join_asof(
            newest,
            left_on="as_of",
            right_on="result_available_at",
            by=["first_id", "second_id"],
            strategy="backward",
            check_sortedness=False,
        )
        .cache()
    )
    return asks.select("game_id").join(_meetings(asks, meetings, params), on="game_id", how="left").pipe(_h2h, params)


def _pair() -> list[pl.Expr]:
    """The two clubs of a game in an order of their own; null if either is unknown."""
    home, away = pl.col("home_team_id"), pl.col("away_team_id")
    both = home.is_not_null() & away.is_not_null()
    low, high = pl.min_horizontal(home, away), pl.max_horizontal(home, away)
    return [pl.when(both).then(low).alias("first_id"), pl.when(both).then(high).alias("second_id")]


def _score() -> list[pl.Expr]:
    home, away = pl.col("home_score"), pl.col("away_score")
    winner = pl.when(home > away).then("home_team_id").when(home < away).then("away_team_id")
    return [winner.alias("winner_id"), (home + away).alias("runs")]


def _meetings(asks: pl.LazyFrame, meetings: pl.LazyFrame, params: FormParams) -> pl.LazyFrame:
    back = pl.LazyFrame({"back": range(LAST)}, schema={"back": pl.Int64})
    since = pl.col("as_of").dt.convert_time_zone(ZONE).dt.date().dt.offset_by(f"-{params.h2h_years}y")
    # A tie has no winner: it counts as a meeting that was not won.
    is_win = (pl.col("winner_id") == pl.col("home_team_id")).fill_null(value=False)
    return (
        asks.filter(pl.col("newest").is_not_null())
        .select("game_id", "first_id", "second_id", "home_team_id", "newest", since=since)
        .join(back, how="cross")
        .with_columns(number=pl.col("newest") - pl.col("back"))
        .join(meetings.drop("game_id", "home_team_id"), on=["first_id", "second_id", "number"])
        .filter(pl.col("game_date") >= pl.col("since"))
        .group_by("game_id")
        .agg(n=pl.len().cast(pl.Int32), wins=is_win.sum().cast(pl.Int32), runs=pl.col("runs").sum())
    )


def _h2h(games: pl.LazyFrame, params: FormParams) -> pl.LazyFrame:
    n, wins = pl.col("n").fill_null(0), pl.col("wins").fill_null(0)
    enough = n >= params.h2h_min_games
    return games.select(
        "game_id",
        h2h_n=n,
        h2h_home_win_pct=pl.when(enough).then(wins / n),
        h2h_home_win_pct_shrunk=(wins + params.h2h_prior_wins) / (n + params.h2h_prior_games),
        h2h_avg_total=pl.when(enough).then(pl.col("runs") / n),
    )
