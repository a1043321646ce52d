"""What one session can learn of its server without touching anything: versions, settings, limits, sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from etl import database
from etl.database import Connection, literal

TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
FORMS = ("DateStyle", "extra_float_digits", "standard_conforming_strings")
_OTHERS = (
    "data_directory",
    "default_transaction_read_only",
    "hot_standby_feedback",
    "max_standby_archive_delay",
    "max_standby_streaming_delay",
    "port",
    "reserved_connections",
    "superuser_reserved_connections",
)
# NOTE: a role without rights sees no backend_type; a client is what has both a user and a database.
_CLIENTS = "from pg_stat_activity where pid <> pg_backend_pid() and datid is not null and usesysid is not null"
_FACTS = f"""
select current_setting('server_version_num')::int, current_setting('server_version'),
  current_setting('server_encoding'), current_setting('TimeZone'), pg_is_in_recovery(),
  d.datname::text, r.rolname::text, r.rolsuper, current_setting('max_connections')::int,
  (select count(*) {_CLIENTS}), r.rolconnlimit,
  (select count(*) {_CLIENTS} and usesysid = r.oid), d.datconnlimit,
  (select count(*) {_CLIENTS} and datid = d.oid), pg_postmaster_start_time(),
  pg_database_size(d.oid), t.spcname::text, pg_tablespace_location(t.oid)
from pg_database d join pg_tablespace t on t.oid = d.dattablespace join pg_roles r on r.rolname = current_user
where d.datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A server setting as the session has it. `source`: where the value comes from, as pg_settings says it."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server, as the session of one role in one database sees it.

    Limits of connections are -1 where there is none. `used` counts the sessions of all clients but the one that asks.
    `size_bytes` is the database's. `tablespace_dir` is empty for the default one. `settings` lacks what the server's
    version does not know or the role may not see.
    """

    version_num: int
    version: str
    encoding: str
    timezone: str
    in_recovery: bool
    database: str
    role: str
    is_superuser: bool
    max_connections: int
    used: int
    role_limit: int
    used_by_role: int
    database_limit: int
    used_in_database: int
    started_at: datetime
    size_bytes: int
    tablespace: str
    tablespace_dir: str
    settings: Mapping[str, Setting]

    @property
    def major(self) -> int:
        """The major version."""
        return self.version_num // 10_000

    def value(self, name: str) -> str:
        """A setting; empty where it is not known."""
        return self.settings[name].value if name in self.settings else ""

    def is_same_server(self, other: "ServerFacts") -> bool:
        """Both sessions are on one server: it started at the same microsecond on the same port."""
        return (self.started_at, self.value("port")) == (other.started_at, other.value("port"))


def gather(connection: Connection) -> ServerFacts:
    """The facts of the server behind a session; two queries, nothing else."""
    (facts,) = database.rows(connection, _FACTS)
    wanted = literal([*TIMEOUTS, *FORMS, *_OTHERS])
    found = database.rows(
        connection, f"select name, setting, coalesce(source, '') from pg_settings where name = any({wanted})"
    )
    settings = {str(name): Setting(str(value), str(source)) for name, value, source in found}
    names = [field.name for field in fields(ServerFacts)][:-1]
    return ServerFacts(**dict(zip(names, facts, strict=True)), settings=settings)


def rooms(facts: ServerFacts) -> dict[str, int]:
    """Sessions that the role may still open besides the one that asked, by what limits them."""
    reserved = sum(int(facts.value(f"{name}reserved_connections") or 0) for name in ("superuser_", ""))
    found = {"server": facts.max_connections - (0 if facts.is_superuser else reserved) - facts.used - 1}
    if facts.role_limit >= 0 and not facts.is_superuser:
        found[f"role {facts.role}"] = facts.role_limit - facts.used_by_role - 1
    if facts.database_limit >= 0 and not facts.is_superuser:
        found[f"database {facts.database}"] = facts.database_limit - facts.used_in_database - 1
    return found
