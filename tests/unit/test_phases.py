"""Phases by name and number."""

import pytest

from etl.errors import ConfigurationError, Exit
from etl.phases import Phase, parse_phases

ANALYZE, RAW, STAGING, CURATED = Phase


@pytest.mark.parametrize(
    ("text", "phases"),
    [
        ("all", (ANALYZE, RAW, STAGING, CURATED)),
        (" all ", (ANALYZE, RAW, STAGING, CURATED)),
        ("raw", (RAW,)),
        ("2", (RAW,)),
        ("1,2", (ANALYZE, RAW)),
        ("curated,staging", (STAGING, CURATED)),
        ("2, staging ,4", (RAW, STAGING, CURATED)),
        ("raw,2,raw", (RAW,)),
    ],
)
def test_phases_are_named_or_numbered_and_come_in_their_order(text, phases):
    assert parse_phases(text) == phases


@pytest.mark.parametrize(
    ("text", "named"),
    [("", "''"), ("5", "'5'"), ("raw,nope", "'nope'"), ("RAW", "'RAW'"), ("raw,", "''"), ("all,raw", "'all'")],
)
def test_an_unknown_phase_is_named(text, named):
    with pytest.raises(ConfigurationError, match="unknown phase") as caught:
        parse_phases(text)
    assert named in caught.value.message
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("raw,curated", "etl run --phase raw,staging,curated"),
        ("1,4", "etl run --phase analyze,raw,staging,curated"),
        ("analyze,staging", "etl run --phase analyze,raw,staging"),
    ],
)
def test_a_gap_is_refused_with_the_list_that_would_do(text, step):
    with pytest.raises(ConfigurationError, match="leave a gap") as caught:
        parse_phases(text)
    assert caught.value.next_step == step
    assert parse_phases(step.rpartition(" ")[2])


def test_numbers_are_those_that_operators_count_by():
    assert [phase.number for phase in Phase] == [1, 2, 3, 4]
