"""Targets whose runs are made by hand: loads of given rows, entered, keyed and published as a run would do it."""

from etl import database
from etl.load import ddl, ledger
from etl.load.copy import copy_frame
from etl.load.publish import PublishOptions, publish
from schemas import LOADS, TABLES

OPTIONS = PublishOptions(wait_s=5, lock_timeout_ms=100, keep=2)
FACTS = {
    "phases": ("raw",),
    "layout": "unified",
    "code_version": "1",
    "contracts_hash": "c",
    "config_hash": "k",
    "host": "here",
    "pid": 1,
}


def fill(url, tables, frames=(), *, status="filled", **facts):
    """The number of a run with loads of `tables` (names), of the rows in `frames` (by name), else empty.

    A load refers to others where all that it would refer to are there.
    """
    with database.session(url, autocommit=True) as connection:
        run_id = ledger.begin_run(connection, ledger.RunFacts(**FACTS | facts))
        wanted = [TABLES[name] for name in tables]
        ledger.create_loads(connection, run_id, wanted)
        relations = ledger.relations(ledger.current_map(connection) | dict.fromkeys(tables, run_id))
        for table in wanted:
            if table.full_name in frames:
                rows = frames[table.full_name](run_id)
                copy_frame(connection, rows, table, relation=(LOADS, ddl.load_relation(table, run_id)))
            database.script(connection, ddl.finish_load(table, run_id))
        for table in wanted:
            if all(reference.to in relations for reference in table.references):
                database.script(connection, ddl.reference_load(table, run_id, relations))
        ledger.end_run(connection, run_id, status=status, message="", report=None)
    return run_id


def show(url, run_id, tables):
    """Readers see these loads of a run, and what they saw before of other tables."""
    with database.session(url, autocommit=True) as connection:
        target = ledger.current_map(connection) | dict.fromkeys(tables, run_id)
        publish(connection, run_id=run_id, kind="publish", target=target, options=OPTIONS)


def published(url, tables, frames=(), **facts):
    """The number of such a run, published."""
    run_id = fill(url, tables, frames, **facts)
    show(url, run_id, tables)
    return run_id
