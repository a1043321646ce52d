"""The data dictionary: every table and column of every contract as one markdown page.

``python -m schemas.dictionary`` prints it; docs/dictionary.md is that output, and a test holds the two together.
"""

import sys
from collections.abc import Iterable

from schemas import AUDIT, TABLES, ZONES, Column, Reference, Table, tables_of

_HEAD = """\
# Data dictionary

Generated from the contracts in `schemas/` by `just docs`; change a contract, not this page.

A column without an entry under "null means" is never null, save in a load that is older than the column. A row of a
zone table that breaks a rule is refused: it becomes a row of `audit.rejects`. "Expected rows" is what a run is checked
against before it publishes."""
_ABOUT = {
    "raw_data": "Every legacy row with every legacy column, typed, under its own name, plus its lineage.",
    "staging": "One spelling, one clock, one key; lines with a quality score, a status and their flags.",
    "curated": "Analysis-ready lines, games, features and labels. Definitions: [features-definition.md]"
    "(features-definition.md).",
    AUDIT: "The bookkeeping of the three zones: plain tables, never partitioned, never published.",
}
_COLUMNS = ("column", "type", "unit", "null means", "meaning", "rules", "source")
_UNSAID = ("_present", "_finite")  # rules that the column "null means" and the head of the page tell


def render() -> str:
    """The whole page, ending in one newline. The same contracts give the same text."""
    zones = [part for zone in (*ZONES, AUDIT) for part in _zone(zone)]
    return "\n\n".join([_HEAD, _contents(), *zones]) + "\n"


def _contents() -> str:
    listed = [f"[{table.full_name}](#{_anchor(table)})" for zone in (*ZONES, AUDIT) for table in tables_of(zone)]
    return f"{len(TABLES)} tables: {' · '.join(listed)}"


def _zone(zone: str) -> Iterable[str]:
    yield f"## Schema `{zone}`"
    yield _ABOUT[zone]
    for table in tables_of(zone):
        yield from _table(table)


def _table(table: Table) -> Iterable[str]:
    yield f"### {table.full_name}"
    yield table.meaning
    yield "\n".join(f"- {name}: {said}" for name, said in _facts(table) if said)
    rows = [_row(column) for column in table.columns]
    yield "\n".join([_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *map(_line, rows)])


def _facts(table: Table) -> Iterable[tuple[str, str]]:
    yield "grain", table.grain
    yield "key", _key(table)
    # NOTE: the audit tables are entered row by row, so nothing is expected of their size.
    yield "expected rows", "" if table.zone == AUDIT else table.expected
    yield "references", ", ".join(map(_reference, table.references))
    yield "indexes", ", ".join(f"({', '.join(index)})" for index in table.indexes)


def _key(table: Table) -> str:
    if not table.key:
        return "none"
    follows = "" if table.keyed else ", which follows from the keys of its parents: it has no unique index"
    return f"({', '.join(table.key)}){follows}"


def _reference(reference: Reference) -> str:
    return f"({', '.join(reference.columns)}) -> {reference.to} ({', '.join(reference.to_columns)})"


def _row(column: Column) -> list[str]:
    return [
        f"`{column.name}`", column.sql_type, column.unit, column.null_means, column.meaning, _rules(column),
        column.source,
    ]  # fmt: skip


def _rules(column: Column) -> str:
    said = [rule.sentence for rule in column.rules if not rule.name.endswith(_UNSAID)]
    return "; ".join(sentence.removeprefix(f"{column.name} must be ") for sentence in said)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _anchor(table: Table) -> str:
    return table.full_name.replace(".", "")


if __name__ == "__main__":
    sys.stdout.write(render())
