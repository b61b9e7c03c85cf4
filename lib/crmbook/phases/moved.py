"""What moved of each object of the source, what carries it, what is kept, what is lost on the way, and why the rest stayed?

In: the classes and the chain of 06, the decisions of 02 and the records of the target. Out: MOVED, one row per object.
Invariant: in source = in target + not moved, and what did not move has its reasons counted; a number the source does
not tell is null, never zero.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.carriage import OBJECTS
from crmbook.phases.wording import worded

IN_TARGET: Final = ("loaded", "duplicated")


# object: entity of the chain, entity of the inventory
_HISTORY: Final = {
    "activities": ("activity", "activities"),
    "e-mails": ("email", "emails"),
    "events": ("event", "events"),
    "conversations": ("conversation", "conversations"),
    "messages": ("message", "conversations"),
    "memberships": ("membership", ""),
    "documents": ("file", "files"),
    "links": ("link", ""),
}
_CARRIERS: Final = {
    "sales_activities": "sales activities",
    "appointments": "meetings",
    "tasks": "tasks",
    "notes": "notes",
    "documents": "documents",
    "list_members": "list members",
}
_RECORDS: Final = {"contacts": "contact", "companies": "company", "deals": "deal"}
_PRODUCTS: Final = {
    "products": "cf_usercom_products",
    "order_products": "cf_usercom_order_products",
}


def moved(
    *,
    classes: pl.DataFrame,
    chain: pl.DataFrame,
    standing: pl.DataFrame,
    history_classes: pl.DataFrame,
    list_plan: pl.DataFrame,
    inventory: pl.DataFrame,
    mapping: pl.DataFrame,
    stages: pl.DataFrame,
    found_stages: pl.DataFrame,
    owners: pl.DataFrame,
    tags: pl.DataFrame,
    tag_plan: pl.DataFrame,
    source_deals: pl.DataFrame,
    actual: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """
    Per object of the source how many moved, in what, and why the rest did not; MOVED.

    *chain* and *standing* are those of `reconcile_history`, *found_stages* and *owners* the frames of `TargetIds`, *actual*
    is keyed by entity. A merged record counts as not moved: it lives on in another one.
    """
    rows = [
        *(_records(name, entity, classes) for name, entity in _RECORDS.items()),
        _products(source_deals, classes, actual["deal"]),
        _custom_properties(mapping),
        _stages(stages, found_stages),
        _owners(owners),
        _tags(tags, tag_plan, actual),
        *(_lists(f"{kind}s", kind, list_plan, history_classes) for kind in ("list", "segment")),
        *(_history(name, chain, standing, inventory) for name in _HISTORY),
        _campaigns(inventory),
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.MOVED.columns), tables.MOVED)


def counted(reasons: pl.DataFrame, *columns: str) -> str:
    """`3 excluded: only a chat visitor, 1 merged` from one row per thing that did not move, the most frequent first."""
    counts = reasons.group_by(columns).len()
    rows = [(number, ": ".join(worded(str(p)) for p in parts if p)) for *parts, number in counts.iter_rows()]
    return ", ".join(
        f"{number:,} {text}".rstrip() for number, text in sorted(rows, key=lambda r: (-r[0], r[1]))
    )


def _part(name: str, in_source: int | None, in_target: int, why: str, carrier: str = "") -> dict[str, Any]:
    words = OBJECTS[name]
    return {
        "object": name,
        "in_source": in_source,
        "in_target": in_target,
        "not_moved": None if in_source is None else in_source - in_target,
        "why": why,
        "carrier": carrier or words.carrier,
        "kept": words.kept,
        "lossy": words.lossy,
    }


def _records(name: str, entity: str, classes: pl.DataFrame) -> dict[str, Any]:
    mine = classes.filter(pl.col("entity") == entity)
    rest = mine.filter(~pl.col("class").is_in(IN_TARGET))
    # "into 4711 (duplicate_email)" is told per record in the table; the report counts
    plain = rest.with_columns(
        reason=pl.when(pl.col("class") == "merged")
        .then(pl.lit("lives on in another record"))
        .otherwise("reason")
    )
    return _part(name, mine.height, mine.height - rest.height, counted(plain, "class", "reason"))


def _products(deals: pl.DataFrame, classes: pl.DataFrame, actual: pl.DataFrame) -> dict[str, Any]:
    has = (pl.col("products").list.len() > 0) | ~pl.col("order_products").is_in(["", "[]", "{}", "null"])
    sold = deals.filter(has.fill_null(value=False)).select("source_id")
    fields = [name for name in _PRODUCTS.values() if name in actual.columns]
    shown = (
        pl.any_horizontal(pl.col(name).is_not_null() for name in fields) if fields else pl.lit(value=False)
    )
    mine = classes.filter(pl.col("entity") == "deal").join(sold, on="source_id", how="semi")
    there = mine.join(actual.filter(shown).select("target_id"), on="target_id", how="semi")
    rest = mine.join(there, on="source_id", how="anti").with_columns(
        why=pl.when(pl.col("class").is_in(IN_TARGET))
        .then(pl.lit("not on the deal in the target"))
        .otherwise(pl.format("{}: {}", "class", "reason"))
    )
    return _part("deal products", sold.height, there.height, counted(rest, "why"))


def _custom_properties(mapping: pl.DataFrame) -> dict[str, Any]:
    properties = mapping.filter(pl.col("source_field").str.starts_with("p_"))
    is_carried = (pl.col("decision") != "skip") & (pl.col("target_field") != "")
    rest = properties.filter(~is_carried)
    carried = properties.height - rest.height
    return _part("custom properties", properties.height, carried, counted(rest, "reason"))


def _stages(stages: pl.DataFrame, found: pl.DataFrame) -> dict[str, Any]:
    own = stages.filter(~pl.col("is_added").fill_null(value=False))
    there = own.join(found.filter(pl.col("deal_stage_id") >= 0), on=["pipeline_id", "stage_id"], how="semi")
    why = "" if there.height == own.height else "no such stage in the target"
    return _part("deal stages", own.height, there.height, why)


def _owners(owners: pl.DataFrame) -> dict[str, Any]:
    rest = owners.filter("is_fallback")
    return _part("owners", owners.height, owners.height - rest.height, counted(rest, "reason"))


def _tags(tags: pl.DataFrame, tag_plan: pl.DataFrame, actual: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    names = {"contact": "contacts", "lead": "contacts", "company": "sales_accounts", "deal": "deals"}
    fields = dict(tag_plan.select("module", "api_name").iter_rows())
    modes: dict[str, str] = dict(tag_plan.select("module", "mode").iter_rows())
    used = [
        _values(frame, column)
        for entity, frame in actual.items()
        for column in ("tags", fields.get(names[entity], ""))
        if column in frame.columns
    ]
    known = pl.concat(used).unique().implode()
    there = tags.filter(pl.col("name").str.strip_chars().is_in(known))
    why = "" if there.height == tags.height else "on no record that moved"
    shown = {"native": "tags", "multi_select": "multi-select field", "contact_type": "dropdown"}
    ways = sorted({shown.get(mode, str(mode)) for mode in modes.values()})
    return _part("tags", tags.height, there.height, why, ", ".join(ways))


def _values(frame: pl.DataFrame, column: str) -> pl.Series:
    values = frame[column]
    if isinstance(values.dtype, pl.List):
        values = values.explode(empty_as_null=False, keep_nulls=False)
    return values.drop_nulls().cast(pl.String).alias("tag")


def _lists(name: str, kind: str, plan: pl.DataFrame, classes: pl.DataFrame) -> dict[str, Any]:
    mine = plan.filter(pl.col("kind") == kind)
    is_there = (pl.col("module") == "lists") & pl.col("class").is_in(IN_TARGET)
    there = mine.join(classes.filter(is_there), left_on="list_key", right_on="source_id", how="semi")
    rest = mine.join(there, on="list_key", how="anti").with_columns(
        why=pl.when(pl.col("target_name") == "")
        .then(pl.lit("by decision"))
        .otherwise(pl.lit("not in the target"))
    )
    return _part(name, mine.height, there.height, counted(rest, "why"))


def _history(
    name: str, chain: pl.DataFrame, standing: pl.DataFrame, inventory: pl.DataFrame
) -> dict[str, Any]:
    entity, listed = _HISTORY[name]
    row = chain.filter(pl.col("entity") == entity)
    extracted, found = (int(row[column].sum()) for column in ("extracted", "found"))
    absent = inventory.filter((pl.col("entity") == listed) & ~pl.col("available"))
    if absent.height and not extracted:
        skipped = absent["origin"].to_list() == ["skipped"]
        return _part(name, None, 0, "not read, as decided" if skipped else "the source does not list them")
    mine = standing.filter(pl.col("entity") == entity)
    rest = mine.filter(pl.col("fate") != "found").with_columns(
        why=pl.when(pl.col("fate") == "lost")
        .then(pl.lit("missing in the target"))
        .when(pl.col("fate") == "kept_by_target")
        .then(pl.lit("deleted in the target since"))
        .otherwise("reason")
    )
    return _part(name, extracted, found, counted(rest, "why"), _used(mine))


def _used(standing: pl.DataFrame) -> str:
    """`sales activities (210), tasks (70)`: in what the rows found stand."""
    found = standing.filter(pl.col("fate") == "found").group_by("carrier_module").len()
    rows = found.sort(["len", "carrier_module"], descending=[True, False]).iter_rows()
    return ", ".join(f"{_CARRIERS.get(module, module)} ({number:,})" for module, number in rows)


def _campaigns(inventory: pl.DataFrame) -> dict[str, Any]:
    row = inventory.filter(pl.col("entity") == "campaigns")
    if row.filter("available").is_empty():
        return _part("campaigns", None, 0, "the source does not list them")
    number = int(row["distinct"].sum())
    return _part("campaigns", number, 0, OBJECTS["campaigns"].lossy if number else "")
