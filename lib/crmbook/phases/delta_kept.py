"""Which findings of a delta run's reconciliation are a person's work in the target since the load?

In: the findings, and the same tables of the run before, whose reconciliation was approved. Out: the findings without those,
and KEPT. What did not change in the source and was right then can only be otherwise now because somebody changed it
in the target; so can what 05 reported as a conflict the target won. What changed in the source, or what this run itself
created, is never excused. Nothing here knows the plan: it is told from the source alone.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.edition import source_entity
from crmbook.phases.history_tables import MODULES as HISTORY_MODULES
from crmbook.phases.images import CUSTOM

KEPT: Final = "kept_by_target"
DELETED: Final = "deleted in the target since it was loaded"
_CHANGED: Final = "changed in the target since it was loaded"
_WON: Final = "changed in the source and in the target; the target's value counts"
_ADDED: Final = "added in the target since the load"
_WAS_THERE: Final = ("loaded", "merged", "duplicated", "found", "repointed", KEPT)
_LINK_KEYS: Final = {
    "contact_account": "sales_accounts", "deal_contact": "contacts_added_list", "deal_account": "sales_account_id",
    "contact_owner": "owner_id", "deal_owner": "owner_id",
}  # fmt: skip
_ENDS: Final = {"contact_account": "company", "deal_contact": "contact", "deal_account": "company"}
_FIELDS: Final = {"status": "is_done", "sales_activity_type_id": "activity_type"}


def records(
    classes: pl.DataFrame, before: pl.DataFrame, created: pl.DataFrame, key: str = "entity"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    *classes* (CLASSES, or HISTORY_CLASSES with *key* `module`) in which what was there *before*, is missing now and was not
    *created* (`key`, source_id) by this run is `kept_by_target`; and those rows as KEPT.
    """
    there = before.filter(pl.col("class").is_in(_WAS_THERE)).select(key, "source_id", _was=pl.lit(value=True))
    ours = created.select(key, "source_id", _ours=pl.lit(value=True)).unique()
    both = classes.join(there, on=[key, "source_id"], how="left").join(
        ours, on=[key, "source_id"], how="left"
    )
    is_kept = (pl.col("class") == "missing") & pl.col("_was").is_not_null() & pl.col("_ours").is_null()
    made = both.with_columns(
        pl.when(is_kept).then(pl.lit(KEPT)).otherwise("class").alias("class"),
        pl.when(is_kept).then(pl.lit(DELETED)).otherwise("reason").alias("reason"),
    )
    gone = made.filter(pl.col("class") == KEPT)
    return made.select(classes.columns), _rows("record", gone, pl.col(key), pl.lit(""), pl.lit(DELETED))


def links(
    link_classes: pl.DataFrame,
    *,
    now: pl.DataFrame,
    before: pl.DataFrame,
    classes_before: pl.DataFrame,
    standing: pl.DataFrame,
    conflicts: pl.DataFrame,
    created: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    *link_classes* with a person's changes as `kept_by_target`, without a person's own links; and both as KEPT.

    *now* and *before* are LINKS, *standing* the crosswalk of the runs before, *created* what this run made.
    """
    key = ["relation", "from_id", "to_id"]
    same = now.join(before, on=now.columns, how="semi", nulls_equal=True).select(key)
    right = classes_before.filter(pl.col("class").is_in(_WAS_THERE)).select(key)
    settled = same.join(right, on=key, how="semi").with_columns(_same=pl.lit(value=True))
    won = _won_links(conflicts)
    judged = link_classes.join(settled, on=key, how="left").join(won, on=["relation", "from_id"], how="left")
    judged = judged.with_columns(_own=_is_own(judged, before, standing, created))
    is_wrong = pl.col("class").is_in(["missing", "wrong_primary"])
    is_kept = (is_wrong & (pl.col("_same").is_not_null() | pl.col("_won").is_not_null())).fill_null(
        value=False
    )
    is_added = (pl.col("class") == "extra") & (~pl.col("_own") | pl.col("_won").is_not_null())
    reason = pl.when(pl.col("_won").is_not_null()).then(pl.lit(_WON)).when(is_added).then(pl.lit(_ADDED))
    judged = judged.with_columns(_why=reason.otherwise(pl.lit(_CHANGED)))
    told = judged.filter(is_kept | is_added)
    what = pl.col("to_id")
    rows = _rows("link", told.with_columns(source_id="from_id"), pl.col("relation"), what, pl.col("_why"))
    kept = judged.filter(~is_added).with_columns(
        pl.when(is_kept).then(pl.lit(KEPT)).otherwise("class").alias("class"),
        pl.when(is_kept).then("_why").otherwise("reason").alias("reason"),
    )
    return kept.select(link_classes.columns), rows


def fields(
    differences: pl.DataFrame,
    *,
    now: Mapping[str, pl.DataFrame],
    before: Mapping[str, pl.DataFrame],
    conflicts: pl.DataFrame,
    created: pl.DataFrame,
    key: str = "entity",
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """
    *differences* without a person's changes; those as KEPT; and their number by place and field (`entity`, `field`, `kept`).

    *now* and *before* are what each record should look like (`compare.expected`, or `compare_history.expected` with *key*
    `module`), by place; *conflicts* and *created* name places too.
    """
    unchanged = [
        _unchanged(place, frame, before[place], differences, key)
        for place, frame in now.items()
        if place in before
    ]
    won = conflicts.filter(pl.col("winner") == "target").select(
        place="entity", source_id="source_id", field=_field(), _won=pl.lit(value=True)
    )
    ours = created.select(place=key, source_id="source_id", _ours=pl.lit(value=True)).unique()
    placed = [
        differences.filter(_source_of(key) == (place if key == "module" else _entity(place)))
        .join(frame.select("source_id"), on="source_id", how="semi")
        .with_columns(place=pl.lit(place))
        for place, frame in now.items()
    ]
    at = ["place", "source_id", "field"]
    judged = (
        pl.concat(placed)
        .join(pl.concat(unchanged), on=at, how="left")
        .join(won, on=at, how="left")
        .join(ours, on=["place", "source_id"], how="left")
    )
    is_won = pl.col("_won").is_not_null()
    is_kept = is_won | (pl.col("_same").fill_null(value=False) & pl.col("_ours").is_null())
    kept = judged.filter(is_kept)
    why = pl.when(is_won).then(pl.lit(_WON)).otherwise(pl.lit(_CHANGED))
    counts = kept.group_by(entity="place", field="field").agg(kept=pl.len().cast(pl.Int64))
    return (
        judged.filter(~is_kept).select(differences.columns),
        _rows("field", kept, pl.col(key), pl.col("field"), why),
        counts,
    )


def fidelity(frame: pl.DataFrame, counts: pl.DataFrame, key: str = "entity") -> pl.DataFrame:
    """FIELD_FIDELITY (or HISTORY_FIDELITY, *key* `module`) in which what the target kept is no longer different."""
    told = frame.join(counts.rename({"entity": key}), on=[key, "field"], how="left")
    kept = pl.col("kept").fill_null(0)
    return told.with_columns(different=pl.col("different") - kept, kept_by_target=kept).select(frame.columns)


def members(
    classes: pl.DataFrame, before: pl.DataFrame, created: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    MEMBER_CLASSES with who was in a list *before* and is not now as `kept_by_target`, without whom a person put in; both as
    KEPT. *created* (entity, source_id) is what this run made: a list of its own excuses nothing.
    """
    pair = ["list_key", "contact_id"]
    new = created.filter(pl.col("entity") == "list").select(list_key="source_id")
    known = before.join(new, on="list_key", how="anti").select(*pair, _was=pl.lit(value=True))
    lists = before.select("list_key", _old=pl.lit(value=True)).unique()
    both = classes.join(known, on=pair, how="left").join(lists, on="list_key", how="left")
    is_kept = (pl.col("class") == "missing") & pl.col("_was").is_not_null()
    is_added = (pl.col("class") == "extra") & pl.col("_was").is_null() & pl.col("_old").is_not_null()
    why = pl.when(is_added).then(pl.lit(_ADDED)).otherwise(pl.lit(_CHANGED))
    told = both.filter(is_kept | is_added).with_columns(source_id="list_key", _why=why)
    rows = _rows("member", told, pl.lit("membership"), pl.col("contact_id"), pl.col("_why"))
    settled = both.filter(~is_added).with_columns(
        pl.when(is_kept).then(pl.lit(KEPT)).otherwise("class").alias("class"),
        pl.when(is_kept).then(pl.lit(_CHANGED)).otherwise("reason").alias("reason"),
    )
    return settled.select(classes.columns), rows


def _entity(place: str) -> str:
    return "contact" if place == "lead" else place


def _source_of(key: str) -> pl.Expr:
    return pl.col(key) if key == "module" else source_entity(key)


def _field() -> pl.Expr:
    return pl.col("key").str.strip_prefix(CUSTOM).replace(_FIELDS)


def _rows(kind: str, frame: pl.DataFrame, entity: pl.Expr, what: pl.Expr, why: pl.Expr) -> pl.DataFrame:
    made = frame.select(kind=pl.lit(kind), entity=entity, source_id="source_id", what=what, reason=why)
    return tables.conform(made.unique(tables.KEPT.key, keep="first", maintain_order=True), tables.KEPT)


def _unchanged(
    place: str, now: pl.DataFrame, before: pl.DataFrame, differences: pl.DataFrame, key: str
) -> pl.DataFrame:
    """place, source_id, field, _same: whether the record should show in *field* what it should have shown before."""
    asked = differences.filter(_source_of(key) == (place if key == "module" else _entity(place)))[
        "field"
    ].unique()
    parts = [
        pl.DataFrame(
            schema={"place": pl.String, "source_id": pl.String, "field": pl.String, "_same": pl.Boolean}
        )
    ]
    for field in (name for name in asked if name in now.columns):
        then = before.select(
            "source_id", _then=pl.col(field) if field in before.columns else pl.lit(None, now.schema[field])
        )
        both = now.select("source_id", _now=field).join(then, on="source_id")
        same = pl.col("_now").eq_missing(pl.col("_then"))
        parts.append(
            both.select(
                pl.lit(place).alias("place"), "source_id", pl.lit(field).alias("field"), same.alias("_same")
            )
        )
    return pl.concat(parts)


def _won_links(conflicts: pl.DataFrame) -> pl.DataFrame:
    """relation, from_id, _won: the links a conflict was decided about in favour of the target."""
    won = conflicts.filter(pl.col("winner") == "target").with_columns(start=source_entity())
    parts = [
        won.filter((pl.col("key") == key) & (pl.col("start") == relation.partition("_")[0])).select(
            relation=pl.lit(relation), from_id="source_id", _won=pl.lit(value=True)
        )
        for relation, key in _LINK_KEYS.items()
    ]
    return pl.concat(parts)


def _is_own(
    judged: pl.DataFrame, before: pl.DataFrame, standing: pl.DataFrame, created: pl.DataFrame
) -> pl.Series:
    """Whether each link is one this run or an earlier one made: then a person did not."""
    names = {
        (row_entity, f"target:{target_id}"): source_id
        for row_entity, source_id, target_id in standing.select(
            "entity", "source_id", "target_id"
        ).iter_rows()
    }
    kept = before.filter(pl.col("state") != "dropped").select("relation", "kept_from", "kept_to")
    made, ours = set(kept.iter_rows()), set(created.select(source_entity(), "source_id").iter_rows())
    found = [
        (relation.partition("_")[0], start) in ours
        or (relation, start, names.get((_ENDS.get(relation, ""), end), end)) in made
        for relation, start, end in judged.select("relation", "from_id", "to_id").iter_rows()
    ]
    return pl.Series(found, dtype=pl.Boolean)


def by_module(frame: pl.DataFrame) -> pl.DataFrame:
    """*frame* (`entity`) of the history with `module` as the tables of 06 call it."""
    return frame.filter(pl.col("entity").is_in(list(HISTORY_MODULES))).with_columns(
        module=pl.col("entity").replace(HISTORY_MODULES)
    )
