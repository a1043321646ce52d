"""The rules that are derived from a contract against pandera's own verdict on the same rows."""

import pandera.errors
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.check.contract import BROKEN, sentences, split
from etl.errors import ContractBroken
from schemas import TABLES
from tests import factories

ALL = list(TABLES.values())
SOME = [TABLES[name] for name in ("staging.totals", "staging.betting_lines", "curated.labels", "audit.batches")]
SOME += [TABLES[name] for name in ("raw_data.betting_lines_raw", "staging.games", "curated.market_efficiency")]
RULES = [(table, column, rule) for table in ALL for column in table.columns for rule in column.rules]
FLOATS = [(table, column) for table in ALL for column in table.columns if column.dtype == pl.Float64()]


def names(given):
    return ".".join(getattr(part, "full_name", None) or part.name for part in given)


def refused_by_pandera(frame, table):
    """The numbers of the rows that pandera refuses."""
    try:
        table.model.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        assert errors.failure_cases["index"].null_count() == 0, errors.failure_cases
        return set(errors.failure_cases["index"])
    return set()


def refused(frame, table):
    """(value rules broken by row number) of what `split` refuses; every row must be in exactly one half."""
    halves = split(frame, table)
    whole = pl.concat([halves.valid, halves.rejected.drop(BROKEN)])
    assert halves.valid.columns == frame.columns
    assert sorted(map(str, whole.rows())) == sorted(map(str, frame.rows()))
    keyless = halves.rejected.with_columns(pl.col(BROKEN).list.set_difference(["key_unique"]))
    return keyless.filter(pl.col(BROKEN).list.len() > 0)


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.full_name)
def test_rows_of_the_factories_are_valid_to_both(table):
    frame = factories.rows(table, 12)
    assert refused_by_pandera(frame, table) == set()
    halves = split(frame, table)
    assert halves.rejected.is_empty()
    assert halves.valid.equals(frame)


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.full_name)
def test_each_rule_is_broken_by_itself_alone_and_pandera_refuses_the_same_rows(table):
    rules = [(column, rule) for column in table.columns for rule in column.rules if not rule.name.endswith("_finite")]
    spoilt = factories.rows(table, len(rules) + 1).to_dicts()
    for number, (column, rule) in enumerate(rules):
        spoilt[number][column.name] = factories.breaking(column, rule)
    frame = factories.frame(table, spoilt)
    halves = split(frame, table)
    assert halves.rejected[BROKEN].to_list() == [[rule.name] for _, rule in rules]
    assert halves.valid.equals(frame.tail(1))
    assert refused_by_pandera(frame, table) == set(range(len(rules)))
    assert {rule.name for _, rule in rules} <= set(sentences(table))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "table", [t for t in ALL if any(t is table for table, _ in FLOATS)], ids=lambda table: table.full_name
)
def test_a_number_that_is_not_finite_is_refused_even_where_pandera_takes_it(table, value):
    columns = [column for column in table.columns if column.dtype == pl.Float64()]
    spoilt = factories.rows(table, len(columns)).to_dicts()
    for number, column in enumerate(columns):
        spoilt[number][column.name] = value
    found = refused(factories.frame(table, spoilt), table)[BROKEN].to_list()
    assert len(found) == len(columns)
    for column, rules in zip(columns, found, strict=True):
        assert f"{column.name}_finite" in rules


@pytest.mark.parametrize("table", SOME, ids=lambda table: table.full_name)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_rows_are_refused_by_both_or_by_neither(table, data):
    frame = data.draw(factories.wrong_frames(table))
    ours = refused(frame, table)
    theirs = refused_by_pandera(frame, table)
    expected = frame.with_row_index("_n").filter(pl.col("_n").is_in(list(theirs))).drop("_n")
    assert ours.drop(BROKEN).equals(expected)


def test_of_rows_with_one_key_the_first_one_stays_and_none_that_is_refused_takes_it():
    table = TABLES["curated.moneylines"]
    spoilt = factories.rows(table, 4).with_columns(raw_id=pl.lit(7, pl.Int64)).to_dicts()
    spoilt[0]["game_id"] = None
    halves = split(factories.frame(table, spoilt), table)
    assert halves.valid.equals(factories.frame(table, spoilt[1:2]))
    assert halves.rejected[BROKEN].to_list() == [["game_id_present"], ["key_unique"], ["key_unique"]]


def test_rules_that_a_step_named_stand_before_those_of_the_contract():
    table = TABLES["curated.moneylines"]
    frame = factories.rows(table, 3).with_columns(pl.Series("hold", [None, 1.5, None], pl.Float64))
    given = pl.Series(BROKEN, [["own"], ["own"], None], pl.List(pl.String))
    halves = split(frame.with_columns(given), table)
    assert halves.rejected[BROKEN].to_list() == [["own"], ["own", "hold_below"]]
    assert halves.valid.equals(frame.tail(1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.drop("hold"), "hold"),
        (lambda frame: frame.with_columns(extra=pl.lit(1)), "extra"),
        (lambda frame: frame.with_columns(pl.col("hold").cast(pl.Float32)), "Float32"),
        (lambda frame: frame.with_columns(pl.col("as_of").dt.cast_time_unit("ms")), "ms"),
        (lambda frame: frame.select(sorted(frame.columns)), "out-of-order|order"),
    ],
)
def test_a_frame_of_another_shape_is_a_fault(change, named):
    table = TABLES["curated.moneylines"]
    with pytest.raises(ContractBroken, match=named):
        split(change(factories.rows(table, 2)), table)


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.full_name)
def test_an_empty_frame_is_valid(table):
    halves = split(pl.DataFrame(schema=table.schema), table)
    assert (len(halves.valid), len(halves.rejected)) == (0, 0)
    assert halves.rejected.schema == {**table.schema, BROKEN: pl.List(pl.String)}
