"""The public's tickets and money: `staging.betting_splits`. Features definition, sections 3, 7 (V08, W11) and 12.10."""

from collections.abc import Mapping

import polars as pl

from etl.transform.clean import expr_key, expr_quotient
from etl.transform.rules import Rule
from etl.transform.staging import MARKETS, Market, References
from etl.transform.staging_params import StagingParams
from schemas.staging import UNKNOWN

MOMENT = ("game_id", "market", "source", "observed_at")
KEY = (*MOMENT, "book_key")
NO_BOOK = 0
_SHARES = ("tickets_pct_a", "tickets_pct_b", "money_pct_a", "money_pct_b")
_COUNTS = ("tickets_a", "tickets_b")
VALUES = (*_SHARES, *_COUNTS, "was_fraction")
# Shares are compared in hundredths of a point, as the legacy stores them: no sum of floats decides.
_HUNDREDTHS = 100
_ALL = 100 * _HUNDREDTHS


def stage_splits(lines: Mapping[str, pl.LazyFrame], refs: References, *, params: StagingParams) -> pl.LazyFrame:
    """Rows of `staging.betting_splits` and `broken_rules`; accepted rows have an empty list and a unique key.

    `lines` are those of :func:`etl.transform.staging.resolve_lines`: all with a game that are no exact copies count,
    rejected lines too. A split that breaks a rule comes
    out as a row of its own with the rule; the others come out once a key: the latest recorded, then the highest raw_id.
    """
    splits = _read(lines, params=params)
    is_kept = pl.col("broken_rules").list.len() == 0
    kept = splits.filter(is_kept).pipe(_one_a_key)
    broken = splits.filter(~is_kept).with_columns(lines=pl.lit(1, dtype=pl.Int32))
    return pl.concat([kept, broken.select(kept_columns())]).pipe(_finished, refs=refs)


def expected_splits(lines: Mapping[str, pl.LazyFrame], *, params: StagingParams) -> pl.LazyFrame:
    """One row, `rows`: the number of accepted splits, counted without merging them.

    A moment has one row for each book whose split no other book shares, and one if any split is shared or has no book.
    """
    moment = [pl.col(name) for name in MOMENT]
    latest = pl.col("raw_id").sort_by("recorded_rank", "raw_id").last().over(KEY)
    final = (
        _read(lines, params=params).filter(pl.col("broken_rules").list.len() == 0).filter(pl.col("raw_id") == latest)
    )
    is_alone = (pl.len().over(*moment, *VALUES) == 1) & (pl.col("book_key") != NO_BOOK)
    return final.select(rows=(is_alone.sum() + pl.struct(MOMENT).filter(~is_alone).n_unique()).cast(pl.Int64))


def kept_columns() -> list[str]:
    """The columns that accepted and rejected splits share before the last step."""
    return [*KEY, *VALUES, "recorded_at", "raw_id", "lines", "broken_rules"]


def _read(lines: Mapping[str, pl.LazyFrame], *, params: StagingParams) -> pl.LazyFrame:
    """One row for each line that carries a share or a count, its values brought to 0-100."""
    return pl.concat([_of_market(lines[key], market=market, params=params) for key, market in MARKETS.items()])


def _of_market(lines: pl.LazyFrame, *, market: Market, params: StagingParams) -> pl.LazyFrame:
    a, b = market.sides
    names = {
        "tickets_pct_a": f"{a}_bets_percentage",
        "tickets_pct_b": f"{b}_bets_percentage",
        "money_pct_a": f"{a}_money_percentage",
        "money_pct_b": f"{b}_money_percentage",
    }
    shares = {new: (pl.col(old).cast(pl.Float64) * _HUNDREDTHS).round(0).cast(pl.Int32) for new, old in names.items()}
    return (
        lines.filter(pl.col("game_id").is_not_null() & ~pl.col("is_collapsed"))
        .select(
            *("game_id", "raw_id", "observed_at", "recorded_at"),
            market=pl.lit(market.name),
            source=expr_key(pl.col("source")).fill_null(UNKNOWN),
            book_key=pl.col("book_id").fill_null(NO_BOOK),
            recorded_rank=pl.col("recorded_at").fill_null(pl.datetime(1, 1, 1, time_zone="UTC")),
            tickets_a=f"{a}_bets_count",
            tickets_b=f"{b}_bets_count",
            **shares,
        )
        .filter(pl.any_horizontal(pl.col(*_SHARES, *_COUNTS).is_not_null()))
        .pipe(_scaled, tolerance=round(params.splits.sum_tolerance_pp * _HUNDREDTHS))
    )


def _scaled(lf: pl.LazyFrame, *, tolerance: int) -> pl.LazyFrame:
    """Bring fractions to 0-100 and add `was_fraction` and `broken_rules`."""
    pairs = (_SHARES[:2], _SHARES[2:])
    fraction = tolerance // 100
    is_fraction = {pair: (pl.col(pair[0]) + pl.col(pair[1]) - 100).abs() <= fraction for pair in pairs}
    scaled = {
        name: pl.when(is_fraction[pair]).then(pl.col(name) * 100).otherwise(name) for pair in pairs for name in pair
    }
    was_fraction = pl.any_horizontal(expr.fill_null(value=False) for expr in is_fraction.values())
    is_valid = pl.all_horizontal(*(_is_pair_valid(pair, tolerance) for pair in pairs), *(_is_count(n) for n in _COUNTS))
    none = pl.lit(None, dtype=pl.String)
    return (
        lf.with_columns(was_fraction=was_fraction, **scaled)
        .with_columns(
            broken_rules=pl.concat_list(
                pl.when(~is_valid).then(pl.lit(Rule.SPLIT_INVALID.flag)).otherwise(none),
                pl.when(pl.col("observed_at").is_null()).then(pl.lit(Rule.SPLIT_CLOCK_MISSING.flag)).otherwise(none),
            ).list.drop_nulls()
        )
        .with_columns(expr_quotient(pl.col(name), _HUNDREDTHS) for name in _SHARES)
    )


def _is_pair_valid(pair: tuple[str, ...], tolerance: int) -> pl.Expr:
    """True if neither share is given, or both are, in range, with a sum of 100 within the tolerance. Never null."""
    a, b = (pl.col(name) for name in pair)
    holds = a.is_between(0, _ALL) & b.is_between(0, _ALL) & ((a + b - _ALL).abs() <= tolerance)
    return (a.is_null() & b.is_null()) | holds.fill_null(value=False)


def _is_count(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name) >= 0)


def _one_a_key(lf: pl.LazyFrame) -> pl.LazyFrame:
    """One row a key: the latest split of each book; identical ones of several books become one without a book."""
    newest = [pl.col("recorded_rank", "recorded_at").last()]
    of_book = (
        lf.sort("recorded_rank", "raw_id")
        .group_by(*KEY, *VALUES)
        .agg(*newest, last_id=pl.col("raw_id").last(), raw_id=pl.col("raw_id").min(), lines=pl.len().cast(pl.Int32))
        .pipe(_latest_of)
    )
    book = pl.when(pl.col("book_key").n_unique() == 1).then(pl.col("book_key").first()).otherwise(NO_BOOK)
    return (
        of_book.group_by(*MOMENT, *VALUES)
        .agg(*newest, pl.col("last_id").last(), pl.col("raw_id").min(), pl.col("lines").sum(), book_key=book)
        .pipe(_latest_of)
        .with_columns(broken_rules=pl.lit([], dtype=pl.List(pl.String)))
        .select(kept_columns())
    )


def _latest_of(lf: pl.LazyFrame) -> pl.LazyFrame:
    """One row a key: the latest recorded, then the highest raw_id. Sorted by these."""
    return lf.sort("recorded_rank", "last_id").unique(KEY, keep="last", maintain_order=True)


def _finished(lf: pl.LazyFrame, *, refs: References) -> pl.LazyFrame:
    """Add what the game says and the two spellings of the book."""
    is_one_sided = pl.any_horizontal(pl.col(name).is_in([0.0, 100.0]).fill_null(value=False) for name in _SHARES)
    return (
        lf.join(refs.games.select("game_id", "start_at"), on="game_id", how="left")
        .with_columns(
            book_id=pl.when(pl.col("book_key") != NO_BOOK).then("book_key"),
            is_in_play=pl.col("observed_at") >= pl.col("start_at"),
            is_one_sided=is_one_sided,
        )
        .drop("start_at")
    )
