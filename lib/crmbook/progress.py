"""How far is it, how fast does it go, what of the quota is left, and at what time of day will it be done?

A phase tells entity, done and total; what follows from that stands in `.progress.json` of the run, where the command's bar
and `crmbook status` of another process find it. The file goes with the phase. In the lab the line stands under the cell
while it runs and is empty afterwards; an archived notebook never sees it.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from crmbook.errors import CrmbookError

NAME: Final = ".progress.json"
State = Mapping[str, Any]
_OFTEN_S: Final = 0.2
_QUOTA_S: Final = 2.0
_STEADY_S: Final = 0.5
_FRESH_S: Final = 60.0


@dataclass
class Pace:
    """One phase's progress; *calls_left* asks the budget of the vendor that is read or written now."""

    phase: str
    calls_left: Callable[[], Mapping[str, int]] | None = None
    clock: Callable[[], float] = time.time
    _entity: str = ""
    _began: tuple[float, int] = (0.0, 0)
    _told_at: float = 0.0
    _asked_at: float = 0.0
    _left: dict[str, int] = field(default_factory=dict)

    def told(self, entity: str, done: int, total: int | None) -> State | None:
        """What to write down now; None where that was done a moment ago and nothing ends."""
        now = self.clock()
        if entity != self._entity:
            self._entity, self._began = entity, (now, done)
        elif done != total and 0 <= now - self._told_at < _OFTEN_S:
            return None
        self._told_at = now
        began, before = self._began
        # A run that goes on begins with what was done before: that says nothing about the speed.
        rate = (done - before) / (now - began) if now - began >= _STEADY_S else 0.0
        ends = now + (total - done) / rate if rate > 0 and total is not None else None
        return {
            "phase": self.phase, "entity": entity, "done": done, "total": total, "at": now, "rate": round(rate, 2),
            "done_at": ends, "calls_left": self._quota(now), "waits_until": None, "reason": "",
        }  # fmt: skip

    def waiting(self, wait_s: float, reason: str) -> State:
        """The vendor's quota is spent, or it asks for a pause: until when, and why."""
        now = self.clock()
        return {
            "phase": self.phase, "entity": self._entity, "done": self._began[1], "total": None, "at": now, "rate": 0.0,
            "done_at": None, "calls_left": self._quota(now), "waits_until": now + wait_s, "reason": reason,
        }  # fmt: skip

    def _quota(self, now: float) -> dict[str, int]:
        if self.calls_left is not None and now - self._asked_at >= _QUOTA_S:
            self._asked_at = now
            try:
                self._left = dict(self.calls_left())
            except (CrmbookError, sqlite3.ProgrammingError):
                # The connection is closed: what is done now asks no vendor.
                self.calls_left, self._left = None, {}
        return self._left


def is_live(state: State, now: float) -> bool:
    """Whether somebody still works on it: told a moment ago, or waiting for a time that has not passed long ago."""
    return bool(now - max(state["at"], state.get("waits_until") or 0.0) < _FRESH_S)


def line(state: State) -> str:
    """The state in one line: phase, entity, done of total, and the rest as far as it is known."""
    if state.get("waits_until"):
        return f"{state['phase']} waits until {_of_day(state['waits_until'])}: {state['reason']}"
    total = f"{state['total']:,}" if state["total"] else "?"
    return " · ".join(
        [f"{state['phase']} {state['entity']} {state['done']:,} of {total}", *remarks(state, rate=True)]
    )


def remarks(state: State, *, rate: bool) -> list[str]:
    """Speed, quota left and the time of day it will be done, each as far as it is known."""
    told = [f"{state['rate']:,.1f} a second"] if rate and state.get("rate") else []
    if left := state.get("calls_left"):
        told.append(", ".join(f"{calls:,} calls left this {window}" for window, calls in left.items()))
    if state.get("done_at") and state["done"] != state["total"]:
        told.append(f"done at {_of_day(state['done_at'])}")
    return told


class UnderTheCell:
    """The line in a running notebook: one place, written over, empty once it is done."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, state: State) -> None:
        """The line of *state*, or nothing where that entity is done."""
        from IPython.display import Markdown, display

        text = Markdown("" if state["done"] == state["total"] else line(state))
        if self._handle is None:
            self._handle = display(text, display_id=True)
        else:
            self._handle.update(text)


def _of_day(moment: float) -> str:
    """The time of day here, with the day where it is another one."""
    there, now = datetime.fromtimestamp(moment).astimezone(), datetime.now().astimezone()
    return f"{there:%H:%M}" if there.date() == now.date() else f"{there:%Y-%m-%d %H:%M}"
