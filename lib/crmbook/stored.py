"""Tables of a run that are read when they are asked for, and kept by nobody.

In: a run, and which of its tables stands under which key. Out: a mapping like one of frames. What is asked for twice is
read twice: the records of a large account have no room beside everything they are compared with.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

import polars as pl


class Reader(Protocol):
    """The run, as far as reading needs it."""

    def read(self, table: str) -> pl.DataFrame: ...


class Stored(Mapping[str, pl.DataFrame]):
    """The tables *names* (key to table) of *run*; raises, when one is asked for, as `Run.read` does."""

    def __init__(self, run: Reader, names: Mapping[str, str]) -> None:
        self._run, self._names = run, dict(names)

    def __getitem__(self, key: str) -> pl.DataFrame:
        return self._run.read(self._names[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
