"""How a run is shown while it goes on, in captured streams and on a pseudo-terminal."""

import functools
import io
import os
import pathlib
import pty
import re
import subprocess
import sys
import termios
import threading

import pytest

from etl.console import ConsoleObserver, print_error
from etl.errors import LockHeld
from etl.events import Notice, PhaseAdvanced, PhaseFinished, PhaseStarted, RunStarted

RAW = "raw"


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stream():
    return io.StringIO()


# Without a terminal


def test_a_run_is_told_in_plain_lines(stream, clock):
    with ConsoleObserver(stream, clock=clock) as observer:
        observer.emit(RunStarted(7, (RAW,), "postgresql://a@h/legacy", "postgresql://b@h/target"))
        observer.emit(PhaseStarted(RAW, 20_000))
        clock.seconds = 6.0
        observer.emit(PhaseAdvanced(RAW, 12_000))
        observer.emit(PhaseFinished(RAW, 20_000, 10.0))
    assert stream.getvalue().splitlines() == [
        "run 7: raw; from postgresql://a@h/legacy to postgresql://b@h/target",
        "raw: started, 20,000 rows",
        "raw: 12,000 of 20,000 rows, 2,000 rows/s, 6.0 s, 4.0 s left",
        "raw: done, 20,000 rows in 10.0 s (2,000 rows/s)",
    ]


def test_progress_of_a_phase_is_told_once_in_a_while(stream, clock):
    with ConsoleObserver(stream, clock=clock, every_s=5) as observer:
        observer.emit(PhaseStarted(RAW, 100))
        clock.seconds = 1
        observer.emit(PhaseAdvanced(RAW, 10))
        clock.seconds = 5
        observer.emit(PhaseAdvanced(RAW, 10))
        clock.seconds = 9
        observer.emit(PhaseAdvanced(RAW, 10))
    assert stream.getvalue().splitlines() == [
        "raw: started, 100 rows",
        "raw: 20 of 100 rows, 4 rows/s, 5.0 s, 20.0 s left",
    ]


def test_a_phase_without_a_total_has_no_remaining_time(stream, clock):
    with ConsoleObserver(stream, clock=clock) as observer:
        observer.emit(PhaseStarted("analyze", None))
        clock.seconds = 10
        observer.emit(PhaseAdvanced("analyze", 50))
    assert stream.getvalue().splitlines() == ["analyze: started", "analyze: 50 rows, 5 rows/s, 10.0 s"]


def test_there_are_no_control_characters_without_a_terminal(stream, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ConsoleObserver(stream) as observer:
        observer.emit(PhaseStarted(RAW, 1))
        observer.emit(Notice("careful", "warning"))
    print_error(LockHeld("locked", next_step="wait"), stream)
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("info", ["quiet", "warning: careful", "error: broken"]),
        ("warning", ["warning: careful", "error: broken"]),
        ("error", ["error: broken"]),
    ],
)
def test_notices_below_the_level_are_not_shown(stream, level, shown):
    with ConsoleObserver(stream, level=level) as observer:
        observer.emit(Notice("quiet"))
        observer.emit(Notice("careful", "warning"))
        observer.emit(Notice("broken", "error"))
    assert stream.getvalue().splitlines() == shown


def test_lines_of_many_threads_stay_whole(stream):
    with ConsoleObserver(stream) as observer:
        threads = [threading.Thread(target=observer.emit, args=(Notice("x" * 200),)) for _ in range(40)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert stream.getvalue().splitlines() == ["x" * 200] * 40


def test_a_stream_that_has_gone_away_does_not_stop_the_run():
    stream = io.StringIO()
    with ConsoleObserver(stream) as observer:
        stream.close()
        observer.emit(Notice("nobody listens"))
        observer.emit(Notice("still not"))


# On a terminal

SCRIPT = """
import sys
from etl.console import ConsoleObserver
from etl.events import Notice, PhaseAdvanced, PhaseFinished, PhaseStarted
with ConsoleObserver(sys.stderr) as observer:
    observer.emit(PhaseStarted("raw", 1_000_000))
    observer.emit(Notice("[bold]careful", "warning"))
    observer.emit(PhaseAdvanced("raw", 400_000))
    if "fail" in sys.argv:
        raise KeyboardInterrupt
    observer.emit(PhaseFinished("raw", 1_000_000, 8.0))
"""


@functools.cache
def on_terminal(*arguments, **environment):
    """What the script writes to a terminal of 80 columns, and the terminal's modes before and after."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        stdin=slave, stdout=slave, stderr=slave, timeout=60, check=False,
        cwd=pathlib.Path(__file__).parents[2], env=kept | {"TERM": "xterm-256color", **environment},
    )  # fmt: skip
    after = termios.tcgetattr(slave)
    os.close(slave)
    written = b""
    while chunk := read(master):
        written += chunk
    os.close(master)
    return done.returncode, written.decode(), before == after


def read(master):
    try:
        return os.read(master, 65536)
    except OSError:  # nobody holds the other end
        return b""


def visible(written):
    """The text without its control sequences, line by line."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "\n").split("\n")]


def test_a_terminal_sees_one_line_for_each_phase():
    code, written, is_restored = on_terminal()
    lines = [line for line in visible(written) if line]
    assert code == 0
    assert is_restored
    assert lines[-1].startswith("raw ")
    assert lines[-1].endswith("1,000,000 rows, 125,000 rows/s, 8.0 s")
    assert "warning: [bold]careful" in lines
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("arguments", [(), ("fail",)])
def test_the_cursor_comes_back_however_it_ends(arguments):
    _, written, is_restored = on_terminal(*arguments)
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert is_restored


def test_colours_mean_something_and_can_be_turned_off():
    _, coloured, _ = on_terminal()
    _, plain, _ = on_terminal(NO_COLOR="1")
    assert "\x1b[33m" in coloured
    assert "\x1b[3" not in plain


def test_a_terminal_that_cannot_move_its_cursor_gets_lines():
    _, written, _ = on_terminal(TERM="dumb")
    assert "\x1b" not in written
    assert visible(written)[0] == "raw: started, 1,000,000 rows"
