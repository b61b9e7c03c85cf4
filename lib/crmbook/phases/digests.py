"""The hash of a table as CSV text, a slice at a time: the text of a large plan has no room beside the plan."""

import hashlib
from collections.abc import Iterable
from typing import Final

import polars as pl

_AT_ONCE: Final = 100_000


def sha256_of_csv(frames: Iterable[pl.DataFrame]) -> str:
    """The SHA-256 of the CSV texts of *frames*, headers included, one after the other."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.clear().write_csv().encode())
        for part in frame.iter_slices(_AT_ONCE):
            digest.update(part.write_csv(include_header=False).encode())
    return digest.hexdigest()
