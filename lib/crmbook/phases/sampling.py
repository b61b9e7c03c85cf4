"""A few contacts that show every class of record, with all that hangs on them.

In: the typed source tables and a number. Out: the same tables, cut down. Contacts are chosen rarest class
first, so a class with one member is in the sample before the common ones fill it up.
Invariant: the same tables and number give the same sample.
"""

from typing import Final, NamedTuple

import polars as pl

from crmbook import clean, parse

_FEWER: Final = "_few"


class Sample(NamedTuple):
    contacts: pl.DataFrame
    companies: pl.DataFrame
    deals: pl.DataFrame


def sample(contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame, size: int) -> Sample:
    """
    At most *size* contacts, the companies they belong to or have deals with, and their deals.

    A deal comes along where its contact is chosen, or, for a deal without contact, one of its participants.
    Relations to contacts outside the sample are cut from the deals. The rows are those of the full tables
    in their order.
    """
    features = _features(contacts, deals)
    chosen = _choose(features, size)
    kept = contacts.filter(pl.col("source_id").is_in(chosen))
    inside = pl.col("participants").list.set_intersection(pl.lit(chosen, dtype=pl.List(pl.String)))
    reached = deals.with_columns(inside.alias(_FEWER)).filter(
        pl.col("contact_id").is_in(chosen)
        | (pl.col("contact_id").is_null() & (pl.col(_FEWER).list.len() > 0).fill_null(value=False))
    )
    reached = reached.with_columns(pl.col(_FEWER).list.sort().alias("participants")).drop(_FEWER)
    wanted = pl.concat(
        [kept.get_column("company_ids").explode().drop_nulls(), reached.get_column("company_id").drop_nulls()]
    )
    return Sample(kept, companies.filter(pl.col("source_id").is_in(wanted.to_list())), reached)


def classes(contacts: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    """Every class of contact with its members: one row per (feature, source_id), what a sample has to cover."""
    return _features(contacts, deals)


def _features(contacts: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    email = clean.email_key(pl.col("email"))
    companies = pl.col("company_ids").list.len().fill_null(0)
    flags = contacts.select(
        "source_id",
        _present("email").alias("email"),
        _present("phone_number").alias("phone"),
        _present("custom_id").alias("user id"),
        (email.is_not_null() & email.is_duplicated()).alias("shared e-mail"),
        (email.is_not_null() & ~clean.RULES["email"].is_valid(pl.col("email"))).alias("invalid e-mail"),
        companies.clip(upper_bound=2).cast(pl.String).alias("companies"),
        pl.col("tags").list.len().fill_null(0).clip(upper_bound=2).cast(pl.String).alias("tags"),
        pl.col("last_contacted").is_not_null().alias("contacted"),
        pl.col("last_heard").is_not_null().alias("chat"),
        pl.col("web_push_subscription").fill_null(value=False).alias("push"),
        pl.col("unsubscribed").fill_null(value=False).alias("unsubscribed"),
        pl.col("assigned_to").alias("owner"),
    )
    own = flags.with_columns(pl.exclude("source_id").cast(pl.String)).unpivot(
        index="source_id", variable_name="what", value_name="value"
    )
    custom = [
        contacts.filter(pl.col(c).is_not_null()).select(
            "source_id", pl.lit(c).alias("what"), pl.lit("").alias("value")
        )
        for c in contacts.columns
        if c.startswith("p_")
    ]
    everything = pl.concat([own, *custom, _twins(contacts), _deal_features(contacts, deals)])
    return everything.select(
        pl.concat_str("what", pl.col("value").fill_null("none"), separator=": ").alias("feature"), "source_id"
    )


def _twins(contacts: pl.DataFrame) -> pl.DataFrame:
    """Two contacts of one e-mail, each a class of its own: a merge is seen only where both are there."""
    email = clean.email_key(pl.col("email"))
    shared = contacts.filter(email.is_not_null() & email.is_duplicated()).sort(email, "source_id").head(2)
    return shared.select(
        "source_id",
        pl.lit("twin").alias("what"),
        pl.int_range(1, pl.len() + 1).cast(pl.String).alias("value"),
    )


def _deal_features(contacts: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    stages = deals.select(
        pl.col("contact_id").alias("source_id"),
        pl.lit("deal").alias("what"),
        pl.concat_str("pipeline_id", "stage_id", pl.col("status").cast(pl.String), separator="/").alias(
            "value"
        ),
    )
    others = deals.explode("participants").select(
        pl.col("participants").alias("source_id"),
        pl.lit("participant").alias("what"),
        pl.lit("").alias("value"),
    )
    known = contacts.select("source_id")
    return (
        pl.concat([stages, others]).drop_nulls("source_id").unique().join(known, on="source_id", how="semi")
    )


def _choose(features: pl.DataFrame, size: int) -> list[str]:
    """Per class, rarest first, the contact in most classes if none is chosen yet; then the richest of the rest."""
    breadth = features.group_by("source_id").agg(pl.len().alias("breadth"))
    ranked = features.join(breadth, on="source_id").sort("breadth", "source_id", descending=[True, False])
    classes_by_rarity = (
        ranked.group_by("feature", maintain_order=True)
        .agg(pl.col("source_id").first().alias("best"), pl.len().alias("members"))
        .sort("members", "feature")
    )
    chosen: dict[str, None] = {}
    covered: set[str] = set()
    for feature, best, _ in classes_by_rarity.iter_rows():
        if len(chosen) >= size:
            break
        if feature not in covered:
            chosen[best] = None
            covered |= set(features.filter(pl.col("source_id") == best).get_column("feature"))
    rest = breadth.filter(~pl.col("source_id").is_in(list(chosen))).sort(
        "breadth", "source_id", descending=[True, False]
    )
    return [*chosen, *rest.get_column("source_id").head(size - len(chosen))]


def _present(column: str) -> pl.Expr:
    return parse.trimmed(pl.col(column)).is_not_null()
