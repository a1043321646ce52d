"""Another try: for transient faults only, with pauses that grow, and never for ever."""

import threading

import pytest

from etl.errors import DatabaseFault, DatabaseUnreachable, EtlError, Interrupted, SnapshotLost
from etl.runner.retry import RetryPolicy, patiently

QUICK = RetryPolicy(attempts=3, base_s=0.0, max_s=0.0)
LOST = DatabaseUnreachable("the session was lost")


class Work:
    """Fails with each of the given errors in turn, then succeeds."""

    def __init__(self, *errors):
        self.errors, self.tries = list(errors), 0

    def __call__(self):
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_transient_fault_is_tried_again(failures):
    work, told = Work(*[LOST] * failures), []
    assert patiently(work, QUICK, told=told.append) == "done"
    assert (work.tries, len(told)) == (failures + 1, failures)


def test_the_last_fault_is_raised():
    work = Work(*[LOST] * 3)
    with pytest.raises(DatabaseUnreachable):
        patiently(work, QUICK, told=print)
    assert work.tries == QUICK.attempts


@pytest.mark.parametrize("error", [DatabaseFault("disk full"), EtlError("a fault"), SnapshotLost("gone")])
def test_a_terminal_fault_is_raised_at_once(error):
    work = Work(error)
    with pytest.raises(type(error)):
        patiently(work, QUICK, told=print)
    assert work.tries == 1


def test_a_pause_ends_where_the_run_is_stopped():
    stop = threading.Event()
    with pytest.raises(Interrupted):
        patiently(Work(LOST), RetryPolicy(2, 60.0, 60.0), told=lambda _: stop.set(), stop=stop)


@pytest.mark.parametrize(("failed", "least", "most"), [(1, 0.25, 0.5), (2, 0.5, 1.0), (4, 2.0, 4.0), (9, 15.0, 30.0)])
def test_pauses_double_up_to_the_longest_and_are_never_all_alike(failed, least, most):
    pauses = [RetryPolicy().pause_s(failed) for _ in range(200)]
    assert least <= min(pauses) < max(pauses) <= most
