"""A sample legacy database: believable, the same for the same seed, and with its truth kept beside it."""

from etl.sample.generate import Sample, collected, generate, line_chunks
from etl.sample.options import SampleOptions
from etl.sample.write import SampleCounts, create_sample, sample_exists

__all__ = [
    "Sample",
    "SampleCounts",
    "SampleOptions",
    "collected",
    "create_sample",
    "generate",
    "line_chunks",
    "sample_exists",
]
