"""Frames into tables: binary COPY through ADBC, in the contract's exact types."""

import polars as pl
import pyarrow as pa

from etl import database
from etl.database import Connection
from schemas import Table

BATCH_ROWS = 8_192  # client and server overlap best when COPY is fed in pieces of about this size


def copy_frame(connection: Connection, frame: pl.DataFrame, table: Table, *, relation: tuple[str, str]) -> int:
    """Append a checked frame to a table; return the number of rows written. The caller commits.

    Args:
        connection: of the target.
        frame: in exactly the contract's types: ADBC reinterprets same-width types without an error.
        table: the contract.
        relation: (schema, name) of the table to write.
    """
    if frame.is_empty():
        return 0
    return database.ingest(connection, relation, to_reader(frame, table))


def to_reader(frame: pl.DataFrame, table: Table) -> pa.RecordBatchReader:
    """The frame as a stream of arrow batches, with the extension types that jsonb and uuid columns need."""
    kinds = {column.name: column.sql_type for column in table.columns}
    uuids = [pl.col(name).str.replace_all("-", "").str.decode("hex") for name, kind in kinds.items() if kind == "uuid"]
    arrow = frame.with_columns(uuids).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = [_with_extension(arrow.column(name), kinds[name]) for name in arrow.column_names]
    return pa.Table.from_arrays(columns, names=arrow.column_names).to_reader(max_chunksize=BATCH_ROWS)


def _with_extension(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "jsonb":
        made, storage = pa.json_(pa.string()), pa.string()
    elif kind == "uuid":
        made, storage = pa.uuid(), pa.binary(16)
    else:
        return column
    # NOTE: large_binary casts to fixed size only by way of binary.
    plain = column.cast(pa.binary()) if kind == "uuid" else column
    chunks = [pa.ExtensionArray.from_storage(made, chunk.cast(storage)) for chunk in plain.chunks]
    return pa.chunked_array(chunks, type=made)
