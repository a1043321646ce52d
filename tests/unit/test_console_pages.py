"""What commands print, in captured streams."""

import io
import json
from datetime import UTC, datetime

import pytest

from etl.analyze import Analysis, GameFacts, LineFacts
from etl.analyze.model import Completeness, Complexity, DateRange, Estimate, Part, Quality, Volume
from etl.console import (
    print_analysis,
    print_checks,
    print_closing_table,
    print_error,
    print_json,
    print_status,
    print_table,
    text,
)
from etl.errors import EtlError, LockHeld
from etl.report import Check, RunReport, TableCount

RAW = "raw"


@pytest.fixture
def stream():
    return io.StringIO()


def report(tables=(), **given):
    facts = {"run_id": 12, "status": "published", "phases": (RAW,), "seconds": 75.2, "checks": (), "published": True}
    return RunReport(tables=tuple(tables), **(facts | given))


def test_the_closing_table_is_grouped_by_zone(stream):
    tables = [
        TableCount("raw_data", "moneylines_raw", 100, 98, 2, 0, 98, 0.5),
        TableCount("raw_data", "betting_lines_raw", 100, 196, 0, 0, 196, 0.25),
        TableCount("staging", "moneylines", 98, 90, 3, 5, 90, 1.0),
    ]
    print_closing_table(report(tables), stream)
    assert stream.getvalue().splitlines() == [
        "table                read  loaded  rejected  collapsed  seconds",
        "raw_data",
        "  moneylines_raw      100      98         2          0     0.50",
        "  betting_lines_raw   100     196         0          0     0.25",
        "staging",
        "  moneylines           98      90         3          5     1.00",
        "",
        "run 12 published in 1:15 min",
        "100 source rows, 384 loaded, 5 rejected, 5 collapsed",
    ]


def test_the_closing_table_of_a_hundred_million_rows_fits_80_columns(stream):
    many = 100_000_000
    table = TableCount("curated", "market_efficiency_metrics", many, many, 4_000_000, 1_000_000, many, 12345.67)
    print_closing_table(report([table]), stream)
    assert max(map(len, stream.getvalue().splitlines())) <= 80


def test_a_run_that_failed_says_why(stream):
    print_closing_table(report(status="failed", published=False, message="the gate is shut"), stream)
    assert stream.getvalue().splitlines() == ["run 12 failed in 1:15 min", "the gate is shut"]


CHECKS = [
    Check("raw_data", "a: rows", passed=True, expected="1", actual="1 stored"),
    Check("staging", "b: rows", passed=False, expected="2", actual="3", severity="warning", sentence="look there"),
    Check("curated", "c: rows", passed=False, expected="4", actual="5", sentence="do this"),
]


@pytest.mark.parametrize(("every", "passed"), [(False, []), (True, ["passed  raw_data a: rows: 1 stored"])])
def test_failed_checks_come_first(stream, every, passed):
    print_checks(CHECKS, every=every, stream=stream)
    assert stream.getvalue().splitlines() == [
        "FAILED  curated c: rows: expected 4, found 5",
        "        do this",
        "warning staging b: rows: expected 2, found 3",
        "        look there",
        *passed,
        "3 checks: 1 failed, 1 passed with a warning, 1 passed",
    ]


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (LockHeld("run 3 works", next_step="etl status"), ["error: run 3 works", "next: etl status"]),
        (EtlError("no idea"), ["error: no idea"]),
    ],
)
def test_an_error_says_what_and_what_next(capsys, error, lines):
    print_error(error)
    assert capsys.readouterr().err.splitlines() == lines


def test_a_table_aligns_numbers_to_the_right(capsys):
    print_table(
        [{"run": 9, "status": "published", "rows": 21_543}, {"run": 10, "status": None, "rows": None}],
        ["run", "status", "rows"],
    )
    assert capsys.readouterr().out.splitlines() == [
        "run  status       rows",
        "  9  published  21,543",
        " 10  -               -",
    ]


def test_the_status_is_facts_and_then_runs(stream):
    facts = {"published run": 9, "since": datetime(2025, 6, 1, 12, 30, tzinfo=UTC), "running": False}
    print_status(facts, [{"run": 9}], stream)
    assert stream.getvalue().splitlines() == [
        "published run  9",
        "since          2025-06-01 12:30:00+00:00",
        "running        no",
        "",
        "run",
        "  9",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_is_json_in_every_encoding(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_json({"venue": "Peñarol", "at": datetime(2025, 6, 1, tzinfo=UTC)}, stream)
    written = stream.buffer.getvalue().decode(encoding)
    assert json.loads(written) == {"venue": "Peñarol", "at": "2025-06-01T00:00:00+00:00"}


def test_text_that_the_stream_cannot_carry_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_error(EtlError("Peñarol"), stream)
    assert stream.buffer.getvalue() == b"error: Pe\\xf1arol\n"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1:00 min"), (75.2, "1:15 min"), (3725, "1:02:05")]
)
def test_durations(seconds, told):
    assert text.duration(seconds) == told


def test_the_analysis_names_volumes_shares_and_what_to_do(stream):
    print_analysis(ANALYSIS, stream)
    lines = stream.getvalue().splitlines()
    assert lines[:4] == [
        "layout unified, 12 rows, as of 2025-06-01 00:00:00+00:00",
        "estimate 0.1 s at 20,000 rows/s, 1 batch of 100,000 lines",
        "complexity simple, 8 of 100",
        "- 2 lines are odd",
    ]
    assert "moneylines_raw  curated.betting_lines_unified    12" in lines
    assert "SBD      12  100.00         12" in lines
    assert "moneylines_raw.home_ml        3  25.00" in lines
    assert "grade HIGH: 12" in lines
    assert lines[-1] == "- look at the rejects"
    assert max(map(len, lines)) <= 80


ANALYSIS = Analysis(
    layout="unified",
    snapshot_at=datetime(2025, 6, 1, tzinfo=UTC),
    rows=12,
    volumes=(Volume("moneylines_raw", "curated.betting_lines_unified", 12),),
    sources=(Part("SBD", 12, 100.0, {"moneyline": 12}),),
    sportsbooks=(Part("(none)", 12, 100.0, {"moneyline": 12}),),
    dates=(DateRange("moneylines_raw", "odds_timestamp", "2025-06-01T00:00:00Z", None),),
    quality=Quality({"HIGH": 12}, {"(none)": 12}),
    completeness=(Completeness("moneylines_raw", "home_ml", 12, 3, 25.0),),
    lines=LineFacts(12, 0, 0, 0, 0, 0, 2, 0, 0, 0),
    games=GameFacts(1, 0, 0, 0, 0, 0, 12, 12.0, 12.0, 12),
    seasons={"2025": 1},
    statuses={"completed": 1},
    complexity=Complexity(8, "simple", ("2 lines are odd",)),
    estimate=Estimate(12, 20_000, 0.1, 100_000, 1),
    recommendations=("look at the rejects",),
)
