"""What is left for whom to do after the move?

In: the findings of 06, the decisions behind them, and the customer's inventory of automations. Out: OPEN_ITEMS,
SEGMENT_GUIDE, AUTOMATIONS and AUTOMATION_CHECK: what the customer's report tells beside `moved`. Invariant: every finding is
counted in exactly one item, with somebody to settle it and what to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases import foreign, leftovers
from crmbook.phases.wording import worded

OBJECTS: Final = {"company": "companies", "contact": "contacts", "deal": "deals"}
_WHO_CUSTOMER: Final = "customer"
_WHO_ADMIN: Final = "Freshsales admin"
_WHO_ANALYST: Final = "migration analyst"
_PLURALS: Final = {
    **OBJECTS,
    "deal_stage": "deal stages",
    "activity": "activities",
    "email": "e-mails",
    "event": "events",
    "conversation": "conversations",
    "message": "messages",
    "membership": "list memberships",
    "file": "files",
    "link": "document links",
}
_LOSSES: Final = {
    "rounded": "rounded",
    "truncated": "shortened",
    "collapsed": "kept as text only",
    "shifted": "shifted",
    "dropped": "not carried",
}
_OF_RECORDS: Final = {"collapsed": "that gave way to another value"}
# non-blocking reject rules a person should look at
_REVIEWED: Final = ("tag_over_40", "tags_several", "attendee_unresolved")


@dataclass(frozen=True)
class Findings:
    """The findings of 06 by the names of its tables, those of the history after those of the records."""

    classes: pl.DataFrame
    target_only: pl.DataFrame
    link_classes: pl.DataFrame
    differences: pl.DataFrame
    history_classes: pl.DataFrame
    history_target_only: pl.DataFrame
    member_classes: pl.DataFrame
    history_differences: pl.DataFrame
    instants: pl.DataFrame
    actual_documents: pl.DataFrame


def open_items(
    *,
    findings: Findings,
    owner_queue: pl.DataFrame,
    rejects: pl.DataFrame,
    carried: pl.DataFrame,
    loss: pl.DataFrame,
    list_plan: pl.DataFrame,
    automations: pl.DataFrame,
    automation_check: pl.DataFrame,
    segments: pl.DataFrame,
    signs: pl.DataFrame,
    source_rejects: pl.DataFrame,
    foreign_records: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Everything a person still has to do, for how many records, and who; OPEN_ITEMS."""
    rows = [
        *_owner_items(owner_queue),
        *leftovers.lines(source_rejects, who=_WHO_CUSTOMER),
        *_record_items(findings.classes, findings.target_only),
        *_finding_items(findings.link_classes, findings.differences),
        *_history_items(findings),
        *_left_items(carried),
        *_review_items(rejects, list_plan),
        *_loss_items(loss),
        *leftovers.to_rebuild(automations, automation_check, segments, signs, who=_WHO_CUSTOMER),
        *foreign.items(foreign_records, who=_WHO_ADMIN),
        _item(
            "Workflows, e-mail and sequences are off", None, _WHO_ADMIN, "switch them on after the sign-off"
        ),
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.OPEN_ITEMS.columns), tables.OPEN_ITEMS)


def segment_guide(
    segments: pl.DataFrame, members: pl.DataFrame, lists: pl.DataFrame, member_classes: pl.DataFrame
) -> pl.DataFrame:
    """
    The segments to rebuild as filters; SEGMENT_GUIDE.

    `members` are counted in the extract, `in_list` in the target list (*lists*, `tables.LISTS_TARGET`) made of the segment;
    merged and rejected contacts make the difference. No list: null.
    """
    counts = members.group_by("segment_id").agg(members=pl.len().cast(pl.Int64))
    found = (
        member_classes.filter(pl.col("class") == "found")
        .group_by("list_key")
        .agg(found=pl.len().cast(pl.Int64))
    )
    made = lists.select(list_key="source_id", list_name="name")
    guide = (
        segments.with_columns(list_key=pl.format("segment:{}", "segment_id"))
        .join(counts, on="segment_id", how="left")
        .join(made, on="list_key", how="left")
        .join(found, on="list_key", how="left")
    )
    counted = guide.with_columns(
        pl.col("members").fill_null(0),
        in_list=pl.when(pl.col("list_name").is_not_null()).then(pl.col("found").fill_null(0)),
    )
    return tables.conform(counted.select(list(tables.SEGMENT_GUIDE.columns)), tables.SEGMENT_GUIDE)


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


def _item(item: str, records: int | None, who: str, action: str) -> dict[str, Any]:
    return {"item": item, "records": records, "who": who, "action": action}


def _owner_items(queue: pl.DataFrame) -> list[dict[str, Any]]:
    counts = queue.group_by("reason").agg(
        records=(pl.col("contacts") + pl.col("deals")).sum(), agents=pl.len()
    )
    return [
        _item(
            f"{agents} {'owner' if agents == 1 else 'owners'}: {reason}",
            records,
            _WHO_ADMIN,
            "give them an active user, then reassign",
        )
        for reason, records, agents in counts.sort("reason").iter_rows()
    ]


def _record_items(classes: pl.DataFrame, target_only: pl.DataFrame) -> list[dict[str, Any]]:
    left = classes.filter(pl.col("class").is_in(list(_DECISIONS)))
    plain = left.with_columns(
        pl.col("reason")
        .str.replace(r"^in \d+ target records$", "in several target records")
        .str.replace(r"^into \S+ ", "merged ")
    )
    rows = []
    for entity, name, reason, number in _by(plain, "entity", "class", "reason"):
        who, action = _DECISIONS[name]
        told = ": ".join(filter(None, (f"{OBJECTS[entity]} {name}", worded(reason))))
        rows.append(_item(told, number, who, action))
    for module, number in _by(target_only.filter(pl.col("class") == "unexpected"), "module"):
        action = "find out who made them; delete the copies"
        rows.append(_item(f"{module} nobody loaded", number, _WHO_ANALYST, action))
    return _summed(rows)


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


def _history_items(found: Findings) -> Iterator[dict[str, Any]]:
    lost = found.history_classes.filter(pl.col("class").is_in(list(_DECISIONS)))
    for module, name, reason, number in _by(lost, "module", "class", "reason"):
        yield _item(f"{_module(module)} {name}: {worded(reason)}", number, *_DECISIONS[name])
    strange = found.history_target_only.filter(pl.col("class") == "unexpected")
    for module, number in _by(strange, "module"):
        yield _item(f"{_module(module)} nobody loaded", number, _WHO_ANALYST, "find out who made them")
    look = "look the records up and correct them in the target"
    wrong = found.member_classes.filter(pl.col("class") != "found")
    for name, number in _by(wrong, "class"):
        yield _item(f"list members {name}", number, _WHO_ANALYST, look)
    for module, field, number in _by(found.history_differences, "module", "field"):
        yield _item(f"{_module(module)}: {field} differs", number, _WHO_ANALYST, look)
    for entity, number in _by(found.instants.filter(~pl.col("is_equal")), "entity"):
        yield _item(f"{_PLURALS[entity]}: another instant than in the source", number, _WHO_ANALYST, look)
    unread = found.actual_documents.filter((pl.col("kind") == "document") & pl.col("sha256").is_null()).height
    if unread:
        action = "open some of them; the target did not serve their bytes to compare"
        yield _item("files whose bytes were not compared", unread, _WHO_ANALYST, action)


def _left_items(carried: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """One item per kind of history; the reasons are counted under what moved, messages stay behind with their talk."""
    left = carried.filter((pl.col("state") == "rejected") & (pl.col("entity") != "message"))
    for entity, number in _by(left, "entity"):
        action = "accept that they stay behind; the reasons stand under what moved"
        yield _item(f"{_PLURALS[entity]} not moved", number, _WHO_CUSTOMER, action)


def _review_items(rejects: pl.DataFrame, list_plan: pl.DataFrame) -> Iterator[dict[str, Any]]:
    noticed = rejects.filter(~pl.col("is_blocking") & pl.col("rule").is_in(_REVIEWED))
    for entity, rule, number in _by(noticed.unique(["entity", "source_id", "rule"]), "entity", "rule"):
        yield _item(
            f"{_PLURALS[entity]} with {worded(rule).removeprefix('with ')}",
            number,
            _WHO_CUSTOMER,
            "review them",
        )
    renamed = list_plan.filter("is_renamed").height
    if renamed:
        yield _item(
            "lists under another name, because names clash", renamed, _WHO_CUSTOMER, "tell who uses them"
        )


def _loss_items(loss: pl.DataFrame) -> list[dict[str, Any]]:
    """One item per entity and kind; which field lost how much is LOSS itself."""
    sums = loss.group_by("entity", "kind").agg(pl.len().alias("fields"), values=pl.col("records").sum())
    action = "accept the loss or change the mapping"
    told = {
        entity: _LOSSES | ({} if entity in _PLURALS.keys() - OBJECTS.keys() else _OF_RECORDS)
        for entity in sums["entity"]
    }
    return [
        _item(
            f"{_PLURALS.get(entity, entity)}: values {told[entity].get(kind, kind)}, in {fields}"
            f" {'field' if fields == 1 else 'fields'}",
            values,
            _WHO_CUSTOMER,
            action,
        )
        for entity, kind, fields, values in sums.sort("entity", "kind").iter_rows()
    ]


def _summed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*rows* with each item once: two rules may read the same in words."""
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = made.setdefault(row["item"], row | {"records": 0})
        known["records"] += row["records"]
    return list(made.values())


def _module(module: str) -> str:
    return module.replace("_", " ")


def _by(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return frame.group_by(columns).len().sort(columns).rows()


_DECISIONS: Final = {
    "rejected": (_WHO_CUSTOMER, "correct them at the source and run again, or accept that they stay behind"),
    "excluded": (_WHO_CUSTOMER, "accept that they stay behind"),
    "missing": (_WHO_ANALYST, "find out why; run 05_load again"),
    "duplicated": (_WHO_ANALYST, "keep one of them; delete the copies"),
}
