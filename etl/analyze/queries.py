"""The queries of phase 1. Each reads through a raw table's own SELECT, so layouts and columns' types do not matter."""

from collections.abc import Mapping, Sequence

from etl.database import literal
from etl.extract.layout import UNFIT, SourceTable
from etl.extract.legacy import LegacySource

PRICES = {
    "moneylines_raw": ("home_ml", "away_ml"),
    "spreads_raw": ("home_spread_price", "away_spread_price"),
    "totals_raw": ("over_price", "under_price"),
}
SPLITS = {
    "moneylines_raw": ("home_bets_percentage", "home_money_percentage"),
    "spreads_raw": ("home_bets_percentage", "home_money_percentage"),
    "totals_raw": ("over_bets_percentage", "over_money_percentage"),
}
_LINE = ("game_id", "sportsbook_id", "sportsbook", "source", "odds_timestamp", "created_at", "updated_at")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "moneylines_raw": (*_LINE, *PRICES["moneylines_raw"], *SPLITS["moneylines_raw"]),
    "spreads_raw": (*_LINE, "spread_line", *PRICES["spreads_raw"], *SPLITS["spreads_raw"]),
    "totals_raw": (*_LINE, "total_line", *PRICES["totals_raw"], *SPLITS["totals_raw"]),
    "games_raw": (
        "home_team", "away_team", "game_date", "game_datetime", "game_status", "home_score", "away_score", "season",
        "mlb_stats_api_game_id", "venue_name",
    ),
    "game_outcomes_raw": ("game_id", "home_score", "away_score", "total_line", "home_spread_line"),
    "teams_raw": ("team_id", "full_name", "abbr"),
    "sportsbooks_raw": ("name", "display_name"),
}  # fmt: skip
DATES: Mapping[str, tuple[str, ...]] = {
    "moneylines_raw": ("odds_timestamp", "updated_at"),
    "spreads_raw": ("odds_timestamp", "updated_at"),
    "totals_raw": ("odds_timestamp", "updated_at"),
    "games_raw": ("game_date", "game_datetime"),
    "game_outcomes_raw": ("game_date",),
}
BUCKETS = ((0.9, "0.90 and above"), (0.7, "0.70-0.89"), (0.5, "0.50-0.69"))
LOWEST_BUCKET = "below 0.50"
LINE_GROUP = ("source", "sportsbook_id", "sportsbook", "data_quality", "score")
LINE_COUNTS = ("without_game", "without_clock", "without_book", "one_sided", "without_price", "with_splits")
GAME_COUNTS = (
    "rows", "without_lines", "same_day", "same_pk", "completed_without_score", "completed_without_outcome",
    "of_unknown_game", "lines_min", "lines_max", "lines_median", "lines_mean",
)  # fmt: skip


def profile_query(table: SourceTable) -> str:
    """One row: rows, unfit rows, values of each of `COLUMNS`, first and last of each of `DATES`."""
    return f"select {', '.join(_profile(table))} from ({table.query()}) q"


def lines_query(table: SourceTable) -> str:
    """One row for each `LINE_GROUP`: the group, then the profile, then `LINE_COUNTS`."""
    group = (_text("source"), "sportsbook_id::bigint", _text("sportsbook"), _text("data_quality"), _bucket())
    prices, splits = (", ".join(names[table.table.name]) for names in (PRICES, SPLITS))
    counts = (
        "game_id is null",
        "odds_timestamp is null",
        f"sportsbook_id is null and {_text('sportsbook')} is null",
        f"num_nonnulls({prices}) = 1",
        f"num_nonnulls({prices}) = 0",
        f"num_nonnulls({splits}) > 0",
    )
    counted = [f"count(*) filter (where {condition})" for condition in counts]
    selected = ", ".join([*group, *_profile(table), *counted])
    return f"select {selected} from ({table.query()}) q group by 1, 2, 3, 4, 5"


def profile_names(table: str) -> tuple[str, ...]:
    """The names of what :func:`profile_query` returns, in its order."""
    dates = (f"{edge}:{name}" for name in DATES.get(table, ()) for edge in ("first", "last"))
    return ("rows", "unfit", *(f"values:{name}" for name in COLUMNS[table]), *dates)


def games_query(source: LegacySource) -> str:
    """One row with `GAME_COUNTS`."""
    tables = source.tables
    lines = " union all ".join(
        f"select game_id, count(*) as n from ({tables[name].query()}) q group by 1" for name in source.line_tables
    )
    games = (
        "select id, game_date, lower(btrim(home_team)) as home, lower(btrim(away_team)) as away, "
        f"{_text('mlb_stats_api_game_id')} as pk, game_status = 'completed' as is_done, "
        f"num_nonnulls(home_score, away_score) = 2 as is_scored from ({tables['games_raw'].query()}) q"
    )
    outcomes = f"select distinct game_id from ({tables['game_outcomes_raw'].query()}) q"
    return (
        f"with g as materialized ({games}), o as materialized ({outcomes}), "
        f"l as materialized (select game_id, sum(n)::bigint as n from ({lines}) c group by 1), "
        "known as (select l.n from l join g on g.id = l.game_id) select "
        "(select count(*) from g), "
        "(select count(*) from g where not exists (select from l where l.game_id = g.id)), "
        f"{_shared('game_date, home, away', 'true')}, {_shared('pk', 'pk is not null')}, "
        "(select count(*) from g where is_done and not is_scored), "
        "(select count(*) from g where is_done and not exists (select from o where o.game_id = g.id)), "
        "(select coalesce(sum(n), 0)::bigint from l where game_id is not null "
        "and not exists (select from g where g.id = l.game_id)), "
        "(select min(n) from known), (select max(n) from known), "
        "(select percentile_cont(0.5) within group (order by n) from known), (select avg(n)::float8 from known)"
    )


def kinds_query(source: LegacySource) -> str:
    """Rows of (what, value, games), what being `season` or `status`."""
    games = f"({source.tables['games_raw'].query()}) q"
    season = "coalesce(season, extract(year from game_date)::int)::text"
    return (
        f"select 'season', {season}, count(*) from {games} group by 2 union all "
        f"select 'status', {_text('game_status')}, count(*) from {games} group by 2 order by 1, 2"
    )


def names_query(source: LegacySource) -> str:
    """Rows of (id, name) of the sportsbooks."""
    return f"select id::bigint, {_text('name')} from ({source.tables['sportsbooks_raw'].query()}) q"


def strays_query(source: LegacySource) -> str:
    """The count of lines that no market takes."""
    strays = source.layout.strays
    return f"select count(*) from {strays.source} l where {strays.where}" if strays else "select 0::bigint"


def _profile(table: SourceTable) -> list[str]:
    name = table.table.name
    textual = {column.name for column in table.table.columns if column.sql_type == "text"}
    values: Sequence[str] = [_text(c) if c in textual else c for c in COLUMNS[name]]
    edges = [_iso(f"{edge}({c})", table) for c in DATES.get(name, ()) for edge in ("min", "max")]
    return ["count(*)", f"count({UNFIT})", *(f"count({value})" for value in values), *edges]


def _iso(value: str, table: SourceTable) -> str:
    types = {column.name: column.sql_type for column in table.table.columns}
    if types[value[4:-1]] == "date":
        return f"to_char({value}, 'YYYY-MM-DD')"
    return f"to_char({value} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


def _text(name: str) -> str:
    return f"nullif(btrim({name}), '')"


def _bucket() -> str:
    # Scores above 1 are on the scale to 9.99 (features definition, section 7).
    given = "data_completeness_score"
    score = f"(case when {given} > 1 then {given} / 9.99 else {given} end)"
    steps = " ".join(f"when {score} >= {least} then {literal(label)}" for least, label in BUCKETS)
    return f"case {steps} when {given} is not null then {literal(LOWEST_BUCKET)} end"


def _shared(columns: str, where: str) -> str:
    """Rows of `g` that share the columns' values with another row."""
    groups = f"select count(*) as n from g where {where} group by {columns} having count(*) > 1"
    return f"(select coalesce(sum(n), 0)::bigint from ({groups}) d)"
