"""Switch readers without loading anything: publish what was filled, or go back to an earlier publication."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from etl import database
from etl.database import Connection, literal
from etl.errors import ConfigurationError
from etl.load import ledger, retention
from etl.load.lock import hold_lock
from etl.load.publish import PublishOptions, publish
from schemas import LOADS, ZONES

_ALIVE = f"l.dropped_at is null and to_regclass(format('{LOADS}.%I', l.relation)) is not null"


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch of the readers. `before` and `after`: ``zone.table`` -> load_id; `seconds` that locks were held."""

    run_id: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    seconds: float = 0.0
    notices: tuple[str, ...] = ()

    def zones(self) -> list[tuple[str, str, str]]:
        """(zone, what readers saw, what they see) of every zone, in words."""
        return [(zone, seen(self.before, zone), seen(self.after, zone)) for zone in ZONES]


def seen(published: Mapping[str, int], zone: str) -> str:
    """The runs whose loads a publication shows in a zone, in words."""
    loads = sorted({load for name, load in published.items() if name.startswith(f"{zone}.")})
    return f"run {', '.join(map(str, loads))}" if loads else "nothing"


def publish_filled(target_url: str, run_id: int, *, options: PublishOptions) -> Switch:
    """Readers see a run that was filled and proved; loads that no kept publication needs are dropped.

    Raises:
        ConfigurationError: there is no such run, it is not filled, or its loads are gone.
        ReadersInTheWay: it still cannot be published.
    """
    with hold_lock(target_url), database.session(target_url, autocommit=True) as connection:
        require_ledger(connection)
        own = _filled_loads(connection, run_id)
        before = ledger.current_map(connection)
        after = before | dict.fromkeys(own, run_id)
        seconds = publish(connection, run_id=run_id, kind="publish", target=after, options=options)
        notices = retention.prune(connection, keep=options.keep).notices()
        return Switch(run_id, before, after, seconds, tuple(notices))


def _filled_loads(connection: Connection, run_id: int) -> list[str]:
    status = database.scalar(connection, f"select status from audit.runs where run_id = {run_id}")
    if status != "filled":
        raise ConfigurationError(
            f"run {run_id} is {status or 'unknown'}: only a filled run can be published",
            next_step=f"etl show {run_id}" if status else "etl history",
        )
    found = database.rows(
        connection, f"select l.table_name, {_ALIVE} from audit.loads l where l.load_id = {run_id} order by 1"
    )
    gone = [str(name) for name, is_alive in found if not is_alive]
    if gone or not found:
        raise ConfigurationError(
            f"run {run_id} cannot be published: its loads were dropped ({', '.join(gone[:3]) or 'all'})",
            next_step="etl run",
        )
    return [str(name) for name, _ in found]


def plan_rollback(target_url: str, to_run: int | None) -> Switch:
    """What :func:`roll_back` would do now; nothing is changed.

    Raises:
        ConfigurationError: there is no such publication, or its loads are gone.
    """
    with database.session(target_url, autocommit=True) as connection:
        return _planned(connection, to_run)


def roll_back(target_url: str, to_run: int | None, *, options: PublishOptions) -> Switch:
    """Readers see an earlier publication, whole: what it did not show, they do not see.

    Args:
        target_url: of the target.
        to_run: the run whose publication is reinstated; None: the one before that which readers see. Back again and
            again goes further back, never to and fro.
        options: waiting times.

    Raises:
        ConfigurationError: there is no such publication, or its loads are gone.
        ReadersInTheWay: it cannot be switched to in time.
    """
    with hold_lock(target_url), database.session(target_url, autocommit=True) as connection:
        found = _planned(connection, to_run)
        seconds = publish(connection, run_id=found.run_id, kind="rollback", target=found.after, options=options)
        return Switch(found.run_id, found.before, found.after, seconds)


def _planned(connection: Connection, to_run: int | None) -> Switch:
    require_ledger(connection)
    current = ledger.current_map(connection)
    found = database.rows(
        connection, "select publication_id, run_id, map::text from audit.publications order by publication_id desc"
    )
    every = [(int(number), int(run), json.loads(text)) for number, run, text in found]
    # What readers see was first shown by `since`; after a rollback that is not the newest publication.
    since = min((number for number, _, shown in every if shown == current), default=0)
    asked = [
        (run, shown)
        for number, run, shown in every
        if shown != current and (run == to_run if to_run is not None else number < since)
    ]
    for run, shown in asked:
        if _is_whole(connection, shown):
            return Switch(run, current, shown)
    raise _no_way_back(to_run, current, every, dropped=bool(asked))


def _no_way_back(
    to_run: int | None, current: Mapping[str, int], every: list[tuple[int, int, dict[str, int]]], *, dropped: bool
) -> ConfigurationError:
    if to_run is not None and any(run == to_run and shown == current for _, run, shown in every):
        return ConfigurationError(f"readers see run {to_run} already", next_step="etl history")
    what = "no earlier publication" if to_run is None else f"no publication of run {to_run}"
    why = "is kept: its loads were dropped" if dropped else "exists"
    return ConfigurationError(f"{what} {why}", next_step="etl history, then: etl rollback --to RUN")


def require_ledger(connection: Connection) -> None:
    """The target has a ledger.

    Raises:
        ConfigurationError: nothing was ever loaded into it.
    """
    if database.scalar(connection, "select to_regclass('audit.publications')::text") is None:
        raise ConfigurationError("nothing was ever loaded into this target", next_step="etl run")


def _is_whole(connection: Connection, target: Mapping[str, int]) -> bool:
    names = [f"{LOADS}.{relation}" for relation in ledger.relations(target).values()]
    listed = literal(names)
    return bool(
        database.scalar(connection, f"select bool_and(to_regclass(n) is not null) from unnest({listed}::text[]) n")
    )
