"""What was written to a target, and what was about to be: SQLite, one file per run.

Before a write leaves, its intent is on disk; after it, its outcome. Whatever kills the process in between
leaves an intent without an outcome, which `pending` names and the next start settles by looking the record
up. The crosswalk (source id to target id) is one-to-one both ways by the file's own constraints.
Invariant: a write that is done or rejected is never open again; a refused change leaves the file as it was.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from crmbook import ledger_check
from crmbook.errors import DataError, UsageError, masked
from crmbook.ledger_frames import ANEW, Framing
from crmbook.ledger_inherited import INHERITED, Inheriting

Origin = Literal["created", "matched"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS writes(
  op_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, entity TEXT NOT NULL, action TEXT NOT NULL,
  source_id TEXT NOT NULL, target_id INTEGER, method TEXT NOT NULL, route TEXT NOT NULL,
  payload_sha256 TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('intent', 'done', 'rejected', 'unclear')),
  before TEXT, after TEXT, error TEXT, attempts INTEGER NOT NULL, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS open_writes ON writes(seq) WHERE state IN ('intent', 'unclear');
CREATE TABLE IF NOT EXISTS crosswalk(
  entity TEXT NOT NULL, source_id TEXT NOT NULL, target_id INTEGER NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('created', 'matched')),
  PRIMARY KEY (entity, source_id), UNIQUE (entity, target_id));
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refusals(op_id TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls(entity TEXT PRIMARY KEY, used INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Intent:
    """A write about to leave; `before` is the record as it stood, where one is changed."""

    op_id: str
    seq: int
    entity: str
    action: str
    source_id: str
    method: str
    route: str
    payload_sha256: str
    target_id: int | None = None
    before: str | None = None


@dataclass(frozen=True)
class Outcome:
    """
    A write that happened; `after` is the image of what it left, `origin` is set where it tells the target id
    of a source record.
    """

    op_id: str
    target_id: int
    after: str
    origin: Origin | None = None
    note: str | None = None


@dataclass(frozen=True)
class Write:
    """One row of the ledger as far as resuming needs it."""

    op_id: str
    state: str
    target_id: int | None
    before: str | None
    attempts: int
    error: str | None


class Ledger(Inheriting, Framing):
    """
    The ledger of one run, opened for as long as the `with` lasts.

    Raises (from every method):
        DataError: the file is damaged, can't be written, or the disk is full; what was committed stays.
        UsageError: another process is writing it, or it belongs to another plan or target.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        with self._told():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            fault = ledger_check.lost(self._db)
            self._db.execute("PRAGMA journal_mode=WAL")
            # all or none: a creation that a full disk cut short must not look like a ledger that lost a table
            self._db.executescript(f"BEGIN; {_SCHEMA} {INHERITED} COMMIT")
            if fault := fault or ledger_check.fault(self._db, f"{_SCHEMA} {INHERITED}"):
                self._db.close()
                raise DataError(f"{self.path.name}: {fault}; {ANEW}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Sole right to write to the target through this ledger; it ends with the process, however that dies."""
        with self._told():
            lock = self.path.with_name(f"{self.path.name}.lock")
            held = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        with held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"{self.path.name}: another process is loading this run; wait until it ends"
                ) from None
            yield

    def bind(self, **facts: str) -> None:
        """
        The facts (plan hash, target host) this ledger belongs to for good.

        Raises:
            UsageError: it was started with others; names the key, not the values.
        """
        with self._change() as db:
            for key, value in facts.items():
                db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
                if self._meta(key) != value:
                    raise UsageError(
                        f"{self.path.name}: was started with another {key.replace('_', ' ')};"
                        " a run keeps what it began with, start a new run instead"
                    )

    def meta(self, key: str) -> str | None:
        with self._told():
            return self._meta(key)

    def intend(self, intents: Iterable[Intent]) -> None:
        """On disk before the writes leave; a repeated intent counts an attempt and keeps the first `before`."""
        with self._change(sync="FULL") as db:
            db.executemany(
                "INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'intent', ?, NULL, NULL, 1, ?)"
                " ON CONFLICT(op_id) DO UPDATE SET attempts = attempts + 1, state = 'intent', at = excluded.at"
                " WHERE state IN ('intent', 'unclear')",
                [
                    (
                        i.op_id, i.seq, i.entity, i.action, i.source_id, i.target_id, i.method, i.route,
                        i.payload_sha256, i.before, _now(),
                    )
                    for i in intents
                ],
            )  # fmt: skip

    def done(self, outcomes: Iterable[Outcome]) -> None:
        """The writes happened; with an origin, the crosswalk gains the record in the same transaction."""
        with self._change() as db:
            for outcome in outcomes:
                self._close(
                    db, outcome.op_id, "done",
                    target_id=outcome.target_id, after=outcome.after, error=outcome.note,
                )  # fmt: skip
                if outcome.origin:
                    db.execute(
                        "INSERT INTO crosswalk SELECT entity, source_id, ?, ? FROM writes WHERE op_id = ?",
                        (outcome.target_id, outcome.origin, outcome.op_id),
                    )

    def reject(self, op_id: str, messages: Sequence[str]) -> None:
        """The vendor refuses it for good; *messages* are its own sentences."""
        with self._change() as db:
            self._close(db, op_id, "rejected", error=json.dumps(list(messages), ensure_ascii=False))

    def skip(self, intent: Intent, why: str) -> None:
        """Never sent, because what it depends on is not there; recorded as rejected in one step."""
        self.intend([intent])
        self.reject(intent.op_id, [why])

    def unclear(self, op_ids: Iterable[str], error: str) -> None:
        """It left, and nobody knows whether it arrived; *error* is the one line of what happened."""
        with self._change() as db:
            for op_id in op_ids:
                self._close(db, op_id, "unclear", error=error)

    def reopen(self, op_ids: Iterable[str]) -> set[str]:
        """The refused ones of *op_ids*, open again; what was said about them stands in `refusals`."""
        chosen = "state = 'rejected' AND op_id IN (SELECT value FROM json_each(?))"
        statements = (
            f"INSERT INTO refusals SELECT op_id, attempts, error, at FROM writes WHERE {chosen}",  # noqa: S608  constant
            f"UPDATE writes SET state = 'unclear', error = NULL WHERE {chosen} RETURNING op_id",  # noqa: S608  constant
        )
        wanted = (json.dumps(list(op_ids)),)
        with self._change(sync="FULL") as db:
            _, again = [db.execute(statement, wanted).fetchall() for statement in statements]
        return {op_id for (op_id,) in again}

    def spend(self, entity: str, calls: int) -> None:
        """*calls* more were made for *entity*; the count goes on over all starts."""
        with self._change() as db:
            db.execute(
                "INSERT INTO calls VALUES (?, ?) ON CONFLICT(entity) DO UPDATE SET used = used + excluded.used",
                (entity, calls),
            )

    def spent(self) -> dict[str, int]:
        """Calls made so far by entity."""
        with self._told():
            return dict(self._db.execute("SELECT entity, used FROM calls"))

    def pending(self) -> list[Write]:
        """Writes whose outcome nobody knows, in order."""
        query = (
            "SELECT op_id, state, target_id, before, attempts, error FROM writes"
            " WHERE state IN ('intent', 'unclear') ORDER BY seq"
        )
        with self._told():
            return [Write(*row) for row in self._db.execute(query)]

    def under_way_until(self, late_s: float) -> float:
        """
        The moment (seconds since the epoch) until when a write of an earlier start may still be worked on.

        Those are the intents without any answer; each was sent at most *late_s* before that moment.
        """
        query = "SELECT max(at) FROM writes WHERE state = 'intent'"
        with self._told():
            (last,) = self._db.execute(query).fetchone()
        try:
            # An intent from the future of a clock that was put back was sent by now.
            sent = min(datetime.fromisoformat(last), datetime.now(UTC)).timestamp() if last else -late_s
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"{self.path.name}: changed by hand: an intent has no time; {ANEW}") from None
        return sent + late_s

    def target_ids(self) -> dict[str, int]:
        """`<entity>:<source_id>` to target id; in a delta run also of what earlier runs wrote."""
        with self._told():
            rows = self._db.execute("SELECT entity, source_id, target_id FROM places")
            return {f"{entity}:{source_id}": target_id for entity, source_id, target_id in rows}

    def checkpoint(self) -> None:
        """Everything said stands in the one file, for whoever hashes or copies it."""
        with self._told():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def state_hash(self) -> str:
        """Equal for two ledgers that tell the same story, whatever its dates, attempts and target ids."""
        digest = hashlib.sha256()
        with self._told():
            for query in (
                "SELECT op_id, seq, entity, action, source_id, payload_sha256, state FROM writes ORDER BY op_id",
                "SELECT entity, source_id, origin FROM crosswalk ORDER BY 1, 2",
            ):
                for row in self._db.execute(query):
                    digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    def _close(self, db: sqlite3.Connection, op_id: str, state: str, **columns: Any) -> None:
        settable = ", ".join(f"{name} = coalesce(?, {name})" for name in columns)
        changed = db.execute(
            f"UPDATE writes SET state = ?, at = ?, {settable} WHERE op_id = ? AND state IN ('intent', 'unclear')",  # noqa: S608  names are ours
            (state, _now(), *columns.values(), op_id),
        )
        if changed.rowcount != 1:
            raise DataError(
                f"{self.path.name}: {op_id} has no open intent to become {state}; keep the file and report it"
            )

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    @contextmanager
    def _change(self, sync: str = "NORMAL") -> Iterator[sqlite3.Connection]:
        # An intent lost with the machine's power would be a duplicate after it; a lost outcome is looked up.
        with self._told():
            self._db.execute(f"PRAGMA synchronous={sync}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as problem:
            raise DataError(
                f"{self.path.name}: {problem}; two records would share one id, nothing was recorded"
            ) from None
        except sqlite3.OperationalError as problem:
            # Where a text can't be read the message quotes it.
            text = masked(str(problem))
            if text.startswith(("no such", "Could not decode")):
                raise DataError(f"{self.path.name}: changed by hand: {text}; {ANEW}") from None
            if "locked" in text:
                raise UsageError(
                    f"{self.path.name}: another process is writing it; wait until it ends"
                ) from None
            what = "free some space" if "full" in text or "I/O" in text else "make it writable"
            raise DataError(f"{self.path.name}: {text}; {what} and run again, it resumes") from None
        except sqlite3.DatabaseError as problem:
            raise DataError(f"{self.path.name}: {problem}; {ANEW}") from None
        except OSError as problem:
            raise DataError(f"{self.path.name}: {problem.strerror}; make it writable and run again") from None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
