"""Batches: every line in exactly one of them, as the server itself reads their predicates."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl import database
from etl.extract.plan import LineRange, homeless, plan_games, plan_lines, ranges_query
from etl.extract.replan import _uncovered, from_plain, to_plain

TABLES = ("moneylines_raw", "totals_raw")
IDS = st.integers(-5, 40)
OWNERS = st.dictionaries(IDS, IDS, max_size=25)
COUNTS = st.dictionaries(st.none() | IDS, st.integers(1, 9), max_size=25)


def owners_of(pairs):
    return pl.DataFrame(list(pairs.items()), schema={"legacy_game_id": pl.Int32, "game_id": pl.Int32}, orient="row")


def counts_of(pairs):
    return pl.DataFrame(list(pairs.items()), schema={"game_id": pl.Int32, "rows": pl.Int64}, orient="row")


def plan(counts, owners, *, batch_rows, first_batch=1):
    made = plan_games(
        counts_of(counts), owners_of(owners), tables=TABLES, batch_rows=batch_rows, first_batch=first_batch
    )
    assert all(set(batch.predicate) == set(TABLES) and len(set(batch.predicate.values())) == 1 for batch in made)
    return made


@pytest.fixture(scope="module")
def connection(embedded):
    with database.session(embedded.url("postgres"), autocommit=True) as found:
        yield found


def taken(connection, counts, conditions):
    """For each condition the legacy game ids, with their lines, that it takes."""
    listed = ", ".join(f"({'null::int' if key is None else key}, {rows})" for key, rows in counts.items())
    parts = [
        f"select {n}, game_id, rows from (values {listed}) l(game_id, rows) where {condition}"
        for n, condition in enumerate(conditions)
    ]
    found = database.rows(connection, " union all ".join(parts)) if parts and counts else []
    return [{key: rows for n, key, rows in found if n == number} for number in range(len(conditions))]


def test_small_games_share_a_batch_and_no_game_is_cut(connection):
    counts = {1: 45, 2: 44, 3: 45, 4: 44}
    made = plan(counts, {n: n for n in counts}, batch_rows=92)
    assert [(b.batch_id, b.first_key, b.last_key, b.expected_rows) for b in made] == [(1, 1, 2, 89), (2, 3, 4, 89)]
    assert taken(connection, counts, [b.predicate["totals_raw"] for b in made]) == [{1: 45, 2: 44}, {3: 45, 4: 44}]


def test_batches_are_even_and_not_a_full_one_and_a_rest():
    made = plan(dict.fromkeys(range(110), 9), {n: n for n in range(110)}, batch_rows=1000)
    assert [b.expected_rows for b in made] == [495, 495]


def test_a_game_may_exceed_a_batch():
    assert [b.expected_rows for b in plan({1: 3, 2: 500}, {1: 1, 2: 2}, batch_rows=10)] == [3, 500]


def test_games_without_lines_are_in_a_batch_too():
    made = plan({}, {n: n for n in range(10)}, batch_rows=5)
    assert [(b.first_key, b.last_key, b.expected_rows, b.has_games) for b in made] == [(0, 4, 0, True), (5, 9, 0, True)]


def test_nothing_makes_no_batch():
    assert plan({}, {}, batch_rows=5) == []
    assert plan({None: 3, 7: 2}, {}, batch_rows=5) == []


def test_a_merged_id_goes_with_its_canonical_game(connection):
    counts, owners = {1: 10, 2: 10, 9: 5}, {1: 1, 2: 2, 9: 1}
    made = plan(counts, owners, batch_rows=10)
    found = taken(connection, counts, [b.predicate["moneylines_raw"] for b in made])
    assert found == [{1: 10, 9: 5}, {2: 10}]
    assert [b.predicate["moneylines_raw"] for b in made] == [
        "(game_id between 1 and 1) or game_id = any(array[9])",
        "game_id between 2 and 2",
    ]


def test_an_id_in_the_middle_of_a_range_may_belong_elsewhere(connection):
    counts, owners = {1: 10, 2: 10, 3: 10, 5: 10}, {1: 1, 2: 5, 3: 3, 5: 5}
    made = plan(counts, owners, batch_rows=22)
    assert taken(connection, counts, [b.predicate["totals_raw"] for b in made]) == [{1: 10, 3: 10}, {2: 10, 5: 10}]


def test_lines_without_a_known_game_are_homeless(connection):
    counts, owners = {None: 4, 1: 10, 2: 3, 7: 5}, {1: 1}
    condition, rows = homeless(counts_of(counts), owners_of(owners))
    assert (condition, rows) == ("game_id is null or game_id = any(array[2,7])", 12)
    assert taken(connection, counts, [condition]) == [{None: 4, 2: 3, 7: 5}]


def test_without_homeless_lines_their_number_is_zero():
    assert homeless(counts_of({1: 10}), owners_of({1: 1})) == ("game_id is null", 0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=COUNTS, owners=OWNERS, batch_rows=st.integers(1, 40))
def test_every_line_is_in_exactly_one_batch_with_its_canonical_game(connection, counts, owners, batch_rows):
    made = plan(counts, owners, batch_rows=batch_rows)
    lost, lost_rows = homeless(counts_of(counts), owners_of(owners))
    *found, homeless_found = taken(connection, counts, [*(b.predicate["totals_raw"] for b in made), lost])
    for batch, lines in zip(made, found, strict=True):
        assert sum(lines.values()) == batch.expected_rows
        assert all(batch.first_key <= owners[key] <= batch.last_key for key in lines)
    assert sum(homeless_found.values()) == lost_rows
    assert sorted([key for lines in [*found, homeless_found] for key in lines], key=str) == sorted(counts, key=str)
    assert [b.batch_id for b in made] == list(range(1, len(made) + 1))


def test_ranges_of_lines_are_even_and_whole(connection):
    database.execute(connection, "drop table if exists plan_lines")
    database.execute(
        connection, "create table plan_lines as select 3 * n as id, n % 2 = 0 as even from generate_series(1, 25) n"
    )
    found = database.rows(connection, ranges_query("plan_lines", "id > 3", "even", 5))
    assert found == [(6, 30, 5), (36, 60, 5), (66, 72, 2)]
    database.execute(connection, "drop table plan_lines")


def test_a_range_of_lines_is_a_batch_of_the_tables_that_it_feeds():
    made = plan_lines([LineRange(("a", "b"), 1, 9, 7), LineRange(("c",), 1, 5, 3)], condition="x or y", first_batch=4)
    assert [(b.batch_id, b.first_key, b.last_key, b.expected_rows, b.has_games) for b in made] == [
        (4, 1, 9, 7, False),
        (5, 1, 5, 3, False),
    ]
    assert made[0].predicate == dict.fromkeys(("a", "b"), "(x or y) and id between 1 and 9")
    assert made[1].predicate == {"c": "(x or y) and id between 1 and 5"}


LINE_IDS = st.lists(st.integers(1, 60), unique=True, max_size=30)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=LINE_IDS, new=LINE_IDS, later=LINE_IDS, batch_rows=st.integers(1, 9))
def test_a_plan_and_its_additions_read_every_line_once_however_it_came(connection, old, new, later, batch_rows):
    batches, lines = [], set()
    for came in (old, new, later):
        lines |= set(came)
        batches += added_batches(connection, lines, batches, batch_rows)
    taken_by = [set(matching(connection, lines, batch.predicate["totals_raw"])) for batch in batches]
    assert sorted(line for ids in taken_by for line in ids) == sorted(lines)
    assert matching(connection, lines, _uncovered(batches, "totals_raw")) == []


def added_batches(connection, lines, batches, batch_rows):
    """What :func:`plan_rest` makes of lines that no batch reads yet; at first of all, as `plan_by_line` does."""
    condition = _uncovered(batches, "totals_raw") if batches else "true"
    found = database.rows(connection, ranges_query(f"({values(lines)}) l", "true", condition, batch_rows))
    ranges = [LineRange(("totals_raw",), *found_range) for found_range in found]
    return plan_lines(ranges, condition=condition, first_batch=len(batches) + 1)


def matching(connection, lines, condition):
    return [line for (line,) in database.rows(connection, f"select id from ({values(lines)}) l where {condition}")]


def values(lines):
    return f"select id from unnest({database.literal(sorted(lines))}::int[]) l(id)"


def test_a_plan_is_the_same_after_it_was_stored():
    made = plan({1: 45, 2: 44, None: 3, 9: 4}, {1: 1, 2: 2, 9: 1}, batch_rows=50)
    assert from_plain(to_plain(made)) == made
