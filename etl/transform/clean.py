"""Texts, clocks and what the collector noted: the cleaning that all legacy rows share.

Features definition, section 0.
"""

import polars as pl

LOCAL_ZONE = "America/New_York"
LEGACY_SCALE = 9.99
MINUTE_US = 60_000_000
_NOTES = {"note_clock": "$.clock", "note_line_kind": "$.line_kind", "note_book_id": "$.book_id"}
_CLOCKS = ("source", "assumed")
_LINE_KINDS = ("open", "current", "close", "live")


def expr_quotient(value: pl.Expr, divisor: float) -> pl.Expr:
    """`value` / `divisor`, correctly rounded whatever the number of rows. Null for a null value."""
    # NOTE: polars multiplies a column by the reciprocal of a literal divisor, and divides what remains at its end: the
    # last bit would depend on the cut of the slices. A column is divided by a column, so the divisor is made one.
    return value / (value * 0 + float(divisor))


def expr_text(text: pl.Expr) -> pl.Expr:
    """The text without outer spaces. Null for a null or empty text."""
    trimmed = text.str.strip_chars()
    return pl.when(trimmed != "").then(trimmed)


def expr_key(text: pl.Expr) -> pl.Expr:
    """The text as lookups spell it: no outer spaces, lower case. Null for a null or empty text."""
    return expr_text(text).str.to_lowercase()


def expr_recorded_at(created_at: pl.Expr, updated_at: pl.Expr) -> pl.Expr:
    """When the row was stored: the later of both clocks, for rows are updated in place. Null only if both are."""
    return pl.max_horizontal(created_at, updated_at)


def expr_local_date(start_at: pl.Expr) -> pl.Expr:
    """Date of a UTC clock in America/New_York, daylight saving time included. Null for a null clock."""
    return start_at.dt.convert_time_zone(LOCAL_ZONE).dt.date()


def expr_clock(note: pl.Expr) -> pl.Expr:
    """``assumed`` if the collector said so, else ``source``. Never null."""
    return pl.when(expr_key(note) == _CLOCKS[1]).then(pl.lit(_CLOCKS[1])).otherwise(pl.lit(_CLOCKS[0]))


def expr_line_kind(note: pl.Expr) -> pl.Expr:
    """What the collector said the quote is: open, current, close or live. Null for anything else."""
    kind = expr_key(note)
    return pl.when(kind.is_in(_LINE_KINDS)).then(kind)


def expr_legacy_score(score: pl.Expr) -> pl.Expr:
    """Legacy score in [0, 1] as Decimal(3,2): a value above 1 is on the scale of 9.99. Null for a null score."""
    value = score.cast(pl.Float64)
    scaled = pl.when(value > 1.0).then(expr_quotient(value, LEGACY_SCALE)).otherwise(value)
    return scaled.clip(0.0, 1.0).round(2).cast(pl.Decimal(3, 2))


def with_notes(lf: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``note_clock``, ``note_line_kind`` and ``note_book_id`` of the JSON in `source_metadata`.

    Each is null where it was not noted. The row count is unchanged.
    """
    return lf.with_columns(
        pl.col("source_metadata").str.json_path_match(path).alias(name) for name, path in _NOTES.items()
    )
