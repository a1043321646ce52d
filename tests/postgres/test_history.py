"""What the ledger tells of runs: all of them in a line each, and one with everything."""

import polars as pl
import pytest

from etl import database as db
from etl.errors import ConfigurationError
from etl.load import ledger
from etl.report import Check
from etl.runner.history import history, show
from etl.runner.retain import pin_run, prune_target
from etl.runner.switch import roll_back
from schemas import TABLES
from tests import factories, targets

GAMES, LABELS = "raw_data.games_raw", "curated.labels"
TALLY = {"validated": 0, "seconds": 0.5, "collapsed": 0}


@pytest.fixture
def connection(target):
    with db.session(target, autocommit=True) as found:
        yield found


def batch(run_id, batch_id, *, read, rejected):
    loaded = read - rejected
    counts = {GAMES: {"read": read, "loaded": loaded, "rejected": rejected, "expected": loaded, **TALLY}}
    return ledger.BatchEntry(run_id, batch_id, 1, 9, read, loaded, rejected, 0, counts)


def reject(key, rule):
    frame = factories.rows(TABLES["audit.rejects"], 1, nulls_every=0)
    given = {"reject_key": key, "rule": rule, "zone": "raw_data", "table_name": "games_raw", "reason": f"no {rule}"}
    return frame.with_columns(**{name: pl.lit(value) for name, value in given.items()})


def by_run(runs, *names):
    return {run["run"]: tuple(run[name] for name in names) for run in runs}


def test_every_run_has_a_line_newest_first(target, connection):
    targets.published(target, [GAMES, LABELS])
    targets.published(target, [GAMES])
    targets.fill(target, [GAMES], status="failed")
    for batch_id, (read, rejected) in enumerate([(5, 1), (7, 0)]):
        ledger.enter_batch(connection, batch(2, batch_id, read=read, rejected=rejected))
    runs = history(target, limit=None)
    assert [run["run"] for run in runs] == [3, 2, 1]
    assert by_run(runs, "status", "phases", "loaded", "rejected", "zones", "loads") == {
        3: ("failed", ["raw"], 0, 0, [], 1),
        2: ("published", ["raw"], 11, 1, ["raw_data"], 1),
        1: ("published", ["raw"], 0, 0, ["curated"], 2),
    }
    assert [run["published_at"] is not None for run in runs] == [False, True, True]
    assert {run["size_bytes"] > 0 for run in runs} == {True}
    assert [run["run"] for run in history(target, limit=1)] == [3]


def test_pins_rollbacks_and_prunes_show(target):
    for _ in range(3):
        targets.published(target, [GAMES])
    pin_run(target, 2, on=True)
    roll_back(target, 2, options=targets.OPTIONS)
    prune_target(target, keep=0, unfinished=False)
    runs = history(target, limit=None)
    assert by_run(runs, "zones", "loads", "size_bytes")[1] == ([], 0, 0)
    assert by_run(runs, "zones")[2] == (["raw_data"],)
    assert [run["run"] for run in runs if run["pinned_at"]] == [2]


def test_a_target_without_a_ledger_has_no_history(database):
    assert history(database(), limit=None) == []


def test_a_run_is_shown_with_all_that_the_ledger_knows(target, connection):
    targets.published(target, [GAMES])
    run_id = targets.fill(target, [GAMES, LABELS], status="failed", code_version="0.9")
    ledger.enter_batch(connection, batch(run_id, 0, read=5, rejected=2))
    for batch_id, error in ((0, "deadlock"), (1, "no space"), (1, "no space at all")):
        ledger.enter_attempt(connection, run_id, batch_id, outcome="failed", error=error, seconds=1.5)
    db.execute(connection, "begin")
    refused = [reject("a", "present"), reject("b", "known"), reject("b", "known"), reject("c", "known")]
    ledger.enter_rejects(connection, run_id, 0, refused)
    db.execute(connection, "commit")
    good, bad = (
        Check("raw_data", "gate migrated", passed, ">= 99 %", "60 %", sentence="look") for passed in (True, False)
    )
    ledger.enter_checks(connection, run_id, [Check("raw_data", "stored", passed=True, expected="3", actual="3"), bad])
    told = show(target, run_id)
    assert (told["run"], told["status"], told["code_version"], told["host"]) == (run_id, "failed", "0.9", "here")
    assert [(t["table"], t["read"], t["loaded"], t["rejected"], t["load"]) for t in told["tables"]] == [
        (GAMES, 5, 3, 2, "kept"),
        (LABELS, 0, 0, 0, "kept"),
    ]
    batches = told["batches"]
    assert (batches["committed"], batches["read"], batches["loaded"], batches["rejected"]) == (1, 5, 3, 2)
    assert [(a["batch"], a["attempt"], a["error"], a["is_in"]) for a in told["failed_attempts"]] == [
        (1, 2, "no space at all", False),
        (1, 1, "no space", False),
        (0, 1, "deadlock", True),
    ]
    assert told["checks"]["made"] == 2
    assert [(check["name"], check["actual"]) for check in told["checks"]["failed"]] == [("gate migrated", "60 %")]
    assert told["rejects"]["rows"] == 4
    assert [(r["table"], r["rule"], r["rows"], r["reason"]) for r in told["rejects"]["rules"]] == [
        (GAMES, "known", 3, "no known"),
        (GAMES, "present", 1, "no present"),
    ]
    assert told["publications"] == []
    assert [step["command"] for step in told["next"]] == [f"etl retry {run_id}", f"etl pin {run_id}"]
    ledger.enter_checks(connection, run_id, [good])
    assert show(target, run_id)["checks"]["failed"] == []


def test_where_each_load_is_now_shows(target):
    targets.published(target, [GAMES, LABELS])
    targets.published(target, [GAMES])
    assert {t["table"]: t["load"] for t in show(target, 1)["tables"]} == {GAMES: "kept", LABELS: "published"}
    prune_target(target, keep=0, unfinished=False)
    assert {t["table"]: t["load"] for t in show(target, 1)["tables"]} == {GAMES: "dropped", LABELS: "published"}
    assert [p["kind"] for p in show(target, 1)["publications"]] == ["publish"]


def test_a_run_that_is_not_there_is_an_error(target):
    with pytest.raises(ConfigurationError, match="there is no run 3"):
        show(target, 3)
