"""How a legacy layout becomes the queries that read it, and what it lacks."""

import pytest

from etl import runner
from etl.errors import LegacyMismatch
from etl.extract.layout import LINE_TABLES, REFERENCE_TABLES, columns_query, resolve, source_columns
from etl.rowhash import compared_columns
from schemas import tables_of

LAYOUTS = ("unified", "core_betting")
RAW = {table.name: table for table in tables_of("raw_data")}


def columns(layout, *, without=(), **types):
    """Rows of the query for the columns of a legacy that has exactly what the contracts want, with its own types."""
    wanted = {
        (layout.tables[name].source, column.name): column.sql_type
        for name in layout.tables
        for column in source_columns(RAW[name])
        if column.name not in layout.tables[name].columns
    }
    return [
        (relation, name, types.get(name, sql_type))
        for (relation, name), sql_type in wanted.items()
        if f"{relation}.{name}" not in without and relation not in without
    ]


def selected(source, name):
    """The expression that is read as a column."""
    head = source.select[: source.select.index(f' as "{name}"')]
    return head[head.rindex(", ") + 2 :] if ", " in head else head


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return runner.load_layout(request.param)


@pytest.fixture
def unified():
    return runner.load_layout("unified")


def test_every_raw_table_but_the_derived_one_has_a_source(layout):
    assert set(layout.tables) == {*LINE_TABLES, *REFERENCE_TABLES} == set(RAW) - {"betting_lines_raw"}


def test_a_complete_legacy_is_resolved(layout):
    found = resolve(layout, columns(layout), refuse_unmapped=True)
    assert list(found) == [name for name in RAW if name in layout.tables]
    for name, source in found.items():
        read = [part.rpartition(" as ")[2].strip('"') for part in source.select.split(", ") if " as " in part]
        assert [column.name for column in source_columns(RAW[name])] == [c for c in read if c in RAW[name].schema][:-1]
        assert read[-2:] == ["unmapped", "unfit"]


def test_a_relation_that_feeds_several_tables_is_named_once(unified):
    assert unified.relations().count("curated.betting_lines_unified") == 1
    assert len(unified.relations()) == 5
    assert columns_query(["a.b", "it's"]).count("('it''s')") == 1


def test_all_missing_tables_are_named_at_once(unified):
    gone = ("curated.sportsbooks", "curated.game_outcomes")
    with pytest.raises(LegacyMismatch) as caught:
        resolve(unified, columns(unified, without=gone), refuse_unmapped=False)
    assert "has no table curated.sportsbooks, curated.game_outcomes (or the role may not see it)" in str(caught.value)
    assert "ETL_LEGACY_LAYOUT" in caught.value.next_step


def test_all_missing_columns_are_named_at_once(unified):
    gone = ("curated.games_complete.venue_id", "curated.teams_master.abbr", "curated.betting_lines_unified.home_ml")
    with pytest.raises(LegacyMismatch) as caught:
        resolve(unified, columns(unified, without=gone), refuse_unmapped=False)
    for name in gone:
        assert name in caught.value.message
    assert "config/legacy/unified.toml" in caught.value.next_step


def test_the_other_layout_is_not_mistaken_for_this_one(unified):
    other = runner.load_layout("core_betting")
    with pytest.raises(LegacyMismatch, match="has no table"):
        resolve(unified, columns(other), refuse_unmapped=False)


def test_unknown_columns_are_kept_as_json(unified):
    found = [*columns(unified), ("curated.sportsbooks", "mood", "text"), ("curated.sportsbooks", 'we"ird', "money")]
    select = resolve(unified, found, refuse_unmapped=False)["sportsbooks_raw"].select
    assert """('mood', to_jsonb(l."mood"), l."mood" is not null)""" in select
    assert """('we"ird', to_jsonb(l."we""ird"), l."we""ird" is not null)""" in select
    assert 'num_nonnulls(l."mood", l."we""ird") > 0' in select


@pytest.mark.parametrize("name", ["load_id", "batch_id", "source_table", "extracted_at", "unmapped", "unfit"])
def test_a_column_that_is_called_like_our_own_is_unknown(unified, name):
    found = [*columns(unified), ("curated.sportsbooks", name, "text")]
    assert f'num_nonnulls(l."{name}") > 0' in resolve(unified, found, refuse_unmapped=False)["sportsbooks_raw"].select
    with pytest.raises(LegacyMismatch, match=f"curated.sportsbooks.{name}"):
        resolve(unified, found, refuse_unmapped=True)


@pytest.mark.parametrize("keep", [True, False])
def test_a_column_that_the_layout_replaces_is_kept_beside_it(keep):
    core = runner.load_layout("core_betting")
    found = [*columns(core), ("core_betting.betting_lines_totals", "market_type", "text")]
    source = resolve(core, found, refuse_unmapped=False, keep_replaced=keep)["totals_raw"]
    assert ('num_nonnulls(l."market_type") > 0' in source.select) is keep
    assert "('totals')" in selected(source, "market_type")


def test_unknown_columns_are_refused_where_that_is_wanted(unified):
    found = [*columns(unified), ("curated.sportsbooks", "mood", "text"), ("curated.teams_master", "coach", "text")]
    with pytest.raises(LegacyMismatch, match="do not know") as caught:
        resolve(unified, found, refuse_unmapped=True)
    assert "curated.sportsbooks.mood" in caught.value.message
    assert "curated.teams_master.coach" in caught.value.message
    assert "ETL_LEGACY_UNMAPPED=keep" in caught.value.next_step


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("integer", 'l."season"'),
        ("smallint", '(l."season")::integer'),
        (
            "bigint",
            '(case when (l."season" not between -2147483648 and 2147483647) then null else l."season" end)::integer',
        ),
    ],
)
def test_an_integer_that_is_too_wide_is_set_aside_and_a_narrow_one_is_widened(unified, given, read):
    source = resolve(unified, columns(unified, season=given), refuse_unmapped=False)["games_raw"]
    assert selected(source, "season") == read


@pytest.mark.parametrize(
    ("name", "given", "condition"),
    [
        ("mlb_correlation_confidence", "numeric(5,4)", "l.\"mlb_correlation_confidence\" = 'NaN'"),
        (
            "mlb_correlation_confidence",
            "numeric",
            (
                '(l."mlb_correlation_confidence" = \'NaN\' or abs(l."mlb_correlation_confidence") >= 1e1 '
                'or l."mlb_correlation_confidence" <> round(l."mlb_correlation_confidence", 4))'
            ),
        ),
        ("game_date", "date", "(l.\"game_date\" < '0001-01-01' or l.\"game_date\" > '9999-12-31')"),
        (
            "created_at",
            "timestamp with time zone",
            "(l.\"created_at\" < '0001-01-01 00:00+00' or l.\"created_at\" >= '10000-01-01 00:00+00')",
        ),
    ],
)
def test_what_cannot_be_carried_becomes_null_and_is_kept_as_text(unified, name, given, condition):
    source = resolve(unified, columns(unified, **{name: given}), refuse_unmapped=False)["games_raw"]
    assert f'case when {condition} then null else l."{name}" end' in source.select
    assert (
        f"'{name}', case when {condition} then (l.\"{name}\")::text end" in source.select.partition(" as unmapped")[2]
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [("text", 'l."venue_name"'), ("character varying(9)", 'l."venue_name"'), ("citext", '(l."venue_name")::text')],
)
def test_text_is_read_as_it_is_and_what_is_like_text_as_text(unified, given, read):
    source = resolve(unified, columns(unified, venue_name=given), refuse_unmapped=False)["games_raw"]
    assert selected(source, "venue_name") == read


def test_the_checksum_is_of_the_legacys_own_values(unified):
    """Not of what is read: columns of the contract's type are hashed as they are, whatever the query makes of them."""
    source = resolve(unified, columns(unified, season="bigint", temperature="smallint"), refuse_unmapped=False)[
        "games_raw"
    ]
    compared = [column.name for column in compared_columns(RAW["games_raw"])]
    by_name = dict(zip(compared, source.compared, strict=True))
    assert source.texts == ("season",)
    assert by_name["game_date"] == 'l."game_date"'
    assert by_name["venue_name"] == 'l."venue_name" collate "C"'
    assert by_name["temperature"] == '(l."temperature")::integer'
    assert '((l."season")::integer)::text' in by_name["season"]
    assert set(compared) == {*(c.name for c in source_columns(RAW["games_raw"])), "unmapped"}


def test_the_queries_keep_the_filter_of_the_table(unified):
    source = resolve(unified, columns(unified), refuse_unmapped=False)["totals_raw"]
    place = 'from "curated"."betting_lines_unified" l where (market_type = \'totals\') and (id > 5 or id < 2)'
    assert source.count("id > 5 or id < 2") == f"select count(*) {place}"
    assert source.query("id > 5 or id < 2").endswith(place)
