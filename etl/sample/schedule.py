"""A season's calendar: 26 weeks of two series, about 157 games a club; rain makes doubleheaders."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from etl.sample.clubs import CLUBS, Club
from etl.sample.draw import Draws

WEEKS = 26
BREAK_WEEK = 15
SATURDAY, LONG_WINDOW = 5, 4
# Draws below which a window of four days has four games, or is played from the second day on.
FOUR_GAMES, LATE_START = 0.2, 0.75
# Draws of a day game: half an hour later below the first; on Saturdays three hours later above the second.
HALF_HOUR_LATER, AFTERNOON = 0.3, 0.6
_EVENING = ((18 * 60 + 40, 0.35), (19 * 60 + 5, 0.65), (19 * 60 + 10, 0.9), (19 * 60 + 40, 1.0))
_MATINEE = 13 * 60 + 5
# Share of games played by day: Monday to Sunday.
_DAY_SHARE = (0.12, 0.06, 0.2, 0.38, 0.08, 0.42, 0.85)


@dataclass(frozen=True, slots=True)
class Fixture:
    """A game of the calendar. `start_min` are minutes after local midnight; a made-up game shares its `number`."""

    season: int
    number: int
    day: date
    home: int
    away: int
    zone: str
    start_min: int
    postponed: bool = False


@dataclass(slots=True)
class _Series:
    days: list[date]
    home: Club
    away: Club


def season_fixtures(draws: Draws, season: int, *, postponed_share: float) -> list[Fixture]:
    """All games of a season in order of date and start. No club plays twice a day but in a doubleheader."""
    coin = draws.sequence(f"schedule-{season}")
    clubs = [club for club in CLUBS if club.since <= season]
    fixtures: list[Fixture] = []
    for series in _all_series(clubs, season, coin):
        fixtures += _series_fixtures(series, season, len(fixtures), coin, postponed_share)
    return sorted(fixtures, key=lambda game: (game.day, game.start_min, game.number, game.postponed))


def _all_series(clubs: list[Club], season: int, coin: Iterator[float]) -> Iterator[_Series]:
    last = date(season, 4, 1)
    monday = last - timedelta(days=last.weekday())
    at_home = dict.fromkeys((club.club_id for club in clubs), 0)
    before: dict[int, int] = {}
    for week in range(WEEKS):
        for first, length in ((0, 4), (4, 3)):
            if (week, first) == (BREAK_WEEK, 0):
                continue
            start = monday + timedelta(weeks=week, days=first)
            pairs = _pairs(clubs, before, coin)
            before = {one.club_id: two.club_id for pair in pairs for one, two in (pair, pair[::-1])}
            for one, two in pairs:
                home, away = (one, two) if _hosts(at_home, one, two, coin) else (two, one)
                days = _days(start, length, coin)
                at_home[home.club_id] += len(days)
                at_home[away.club_id] -= len(days)
                yield _Series(days, home, away)


def _hosts(at_home: dict[int, int], one: Club, two: Club, coin: Iterator[float]) -> bool:
    return at_home[one.club_id] + next(coin) < at_home[two.club_id] + next(coin)


def _days(start: date, length: int, coin: Iterator[float]) -> list[date]:
    """Three games in a row; in a window of four days sometimes all four, else the first or last is a day off."""
    days = [start + timedelta(days=step) for step in range(length)]
    if length == LONG_WINDOW:
        draw = next(coin)
        days = days if draw < FOUR_GAMES else days[1:] if draw < LATE_START else days[:-1]
    return days


def _pairs(clubs: list[Club], before: dict[int, int], coin: Iterator[float]) -> list[tuple[Club, Club]]:
    """Each club meets another one, rather of its division than of its league, and not the same twice running."""
    waiting = [club for _, club in sorted(((next(coin), club) for club in clubs), key=lambda pair: pair[0])]
    pairs = []
    while waiting:
        one = waiting.pop()
        distance = [next(coin) * _farness(one, other, before) for other in waiting]
        pairs.append((one, waiting.pop(distance.index(min(distance)))))
    return pairs


def _farness(one: Club, other: Club, before: dict[int, int]) -> float:
    if before.get(one.club_id) == other.club_id:
        return 1000.0
    return {2: 0.22, 1: 0.8, 0: 1.0}[
        (one.league == other.league) + ((one.league, one.division) == (other.league, other.division))
    ]


def _series_fixtures(
    series: _Series, season: int, number: int, coin: Iterator[float], postponed_share: float
) -> list[Fixture]:
    plain = [
        Fixture(season, number + at, day, series.home.club_id, series.away.club_id, series.home.zone, _start(day, coin))
        for at, day in enumerate(series.days)
    ]
    rained = [next(coin) < postponed_share for _ in plain]
    made_up = [
        _moved(game, day=other.day, start_min=_MATINEE)
        for (game, rain), (other, again) in pairwise(zip(plain, rained, strict=True))
        if rain and not again
    ]
    doubled = {game.day for game in made_up}
    played = [
        _moved(game, day=game.day, start_min=game.start_min, postponed=True)
        if rain
        else _moved(game, day=game.day, start_min=18 * 60 + 40 if game.day in doubled else game.start_min)
        for game, rain in zip(plain, rained, strict=True)
    ]
    return [*played, *made_up]


def _moved(game: Fixture, *, day: date, start_min: int, postponed: bool = False) -> Fixture:
    return Fixture(game.season, game.number, day, game.home, game.away, game.zone, start_min, postponed)


def _start(day: date, coin: Iterator[float]) -> int:
    by_day, draw = next(coin), next(coin)
    if by_day < _DAY_SHARE[day.weekday()]:
        return (
            _MATINEE
            + (30 if draw < HALF_HOUR_LATER else 0)
            + (180 if day.weekday() == SATURDAY and draw > AFTERNOON else 0)
        )
    return next(start for start, share in _EVENING if draw < share)
