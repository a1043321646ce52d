"""What diff prints: a line for each table, then for each that differs its columns, keys and examples."""

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from etl.console import text

if TYPE_CHECKING:
    from etl.check.compare import Difference
    from etl.runner.diff import Diff, TableDiff

_FACTS = {"config_hash": "configuration", "contracts_hash": "contracts", "code_version": "code"}
_WIDEST = 40  # characters of a value that are shown; the JSON has it whole


def print_diff(diff: "Diff", stream: TextIO | None = None) -> None:
    """The diff of two sets of loads."""
    out = stream or sys.stdout
    text.write(out, [_side("run", diff.after), *(_side("against", run) for run in diff.before)])
    text.write(out, [f"{what} of run {run['run']}: {old} -> {new}" for what, run, old, new in _changed_facts(diff)])
    lines = [_line(table.table, table.difference) for table in diff.tables if table.difference is not None]
    text.write(out, ["", *text.table(lines)] if lines else [])
    for table in diff.tables:
        if table.difference is not None and table.difference.by == "key" and not table.difference.same:
            text.write(out, ["", text.coloured(table.table, "head", out), *_details(table.difference)])
    text.write(out, ["", *_unlike(diff.tables)] if any(_unlike(diff.tables)) else [])
    if diff.same:
        text.write(out, ["", "nothing differs"])


def _side(word: str, run: Mapping[str, Any]) -> str:
    when = f", source as of {text.cell(run['snapshot_at'])}" if run.get("snapshot_at") else ""
    return f"{word:<7} {run['run']} ({run.get('status', 'unknown')}{when})"


def _changed_facts(diff: "Diff") -> Iterator[tuple[str, Mapping[str, Any], str, str]]:
    for run in diff.before:
        for fact, word in _FACTS.items():
            if run.get(fact) != diff.after.get(fact):
                yield word, run, str(run.get(fact)), str(diff.after.get(fact))


def _line(name: str, found: "Difference") -> dict[str, Any]:
    verdict = "same" if found.same else "differs"
    return {
        "table": name,
        "before": found.rows_before,
        "after": found.rows_after,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "is": verdict if found.by == "key" else f"{verdict} (hash)",
    }


def _unlike(tables: Sequence["TableDiff"]) -> list[str]:
    """What was not compared: whole tables by their note, and columns that only one load has."""
    notes: dict[str, list[str]] = {}
    for table in tables:
        if table.note:
            notes.setdefault(table.note, []).append(table.table)
    said = [f"not compared ({note}): {', '.join(names)}" for note, names in notes.items()]
    for table in tables:
        if (found := table.difference) is not None:
            sides = (("before", found.only_before), ("after", found.only_after))
            said += [f"{table.table}: only the load {side} has {', '.join(names)}" for side, names in sides if names]
    return [line for sentence in said for line in _wrapped(sentence)]


def _details(found: "Difference") -> Iterator[str]:
    if found.columns:
        yield from _wrapped("changed: " + ", ".join(f"{name} {text.count(n)}" for name, n in found.columns.items()))
    for word, keys in (("added", found.added_keys), ("removed", found.removed_keys)):
        if keys:
            yield from _wrapped(f"{word}: {'; '.join([*map(_key, keys), *_more(keys, getattr(found, word))])}")
    yield from text.table(
        [
            {"key": _key(e.key), "column": e.column, "before": _value(e.before), "after": _value(e.after)}
            for e in found.examples
        ]
    )


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, text.WIDTH, subsequent_indent="  ", break_long_words=False)


def _more(keys: Sequence[Any], rows: int) -> list[str]:
    return [f"and {text.count(rows - len(keys))} more"] if rows > len(keys) else []


def _key(key: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items())


def _value(value: str | None) -> str:
    if value is None:
        return "null"
    plain = text.cell(value) if value else "''"
    return plain if len(plain) <= _WIDEST else f"{plain[: _WIDEST - 3]}..."
