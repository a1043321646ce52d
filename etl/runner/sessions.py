"""Nothing is written through a pooler that takes sessions apart: the lock would keep nobody out."""

from etl import database
from etl.analyze.pooling import REASON, pooled
from etl.errors import ConfigurationError


def require_whole_sessions(url: str) -> None:
    """A session at this DSN is one session of the server from its beginning to its end.

    Raises:
        ConfigurationError: a pooler in transaction or statement mode is in between.
        DatabaseUnreachable: two sessions could not be had.
    """
    found = pooled(url)
    if found:
        raise ConfigurationError(f"{database.redacted(url)} is behind a pooler: {found}", next_step=REASON)
