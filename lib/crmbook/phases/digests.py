"""The hash of a table as CSV text, a slice at a time: the text of a large plan has no room beside the plan."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

_AT_ONCE: Final = 100_000


def sha256_of_csv(frames: Iterable[pl.DataFrame | pl.LazyFrame]) -> str:
    """The SHA-256 of the CSV texts of *frames*, headers included, one after the other."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(pl.DataFrame(schema=frame.collect_schema()).write_csv().encode())
        for part in _slices(frame):
            digest.update(part.write_csv(include_header=False).encode())
    return digest.hexdigest()


def _slices(frame: pl.DataFrame | pl.LazyFrame) -> Iterator[pl.DataFrame]:
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_slices(_AT_ONCE)
        return
    start = 0
    while not (part := frame.slice(start, _AT_ONCE).collect()).is_empty():
        yield part
        start += _AT_ONCE
