"""Cleaning: texts, clocks, notes, legacy scores."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from etl.transform import clean
from tests.staging_cases import reference

EARLY, LATE = datetime(2025, 7, 1, tzinfo=UTC), datetime(2025, 7, 2, tzinfo=UTC)


def value(expr, **columns):
    return pl.LazyFrame({name: [given] for name, given in columns.items()}).select(expr).collect().item()


@pytest.mark.parametrize(("text", "expected"), [(" FanDuel ", "FanDuel"), ("", None), ("  ", None), (None, None)])
def test_text(text, expected):
    assert value(clean.expr_text(pl.col("t").cast(pl.String)), t=text) == expected


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("divisor", [3, 7, 9.99, 100])
def test_a_quotient_does_not_depend_on_the_number_of_rows(rows, divisor):
    given = pl.LazyFrame({"x": [5.0] * rows})
    assert given.select(clean.expr_quotient(pl.col("x"), divisor)).collect()["x"].to_list() == [5 / divisor] * rows


def test_key_is_trimmed_and_lower_case():
    assert value(clean.expr_key(pl.col("t")), t=" SL Cardinals ") == "sl cardinals"


@pytest.mark.parametrize(
    ("created", "updated", "expected"),
    [(EARLY, LATE, LATE), (LATE, EARLY, LATE), (None, EARLY, EARLY), (EARLY, None, EARLY), (None, None, None)],
)
def test_recorded_at_is_the_later_clock(created, updated, expected):
    clock = pl.Datetime("us", "UTC")
    recorded = clean.expr_recorded_at(pl.col("c").cast(clock), pl.col("u").cast(clock))
    assert value(recorded, c=created, u=updated) == expected


@pytest.mark.parametrize("case", reference("game_date_cases"), ids=lambda case: case["note"])
def test_local_date(case):
    local = clean.expr_local_date(pl.col("start"))
    start = datetime.fromisoformat(case["start_utc"])
    assert value(local, start=start) == date.fromisoformat(case["expected_game_date_america_new_york"])


@pytest.mark.parametrize(
    ("score", "expected"),
    [("0.80", "0.80"), ("1.00", "1.00"), ("9.99", "1.00"), ("5.00", "0.50"), ("8.00", "0.80"), (None, None)],
)
def test_legacy_score(score, expected):
    given = pl.lit(score).cast(pl.Decimal(3, 2))
    assert value(clean.expr_legacy_score(given), x=0) == (expected and Decimal(expected))


@pytest.mark.parametrize(
    ("metadata", "clock", "line_kind"),
    [
        ('{"clock": "assumed", "line_kind": "open"}', "assumed", "open"),
        ('{"clock": "source", "line_kind": "LIVE"}', "source", "live"),
        ('{"line_kind": "something else"}', "source", None),
        ('{"nested": {"clock": "assumed"}}', "source", None),
        ("[]", "source", None),
        (None, "source", None),
    ],
)
def test_notes(metadata, clock, line_kind):
    lf = pl.LazyFrame({"source_metadata": [metadata]}, schema={"source_metadata": pl.String}).pipe(clean.with_notes)
    told = lf.select(clean.expr_clock(pl.col("note_clock")), clean.expr_line_kind(pl.col("note_line_kind"))).collect()
    assert told.row(0) == (clock, line_kind)
