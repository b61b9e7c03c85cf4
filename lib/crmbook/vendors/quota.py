"""How soon may the next request to a host leave? One budget per host, shared by processes and restarts.

Every request is a row in SQLite (or memory). Nobody knows when the vendor counted it, only that it was between leaving
and being answered: a row counts as of its answer, and until then as under way. The fastest of many answers took little
more than the way there and back, and the next request has its own way before it: most of that is taken off the answer.
So a window of the vendor's, however it is laid, holds more than its limit only if an answer comes faster than all before
it, and nothing is paced below that: 1000 an hour may go in the first minute.
What the vendor says wins: a 429 or an exhausted x-ratelimit-remaining closes the budget until the time it names, else
for 1, 2, 4 … 60 seconds; each 429 halves the windows up to a minute, which successes widen again, and a burst that was
refused without a published minute becomes the minute's limit for an hour.
The clock is the wall's, since processes share it; rows and closures from its future are moved to now.
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from crmbook.errors import ConfigError, RateLimited
from crmbook.vendors.quota_headers import reset_s, retry_after_s

WINDOWS_S: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_FLIGHT_S: Final = 15.0  # a request has arrived by then, or never will
_ENOUGH: Final = 20  # answers, among which one took no longer than the way; the first ones open connections
_SURE: Final = 0.8  # of the fastest answer: the next one may be faster still
_SLICE_S: Final = 15.0
_LONGEST_BACKOFF_S: Final = 60.0
_LONGEST_CLOSURE_S: Final = 24 * 3600.0
_NARROWEST: Final = 0.1
_WIDENING: Final = 0.02
_WORTH_LEARNING: Final = (
    60  # fewer requests in a minute: somebody else spent it, and their pace is no limit of ours
)
_LONGER_THAN_A_MINUTE: Final = 7  # refusals in a row, with the pauses between them

OnWait = Callable[[float, str], None]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls(host TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS calls_by_time ON calls(host, at);
CREATE TABLE IF NOT EXISTS hosts(host TEXT PRIMARY KEY, closed_at REAL NOT NULL DEFAULT 0,
    closed_until REAL NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0, width REAL NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS learned(host TEXT PRIMARY KEY, minute INTEGER NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS refused(host TEXT PRIMARY KEY, answers INTEGER NOT NULL, told INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Leave:
    """The right to send one request: the seconds waited for it, and the `call` to report its answer with."""

    waited_s: float
    call: int


@dataclass(frozen=True)
class Refusals:
    """The 429s a host ever answered, and how many of them named a time in Retry-After."""

    answers: int
    told: int


class Quota:
    """
    The budget of one *host* under *limits* (`{"second": n, "minute": n, "hour": n}`, any subset).

    Safe to use from threads; processes share it through the file at *path*. *clock* gives seconds since
    the epoch, *sleep* waits; both are for tests.

    Raises (from every method):
        ConfigError: the file is damaged or can't be written.
    """

    def __init__(
        self,
        path: Path | None,
        host: str,
        limits: Mapping[str, int] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host, self._path = host, path
        self.limits = dict(limits or {})
        wrong = [name for name, n in self.limits.items() if name not in WINDOWS_S or n < 1]
        if wrong:
            raise ConfigError(
                f"quota of {host}: {', '.join(wrong)}: expected 1 or more a {'/'.join(WINDOWS_S)}"
            )
        self._clock, self._sleep = clock, sleep
        self._lock = threading.RLock()
        self._left: dict[int, float] = {}
        self._answers, self._fastest_s = 0, _FLIGHT_S
        try:
            if path:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(
                str(path) if path else ":memory:", timeout=30, isolation_level=None, check_same_thread=False
            )
            self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_SCHEMA}")
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        self._db.close()

    def acquire(self, max_wait_s: float | None = None, *, on_wait: OnWait | None = None) -> Leave:
        """
        The right to send one request now, after the wait it took; that request is counted.

        Raises:
            RateLimited: it would take longer than *max_wait_s* in all (None: any time); nothing is counted.
        """
        waited_s = 0.0
        while True:
            call, wait_s, reason = self._try()
            if call is not None:
                return Leave(waited_s, call)
            if max_wait_s is not None and waited_s + wait_s > max_wait_s:
                raise self._spent(wait_s, reason)
            if on_wait is not None:
                on_wait(wait_s, reason)
            # Slices, because another process may meanwhile learn that the vendor closed, or opened, earlier.
            nap_s = min(wait_s, _SLICE_S)
            self._sleep(nap_s)
            waited_s += nap_s

    def answered(self, call: int) -> None:
        """The request is over, without an answer that says anything."""
        with self._transaction() as now:
            self._landed(call, now)

    def observe(self, status: int, headers: Mapping[str, str], call: int | None = None) -> None:
        """
        What the answer to *call* says about the budget: 429 closes it, other answers below 500 reopen it step by step.
        """
        seen = {name.lower(): value for name, value in headers.items()}
        with self._transaction() as now:
            if call is not None:
                self._landed(call, now)
            closed_at, until, refusals, width = self._state(now)
            asked_s, empty_s = retry_after_s(seen.get("retry-after"), now), reset_s(seen, now)
            if status == 429:
                self._count_refusal(told=asked_s is not None)
                wait_s = asked_s or empty_s
                # Answers to requests that were under way at the same refusal are one refusal, not many.
                if now >= until:
                    self._learn(now, refusals, wait_s)
                    refusals, width = refusals + 1, max(_NARROWEST, width / 2)
                if not wait_s:
                    wait_s = min(2.0 ** max(refusals - 1, 0), _LONGEST_BACKOFF_S) + random.uniform(0, 0.25)
                closed_at, until = now, max(until, now + min(wait_s, _LONGEST_CLOSURE_S))
            elif status >= 500:
                closed_at, until = now, max(until, now + min(asked_s or 0.0, _LONGEST_CLOSURE_S))
            else:
                refusals, width = 0, min(1.0, width + _WIDENING)
                if empty_s and "x-ratelimit-remaining" in seen:
                    closed_at, until = now, max(until, now + min(empty_s, _LONGEST_CLOSURE_S))
            self._db.execute(
                "INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?)",
                (self.host, closed_at, until, refusals, width),
            )

    def left(self) -> dict[str, int]:
        """Requests each window still lets out now."""
        with self._transaction() as now:
            return {
                name: max(0, limit - self._counted_since(now - WINDOWS_S[name]))
                for name, limit in self.limits.items()
            }

    def refusals(self) -> Refusals:
        """What this machine ever saw of the host's 429s."""
        with self._transaction():
            row = self._db.execute("SELECT answers, told FROM refused WHERE host=?", (self.host,)).fetchone()
            return Refusals(*(row or (0, 0)))

    def _try(self) -> tuple[int | None, float, str]:
        with self._transaction() as now:
            _, until, _, width = self._state(now)
            wait_s, reason = until - now, f"{self.host} asks for a pause"
            for name, limit in self._limits(now).items():
                span_s = WINDOWS_S[name]
                allowed = max(1, int(limit * width)) if span_s <= WINDOWS_S["minute"] else limit
                nth = self._db.execute(
                    "SELECT at FROM calls WHERE host=? ORDER BY at DESC LIMIT 1 OFFSET ?",
                    (self.host, allowed - 1),
                ).fetchone()
                if nth and nth[0] + span_s - now > max(wait_s, 0):
                    wait_s, reason = nth[0] + span_s - now, f"the {name}'s {allowed} requests are spent"
            if wait_s > 0:
                return None, wait_s, reason
            made = self._db.execute("INSERT INTO calls(host, at) VALUES (?, ?)", (self.host, now + _FLIGHT_S))
            self._left[int(made.lastrowid or 0)] = now
            return made.lastrowid, 0.0, ""

    def _landed(self, call: int, now: float) -> None:
        left = self._left.pop(call, None)
        if left is not None:
            self._answers, self._fastest_s = self._answers + 1, max(0.0, min(self._fastest_s, now - left))
        way_s = _SURE * self._fastest_s if self._answers > _ENOUGH else 0.0
        self._db.execute("UPDATE calls SET at=min(at, ?) WHERE rowid=?", (now - way_s, call))

    def _limits(self, now: float) -> dict[str, int]:
        row = self._db.execute(
            "SELECT minute FROM learned WHERE host=? AND at>?", (self.host, now - WINDOWS_S["hour"])
        ).fetchone()
        if row is None:
            return self.limits
        return self.limits | {"minute": min(row[0], self.limits.get("minute", row[0]))}

    def _learn(self, now: float, refusals: int, wait_s: float | None) -> None:
        """
        The minute's limit nobody published: what was let through in the minute before the first refusal.

        Not where the vendor names a longer time, and not for longer than such a refusal can last.
        """
        if refusals >= _LONGER_THAN_A_MINUTE or (wait_s or 0) > WINDOWS_S["minute"]:
            self._db.execute("DELETE FROM learned WHERE host=?", (self.host,))
        elif refusals == 0:
            lately = self._counted_since(now - WINDOWS_S["minute"])
            known = self._limits(now).get("minute", lately)
            if lately >= _WORTH_LEARNING and lately <= known:
                self._db.execute("INSERT OR REPLACE INTO learned VALUES (?, ?, ?)", (self.host, lately, now))

    def _count_refusal(self, *, told: bool) -> None:
        self._db.execute(
            "INSERT INTO refused VALUES (?, 1, ?) ON CONFLICT(host)"
            " DO UPDATE SET answers=answers+1, told=told+excluded.told",
            (self.host, int(told)),
        )

    def _state(self, now: float) -> tuple[float, float, int, float]:
        row = self._db.execute(
            "SELECT closed_at, closed_until, refusals, width FROM hosts WHERE host=?", (self.host,)
        ).fetchone()
        closed_at, until, refusals, width = row or (0.0, 0.0, 0, 1.0)
        if closed_at > now:
            until = now + (until - closed_at)
            closed_at = now
            self._db.execute(
                "UPDATE hosts SET closed_at=?, closed_until=? WHERE host=?", (closed_at, until, self.host)
            )
        return closed_at, until, refusals, width

    def _counted_since(self, moment: float) -> int:
        row = self._db.execute("SELECT count(*) FROM calls WHERE host=? AND at>?", (self.host, moment))
        return int(row.fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[float]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                now = self._clock()
                hour_ago, ahead = now - WINDOWS_S["hour"], now + _FLIGHT_S
                self._db.execute("DELETE FROM calls WHERE host=? AND at<=?", (self.host, hour_ago))
                self._db.execute("UPDATE calls SET at=? WHERE host=? AND at>?", (now, self.host, ahead))
                yield now
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._broken(error) from error
                raise

    def _broken(self, error: Exception) -> ConfigError:
        text = str(error)
        what = "free some space" if "full" in text or "I/O" in text else "make it writable or delete it"
        return ConfigError(f"quota file {self._path}: {text}; {what} and run again")

    def _spent(self, wait_s: float, reason: str) -> RateLimited:
        moment = datetime.fromtimestamp(self._clock() + wait_s, UTC)
        detail = f"{reason}; free again at {moment:%Y-%m-%d %H:%M:%S} UTC, run again then to resume"
        return RateLimited("quota", self.host, retry_after_s=wait_s, detail=detail)
