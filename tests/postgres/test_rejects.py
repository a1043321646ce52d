"""Rejects as an operator meets them: counted, shown whole, taken out as a file, put back, forgotten with loads."""

import json
from dataclasses import replace

import polars as pl
import pytest

from etl import database as sessions
from etl.errors import ConfigurationError
from etl.events import Silent
from etl.load import ddl, ledger
from etl.load.rejects import forget_sightings
from etl.runner.rejects import Selection, count_rejects, export_rejects, find_rejects
from etl.runner.replay import replay
from schemas import TABLES
from tests import factories, runs
from tests.runs import load_params, published, rows, sample, scalar
from tests.servers import execute

LINES = "curated.betting_lines_unified"
COLUMNS = [*TABLES["audit.rejects"].schema, "run_ids", "copies"]
WHERE_KEPT = "select run_id, copies from audit.sightings order by 1, 2"


def narrow():
    """Parameters with a bound on totals that is too narrow."""
    params = load_params()
    return replace(params, staging=replace(params.staging, bounds=replace(params.staging.bounds, total_max_runs=12.5)))


@pytest.fixture(scope="module")
def target(postgres, tmp_path_factory):
    """(address of the legacy, of the target) after two runs by the same rules, with a total of 13.5, of line 960."""
    admin = postgres.url("postgres")
    execute(admin, "create database rejects_legacy", "create database rejects_target")
    legacy, url = postgres.url("rejects_legacy"), postgres.url("rejects_target")
    sample(legacy, tmp_path_factory.mktemp("rejects") / "truth", scale=0.05)
    first = scalar(legacy, f"select min(id)::int from {LINES} where market_type = 'totals' and game_id is not null")
    execute(legacy, f"update {LINES} set id = 1000000, total_line = 13.5 where id = {first}")
    published(legacy, url, params=narrow(), validate=False)
    published(legacy, url, params=narrow(), validate=False)
    yield legacy, url
    execute(admin, *(f"drop database {name} with (force)" for name in ("rejects_legacy", "rejects_target")))


def test_rejects_are_counted_by_rule_over_what_is_published(target):
    found = count_rejects(target[1], Selection())
    held = scalar(target[1], f"select sum(copies)::int from {ledger.refused(2)}")
    assert sum(entry["rows"] for entry in found) == held > 0
    (lines,) = [e for e in found if (e["table"], e["rule"]) == ("totals", "line_invalid")]
    assert (lines["zone"], lines["runs"], lines["first_run"]) == ("staging", 2, 1)
    assert lines["sentence"] == "V04: the line is present, on its grid and in range"
    assert find_rejects(target[1], f"totals:{lines['example']}")


@pytest.mark.parametrize(
    ("selection", "tables"),
    [
        (Selection(run_id=1, rule="line_invalid", table="totals"), {"totals"}),
        (Selection(table="staging.moneylines"), {"moneylines"}),
        (Selection(zone="curated"), set()),
        (Selection(run_id=7), set()),
    ],
    ids=str,
)
def test_rejects_are_selected(target, selection, tables):
    assert {entry["table"] for entry in count_rejects(target[1], selection)} == tables


def test_a_reject_is_shown_whole_by_its_id_and_by_the_beginning_of_its_key(target):
    (found,) = find_rejects(target[1], "staging.totals:1000000")
    assert (found["source_table"], found["source_id"]) == ("raw_data.totals_raw", "1000000")
    assert (found["row"]["id"], found["row"]["total_line"]) == (1000000, "13.5")
    assert found["rules"][0] == {
        "rule": "line_invalid",
        "sentence": "V04: the line is present, on its grid and in range",
    }
    assert [(met["run"], met["copies"]) for met in found["runs"]] == [(1, 1), (2, 1)]
    assert find_rejects(target[1], found["reject_key"][:20]) == [found]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("totals:no-such-id", "no reject is"),
        ("zz", "neither a key nor TABLE:ID"),
        ("", "neither a key nor TABLE:ID"),
        ("0123456789012345678901234567890123", "no reject is"),
    ],
)
def test_what_names_no_reject_is_said(target, name, told):
    with pytest.raises(ConfigurationError, match=told):
        find_rejects(target[1], name)


def test_the_beginning_of_several_keys_is_refused(target):
    several = "select left(reject_key, 1) from audit.rejects group by 1 having count(*) > 1 limit 1"
    with pytest.raises(ConfigurationError, match="rejects begin with"):
        find_rejects(target[1], scalar(target[1], several))


READERS = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".json": pl.read_json}


@pytest.mark.parametrize("suffix", list(READERS))
def test_rejects_are_written_to_a_file_whole(target, tmp_path, suffix):
    path = tmp_path / f"rejects{suffix}"
    count = export_rejects(target[1], Selection(table="totals"), path, force=False)
    frame = READERS[suffix](path)
    assert frame.columns == COLUMNS
    assert (len(frame), frame["table_name"].unique().to_list()) == (count, ["totals"])
    assert 1000000 in [json.loads(row)["id"] for row in frame["row"]]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_no_rejects_make_a_file_of_their_columns(target, tmp_path):
    path = tmp_path / "none.parquet"
    assert export_rejects(target[1], Selection(rule="none"), path, force=False) == 0
    assert pl.read_parquet(path).columns == COLUMNS


def test_a_file_is_replaced_only_if_that_is_asked_for(target, tmp_path):
    path = tmp_path / "rejects.csv"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists"):
        export_rejects(target[1], Selection(), path, force=False)
    assert path.read_text() == "mine"
    export_rejects(target[1], Selection(), path, force=True)
    assert path.read_text().startswith("reject_key,")


def test_an_ending_that_means_no_format_is_refused(target, tmp_path):
    with pytest.raises(ConfigurationError, match=r"rejects\.xls"):
        export_rejects(target[1], Selection(), tmp_path / "rejects.xls", force=False)


def test_a_corrected_bound_takes_back_what_it_refused(target, postgres):
    """The operator's story, on a copy: a bound was too narrow, is corrected, and its rejects are put back."""
    legacy, _ = target
    execute(postgres.url("postgres"), "create database rejects_story template rejects_target")
    url = postgres.url("rejects_story")
    try:
        outcome = replay(runs.request(legacy, url), Selection(rule="line_invalid"), Silent())
        assert outcome.error is None, outcome.error
        assert rows(url, "select total_line from staging.totals where raw_id = 1000000") == [(13.5,)]
        assert rows(url, "select count(*)::int from curated.totals where raw_id = 1000000") == [(1,)]
        (entry,) = [e for e in outcome.report.details["replay"]["rejects"] if e["table"] == "totals"]
        refused = {e["table"]: e["rows"] for e in count_rejects(url, Selection(rule="line_invalid"))}
        assert entry["accepted"] >= 1
        assert (entry["refused"], entry["collapsed"] + entry["gone"]) == (refused.get("totals", 0), 0)
    finally:
        execute(postgres.url("postgres"), "drop database rejects_story with (force)")


@pytest.fixture
def audit(database):
    """A session of a target with three runs, of which the first has no load left, and two rejects in a batch."""
    url = database()
    with sessions.session(url, autocommit=True) as connection:
        ddl.ensure_target(connection)
        loads = ", ".join(
            f"({n}, 'staging.totals', {n}, 'l{n}', '', now(), {w})" for n, w in ((1, "now()"), (2, "null"))
        )
        sessions.execute(
            connection,
            "insert into audit.loads (load_id, table_name, run_id, relation, contract, created_at, dropped_at) "
            f"values {loads}",
        )
        yield connection


def enter(connection, run_id, *numbers):
    """Enter rejects of that number, each as often as it is named."""
    table = TABLES["audit.rejects"]
    frame = factories.rows(table, 9).with_columns(forgotten_runs=pl.lit(None, pl.Int32), row=pl.lit("{}"))
    sessions.execute(connection, "begin")
    count = ledger.enter_rejects(connection, run_id, 1, [frame[list(numbers)]])
    sessions.execute(connection, "commit")
    return count


def kept(connection):
    """(run, copies) of the sightings, and how many runs of each reject are forgotten."""
    forgotten = sessions.rows(connection, "select forgotten_runs from audit.rejects order by 1 nulls last")
    return sessions.rows(connection, WHERE_KEPT), [runs for (runs,) in forgotten]


def test_rejects_are_written_in_pieces_and_each_once(audit, monkeypatch):
    monkeypatch.setattr(ledger, "REJECTS_AT_ONCE", 2)
    assert enter(audit, 1, 0, 1, 2, 0, 0) == 5
    assert enter(audit, 2, 2, 3) == 2
    assert kept(audit) == ([(1, 1), (1, 1), (1, 3), (2, 1), (2, 1)], [None] * 4)


def test_what_a_run_without_loads_refused_is_forgotten(audit):
    enter(audit, 1, 0, 1)
    enter(audit, 2, 1)
    forget_sightings(audit, [1])
    assert kept(audit) == ([(2, 1)], [1])


def test_a_run_that_has_a_load_forgets_nothing(audit):
    enter(audit, 1, 0)
    enter(audit, 2, 0, 1)
    forget_sightings(audit, [2])
    assert kept(audit) == ([(1, 1), (2, 1), (2, 1)], [None, None])


def test_forgotten_runs_add_up(audit):
    enter(audit, 1, 0)
    enter(audit, 3, 0, 0)
    enter(audit, 2, 0)
    forget_sightings(audit, [1])
    forget_sightings(audit, [3, 1])
    forget_sightings(audit, [])
    assert kept(audit) == ([(2, 1)], [2])
