"""Content of the raw zone: what a run loaded and rejected, summed in the target, against what the legacy summed.

The legacy's sums were made in the legacy, under the run's snapshot, and entered with each batch in
`audit.batches.checksums`: by ``zone.table``, `rows`, `sum` (decimal text), `fold` and `texts` (see `etl.rowhash`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl import database
from etl.database import Connection, identifier, literal
from etl.report import Check
from etl.rowhash import SETTINGS, Checksum, Fold, loaded_hash, refused_hash, row_hash
from schemas import LOADS, TABLES

ZONE = "raw_data"
STRAYS = f"{ZONE}.no_market"  # lines of no market: no table takes them, and all of them are rejects
_SHOWN = 3
_NOTHING = Checksum(0, 0)


@dataclass(frozen=True, slots=True)
class Way:
    """How sums of a table were made. A run that was gone on with after a change of servers may hold two."""

    fold: Fold
    texts: tuple[str, ...] = ()


def as_entry(checksum: Checksum, fold: Fold, texts: Sequence[str]) -> dict[str, Any]:
    """A checksum as it stands in `audit.batches.checksums`."""
    return {"rows": checksum.rows, "sum": str(checksum.total), "fold": str(fold), "texts": list(texts)}


def checksum_checks(connection: Connection, run_id: int, relations: Mapping[str, str]) -> list[Check]:
    """For each raw table of which the run noted sums: batch by batch, what is in the target is what the legacy had.

    Args:
        connection: in a transaction of the target, whose settings are changed until its end.
        run_id: the run that wrote the loads.
        relations: ``zone.table`` -> name in schema `loads`.
    """
    noted, silent = _noted(connection, run_id), _silent(connection, run_id)
    for statement in SETTINGS if noted else ():
        database.execute(connection, statement)
    order = [*TABLES, STRAYS]
    return [
        _verdict(name, noted[name], _without(silent, _stored(connection, name, noted[name], run_id, relations)))
        for name in sorted(noted, key=order.index)
        if name == STRAYS or name in relations
    ]


def legacy_checks(
    connection: Connection,
    legacy: Mapping[str, tuple[Way, Checksum]],
    runs: Mapping[str, int],
    relations: Mapping[str, str],
) -> list[Check]:
    """For each raw table: what was loaded and rejected of it is what the legacy holds now, noted sums left aside.

    Args:
        connection: in a transaction of the target, whose settings are changed until its end.
        legacy: ``zone.table`` -> how the legacy has summed all of it, and the sum.
        runs: ``zone.table`` -> the run that wrote its load.
        relations: ``zone.table`` -> name in schema `loads`.
    """
    for statement in SETTINGS:
        database.execute(connection, statement)
    return [
        _comparison(name, held, _summed(connection, name, way, runs[name], relations))
        for name, (way, held) in legacy.items()
    ]


def _summed(connection: Connection, name: str, way: Way, run_id: int, relations: Mapping[str, str]) -> Checksum:
    query = _stray_sums(way, run_id) if name == STRAYS else _sums(name, way, run_id, relations[name])
    parts = [(int(rows), int(total)) for _, rows, total in database.rows(connection, query)]
    return Checksum(sum(rows for rows, _ in parts), sum(total for _, total in parts))


def _comparison(name: str, held: Checksum, kept: Checksum) -> Check:
    zone, _, table = name.partition(".")
    changed = "the legacy has changed since this load was read: etl run, and freeze the legacy before a cutover"
    return Check(
        zone, f"{table}: legacy now", held == kept, f"{_told(held)} in the legacy",
        f"{_told(kept)} loaded and rejected", sentence="" if held == kept else changed,
    )  # fmt: skip


def _noted(connection: Connection, run_id: int) -> dict[str, dict[int, tuple[Way, Checksum]]]:
    """What the legacy had: ``zone.table`` -> batch -> how it was summed, and the sum."""
    found = database.rows(
        connection,
        "select c.key, b.batch_id, c.value::text from audit.batches b, jsonb_each(b.checksums) c "
        f"where b.run_id = {run_id} order by 1, 2",
    )
    noted: dict[str, dict[int, tuple[Way, Checksum]]] = {}
    for name, batch_id, text in found:
        entry = json.loads(text)
        way = Way(Fold(entry["fold"]), tuple(entry["texts"]))
        noted.setdefault(str(name), {})[int(batch_id)] = way, Checksum(int(entry["rows"]), int(entry["sum"]))
    return noted


def _silent(connection: Connection, run_id: int) -> set[int]:
    """Batches that were not read from the legacy, or without sums."""
    found = database.rows(
        connection, f"select batch_id from audit.batches where run_id = {run_id} and checksums is null"
    )
    return {int(batch_id) for (batch_id,) in found}


def _without(silent: Collection[int], stored: Mapping[int, Checksum]) -> dict[int, Checksum]:
    return {batch: checksum for batch, checksum in stored.items() if batch not in silent}


def _stored(
    connection: Connection,
    name: str,
    noted: Mapping[int, tuple[Way, Checksum]],
    run_id: int,
    relations: Mapping[str, str],
) -> dict[int, Checksum]:
    """What the target has, by batch: rows of the load and rejects, each hashed as the legacy hashed that batch."""
    found: dict[int, Checksum] = {}
    ways = dict.fromkeys(way for way, _ in noted.values())
    for way in ways:
        query = _stray_sums(way, run_id) if name == STRAYS else _sums(name, way, run_id, relations[name])
        sums = {int(b): Checksum(int(n), int(total)) for b, n, total in database.rows(connection, query)}
        found |= {batch: got for batch, got in sums.items() if batch not in noted or noted[batch][0] == way}
    return found


def _sums(name: str, way: Way, run_id: int, relation: str) -> str:
    table = TABLES[name]
    loaded = loaded_hash(table, way.texts, way.fold)
    return _grouped(
        f"select t.batch_id, count(*) as n, sum({loaded}) as total from {identifier(LOADS, relation)} t group by 1 "
        f"union all {_refused(name, run_id, refused_hash(table, way.texts, way.fold))}"
    )


def _stray_sums(way: Way, run_id: int) -> str:
    return _grouped(_refused(STRAYS, run_id, stray_hash("x", way.fold)))


def stray_hash(row: str, fold: Fold) -> str:
    """SQL for the hash of a line of no market; `row`: SQL of all of it as jsonb."""
    return row_hash([f'({row})::text collate "C"'], f"({row})->>'id'", fold)


def _refused(name: str, run_id: int, row: str) -> str:
    """Rejects of a run by batch; `row`: SQL of the hash of one, over `x`, the row, and `u`, texts that did not fit."""
    zone, _, table = name.partition(".")
    return (
        f"select s.batch_id, sum(s.copies) as n, sum(s.copies * ({row})::numeric) as total from audit.sightings s "
        # NOTE: `offset 0` keeps the text from being parsed again for each column.
        "join audit.rejects r using (reject_key) "
        "cross join lateral (select r.row as x, (r.row->>'unfit')::jsonb as u offset 0) kept "
        f"where s.run_id = {run_id} and r.zone = {literal(zone)} and r.table_name = {literal(table)} group by 1"
    )


def _grouped(parts: str) -> str:
    return f"select batch_id, sum(n)::bigint, sum(total)::text from ({parts}) g group by 1"


def _verdict(name: str, noted: Mapping[int, tuple[Way, Checksum]], stored: Mapping[int, Checksum]) -> Check:
    wanted = {batch: checksum for batch, (_, checksum) in noted.items()}
    wrong = [b for b in sorted({*wanted, *stored}) if wanted.get(b, _NOTHING) != stored.get(b, _NOTHING)]
    whole = [_whole(sums, wrong) for sums in (wanted, stored)]
    zone, _, table = name.partition(".")
    return Check(
        zone, f"{table}: checksum", not wrong, f"{whole[0]} in the legacy", f"{whole[1]} loaded and rejected",
        sentence=f"rows of {_batches(wrong)} are not the legacy's: the run must not be published; etl doctor tries the "
        "path that values take"
        if wrong
        else "",
    )  # fmt: skip


def _whole(sums: Mapping[int, Checksum], wrong: Sequence[int]) -> str:
    """All of it where it is right, else the first batches that are not."""
    if wrong:
        return "; ".join(f"batch {b}: {_told(sums.get(b, _NOTHING))}" for b in wrong[:_SHOWN])
    return _told(Checksum(sum(s.rows for s in sums.values()), sum(s.total for s in sums.values())))


def _told(checksum: Checksum) -> str:
    return f"{checksum.rows} rows with sum {checksum.total}"


def _batches(wrong: Sequence[int]) -> str:
    more = f" and {len(wrong) - _SHOWN} more batches" if len(wrong) > _SHOWN else ""
    return f"batch {', '.join(map(str, wrong[:_SHOWN]))}{more}"
