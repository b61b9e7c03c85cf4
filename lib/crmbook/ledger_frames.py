"""What a ledger tells of many writes at once, as frames.

A large load's rows have no room as Python objects all at once: they are read some at a time.
"""

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from crmbook import tables
from crmbook.errors import DataError

ANEW: Final = "restore a backup, or make it anew with --rebuild-ledger"
_AT_ONCE: Final = 100_000


class Framing:
    """The frames of a ledger; mixed into `Ledger`."""

    path: Path
    _db: sqlite3.Connection

    if TYPE_CHECKING:

        def _told(self) -> AbstractContextManager[None]: ...

    def finished(self) -> pl.Series:
        """The op ids that are done or rejected."""
        query = "SELECT op_id FROM writes WHERE state IN ('done', 'rejected')"
        return self._frame(query, {"op_id": pl.String}).to_series()

    def crosswalk(self) -> pl.DataFrame:
        """CROSSWALK; in a delta run united with that of the runs before."""
        return tables.conform(self._frame("SELECT * FROM places", tables.CROSSWALK.columns), tables.CROSSWALK)

    def own(self) -> pl.DataFrame:
        """CROSSWALK of the records this run itself wrote, with the origin it found: what was there counts as matched."""
        return tables.conform(
            self._frame("SELECT * FROM crosswalk", tables.CROSSWALK.columns), tables.CROSSWALK
        )

    def created(self) -> pl.DataFrame:
        """CROSSWALK of what this run itself made."""
        query = (
            "SELECT c.* FROM crosswalk c LEFT JOIN inherited i ON i.entity = c.entity AND i.target_id = c.target_id"
            " WHERE c.origin = 'created' AND i.target_id IS NULL"
        )
        return self._frame(query, tables.CROSSWALK.columns)

    def outcomes(self) -> pl.DataFrame:
        """OUTCOMES of the load's writes that left; those still planned are the plan's, reassignments are nobody's plan."""
        counts = (
            "SELECT entity, action, CASE WHEN state IN ('intent', 'unclear') THEN 'pending' ELSE state END,"
            " count(*) FROM writes WHERE action <> 'owner' GROUP BY 1, 2, 3"
        )
        return tables.conform(self._frame(counts, tables.OUTCOMES.columns), tables.OUTCOMES)

    def owners_given(self) -> pl.DataFrame:
        """entity, source_id, owner_id of the records that a reassignment gave to a user."""
        query = "SELECT entity, source_id, op_id FROM writes WHERE action = 'owner' AND state = 'done' ORDER BY seq"
        frame = self._frame(query, dict.fromkeys(("entity", "source_id", "op_id"), pl.String))
        return frame.select(
            "entity", "source_id", owner_id=pl.col("op_id").str.split(":").list.last().cast(pl.Int64)
        )

    def rejected(self) -> pl.DataFrame:
        """op_id, entity, action, source_id and the vendor's sentences (`messages`, which may quote values)."""
        columns = ("op_id", "entity", "action", "source_id", "error")
        query = f"SELECT {', '.join(columns)} FROM writes WHERE state = 'rejected' ORDER BY seq"  # noqa: S608  constant
        frame = self._frame(query, dict.fromkeys(columns, pl.String))
        try:
            return frame.with_columns(messages=pl.col("error").str.json_decode(tables.TEXTS)).drop("error")
        except pl.exceptions.ComputeError:
            raise DataError(
                f"{self.path.name}: changed by hand: a refusal is no list of sentences; {ANEW}"
            ) from None

    def _frame(self, query: str, columns: dict[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
        parts = [pl.DataFrame(schema=columns)]
        with self._told():
            told = self._db.execute(query)
            while rows := told.fetchmany(_AT_ONCE):
                parts.append(pl.DataFrame(rows, schema=columns, orient="row"))
        return pl.concat(parts)
