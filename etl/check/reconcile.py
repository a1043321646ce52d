"""Conservation: every source row is accounted for, and every table has the rows that it must have."""

from collections.abc import Iterable, Mapping

from etl import database
from etl.database import Connection, identifier
from etl.report import Check, TableCount
from schemas import LOADS, TABLES

_LOOK = "look at the batches of the run: select * from audit.batches"


def source_check(zone: str, table: str, *, in_source: int, read: int) -> Check:
    """As many rows were read for a table as its source holds in the run's snapshot."""
    return Check(
        zone=zone, name=f"{table}: all rows read", passed=in_source == read, expected=f"{in_source} in the source",
        actual=f"{read} read",
        sentence="" if in_source == read else "rows were missed or read twice: nothing is published",
    )  # fmt: skip


def conservation_checks(counts: Iterable[TableCount]) -> list[Check]:
    """For each table: loaded as expected, and for a one-to-one table read = loaded + rejected + collapsed."""
    return [_conservation(count) for count in counts]


def _conservation(count: TableCount) -> Check:
    one_to_one = TABLES[f"{count.zone}.{count.table}"].one_to_one
    told = count.loaded + count.rejected + count.collapsed
    kept = count.loaded == count.expected and (not one_to_one or told == count.read)
    expected = f"{count.read} read" if one_to_one else f"{count.expected} rows"
    actual = (
        f"{count.loaded} loaded + {count.rejected} rejected + {count.collapsed} collapsed"
        if one_to_one
        else f"{count.loaded} loaded"
    )
    return Check(count.zone, f"{count.table}: conserved", kept, expected, actual, sentence="" if kept else _LOOK)


def stored_checks(connection: Connection, counts: Iterable[TableCount], relations: Mapping[str, str]) -> list[Check]:
    """For each table: the database holds as many rows as the ledger says were loaded."""
    listed = [(f"{count.zone}.{count.table}", count) for count in counts]
    parts = [f"select {n}, count(*) from {identifier(LOADS, relations[name])}" for n, (name, _) in enumerate(listed)]
    stored = {int(n): int(rows) for n, rows in database.rows(connection, " union all ".join(parts))} if parts else {}
    return [
        Check(
            count.zone, f"{count.table}: stored", stored[n] == count.loaded, f"{count.loaded} loaded",
            f"{stored[n]} stored", sentence="" if stored[n] == count.loaded else _LOOK,
        )
        for n, (_, count) in enumerate(listed)
    ]  # fmt: skip
