"""Steps between consecutive quotes of one book: `staging.line_movements`. Features definition, section 3."""

from collections.abc import Mapping

import polars as pl

from etl.transform.clean import expr_quotient
from etl.transform.odds import with_p_fair
from etl.transform.staging import MARKETS, Market, accepted

MINUTE_US = 60_000_000
SERIES = ("game_id", "book_id")
# A series needs one price setter: a consensus or an opening-line feed repeats others, and an unlisted book is unknown.
KINDS = ("book", "archive")


def series_quotes(lines: Mapping[str, pl.LazyFrame], *, key: str) -> pl.LazyFrame:
    """The accepted quotes of a market that make a series: two-sided, clocked, of a book or an archive."""
    market = MARKETS[key]
    needed = ("observed_at", *market.prices_out, *((market.line_out,) if market.line_out else ()))
    return (
        lines[key]
        .pipe(accepted)
        .filter(pl.col("book_kind").is_in(KINDS), pl.all_horizontal(pl.col(*needed).is_not_null()))
    )


def stage_movements(lines: Mapping[str, pl.LazyFrame], *, devig_method: str) -> pl.LazyFrame:
    """Rows of `staging.line_movements`: one for each quote that has an earlier one of its game, book and market.

    Quotes of one instant follow each other by recorded_at, then raw_id.
    """
    return pl.concat(
        [
            series_quotes(lines, key=key).pipe(_movements, market=market, devig_method=devig_method)
            for key, market in MARKETS.items()
        ]
    )


def expected_movements(lines: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """One row, `rows`: the number of quotes in all series, less the number of series."""
    counts = [
        series_quotes(lines, key=key)
        .select(rows=pl.len() - pl.struct(SERIES).n_unique())
        .select(pl.col("rows").cast(pl.Int64))
        for key in MARKETS
    ]
    return pl.concat(counts).sum()


def _movements(quotes: pl.LazyFrame, *, market: Market, devig_method: str) -> pl.LazyFrame:
    price_a, price_b = market.prices_out
    line = pl.lit(None, dtype=pl.Float64) if market.line_out is None else pl.col(market.line_out)
    before = {
        "from_raw_id": "raw_id",
        "from_observed_at": "observed_at",
        "from_line": "line",
        "from_p_fair_a": "p_fair_a",
    }
    is_same_line = pl.col("line").eq_missing(pl.col("from_line"))
    return (
        quotes.pipe(with_p_fair, price_a=price_a, price_b=price_b, out="p_fair_a", method=devig_method)
        .with_columns(line=line)
        .sort(*SERIES, "observed_at", "recorded_at", "raw_id", nulls_last=False)
        .with_columns(
            _follows=pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in SERIES),
            **{name: pl.col(of).shift() for name, of in before.items()},
        )
        .filter("_follows")
        .select(
            *("raw_id", "from_raw_id", "game_id", "book_id", "from_observed_at", "observed_at", "is_in_play"),
            *("from_line", "line", "from_p_fair_a", "p_fair_a"),
            market=pl.lit(market.name),
            minutes=expr_quotient(
                (pl.col("observed_at") - pl.col("from_observed_at")).dt.total_microseconds(), MINUTE_US
            ),
            line_move_runs=pl.col("line") - pl.col("from_line"),
            move_pp=pl.when(is_same_line).then(100 * (pl.col("p_fair_a") - pl.col("from_p_fair_a"))),
        )
    )
