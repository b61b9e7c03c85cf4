"""How far did each record of the source come: in the source, kept, planned, loaded, found?

In: the classes of 06, what became of the history's rows, the plan and the crosswalk. Out: FLOW and FLOW_LEFT, per kind
of record and station. Whoever reached a station reached all before it. Invariant: records at a station + left behind
since the one before = records at the one before; what does not add up is `unaccounted`, never hidden.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.edition import source_entity
from crmbook.phases.moved import IN_TARGET
from crmbook.phases.narrow import Frame, only
from crmbook.phases.wording import worded

STEPS: Final = ("in User.com", "kept by the rules", "in the plan", "written", "found in Freshsales")
RECORDS: Final = ("company", "contact", "deal")
_MEMBERS: Final = "list_members"
_CARRIERS: Final = {
    "task": "tasks", "appointment": "appointments", "sales_activity": "sales_activities", "note": "notes",
    "document": "documents", "document_link": "documents", "list": "lists",
}  # fmt: skip
_KEY: Final = ["entity", "source_id"]
_REACHED: Final = {
    "entity": pl.String, "fate": pl.String, "reason": pl.String, "last": pl.Int32, "records": pl.Int64,
}  # fmt: skip
_KEPT: Final = "kept_by_target"
# The station at which each fate of a class leaves, where nothing tells more.
_LEFT_OUT: Final = ("excluded", "rejected", "skipped", _KEPT)


def flow(
    *,
    classes: Frame,
    standing: pl.DataFrame,
    planned: pl.DataFrame,
    untouched: pl.DataFrame,
    crosswalk: pl.DataFrame,
    extracted: Mapping[str, int],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    FLOW and FLOW_LEFT.

    *standing* is that of `reconcile_history`; *extracted* counts the source's rows per entity, from the source alone.
    """
    due = pl.concat([planned.select(_KEY), untouched.select(_KEY)])
    reached = pl.concat(
        [
            _records(only(classes, *_KEY, "class", "reason"), due, crosswalk),
            _history(standing, due, crosswalk),
        ]
    )
    left = _left(reached)
    rows = [
        _station(entity, i, reached, left, extracted[entity])
        for entity in sorted(extracted)
        for i in range(5)
    ]
    return (
        tables.conform(pl.DataFrame(rows, schema=tables.FLOW.columns), tables.FLOW),
        tables.conform(left, tables.FLOW_LEFT),
    )


def _records(classes: pl.DataFrame, due: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """How many records reached which station last, by entity, fate and reason; a lead of Classic is a contact of the source."""
    is_due = pl.col("is_planned")
    is_kept = pl.col("class").is_in([*IN_TARGET, "missing", _KEPT]) | is_due
    said = pl.when(pl.col("class") == "merged").then(pl.lit("lives on in another record")).otherwise("reason")
    reached = {
        "fate": _fate("class"),
        "reason": pl.when(said == "").then("class").otherwise(said),
        "last": _last(is_kept, is_due, pl.col("is_loaded"), pl.col("class").is_in(IN_TARGET)),
    }
    return _counted(
        classes,
        due.with_columns(entity=source_entity()),
        crosswalk.with_columns(entity=source_entity()),
        _KEY,
        reached,
    )


def _history(standing: pl.DataFrame, due: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """The same of the history's rows, by the record that carries each; a membership has no record of its own."""
    carrier = pl.col("entity").replace_strict(_CARRIERS, default=None, return_dtype=pl.String)
    is_kept, is_member = pl.col("state") == "carried", pl.col("carrier_module") == _MEMBERS
    reached = {
        "fate": _fate("fate"),
        "reason": pl.when(pl.col("fate") == "lost").then(pl.lit("missing in the target")).otherwise("reason"),
        "last": _last(
            is_kept,
            is_member | pl.col("is_planned"),
            is_member | pl.col("is_loaded"),
            pl.col("fate") == "found",
        ),
    }
    return _counted(
        standing,
        due.select(carrier_module=carrier, carrier_id="source_id"),
        crosswalk.select(carrier_module=carrier, carrier_id="source_id"),
        ["carrier_module", "carrier_id"],
        reached,
    )


def _counted(
    frame: pl.DataFrame,
    due: pl.DataFrame,
    crosswalk: pl.DataFrame,
    key: list[str],
    reached: Mapping[str, pl.Expr],
) -> pl.DataFrame:
    """
    entity, *reached*, `records`: how many rows of *frame* there are of each, knowing which `is_planned` and `is_loaded`.

    One kind of record after the other, by id alone: all at once, every id would stand beside its kind three times.
    """
    group, own = key
    parts = []
    for (kind,), rows in frame.group_by(group):
        ids = [f.filter(pl.col(group) == pl.lit(kind, pl.String))[own].implode() for f in (due, crosswalk)]
        marked = rows.with_columns(
            pl.col(own).is_in(those).fill_null(value=False).alias(name)
            for name, those in zip(("is_planned", "is_loaded"), ids, strict=True)
        )
        told = marked.select("entity", **reached)
        parts.append(told.group_by(pl.all()).agg(records=pl.len().cast(pl.Int64)))
    return pl.concat([pl.DataFrame(schema=_REACHED), *parts])


def _last(is_kept: pl.Expr, is_planned: pl.Expr, is_loaded: pl.Expr, is_found: pl.Expr) -> pl.Expr:
    """The last station reached, from 0; what is found has passed all, whatever else is known."""
    return (
        pl.when(is_found).then(4)
        .when(is_kept & is_planned & is_loaded).then(3)
        .when(is_kept & is_planned).then(2)
        .when(is_kept).then(1)
        .otherwise(0)
    )  # fmt: skip


def _fate(column: str) -> pl.Expr:
    told = pl.col(column)
    return (
        pl.when(told == "merged").then(pl.lit("merged"))
        .when(told.is_in(_LEFT_OUT)).then(pl.lit("left_out"))
        .otherwise(pl.lit("lost"))
    )  # fmt: skip


def _left(reached: pl.DataFrame) -> pl.DataFrame:
    counted = (
        reached.filter(pl.col("last") < 4)
        .group_by("entity", (pl.col("last") + 1).cast(pl.Int64).alias("position"), "fate", "reason")
        .agg(pl.col("records").sum())
    )
    # Several rules may be one in words.
    words = {reason: worded(reason) for reason in counted["reason"].unique().to_list()}
    plain = counted.with_columns(reason=pl.col("reason").replace(words))
    return plain.group_by(tables.FLOW_LEFT.key).agg(pl.col("records").sum())


def _station(
    entity: str, position: int, reached: pl.DataFrame, left: pl.DataFrame, extracted: int
) -> dict[str, object]:
    mine = reached.filter(pl.col("entity") == entity)
    at = [extracted, *(int(mine.filter(pl.col("last") >= i)["records"].sum()) for i in range(1, 5))]
    gone = left.filter((pl.col("entity") == entity) & (pl.col("position") == position))["records"].sum()
    before = at[position - 1] if position else at[0]
    return {
        "entity": entity, "position": position, "step": STEPS[position], "records": at[position], "left": int(gone),
        "unaccounted": before - int(gone) - at[position],
    }  # fmt: skip
