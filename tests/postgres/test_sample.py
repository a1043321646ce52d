"""The sample in a real PostgreSQL: both layouts hold the same content, and nothing that stands is touched."""

import polars as pl
import pytest

from etl import database
from etl.errors import ForeignObject
from etl.sample import SampleOptions, create_sample, sample_exists
from tests.servers import execute

OPTIONS = SampleOptions(scale=0.2, dirty_pct=10)
CORE = {"moneyline": "moneyline", "spread": "spread", "totals": "totals"}


@pytest.fixture(scope="module")
def url(embedded):
    execute(embedded.url("postgres"), "CREATE DATABASE sample_layouts TEMPLATE template0")
    yield embedded.url("sample_layouts")
    execute(embedded.url("postgres"), "DROP DATABASE sample_layouts WITH (FORCE)")


@pytest.fixture(scope="module")
def counts(url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    core = SampleOptions(scale=0.2, dirty_pct=10, layout="core_betting")
    return {
        "unified": create_sample(url, options=OPTIONS, truth_dir=folder / "unified"),
        "core_betting": create_sample(url, options=core, truth_dir=folder / "core_betting"),
    }


def rows(url, sql):
    with database.session(url) as connection:
        return database.rows(connection, sql)


@pytest.mark.parametrize("market", ["moneyline", "spread", "totals"])
def test_both_layouts_hold_the_same_quotes_in_the_same_order(url, counts, market):
    columns = ", ".join(
        name
        for (name,) in rows(
            url,
            "select column_name from information_schema.columns where table_schema = 'core_betting' "
            f"and table_name = 'betting_lines_{CORE[market]}' and column_name <> 'id' order by 1",
        )
    )
    digest = "select count(*), md5(string_agg(r, ';' order by id)) from (select id, row({})::text as r from {}) t"
    core = rows(url, digest.format(columns, f"core_betting.betting_lines_{CORE[market]}"))
    unified = rows(url, digest.format(columns, f"curated.betting_lines_unified where market_type = '{market}'"))
    assert core == unified


@pytest.mark.parametrize(
    ("unified", "core"),
    [
        ("teams_master", "teams"),
        ("games_complete", "games"),
        ("game_outcomes", "game_outcomes"),
        ("sportsbooks", "sportsbooks"),
    ],
)
def test_both_layouts_hold_the_same_small_tables(url, counts, unified, core):
    digest = "select count(*), md5(string_agg(t::text, ';' order by id)) from {} t"
    assert rows(url, digest.format(f"curated.{unified}")) == rows(url, digest.format(f"core_betting.{core}"))


def test_counts_are_those_of_the_database(url, counts):
    found = rows(
        url,
        "select (select count(*) from curated.games_complete), (select count(*) from curated.game_outcomes), "
        "count(*) filter (where market_type = 'moneyline'), count(*) filter (where market_type = 'spread'), "
        "count(*) filter (where market_type = 'totals'), min(id), max(id), count(distinct id) "
        "from curated.betting_lines_unified",
    )
    own = counts["unified"]
    assert found == [(337, own.outcomes, 2_133, 323, 1_764, 1, 4_220, 4_220)]
    assert (own.games, own.moneylines, own.spreads, own.totals) == (337, 2_133, 323, 1_764)


@pytest.mark.parametrize(
    ("column", "kind"),
    [("home_ml", "dead_zone_price"), ("total_line", "price_in_total_cell"), ("home_team", "unknown_team")],
)
def test_the_truth_names_the_rows_of_the_database(url, counts, column, kind):
    record = (
        pl.read_parquet(counts["unified"].truth_dir / "dirty.parquet").filter(column=column, kind=kind).sort("line_id")
    )
    ids = ",".join(map(str, record["line_id"]))
    given = rows(url, f"select id, {column}::text from curated.betting_lines_unified where id in ({ids}) order by id")
    assert given == record.select("line_id", "given_value").rows()


@pytest.mark.parametrize("name", ["games", "latent", "moves", "signals", "dirty"])
def test_the_truth_lies_beside_the_database(counts, name):
    assert pl.read_parquet(counts["unified"].truth_dir / f"{name}.parquet").height > 0


def test_foreign_keys_and_indexes_stand_as_declared(url, counts):
    keys = rows(
        url,
        "select pg_get_constraintdef(oid) from pg_constraint where contype = 'f' and convalidated "
        "and conrelid = 'curated.betting_lines_unified'::regclass order by 1",
    )
    indexes = rows(
        url, "select count(*) from pg_indexes where schemaname = 'curated' and tablename = 'betting_lines_unified'"
    )
    assert keys == [
        ("FOREIGN KEY (game_id) REFERENCES curated.games_complete(id)",),
        ("FOREIGN KEY (sportsbook_id) REFERENCES curated.sportsbooks(id)",),
    ]
    assert indexes == [(3,)]


@pytest.mark.parametrize("layout", ["unified", "core_betting"])
def test_a_legacy_that_stands_is_left_alone(url, counts, layout, tmp_path):
    assert sample_exists(url, layout)
    with pytest.raises(ForeignObject, match="already holds"):
        create_sample(url, options=SampleOptions(scale=0.01, layout=layout), truth_dir=tmp_path)
    assert rows(url, "select count(*) from curated.games_complete") == [(337,)]
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_the_tables_has_no_sample(embedded, counts):
    assert not sample_exists(embedded.url("postgres"), "unified")
