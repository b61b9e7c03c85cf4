"""What moved, what did not and why, and what is left for whom to do?

In: the balances of 06 and the decisions behind them. Out: MOVED, OPEN_ITEMS, SEGMENT_GUIDE, AUTOMATIONS and
AUTOMATION_CHECK: the tables of the customer's report. Invariant: in source = in target + not moved, per object,
and every part that did not move says why.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables

OBJECTS: Final = {"company": "companies", "contact": "contacts", "deal": "deals"}
_IN_TARGET: Final = ("loaded", "duplicated")
# inventory entity: why none of it is in the target
NOT_MOVED: Final = {
    "activities": "not loaded by this workbook",
    "conversations": "not loaded by this workbook",
    "lists": "not loaded by this workbook",
    "segments": "Freshsales keeps no definitions a program could write; rebuild them from the segment guide",
    "campaigns": "no interface of Freshsales takes campaigns or e-mail templates",
}
_WHO_CUSTOMER: Final = "customer"
_WHO_ADMIN: Final = "Freshsales admin"
_WHO_ANALYST: Final = "migration analyst"


def moved(
    *,
    classes: pl.DataFrame,
    inventory: pl.DataFrame,
    mapping: pl.DataFrame,
    stages: pl.DataFrame,
    found_stages: pl.DataFrame,
    owners: pl.DataFrame,
    tags: pl.DataFrame,
    actual: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """
    Per object of the source how many moved and why the rest did not; MOVED.

    *found_stages* and *owners* are the frames of `TargetIds`; *actual* is keyed by entity. A merged record counts as
    not moved: it lives on in another one. `in_source` is null where the source does not tell.
    """
    rows = [
        *(_records(entity, name, classes) for entity, name in OBJECTS.items()),
        _custom_properties(mapping),
        _stages(stages, found_stages),
        _part("owners", owners.height, owners.filter(~pl.col("is_fallback")).height, _owner_reasons(owners)),
        _tags(tags, actual),
        *_unmoved(inventory),
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.MOVED.columns), tables.MOVED)


def open_items(
    *,
    owner_queue: pl.DataFrame,
    classes: pl.DataFrame,
    target_only: pl.DataFrame,
    link_classes: pl.DataFrame,
    differences: pl.DataFrame,
    loss: pl.DataFrame,
    automations: pl.DataFrame,
    automation_check: pl.DataFrame,
    segments: pl.DataFrame,
) -> pl.DataFrame:
    """Everything a person still has to do, for how many records, and who; OPEN_ITEMS."""
    rows = [
        *_owner_items(owner_queue),
        *_record_items(classes, target_only),
        *_finding_items(link_classes, differences),
        *_loss_items(loss),
        *_rebuild_items(automations, automation_check, segments),
        {
            "item": "Workflows, e-mail and sequences are off",
            "records": None,
            "who": _WHO_ADMIN,
            "action": "switch them on again after the sign-off",
        },
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.OPEN_ITEMS.columns), tables.OPEN_ITEMS)


def segment_guide(segments: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The segments to rebuild as filters, with the members counted in the extract; SEGMENT_GUIDE."""
    counts = members.group_by("segment_id").agg(members=pl.len().cast(pl.Int64))
    guide = segments.join(counts, on="segment_id", how="left").with_columns(pl.col("members").fill_null(0))
    return tables.conform(guide.select(list(tables.SEGMENT_GUIDE.columns)), tables.SEGMENT_GUIDE)


def automations(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """The customer's inventory (rows with the columns of AUTOMATIONS, `is_active` a truth value) as that table."""
    return tables.conform(
        pl.DataFrame(list(rows), schema=tables.AUTOMATIONS.columns, orient="row"), tables.AUTOMATIONS
    )


def automation_check(automations: pl.DataFrame, active_automations: int) -> pl.DataFrame:
    """The active automations listed beside the number the customer counts; AUTOMATION_CHECK, one row."""
    listed = automations.filter("is_active").height
    row = {
        "item": "active automations",
        "expected": active_automations,
        "listed": listed,
        "missing": active_automations - listed,
    }
    return tables.conform(
        pl.DataFrame([row], schema=tables.AUTOMATION_CHECK.columns), tables.AUTOMATION_CHECK
    )


def _part(name: str, in_source: int, in_target: int, why: str) -> dict[str, Any]:
    return {
        "object": name,
        "in_source": in_source,
        "in_target": in_target,
        "not_moved": in_source - in_target,
        "why": why,
    }


def _counted(reasons: pl.DataFrame, *columns: str) -> str:
    """`3 excluded: chat_only, 1 merged` from one row per thing that did not move, the most frequent first."""
    counts = (
        reasons.group_by(columns).len().sort(["len", *columns], descending=[True, *(False for _ in columns)])
    )
    return ", ".join(
        f"{number} {': '.join(str(p) for p in parts if p)}" for *parts, number in counts.iter_rows()
    )


def _records(entity: str, name: str, classes: pl.DataFrame) -> dict[str, Any]:
    mine = classes.filter(pl.col("entity") == entity)
    rest = mine.filter(~pl.col("class").is_in(_IN_TARGET))
    # "into 4711 (duplicate_email)" is told per record in the table; the report counts
    plain = rest.with_columns(
        reason=pl.when(pl.col("class") == "merged")
        .then(pl.lit("lives on in another record"))
        .otherwise("reason")
    )
    return _part(name, mine.height, mine.height - rest.height, _counted(plain, "class", "reason"))


def _custom_properties(mapping: pl.DataFrame) -> dict[str, Any]:
    properties = mapping.filter(pl.col("source_field").str.starts_with("p_"))
    is_carried = (pl.col("decision") != "skip") & (pl.col("target_field") != "")
    rest = properties.filter(~is_carried)
    return _part(
        "custom properties", properties.height, properties.height - rest.height, _counted(rest, "reason")
    )


def _stages(stages: pl.DataFrame, found: pl.DataFrame) -> dict[str, Any]:
    own = stages.filter(~pl.col("is_added").fill_null(value=False))
    there = own.join(found.filter(pl.col("deal_stage_id") >= 0), on=["pipeline_id", "stage_id"], how="semi")
    why = "" if there.height == own.height else "no such stage in the target"
    return _part("deal stages", own.height, there.height, why)


def _owner_reasons(owners: pl.DataFrame) -> str:
    return _counted(owners.filter("is_fallback"), "reason")


def _tags(tags: pl.DataFrame, actual: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    used = pl.concat([frame.select("tags") for frame in actual.values()]).explode("tags", empty_as_null=True)
    there = tags.filter(pl.col("name").str.strip_chars().is_in(used["tags"].drop_nulls().unique().implode()))
    why = "" if there.height == tags.height else "on no record that moved"
    return _part("tags", tags.height, there.height, why)


def _unmoved(inventory: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for entity, distinct, available in inventory.select("entity", "distinct", "available").iter_rows():
        if entity in NOT_MOVED and available:
            rows.append(_part(entity, distinct, 0, NOT_MOVED[entity] if distinct else ""))
        elif entity in NOT_MOVED:
            why = "the source does not list them"
            rows.append({"object": entity, "in_source": None, "in_target": 0, "not_moved": None, "why": why})
    return rows


def _item(item: str, records: int, who: str, action: str) -> dict[str, Any]:
    return {"item": item, "records": records, "who": who, "action": action}


def _owner_items(queue: pl.DataFrame) -> list[dict[str, Any]]:
    counts = queue.group_by("reason").agg(
        records=(pl.col("contacts") + pl.col("deals")).sum(), agents=pl.len()
    )
    return [
        _item(f"{agents} owners: {reason}", records, _WHO_ADMIN, "give them an active user, then reassign")
        for reason, records, agents in counts.sort("reason").iter_rows()
    ]


def _record_items(classes: pl.DataFrame, target_only: pl.DataFrame) -> list[dict[str, Any]]:
    left = classes.filter(pl.col("class").is_in(["rejected", "excluded", "missing", "duplicated"]))
    plain = left.with_columns(
        pl.col("reason").str.replace(r"^in \d+ target records$", "in several target records")
    )
    plain = plain.with_columns(pl.col("reason").str.replace(r"^into \S+ ", "merged "))
    rows = []
    for entity, name, reason, number in _by(plain, "entity", "class", "reason"):
        who, action = _DECISIONS[name]
        rows.append(_item(f"{OBJECTS[entity]} {name}: {reason}", number, who, action))
    for module, number in _by(target_only.filter(pl.col("class") == "unexpected"), "module"):
        action = "find out who made them; delete the copies"
        rows.append(_item(f"{module} nobody loaded", number, _WHO_ANALYST, action))
    return rows


def _finding_items(link_classes: pl.DataFrame, differences: pl.DataFrame) -> list[dict[str, Any]]:
    wrong = link_classes.filter(pl.col("class").is_in(["missing", "extra", "wrong_primary"]))
    action = "look the records up and correct them in the target"
    return [
        *(_item(f"{relation} {name}", number, _WHO_ANALYST, action) for relation, name, number in _by(
            wrong, "relation", "class"
        )),
        *(_item(f"{OBJECTS[entity]}: {field} differs", number, _WHO_ANALYST, action) for entity, field, number in _by(
            differences, "entity", "field"
        )),
    ]  # fmt: skip


def _loss_items(loss: pl.DataFrame) -> list[dict[str, Any]]:
    """One item per entity and kind; which field lost how much is LOSS itself."""
    sums = loss.group_by("entity", "kind").agg(pl.len().alias("fields"), values=pl.col("records").sum())
    return [
        _item(
            f"{entity}: values {kind} in {fields} fields",
            values,
            _WHO_CUSTOMER,
            "accept the loss or change the mapping",
        )
        for entity, kind, fields, values in sums.sort("entity", "kind").iter_rows()
    ]


def _rebuild_items(
    automations: pl.DataFrame, check: pl.DataFrame, segments: pl.DataFrame
) -> list[dict[str, Any]]:
    rows = []
    active, missing = automations.filter("is_active").height, int(check["missing"].sum())
    if active:
        rows.append(
            _item("automations to rebuild", active, _WHO_CUSTOMER, "rebuild them as Freshsales Workflows")
        )
    if missing:
        action = "list every active one in automations.csv, or correct active_automations in customer.toml"
        rows.append(_item("automations not in the inventory", missing, _WHO_CUSTOMER, action))
    if segments.height:
        action = "rebuild them as contact filters from the segment guide"
        rows.append(_item("segments to rebuild", segments.height, _WHO_CUSTOMER, action))
    return rows


def _by(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return frame.group_by(columns).len().sort(columns).rows()


_DECISIONS: Final = {
    "rejected": (_WHO_CUSTOMER, "correct them at the source and run again, or accept that they stay behind"),
    "excluded": (_WHO_CUSTOMER, "accept that they stay behind"),
    "missing": (_WHO_ANALYST, "find out why; run 05_load again"),
    "duplicated": (_WHO_ANALYST, "keep one of them; delete the copies"),
}
