"""Whole runs on a small sample: every row accounted for, and the same rows however the run was cut."""

import json
import re
from pathlib import Path

import pytest

import etl
from etl.load import ledger
from schemas import ZONES
from tests import runs
from tests.runs import PUBLISHED, content, published, rows, sample, scalar, seen
from tests.servers import execute

REPORT = {"run_id", "status", "phases", "seconds", "tables", "checks", "published"}
TABLE = {"zone", "table", "read", "loaded", "rejected", "collapsed", "expected", "seconds"}
ONE_TO_ONE = {(table.zone, table.name) for table in PUBLISHED if table.one_to_one}
CHECK = {"zone", "name", "passed", "expected", "actual"}


def names(table):
    return table.full_name


@pytest.fixture(scope="module")
def make(postgres):
    """Makes a database of this module, empty or a copy of another one."""
    admin, made = postgres.url("postgres"), []

    def create(name, template="template0"):
        execute(admin, f"create database run_{name} template {template}")
        made.append(f"run_{name}")
        return postgres.url(f"run_{name}")

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture(scope="module")
def legacy(make, tmp_path_factory):
    url = make("legacy")
    return url, sample(url, tmp_path_factory.mktemp("unified") / "truth")


@pytest.fixture(scope="module")
def first(make, legacy):
    """(target, report) of the first run into an empty target, in one batch."""
    target = make("target")
    return target, published(legacy[0], target)


@pytest.fixture(scope="module")
def second(first, legacy):
    """(target, report) of a second run into the same target, cut and spread differently."""
    return first[0], published(legacy[0], first[0], batch_rows=700, workers=3)


def test_every_row_is_accounted_for(first):
    for count in first[1].tables:
        assert count.loaded == count.expected, count
    for count in [c for c in first[1].tables if (c.zone, c.table) in ONE_TO_ONE]:
        assert count.read == count.loaded + count.rejected + count.collapsed, count
    assert [check for check in first[1].checks if not check.passed] == []


def test_as_many_rows_are_read_as_the_sample_holds(first, legacy):
    read = {count.table: count.read for count in first[1].tables if count.zone == "raw_data"}
    counts = legacy[1]
    assert read == {
        "moneylines_raw": counts.moneylines,
        "spreads_raw": counts.spreads,
        "totals_raw": counts.totals,
        "betting_lines_raw": counts.moneylines + counts.spreads + counts.totals,
        "games_raw": counts.games,
        "game_outcomes_raw": counts.outcomes,
        "sportsbooks_raw": counts.sportsbooks,
        "teams_raw": counts.teams,
    }


def test_readers_see_what_the_report_says(second):
    told = {f"{count.zone}.{count.table}": count.loaded for count in second[1].tables}
    assert seen(second[0]) == told
    assert min(told.values()) > 0


def test_rejects_and_duplicates_of_a_dirty_sample_are_kept(first):
    target, report = first
    told = {f"{c.zone}.{c.table}": c.rejected for c in report.tables if c.rejected}
    kept = f"select zone || '.' || table_name, sum(copies)::bigint from {ledger.refused(report.run_id)} group by 1"
    assert dict(rows(target, kept)) == told != {}
    assert sum(count.collapsed for count in report.tables if count.zone == "staging") > 0


def test_the_report_has_the_documented_shape(first):
    target, report = first
    told = json.loads(scalar(target, f"select report::text from audit.runs where run_id = {report.run_id}"))
    assert set(told) >= REPORT
    assert (told["status"], told["published"]) == ("published", True)
    assert told["phases"] == ["analyze", "raw", "staging", "curated"]
    assert {frozenset(table) for table in told["tables"]} == {frozenset(TABLE)}
    assert [(table["zone"], table["table"]) for table in told["tables"]] == [(t.zone, t.name) for t in PUBLISHED]
    assert all(set(check) >= CHECK for check in told["checks"])
    assert {check["zone"] for check in told["checks"]} == set(ZONES)


def test_the_batches_in_the_ledger_sum_up_to_the_report(second):
    target, report = second
    sums = (
        "select t.key, sum((t.value->>'loaded')::int)::int from audit.batches b, jsonb_each(b.counts) t "
        f"where run_id = {report.run_id} group by 1"
    )
    assert dict(rows(target, sums)) == {f"{c.zone}.{c.table}": c.loaded for c in report.tables}
    assert scalar(target, f"select count(*) from audit.batches where run_id = {report.run_id}") > 3


@pytest.mark.parametrize("table", PUBLISHED, ids=names)
def test_batches_and_workers_do_not_change_a_row(second, table):
    target, report = second
    assert content(target, table, load=1) == content(target, table, load=report.run_id) != []


def test_a_second_run_publishes_a_new_load_and_keeps_the_earlier(second):
    target, report = second
    assert runs.attached(target) == {(table.full_name, str(report.run_id)) for table in PUBLISHED}
    assert runs.loads(target) == {f"{table.zone}_{table.name}_{n}" for table in PUBLISHED for n in (1, report.run_id)}
    assert rows(target, "select run_id, kind from audit.publications order by publication_id") == [
        (1, "publish"),
        (report.run_id, "publish"),
    ]


@pytest.fixture(scope="module")
def odd(make, legacy):
    """A target loaded from a legacy with values that cannot be carried and with a column that nobody knows."""
    url, target = make("odd", template="run_legacy"), make("odd_target")
    lines, games = "curated.betting_lines_unified", "curated.games_complete"
    spread, total = (
        scalar(url, f"select min(id) from {lines} where market_type = '{market}'") for market in ("spread", "totals")
    )
    execute(
        url,
        f"update {lines} set spread_line = 'NaN' where id = {spread}",
        f"update {lines} set odds_timestamp = 'infinity' where id = {total}",
        f"update {lines} set odds_timestamp = '0044-03-15 12:00+00 BC' where id = {total + 1}",
        f"update {lines} set created_at = '-infinity' where id = 1",
        f"update {games} set game_date = 'infinity' where id = (select max(id) from {games})",
        f"alter table {lines} add column steam_rank int, add column note text",
        f"update {lines} set steam_rank = 7, note = 'seen \"twice\"' where id = 2",
        f"update {lines} set over_price = -110 where id = 3",
    )
    return target, published(url, target, phases="raw"), spread, total


def test_a_value_that_cannot_be_carried_makes_a_reject_and_its_neighbours_arrive(odd, legacy):
    target, report, spread, total = odd
    found = rows(
        target, "select table_name, source_id, rule, row->>'unfit' from audit.rejects order by 1, source_id::int"
    )
    game = scalar(legacy[0], "select max(id) from curated.games_complete")
    assert [(table, source_id, rule) for table, source_id, rule, _ in found] == [
        ("games_raw", str(game), "unfit_value"),
        ("moneylines_raw", "1", "unfit_value"),
        ("spreads_raw", str(spread), "unfit_value"),
        ("totals_raw", str(total), "unfit_value"),
        ("totals_raw", str(total + 1), "unfit_value"),
    ]
    assert [json.loads(unfit) for *_, unfit in found] == [
        {"game_date": "infinity"},
        {"created_at": "-infinity"},
        {"spread_line": "NaN"},
        {"odds_timestamp": "infinity"},
        {"odds_timestamp": "0044-03-15 12:00:00+00 BC"},
    ]
    counts = legacy[1]
    loaded = {count.table: count.loaded for count in report.tables}
    assert loaded["moneylines_raw"] == counts.moneylines - 1
    assert loaded["spreads_raw"] == counts.spreads - 1
    assert loaded["totals_raw"] == counts.totals - 2
    assert loaded["games_raw"] == counts.games - 1


def test_a_column_that_nobody_knows_lands_in_unmapped(odd):
    found = rows(odd[0], "select id, unmapped::text from raw_data.moneylines_raw where unmapped is not null order by 1")
    assert [(line, json.loads(kept)) for line, kept in found] == [
        (2, {"steam_rank": 7, "note": 'seen "twice"'}),
        (3, {"over_price": -110}),
    ]


def test_only_the_sample_and_its_commands_know_of_the_truth():
    package = Path(etl.__file__).parent
    knowing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"truth", path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert {path for path in knowing if not path.startswith("sample/")} == {"cli/databases.py", "cli/door.py"}
