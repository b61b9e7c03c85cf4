"""Which contacts a person decided to leave out, and was that obeyed?

In: the ids of the decision file with their reason, the contacts of 01, what 04 made of them. Out: EXCLUSIONS of 02 and
EXCLUSIONS_OBEYED of 04. Whoever is named stays behind whatever else would become of them; a duplicate that isn't named
lives on. Invariant: nobody who is named is written, and nobody lives on in another record.
"""

from typing import Final

import polars as pl

from crmbook import tables

BY_DECISION: Final = "by decision"


def located(rows: pl.DataFrame, contacts: pl.DataFrame) -> pl.DataFrame:
    """*rows* (`source_id`, `reason`) as EXCLUSIONS: an id the source doesn't hold is kept and told, it may come back."""
    known = contacts.select("source_id", is_in_source=pl.lit(value=True))
    found = rows.join(known, on="source_id", how="left", maintain_order="left")
    return tables.conform(
        found.with_columns(pl.col("is_in_source").fill_null(value=False)), tables.EXCLUSIONS
    )


def effective(exclusions: pl.DataFrame) -> pl.DataFrame:
    """What of EXCLUSIONS changes what is written, and is approved with the map."""
    return exclusions.select("source_id", "reason")


def reasons(exclusions: pl.DataFrame) -> pl.DataFrame:
    """EXCLUSIONS by reason: `contacts`, and how many of them the source holds."""
    return (
        exclusions.group_by("reason")
        .agg(contacts=pl.len().cast(pl.Int64), in_source=pl.col("is_in_source").sum().cast(pl.Int64))
        .sort("contacts", "reason", descending=[True, False])
    )


def left_out(contacts: pl.DataFrame, exclusions: pl.DataFrame, *, otherwise: pl.Expr) -> pl.DataFrame:
    """`source_id`, `reason` of the contacts left out: by decision, else for the reason *otherwise* gives (null: none)."""
    named = exclusions.select("source_id", _named=pl.format(f"{BY_DECISION}: {{}}", "reason"))
    judged = contacts.lazy().join(named.lazy(), on="source_id", how="left", maintain_order="left")
    return judged.select("source_id", reason=pl.coalesce("_named", otherwise)).drop_nulls("reason").collect()


def obeyed(
    exclusions: pl.DataFrame, *, excluded: pl.DataFrame, contacts: pl.DataFrame, merges: pl.DataFrame
) -> pl.DataFrame:
    """EXCLUSIONS_OBEYED: per reason who is named beside who was left out, and who is written all the same."""
    mine = pl.col("entity") == "contact"
    written = pl.concat([contacts.select("source_id"), merges.filter(mine).select("source_id")]).unique()
    apart = excluded.filter(mine, pl.col("reason").str.starts_with(BY_DECISION)).select("source_id")
    flagged = exclusions.select(
        "reason",
        "is_in_source",
        is_out=pl.col("source_id").is_in(apart["source_id"].implode()),
        is_written=pl.col("source_id").is_in(written["source_id"].implode()),
    )
    counted = flagged.group_by("reason").agg(
        named=pl.len(),
        in_source=pl.col("is_in_source").sum(),
        left_out=pl.col("is_out").sum(),
        written=pl.col("is_written").sum(),
        unaccounted=(pl.col("is_in_source") != pl.col("is_out")).sum(),
    )
    return tables.conform(counted, tables.EXCLUSIONS_OBEYED)
