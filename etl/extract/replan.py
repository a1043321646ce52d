"""Plan again for a source that went on living: what a stored plan says, and the lines that it does not know of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from etl.extract.plan import Batch, LineRange, plan_lines, ranges_query
from etl.extract.source import Source, relations_of


def to_plain(batches: Iterable[Batch]) -> list[dict[str, Any]]:
    """Batches as plain data, for the ledger."""
    return [asdict(batch) for batch in batches]


def from_plain(stored: Iterable[Mapping[str, Any]]) -> list[Batch]:
    """The batches that :func:`to_plain` was given."""
    return [Batch(**given) for given in stored]


def plan_rest(source: Source, batches: Sequence[Batch], *, batch_rows: int, first_batch: int) -> list[Batch]:
    """Batches of the lines that no given batch reads: ranges of ids have gaps and an end, and games come and go.

    In a run that resolves games these are lines without a known game, for every game has its batch.
    """
    made: list[Batch] = []
    for relation, where, tables in relations_of(source):
        condition = _uncovered([batch for batch in batches if tables[0] in batch.predicate], tables[0])
        found = source.snapshot.rows(ranges_query(relation, where, condition, batch_rows))
        ranges = [LineRange(tables, first, last, rows) for first, last, rows in found]
        made += plan_lines(ranges, condition=condition, first_batch=first_batch + len(made))
    return made


def _uncovered(batches: Sequence[Batch], table: str) -> str:
    """SQL for rows of `table` that no batch reads."""
    plain = sorted(
        (batch.first_key, batch.last_key) for batch in batches if batch.predicate[table] == _whole_range(batch)
    )
    others = [batch.predicate[table] for batch in batches if batch.predicate[table] != _whole_range(batch)]
    # Ranges are told by their gaps, which an index finds, instead of being asked of every row one by one.
    between = [f"(id > {last} and id < {first})" for (_, last), (first, _) in pairwise(plain)]
    gaps = [f"id < {plain[0][0]}", *between, f"id > {plain[-1][1]}"] if plain else ["true"]
    unread = [f"({' or '.join(gaps)})", *(f"({predicate}) is not true" for predicate in others)]
    return " and ".join(unread)


def _whole_range(batch: Batch) -> str:
    return f"(true) and id between {batch.first_key} and {batch.last_key}"
