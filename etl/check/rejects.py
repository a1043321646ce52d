"""Rows that broke a rule, in the shape of `audit.rejects`: whole, with the rule and the place they came from."""

import hashlib
from collections.abc import Mapping

import polars as pl

from etl.check.contract import BROKEN
from etl.check.contract import sentences as sentences_of
from schemas import TABLES, Table

_OF_THE_LOAD = ("load_id", "batch_id", "extracted_at", BROKEN)


def reject_frame(
    rejected: pl.DataFrame,
    table: Table,
    *,
    run_id: int,
    origin: pl.DataFrame | None,
    source_table: str | None,
    id_column: str,
    sentences: Mapping[str, str],
) -> pl.DataFrame:
    """The rejects of one table, in the contract of `audit.rejects`, one a refused row; empty for none.

    Rows that are equal in all that makes a reject have one key: the ledger keeps one of them and counts the rest.

    Args:
        rejected: rows with `broken_rules`.
        table: the table that refused them.
        run_id: the run.
        origin: the rows as they were read, found again by `id_column` (by all they share where `origin` has it too);
            None: the rejected rows themselves.
        source_table: where they were read from; None: the column `source_table` of the original row.
        id_column: the row's id, in `rejected` and (or `id`) in `origin`.
        sentences: rule -> sentence, beside the contract's own.
    """
    schema = TABLES["audit.rejects"].schema
    if rejected.is_empty():
        return pl.DataFrame(schema=schema)
    whole = _originals(rejected, origin, id_column)
    text = whole.select(pl.struct(pl.exclude(_OF_THE_LOAD)).struct.json_encode()).to_series()
    known = sentences_of(table) | dict(sentences)
    first = rejected[BROKEN].list.first()
    return (
        pl.DataFrame(
            {
                "source_table": whole["source_table"]
                if source_table is None
                else pl.Series([source_table] * len(whole)),
                "source_id": rejected[id_column],
                "rule": first,
                "rules": rejected[BROKEN],
                "reason": first.replace_strict(known, default=first, return_dtype=pl.String),
                "row": text,
                "row_hash": [_hash(row) for row in text],
            }
        )
        .with_columns(
            first_run_id=pl.lit(run_id),
            zone=pl.lit(table.zone),
            table_name=pl.lit(table.name),
            forgotten_runs=pl.lit(None),
        )
        .pipe(with_key)
        .select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    )


def with_key(rejects: pl.DataFrame) -> pl.DataFrame:
    """Add `reject_key`: the same row, refused by the same table for the same rules, has the same key in every run."""
    parts = rejects.select("zone", "table_name", "source_table", pl.col("source_id").cast(pl.String), "rules", "row")
    # NOTE: row by row: all rows of a batch as Python values at once would take several times the frame's memory.
    keys = (_hash(repr(part)) for part in parts.iter_rows())
    return rejects.with_columns(pl.Series("reject_key", keys, pl.String))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _originals(rejected: pl.DataFrame, origin: pl.DataFrame | None, id_column: str) -> pl.DataFrame:
    """The original row of each rejected one, in the same order."""
    if origin is None:
        return rejected
    if id_column in origin.columns:
        return _same_rows(rejected, origin, id_column)
    ids = rejected.select(pl.col(id_column).cast(origin.schema["id"]).alias("id"))
    return ids.join(origin, on="id", how="left", maintain_order="left")


def _same_rows(rejected: pl.DataFrame, origin: pl.DataFrame, id_column: str) -> pl.DataFrame:
    """The rejected rows with what `origin` knows besides. An id may be missing or repeated: it does not tell them."""
    near = origin.join(rejected.select(id_column).unique(), on=id_column, how="semi", nulls_equal=True)
    shared = [name for name in rejected.columns if name in origin.columns and name not in _OF_THE_LOAD]
    known = near.drop(_OF_THE_LOAD, strict=False).unique(shared, keep="first", maintain_order=True)
    return rejected.select(shared).join(known, on=shared, how="left", nulls_equal=True, maintain_order="left")
