"""Schema `audit`: the bookkeeping of the three zones. Plain tables, never partitioned, never published."""

import polars as pl

from schemas._base import AUDIT, Contract, Texts, Utc, column, table

RUN_STATUSES = ("running", "filled", "published", "failed", "interrupted", "dry_run")


@table(AUDIT, "runs", key=("run_id",), grain="one invocation that writes")
class Runs(Contract):
    """Runs, with all that a later resume has to compare."""

    run_id: pl.Int32 = column("Run")
    status: pl.String = column("State of the run", isin=RUN_STATUSES)
    phases: Texts = column("Phases asked for")
    layout: pl.String = column("Legacy layout")
    started_at: Utc = column("Start", unit="UTC")
    finished_at: Utc = column("End", unit="UTC", null="not finished")
    snapshot_at: Utc = column("When the legacy snapshot was taken", unit="UTC", null="nothing was read from the legacy")
    code_version: pl.String = column("Version of the package")
    contracts_hash: pl.String = column("Hash of all contracts")
    config_hash: pl.String = column("Hash of all settings but secrets and places")
    host: pl.String = column("Machine")
    pid: pl.Int32 = column("Process")
    message: pl.String = column("How it ended, for people", null="nothing to say")
    report: pl.String = column("The run's report", sql="jsonb", null="not finished")
    plan: pl.String = column("Its batches: number, keys, predicates, lines", sql="jsonb", null="not planned yet")
    basis: pl.String = column(
        "Parameters, and hashes of code, contracts and catalogues, that its rows depend on",
        sql="jsonb",
        null="not noted",
    )
    replay: pl.String = column(
        "Which rejects it put back: rule and run", sql="jsonb", null="it read its source, and can be gone on with"
    )
    pinned_at: Utc = column("Since when its loads are kept whatever is pruned", unit="UTC", null="not pinned")


@table(AUDIT, "loads", key=("load_id", "table_name"), grain="one generation of one table")
class Loads(Contract):
    """Loads: which standalone table of schema `loads` holds which generation of which zone table."""

    load_id: pl.Int32 = column("Load: the run_id of the run that wrote it")
    table_name: pl.String = column("zone.table")
    run_id: pl.Int32 = column("Run that wrote it")
    relation: pl.String = column("Name of the table in schema loads")
    contract: pl.String = column("Fingerprint of the contract it was written by")
    loaded_rows: pl.Int64 = column("Rows", unit="rows", null="not filled")
    created_at: Utc = column("Creation", unit="UTC")
    dropped_at: Utc = column("When retention dropped it", unit="UTC", null="still there")


@table(AUDIT, "batches", key=("run_id", "batch_id"), grain="one committed batch")
class Batches(Contract):
    """Committed batches: the row commits in one transaction with the batch's rows."""

    run_id: pl.Int32 = column("Run")
    batch_id: pl.Int32 = column("Batch; 0 is the reference tables")
    first_key: pl.Int64 = column("First canonical game (or line id) of the range", null="batch 0")
    last_key: pl.Int64 = column("Last canonical game (or line id) of the range", null="batch 0")
    read_rows: pl.Int64 = column("Source rows read", unit="rows", ge=0)
    loaded_rows: pl.Int64 = column("Rows written to all tables", unit="rows", ge=0)
    rejected_rows: pl.Int64 = column("Rejects written", unit="rows", ge=0)
    collapsed_rows: pl.Int64 = column("Exact duplicates collapsed", unit="rows", ge=0)
    counts: pl.String = column("read, loaded, rejected, collapsed, expected and seconds by table", sql="jsonb")
    checksums: pl.String = column(
        "By raw table, rows and checksum of the source's rows as the source's database computed them",
        sql="jsonb",
        null="checksums were off, or nothing was read from the legacy",
    )
    committed_at: Utc = column("When it was written", unit="UTC")


@table(AUDIT, "attempts", key=("run_id", "batch_id", "attempt"), grain="one try at a batch")
class Attempts(Contract):
    """Attempts, committed on their own, so that a failure leaves a trace."""

    run_id: pl.Int32 = column("Run")
    batch_id: pl.Int32 = column("Batch")
    attempt: pl.Int32 = column("1, 2, ...", ge=1)
    outcome: pl.String = column("How it ended", isin=("committed", "failed"))
    error: pl.String = column("What went wrong", null="nothing")
    seconds: pl.Float64 = column("Duration", unit="s", ge=0)
    finished_at: Utc = column("End", unit="UTC")


@table(AUDIT, "rejects", key=("reject_key",), grain="one refused row, however many runs refused it")
class Rejects(Contract):
    """Rows that broke a critical rule, whole, with the rule and the place they came from.

    Which runs refused a row is in `audit.sightings`. A reject goes when no kept run refused it.
    """

    reject_key: pl.String = column("Hash of zone, table, origin, rules and row")
    first_run_id: pl.Int32 = column("Run that refused it first")
    zone: pl.String = column("Zone that refused the row")
    table_name: pl.String = column("Table that refused the row")
    source_table: pl.String = column("Table the row was read from")
    source_id: pl.String = column("Its id there", null="the row has none")
    rule: pl.String = column("First rule that it broke")
    rules: Texts = column("All rules that it broke")
    reason: pl.String = column("The rule in a sentence")
    row: pl.String = column("The whole row as it was read", sql="jsonb")
    row_hash: pl.String = column("Hash of the row")
    forgotten_runs: pl.Int32 = column("Runs that refused it too, and are no longer kept", null="none")


@table(
    AUDIT,
    "sightings",
    key=("run_id", "batch_id", "reject_key"),
    grain="one reject in one batch of one run",
    indexes=(("reject_key",),),
)
class Sightings(Contract):
    """Which run refused which row: the rejects of a run, committed with their batch."""

    run_id: pl.Int32 = column("Run")
    batch_id: pl.Int32 = column("Batch")
    reject_key: pl.String = column("Reject")
    copies: pl.Int32 = column("Rows of the batch that are this reject: more than 1 if the source repeats it", ge=1)


@table(AUDIT, "checks", key=(), grain="one check of one run", indexes=(("run_id",),))
class Checks(Contract):
    """Checks of a run or of `etl validate`, with what was expected and what was found."""

    run_id: pl.Int32 = column("Run", null="validation outside a run")
    zone: pl.String = column("Zone, or `pipeline`")
    name: pl.String = column("Check")
    severity: pl.String = column("What a failure means", isin=("error", "warning"))
    passed: pl.Boolean = column("Verdict")
    expected: pl.String = column("What should be")
    actual: pl.String = column("What is")
    sentence: pl.String = column("For people, with the next step")
    checked_at: Utc = column("When", unit="UTC")


@table(AUDIT, "publications", key=("publication_id",), grain="one switch of the readers")
class Publications(Contract):
    """Publications: the complete map zone.table -> load_id. The newest row is what readers see."""

    publication_id: pl.Int32 = column("Publication")
    run_id: pl.Int32 = column("Run that was published, or whose publication was reinstated")
    kind: pl.String = column("What was done", isin=("publish", "rollback"))
    map: pl.String = column("zone.table -> load_id, of all zones", sql="jsonb")
    published_at: Utc = column("When", unit="UTC")
