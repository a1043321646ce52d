"""A whole sample as frames: small tables at once, quotes in chunks of games. Nothing here touches a database."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from etl.sample import books, events, games
from etl.sample.draw import Draws
from etl.sample.faults import dirty_ids, with_faults
from etl.sample.lines import rows_of, spellings, with_clocks, with_texts
from etl.sample.market import priced
from etl.sample.options import MARKETS, Knobs, SampleOptions, checked, load_knobs, volumes
from etl.sample.plan import injected_moves, planned
from etl.sample.quotes import quotes_of
from etl.sample.splits import with_splits
from etl.sample.truth import Truth, truth_of
from etl.sample.world import chunks, listings
from schemas import Table, tables_of

# NOTE: ids follow the clock within a chunk, so this is part of what a seed means and no knob.
CHUNK_GAMES = 6_000
RAW_TABLES: dict[str, Table] = {table.name: table for table in tables_of("raw_data")}
LINE_TABLES = {"moneyline": "moneylines_raw", "spread": "spreads_raw", "totals": "totals_raw"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample before its quotes: what `line_chunks` needs, the small tables, and the truth about the games."""

    options: SampleOptions
    knobs: Knobs
    listings: pl.DataFrame
    moves: pl.DataFrame
    truth: Truth
    texts: pl.DataFrame
    quotes: dict[str, int]
    sportsbooks: pl.DataFrame
    teams: pl.DataFrame
    games: pl.DataFrame
    outcomes: pl.DataFrame
    games_truth: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Chunk:
    """The quotes of some games: rows of each market with ids from 1 on, and the truth about them."""

    lines: dict[str, pl.DataFrame]
    moves: pl.DataFrame
    latent: pl.DataFrame
    dirty: pl.DataFrame


def generate(options: SampleOptions) -> Sample:
    """Everything of a sample but its quotes, which :func:`line_chunks` makes. The same options give the same frames.

    Raises:
        ConfigurationError: an option is out of its range, or the scale beyond the seasons that there are.
    """
    options, knobs = checked(options), load_knobs()
    draws, size = Draws(options.seed), volumes(options, knobs)
    rows = planned(
        listings(draws, knobs, size.games), draws, knobs=knobs, volumes=size, scale=options.scale, dense=options.dense
    )
    truth = truth_of(rows)
    texts = spellings(rows["season"].unique().sort().to_list())
    return Sample(
        options=options,
        knobs=knobs,
        listings=rows,
        moves=injected_moves(rows, draws, knobs),
        truth=truth,
        texts=texts,
        quotes={market: int(rows[market].sum()) for market in MARKETS},
        sportsbooks=games.sportsbook_rows(),
        teams=games.team_rows(knobs.last_season),
        games=games.game_rows(rows, texts, draws).pipe(exact, "games_raw"),
        outcomes=games.outcome_rows(rows, texts, truth, draws).pipe(exact, "game_outcomes_raw"),
        games_truth=events.games_record(rows, truth),
    )


def line_chunks(sample: Sample) -> Iterator[Chunk]:
    """The quotes of a sample, some thousand games at a time, in the order of the games."""
    draws = Draws(sample.options.seed)
    dirty = {m: dirty_ids(draws, m, rows, sample.options.dirty_pct) for m, rows in sample.quotes.items()}
    first = dict.fromkeys(MARKETS, 1)
    for part in chunks(sample.listings, CHUNK_GAMES):
        made = {market: _market_lines(sample, part, draws, market, first[market], dirty[market]) for market in MARKETS}
        yield Chunk(
            lines={market: lines for market, (lines, _, _) in made.items()},
            moves=pl.concat(moves for _, moves, _ in made.values()),
            latent=pl.concat(
                events.latent_record(part, sample.moves, sample.truth, draws, market) for market in MARKETS
            ),
            dirty=pl.concat(record for _, _, record in made.values()),
        )
        first = {market: first[market] + made[market][0].height for market in MARKETS}


def collected(sample: Sample) -> Chunk:
    """All quotes of a sample as one chunk: for tests and measurements."""
    parts = list(line_chunks(sample))
    return Chunk(
        lines={market: pl.concat(part.lines[market] for part in parts) for market in MARKETS},
        moves=pl.concat(part.moves for part in parts),
        latent=pl.concat(part.latent for part in parts),
        dirty=pl.concat(part.dirty for part in parts),
    )


def exact(frame: pl.DataFrame, raw_table: str) -> pl.DataFrame:
    """The frame in the exact types of a contract of zone `raw_data`, for the columns that it has."""
    schema = RAW_TABLES[raw_table].schema
    return frame.select(pl.col(name).cast(schema[name]) for name in schema if name in frame.columns)


def _market_lines(
    sample: Sample, part: pl.DataFrame, draws: Draws, market: str, first: int, dirty: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    own_books = books.book_frame()
    quotes = quotes_of(part, sample.moves, draws, market).pipe(priced, sample.truth, own_books, draws, market)
    rows = (
        quotes.pipe(with_splits, books.feed_frame(), draws, market)
        .pipe(with_texts, sample.texts)
        .pipe(with_clocks, draws, sample.knobs)
        .pipe(rows_of, draws, market)
        .sort("created_at", "game_id", "series", "kind", "seq")
        .with_row_index("id", offset=first)
        .with_columns(pl.col("id").cast(pl.Int64))
    )
    own = dirty.filter((dirty >= first) & (dirty < first + rows.height))
    lines, record = with_faults(rows, draws, market, own)
    return exact(lines, LINE_TABLES[market]), events.moves_record(quotes, market), record
