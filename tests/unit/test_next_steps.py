"""What an operator is told to do with a run, in each state that a run can be left in."""

import pytest

from etl.runner.next_steps import next_steps

THERE = [{"load": "kept"}, {"load": "kept"}]
GONE = [{"load": "dropped"}, {"load": "dropped"}]
FAILED = [{"is_in": False}]


def told(status, tables=THERE, **given):
    facts = {
        "run": 5,
        "status": status,
        "tables": tables,
        "pinned_at": None,
        "zones": [],
        "failed_attempts": [],
        "checks": {"failed": []},
        "publications": [],
    }
    return facts | given


@pytest.mark.parametrize(
    ("run", "commands"),
    [
        (told("filled"), ["etl diff 5", "etl publish 5", "etl pin 5"]),
        (told("filled", GONE), ["etl run"]),
        (told("running"), ["etl status", "etl run --resume 5", "etl pin 5"]),
        (told("interrupted"), ["etl run --resume 5", "etl pin 5"]),
        (told("failed"), ["etl run --resume 5", "etl pin 5"]),
        (told("failed", failed_attempts=FAILED), ["etl retry 5", "etl pin 5"]),
        (told("failed", failed_attempts=[{"is_in": True}]), ["etl run --resume 5", "etl pin 5"]),
        (told("failed", checks={"failed": ["gate"]}), ["etl rejects list", "etl run", "etl pin 5"]),
        (told("failed", GONE, failed_attempts=FAILED), ["etl run"]),
        (told("failed", []), ["etl run"]),
        (
            told("published", zones=["raw_data"], publications=[{"publication": 3}]),
            ["etl diff 5", "etl rollback", "etl pin 5"],
        ),
        (told("published", zones=["raw_data"], publications=[{"publication": 1}]), ["etl pin 5"]),
        (told("published", publications=[{"publication": 3}]), ["etl rollback --to 5", "etl pin 5"]),
        (told("published", GONE, publications=[{"publication": 3}]), []),
        (
            told("published", pinned_at="now", publications=[{"publication": 3}]),
            ["etl rollback --to 5", "etl pin 5 --off"],
        ),
    ],
)
def test_the_commands_that_work_in_a_state_are_told(run, commands):
    assert [step["command"] for step in next_steps(run)] == commands
