"""Could a run start at all? Both databases are looked at, neither is touched."""

from collections.abc import Callable, Sequence

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import EtlError
from etl.extract.layout import Layout
from etl.extract.legacy import LegacySource, open_legacy
from etl.extract.snapshot import open_snapshot
from etl.load.ddl import MARK, SCHEMAS
from etl.report import Check
from schemas import AUDIT, TABLES, ZONES

ZONE = "pre-migration"


def pre_migration(legacy_url: str, target_url: str, layout: Layout, *, refuse_unmapped: bool) -> list[Check]:
    """Checks that a run's start depends on: legacy there, readable and of the layout; target there and ours to use.

    What fails is a failed check with the next step; nothing is raised for a database that cannot be reached.
    """
    return [
        *_or_failed("legacy", lambda: _legacy_checks(legacy_url, layout, refuse_unmapped=refuse_unmapped)),
        *_or_failed("target", lambda: _target_checks(target_url)),
    ]


def _or_failed(side: str, checks: Callable[[], list[Check]]) -> list[Check]:
    try:
        return checks()
    except EtlError as error:
        sentence = f"{error.message}; {error.next_step}" if error.next_step else error.message
        name, actual = f"{side}: usable", type(error).__name__
        return [Check(ZONE, name, passed=False, expected="ready", actual=actual, sentence=sentence)]


def _reachable(side: str, url: str) -> Check:
    place = database.redacted(url)
    return Check(ZONE, f"{side}: reachable", passed=True, expected="a session", actual=f"a session with {place}")


def _legacy_checks(url: str, layout: Layout, *, refuse_unmapped: bool) -> list[Check]:
    with open_snapshot(url) as snapshot:
        source = open_legacy(snapshot, layout, refuse_unmapped=refuse_unmapped)
        readable = _readable(source)
        return [_reachable("legacy", url), readable, *(_counts(source) if readable.passed else [])]


def _readable(source: LegacySource) -> Check:
    names = ", ".join(f"({literal(name)})" for name in source.layout.relations())
    refused = source.snapshot.rows(f"select n from (values {names}) v(n) where not has_table_privilege(n, 'select')")
    listed = ", ".join(str(name) for (name,) in refused)
    actual = f"none on {listed}" if refused else "granted"
    return Check(
        ZONE, "legacy: readable", not refused, "SELECT on all its tables", actual,
        sentence=f"grant select on {listed} to the role of ETL_LEGACY_URL" if refused else "",
    )  # fmt: skip


def _counts(source: LegacySource) -> list[Check]:
    parts = [f"select {literal(name)}, ({table.count()})" for name, table in source.tables.items()]
    return [
        Check(
            ZONE, f"legacy: {source.source_name(str(name))} -> {name}", rows > 0, "rows", f"{rows:,} rows", "warning",
            "" if rows else "empty: nothing will be loaded from it; check ETL_LEGACY_LAYOUT if that is unexpected",
        )
        for name, rows in source.snapshot.rows(" union all ".join(parts))
    ]  # fmt: skip


def _target_checks(url: str) -> list[Check]:
    with database.session(url, autocommit=True) as connection:
        return [_reachable("target", url), _ours(connection), _may_create(connection)]


def _ours(connection: Connection) -> Check:
    names = ", ".join(f"({literal(name)})" for name in TABLES)
    found = database.rows(
        connection,
        "select n, coalesce(obj_description(to_regclass(n), 'pg_class'), '') "
        f"from (values {names}) v(n) where to_regclass(n) is not null",
    )
    foreign = [str(name) for name, comment in found if not str(comment).startswith(MARK)]
    actual = f"not made by etl: {', '.join(foreign)}" if foreign else f"{len(found)} of {len(TABLES)} exist, all ours"
    return Check(
        ZONE, "target: ours", not foreign, "no table of others in our place", actual,
        sentence="rename or move them, or give another database in ETL_TARGET_URL" if foreign else "",
    )  # fmt: skip


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
        ZONE, "target: may create", not (missing or absent), f"schemas {_listed((*ZONES, AUDIT))} and loads",
        "allowed" if not (missing or absent) else f"not in {_listed([*missing, *absent])}",
        sentence=_grant(missing, absent),
    )  # fmt: skip


def _grant(missing: Sequence[str], absent: Sequence[str]) -> str:
    steps = [f"grant create, usage on schema {_listed([identifier(name) for name in missing])}"] if missing else []
    steps += [f"have schemas {_listed(absent)} created, or grant create on the database"] if absent else []
    return f"{'; '.join(steps)} to the role of ETL_TARGET_URL" if steps else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
