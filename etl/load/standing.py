"""What of a run is in: read, reopened and taken out again, for a run that goes on after it was stopped."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import ConfigurationError, ResumeRefused
from etl.load.ddl import load_relation
from etl.load.ledger import ABANDON_RUNNING
from schemas import LOADS, Table

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the ledger has it. `is_replay`: it put rejects back, and so read no source that could be read again."""

    run_id: int
    status: str
    phases: tuple[str, ...]
    layout: str
    code_version: str
    contracts_hash: str
    config_hash: str
    is_replay: bool


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch that is in.

    Attributes:
        batch_id: its number.
        read_rows: by ``zone.table``, source rows that were read.
        checksums: by raw table, `rows` and `sum` as the source's database computed them; None where they were off.
    """

    batch_id: int
    read_rows: Mapping[str, int]
    checksums: Mapping[str, Mapping[str, Any]] | None


def stored_run(connection: Connection, run_id: int) -> StoredRun:
    """The run of that number.

    Raises:
        ConfigurationError: there is none.
    """
    found = None
    if database.scalar(connection, "select to_regclass('audit.runs')::text") is not None:
        found = database.rows(
            connection,
            # NOTE: a target that no run of today's code has seen yet lacks the newer columns.
            "select status, array_to_json(phases)::text, layout, code_version, contracts_hash, config_hash, "
            f"to_jsonb(r)->>'replay' is not null from audit.runs r where run_id = {run_id}",
        )
    if not found:
        raise ConfigurationError(f"there is no run {run_id}", next_step="etl status")
    status, phases, *rest = found[0]
    return StoredRun(run_id, status, tuple(json.loads(phases)), *rest)


def reopen_run(connection: Connection, run_id: int, *, host: str, pid: int) -> None:
    """The run is running again, in this process; nobody else works for it any more. The lock must be held.

    What its last attempt found wrong is forgotten: the checks are made anew.
    """
    end_leftovers(connection, run_id)
    ours = f"status = 'running', host = {literal(host)}, pid = {pid}, message = null, finished_at = null, report = null"
    taken_up = f"update audit.runs set {ours} where run_id = {run_id}"
    database.script(connection, [ABANDON_RUNNING, taken_up, f"delete from audit.checks where run_id = {run_id}"])


def end_leftovers(connection: Connection, run_id: int) -> None:
    """Sessions that a dead run left at work (a key that is being built, say) have ended.

    Raises:
        ResumeRefused: one of them does not end.
    """
    theirs = (
        f"from pg_stat_activity where application_name = {literal(session_name(run_id))} "
        "and datname = current_database() and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + _PATIENCE_S
    while database.scalar(connection, f"select count(pg_terminate_backend(pid)) {theirs}"):
        if time.monotonic() > deadline:
            pid = database.scalar(connection, f"select min(pid) {theirs}")
            raise ResumeRefused(
                f"a session of run {run_id} (server process {pid}) is still at work",
                next_step=f"select pg_terminate_backend({pid})",
            )
        time.sleep(0.1)


def session_name(run_id: int) -> str:
    """The application_name of the sessions that work for a run."""
    return f"etl run {run_id}"


def stored_plan(connection: Connection, run_id: int) -> list[dict[str, Any]] | None:
    """The batches that the run was planned in, as :func:`store_plan` was given them; None if it never came so far."""
    found = database.scalar(connection, f"select plan::text from audit.runs where run_id = {run_id}")
    return None if found is None else list(json.loads(found))


def store_plan(connection: Connection, run_id: int, plan: Sequence[Mapping[str, Any]]) -> None:
    """Keep the plan of a run, in the place of an earlier one."""
    text = literal(json.dumps(plan))
    database.execute(connection, f"update audit.runs set plan = {text}::jsonb where run_id = {run_id}")


def committed(connection: Connection, run_id: int) -> dict[int, StoredBatch]:
    """The batches of a run that are in, by number."""
    found = database.rows(
        connection,
        f"select batch_id, counts::text, checksums::text from audit.batches where run_id = {run_id} order by 1",
    )
    return {
        int(batch_id): StoredBatch(
            int(batch_id),
            {name: int(counted["read"]) for name, counted in json.loads(counts).items()},
            None if checksums is None else json.loads(checksums),
        )
        for batch_id, counts, checksums in found
    }


def is_in(connection: Connection, run_id: int, batch_id: int) -> bool:
    """Whether a batch is in."""
    where = f"run_id = {run_id} and batch_id = {batch_id}"
    return bool(database.scalar(connection, f"select exists (select from audit.batches where {where})"))


def has_loads(connection: Connection, run_id: int, tables: Sequence[Table]) -> bool:
    """Whether the load tables of a run exist; they are made all at once.

    Raises:
        ResumeRefused: they did, and were dropped since.
    """
    entered = database.scalar(connection, f"select count(*) from audit.loads where load_id = {run_id}")
    if not entered:
        return False
    names = [f"{LOADS}.{load_relation(table, run_id)}" for table in tables]
    gone = database.rows(
        connection, f"select n from unnest({literal(names)}::text[]) n where to_regclass(n) is null order by 1"
    )
    if gone:
        raise ResumeRefused(
            f"run {run_id} cannot be gone on with: {len(gone)} of its loads were dropped, {gone[0][0]} among them",
            next_step="etl run",
        )
    return True


def take_out(connection: Connection, run_id: int, batches: Sequence[int], tables: Sequence[Table]) -> None:
    """Some batches of a run are out again: their rows, their rejects and their entries, in one transaction.

    Keys from one load of the run to another must not stand in the way: see :func:`etl.load.seal.unseal`.
    """
    if not batches:
        return
    those = f"batch_id = any({literal(list(batches))})"
    rows = [f"delete from {name} where {those}" for name in _relations(run_id, tables)]
    database.script(connection, [*rows, *_forget(run_id, those)])


def empty(connection: Connection, run_id: int, tables: Sequence[Table]) -> None:
    """All batches of a run are out again, and so is its plan, in one transaction."""
    unplanned = f"update audit.runs set plan = null where run_id = {run_id}"
    rows = f"truncate {', '.join(_relations(run_id, tables))}"
    database.script(connection, [rows, *_forget(run_id, "true"), unplanned])


def _relations(run_id: int, tables: Sequence[Table]) -> list[str]:
    return [identifier(LOADS, load_relation(table, run_id)) for table in reversed(tables)]


def _forget(run_id: int, those: str) -> list[str]:
    unseen = "not exists (select from audit.sightings s where s.reject_key = r.reject_key)"
    return [
        f"delete from audit.sightings where run_id = {run_id} and {those}",
        f"delete from audit.rejects r where first_run_id = {run_id} and forgotten_runs is null and {unseen}",
        f"delete from audit.batches where run_id = {run_id} and {those}",
    ]


def published_when(connection: Connection, run_id: int) -> dict[str, int] | None:
    """``zone.table`` -> load_id of what readers saw when the run began; None if that is not known any more."""
    found = database.scalar(
        connection,
        "select map::text from audit.publications where published_at <= "
        f"(select started_at from audit.runs where run_id = {run_id}) order by publication_id desc limit 1",
    )
    return None if found is None else {str(name): int(load) for name, load in json.loads(found).items()}
