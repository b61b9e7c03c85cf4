"""Bulk jobs: several are posted, then waited for by asking about the last one, with pauses that grow.

What a job says is only used to know when to look (neither its words nor its content are documented). A wave of
several jobs teaches the next one how long to wait before its first question.
Invariant: a job that does not end stops the load, since a second one beside it could make a record twice.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crmbook.apply_bulk_look import Row
from crmbook.errors import ApiError, DataError, NotFound, Rejected, Unavailable
from crmbook.vendors.freshsales import Freshsales

ENDED: Final = frozenset(
    ("completed", "complete", "finished", "success", "succeeded", "done", "failed", "partial", "error")
)
LIMIT_S: Final = 600.0
_LONGEST_PAUSE_S: Final = 30.0


@dataclass
class Sent:
    """One call: its rows, and the job it became; without one it was refused, or its fate is not known."""

    rows: Sequence[Row]
    job: str = ""
    doubt: ApiError | DataError | None = None
    is_refused: bool = False


class Jobs:
    """The bulk calls of one load. *sleep* waits so many seconds, for tests."""

    def __init__(
        self, client: Freshsales, *, measured_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._sleep = client, sleep
        self._measured_s = self._several_s = measured_s

    def post(self, rows: Sequence[Row], data: Callable[[Row], dict[str, Any]]) -> Sent:
        """
        *rows* (at most 100, of one module) handed over as one job.

        Raises:
            ApiError: the target lets nobody in, has no quota left, or certainly was not reached.
        """
        body = [{**row.key, "data": data(row)} for row in rows]
        try:
            return Sent(rows, job=self._client.bulk_upsert(rows[0].module, body))
        except (Rejected, NotFound):
            return Sent(rows, is_refused=True)
        except Unavailable as doubt:
            if not doubt.sent:
                raise
            return Sent(rows, doubt=doubt)
        except DataError as doubt:
            return Sent(rows, doubt=doubt)

    def awaited(self, wave: Sequence[Sent], look: Callable[[Sequence[Row]], Sequence[Row]]) -> Sequence[Row]:
        """The rows of *wave* that *look* does not find as written, though the jobs they went in have ended."""
        asked = [sent for sent in wave if not sent.is_refused]
        missing = [row for sent in asked for row in sent.rows]
        if not asked:
            return missing
        pauses = self._pauses(missing[0].module, self._several_s if len(asked) > 1 else self._measured_s)
        waited_s = next(pauses)
        working = [sent for sent in asked if sent.job]
        while True:
            if working:
                last = working.pop()
                while not self._has_ended(last.job):
                    waited_s += next(pauses)
            missing = list(look(missing))
            lost = {row.op.op_id for row in missing}
            working = [sent for sent in working if any(row.op.op_id in lost for row in sent.rows)]
            if not working:
                break
            waited_s += next(pauses)
        if len(asked) > 1:
            self._several_s = max(self._several_s, min(waited_s, _LONGEST_PAUSE_S))
        return missing

    def _has_ended(self, job: str) -> bool:
        try:
            return str(self._client.job(job).get("status", "")).strip().lower() in ENDED
        except (NotFound, Rejected, DataError):
            # A job that can't be asked about tells nothing; what it did is read from the records.
            return True

    def _pauses(self, module: str, first_s: float) -> Iterator[float]:
        """Each pause, made before it is yielded; Unavailable when they add up to the limit."""
        pause_s, waited_s = max(first_s, 0.1), 0.0
        while waited_s < LIMIT_S:
            self._sleep(pause_s)
            yield pause_s
            waited_s += pause_s
            pause_s = min(max(1.0, waited_s), _LONGEST_PAUSE_S)
        raise Unavailable(
            "POST", f"/{module}/bulk_upsert", sent=True,
            detail=f"its job did not end within {LIMIT_S:.0f} s; run again to continue",
        )  # fmt: skip
