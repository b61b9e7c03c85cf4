"""Which writes carry the lists, the history and the documents into the target?

In: the tables of 04 beside contacts, companies and deals, and what the target held. Out: operations, after
those of the records they hang on. None of these kinds has a field for its source id: what an earlier run
wrote is recognised by that run's crosswalk, as long as the record it hangs on still carries our mark.
Invariant: each row has exactly one write, and each member of a list stands in exactly one call.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import polars as pl

from crmbook import tables
from crmbook.errors import UpstreamError
from crmbook.phases.edition import LEAD, hung, source_entity
from crmbook.phases.edition import MODULES as PARENT_MODULES
from crmbook.phases.operations import Op, op, primary
from crmbook.phases.payloads import instant, reference
from crmbook.phases.resolving import Owners

MEMBERS_A_CALL: Final = 100
TARGETABLE: Final = {"contact": "Contact", LEAD: "Lead", "company": "SalesAccount", "deal": "Deal"}
MODULES: Final = {
    "list": "lists",
    "task": "tasks",
    "appointment": "appointments",
    "sales_activity": "sales_activities",
    "note": "notes",
    "document": "documents",
    "document_link": "document_links",
}

_DONE: Final = 1
Row = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """The tables of 04 that hang on contacts, companies and deals."""

    target_lists: pl.DataFrame
    list_members: pl.DataFrame
    tasks: pl.DataFrame
    appointments: pl.DataFrame
    sales_activities: pl.DataFrame
    notes: pl.DataFrame
    documents: pl.DataFrame

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def none(cls) -> Self:
        return cls(**{name: tables.of(name).empty() for name in cls.names()})

    def on_leads(self, leads: pl.DataFrame) -> Self:
        """The same tables with the parents that are *leads* named so."""
        frames = {name: getattr(self, name) for name in self.names()}
        made = {n: hung(frame, leads) for n, frame in frames.items() if "parent_kind" in frame.columns}
        return type(self)(**frames | made)

    def records(self) -> dict[str, pl.DataFrame]:
        """Entity to its rows, in the order they are written."""
        is_link = pl.col("kind") == "link"
        return {
            "list": self.target_lists,
            "task": self.tasks,
            "appointment": self.appointments,
            "sales_activity": self.sales_activities,
            "note": self.notes,
            "document": self.documents.filter(~is_link),
            "document_link": self.documents.filter(is_link),
        }


NO_HISTORY: Final = History.none()


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
    it held before with the `original_id` that `recognized` gave it.

    Raises:
        UpstreamError: a parent or member is not loaded, an activity type is not in the target, or a list
            there has a name that is to be given.
    """
    _check_parents(history, loaded)
    found = _found(existing)
    _check_names(history.target_lists, existing)
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


def recognized(existing: pl.DataFrame, earlier: pl.DataFrame, history: History) -> pl.DataFrame:
    """
    *existing* with the source id of what an earlier run wrote, as far as the target still shows it.

    *earlier* is the crosswalk of earlier runs on this target. History and documents count where the record
    they hang on still carries our mark under the id it had then; lists where id and name are the same.
    """
    marked = existing.select("module", "target_id", parent_id="original_id").drop_nulls()
    parents = [
        earlier.filter(pl.col("entity") == kind)
        .select("target_id", parent_kind=source_entity(), parent_id="source_id")
        .join(marked.filter(pl.col("module") == module), on=["target_id", "parent_id"], how="semi")
        .select("parent_kind", "parent_id")
        for kind, module in PARENT_MODULES.items()
    ]
    kept = []
    for entity, frame in history.records().items():
        if entity == "list":
            continue
        ours = frame.join(pl.concat(parents), on=["parent_kind", "parent_id"], how="semi")
        ids = earlier.filter(pl.col("entity") == entity).join(ours, on="source_id", how="semi")
        kept.append(
            ids.select(module=pl.lit(MODULES[entity]), target_id="target_id", original_id="source_id")
        )
    return pl.concat([_recognized_lists(existing, earlier, history.target_lists), *kept], how="diagonal")


def membership_coverage(planned: pl.DataFrame, list_members: pl.DataFrame) -> dict[str, Any]:
    """The row `membership` of COVERAGE: the members there should be beside those in the plan's calls."""
    adds = planned.filter((pl.col("entity") == "list") & (pl.col("action") == "add"))
    sent = [
        (list_key, one["$id"].removeprefix("contact:"))
        for list_key, payload in adds.select("source_id", "payload").iter_rows()
        for one in json.loads(payload)["ids"]
    ]
    wanted = set(list_members.select("list_key", "contact_id").iter_rows())
    return {
        "entity": "membership",
        "normalized": list_members.height,
        "planned": len(sent),
        "uncovered": len(wanted - set(sent)),
        "repeated": len(sent) - len(set(sent)),
    }


def _recognized_lists(existing: pl.DataFrame, earlier: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    made = (
        earlier.filter(pl.col("entity") == "list")
        .join(wanted.select("source_id", name_key=_key("name")), on="source_id")
        .select("target_id", "name_key", module=pl.lit("lists"), made_of="source_id")
    )
    return (
        existing.with_columns(name_key=_key("name"))
        .join(made, on=["module", "target_id", "name_key"], how="left", maintain_order="left")
        .with_columns(original_id=pl.coalesce("made_of", "original_id"))
        .select(existing.columns)
    )


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


def _key(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_lowercase()


def _found(existing: pl.DataFrame) -> dict[str, dict[str, int]]:
    ours = existing.filter(pl.col("original_id").is_not_null())
    return {
        entity: dict(ours.filter(pl.col("module") == module).select("original_id", "target_id").iter_rows())
        for entity, module in MODULES.items()
    }


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


def _check_names(target_lists: pl.DataFrame, existing: pl.DataFrame) -> None:
    theirs = existing.filter(pl.col("module") == "lists", pl.col("original_id").is_null())
    taken = target_lists.join(
        theirs.select(key=_key("name")), left_on=_key("name"), right_on="key", how="semi"
    )
    if taken.height:
        raise UpstreamError(
            f"target_lists: {taken.height} names are those of lists that stand in the target by now;"
            " run 03_workspace again"
        )


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
