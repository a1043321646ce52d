"""What an operator can do with a run now: commands that work in its state, each with what it does."""

from collections.abc import Mapping
from typing import Any

Step = dict[str, str]


def next_steps(told: Mapping[str, Any]) -> list[Step]:
    """Commands for a run, the likeliest first.

    Args:
        told: what :func:`etl.runner.history.show` found.
    """
    run_id, loads = told["run"], told["tables"]
    is_whole = bool(loads) and all(load["load"] != "dropped" for load in loads)
    steps = _for_status(told, run_id, is_whole=is_whole)
    if loads and any(load["load"] != "dropped" for load in loads):
        steps.append(
            _step(f"etl pin {run_id} --off", "let retention have its loads again")
            if told["pinned_at"]
            else _step(f"etl pin {run_id}", "keep its loads whatever is pruned")
        )
    return steps


def _step(command: str, does: str) -> Step:
    return {"command": command, "does": does}


def _for_status(told: Mapping[str, Any], run_id: int, *, is_whole: bool) -> list[Step]:
    if told["status"] == "published":
        return _published(told, run_id, is_whole=is_whole)
    if not is_whole:
        return [_step("etl run", "begin anew")]
    if told["status"] == "filled":
        return [
            _step(f"etl diff {run_id}", "see what would change for readers"),
            _step(f"etl publish {run_id}", "switch readers to it"),
        ]
    return _unfinished(told, run_id)


def _unfinished(told: Mapping[str, Any], run_id: int) -> list[Step]:
    resume = _step(f"etl run --resume {run_id}", "go on where it stopped, after proving that the source is unchanged")
    if told["status"] == "running":
        return [_step("etl status", "see whether it still runs"), resume]
    if any(not attempt["is_in"] for attempt in told["failed_attempts"]):
        return [_step(f"etl retry {run_id}", "do again only the batches that failed")]
    if told["checks"]["failed"]:
        return [_step("etl rejects list", "see which rows were refused, and why"), _step("etl run", "begin anew")]
    return [resume]


def _published(told: Mapping[str, Any], run_id: int, *, is_whole: bool) -> list[Step]:
    if told["zones"]:
        if told["publications"][0]["publication"] == 1:
            return []  # nothing was before it
        return [
            _step(f"etl diff {run_id}", "see what it changed for readers"),
            _step("etl rollback", "give readers the publication before it"),
        ]
    return [_step(f"etl rollback --to {run_id}", "give readers its publication again")] if is_whole else []
