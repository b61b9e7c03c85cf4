"""What a kind of defect is, and what follows from one that takes a record away.

A kind is planned on the clean demo, before anything is planted: it chooses documents no other kind has, says how they
are to stand, and every finding that must come of it. Consequences are told from the tables of 04 alone, never from 06.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from certify.demo import Demo, Doc, Planted
from certify.findings import Finding

BOTH = ("suite", "classic")
# the kinds of the source that a module's records are
SOURCE = {"contacts": "contact", "leads": "contact", "sales_accounts": "company", "deals": "deal"}
CLASS = {"Contact": "contacts", "SalesAccount": "sales_accounts", "Deal": "deals", "Lead": "leads"}
READ_FROM_PARENT = ("notes", "documents", "document_links")
HISTORY = ("tasks", "appointments", "sales_activities", *READ_FROM_PARENT)


@dataclass(frozen=True)
class Kind:
    """One kind of defect; `plan` makes it of the clean demo. One that `is_none` looks like a defect and is not."""

    name: str
    plan: Callable[[Demo], Planted]
    editions: tuple[str, ...] = BOTH
    is_none: bool = False


def altered(kind: str, *docs: Doc) -> dict[str, dict[int, Doc | None]]:
    return {kind: {doc["id"]: doc for doc in docs}}


def planted(where: str, changes: dict[str, dict[int, Any]], *expected: Finding | set[Finding]) -> Planted:
    """A defect with its findings, told one by one or in sets."""
    every: set[Finding] = set()
    for told in expected:
        every |= told if isinstance(told, set) else {told}
    return Planted(changes, frozenset(every), where)


def changed(doc: Doc, **fields: Any) -> Doc:
    """A copy of *doc*; a field that begins with cf_ is one of its custom fields."""
    made = copy.deepcopy(doc)
    for name, value in fields.items():
        put(made, name, value)
    return made


def put(doc: Doc, name: str, value: Any) -> None:
    place = doc["custom_field"] if name.startswith("cf_") else doc
    place[name] = value


def value(doc: Doc, name: str) -> Any:
    return doc.get("custom_field", {}).get(name) if name.startswith("cf_") else doc.get(name)


def field(demo: Demo, kind: str, doc: Doc, *names: str) -> set[Finding]:
    """A finding for each of these fields of one record."""
    source_id = demo.source_id(kind, doc)
    if kind in SOURCE:
        return {Finding("field", SOURCE[kind], source_id, name) for name in names}
    return {Finding("entry field", kind, source_id, name) for name in names}


def link(demo: Demo, verdict: str, relation: str, kept_from: str, kept_to: str) -> set[Finding]:
    """Every relation of the source that lives on between these two."""
    rows = demo.table("links").filter(
        pl.col("relation") == relation, pl.col("kept_from") == kept_from, pl.col("kept_to") == kept_to
    )
    return {Finding(verdict, relation, *row) for row in rows.select("from_id", "to_id").iter_rows()}


def links_of(demo: Demo, entity: str, source_id: str) -> set[Finding]:
    """The relations that miss an end when this record is gone."""
    ends = {"contact": ("contact_", "_contact"), "company": (None, "_account"), "deal": ("deal_", None)}
    starts, leads_to = ends[entity]
    rows = demo.table("links").filter(pl.col("state") != "dropped")
    mine = pl.lit(value=False)
    if starts:
        mine |= pl.col("relation").str.starts_with(starts) & (pl.col("kept_from") == source_id)
    if leads_to:
        mine |= pl.col("relation").str.ends_with(leads_to) & (pl.col("kept_to") == source_id)
    told = rows.filter(mine).select("relation", "from_id", "to_id")
    return {Finding("link missing", *row) for row in told.iter_rows()}


def carried(demo: Demo, module: str, carrier_id: str) -> list[tuple[str, str]]:
    """Entity and source id of the source's rows that one record carries, in order."""
    table = "documents" if module == "document_links" else module
    rows = demo.table("carried").filter(
        pl.col("carrier_module") == table, pl.col("carrier_id") == carrier_id, pl.col("state") == "carried"
    )
    return list(rows.select("entity", "source_id").iter_rows())


def entry_gone(demo: Demo, module: str, source_id: str) -> set[Finding]:
    """A record of the history that is not there, and the rows of the source it carried."""
    rows = carried(demo, module, source_id)
    return {Finding("entry missing", module, source_id)} | {Finding("source row lost", *row) for row in rows}


def late(demo: Demo, module: str, source_id: str) -> set[Finding]:
    """The instants of the source that a dated record no longer shows."""
    return {Finding("instant", *row) for row in carried(demo, module, source_id)}


def member(demo: Demo, verdict: str, list_key: str, contact_id: str) -> set[Finding]:
    """A membership; one that is missing loses its rows of the source."""
    rows = carried(demo, "list_members", f"{list_key}:{contact_id}") if verdict == "member missing" else []
    return {Finding(verdict, list_key, contact_id)} | {Finding("source row lost", *row) for row in rows}


def hanging(demo: Demo, kind: str, doc: Doc) -> list[tuple[str, Doc]]:
    """The records of the history on *doc*, with their modules."""
    return [
        (module, entry)
        for module in HISTORY
        for entry in demo.clean.get(module, {}).values()
        if (CLASS.get(entry.get("targetable_type")), entry.get("targetable_id")) == (kind, doc["id"])
    ]


def gone(demo: Demo, kind: str, doc: Doc) -> set[Finding]:
    """A record that is not there, with the relations and memberships that miss it."""
    source_id, entity = demo.source_id(kind, doc), SOURCE[kind]
    members = demo.table("list_members").filter(pl.col("contact_id") == source_id, pl.lit(kind == "contacts"))
    found = {Finding("record missing", entity, source_id)} | links_of(demo, entity, source_id)
    return found.union(*(member(demo, "member missing", *row) for row in members.iter_rows()))


def is_alone(demo: Demo, kind: str, doc: Doc) -> bool:
    """
    Nothing hangs on *doc* that could only be read from it, and nobody was merged into it.

    What else hangs on it goes on saying so when it is gone: its tasks and activities are read from their own lists.
    """
    survivors = demo.table("merges").filter(pl.col("entity") == SOURCE[kind])["survivor_id"]
    is_survivor = demo.source_id(kind, doc) in survivors.to_list()
    return not is_survivor and not any(module in READ_FROM_PARENT for module, _ in hanging(demo, kind, doc))


def owner(demo: Demo, relation: str, doc: Doc, source_id: str) -> str | None:
    """The agent of the source who owns a record himself, with nobody standing in."""
    rows = demo.table("links").filter(
        pl.col("relation") == relation, pl.col("kept_from") == source_id, pl.col("state") == "kept"
    )
    is_admin = doc["owner_id"] == min(demo.clean["owners"])
    return None if is_admin or rows.height != 1 else str(rows["kept_to"][0])
