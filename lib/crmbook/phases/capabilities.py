"""Is the tenant still what it was measured to be?

In: CAPABILITIES as 03 stored them and as they are measured now. Out: CAPABILITY_CHECK. Figures are rounded up to steps
and may differ by one step; what was unknown then cannot change. Invariant: a plan depends on nothing this leaves out.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables

STEPS_S: Final = (1, 2, 5, 10, 20, 30)
FIGURES: Final = ("index_delay_s", "bulk_job_s")
UNKNOWN: Final = "unknown"
CONFIRMED: Final = "confirmed"
CHANGED: Final = "changed"
NOT_ASKED: Final = "not asked"
CALLS: Final = "probe_calls"
_BESIDE: Final = (*FIGURES, CALLS, "bulk_job_polls", "retry_after", "workflows_act")
_ONLY_WHOLE: Final = 8  # calls of the whole measurement the check before a load leaves out
LOOK_EVERY: Final = 100


def shown(capabilities: pl.DataFrame) -> pl.DataFrame:
    """What was measured, with its evidence, as a notebook shows it."""
    return capabilities.filter(pl.col("capability") != CALLS).select("capability", "value", "evidence")


def dated(capabilities: pl.DataFrame) -> pl.DataFrame:
    """When it was measured and what that took: one row, `measured_at` and `calls`."""
    row = capabilities.filter(pl.col("capability") == CALLS)
    moment = pl.col("measured_at").dt.strftime("%Y-%m-%d %H:%M UTC")
    return row.select(moment, calls=pl.col("value").cast(pl.Int64))


def verdicts(check: pl.DataFrame) -> pl.DataFrame:
    """The comparison as a notebook shows it; a figure may differ by a step, so it is shown as it was measured."""
    return check.select("capability", "measured", "verdict")


def compare(known: pl.DataFrame, found: pl.DataFrame | None) -> pl.DataFrame:
    """CAPABILITY_CHECK: what was *known* beside what is *found* now; None: nothing was asked."""
    now = dict(found.select("capability", "value").iter_rows()) if found is not None else {}
    rows = [
        {"capability": name, "measured": value, "now": now.get(name), "verdict": _verdict(name, value, now.get(name))}
        for name, value in known.select("capability", "value").iter_rows()
    ]  # fmt: skip
    return tables.conform(pl.DataFrame(rows, schema=tables.CAPABILITY_CHECK.columns), tables.CAPABILITY_CHECK)


def changes(check: pl.DataFrame) -> dict[str, str]:
    """What is no longer as it was measured: capability to `old → new`."""
    rows = check.filter(pl.col("verdict") == CHANGED).select("capability", "measured", "now").iter_rows()
    return {name: f"{then} → {now}" for name, then, now in rows}


def fingerprint(capabilities: pl.DataFrame) -> str:
    """Equal for two measurements a plan can't tell apart, whenever they were made."""
    decisive = capabilities.filter(~pl.col("capability").is_in(list(_BESIDE))).sort("capability")
    pairs = list(decisive.select("capability", "value").iter_rows())
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def guard_calls(capabilities: Mapping[str, str], people: int, looks: int = 0) -> int:
    """
    The calls the guards of one start take: the check, and where *people* are created so many *looks* after them
    and a last one for all three kinds.
    """
    check = max(0, int(capabilities.get(CALLS, _ONLY_WHOLE)) - _ONLY_WHOLE)
    return check + (looks + 3 if people else 0)


def _verdict(name: str, then: str, now: str | None) -> str:
    if now is None or name in (CALLS, "bulk_job_polls", "retry_after", "workflows_act"):
        return NOT_ASKED
    if then in (UNKNOWN, now) or (name in FIGURES and _is_a_step_away(then, now)):
        return CONFIRMED
    return CHANGED


def _is_a_step_away(then: str, now: str) -> bool:
    steps = [str(step) for step in STEPS_S]
    return then in steps and now in steps and abs(steps.index(then) - steps.index(now)) <= 1
