"""What a run that writes nothing has found: counts, refusals by rule with a few examples, and what the gates need."""

import json
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import polars as pl

from etl.analyze import Analysis
from etl.report import Check
from etl.runner.context import Parcel, Tally

_EXAMPLES = 3


@dataclass(slots=True)
class _Refusal:
    """Rows that one table refused by one rule, and a few of them."""

    rows: int
    reason: str
    examples: list[dict[str, Any]]


@dataclass(slots=True)
class Findings:
    """What a dry run has found so far. Batches add to it from several threads; only counts and examples are kept."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    refusals: dict[tuple[str, str], _Refusal] = field(default_factory=dict)
    games_unresolved: int = 0
    checks: list[Check] = field(default_factory=list)
    analysis: Analysis | None = None
    mutex: Any = field(default_factory=Lock)

    def look(self, name: str, frame: pl.DataFrame) -> None:
        """Take note of accepted rows: the sink of every batch."""
        if name == "staging.games":
            unresolved = frame.filter(pl.col("home_team_id").is_null() | pl.col("away_team_id").is_null())
            with self.mutex:
                self.games_unresolved += len(unresolved)

    def take(self, parcel: Parcel) -> None:
        """Add a batch."""
        with self.mutex:
            for name, tally in parcel.tallies.items():
                self.tallies.setdefault(name, Tally()).add({n: getattr(tally, n) for n in Tally.__slots__})
            for frame in parcel.rejects:
                self._refuse(frame)

    def _refuse(self, frame: pl.DataFrame) -> None:
        for (zone, table, rule), rows in frame.group_by("zone", "table_name", "rule", maintain_order=True):
            refusal = self.refusals.setdefault((f"{zone}.{table}", str(rule)), _Refusal(0, rows["reason"][0], []))
            refusal.rows += len(rows)
            some = rows.head(_EXAMPLES - len(refusal.examples)).select("source_table", "source_id", "row")
            refusal.examples += [row | {"row": json.loads(row["row"])} for row in some.to_dicts()]

    def rejects(self) -> list[dict[str, Any]]:
        """The refusals by table and rule, the commonest first."""
        return [
            {"table": table, "rule": rule, "rows": r.rows, "reason": r.reason, "examples": r.examples}
            for (table, rule), r in sorted(self.refusals.items(), key=lambda item: (-item[1].rows, item[0]))
        ]
