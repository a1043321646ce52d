"""PostgreSQL's own client programs in a version that fits a server: pg_dump, pg_restore and psql, side by side.

pg_dump refuses a server that is newer than itself and reads every older one. The server's own major version comes
first, for what a newer pg_dump writes may hold statements that the server does not know.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ConfigurationError
from etl.server.programs import CLEAN_ENVIRONMENT, client_folders

PROGRAMS = ("pg_dump", "pg_restore", "psql")
_SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_WRAPPER = "pg_wrapper"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Tools:
    """A folder that holds all of :data:`PROGRAMS`, and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> Path:
        """The path of one of them."""
        return self.folder / name


def find_tools(server_major: int, *, bin_dir: str, path: str, root: Path = Path("/")) -> list[Tools]:
    """Every set of programs that can work with a server, the best first: its own major, then newer ones, nearest first.

    Args:
        server_major: as 15.
        bin_dir: a folder that settings name; it is looked at first. Empty: none.
        path: folders as in the variable PATH.
        root: where the system's own folders are looked for.

    Raises:
        ConfigurationError: none fits; the message says what was found where.
    """
    places = list(_places(bin_dir, path, root))
    found = [Tools(folder, major) for folder in dict.fromkeys(places) if (major := _major(folder))]
    fitting = [tools for tools in found if tools.major >= server_major]
    if not fitting:
        seen = {tools.folder: tools.major for tools in found}
        listed = ", ".join(f"{folder} ({seen.get(folder) or 'no such set'})" for folder in dict.fromkeys(places))
        raise ConfigurationError(
            f"a backup of this server needs {', '.join(PROGRAMS)} of PostgreSQL {server_major} or newer; "
            f"looked in: {listed}",
            next_step=f"install the client programs of PostgreSQL {server_major} (Debian: apt install "
            f"postgresql-client-{server_major}), or name their folder in ETL_BACKUP_BIN_DIR",
        )
    return sorted(fitting, key=lambda tools: tools.major)  # stable: of one major, the place that was looked at first


def _places(bin_dir: str, path: str, root: Path) -> Iterator[Path]:
    if bin_dir:
        yield Path(bin_dir).expanduser()
    yield from (Path(folder) for folder in path.split(os.pathsep) if folder)
    for pattern in _SYSTEM_FOLDERS:
        yield from sorted(root.glob(pattern))
    yield from client_folders()


def _major(folder: Path) -> int | None:
    """The major version of the programs of a folder; None if it does not hold all of them."""
    if not all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
        return None
    # NOTE: Debian's /usr/bin/pg_dump is a script that chooses a version by itself, a different one for each server.
    # The programs that it chooses from are in folders that are looked at too.
    if (folder / PROGRAMS[0]).resolve().name == _WRAPPER:
        return None
    command = (folder / PROGRAMS[0], "--version")
    try:
        said = subprocess.run(command, check=False, capture_output=True, text=True, env=CLEAN_ENVIRONMENT)  # noqa: S603
    except OSError:
        return None
    version = _VERSION.search(said.stdout)
    return int(version.group(1)) if version and said.returncode == 0 else None
