"""What the map loses, as tables: named before approval, held against what 04 lost, and found again in the target.

In: measures of the way there and back (`roundtrip.MEASURED`) and what became of whole records. Out: LOSS_PREVIEW,
LOSS_AGREEMENT, LOST_FIELDS and a sentence for whoever approves. Only fields, kinds and numbers, never a value.
"""

from collections.abc import Collection, Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.loss_words import HISTORY, LOSSES, RECORD, STRUCTURE, consequence, is_loss
from crmbook.phases.roundtrip import MEASURED

_KEY: Final = ["entity", "source_field", "target_field", "rule", "kind"]
_BY_FIELD: Final = ["entity", "source_field", "kind"]
_RECORDS: Final = ("company", "contact", "deal", "deal_stage")
_LINKS: Final = ("contact", "company_ids", "sales_accounts")
UNIQUE_NAMES: Final = "the tenant keeps account names unique or not; only measuring tells"
NO_TYPE: Final = "the target lacks a type of sales activity; its entries become notes"


def records(
    *, rejects: pl.DataFrame, excluded: pl.DataFrame, merges: pl.DataFrame, sizes: Mapping[str, int]
) -> pl.DataFrame:
    """Records that don't come over as records of their own, by reason (MEASURED); *sizes* are those of the source."""
    parts = [
        (rejects.filter("is_blocking"), "rejected", "rule"),
        (excluded, "excluded", "reason"),
        (merges, "merged", "rule"),
    ]
    counted = [
        frame.filter(pl.col("entity").is_in(_RECORDS))
        .group_by("entity", pl.col(why).alias("rule"))
        .agg(rows=pl.col("source_id").n_unique().cast(pl.Int64))
        .with_columns(source_field=pl.lit(RECORD), target_field=pl.lit(""), kind=pl.lit(kind))
        for frame, kind, why in parts
    ]
    filled = pl.col("entity").replace_strict(dict(sizes), default=None, return_dtype=pl.Int64)
    return pl.concat(p.with_columns(filled=filled).select(list(MEASURED)) for p in counted)


def left_behind(unmapped: pl.DataFrame) -> pl.DataFrame:
    """The filled fields of `tables.UNMAPPED` (MEASURED)."""
    return unmapped.select(
        "entity", source_field="field", target_field=pl.lit(""), rule=pl.lit(""), kind=pl.lit("left_behind"),
        rows="filled", filled="filled",
    )  # fmt: skip


def of_history(loss: pl.DataFrame, rows_in: Mapping[str, int]) -> pl.DataFrame:
    """The rows of `tables.LOSS` about history, and links a lead can't have (MEASURED)."""
    is_link = (pl.col("entity") == _LINKS[0]) & (pl.col("field") == _LINKS[1])
    told = loss.filter(~pl.col("entity").is_in(_RECORDS) | is_link)
    is_link = pl.col("field") == _LINKS[1]
    return told.select(
        "entity",
        source_field="field",
        target_field=pl.when(is_link).then(pl.lit(_LINKS[2])).otherwise(pl.lit("")),
        rule=pl.when(is_link).then(pl.lit(STRUCTURE)).otherwise(pl.lit(HISTORY)),
        kind="kind",
        rows="records",
        filled=pl.col("entity").replace_strict(dict(rows_in), default=None, return_dtype=pl.Int64),
    )


def preview(*measured: pl.DataFrame) -> pl.DataFrame:
    """*measured* (MEASURED) as `tables.LOSS_PREVIEW`."""
    rows = pl.concat(measured)
    pairs = rows.select("kind", "rule").rows()
    share = pl.when(pl.col("filled") > 0).then(pl.min_horizontal(pl.col("rows") / pl.col("filled"), 1.0))
    made = rows.with_columns(
        is_loss=pl.Series([is_loss(kind) for kind, _ in pairs], dtype=pl.Boolean),
        consequence=pl.Series([consequence(*pair) for pair in pairs], dtype=pl.String),
        share=share.round(4),
    )
    return tables.conform(made.drop("filled"), tables.LOSS_PREVIEW)


def shown(previewed: pl.DataFrame) -> pl.DataFrame:
    """*previewed* as a notebook shows it: losses first, most rows first, fields without a place left to their own table."""
    told = previewed.filter(pl.col("kind") != "left_behind")
    order = ["is_loss", "rows", "entity", "source_field", "kind"]
    return told.sort(order, descending=[True, True, False, False, False])


def summary(previewed: pl.DataFrame) -> pl.DataFrame:
    """What is lost per entity and kind: `fields`, `rows`, and what it means."""
    lost = previewed.filter("is_loss")
    return (
        lost.group_by("entity", "kind")
        .agg(fields=pl.col("source_field").n_unique().cast(pl.Int64), rows=pl.col("rows").sum())
        .with_columns(consequence=pl.col("kind").replace_strict(LOSSES, return_dtype=pl.String))
        .sort("entity", "rows", "kind", descending=[False, True, False])
    )


def headline(previewed: pl.DataFrame) -> str:
    """What is lost, in one sentence for the person who approves."""
    lost = previewed.filter("is_loss")
    is_whole, is_behind = pl.col("source_field") == RECORD, pl.col("kind") == "left_behind"
    told = lost.filter(pl.col("rule") == HISTORY)
    values = lost.filter(~is_whole & ~is_behind & (pl.col("rule") != HISTORY))
    return (
        f"loses {int(values['rows'].sum()):,} values in {values.select('entity', 'source_field').n_unique()} fields"
        f" and {int(lost.filter(is_whole)['rows'].sum()):,} records;"
        f" {int(told['rows'].sum()):,} values of the history stand in texts, {lost.filter(is_behind).height} fields"
        " are left behind"
    )


def agreement(
    previewed: pl.DataFrame,
    *,
    loss: pl.DataFrame,
    rejects: pl.DataFrame,
    excluded: pl.DataFrame,
    names_unique: bool,
    has_all_types: bool,
) -> pl.DataFrame:
    """
    What was named beside what 04 lost, as `tables.LOSS_AGREEMENT`.

    Two facts are measured only after the map is approved, and explain a difference: *names_unique*, where the
    preview took account names to be unique, and *has_all_types*, where it took every type of activity to exist.
    """
    named = previewed.filter("is_loss", pl.col("kind") != "left_behind")
    whole = records(rejects=rejects, excluded=excluded, merges=tables.MERGES.empty(), sizes={})
    lost = pl.concat(
        [
            loss.select("entity", pl.col("field").alias("source_field"), "kind", "records"),
            whole.select("entity", "source_field", "kind", pl.col("rows").alias("records")),
        ]
    )
    both = named.group_by(_BY_FIELD).agg(previewed=pl.col("rows").sum()).join(
        lost.group_by(_BY_FIELD).agg(lost=pl.col("records").sum()), on=_BY_FIELD, how="full", coalesce=True
    ).with_columns(pl.col("previewed", "lost").fill_null(0))  # fmt: skip
    is_name = (pl.col("entity") == "company") & (pl.col("source_field") == "name")
    is_past = ~pl.col("entity").is_in(_RECORDS)
    differs = pl.col("previewed") != pl.col("lost")
    why = (
        pl.when(differs & is_name & pl.lit(not names_unique)).then(pl.lit(UNIQUE_NAMES))
        .when(differs & is_past & pl.lit(not has_all_types)).then(pl.lit(NO_TYPE))
        .otherwise(pl.lit(""))
    )  # fmt: skip
    made = both.with_columns(why=why).with_columns(
        unexplained=pl.when(pl.col("why") == "")
        .then((pl.col("previewed") - pl.col("lost")).abs())
        .otherwise(0)
    )
    return tables.conform(made, tables.LOSS_AGREEMENT)


def found(
    previewed: pl.DataFrame, measured: pl.DataFrame, *, compared: Collection[tuple[str, str, int]]
) -> pl.DataFrame:
    """
    What the target's values lack beside what was named, as `tables.LOST_FIELDS`.

    *measured* compares the source with what the target tells; *compared* are (entity, source field, records), one per place. Named
    differences of records that are not in the target are found less often; more often is what this table is for.
    """
    of_values = ~pl.col("source_field").is_in([RECORD]) & (pl.col("kind") != "left_behind")
    named = previewed.filter(of_values, pl.col("entity").is_in(_RECORDS), pl.col("source_field") != _LINKS[1])
    there = measured.group_by(_KEY).agg(found=pl.col("rows").sum())
    both = (
        named.select(*_KEY, named="rows")
        .join(there, on=_KEY, how="full", coalesce=True)
        .with_columns(pl.col("named", "found").fill_null(0))
    )
    loss = pl.Series([is_loss(kind) for kind in both["kind"]], dtype=pl.Boolean)
    sizes = pl.DataFrame(
        list(compared), schema={"entity": pl.String, "source_field": pl.String, "compared": pl.Int64}, orient="row"
    ).group_by("entity", "source_field").agg(pl.col("compared").sum())  # fmt: skip
    more = pl.max_horizontal(pl.col("found") - pl.col("named"), 0)
    made = both.with_columns(is_loss=loss).join(sizes, on=["entity", "source_field"], how="left").with_columns(
        pl.col("compared").fill_null(0),
        unnamed=pl.when("is_loss").then(more).otherwise(0),
        unannounced=pl.when("is_loss").then(0).otherwise(more),
    )  # fmt: skip
    return tables.conform(made, tables.LOST_FIELDS)
