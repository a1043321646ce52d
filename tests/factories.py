"""Rows made of contracts: valid ones by type and bounds, and ones that break a given rule."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
from hypothesis import strategies as st

from schemas import AUDIT

TEXTS = ("", "plain", "O'Hare", "Añejo ⚾", 'tab\t"quote"\\', "NaN", "line\nbreak")
FORMS = {"jsonb": '{"a": 1}', "uuid": "12345678-1234-5678-1234-567812345678"}
FIRST_DAY, FIRST_TIME = date(2024, 4, 1), datetime(2024, 4, 1, 17, 5, 0, 123456, tzinfo=UTC)
INTEGERS = {pl.Int16(): 2**15 - 1, pl.Int32(): 2**31 - 1, pl.Int64(): 2**63 - 1}


def frame(table, rows):
    """Rows (dicts) as a frame of the contract's columns and types."""
    columns = {name: pl.Series(name, [row[name] for row in rows], dtype) for name, dtype in table.schema.items()}
    return pl.DataFrame(columns, schema=table.schema)


def rows(table, n, *, load_id=1, nulls_every=3):
    """A frame of `n` rows that keep every rule and the key; every third nullable value is null (0: none is)."""
    return frame(table, [_row(table, number, load_id, nulls_every) for number in range(n)])


def _row(table, number, load_id, nulls_every):
    made = {column.name: valid(column, number) for column in table.columns}
    for place, column in enumerate(table.columns):
        if column.nullable and nulls_every and (number + place) % nulls_every == 0:
            made[column.name] = None
    given = {name: number + 1 for name in table.key if column_of(table, name).sql_type in ("integer", "bigint")}
    if not given:
        given = {name: f"{made[name]}{number}" for name in table.key}
    return made | given | ({"load_id": load_id} if "load_id" in made and table.zone != AUDIT else {})


def column_of(table, name):
    return next(column for column in table.columns if column.name == name)


def bounds(column):
    """(least, most, allowed) of a column, as its rules say it; open bounds are moved inwards."""
    low, high, allowed = None, None, None
    for rule in column.rules:
        words = rule.sentence.split(" must be ")[-1]
        if rule.name.endswith("_min"):
            low = float(words.removeprefix("at least "))
        elif rule.name.endswith("_above"):
            low = float(words.removeprefix("above ")) + 1e-6
        elif rule.name.endswith("_max"):
            high = float(words.removeprefix("at most "))
        elif rule.name.endswith("_below"):
            high = float(words.removeprefix("below ")) - 1e-6
        elif rule.name.endswith("_known"):
            allowed = words.removeprefix("one of ").split(", ")
    return low, high, allowed


def valid(column, number):
    """The `number`th valid value of a column; the first ones are the bounds."""
    low, high, allowed = bounds(column)
    if column.sql_type in FORMS:
        return FORMS[column.sql_type]
    if allowed is not None:
        chosen = allowed[number % len(allowed)]
        return chosen if column.dtype == pl.String() else int(chosen)
    match column.dtype:
        case pl.String():
            return TEXTS[number % len(TEXTS)]
        case pl.Boolean():
            return number % 2 == 0
        case pl.Date():
            return FIRST_DAY + timedelta(days=number)
        case pl.Datetime():
            return FIRST_TIME + timedelta(hours=number)
        case pl.List():
            whole = [[], [1, 2], [3]] if column.dtype.inner == pl.Int32() else [[], ["a", "b'c,{}"], [""]]
            return whole[number % 3]
    return _number(column.dtype, low, high, number)


def _number(dtype, low, high, number):
    most = _most(dtype)
    least = max(-most, low) if low is not None else -min(most, 99)
    greatest = min(most, high) if high is not None else min(most, least + 200)
    share = (0, 1, 0.5, 0.25, 0.75)[number % 5]
    value = least + share * (greatest - least)
    if isinstance(dtype, pl.Decimal):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-dtype.scale))
    return value if dtype == pl.Float64() else int(value)


def _most(dtype):
    if isinstance(dtype, pl.Decimal):
        return 10 ** (dtype.precision - dtype.scale) - 1
    return INTEGERS.get(dtype, 10**6)


def breaking(column, rule):
    """A value of the column's type that breaks one rule of it, and no other."""
    low, high, _ = bounds(column)
    step = 1 if column.dtype in INTEGERS else 0.01
    kinds = {
        "present": None,
        "finite": float("-inf") if low is None else float("nan"),
        "known": 99 if column.dtype in INTEGERS else "of no kind",
        "min": None if low is None else low - step,
        "above": None if low is None else low - step,
        "max": None if high is None else high + step,
        "below": None if high is None else high + step,
    }
    value = kinds[rule.name.rpartition("_")[2]]
    if value is None or column.dtype == pl.Float64() or isinstance(value, str):
        return value
    if isinstance(column.dtype, pl.Decimal):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-column.dtype.scale))
    return int(value)


def values(column):
    """A strategy of values that a column can hold, finite ones: right and wrong ones, nulls, and all edges."""
    low, high, allowed = bounds(column)
    edges = [edge + step for edge in (low, high) if edge is not None for step in (-1, -1e-6, 0, 1e-6, 1)]
    return st.none() | _plain(column, edges) | st.sampled_from([valid(column, number) for number in range(5)])


def _plain(column, edges):
    dtype = column.dtype
    if isinstance(dtype, pl.Decimal):
        places, most = Decimal(1).scaleb(-dtype.scale), _most(dtype)
        near = [Decimal(str(edge)).quantize(places) for edge in edges]
        whole = st.decimals(-most, most, places=dtype.scale, allow_nan=False)
        return whole | (st.sampled_from(near) if near else st.nothing())
    match dtype:
        case pl.String():
            return st.just(FORMS[column.sql_type]) if column.sql_type in FORMS else st.text(max_size=4)
        case pl.Boolean():
            return st.booleans()
        case pl.Date():
            return st.dates()
        case pl.Datetime():
            return st.datetimes(timezones=st.just(UTC))
        case pl.List():
            inner = st.integers(-9, 9) if dtype.inner == pl.Int32() else st.text(max_size=2)
            return st.lists(inner, max_size=2)
        case pl.Float64():
            whole = st.floats(allow_nan=False, allow_infinity=False)
            return whole | (st.sampled_from(edges) if edges else st.nothing())
    most = INTEGERS[dtype]
    near = [int(edge) for edge in edges if abs(edge) <= most]
    return st.integers(-most, most) | (st.sampled_from(near) if near else st.nothing())


def wrong_frames(table, *, max_rows=6):
    """A strategy of frames of a contract's types whose valid rows are spoilt in a few places."""

    def spoilt(n):
        place = st.tuples(st.integers(0, n - 1), st.sampled_from(table.columns)).flatmap(
            lambda at: st.tuples(st.just(at[0]), st.just(at[1].name), values(at[1]))
        )
        return st.lists(place, max_size=6).map(lambda places: frame(table, _spoilt(table, n, places)))

    return st.integers(1, max_rows).flatmap(spoilt)


def _spoilt(table, n, places):
    whole = rows(table, n).to_dicts()
    for number, name, value in places:
        whole[number][name] = value
    return whole
