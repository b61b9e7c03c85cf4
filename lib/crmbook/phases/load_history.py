"""Which writes carry the lists, the history and the documents into the target?

In: the tables of 04 beside contacts, companies and deals, and what the target held. Out: operations, after
those of the records they hang on.
Invariant: each row has exactly one write, and each member of a list stands in exactly one call.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from crmbook.errors import UpstreamError
from crmbook.phases import history_existing
from crmbook.phases.edition import LEAD
from crmbook.phases.history_tables import MODULES, History
from crmbook.phases.operations import Op, op, primary
from crmbook.phases.payloads import instant, reference
from crmbook.phases.resolving import Owners

MEMBERS_A_CALL: Final = 100
TARGETABLE: Final = {"contact": "Contact", LEAD: "Lead", "company": "SalesAccount", "deal": "Deal"}
_DONE: Final = 1
Row = Mapping[str, Any]


def ops(
    history: History,
    *,
    loaded: Mapping[str, pl.DataFrame],
    owners: Owners,
    types: pl.DataFrame,
    existing: pl.DataFrame,
) -> Iterator[Op]:
    """
    The writes of *history*: lists, their members, tasks, appointments, sales activities, notes, files, links.

    *loaded* are the records by entity they may hang on, *types* the target's activity types, *existing* what
    it held before with the `original_id` that `history_existing.recognized` gave it.

    Raises:
        UpstreamError: a parent or member is not loaded, an activity type is not in the target, or a list
            there has a name that is to be given.
    """
    _check_parents(history, loaded)
    found = history_existing.found(existing)
    history_existing.check_names(history.target_lists, existing)
    yield from _list_ops(history, found["list"])
    bodies = {
        "task": _task,
        "appointment": _appointment,
        "sales_activity": _sales_activity(_type_ids(history.sales_activities, types)),
        "note": _note,
        "document": _document,
        "document_link": _link,
    }
    for entity, frame in history.records().items():
        if entity not in bodies:
            continue
        for row in sorted(frame.iter_rows(named=True), key=lambda row: natural(row["source_id"])):
            body = _filled(bodies[entity](row, owners) | _target(row))
            needs = [f"{row['parent_kind']}:{row['parent_id']}"]
            yield primary(entity, row["source_id"], found[entity], body, needs=needs)


def natural(source_id: str) -> list[tuple[int, str]]:
    """A key that sorts part 10 of a conversation after part 9: the target shows notes as they were made."""
    parts = re.split(r"(\d+)", source_id)
    return [(len(part), part) if part.isdigit() else (0, part) for part in parts]


def membership_coverage(
    planned: pl.DataFrame, list_members: pl.DataFrame, untouched: pl.DataFrame
) -> dict[str, Any]:
    """The row `membership` of COVERAGE: the members there should be beside those in the plan's calls and the untouched."""
    adds = planned.filter((pl.col("entity") == "list") & (pl.col("action") == "add"))
    sent = [
        (list_key, one["$id"].removeprefix("contact:"))
        for list_key, payload in adds.select("source_id", "payload").iter_rows()
        for one in json.loads(payload)["ids"]
    ]
    stay = untouched.filter(pl.col("entity") == "membership")["source_id"]
    there = [(key, contact_id) for key, _, contact_id in (one.rpartition(":") for one in stay)]
    wanted = set(list_members.select("list_key", "contact_id").iter_rows())
    return {
        "entity": "membership",
        "normalized": list_members.height,
        "planned": len(sent),
        "untouched": len(there),
        "uncovered": len(wanted - {*sent, *there}),
        "repeated": len(sent) + len(there) - len({*sent, *there}),
    }


def _list_ops(history: History, found: Mapping[str, int]) -> Iterator[Op]:
    members: dict[str, list[str]] = {}
    for list_key, contact_id in history.list_members.sort("list_key", "contact_id").iter_rows():
        members.setdefault(list_key, []).append(contact_id)
    for list_key, name in history.target_lists.sort("source_id").select("source_id", "name").iter_rows():
        yield primary("list", list_key, found, {"name": name})
        ids = members.pop(list_key, [])
        for part, start in enumerate(range(0, len(ids), MEMBERS_A_CALL), 1):
            batch = ids[start : start + MEMBERS_A_CALL]
            body = {"ids": [reference("contact", one) for one in batch]}
            yield op("list", "add", list_key, body, needs=[f"contact:{one}" for one in batch], part=part)


def _task(row: Row, owners: Owners) -> dict[str, Any]:
    return {
        "title": row["title"],
        "due_date": instant(row["due_date"]),
        "status": _DONE if row["is_done"] else 0,
        "description": row["description"],
        "owner_id": owners[row["owner_agent_id"]],
    }


def _appointment(row: Row, _owners: Owners) -> dict[str, Any]:
    # No attendees: they may get invitations (vendor docs). Nothing documented holds an owner.
    return {
        "title": row["title"],
        "from_date": instant(row["from_date"]),
        "end_date": instant(row["end_date"]),
        "description": row["description"],
        "time_zone": row["time_zone"] or "UTC",
    }


def _sales_activity(type_ids: Mapping[str, int]) -> Any:
    def body(row: Row, owners: Owners) -> dict[str, Any]:
        return {
            "title": row["title"],
            "start_date": instant(row["start_date"]),
            "end_date": instant(row["end_date"] or row["start_date"]),
            "notes": row["notes"],
            "owner_id": owners[row["owner_agent_id"]],
            "sales_activity_type_id": type_ids[row["activity_type"]],
        }

    return body


def _note(row: Row, _owners: Owners) -> dict[str, Any]:
    return {"description": row["description"]}


def _document(row: Row, _owners: Owners) -> dict[str, Any]:
    return {name: row[name] for name in ("name", "path", "size_bytes", "sha256")}


def _link(row: Row, _owners: Owners) -> dict[str, Any]:
    return {"url": row["url"], "name": row["name"]}


def _target(row: Row) -> dict[str, Any]:
    kind = row["parent_kind"]
    return {"targetable_type": TARGETABLE[kind], "targetable_id": reference(kind, row["parent_id"])}


def _filled(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None and value != ""}


def _type_ids(sales_activities: pl.DataFrame, types: pl.DataFrame) -> dict[str, int]:
    """Internal name to type id; the vendor's own type before the customer's of the same internal name."""
    first = types.sort("is_default", "position", "type_id", descending=[True, False, False])
    first = first.unique("internal_name", keep="first", maintain_order=True)
    known = dict(first.select("internal_name", "type_id").iter_rows())
    if absent := sorted(set(sales_activities["activity_type"]) - set(known)):
        raise UpstreamError(
            f"sales_activities: the target has no activity type {', '.join(map(str, absent))};"
            " add it there and run 03_workspace again, or choose another carrier in 02_mapping"
        )
    return known


def _check_parents(history: History, loaded: Mapping[str, pl.DataFrame]) -> None:
    known = [frame.select(parent_kind=pl.lit(kind), parent_id="source_id") for kind, frame in loaded.items()]
    for entity, frame in history.records().items():
        if entity != "list":
            lost = frame.join(pl.concat(known), on=["parent_kind", "parent_id"], how="anti").height
            _refuse(MODULES[entity], lost, "hang on")
    members = history.list_members
    strangers = members.join(loaded["contact"], left_on="contact_id", right_on="source_id", how="anti").height
    homeless = members.join(history.target_lists, left_on="list_key", right_on="source_id", how="anti").height
    _refuse("list_members", strangers + homeless, "name")


def _refuse(table: str, count: int, what: str) -> None:
    if count:
        raise UpstreamError(
            f"{table}: {count} rows {what} records that are not loaded; run 04_normalization again"
        )
