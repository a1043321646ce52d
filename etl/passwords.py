"""Passwords: taken from libpq's places into a DSN for readers that are not libpq, and out of it for child processes."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

from etl.errors import ConfigurationError

_FIELD_END = re.compile(r"(?<!\\):")
_SECRETS = ("ETL_LEGACY_URL", "ETL_TARGET_URL", "PGPASSWORD")


def with_password(url: str) -> str:
    """The DSN with libpq's PGPASSWORD or password file resolved into it, for readers that are not libpq."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    if parts.password or given.get("password"):
        return url
    user = unquote(parts.username or "") or given.get("user") or os.environ.get("PGUSER", "")
    password = os.environ.get("PGPASSWORD") or _from_password_file(parts, given, user)
    if not password:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def without_password(url: str) -> tuple[str, str]:
    """The DSN without its password, fit for a command line that everyone can list, and the password; empty if none.

    Raises:
        ConfigurationError: the DSN holds the password of a client key, which libpq takes from nowhere else.
    """
    parts = urlsplit(url)
    # NOTE: to libpq a plus is a plus, unlike to whatever else reads queries.
    given = [part for part in parts.query.split("&") if part]
    values = {name: unquote(value) for name, _, value in (part.partition("=") for part in given)}
    if "sslpassword" in values:
        raise ConfigurationError(
            "the DSN holds sslpassword, which can be handed to pg_dump only where everyone would see it",
            next_step="use a client key without a password of its own, readable for its owner only",
        )
    host = parts.netloc.rpartition("@")[2]
    place = f"{parts.username}@{host}" if parts.username else host
    kept = "&".join(part for part in given if not part.startswith("password="))
    password = unquote(parts.password or "") or values.get("password", "")
    return f"{parts.scheme}://{place}{parts.path}{'?' if kept else ''}{kept}", password


def child_environment(password: str = "") -> dict[str, str]:
    """This process's environment without our secrets, and with `password` where libpq looks for it."""
    kept = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return kept | ({"PGPASSWORD": password} if password else {})


def _from_password_file(parts: SplitResult, given: Mapping[str, str], user: str) -> str:
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    if not path.is_file():
        return ""
    host, port = parts.hostname or given.get("host") or "localhost", str(parts.port or given.get("port") or 5432)
    wanted = [host, port, unquote(parts.path.lstrip("/")), user]
    for line in path.read_text(encoding="utf-8").splitlines():
        # NOTE: a colon or backslash in a field is written with a backslash before it.
        cut = _FIELD_END.split(line.replace("\\\\", "\0"))
        fields = [field.replace("\\:", ":").replace("\0", "\\") for field in cut]
        if len(fields) == len(wanted) + 1 and all(f in ("*", w) for f, w in zip(fields, wanted, strict=False)):
            return fields[-1]
    return ""
