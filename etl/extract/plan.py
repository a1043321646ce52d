"""Cut the lines of a run into batches: pure arithmetic on counts, done before a row is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl.database import literal

EMPTY_GAME_ROWS = 1  # a game without lines still costs something, so that games alone are cut too


@dataclass(frozen=True, slots=True)
class Batch:
    """One unit of work: all lines of the canonical games from `first_key` to `last_key`, or a range of line ids.

    Attributes:
        batch_id: 1 and up; 0 is the reference tables.
        first_key: First canonical game, or line id.
        last_key: Last canonical game, or line id; included.
        predicate: SQL over a row of the source, by raw table; a table that is not named has nothing in the batch.
        expected_rows: Lines, known before a row is read.
        has_games: The canonical games of the range belong to the batch.
    """

    batch_id: int
    first_key: int
    last_key: int
    predicate: Mapping[str, str]
    expected_rows: int
    has_games: bool


@dataclass(frozen=True, slots=True)
class LineRange:
    """A range of line ids with `rows` lines, of the raw tables that one source relation feeds."""

    tables: tuple[str, ...]
    first_id: int
    last_id: int
    rows: int


def plan_games(
    counts: pl.DataFrame, owners: pl.DataFrame, *, tables: Sequence[str], batch_rows: int, first_batch: int = 1
) -> list[Batch]:
    """Batches of whole canonical games, even in lines; a single game may exceed `batch_rows`.

    Args:
        counts: (game_id, rows), one row for each legacy game_id that lines carry, null included.
        owners: (legacy_game_id, game_id): legacy id -> canonical game.
        tables: names of the line tables.
        batch_rows: lines that a batch should hold, at least 1.
        first_batch: batch_id of the first batch.
    """
    lines = counts.filter(pl.col("game_id").is_not_null())
    owned = owners.join(lines, left_on="legacy_game_id", right_on="game_id", how="full", coalesce=True)
    games = (
        owned.filter(pl.col("game_id").is_not_null())
        .group_by("game_id")
        .agg(rows=pl.col("rows").sum())
        .sort("game_id")
        .with_columns(weight=pl.col("rows") + EMPTY_GAME_ROWS)
    )
    if games.is_empty():
        return []
    total = int(games["weight"].sum())
    size = -(-total // -(-total // max(1, batch_rows)))
    parts = games.with_columns(part=(pl.col("weight").cum_sum() - 1) // size).partition_by("part", maintain_order=True)
    strangers = owned.filter(pl.col("game_id").is_null() | (pl.col("game_id") != pl.col("legacy_game_id")))
    return [
        _game_batch(part, strangers, tables=tables, batch_id=first_batch + number) for number, part in enumerate(parts)
    ]


def _game_batch(part: pl.DataFrame, strangers: pl.DataFrame, *, tables: Sequence[str], batch_id: int) -> Batch:
    """`strangers`: legacy ids that are not their own canonical game (game_id), or belong to none (null)."""
    first, last = int(part["game_id"][0]), int(part["game_id"][-1])
    in_range = pl.col("legacy_game_id").is_between(first, last)
    is_ours = pl.col("game_id").is_between(first, last).fill_null(value=False)
    away = strangers.filter(in_range & ~is_ours)["legacy_game_id"].sort().to_list()
    extra = strangers.filter(~in_range & is_ours)["legacy_game_id"].sort().to_list()
    condition = f"game_id between {first} and {last}"
    if away:
        condition += f" and game_id <> all({literal(away)})"
    if extra:
        condition = f"({condition}) or game_id = any({literal(extra)})"
    return Batch(batch_id, first, last, dict.fromkeys(tables, condition), int(part["rows"].sum()), has_games=True)


def homeless(counts: pl.DataFrame, owners: pl.DataFrame) -> tuple[str, int]:
    """The SQL condition of lines whose game is null or unknown, and how many they are."""
    lost = counts.join(owners, left_on="game_id", right_on="legacy_game_id", how="anti")
    unknown = lost["game_id"].drop_nulls().sort().to_list()
    condition = "game_id is null" + (f" or game_id = any({literal(unknown)})" if unknown else "")
    return condition, int(lost["rows"].sum())


def with_lines(batch: Batch, condition: str, rows: int) -> Batch:
    """The batch and, with it, the `rows` lines that keep `condition`; they must belong to no other batch."""
    predicate = {name: f"({sql}) or {condition}" for name, sql in batch.predicate.items()}
    return replace(batch, predicate=predicate, expected_rows=batch.expected_rows + rows)


def plan_lines(ranges: Sequence[LineRange], *, condition: str = "true", first_batch: int = 1) -> list[Batch]:
    """One batch for each range of line ids, restricted to the lines that keep `condition`."""
    return [
        Batch(
            batch_id=first_batch + number,
            first_key=part.first_id,
            last_key=part.last_id,
            predicate=dict.fromkeys(part.tables, f"({condition}) and id between {part.first_id} and {part.last_id}"),
            expected_rows=part.rows,
            has_games=False,
        )
        for number, part in enumerate(ranges)
    ]


def ranges_query(relation: str, where: str, condition: str, batch_rows: int) -> str:
    """The query that cuts the lines of a relation into even id ranges: first id, last id, rows."""
    numbered = f"select id, (row_number() over (order by id) - 1) / {batch_rows} as part from {relation}"
    return (
        f"select min(id)::bigint, max(id)::bigint, count(*) from ({numbered} where ({where}) and ({condition})) n "
        "group by part order by part"
    )
