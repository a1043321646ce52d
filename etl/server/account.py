"""Whom the server runs as, and the folders it needs. The mode of a folder that exists is never changed."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import ConfigurationError

if sys.platform != "win32":
    import pwd

SYSTEM_USER = "pgserver"
_OPEN = 0o755
_PRIVATE = 0o700
_HERE = "."
_HERE_WITHOUT_A_PATH = "/proc/self/cwd"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the server. `switched` is true when it is not the account of this process."""

    uid: int
    gid: int
    switched: bool

    def as_subprocess(self) -> dict[str, Any]:
        """Arguments with which :mod:`subprocess` runs a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switched else {}


def server_account() -> Account:
    """This process's account; for root, whom PostgreSQL refuses, a system user of its own, made if it is missing.

    Raises:
        ConfigurationError: The system user cannot be made, or this is not a POSIX system.
    """
    if sys.platform == "win32":
        message = "the embedded server needs Linux or macOS"
        raise ConfigurationError(message, next_step="name a server by its URL")
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switched=False)
    try:
        entry = _system_user()
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        message = f"PostgreSQL does not run as root, and a system user '{SYSTEM_USER}' cannot be made: {error}"
        raise ConfigurationError(message, next_step="run as an ordinary user, or name a server by its URL") from error
    return Account(entry.pw_uid, entry.pw_gid, switched=True)


def _system_user() -> "pwd.struct_passwd":
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", SYSTEM_USER)
        # NOTE: when two processes make it at once, one is told that it exists already.
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
        return pwd.getpwnam(SYSTEM_USER)


def require_way_in(data_dir: Path, account: Account, *, enter_closed: bool) -> str:
    """What programs that are started in `data_dir` can call it.

    Usually that is a dot, which PostgreSQL makes a whole path of. Below a folder that is closed to the account it has
    no usable path; where `enter_closed` allows that, Linux gives it a name that needs none.

    Raises:
        ConfigurationError: A folder on the way is closed to the account.
    """
    closed = list(closed_folders(data_dir.parent, account))
    if not closed:
        return _HERE
    if enter_closed and Path(_HERE_WITHOUT_A_PATH).exists():
        return _HERE_WITHOUT_A_PATH
    message = (
        f"as root the embedded server runs as the system user '{SYSTEM_USER}', which cannot reach {data_dir}: "
        f"{closed[0]} is closed to other users (mode {stat.S_IMODE(closed[0].stat().st_mode):o}) and stays so"
    )
    raise ConfigurationError(message, next_step="unset ETL_HOME, or set it to a folder that every user can enter")


def closed_folders(path: Path, account: Account) -> Iterator[Path]:
    """The existing folders from the root down to `path` that the account cannot enter; none if we stay ourselves."""
    folders = [folder for folder in (path, *path.parents) if account.switched and folder.is_dir()]
    yield from (folder for folder in reversed(folders) if not _can_enter(folder.stat(), account))


def make_home(home: Path, account: Account) -> None:
    """The folder exists: everyone may pass through it if the server is another account, else nobody.

    Only a folder that was missing gets a mode, whatever the umask is.

    Raises:
        ConfigurationError: It cannot be made.
    """
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir()
            folder.chmod(_OPEN if account.switched else _PRIVATE)
    except FileExistsError:  # another process made it at this moment
        make_home(home, account)
    except OSError as error:
        message = f"the folder of the embedded server cannot be made: {home}: {error.strerror}"
        raise ConfigurationError(message, next_step="set ETL_HOME to a folder of your own") from error


def make_folder(folder: Path, account: Account) -> None:
    """A folder exists that only the account can enter.

    Raises:
        ConfigurationError: It exists and belongs to someone else.
    """
    if not folder.exists():
        folder.mkdir(mode=_PRIVATE)
        if account.switched:
            os.chown(folder, account.uid, account.gid)
    facts = folder.lstat()
    if facts.st_uid != account.uid or not stat.S_ISDIR(facts.st_mode):
        message = f"the embedded server needs a folder of the user with id {account.uid}; {facts.st_uid} owns {folder}"
        raise ConfigurationError(message, next_step="set ETL_HOME to another folder, or remove this one")


def _can_enter(facts: os.stat_result, account: Account) -> bool:
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)
