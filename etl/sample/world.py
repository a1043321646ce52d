"""The world of a sample: real games with their levels and results, and the rows under which the sources list them."""

from collections.abc import Iterator
from itertools import pairwise

import polars as pl

from etl.errors import ConfigurationError
from etl.sample import books
from etl.sample.clubs import CLUBS, FIRST_SEASON
from etl.sample.draw import Draws, row_key
from etl.sample.options import Knobs
from etl.sample.runs import level, results
from etl.sample.schedule import Fixture, season_fixtures

PLAYED, POSTPONED, SUSPENDED, SCHEDULED = "completed", "postponed", "suspended", "scheduled"
HOME_EDGE = 0.037
OFFENCE_SD, DEFENCE_SD, STARTER_SD, SEASON_TO_SEASON = 0.08, 0.08, 0.1, 0.6
_LISTED_BY = ((books.FEED, 0.55), (books.MLB, 0.7), (books.ARCHIVE, 0.88), (books.VEGAS, 1.0))
_TWIN_OF = {books.FEED: books.VEGAS, books.MLB: books.FEED, books.ARCHIVE: books.FEED, books.VEGAS: books.ARCHIVE}


def listings(draws: Draws, knobs: Knobs, games: int) -> pl.DataFrame:
    """The `games` rows of the games table, in order of start, with `game_id` 1 to `games`.

    The last season is a stretch from its start, earlier ones are stretches up to their end, so that form exists.

    Raises:
        ConfigurationError: the clubs have not played that many games since `FIRST_SEASON`.
    """
    seasons: list[pl.DataFrame] = []
    for season in range(knobs.last_season, FIRST_SEASON - 1, -1):
        seasons.append(_season_listings(draws, knobs, season))
        if len(seasons) >= knobs.min_seasons and sum(frame.height for frame in seasons) >= games:
            return _stretches(seasons, games).pipe(_numbered, draws)
    most = sum(frame.height for frame in seasons) / knobs.games_rows
    raise ConfigurationError(f"the scale asks for {games:,} games: expected a scale of at most {int(most)}")


def strengths(draws: Draws, season: int, last_season: int) -> dict[int, tuple[float, float]]:
    """Offence and defence of each club: log factors on runs scored and allowed, which persist in part.

    Walked back from `last_season`, so that a season is the same whatever the scale.
    """
    kept = SEASON_TO_SEASON
    new = (1 - kept**2) ** 0.5
    keys = pl.Series([club.club_id for club in CLUBS], dtype=pl.UInt64)
    offence, defence = [draws.normal(name, keys) for name in ("offence", "defence")]
    for year in range(last_season - 1, season - 1, -1):
        offence = offence * kept + draws.normal(f"offence-{year}", keys) * new
        defence = defence * kept + draws.normal(f"defence-{year}", keys) * new
    pairs = zip(offence * OFFENCE_SD, defence * DEFENCE_SD, strict=True)
    return dict(zip(keys.to_list(), pairs, strict=True))


def _season_listings(draws: Draws, knobs: Knobs, season: int) -> pl.DataFrame:
    fixtures = season_fixtures(draws, season, postponed_share=knobs.postponed_share)
    return _games(draws, knobs, season, fixtures).pipe(_listed, draws, knobs)


def _games(draws: Draws, knobs: Knobs, season: int, fixtures: list[Fixture]) -> pl.DataFrame:
    """Real games with `real_key` (unique), `game_pk` (shared by a postponed game and its make-up), levels and runs."""
    force = strengths(draws, season, knobs.last_season)
    clubs = pl.DataFrame(
        [(club.club_id, club.park, *force[club.club_id]) for club in CLUBS],
        schema={"club": pl.Int64, "park": pl.Float64, "offence": pl.Float64, "defence": pl.Float64},
        orient="row",
    )
    home = clubs.rename({"club": "home", "offence": "home_offence", "defence": "home_defence"})
    away = clubs.drop("park").rename({"club": "away", "offence": "away_offence", "defence": "away_defence"})
    frame = (
        pl.DataFrame(fixtures, orient="row")
        .with_columns(game_pk=100_000 + (pl.col("season") - 1970) * 12_000 + pl.col("number"))
        .with_columns(real_key=pl.col("game_pk") * 2 + pl.col("postponed").cast(pl.Int64), start_at=_start_at())
        .join(home, on="home", how="left", maintain_order="left")
        .join(away, on="away", how="left", maintain_order="left")
    )
    key = row_key(frame["real_key"])
    starters = [draws.normal(name, key) * STARTER_SD for name in ("home_starter", "away_starter")]
    levelled = frame.with_columns(starters).with_columns(
        home_level=level(
            pl.col("home_offence") - pl.col("away_defence") + pl.col("away_starter") + pl.col("park") + HOME_EDGE
        ),
        away_level=level(
            pl.col("away_offence") - pl.col("home_defence") + pl.col("home_starter") + pl.col("park") - HOME_EDGE
        ),
    )
    halted = draws.uniform("suspended", key) < knobs.suspended_share
    status = (
        pl.when("postponed")
        .then(pl.lit(POSTPONED))
        .when(halted.alias("halted"))
        .then(pl.lit(SUSPENDED))
        .otherwise(pl.lit(PLAYED))
    )
    return results(levelled.with_columns(status=status), draws, key).select(
        "season", "game_pk", "real_key", "day", "home", "away", "start_at", "status",
        "home_level", "away_level", "home_runs", "away_runs",
    )  # fmt: skip


def _start_at() -> pl.Expr:
    """Start in UTC, from the local date and time of the ballpark."""
    zones = sorted({club.zone for club in CLUBS})
    local = pl.col("day").cast(pl.Datetime("us")) + pl.duration(minutes="start_min")
    return pl.coalesce(
        pl.when(pl.col("zone") == zone).then(local.dt.replace_time_zone(zone).dt.convert_time_zone("UTC"))
        for zone in zones
    )


def _listed(games: pl.DataFrame, draws: Draws, knobs: Knobs) -> pl.DataFrame:
    """One row for each source that lists a game, with `twin` 1 for the second one."""
    key = row_key(games["real_key"])
    draw = draws.uniform("listed_by", key)
    source = pl.coalesce(pl.when(draw < upto).then(pl.lit(name)) for name, upto in _LISTED_BY)
    has_pk = draws.uniform("has_pk", key).alias("has_pk") < knobs.game_pk_share
    first = games.with_columns(
        source=source,
        twin=pl.lit(0),
        has_pk=has_pk | (source == books.MLB),
        twin_start=draws.uniform("twin_start", key),
    )
    second = first.filter((draws.uniform("twin", key) < knobs.twin_share) & (pl.col("status") == PLAYED)).with_columns(
        twin=pl.lit(1),
        source=pl.col("source").replace_strict(_TWIN_OF),
        start_at=pl.col("start_at") + pl.duration(minutes=((pl.col("twin_start") * 5).floor() - 2).cast(pl.Int64) * 5),
    )
    order = ("day", "start_at", "real_key", "twin")
    return pl.concat([first, second]).drop("twin_start").sort(order)


def _stretches(seasons: list[pl.DataFrame], games: int) -> pl.DataFrame:
    """Exactly `games` rows over the seasons (latest first), by their sizes."""
    whole = sum(frame.height for frame in seasons)
    sums = [0]
    for frame in seasons:
        sums.append(sums[-1] + frame.height)
    quotas = [end * games // whole - start * games // whole for start, end in pairwise(sums)]
    parts = [
        frame.head(quota) if at == 0 else frame.tail(quota)
        for at, (frame, quota) in enumerate(zip(seasons, quotas, strict=True))
    ]
    return pl.concat(parts[::-1])


def _numbered(frame: pl.DataFrame, draws: Draws) -> pl.DataFrame:
    """Add `game_id`; the games of the last day have not been played yet; ids of the sources."""
    last_day = frame["day"].max()
    numbered = (
        frame.sort("start_at", "real_key", "twin")
        .with_row_index("game_id", offset=1)
        .with_columns(
            pl.col("game_id").cast(pl.Int64),
            status=pl.when((pl.col("day") == last_day) & (pl.col("status") != POSTPONED))
            .then(pl.lit(SCHEDULED))
            .otherwise("status"),
        )
    )
    return numbered.with_columns(draws.uniform("cover", row_key(numbered["game_id"])))


def chunks(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Consecutive slices of a frame."""
    for at in range(0, frame.height, rows):
        yield frame[at : at + rows]
