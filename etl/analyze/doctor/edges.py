"""Edge values of every column type in the contracts, written as SQL of plain ASCII.

A value is carried, or it must come out refused with its text. The list of types is the contracts' own; a type that has
no edge values here is an error, so that none is forgotten.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from schemas import TABLES

TEXT_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Edge:
    """One value as an SQL expression without its cast.

    Attributes:
        sql: of ASCII alone, whatever the server's encoding is.
        is_carried: it must arrive; otherwise it may also be refused with its text.
        needs_utf8: only a database with the encoding UTF8 can hold it.
        since: first major version that knows it.
    """

    sql: str
    is_carried: bool = True
    needs_utf8: bool = False
    since: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A column type of the contracts, and the type that the legacy has it in."""

    sql_type: str
    dtype: pl.DataType
    given: str

    @property
    def name(self) -> str:
        """For people."""
        return self.sql_type if self.sql_type == self.given else f"{self.sql_type} from {self.given}"


# Legacy types that are not the contract's own and are read all the same; the width of a type may be the legacy's fault.
_WIDER = {
    "integer": ("bigint",),
    "numeric(5,2)": ("numeric",),
    "text": ("character varying",),
    "jsonb": ("json",),
    "timestamp with time zone": ("timestamp without time zone",),
}
_NULL = Edge("null")
_INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_TEXT = (
    Edge("''"),
    Edge("' '"),
    Edge("'null'"),
    Edge(r"E'\\N'"),
    Edge(r"E'it''s \"quoted\", back\\slash, 100%% {a,b} $1'"),
    Edge(r"E'tab\t newline\n return\r\n end '"),
    Edge("(select string_agg(chr(c), '') from generate_series(1, 31) c) || chr(127)"),
    Edge(f"repeat('x', {TEXT_BYTES})"),
    Edge(r"E'\u00e9 \u00df \u0416 \u6f22'", needs_utf8=True),
    Edge(r"E'e\u0301 \u0928\u093f \u200d \u200f\u05d0'", needs_utf8=True),
    Edge(r"E'\U0001F600 \U0001F468\u200D\U0001F469\u200D\U0001F467 \U0010FFFF'", needs_utf8=True),
    Edge(r"E'\uFEFF\uFFFD\uFFFE'", needs_utf8=True),
    Edge(rf"repeat(E'\U0001F600', {TEXT_BYTES // 4})", needs_utf8=True),
)
_JSON = (
    Edge("'{}'"),
    Edge("'null'"),
    Edge("""'""'"""),
    Edge("""'{"b": 1.10, "a": [1, null, {"deep": [[], {}, "x"]}], "": true}'"""),
    Edge("""'[123456789012345678901234567890, 0.1000000000000000000001, -0.0, 1e300]'"""),
    Edge(r"""'"\u0001 \u00e9 \ud83d\ude00 \" \\ \n"'""", needs_utf8=True),
    Edge("(repeat('[', 200) || repeat(']', 200))"),
    Edge(f"""('"' || repeat('x', {TEXT_BYTES}) || '"')"""),
)
_ESCAPED_NUL = Edge(r"""'"a\u0000b"'""", is_carried=False)  # which json holds and jsonb does not
_EDGES: dict[str, tuple[Edge, ...]] = {
    "text": _TEXT,
    "jsonb": _JSON,
    "boolean": (Edge("true"), Edge("false")),
    "uuid": (
        Edge("'00000000-0000-0000-0000-000000000000'"),
        Edge("'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
        Edge("'0123abcd-4567-89ef-0123-456789abcdef'"),
    ),
    "double precision": (
        *(Edge(f"'{x}'") for x in ("0", "-0", "0.1", "1e15", "123456789.12345679")),
        *(Edge(f"'{x}'") for x in ("5e-324", "2.2250738585072014e-308")),
        Edge("'1.7976931348623157e308'"),
        Edge("'-1.7976931348623157e308'"),
        *(Edge(f"'{x}'", is_carried=False) for x in ("NaN", "Infinity", "-Infinity")),
    ),
    "date": (
        *(Edge(f"'{x}'") for x in ("0001-01-01", "1582-10-10", "1970-01-01", "2024-02-29", "9999-12-31")),
        *(Edge(f"'{x}'", is_carried=False) for x in ("infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC")),
        *(Edge(f"'{x}'", is_carried=False) for x in ("10000-01-01", "5874897-12-31")),
    ),
    "timestamp with time zone": (
        *(Edge(f"'{x}+00'") for x in ("0001-01-01 00:00:00", "1899-12-31 23:59:59.5", "1969-12-31 23:59:59.999999")),
        *(Edge(f"'{x}+00'") for x in ("1970-01-01 00:00:00", "2024-06-01 12:00:00.123456")),
        Edge("'9999-12-31 23:59:59.999999+00'"),
        Edge("'2024-11-03 01:30:00-04'"),
        *(Edge(f"'{x}'", is_carried=False) for x in ("infinity", "-infinity", "0044-03-15 12:00:00+00 BC")),
        *(Edge(f"'{x}+00'", is_carried=False) for x in ("10000-01-01 00:00:00", "20240-01-01 00:00:00")),
        Edge("'294276-12-31 23:59:59.999999+00'", is_carried=False),
    ),
    "text[]": (
        Edge("'{}'"),
        Edge(r"""array['', 'NULL', null, 'a,b', '{x}', E'"q" back\\slash', ' ']"""),
        Edge("array[null]"),
        Edge(r"array[E'\U0001F600', E'e\u0301']", needs_utf8=True),
        Edge("array(select i::text from generate_series(1, 1000) i)"),
    ),
    "integer[]": (
        Edge("'{}'"),
        Edge(f"array[{-(2**31)}, 0, null, {2**31 - 1}]"),
        Edge("array[null]"),
        Edge("array(select generate_series(1, 1000))"),
    ),
}  # fmt: skip


def kinds() -> Iterator[Kind]:
    """Every column type that occurs in the contracts, then the other types that the legacy may have it in."""
    found = {column.sql_type: column.dtype for table in TABLES.values() for column in table.columns}
    for sql_type in sorted(found):
        for given in (sql_type, *_WIDER.get(sql_type, ())):
            yield Kind(sql_type, found[sql_type], given)


def edges(kind: Kind, *, major: int, is_utf8: bool) -> list[Edge]:
    """The edge values that a server of a version and encoding can hold, null among them.

    Raises:
        KeyError: the contracts have a type that has no edge values: write some.
    """
    fit = (edge for edge in _all(kind) if edge.since <= major and (is_utf8 or not edge.needs_utf8))
    return [*fit, _NULL]


def _all(kind: Kind) -> tuple[Edge, ...]:
    if kind.sql_type in _INTEGER_BITS:
        return _integers(_INTEGER_BITS[kind.sql_type], _INTEGER_BITS[kind.given])
    if kind.sql_type.startswith("numeric"):
        precision, scale = (int(part) for part in kind.sql_type[8:-1].split(","))
        return _numerics(precision, scale, is_wide=kind.given == "numeric")
    if kind.given == "timestamp without time zone":
        return tuple(Edge(edge.sql.replace("+00", ""), is_carried=edge.is_carried) for edge in _EDGES[kind.sql_type])
    if kind.given == "json":
        return (*_EDGES[kind.sql_type], _ESCAPED_NUL)
    return _EDGES[kind.sql_type]


def _integers(bits: int, given_bits: int) -> tuple[Edge, ...]:
    """Literals in quotes: a minus sign binds less than a cast."""
    own = tuple(Edge(f"'{n}'") for n in (-(2**bits), -1, 0, 2**bits - 1))
    beyond = (-(2**bits) - 1, 2**bits, -(2**given_bits), 2**given_bits - 1) if given_bits > bits else ()
    return (*own, *(Edge(f"'{n}'", is_carried=False) for n in beyond))


def _numerics(precision: int, scale: int, *, is_wide: bool) -> tuple[Edge, ...]:
    """The largest, the smallest and the finest; of a wider type also what the contract's type cannot hold."""
    largest, finest = f"{'9' * (precision - scale)}.{'9' * scale}", f"0.{'0' * (scale - 1)}1"
    own = tuple(Edge(f"'{n}'") for n in (largest, f"-{largest}", finest, f"-{finest}", "0", "1"))
    if not is_wide:
        return (*own, Edge("'NaN'", is_carried=False))
    beyond = (f"1{'0' * (precision - scale)}", f"-{largest}9", f"{finest}1", "1e1000", "-1e-1000", "NaN")
    infinite = tuple(Edge(f"'{sign}Infinity'", is_carried=False, since=14) for sign in ("", "-"))
    return (*own, *(Edge(f"'{n}'", is_carried=False) for n in beyond), *infinite)
