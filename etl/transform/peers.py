"""What a quote is compared with: the other books' latest quotes, and its own book's moneyline. Sections 7 and 12.5."""

import polars as pl

from etl.transform.books import REAL

NO_LINE = 0
_LINE_SCALE = 100
_SPAN = 1_000_000


def with_consensus(lf: pl.LazyFrame, *, brands: tuple[str, ...], min_books: int) -> pl.LazyFrame:
    """Add `consensus_p`: the median no-vig probability of the other brands' latest quotes at the same line.

    Latest at or before the row's observed_at; null if fewer than `min_books` other brands quote that line then, or the
    row has no probability of its own. `brands` are the real books; rows of other kinds are compared but not counted.
    Needs raw_id, game_id, brand, book_kind, line, p_fair, is_quotable, observed_at and recorded_at. The row count is
    unchanged.
    """
    lf = lf.cache()
    is_peer = pl.col("is_quotable") & (pl.col("book_kind") == REAL)
    enough = pl.col("brand").filter(is_peer).n_unique().over("game_id") > min_books
    near = pl.col("line").fill_null(NO_LINE)
    work = (
        lf.filter(pl.all_horizontal(pl.col("game_id", "p_fair", "observed_at").is_not_null()))
        .filter(pl.col("brand").is_not_null())
        .select(
            "raw_id", "game_id", "brand", "p_fair", "observed_at", "recorded_at", is_peer=is_peer, _enough=enough,
            # Game and line in one number: a quote is comparable if this is the same.
            place=pl.col("game_id").cast(pl.Int64) * _SPAN + (near * _LINE_SCALE).round(0).cast(pl.Int64),
        )
        .filter("_enough")
        .sort("game_id", "observed_at", "recorded_at", "raw_id", nulls_last=False)
        .with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt32))
        # NOTE: quotes of one instant see each other, so a row looks from the last row of its instant.
        .with_columns(_last=pl.when(_is_last_of_instant()).then("_row").backward_fill())
    )
    consensus = (
        work.with_columns(_others=pl.concat_list([_expr_latest(brand) for brand in brands]).list.drop_nulls())
        .filter(pl.col("_others").list.len() >= min_books)
        .select("raw_id", consensus_p=pl.col("_others").list.median())
    )
    return lf.join(consensus, on="raw_id", how="left")


def _is_last_of_instant() -> pl.Expr:
    instant = pl.struct("game_id", "observed_at")
    return (instant != instant.shift(-1)).fill_null(value=True)


def _expr_latest(brand: str) -> pl.Expr:
    """Probability of the brand's latest quote as of each row's instant; null for its own rows or another game or line."""
    latest = pl.when(pl.col("is_peer") & (pl.col("brand") == brand)).then("_row").forward_fill().gather("_last")
    is_comparable = (pl.col("place").gather(latest) == pl.col("place")) & (pl.col("brand") != brand)
    return pl.when(is_comparable).then(pl.col("p_fair").gather(latest))


def with_moneyline(spreads: pl.LazyFrame, moneylines: pl.LazyFrame) -> pl.LazyFrame:
    """Add `moneyline_p`: the home side's no-vig probability in the same brand's latest moneyline, null if there is none.

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
