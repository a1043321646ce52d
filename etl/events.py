"""What the core tells whoever listens: facts about progress, never how to show them."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has its number; nothing was read yet."""

    run_id: int
    phases: tuple[str, ...]
    legacy: str
    target: str


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase begins. `total_rows` is the number of source rows it will read, where that is known."""

    phase: str
    total_rows: int | None


@dataclass(frozen=True, slots=True)
class PhaseAdvanced:
    """Source rows of a phase are committed."""

    phase: str
    rows: int


@dataclass(frozen=True, slots=True)
class PhaseFinished:
    """A phase is over. `rows` source rows in `seconds`."""

    phase: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something people should know. `level` is info, warning or error."""

    message: str
    level: str = "info"


Event = RunStarted | PhaseStarted | PhaseAdvanced | PhaseFinished | Notice


class Observer(Protocol):
    """Whoever listens to a run. Called from several threads."""

    def emit(self, event: Event) -> None:
        """Take note of an event; must not raise."""


class Silent:
    """An observer that listens to nothing."""

    def emit(self, event: Event) -> None:
        """Do nothing."""
