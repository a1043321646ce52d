"""The raw zone holds exactly what the legacy holds: edge values, on every pair of servers, layouts and places."""

import json

import pytest

from etl.extract.layout import source_columns
from etl.rowhash import Fold
from etl.runner import fill
from schemas import tables_of
from tests.legacy_rows import LOOSEN, PLACES, databases, ddl
from tests.runs import rows as rows_of
from tests.runs import run
from tests.servers import execute

UUID = "0123ABCD-4567-89ef-0123-456789abcdef"
JSON = r'{"b": 1.10, "a": [1, null, {"x": "\u26be"}], "": "", "big": 123456789012345678901234567890.10, "e": 1e-7}'
OUTCOME = (
    "id, game_id, home_team, away_team, home_score, away_score, home_win, over, total_line, home_spread_line, game_date"
)
LINE = "id, sportsbook, source, odds_timestamp, source_metadata, collection_batch_id"
EDGES = [
    ("books", "id, name, display_name, is_active", "1, '', null, null"),
    ("books", "id, name, display_name, created_at", "2, 'é ß ⚾', '👨‍👩‍👧 e\u0301', '0001-01-01 00:00+00'"),
    ("books", "id, name, created_at", "3, E'tab\\t\"quote\"\\\\, (a,b) {} null', '9999-12-31 23:59:59.999999+00'"),
    ("teams", "id, team_id, full_name, display_name, short_name, location, abbr, conference_type",
     "1, -2147483648, ' ', '', 'x', E'line\\nbreak', '', null"),
    ("games", "id, home_team, away_team, game_date, game_datetime, mlb_correlation_confidence, home_score",
     "1, 'A', 'B', '0001-01-01', '2024-06-01 12:00:00.123456+00', -9.9999, 2147483647"),
    ("games", "id, home_team, away_team, game_date, game_datetime, mlb_correlation_confidence",
     "2, 'A', 'B', '9999-12-31', '1969-12-31 23:59:59.999999+00', 0.0001"),
    ("outcomes", OUTCOME, "1, 1, '', '', 0, -1, true, false, '5e-324', '-0', '2024-06-01'"),
    ("outcomes", OUTCOME, "2, 2, '', '', 0, -1, false, true, 0.1, '1.7976931348623157e308', '2024-06-01'"),
    ("moneyline", f"{LINE}, home_bets_percentage, away_bets_percentage, data_completeness_score, home_ml, away_ml",
     f"1, '', ' ', '2024-06-01 12:00:00.000001+00', '{JSON}', '{UUID}', 999.99, -999.99, 9.99, 2147483647, -2147483648"
     ),
    ("moneyline", f"{LINE}, home_bets_percentage", "2, null, '⚾', null, '\"\"', null, 0.01"),
    ("moneyline", f"{LINE}, home_bets_percentage", "3, 'null', '\\N', '0001-01-01 00:00+00', 'null', null, 0.10"),
    ("spread", f"{LINE}, spread_line", "4, 'NaN', '', '9999-12-31 23:59:59.999999+00', '[]', null, 9999.9"),
    ("spread", f"{LINE}, spread_line", "5, 'a', '', '2024-03-10 02:30:00-05', '1.50', null, -9999.9"),
    ("totals", f"{LINE}, total_line", "6, 'a', '', '1900-01-01 00:00+00', '1.5', null, 0.0"),
]  # fmt: skip
# What cannot be carried, and the text that the reject must have.
UNFIT = [
    ("books", "id, name, created_at", "9, 'b', '-infinity'", "sportsbooks_raw", {"created_at": "-infinity"}),
    ("games", "id, home_team, away_team, game_date, game_datetime, mlb_correlation_confidence",
     "9, '⚾', '', '0044-03-15 BC', 'infinity', 'NaN'", "games_raw",
     {"game_date": "0044-03-15 BC", "game_datetime": "infinity", "mlb_correlation_confidence": "NaN"}),
    ("outcomes", OUTCOME, "9, 9, '', '', 0, -1, false, true, 'NaN', '-0', '2024-06-01'",
     "game_outcomes_raw", {"total_line": "NaN"}),
    ("outcomes", OUTCOME, "10, 10, '', '', 0, -1, false, true, '-Infinity', '5e-324', '10000-01-01'",
     "game_outcomes_raw", {"total_line": "-Infinity", "game_date": "10000-01-01 00:00:00+00"}),
    ("moneyline", f"{LINE}, home_bets_percentage", f"7, '', null, '2024-06-01', '{JSON}', '{UUID}', 'NaN'",
     "moneylines_raw", {"home_bets_percentage": "NaN"}),
    ("spread", f"{LINE}, spread_line", "8, '⚾', '', '4713-01-01 12:00:00+00 BC', null, null, 'NaN'", "spreads_raw",
     {"odds_timestamp": "4713-01-01 12:00:00+00 BC", "spread_line": "NaN"}),
]  # fmt: skip
# A legacy that is set up in its own way must not be read, or summed, in another one.
ODD_SETTINGS = (
    "datestyle = 'SQL, DMY'",
    "timezone = 'Asia/Kolkata'",
    "extra_float_digits = -10",
    "bytea_output = 'escape'",
)
LAYOUTS = ("unified", "core_betting")
ONE_TO_ONE = [table for table in tables_of("raw_data") if table.one_to_one]
KINDS = {
    "sportsbooks_raw": "books", "teams_raw": "teams", "games_raw": "games", "game_outcomes_raw": "outcomes",
    "moneylines_raw": "moneyline", "spreads_raw": "spread", "totals_raw": "totals",
}  # fmt: skip


def insert(layout, kind, columns, values):
    is_shared = layout == "unified" and kind in ("moneyline", "spread", "totals")
    names, given = ("market_type, ", f"'{kind}', ") if is_shared else ("", "")
    return f"insert into {PLACES[layout][kind]} ({names}{columns}) values ({given}{values})"


def legacy_of(layout):
    """Statements of a legacy with all edge values, and with some that cannot be carried."""
    rows = [*EDGES, *(row[:3] for row in UNFIT)]
    stray = "insert into curated.betting_lines_unified (id, market_type, source, odds_timestamp, spread_line) values {}"
    strays = [stray.format("(90, 'prop', '⚾', 'infinity', 'NaN'), (91, null, '', '2024-06-01 12:00:00.5+00', 1.5)")]
    return [*ddl(layout), LOOSEN, *(insert(layout, *row) for row in rows), *(strays if layout == "unified" else [])]


def set_up_oddly(url):
    name = rows_of(url, "select current_database()")[0][0]
    execute(url, *(f"alter database {name} set {setting}" for setting in ODD_SETTINGS))


@pytest.fixture(scope="module")
def places(embedded, debian):
    """Makes databases on either server."""
    with databases(embedded, "exact") as on_embedded, databases(debian, "exact") as on_debian:
        yield {"embedded": on_embedded, "debian": on_debian}


# layout, server of the legacy, server of the target (none: one database for both), way of hashing (none: as agreed)
CASES = [
    ("unified", "embedded", "embedded", None),
    ("unified", "debian", None, None),
    ("core_betting", "embedded", None, None),
    ("core_betting", "debian", "embedded", None),
    ("unified", "embedded", "debian", Fold.TEXT),
    ("core_betting", "embedded", "debian", Fold.MD5),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(str(part) for part in case))
def case(request, places):
    """(layout, legacy, target, report) of a run of the raw phase over all edge values."""
    layout, here, there, fold = request.param
    legacy = places[here](*legacy_of(layout))
    set_up_oddly(legacy)
    target = places[there]() if there else legacy
    with pytest.MonkeyPatch.context() as patch:
        if fold:
            patch.setattr(fill, "agreed", lambda *_: fold)
        outcome = run(legacy, target, layout=layout, phases="raw", validate=False, batch_rows=5)
    assert outcome.error is None, outcome.error
    return layout, legacy, target, outcome.report


def texts(url, place, table, where):
    """The rows of a raw table's legacy columns, each value as text, by id."""
    columns = ", ".join(f'l."{c.name}"::text' for c in source_columns(table) if c.name != "market_type")
    utc = "(select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true), "
    forms = f"{utc} set_config('extra_float_digits', '1', true)) forms"
    return rows_of(
        url, f"select {columns} from {forms} cross join lateral (select * from {place} x where {where}) l order by l.id"
    )


@pytest.mark.parametrize("table", ONE_TO_ONE, ids=lambda table: table.name)
def test_every_value_that_fits_arrives_as_it_is(case, table):
    layout, legacy, target, _ = case
    kind = KINDS[table.name]
    ids = [values.partition(",")[0] for of, _, values in EDGES if of == kind]
    where = f"id in ({', '.join(ids)})"
    found = texts(target, f"raw_data.{table.name}", table, "true")
    assert found == texts(legacy, PLACES[layout][kind], table, where)
    assert len(found) == len(ids)


def test_what_cannot_be_carried_is_a_reject_with_its_text(case):
    _, _, target, _ = case
    query = "select table_name, source_id, row->>'unfit' from audit.rejects where table_name <> 'no_market'"
    found = {(table, source_id): json.loads(unfit) for table, source_id, unfit in rows_of(target, query)}
    assert found == {(table, values.partition(",")[0]): unfit for _, _, values, table, unfit in UNFIT}


def test_both_databases_find_the_same_sums(case):
    layout, _, _, report = case
    checks = {check.name: check for check in report.checks if check.name.endswith(": checksum")}
    strays = {"no_market: checksum"} if layout == "unified" else set()
    assert set(checks) == {f"{table.name}: checksum" for table in ONE_TO_ONE} | strays
    assert [check for check in checks.values() if not check.passed] == []
    counts = {kind: sum(row[0] == kind for row in (*EDGES, *UNFIT)) for kind in KINDS.values()}
    for name, kind in KINDS.items():
        assert checks[f"{name}: checksum"].expected.startswith(f"{counts[kind]} rows with sum ")


def test_rows_that_their_id_does_not_tell_are_rejects_each_with_its_own_values(places):
    games = "insert into curated.games_complete (id, home_team, away_team, game_date, game_datetime) values "
    same = "(1, 'X', 'Y', '2024-06-01', '2024-06-01')"
    url = places["embedded"](
        *ddl("unified"), LOOSEN,
        "alter table curated.games_complete drop constraint games_complete_pkey, alter id drop not null, "
        "alter created_at drop default, alter updated_at drop default",
        f"{games} {same}, {same}, (1, 'X', 'Y', '2024-06-01', 'infinity'), (1, 'X', 'Y', '2024-06-01', '-infinity'), "
        "(null, '⚾', '', '2024-06-01', '2024-06-01'), (null, 'ß', '', '2024-06-01', '2024-06-01')",
    )  # fmt: skip
    target = places["debian"]()
    outcome = run(url, target, phases="raw", validate=False)
    assert outcome.error is None, outcome.error
    found = rows_of(target, "select source_id, rule, row->>'home_team', row->>'unfit' from audit.rejects")
    assert sorted(found, key=str) == [
        ("1", "key_unique", "X", None),
        ("1", "unfit_value", "X", '{"game_datetime": "-infinity"}'),
        ("1", "unfit_value", "X", '{"game_datetime": "infinity"}'),
        (None, "id_present", "ß", None),
        (None, "id_present", "⚾", None),
    ]


def test_a_legacy_of_another_encoding_is_compared_in_utf8(embedded, places):
    execute(embedded.url("postgres"), "create database exact_latin encoding 'LATIN1' locale 'C' template template0")
    legacy, target = embedded.url("exact_latin"), places["debian"]()
    rows = [
        ("books", "id, name", "1, U&'\\00e9 \\00df'"),
        ("books", "id, name, created_at", "2, U&'\\00e9', 'infinity'"),
    ]
    try:
        execute(legacy, *ddl("unified"), *(insert("unified", *row) for row in rows))
        outcome = run(legacy, target, phases="raw", validate=False)
    finally:
        execute(embedded.url("postgres"), "drop database exact_latin with (force)")
    assert outcome.error is None, outcome.error
    assert rows_of(target, "select name from raw_data.sportsbooks_raw") == [("é ß",)]
    folds = "select distinct c.value->>'fold' from audit.batches, jsonb_each(checksums) c"
    assert rows_of(target, folds) == [("md5",)]
