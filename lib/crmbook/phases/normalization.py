"""Target-shaped records from the source's, and an account of every record that is not there.

In: the source tables of 01 and the decisions of 02. Out: accounts, contacts and deals as they will be
written, every relation with its outcome, and rejects, exclusions, merges, changes and losses. Companies
first, because contacts point to the survivors among them; deals last. Rows in = rows out + merged + rejected
+ excluded, per entity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import polars as pl

from crmbook import clean, parse, tables
from crmbook.phases import closing, dedupe, people, split
from crmbook.phases import links as linking
from crmbook.phases.shape import Shaped, cells, completed, is_carried, merged, rejected, tally

_OWN: Final = ("source_id", "external_id", "cf_usercom_original_id", "email")
_RELATION_FIELDS: Final = {
    "contact_account": [("contact", "company_ids")],
    "deal_contact": [("deal", "contact_id")],
    "deal_account": [("deal", "company_id")],
    "contact_owner": [("contact", "assigned_to")],
    "deal_owner": [("deal", "assigned_to")],
}


class Policy(Protocol):
    """The customer's choices this phase reads (customer.toml)."""

    @property
    def contact_without_email(self) -> str: ...
    @property
    def duplicate_email(self) -> str: ...
    @property
    def duplicate_account(self) -> str: ...


@dataclass(frozen=True)
class Decisions:
    """
    What was decided before this phase: the tables of 02 and the customer's policy.

    `time_zone` is the customer's (IANA); `account_name_unique` what the target was measured to enforce.
    """

    mapping: pl.DataFrame
    custom_fields: pl.DataFrame
    choices: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    policy: Policy
    time_zone: str
    account_name_unique: bool

    def has_field(self, module: str, api_name: str) -> bool:
        return not self.custom_fields.filter(
            pl.col("module") == module, pl.col("api_name") == api_name
        ).is_empty()

    def goes_to_a_field(self, entity: str, source_field: str) -> bool:
        return not self.mapping.filter(
            pl.col("entity") == entity,
            pl.col("source_field") == source_field,
            pl.col("target_field").str.starts_with("cf_"),
            pl.col("decision") != "skip",
        ).is_empty()


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
