"""What may source choices and owners become of what the tenant has already?

In: the choices of 02 with the fields they go to, the owners, and the tenant's fields and users as far as somebody
looked. Out: `tables.CHOICE_PROPOSALS` and `tables.OWNER_PROPOSALS`, likeliest first. Suggestions only: a choice is
carried as it is and an owner found by e-mail, whatever looks alike. These tables hold values, reasons do not.
"""

from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.proposal_targets import SUGGESTED
from crmbook.phases.proposal_words import alike

LEAST_CHOICE: Final = 0.7
LEAST_OWNER: Final = 0.8
_BY_NAME: Final = 0.8

Row = dict[str, Any]


def of_choices(
    choices: pl.DataFrame, mapping: pl.DataFrame, known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """
    `tables.CHOICE_PROPOSALS` of *choices* (`tables.CHOICES`): what each becomes, then the tenant's that resemble it.

    *known* are the tenant's fields (`tables.TARGET_FIELDS`): only a field that exists has choices to resemble.
    """
    there = _choices_there(mapping, known)
    rows: list[Row] = []
    for row in choices.iter_rows(named=True):
        theirs = there.get((row["entity"], row["source_field"]), [])
        rows += _choice(row, theirs)
    return tables.conform(pl.DataFrame(rows, schema=tables.CHOICE_PROPOSALS.columns), tables.CHOICE_PROPOSALS)


def of_owners(owners: pl.DataFrame, users: pl.DataFrame | None = None) -> pl.DataFrame:
    """`tables.OWNER_PROPOSALS` of *owners* (`tables.OWNERS`) among the tenant's *users* (`tables.TARGET_OWNERS`)."""
    there = [] if users is None else users.sort("owner_id").to_dicts()
    rows = [
        {
            "agent_id": owner["agent_id"],
            "rank": rank,
            "email": email,
            "confidence": confidence,
            "reason": reason,
        }
        for owner in owners.iter_rows(named=True)
        for rank, (email, confidence, reason) in enumerate(_owner(owner, there), 1)
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.OWNER_PROPOSALS.columns), tables.OWNER_PROPOSALS)


def _choices_there(mapping: pl.DataFrame, known: pl.DataFrame | None) -> dict[tuple[str, str], list[str]]:
    if known is None:
        return {}
    joined = mapping.join(
        known.select("module", "api_name", "choices"),
        left_on=["target_entity", "target_field"],
        right_on=["module", "api_name"],
    )
    return {(r["entity"], r["source_field"]): r["choices"] for r in joined.iter_rows(named=True)}


def _choice(row: Row, theirs: list[str]) -> list[Row]:
    value = row["source_value"]
    is_there = row["target_value"] in theirs
    reason = "the field has this choice" if is_there else "carried as it is; the field gets this choice"
    found = [(row["target_value"], 1.0 if is_there or not theirs else 0.7, reason)]
    resembling = [(alike(value, name), name) for name in theirs if name != row["target_value"]]
    found += [
        (name, min(round(likeness, 2), 0.99), f"a choice the field has; {likeness:.0%} alike")
        for likeness, name in sorted(resembling, key=lambda a: (-a[0], a[1]))
        if likeness >= LEAST_CHOICE
    ][:SUGGESTED]
    return [
        {
            "entity": row["entity"], "source_field": row["source_field"], "source_value": value, "rank": rank,
            "target_value": target, "confidence": confidence, "reason": reason,
        }
        for rank, (target, confidence, reason) in enumerate(found, 1)
    ]  # fmt: skip


def _owner(owner: Row, there: list[Row]) -> list[tuple[str, float, str]]:
    key = (owner["email"] or "").strip().casefold()
    same = [u for u in there if key and (u["email"] or "").strip().casefold() == key]
    if same:
        return [(same[0]["email"], 1.0, "the same e-mail")]
    first = [(owner["email"], 0.9, "the user with this e-mail, once there is one")] if key else []
    resembling = [(alike(owner["name"] or "", u["name"] or ""), u["email"]) for u in there if u["email"]]
    suggested = [
        (email, round(likeness * _BY_NAME, 2), f"the names are {likeness:.0%} alike; only a suggestion")
        for likeness, email in sorted(resembling, key=lambda a: (-a[0], a[1]))
        if likeness >= LEAST_OWNER
    ]
    return [*first, *suggested[:SUGGESTED]]
