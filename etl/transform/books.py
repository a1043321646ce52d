"""Sportsbooks: which canonical book a line belongs to. Features definition, sections 2 (pseudo-books) and 9.5.

At Action Network the numeric id decides, for the legacy's labels of these ids are wrong; elsewhere the source's text,
and then the line's legacy sportsbook.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from etl.errors import ConfigurationError
from etl.transform.clean import expr_key, with_notes
from schemas.staging import BOOK_KINDS, TIERS

UNLISTED = "unlisted"
UNLISTED_FROM = 100_000
ACTION_NETWORK = "action_network"
REAL = "book"
_RESOLVED_BY = ("source", "sportsbook", "sportsbook_id", "source_metadata", "_external")


@dataclass(frozen=True, slots=True)
class Book:
    """A canonical book. `aliases` are (feed or None for every feed, text); `tier` is the one valid now, if any."""

    book_id: int
    book: str
    brand: str
    display_name: str
    kind: str
    tier: str | None
    aliases: tuple[tuple[str | None, str], ...]
    action_network_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BookLookup:
    """How texts and ids become canonical books.

    `own` (source, text), `texts` (text), `action_network` (an_id) and `legacy` (sportsbook_id), each with a book_id.
    """

    own: pl.LazyFrame
    texts: pl.LazyFrame
    action_network: pl.LazyFrame
    legacy: pl.LazyFrame


def book_catalogue(config: Mapping[str, Any]) -> tuple[Book, ...]:
    """The books that the parsed `config/sportsbooks.toml` describes.

    Raises:
        ConfigurationError: an entry lacks a value or has an unknown one, or two books share an id or a spelling.
    """
    try:
        books = tuple(_book(entry) for entry in config["book"])
    except KeyError as missing:
        raise ConfigurationError(
            f"config/sportsbooks.toml: an entry has no {missing}", next_step="compare it with the entries beside it"
        ) from missing
    _refuse_twins("book_id", (str(book.book_id) for book in books))
    _refuse_twins("spelling", (f"{feed or ''} {text}".strip() for book in books for feed, text in _spellings(book)))
    _refuse_twins("Action Network id", (str(an_id) for book in books for an_id in book.action_network_ids))
    unknown = [b.book for b in books if b.kind not in BOOK_KINDS or b.tier not in (*TIERS, None)]
    if unknown:
        raise ConfigurationError(
            f"config/sportsbooks.toml: unknown kind or tier of {', '.join(unknown)}",
            next_step=f"kinds are {', '.join(BOOK_KINDS)}; tiers are {', '.join(TIERS)}",
        )
    return books


def _book(entry: Mapping[str, Any]) -> Book:
    by_feed = ((feed, text) for feed, texts in entry.get("aliases_of", {}).items() for text in texts)
    return Book(
        book_id=entry["book_id"],
        book=entry["book"],
        brand=entry["brand"],
        display_name=entry["display_name"],
        kind=entry["kind"],
        tier=entry.get("tier") if entry.get("tier_to") is None else None,
        aliases=(*((None, text) for text in entry.get("aliases", ())), *by_feed),
        action_network_ids=tuple(entry.get("action_network_ids", ())),
    )


def _spellings(book: Book) -> set[tuple[str | None, str]]:
    """Every (feed, text) of the book, lower case."""
    return {
        (feed, text.strip().lower()) for feed, text in ((None, book.book), (None, book.display_name), *book.aliases)
    }


def _refuse_twins(what: str, values: Iterable[str]) -> None:
    seen = sorted(values)
    twins = sorted({one for one, other in pairwise(seen) if one == other})
    if twins:
        raise ConfigurationError(
            f"config/sportsbooks.toml: two books share the {what} {', '.join(twins)}",
            next_step="take it from one of them",
        )


def real_brands(books: tuple[Book, ...]) -> tuple[str, ...]:
    """Brands that count towards a consensus, sorted."""
    return tuple(sorted({book.brand for book in books if book.kind == REAL}))


def book_lookup(sportsbooks_raw: pl.LazyFrame, books: tuple[Book, ...]) -> BookLookup:
    """How the texts of the catalogue, the names of the legacy's books and their ids become canonical books."""
    spellings = [(feed, text, book.book_id) for book in books for feed, text in sorted(_spellings(book), key=str)]
    schema: dict[str, Any] = {"source": pl.String, "text": pl.String, "book_id": pl.Int32}
    known = pl.LazyFrame(spellings, schema=schema, orient="row")
    texts = known.filter(pl.col("source").is_null()).drop("source")
    legacy = sportsbooks_raw.pipe(_legacy_books, texts=texts)
    names = (
        legacy.filter(pl.col("book_id") >= UNLISTED_FROM).group_by(text=pl.col("name_key")).agg(pl.col("book_id").min())
    )
    an_ids = [(an_id, book.book_id) for book in books for an_id in book.action_network_ids]
    return BookLookup(
        own=known.filter(pl.col("source").is_not_null()),
        texts=pl.concat([texts, names.drop_nulls("text")]),
        action_network=pl.LazyFrame(an_ids, schema={"an_id": pl.Int32, "book_id": pl.Int32}, orient="row"),
        legacy=legacy.select(sportsbook_id="id", book_id="book_id"),
    )


def _legacy_books(sportsbooks_raw: pl.LazyFrame, *, texts: pl.LazyFrame) -> pl.LazyFrame:
    """Legacy books with their canonical `book_id`: by name, else by display name, else 100000 + legacy id."""
    return (
        sportsbooks_raw.select(
            "id",
            "name",
            "display_name",
            name_key=expr_key(pl.col("name")),
            display_key=expr_key(pl.col("display_name")),
        )
        .join(texts, left_on="name_key", right_on="text", how="left")
        .join(texts, left_on="display_key", right_on="text", how="left", suffix="_by_display")
        .with_columns(book_id=pl.coalesce("book_id", "book_id_by_display", pl.col("id") + UNLISTED_FROM))
        .drop("book_id_by_display", "display_key")
    )


def staged_sportsbooks(sportsbooks_raw: pl.LazyFrame, books: tuple[Book, ...]) -> pl.LazyFrame:
    """Rows of `staging.sportsbooks`: every book of the catalogue, then the legacy's books that it does not list."""
    rows = [(b.book_id, b.book, b.brand, b.display_name, b.kind, b.tier) for b in books]
    schema: dict[str, Any] = {"book_id": pl.Int32}
    schema |= dict.fromkeys(("book", "brand", "display_name", "kind", "tier"), pl.String)
    listed = pl.LazyFrame(rows, schema=schema, orient="row")
    texts = book_lookup(sportsbooks_raw.clear(), books).texts
    legacy = sportsbooks_raw.pipe(_legacy_books, texts=texts)
    unlisted = legacy.filter(pl.col("book_id") >= UNLISTED_FROM).select(
        "book_id",
        book=pl.coalesce("name_key", pl.format("legacy_{}", "id")),
        brand=pl.coalesce("name_key", pl.format("legacy_{}", "id")),
        display_name=pl.coalesce("display_name", "name", pl.format("legacy {}", "id")),
        kind=pl.lit(UNLISTED),
        tier=pl.lit(None, dtype=pl.String),
    )
    raw_ids = legacy.group_by("book_id").agg(raw_ids=pl.col("id").sort())
    none = pl.lit([], dtype=pl.List(pl.Int32))
    return (
        pl.concat([listed, unlisted])
        .join(raw_ids, on="book_id", how="left")
        .with_columns(pl.col("raw_ids").fill_null(none))
    )


def with_book_id(lf: pl.LazyFrame, *, lookup: BookLookup) -> pl.LazyFrame:
    """Add `book_id` of each line, null if nothing names a known book, and the collector's notes (`clean.with_notes`).

    Needs the raw columns source, sportsbook, sportsbook_id, external_source_id and source_metadata. The row count is
    unchanged.
    """
    is_an = expr_key(pl.col("source")) == ACTION_NETWORK
    lf = lf.with_columns(_external=pl.when(is_an).then(pl.col("external_source_id")))
    # Lines repeat their books' names: each distinct combination is parsed and resolved once.
    resolved = lf.select(_RESOLVED_BY).unique().pipe(with_notes).pipe(_resolved, lookup=lookup)
    return lf.join(resolved, on=_RESOLVED_BY, how="left", nulls_equal=True).drop("_external")


def _resolved(lf: pl.LazyFrame, *, lookup: BookLookup) -> pl.LazyFrame:
    is_an = expr_key(pl.col("source")) == ACTION_NETWORK
    stated = pl.when(is_an).then(pl.coalesce("note_book_id", expr_key(pl.col("sportsbook"))))
    return (
        lf.with_columns(
            _source=expr_key(pl.col("source")),
            _text=expr_key(pl.col("sportsbook")),
            _stated=stated.str.to_integer(strict=False, dtype=pl.Int32),
            _external_id=pl.col("_external").str.to_integer(strict=False, dtype=pl.Int32),
        )
        .join(_as(lookup.action_network, "_by_stated"), left_on="_stated", right_on="an_id", how="left")
        .join(_as(lookup.action_network, "_by_external"), left_on="_external_id", right_on="an_id", how="left")
        .join(_as(lookup.own, "_by_own"), left_on=["_source", "_text"], right_on=["source", "text"], how="left")
        .join(_as(lookup.texts, "_by_text"), left_on="_text", right_on="text", how="left")
        .join(_as(lookup.legacy, "_by_legacy"), on="sportsbook_id", how="left")
        .select(*_RESOLVED_BY, "note_clock", "note_line_kind", book_id=_expr_decided())
    )


def _as(lf: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return lf.rename({"book_id": name})


def _expr_decided() -> pl.Expr:
    """An id that Action Network states decides alone, even if it is unknown: the label beside it is wrong."""
    labelled = pl.coalesce("_by_external", "_by_own", "_by_text", "_by_legacy")
    return pl.when(pl.col("_stated").is_not_null()).then(pl.col("_by_stated")).otherwise(labelled)
