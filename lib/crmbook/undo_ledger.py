"""The ledger of a run, and beside it what was taken back: one row per record, in the same file.

Before something is taken back its intent is on disk, afterwards its outcome; what the run itself wrote stays as it
stands. The table is made when the first rollback needs it. Invariant: what is done is never open again, except that
a record in the bin may still be forgotten.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import polars as pl

from crmbook.ledger import Ledger, _now

State = Literal["intent", "done", "refused", "gone"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS undone(
  entity TEXT NOT NULL, source_id TEXT NOT NULL, target_id INTEGER NOT NULL, action TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('intent', 'done', 'refused', 'gone')),
  forgotten INTEGER NOT NULL DEFAULT 0, error TEXT, attempts INTEGER NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (entity, source_id));
"""


@dataclass(frozen=True)
class Row:
    """One write of the run, as far as taking it back needs it."""

    op_id: str
    entity: str
    action: str
    source_id: str
    target_id: int | None
    state: str
    before: str | None
    after: str | None
    error: str | None


@dataclass(frozen=True)
class Act:
    """One record to take back, and how."""

    entity: str
    source_id: str
    target_id: int
    action: str


class UndoLedger(Ledger):
    """A run's ledger with what was taken back of it; errors as those of `Ledger`."""

    def __enter__(self) -> Self:
        super().__enter__()
        with self._told():
            self._db.executescript(_SCHEMA)
        return self

    def written(self) -> list[Row]:
        """Every write that is done or of unknown fate, in the order they were made."""
        query = (
            "SELECT op_id, entity, action, source_id, target_id, state, before, after, error FROM writes"
            " WHERE state != 'rejected' ORDER BY seq, at"
        )
        with self._told():
            return [Row(*row) for row in self._db.execute(query)]

    def announce(self, acts: Iterable[Act]) -> None:
        """On disk before they are carried out; one that is done stays so."""
        with self._change(sync="FULL") as db:
            db.executemany(
                "INSERT INTO undone VALUES (?, ?, ?, ?, 'intent', 0, NULL, 1, ?) ON CONFLICT(entity, source_id)"
                " DO UPDATE SET action = excluded.action, state = 'intent', error = NULL, attempts = attempts + 1,"
                " at = excluded.at WHERE state != 'done'",
                [(act.entity, act.source_id, act.target_id, act.action, _now()) for act in acts],
            )

    def close_acts(self, acts: Iterable[Act], state: State, messages: Sequence[str] = ()) -> None:
        """What became of announced *acts*; *messages* are the vendor's sentences where it refused."""
        error = json.dumps(list(messages), ensure_ascii=False) if messages else None
        with self._change() as db:
            db.executemany(
                "UPDATE undone SET state = ?, error = ?, at = ? WHERE entity = ? AND source_id = ? AND state = 'intent'",
                [(state, error, _now(), act.entity, act.source_id) for act in acts],
            )

    def forgotten(self, act: Act) -> None:
        """The record is out of the bin too."""
        with self._change() as db:
            db.execute(
                "INSERT INTO undone VALUES (?, ?, ?, ?, 'gone', 1, NULL, 1, ?) ON CONFLICT(entity, source_id)"
                " DO UPDATE SET forgotten = 1, at = excluded.at",
                (act.entity, act.source_id, act.target_id, act.action, _now()),
            )

    def undone(self) -> pl.DataFrame:
        """entity, source_id, action, state, is_forgotten of everything a rollback began to take back."""
        with self._told():
            return _undone(self._db)


def standing(path: Path, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """*crosswalk* of the ledger at *path* without the records a rollback took back; changes nothing."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'undone'").fetchone():
            return crosswalk
        # A list can't be deleted: emptied, it stands there still and can be filled again.
        back = _undone(db).filter(pl.col("state").is_in(["done", "gone"]), pl.col("action") != "empty")
    finally:
        db.close()
    return crosswalk.join(back, on=["entity", "source_id"], how="anti", maintain_order="left")


def _undone(db: sqlite3.Connection) -> pl.DataFrame:
    rows = db.execute(
        "SELECT entity, source_id, action, state, forgotten FROM undone ORDER BY 1, 2"
    ).fetchall()
    names = ("entity", "source_id", "action", "state", "is_forgotten")
    schema = dict.fromkeys(names[:4], pl.String) | {"is_forgotten": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("is_forgotten") == 1)
