"""Zone `curated`, second half: movements, the market's state, feature vectors and labels."""

import polars as pl

from schemas._base import Utc, column, table
from schemas.curated import FEW_BOOKS, NO_PAIR, OPEN_SOURCES, OUTCOMES, PIT_BASES, SIGNIFICANCE, TO_GAME, CuratedRow, P
from schemas.raw import MARKETS


@table(
    "curated",
    "line_movements",
    key=("game_id", "market", "brand"),
    grain="one brand's way from its opening to its current quote of one game and market",
    expected="series with an eligible pre-game quote at as_of",
    one_to_one=False,
    references=(TO_GAME,),
)
class LineMovements(CuratedRow):
    """Opening to now (`as_of`), by brand. American odds are never subtracted."""

    game_id: pl.Int32 = column("Canonical game")
    market: pl.String = column("Market", isin=MARKETS)
    brand: pl.String = column("Brand")
    open_raw_id: pl.Int64 = column("Opening quote")
    current_raw_id: pl.Int64 = column("Last quote usable at as_of")
    open_source: pl.String = column("How the opening is known", isin=OPEN_SOURCES)
    open_observed_at: Utc = column("Clock of the opening quote", unit="UTC")
    open_lead_min: pl.Float64 = column("Scheduled start - opening", unit="minutes", ge=0)
    current_observed_at: Utc = column("Clock of the current quote", unit="UTC")
    open_line: pl.Float64 = column("Opening line", unit="runs", null="moneyline")
    current_line: pl.Float64 = column("Current line", unit="runs", null="moneyline")
    open_p_fair_a: pl.Float64 = column("Opening no-vig probability of side A", null=NO_PAIR, **P)
    current_p_fair_a: pl.Float64 = column("Current no-vig probability of side A", null=NO_PAIR, **P)
    move_pp: pl.Float64 = column(
        "Move towards side A; a total's moved line is converted",
        unit="pp",
        null="either is null, or the run line changed",
        source="features definition, section 3",
    )
    line_move_runs: pl.Float64 = column("current_line - open_line", unit="runs", null="moneyline")
    rl_flip: pl.Boolean = column("The run line changed sign", null="not a spread")
    crosses_key_total: pl.Boolean = column("The total moved over or onto 7 or 9", null="not a total")
    velocity_pp_h: pl.Float64 = column(
        "Move of the last 60 minutes", unit="pp/h", null="no quote by an hour before as_of"
    )
    n_quotes: pl.Int32 = column("Quotes usable at as_of", unit="quotes", ge=1)
    n_moves: pl.Int32 = column("Steps of at least 0.25 pp", unit="steps", null="under 2 quotes", ge=0)
    movement_consistency: pl.Float64 = column("|net| / sum of |steps|", unit="0-1", null="no move", ge=0, le=1)
    movement_significance: pl.String = column("Size class of the move", isin=SIGNIFICANCE, null="move is null")


class MarketState(CuratedRow):
    """The market for one game at as_of: consensus, dispersion, cost. Shared by efficiency and feature vectors."""

    game_id: pl.Int32 = column("Canonical game")
    market: pl.String = column("Market", isin=MARKETS)
    last_observed_at: Utc = column("Latest observed_at used: never after as_of", unit="UTC", null="no eligible quote")
    last_recorded_at: Utc = column("Latest recorded_at used: never after as_of", unit="UTC", null="no eligible quote")
    n_books: pl.Int32 = column("Brands with an eligible quote", unit="books", ge=0)
    consensus_line: pl.Float64 = column("Modal line", unit="runs", null="moneyline, or no eligible quote")
    line_agreement: pl.Float64 = column(
        "Share of brands on the modal line", unit="0-1", null="under 2 books", ge=0, le=1
    )
    consensus_p_a: pl.Float64 = column(
        "Inverse logit of the median logit of p_fair_a at the modal line", null=FEW_BOOKS, **P
    )
    dispersion_pp: pl.Float64 = column(
        "100 x sd (ddof 1) of p_fair_a at the modal line", unit="pp", null=FEW_BOOKS, ge=0
    )
    dispersion_mad_pp: pl.Float64 = column(
        "148.26 x MAD of p_fair_a at the modal line", unit="pp", null=FEW_BOOKS, ge=0
    )
    range_pp: pl.Float64 = column(
        "100 x (max - min) of p_fair_a at the modal line", unit="pp", null="under 2 books", ge=0
    )
    hold_median: pl.Float64 = column("Median hold at the modal line", unit="1", null="no eligible quote", lt=1)
    p_sharp_a: pl.Float64 = column("Consensus of the sharp tier at the modal line", null="no sharp book", **P)
    p_retail_a: pl.Float64 = column("Consensus of the retail tier at the modal line", null="no retail book", **P)
    sharp_minus_retail_pp: pl.Float64 = column("100 x (p_sharp_a - p_retail_a)", unit="pp", null="a tier is empty")
    best_decimal_a: pl.Float64 = column(
        "Best price of side A at the modal line", unit="decimal odds", null="under 2 fresh books", gt=1
    )
    best_decimal_b: pl.Float64 = column(
        "Best price of side B at the modal line", unit="decimal odds", null="under 2 fresh books", gt=1
    )
    best_overround: pl.Float64 = column("1/best_a + 1/best_b - 1", unit="1", null="under 2 fresh books")
    market_efficiency_score: pl.Float64 = column(
        "1 / (1 + max(hold,0)/0.045 + dispersion_pp/0.5): a proxy of market quality, no proof of efficiency",
        unit="0-1",
        null=FEW_BOOKS,
        gt=0,
        le=1,
    )


@table(
    "curated",
    "market_efficiency",
    key=("game_id", "market"),
    grain="one game and market at as_of",
    expected="3 x games",
    one_to_one=False,
    references=(TO_GAME,),
)
class MarketEfficiency(MarketState):
    """Cost and agreement of the market for one game (both known before it)."""

    runline_side_conflict: pl.Boolean = column(
        "One brand has home -1.5 and another home +1.5", null="not a spread, or no quote"
    )
    has_arb: pl.Boolean = column("best_overround < 0", null="best prices are null")
    arb_margin: pl.Float64 = column(
        "-best_overround, 0 without an arbitrage", unit="1", null="best prices are null", ge=0
    )
    arb_return: pl.Float64 = column(
        "1/(1 + best_overround) - 1, 0 without an arbitrage", unit="1", null="best prices are null", ge=0
    )
    arb_stake_share_a: pl.Float64 = column(
        "(1/dA)/(1/dA + 1/dB), 0 without an arbitrage", unit="0-1", null="best prices are null", ge=0, le=1
    )


@table(
    "curated",
    "feature_vectors",
    key=("game_id", "market", "horizon_min"),
    grain="one game, market and as_of",
    expected="3 x games x horizons",
    one_to_one=False,
    references=(TO_GAME,),
)
class FeatureVectors(MarketState):
    """Features of one game and market, from what was observed and recorded by as_of. Never a label, never a close."""

    horizon_min: pl.Int32 = column("Minutes from as_of to the scheduled start", unit="minutes", ge=0)
    pit_basis: pl.String = column("Which clocks the quotes rest on", isin=PIT_BASES, null="no eligible quote")
    season: pl.Int16 = column("Season")
    home_team_id: pl.Int32 = column("Home club", null="unknown club")
    away_team_id: pl.Int32 = column("Away club", null="unknown club")
    hour_local: pl.Int16 = column("Hour of the start, America/New_York", unit="hour", ge=0, le=23)
    dow_local: pl.Int16 = column("ISO day of the week", ge=1, le=7)
    month: pl.Int16 = column("Month", ge=1, le=12)
    is_weekend: pl.Boolean = column("Saturday or Sunday")
    is_dh_game2: pl.Boolean = column("Second or later game of a doubleheader")
    open_p_fair_a_median: pl.Float64 = column(
        "Median opening no-vig probability over eligible brands", null="no opening", **P
    )
    open_line_median: pl.Float64 = column(
        "Median opening line over eligible brands", unit="runs", null="moneyline, or no opening"
    )
    move_pp_median: pl.Float64 = column("Median of each brand's own move", unit="pp", null="no brand has one")
    line_move_runs_median: pl.Float64 = column(
        "Median of each brand's own line move", unit="runs", null="moneyline, or no brand has one"
    )
    velocity_pp_h_median: pl.Float64 = column(
        "Median of each brand's own velocity", unit="pp/h", null="no brand has one"
    )
    movement_consistency_median: pl.Float64 = column(
        "Median of each brand's own consistency", unit="0-1", null="no brand has one", ge=0, le=1
    )
    tickets_pct_a: pl.Float64 = column(
        "Last split usable at as_of: tickets on side A", unit="0-100", null="none, or one-sided", ge=0, le=100
    )
    money_pct_a: pl.Float64 = column(
        "Last split usable at as_of: money on side A", unit="0-100", null="none, or one-sided", ge=0, le=100
    )
    money_minus_tickets_pp: pl.Float64 = column(
        "money_pct_a - tickets_pct_a", unit="pp", null="either is null, or under 100 tickets", ge=-100, le=100
    )
    home_form_win_pct_10: pl.Float64 = column("curated.games", unit="0-1", null="under 5 games", ge=0, le=1)
    away_form_win_pct_10: pl.Float64 = column("curated.games", unit="0-1", null="under 5 games", ge=0, le=1)
    home_form_run_diff_10: pl.Float64 = column("curated.games", unit="runs", null="under 5 games")
    away_form_run_diff_10: pl.Float64 = column("curated.games", unit="runs", null="under 5 games")
    home_rs_pg_10: pl.Float64 = column("curated.games", unit="runs", null="under 5 games", ge=0)
    away_rs_pg_10: pl.Float64 = column("curated.games", unit="runs", null="under 5 games", ge=0)
    home_ra_pg_10: pl.Float64 = column("curated.games", unit="runs", null="under 5 games", ge=0)
    away_ra_pg_10: pl.Float64 = column("curated.games", unit="runs", null="under 5 games", ge=0)
    home_form_ewm: pl.Float64 = column("curated.games", unit="0-1", null="under 5 games", ge=0, le=1)
    away_form_ewm: pl.Float64 = column("curated.games", unit="0-1", null="under 5 games", ge=0, le=1)
    home_season_win_pct: pl.Float64 = column("curated.games", unit="0-1", null="no games", ge=0, le=1)
    away_season_win_pct: pl.Float64 = column("curated.games", unit="0-1", null="no games", ge=0, le=1)
    home_rest_days: pl.Int32 = column("curated.games", unit="days", null="first of the season", ge=0, le=10)
    away_rest_days: pl.Int32 = column("curated.games", unit="days", null="first of the season", ge=0, le=10)
    home_games_last_7d: pl.Int32 = column("curated.games", unit="games", null="unknown club", ge=0)
    away_games_last_7d: pl.Int32 = column("curated.games", unit="games", null="unknown club", ge=0)
    h2h_n: pl.Int32 = column("curated.games", unit="games", null="unknown club", ge=0, le=10)
    h2h_home_win_pct: pl.Float64 = column("curated.games", unit="0-1", null="under 3 meetings", ge=0, le=1)
    h2h_home_win_pct_shrunk: pl.Float64 = column("curated.games", unit="0-1", null="unknown club", gt=0, lt=1)
    h2h_avg_total: pl.Float64 = column("curated.games", unit="runs", null="under 3 meetings", ge=0)


@table(
    "curated",
    "labels",
    key=("game_id", "market", "horizon_min"),
    grain="the outcome of one game and market at the row's consensus line",
    expected="3 x games x horizons",
    one_to_one=False,
    references=(TO_GAME,),
)
class Labels(CuratedRow):
    """Outcomes, settled at the consensus line of the same (game, market, as_of). Known only after the game."""

    game_id: pl.Int32 = column("Canonical game")
    market: pl.String = column("Market", isin=MARKETS)
    horizon_min: pl.Int32 = column("Minutes from as_of to the scheduled start", unit="minutes", ge=0)
    result_available_at: Utc = column("From when the label may be used", unit="UTC", null="no final score")
    line: pl.Float64 = column(
        "Consensus line at as_of by which side A is settled", unit="runs", null="moneyline, or no consensus"
    )
    home_score: pl.Int32 = column("Runs of the home club", unit="runs", null="not final", ge=0)
    away_score: pl.Int32 = column("Runs of the away club", unit="runs", null="not final", ge=0)
    margin_of_victory: pl.Int32 = column("Home runs - away runs", unit="runs", null="not final")
    total_score: pl.Int32 = column("Runs of both", unit="runs", null="not final", ge=0)
    home_win: pl.Boolean = column("Home club won", null="not final, or a tie")
    outcome_a: pl.String = column(
        "Settlement of a bet on side A", isin=OUTCOMES, null="final, but no line to settle by"
    )
    is_push: pl.Boolean = column("The bet pushes", null="not settled")
    target: pl.Int16 = column("1 if side A wins, 0 if side B does", null="push, void, pending, or no line", isin=(0, 1))
    close_line: pl.Float64 = column("Modal closing line", unit="runs", null="moneyline, or no close")
    close_p_fair_a: pl.Float64 = column(
        "Median-logit no-vig probability of side A over closing quotes at the closing line", null="no close", **P
    )
    close_n_books: pl.Int32 = column("Brands (or the archive) with a closing quote", unit="books", ge=0)
    move_to_close_pp: pl.Float64 = column(
        "100 x (close_p_fair_a - consensus_p_a) at an unchanged line",
        unit="pp",
        null="either is null, or the line changed",
    )
    length_assumed: pl.Boolean = column("Regulation length is assumed")
