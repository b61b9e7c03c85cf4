"""Target-shaped records from the source's, and an account of every record that is not there.

In: the source tables of 01 and the decisions of 02. Out: accounts, contacts and deals as they will be
written, every relation with its outcome, and rejects, exclusions, merges, changes and losses. Companies come
first, because contacts point to the survivors among them; deals last. Rows in = rows out + merged + rejected
+ excluded, per entity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import links as linking
from crmbook.phases import opportunities, organizations, people
from crmbook.phases.narrow import Frame, only
from crmbook.phases.opportunities import deals
from crmbook.phases.organizations import accounts
from crmbook.phases.people import contacts
from crmbook.phases.shape import Decisions, Policy, Shaped, merged

__all__ = [
    "Decisions",
    "Normalized",
    "Policy",
    "Shaped",
    "accounts",
    "balance",
    "contacts",
    "deals",
    "links",
    "normalize",
    "reasons",
    "splits",
]

_FIELD_OF: Final = {
    "contact_account": ("contact", "company_ids"),
    "deal_account": ("deal", "company_id"),
    "contact_owner": ("contact", "assigned_to"),
    "deal_owner": ("deal", "assigned_to"),
}
# What relations are made of; all of a wide table would stay in memory for it.
ENDS: Final = {
    "company": ("source_id",),
    "contact": ("source_id", "company_ids", "assigned_to"),
    "deal": ("source_id", "status", "contact_id", "participants", "company_id", "assigned_to"),
}


@dataclass(frozen=True)
class Normalized:
    """Everything 04 writes; each frame conforms to the table of its name."""

    sales_accounts: pl.DataFrame
    contacts: pl.DataFrame
    deals: pl.DataFrame
    links: pl.DataFrame
    rejects: pl.DataFrame
    excluded: pl.DataFrame
    merges: pl.DataFrame
    changes: pl.DataFrame
    loss: pl.DataFrame
    balance: pl.DataFrame


def links(
    source_contacts: pl.DataFrame,
    source_deals: pl.DataFrame,
    decided: Decisions,
    *,
    accounts: Shaped,
    contacts: Shaped,
    deals: Shaped,
) -> pl.DataFrame:
    """Every relation of the source with its outcome: `tables.LINKS`; of the source the columns ENDS are enough."""
    resolved = linking.resolve(
        linking.relations(source_contacts, source_deals),
        fates={
            "contact": contacts.fate,
            "company": accounts.fate,
            "deal": deals.fate,
            "agent": linking.agents(decided.owners),
        },
        owners={"contact": contacts.rows, "deal": deals.rows},
    )
    left = [relation for relation, field in _FIELD_OF.items() if decided.leaves(*field)]
    return linking.with_primary(linking.left_behind(resolved, left), contacts.rows)


def balance(rows_in: Mapping[str, int], shaped: Mapping[str, Shaped]) -> pl.DataFrame:
    """Rows in beside rows out, merged, rejected and excluded, per entity: `tables.BALANCE`."""
    rows = []
    for entity, part in shaped.items():
        out = part.rows.height
        rejected_ids = part.rejects.filter("is_blocking")["source_id"].n_unique()
        counts = (out, part.merges.height, rejected_ids, part.excluded.height)
        rows.append((entity, rows_in[entity], *counts, rows_in[entity] - sum(counts)))
    return tables.conform(pl.DataFrame(rows, schema=tables.BALANCE.columns, orient="row"), tables.BALANCE)


def normalize(
    sources: Mapping[str, Frame],
    decided: Decisions,
    *,
    engagement: pl.DataFrame | None = None,
    standing: Mapping[str, pl.DataFrame] | None = None,
) -> Normalized:
    """
    Contacts, companies and deals at once under the decisions of 02.

    *sources* are the source tables by entity (contact, company, deal); each is read when its turn comes and let go
    after it. *engagement* is what the history says of contacts (`contact_id`, `is_engaged`), *standing* the contacts and
    companies an earlier run wrote to the target: they survive a merge.
    """
    there = standing or {}
    ends = {entity: only(sources[entity], *columns) for entity, columns in ENDS.items()}
    parts = {
        "company": organizations.accounts(sources["company"].lazy().collect(), decided, there.get("company"))
    }
    parts["contact"] = people.contacts(
        sources["contact"].lazy().collect(), decided, source_deals=ends["deal"], accounts=parts["company"], engagement=engagement,
        standing=there.get("contact"),
    )  # fmt: skip
    parts["deal"] = opportunities.deals(
        sources["deal"].lazy().collect(), decided, accounts=parts["company"], contacts=parts["contact"]
    )
    accounts, contacts, deals = parts.values()
    return Normalized(
        sales_accounts=accounts.rows,
        contacts=contacts.rows,
        deals=deals.rows,
        links=links(
            ends["contact"], ends["deal"], decided, accounts=accounts, contacts=contacts, deals=deals
        ),
        rejects=merged(tables.REJECTS, *(p.rejects for p in parts.values())),
        excluded=merged(tables.EXCLUDED, *(p.excluded for p in parts.values())),
        merges=merged(tables.MERGES, *(p.merges for p in parts.values())),
        changes=merged(tables.CHANGES, *(p.changes for p in parts.values())),
        loss=merged(tables.LOSS, *(p.loss for p in parts.values())),
        balance=balance({entity: frame.height for entity, frame in ends.items()}, parts),
    )


def reasons(rejects: pl.DataFrame) -> pl.DataFrame:
    """Records per (entity, rule, field), worst first: `is_blocking`, `records`."""
    return (
        rejects.group_by("entity", "rule", "field", "is_blocking")
        .agg(records=pl.col("source_id").n_unique().cast(pl.Int64))
        .sort(
            "is_blocking", "records", "entity", "rule", "field", descending=[True, True, False, False, False]
        )
    )


def splits(contacts: pl.DataFrame) -> pl.DataFrame:
    """Contacts per (split, lifecycle): `contacts`."""
    return (
        contacts.group_by("split", "lifecycle")
        .agg(contacts=pl.len().cast(pl.Int64))
        .sort("split", "lifecycle")
    )
