"""What a person of the source becomes on Freshsales Suite, and what on Freshsales Classic.

Suite keeps leads and contacts in one module and tells them apart by lifecycle stage. Classic has a module for
leads: without lifecycle stages, without links to accounts (a lead names one company), and with no place in a
contact list (vendor docs). Chosen once per run; nothing else asks which edition it is. Invariant: every person
has exactly one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from crmbook import tables
from crmbook.errors import ConfigError
from crmbook.phases.matching_existing import held
from crmbook.phases.narrow import known
from crmbook.phases.split import LEAD as LEAD_SIDE

LEAD: Final = "lead"
ONE_COMPANY: Final = "a lead names one company only"
NO_LISTS: Final = "a lead has no place in a list"
# a place in the target to its module; what the source calls a contact may be in two places
MODULES: Final = {"company": "sales_accounts", "contact": "contacts", "lead": "leads", "deal": "deals"}
PLACES: Final = {"company": ("company",), "contact": ("contact", LEAD), "deal": ("deal",)}

Frames = Mapping[str, pl.DataFrame]
F = TypeVar("F", pl.DataFrame, pl.LazyFrame)
_HELD_BY: Final = ("source_id", "cf_usercom_original_id", "external_id", "email")


@dataclass(frozen=True)
class Edition:
    """One edition, as far as records differ: whether leads have a module of their own, and stages a lifecycle."""

    name: str
    has_leads: bool
    has_lifecycles: bool

    @property
    def modules(self) -> dict[str, str]:
        """Place to module, in the order the modules are read."""
        return {place: module for place, module in MODULES.items() if self.has_leads or place != LEAD}

    def placed(self, contacts: F, existing: pl.DataFrame) -> dict[str, F]:
        """
        *contacts* by their place: contact, and lead where the edition has leads.

        A lead by the split whom the target holds as a contact already stays that contact: nobody is there twice.
        """
        if not self.has_leads:
            return {"contact": contacts}
        there = list(held(known(contacts, *_HELD_BY), existing, "contact"))
        is_lead = (pl.col("split") == LEAD_SIDE) & ~pl.col("source_id").is_in(there)
        return {"contact": contacts.filter(~is_lead), LEAD: contacts.filter(is_lead)}

    def records(
        self,
        *,
        sales_accounts: F,
        contacts: F,
        deals: F,
        existing: pl.DataFrame,
    ) -> dict[str, F]:
        """The normalized records by place; leads with the `company_name` they carry."""
        people = self.placed(contacts, existing)
        if LEAD in people:
            people[LEAD] = with_company(people[LEAD], sales_accounts)
        return {"company": sales_accounts, **people, "deal": deals}

    def by_module(self, custom_fields: pl.DataFrame) -> pl.DataFrame:
        """*custom_fields* (`module`) with those of contacts for leads too: the split is not known yet."""
        if not self.has_leads:
            return custom_fields
        own = custom_fields.filter(pl.col("module") == MODULES["contact"])
        return pl.concat([custom_fields, own.with_columns(module=pl.lit(MODULES[LEAD]))])

    def fitted(self, *, contacts: pl.DataFrame, links: pl.DataFrame, loss: pl.DataFrame) -> Frames:
        """The tables of 04 as this edition can hold them: `contacts`, `links` and `loss`."""
        if not self.has_lifecycles:
            contacts = contacts.with_columns(lifecycle=pl.lit(None, dtype=pl.String))
        if not self.has_leads:
            return {"contacts": contacts, "links": links, "loss": loss}
        is_several = (pl.col("split") == LEAD_SIDE) & (pl.col("account_ids").list.len() > 1)
        several = contacts.filter(is_several).height
        first = pl.when(is_several).then(pl.col("account_ids").list.head(1)).otherwise("account_ids")
        return {
            "contacts": contacts.with_columns(account_ids=first),
            "links": _with_one_company(links, contacts.filter(is_several)),
            "loss": _with_loss(loss, "company_ids", several),
        }

    def unlisted(self, contacts: pl.DataFrame) -> pl.Series:
        """The source ids of those of *contacts* who have no place in a list."""
        return contacts.filter((pl.col("split") == LEAD_SIDE) & pl.lit(self.has_leads))["source_id"]


SUITE: Final = Edition("suite", has_leads=False, has_lifecycles=True)
CLASSIC: Final = Edition("classic", has_leads=True, has_lifecycles=False)


def of(name: str) -> Edition:
    """The edition called *name*; raises ConfigError naming the known ones."""
    known = {edition.name: edition for edition in (SUITE, CLASSIC)}
    if name not in known:
        raise ConfigError(f"edition: {name}: expected {' or '.join(known)}")
    return known[name]


def source_entity(column: str = "entity") -> pl.Expr:
    """The entity of the source for the place in *column*: a lead is a contact there."""
    return pl.col(column).replace({place: entity for entity, places in PLACES.items() for place in places})


def with_company(leads: F, accounts: F) -> F:
    """*leads* with `company_name`, the name of their account as it is loaded; null where they have none."""
    names = accounts.select(_account="source_id", company_name="name")
    joined = leads.with_columns(_account=pl.col("account_ids").list.first())
    return joined.join(names, on="_account", how="left", maintain_order="left").drop("_account")


def hung(frame: pl.DataFrame, leads: pl.DataFrame) -> pl.DataFrame:
    """*frame* (`parent_kind`, `parent_id`) with the parents that are leads named so."""
    is_lead = (pl.col("parent_kind") == "contact") & pl.col("parent_id").is_in(leads["source_id"].implode())
    return frame.with_columns(parent_kind=pl.when(is_lead).then(pl.lit(LEAD)).otherwise("parent_kind"))


def _with_one_company(links: pl.DataFrame, several: pl.DataFrame) -> pl.DataFrame:
    """*links* of leads with *several* accounts: all but the one to the first are dropped, with the reason."""
    first = several.select(kept_from="source_id", first=pl.col("account_ids").list.first())
    joined = links.join(first, on="kept_from", how="left", maintain_order="left")
    is_left = (
        (pl.col("relation") == "contact_account")
        & pl.col("first").is_not_null()
        & (pl.col("kept_to") != pl.col("first"))
    ).fill_null(value=False)
    settled = joined.with_columns(
        kept_from=pl.when(~is_left).then("kept_from"),
        kept_to=pl.when(~is_left).then("kept_to"),
        state=pl.when(is_left).then(pl.lit("dropped")).otherwise("state"),
        reason=pl.when(is_left).then(pl.lit(ONE_COMPANY)).otherwise("reason"),
    )
    return tables.conform(settled.drop("first"), tables.LINKS)


def _with_loss(loss: pl.DataFrame, field: str, records: int) -> pl.DataFrame:
    row = {"entity": "contact", "field": field, "kind": "dropped", "records": records}
    more = pl.DataFrame([row] if records else [], schema=tables.LOSS.columns)
    summed = pl.concat([loss, more]).group_by("entity", "field", "kind").agg(pl.col("records").sum())
    return tables.conform(summed, tables.LOSS)
