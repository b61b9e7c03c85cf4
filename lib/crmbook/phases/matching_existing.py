"""Which records of the target are already the ones to be loaded?

In: what the target held before the load and the normalized records. Out: per entity, source id to target id.
A record is recognised by our mark, then by a contact's external id or e-mail, then by an account's name
where the tenant keeps names unique. Invariant: no target record is given to two source records.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

Rule = tuple[str, str]

_MARK: Final = ("cf_usercom_original_id", "original_id")
_EMAIL: Final = ("email", "email")
_PEOPLE: Final[dict[str, tuple[str, Sequence[Rule]]]] = {
    "contact": ("contacts", [_MARK, ("external_id", "external_id"), _EMAIL]),
    "lead": ("leads", [_MARK, _EMAIL]),
}


def match(
    existing: pl.DataFrame,
    *,
    sales_accounts: pl.DataFrame,
    people: Mapping[str, pl.DataFrame],
    deals: pl.DataFrame,
    capabilities: Mapping[str, str],
) -> dict[str, dict[str, int]]:
    """
    Entity (company, deal, and those of *people*: contact, lead) to {source id: target id}.

    An account's name counts unless names were measured not to be unique: where nobody knows, creating a
    second one of that name might be refused.
    """
    by_name = [("name", "name")] if capabilities.get("account_name_unique") != "false" else []
    records: dict[str, tuple[str, pl.DataFrame, Sequence[Rule]]] = {
        "company": ("sales_accounts", sales_accounts, [_MARK, *by_name]),
        "deal": ("deals", deals, [_MARK]),
    }
    found = {
        entity: _matched(frame, existing.filter(pl.col("module") == module), by)
        for entity, (module, frame, by) in records.items()
    }
    return found | {place: held(frame, existing, place) for place, frame in people.items()}


def held(rows: pl.DataFrame, existing: pl.DataFrame, place: str) -> dict[str, int]:
    """Which of *rows* the target holds as a contact, or as a lead (*place*): source id to target id."""
    module, by = _PEOPLE[place]
    return _matched(rows, existing.filter(pl.col("module") == module), by)


def _matched(frame: pl.DataFrame, existing: pl.DataFrame, rules: Sequence[Rule]) -> dict[str, int]:
    found = pl.DataFrame(schema={"source_id": pl.String, "target_id": pl.Int64})
    for ours, theirs in rules:
        pairs = (
            frame.join(found, on="source_id", how="anti")
            .select("source_id", key=_key(ours))
            .join(
                existing.join(found, on="target_id", how="anti").select("target_id", key=_key(theirs)),
                on="key",
            )
            .sort("source_id", "target_id")
            .unique("source_id", keep="first", maintain_order=True)
            .unique("target_id", keep="first", maintain_order=True)
        )
        found = pl.concat([found, pairs.select("source_id", "target_id")])
    return dict(found.iter_rows())


def _key(column: str) -> pl.Expr:
    key = pl.col(column).str.strip_chars().str.to_lowercase()
    return pl.when(key != "").then(key)
