"""One column on its way out of the legacy: the SQL that reads it, that finds what cannot be carried, that compares it.

SQL is over a legacy row `l`. A value is carried when the contract's type holds exactly that value and the path brings
it; any other one is read as null and kept as its own text.
"""

import re
from dataclasses import dataclass

from etl.rowhash import as_text, as_value

_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_FLOATS = ("real", "double precision")
_TIMES = ("timestamp without time zone", "timestamp with time zone")
_STRINGS = ("text", "character varying")
_OWN_FORM = ("jsonb", "uuid")  # read as text, and text of them all the same
_UUID = "'^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'"
# json holds an escaped NUL, which jsonb does not: a backslash, itself not escaped, and u0000.
_NUL = r"'(^|[^\\])(\\\\)*\\u0000'"
# NOTE: the years 1 to 9999, which every tool on the way can write.
_RANGES = {
    "date": "({0} < '0001-01-01' or {0} > '9999-12-31')",
    "timestamp with time zone": "({0} < '0001-01-01 00:00+00' or {0} >= '10000-01-01 00:00+00')",
}


@dataclass(frozen=True, slots=True)
class Carried:
    """A column of a contract as the legacy gives it.

    Attributes:
        name: of the column.
        value: SQL of the legacy's own value.
        wanted: SQL type of the contract.
        given: SQL type of the legacy without its modifier; empty where an expression stands for the column.
    """

    name: str
    value: str
    wanted: str
    given: str

    @property
    def unfit(self) -> str:
        """SQL that is true where the value cannot be carried as it is; empty where every value can."""
        return _unfit_condition(self.value, self.wanted, self.given)

    @property
    def is_text(self) -> bool:
        """Whether it is compared as text: the legacy's type holds values that the contract's type does not."""
        return bool(self.unfit) and not self._is_same_type

    @property
    def _is_same_type(self) -> bool:
        return self.wanted == self.given

    def read(self) -> str:
        """SQL of the value in the contract's type (as text what only text brings), null where it does not fit."""
        value = f"case when {self.unfit} then null else {self.value} end" if self.unfit else self.value
        if self.wanted in _OWN_FORM or self.wanted == "text":
            return value if self.given in _STRINGS else f"({value})::text"
        return value if self._is_same_type else f"({value})::{self.wanted}"

    def compared(self) -> str:
        """SQL of the legacy's own value as it goes into the checksum, whatever :meth:`read` makes of it."""
        if self.is_text:
            fit = as_text(f"({self.value})::{self.wanted}", self.wanted)
            return f'case when {self.unfit} then ({self.value})::text else {fit} end collate "C"'
        is_alike = self._is_same_type or (self.wanted == "text" and self.given in _STRINGS)
        return as_value(self.value if is_alike else f"({self.value})::{self.wanted}", self.wanted)


def plain_type(sql_type: str) -> str:
    """A type without its length or precision, but numbers with theirs: `varchar(5)` holds no other values than text."""
    return sql_type if sql_type.startswith("numeric") else re.sub(r"\(\d+\)", "", sql_type)


def _unfit_condition(value: str, wanted: str, given: str) -> str:
    if wanted.startswith("numeric"):
        return _unfit_numeric(value, wanted, given)
    if wanted == "double precision":
        return _unfit_float(value, given)
    if wanted in _BITS:
        return _unfit_integer(value, wanted, given)
    return _unfit_time(value, wanted, given) if wanted in _RANGES else _unfit_form(value, wanted, given)


def _unfit_time(value: str, wanted: str, given: str) -> str:
    outside = _RANGES[wanted].format(value)
    is_cut = wanted == "date" and given in _TIMES
    return f"({outside} or ({value})::{wanted}::{given} <> {value})" if is_cut else outside


def _unfit_form(value: str, wanted: str, given: str) -> str:
    if wanted == "boolean" and given == "integer":
        return f"({value} not in (0, 1))"
    if wanted == "uuid" and given in _STRINGS:
        return f"({value} !~ {_UUID})"
    return f"(({value})::text ~ {_NUL})" if (wanted, given) == ("jsonb", "json") else ""


def _unfit_numeric(value: str, wanted: str, given: str) -> str:
    precision, scale = (int(part) for part in wanted[8:-1].split(","))
    limit = f"1e{precision - scale}"
    if wanted == given:
        return f"{value} = 'NaN'"
    if given in _FLOATS:
        # What comes back from the contract's type must be that very number; only finite ones can be asked.
        lost = f"round(({value})::numeric, {scale})::{given} <> {value}"
        return f"(case when not abs({value}) < {limit} then true else {lost} end)"
    number = value if given.startswith("numeric") else f"({value})::numeric"
    return f"({number} = 'NaN' or abs({number}) >= {limit} or {number} <> round({number}, {scale}))"


def _unfit_float(value: str, given: str) -> str:
    if given in (*_FLOATS, ""):
        return f"{value} in ('NaN', 'Infinity', '-Infinity')"
    if given in _BITS and given != "bigint":
        return ""
    number = f"({value})::numeric"
    is_far = f"{number} <> 0 and not abs({number}) between 1e-300 and 1e300"
    return f"(case when {is_far} then true else ({value})::double precision::numeric <> {number} end)"


def _unfit_integer(value: str, wanted: str, given: str) -> str:
    end = 2 ** _BITS[wanted]
    if given in _FLOATS or given.startswith("numeric"):
        # NOTE: not `between`: as a double, the largest bigint is the first number beyond it.
        return f"({value} <> trunc({value}) or {value} < -{end} or {value} >= {end})"
    return f"({value} not between -{end} and {end - 1})" if _BITS[wanted] < _BITS.get(given, 0) else ""
