"""Rejects over several runs: how long they are kept, and which runs put them back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from etl import database
from etl.database import Connection, literal


def forget_sightings(connection: Connection, run_ids: Sequence[int]) -> None:
    """What runs refused goes with their loads. A run that still has a load is left alone, whatever is asked.

    A reject that another kept run met stays, and counts the forgotten ones in `forgotten_runs`; the others go.
    """
    if not run_ids:
        return
    asked = f"{literal(sorted(set(run_ids)))}::int[]"
    # One statement, so one snapshot: each part sees the sightings as they were before.
    database.execute(
        connection,
        f"""with bare as (
            select r from unnest({asked}) r
            where not exists (select from audit.loads l where l.run_id = r and l.dropped_at is null)),
        gone as (delete from audit.sightings s using bare where s.run_id = r returning s.reject_key, s.run_id),
        met as (select reject_key, count(distinct run_id) as runs from gone group by 1),
        left_over as (
            select m.reject_key, m.runs, exists (select from audit.sightings s where s.reject_key = m.reject_key
                and s.run_id not in (select r from bare)) as is_kept from met m),
        counted as (
            update audit.rejects j set forgotten_runs = coalesce(j.forgotten_runs, 0) + o.runs
            from left_over o where o.reject_key = j.reject_key and o.is_kept)
        delete from audit.rejects j using left_over o where o.reject_key = j.reject_key and not o.is_kept""",
    )


def enter_replay(connection: Connection, run_id: int, *, raw_run: int, selection: Mapping[str, Any]) -> None:
    """A run puts rejects back. It is as old as the raw zone that it reads: nothing of it comes from a later legacy."""
    taken = f"select snapshot_at from audit.runs where run_id = {raw_run}"
    what = f"{literal(json.dumps(dict(selection)))}::jsonb"
    database.execute(
        connection, f"update audit.runs set snapshot_at = ({taken}), replay = {what} where run_id = {run_id}"
    )


def is_replay(connection: Connection, run_id: int) -> bool:
    """Whether a run put rejects back. Its batches follow no plan, so it cannot be gone on with, only begun anew."""
    # NOTE: asked before a target of an earlier version has the column.
    found = database.scalar(
        connection, f"select to_jsonb(r)->'replay' <> 'null' from audit.runs r where run_id = {run_id}"
    )
    return bool(found)
