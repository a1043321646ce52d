"""A dozen hand-made legacy rows, odd in the ways of real installations, for both layouts."""

import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.servers import Postgres, execute

DDL = pathlib.Path(__file__).parents[1] / "config" / "legacy"
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


@contextmanager
def databases(postgres: Postgres, prefix: str) -> Iterator[Callable[..., str]]:
    """Makes databases of statements, and drops them at the end."""
    made: list[str] = []

    def make(*statements: str) -> str:
        made.append(f"{prefix}_{len(made)}")
        execute(postgres.url("postgres"), f"create database {made[-1]}")
        execute(postgres.url(made[-1]), *statements)
        return postgres.url(made[-1])

    yield make
    execute(postgres.url("postgres"), *(f"drop database {name} with (force)" for name in made))


def ddl(layout: str) -> list[str]:
    text = (DDL / f"{layout}.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";\n") if statement.strip()]


def inserts(layout: str) -> Iterator[str]:
    for kind, columns, values in ROWS:
        with_market = layout == "unified" and kind in ("moneyline", "spread", "totals")
        named, given = ("market_type, ", f"'{kind}', ") if with_market else ("", "")
        yield f"insert into {PLACES[layout][kind]} ({named}{columns}) values ({given}{values})"


def statements(layout: str) -> list[str]:
    """A whole legacy: tables, loosened, and the rows; `unified` also has a line of no market."""
    stray = [STRAY] if layout == "unified" else []
    return [*ddl(layout), LOOSEN, *inserts(layout), *stray]
