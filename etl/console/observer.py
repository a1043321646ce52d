"""Show a run's events on stderr: live where it is a terminal, else as plain lines."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TextIO

from etl.console.text import coloured, count, duration, is_terminal, rate, remaining, write
from etl.events import Event, Notice, PhaseAdvanced, PhaseFinished, PhaseStarted, RunStarted

LEVELS = ("info", "warning", "error")
EVERY_S = 5.0  # between two progress lines of a phase, where there is no terminal


@dataclass(slots=True)
class Tracked:
    """A phase under way. Times are of the clock that the observer was given, in seconds."""

    total: int | None
    began: float
    shown: float
    rows: int = 0


class Screen(AbstractContextManager["Screen"], Protocol):
    """A terminal that shows a line for each phase, and restores itself at the end."""

    def start(self, phase: str, total: int | None) -> None:
        """A line for a phase appears."""

    def advance(self, phase: str, rows: int) -> None:
        """Rows of a phase are done."""

    def finish(self, phase: str, rows: int, seconds: float) -> None:
        """A phase's line stands still."""

    def say(self, line: str) -> None:
        """A line appears above the phases."""


class ConsoleObserver:
    """Shows events on a stream, from any number of threads. A context manager: it restores the terminal at its end.

    Nothing that goes wrong with the stream reaches the run: a reader that has gone away is written to no more.
    """

    def __init__(
        self,
        stderr: TextIO,
        *,
        level: str = "info",
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`level`: notices below it are not shown. `every_s`: seconds between two progress lines of one phase."""
        self._stream = stderr
        self._least = LEVELS.index(level)
        self._every_s = every_s
        self._clock = clock
        self._mutex = threading.RLock()
        self._phases: dict[str, Tracked] = {}
        self._screen: Screen | None = None
        self._is_gone = False

    def __enter__(self) -> Self:
        if is_terminal(self._stream):
            from etl.console.live import LiveScreen  # noqa: PLC0415 - rich is slow to load

            self._screen = LiveScreen(self._stream)
            self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._mutex:
            screen, self._screen = self._screen, None
        if screen is not None:
            with suppress(OSError, ValueError):  # the terminal has gone away
                screen.__exit__(kind, error, trace)

    def emit(self, event: Event) -> None:
        """Show an event."""
        with self._mutex:
            if self._is_gone:
                return
            try:
                self._show(event)
            except (OSError, ValueError):  # broken pipe, closed file
                self._is_gone = True

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                phases = ", ".join(event.phases)
                self._say(f"run {event.run_id}: {phases}; from {event.legacy} to {event.target}", "head")
            case PhaseStarted():
                self._start(event)
            case PhaseAdvanced():
                self._advance(event)
            case PhaseFinished():
                self._finish(event)
            case Notice():
                self._notice(event)

    def _start(self, event: PhaseStarted) -> None:
        now = self._clock()
        self._phases[event.phase] = Tracked(event.total_rows, began=now, shown=now)
        if self._screen is not None:
            self._screen.start(event.phase, event.total_rows)
        else:
            known = f", {count(event.total_rows)} rows" if event.total_rows is not None else ""
            self._say(f"{event.phase}: started{known}")

    def _advance(self, event: PhaseAdvanced) -> None:
        now = self._clock()
        phase = self._phases.setdefault(event.phase, Tracked(None, began=now, shown=now))
        phase.rows += event.rows
        if self._screen is not None:
            self._screen.advance(event.phase, event.rows)
        elif now - phase.shown >= self._every_s:
            phase.shown = now
            self._say(_progress(event.phase, phase, now - phase.began))

    def _finish(self, event: PhaseFinished) -> None:
        self._phases.pop(event.phase, None)
        if self._screen is not None:
            self._screen.finish(event.phase, event.rows, event.seconds)
        else:
            speed = rate(event.rows, event.seconds)
            self._say(f"{event.phase}: done, {count(event.rows)} rows in {duration(event.seconds)} ({speed})")

    def _notice(self, event: Notice) -> None:
        level = event.level if event.level in LEVELS else "info"
        if LEVELS.index(level) >= self._least:
            self._say(f"{level}: {event.message}" if level != "info" else event.message, level)

    def _say(self, text: str, meaning: str = "") -> None:
        line = coloured(text, meaning, self._stream) if meaning else text
        if self._screen is not None:
            self._screen.say(line)
        else:
            write(self._stream, [line])


def _progress(name: str, phase: Tracked, seconds: float) -> str:
    of = f" of {count(phase.total)}" if phase.total else ""
    parts = [f"{count(phase.rows)}{of} rows", rate(phase.rows, seconds), duration(seconds)]
    left = remaining(phase.rows, phase.total, seconds)
    return f"{name}: {', '.join([*parts, left] if left else parts)}"
