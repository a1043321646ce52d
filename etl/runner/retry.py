"""Another try for what may well succeed a little later: exponential pauses with jitter, never for a terminal fault."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from etl.errors import EtlError, Interrupted, SnapshotLost

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try, and how long to pause in between.

    Attributes:
        attempts: tries in all, at least 1.
        base_s: longest pause after the first failure; it doubles with each further one.
        max_s: longest pause of all.
    """

    attempts: int = 8
    base_s: float = 0.5
    max_s: float = 30.0

    def pause_s(self, failed: int) -> float:
        """The pause after that many failed tries: at least half of it whole, so that not all come back at once."""
        full = min(self.max_s, self.base_s * 2.0 ** (failed - 1))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


PATIENT = RetryPolicy()


def is_worth_another_try(error: EtlError) -> bool:
    """Whether the same work may succeed under the same snapshot."""
    return error.is_transient and not isinstance(error, SnapshotLost)


def patiently(
    work: Callable[[], Made],
    policy: RetryPolicy,
    *,
    told: Callable[[str], None],
    stop: threading.Event | None = None,
    worth: Callable[[EtlError], bool] = is_worth_another_try,
) -> Made:
    """What `work` returns, tried again while its faults are transient. It must be safe to do twice.

    Args:
        work: what to do.
        policy: how often, how patiently.
        told: is given a sentence before each pause.
        stop: ends a pause at once.
        worth: which faults may pass.

    Raises:
        EtlError: the fault of the last try; a terminal one at once. A lost snapshot is terminal here: see
            :mod:`etl.runner.resume`.
    """
    for failed in count(1):
        try:
            return work()
        except EtlError as error:
            if failed >= policy.attempts or not worth(error):
                raise
            pause(policy, failed, error, told=told, stop=stop)
    raise AssertionError  # count() has no end


def pause(
    policy: RetryPolicy,
    failed: int,
    error: EtlError,
    *,
    told: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Wait after a failed try.

    Raises:
        Interrupted: `stop` was set meanwhile.
    """
    seconds = policy.pause_s(failed)
    told(f"try {failed} of {policy.attempts} failed, the next follows in {seconds:.1f} s: {error.message}")
    if (stop or threading.Event()).wait(seconds):
        raise Interrupted("stopped between two tries")
