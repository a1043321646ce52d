"""Backups: pg_dump of our tables, one by one, into a file that appears only when it is whole.

Never whole schemas: rows live in `loads`, and `curated` may hold tables of the legacy.
"""

import hashlib
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from etl import database, server
from etl.database import Connection, literal
from etl.errors import BackupFailed, ConfigurationError, EtlError
from etl.events import Notice, Observer
from etl.load.ddl import MARK, SCHEMAS
from etl.load.lock import hold_lock
from etl.passwords import child_environment, without_password
from etl.report import now
from etl.runner.archive import is_archive
from etl.runner.sessions import require_whole_sessions
from etl.settings import environment

_LOCK_WAIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """When a run takes a backup (`off`, `first`, `each_phase`), where to, how many of them are kept, and with what."""

    when: str = "off"
    folder: Path = Path("backups")
    keep: int = 3
    bin_dir: str = ""


NO_BACKUP = BackupOptions()


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is whole and on the disk. `run` is the last run in it, 0 if there was none."""

    file: Path
    bytes: int
    tables: int
    run: int
    seconds: float
    pg_dump: int


def back_up(url: str, file: Path | None, options: BackupOptions) -> Backup:
    """Take a backup of a target, to `file` or to a name of its own in the folder of backups.

    Raises:
        LockHeld: a run works on the target.
        ConfigurationError: there is nothing of ours, no fitting pg_dump, or a file that is no backup in the way.
        BackupFailed: pg_dump did not succeed; there is no file, or the one that was there before.
    """
    with hold_lock(url), database.session(url, autocommit=True) as connection:
        require_whole_sessions(url)
        if not our_tables(connection):
            name = database.scalar(connection, "select current_database()")
            raise ConfigurationError(f"database {name} holds no tables of etl", next_step="etl run")
        return _take(connection, url, file, options)


def before_run(connection: Connection, url: str, options: BackupOptions, observer: Observer) -> None:
    """What a run would write over is safe: a backup that is asked for is taken, or the run does not begin.

    Both settings take one when none of this target is in the folder yet. The caller holds the target's lock.

    Raises:
        ConfigurationError: no fitting pg_dump, now or after the run.
        BackupFailed: pg_dump did not succeed.
    """
    if options.when == "off":
        return
    tools_for(connection, options.bin_dir)
    if _earlier(url, options.folder):
        return
    if our_tables(connection):
        _told(_take(connection, url, None, options), observer)
    else:
        observer.emit(Notice("the target holds nothing of etl yet: there is nothing to back up before this run"))


def after_publication(url: str, run_id: int, options: BackupOptions, observer: Observer) -> None:
    """What a run just published is in a backup, if each phase is to be. The caller holds the target's lock.

    Raises:
        BackupFailed: pg_dump did not succeed; the publication stands.
    """
    if options.when != "each_phase":
        return
    try:
        with database.session(url, autocommit=True) as connection:
            _told(_take(connection, url, None, options), observer)
    except EtlError as error:
        raise BackupFailed(f"run {run_id} is published, but {error.message}", next_step=_AGAIN) from None


def _told(made: Backup, observer: Observer) -> None:
    observer.emit(Notice(f"backup: {made.file} ({made.bytes / 1e6:,.1f} MB in {made.seconds:.1f} s)"))


def our_tables(connection: Connection) -> list[tuple[str, str]]:
    """(schema, name) of every table that carries our mark, parents and loads and ledger, in a fixed order."""
    schemas = ", ".join(literal(name) for name in SCHEMAS)
    found = database.rows(
        connection,
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        f"where n.nspname in ({schemas}) and c.relkind in ('r', 'p') "
        f"and starts_with(obj_description(c.oid, 'pg_class'), {literal(MARK)}) order by 1, 2",
    )
    return [(str(schema), str(name)) for schema, name in found]


def tools_for(connection: Connection, bin_dir: str) -> list[server.Tools]:
    """The client programs that fit the server of a session, best first.

    Raises:
        ConfigurationError: none fits.
    """
    number = int(database.scalar(connection, "select current_setting('server_version_num')"))
    return server.find_tools(number // 10_000, bin_dir=bin_dir, path=environment("PATH"))


def _take(connection: Connection, url: str, file: Path | None, options: BackupOptions) -> Backup:
    began = time.perf_counter()
    tools = tools_for(connection, options.bin_dir)[0]
    run = _last_run(connection)
    tables = our_tables(connection)
    path = file or options.folder / f"{_stem(url)}_{now().strftime('%Y%m%dT%H%M%SZ')}_run{run}.dump"
    _require_place(path)
    _dump(tools, url, tables, path)
    if file is None:
        for old in _earlier(url, options.folder)[: -options.keep]:
            old.unlink()
    seconds = round(time.perf_counter() - began, 3)
    return Backup(path, path.stat().st_size, len(tables), run, seconds, tools.major)


def _last_run(connection: Connection) -> int:
    if database.scalar(connection, "select to_regclass('audit.runs')::text") is None:
        return 0
    return int(database.scalar(connection, "select coalesce(max(run_id), 0) from audit.runs"))


def _stem(url: str) -> str:
    """The database's name, and six digits that tell databases of one name on several servers apart."""
    parts = urlsplit(url)
    name = database.database_name(url)
    given = dict(parse_qsl(parts.query))
    place = f"{parts.hostname or given.get('host')}:{parts.port or given.get('port')}/{name}"
    return f"etl_{re.sub(r'[^A-Za-z0-9.-]', '-', name)}_{hashlib.sha256(place.encode()).hexdigest()[:6]}"


def _earlier(url: str, folder: Path) -> list[Path]:
    """The backups of a target in the folder, oldest first: their names hold the time."""
    return sorted(folder.glob(f"{_stem(url)}_*_run*.dump"))


def _require_place(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and not is_archive(path):
            raise ConfigurationError(
                f"{path} exists and is no backup; it was left alone", next_step="give another name, or none"
            )
    except OSError as error:
        raise ConfigurationError(f"no backup can be written to {path}: {error.strerror}", next_step=_OTHER) from None


_OTHER = "give another FILE, or another folder in ETL_BACKUP_DIR"


def _dump(tools: server.Tools, url: str, tables: list[tuple[str, str]], path: Path) -> None:
    """The file is there, whole, for its owner only, and stays after a loss of power; or an error, and no file."""
    place, password = without_password(url)
    draft = path.with_name(f".{path.name}.draft")
    named = [f"--table={database.identifier(schema, name)}" for schema, name in tables]
    command: list[str | Path] = [
        tools.program("pg_dump"), "--format=custom", "--no-password", "--strict-names",
        f"--lock-wait-timeout={_LOCK_WAIT_MS}", f"--file={draft}", f"--dbname={place}", *named,
    ]  # fmt: skip
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        done = subprocess.run(  # noqa: S603
            command, check=False, capture_output=True, text=True, env=child_environment(password)
        )
        if done.returncode != 0:
            said = " ".join(done.stderr.split())[:500]
            raise BackupFailed(
                f"no backup was made: {said or f'pg_dump ended with {done.returncode}'}", next_step=_AGAIN
            )
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise BackupFailed(f"no backup was made at {path}: {error.strerror}", next_step=_OTHER) from None
    finally:
        draft.unlink(missing_ok=True)


_AGAIN = "mend the cause, then: etl backup"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
