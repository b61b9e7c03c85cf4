"""Lead or Contact: the one rule that divides User.com's contacts, and the lifecycle stage that follows.

The rule (vendor-pair specification): a deal, or recorded calls, e-mails or meetings make a Contact; an e-mail
address without either makes a Lead. A record with none of the three, loaded under a placeholder address, is
a Lead as well: nothing qualifies it.
"""

import polars as pl

LEAD, CONTACT = "Lead", "Contact"
QUALIFIED, CUSTOMER = "Sales Qualified Lead", "Customer"
WON = 2


def side(*, has_deal: pl.Expr, is_engaged: pl.Expr) -> pl.Expr:
    """Lead or Contact, by what is recorded of a contact; nulls count as no."""
    return (
        pl.when(has_deal.fill_null(False) | is_engaged.fill_null(False))
        .then(pl.lit(CONTACT))
        .otherwise(pl.lit(LEAD))
    )


def lifecycle(*, split: pl.Expr, has_won: pl.Expr) -> pl.Expr:
    """The type of the lifecycle stage: Lead; Customer for a Contact with a won deal, else Sales Qualified Lead."""
    of_contact = pl.when(has_won.fill_null(False)).then(pl.lit(CUSTOMER)).otherwise(pl.lit(QUALIFIED))
    return pl.when(split == LEAD).then(pl.lit(LEAD)).otherwise(of_contact)


def evidence(
    contacts: pl.DataFrame, deals: pl.DataFrame, engagement: pl.DataFrame | None = None
) -> pl.DataFrame:
    """
    What the source records of each contact: `source_id`, `has_deal`, `has_won`, `is_engaged`.

    A deal counts for its contact and for every participant, whatever its status; `is_engaged` is a recorded
    last contact, or what the history says (*engagement*: `contact_id`, `is_engaged`).
    """
    engaged = pl.DataFrame(schema={"source_id": pl.String})
    if engagement is not None:
        engaged = engagement.filter("is_engaged").select(source_id="contact_id").unique()
    people = pl.concat(
        [
            deals.lazy().select("status", source_id="contact_id"),
            deals.lazy().select("status", source_id="participants").explode("source_id"),
        ]
    )
    with_deals = (
        people.filter(pl.col("source_id").is_not_null())
        .group_by("source_id")
        .agg(has_won=(pl.col("status") == WON).any())
        .with_columns(has_deal=True)
    )
    return (
        contacts.lazy()
        .join(engaged.lazy().with_columns(_engaged=True), on="source_id", how="left", maintain_order="left")
        .select(
            "source_id",
            is_engaged=pl.col("last_contacted").is_not_null() | pl.col("_engaged").fill_null(False),
        )
        .join(with_deals, on="source_id", how="left", maintain_order="left")
        .select("source_id", pl.col("has_deal", "has_won").fill_null(False), "is_engaged")
        .collect()
    )


def of_survivors(evidence: pl.DataFrame, fate: pl.DataFrame) -> pl.DataFrame:
    """*evidence* of everything that lives on in a record, under that record's id; what was dropped is left out."""
    return (
        evidence.lazy()
        .join(fate.lazy().select("source_id", "kept_id"), on="source_id")
        .filter(pl.col("kept_id").is_not_null())
        .group_by(source_id="kept_id")
        .agg(pl.col("has_deal", "has_won", "is_engaged").any())
        .sort("source_id")
        .collect()
    )
