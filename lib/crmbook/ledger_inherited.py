"""The part of a ledger that a delta run takes over: which record of the target each source record became before.

In: the crosswalk of the runs before. Out: `places`, that crosswalk and the run's own as one. Where both know a record,
or claim one target id, the run's own word counts, but a record keeps the origin it had: what an earlier run created
is not somebody else's because a later one changed it. A record that is gone from the target is kept, and known as gone.
"""

import sqlite3
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

import polars as pl

from crmbook import tables
from crmbook.phases.delta_written import Result

STANDING: Final = dict(tables.CROSSWALK.columns) | {"is_there": pl.Boolean()}
INHERITED: Final = """
CREATE TABLE IF NOT EXISTS inherited(
  entity TEXT NOT NULL, source_id TEXT NOT NULL, target_id INTEGER NOT NULL, origin TEXT NOT NULL,
  is_there INTEGER NOT NULL, PRIMARY KEY (entity, source_id));
CREATE INDEX IF NOT EXISTS inherited_targets ON inherited(entity, target_id);
CREATE VIEW IF NOT EXISTS places AS
  SELECT c.entity, c.source_id, c.target_id, coalesce(i.origin, c.origin) AS origin FROM crosswalk c
  LEFT JOIN inherited i ON i.entity = c.entity AND i.source_id = c.source_id AND i.target_id = c.target_id
  UNION ALL
  SELECT entity, source_id, target_id, origin FROM inherited i WHERE is_there AND NOT EXISTS (
    SELECT 1 FROM crosswalk c WHERE c.entity = i.entity AND (c.source_id = i.source_id OR c.target_id = i.target_id));
"""
_GONE: Final = (
    "SELECT entity, source_id, target_id, origin, 0 FROM inherited i WHERE NOT is_there"
    " AND NOT EXISTS (SELECT 1 FROM crosswalk c WHERE c.entity = i.entity AND c.source_id = i.source_id)"
)


class Inheriting:
    """What a ledger knows from runs before; mixed into `Ledger`."""

    _db: sqlite3.Connection

    if TYPE_CHECKING:

        def _told(self) -> AbstractContextManager[None]: ...
        def _change(self, sync: str = "NORMAL") -> AbstractContextManager[sqlite3.Connection]: ...

    def inherit(self, standing: pl.DataFrame) -> None:
        """*standing* (CROSSWALK with `is_there`) in place of what was taken over before."""
        with self._change() as db:
            db.execute("DELETE FROM inherited")
            db.executemany(
                "INSERT INTO inherited VALUES (?, ?, ?, ?, ?)", standing.select(list(STANDING)).rows()
            )

    def standing(self) -> pl.DataFrame:
        """CROSSWALK of this run and those before, with `is_there`: false for what a person deleted."""
        with self._told():
            rows = self._db.execute(f"SELECT *, 1 FROM places UNION ALL {_GONE}").fetchall()  # noqa: S608  constant
        return pl.DataFrame(rows, schema=dict.fromkeys(STANDING), orient="row").cast(STANDING)  # type: ignore[arg-type]

    def results(self) -> dict[str, Result]:
        """By op id what became of the writes that ended, in the order they were planned."""
        query = "SELECT op_id, entity, target_id, state, after FROM writes WHERE state IN ('done', 'rejected') ORDER BY seq"
        with self._told():
            return {op_id: Result(*rest) for op_id, *rest in self._db.execute(query)}
