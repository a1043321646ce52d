"""Passwords that a DSN leaves to the environment or to libpq's password file, for readers that are not libpq."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

_FIELD_END = re.compile(r"(?<!\\):")


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
