"""Retention by hand: prune a target, and pin what must stay."""

from etl import database
from etl.errors import ConfigurationError
from etl.load import holdings, retention
from etl.load.lock import hold_lock
from etl.load.retention import Plan, Pruned
from etl.runner.switch import require_ledger


def plan_prune(target_url: str, *, keep: int, unfinished: bool) -> Plan:
    """What :func:`prune_target` would drop and keep now; nothing is changed.

    Raises:
        ConfigurationError: nothing was ever loaded into the target.
    """
    with database.session(target_url, autocommit=True) as connection:
        require_ledger(connection)
        return retention.plan(connection, keep=keep, unfinished=unfinished)


def prune_target(target_url: str, *, keep: int, unfinished: bool) -> Pruned:
    """Drop the loads that nobody needs; see :func:`etl.load.retention.plan` for what is needed.

    Raises:
        LockHeld: a run is at work.
        ConfigurationError: nothing was ever loaded into the target.
    """
    with hold_lock(target_url), database.session(target_url, autocommit=True, name="etl prune") as connection:
        require_ledger(connection)
        return retention.prune(connection, keep=keep, unfinished=unfinished)


def pin_run(target_url: str, run_id: int, *, on: bool) -> tuple[int, int]:
    """A run's loads, and those it was published with, are kept or no longer kept; how many it has, and their bytes.

    Works while another run is under way.

    Raises:
        ConfigurationError: there is no such run, or it has no load to keep.
    """
    with database.session(target_url, autocommit=True, name="etl pin") as connection:
        require_ledger(connection)
        if not database.scalar(connection, f"select count(*) from audit.runs where run_id = {run_id}"):
            raise ConfigurationError(f"there is no run {run_id} in this target", next_step="etl history")
        # NOTE: pinned first, counted afterwards: a prune that came between would otherwise be missed.
        retention.set_pin(connection, run_id, on=on)
        own = [load for load in holdings.loads(connection) if load.run_id == run_id]
        if on and not own:
            retention.set_pin(connection, run_id, on=False)
            raise ConfigurationError(f"run {run_id} has no load left to keep", next_step="etl history")
        return len(own), sum(load.size_bytes for load in own)
