"""Frames of which a step holds only what it asks for: whole ones, or tables that are read column by column.

The records of a large account have no room beside those they are compared with, and hardly a step needs all their
columns. Who takes a `Frame` reads it as often as it asks; the answer is the same as that of the whole frame.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

_AT_ONCE: Final = 100_000
Frame = pl.DataFrame | pl.LazyFrame


def only(frame: Frame, *columns: str) -> pl.DataFrame:
    """These columns of *frame*, in this order; raises ColumnNotFoundError for one it has not."""
    return frame.lazy().select(columns).collect()


def known(frame: Frame, *columns: str) -> pl.DataFrame:
    """Those of these columns that *frame* has, in this order."""
    there = frame.lazy().collect_schema()
    return only(frame, *(name for name in columns if name in there))


def parts(frame: Frame) -> Iterator[pl.DataFrame]:
    """The rows of *frame*, some at a time, in their order."""
    height = frame.lazy().select(pl.len()).collect().item()
    for start in range(0, height, _AT_ONCE):
        yield frame.lazy().slice(start, _AT_ONCE).collect()
