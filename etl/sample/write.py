"""A sample into a database and its truth into files: one transaction, all or nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from etl import database
from etl.database import Connection
from etl.errors import ForeignObject
from etl.load.copy import to_reader
from etl.sample.generate import LINE_TABLES, RAW_TABLES, Chunk, Sample, generate, line_chunks
from etl.sample.options import MARKETS, SampleOptions
from etl.settings import CONFIG_DIR

SMALL_TABLES = {
    "unified": {
        "sportsbooks_raw": ("curated", "sportsbooks"),
        "teams_raw": ("curated", "teams_master"),
        "games_raw": ("curated", "games_complete"),
        "game_outcomes_raw": ("curated", "game_outcomes"),
    },
    "core_betting": {
        "sportsbooks_raw": ("core_betting", "sportsbooks"),
        "teams_raw": ("core_betting", "teams"),
        "games_raw": ("core_betting", "games"),
        "game_outcomes_raw": ("core_betting", "game_outcomes"),
    },
}
LINES = {
    "unified": dict.fromkeys(MARKETS, ("curated", "betting_lines_unified")),
    "core_betting": {
        "moneyline": ("core_betting", "betting_lines_moneyline"),
        "spread": ("core_betting", "betting_lines_spread"),
        "totals": ("core_betting", "betting_lines_totals"),
    },
}


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Rows written, and what is known about them: dirty rows, injected moves that show, where the truth lies."""

    games: int
    outcomes: int
    teams: int
    sportsbooks: int
    moneylines: int
    spreads: int
    totals: int
    dirty_lines: int
    visible_moves: int
    truth_dir: Path


def sample_exists(legacy_url: str, layout: str) -> bool:
    """Whether the database holds a legacy table of the layout, ours or not."""
    with database.session(legacy_url) as connection:
        return bool(_standing(connection, layout))


def create_sample(legacy_url: str, *, options: SampleOptions, truth_dir: Path) -> SampleCounts:
    """Create the legacy tables of a layout and fill them; write the truth behind them as parquet into `truth_dir`.

    Afterwards either all of it is committed and analysed, or the database is as it was. The pipeline never reads the
    truth: `games`, `latent`, `moves` (injected), `signals` (those that show), `dirty` (faults).

    Raises:
        ForeignObject: a table of the layout stands there already; it is left alone.
        ConfigurationError: an option is out of its range.
    """
    sample = generate(options)
    with database.session(legacy_url) as connection:
        standing = _standing(connection, options.layout)
        if standing:
            raise ForeignObject(
                f"{database.redacted(legacy_url)} already holds {', '.join(standing)}",
                next_step="name an empty database with ETL_LEGACY_URL, or drop these tables first",
            )
        tables, indexes = ddl(options.layout)
        database.script(connection, tables)
        _copy_small(connection, sample)
        keys = _set_aside(connection, options.layout)
        chunks = [_copied(connection, sample, chunk) for chunk in _ahead(line_chunks(sample))]
        relations = {*SMALL_TABLES[options.layout].values(), *LINES[options.layout].values()}
        analyze = [f"analyze {database.identifier(*relation)}" for relation in sorted(relations)]
        database.script(connection, [*keys, *indexes, *analyze])
        dirty, moves = _write_truth(sample, chunks, truth_dir)
        database.commit(connection)
    return SampleCounts(
        games=sample.games.height,
        outcomes=sample.outcomes.height,
        teams=sample.teams.height,
        sportsbooks=sample.sportsbooks.height,
        moneylines=sample.quotes["moneyline"],
        spreads=sample.quotes["spread"],
        totals=sample.quotes["totals"],
        dirty_lines=dirty,
        visible_moves=moves,
        truth_dir=truth_dir,
    )


def ddl(layout: str) -> tuple[list[str], list[str]]:
    """The statements of ``config/legacy/<layout>.sql``: tables, and indexes that are better made on full tables."""
    text = (CONFIG_DIR / "legacy" / f"{layout}.sql").read_text(encoding="utf-8")
    statements = [statement.strip() for statement in text.split(";\n") if statement.strip()]
    is_index = [statement.startswith("create index") for statement in statements]
    tables = [statement for statement, later in zip(statements, is_index, strict=True) if not later]
    return tables, [statement for statement, later in zip(statements, is_index, strict=True) if later]


def line_offsets(sample: Sample) -> dict[str, int]:
    """What is added to a market's own ids: nothing where markets have tables of their own, else the rows before."""
    if sample.options.layout == "core_betting":
        return dict.fromkeys(MARKETS, 0)
    before = [sum(sample.quotes[market] for market in MARKETS[:at]) for at in range(len(MARKETS))]
    return dict(zip(MARKETS, before, strict=True))


def _standing(connection: Connection, layout: str) -> list[str]:
    relations = sorted({*SMALL_TABLES[layout].values(), *LINES[layout].values()})
    names = ["{}.{}".format(*relation) for relation in relations]
    found = database.rows(
        connection,
        "select schemaname || '.' || tablename from pg_catalog.pg_tables "
        f"where schemaname || '.' || tablename = any({database.literal(names)}) order by 1",
    )
    return [name for (name,) in found]


def _set_aside(connection: Connection, layout: str) -> list[str]:
    """Drop the foreign keys of the tables of lines; return the statements that bring them back.

    A key that is added to a full table is proved by one join, which is much faster than a look-up for each row.
    """
    names = database.literal(["{}.{}".format(*relation) for relation in sorted(set(LINES[layout].values()))])
    keys = database.rows(
        connection,
        "select conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) "
        f"from pg_catalog.pg_constraint where contype = 'f' and conrelid = any({names}::regclass[]) order by 1, 2",
    )
    database.script(connection, [f"alter table {table} drop constraint {name}" for table, name, _ in keys])
    return [f"alter table {table} add constraint {name} {definition}" for table, name, definition in keys]


def _copy_small(connection: Connection, sample: Sample) -> None:
    frames = (sample.sportsbooks, sample.teams, sample.games, sample.outcomes)
    for (name, relation), frame in zip(SMALL_TABLES[sample.options.layout].items(), frames, strict=True):
        database.ingest(connection, relation, to_reader(frame, RAW_TABLES[name]))


def _copied(connection: Connection, sample: Sample, chunk: Chunk) -> Chunk:
    """The chunk, after its lines were written; it keeps only the truth."""
    offsets, unified = line_offsets(sample), sample.options.layout == "unified"
    for market, frame in chunk.lines.items():
        own_id = pl.col("id") + offsets[market]
        rows = frame.with_columns(own_id) if unified else frame.drop("market_type").with_columns(own_id.cast(pl.Int32))
        relation = LINES[sample.options.layout][market]
        database.ingest(connection, relation, to_reader(rows, RAW_TABLES[LINE_TABLES[market]]))
    return Chunk(lines={}, moves=chunk.moves, latent=chunk.latent, dirty=chunk.dirty)


def _ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same chunks, each made while the one before it is written."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk


def _write_truth(sample: Sample, chunks: list[Chunk], truth_dir: Path) -> tuple[int, int]:
    """Write the truth; return the number of dirty lines and of moves that show."""
    truth_dir.mkdir(parents=True, exist_ok=True)
    moves = pl.concat(chunk.moves for chunk in chunks)
    signals = moves.filter("is_visible").select("game_id", "market", pl.col("move").alias("signal"), "side", "last_at")
    offsets = pl.col("market").replace_strict(line_offsets(sample), return_dtype=pl.Int64)
    dirty = pl.concat(chunk.dirty for chunk in chunks).with_columns(line_id=pl.col("id") + offsets)
    frames = {
        "games": sample.games_truth,
        "latent": pl.concat(chunk.latent for chunk in chunks),
        "moves": moves,
        "signals": signals,
        "dirty": dirty.select("market", "line_id", "kind", "column", "true_value", "given_value"),
    }
    for name, frame in frames.items():
        frame.write_parquet(truth_dir / f"{name}.parquet")
    return dirty.select("market", "id").unique().height, signals.height
