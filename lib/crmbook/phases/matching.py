"""A place in the target for every source field, with a reason a person can check.

In: `tables.FIELDS`. Out: one proposal per field. Standard fields follow the standard map; a custom property
becomes a standard field of the target where name and values say so surely enough, else a custom field of
its own, with what it may be instead in the reason. Invariant: no two fields of an entity share a target, not even after punctuation is folded.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from crmbook import clean
from crmbook.phases import kinds
from crmbook.phases.lexicon import fold
from crmbook.phases.proposal_targets import CONFIDENCE, Candidate, Evidence, candidates, in_words, prefilled
from crmbook.phases.standard_map import MODULES, PHONE_NUMBERS, PLACES, STRUCTURAL, Place

Field = dict[str, Any]
# What structure makes of other fields, so that no property can be put there.
RESERVED: Final[dict[str, frozenset[str]]] = {
    "contact": frozenset({"first_name", "last_name", "email"}),
    "company": frozenset({"name"}),
    "deal": frozenset({"name", "closed_date"}),
}
WORTH_SAYING: Final = 0.3
EMPTY: Final = "empty in every record"
CONSTANT: Final = "the same on every record"
UNKNOWN: Final = "this version does not know the field"
# The reasons a proposal leaves a field behind; a `skip` with another reason is a person's.
LEFT_BEHIND: Final = frozenset(
    {EMPTY, CONSTANT, UNKNOWN}
    | {p.why for places in PLACES.values() for p in places.values() if not p.target}
)


@dataclass(frozen=True)
class Proposal:
    """One field's target; `label` is the custom field's, blank where the target is a standard field."""

    entity: str
    source_field: str
    target_field: str
    rule: str
    decision: str
    confidence: float
    reason: str
    label: str = ""


@dataclass
class _Targets:
    """What is taken in one module; custom fields are compared folded, since a tenant may fold them too."""

    standard: set[str] = field(default_factory=set)
    custom: set[str] = field(default_factory=set)

    def free_label(self, label: str) -> str:
        taken, number, candidate = self.custom, 1, label
        while fold(candidate) in taken:
            number += 1
            candidate = f"{label} {number}"
        taken.add(fold(candidate))
        return candidate


def proposals(fields: pl.DataFrame) -> list[Proposal]:
    """One proposal per row of *fields* (`tables.FIELDS`), by entity and field."""
    made: list[Proposal] = []
    for entity in MODULES:
        rows = fields.filter(pl.col("entity") == entity).sort("field").to_dicts()
        standard = [r for r in rows if r["is_standard"]]
        targets = _Targets(custom={fold(api[3:]) for api in STRUCTURAL[MODULES[entity]]})
        own = [_standard(r, PLACES[entity].get(r["field"])) for r in standard]
        for proposal in own:
            (targets.custom if proposal.label else targets.standard).add(
                fold(proposal.label) or proposal.target_field
            )
        custom = [r for r in rows if not r["is_standard"]]
        matches = _matches(custom, targets)
        made += own + [matches.get(r["field"]) or _custom(r, targets) for r in custom]
    return sorted(made, key=lambda p: (p.entity, p.source_field))


def structural_fields(fields: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Custom fields no decision names: (module, api name, type), for the entities that have records."""
    rows = {(r["entity"], r["field"]): r for r in fields.iter_rows(named=True)}
    present = [
        MODULES[entity] for (entity, name), row in rows.items() if name == "source_id" and row["filled"]
    ]
    made = [(module, api, kind) for module in present for api, kind in STRUCTURAL[module].items()]
    numbers = rows.get(("company", "phone_numbers"))
    if numbers and numbers["max_choices"] > 1:
        made.append(("sales_accounts", PHONE_NUMBERS, "text"))
    return made


def api_name(label: str) -> str:
    """The api name a tenant gives a custom field: lower case, blanks to underscores (from recorded tenants)."""
    return "cf_" + re.sub(r"\s+", "_", label.strip().lower())


def label_of(name: str) -> str:
    """A property's name as a field label: one line, single blanks; never empty."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", name).split()) or "Unnamed"


def _standard(row: Field, place: Place | None) -> Proposal:
    if place is None:
        return _skip(row, UNKNOWN)
    if not row["filled"]:
        return _skip(row, EMPTY)
    if not place.target:
        return _skip(row, place.why)
    if place.technical and row["filled"] == row["records"] and row["distinct"] == 1:
        return _skip(row, CONSTANT)
    rule = place.rule
    if rule == "text" and row["max_length"] > clean.TEXT_LENGTH:
        rule = "textarea"
    label = place.target[3:].replace("_", " ").capitalize() if place.is_custom else ""
    reason = place.why
    if not place.is_custom and place.why == "same meaning":
        reason = f"same meaning: {row['field'].replace('_', ' ')} → {place.target}"
    confidence = 0.9 if place.is_custom else 1.0
    return Proposal(
        row["entity"],
        row["field"],
        place.target,
        rule,
        "proposed",
        confidence,
        f"{reason}; {fill(row)}",
        label,
    )


def evidence(row: Field) -> Evidence:
    """What a row of `tables.FIELDS` tells of a property's meaning; the name is its label."""
    return Evidence(
        entity=row["entity"],
        label=label_of(row["label"]),
        kind=row["mostly"],
        share=row["mostly_share"],
        max_length=row["max_length"],
        sign=row.get("sign") or "",
        sign_share=row.get("sign_share") or 0.0,
    )


def _matches(rows: list[Field], targets: _Targets) -> dict[str, Proposal]:
    """Custom properties that are a standard field of the target: the surest first, each target once."""
    offers = [
        (candidate, row)
        for row in rows
        if row["filled"] and row["max_choices"] <= 1
        for candidate in prefilled(evidence(row))
        if candidate.target not in RESERVED[row["entity"]]
    ]
    offers.sort(key=lambda offer: (-offer[0].confidence, -offer[1]["filled"], offer[1]["field"]))
    found: dict[str, Proposal] = {}
    for candidate, row in offers:
        if row["field"] not in found and candidate.target not in targets.standard:
            found[row["field"]] = _match(row, candidate)
            targets.standard.add(candidate.target)
    return found


def _match(row: Field, candidate: Candidate) -> Proposal:
    reason = f"same meaning: {label_of(row['label'])} → {candidate.target}; {candidate.why}; {fill(row)}"
    return Proposal(
        row["entity"],
        row["field"],
        candidate.target,
        candidate.rule,
        "proposed",
        candidate.confidence,
        reason,
    )


def _suggested(row: Field, targets: _Targets) -> tuple[str, float]:
    """The likeliest standard field as part of a reason, and its confidence, 0 where none could be meant."""
    best = next(iter(candidates(evidence(row))), None)
    if best is None or (best.confidence < WORTH_SAYING and not best.against):
        return "", 0.0
    if best.confidence < WORTH_SAYING:
        return f"; not {best.target}, because of {best.against}", 0.0
    if best.target in RESERVED[row["entity"]] or best.target in targets.standard:
        is_sure = best.confidence >= CONFIDENCE
        return f"; {best.target} {'would' if is_sure else 'may'} mean the same, but is taken", 0.0
    return f"; perhaps {best.target} ({best.confidence:.0%} sure)", best.confidence


def _custom(row: Field, targets: _Targets) -> Proposal:
    if not row["filled"]:
        return _skip(row, EMPTY)
    rule = kinds.rule_for(
        declared=row["declared"],
        observed=row["observed"],
        distinct=row["distinct"],
        max_length=row["max_length"],
    )
    label = targets.free_label(label_of(row["label"]))
    declared, observed = row["declared"] or "not declared", row["observed"]
    agrees = rule not in ("text", "textarea", "json_text") or row["declared"] in ("string", "json")
    reason = f"a {clean.RULES[rule].field_type} field of its own: declared {declared}, every value is {in_words(observed)}; {fill(row)}"
    if fold(label) != fold(row["label"]):
        reason += "; numbered, because another property has the same name without punctuation"
    perhaps, likely = _suggested(row, targets)
    confidence = round(min(0.9 if agrees else 0.7, 1 - likely), 2)
    return Proposal(
        row["entity"], row["field"], api_name(label), rule, "proposed", confidence, reason + perhaps, label
    )


def _skip(row: Field, why: str) -> Proposal:
    return Proposal(row["entity"], row["field"], "", "copy", "skip", 1.0, why)


def fill(row: Field) -> str:
    """How many records have a value."""
    return f"{row['filled']:,} of {row['records']:,} filled"
