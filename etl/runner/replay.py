"""Put rejects back through today's rules: a run over the games they touch, with all other games carried on as they are.

What it makes is what a whole run of staging and curated would make of the published raw zone today. Where it cannot be
shown that the other games are untouched, all games are done again.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

from etl import database
from etl.check.reconcile import source_check
from etl.database import Connection, Pool, identifier, literal
from etl.errors import ConfigurationError
from etl.events import Observer
from etl.extract.snapshot import Snapshot, open_snapshot
from etl.extract.zone import open_zone
from etl.load import ddl, ledger
from etl.load.carry import Cut, count_rows
from etl.load.lock import RunLock, hold_lock
from etl.load.rejects import enter_replay
from etl.phases import ZONE_OF, Phase
from etl.report import Check
from etl.runner import finish
from etl.runner.account import account, totals
from etl.runner.backup import before_run
from etl.runner.basis import enter_basis
from etl.runner.batches import commit_batch
from etl.runner.carry import carry_raw, read_told
from etl.runner.context import Context, RunRequest, Tally
from etl.runner.facts import facts_of, holder
from etl.runner.fill import Progress, source_checks
from etl.runner.rejects import Selection, met_by, published_runs
from etl.runner.replay_games import refill_games
from etl.runner.replay_raw import PutBack, read_rejected
from etl.runner.run import RunOutcome, finish_run
from schemas import LOADS, tables_of

AGAIN = "etl rejects replay"
_NOT_FOR_REPLAYS = ("etl retry", "etl run --resume")
_RAW = "raw_data"


@dataclass(frozen=True, slots=True)
class Task:
    """What a replay was asked for, and what it starts from.

    Attributes:
        chosen: SQL over the columns of `audit.rejects`: what is put back.
        published: ``zone.table`` -> load_id of what readers see.
        base: (zone, run) of it.
        put_back: chosen rejects of the raw zone, as rows.
        asked: rows that are put back, copies counted.
        settled: chosen rejects that no published run met: there is nothing to put back.
    """

    chosen: str
    published: Mapping[str, int]
    base: Sequence[tuple[str, int]]
    put_back: PutBack
    asked: int
    settled: int

    @property
    def raw_run(self) -> int:
        """The run that wrote the published raw zone."""
        return self.published[tables_of(_RAW)[0].full_name]

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What is to be done: the published zones, the raw one only if it takes a row back."""
        zones = {name.partition(".")[0] for name in self.published}
        takes = self.put_back.accepted() > 0
        return tuple(phase for phase, zone in ZONE_OF.items() if zone in zones and (phase is not Phase.RAW or takes))


def replay(request: RunRequest, selection: Selection, observer: Observer) -> RunOutcome:
    """Put the selected rejects back and publish the result; ``replay`` in the report's details accounts for each.

    The phases of the request do not count: a replay does the zones that are published. Nothing is raised once the run
    has its number: what stopped it is in the outcome.

    Raises:
        ConfigurationError: no reject is selected, or none can be put back.
        LockHeld, DatabaseUnreachable, PermissionMissing, ForeignObject, BackupFailed: as :func:`etl.runner.run.run`.
    """
    with hold_lock(request.target_url) as lock, database.session(request.target_url, autocommit=True) as connection:
        before_run(connection, request.target_url, request.backup, observer)
        ddl.ensure_target(connection)
        task = _task(connection, request, selection)
        wanted = replace(request, phases=task.phases)
        run_id = ledger.begin_run(connection, facts_of(wanted))
        enter_basis(connection, run_id, request.params)
        enter_replay(connection, run_id, raw_run=task.raw_run, selection=asdict(selection))

        def filling(request: RunRequest, progress: Progress, observer: Observer, lock: RunLock, pool: Pool) -> None:
            _fill(task, request, progress, observer, lock, pool)

        outcome = finish_run(wanted, run_id, lock, observer, filling=filling)
        if outcome.error is not None and any(way in outcome.error.next_step for way in _NOT_FOR_REPLAYS):
            outcome.error.next_step = f"mend the cause, then begin anew: {AGAIN}"
        return outcome


def _task(connection: Connection, request: RunRequest, selection: Selection) -> Task:
    published, base = ledger.current_map(connection), published_runs(connection)
    joined = "audit.rejects join audit.sightings using (reject_key)"
    chosen = f"reject_key in (select reject_key from {joined} where {selection.condition(base)})"
    asked = _count(connection, f"coalesce(sum(copies), 0)::bigint from {joined} where {chosen} and {met_by(base)}")
    if not asked:
        raise ConfigurationError(
            "no row of what is published was refused like that: there is nothing to put back",
            next_step="etl rejects list",
        )
    published_too = f"select reject_key from {joined} where {met_by(base)}"
    settled = _count(connection, f"count(*) from audit.rejects where {chosen} and reject_key not in ({published_too})")
    put_back = _read_raw(connection, request, published, chosen)
    task = Task(chosen, published, base, put_back, asked, settled)
    if not task.phases:
        raise ConfigurationError(
            f"today's contract still refuses all {asked} rows: there is nothing to load", next_step="etl rejects list"
        )
    return task


def _count(connection: Connection, what: str) -> int:
    return int(database.scalar(connection, f"select {what}"))


def _read_raw(connection: Connection, request: RunRequest, published: Mapping[str, int], chosen: str) -> PutBack:
    run = published[tables_of(_RAW)[0].full_name]
    when = database.scalar(connection, f"select snapshot_at from audit.runs where run_id = {run}")
    met = f"{chosen} and reject_key in (select reject_key from audit.sightings where run_id = {run})"
    with open_snapshot(request.target_url) as snapshot:
        return read_rejected(
            snapshot, met, run_id=run, relations=ledger.relations(published), extracted_at=when,
            refuse_unmapped=request.refuse_unmapped,
        )  # fmt: skip


def _fill(task: Task, request: RunRequest, progress: Progress, observer: Observer, lock: RunLock, pool: Pool) -> None:
    """Every row of the replay's zones is in its load table, keyed and indexed; the chosen rejects are accounted for."""
    run_id = progress.run_id
    with pool.lend() as connection:
        ledger.create_loads(connection, run_id, request.tables())
    progress.relations = finish.load_relations(request, run_id, task.published)
    batch_id = 1
    with ThreadPoolExecutor(request.workers, "batch") as executor:

        def context(snapshot: Snapshot, relations: Mapping[str, str], *phases: Phase) -> Context:
            mine = replace(request, phases=tuple(phase for phase in phases if phase in request.phases))
            source = open_zone(snapshot, _RAW, relations)
            return Context(mine, run_id, source, observer, lock, executor, pool, holder())

        if Phase.RAW in request.phases:
            with open_snapshot(request.target_url) as snapshot:
                batch_id = _refill_raw(context(snapshot, ledger.relations(task.published), Phase.RAW), task)
        if Phase.STAGING in request.phases:
            # NOTE: a snapshot of its own: it must see the raw rows that were just put back.
            with open_snapshot(request.target_url) as snapshot:
                both = context(snapshot, progress.relations, Phase.STAGING, Phase.CURATED)
                progress.details["replay"] = refill_games(both, task, batch_id)
                progress.tallies = _tallies(pool, run_id)
                progress.read_checks = source_checks(both, progress.tallies)
    progress.tallies = _tallies(pool, run_id)
    with ThreadPoolExecutor(request.workers, "seal") as executor:
        finish.seal_loads(request, run_id, progress.relations, executor=executor, pool=pool)
    with pool.lend() as connection:
        progress.read_checks += _raw_checks(connection, task, request, progress.tallies)
        told = account(connection, run_id, task.chosen, task.base, zones=request.zones, relations=progress.relations)
    progress.read_checks.append(_accounted(task, sum(totals(told["rejects"]).values())))
    progress.details["replay"] = {**progress.details.get("replay", {}), "settled": task.settled, **told}


def _tallies(pool: Pool, run_id: int) -> dict[str, Tally]:
    with pool.lend() as connection:
        return finish.tally_run(connection, run_id)


def _refill_raw(context: Context, task: Task) -> int:
    """The raw zone with the rows that were put back; return the number of the next batch."""
    commit_batch(context, 1, task.put_back.put)
    with context.pool.lend() as connection:
        told = read_told(connection, task.published)
    cut = Cut(context.run_id, ledger.relations(task.published), (), {})
    return carry_raw(context, cut, told, left=task.chosen, first_batch=2)


def _raw_checks(connection: Connection, task: Task, request: RunRequest, tallies: Mapping[str, Tally]) -> list[Check]:
    """What was read into each raw table against what is published of it, rejects included."""
    if Phase.RAW not in request.phases:
        return []
    relations = ledger.relations(task.published)
    checks = []
    for table in (table for table in tables_of(_RAW) if table.one_to_one):
        refused = ledger.refused(task.raw_run, f"zone = {literal(_RAW)} and table_name = {literal(table.name)}")
        held = count_rows(connection, identifier(LOADS, relations[table.full_name]))
        held += _count(connection, f"coalesce(sum(copies), 0)::bigint from {refused}")
        read = tallies.get(table.full_name, Tally()).read
        checks.append(source_check(_RAW, table.name, in_source=held, read=read))
    return checks


def _accounted(task: Task, told: int) -> Check:
    """Every row that was put back is told of once."""
    return Check(
        "pipeline", "rejects put back: accounted for", task.asked == told, f"{task.asked} put back", f"{told} told of",
        sentence="" if task.asked == told else "rows that were put back are lost or doubled: nothing is published",
    )  # fmt: skip
