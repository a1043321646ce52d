"""A file of backup: which programs can read it, what is in it, and its content as SQL."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from etl import server
from etl.errors import BackupFailed, ConfigurationError
from etl.load.ddl import SCHEMAS
from schemas import AUDIT

MAGIC = b"PGDMP"  # the first bytes of a file of pg_dump's custom format
_NEWER = "unsupported version"
_KINDS = ("DATA", "ATTACH")  # TABLE DATA, TABLE ATTACH


@dataclass(frozen=True, slots=True)
class Archive:
    """A file, the programs that can read it, its tables as (schema, name), and its entries that are grants."""

    file: Path
    tools: server.Tools
    tables: frozenset[tuple[str, str]]
    grants: tuple[str, ...]


def is_archive(path: Path) -> bool:
    """Whether a file begins like one of pg_dump's custom format."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def open_archive(file: Path, tools: Sequence[server.Tools]) -> Archive:
    """The archive with the first set of programs that can read it.

    Raises:
        ConfigurationError: it cannot be read, is none, or holds other things than our tables.
        BackupFailed: it is damaged.
    """
    try:
        if not is_archive(file):
            raise ConfigurationError(f"{file} is no backup of etl", next_step="etl restore --help")
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", next_step="etl restore --help") from None
    for found in tools:
        command = (found.program("pg_restore"), "--list", file)
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode == 0:
            return _listed(file, found, done.stdout.splitlines())
        if _NEWER not in done.stderr:
            raise _damaged(file, done.stderr)
    newest = tools[-1].major
    raise ConfigurationError(
        f"{file} was made by a pg_dump newer than {newest}, the newest found here",
        next_step="install newer client programs of PostgreSQL, or name their folder in ETL_BACKUP_BIN_DIR",
    )


def _listed(file: Path, tools: server.Tools, lines: Sequence[str]) -> Archive:
    """From lines such as ``231; 1259 16545 TABLE audit attempts postgres``."""
    entries = [line.split() for line in lines if line and not line.startswith(";")]
    tables = frozenset((entry[4], entry[5]) for entry in entries if entry[3] == "TABLE" and entry[4] not in _KINDS)
    grants = tuple(line for line in lines if not line.startswith(";") and line.split()[3:4] == ["ACL"])
    strange = sorted(f"{schema}.{name}" for schema, name in tables if schema not in SCHEMAS)
    if (AUDIT, "publications") not in tables or strange:
        what = f"it holds {', '.join(strange[:3])}" if strange else "it holds no ledger"
        raise ConfigurationError(f"{file} is no backup of etl: {what}", next_step="restore it with pg_restore")
    return Archive(file, tools, tables, grants)


def _damaged(file: Path, said: str) -> BackupFailed:
    message = " ".join(said.replace("pg_restore: ", "").split())[:300]
    return BackupFailed(
        f"{file} cannot be restored, and nothing was changed: {message}", next_step="restore an earlier backup"
    )


@contextmanager
def script_of(archive: Archive, *options: str) -> Iterator[IO[bytes]]:
    """The archive as SQL. It is whole when this ends without an error.

    Raises:
        BackupFailed: the archive is damaged.
    """
    command: list[str | Path] = [archive.tools.program("pg_restore"), *options, "--file=-", archive.file]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101 - asked for as a pipe
            yield process.stdout
            code = process.wait()
        finally:
            process.kill()
            process.communicate()
        if code != 0:
            said.seek(0)
            raise _damaged(archive.file, said.read().decode(errors="replace"))
