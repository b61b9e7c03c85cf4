"""Which contacts are billable and why, and what is left of the bill when a selection of them stays behind?

In: `billing` and the tables of 01. Out: one row per contact with everything one may select by (`explored`), the same
counted (`cube`, `spread`: what the controls draw from, so that a redraw never walks the contacts again), and the
tables shown. Invariant: a cube's contacts sum to the rows it was made of; a contact in two segments or with two tags
counts in each of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

ATTRIBUTES: Final = ("email", "phone", "user_id", "last_heard", "web_push", "fcm_key")
LABELS: Final = {
    "email": "e-mail", "phone": "phone", "user_id": "user id", "last_heard": "chat heard", "web_push": "web push",
    "fcm_key": "FCM key",
}  # fmt: skip
TIERS: Final = ("identified", "chat_only", "push_only", "unidentified")
NEVER: Final = "never seen"
_AGES: Final = (
    (30, "under 30 days"), (90, "30 to 90 days"), (180, "90 to 180 days"), (365, "180 to 365 days"),
    (730, "1 to 2 years"),
)  # fmt: skip
SEEN: Final = (*(label for _, label in _AGES), "over 2 years", NEVER)
_STAFF: Final = ((10, "1 to 9"), (50, "10 to 49"), (250, "50 to 249"), (1000, "250 to 999"))
SIZES: Final = (*(label for _, label in _STAFF), "1,000 and more", "size not told", "no company")
NOBODY: Final = "nobody"
KEYS: Final = (*ATTRIBUTES, "is_billable", "tier", "seen", "owner", "size")
# What the contacts can be counted by; segment and tag are memberships, the others columns.
MEMBERSHIPS: Final = ("segment", "tag")
DIMENSIONS: Final = ("seen", "owner", "size", *MEMBERSHIPS)


@dataclass(frozen=True)
class Choice:
    """A selection: per attribute whether it must be there, and of each list what may be (nothing named: everything)."""

    attributes: Mapping[str, bool] = field(default_factory=dict)
    tiers: Sequence[str] = ()
    seen: Sequence[str] = ()
    owners: Sequence[str] = ()
    sizes: Sequence[str] = ()

    @property
    def is_open(self) -> bool:
        """Whether nothing is chosen, so that everybody would be."""
        return not (self.attributes or self.tiers or self.seen or self.owners or self.sizes)

    def holds(self) -> pl.Expr:
        """Whether a row (of the contacts or of a cube) is in the selection."""
        asked = [pl.col(name) == wanted for name, wanted in self.attributes.items()]
        lists = {"tier": self.tiers, "seen": self.seen, "owner": self.owners, "size": self.sizes}
        asked += [pl.col(name).cast(pl.String).is_in(list(of)) for name, of in lists.items() if of]
        return pl.all_horizontal(pl.lit(value=True), *asked)


def explored(
    billing: pl.DataFrame, *, contacts: pl.DataFrame, companies: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """`source_id` and KEYS of every row of *billing*; a contact's size is that of its oldest company."""
    first = contacts.select(
        "source_id", "last_seen", owner=pl.col("assigned_to").fill_null(NOBODY), company=pl.col("company_ids").list.first()
    ).join(companies.select(company="source_id", staff="size"), on="company", how="left")  # fmt: skip
    days = (pl.lit(as_of) - pl.col("last_seen")).dt.total_days()
    size = _banded(pl.col("staff"), _STAFF, SIZES[-3]).fill_null(SIZES[-2])
    facts = first.select(
        "source_id",
        "owner",
        seen=_banded(days, _AGES, SEEN[-2]).fill_null(NEVER).cast(pl.Enum(SEEN)),
        size=pl.when(pl.col("company").is_null()).then(pl.lit(SIZES[-1])).otherwise(size).cast(pl.Enum(SIZES)),
    )  # fmt: skip
    joined = billing.join(facts, on="source_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("tier").cast(pl.Enum(TIERS)), pl.col("owner").cast(pl.Categorical)).select(
        "source_id", *KEYS
    )  # fmt: skip


def memberships(
    contacts: pl.DataFrame, segments: pl.DataFrame, segment_members: pl.DataFrame
) -> pl.DataFrame:
    """`kind` (segment or tag), `value` (its name), `source_id`; a segment's name stands before its id where two share it."""
    twice = pl.col("name").is_duplicated()
    label = pl.when(twice).then(pl.format("{} ({})", "name", "segment_id")).otherwise("name")
    named = segments.select("segment_id", value=label)
    of_segments = segment_members.join(named, on="segment_id").select(
        "value", kind=pl.lit("segment"), source_id="contact_id"
    )
    tags = contacts.select("source_id", value="tags").explode("value").drop_nulls()
    of_tags = tags.select("value", kind=pl.lit("tag"), source_id="source_id")
    return pl.concat([of_segments, of_tags]).unique(maintain_order=True).select("kind", "value", "source_id")


def within(contacts: pl.DataFrame, members: pl.DataFrame, kind: str, value: str) -> pl.DataFrame:
    """The rows of *contacts* that are in this segment or have this tag; all where *kind* is empty."""
    if not kind:
        return contacts
    chosen = members.filter(pl.col("kind") == kind, pl.col("value") == value)
    return contacts.join(chosen, on="source_id", how="semi")


def cube(contacts: pl.DataFrame) -> pl.DataFrame:
    """KEYS and how many `contacts` have just these."""
    return contacts.group_by(KEYS).agg(contacts=pl.len().cast(pl.Int64))


def spread(contacts: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The cube of each segment and tag: `kind`, `value`, KEYS, `contacts`."""
    joined = members.join(contacts, on="source_id")
    return joined.group_by("kind", "value", *KEYS).agg(contacts=pl.len().cast(pl.Int64))


def marked(counted: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """A cube or spread with how many contacts of each row are `chosen`; what every table below is made of."""
    return counted.with_columns(chosen=pl.when(choice.holds()).then("contacts").otherwise(0))


def combinations(rows: pl.DataFrame) -> pl.DataFrame:
    """The attributes contacts have together, most contacts first: ATTRIBUTES, `tier`, `contacts`, `chosen` of them."""
    return (
        rows.group_by(*ATTRIBUTES, "tier")
        .agg(_sum("contacts"), _sum("chosen"))
        .sort("contacts", *ATTRIBUTES, descending=[True, *[False] * len(ATTRIBUTES)])
    )


def single(rows: pl.DataFrame) -> pl.DataFrame:
    """Each attribute on its own: `attribute`, `contacts` that have it, `chosen` of them, and those with it `alone`."""
    held = pl.sum_horizontal(ATTRIBUTES)
    parts = [
        rows.select(
            attribute=pl.lit(name),
            contacts=pl.col("contacts").filter(pl.col(name)).sum(),
            chosen=pl.col("chosen").filter(pl.col(name)).sum(),
            alone=pl.col("contacts").filter(pl.col(name) & (held == 1)).sum(),
        )
        for name in ATTRIBUTES
    ]
    return pl.concat(parts)


def groups(rows: pl.DataFrame) -> pl.DataFrame:
    """Per group before and after the selection is left out: `tier`, `contacts`, `billable`, `chosen`, `after`, `billable_after`."""
    sums = rows.group_by("tier").agg(
        _sum("contacts"),
        _sum("chosen"),
        billable=pl.col("contacts").filter("is_billable").sum(),
        gone=pl.col("chosen").filter("is_billable").sum(),
    )
    every = pl.DataFrame({"tier": TIERS}, schema={"tier": pl.Enum(TIERS)})
    told = every.join(sums, on="tier", how="left", maintain_order="left").fill_null(0)
    return told.select(
        "tier", "contacts", "billable", "chosen", after=pl.col("contacts") - pl.col("chosen"),
        billable_after=pl.col("billable") - pl.col("gone"),
    )  # fmt: skip


def breakdown(rows: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Contacts by *dimension*: `value`, `contacts`, `chosen`; bands in their order, everything else by number."""
    is_member = dimension in MEMBERSHIPS
    rows = rows.filter(pl.col("kind") == dimension) if is_member else rows.with_columns(value=dimension)
    sums = rows.group_by("value").agg(_sum("contacts"), _sum("chosen"))
    if dimension in ("seen", "size"):
        return sums.sort("value").with_columns(pl.col("value").cast(pl.String))
    return sums.with_columns(pl.col("value").cast(pl.String)).sort(
        "contacts", "value", descending=[True, False]
    )


def why() -> pl.Expr:
    """The attributes a contact has, in words: `e-mail + phone`; empty for none."""
    words = [pl.when(pl.col(name)).then(pl.lit(label)) for name, label in LABELS.items()]
    return pl.concat_str(words, separator=" + ", ignore_nulls=True)


def agreement(counted: pl.DataFrame, billing: pl.DataFrame) -> pl.DataFrame:
    """Per group the contacts and billable ones counted here beside those of 01: `difference` is zero."""
    keys = ["tier", "contacts", "billable"]
    here = groups(marked(counted, Choice())).select(keys).with_columns(pl.col("tier").cast(pl.String))
    told = billing.group_by("tier").agg(
        discovery=pl.len().cast(pl.Int64), discovery_billable=pl.col("is_billable").sum().cast(pl.Int64)
    )
    both = here.join(told, on="tier", how="full", coalesce=True, maintain_order="left").fill_null(0)
    off = (pl.col("contacts") - pl.col("discovery")).abs() + (
        pl.col("billable") - pl.col("discovery_billable")
    ).abs()
    return both.with_columns(difference=off)


def step(billable: int, steps: Sequence[int]) -> str:
    """The contract's tier that many billable contacts fall into; empty where no tier is known."""
    fitting = [limit for limit in sorted(steps) if billable <= limit]
    if not steps:
        return ""
    return f"up to {fitting[0]:,}" if fitting else f"over {max(steps):,}"


def _banded(number: pl.Expr, bands: Sequence[tuple[int, str]], above: str) -> pl.Expr:
    """The label of the first band *number* is below; null stays null."""
    labels = (pl.when(number < limit).then(pl.lit(name)) for limit, name in bands)
    return pl.when(number.is_not_null()).then(pl.coalesce(*labels, pl.lit(above)))


def _sum(name: str) -> pl.Expr:
    return pl.col(name).sum()
