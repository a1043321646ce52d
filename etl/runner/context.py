"""What the steps of a run share: the request, the run's place, and the parcel that a batch fills."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from etl.check.contract import BROKEN, UNFIT, split
from etl.check.rejects import reject_frame
from etl.database import Pool
from etl.errors import ContractBroken
from etl.events import Observer
from etl.extract.layout import Layout
from etl.extract.source import Source
from etl.load.lock import RunLock
from etl.load.publish import PublishOptions
from etl.phases import ZONE_OF, Phase
from etl.report import TableCount
from etl.runner.backup import NO_BACKUP, BackupOptions
from etl.runner.params import Params
from etl.runner.retry import PATIENT, RetryPolicy
from etl.settings import GateSettings
from etl.transform.staging import References
from schemas import TABLES, Table, tables_of


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the caller wants done, and where. DSNs are complete; nothing here is read from the environment later."""

    phases: tuple[Phase, ...]
    legacy_url: str
    target_url: str
    layout: Layout
    refuse_unmapped: bool
    batch_rows: int
    rows_per_s: float
    workers: int
    validate: bool
    gates: GateSettings
    publish: bool
    publish_options: PublishOptions
    params: Params
    config_hash: str
    retry: RetryPolicy = PATIENT
    checksums: bool = True
    backup: BackupOptions = NO_BACKUP

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones that the run writes, in their order."""
        return tuple(ZONE_OF[phase] for phase in self.phases if phase in ZONE_OF)

    def tables(self) -> tuple[Table, ...]:
        """The tables that the run writes, parents first."""
        return tuple(table for zone in self.zones for table in tables_of(zone))


@dataclass(frozen=True, slots=True)
class Reference:
    """The small tables of a run, resolved with batch 0 and shared by every batch. Frames are never changed.

    Attributes:
        games: `staging.games` without load and batch, one row a canonical game.
        game_map: legacy_game_id -> game_id.
        refs: what the staging transforms look up; None where the run has no staging phase.
        staged: other staging reference tables by name (`sportsbooks`).
        form: `curated.games` without load and batch, by horizon in minutes.
    """

    games: pl.DataFrame
    game_map: pl.DataFrame
    refs: References | None
    staged: Mapping[str, pl.DataFrame]
    form: Mapping[int, pl.DataFrame]

    def lookups(self) -> References:
        """What the staging transforms look up.

        Raises:
            ContractBroken: the run has no staging phase.
        """
        if self.refs is None:
            raise ContractBroken("this run resolves no lines", next_step="please report this")
        return self.refs


@dataclass(frozen=True, slots=True)
class Context:
    """A run under way. `holder`: (host, pid) of the process that the run belongs to; `stop`: no new try is begun."""

    request: RunRequest
    run_id: int
    source: Source
    observer: Observer
    lock: RunLock
    executor: Executor
    pool: Pool
    holder: tuple[str, int] | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def load_id(self) -> int:
        """The load that the run writes: one generation of every table of its zones, under the run's own number."""
        return self.run_id

    def writes(self, phase: Phase) -> bool:
        """Whether the run does a phase."""
        return phase in self.request.phases


@dataclass(slots=True)
class Tally:
    """What happened to the rows of one table in one batch. See :class:`etl.report.TableCount`."""

    read: int = 0
    loaded: int = 0
    rejected: int = 0
    collapsed: int = 0
    expected: int = 0
    validated: int = 0
    seconds: float = 0.0

    def add(self, other: Mapping[str, float]) -> None:
        """Add the counts of another batch, as they stand in `audit.batches`."""
        for name in ("read", "loaded", "rejected", "collapsed", "expected", "validated"):
            setattr(self, name, getattr(self, name) + int(other[name]))
        self.seconds += float(other["seconds"])

    def as_count(self, table: Table) -> TableCount:
        """The tally as a line of the report."""
        return TableCount(
            zone=table.zone, table=table.name, read=self.read, loaded=self.loaded, rejected=self.rejected,
            collapsed=self.collapsed, expected=self.expected, seconds=round(self.seconds, 3),
        )  # fmt: skip


def _keep_nothing(_name: str, _frame: pl.DataFrame) -> None:
    """A sink for a parcel whose rows go nowhere."""


@dataclass(slots=True)
class Parcel:
    """All that one batch writes in its one transaction. `sink` gets each table's accepted rows as they are put.

    `checksums`: by raw table, `rows` and `sum` of the source's rows as the source's database computed them.
    """

    run_id: int
    batch_id: int
    sink: Callable[[str, pl.DataFrame], None] = _keep_nothing
    rejects: list[pl.DataFrame] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    checksums: dict[str, dict[str, Any]] = field(default_factory=dict)

    def tally(self, name: str) -> Tally:
        """The tally of a table, by ``zone.table``."""
        return self.tallies.setdefault(name, Tally())

    def put(
        self,
        name: str,
        frame: pl.DataFrame,
        *,
        read: int,
        collapsed: int = 0,
        expected: int | None = None,
        origin: pl.DataFrame | None = None,
        source_table: str | None = None,
        id_column: str = "raw_id",
        sentences: Mapping[str, str] | None = None,
    ) -> pl.DataFrame:
        """Hold a frame to the contract of ``zone.table`` and take it in; return the rows that were accepted.

        Args:
            name: ``zone.table``.
            frame: the contract's columns except load_id and batch_id, in any order; `broken_rules` where the step
                itself refuses rows, `unfit` where values could not be carried.
            read: source rows that it was made of.
            collapsed: source rows that are told by another row of the frame.
            expected: rows that the table must have; None for a one-to-one table.
            origin: the rows as they were read, with `id_column`, kept with a reject; None: the frame's own.
            source_table: where they were read from; None: the column of that name.
            id_column: names a row of `origin` and of the frame.
            sentences: rule -> sentence for rules that the contract does not have.
        """
        table = TABLES[name]
        stamped = frame.with_columns(
            load_id=pl.lit(self.run_id, pl.Int32), batch_id=pl.lit(self.batch_id, pl.Int32)
        ).select(*table.schema, *(name for name in (BROKEN, UNFIT) if name in frame.columns))
        halves = split(stamped, table)
        tally = self.tally(name)
        tally.read += read
        tally.collapsed += collapsed
        tally.rejected += len(halves.rejected)
        tally.loaded += len(halves.valid)
        tally.expected += read - collapsed - len(halves.rejected) if expected is None else expected
        if "validation_status" in table.schema:
            tally.validated += int((halves.valid["validation_status"] == "validated").sum())
        self.sink(name, halves.valid)
        self.rejects.append(
            reject_frame(
                halves.rejected, table, run_id=self.run_id, origin=origin,
                source_table=source_table, id_column=id_column, sentences=sentences or {},
            )
        )  # fmt: skip
        return halves.valid
