"""The ledger: runs, loads, batches, attempts, rejects, checks. What it says is committed with what it speaks of."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl import database
from etl.database import Connection, literal
from etl.errors import Interrupted
from etl.load.copy import copy_frame
from etl.load.ddl import create_load, load_relation
from etl.report import Check
from schemas import TABLES, Table

REJECTS_AT_ONCE = 20_000  # whole rows as text: a batch that refuses all of its rows must not need their memory twice

# For the holder of the lock: whoever is still entered as running is dead, or has lost the lock and may not go on.
ABANDON_RUNNING = (
    "update audit.runs set status = 'interrupted', message = coalesce(message, 'died') where status = 'running'"
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run is, for its row in `audit.runs`."""

    phases: tuple[str, ...]
    layout: str
    code_version: str
    contracts_hash: str
    config_hash: str
    host: str
    pid: int


def begin_run(connection: Connection, facts: RunFacts) -> int:
    """Enter a new run as running; return its number. Runs that died as `running` become `interrupted`."""
    database.execute(connection, ABANDON_RUNNING)
    values = ", ".join(
        [
            literal("running"),
            f"{literal(list(facts.phases))}::text[]",
            literal(facts.layout),
            "clock_timestamp()",
            literal(facts.code_version),
            literal(facts.contracts_hash),
            literal(facts.config_hash),
            literal(facts.host),
            literal(facts.pid),
        ]
    )
    number = database.scalar(
        connection,
        "insert into audit.runs (run_id, status, phases, layout, started_at, code_version, contracts_hash, "
        f"config_hash, host, pid) select coalesce(max(run_id), 0) + 1, {values} from audit.runs returning run_id",
    )
    return int(number)


def set_snapshot(connection: Connection, run_id: int, taken_at: Any) -> None:
    """Note when the legacy snapshot was taken."""
    when = literal(taken_at.isoformat())
    database.execute(connection, f"update audit.runs set snapshot_at = {when} where run_id = {run_id}")


def end_run(
    connection: Connection,
    run_id: int,
    *,
    status: str,
    message: str,
    report: str | None,
    holder: tuple[str, int] | None = None,
) -> None:
    """Enter how a run ended; nothing is entered where it has another `holder` (host, pid) by now."""
    database.execute(
        connection,
        f"update audit.runs set status = {literal(status)}, message = {literal(message)}, "
        f"finished_at = clock_timestamp(), report = {literal(report)}::jsonb where run_id = {run_id} "
        f"and {_held_by(holder)}",
    )


def _held_by(holder: tuple[str, int] | None) -> str:
    return "true" if holder is None else f"host = {literal(holder[0])} and pid = {literal(holder[1])}"


def create_loads(connection: Connection, run_id: int, tables: Sequence[Table]) -> None:
    """Make the empty load tables of a run and enter them."""
    entries = ", ".join(
        f"({run_id}, {literal(t.full_name)}, {run_id}, {literal(load_relation(t, run_id))}, "
        f"{literal(t.fingerprint())}, clock_timestamp())"
        for t in tables
    )
    made = [statement for table in tables for statement in create_load(table, run_id)]
    entered = f"insert into audit.loads (load_id, table_name, run_id, relation, contract, created_at) values {entries}"
    database.script(connection, [*made, entered])


def set_loaded(connection: Connection, run_id: int, counts: Mapping[str, int]) -> None:
    """Enter the row counts of a run's loads, by ``zone.table``."""
    values = ", ".join(f"({literal(name)}, {count}::bigint)" for name, count in counts.items())
    database.execute(
        connection,
        f"update audit.loads l set loaded_rows = v.n from (values {values}) v(name, n) "
        f"where l.load_id = {run_id} and l.table_name = v.name",
    )


def fence(connection: Connection, run_id: int, holder: tuple[str, int] | None = None) -> None:
    """The run is still open, and stays so until this transaction ends; otherwise nothing may be committed.

    Args:
        connection: in the transaction that is to be committed.
        run_id: the run.
        holder: (host, pid) of the process that the run must still belong to; None: of any.

    Raises:
        Interrupted: somebody closed the run, or goes on with it: its coordinator is dead or was superseded.
    """
    found = database.rows(
        connection, f"select status, {_held_by(holder)} from audit.runs where run_id = {run_id} for share"
    )
    status, is_ours = found[0] if found else ("unknown", False)
    if status != "running" or not is_ours:
        state = f"{status}, no longer running" if is_ours else "gone on with by another process"
        raise Interrupted(f"run {run_id} is {state}: this batch was not written", next_step="etl status")


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch for its row in `audit.batches`.

    `counts`: by ``zone.table``, what happened to its rows. `checksums`: by raw table, `rows` and `sum` of the source's
    rows as the source's database computed them; None where none were asked for.
    """

    run_id: int
    batch_id: int
    first_key: int | None
    last_key: int | None
    read_rows: int
    loaded_rows: int
    rejected_rows: int
    collapsed_rows: int
    counts: Mapping[str, Mapping[str, float]]
    checksums: Mapping[str, Mapping[str, Any]] | None = None


def enter_batch(connection: Connection, entry: BatchEntry) -> None:
    """Enter a batch as committed; it is so when the caller's transaction is."""
    values = [
        entry.run_id, entry.batch_id, entry.first_key, entry.last_key,
        entry.read_rows, entry.loaded_rows, entry.rejected_rows, entry.collapsed_rows,
    ]  # fmt: skip
    counts = literal(json.dumps(entry.counts))
    checksums = literal(json.dumps(entry.checksums) if entry.checksums else None)
    database.execute(
        connection,
        "insert into audit.batches (run_id, batch_id, first_key, last_key, read_rows, loaded_rows, rejected_rows, "
        f"collapsed_rows, counts, checksums, committed_at) values ({', '.join(map(literal, values))}, "
        f"{counts}::jsonb, {checksums}::jsonb, clock_timestamp())",
    )


def enter_attempt(
    connection: Connection, run_id: int, batch_id: int, *, outcome: str, error: str | None, seconds: float
) -> None:
    """Enter one try at a batch; committed on its own, so a failure leaves a trace."""
    database.execute(
        connection,
        "insert into audit.attempts (run_id, batch_id, attempt, outcome, error, seconds, finished_at) "
        f"select {run_id}, {batch_id}, coalesce(max(attempt), 0) + 1, {literal(outcome)}, {literal(error)}, {seconds}, "
        f"clock_timestamp() from audit.attempts where run_id = {run_id} and batch_id = {batch_id}",
    )


def enter_rejects(connection: Connection, run_id: int, batch_id: int, rejects: Sequence[pl.DataFrame]) -> int:
    """Write what a batch refused, frames in the contract of `audit.rejects`; return how many rows that is.

    A reject that an earlier run met already is not written again: the run is entered beside it.
    """
    full = [frame for frame in rejects if not frame.is_empty()]
    if not full:
        return 0
    table, seen = TABLES["audit.rejects"], TABLES["audit.sightings"]
    every = pl.concat(full)
    database.execute(connection, "create temporary table refused (like audit.rejects) on commit drop")
    for part in every.iter_slices(REJECTS_AT_ONCE):
        copy_frame(connection, part, table, relation=("pg_temp", "refused"))
    database.execute(connection, "insert into audit.rejects select * from refused on conflict (reject_key) do nothing")
    sightings = every.group_by("reject_key").agg(copies=pl.len()).with_columns(run_id=run_id, batch_id=batch_id)
    typed = sightings.select(pl.col(name).cast(dtype) for name, dtype in seen.schema.items())
    copy_frame(connection, typed, seen, relation=(seen.zone, seen.name))
    return len(every)


def refused(run_id: int, condition: str = "true") -> str:
    """SQL for the rejects of a run, to stand after ``from``: columns of both tables, `copies` rows each."""
    joined = "select * from audit.rejects join audit.sightings using (reject_key)"
    return f"({joined} where run_id = {run_id} and ({condition})) refused"


def enter_checks(connection: Connection, run_id: int | None, checks: Iterable[Check]) -> None:
    """Write the outcome of checks."""
    values = ", ".join(
        f"({literal(run_id)}, {literal(c.zone)}, {literal(c.name)}, {literal(c.severity)}, {literal(c.passed)}, "
        f"{literal(c.expected)}, {literal(c.actual)}, {literal(c.sentence)}, clock_timestamp())"
        for c in checks
    )
    if values:
        database.execute(
            connection,
            "insert into audit.checks (run_id, zone, name, severity, passed, expected, actual, sentence, checked_at) "
            f"values {values}",
        )


def current_map(connection: Connection) -> dict[str, int]:
    """``zone.table`` -> load_id of what readers see now; empty before the first publication."""
    found = database.scalar(connection, "select map::text from audit.publications order by publication_id desc limit 1")
    return {str(name): int(load) for name, load in json.loads(found or "{}").items()}


def relations(published: Mapping[str, int]) -> dict[str, str]:
    """``zone.table`` -> name in schema `loads`, of a publication's map."""
    return {name: load_relation(TABLES[name], load_id) for name, load_id in published.items() if name in TABLES}
