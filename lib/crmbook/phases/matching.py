"""A place in the target for every source field, with a reason a person can check.

In: `tables.FIELDS`. Out: one proposal per field. Standard fields follow the standard map; a custom property
becomes a standard field of the target where its name says so and every value fits, else a custom field of
its own. Invariant: no two fields of an entity share a target, not even after punctuation is folded.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from crmbook import clean
from crmbook.phases import kinds
from crmbook.phases.standard_map import MODULES, PHONE_NUMBERS, PLACES, STRUCTURAL, SYNONYMS, Place

Field = dict[str, Any]
_MATCH_RULES: Final = {
    "website": "url",
    "number_of_employees": "integer",
    "phone": "phone",
    "work_number": "phone",
}
EMPTY: Final = "empty in every record"
CONSTANT: Final = "the same on every record"
UNKNOWN: Final = "this version does not know the field"
# The reasons a proposal leaves a field behind; a `skip` with another reason is a person's.
LEFT_BEHIND: Final = frozenset(
    {EMPTY, CONSTANT, UNKNOWN}
    | {p.why for places in PLACES.values() for p in places.values() if not p.target}
)
_FOLDS: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe"})


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
        matches = _matches(entity, custom, targets)
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


def fold(text: str) -> str:
    """*text* without case, accents and punctuation, words joined by underscores: what two names share."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_FOLDS))
    return "_".join(re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c))))


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
        f"{reason}; {_fill(row)}",
        label,
    )


def _matches(entity: str, rows: list[Field], targets: _Targets) -> dict[str, Proposal]:
    """Custom properties that are a standard field of the target by name and by every value."""
    found: dict[str, Proposal] = {}
    for target, (accepted, words) in SYNONYMS[entity].items():
        if target in targets.standard:
            continue
        named = [r for r in rows if r["filled"] and {fold(r["label"]), fold(r["field"][2:])} & set(words)]
        fitting = [r for r in named if r["field"] not in found and _fits(r, target, accepted)]
        if fitting:
            best = max(fitting, key=lambda r: (r["filled"], r["field"]))
            found[best["field"]] = _match(best, target)
            targets.standard.add(target)
    return found


def _match(row: Field, target: str) -> Proposal:
    share = row["mostly_share"]
    values = "every value is" if share == 1 else f"{share:.0%} of the values are"
    reason = (
        f"same meaning: {label_of(row['label'])} → {target}; {values} {_article(row['mostly'])}; {_fill(row)}"
    )
    rule = _MATCH_RULES.get(target, "copy")
    return Proposal(row["entity"], row["field"], target, rule, "proposed", round(0.95 * share, 2), reason)


def _fits(row: Field, target: str, accepted: tuple[str, ...]) -> bool:
    longest = clean.PHONE_LENGTH if target in ("phone", "work_number") else clean.STANDARD_LENGTH
    return row["mostly"] in accepted and row["max_length"] <= longest and row["max_choices"] <= 1


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
    reason = f"a {clean.RULES[rule].field_type} field of its own: declared {declared}, every value is {_article(observed)}; {_fill(row)}"
    if fold(label) != fold(row["label"]):
        reason += "; numbered, because another property has the same name without punctuation"
    return Proposal(
        row["entity"], row["field"], api_name(label), rule, "proposed", 0.9 if agrees else 0.7, reason, label
    )


def _skip(row: Field, why: str) -> Proposal:
    return Proposal(row["entity"], row["field"], "", "copy", "skip", 1.0, why)


def _fill(row: Field) -> str:
    return f"{row['filled']:,} of {row['records']:,} filled"


def _article(kind: str) -> str:
    words = {
        "text": "text", "json": "JSON", "choices": "a list of choices", "url": "a web address", "email": "an e-mail",
        "integer": "a whole number", "long_integer": "a number of more than 11 digits", "decimal": "a number",
        "long_decimal": "a number of more than 11 digits or 4 decimals", "datetime": "a time",
        "phone": "a telephone number", "boolean": "true or false", "choice": "one choice",
    }  # fmt: skip
    return words.get(kind, f"a {kind}")
