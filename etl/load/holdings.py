"""What schema `loads` holds: its tables, who published them, and which of them descend from which."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etl import database
from etl.database import Connection, literal
from etl.load.ddl import MARK
from schemas import LOADS

_PLACE = f"to_regclass(format('{LOADS}.%I', l.relation))"


@dataclass(frozen=True, slots=True)
class Load:
    """One table of schema `loads`.

    Attributes:
        run_id: the run that wrote it; None for an orphan, which the ledger does not know.
        table: ``zone.table``; empty for an orphan.
        relation: its name in schema `loads`.
        size_bytes: on disk, indexes included.
        reason: why it is kept, or why it could not be dropped; empty where nothing needs it.
    """

    run_id: int | None
    table: str
    relation: str
    size_bytes: int
    reason: str = ""


def loads(connection: Connection) -> list[Load]:
    """Every load that the ledger knows, newest first, then the orphans: tables of ours that it does not know."""
    known = database.rows(
        connection,
        f"select l.run_id, l.table_name, l.relation, pg_total_relation_size({_PLACE}) from audit.loads l "
        f"where l.dropped_at is null and {_PLACE} is not null order by 1 desc, 2",
    )
    orphans = database.rows(
        connection,
        "select c.relname, pg_total_relation_size(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        f"where n.nspname = {literal(LOADS)} and c.relkind = 'r' "
        f"and starts_with(obj_description(c.oid, 'pg_class'), {literal(MARK)}) and not exists "
        "(select from audit.loads l where l.relation = c.relname and l.dropped_at is null) order by 1",
    )
    return [Load(int(run), str(table), str(relation), int(size)) for run, table, relation, size in known] + [
        Load(None, "", str(relation), int(size)) for relation, size in orphans
    ]


def forget_missing(connection: Connection) -> None:
    """Loads whose tables somebody else dropped are entered as dropped."""
    entered = "update audit.loads l set dropped_at = clock_timestamp()"
    database.execute(connection, f"{entered} where l.dropped_at is null and {_PLACE} is null")


def attached(connection: Connection) -> list[str]:
    """The loads that readers see."""
    found = database.rows(
        connection,
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n "
        f"on n.oid = c.relnamespace where n.nspname = {literal(LOADS)}",
    )
    return [str(relation) for (relation,) in found]


def publications(
    connection: Connection, by_key: Mapping[tuple[str, int | None], str], keep: int
) -> Iterator[tuple[str, list[str]]]:
    """(reason, loads) of the current publication and of `keep` earlier ones that differ and can be had back whole."""
    found = database.rows(
        connection,
        "select distinct on (map) publication_id, run_id, map::text from audit.publications "
        "order by map, publication_id desc",
    )
    earlier = keep + 1
    for publication_id, run_id, text in sorted(found, reverse=True):
        wanted = [(str(name), int(load)) for name, load in json.loads(text).items()]
        if earlier and all(key in by_key for key in wanted):
            earlier -= 1
            yield f"publication {publication_id} (run {run_id}) is kept for rollback", [by_key[key] for key in wanted]


def published_with(connection: Connection, run_id: int, by_key: Mapping[tuple[str, int | None], str]) -> list[str]:
    """Every load of every publication of a run, its own and those of the zones that it did not write."""
    found = database.rows(
        connection,
        "select distinct m.key, m.value::int from audit.publications p, jsonb_each_text(p.map) m "
        f"where p.run_id = {run_id}",
    )
    return [by_key[name, load] for name, load in found if (name, load) in by_key]


def runs(connection: Connection) -> list[tuple[int, str, bool]]:
    """(number, status, whether it is pinned) of every run."""
    found = database.rows(connection, "select run_id, status, pinned_at is not null from audit.runs order by 1")
    return [(int(run_id), str(status), bool(is_pinned)) for run_id, status, is_pinned in found]


def references(connection: Connection) -> dict[str, set[str]]:
    """Load -> the loads that its foreign keys refer to."""
    found = database.rows(
        connection,
        "select c.relname, f.relname from pg_constraint k join pg_class c on c.oid = k.conrelid "
        "join pg_class f on f.oid = k.confrelid join pg_namespace n on n.oid = c.relnamespace join pg_namespace m "
        f"on m.oid = f.relnamespace where k.contype = 'f' and {literal(LOADS)} = all (array[n.nspname, m.nspname])",
    )
    references: dict[str, set[str]] = {}
    for child, parent in found:
        references.setdefault(str(child), set()).add(str(parent))
    return references
