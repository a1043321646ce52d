"""Rows that broke a rule, as they are kept."""

import hashlib
import json

import polars as pl
import pytest

from etl.check.contract import BROKEN, split
from etl.check.rejects import reject_frame
from schemas import TABLES
from tests import factories

TABLE = TABLES["raw_data.games_raw"]
LINES = TABLES["staging.moneylines"]
GIVEN = {"run_id": 7, "origin": None, "source_table": None, "id_column": "id", "sentences": {}}


def rejects(rejected, table=TABLE, **changes):
    return reject_frame(rejected, table, **(GIVEN | changes))


def spoilt(table, **columns):
    """Rows of a table, rejected for the rules in `broken_rules`."""
    whole = factories.rows(table, 2).with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return whole.with_columns(pl.Series(BROKEN, [["own", "id_present"], ["id_present"]], pl.List(pl.String)))


def test_nothing_is_an_empty_frame_of_the_contract():
    empty = split(pl.DataFrame(schema=TABLE.schema), TABLE).rejected
    found = rejects(empty)
    assert found.is_empty()
    assert found.schema == TABLES["audit.rejects"].schema


def test_rejects_keep_their_own_contract():
    found = rejects(spoilt(TABLE))
    assert split(found, TABLES["audit.rejects"]).valid.equals(found)


def test_a_reject_says_where_it_came_from_and_why():
    found = rejects(spoilt(TABLE, source_table=["curated.a", "curated.b"]), sentences={"own": "a rule of a step"})
    assert found.select("first_run_id", "zone", "table_name").unique().rows() == [(7, "raw_data", "games_raw")]
    assert found.select("source_table", "source_id", "rule", "rules", "reason").rows() == [
        ("curated.a", "1", "own", ["own", "id_present"], "a rule of a step"),
        ("curated.b", "2", "id_present", ["id_present"], "id must have a value"),
    ]


def test_a_rule_without_a_sentence_is_told_by_its_name():
    assert rejects(spoilt(TABLE))["reason"].to_list() == ["own", "id must have a value"]


def test_the_row_is_whole_but_for_what_the_load_put_there():
    rejected = spoilt(TABLE, home_team=["NYY", None], unmapped=['{"mood": "good"}', None])
    first, second = (json.loads(row) for row in rejects(rejected)["row"])
    assert set(first) == set(TABLE.schema) - {"load_id", "batch_id", "extracted_at"}
    assert (first["id"], first["home_team"], first["unmapped"]) == (1, "NYY", '{"mood": "good"}')
    assert (second["id"], second["home_team"]) == (2, None)


def test_the_hash_is_of_the_row():
    found = rejects(spoilt(TABLE))
    assert found["row_hash"].to_list() == [hashlib.sha256(row.encode()).hexdigest()[:32] for row in found["row"]]
    assert found["row_hash"].n_unique() == 2


@pytest.mark.parametrize("id_column", ["raw_id", "id"])
def test_the_row_as_it_was_read_is_found_by_its_id(id_column):
    rejected = spoilt(LINES, raw_id=[12, 11]).select(pl.col("raw_id").alias(id_column), BROKEN)
    origin = pl.DataFrame({"id": [10, 11, 12], "home_ml": [1, None, 3], "source_table": ["a", "b", "c"]})
    found = rejects(rejected, LINES, origin=origin, id_column=id_column)
    assert found["source_table"].to_list() == ["c", "b"]
    assert [json.loads(row) for row in found["row"]] == [
        {"id": 12, "home_ml": 3, "source_table": "c"},
        {"id": 11, "home_ml": None, "source_table": "b"},
    ]


def test_a_row_without_an_id_is_kept_too():
    rejected = spoilt(TABLE, id=pl.Series([None, None], dtype=pl.Int32), home_team=["NYY", "BOS"])
    found = rejects(rejected)
    assert found["source_id"].to_list() == [None, None]
    assert [json.loads(row)["home_team"] for row in found["row"]] == ["NYY", "BOS"]


def test_rows_with_one_id_or_none_keep_what_only_the_row_as_read_knows():
    whole = factories.rows(TABLE, 3).with_columns(
        id=pl.Series([4, 4, None], dtype=pl.Int32), home_team=pl.Series(["a", "b", "c"])
    )
    origin = whole.with_columns(unfit=pl.Series(["one", "two", "three"]))
    rejected = whole.with_columns(pl.Series(BROKEN, [["own"]] * 3, pl.List(pl.String))).reverse()
    found = rejects(rejected, origin=origin)
    assert found["source_id"].to_list() == [None, "4", "4"]
    assert [json.loads(row)["unfit"] for row in found["row"]] == ["three", "two", "one"]


def test_a_place_that_is_given_stands_for_all_rows():
    found = rejects(spoilt(TABLE), source_table="raw_data.games_raw")
    assert found["source_table"].to_list() == ["raw_data.games_raw"] * 2


def test_a_row_that_is_refused_again_has_the_same_key():
    tonight, tomorrow = rejects(spoilt(TABLE), run_id=7), rejects(spoilt(TABLE), run_id=8)
    assert tonight["reject_key"].to_list() == tomorrow["reject_key"].to_list()
    assert tonight["reject_key"].n_unique() == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"table": TABLES["raw_data.moneylines_raw"]}, id="table"),
        pytest.param({"source_table": "elsewhere"}, id="origin"),
        pytest.param({"rejected": spoilt(TABLE, home_team=["A", "B"])}, id="row"),
    ],
)
def test_what_differs_has_another_key(other):
    given = {"rejected": spoilt(TABLE), "table": TABLE, "source_table": "here"}
    keys, others = (set(rejects(**kind)["reject_key"]) for kind in (given, given | other))
    assert not keys & others
