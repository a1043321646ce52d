"""What a run changed, or would change, for readers: its loads against those before them, in one snapshot."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from etl import database
from etl.check.compare import Difference, compare
from etl.database import Connection, identifier, literal
from etl.errors import ConfigurationError
from etl.load import ledger
from etl.runner.switch import require_ledger
from schemas import LOADS, TABLES

THE_SAME = "one and the same load"
_RUN_FACTS = ("run", "status", "snapshot_at", "code_version", "contracts_hash", "config_hash")


@dataclass(frozen=True, slots=True)
class TableDiff:
    """One table of a diff. `note` says why it was not compared; then `difference` is None."""

    table: str
    load_before: int | None
    load_after: int
    difference: Difference | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Diff:
    """A run against what was, or is, before it. `before` and `after`: facts of the runs whose loads are compared."""

    after: dict[str, Any]
    before: list[dict[str, Any]]
    tables: tuple[TableDiff, ...]

    @property
    def same(self) -> bool:
        """Nothing differs in any table, and none was left out."""
        return all(t.note == THE_SAME if t.difference is None else t.difference.same for t in self.tables)

    def as_dict(self) -> dict[str, Any]:
        """The diff as plain data."""
        return asdict(self) | {"same": self.same}


def diff(
    target_url: str, run_id: int | None, against: int | None, *, tables: Sequence[str] = (), limit: int = 5
) -> Diff:
    """Compare the loads of a run with the ones before.

    Args:
        target_url: of the target.
        run_id: the run; None: the newest one that is filled and not published, else the one that readers see.
        against: a run, with what was published beside its own loads; None: what readers see where `run_id` is not
            published, else the publication before its.
        tables: ``zone.table`` or bare names; none: all that the run wrote.
        limit: examples for each table.

    Raises:
        ConfigurationError: a run or table is unknown, or there is nothing to compare with.
    """
    with database.session(target_url, autocommit=True, name="etl diff") as connection:
        require_ledger(connection)
        with _snapshot(connection):
            after_run = run_id if run_id is not None else _default_run(connection)
            own = _loads_of(connection, after_run)
            before = _before(connection, after_run) if against is None else _shown_with(connection, against)
            if after_run == against:
                raise ConfigurationError(f"run {after_run} is compared with itself", next_step="etl history")
            chosen = [name for name in TABLES if name in own and _is_asked(name, tables)]
            _require(chosen, own, tables, after_run)
            made = tuple(_one(connection, name, after_run, before.get(name), limit) for name in chosen)
            if not any(t.difference is not None or t.note == THE_SAME for t in made):
                raise ConfigurationError(
                    f"run {after_run} has nothing to be compared with: {made[0].note}", next_step="etl history"
                )
            runs = sorted({t.load_before for t in made if t.load_before is not None}, reverse=True)
            return Diff(_facts(connection, after_run), [_facts(connection, run) for run in runs], made)


@contextmanager
def _snapshot(connection: Connection) -> Iterator[None]:
    """One view of all loads. Texts of both sides are made alike, and hashes of a million rows fit into memory."""
    database.execute(connection, "begin isolation level repeatable read")
    settings = ("timezone = 'UTC'", "datestyle = 'ISO'", "extra_float_digits = 1", "work_mem = '128MB'")
    database.script(connection, [f"set local {setting}" for setting in settings])
    yield
    database.execute(connection, "rollback")


def _default_run(connection: Connection) -> int:
    filled = database.scalar(
        connection,
        "select max(run_id) from audit.runs where status = 'filled' "
        "and run_id > (select coalesce(max(run_id), 0) from audit.publications)",
    )
    newest = "select run_id from audit.publications order by publication_id desc limit 1"
    found = filled or database.scalar(connection, newest)
    if found is None:
        raise ConfigurationError("no run of this target is filled or published", next_step="etl history")
    return int(found)


def _loads_of(connection: Connection, run_id: int) -> list[str]:
    found = database.rows(connection, f"select table_name from audit.loads where run_id = {run_id}")
    if not found:
        raise ConfigurationError(f"there is no run {run_id} with loads in this target", next_step="etl history")
    return [str(name) for (name,) in found]


def _before(connection: Connection, run_id: int) -> dict[str, int]:
    """What readers see, for a run that was never published; else what they saw before its latest publication."""
    latest = database.scalar(connection, f"select max(publication_id) from audit.publications where run_id = {run_id}")
    if latest is None:
        return ledger.current_map(connection)
    before = f"select max(publication_id) from audit.publications where publication_id < {latest}"
    found = _map(connection, f"publication_id = ({before})")
    if not found:
        raise ConfigurationError(
            f"nothing was published before run {run_id}", next_step=f"etl diff {run_id} --against RUN"
        )
    return found


def _shown_with(connection: Connection, run_id: int) -> dict[str, int]:
    """The loads of a run and, where it was published, those of the tables that it did not write."""
    own = dict.fromkeys(_loads_of(connection, run_id), run_id)
    latest = f"select max(publication_id) from audit.publications where run_id = {run_id}"
    return _map(connection, f"publication_id = ({latest})") | own


def _map(connection: Connection, condition: str) -> dict[str, int]:
    found = database.rows(
        connection,
        f"select m.key, m.value::int from audit.publications p, jsonb_each_text(p.map) m where p.{condition}",
    )
    return {str(name): int(load) for name, load in found}


def _is_asked(name: str, tables: Sequence[str]) -> bool:
    return not tables or name in tables or name.partition(".")[2] in tables


def _require(chosen: Sequence[str], own: Sequence[str], tables: Sequence[str], run_id: int) -> None:
    unknown = [asked for asked in tables if not any(_is_asked(name, [asked]) for name in chosen)]
    if unknown:
        raise ConfigurationError(
            f"run {run_id} wrote no table {', '.join(unknown)}: its tables are {', '.join(sorted(own))}",
            next_step=f"etl show {run_id}",
        )


def _one(connection: Connection, name: str, after: int, before: int | None, limit: int) -> TableDiff:
    table = TABLES[name]
    relations = {load: ledger.relations({name: load})[name] for load in (after, before) if load is not None}
    gone = [load for load, relation in relations.items() if not _exists(connection, relation)]
    if before is None or gone:
        note = f"the load of run {', '.join(map(str, gone))} was dropped" if gone else "no load before it"
        return TableDiff(name, before, after, None, note)
    if before == after:
        return TableDiff(name, before, after, None, THE_SAME)
    places = [identifier(LOADS, relations[load]) for load in (before, after)]
    key = table.key if table.keyed else ()
    return TableDiff(name, before, after, compare(connection, places[0], places[1], key, limit=limit))


def _exists(connection: Connection, relation: str) -> bool:
    return bool(database.scalar(connection, f"select to_regclass({literal(identifier(LOADS, relation))}) is not null"))


def _facts(connection: Connection, run_id: int) -> dict[str, Any]:
    columns = ", ".join(name for name in _RUN_FACTS if name != "run")
    found: Sequence[tuple[Any, ...]] = database.rows(
        connection, f"select run_id, {columns} from audit.runs where run_id = {run_id}"
    )
    return dict(zip(_RUN_FACTS, found[0], strict=True)) if found else {"run": run_id}
