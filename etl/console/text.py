"""Numbers, durations, colours and aligned tables as plain text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from etl.settings import environment

WIDTH = 80
COLOURS = {"info": "36", "done": "32", "warning": "33", "error": "31", "head": "1"}
APART_FROM = 10_000  # below it thousands stand together, so that years and run numbers read as such
_GAPS = (2, 1)
_NEXT_UNIT = 10_240  # ten of a unit are still told in the smaller one, so that the figure has two digits at least


def count(value: float) -> str:
    """A count with its thousands apart."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds under a minute to a tenth, longer as [h:]mm:ss."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"


def rate(rows: int, seconds: float) -> str:
    """Rows a second."""
    return f"{count(rows / seconds)} rows/s" if seconds > 0 else "- rows/s"


def size(size_bytes: int) -> str:
    """Bytes on disk in the unit that leaves one to four digits, powers of 1,024."""
    value, units = float(size_bytes), ["B", "kB", "MB", "GB", "TB"]
    while value >= _NEXT_UNIT and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} {units[0]}"


def remaining(rows: int, total: int | None, seconds: float) -> str:
    """The time until `total` at the speed so far; empty where that is not known."""
    if not total or not rows or rows >= total:
        return ""
    return f"{duration(seconds * (total - rows) / rows)} left"


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at the stream, on a terminal that can move its cursor."""
    try:
        return stream.isatty() and environment("TERM").lower() not in ("dumb", "unknown")
    except ValueError:  # closed
        return False


def coloured(text: str, meaning: str, stream: TextIO) -> str:
    """The text in the colour of a meaning (see `COLOURS`), where the stream is a terminal and NO_COLOR is not set."""
    if environment("NO_COLOR") or not is_terminal(stream):
        return text
    return f"\x1b[{COLOURS[meaning]}m{text}\x1b[0m"


def write(stream: TextIO, lines: Iterable[str]) -> None:
    """Write lines; a character that the stream's encoding lacks is written as its escape."""
    text = "".join(f"{line}\n" for line in lines)
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> list[str]:
    """Rows as aligned lines under a heading: numbers to the right, nothing cut off, two spaces apart or one.

    Args:
        rows: values by column name; None is shown as ``-``.
        columns: the columns and their order; None: those of the first row.
    """
    names = list(columns if columns is not None else (rows[0] if rows else ()))
    if not names:
        return []
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    numeric = [bool(rows) and all(is_number(row.get(name)) for row in rows) for name in names]
    return aligned([names, *cells], numeric)


def aligned(cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> list[str]:
    """Lines of cells in columns of even width, as far apart as `WIDTH` allows."""
    widths = [max(len(row[n]) for row in cells) for n in range(len(numeric))]
    room = [gap for gap in _GAPS if sum(widths) + gap * (len(widths) - 1) <= WIDTH]
    gap = " " * (room[0] if room else _GAPS[-1])
    return [gap.join(_padded(row, widths, numeric)).rstrip() for row in cells]


def _padded(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    return [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)]


def cell(value: Any) -> str:
    """A value on one line."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return count(value) if abs(value) >= APART_FROM else str(value)
        case float():
            return f"{value:,.2f}"
    text = value.isoformat(sep=" ", timespec="seconds") if hasattr(value, "hour") else str(value)
    return " ".join(text.split()) or "-"


def is_number(value: Any) -> bool:
    """Whether a value is shown as a number (or not at all)."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
