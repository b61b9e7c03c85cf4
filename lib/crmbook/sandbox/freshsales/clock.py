"""The server's clock: the machine's time plus what an admin has advanced, kept across restarts.

Quota windows, the recycle bin, the index delay and every stamp use it, so an hour of quota
can pass in a test without waiting.
"""

import time
from datetime import UTC, datetime

from crmbook.sandbox.store import Store

_REALM, _KIND, _ID = "sandbox", "clock", 1


class Clock:
    """Seconds since the epoch, shifted by `advance`."""

    def __init__(self, store: Store) -> None:
        self._table = store.table(_REALM, _KIND)
        kept = self._table.get(_ID) or {"advanced_s": 0.0}
        self._advanced_s = float(kept["advanced_s"])

    def now(self) -> float:
        return time.time() + self._advanced_s

    def iso(self) -> str:
        """The present second in UTC, as every stamp is stored."""
        return iso(self.now())

    def advance(self, seconds: float) -> float:
        """The clock moved by *seconds*; the sum of all moves so far, in seconds."""
        self._advanced_s += seconds
        self._table.put(_ID, {"advanced_s": self._advanced_s})
        return self._advanced_s


def iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(int(epoch_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
