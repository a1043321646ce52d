"""Columns that the contracts do not know, values in columns of another market, columns of slightly other types."""

import json

import pytest

from etl.errors import LegacyMismatch
from tests.legacy_rows import LOOSEN, databases, ddl, inserts
from tests.runs import rows, run
from tests.servers import execute

LINES = {
    "unified": dict.fromkeys(("moneyline", "spread", "totals"), "curated.betting_lines_unified"),
    "core_betting": {kind: f"core_betting.betting_lines_{kind}" for kind in ("moneyline", "spread", "totals")},
}
GAMES = {"unified": "curated.games_complete", "core_betting": "core_betting.games"}
LAYOUTS = ("unified", "core_betting")


@pytest.fixture(scope="module")
def make(postgres):
    with databases(postgres, "columns") as found:
        yield found


def legacy(make, layout, *changes):
    return make(*ddl(layout), LOOSEN, *inserts(layout), *changes)


def loaded(url, legacy_url, **options):
    """The report of a run of the raw phase that must end well, sums included."""
    outcome = run(legacy_url, url, phases="raw", validate=False, **options)
    assert outcome.error is None, outcome.error
    assert sum(check.name.endswith(": checksum") for check in outcome.report.checks) >= 7
    return outcome.report


def unmapped(url, table):
    found = rows(url, f"select id, unmapped::text from raw_data.{table} where unmapped is not null order by id")
    return {line: json.loads(kept) for line, kept in found}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("is_one", [True, False], ids=["one database", "two databases"])
def test_what_has_no_column_is_kept_by_its_name(make, layout, is_one):
    money, games = LINES[layout]["moneyline"], GAMES[layout]
    # Names that our own lineage uses, and an odd one; a json null is no null.
    url = legacy(
        make, layout, f'alter table {money} add steam int, add load_id text, add unmapped jsonb, add "o\'d ""d" jsonb',
        f"update {money} set steam = 7, load_id = '⚾', unmapped = '[1.10]', \"o'd \"\"d\" = 'null' where id = 1",
        f"update {money} set load_id = '' where id = 2",
        f"alter table {games} add extracted_at timestamptz, add attendance numeric",
        f"update {games} set extracted_at = 'infinity', attendance = 'NaN' where id = 3",
    )  # fmt: skip
    target = url if is_one else make()
    loaded(target, url, layout=layout)
    assert unmapped(target, "moneylines_raw") == {
        1: {"steam": 7, "load_id": "⚾", "unmapped": [1.1], "o'd \"d": None},
        2: {"load_id": ""},
    }
    assert unmapped(target, "games_raw") == {3: {"extracted_at": "infinity", "attendance": "NaN"}}


# In `unified` the columns are there; in `core_betting` an installation may have added them, even the market itself.
CROSSED = {
    "unified": ([], "over_price = -110, spread_line = 1.5", {"over_price": -110, "spread_line": 1.5}),
    "core_betting": (
        [
            "alter table core_betting.betting_lines_moneyline add over_price int, add market_type text",
            "alter table core_betting.betting_lines_totals add home_bets_count int",
        ],
        "over_price = -110, market_type = 'ml'",
        {"over_price": -110, "market_type": "ml"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_in_columns_of_another_market_are_kept(make, layout):
    added, given, kept = CROSSED[layout]
    url = legacy(
        make, layout, *added, f"update {LINES[layout]['moneyline']} set {given} where id = 2",
        f"update {LINES[layout]['totals']} set home_bets_count = 3 where id = 5",
    )  # fmt: skip
    target = make()
    loaded(target, url, layout=layout)
    assert unmapped(target, "moneylines_raw") == {2: kept}
    assert unmapped(target, "totals_raw") == {5: {"home_bets_count": 3}}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unknown_columns_stop_the_run_where_they_are_to_be_refused(make, layout):
    url = legacy(make, layout, f"alter table {GAMES[layout]} add batch_id int")
    target = make()
    outcome = run(url, target, phases="raw", layout=layout, refuse_unmapped=True)
    assert isinstance(outcome.error, LegacyMismatch)
    assert f"{GAMES[layout]}.batch_id" in outcome.error.message


def test_values_in_columns_of_another_market_are_rejects_where_they_are_to_be_refused(make):
    url = legacy(make, "unified", "update curated.betting_lines_unified set over_price = -110 where id in (2, 4)")
    target = make()
    loaded(target, url, refuse_unmapped=True)
    found = rows(target, "select source_id, rule, rules::text, row->>'unmapped' from audit.rejects order by 1")
    assert found == [
        ("2", "unmapped_value", "{unmapped_value}", '{"over_price": -110}'),
        ("4", "unfit_value", "{unfit_value,unmapped_value}", '{"over_price": -110}'),
    ]
    assert unmapped(target, "moneylines_raw") == {}


@pytest.fixture(scope="module")
def retyped(make):
    """A target loaded from a legacy whose columns have other types than the contracts."""
    lines = "curated.betting_lines_unified"
    types = {
        "home_ml": "bigint", "away_ml": "numeric", "spread_line": "double precision", "total_line": "numeric",
        "home_bets_percentage": "real", "data_completeness_score": "numeric(5,3)", "sportsbook": "text",
        "source": "char(9)", "odds_timestamp": "timestamp without time zone", "created_at": "timestamptz(3)",
        "source_metadata": "json", "collection_batch_id": "varchar(40)", "game_id": "bigint",
    }  # fmt: skip
    url = make(
        *ddl("unified"), LOOSEN,
        f"alter table {lines} alter source_metadata drop default, "
        + ", ".join(f"alter {name} type {kind} using {name}::text::{kind}" for name, kind in types.items()),
        "alter table curated.game_outcomes alter total_line type numeric, alter game_date type date",
        "alter table curated.games_complete alter game_date type timestamp, alter game_datetime type date, "
        "alter has_mlb_enrichment drop default, alter has_mlb_enrichment type int using 0, alter id type bigint",
        "insert into curated.game_outcomes (id, game_id, home_team, away_team, home_score, away_score, home_win, over, "
        "total_line, game_date) values (1, 1, '', '', 0, 1, true, false, 8.50, '2024-06-01'), "
        "(2, 2, '', '', 0, 1, true, false, 8.500000000000000001, '2024-06-01')",
        "insert into curated.games_complete (id, home_team, away_team, game_date, game_datetime, has_mlb_enrichment) "
        "values (1, '', '', '2024-06-01', '2024-06-01', 1), (2, '', '', '2024-06-01 12:00', '2024-06-01', 0), "
        "(3, '', '', '2024-06-01', '2024-06-01', 2), (4, '', '', '2024-06-01', 'infinity', null), "
        "(5000000000, '', '', '2024-06-01', '2024-06-01', null)",
        *(f"insert into {lines} (id, market_type, {columns}) values {values}" for columns, values in (
            ("home_ml, away_ml, home_bets_percentage, source", "(1, 'moneyline', -150, 130.0, 0.1, 'ab')"),
            ("home_ml", "(2, 'moneyline', 3000000000)"),
            ("away_ml", "(3, 'moneyline', 130.5), (4, 'moneyline', 'NaN')"),
            ("home_bets_percentage", "(5, 'moneyline', 0.125), (6, 'moneyline', 'Infinity')"),
            ("spread_line", "(11, 'spread', 1.5), (12, 'spread', 1.25), (13, 'spread', 'NaN'), (14, 'spread', -1e300)"),
            ("total_line, game_id", "(21, 'totals', 8.50, 1), (22, 'totals', 8.55, 1)"),
            ("total_line, game_id", "(23, 'totals', 1e5, 5000000000)"),
            ("data_completeness_score", "(24, 'totals', 0.950), (25, 'totals', 0.955), (26, 'totals', 10)"),
            ("source_metadata", """(31, 'totals', '{"a":  1.10}'), (32, 'totals', '"\\\\u0000 is text"')"""),
            ("source_metadata", """(33, 'totals', '{"a": "\\u0000"}')"""),
            ("collection_batch_id", "(41, 'totals', '0123ABCD-4567-89ef-0123-456789abcdef')"),
            ("collection_batch_id", "(42, 'totals', 'no uuid')"),
            ("odds_timestamp", "(51, 'totals', '2024-06-01 12:00:00.123456'), (52, 'totals', 'infinity')"),
            ("created_at", "(53, 'totals', '2024-06-01 12:00:00.123+00'), (54, 'totals', '-infinity')"),
        )),
    )  # fmt: skip
    target = make()
    loaded(target, url)
    return target


def test_values_that_the_contracts_type_holds_arrive(retyped):
    values = (
        "(select row(home_ml, away_ml, home_bets_percentage, source)::text from raw_data.moneylines_raw where id = 1), "
        "(select spread_line::text from raw_data.spreads_raw where id = 11), "
        "(select row(total_line, game_id)::text from raw_data.totals_raw where id = 21), "
        "(select data_completeness_score::text from raw_data.totals_raw where id = 24), "
        "(select string_agg(source_metadata::text, ' ' order by id) from raw_data.totals_raw where id in (31, 32)), "
        "(select collection_batch_id::text from raw_data.totals_raw where id = 41), "
        "(select extract(microseconds from odds_timestamp)::text from raw_data.totals_raw where id = 51), "
        "(select string_agg(row(id, game_date, has_mlb_enrichment)::text, ' ') from raw_data.games_raw), "
        "(select string_agg(row(id, total_line)::text, ' ') from raw_data.game_outcomes_raw)"
    )
    assert rows(retyped, f"select {values}") == [
        (
            "(-150,130,0.10,ab)", "1.5", "(8.5,1)", "0.95", '{"a": 1.10} "\\\\u0000 is text"',
            "0123abcd-4567-89ef-0123-456789abcdef", "123456", "(1,2024-06-01,t)", "(1,8.5)",
        )
    ]  # fmt: skip


def test_values_that_it_does_not_hold_are_rejects_with_their_text(retyped):
    found = rows(retyped, "select table_name, coalesce(source_id, '-'), row->>'unfit' from audit.rejects")
    assert sorted((table, source_id, json.loads(unfit)) for table, source_id, unfit in found) == sorted(
        [
            ("moneylines_raw", "2", {"home_ml": "3000000000"}),
            ("moneylines_raw", "3", {"away_ml": "130.5"}),
            ("moneylines_raw", "4", {"away_ml": "NaN"}),
            ("moneylines_raw", "5", {"home_bets_percentage": "0.125"}),
            ("moneylines_raw", "6", {"home_bets_percentage": "Infinity"}),
            ("spreads_raw", "12", {"spread_line": "1.25"}),
            ("spreads_raw", "13", {"spread_line": "NaN"}),
            ("spreads_raw", "14", {"spread_line": "-1e+300"}),
            ("totals_raw", "22", {"total_line": "8.55"}),
            ("totals_raw", "23", {"total_line": "100000", "game_id": "5000000000"}),
            ("totals_raw", "25", {"data_completeness_score": "0.955"}),
            ("totals_raw", "26", {"data_completeness_score": "10.000"}),
            ("totals_raw", "33", {"source_metadata": '{"a": "\\u0000"}'}),
            ("totals_raw", "42", {"collection_batch_id": "no uuid"}),
            ("totals_raw", "52", {"odds_timestamp": "infinity"}),
            ("totals_raw", "54", {"created_at": "-infinity"}),
            ("games_raw", "2", {"game_date": "2024-06-01 12:00:00"}),
            ("games_raw", "3", {"has_mlb_enrichment": "2"}),
            ("games_raw", "4", {"game_datetime": "infinity"}),
            ("games_raw", "-", {"id": "5000000000"}),
            ("game_outcomes_raw", "2", {"total_line": "8.500000000000000001"}),
        ]
    )


def test_a_column_added_to_the_legacy_is_no_reason_to_read_it_again(make):
    """What is summed of a row does not depend on columns that are null in it."""
    url = legacy(make, "unified")
    target = make()
    before = loaded(target, url)
    execute(url, "alter table curated.betting_lines_unified add later text")
    after = loaded(target, url)
    sums = [{c.name: c.expected for c in r.checks if c.name.endswith(": checksum")} for r in (before, after)]
    assert sums[0] == sums[1] != {}
