"""The plan of a large account: numbered in memory, its payloads on disk from the moment they are made.

In: the parts of a plan one after the other. Out: the table `plan`. What lies beside it meanwhile is readable by its owner
only and gone when the block ends.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import polars as pl

from crmbook import tables
from crmbook.errors import on_disk
from crmbook.phases import operations
from crmbook.runs import Run


class Spool:
    """
    *parts* (`operations.PART`) as the plan of *run*; `keys` is that plan without its payloads.

    Raises, when entered, SchemaError where two writes have one name, and what making the parts raises.
    """

    def __init__(self, run: Run, parts: Iterable[pl.DataFrame]) -> None:
        self._run = run
        self._parts = parts
        self._files: list[Path] = []
        self.keys = pl.DataFrame()

    def __enter__(self) -> Self:
        try:
            self.keys = operations.numbered([self._put_away(part) for part in self._parts])
            operations.require_unique(self.keys)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._files:
            path.unlink(missing_ok=True)

    def save(self) -> None:
        """The table `plan`, as `Run.save` writes it."""
        columns = list(tables.PLAN.columns)
        payloads = pl.concat([pl.scan_parquet(path) for path in self._files])
        whole = pl.concat([self.keys.lazy(), payloads], how="horizontal")
        self._run.sink("plan", whole.select(columns))

    def _put_away(self, part: pl.DataFrame) -> pl.DataFrame:
        path = self._run.data_folder / f".plan.{os.getpid()}-{len(self._files)}"
        self._files.append(path)
        with on_disk(path.name):
            path.touch(mode=0o600)
            part.select("payload").write_parquet(path, compression="lz4", statistics=False)
        return part.drop("payload")


def take_over(run: Run, path: Path) -> None:
    """The plan at *path*, as it is, as the table `plan`; one by its op ids, as plans were once written, in the order of its writes."""
    there = pl.scan_parquet(path)
    if operations.is_in_order(there):
        run.sink("plan", there.select(list(tables.PLAN.columns)))
    else:
        run.save("plan", there.collect())
