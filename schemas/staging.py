"""Zone `staging`: one spelling, one clock, one key; every row with a quality score, a status and its flags."""

from typing import Any

import polars as pl

from schemas._base import Contract, Ints, Numeric3_2, Reference, Texts, Utc, column, table
from schemas.raw import MARKETS

STATUSES = ("validated", "needs_review")
GAME_STATUSES = ("scheduled", "completed", "postponed", "cancelled", "suspended")
BOOK_KINDS = ("book", "consensus", "opening", "archive", "unlisted")
TIERS = ("sharp", "mid", "retail")
CLOCKS = ("source", "assumed")
LINE_KINDS = ("open", "current", "close", "live")
UNKNOWN = "unknown"


class StagingRow(Contract):
    """Every row says which load and batch wrote it."""

    load_id: pl.Int32 = column("Load that wrote the row", source="audit.loads")
    batch_id: pl.Int32 = column("Batch of the run that wrote the row", source="audit.batches")


@table(
    "staging",
    "teams",
    key=("team_id", "valid_from"),
    grain="one club under one name",
    expected="clubs and names in config/teams.toml",
    one_to_one=False,
)
class Teams(StagingRow):
    """MLB clubs by MLB Stats id, with the code and name they had from season to season."""

    team_id: pl.Int32 = column("MLB Stats API team id, stable through renames", ge=1)
    valid_from: pl.Int16 = column("First season of this name", unit="season", ge=1871)
    valid_to: pl.Int16 = column("Last season of this name", unit="season", null="still current")
    code: pl.String = column("Code at MLB in these seasons")
    city: pl.String = column("City", null="the club plays under its nickname alone")
    nickname: pl.String = column("Nickname")
    name: pl.String = column("Full name")
    league: pl.String = column("League", isin=("AL", "NL"))
    raw_id: pl.Int32 = column("Row of raw_data.teams_raw for the club", null="the legacy does not list the club")


@table(
    "staging",
    "sportsbooks",
    key=("book_id",),
    grain="one canonical sportsbook",
    expected="books in config/sportsbooks.toml + legacy books that it does not list",
    one_to_one=False,
)
class Sportsbooks(StagingRow):
    """Canonical books, with their brand, kind and tier. Pseudo-books are kept and marked: they are not books."""

    book_id: pl.Int32 = column("Canonical id: from configuration, or 100000 + legacy id of an unlisted book")
    book: pl.String = column("Canonical name")
    brand: pl.String = column("Brand: DraftKings and DraftKings NJ are one")
    display_name: pl.String = column("Name for people")
    kind: pl.String = column("What it is; only `book` counts towards a consensus", isin=BOOK_KINDS)
    tier: pl.String = column("How the book is known to set prices", isin=TIERS, null="not a book, or not known")
    raw_ids: Ints = column("Rows of raw_data.sportsbooks_raw that resolve to it")


@table(
    "staging",
    "games",
    key=("game_id",),
    grain="one real game",
    indexes=(("game_date",),),
)
class Games(StagingRow):
    """Real games: duplicates under several legacy ids merged, doubleheaders kept apart."""

    game_id: pl.Int32 = column("Canonical id: the smallest legacy id of the merged rows")
    raw_ids: Ints = column("Legacy ids that were merged into the game, ascending")
    game_pk: pl.Int32 = column("MLB Stats API id of the game", null="the legacy has none")
    season: pl.Int16 = column("Season", ge=1871)
    season_type: pl.String = column("Season type", null="unknown")
    game_date: pl.Date = column(
        "Local date, America/New_York (official date where known)", source="features definition, section 5"
    )
    start_at: Utc = column("Scheduled start", unit="UTC")
    game_number: pl.Int16 = column("1, or 2 and up in a doubleheader, by order of start", ge=1)
    is_doubleheader: pl.Boolean = column("The clubs meet more than once on this date")
    home_team_id: pl.Int32 = column("Home club", null="the text names no known MLB club")
    away_team_id: pl.Int32 = column("Away club", null="the text names no known MLB club")
    home_code: pl.String = column("Code of the home club in this season", null="unknown club")
    away_code: pl.String = column("Code of the away club in this season", null="unknown club")
    home_text: pl.String = column("Home team as the canonical legacy row spelled it", null="null in the legacy")
    away_text: pl.String = column("Away team as the canonical legacy row spelled it", null="null in the legacy")
    status: pl.String = column("Status", isin=GAME_STATUSES)
    home_score: pl.Int32 = column("Runs of the home club", unit="runs", null="not final", ge=0, le=60)
    away_score: pl.Int32 = column("Runs of the away club", unit="runs", null="not final", ge=0, le=60)
    is_final: pl.Boolean = column(
        "The score can be believed: completed, both scores known, not equal unless an official tie"
    )
    is_official_tie: pl.Boolean = column("Configuration lists the game as an official tie")
    length_assumed: pl.Boolean = column(
        "Regulation length is assumed: the legacy does not say how many innings were played"
    )
    result_available_at: Utc = column(
        "From when the result may be used: start + 5 h", unit="UTC", null="no final score"
    )
    venue_name: pl.String = column("Ballpark", null="unknown")
    recorded_at: Utc = column("Latest write of the merged legacy rows", unit="UTC", null="unknown")
    quality_flags: Texts = column("Warnings about the game, by name")


class StagingLine(StagingRow):
    """What the quotes of all markets share after cleaning."""

    raw_id: pl.Int64 = column("Legacy id of the line, unique within its market")
    game_id: pl.Int32 = column("Canonical game")
    book_id: pl.Int32 = column("Canonical book")
    brand: pl.String = column("Brand of the book")
    book_kind: pl.String = column("Kind of the book", isin=BOOK_KINDS)
    source: pl.String = column("Feed, casefolded", null="unknown")
    line_kind: pl.String = column("What the collector said the quote is", isin=LINE_KINDS, null="not said")
    clock: pl.String = column("Whether the quote's clock is the source's or was assumed", isin=CLOCKS)
    observed_at: Utc = column("When the source says the quote was current", unit="UTC", null="unknown")
    recorded_at: Utc = column("greatest(created_at, updated_at): when the row was stored", unit="UTC", null="unknown")
    is_in_play: pl.Boolean = column("Quoted at or after the scheduled start", null="observed_at unknown")
    quality_score: Numeric3_2 = column(
        "Published weights over the five parts", unit="0-1", source="features definition, section 7", ge=0, le=1
    )
    completeness: pl.Float64 = column("Share of required fields present", unit="0-1", ge=0, le=1)
    validity: pl.Float64 = column("Share of validity rules kept", unit="0-1", ge=0, le=1)
    consistency: pl.Float64 = column("Share of consistency rules kept", unit="0-1", ge=0, le=1)
    timeliness: pl.Float64 = column("1 within the hour, 0 from 24 h on or without a clock", unit="0-1", ge=0, le=1)
    uniqueness: pl.Float64 = column("1 / rows with the same natural key", unit="0-1", gt=0, le=1)
    validation_status: pl.String = column("Verdict", isin=STATUSES)
    quality_flags: Texts = column("Names of the warnings that the row raised")
    legacy_quality_score: Numeric3_2 = column("Legacy score brought to 0-1", unit="0-1", null="none", ge=0, le=1)


def _line_references(raw_table: str) -> tuple[Reference, ...]:
    return (
        Reference(("game_id",), "staging.games", ("game_id",)),
        Reference(("book_id",), "staging.sportsbooks", ("book_id",)),
        Reference(("raw_id",), raw_table, ("id",)),
    )


LINE_GRAIN = "one quote of one book for one game, exact duplicates collapsed"
PRICE: dict[str, Any] = {"unit": "American odds", "null": "not offered", "ge": -10_000, "le": 10_000}


@table(
    "staging",
    "moneylines",
    key=("raw_id",),
    grain=LINE_GRAIN,
    references=_line_references("raw_data.moneylines_raw"),
    indexes=(("game_id",),),
)
class Moneylines(StagingLine):
    """Moneyline quotes, cleaned and scored."""

    home_price: pl.Int32 = column("Price of the home side; -100 is stored as +100", **PRICE)
    away_price: pl.Int32 = column("Price of the away side; -100 is stored as +100", **PRICE)


@table(
    "staging",
    "spreads",
    key=("raw_id",),
    grain=LINE_GRAIN,
    references=_line_references("raw_data.spreads_raw"),
    indexes=(("game_id",),),
)
class Spreads(StagingLine):
    """Spread (run line) quotes, cleaned and scored."""

    home_line: pl.Float64 = column(
        "Runs added to the home score; the away line is its negative", unit="runs", ge=-5.5, le=5.5
    )
    home_price: pl.Int32 = column("Price of the home side; -100 is stored as +100", **PRICE)
    away_price: pl.Int32 = column("Price of the away side; -100 is stored as +100", **PRICE)


@table(
    "staging",
    "totals",
    key=("raw_id",),
    grain=LINE_GRAIN,
    references=_line_references("raw_data.totals_raw"),
    indexes=(("game_id",),),
)
class Totals(StagingLine):
    """Total (over/under) quotes, cleaned and scored."""

    total_line: pl.Float64 = column("Total", unit="runs", ge=4, le=20)
    over_price: pl.Int32 = column("Price of the over; -100 is stored as +100", **PRICE)
    under_price: pl.Int32 = column("Price of the under; -100 is stored as +100", **PRICE)


@table(
    "staging",
    "betting_lines",
    key=("market", "raw_id", "side"),
    grain="one side of one staged quote",
    expected="2 x (moneylines + spreads + totals)",
    one_to_one=False,
    keyed=False,
    references=(
        Reference(("game_id",), "staging.games", ("game_id",)),
        Reference(("book_id",), "staging.sportsbooks", ("book_id",)),
    ),
)
class BettingLines(StagingRow):
    """All markets in one shape: two rows a staged quote."""

    market: pl.String = column("Market", isin=MARKETS)
    raw_id: pl.Int64 = column("Legacy id of the line, unique within its market")
    side: pl.String = column("Side", isin=("home", "away", "over", "under"))
    game_id: pl.Int32 = column("Canonical game")
    book_id: pl.Int32 = column("Canonical book")
    observed_at: Utc = column("When the source says the quote was current", unit="UTC", null="unknown")
    recorded_at: Utc = column("When the row was stored", unit="UTC", null="unknown")
    line: pl.Float64 = column("Line of this side: runs added to its score, or the total", unit="runs", null="moneyline")
    price: pl.Int32 = column("Price of this side", **PRICE)
    decimal_odds: pl.Float64 = column("Price of this side", unit="decimal odds", null="no price", gt=1, le=101)
    validation_status: pl.String = column("Verdict on the quote", isin=STATUSES)


@table(
    "staging",
    "betting_splits",
    key=("game_id", "market", "source", "book_key", "observed_at"),
    grain="one observation of the public's tickets and money for one game and market",
    expected="distinct valid splits of the raw lines",
    one_to_one=False,
    references=(Reference(("game_id",), "staging.games", ("game_id",)),),
)
class BettingSplits(StagingRow):
    """Shares of tickets and money. Side A is home or over, side B away or under."""

    game_id: pl.Int32 = column("Canonical game")
    market: pl.String = column("Market", isin=MARKETS)
    source: pl.String = column("Feed of the split, casefolded; `unknown` if it was not said")
    book_id: pl.Int32 = column("Book whose customers are counted", null="the feed repeats one split over several books")
    book_key: pl.Int32 = column("book_id, or 0 where it is null: so that the key has no nulls")
    observed_at: Utc = column("When the source says the split was current", unit="UTC")
    recorded_at: Utc = column("When the row was stored", unit="UTC", null="unknown")
    is_in_play: pl.Boolean = column("Observed at or after the scheduled start")
    tickets_pct_a: pl.Float64 = column("Share of tickets on side A", unit="0-100", null="unknown", ge=0, le=100)
    tickets_pct_b: pl.Float64 = column("Share of tickets on side B", unit="0-100", null="unknown", ge=0, le=100)
    money_pct_a: pl.Float64 = column("Share of money on side A", unit="0-100", null="unknown", ge=0, le=100)
    money_pct_b: pl.Float64 = column("Share of money on side B", unit="0-100", null="unknown", ge=0, le=100)
    tickets_a: pl.Int32 = column("Tickets on side A", unit="tickets", null="unknown", ge=0)
    tickets_b: pl.Int32 = column("Tickets on side B", unit="tickets", null="unknown", ge=0)
    is_one_sided: pl.Boolean = column("A share is exactly 0 or 100 (W11): null for signals")
    was_fraction: pl.Boolean = column("The source gave fractions; they were multiplied by 100")
    raw_id: pl.Int64 = column("Smallest legacy line id that carried the split")
    lines: pl.Int32 = column("Raw lines that carried this very split", unit="rows", ge=1)


@table(
    "staging",
    "line_movements",
    key=("market", "raw_id"),
    grain="one step between consecutive quotes of one book, game and market",
    expected="two-sided clocked quotes of books - their series",
    one_to_one=False,
    references=(
        Reference(("game_id",), "staging.games", ("game_id",)),
        Reference(("book_id",), "staging.sportsbooks", ("book_id",)),
    ),
    indexes=(("game_id",),),
)
class LineMovements(StagingRow):
    """Steps between consecutive quotes, in probability points or runs. American odds are never subtracted."""

    market: pl.String = column("Market", isin=MARKETS)
    raw_id: pl.Int64 = column("The later quote")
    from_raw_id: pl.Int64 = column("The earlier quote")
    game_id: pl.Int32 = column("Canonical game")
    book_id: pl.Int32 = column("Canonical book")
    from_observed_at: Utc = column("Clock of the earlier quote", unit="UTC")
    observed_at: Utc = column("Clock of the later quote", unit="UTC")
    minutes: pl.Float64 = column("Time between them", unit="minutes", ge=0)
    is_in_play: pl.Boolean = column("The later quote is in play")
    from_line: pl.Float64 = column("Line before (home line, or total)", unit="runs", null="moneyline")
    line: pl.Float64 = column("Line after (home line, or total)", unit="runs", null="moneyline")
    line_move_runs: pl.Float64 = column("line - from_line", unit="runs", null="moneyline")
    from_p_fair_a: pl.Float64 = column(
        "No-vig probability of side A before", unit="0-1", null="outside the de-vig guard", gt=0, lt=1
    )
    p_fair_a: pl.Float64 = column(
        "No-vig probability of side A after", unit="0-1", null="outside the de-vig guard", gt=0, lt=1
    )
    move_pp: pl.Float64 = column(
        "100 x (p_fair_a - from_p_fair_a)", unit="pp", null="the line changed, or either is null"
    )
