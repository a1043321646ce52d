"""What a quote is compared with: the other books' latest quotes, and its own book's moneyline. Sections 7 and 12.5."""

from collections.abc import Mapping

import polars as pl

from etl.transform.books import REAL

NO_LINE = 0
_LINE_SCALE = 100
_SPAN = 1_000_000
_MARKETS = 4


def far_quotes(
    quotes: Mapping[str, pl.LazyFrame], *, brands: tuple[str, ...], min_books: int, max_gap: float
) -> dict[str, pl.LazyFrame]:
    """Of each market `raw_id` and `is_far`: the quote is more than `max_gap` (0-1) from the median of other brands.

    The median is of each other brand's latest quote at or before the row's observed_at, if that is at the same line;
    a quote has no row if fewer than `min_books` of them quote it, or it has no probability of its own. `brands` are
    the real books; rows of other kinds are compared but not counted.
    Needs raw_id, game_id, brand, book_kind, line, p_fair, is_quotable, observed_at and recorded_at.
    """
    slots = [_slot(k) for k in range(len(brands))]
    # One plan for all markets: a plan of many columns takes as long to make as to run on a small batch.
    far = (
        pl.concat([lf.pipe(_of_market, k) for k, lf in enumerate(quotes.values())])
        .pipe(_comparable, min_books=min_books)
        .with_columns(_expr_latest(brand).alias(slot) for slot, brand in zip(slots, brands, strict=True))
        .filter(pl.sum_horizontal(pl.col(slot).is_not_null() for slot in slots) >= min_books)
        .select("market_number", "raw_id", is_far=_expr_is_far(slots, max_gap=max_gap))
        .cache()
    )
    return {key: far.filter(pl.col("market_number") == k).drop("market_number") for k, key in enumerate(quotes)}


def _of_market(lf: pl.LazyFrame, number: int) -> pl.LazyFrame:
    """Quotes that can be compared, with the number of their market and one of their game in it."""
    return lf.filter(pl.all_horizontal(pl.col("game_id", "brand", "p_fair", "observed_at").is_not_null())).select(
        *("raw_id", "brand", "p_fair", "observed_at", "recorded_at", "line"),
        market_number=pl.lit(number, dtype=pl.Int8),
        contest=pl.col("game_id").cast(pl.Int64) * _MARKETS + number,
        is_peer=pl.col("is_quotable") & (pl.col("book_kind") == REAL),
    )


def _slot(number: int) -> str:
    return f"_p{number}"


def _comparable(lf: pl.LazyFrame, *, min_books: int) -> pl.LazyFrame:
    """Quotes of games with enough books, in order, with their numbers and that of the last one of their instant."""
    return (
        lf.filter(pl.col("brand").filter("is_peer").n_unique().over("contest") >= min_books)
        .with_columns(
            # Game, market and line in one number: quotes are comparable if they share it.
            place=pl.col("contest") * _SPAN + (pl.col("line").fill_null(NO_LINE) * _LINE_SCALE).round(0).cast(pl.Int64),
        )
        .sort("contest", "observed_at", "recorded_at", "raw_id", nulls_last=False)
        .with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt32))
        # NOTE: quotes of one instant see each other, so a row looks from the last row of its instant.
        .with_columns(_last=pl.when(_is_last_of_instant()).then("_row").backward_fill())
    )


def _expr_is_far(slots: list[str], *, max_gap: float) -> pl.Expr:
    """True if the median of the slots that are not null is more than `max_gap` away from `p_fair`.

    A list of each row's slots would be sorted row by row. Counting decides as exactly: the median is above a bound if
    most values are; if just half are, it is the mean of the values next to the bound.
    """
    high, low = pl.col("p_fair") + max_gap, pl.col("p_fair") - max_gap
    total = pl.sum_horizontal(pl.col(name).is_not_null() for name in slots)
    above = pl.sum_horizontal((pl.col(name) > high).fill_null(value=False) for name in slots)
    below = pl.sum_horizontal((pl.col(name) < low).fill_null(value=False) for name in slots)
    is_above = (2 * above > total) | ((2 * above == total) & (_expr_mid(slots, bound=high, is_upper=True) > high))
    is_below = (2 * below > total) | ((2 * below == total) & (_expr_mid(slots, bound=low, is_upper=False) < low))
    return is_above | is_below


def _expr_mid(slots: list[str], *, bound: pl.Expr, is_upper: bool) -> pl.Expr:
    """Mean of the two values next to the bound, one on each side."""
    beyond = {name: pl.col(name) > bound if is_upper else pl.col(name) >= bound for name in slots}
    greater = pl.min_horizontal(pl.when(beyond[name]).then(pl.col(name)) for name in slots)
    smaller = pl.max_horizontal(pl.when(~beyond[name]).then(pl.col(name)) for name in slots)
    return (greater + smaller) / 2


def _is_last_of_instant() -> pl.Expr:
    instant = pl.struct("contest", "observed_at")
    return (instant != instant.shift(-1)).fill_null(value=True)


def _expr_latest(brand: str) -> pl.Expr:
    """Probability of the brand's latest quote as of each row's instant; null for its own rows and at other lines."""
    latest = pl.when(pl.col("is_peer") & (pl.col("brand") == brand)).then("_row").forward_fill().gather("_last")
    is_comparable = (pl.col("place").gather(latest) == pl.col("place")) & (pl.col("brand") != brand)
    return pl.when(is_comparable).then(pl.col("p_fair").gather(latest))


def with_moneyline(spreads: pl.LazyFrame, moneylines: pl.LazyFrame) -> pl.LazyFrame:
    """Add `moneyline_p`: the home side's no-vig probability in the same brand's latest moneyline, or null.

    Latest at or before the row's observed_at. The row count is unchanged.
    """
    keys = ["game_id", "brand"]
    quotes = (
        moneylines.filter(pl.col("is_quotable"))
        .select(*keys, "observed_at", "recorded_at", "raw_id", moneyline_p="p_fair")
        .sort("observed_at", "recorded_at", "raw_id", nulls_last=False)
        .unique([*keys, "observed_at"], keep="last", maintain_order=True)
        .select(*keys, "observed_at", "moneyline_p")
        .with_columns(pl.col("observed_at").set_sorted())
    )
    found = (
        spreads.filter(pl.all_horizontal(pl.col(*keys, "observed_at").is_not_null()))
        .select("raw_id", *keys, "observed_at")
        .sort("observed_at")
        .join_asof(quotes, on="observed_at", by=keys, strategy="backward", check_sortedness=False)
        .select("raw_id", "moneyline_p")
    )
    return spreads.join(found, on="raw_id", how="left")
