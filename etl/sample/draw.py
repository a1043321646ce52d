"""Random numbers that depend on a seed and a key alone: not on the order of rows, the size of a chunk or the machine.

Every draw hashes (seed, stream, key of the row) with splitmix64, in integer arithmetic that wraps at 64 bits.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

_WORD = 2**64
_STEP = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_QUARTER_SD = (4 / 12) ** 0.5


def _constant(value: int) -> pl.Series:
    return pl.Series([value % _WORD], dtype=pl.UInt64)


def _mix(word: pl.Series) -> pl.Series:
    """Finish splitmix64 on each word. Source: Steele, Lea and Flood 2014, as in java.util.SplittableRandom."""
    word = (word ^ (word // 2**30)) * _constant(_FIRST)
    word = (word ^ (word // 2**27)) * _constant(_SECOND)
    return word ^ (word // 2**31)


def _mix_one(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) % _WORD
    word = ((word ^ (word >> 27)) * _SECOND) % _WORD
    return word ^ (word >> 31)


def row_key(*parts: pl.Series) -> pl.Series:
    """One 64-bit key for each row, from the integer columns that name it; the order of the parts matters."""
    key = parts[0].cast(pl.UInt64)
    for part in parts[1:]:
        key = _mix(key * _constant(_STEP)) ^ part.cast(pl.UInt64)
    return key.alias("key")


@dataclass(frozen=True, slots=True)
class Draws:
    """Streams of draws from one seed. Two streams of one key are independent."""

    seed: int

    def _origin(self, stream: str) -> int:
        return _mix_one((self.seed * _STEP + zlib.crc32(stream.encode()) * _SECOND) % _WORD)

    def bits(self, stream: str, key: pl.Series) -> pl.Series:
        """64 random bits a row."""
        return _mix(_mix((key ^ _constant(self._origin(stream))) * _constant(_STEP)) + _constant(_STEP)).alias(stream)

    def uniform(self, stream: str, key: pl.Series) -> pl.Series:
        """Uniform in [0, 1), on a grid of 2**-53."""
        return ((self.bits(stream, key) // 2**11).cast(pl.Float64) * 2.0**-53).alias(stream)

    def normal(self, stream: str, key: pl.Series) -> pl.Series:
        """Nearly standard normal: the sum of four uniforms of 16 bits, so exact, and never beyond 3.47 deviations."""
        bits = self.bits(stream, key)
        total = (bits % 2**16).cast(pl.Float64)
        for shift in (16, 32, 48):
            total = total + ((bits // 2**shift) % 2**16).cast(pl.Float64)
        return ((total / 65536.0 - (2.0 - 2.0**-15)) / _QUARTER_SD).alias(stream)

    def sequence(self, stream: str) -> Iterator[float]:
        """Uniform numbers without end, for the few things that are drawn one by one."""
        word = self._origin(stream)
        while True:
            word = (word + _STEP) % _WORD
            yield (_mix_one(word) >> 11) * 2.0**-53
