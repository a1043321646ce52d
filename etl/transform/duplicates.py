"""Exact duplicates, and quotes that share a natural key. Features definition, sections 7 and 12.16."""

import polars as pl

KEY = ("game_id", "brand", "line", "observed_at")
# What may differ between two copies of one legacy row: its own names and clocks, and the run's lineage.
NOT_COMPARED = frozenset(
    {"id", "created_at", "updated_at", "collection_batch_id", "load_id", "batch_id", "source_table", "extracted_at"}
)


def with_duplicates(lf: pl.LazyFrame, *, compared: tuple[str, ...]) -> pl.LazyFrame:
    """Add `is_collapsed`, `key_rows` and `key_values`. The row count is unchanged.

    `is_collapsed`: equal in all `compared` columns to a row that was recorded earlier (then: has a smaller raw_id).
    `key_rows`: rows left that have the row's natural key. `key_values`: different prices among them; null if a part of
    the key is missing. Lines without a game are never compared: nothing says where their copies are.
    """
    # Nearly all rows are alone with their key; only the others are compared in full. Both halves share one cache.
    is_alone = pl.col("game_id").is_null() | (pl.len().over(KEY) == 1)
    lf = lf.with_columns(_is_alone=is_alone).cache()
    is_keyed = pl.all_horizontal(pl.col("game_id", "brand", "observed_at").is_not_null())
    alone = lf.filter("_is_alone").with_columns(
        is_collapsed=pl.lit(value=False),
        key_rows=pl.lit(1, dtype=pl.UInt32),
        key_values=pl.when(is_keyed).then(pl.lit(1, dtype=pl.UInt32)),
    )
    kept = ~pl.col("is_collapsed")
    values = pl.struct("price_a", "price_b").filter(kept).n_unique().over(KEY)
    shared = (
        lf.filter(~pl.col("_is_alone"))
        .sort("recorded_at", "raw_id", nulls_last=True)
        .with_columns(is_collapsed=~pl.struct(compared).is_first_distinct())
        .with_columns(
            key_rows=kept.sum().over(KEY).cast(pl.UInt32), key_values=pl.when(is_keyed).then(values.cast(pl.UInt32))
        )
    )
    return pl.concat([alone, shared], how="vertical").drop("_is_alone")
