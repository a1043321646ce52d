"""Who quotes: sportsbooks, pseudo-books and the feeds that report them."""

from dataclasses import dataclass

import polars as pl

FEED, ARCHIVE, SPLITS, ODDS, MLB, VEGAS = (
    "ACTION_NETWORK",
    "SPORTSBOOKREVIEW",
    "SBD",
    "ODDS_API",
    "MLB_STATS_API",
    "VSIN",
)
REAL, OPENING, CONSENSUS, ARCHIVED_OPEN, ARCHIVED_CLOSE = range(5)


@dataclass(frozen=True, slots=True)
class Book:
    """A book: its margins (overround), how it rounds (cents), how long it lags the market, how often it is quoted."""

    book_id: int
    name: str
    display: str
    feed_id: str
    moneyline: float
    other: float
    cents: int
    lag_min: float
    weight: float
    bias_sd: float
    only_source: str | None = None


BOOKS = (
    Book(1, "pinnacle", "Pinnacle", "3", 0.022, 0.028, 1, 1, 0.9, 0.008, ODDS),
    Book(2, "circa", "Circa Sports", "78", 0.026, 0.030, 1, 2, 0.6, 0.010, VEGAS),
    Book(3, "draftkings", "DraftKings", "68", 0.043, 0.046, 5, 10, 1.2, 0.016),
    Book(4, "fanduel", "FanDuel", "69", 0.039, 0.045, 2, 8, 1.2, 0.014),
    Book(5, "betmgm", "BetMGM", "75", 0.046, 0.048, 5, 20, 1.0, 0.018),
    Book(6, "caesars", "Caesars", "123", 0.045, 0.047, 2, 18, 1.0, 0.018),
    Book(7, "bet365", "bet365", "79", 0.044, 0.047, 5, 15, 0.8, 0.016),
    Book(8, "betrivers", "BetRivers", "71", 0.047, 0.049, 2, 25, 0.7, 0.020),
    Book(9, "bovada", "Bovada", "", 0.045, 0.047, 5, 15, 0.4, 0.018, ODDS),
)
PSEUDO_BOOKS = (
    Book(30, "an_open", "Action Network opening line", "30", 0.045, 0.047, 1, 0, 0, 0.02, FEED),
    Book(31, "an_consensus", "Action Network consensus", "15", 0.042, 0.045, 1, 5, 0, 0.004, FEED),
    Book(32, "sbro_archive", "Sportsbook Review archive", "", 0.028, 0.046, 1, 0, 0, 0.012, ARCHIVE),
)
PSEUDO_BOOK_OF = {OPENING: 30, CONSENSUS: 31, ARCHIVED_OPEN: 32, ARCHIVED_CLOSE: 32}
# Feeds of a book that several report, with the share of games that each brings, cumulative.
SHARED_FEEDS = ((FEED, 0.45), (SPLITS, 0.68), (VEGAS, 0.82), (ODDS, 1.0))


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed's rows say about themselves, and whether it brings public splits."""

    source: str
    method: str
    version: str | None
    reliability: float
    quality: str
    splits: bool
    fractions: bool


FEEDS = (
    Feed(FEED, "API", "v2", 0.92, "HIGH", splits=True, fractions=False),
    Feed(SPLITS, "SCRAPE", None, 0.85, "MEDIUM", splits=True, fractions=False),
    Feed(VEGAS, "SCRAPE", None, 0.80, "MEDIUM", splits=True, fractions=True),
    Feed(ODDS, "API", "v4", 0.95, "HIGH", splits=False, fractions=False),
    Feed(ARCHIVE, "FILE", None, 0.70, "MEDIUM", splits=False, fractions=False),
)


def book_frame() -> pl.DataFrame:
    """All books and pseudo-books, one row each."""
    return pl.DataFrame([*BOOKS, *PSEUDO_BOOKS], orient="row").with_columns(pl.col("book_id", "cents").cast(pl.Int32))


def feed_frame() -> pl.DataFrame:
    """All feeds, one row each."""
    return pl.DataFrame(list(FEEDS), orient="row")
