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
UNFIT = "unfit"  # texts of values that could not be carried; they go with the row, as its id may not tell it


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

    A column `unfit` stays with the rejected rows.

    Raises:
        ContractBroken: the frame has not exactly the contract's columns and types.
    """
    body = frame.drop(BROKEN, strict=False)
    _require_structure(body.drop(UNFIT, strict=False), table)
    given = frame[BROKEN].fill_null([]) if BROKEN in frame.columns else _no_rules(len(body))
    rules, is_refused = list(table.rules()), given.list.len() > 0
    free = body.filter(~is_refused)
    refused = _marked(body.filter(is_refused), rules, given.filter(is_refused))
    if _all_hold(free, [*rules, *_key_rules(table)]):
        return Split(free.drop(UNFIT, strict=False), refused)
    # A row that is refused anyway must not take the key from one that is not: values are judged first, keys among
    # the rows that keep them.
    spoilt, kept = _halved(_marked(free, rules, _no_rules(len(free))))
    doubled, valid = _halved(_marked(kept, _key_rules(table), _no_rules(len(kept))))
    return Split(valid.drop(UNFIT, strict=False), pl.concat([refused, spoilt, doubled]))


def _halved(marked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that broke a rule, and the others without `broken_rules`."""
    is_bad = pl.col(BROKEN).list.len() > 0
    return marked.filter(is_bad), marked.filter(~is_bad).drop(BROKEN)


def _no_rules(rows: int) -> pl.Series:
    return pl.Series(BROKEN, [[]], pl.List(pl.String)).new_from_index(0, rows)


def _marked(frame: pl.DataFrame, rules: list[Rule], given: pl.Series) -> pl.DataFrame:
    """The rows with `broken_rules`: those given, then those of `rules` that each row breaks."""
    if frame.is_empty() or not rules:
        return frame.with_columns(given)
    found = frame.lazy().select(_broken(rules)).collect().to_series()
    both = pl.DataFrame({"given": given, "found": found}).select(pl.concat_list("given", "found").alias(BROKEN))
    return frame.with_columns(both.to_series())


def _require_structure(frame: pl.DataFrame, table: Table) -> None:
    if list(frame.schema.items()) == list(table.schema.items()):
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


def _key_rules(table: Table) -> list[Rule]:
    if not table.keyed or not table.key:
        return []
    key = pl.col(table.key[0]) if len(table.key) == 1 else pl.struct(table.key)
    return [Rule("key_unique", key.is_first_distinct(), f"({', '.join(table.key)}) must be unique")]


def sentences(table: Table) -> dict[str, str]:
    """Rule name -> its sentence, for every rule that :func:`split` can name."""
    key = {"key_unique": f"({', '.join(table.key)}) must be unique"}
    return {rule.name: rule.sentence for rule in table.rules()} | key
