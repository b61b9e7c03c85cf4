"""What was measured, in words; and how long something takes, in steps, so that two measurements read the same."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crmbook.phases.capabilities import STEPS_S, UNKNOWN

__all__ = ["UNKNOWN", "Finding", "truth", "within"]
_FIRST_LOOK_S: Final = 0.25
_GRACE_S: Final = 0.25


@dataclass(frozen=True)
class Finding:
    """One capability: its value, and what was seen."""

    capability: str
    value: str
    evidence: str


def truth(value: bool) -> str:
    return "true" if value else "false"


def within(holds: Callable[[], object], sleep: Callable[[float], None]) -> tuple[int | None, int]:
    """
    The step of seconds within which *holds* came true (None: not within the last), and how often it was asked.

    Asked at the steps only, so that a slow tenant costs seven calls and not a hundred.
    """
    started = time.monotonic()
    for asked, at_s in enumerate((_FIRST_LOOK_S, *STEPS_S), 1):
        sleep(max(0.0, started + at_s - time.monotonic()))
        took_s = time.monotonic() - started
        if holds():
            return next((step for step in STEPS_S if took_s <= step + _GRACE_S), STEPS_S[-1]), asked
    return None, len(STEPS_S) + 1
