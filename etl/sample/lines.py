"""Quotes as rows of the legacy tables: texts, clocks, splits and what the collector noted. Content of both layouts."""

import polars as pl

from etl.sample import books
from etl.sample.books import ARCHIVED_CLOSE, ARCHIVED_OPEN, OPENING
from etl.sample.clubs import NAMES, name_in, spelling
from etl.sample.draw import Draws
from etl.sample.options import Knobs

SIDES = {"moneyline": ("home", "away"), "spread": ("home", "away"), "totals": ("over", "under")}
PRICES = {
    "moneyline": ("home_ml", "away_ml"),
    "spread": ("home_spread_price", "away_spread_price"),
    "totals": ("over_price", "under_price"),
}
LINE = {"spread": "spread_line", "totals": "total_line"}
_SECOND = 1_000_000
_HOUR = 3600 * _SECOND


def split_columns(market: str) -> dict[str, str]:
    """Legacy names of the split columns of a market, by the names used here."""
    one, two = SIDES[market]
    return {
        "tickets_a": f"{one}_bets_count",
        "tickets_b": f"{two}_bets_count",
        "tickets_pct_a": f"{one}_bets_percentage",
        "tickets_pct_b": f"{two}_bets_percentage",
        "money_pct_a": f"{one}_money_percentage",
        "money_pct_b": f"{two}_money_percentage",
    }


def spellings(seasons: list[int]) -> pl.DataFrame:
    """club, season, source, text: every club as every source writes it."""
    sources = (*(feed.source for feed in books.FEEDS), books.MLB)
    clubs = sorted({name.club_id for name in NAMES})
    first = {club: min(name.since for name in NAMES if name.club_id == club) for club in clubs}
    rows = [
        (club, season, source, spelling(name_in(club, season), source))
        for club in clubs
        for season in seasons
        if season >= first[club]
        for source in sources
    ]
    return pl.DataFrame(rows, schema=["club", "season", "source", "text"], orient="row")


def with_texts(frame: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Add `home_team` and `away_team` in the spelling of the row's `source`."""
    for side in ("home", "away"):
        names = texts.rename({"club": side, "text": f"{side}_team"})
        frame = frame.join(names, on=(side, "season", "source"), how="left", maintain_order="left")
    return frame


def with_clocks(frame: pl.DataFrame, draws: Draws, knobs: Knobs) -> pl.DataFrame:
    """Add `odds_timestamp`, `created_at` and `updated_at` (UTC, whole seconds).

    Most rows are recorded within minutes; some late, some days later, some are updated in place. Rows of the archive
    have an assumed clock, and were stored as if recorded at once.
    """
    key = frame["key"]
    late, size, updated, after = (
        draws.uniform(name, key) for name in ("delay", "delay_size", "updated", "updated_after")
    )
    seconds = (
        pl.when(pl.col("kind") >= ARCHIVED_OPEN)
        .then(0.0)
        .when(late < knobs.backfilled_share)
        .then(26 * 3600 + size * 170 * 3600)
        .when(late < knobs.backfilled_share + knobs.late_share)
        .then(600 + size * 3000)
        .otherwise(3 + 240 * size * size * size)
    )
    more = (
        pl.when((updated < knobs.updated_share) & (pl.col("kind") < ARCHIVED_OPEN))
        .then(300 + 14_000 * after)
        .otherwise(0.0)
    )
    before = (pl.col("hours_before") * 3600).round().cast(pl.Int64) * _SECOND
    return (
        frame.with_columns(odds_timestamp=pl.col("start_at") - before.cast(pl.Duration("us")))
        .with_columns(created_at=pl.col("odds_timestamp") + _seconds(seconds))
        .with_columns(updated_at=pl.col("created_at") + _seconds(more))
    )


def _seconds(value: pl.Expr) -> pl.Expr:
    return (value.round().cast(pl.Int64) * _SECOND).cast(pl.Duration("us"))


def batch_uuid(frame: pl.DataFrame, draws: Draws, sources: tuple[str, ...]) -> pl.Expr:
    """Text of a UUID that the rows collected from one source within one hour share."""
    hour = frame["created_at"].to_physical() // _HOUR
    place = frame["source"].replace_strict({source: at for at, source in enumerate(sources)}, return_dtype=pl.Int64)
    bits = draws.bits("batch", (hour * 16 + place).cast(pl.UInt64))
    digits = [(bits % 10**16).cast(pl.String).str.zfill(16), (bits // 10**3 % 10**16).cast(pl.String).str.zfill(16)]
    one, two = pl.lit(digits[0]), pl.lit(digits[1])
    return pl.format(
        "{}-{}-4{}-8{}-{}",
        one.str.slice(0, 8),
        one.str.slice(8, 4),
        one.str.slice(12, 3),
        two.str.slice(0, 3),
        two.str.slice(3, 12),
    )


def rows_of(frame: pl.DataFrame, draws: Draws, market: str) -> pl.DataFrame:
    """The rows with the legacy's column names and `hidden` ones (game, kind, start) that the faults need."""
    sources = tuple(feed.source for feed in books.FEEDS)
    from_feed = pl.col("source") == books.FEED
    prices = dict(zip(("price_a", "price_b"), PRICES[market], strict=True))
    line = [pl.col("line").alias(LINE[market])] if market in LINE else []
    return frame.join(
        books.feed_frame().drop("splits", "fractions"), on="source", how="left", maintain_order="left"
    ).select(
        "game_id",
        pl.col("book_id").cast(pl.Int32).alias("sportsbook_id"),
        pl.when(pl.col("source") == books.ODDS).then("name").otherwise("display").alias("sportsbook"),
        pl.lit(market).alias("market_type"),
        "home_team",
        "away_team",
        "odds_timestamp",
        *line,
        *(pl.col(name).alias(legacy) for name, legacy in prices.items()),
        *(pl.col(name).alias(legacy) for name, legacy in split_columns(market).items()),
        "source",
        pl.col("quality").alias("data_quality"),
        _completeness(market).alias("data_completeness_score"),
        _metadata().alias("source_metadata"),
        batch_uuid(frame, draws, sources).alias("collection_batch_id"),
        pl.col("reliability").alias("source_reliability_score"),
        pl.col("method").alias("collection_method"),
        pl.when(from_feed).then("feed_id").alias("external_source_id"),
        pl.col("version").alias("source_api_version"),
        "created_at",
        "updated_at",
        "real_key",
        "kind",
        "series",
        "seq",
        "steamed",
        "start_at",
        "key",
    )


def _completeness(market: str) -> pl.Expr:
    full = pl.col("tickets_pct_a").is_not_null()
    return pl.when(full).then(1.0).otherwise(0.7 if market == "moneyline" else 0.75)


def _metadata() -> pl.Expr:
    assumed, archived = pl.lit("assumed"), pl.col("kind") >= ARCHIVED_OPEN
    clock = pl.when(archived).then(assumed).otherwise(pl.lit("source"))
    said = (
        pl.when(pl.col("kind").is_in([OPENING, ARCHIVED_OPEN]))
        .then(pl.lit("open"))
        .when(pl.col("kind") == ARCHIVED_CLOSE)
        .then(pl.lit("close"))
        .otherwise(pl.lit("current"))
    )
    return pl.concat_str(pl.lit('{"clock": "'), clock, pl.lit('", "line_kind": "'), said, pl.lit('"}'))
