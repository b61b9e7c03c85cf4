"""What became of every record and of every relation between two records.

`fate` says under which id a source record lives on; `relations` lists what the source holds between them;
`resolve` puts both together, so that a relation is kept, re-pointed to a survivor, or dropped with the reason.
"""

from typing import Final

import polars as pl

from crmbook import clean, tables

NOT_IN_SOURCE: Final = "not in the source"
_ENDS: Final = {
    "contact_account": ("contact", "company"),
    "deal_contact": ("deal", "contact"),
    "deal_account": ("deal", "company"),
    "contact_owner": ("contact", "agent"),
    "deal_owner": ("deal", "agent"),
}


def fate(
    source: pl.DataFrame, *, entity: str, merges: pl.DataFrame, rejects: pl.DataFrame, excluded: pl.DataFrame
) -> pl.DataFrame:
    """
    `source_id`, `kept_id`, `reason` for every row of *source*.

    `kept_id` is the record itself, its survivor, or null; `reason` names the first blocking rule or the
    exclusion, and is empty where the record lives on.
    """
    label = pl.lit(f"{entity} ")
    why = pl.concat(
        [
            excluded.select("source_id", why=label + "excluded: " + pl.col("reason")),
            rejects.filter("is_blocking").select("source_id", why=label + "rejected: " + pl.col("rule")),
        ]
    ).unique("source_id", keep="first", maintain_order=True)
    return (
        source.lazy()
        .select("source_id")
        .join(
            merges.lazy().select("source_id", "survivor_id"),
            on="source_id",
            how="left",
            maintain_order="left",
        )
        .join(why.lazy(), on="source_id", how="left", maintain_order="left")
        .select(
            "source_id",
            kept_id=pl.when(pl.col("why").is_null()).then(pl.coalesce("survivor_id", "source_id")),
            reason=pl.col("why").fill_null(""),
        )
        .collect()
    )


def agents(owners: pl.DataFrame) -> pl.DataFrame:
    """The fate of source agents: one the agents list does not hold leads nowhere."""
    return owners.select(
        source_id="agent_id",
        kept_id=pl.when("is_known").then("agent_id"),
        reason=pl.when("is_known").then(pl.lit("")).otherwise(pl.lit("agent not in the agents list")),
    )


def listed(ids: pl.Series, *, is_left: bool = False) -> pl.Series:
    """A list column without blanks and repeats, never null; empty throughout where it *is_left* behind."""
    filled = clean.filled(pl.col(ids.name)).fill_null([])
    return unless(is_left, ids).to_frame().select(filled).to_series()


def unless(is_left: bool, column: pl.Series) -> pl.Series:
    """*column*, or nulls where it *is_left* behind."""
    return column.clear(len(column)) if is_left else column


def repointed(rows: pl.DataFrame, column: str, fate: pl.DataFrame) -> pl.DataFrame:
    """*rows* with the source ids in *column* (one id or a list) replaced by those they live on under."""
    kept = fate.lazy().select(pl.col("source_id").alias("_id"), "kept_id")
    if not isinstance(rows.schema[column], pl.List):
        joined = rows.lazy().join(kept, left_on=column, right_on="_id", how="left", maintain_order="left")
        return joined.with_columns(pl.col("kept_id").alias(column)).drop("kept_id").collect()
    # Most lists hold nobody who was merged or left out: those stay as they are.
    stays = fate.filter(pl.col("kept_id") == pl.col("source_id"))["source_id"]
    ids = rows.select("source_id", _id=pl.col(column)).explode("_id")
    moved = ids.filter(pl.col("_id").is_not_null() & ~pl.col("_id").is_in(stays.implode()))
    if moved.is_empty():
        return rows.with_columns(pl.col(column).fill_null([]))
    lists = (
        ids.lazy()
        .filter(pl.col("source_id").is_in(moved["source_id"].unique().implode()))
        .join(kept, on="_id", how="left", maintain_order="left")
        .group_by("source_id", maintain_order=True)
        .agg(_made=pl.col("kept_id").drop_nulls().unique(maintain_order=True))
    )
    joined = rows.lazy().join(lists, on="source_id", how="left", maintain_order="left")
    made = pl.coalesce("_made", pl.col(column)).fill_null([]).alias(column)
    return joined.with_columns(made).drop("_made").collect()


def relations(contacts: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    """
    Every relation of the source once: `relation`, `from_id`, `to_id`, `is_primary`.

    Primary is a contact's oldest company, a deal's own contact (participants are not), and whatever there
    is only one of.
    """
    parts = [
        _several(contacts, "contact_account", pl.col("company_ids"), pl.col("company_ids").list.first()),
        _several(
            deals,
            "deal_contact",
            pl.concat_list(pl.concat_list("contact_id"), pl.col("participants").fill_null([])),
            pl.col("contact_id"),
        ),
        _single(deals, "deal_account", "company_id"),
        _single(contacts, "contact_owner", "assigned_to"),
        _single(deals, "deal_owner", "assigned_to"),
    ]
    listed = pl.concat(parts).filter(pl.col("to_id").is_not_null())
    return listed.unique(["relation", "from_id", "to_id"], keep="first", maintain_order=True).collect()


def _several(rows: pl.DataFrame, relation: str, ids: pl.Expr, first: pl.Expr) -> pl.LazyFrame:
    listed = (
        rows.lazy()
        .select(relation=pl.lit(relation), from_id="source_id", to_id=ids, first=first)
        .explode("to_id")
    )
    return listed.select(
        "relation", "from_id", "to_id", is_primary=pl.col("to_id").eq_missing(pl.col("first"))
    )


def _single(rows: pl.DataFrame, relation: str, column: str) -> pl.LazyFrame:
    return rows.lazy().select(relation=pl.lit(relation), from_id="source_id", to_id=column, is_primary=True)


def resolve(
    relations: pl.DataFrame, *, fates: dict[str, pl.DataFrame], owners: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """
    *relations* with their outcome: the shape of `tables.LINKS`, without key checks.

    Args:
        fates: `fate` of contact, company, deal and agent.
        relations: as `relations` lists them.
        owners: of contact and deal, the target-shaped rows: a merged record's owner counts only where the
            survivor has the same.
    """
    parts = []
    for relation, (start, end) in _ENDS.items():
        ends = (
            relations.lazy()
            .filter(pl.col("relation") == relation)
            .join(_end(fates[start], "from"), on="from_id", how="left", maintain_order="left")
            .join(_end(fates[end], "to"), on="to_id", how="left", maintain_order="left")
        )
        parts.append(_same_owner(ends, owners[start]) if end == "agent" else ends)
    why = pl.coalesce(_why("from"), _why("to"))
    is_dropped = why.is_not_null()
    is_same = (pl.col("kept_from") == pl.col("from_id")) & (pl.col("kept_to") == pl.col("to_id"))
    outcome = pl.when(is_dropped).then(pl.lit("dropped")).when(is_same).then(pl.lit("kept"))
    return (
        pl.concat(parts)
        .select(
            "relation",
            "from_id",
            "to_id",
            kept_from=pl.when(~is_dropped).then("kept_from"),
            kept_to=pl.when(~is_dropped).then("kept_to"),
            is_primary="is_primary",
            state=outcome.otherwise(pl.lit("repointed")),
            reason=why.fill_null(""),
        )
        .collect()
    )


def _end(fate: pl.DataFrame, side: str) -> pl.LazyFrame:
    return fate.lazy().select(
        pl.col("source_id").alias(f"{side}_id"),
        pl.col("kept_id").alias(f"kept_{side}"),
        pl.col("reason").alias(f"{side}_reason"),
    )


def _why(side: str) -> pl.Expr:
    return pl.when(pl.col(f"kept_{side}").is_null()).then(pl.col(f"{side}_reason").fill_null(NOT_IN_SOURCE))


def _same_owner(ends: pl.LazyFrame, rows: pl.DataFrame) -> pl.LazyFrame:
    owner = rows.lazy().select(kept_from="source_id", owner="owner_agent_id")
    is_other = pl.col("kept_to").is_not_null() & pl.col("owner").ne_missing(pl.col("kept_to"))
    return (
        ends.join(owner, on="kept_from", how="left", maintain_order="left")
        .with_columns(
            kept_to=pl.when(~is_other).then("kept_to"),
            to_reason=pl.when(is_other)
            .then(pl.lit("the surviving record has another owner"))
            .otherwise("to_reason"),
        )
        .drop("owner")
    )


def left_behind(links: pl.DataFrame, relations: list[str]) -> pl.DataFrame:
    """*links* in which the *relations* the mapping leaves behind are dropped."""
    is_left = pl.col("relation").is_in(relations)
    return links.with_columns(
        kept_from=pl.when(~is_left).then("kept_from"),
        kept_to=pl.when(~is_left).then("kept_to"),
        state=pl.when(is_left).then(pl.lit("dropped")).otherwise("state"),
        reason=pl.when(is_left).then(pl.lit("left behind by the mapping")).otherwise("reason"),
    )


def with_primary(links: pl.DataFrame, contacts: pl.DataFrame) -> pl.DataFrame:
    """*links*, conformed, in which a contact's primary account is the one it has after merging."""
    first = contacts.lazy().select(kept_from="source_id", first=pl.col("account_ids").list.first())
    is_told = (pl.col("relation") == "contact_account") & (pl.col("state") != "dropped")
    is_first = pl.col("kept_to").eq_missing(pl.col("first"))
    settled = (
        links.lazy()
        .join(first, on="kept_from", how="left", maintain_order="left")
        .with_columns(is_primary=pl.when(is_told).then(is_first).otherwise("is_primary"))
        .drop("first")
    )
    return tables.conform(settled.collect(), tables.LINKS)
