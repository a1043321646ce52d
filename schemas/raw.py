"""Zone `raw_data`: every legacy row with every legacy column, typed, under its own name, plus its lineage.

Nothing is cleaned here, so the only rules are the ones without which a row could not be told from another one.
"""

import polars as pl

from schemas._base import Contract, Numeric3_2, Numeric5_1, Numeric5_2, Numeric5_4, Utc, column, table

AS_LEGACY = "null in the legacy"
MARKETS = ("moneyline", "spread", "totals")


class RawRow(Contract):
    """Lineage: where a row came from and which load and batch brought it."""

    load_id: pl.Int32 = column("Load that wrote the row", source="audit.loads")
    batch_id: pl.Int32 = column("Batch of the run that wrote the row", source="audit.batches")
    source_table: pl.String = column("Legacy table the row was read from")
    extracted_at: Utc = column("When the run's legacy snapshot was taken", unit="UTC")
    unmapped: pl.String = column(
        "Legacy values that have no column here, by column name", sql="jsonb", null="nothing was left over"
    )


class RawLine(RawRow):
    """What the quotes of all markets share."""

    id: pl.Int64 = column("Legacy id of the line, unique within its market", source="id")
    game_id: pl.Int32 = column("Legacy id of the game", null=AS_LEGACY)
    sportsbook_id: pl.Int32 = column("Legacy id of the sportsbook", null=AS_LEGACY)
    sportsbook: pl.String = column("Sportsbook as the source spelled it", null=AS_LEGACY)
    market_type: pl.String = column("Market of the line", isin=MARKETS)
    home_team: pl.String = column("Home team as the source spelled it", null=AS_LEGACY)
    away_team: pl.String = column("Away team as the source spelled it", null=AS_LEGACY)
    odds_timestamp: Utc = column("When the source says the quote was current", unit="UTC", null=AS_LEGACY)
    source: pl.String = column("Feed the row was collected from", null=AS_LEGACY)
    data_quality: pl.String = column("Legacy quality grade", null=AS_LEGACY)
    data_completeness_score: Numeric3_2 = column("Legacy completeness score", null=AS_LEGACY)
    source_metadata: pl.String = column("What the collector noted", sql="jsonb", null=AS_LEGACY)
    collection_batch_id: pl.String = column("Legacy collection batch", sql="uuid", null=AS_LEGACY)
    source_reliability_score: Numeric3_2 = column("Legacy reliability score of the feed", null=AS_LEGACY)
    collection_method: pl.String = column("How the row was collected", null=AS_LEGACY)
    external_source_id: pl.String = column("Id of the row or book at the feed", null=AS_LEGACY)
    source_api_version: pl.String = column("Version of the feed's interface", null=AS_LEGACY)
    created_at: Utc = column("When the legacy row was written", unit="UTC", null=AS_LEGACY)
    updated_at: Utc = column("When the legacy row was last changed in place", unit="UTC", null=AS_LEGACY)


class _HomeAwaySplits(RawLine):
    home_bets_count: pl.Int32 = column("Tickets on the home side", unit="tickets", null=AS_LEGACY)
    away_bets_count: pl.Int32 = column("Tickets on the away side", unit="tickets", null=AS_LEGACY)
    home_bets_percentage: Numeric5_2 = column("Share of tickets on the home side", unit="0-100 or 0-1", null=AS_LEGACY)
    away_bets_percentage: Numeric5_2 = column("Share of tickets on the away side", unit="0-100 or 0-1", null=AS_LEGACY)
    home_money_percentage: Numeric5_2 = column("Share of money on the home side", unit="0-100 or 0-1", null=AS_LEGACY)
    away_money_percentage: Numeric5_2 = column("Share of money on the away side", unit="0-100 or 0-1", null=AS_LEGACY)


@table("raw_data", "moneylines_raw", key=("id",), grain="one legacy moneyline quote", indexes=(("game_id",),))
class MoneylinesRaw(_HomeAwaySplits):
    """Moneyline quotes exactly as the legacy holds them."""

    home_ml: pl.Int32 = column("Price of the home side", unit="American odds", null=AS_LEGACY)
    away_ml: pl.Int32 = column("Price of the away side", unit="American odds", null=AS_LEGACY)


@table("raw_data", "spreads_raw", key=("id",), grain="one legacy spread quote", indexes=(("game_id",),))
class SpreadsRaw(_HomeAwaySplits):
    """Spread (run line) quotes exactly as the legacy holds them."""

    spread_line: Numeric5_1 = column("Runs added to the home score", unit="runs", null=AS_LEGACY)
    home_spread_price: pl.Int32 = column("Price of the home side", unit="American odds", null=AS_LEGACY)
    away_spread_price: pl.Int32 = column("Price of the away side", unit="American odds", null=AS_LEGACY)


@table("raw_data", "totals_raw", key=("id",), grain="one legacy total quote", indexes=(("game_id",),))
class TotalsRaw(RawLine):
    """Total (over/under) quotes exactly as the legacy holds them."""

    total_line: Numeric5_1 = column("Total", unit="runs", null=AS_LEGACY)
    over_price: pl.Int32 = column("Price of the over", unit="American odds", null=AS_LEGACY)
    under_price: pl.Int32 = column("Price of the under", unit="American odds", null=AS_LEGACY)
    over_bets_count: pl.Int32 = column("Tickets on the over", unit="tickets", null=AS_LEGACY)
    under_bets_count: pl.Int32 = column("Tickets on the under", unit="tickets", null=AS_LEGACY)
    over_bets_percentage: Numeric5_2 = column("Share of tickets on the over", unit="0-100 or 0-1", null=AS_LEGACY)
    under_bets_percentage: Numeric5_2 = column("Share of tickets on the under", unit="0-100 or 0-1", null=AS_LEGACY)
    over_money_percentage: Numeric5_2 = column("Share of money on the over", unit="0-100 or 0-1", null=AS_LEGACY)
    under_money_percentage: Numeric5_2 = column("Share of money on the under", unit="0-100 or 0-1", null=AS_LEGACY)


@table(
    "raw_data",
    "betting_lines_raw",
    key=("bet_type", "id", "team_type"),
    grain="one side of one legacy quote",
    expected="2 x (moneylines_raw + spreads_raw + totals_raw)",
    one_to_one=False,
    keyed=False,
)
class BettingLinesRaw(Contract):
    """All markets in one shape: two rows a line, one for each side."""

    load_id: pl.Int32 = column("Load that wrote the row", source="audit.loads")
    batch_id: pl.Int32 = column("Batch of the run that wrote the row", source="audit.batches")
    id: pl.Int64 = column("Legacy id of the line, unique within its market")
    bet_type: pl.String = column("Market", isin=MARKETS)
    team_type: pl.String = column("Side of the line", isin=("home", "away", "over", "under"))
    game_id: pl.Int32 = column("Legacy id of the game", null=AS_LEGACY)
    sportsbook_id: pl.Int32 = column("Legacy id of the sportsbook", null=AS_LEGACY)
    sportsbook: pl.String = column("Sportsbook as the source spelled it", null=AS_LEGACY)
    source: pl.String = column("Feed the row was collected from", null=AS_LEGACY)
    odds_timestamp: Utc = column("When the source says the quote was current", unit="UTC", null=AS_LEGACY)
    line_value: Numeric5_1 = column(
        "Line of this side: runs added to its score, or the total", unit="runs", null="moneyline, or null in the legacy"
    )
    odds_american: pl.Int32 = column("Price of this side as stored", unit="American odds", null=AS_LEGACY)
    odds_decimal: pl.Float64 = column(
        "Price of this side",
        unit="decimal odds",
        null="no price, or none with 100 <= |price| <= 10000",
        source="features definition, section 1",
        gt=1,
    )


@table("raw_data", "games_raw", key=("id",), grain="one legacy game row")
class GamesRaw(RawRow):
    """Games exactly as the legacy holds them."""

    id: pl.Int32 = column("Legacy id of the game")
    sportsbookreview_game_id: pl.String = column("Id at the odds archive", null=AS_LEGACY)
    mlb_stats_api_game_id: pl.String = column("game_pk of the MLB Stats API", null=AS_LEGACY)
    action_network_game_id: pl.Int32 = column("Id at Action Network", null=AS_LEGACY)
    vsin_game_id: pl.String = column("Id at VSiN", null=AS_LEGACY)
    home_team: pl.String = column("Home team as the source spelled it", null=AS_LEGACY)
    away_team: pl.String = column("Away team as the source spelled it", null=AS_LEGACY)
    game_date: pl.Date = column("Date as stored", null=AS_LEGACY)
    game_datetime: Utc = column("Start as stored", unit="UTC", null=AS_LEGACY)
    game_status: pl.String = column("Status as stored", null=AS_LEGACY)
    home_score: pl.Int32 = column("Runs of the home team as stored", unit="runs", null=AS_LEGACY)
    away_score: pl.Int32 = column("Runs of the away team as stored", unit="runs", null=AS_LEGACY)
    winning_team: pl.String = column("Winner as stored", null=AS_LEGACY)
    venue_name: pl.String = column("Ballpark", null=AS_LEGACY)
    venue_id: pl.Int32 = column("Id of the ballpark", null=AS_LEGACY)
    season: pl.Int32 = column("Season as stored", null=AS_LEGACY)
    season_type: pl.String = column("Season type as stored", null=AS_LEGACY)
    game_type: pl.String = column("Game type as stored", null=AS_LEGACY)
    weather_condition: pl.String = column("Weather as stored", null=AS_LEGACY)
    temperature: pl.Int32 = column("Temperature as stored", unit="degrees Fahrenheit", null=AS_LEGACY)
    wind_speed: pl.Int32 = column("Wind speed as stored", unit="mph", null=AS_LEGACY)
    wind_direction: pl.String = column("Wind direction as stored", null=AS_LEGACY)
    humidity: pl.Int32 = column("Humidity as stored", unit="%", null=AS_LEGACY)
    data_quality: pl.String = column("Legacy quality grade", null=AS_LEGACY)
    mlb_correlation_confidence: Numeric5_4 = column("Legacy confidence of the MLB match", null=AS_LEGACY)
    has_mlb_enrichment: pl.Boolean = column("Legacy mark of MLB enrichment", null=AS_LEGACY)
    created_at: Utc = column("When the legacy row was written", unit="UTC", null=AS_LEGACY)
    updated_at: Utc = column("When the legacy row was last changed in place", unit="UTC", null=AS_LEGACY)


@table("raw_data", "game_outcomes_raw", key=("id",), grain="one legacy outcome row")
class GameOutcomesRaw(RawRow):
    """Outcomes exactly as the legacy holds them; the booleans are wrong on ties and pushes."""

    id: pl.Int32 = column("Legacy id of the outcome")
    game_id: pl.Int32 = column("Legacy id of the game", null=AS_LEGACY)
    home_team: pl.String = column("Home team as the source spelled it", null=AS_LEGACY)
    away_team: pl.String = column("Away team as the source spelled it", null=AS_LEGACY)
    home_score: pl.Int32 = column("Runs of the home team as stored", unit="runs", null=AS_LEGACY)
    away_score: pl.Int32 = column("Runs of the away team as stored", unit="runs", null=AS_LEGACY)
    home_win: pl.Boolean = column("Home win as stored; false on ties", null=AS_LEGACY)
    over: pl.Boolean = column("Over as stored; false on pushes", null=AS_LEGACY)
    home_cover_spread: pl.Boolean = column("Cover as stored", null=AS_LEGACY)
    total_line: pl.Float64 = column("Total the outcome was judged by", unit="runs", null=AS_LEGACY)
    home_spread_line: pl.Float64 = column("Spread the outcome was judged by", unit="runs", null=AS_LEGACY)
    game_date: Utc = column("Start as stored", unit="UTC", null=AS_LEGACY)
    created_at: Utc = column("When the legacy row was written", unit="UTC", null=AS_LEGACY)
    updated_at: Utc = column("When the legacy row was last changed in place", unit="UTC", null=AS_LEGACY)


@table("raw_data", "sportsbooks_raw", key=("id",), grain="one legacy sportsbook row")
class SportsbooksRaw(RawRow):
    """Sportsbooks exactly as the legacy holds them."""

    id: pl.Int32 = column("Legacy id of the sportsbook")
    name: pl.String = column("Name as stored", null=AS_LEGACY)
    display_name: pl.String = column("Name for people as stored", null=AS_LEGACY)
    is_active: pl.Boolean = column("Active as stored", null=AS_LEGACY)
    created_at: Utc = column("When the legacy row was written", unit="UTC", null=AS_LEGACY)


@table("raw_data", "teams_raw", key=("id",), grain="one legacy team row")
class TeamsRaw(RawRow):
    """Teams exactly as the legacy holds them."""

    id: pl.Int32 = column("Legacy id of the team row")
    team_id: pl.Int32 = column("MLB Stats API team id as stored", null=AS_LEGACY)
    full_name: pl.String = column("Full name as stored", null=AS_LEGACY)
    display_name: pl.String = column("Name for people as stored", null=AS_LEGACY)
    short_name: pl.String = column("Short name as stored", null=AS_LEGACY)
    location: pl.String = column("City as stored", null=AS_LEGACY)
    abbr: pl.String = column("Code as stored", null=AS_LEGACY)
    conference_type: pl.String = column("League as stored", null=AS_LEGACY)
    division_type: pl.String = column("Division as stored", null=AS_LEGACY)
    created_at: Utc = column("When the legacy row was written", unit="UTC", null=AS_LEGACY)
    updated_at: Utc = column("When the legacy row was last changed in place", unit="UTC", null=AS_LEGACY)
