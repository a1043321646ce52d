"""Faults of a known kind in a known share of the rows, and the record of what was true."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from etl.sample.draw import Draws, row_key
from etl.sample.lines import LINE, PRICES, split_columns
from etl.sample.options import MARKETS

# A price from here on has a fourth digit; sides this many cents apart differ by ten points when swapped.
LONG_PRICE, SWAP_SHOWS = 1000, 250
FRACTIONS_BELOW = 2
DUPLICATES = ("exact_duplicate", "conflicting_duplicate")
# What a duplicate does not take over from the row that it doubles.
_OWN = ("id", "game_id", "market_type", "created_at", "updated_at", "collection_batch_id")
_HIDDEN = ("real_key", "kind", "series", "seq", "steamed", "start_at", "key", "at")
_STRANGERS = ("Springfield Isotopes", "TBD", "HOME", "All-Stars")
_STRANGE_BOOKS = ("LineHub", "feed_book_7", "house odds")


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: the rows that can have it, and the new values of the columns that it changes."""

    kind: str
    possible: pl.Expr
    changes: Mapping[str, pl.Expr]


def dirty_ids(draws: Draws, market: str, rows: int, dirty_pct: float) -> pl.Series:
    """Ids of the rows that get a fault: exactly the given percentage of `rows`, rounded."""
    ids = pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True)
    number = pl.repeat(MARKETS.index(market), rows, dtype=pl.Int64, eager=True)
    frame = pl.DataFrame({"id": ids, "turn": draws.bits("dirty", row_key(ids, number))})
    return frame.sort("turn", "id").head(round(rows * dirty_pct / 100)).get_column("id").sort()


def with_faults(rows: pl.DataFrame, draws: Draws, market: str, dirty: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Replace values in the rows whose `id` is in `dirty`. The number of rows stays the same.

    Returns:
        The rows, in their order, without hidden columns, and the record: market, id, kind, column, true_value,
        given_value (as text). A duplicate is one line of the record: column ``*``, given the id of the doubled row.
    """
    rows = rows.with_columns(at=pl.int_range(pl.len()))
    bad = rows.filter(pl.col("id").is_in(dirty.implode()))
    good = rows.filter(~pl.col("id").is_in(dirty.implode()))
    data = [name for name in rows.columns if name not in (*_OWN, *_HIDDEN)]
    donors = good.select(
        "game_id", pl.col("id").alias("donor_id"), *(pl.col(name).alias(f"donor_{name}") for name in data)
    )
    bad = bad.sort("id").join_asof(
        donors.sort("donor_id"),
        left_on="id",
        right_on="donor_id",
        by="game_id",
        strategy="backward",
        check_sortedness=False,
    )
    faults = _faults(market, data, draws, bad["key"])
    chosen = bad.with_columns(fault=_choice(faults, draws, bad["key"]))
    given = chosen.with_columns(_changed(faults, rows.schema))
    record = _record(chosen, given, faults, market)
    merged = pl.concat([good, given.select(rows.columns)]).sort("at")
    return merged.drop(_HIDDEN), record


def _choice(faults: list[Fault], draws: Draws, key: pl.Series) -> pl.Expr:
    """The kind of each row: the possible one whose draw is smallest."""
    turns = [
        pl.when(fault.possible.fill_null(value=False)).then(draws.uniform(f"fault-{fault.kind}", key))
        for fault in faults
    ]
    names = pl.Series([fault.kind for fault in faults])
    return pl.concat_list(turns).list.arg_min().replace_strict(dict(enumerate(names)), return_dtype=pl.String)


def _changed(faults: list[Fault], schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    columns = dict.fromkeys(column for fault in faults for column in fault.changes)
    return [_value(column, faults).cast(schema[column]) for column in columns]


def _value(column: str, faults: list[Fault]) -> pl.Expr:
    value = pl.col(column)
    for fault in faults:
        if column in fault.changes:
            value = pl.when(pl.col("fault") == fault.kind).then(fault.changes[column]).otherwise(value)
    return value.alias(column)


def _record(true: pl.DataFrame, given: pl.DataFrame, faults: list[Fault], market: str) -> pl.DataFrame:
    columns = dict.fromkeys(column for fault in faults if fault.kind not in DUPLICATES for column in fault.changes)
    pairs = true.with_columns(given.select(pl.col(name).alias(f"given_{name}") for name in columns))
    is_double = pl.col("fault").is_in(DUPLICATES)
    parts = [
        pairs.filter(~is_double & pl.col(name).ne_missing(pl.col(f"given_{name}"))).select(
            "id",
            "fault",
            column=pl.lit(name),
            true_value=pl.col(name).cast(pl.String),
            given_value=pl.col(f"given_{name}").cast(pl.String),
        )
        for name in columns
    ]
    doubles = pairs.filter(is_double).select(
        "id",
        "fault",
        column=pl.lit("*"),
        true_value=pl.lit(None, dtype=pl.String),
        given_value=pl.col("donor_id").cast(pl.String),
    )
    record = pl.concat([*parts, doubles]).rename({"fault": "kind"}).sort("id", "column")
    return record.select(pl.lit(market).alias("market"), pl.all())


def _faults(market: str, data: list[str], draws: Draws, key: pl.Series) -> list[Fault]:
    def one_of(most: int, stream: str = "fault_value") -> pl.Expr:
        return pl.lit((draws.bits(stream, key) % most).cast(pl.Int64))

    return [
        *_price_faults(market, one_of),
        *_line_faults(market, one_of),
        *_text_faults(one_of),
        *_split_faults(market, one_of),
        *_clock_faults(one_of),
        *_duplicates(market, data),
    ]


def _price_faults(market: str, one_of: Callable[..., pl.Expr]) -> list[Fault]:
    a, b = PRICES[market]
    one, two = pl.col(a).cast(pl.Int64), pl.col(b).cast(pl.Int64)
    tens, ones = one.abs() // 10 % 10, one.abs() % 10
    always = pl.lit(value=True)
    return [
        Fault("dead_zone_price", always, {a: one.sign() * (5 + one_of(91))}),
        Fault("crossed_prices", always, {a: 150 + one_of(100), b: 140 + one_of(90, "fault_other")}),
        Fault("swapped_sides", (one.sign() != two.sign()) & ((one - two).abs() >= SWAP_SHOWS), {a: two, b: one}),
        Fault("price_extra_digit", one.abs() < LONG_PRICE, {a: one.sign() * (one.abs() * 10 + one_of(10))}),
        Fault("price_missing_digit", one.abs() < LONG_PRICE, {a: one.sign() * (one.abs() // 10)}),
        Fault("price_moved_digit", (tens != ones) & (one.abs() < LONG_PRICE), {
            a: one.sign() * (one.abs() // 100 * 100 + ones * 10 + tens)
        }),
        Fault("one_side_missing", always, {b: pl.lit(None)}),
        Fault("both_prices_missing", always, {a: pl.lit(None), b: pl.lit(None)}),
    ]  # fmt: skip


def _line_faults(market: str, one_of: Callable[..., pl.Expr]) -> list[Fault]:
    if market not in LINE:
        return []
    name = LINE[market]
    off_grid = Fault("line_off_grid", pl.col(name).is_not_null(), {name: pl.col(name) + (1 + one_of(4)) / 10})
    typed = Fault("price_in_total_cell", pl.lit(value=True), {name: 100.0 + one_of(15)})
    return [off_grid, typed] if market == "totals" else [off_grid]


def _text_faults(one_of: Callable[..., pl.Expr]) -> list[Fault]:
    stranger = one_of(len(_STRANGERS)).replace_strict(dict(enumerate(_STRANGERS)), return_dtype=pl.String)
    book = one_of(len(_STRANGE_BOOKS)).replace_strict(dict(enumerate(_STRANGE_BOOKS)), return_dtype=pl.String)
    nobody = {"sportsbook": book, "sportsbook_id": pl.lit(None), "external_source_id": pl.lit(None)}
    return [
        Fault("unknown_team", pl.lit(value=True), {"home_team": stranger}),
        Fault("unknown_book", pl.lit(value=True), nobody),
        Fault("no_game", pl.lit(value=True), {"game_id": pl.lit(None)}),
    ]


def _split_faults(market: str, one_of: Callable[..., pl.Expr]) -> list[Fault]:
    names = split_columns(market)
    one, two = names["tickets_pct_a"], names["tickets_pct_b"]
    known = pl.col(one).is_not_null()
    whole = pl.when(pl.col(one) + pl.col(two) > FRACTIONS_BELOW).then(100.0).otherwise(1.0)
    return [
        Fault("split_sum_off", known & (whole > 1), {two: pl.col(two) + 7 + one_of(20)}),
        Fault("split_all_or_nothing", known, {one: whole, two: pl.lit(0.0)}),
    ]


def _clock_faults(one_of: Callable[..., pl.Expr]) -> list[Fault]:
    live = pl.col("start_at") + pl.duration(minutes=20 + one_of(130))
    stored = live + pl.duration(seconds=5 + one_of(60, "fault_other"))
    stale = pl.col("odds_timestamp") + pl.duration(minutes=30 * 60 + one_of(210 * 60))
    early = pl.col("odds_timestamp") - pl.duration(minutes=1 + one_of(50))
    at_once = pl.lit(value=True)
    return [
        Fault("in_play_quote", at_once, {"odds_timestamp": live, "created_at": stored, "updated_at": stored}),
        Fault("stale_recording", at_once, {"created_at": stale, "updated_at": stale}),
        Fault("recorded_before_observed", at_once, {"created_at": early, "updated_at": early}),
    ]


def _duplicates(market: str, data: list[str]) -> list[Fault]:
    copied = {name: pl.col(f"donor_{name}") for name in data}
    price = PRICES[market][0]
    other = pl.col(f"donor_{price}") + pl.when(pl.col(f"donor_{price}") > 0).then(8).otherwise(-8)
    doubled = pl.col("donor_id").is_not_null()
    return [
        Fault("exact_duplicate", doubled, copied),
        Fault("conflicting_duplicate", doubled, {**copied, price: other}),
    ]
