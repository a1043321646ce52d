"""What history, prune, diff and dry runs print, in captured streams."""

import io
from datetime import UTC, datetime

import pytest

from etl.check.compare import Difference, Example
from etl.console import text
from etl.console.diff import print_diff
from etl.console.dry import print_dry_run
from etl.console.history import print_history, print_plan, print_pruned
from etl.load.holdings import Load
from etl.load.retention import Plan, Pruned
from etl.report import Check, RunReport
from etl.runner.diff import THE_SAME, Diff, TableDiff

EVENING = datetime(2026, 4, 2, 23, 30, tzinfo=UTC)
NEXT_DAY = datetime(2026, 4, 3, 0, 10, tzinfo=UTC)
ZONES = ["raw_data", "staging", "curated"]


@pytest.fixture
def stream():
    return io.StringIO()


def lines(stream):
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (8192, "8192 B"),
        (10_240, "10 kB"),
        (3_000_000, "2930 kB"),
        (5 * 2**34, "80 GB"),
        (2**60, "1048576 TB"),
    ],
)
def test_sizes(size_bytes, shown):
    assert text.size(size_bytes) == shown


def test_a_history_has_times_of_the_day_where_the_day_is_known(stream):
    run = {
        "run": 7, "status": "published", "phases": ["analyze", "raw", "staging"], "started_at": EVENING,
        "seconds": 9.26, "loaded": 120_000, "rejected": 3, "published_at": EVENING, "zones": ZONES,
        "pinned_at": EVENING, "loads": 25, "size_bytes": 5 * 2**20,
    }  # fmt: skip
    late = run | {"run": 6, "published_at": NEXT_DAY, "zones": ["raw_data"], "pinned_at": None, "phases": ["raw"]}
    died = run | {"run": 5, "status": "running", "seconds": None, "published_at": None, "zones": [], "loads": 0}
    print_history([run, late, died], stream)
    assert lines(stream) == [
        "run status            phases started          seconds  loaded rejected published        readers  size",
        "  7 published, pinned 1-3    2026-04-02 23:30    9.30 120,000        3 23:30            all      5120 kB",
        "  6 published         2      2026-04-02 23:30    9.30 120,000        3 2026-04-03 00:10 raw_data 5120 kB",
        "  5 running, pinned   1-3    2026-04-02 23:30       - 120,000        3 -                -        -",
    ]


def load(run_id, table, reason=""):
    return Load(run_id, f"staging.{table}", f"staging_{table}_{run_id}", 2**20, reason)


def test_loads_are_told_by_run_and_reason(stream):
    kept = (
        load(5, "games", "readers see it"),
        load(5, "teams", "readers see it"),
        load(4, "games", "loads.curated_games_5 descends from it"),
        load(4, "teams", "loads.curated_labels_5 descends from it"),
    )
    print_pruned(Pruned((load(None, "games"),), kept, (load(3, "games", "in use"),)), stream)
    assert lines(stream) == [
        "kept",
        "run  loads  size     why",
        "  5      2  2048 kB  readers see it",
        "  4      2  2048 kB  a load that is kept descends from it",
        "left for the next prune",
        "run  loads  size     why",
        "  3      1  1024 kB  in use",
        "dropped",
        "run      loads  size",
        "orphans      1  1024 kB",
        "",
        "1 loads were dropped, 1024 kB",
    ]


def test_a_plan_says_that_nothing_was_changed(stream):
    print_plan(Plan((), (load(3, "games"),)), stream)
    assert lines(stream)[0] == "would be dropped"
    assert lines(stream)[-1] == "1 loads would be dropped, 1024 kB; nothing was changed"


def run(number, **facts):
    same = {"code_version": "1", "contracts_hash": "c", "config_hash": "k", "snapshot_at": EVENING}
    return {"run": number, "status": "published", **same, **facts}


def keyed(**facts):
    none = {"by": "key", "added": 0, "removed": 0, "changed": 0, "same": True, "columns": {}}
    return Difference(**{"rows_before": 4, "rows_after": 4, **none, "only_before": (), "only_after": (), **facts})


def test_a_diff_names_what_changed(stream):
    changed = keyed(
        rows_after=5, added=2, removed=1, changed=1, same=False, columns={"home_ml": 1}, only_after=("mood",),
        added_keys=({"id": "8"},), removed_keys=({"id": "3"},),
        examples=(Example({"id": "4"}, "home_ml", None, "-" + 60 * "1"), Example({"id": "5"}, "home_ml", "", "x")),
    )  # fmt: skip
    whole = keyed(by="hash", added=None, removed=None, changed=None, same=False)
    tables = (
        TableDiff("raw_data.moneylines_raw", 1, 2, changed),
        TableDiff("raw_data.betting_lines_raw", 1, 2, whole),
        TableDiff("raw_data.teams_raw", None, 2, None, "no load before it"),
        TableDiff("raw_data.games_raw", None, 2, None, "no load before it"),
    )
    print_diff(Diff(run(2, config_hash="n"), [run(1)], tables), stream)
    assert lines(stream) == [
        "run     2 (published, source as of 2026-04-02 23:30:00+00:00)",
        "against 1 (published, source as of 2026-04-02 23:30:00+00:00)",
        "configuration of run 1: k -> n",
        "",
        "table                      before after added removed changed is",
        "raw_data.moneylines_raw         4     5     2       1       1 differs",
        "raw_data.betting_lines_raw      4     4     -       -       - differs (hash)",
        "",
        "raw_data.moneylines_raw",
        "changed: home_ml 1",
        "added: id 8; and 1 more",
        "removed: id 3",
        "key   column   before  after",
        f"id 4  home_ml  null    -{36 * '1'}...",
        "id 5  home_ml  ''      x",
        "",
        "not compared (no load before it): raw_data.teams_raw, raw_data.games_raw",
        "raw_data.moneylines_raw: only the load after has mood",
    ]


def test_a_diff_of_equals_says_so(stream):
    tables = (TableDiff("raw_data.games_raw", 1, 2, keyed()), TableDiff("staging.games", 2, 2, None, THE_SAME))
    print_diff(Diff(run(2), [run(1)], tables), stream)
    assert lines(stream)[-1] == "nothing differs"


def test_a_dry_run_tells_rejects_then_counts_then_what_would_stop_it(stream):
    example = {"source_table": "raw_data.totals_raw", "source_id": "7", "row": {}}
    rejects = [
        {"table": "staging.totals", "rule": "price_invalid", "rows": 2, "reason": "a price", "examples": [example]},
        {
            "table": "staging.games",
            "rule": "start",
            "rows": 1,
            "reason": "a start",
            "examples": [example | {"source_id": None}],
        },
    ]
    gate = Check("staging", "gate rejected", passed=False, expected="<= 1 %", actual="2 %", sentence="look")
    report = RunReport(
        0, "dry_run", ("raw",), 1.5, (), (gate,), published=False, message="no", details={"rejects": rejects}
    )
    print_dry_run(report, stream)
    assert lines(stream) == [
        "Would be refused",
        "table           rule           rows  reason",
        "staging.totals  price_invalid     2  a price",
        "staging.games   start             1  a start",
        "",
        "For example",
        "staging.totals price_invalid: raw_data.totals_raw 7",
        "staging.games start: raw_data.totals_raw without an id",
        "",
        "dry run in 1.5 s",
        "no",
        "FAILED  staging gate rejected: expected <= 1 %, found 2 %",
        "        look",
        "1 checks: 1 failed",
    ]
