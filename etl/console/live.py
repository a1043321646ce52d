"""Live progress on a terminal, by rich: one line for each phase. Imported only where there is a terminal."""

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from etl.console.text import count, duration, rate, remaining

BAR_CELLS = 12
REFRESH_HZ = 8


class _Figures(ProgressColumn):
    """Rows, rows/s, and the time that is left, or that it took."""

    max_refresh = 0.2

    def render(self, task: Task) -> Text:
        rows, seconds = int(task.completed), task.elapsed or 0.0
        if task.fields["took_s"] is not None:
            seconds = float(task.fields["took_s"])
            return Text(f"{count(rows)} rows, {rate(rows, seconds)}, {duration(seconds)}", style="green")
        total = None if task.total is None else int(task.total)
        # NOTE: the two counts are told as a share by the bar, so that the line fits 80 columns.
        parts = [f"{count(rows)} rows", rate(rows, seconds), duration(seconds), remaining(rows, total, seconds)]
        return Text(", ".join(part for part in parts if part))


class LiveScreen:
    """The terminal while a run is under way. Leaving it shows the last state and gives the cursor back."""

    def __init__(self, stream: TextIO) -> None:
        # NOTE: `stream` was found to be a terminal; FORCE_COLOR and the like cannot make a file one.
        console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=False)
        self._progress = Progress(
            TextColumn("{task.description:<8}"), BarColumn(BAR_CELLS), _Figures(),
            console=console, refresh_per_second=REFRESH_HZ, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, phase: str, total: int | None) -> None:
        """A line for a phase appears; without a total its bar swings."""
        self._tasks[phase] = self._progress.add_task(phase, total=total, took_s=None)

    def advance(self, phase: str, rows: int) -> None:
        """Rows of a phase are done."""
        if phase not in self._tasks:
            self.start(phase, None)
        self._progress.advance(self._tasks[phase], rows)

    def finish(self, phase: str, rows: int, seconds: float) -> None:
        """A phase's line stands still, with what it took."""
        if phase not in self._tasks:
            self.start(phase, rows)
        self._progress.update(self._tasks[phase], total=rows, completed=rows, took_s=seconds)
        self._progress.stop_task(self._tasks[phase])

    def say(self, line: str) -> None:
        """A line appears above the phases."""
        self._progress.console.print(Text.from_ansi(line))
