"""How soon may the next request to a host leave? One budget per host, shared by processes and restarts.

Every request is a row in SQLite (or memory); a window of n a second, minute or hour is free while fewer than
n rows lie in it. Nothing is paced below the windows: 1000 an hour may go in the first minute. What the
vendor says wins: a 429 or an exhausted x-ratelimit-remaining closes the budget until the time it names,
else for 1, 2, 4 … 60 seconds; each 429 also halves the windows up to a minute, which successes widen again.
The clock is the wall's, since processes share it; rows and closures from its future are moved to now.
The unit of x-ratelimit-reset is not documented: large numbers are taken as a moment, small ones as seconds.
"""

import email.utils
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from crmbook.errors import ConfigError, RateLimited

WINDOWS_S: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_SLICE_S: Final = 15.0
_LONGEST_BACKOFF_S: Final = 60.0
_LONGEST_CLOSURE_S: Final = 24 * 3600.0
_NARROWEST: Final = 0.1
_WIDENING: Final = 0.02
_EPOCH_S, _EPOCH_MS = 1e9, 1e12

OnWait = Callable[[float, str], None]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls(host TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS calls_by_time ON calls(host, at);
CREATE TABLE IF NOT EXISTS hosts(host TEXT PRIMARY KEY, closed_at REAL NOT NULL DEFAULT 0,
    closed_until REAL NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0, width REAL NOT NULL DEFAULT 1);
"""


class Quota:
    """
    The budget of one *host* under *limits* (`{"second": n, "minute": n, "hour": n}`, any subset).

    Safe to use from threads; processes share it through the file at *path*. *clock* gives seconds since
    the epoch, *sleep* waits; both are for tests.
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
        self.host = host
        self.limits = dict(limits or {})
        wrong = [name for name, n in self.limits.items() if name not in WINDOWS_S or n < 1]
        if wrong:
            raise ConfigError(
                f"quota of {host}: {', '.join(wrong)}: expected 1 or more a {'/'.join(WINDOWS_S)}"
            )
        self._clock, self._sleep = clock, sleep
        self._lock = threading.RLock()
        try:
            if path:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(
                str(path) if path else ":memory:", timeout=30, isolation_level=None, check_same_thread=False
            )
            self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_SCHEMA}")
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"quota file {path}: {error}; delete it and run again") from error

    def close(self) -> None:
        self._db.close()

    def acquire(self, max_wait_s: float | None = None, *, on_wait: OnWait | None = None) -> float:
        """
        The seconds waited until a request may leave; that request is counted.

        Raises:
            RateLimited: it would take longer than *max_wait_s* in all (None: any time); nothing is counted.
        """
        waited_s = 0.0
        while True:
            wait_s, reason = self._try()
            if wait_s <= 0:
                return waited_s
            if max_wait_s is not None and waited_s + wait_s > max_wait_s:
                raise self._spent(wait_s, reason)
            if on_wait is not None:
                on_wait(wait_s, reason)
            # Slices, because another process may meanwhile learn that the vendor closed, or opened, earlier.
            nap_s = min(wait_s, _SLICE_S)
            self._sleep(nap_s)
            waited_s += nap_s

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """What an answer says about the budget: 429 closes it, other answers below 500 reopen it step by step."""
        seen = {name.lower(): value for name, value in headers.items()}
        with self._transaction() as now:
            closed_at, until, refusals, width = self._state(now)
            # With requests remaining, another limit than the one the reset belongs to was hit.
            is_empty = seen.get("x-ratelimit-remaining", "0").strip() == "0"
            reset_s = _reset_s(seen.get("x-ratelimit-reset"), now) if is_empty else None
            if status == 429:
                wait_s = retry_after_s(seen.get("retry-after"), now) or reset_s
                if not wait_s:
                    wait_s = min(2.0**refusals, _LONGEST_BACKOFF_S) + random.uniform(0, 0.25)
                # Answers to requests that were under way at the same refusal are one refusal, not many.
                if now >= until:
                    refusals, width = refusals + 1, max(_NARROWEST, width / 2)
                closed_at, until = now, max(until, now + min(wait_s, _LONGEST_CLOSURE_S))
            elif status >= 500:
                pause_s = retry_after_s(seen.get("retry-after"), now) or 0.0
                closed_at, until = now, max(until, now + min(pause_s, _LONGEST_CLOSURE_S))
            else:
                refusals, width = 0, min(1.0, width + _WIDENING)
                if reset_s and "x-ratelimit-remaining" in seen:
                    closed_at, until = now, max(until, now + min(reset_s, _LONGEST_CLOSURE_S))
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

    def _try(self) -> tuple[float, str]:
        with self._transaction() as now:
            _, until, _, width = self._state(now)
            wait_s, reason = until - now, f"{self.host} asks for a pause"
            for name, limit in self.limits.items():
                span_s = WINDOWS_S[name]
                allowed = max(1, int(limit * width)) if span_s <= WINDOWS_S["minute"] else limit
                nth = self._db.execute(
                    "SELECT at FROM calls WHERE host=? ORDER BY at DESC LIMIT 1 OFFSET ?",
                    (self.host, allowed - 1),
                ).fetchone()
                if nth and nth[0] + span_s - now > max(wait_s, 0):
                    wait_s, reason = nth[0] + span_s - now, f"the {name}'s {allowed} requests are spent"
            if wait_s <= 0:
                self._db.execute("INSERT INTO calls VALUES (?, ?)", (self.host, now))
            return wait_s, reason

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
            self._db.execute("BEGIN IMMEDIATE")
            try:
                now = self._clock()
                hour_ago = now - WINDOWS_S["hour"]
                self._db.execute("DELETE FROM calls WHERE host=? AND at<=?", (self.host, hour_ago))
                self._db.execute("UPDATE calls SET at=? WHERE host=? AND at>?", (now, self.host, now))
                yield now
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _spent(self, wait_s: float, reason: str) -> RateLimited:
        moment = datetime.fromtimestamp(self._clock() + wait_s, UTC)
        detail = f"{reason}; free again at {moment:%Y-%m-%d %H:%M:%S} UTC, run again then to resume"
        return RateLimited("quota", self.host, retry_after_s=wait_s, detail=detail)


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds a Retry-After header asks for: a number of seconds or an HTTP date; None where it says neither."""
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _reset_s(value: str | None, now: float) -> float | None:
    number = _number(value)
    if number is None:
        return None
    if number >= _EPOCH_MS:
        return max(0.0, number / 1000 - now)
    return max(0.0, number - now) if number >= _EPOCH_S else number


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
