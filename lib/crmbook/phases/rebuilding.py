"""What do Freshsales Workflows have for each part of an automation, and does the plan allow it?

In: the customer's inventory, `workflows.toml`, and what the target's plan has. Out: REBUILD_GUIDE and REBUILD_LIMITS.
A part is matched by its words; what matches nothing is `unknown` and left to a person, never guessed. Invariant: every
clause the customer wrote stands in the guide once, word for word.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.scoping import Limit, checked

PARTS: Final = {"trigger": "trigger", "condition": "conditions", "action": "actions"}
UNKNOWN: Final = "unknown"
_CLAUSES: Final = {
    "trigger": re.compile(r"\s*(?:;|\n)\s*"),
    "condition": re.compile(r"\s*(?:;|\n|\band\b|\boraz\b|\bund\b)\s*", re.IGNORECASE),
    "action": re.compile(r"\s*(?:;|\n|\bthen\b|\+)\s*", re.IGNORECASE),
}
_NEEDS: Final = {
    "workflows": "active workflows",
    "time_workflows": "workflows based on date and time",
    "event_tracking": "triggers by events and page visits",
}


@dataclass(frozen=True)
class Entry:
    """One thing Freshsales has, or has not, for a part of an automation."""

    id: str
    pattern: re.Pattern[str]
    there: str
    how: str
    fits: str
    needs: str
    source: str


@cache
def knowledge() -> Mapping[str, tuple[Entry, ...]]:
    """`workflows.toml`, read: the entries of each part in the order they are tried."""
    document = document_of()
    sources = document["sources"]
    return {part: tuple(_entry(raw, sources) for raw in document[part]) for part in PARTS}


@cache
def document_of() -> Mapping[str, Any]:
    """`workflows.toml` as it stands."""
    return tomllib.loads((files("crmbook.phases") / "workflows.toml").read_text(encoding="utf-8"))


def rebuild_guide(automations: pl.DataFrame, limits: Mapping[str, Limit]) -> pl.DataFrame:
    """*automations* (AUTOMATIONS) part by part; *limits* are those of the target's plan by the names of `needs`."""
    rows = [row for automation in automations.iter_rows(named=True) for row in _parts(automation, limits)]
    return tables.conform(pl.DataFrame(rows, schema=tables.REBUILD_GUIDE.columns), tables.REBUILD_GUIDE)


def rebuild_limits(guide: pl.DataFrame, limits: Mapping[str, Limit]) -> pl.DataFrame:
    """What the active automations of *guide* need of the plan; an automation counts once for each feature."""
    active = guide.filter("is_active")
    timed = active.filter(pl.col("needs") == "time_workflows")["name"].n_unique()
    tracked = active.filter(pl.col("needs") == "event_tracking")["name"].n_unique()
    needed = {"workflows": active["name"].n_unique(), "time_workflows": timed, "event_tracking": tracked}
    rows = [checked(_NEEDS[name], count, limits.get(name)) for name, count in needed.items() if count]
    return tables.conform(pl.DataFrame(rows, schema=tables.REBUILD_LIMITS.columns), tables.REBUILD_LIMITS)


def _parts(automation: Mapping[str, Any], limits: Mapping[str, Limit]) -> Iterator[dict[str, Any]]:
    for part, column in PARTS.items():
        for position, clause in enumerate(clauses(part, automation[column]), 1):
            found = _matched(part, clause)
            limit = limits.get(found.needs)
            yield {
                "name": automation["name"], "part": part, "position": position, "is_active": automation["is_active"],
                "listed": clause, "there": found.there, "fits": found.fits, "how": found.how, "needs": found.needs,
                "plan_has": _has(limit) if found.needs else True, "source": found.source,
            }  # fmt: skip


def clauses(part: str, text: str | None) -> list[str]:
    """The single steps of what the customer wrote in one cell."""
    return [clause for clause in _CLAUSES[part].split((text or "").strip()) if clause]


def _matched(part: str, clause: str) -> Entry:
    return next((entry for entry in knowledge()[part] if entry.pattern.search(clause)), _NOTHING)


def _has(limit: Limit | None) -> bool | None:
    if limit is None:
        return None
    return True if limit.is_open else None if limit.allowed is None else limit.allowed > 0


def _entry(raw: Mapping[str, str], sources: Mapping[str, Mapping[str, str]]) -> Entry:
    source = sources[raw["source"]]
    told = f"{source['title']} ({source['trust']}, read {source['read']})"
    return Entry(
        raw["id"], re.compile(raw["pattern"], re.IGNORECASE), raw["there"], raw["how"], raw["fits"], raw["needs"], told
    )  # fmt: skip


_NOTHING: Final = Entry(
    "", re.compile(""), "not known", "nothing is known that matches these words: decide by hand", UNKNOWN, "", "none"
)  # fmt: skip
