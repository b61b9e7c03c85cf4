"""What has been read of each contact so far: survives a kill and the phase folder being moved aside.

One SQLite file beside the tables, for one source host. A reading is everything one contact (or conversation)
has of one kind, kept whole or not at all, with the mark of the record it was read for; a record that changed
since has another mark and is read again. A phase that passed starts anew; one that did not goes on.
Invariant: one process at a time has the file, and its owner alone may read it.
"""

import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Self

from crmbook.errors import UsageError
from crmbook.runs import Run

NAME: Final = ".history.db"
_BATCH: Final = 20_000
_LAYOUT: Final = "1"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS readings(kind TEXT NOT NULL, owner TEXT NOT NULL, mark TEXT NOT NULL,
    reported INTEGER, PRIMARY KEY(kind, owner)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records(kind TEXT NOT NULL, owner TEXT NOT NULL, position INTEGER NOT NULL,
    source_id TEXT NOT NULL, raw TEXT NOT NULL, PRIMARY KEY(kind, owner, position)) WITHOUT ROWID;
CREATE TEMP TABLE wanted(owner TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Reading:
    """The records of one owner as (source id, raw), in the vendor's order; `reported` is its count."""

    records: list[tuple[str, str]]
    reported: int | None
    ended_by_404: bool = False

    @property
    def is_whole(self) -> bool:
        return self.reported is None or self.reported == len(self.records)


class Counts(NamedTuple):
    """Sums over the owners asked about; `reported` is null where the vendor told no number for any of them."""

    reported: int | None
    fetched: int
    distinct: int


class Store:
    """
    The file at *path*, of *host*: as it was left, or empty where it is another host's or unreadable.

    Raises:
        UsageError: another process still has it after *patience_s* seconds.
    """

    def __init__(self, path: Path, host: str, *, patience_s: float = 5.0) -> None:
        self.path = path
        try:
            self._db = _opened(path, patience_s)
            if self._meta() != {"host": host, "layout": _LAYOUT}:
                self._db.close()
                _remove(path)
                self._db = _opened(path, patience_s)
                with self._transaction():
                    meta = [("host", host), ("layout", _LAYOUT)]
                    self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta)
        except sqlite3.OperationalError as error:
            raise UsageError(f"{path.name}: {_why(error)}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def marks(self, kind: str) -> dict[str, str]:
        """Owner to mark of every reading that is whole; one that is not is read again."""
        rows = self._db.execute("SELECT owner, mark FROM readings WHERE kind=? AND mark<>''", (kind,))
        return dict(rows.fetchall())

    def keep(self, kind: str, owner: str, mark: str, reading: Reading) -> None:
        """*reading* in place of what was kept of *owner*; on disk when this returns."""
        rows = [(kind, owner, n, source_id, _utf8(raw)) for n, (source_id, raw) in enumerate(reading.records)]
        self.drop(kind, owner)
        with self._transaction():
            self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute(
                "INSERT INTO readings VALUES (?, ?, ?, ?)",
                (kind, owner, mark if reading.is_whole else "", reading.reported),
            )

    def drop(self, kind: str, owner: str) -> None:
        """Nothing is kept of *owner* any more."""
        with self._transaction():
            self._db.execute("DELETE FROM records WHERE kind=? AND owner=?", (kind, owner))
            self._db.execute("DELETE FROM readings WHERE kind=? AND owner=?", (kind, owner))

    def records(self, kind: str, owners: Collection[str]) -> Iterator[list[tuple[str, str, str]]]:
        """What is kept of *owners* as (owner, source id, raw), in batches, always in the same order."""
        if self._is_blank(kind):
            return
        self._want(owners)
        rows = self._db.execute(
            "SELECT owner, source_id, raw FROM records JOIN wanted USING (owner) WHERE kind=?"
            " ORDER BY owner, position",
            (kind,),
        )
        while batch := rows.fetchmany(_BATCH):
            yield batch

    def counts(self, kind: str, owners: Collection[str]) -> Counts:
        if self._is_blank(kind):
            return Counts(None, 0, 0)
        self._want(owners)
        reported = self._db.execute(
            "SELECT sum(reported) FROM readings JOIN wanted USING (owner) WHERE kind=?", (kind,)
        ).fetchone()[0]
        fetched, distinct = self._db.execute(
            "SELECT count(*), count(DISTINCT source_id) FROM records JOIN wanted USING (owner) WHERE kind=?",
            (kind,),
        ).fetchone()
        return Counts(reported, fetched, distinct)

    def _is_blank(self, kind: str) -> bool:
        """Whether nobody was read; millions of owners need not be listed to tell that."""
        return self._db.execute("SELECT 1 FROM readings WHERE kind=? LIMIT 1", (kind,)).fetchone() is None

    def _want(self, owners: Collection[str]) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM wanted")
            self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((owner,) for owner in owners))

    def _meta(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT name, value FROM meta").fetchall())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def mark(*texts: str) -> str:
    """A short sign of what a record says; records that differ have different ones."""
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def opened(run: Run, host: str, *, base: Path | None = None) -> Store:
    """
    The readings of the open 01_discovery: those of the attempt before where it did not pass, else a copy of those
    at *base*, which an earlier run left, else none.

    Raises:
        UsageError: another process has the file.
    """
    path = run.phase_folder / "data" / NAME
    found = _before(run)
    if found is not None and found != path:
        # Opening it first finishes or undoes what a killed process left half-written beside it.
        with Store(found, host):
            pass
        found.rename(path)
        run.log("history read by the attempt before is taken over", folder=found.parent.parent.name)
    elif found is None:
        _remove(path)
        if base is not None:
            path.touch(mode=0o600)
            shutil.copyfile(base, path)
            run.log("history read by an earlier run is taken over", run=base.parents[2].name)
    return Store(path, host)


def _before(run: Run) -> Path | None:
    """The file to go on with, looked for in this phase's folder and, newest first, in those set aside."""
    created = datetime.fromisoformat(run.record.get()["created_at"]).astimezone(UTC).timestamp()
    aside = [
        (int(found[1]), folder)
        for folder in run.folder.glob(f"{run.phase}~*")
        if (found := re.fullmatch(r".*~(\d+)", folder.name))
    ]
    for folder in [run.phase_folder, *(folder for _, folder in sorted(aside, reverse=True))]:
        path, summary = folder / "data" / NAME, folder / "summary.json"
        if path.exists():
            written = path.stat().st_mtime
            has_passed = summary.exists() and summary.stat().st_mtime >= written
            return None if has_passed or written < created else path
        if summary.exists():
            return None
    return None


def _opened(path: Path, patience_s: float) -> sqlite3.Connection:
    """The file with its tables, empty where it is no database that can be read."""
    try:
        return _connected(path, patience_s)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        _remove(path)
        return _connected(path, patience_s)


def _connected(path: Path, patience_s: float) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=patience_s, isolation_level=None)
    try:
        # A killed process loses nothing by it; after a power cut an unreadable file only means reading again.
        db.executescript(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY; BEGIN EXCLUSIVE; COMMIT;"
        )
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def _why(error: sqlite3.OperationalError) -> str:
    if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
        return "another process reads this run's history; wait until it ends"
    return f"cannot be written ({error}); check the disk and run again"


def _utf8(raw: str) -> str:
    # Half of a surrogate pair is legal in JSON and not in UTF-8.
    return re.sub("[\ud800-\udfff]", "\ufffd", raw)
