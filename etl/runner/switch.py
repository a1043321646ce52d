"""Switch readers without loading anything: publish what was filled, or go back to an earlier publication."""

import json

from etl import database
from etl.errors import ConfigurationError
from etl.load import ledger
from etl.load.lock import hold_lock
from etl.load.publish import PublishOptions, publish
from schemas import LOADS


def publish_filled(target_url: str, run_id: int, *, options: PublishOptions) -> float:
    """Readers see a run that was filled and proved; return the seconds that locks were held.

    Raises:
        ConfigurationError: there is no such run, or it is not filled.
        ReadersInTheWay: it still cannot be published.
    """
    with hold_lock(target_url), database.session(target_url, autocommit=True) as connection:
        _require_ledger(connection)
        status = database.scalar(connection, f"select status from audit.runs where run_id = {run_id}")
        if status != "filled":
            raise ConfigurationError(
                f"run {run_id} is {status or 'unknown'}: only a filled run can be published", next_step="etl status"
            )
        own = database.rows(connection, f"select table_name from audit.loads where load_id = {run_id}")
        target = ledger.current_map(connection) | {str(name): run_id for (name,) in own}
        return publish(connection, run_id=run_id, kind="publish", target=target, options=options)


def roll_back(target_url: str, to_run: int | None, *, options: PublishOptions) -> tuple[int, float]:
    """Readers see an earlier publication, whole; return its run and the seconds that locks were held.

    Args:
        target_url: of the target.
        to_run: the run whose publication is reinstated; None: the one before the current.
        options: waiting times.

    Raises:
        ConfigurationError: there is no such publication, or its loads are gone.
    """
    with hold_lock(target_url), database.session(target_url, autocommit=True) as connection:
        _require_ledger(connection)
        current = ledger.current_map(connection)
        wanted = "true" if to_run is None else f"run_id = {to_run}"
        found = database.rows(
            connection,
            f"select run_id, map::text from audit.publications where {wanted} order by publication_id desc",
        )
        earlier = [(int(run), json.loads(text)) for run, text in found if json.loads(text) != current]
        usable = [(run, target) for run, target in earlier if _is_whole(connection, target)]
        if not usable:
            what = "no earlier publication" if to_run is None else f"no publication of run {to_run}"
            raise ConfigurationError(f"{what} is kept that differs from the current one", next_step="etl status")
        run_id, target = usable[0]
        return run_id, publish(connection, run_id=run_id, kind="rollback", target=target, options=options)


def _require_ledger(connection: database.Connection) -> None:
    if database.scalar(connection, "select to_regclass('audit.publications')::text") is None:
        raise ConfigurationError("nothing was ever loaded into this target", next_step="etl run")


def _is_whole(connection: database.Connection, target: dict[str, int]) -> bool:
    names = [f"{LOADS}.{relation}" for relation in ledger.relations(target).values()]
    listed = database.literal(names)
    return bool(
        database.scalar(connection, f"select bool_and(to_regclass(n) is not null) from unnest({listed}::text[]) n")
    )
