"""Quotes before they have a price: which book, through which feed, how long before the start."""

import polars as pl

from etl.sample import books
from etl.sample.books import ARCHIVED_CLOSE, ARCHIVED_OPEN, BOOKS, CONSENSUS, OPENING, PSEUDO_BOOK_OF, REAL
from etl.sample.draw import Draws, row_key
from etl.sample.options import MARKETS
from etl.sample.plan import FOLLOWED, STEAM, THIN

LEAST_BOOKS = 4
# Quotes that a game must have before some of them are those of the archive, or of pseudo-books.
ROOM_ARCHIVED, ROOM_THIN, ROOM_COVERED = 4, 3, 10
CLOSING_SHARE = 0.45


def quotes_of(listings: pl.DataFrame, moves: pl.DataFrame, draws: Draws, market: str) -> pl.DataFrame:
    """One row for each planned quote of a market: its `kind`, `book_id`, `source` and `hours_before` the start.

    Also `series` (key of game and book), `seq` (place in the series), `in_series` (its length), `steamed` (the quote
    takes part in an injected steam move), `key` (of the quote) and the injected move of the game.
    """
    return (
        _slots(listings, draws, market)
        .join(_order(listings, draws), on=("game_id", "place"), how="left", maintain_order="left")
        .with_columns(book_id=pl.coalesce("book_id", pl.col("kind").replace_strict(PSEUDO_BOOK_OF, default=None)))
        .join(
            moves.filter(market=market).drop("market").rename({"game_id": "moved_id"}),
            on="real_key",
            how="left",
            maintain_order="left",
        )
        .pipe(_keyed, market)
        .pipe(_sourced, draws)
        .pipe(_timed, draws)
    )


def _slots(listings: pl.DataFrame, draws: Draws, market: str) -> pl.DataFrame:
    """game_id and what depends on it; `kind`, `place` of the book in the game's order (null: pseudo-book), `seq`."""
    key = row_key(listings["game_id"], pl.repeat(MARKETS.index(market), listings.height, dtype=pl.Int64, eager=True))
    thin = pl.col("tier") == THIN
    count = pl.col(market)
    archived = thin & (pl.col("source") == books.ARCHIVE) & (count >= ROOM_ARCHIVED)
    roomy = pl.when(thin).then(count - archived.cast(pl.Int64) * 2 >= ROOM_THIN).otherwise(count >= ROOM_COVERED)
    likely = pl.when(thin).then(0.3).otherwise(0.7)
    games = listings.select(
        "game_id", "real_key", "tier", "twin", "home_level", "away_level",
        "start_at", "status", "home", "away", "season",
        listed_by="source",
        n=count,
        n_archived=archived.cast(pl.Int64) * 2,
        n_opening=(roomy & (draws.uniform("opening", key) < likely)).cast(pl.Int64),
        n_consensus=(roomy & (draws.uniform("consensus", key) < likely)).cast(pl.Int64),
    )  # fmt: skip
    real = pl.col("n") - pl.col("n_archived") - pl.col("n_opening") - pl.col("n_consensus")
    half = (real + 1) // 2
    many = pl.max_horizontal(
        LEAST_BOOKS, pl.min_horizontal(half, pl.when(pl.col("tier") == FOLLOWED).then(7).otherwise(5))
    )
    sized = games.with_columns(
        n_real=real, n_books=pl.when(pl.col("tier") == THIN).then(pl.min_horizontal(half, 4)).otherwise(many)
    )
    pseudo = pl.col("slot") - pl.col("n_real")
    kind = (
        pl.when(pseudo < 0)
        .then(REAL)
        .when(pseudo < pl.col("n_opening"))
        .then(OPENING)
        .when(pseudo < pl.col("n_opening") + pl.col("n_consensus"))
        .then(CONSENSUS)
        .when(pseudo == pl.col("n") - pl.col("n_real") - 2)
        .then(ARCHIVED_OPEN)
        .otherwise(ARCHIVED_CLOSE)
    )
    place = pl.col("slot") % pl.col("n_books")
    return (
        sized.filter(pl.col("n") > 0)
        .with_columns(slot=pl.int_ranges(0, pl.col("n")))
        .explode("slot")
        .with_columns(kind=kind)
        .with_columns(
            place=pl.when(kind == REAL).then(place),
            seq=pl.when(kind == REAL).then(pl.col("slot") // pl.col("n_books")).otherwise(0),
            in_series=pl.when(kind == REAL)
            .then((pl.col("n_real") - place + pl.col("n_books") - 1) // pl.col("n_books"))
            .otherwise(1),
        )
        .drop("slot", "n", "n_real", "n_books", "n_archived", "n_opening", "n_consensus")
    )


def _order(listings: pl.DataFrame, draws: Draws) -> pl.DataFrame:
    """game_id, place, book_id: the books of each game from the first to quote it, often quoted ones rather first."""
    pairs = listings.select("game_id").join(
        pl.DataFrame([(book.book_id, book.weight) for book in BOOKS], schema=["book_id", "weight"], orient="row"),
        how="cross",
    )
    turn = draws.uniform("order", row_key(pairs["game_id"], pairs["book_id"]))
    return (
        pairs.select("game_id", "book_id", turn=turn / pairs["weight"])
        .sort("game_id", "turn", "book_id")
        .select("game_id", "book_id", place=pl.int_range(pl.len()).over("game_id"))
    )


def _keyed(frame: pl.DataFrame, market: str) -> pl.DataFrame:
    series = row_key(frame["game_id"], frame["book_id"])
    number = frame["kind"] * 10_000 + frame["seq"] * 10 + MARKETS.index(market)
    return frame.with_columns(series=series, key=row_key(series, number))


def _sourced(frame: pl.DataFrame, draws: Draws) -> pl.DataFrame:
    """Add `source`: the feed's own where a book has one, the listing's for second ids, else drawn for game and book."""
    only = {book.book_id: book.only_source for book in (*BOOKS, *books.PSEUDO_BOOKS) if book.only_source}
    only |= {PSEUDO_BOOK_OF[kind]: source for kind, source in ((OPENING, books.FEED), (ARCHIVED_OPEN, books.ARCHIVE))}
    own = pl.col("book_id").replace_strict(only, default=None, return_dtype=pl.String)
    draw = draws.uniform("feed", frame["series"])
    shared = pl.coalesce(pl.when(draw < upto).then(pl.lit(name)) for name, upto in books.SHARED_FEEDS)
    second = pl.when((pl.col("twin") == 1) & pl.col("listed_by").is_in([books.FEED, books.VEGAS])).then("listed_by")
    return frame.with_columns(source=pl.coalesce(own, second, shared))


def _timed(frame: pl.DataFrame, draws: Draws) -> pl.DataFrame:
    """Add `hours_before` and `steamed`. A series runs towards the start, denser near it; single quotes are early."""
    key = frame["key"]
    jitter, closing, lag = (draws.uniform(name, key) for name in ("jitter", "closing", "steam_lag"))
    first = 14 + 14 * draws.uniform("first", frame["series"])
    last = pl.col("seq") == pl.col("in_series") - 1
    left = 1 - (pl.col("seq") + 0.08 + 0.84 * jitter) / pl.col("in_series")
    # NOTE: Expr ** 1.6 would go through libm's pow; a product of a square root is the same on every machine.
    walk = first * left * left.sqrt() + 0.08
    single = 1.3 + 8 * jitter * jitter
    moved_here = (pl.col("move") == STEAM) & (pl.col("moved_id") == pl.col("game_id"))
    in_steam = moved_here.fill_null(value=False) & (pl.col("kind") == REAL) & (pl.col("in_series") > 1)
    steamed = in_steam & last & (pl.col("place") < pl.col("n_books"))
    real = (
        pl.when(steamed)
        .then(pl.col("hours") - lag * 0.14)
        .when(in_steam & ~last)
        .then(walk + pl.col("hours"))
        .when(pl.col("in_series") == 1)
        .then(single)
        .when(last & (closing < CLOSING_SHARE))
        .then(0.05 + 0.85 * jitter)
        .otherwise(walk)
    )
    return frame.with_columns(
        steamed=steamed,
        hours_before=pl.when(pl.col("kind") == REAL)
        .then(real)
        .when(pl.col("kind") == OPENING)
        .then(27 + 6 * jitter)
        .when(pl.col("kind") == CONSENSUS)
        .then(1 + 9 * jitter)
        .when(pl.col("kind") == ARCHIVED_OPEN)
        .then(29.0)
        .otherwise(1 / 6),
    )
