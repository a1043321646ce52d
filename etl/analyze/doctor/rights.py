"""What the roles may do, and whether our places are free: catalogue queries alone, nothing is tried out."""

from collections.abc import Iterator, Sequence

from etl import database
from etl.database import Connection, identifier, literal
from etl.extract.layout import columns_query
from etl.extract.legacy import LegacySource
from etl.load.ddl import MARK, SCHEMAS
from etl.report import Check
from schemas import AUDIT, LOADS, TABLES, ZONES

LEGACY, TARGET = "legacy", "target"
_OUR_PLACES = f"n.nspname in ({', '.join(literal(name) for name in SCHEMAS)})"
_RELATIONS = (
    "select n.nspname || '.' || c.relname, n.nspname, pg_has_role(c.relowner, 'usage'), r.rolname::text, "
    "coalesce(obj_description(c.oid, 'pg_class'), '') from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    f"join pg_roles r on r.oid = c.relowner where {_OUR_PLACES} and c.relkind in ('r', 'p', 'v', 'm', 'f')"
)


def check_legacy_rights(source: LegacySource) -> Iterator[Check]:
    """The checks of the legacy's tables under a snapshot: readable, and with clocks that name their zone."""
    names = ", ".join(f"({literal(name)})" for name in source.layout.relations())
    refused = source.snapshot.rows(f"select n from (values {names}) v(n) where not has_table_privilege(n, 'select')")
    listed = ", ".join(str(name) for (name,) in refused)
    yield Check(
        LEGACY, "readable", not refused, "SELECT on all its tables", f"none on {listed}" if refused else "granted",
        sentence=f"grant select on {listed} to the role of ETL_LEGACY_URL" if refused else "",
    )  # fmt: skip
    found = source.snapshot.rows(columns_query(source.layout.relations()))
    naive = [
        f"{relation}.{name}"
        for relation, name, kind in found
        if str(kind).startswith("timestamp") and "without" in kind
    ]
    yield Check(
        LEGACY, "clocks", not naive, "timestamps with time zone", _some(naive) or "all of them", "warning",
        "they are taken as UTC; if they are of another zone, map them in config/legacy" if naive else "",
    )  # fmt: skip


def check_target_rights(connection: Connection) -> Iterator[Check]:
    """The checks of our places in the target: free or ours, with the rights that a run needs."""
    found = database.rows(connection, _RELATIONS)
    ours = [(str(name), bool(owned), str(owner)) for name, _, owned, owner, comment in found if _is_ours(comment)]
    foreign = [
        str(name)
        for name, schema, _, _, comment in found
        if not _is_ours(comment) and (name in TABLES or schema == LOADS)
    ]
    yield Check(
        TARGET, "ours", not foreign, "no table of others in our place",
        f"not made by etl: {_some(foreign)}" if foreign else f"{len(ours)} tables, all ours",
        sentence="rename or move them, or give another database in ETL_TARGET_URL" if foreign else "",
    )  # fmt: skip
    others = [(name, owner) for name, owned, owner in ours if not owned]
    owners = ", ".join(sorted({owner for _, owner in others}))
    yield Check(
        TARGET, "owner", not others, "the role owns our tables",
        f"{_some([name for name, _ in others])}: of {owners}" if others else "it does",
        sentence=f"use the role that made them, or grant {identifier(others[0][1])} to the role of ETL_TARGET_URL"
        if others else "",
    )  # fmt: skip
    yield _may_create(connection)
    yield _temporary(connection)


def _is_ours(comment: object) -> bool:
    return str(comment).startswith(MARK)


def _may_create(connection: Connection) -> Check:
    names = ", ".join(f"({literal(name)})" for name in SCHEMAS)
    found = database.rows(
        connection,
        f"select v.n, s.oid is not null, case when s.oid is null then has_database_privilege(current_database(), "
        "'create') else has_schema_privilege(s.oid, 'create') and has_schema_privilege(s.oid, 'usage') end "
        f"from (values {names}) v(n) left join pg_namespace s on s.nspname = v.n",
    )
    missing = [str(name) for name, exists, may in found if exists and not may]
    absent = [str(name) for name, exists, may in found if not exists and not may]
    return Check(
        TARGET, "may create", not (missing or absent), f"in {', '.join((*ZONES, AUDIT))} and {LOADS}",
        "allowed" if not (missing or absent) else f"not in {', '.join([*missing, *absent])}",
        sentence=_grant(missing, absent),
    )  # fmt: skip


def _grant(missing: Sequence[str], absent: Sequence[str]) -> str:
    steps = [f"grant create, usage on schema {', '.join(map(identifier, missing))}"] if missing else []
    steps += [f"have schemas {', '.join(absent)} created, or grant create on the database"] if absent else []
    return f"{'; '.join(steps)} to the role of ETL_TARGET_URL" if steps else ""


def _temporary(connection: Connection) -> Check:
    may = bool(database.scalar(connection, "select has_database_privilege(current_database(), 'temp')"))
    name = database.scalar(connection, "select current_database()")
    return Check(
        TARGET, "temporary tables", may, "allowed", "allowed" if may else "refused",
        sentence="" if may else f"grant temporary on database {identifier(str(name))} to the role of ETL_TARGET_URL",
    )  # fmt: skip


def _some(names: Sequence[str], most: int = 5) -> str:
    """Names in a row; of many the first and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
