"""The raw phase of a batch: legacy rows held to the raw contracts, and nothing else."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import polars as pl

from etl.check import checksum
from etl.check.rejects import with_key
from etl.extract.layout import LINE_TABLES, REFERENCE_TABLES
from etl.extract.legacy import LegacySource
from etl.extract.source import Source, read_tables
from etl.rowhash import Checksum
from etl.runner.context import Context, Parcel
from etl.transform import raw
from schemas import TABLES

ZONE = "raw_data"
LINES = f"{ZONE}.betting_lines_raw"
STRAYS = "no_market"
_SENTENCES = {raw.UNFIT_RULE: raw.UNFIT_SENTENCE, raw.UNMAPPED_RULE: raw.UNMAPPED_SENTENCE}


@contextmanager
def summed(context: Context, source: Source, predicates: Mapping[str, str], parcel: Parcel) -> Iterator[None]:
    """What is read inside is summed in the legacy meanwhile, and its sums go with the batch; not where that is off."""
    if not is_summed(context, source) or not isinstance(source, LegacySource):
        yield
        return
    with ThreadPoolExecutor(1, "checksum") as executor:
        pending = executor.submit(source.checksums, predicates)
        yield
        for name, found in pending.result().items():
            _note(source, f"{ZONE}.{name}", found, parcel, source.tables[name].texts)


def is_summed(context: Context, source: Source) -> bool:
    """Whether what the run reads is summed in the legacy, to be compared with what it stores."""
    return context.request.checksums and isinstance(source, LegacySource) and source.fold is not None


def _note(source: LegacySource, name: str, found: Checksum, parcel: Parcel, texts: tuple[str, ...] = ()) -> None:
    if source.fold is not None:
        parcel.checksums[name] = checksum.as_entry(found, source.fold, texts)


def raw_reference(context: Context, source: LegacySource, parcel: Parcel) -> dict[str, pl.DataFrame]:
    """The reference tables of the legacy, accepted rows by table; lines of no market become rejects."""
    whole = dict.fromkeys(REFERENCE_TABLES, "true")
    with summed(context, source, whole, parcel):
        frames = read_tables(source, whole)
        taken = {name: _take(source, name, frame, parcel) for name, frame in frames.items()}
        take_strays(context, source, parcel)
    return taken


def raw_lines(source: LegacySource, frames: Mapping[str, pl.DataFrame], parcel: Parcel) -> dict[str, pl.DataFrame]:
    """The lines of a batch, accepted rows by table, and `betting_lines_raw` made of them."""
    taken = {name: _take(source, name, frame, parcel) for name, frame in frames.items()}
    whole = {name: taken.get(name, pl.DataFrame(schema=TABLES[f"{ZONE}.{name}"].schema)) for name in LINE_TABLES}
    began = time.perf_counter()
    sides = raw.betting_lines({name: frame.lazy() for name, frame in whole.items()}).collect()
    lines = sum(len(frame) for frame in taken.values())
    parcel.put(LINES, sides, read=lines, expected=2 * lines)
    parcel.tally(LINES).seconds += time.perf_counter() - began
    return whole


def _take(source: LegacySource, name: str, frame: pl.DataFrame, parcel: Parcel) -> pl.DataFrame:
    began = time.perf_counter()
    full_name = f"{ZONE}.{name}"
    typed = raw.typed(
        frame.lazy(), TABLES[full_name], load_id=parcel.run_id, batch_id=parcel.batch_id,
        source_table=source.source_name(name), extracted_at=source.snapshot.taken_at,
        refuse_unmapped=source.refuse_unmapped,
    ).collect()  # fmt: skip
    accepted = parcel.put(full_name, typed, read=len(typed), id_column="id", sentences=_SENTENCES)
    parcel.tally(full_name).seconds += time.perf_counter() - began
    return accepted


def take_strays(context: Context, source: LegacySource, parcel: Parcel) -> None:
    """Lines of no market become rejects of the parcel."""
    strays = source.read_strays()
    if strays.is_empty() or source.layout.strays is None:
        return
    if is_summed(context, source):
        _note(source, checksum.STRAYS, source.stray_checksum(), parcel)
    schema = TABLES["audit.rejects"].schema
    made = strays.select(
        first_run_id=pl.lit(context.run_id), zone=pl.lit(ZONE), table_name=pl.lit(STRAYS),
        source_table=pl.lit(source.layout.strays.source), source_id="id", rule=pl.lit("market_known"),
        rules=pl.lit(["market_known"]), reason=pl.lit("market_type is none of moneyline, spread, totals"), row="row",
        row_hash=pl.lit(""), forgotten_runs=pl.lit(None),
    )  # fmt: skip
    parcel.rejects.append(made.pipe(with_key).select(pl.col(name).cast(dtype) for name, dtype in schema.items()))
