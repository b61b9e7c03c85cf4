"""What of a language model's answer may stand in the mapping?

In: the offline mapping, the profile of the fields, the model's suggestions, and the tenant's fields where somebody
looked. Out: the mapping with the suggestions that hold, and why the others do not. The model only fills in what the
offline rules left in a field of its own; it never moves what they placed. A suggestion holds where the
property exists and is filled, the target exists and is free, the values fit it, and the model is as sure as any
proposal has to be. What goes out are names, types and rounded shares, never a value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases import matching
from crmbook.phases.proposal_targets import CONFIDENCE, Evidence, Target, fits, offer, targets
from crmbook.phases.proposals import Offer, ranked
from crmbook.phases.standard_map import MODULES

MARK: Final = "model: "
_LONGEST_REASON: Final = 160
_FEW: Final = 20

Key = tuple[str, str]


@dataclass(frozen=True)
class Suggestion:
    """What the model says a property is; `target` is blank where it means a field of its own."""

    entity: str
    source_field: str
    target: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Judged:
    """`mapping` with the suggestions that hold; `offers` are those that are usable at all; `refused` counts reasons."""

    mapping: pl.DataFrame
    offers: dict[Key, list[Offer]]
    refused: dict[str, int]


def question(fields: pl.DataFrame, mapping: pl.DataFrame) -> list[dict[str, Any]]:
    """
    Per custom property the offline rules left in a field of its own: its name and a masked profile.

    Shares are rounded to tenths, numbers of values to words; choices and lengths of single values stay here.
    """
    own = mapping.filter(
        pl.col("decision") == "proposed", pl.col("target_field").str.starts_with("cf_")
    ).select("entity", field="source_field")
    asked = fields.filter(~pl.col("is_standard"), pl.col("filled") > 0).join(
        own, on=["entity", "field"], how="semi", maintain_order="left"
    )
    return [
        {
            "entity": row["entity"],
            "source_field": row["field"],
            "name": matching.label_of(row["label"]),
            "declared_type": row["declared"],
            "values_are": row["mostly"],
            "share": round(row["mostly_share"], 1),
            "recognised_as": row.get("sign") or "",
            "filled": round(row["filled"] / row["records"], 1),
            "different_values": _how_many(row),
        }
        for row in asked.iter_rows(named=True)
    ]


def offered_targets() -> dict[str, list[str]]:
    """The target's standard fields a property may be, per entity of the source."""
    return {
        entity: [t.name for t in targets(entity) if t.name not in matching.RESERVED[entity]]
        for entity in MODULES
    }


def judged(
    mapping: pl.DataFrame,
    fields: pl.DataFrame,
    suggestions: Sequence[Suggestion],
    known: pl.DataFrame | None = None,
) -> Judged:
    """
    *mapping* with those of *suggestions* that hold, the surest first where two want one target.

    *known* are the tenant's fields (`tables.TARGET_FIELDS`): a target it lacks is refused.
    """
    rows = {(r["entity"], r["source_field"]): r for r in mapping.iter_rows(named=True)}
    profiles = {(r["entity"], r["field"]): r for r in fields.iter_rows(named=True)}
    taken = {(r["entity"], r["target_field"]) for r in rows.values() if r["target_field"]}
    offers: dict[Key, list[Offer]] = {}
    refused: dict[str, int] = {}
    for suggestion in sorted(suggestions, key=lambda s: (-s.confidence, s.entity, s.source_field, s.target)):
        key = (suggestion.entity, suggestion.source_field)
        why = _refusal(suggestion, rows.get(key), profiles.get(key), taken, known)
        if why:
            refused[why] = refused.get(why, 0) + 1
            continue
        made = _offer(suggestion, profiles[key])
        offers.setdefault(key, []).append(made)
        if made.confidence >= CONFIDENCE and rows[key]["target_field"].startswith("cf_"):
            taken.add((suggestion.entity, made.target))
            rows[key] = rows[key] | {
                "target_field": made.target, "rule": made.rule, "confidence": made.confidence, "reason": made.reason,
            }  # fmt: skip
    changed = pl.DataFrame(list(rows.values()), schema=tables.MAPPING.columns)
    return Judged(tables.conform(changed, tables.MAPPING), offers, dict(sorted(refused.items())))


def with_offers(proposals: pl.DataFrame, offers: dict[Key, list[Offer]]) -> pl.DataFrame:
    """*proposals* (`tables.PROPOSALS`) with what the model offered beside what stands there, ranked anew."""
    made: list[dict[str, Any]] = []
    for (entity, field), group in proposals.group_by("entity", "source_field", maintain_order=True):
        standing = [
            Offer(*r) for r in group.select("target_field", "rule", "confidence", "reason").iter_rows()
        ]
        made += ranked(
            str(entity), str(field), standing[0], [*standing[1:], *offers.get((str(entity), str(field)), [])]
        )
    return tables.conform(pl.DataFrame(made, schema=tables.PROPOSALS.columns), tables.PROPOSALS)


def _refusal(
    suggestion: Suggestion,
    row: dict[str, Any] | None,
    profile: dict[str, Any] | None,
    taken: set[Key],
    known: pl.DataFrame | None,
) -> str:
    if row is None or profile is None or profile["is_standard"] or not profile["filled"]:
        return "no such property"
    if not suggestion.target:
        return "a field of its own, as proposed"
    target = _target(suggestion)
    if target is None or suggestion.target in matching.RESERVED[suggestion.entity]:
        return "no field a property may fill"
    if (
        known is not None
        and known.filter(
            pl.col("module") == MODULES[suggestion.entity], pl.col("api_name") == suggestion.target
        ).is_empty()
    ):
        return "the tenant has no such field"
    if (suggestion.entity, suggestion.target) in taken:
        return "another field goes there"
    evidence = matching.evidence(profile)
    return "" if _suits(evidence, target) and profile["max_choices"] <= 1 else "its values do not fit"


def _suits(evidence: Evidence, target: Target) -> bool:
    made = offer(evidence, target)
    return fits(evidence, made) and made.confidence >= CONFIDENCE


def _target(suggestion: Suggestion) -> Target | None:
    found = [t for t in targets(suggestion.entity) if t.name == suggestion.target]
    return found[0] if found else None


def _offer(suggestion: Suggestion, profile: dict[str, Any]) -> Offer:
    target = next(t for t in targets(suggestion.entity) if t.name == suggestion.target)
    said = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", suggestion.reason).split())[:_LONGEST_REASON]
    reason = f"{MARK}{said or 'no reason given'}; {matching.fill(profile)}"
    return Offer(target.name, target.rule, round(min(max(suggestion.confidence, 0.0), 0.99), 2), reason)


def _how_many(row: dict[str, Any]) -> str:
    if row["distinct"] == row["filled"]:
        return "every one"
    return "few" if row["distinct"] <= _FEW else "many"
