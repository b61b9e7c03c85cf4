"""The hash of a table as CSV text, a slice at a time: the text of a large plan has no room beside the plan."""

import hashlib
from collections.abc import Iterable

import polars as pl

from crmbook.phases import narrow


def sha256_of_csv(frames: Iterable[narrow.Frame]) -> str:
    """The SHA-256 of the CSV texts of *frames*, headers included, one after the other."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(pl.DataFrame(schema=frame.collect_schema()).write_csv().encode())
        for part in narrow.parts(frame):
            digest.update(part.write_csv(include_header=False).encode())
    return digest.hexdigest()
