"""Which games a replay does again: those of the chosen rejects, and all that today's rules may judge otherwise."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl import database
from etl.database import Connection, literal
from etl.extract.plan import EMPTY_GAME_ROWS, Batch, LineRange, homeless, plan_lines, ranges_query, with_lines
from etl.extract.source import count_by_game
from etl.extract.zone import ZoneSource
from etl.runner.basis import basis_of, changed, entered_basis
from etl.runner.context import Reference
from etl.runner.params import Params
from etl.transform.game_flags import GameFlag
from etl.transform.staging import MARKETS
from etl.transform.staging_params import BoundParams
from etl.transform.verdicts import ROW_BOUNDS, judged_otherwise

_BOUNDS = "staging.bounds."
_ROW_BOUNDS = frozenset(f"{_BOUNDS}{name}" for name in ROW_BOUNDS)
_NAMED = 3  # changed settings that a sentence names
_LOST_SHARE = 10


@dataclass(frozen=True, slots=True)
class Change:
    """What changed since the published rows were made.

    Attributes:
        whole: Sentences, each a reason to do all games again.
        bounds: Changed parameters that rules about one row read.
        before: The bounds that the published rows were judged by; None where they are not needed.
    """

    whole: tuple[str, ...]
    bounds: tuple[str, ...]
    before: BoundParams | None


def find_change(connection: Connection, published: Mapping[str, int], zones: Sequence[str], params: Params) -> Change:
    """What changed in settings, code and contracts since the runs that wrote the published loads of `zones`."""
    today = basis_of(params)
    names: set[str] = set()
    before: dict[str, Any] = {}
    for zone in zones:
        run = _wrote(published, zone)
        entered = entered_basis(connection, run)
        if entered is None:
            return Change((f"run {run} did not note the settings that it was made with",), (), None)
        # A zone does not depend on the parameters of the other one.
        other = "curated." if zone == "staging" else "staging."
        names.update(name for name in changed(entered, today) if not name.startswith(other))
        before = entered if zone == "staging" else before
    whole = (*_wide(sorted(names - _ROW_BOUNDS)), *_stale(connection, published, zones))
    narrow = tuple(sorted(names & _ROW_BOUNDS))
    bounds = {name.removeprefix(_BOUNDS): value for name, value in before.items() if name.startswith(_BOUNDS)}
    return Change(whole, narrow, BoundParams(**bounds) if narrow and not whole else None)


def _wrote(published: Mapping[str, int], zone: str) -> int:
    return next(load for name, load in published.items() if name.startswith(f"{zone}."))


def _wide(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"{', '.join(names[:_NAMED])}{more} changed, which may touch any game"]


def _stale(connection: Connection, published: Mapping[str, int], zones: Sequence[str]) -> list[str]:
    """A zone that was not made of what is published below it cannot be carried on."""
    sentences = []
    for zone, below in (("staging", ("raw_data",)), ("curated", ("raw_data", "staging"))):
        if zone not in zones:
            continue
        made_of = database.scalar(
            connection,
            f"select map::text from audit.publications where run_id = {_wrote(published, zone)} "
            "and kind = 'publish' order by publication_id limit 1",
        )
        was = json.loads(made_of or "{}")
        if any(was.get(name) != load for name, load in published.items() if name.partition(".")[0] in below):
            sentences.append(f"zone {zone} was made of an earlier load than the one published below it")
    return sentences


def reference_change(reference: Reference, source: ZoneSource) -> list[str]:
    """What differs between the small tables as they resolve today and as they are published; `source`: staging."""
    found = [
        ("games", "game_id", _comparable(reference.games)),
        ("sportsbooks", "book_id", reference.staged["sportsbooks"]),
    ]
    return [
        f"{name} resolve otherwise than before, which may touch any game"
        for name, key, today in found
        if not today.sort(key).equals(_comparable(source.read(name)).select(today.columns).sort(key), null_equal=True)
    ]


def _comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without the flag that is noted with the lines of a game, not with the game."""
    if "quality_flags" not in frame.columns:
        return frame
    noted_later = pl.lit([GameFlag.LOW_COVERAGE.value], pl.List(pl.String))
    return frame.with_columns(pl.col("quality_flags").list.set_difference(noted_later).list.sort())


def judged_games(source: ZoneSource, change: Change, today: BoundParams) -> set[int]:
    """Legacy games with a line that today's bounds judge otherwise; `source`: raw_data."""
    if change.before is None:
        return set()
    games: set[int] = set()
    for key, market in MARKETS.items():
        asked = [name for name in (market.price_a, market.price_b, market.line) if name]
        table = source.tables[f"{key}_raw"]
        schema = table.table.schema
        listed = ", ".join(("game_id", *asked))
        frame = source.snapshot.read(f"select distinct {listed} from {table.relation} l where game_id is not null")
        typed = frame.select(pl.col(name).cast(schema[name]) for name in ("game_id", *asked))
        other = judged_otherwise(typed.lazy(), market=market, before=change.before, after=today)
        games.update(other.collect()["game_id"].to_list())
    return games


def canonical(legacy_games: set[int], game_map: pl.DataFrame) -> tuple[int, ...]:
    """The canonical games of legacy ids; ids of no game are left out."""
    wanted = pl.Series("legacy_game_id", sorted(legacy_games), pl.Int32)
    return tuple(sorted(set(game_map.filter(pl.col("legacy_game_id").is_in(wanted.implode()))["game_id"].to_list())))


def plan_chosen(
    source: ZoneSource, game_map: pl.DataFrame, games: Sequence[int], *, batch_rows: int, first_batch: int
) -> list[Batch]:
    """Batches of all lines of the chosen canonical games, then of the lines without a game."""
    counts = count_by_game(source)
    chosen = game_map.filter(pl.col("game_id").is_in(pl.Series(games, dtype=pl.Int32).implode()))
    lines = chosen.join(counts, left_on="legacy_game_id", right_on="game_id", how="left")
    weights = lines.group_by("game_id").agg(pl.col("rows").sum(), legacy="legacy_game_id").sort("game_id")
    filled = (pl.col("rows").cast(pl.Int64) + EMPTY_GAME_ROWS).cum_sum() - 1
    parts = weights.with_columns(part=filled // max(1, batch_rows)).partition_by("part", maintain_order=True)
    batches = [_batch(part, source, first_batch + number) for number, part in enumerate(parts)]
    condition, lost = homeless(counts, game_map)
    if not lost:
        return batches
    if batches and lost <= batch_rows // _LOST_SHARE:
        return [*batches[:-1], with_lines(batches[-1], condition, lost)]
    return [*batches, *_homeless_batches(source, condition, batch_rows, first_batch + len(batches))]


def _batch(part: pl.DataFrame, source: ZoneSource, batch_id: int) -> Batch:
    legacy = sorted(part["legacy"].explode().to_list())
    return Batch(
        batch_id=batch_id,
        first_key=int(part["game_id"][0]),
        last_key=int(part["game_id"][-1]),
        predicate=dict.fromkeys(source.line_tables, f"game_id = any({literal(legacy)})"),
        expected_rows=int(part["rows"].sum()),
        has_games=True,
    )


def _homeless_batches(source: ZoneSource, condition: str, batch_rows: int, first_batch: int) -> list[Batch]:
    ranges = [
        LineRange((name,), first, last, rows)
        for name in source.line_tables
        for first, last, rows in source.snapshot.rows(
            ranges_query(source.tables[name].relation, "true", condition, batch_rows)
        )
    ]
    return plan_lines(ranges, condition=condition, first_batch=first_batch)
