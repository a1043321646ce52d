"""A place that lines can be read from, in batches: the legacy, or a zone that was published before."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import polars as pl

from etl.extract.layout import SourceTable
from etl.extract.plan import Batch, LineRange, homeless, plan_games, plan_lines, ranges_query, with_lines
from etl.extract.snapshot import Snapshot

READERS = 2  # sessions that one batch reads with: a small table takes longer to ask for than to send


class Source(Protocol):
    """What a run reads from. All reads see one snapshot."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that all reads see."""
        ...

    @property
    def tables(self) -> Mapping[str, SourceTable]:
        """Where each table is read from."""
        ...

    @property
    def line_tables(self) -> tuple[str, ...]:
        """The tables that hold lines, one for each market."""
        ...

    def read(self, table: str, predicate: str = "true") -> pl.DataFrame:
        """The rows of one table that keep the predicate."""
        ...


def read_batch(source: Source, batch: Batch) -> dict[str, pl.DataFrame]:
    """The lines of a batch, by table."""
    return read_tables(source, batch.predicate)


def read_tables(source: Source, predicates: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """The rows of several tables that keep their predicates, by table; a few tables are read at once."""
    with ThreadPoolExecutor(READERS, "read") as executor:
        return dict(zip(predicates, executor.map(source.read, *zip(*predicates.items(), strict=True)), strict=True))


def count_by_game(source: Source) -> pl.DataFrame:
    """(game_id, rows) of all lines, null game included: the one count that batches are planned from."""
    parts = [
        f"select game_id::bigint as game_id, count(*) as rows from {relation} l where {where} group by 1"
        for relation, where, _ in relations_of(source)
    ]
    summed = f"select game_id, sum(rows)::bigint as rows from ({' union all '.join(parts)}) c group by 1"
    return source.snapshot.read(summed).with_columns(pl.col("game_id").cast(pl.Int32))


def plan_by_game(source: Source, owners: pl.DataFrame, *, batch_rows: int) -> list[Batch]:
    """Batches of all lines by canonical game; lines without a game come last, cut by id."""
    counts = count_by_game(source)
    batches = plan_games(counts, owners, tables=source.line_tables, batch_rows=batch_rows)
    condition, lost = homeless(counts, owners)
    if not lost:
        return batches
    if batches and lost <= batch_rows // 10:
        # A batch has a cost of its own; a few lines without a game ride along with the last one.
        return [*batches[:-1], with_lines(batches[-1], condition, lost)]
    ranges = _ranges(source, condition=condition, batch_rows=batch_rows)
    return batches + plan_lines(ranges, condition=condition, first_batch=len(batches) + 1)


def plan_by_line(source: Source, *, batch_rows: int) -> list[Batch]:
    """Batches of all lines by id, for a run that needs no games."""
    return plan_lines(_ranges(source, condition="true", batch_rows=batch_rows))


def _ranges(source: Source, *, condition: str, batch_rows: int) -> list[LineRange]:
    return [
        LineRange(tables, first, last, rows)
        for relation, where, tables in relations_of(source)
        for first, last, rows in source.snapshot.rows(ranges_query(relation, where, condition, batch_rows))
    ]


def relations_of(source: Source) -> list[tuple[str, str, tuple[str, ...]]]:
    """(relation, filter, raw tables): each relation once, with the filters of its raw tables joined."""
    by_relation: dict[str, list[SourceTable]] = {}
    for name in source.line_tables:
        by_relation.setdefault(source.tables[name].relation, []).append(source.tables[name])
    return [
        (relation, " or ".join(f"({s.where})" for s in sources), tuple(s.table.name for s in sources))
        for relation, sources in by_relation.items()
    ]


def total_lines(batches: Sequence[Batch]) -> int:
    """Lines of all batches."""
    return sum(batch.expected_rows for batch in batches)
