"""Runs of the whole pipeline on small samples, and what they leave in a target, as the tests look at it."""

import json
import shutil
from functools import cache

from etl import database, runner
from etl.events import Silent
from etl.load.publish import PublishOptions
from etl.phases import parse_phases
from etl.sample import SampleOptions, create_sample
from etl.settings import load_settings
from schemas import LOADS, TABLES, ZONES, tables_of

OF_THE_LOAD = ("load_id", "batch_id", "extracted_at")
PUBLISHED = [table for zone in ZONES for table in tables_of(zone)]
LOCK = "select count(*) from pg_locks where locktype = 'advisory' and granted"
load_params = cache(runner.load_params)


def sample(url, truth_dir, *, layout="unified", scale=0.09):
    """Fill a database with the sample, some 1,900 lines, and take its truth away: no run may need it."""
    counts = create_sample(url, options=SampleOptions(scale=scale, layout=layout, dirty_pct=3), truth_dir=truth_dir)
    shutil.rmtree(truth_dir)
    return counts


def run(legacy, target, **options):
    return runner.run(request(legacy, target, **options), Silent())


def resumed(legacy, target, run_id, **options):
    return runner.resume_run(request(legacy, target, **options), run_id, Silent())


def request(legacy, target, *, phases="all", layout="unified", wait_s=20, keep=2, **changes):
    params = load_params()
    given = {
        "phases": parse_phases(phases),
        "legacy_url": legacy,
        "target_url": target,
        "layout": runner.load_layout(layout),
        "refuse_unmapped": False,
        "batch_rows": 100_000,
        "rows_per_s": 10_000,
        "workers": 2,
        "validate": True,
        "gates": load_settings().gates,
        "publish": True,
        "publish_options": PublishOptions(wait_s=wait_s, lock_timeout_ms=100, keep=keep),
        "params": params,
        "config_hash": params.config_hash,
    }
    return runner.RunRequest(**given | changes)


def published(legacy, target, **options):
    """The report of a run that must succeed."""
    outcome = run(legacy, target, **options)
    assert outcome.error is None, outcome.error
    assert outcome.report.published
    return outcome.report


def rows(url, sql):
    with database.session(url) as connection:
        return database.rows(connection, sql)


def scalar(url, sql):
    return rows(url, sql)[0][0]


def content(url, table, *, load=None):
    """The rows of a zone table as readers see them, or of one load of it, as sorted JSON texts."""
    place = table.full_name if load is None else f"{LOADS}.{table.zone}_{table.name}_{load}"
    leave_out = database.literal(list(OF_THE_LOAD))
    whole = f"select string_agg(r, chr(10)) from (select (to_jsonb(t) - {leave_out}::text[])::text from {place} t) x(r)"
    return sorted((scalar(url, whole) or "").splitlines())


def moved(texts, shift):
    """Rows with what `shift` gives for them subtracted from the ids of their lines; a club's row has a `raw_id` too."""
    found = [json.loads(text) for text in texts]
    return sorted(json.dumps({name: _id(name, value, row, shift) for name, value in row.items()}) for row in found)


def _id(name, value, row, shift):
    return value - shift(row) if name.endswith("raw_id") and value is not None else value


def seen(url, tables=PUBLISHED):
    """Rows of each table that readers see, in one statement."""
    counts = ", ".join(f"(select count(*) from {table.full_name})" for table in tables)
    return dict(zip([table.full_name for table in tables], rows(url, f"select {counts}")[0], strict=True))


def attached(url):
    """(``zone.table``, load) of all that readers see."""
    found = rows(url, "select distinct inhparent::regclass::text, inhrelid::regclass::text from pg_inherits")
    return {(parent, child.rpartition("_")[2]) for parent, child in found if parent in TABLES}


def loads(url):
    """Names of the tables in schema `loads`."""
    return {name for (name,) in rows(url, f"select tablename from pg_tables where schemaname = '{LOADS}'")}
