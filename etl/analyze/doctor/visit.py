"""The whole examination: both servers, this machine, and the path between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from etl import database
from etl.analyze.doctor.disk import check_room, check_size
from etl.analyze.doctor.facts import ServerFacts, gather, rooms
from etl.analyze.doctor.here import ZONE as HERE
from etl.analyze.doctor.here import check_here
from etl.analyze.doctor.judge import judge_connections, judge_server
from etl.analyze.doctor.path import ZONE as PATH
from etl.analyze.doctor.path import check_path
from etl.analyze.doctor.rights import LEGACY, TARGET, check_legacy_rights, check_target_rights
from etl.analyze.pooling import check_sessions, judge_sessions, trace
from etl.database import literal
from etl.errors import DatabaseUnreachable, EtlError, Exit, LegacyMismatch, PermissionMissing
from etl.extract.layout import Layout
from etl.extract.legacy import LegacySource, open_legacy
from etl.extract.snapshot import open_snapshot
from etl.extract.source import READERS
from etl.report import Check, failed

_OWN_SESSIONS = 4  # that the examination itself opens at once
_OF_THE_RUN = {LEGACY: 2, TARGET: 4}  # sessions besides the workers': snapshot and plan; lock, ledger and two to spare
_NAMES = {DatabaseUnreachable: "reachable", PermissionMissing: "permitted", LegacyMismatch: "layout"}
_UNREACHABLE = {"reachable", "permitted", "readable", "owner", "may create", "temporary tables", "connections"}
_ORDER = (LEGACY, TARGET, PATH, HERE)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """What is examined: two databases, a layout, and how a run would work.

    Attributes:
        legacy_url: complete DSN.
        target_url: complete DSN.
        layout: of the legacy.
        refuse_unmapped: columns that the contracts do not know stop a run.
        workers: batches in work at once.
        batch_rows: lines of a batch.
        home: folder of reports and of the embedded server.
        makes_sample: the legacy is the embedded one: where it is empty, a run makes the sample first.
    """

    legacy_url: str
    target_url: str
    layout: Layout
    refuse_unmapped: bool
    workers: int
    batch_rows: int
    home: Path
    makes_sample: bool = False


def diagnose(request: DoctorRequest) -> list[Check]:
    """Every check; what fails is a failed check with the next step, nothing is raised for it."""
    checks, legacy = examine_servers(request)
    if legacy is not None:
        _tried(PATH, checks, lambda: checks.extend(check_path(request.legacy_url, request.target_url, legacy)))
    return sorted(checks, key=lambda check: _ORDER.index(check.zone))


def examine_servers(request: DoctorRequest) -> tuple[list[Check], ServerFacts | None]:
    """The checks of this machine and of both servers, and the facts of the legacy if the path can be walked."""
    urls = {LEGACY: request.legacy_url, TARGET: request.target_url}
    checks = list(check_here(request.home, workers=request.workers, batch_rows=request.batch_rows))
    facts = {side: found for side, url in urls.items() if (found := _facts(side, url, checks))}
    checks += judge_connections(facts, _needed(request))
    whole = {side for side, found in facts.items() if _has_room(found) and _has_sessions(side, urls[side], checks)}
    size = 0
    if LEGACY in whole:
        size = _tried(LEGACY, checks, lambda: _legacy(request, checks), makes_sample=request.makes_sample) or 0
    if TARGET in whole:
        _tried(TARGET, checks, lambda: checks.extend(_target(request.target_url, facts[TARGET], size)))
    return checks, facts[LEGACY] if whole == set(urls) and not facts[TARGET].in_recovery else None


def _has_room(facts: ServerFacts) -> bool:
    return min(rooms(facts).values()) >= _OWN_SESSIONS


def exit_code(checks: Sequence[Check]) -> Exit:
    """0 where no error was found; 3 where a database cannot be used, 2 where something is not fit, 4 for the path."""
    wrong = failed(checks)
    if not wrong:
        return Exit.DONE
    if any(check.name in _UNREACHABLE for check in wrong):
        return Exit.UNREACHABLE
    return Exit.REFUSED if all(check.zone == PATH for check in wrong) else Exit.USAGE


def _needed(request: DoctorRequest) -> dict[str, int]:
    """Sessions that a run opens at once, by side."""
    workers = request.workers
    return {LEGACY: _OF_THE_RUN[LEGACY] + READERS * workers, TARGET: _OF_THE_RUN[TARGET] + workers}


def _facts(side: str, url: str, checks: list[Check]) -> ServerFacts | None:
    """The facts of a server, and the checks that follow from them alone; None where it cannot be reached."""

    def look() -> ServerFacts:
        with database.session(url, autocommit=True, name="etl doctor") as connection:
            found = gather(connection)
        place = database.redacted(url)
        checks.append(Check(side, "reachable", passed=True, expected="a session", actual=f"a session with {place}"))
        checks.extend([*judge_server(side, found), check_size(side, found)])
        return found

    return _tried(side, checks, look)


def _has_sessions(side: str, url: str, checks: list[Check]) -> bool:
    """Sessions are whole, not lent by a pooler for a transaction at a time."""
    found = _tried(side, checks, lambda: check_sessions(side, url))
    checks += [found] if found else []
    return found is not None and found.passed


def _legacy(request: DoctorRequest, checks: list[Check]) -> int:
    """Size in bytes of the legacy's tables of the layout, after the checks of its snapshot and its tables."""
    with open_snapshot(request.legacy_url) as snapshot:
        snapshot.read("select 1 as one")  # by a session of its own
        actual = "a second session sees it"
        checks.append(Check(LEGACY, "snapshot", passed=True, expected="exported and joined", actual=actual))
        source = open_legacy(snapshot, request.layout, refuse_unmapped=request.refuse_unmapped)
        named = f"{len(source.layout.relations())} tables of layout {source.layout.name}"
        checks.append(Check(LEGACY, "layout", passed=True, expected="all tables and columns of it", actual=named))
        checks.extend(check_legacy_rights(source))
        return _size(source)


def _size(source: LegacySource) -> int:
    names = literal(list(source.layout.relations()))
    ((size,),) = source.snapshot.rows(f"select sum(pg_total_relation_size(n::regclass))::bigint from unnest({names}) n")
    return int(size)


def _target(url: str, facts: ServerFacts, legacy_bytes: int) -> list[Check]:
    with database.session(url, autocommit=True, name="etl doctor") as connection:
        return [*check_target_rights(connection), check_room(facts, legacy_bytes)]


def _tried(zone: str, checks: list[Check], look: Callable[[], _T], *, makes_sample: bool = False) -> _T | None:
    """What `look` gives; None and one more failed check where it could not look."""
    try:
        return look()
    except EtlError as error:
        if makes_sample and isinstance(error, LegacyMismatch):
            checks.append(_to_be_made(error))
        elif found := trace(error):
            checks.append(judge_sessions(zone, found))
        else:
            checks.append(_failure(zone, error))
        return None


def _to_be_made(error: LegacyMismatch) -> Check:
    return Check(
        LEGACY, "layout", passed=False, expected="all tables and columns of it", actual=error.message,
        severity="warning", sentence="etl run makes the sample first; or make it by: etl sample create",
    )  # fmt: skip


def _failure(zone: str, error: EtlError) -> Check:
    name = next((name for kind, name in _NAMES.items() if isinstance(error, kind)), "usable")
    return Check(zone, name, passed=False, expected="ready", actual=error.message, sentence=error.next_step)
