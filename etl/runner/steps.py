"""What is done with one batch: frames handed from zone to zone in memory, each held to its contract on the way."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import polars as pl

from etl.extract.legacy import LegacySource
from etl.extract.plan import Batch
from etl.extract.source import read_batch
from etl.phases import Phase
from etl.runner.context import Context, Parcel, Reference
from etl.runner.rawzone import raw_lines, summed
from etl.transform import curated, games, splits, staging, steps
from etl.transform.rules import Rule

MARKET_TABLES = ("moneylines", "spreads", "totals")
Frames = dict[str, pl.DataFrame]
SENTENCES = {rule.flag: f"{rule.code}: {rule.sentence}" for rule in Rule}


def batch_work(context: Context, reference: Reference) -> Callable[[Batch, Parcel], None]:
    """The function that does one batch of the run, without writing it."""

    def work(batch: Batch, parcel: Parcel) -> None:
        with summed(context, context.source, batch.predicate, parcel):
            frames = read_batch(context.source, batch)
            if isinstance(context.source, LegacySource):
                frames = raw_lines(context.source, frames, parcel)
            else:
                frames = {name: frames.get(name, _nothing(context, name)) for name in context.source.line_tables}
            if context.writes(Phase.STAGING):
                frames = stage(context, reference, batch, frames, parcel)
            if context.writes(Phase.CURATED):
                frames = frames if context.writes(Phase.STAGING) else _published(context, batch, frames)
                curate(context, reference, frames, parcel)

    return work


def stage(
    context: Context, reference: Reference, batch: Batch, raw: Mapping[str, pl.DataFrame], parcel: Parcel
) -> Frames:
    """The staging zone of a batch; return its frames as they were accepted."""
    params, refs = context.request.params.staging, reference.lookups()
    lazy = {name.removesuffix("_raw"): frame.lazy() for name, frame in raw.items()}
    with _timed(parcel, *(f"staging.{name}" for name in MARKET_TABLES)):
        lines = {name: frame.lazy() for name, frame in _collected(staging.resolve_lines(lazy, refs)).items()}
        made = _collected(staging.stage_lines(lines, refs, params=params))
        accepted = {name: _put_lines(name, made[name], raw[f"{name}_raw"], parcel) for name in MARKET_TABLES}
    return accepted | _derived(context, reference, batch, lines, accepted, parcel)


def _collected(plans: Mapping[str, pl.LazyFrame]) -> Frames:
    return dict(zip(plans, pl.collect_all(plans.values()), strict=True))


def _put_lines(name: str, made: pl.DataFrame, raw: pl.DataFrame, parcel: Parcel) -> pl.DataFrame:
    kept = made.filter(~pl.col("is_collapsed")).drop("is_collapsed")
    collapsed = len(made) - len(kept)
    return parcel.put(
        f"staging.{name}", kept, read=len(made), collapsed=collapsed, origin=raw,
        source_table=f"raw_data.{name}_raw", sentences=SENTENCES,
    )  # fmt: skip


def _derived(
    context: Context,
    reference: Reference,
    batch: Batch,
    read: Mapping[str, pl.LazyFrame],
    lines: Frames,
    parcel: Parcel,
) -> Frames:
    """The tables that follow from the lines, read and accepted, and the games of the batch."""
    params = context.request.params.staging
    none = pl.lit([], pl.List(pl.String))
    lazy = {
        name: frame.lazy().with_columns(is_collapsed=pl.lit(value=False), broken_rules=none)
        for name, frame in lines.items()
    }
    every_line = pl.concat([frame.select("game_id", "brand", "book_kind") for frame in lines.values()]).lazy()
    here = reference.games.lazy().filter(pl.col("game_id").is_between(batch.first_key, batch.last_key))
    owned = here if batch.has_games else here.clear()
    with _timed(parcel, "staging.betting_lines", "staging.betting_splits", "staging.line_movements", "staging.games"):
        flagged, sides, public, moves, expected_splits, expected_moves = pl.collect_all(
            [
                games.flag_low_coverage(owned, every_line, params=params.games),
                staging.stage_betting_lines(lazy),
                splits.stage_splits(read, reference.lookups(), params=params),
                steps.stage_movements(lazy, devig_method=params.bounds.devig_method),
                splits.expected_splits(read, params=params),
                steps.expected_movements(lazy),
            ]
        )
        accepted = sum(len(frame) for frame in lines.values())
        rows = int(flagged["raw_ids"].list.len().sum())
        made_games = parcel.put("staging.games", flagged, read=rows, collapsed=rows - len(flagged), id_column="game_id",
                                source_table="raw_data.games_raw")  # fmt: skip
        parcel.put("staging.betting_lines", sides, read=accepted, expected=2 * accepted)
        lines_read = sum(frame.select(pl.len()).collect().item() for frame in read.values())
        made_splits = parcel.put(
            "staging.betting_splits", public, read=lines_read, expected=int(expected_splits.item()),
            source_table="raw_data.betting_lines_raw", sentences=SENTENCES,
        )  # fmt: skip
        parcel.put("staging.line_movements", moves, read=accepted, expected=int(expected_moves.item()))
    return {"games": made_games, "betting_splits": made_splits}


def curate(context: Context, reference: Reference, staged: Frames, parcel: Parcel) -> None:
    """The curated zone of a batch, from its accepted staging rows."""
    params = context.request.params.curated
    lazy = {name: frame.lazy() for name, frame in (staged | dict(reference.staged)).items()}
    mine = staged["games"].select("game_id").lazy()
    form = {horizon: frame.lazy().join(mine, on="game_id", how="semi") for horizon, frame in reference.form.items()}
    with _timed(parcel, *(f"curated.{name}" for name in MARKET_TABLES)):
        quotes = {name: frame.lazy() for name, frame in _collected(curated.market_quotes(lazy, params=params)).items()}
        for name, made in _collected(curated.curate_lines(quotes, params=params)).items():
            kept = made.filter(~pl.col("is_collapsed")).drop("is_collapsed")
            parcel.put(
                f"curated.{name}", kept, read=len(made), collapsed=len(made) - len(kept),
                source_table=f"staging.{name}",
            )  # fmt: skip
    with _timed(parcel, "curated.market_efficiency", "curated.feature_vectors"):
        plans = curated.curate_games(quotes, staged=lazy, form=form, params=params)
        plans["games"] = form[params.horizons_min[0]]
        plans["expected"] = curated.expected_line_movements(lazy, params=params)
        _put_curated(_collected(plans), staged, parcel, horizons=len(params.horizons_min))


def _put_curated(made: Frames, staged: Frames, parcel: Parcel, *, horizons: int) -> None:
    n_games, quotes = len(staged["games"]), sum(len(staged[name]) for name in MARKET_TABLES)
    parcel.put("curated.games", made["games"], read=n_games, id_column="game_id", source_table="staging.games")
    expected = {
        "line_movements": (quotes, int(made["expected"].item())),
        "market_efficiency": (quotes, 3 * n_games),
        "feature_vectors": (n_games, 3 * n_games * horizons),
        "labels": (n_games, 3 * n_games * horizons),
    }
    for name, (read, rows) in expected.items():
        parcel.put(
            f"curated.{name}", made[name], read=read, expected=rows, id_column="game_id", source_table="staging.games"
        )


def _nothing(context: Context, name: str) -> pl.DataFrame:
    return pl.DataFrame(schema=context.source.tables[name].table.schema)


def _published(context: Context, batch: Batch, lines: Frames) -> Frames:
    """What a curated phase that runs alone needs beside the lines, from the published staging zone."""
    where = f"game_id between {batch.first_key} and {batch.last_key}"
    return lines | {name: context.source.read(name, where) for name in ("games", "betting_splits")}


@contextmanager
def _timed(parcel: Parcel, *names: str) -> Iterator[None]:
    """Share the time of the block evenly among some tables: their frames are made in one pass."""
    began = time.perf_counter()
    yield
    share = (time.perf_counter() - began) / len(names)
    for name in names:
        parcel.tally(name).seconds += share
