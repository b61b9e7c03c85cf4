"""In how many calls do the planned writes go out?

In: what the tenant was measured to do, and its unique fields. Out: per entity the way its writes take: in bulk
with their links, in bulk and the links after it, or one by one; and how a stage of writes is cut into waves of
calls. Both the load and its forecast read this. Invariant: a new record goes in bulk only under a key that
carries its source id, so that a call of unknown fate may be repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import bulk_values
from crmbook.phases.edition import MODULES

WITH_LINKS: Final = "bulk_with_links"
THEN_LINKS: Final = "bulk_then_links"
SINGLE: Final = "single"
MARK: Final = "cf_usercom_original_id"
EXTERNAL_ID: Final = "external_id"
# what a bulk call may lose silently (seen by a public client), by entity
LINKS: Final = {"contact": ("sales_accounts",), "deal": ("sales_account_id", "contacts_added_list")}
_LINKS_KEPT: Final = {"contact": "bulk_keeps_links", "deal": "bulk_keeps_deal_links"}
A_CALL: Final = 100
FEW: Final = 4
"""So many rows cost no more one by one than as a job: its call, two questions for its end, and the reading back."""
_CALLS_A_WAVE: Final = 10
# Between two waves each record with links is changed by a call of its own; waves of few make progress visible.
_CALLS_A_WAVE_WITH_PASS: Final = 2
_UNMEASURED_JOB_S: Final = 5.0


Stage = tuple[str, str]
_PEOPLE: Final = (("contact", "primary"), ("lead", "primary"))


@dataclass(frozen=True)
class Way:
    """How the creations and updates of one entity go out; `key` finds new records, those there go by id."""

    strategy: str
    key: str
    reason: str

    @property
    def is_bulk(self) -> bool:
        return self.strategy != SINGLE

    @property
    def calls_a_wave(self) -> int:
        return _CALLS_A_WAVE_WITH_PASS if self.strategy == THEN_LINKS else _CALLS_A_WAVE


def ways(capabilities: Mapping[str, str], target_fields: pl.DataFrame) -> dict[str, Way]:
    """The way of every entity that bulk exists for (vendor docs): company, contact, lead, deal."""
    marks = target_fields.filter(pl.col("api_name") == MARK)
    told = dict(marks.select("module", "is_unique").iter_rows())
    return {
        entity: _way(
            entity, told.get(module), capabilities, bulk_values.untold(module, target_fields, capabilities)
        )
        for entity, module in MODULES.items()
    }


def job_s(capabilities: Mapping[str, str]) -> float:
    """The seconds a bulk job was measured to take at most."""
    try:
        return float(capabilities["bulk_job_s"])
    except (KeyError, ValueError):
        return _UNMEASURED_JOB_S


def waves(rows: int, way: Way, kind: Stage) -> Iterator[int]:
    """
    How many rows each wave of a stage takes; a wave of FEW or less goes one by one.

    The first wave of people is one call: should Workflows act on them, not many are disturbed.
    """
    left, size = rows, A_CALL if kind in _PEOPLE else A_CALL * way.calls_a_wave
    while left > 0:
        yield min(size, left)
        left, size = left - size, A_CALL * way.calls_a_wave


def stage(entity: str, action: str) -> Stage:
    """Writes of one stage don't refer to one another and may go out in any order."""
    return entity, "primary" if action in ("create", "update") else action


def shown(planned: pl.DataFrame, chosen: Mapping[str, Way]) -> pl.DataFrame:
    """STRATEGIES: how the writes of each entity of the plan go out."""
    rows = []
    for entity in planned["entity"].unique().sort():
        way = chosen.get(entity) or Way(
            SINGLE, "", _NO_BULK.get(entity, "the vendor has no bulk call for it")
        )
        rows.append({"entity": entity, "strategy": way.strategy, "key": way.key, "reason": way.reason})
    return tables.conform(pl.DataFrame(rows, schema=tables.STRATEGIES.columns), tables.STRATEGIES)


_NO_BULK: Final = {"list": "made one by one; its members go in by the hundred"}


def _way(entity: str, is_unique: bool | None, capabilities: Mapping[str, str], untold: str) -> Way:
    module = MODULES[entity]
    capability = "bulk_upsert" if entity == "contact" else f"bulk_upsert_{module}"
    measured = capabilities.get(capability, "unknown")
    if measured != "true":
        return Way(SINGLE, "", f"{capability} was measured {measured}")
    key = _key(entity, is_unique, capabilities.get(f"bulk_key_{module}", ""))
    if not key:
        return Way(SINGLE, "", f"{MARK} is not unique, so a call of unknown fate could not be repeated")
    if untold:
        return Way(SINGLE, "", f"no way to choose in {untold} by a job was found")
    links = _LINKS_KEPT.get(entity)
    if links is None:
        return Way(WITH_LINKS, key, "bulk works, and there are no links to lose")
    if capabilities.get(links) == "true":
        return Way(WITH_LINKS, key, f"bulk works, and {links} was measured true")
    return Way(THEN_LINKS, key, f"bulk works, but {links} was measured {capabilities.get(links, 'unknown')}")


def _key(entity: str, is_unique: bool | None, accepted: str) -> str:
    """The key for new records: of those that carry the source id, the one the tenant guards."""
    if accepted == MARK and is_unique is not False:
        return MARK
    return EXTERNAL_ID if entity == "contact" and accepted in (MARK, EXTERNAL_ID) else ""
