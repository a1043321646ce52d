"""Zone `raw_data`: legacy rows in the contract's types with their lineage. Nothing is cleaned."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from etl.transform import odds
from schemas import TABLES, Table

UNFIT_RULE = "unfit_value"
UNFIT_SENTENCE = "a value cannot be carried (NaN, infinite, out of range): its text is under `unfit` in the row"
UNMAPPED_RULE = "unmapped_value"
UNMAPPED_SENTENCE = "a value stands in a column of another market: it is under `unmapped` in the row"
_SIDES = {
    "moneylines_raw": ("moneyline", (("home", None, "home_ml"), ("away", None, "away_ml"))),
    "spreads_raw": ("spread", (("home", 1, "home_spread_price"), ("away", -1, "away_spread_price"))),
    "totals_raw": ("totals", (("over", 1, "over_price"), ("under", 1, "under_price"))),
}
_LINE_COLUMN = {"spreads_raw": "spread_line", "totals_raw": "total_line"}


def typed(
    lf: pl.LazyFrame,
    table: Table,
    *,
    load_id: int,
    batch_id: int,
    source_table: str,
    extracted_at: datetime,
    refuse_unmapped: bool = False,
) -> pl.LazyFrame:
    """The rows as read, in the contract's columns and types, plus `unfit` and `broken_rules`.

    Row count: unchanged. A row with a value that the path could not carry breaks the rule `unfit_value`; with
    `refuse_unmapped`, one with a value that has no column of its own breaks `unmapped_value`.
    """
    lineage = {
        "load_id": pl.lit(load_id),
        "batch_id": pl.lit(batch_id),
        "source_table": pl.lit(source_table),
        "extracted_at": pl.lit(extracted_at),
    }
    columns = [lineage.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in table.schema.items()]
    return lf.select(*columns, "unfit", broken_rules=expr_unfit_rules(refuse_unmapped=refuse_unmapped))


def expr_unfit_rules(*, refuse_unmapped: bool = False) -> pl.Expr:
    """List(String): the rules that a row breaks by what it was read with, or nothing."""
    refused = [("unfit", UNFIT_RULE), *([("unmapped", UNMAPPED_RULE)] if refuse_unmapped else [])]
    rules = [pl.when(pl.col(name).is_not_null()).then(pl.lit(rule)) for name, rule in refused]
    return pl.concat_list(rules).list.drop_nulls()


def betting_lines(raw: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """`raw_data.betting_lines_raw`: two rows, one a side, for each row of the three markets.

    The away line of a spread is the negative of the stored one. Decimal odds are null where the price is no American
    price (100 <= |price| <= 10000).
    """
    sides = [
        _side(raw[name], name, market, side, sign, price)
        for name, (market, both) in _SIDES.items()
        for side, sign, price in both
    ]
    return pl.concat(sides)


def _side(lf: pl.LazyFrame, name: str, market: str, side: str, sign: int | None, price: str) -> pl.LazyFrame:
    line = pl.col(_LINE_COLUMN[name]) if name in _LINE_COLUMN else pl.lit(None)
    made = {
        "bet_type": pl.lit(market),
        "team_type": pl.lit(side),
        "line_value": -line if sign == -1 else line,
        "odds_american": pl.col(price),
        "odds_decimal": odds.expr_decimal(pl.col(price)),
    }
    schema = TABLES["raw_data.betting_lines_raw"].schema
    return lf.select(made.get(column, pl.col(column)).cast(dtype).alias(column) for column, dtype in schema.items())
