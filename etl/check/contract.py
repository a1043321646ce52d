"""Hold a frame to its contract: once, eagerly, at the boundary, without coercing anything.

pandera's models are the declaration. Its own value checks cost about 5 ms a column and keep every failure in memory,
so the rules derived from the same declarations are evaluated here in one pass; a test holds the two to one verdict.
"""

from dataclasses import dataclass

import pandera.errors
import polars as pl

from etl.errors import ContractBroken
from schemas import Rule, Table

BROKEN = "broken_rules"


@dataclass(frozen=True, slots=True)
class Split:
    """A frame divided by its contract. Every row is in exactly one half.

    Attributes:
        valid: rows that keep every rule, in the contract's columns, order and types.
        rejected: the other rows with all their columns, and `broken_rules`: the names of the rules they broke.
    """

    valid: pl.DataFrame
    rejected: pl.DataFrame


def split(frame: pl.DataFrame, table: Table) -> Split:
    """Divide the rows of a frame by the rules of its contract; `broken_rules`, where present, is added to.

    Raises:
        ContractBroken: the frame has not exactly the contract's columns and types.
    """
    body = frame.drop(BROKEN, strict=False)
    _require_structure(body, table)
    rules = list(table.rules())
    already = BROKEN in frame.columns and bool(frame[BROKEN].list.len().gt(0).any())
    if not already and _all_hold(body, [*rules, *_key_rules(table)]):
        return Split(body, body.clear().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN)))
    given = frame[BROKEN] if BROKEN in frame.columns else pl.Series(BROKEN, [[]] * len(body), pl.List(pl.String))
    marked = body.lazy().with_columns(pl.concat_list(given.fill_null([]), _broken(rules)).alias(BROKEN))
    # A row that is refused anyway must not take the key from one that is not.
    is_bad = pl.col(BROKEN).list.len() > 0
    keyed = [_broken(_key_rules(table, among=is_bad))] if _key_rules(table) else []
    done = marked.with_columns(pl.concat_list(pl.col(BROKEN), *keyed).alias(BROKEN)).collect()
    return Split(done.filter(~is_bad).drop(BROKEN), done.filter(is_bad))


def _require_structure(frame: pl.DataFrame, table: Table) -> None:
    if dict(frame.schema) == table.schema:
        return
    try:
        table.model.validate(frame.head(0), lazy=True)
    except pandera.errors.SchemaErrors as errors:
        wrong = errors.failure_cases.select(pl.format("{}: {}", "check", "failure_case")).to_series().to_list()
        raise ContractBroken(f"{table.full_name}: {'; '.join(wrong[:8])}", next_step="please report this") from None
    raise ContractBroken(f"{table.full_name}: columns are not in the contract's order", next_step="please report this")


def _all_hold(frame: pl.DataFrame, rules: list[Rule]) -> bool:
    verdicts = [rule.holds.fill_null(value=True).all().alias(rule.name) for rule in rules]
    return not verdicts or bool(frame.lazy().select(verdicts).collect().select(pl.all_horizontal(pl.all())).item())


def _broken(rules: list[Rule]) -> pl.Expr:
    names = [pl.when(~rule.holds.fill_null(value=True)).then(pl.lit(rule.name)) for rule in rules]
    return pl.concat_list(names).list.drop_nulls().alias(BROKEN)


def _key_rules(table: Table, *, among: pl.Expr | None = None) -> list[Rule]:
    if not table.keyed or not table.key:
        return []
    parts = [pl.col(name) for name in table.key] + ([] if among is None else [among.alias("_among")])
    key = parts[0] if len(parts) == 1 else pl.struct(parts)
    return [Rule("key_unique", key.is_first_distinct(), f"({', '.join(table.key)}) must be unique")]


def sentences(table: Table) -> dict[str, str]:
    """Rule name -> its sentence, for every rule that :func:`split` can name."""
    key = {"key_unique": f"({', '.join(table.key)}) must be unique"}
    return {rule.name: rule.sentence for rule in table.rules()} | key
