"""What a sample is made of: the options of the command and the knobs of ``config/sample.toml``."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from etl.errors import ConfigurationError
from etl.settings import CONFIG_DIR, read_toml

MARKETS = ("moneyline", "spread", "totals")
ALL_PCT = 100
LAYOUTS = ("unified", "core_betting")


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """Options of ``etl sample create``. `scale` 1 is the seed volume; `dirty_pct` is a percentage of the quotes."""

    scale: float = 1.0
    layout: str = "unified"
    dirty_pct: float = 2.0
    dense: bool = False
    seed: int = 20240328


@dataclass(frozen=True, slots=True)
class Knobs:
    """The knobs of ``config/sample.toml``, which says what each means. `*_share` are in [0, 1]."""

    games_rows: int
    moneylines_rows: int
    spreads_rows: int
    totals_rows: int
    followed_games: int
    covered_games: int
    followed_quotes: dict[str, int]
    covered_quotes: dict[str, int]
    last_season: int
    min_seasons: int
    postponed_share: float
    suspended_share: float
    twin_share: float
    game_pk_share: float
    late_share: float
    backfilled_share: float
    updated_share: float
    steam_share: float
    reverse_share: float


@dataclass(frozen=True, slots=True)
class Volumes:
    """Rows at one scale. With `dense` the quotes are a lower bound: each game has at least a covered game's."""

    games: int
    quotes: dict[str, int]


@cache
def load_knobs() -> Knobs:
    """The knobs, complete and without unknown ones.

    Raises:
        ConfigurationError: a knob is missing or unknown; all of them are named.
    """
    sections: dict[str, dict[str, Any]] = read_toml(CONFIG_DIR / "sample.toml")
    found = {name: value for section in sections.values() for name, value in section.items()}
    wrong = sorted(found.keys() ^ {field.name for field in fields(Knobs)})
    if wrong:
        raise ConfigurationError(f"config/sample.toml: missing or unknown {', '.join(wrong)}")
    return Knobs(**found)


def checked(options: SampleOptions) -> SampleOptions:
    """The options, unchanged.

    Raises:
        ConfigurationError: one of them is out of its range.
    """
    wrong = [
        *([f"scale {options.scale}: expected more than 0"] if options.scale <= 0 else []),
        *([f"layout {options.layout!r}: expected {' or '.join(LAYOUTS)}"] if options.layout not in LAYOUTS else []),
        *([f"dirty {options.dirty_pct}: expected 0 to 100 percent"] if not 0 <= options.dirty_pct <= ALL_PCT else []),
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong), next_step="etl sample create --help")
    return options


def volumes(options: SampleOptions, knobs: Knobs) -> Volumes:
    """Rows of each table at the scale of `options`, rounded; at least one of each."""
    at_one = (knobs.moneylines_rows, knobs.spreads_rows, knobs.totals_rows)
    return Volumes(
        games=max(1, round(knobs.games_rows * options.scale)),
        quotes={market: max(1, round(rows * options.scale)) for market, rows in zip(MARKETS, at_one, strict=True)},
    )
