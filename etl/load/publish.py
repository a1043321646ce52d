"""Publication: readers switch from one set of loads to another, all tables of all zones at once.

Four traps, each measured and each with a test: an attach is not MVCC, so snapshots older than the load's rows must
be gone first; a lock that waits holds up the readers behind it, so it waits briefly and tries again; contracts grow,
so a load of an older contract gets its missing columns before it is attached; autovacuum works on large loads for
minutes and yields only to who waits longer than `deadlock_timeout`, so loads are first taken from it, by a lock that
readers do not notice.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import DatabaseFault, ReadersInTheWay
from etl.load.ddl import load_relation
from schemas import LOADS, TABLES, Table

_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"
_POLL_S = 0.05
_YIELD_MS = 500  # beyond deadlock_timeout, when autovacuum is asked to end: time to do so


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How long a publication may wait, and how long it may make others wait."""

    wait_s: float
    lock_timeout_ms: int
    keep: int


@dataclass(frozen=True, slots=True)
class Fence:
    """The moment after the last batch's commit: snapshots taken before it must be gone before an attach."""

    xid: str
    older: tuple[tuple[int, str], ...]


def publish(
    connection: Connection, *, run_id: int, kind: str, target: Mapping[str, int], options: PublishOptions
) -> float:
    """Readers see `target` (``zone.table`` -> load_id) from now on, whole; return the seconds that it held locks.

    Args:
        connection: an autocommit session of the target's owner.
        run_id: whose loads they are.
        kind: ``publish`` or ``rollback``.
        target: the complete map of all three zones.
        options: waiting times.

    Raises:
        ReadersInTheWay: in time neither older snapshots ended nor locks could be had; nothing changed.
    """
    deadline = time.monotonic() + options.wait_s
    _await_older_snapshots(connection, _raise_fence(connection), deadline, run_id)
    attached = _attached(connection)
    # A table that the map does not name is emptied: an earlier publication is reinstated whole, without later zones.
    tables = [table for name, table in TABLES.items() if name in target or name in attached]
    aligned = _align_loads(connection, [table for table in tables if table.full_name in target], target)
    loads = sorted(
        {name for names in attached.values() for name in names}
        | {load_relation(table, target[table.full_name]) for table in tables if table.full_name in target}
    )
    statements = [
        *_take_from_autovacuum(connection, loads),
        f"set local lock_timeout = {options.lock_timeout_ms}",
        f"lock table {', '.join('only ' + identifier(t.zone, t.name) for t in tables)} in access exclusive mode",
        *aligned,  # in the same transaction: whoever reads such a load directly holds it up for as long as may be
        *(
            sql
            for table in tables
            for sql in _switch(table, target.get(table.full_name), attached.get(table.full_name, []))
        ),
        _entry(run_id, kind, target),
        f"update audit.runs set status = 'published', message = '' where run_id = {run_id}",
    ]
    relations = [(t.zone, t.name) for t in tables] + [(LOADS, load) for load in loads]
    return _attempt_until(connection, statements, relations, deadline, run_id)


def _take_from_autovacuum(connection: Connection, loads: Sequence[str]) -> list[str]:
    """Statements that end autovacuum on the loads and keep it away until the commit; who reads is not held up."""
    if not loads:
        return []
    patience = database.scalar(connection, "select setting::int from pg_settings where name = 'deadlock_timeout'")
    return [
        f"set local lock_timeout = {int(patience) + _YIELD_MS}",
        f"lock table {', '.join(f'only {identifier(LOADS, load)}' for load in loads)} in share update exclusive mode",
    ]


def _attempt_until(
    connection: Connection,
    statements: Sequence[str],
    relations: Sequence[tuple[str, str]],
    deadline: float,
    run_id: int,
) -> float:
    while True:
        began = time.perf_counter()
        try:
            database.script(connection, statements)
        except DatabaseFault as fault:
            if fault.sqlstate not in (_LOCK_NOT_AVAILABLE, _DEADLOCK):
                raise
            if time.monotonic() > deadline:
                raise _in_the_way(run_id, _lock_holders(connection, relations)) from None
            # Readers that queued behind the lock go first.
            time.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - jitter
        else:
            return time.perf_counter() - began


def _switch(table: Table, load_id: int | None, attached: Sequence[str]) -> list[str]:
    parent = identifier(table.zone, table.name)
    if load_id is None:
        return [f"alter table {parent} detach partition {identifier(LOADS, old)}" for old in attached]
    wanted = load_relation(table, load_id)
    if list(attached) == [wanted]:
        return []
    off = [f"alter table {parent} detach partition {identifier(LOADS, old)}" for old in attached if old != wanted]
    if wanted in attached:
        return off
    return [*off, f"alter table {parent} attach partition {identifier(LOADS, wanted)} for values in ({load_id})"]


def _entry(run_id: int, kind: str, target: Mapping[str, int]) -> str:
    return (
        "insert into audit.publications (publication_id, run_id, kind, map, published_at) "
        f"select coalesce(max(publication_id), 0) + 1, {run_id}, {literal(kind)}, "
        f"{literal(json.dumps(dict(target)))}::jsonb, clock_timestamp() from audit.publications"
    )


def _attached(connection: Connection) -> dict[str, list[str]]:
    found = database.rows(
        connection,
        "select pn.nspname || '.' || p.relname, c.relname from pg_inherits i join pg_class p on p.oid = i.inhparent "
        "join pg_namespace pn on pn.oid = p.relnamespace join pg_class c on c.oid = i.inhrelid "
        f"join pg_namespace cn on cn.oid = c.relnamespace where cn.nspname = {literal(LOADS)} order by 1, 2",
    )
    attached: dict[str, list[str]] = {}
    for parent, child in found:
        attached.setdefault(str(parent), []).append(str(child))
    return attached


def _align_loads(connection: Connection, tables: Sequence[Table], target: Mapping[str, int]) -> list[str]:
    """Statements that give every load to be attached all columns of its parent, null in the rows that never had it."""
    pairs = ", ".join(
        f"({literal(t.full_name)}, {literal(f'{LOADS}.{load_relation(t, target[t.full_name])}')})" for t in tables
    )
    missing = database.rows(
        connection,
        "select w.child, a.attname, format_type(a.atttypid, a.atttypmod) "
        f"from (values {pairs}) w(parent, child) join pg_attribute a on a.attrelid = to_regclass(w.parent) "
        "where a.attnum > 0 and not a.attisdropped and not exists (select from pg_attribute b "
        "where b.attrelid = to_regclass(w.child) and b.attname = a.attname and not b.attisdropped)",
    )
    return [
        f"alter table {identifier(*str(child).split('.', 1))} add column {identifier(name)} {sql_type}"
        for child, name, sql_type in missing
    ]


def _raise_fence(connection: Connection) -> Fence:
    """Note who is in a transaction now. Whoever begins later sees all that was committed."""
    xid = str(database.scalar(connection, "select pg_current_xact_id()::text"))
    older = database.rows(
        connection,
        "select l.pid, l.virtualtransaction from pg_locks l join pg_stat_activity a on a.pid = l.pid "
        "where l.locktype = 'virtualxid' and a.datname = current_database() and l.pid <> pg_backend_pid() "
        "and coalesce(a.backend_type, 'client backend') in ('client backend', 'parallel worker')",
    )
    return Fence(xid, tuple((int(pid), str(vxid)) for pid, vxid in older))


def _await_older_snapshots(connection: Connection, raised: Fence, deadline: float, run_id: int) -> None:
    if not raised.older:
        return
    listed = ", ".join(f"({pid}, {literal(vxid)})" for pid, vxid in raised.older)
    # NOTE: without pg_read_all_stats other roles' snapshots cannot be seen, only that they are in a transaction: then
    # the whole transaction is waited for. A session that is idle between statements of READ COMMITTED holds none.
    sql = (
        f"select {_WHO} from (values {listed}) w(pid, vxid) join pg_locks l on l.pid = w.pid "
        "and l.virtualtransaction = w.vxid and l.locktype = 'virtualxid' join pg_stat_activity a on a.pid = w.pid "
        f"where a.state is null or age(a.backend_xmin) >= age({literal(raised.xid)}::xid8::xid)"
    )
    while blockers := [str(who) for (who,) in database.rows(connection, sql)]:
        if time.monotonic() > deadline:
            raise _in_the_way(run_id, blockers)
        time.sleep(_POLL_S)


_WHO = (
    "format('pid %s, user %s%s%s', a.pid, coalesce(a.usename, a.backend_type), "
    "', application ' || nullif(a.application_name, ''), "
    "', in a transaction since ' || to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SSOF'))"
)


def _lock_holders(connection: Connection, relations: Sequence[tuple[str, str]]) -> list[str]:
    names = ", ".join(f"to_regclass({literal(identifier(*relation))})" for relation in relations)
    found = database.rows(
        connection,
        f"select distinct {_WHO} from pg_locks l join pg_stat_activity a on a.pid = l.pid "
        f"where l.relation in ({names}) and l.granted and l.pid <> pg_backend_pid()",
    )
    return [str(who) for (who,) in found]


def _in_the_way(run_id: int, blockers: Sequence[str]) -> ReadersInTheWay:
    who = "; ".join(blockers) or "sessions that have ended since"
    return ReadersInTheWay(
        f"run {run_id} is filled but not published: readers were in the way for too long ({who})",
        next_step=f"etl publish {run_id}",
    )
