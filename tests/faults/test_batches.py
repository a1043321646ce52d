"""A target that refuses one batch: the others are in, nothing is published, and a retry finishes the run."""

import pytest

from etl.errors import BatchesFailed, Exit
from etl.runner import RetryPolicy
from tests import runs
from tests.faults import gates

QUICK = RetryPolicy(attempts=3, base_s=0.01, max_s=0.02)
ALWAYS = 1_000_000
OUTCOMES = "select outcome from audit.attempts where run_id = 2 and batch_id = 2 order by attempt"


def run(place):
    return runs.run(place, place, phases="raw", batch_rows=gates.BATCH_ROWS, workers=2, retry=QUICK)


def outcomes(place):
    return [outcome for (outcome,) in runs.rows(place, OUTCOMES)]


def test_one_refused_batch_does_not_stop_the_others_and_a_retry_finishes_the_run(undisturbed, place):
    after, rows, _ = undisturbed
    before = gates.shown(place)
    gates.refuse(place, "23514", ALWAYS)
    with gates.watched(place) as seen:
        outcome = run(place)
        assert isinstance(outcome.error, BatchesFailed)
        assert outcome.error.exit_code == Exit.BATCHES
        assert outcome.error.next_step == "mend the cause, then: etl retry 2"
        assert "batch 2: line 200 is refused" in outcome.error.message
        assert (outcome.report.status, outcome.report.published) == ("failed", False)
        missing = (
            "select (p->>'batch_id')::int from audit.runs r, jsonb_array_elements(r.plan) p where run_id = 2 "
            "except select batch_id from audit.batches where run_id = 2"
        )
        assert runs.rows(place, missing) == [(2,)]
        assert seen == {before}
        gates.refuse(place, "23514", 0)
        retried = runs.resumed(place, place, 2, phases="raw")
    assert retried.error is None, retried.error
    assert retried.report.details["resumed"]["redone_batches"] == {}
    assert seen == {before, after}
    assert gates.content(place) == rows
    assert outcomes(place) == ["failed", "committed"]


@pytest.mark.parametrize("state", ["40001", "40P01", "53300"])
def test_a_transient_fault_is_tried_again_within_the_run(undisturbed, place, state):
    gates.refuse(place, state, 2)
    outcome = run(place)
    assert outcome.error is None, outcome.error
    assert outcomes(place) == ["failed", "failed", "committed"]
    assert gates.content(place) == undisturbed[1]


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_patience_has_an_end(place, state):
    gates.refuse(place, state, ALWAYS)
    assert isinstance(run(place).error, BatchesFailed)
    assert outcomes(place) == ["failed"] * QUICK.attempts


@pytest.mark.parametrize("state", ["23505", "23514", "53100", "42501"])
def test_a_terminal_fault_is_not_tried_again(place, state):
    gates.refuse(place, state, 1)
    assert isinstance(run(place).error, BatchesFailed)
    assert outcomes(place) == ["failed"]
