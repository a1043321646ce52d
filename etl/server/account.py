"""Whom the server runs as, and which folders that account can enter. No existing folder's mode is ever changed."""

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
_OPEN_FOLDER = 0o755
_PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the server. `switch` is true when it is not the account of this process."""

    uid: int
    gid: int
    switch: bool

    def as_subprocess(self) -> dict[str, Any]:
        """Arguments that make :mod:`subprocess` run a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        """Give the account a file or folder of ours."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def make_folder(self, path: Path) -> None:
        """Make a folder that only the account may enter, unless it exists."""
        if not path.exists():
            path.mkdir(mode=_PRIVATE_FOLDER)
            self.own(path)


def server_account() -> Account:
    """This process's account; for root the system user `pgserver`, made if it is missing, as PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    entry = _system_user()
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def _system_user() -> "pwd.struct_passwd":
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        detail = getattr(error, "stderr", "") or str(error)
        message = f"PostgreSQL does not run as root, and its system user '{SYSTEM_USER}' cannot be made: {detail.strip()}"
        raise ConfigurationError(message, next_step="run etl as an ordinary user, or name a server by its URL") from error


def make_home(home: Path, account: Account) -> None:
    """The home exists: open to enter when the server is another account, private otherwise.

    Only folders that were missing get a mode, whatever the umask is.

    Raises:
        ConfigurationError: The folder cannot be made.
    """
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir()
            folder.chmod(_OPEN_FOLDER if account.switch else _PRIVATE_FOLDER)
    except FileExistsError:  # another process made it in this moment
        make_home(home, account)
    except OSError as error:
        message = f"the folder of the embedded server cannot be made: {home}: {error.strerror}"
        raise ConfigurationError(message, next_step="set ETL_HOME to a folder you may write to") from error


def closed_folders(path: Path, account: Account) -> Iterator[Path]:
    """The existing folders from the root down to `path` that another account cannot enter; none if we stay ourselves."""
    if account.switch:
        existing = (folder for folder in (path, *path.parents) if folder.is_dir())
        yield from (folder for folder in reversed(list(existing)) if not _can_enter(folder, account))


def _can_enter(folder: Path, account: Account) -> bool:
    facts = folder.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)
