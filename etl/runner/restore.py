"""Restore: a backup of our tables back into a target, proved, in one transaction. Other tables are not touched."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import ConfigurationError, ForeignObject, NotConserved
from etl.load import ddl
from etl.load.lock import hold_lock
from etl.runner.archive import Archive, open_archive, script_of
from etl.runner.backup import our_tables, tools_for
from etl.runner.sessions import require_whole_sessions
from etl.server.psql import Transaction, transaction
from schemas import LOADS, TABLES

_DROP_WAIT = "30s"
_WITH_TRANSACTION_TIMEOUT = 17  # pg_restore sets it from this version on, and older servers do not know it


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. `run` is the last run in it, `published` the run that readers see; 0 for none."""

    file: Path
    tables: int
    rows: int
    run: int
    published: int
    seconds: float
    warnings: tuple[str, ...]


def restore(url: str, file: Path, *, force: bool, verify: bool, bin_dir: str) -> Restored:
    """The tables of a backup are in the target, as they were; or the error says why not, and nothing was changed.

    Args:
        url: of the target.
        file: a backup.
        force: tables of ours that are there already are dropped, in the same transaction.
        verify: publication and row counts must agree with the ledger before anything is committed.
        bin_dir: folder of the client programs, if one is named.

    Raises:
        LockHeld: a run works on the target.
        ConfigurationError: the file is no backup of ours, the target holds tables of ours, or no program fits.
        ForeignObject: a table that is not ours stands where one of the backup's should be.
        BackupFailed: the file is damaged, or the server refused it.
        NotConserved: what came back is not what the ledger in it says.
    """
    began = time.perf_counter()
    with hold_lock(url), database.session(url, autocommit=True) as connection:
        require_whole_sessions(url)
        archive = open_archive(file, tools_for(connection, bin_dir))
        ours = our_tables(connection)
        _require_room(connection, archive, ours, force=force)
        unknown = _unknown_statements(connection)
        with transaction(archive.tools.program("psql"), url) as script:
            _prepare(script, connection, ours)
            with script_of(archive, "--no-owner", "--no-privileges", "--no-tablespaces") as stream:
                script.copy_from(stream, leave_out=unknown)
            script.ask("select 1")  # all of it has arrived
            rows = _proved(script) if verify else 0
            _grant(script, archive)
            warnings = tuple(script.warnings())
            script.commit()
        _analyze(connection)
        run, published = database.rows(connection, _LAST)[0]
    seconds = round(time.perf_counter() - began, 3)
    return Restored(file, len(archive.tables), rows, int(run), int(published), seconds, warnings)


_LAST = (
    "select (select coalesce(max(run_id), 0) from audit.runs), coalesce((select run_id from audit.publications "
    "order by publication_id desc limit 1), 0)"
)


def our_tables_in(url: str) -> int:
    """How many tables of ours a target holds."""
    with database.session(url, autocommit=True) as connection:
        return len(our_tables(connection))


def _require_room(connection: Connection, archive: Archive, ours: Sequence[tuple[str, str]], *, force: bool) -> None:
    listed = ", ".join(f"({literal(schema)}, {literal(name)})" for schema, name in sorted(archive.tables))
    taken = database.rows(
        connection,
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        f"where (n.nspname, c.relname) in ({listed}) order by 1, 2",
    )
    foreign = [f"{schema}.{name}" for schema, name in taken if (schema, name) not in set(ours)]
    if foreign:
        raise ForeignObject(
            f"{', '.join(foreign[:5])} exists in the target and was not made by etl; nothing was changed",
            next_step="rename or move that table, or give another database in ETL_TARGET_URL",
        )
    if ours and not force:
        raise ConfigurationError(
            f"the target holds {len(ours)} tables of etl already; nothing was changed",
            next_step="etl restore FILE --force drops them first; or give another database in ETL_TARGET_URL",
        )


def _unknown_statements(connection: Connection) -> list[bytes]:
    """Lines at the head of a script of pg_restore that an older server does not know."""
    number = int(database.scalar(connection, "select current_setting('server_version_num')"))
    return [b"SET transaction_timeout = 0;"] if number // 10_000 < _WITH_TRANSACTION_TIMEOUT else []


def _prepare(script: Transaction, connection: Connection, ours: Sequence[tuple[str, str]]) -> None:
    """Schemas are there, and tables of ours are not. Views of others on them stop the restore: they are not ours."""
    have = {str(name) for (name,) in database.rows(connection, "select nspname from pg_namespace")}
    missing = [name for name in ddl.SCHEMAS if name not in have]
    statements = [f"set local lock_timeout = {literal(_DROP_WAIT)}"]
    statements += [f"create schema {identifier(name)}" for name in missing]
    if ours:
        statements.append(f"drop table {', '.join(identifier(schema, name) for schema, name in ours)}")
    script.ask(";\n".join([*statements, "select 1"]))


def _grant(script: Transaction, archive: Archive) -> None:
    """Grants come back as far as their roles exist here; of the others the server warns."""
    if not archive.grants:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".list") as wanted:
        wanted.write("\n".join(archive.grants) + "\n")
        wanted.flush()
        with script_of(archive, f"--use-list={wanted.name}") as stream:
            lines = stream.read().decode().splitlines()
    for grant in (line.rstrip(";") for line in lines if line.startswith("GRANT ")):
        body = (
            f"begin {grant}; exception when undefined_object then raise warning '%: %', {literal(grant)}, sqlerrm; end"
        )
        script.ask(f"do {literal(body)}")


def _proved(script: Transaction) -> int:
    """Readers see all that the ledger says, and every load holds as many rows as it says; return how many rows.

    Raises:
        NotConserved: something differs.
    """
    wrong = script.ask(_NOT_PUBLISHED)
    counts = [
        f"select {literal(relation)}, {loaded}::bigint, (select count(*) from {identifier(LOADS, relation)})"
        for relation, loaded in (line.rsplit(" ", 1) for line in script.ask(_COUNTED))
    ]
    if counts:
        differ = "select format('%s has %s rows instead of %s', name, held, loaded)"
        every = f"({' union all '.join(counts)}) c(name, loaded, held)"
        wrong += script.ask(f"{differ} from {every} where held <> loaded")
    if wrong:
        raise NotConserved(
            f"the backup is not what its own ledger says, and nothing was changed: {'; '.join(wrong[:5])}",
            next_step="restore an earlier backup, or accept it: etl restore FILE --no-verify",
        )
    return sum(int(line.rsplit(" ", 1)[1]) for line in script.ask(_COUNTED))


_PUBLISHED = (
    "select t.key as table_name, t.value::int as load_id from (select map from audit.publications "
    "order by publication_id desc limit 1) p, jsonb_each_text(p.map) t"
)
_NOT_PUBLISHED = (
    "select format('%s of run %s is not attached', p.table_name, p.load_id) "
    f"from ({_PUBLISHED}) p left join audit.loads l using (table_name, load_id) where not exists ("
    "select from pg_inherits where inhparent = to_regclass(p.table_name) "
    f"and inhrelid = to_regclass(format('{LOADS}.%I', l.relation)))"
)
_COUNTED = (
    "select relation || ' ' || loaded_rows from audit.loads where dropped_at is null and loaded_rows is not null "
    f"and to_regclass(format('{LOADS}.%I', relation)) is not null order by 1"
)


def _analyze(connection: Connection) -> None:
    """The planner knows what came back: a dump holds no statistics."""
    found = database.rows(connection, "select table_name, load_id from audit.loads where dropped_at is null")
    for name, load_id in found:
        table = TABLES.get(str(name))
        place = f"{LOADS}.{ddl.load_relation(table, int(load_id))}" if table else ""
        if table and database.scalar(connection, f"select to_regclass({literal(place)})::text"):
            database.execute(connection, ddl.analyze_load(table, int(load_id)))
