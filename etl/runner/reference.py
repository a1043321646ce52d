"""Batch 0: the small tables, read once, resolved once, written first, and shared with every batch."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import polars as pl

from etl.extract.layout import REFERENCE_TABLES
from etl.extract.legacy import LegacySource
from etl.extract.source import Source, read_tables
from etl.phases import Phase
from etl.runner.context import Context, Parcel, Reference
from etl.runner.params import Params
from etl.runner.rawzone import raw_reference
from etl.transform import books, form, games, teams
from etl.transform.staging import References
from schemas import TABLES

Lookup = TypeVar("Lookup", teams.ClubLookup, books.BookLookup)

OWN = ("load_id", "batch_id")
_NO_START = {"start_missing": "none of the game's legacy rows has a start"}


def make_reference(context: Context, parcel: Parcel) -> Reference:
    """The reference of a run; what belongs to batch 0 is put into its parcel."""
    if not context.writes(Phase.STAGING):
        if isinstance(context.source, LegacySource):
            raw_reference(context, context.source, parcel)
            return Reference(_nothing("staging.games"), _no_owners(), None, {}, {})
        return _from_staging(context)
    raw = (
        raw_reference(context, context.source, parcel)
        if isinstance(context.source, LegacySource)
        else read_tables(context.source, dict.fromkeys(REFERENCE_TABLES, "true"))
    )
    return _resolved(context, raw, parcel)


def _resolved(context: Context, raw: Mapping[str, pl.DataFrame], parcel: Parcel) -> Reference:
    params = context.request.params
    clubs = _in_memory(teams.club_lookup(params.teams))
    resolved = games.resolve_games(
        raw["games_raw"].lazy(), raw["game_outcomes_raw"].lazy(), clubs=clubs,
        names=teams.club_names(params.teams), params=params.staging.games,
    ).collect()  # fmt: skip
    accepted = _accept_games(resolved, parcel)
    staged = _put_small(params, raw, parcel)
    refs = References(
        games=accepted.lazy(),
        game_map=games.game_map(accepted.lazy()).collect().lazy(),
        books=staged["sportsbooks"].lazy(),
        book_lookup=_in_memory(books.book_lookup(raw["sportsbooks_raw"].lazy(), params.books)),
        clubs=clubs,
        brands=books.real_brands(params.books),
    )
    return Reference(accepted, refs.game_map.collect(), refs, staged, _form(context, accepted))


def _in_memory(lookup: Lookup) -> Lookup:
    """The same lookup with its frames worked out, once for all batches."""
    plans = {f.name: getattr(lookup, f.name) for f in fields(lookup)}
    lazy = {name: plan for name, plan in plans.items() if isinstance(plan, pl.LazyFrame)}
    frames = pl.collect_all(lazy.values())
    made: dict[str, Any] = {name: frame.lazy() for name, frame in zip(lazy, frames, strict=True)}
    return replace(lookup, **made)


def _accept_games(resolved: pl.DataFrame, parcel: Parcel) -> pl.DataFrame:
    """Games that keep their contract. The others are rejects of batch 0; the accepted are written with their batch."""
    name = "staging.games"
    scratch = Parcel(parcel.run_id, parcel.batch_id)
    accepted = scratch.put(name, resolved, read=0, id_column="game_id", source_table="raw_data.games_raw",
                           sentences=_NO_START)  # fmt: skip
    parcel.rejects += scratch.rejects
    refused = resolved.join(accepted.select("game_id"), on="game_id", how="anti")
    rows = int(refused["raw_ids"].list.len().sum())
    tally = parcel.tally(name)
    tally.read += rows
    tally.rejected += rows
    return accepted.drop(OWN)


def _put_small(params: Params, raw: Mapping[str, pl.DataFrame], parcel: Parcel) -> dict[str, pl.DataFrame]:
    clubs = teams.staged_teams(raw["teams_raw"].lazy(), params.teams).collect()
    parcel.put("staging.teams", clubs, read=len(raw["teams_raw"]), expected=len(params.teams.names))
    shops = books.staged_sportsbooks(raw["sportsbooks_raw"].lazy(), params.books).collect()
    listed = {book.book_id for book in params.books}
    unlisted = shops.filter(~pl.col("book_id").is_in(listed))
    accepted = parcel.put(
        "staging.sportsbooks", shops, read=len(raw["sportsbooks_raw"]), expected=len(listed) + len(unlisted)
    )
    return {"sportsbooks": accepted.drop(OWN)}


def _form(context: Context, staged_games: pl.DataFrame) -> dict[int, pl.DataFrame]:
    if not context.writes(Phase.CURATED):
        return {}
    params = context.request.params.curated
    made = [form.game_features(staged_games.lazy(), horizon_min=h, params=params) for h in params.horizons_min]
    return dict(zip(params.horizons_min, pl.collect_all(made), strict=True))


def _from_staging(context: Context) -> Reference:
    """The reference of a curated phase that runs alone, from the published staging zone."""
    source: Source = context.source
    staged_games = source.read("games").drop(OWN)
    owners = staged_games.select(legacy_game_id="game_id", game_id="game_id")
    books_frame = source.read("sportsbooks").drop(OWN)
    return Reference(staged_games, owners, None, {"sportsbooks": books_frame}, _form(context, staged_games))


def _nothing(name: str) -> pl.DataFrame:
    return pl.DataFrame(schema={k: v for k, v in TABLES[name].schema.items() if k not in OWN})


def _no_owners() -> pl.DataFrame:
    return pl.DataFrame(schema={"legacy_game_id": pl.Int32, "game_id": pl.Int32})
