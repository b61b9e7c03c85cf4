"""A source table while it is read: its parts in memory while they are few, beside the tables when they are many.

In: parts of a table, in the order received. Out: every id once, the last of a record sent twice, in the order of the
ids. Of a table that is large only the ids are kept in memory; parts that came in that order are not touched again, the
others are put in order a stretch of ids at a time.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import polars as pl

from crmbook.errors import on_disk

# So much of a table is one file of parts, and one stretch of ids.
MOST_BYTES: Final = 96 << 20
_FILE, _ROW = "\x1efile", "\x1erow"


class Spool:
    """The parts of the table *name*, whose *key* is text; what is too much for the memory lies in *folder* until `close`."""

    def __init__(self, folder: Path | None, name: str, key: str) -> None:
        self._folder, self._name, self._key = folder, name, key
        self._held: list[pl.DataFrame] = []
        self._bytes = 0
        self._ids: list[pl.Series] = []
        self._files: list[Path] = []
        self._written = 0
        self._is_arranged = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_large(self) -> bool:
        """Whether more came than is held in memory."""
        return bool(self._files)

    @property
    def is_empty(self) -> bool:
        return not self._ids

    @property
    def ids(self) -> pl.Series:
        """The id of every record received, in that order."""
        return pl.concat(self._ids) if self._ids else pl.Series(self._key, dtype=pl.String)

    def add(self, part: pl.DataFrame) -> None:
        self._held.append(part)
        # A slice of a page would keep the whole page; ids are short and get a buffer of their own.
        self._ids.append(part.select(pl.col(self._key) + "").to_series())
        self._bytes += int(part.estimated_size())
        if self._folder is not None and self._bytes >= MOST_BYTES:
            self._put_away()

    def held(self) -> pl.DataFrame:
        """A table that is not large, as received."""
        self._held = [pl.concat(self._held, how="diagonal")]
        return self._held[0]

    def lazy(self) -> pl.LazyFrame:
        """The table in order, each id once."""
        if not self.is_large:
            return self.held().lazy().unique(self._key, keep="last", maintain_order=True).sort(self._key)
        if not self._is_arranged:
            self._arrange()
        return pl.concat([pl.scan_parquet(path) for path in self._files], how="diagonal")

    def close(self) -> None:
        """Nothing is left in the folder."""
        for path in self._files:
            path.unlink(missing_ok=True)
        self._files, self._held = [], []

    def _put_away(self) -> None:
        if self._held:
            self._files.append(self._write(pl.concat(self._held, how="diagonal")))
        self._held, self._bytes = [], 0

    def _write(self, frame: pl.DataFrame) -> Path:
        self._written += 1
        assert self._folder is not None
        path = self._folder / f".{self._name}.{os.getpid()}-{self._written}"
        with on_disk(path.name):
            path.touch(mode=0o600)
            frame.write_parquet(path, compression="lz4", statistics=False)
        return path

    def _arrange(self) -> None:
        self._put_away()
        ids = self.ids.to_frame()
        is_in_order = (pl.col(self._key) > pl.col(self._key).shift()).slice(1).all()
        if not ids.select(is_in_order).item():
            received, self._files = self._files, []
            for stretch in self._stretches(ids, received):
                self._files.append(self._write(stretch))
            for path in received:
                path.unlink()
        self._is_arranged = True

    def _stretches(self, ids: pl.DataFrame, files: list[Path]) -> Iterator[pl.DataFrame]:
        heights = [pl.scan_parquet(path).select(pl.len()).collect().item() for path in files]
        rows = max(1, ids.height // len(files))
        places = pl.DataFrame(
            {
                _FILE: pl.concat(
                    [pl.repeat(n, rows, dtype=pl.UInt32, eager=True) for n, rows in enumerate(heights)]
                ),
                _ROW: pl.concat([pl.int_range(rows, dtype=pl.UInt32, eager=True) for rows in heights]),
            }
        )
        last = (
            ids.hstack(places)
            .unique(self._key, keep="last", maintain_order=True)
            .sort(self._key)
            .drop(self._key)
        )
        for stretch in last.iter_slices(rows):
            parts = [
                pl.read_parquet(files[number])[found[_ROW].sort()]
                for (number,), found in stretch.partition_by(
                    _FILE, as_dict=True, maintain_order=False
                ).items()
            ]
            yield pl.concat(parts, how="diagonal").sort(self._key)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
