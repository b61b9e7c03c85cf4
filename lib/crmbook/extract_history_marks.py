"""Whose history was read for which record: every contact with the mark of its record, taken when it is asked for.

Making the marks takes reading all records once more, and holding them a good part of the memory; an account that tells
no history per contact, as most exports, needs none.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import polars as pl

from crmbook import extract_history_store as stores

_BATCH: Final = 50_000


class Marks(Mapping[str, str]):
    """Contact to mark, in the order of *contacts*; *raw* are the records as received, at least theirs."""

    def __init__(self, contacts: pl.Series, raw: Callable[[], pl.LazyFrame]) -> None:
        self._contacts, self._raw = contacts, raw
        self._marks: dict[str, str] | None = None

    def __len__(self) -> int:
        return self._contacts.len()

    def __iter__(self) -> Iterator[str]:
        for at in range(0, self._contacts.len(), _BATCH):
            yield from self._contacts.slice(at, _BATCH).to_list()

    def __getitem__(self, contact: str) -> str:
        if self._marks is None:
            wanted = self._contacts.implode()
            found = self._raw().filter(pl.col("source_id").is_in(wanted)).collect_batches(chunk_size=_BATCH)
            self._marks = {one: stores.mark(raw) for batch in found for one, raw in batch.iter_rows()}
        return self._marks[contact]
