"""Retention: which loads are kept and why, and the drop of those that nobody needs. The reasons are in ADR 0014."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import DatabaseFault, PermissionMissing
from etl.load import holdings
from etl.load.holdings import Load
from etl.load.rejects import forget_sightings
from schemas import LOADS

LOCK_TIMEOUT_MS = 100  # others wait that long behind a drop that waits itself
_IN_USE = {"55P03": "in use: another session holds a lock on it", "40P01": "in use: a deadlock was broken"}
_TURN = "hashtext('etl retention'), hashtext(current_database())"


@dataclass(frozen=True, slots=True)
class Plan:
    """What retention would do: loads to keep, each with its reason, and loads to drop, those that refer first."""

    kept: tuple[Load, ...]
    stale: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention did: loads dropped, kept and left (not needed, but not to be had now), with their reasons."""

    dropped: tuple[Load, ...]
    kept: tuple[Load, ...]
    left: tuple[Load, ...]

    def notices(self) -> list[str]:
        """The outcome in sentences for people; none where nothing was to be dropped."""
        said = [f"{len(self.dropped)} tables of older loads were dropped"] if self.dropped else []
        named = ", ".join(f"{LOADS}.{load.relation}" for load in self.left[:3])
        more = f" and {len(self.left) - 3} more" if len(self.left) > 3 else ""  # noqa: PLR2004 - as many as are named
        return [*said, *([f"left for the next etl prune: {named}{more} ({self.left[0].reason})"] if self.left else [])]


@contextmanager
def turn(connection: Connection) -> Iterator[None]:
    """Nobody else prunes or pins until the end: what was pinned before a prune is seen by it."""
    database.execute(connection, f"select pg_advisory_lock({_TURN})")
    try:
        yield
    finally:
        database.execute(connection, f"select pg_advisory_unlock({_TURN})")


def plan(connection: Connection, *, keep: int, unfinished: bool = False) -> Plan:
    """What is kept and what nobody needs.

    Args:
        connection: an autocommit session of the target.
        keep: earlier publications whose loads are kept for rollback, besides the one that readers see.
        unfinished: loads of runs that were not published count for nothing, even if they are newer than the last
            publication.
    """
    loads = holdings.loads(connection)
    reasons: dict[str, str] = {}
    for reason, wanted in _wanted(connection, loads, keep=keep, unfinished=unfinished):
        for relation in wanted:
            reasons.setdefault(relation, reason)  # the first one counts
    references = holdings.references(connection)
    _keep_ancestors(reasons, references)
    kept = tuple(replace(load, reason=reasons[load.relation]) for load in loads if load.relation in reasons)
    stale = [load for load in loads if load.relation not in reasons]
    return Plan(kept, tuple(_referring_first(stale, references)))


def _wanted(
    connection: Connection, loads: Sequence[Load], *, keep: int, unfinished: bool
) -> Iterator[tuple[str, Iterable[str]]]:
    """(reason, loads) of all that is wanted for itself, the strongest reason first."""
    by_key = {(load.table, load.run_id): load.relation for load in loads}
    own: dict[int | None, list[str]] = {}
    for load in loads:
        own.setdefault(load.run_id, []).append(load.relation)
    yield "readers see it", holdings.attached(connection)
    yield from holdings.publications(connection, by_key, keep)
    newest = int(database.scalar(connection, "select coalesce(max(run_id), 0) from audit.publications"))
    for run_id, status, is_pinned in holdings.runs(connection):
        if is_pinned:
            published = holdings.published_with(connection, run_id, by_key)
            yield f"run {run_id} is pinned", [*own.get(run_id, []), *published]
        if run_id > newest and not unfinished:
            yield f"run {run_id} is {status} and newer than the last publication", own.get(run_id, [])


def prune(connection: Connection, *, keep: int, unfinished: bool = False) -> Pruned:
    """Drop what nobody needs. What cannot be had at once is left, with the reason, and readers are not held up.

    What a run refused is forgotten with the last of its loads.

    The caller holds the run's lock, so that no run begins, resumes or publishes meanwhile.
    """
    with turn(connection):
        holdings.forget_missing(connection)
        planned = plan(connection, keep=keep, unfinished=unfinished)
        dropped: list[Load] = []
        left: list[Load] = []
        # NOTE: a run at a time: every table and index takes a place in the server's lock table.
        for run_id in dict.fromkeys(load.run_id for load in planned.stale):
            for load, fault in _drop_run(connection, [load for load in planned.stale if load.run_id == run_id]):
                if fault is None:
                    dropped.append(load)
                else:
                    left.append(replace(load, reason=fault))
        pruned = Pruned(tuple(dropped), planned.kept, tuple(left))
        forget_sightings(connection, _emptied(connection, pruned))
    return pruned


def _drop_run(connection: Connection, loads: Sequence[Load]) -> list[tuple[Load, str | None]]:
    """Each load with why it could not be dropped: all at once where nobody is in the way, else one by one."""
    if len(loads) > 1 and _drop(connection, loads) is None:
        return [(load, None) for load in loads]
    return [(load, _drop(connection, [load])) for load in loads]


def _drop(connection: Connection, loads: Sequence[Load]) -> str | None:
    names = ", ".join(identifier(LOADS, load.relation) for load in loads)
    gone = literal([load.relation for load in loads])
    entered = (
        f"update audit.loads set dropped_at = clock_timestamp() where relation = any({gone}) and dropped_at is null"
    )
    statements = [
        f"set local lock_timeout = {LOCK_TIMEOUT_MS}",
        f"drop table if exists {names}",
        entered,
    ]
    try:
        database.script(connection, statements)
    except DatabaseFault as fault:
        return _IN_USE.get(fault.sqlstate, fault.message.partition(" (in: ")[0])
    except PermissionMissing as refused:  # another role made it; a run that is published has not failed for that
        return refused.message.partition(" CONTEXT: ")[0]
    return None


def _emptied(connection: Connection, pruned: Pruned) -> list[int]:
    """The runs that have no load any more after a prune that dropped some of theirs."""
    runs = sorted({load.run_id for load in pruned.dropped if load.run_id is not None})
    found = database.rows(
        connection,
        f"select run_id from audit.loads where run_id = any({literal(runs)}::int[]) group by 1 "
        "having bool_and(dropped_at is not null) order by 1",
    )
    return [int(run_id) for (run_id,) in found]


def _keep_ancestors(reasons: dict[str, str], references: Mapping[str, set[str]]) -> None:
    """What a kept load refers to is kept too, and what that refers to."""
    open_ = list(reasons)
    while open_:
        child = open_.pop()
        for parent in sorted(references.get(child, set()) - set(reasons)):
            reasons[parent] = f"{LOADS}.{child} descends from it"
            open_.append(parent)


def _referring_first(stale: Sequence[Load], references: Mapping[str, set[str]]) -> list[Load]:
    by_name = {load.relation: load for load in stale}
    graph: dict[str, set[str]] = {load.relation: set() for load in stale}
    for child in by_name:
        for parent in references.get(child, set()) & set(by_name):
            graph[parent].add(child)
    order = [by_name[name] for name in TopologicalSorter(graph).static_order()]
    # Newest run first: a run refers to what was published before it began. Orphans may refer to anything.
    return sorted(order, key=lambda load: (load.run_id is not None, -(load.run_id or 0)))


def set_pin(connection: Connection, run_id: int, *, on: bool) -> None:
    """The loads of a run, and those it was published with, are kept from now on, or are like any other again."""
    with turn(connection):
        since = "coalesce(pinned_at, clock_timestamp())" if on else "null"
        database.execute(connection, f"update audit.runs set pinned_at = {since} where run_id = {run_id}")
