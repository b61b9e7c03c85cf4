"""What stands in the target of everything a run wrote, and which records refer to it?

In: the crosswalk, the ledger and the plan of a run, and a client of its target. Out: the records as they stand, and
the references to those the run created. Nothing is written. A module is read in pages of 100 as long as that is no
dearer than asking for its records one by one; what nobody listed is asked for by its id.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crmbook.errors import DataError, NotFound
from crmbook.phases.edition import MODULES as PLACES
from crmbook.phases.history_tables import MODULES as HISTORY
from crmbook.phases.restoring import Written
from crmbook.vendors.freshsales import Freshsales

Record = dict[str, Any]
Progress = Callable[[str, int, int | None], None]
Reference = tuple[str, str, str, str | None]  # entity, source_id, by, by_ours

_VIEW_AND_PAGE: Final = 2  # the calls a listing takes at least
CHILDREN: Final = {"tasks": "task", "appointments": "appointment", "notes": "note"}
# What an include adds to a record beside its own links, so that one answer tells who refers to it (vendor docs).
_BESIDE: Final = {
    "contacts": ("deals", "lists", *CHILDREN),
    "sales_accounts": ("contacts", "deals", "child_sales_accounts", *CHILDREN),
    "deals": tuple(CHILDREN),
    "leads": ("lead_stage", *CHILDREN),
}
_REFERRERS: Final = {
    "deal_ids": ("deals", "deal"),
    "contact_ids": ("contacts", "contact"),
    "child_sales_account_ids": ("child_sales_accounts", "company"),
}


@dataclass
class Found:
    """The target as far as one run is concerned: records by entity and target id, and references to what it made."""

    records: dict[str, dict[int, Record]]
    references: list[Reference]
    members: dict[int, set[int]]
    pages: dict[str, int] = field(default_factory=dict)


class Reader:
    """
    Reads what *written* left in the target; `pages` counts the pages each module took.

    What is *done* (names of records taken back before) is known as ours, but not looked for.
    """

    def __init__(
        self, client: Freshsales, written: Collection[Written], done: Collection[str], progress: Progress
    ) -> None:
        self._client, self._done, self._progress = client, done, progress
        self._by_entity: dict[str, dict[int, Written]] = {}
        for one in written:
            self._by_entity.setdefault(one.entity, {})[one.target_id] = one
        self._created = {
            entity: {i: one for i, one in ours.items() if one.origin == "created"}
            for entity, ours in self._by_entity.items()
        }
        self._notes_of: dict[tuple[str, int], list[Record]] = {}
        self.pages: dict[str, int] = {}

    def read(self) -> Found:
        """Everything, read once."""
        records = {entity: self._listed(entity, HISTORY[entity]) for entity in ("task", "appointment")}
        records["sales_activity"], references = self._activities()
        for entity, module in PLACES.items():
            if module in self._client.edition.modules:
                records[entity] = self._listed(entity, module)
        records["note"] = self._notes()
        records["list"], members = self._lists()
        for entity in ("task", "appointment", "note"):
            references += self._parents(entity, records[entity].values())
        for entity in PLACES:
            references += self._of_all(entity, records)
        return Found(records, references, members, self.pages)

    def _of_all(self, entity: str, records: Mapping[str, Mapping[int, Record]]) -> list[Reference]:
        there = records.get(entity, {})
        ours = [one for target_id, one in self._created.get(entity, {}).items() if target_id in there]
        found: list[Reference] = []
        for number, one in enumerate(ours, 1):
            found += self._referring(one, there[one.target_id], records)
            self._progress(f"who refers to each {entity}", number, len(ours))
        return found

    def _wanted(self, entity: str) -> dict[int, Written]:
        ours = self._by_entity.get(entity, {})
        return {target_id: one for target_id, one in ours.items() if one.name not in self._done}

    def _listed(self, entity: str, module: str) -> dict[int, Record]:
        wanted = self._wanted(entity)
        found, self.pages[module] = standing(
            self._client, module, set(wanted), include=_include(self._client, module)
        )
        self._progress(module, len(found), len(wanted))
        return found

    def _notes(self) -> dict[int, Record]:
        """Our notes; there is no list of notes, and none can be read alone: those of each record they hang on."""
        ours = self._wanted("note")
        places = sorted({place for one in ours.values() if (place := _parent(self._client, one))})
        found: dict[int, Record] = {}
        for number, (module, target_id) in enumerate(places, 1):
            rows = self._sublist(module, target_id, "notes")
            self._notes_of[module, target_id] = rows
            found |= {int(row["id"]): row for row in rows if int(row["id"]) in ours}
            self._progress("notes of records", number, len(places))
        return found

    def _lists(self) -> tuple[dict[int, Record], dict[int, set[int]]]:
        ours = self._by_entity.get("list", {})
        if not ours:
            return {}, {}
        listed = (row for page in self._client.pages("lists") for row in page)
        there = {int(row["id"]): row for row in listed if int(row["id"]) in ours}
        made = [list_id for list_id in there if ours[list_id].origin == "created"]
        members = {
            list_id: {int(row["id"]) for page in self._client.list_members(list_id) for row in page}
            for list_id in made
        }
        return there, members

    def _activities(self) -> tuple[dict[int, Record], list[Reference]]:
        """Ours; where the run made records they may hang on, all are read, because those records don't tell them."""
        module = HISTORY["sales_activity"]
        if not any(
            one.name not in self._done for entity in PLACES for one in self._created.get(entity, {}).values()
        ):
            return self._listed("sales_activity", module), []
        left = set(self._wanted("sales_activity"))
        found: dict[int, Record] = {}
        references: list[Reference] = []
        for number, page in enumerate(self._client.pages(module), 1):
            found |= {int(row["id"]): row for row in page if int(row["id"]) in left}
            references += self._parents("sales_activity", page)
            self.pages[module] = number
            self._progress(module, len(found), len(left))
        unseen = sorted(left - found.keys())
        return found | {i: row for i in unseen if (row := self._client.view(module, i))}, references

    def _parents(self, entity: str, rows: Iterable[Record]) -> Iterator[Reference]:
        """Who *rows* of *entity* hang on, where that is a record this run created."""
        modules = self._client.edition.modules
        kinds = {
            modules[module].targetable_type: place for place, module in PLACES.items() if module in modules
        }
        for row in rows:
            mine = self._created.get(entity, {}).get(int(row["id"]))
            for kind, parent_id in targets(row):
                parent = self._created.get(kinds.get(kind, ""), {}).get(parent_id)
                if parent:
                    yield (
                        parent.entity,
                        parent.source_id,
                        f"{entity} {row['id']}",
                        mine.name if mine else None,
                    )

    def _referring(
        self, one: Written, record: Record, records: Mapping[str, Mapping[int, Record]]
    ) -> Iterator[Reference]:
        module = PLACES[one.entity]
        for key, (include, entity) in _REFERRERS.items():
            if include not in _BESIDE[module]:
                continue
            if key not in record:
                raise DataError(
                    f"{module} {one.target_id}: no {key}; the target left out what include asked for"
                )
            for other_id in map(int, record[key] or []):
                if not self._is_our_link(entity, other_id, one):
                    yield self._by(one, entity, other_id)
        for other_id in map(int, record.get("list_ids") or []):
            if other_id not in self._by_entity.get("list", {}):
                yield one.entity, one.source_id, f"list {other_id}", None
        for name, entity in CHILDREN.items():
            yield from self._children(one, record, name, entity, records[entity])
        yield from self._files(one)

    def _is_our_link(self, entity: str, other_id: int, one: Written) -> bool:
        """Whether a record that was there before refers to *one* by a link this run added, and will take out again."""
        other = self._by_entity.get(entity, {}).get(other_id)
        if other is None or other.origin == "created":
            return False
        keys = ("contacts_added_list",) if one.entity == "contact" else ("sales_accounts", "sales_account_id")
        return any(one.target_id in other.added(key) for key in keys)

    def _by(self, one: Written, entity: str, other_id: int) -> Reference:
        other = self._created.get(entity, {}).get(other_id)
        return one.entity, one.source_id, f"{entity} {other_id}", other.name if other else None

    def _children(
        self, one: Written, record: Record, name: str, entity: str, ours: Mapping[int, Record]
    ) -> Iterator[Reference]:
        """Foreign tasks, meetings and notes; ids that leave out one of ours are not believed."""
        module, key = PLACES[one.entity], f"{name.removesuffix('s')}_ids"
        kind = self._client.edition.module(module).targetable_type
        known = {i for i, row in ours.items() if (kind, one.target_id) in targets(row)}
        told = record.get(key)
        ids = None if told is None else {int(i) for i in told}
        if (module, one.target_id) in self._notes_of and name == "notes":
            ids = {int(row["id"]) for row in self._notes_of[module, one.target_id]}
        elif ids is None or not known <= ids:
            ids = {int(row["id"]) for row in self._sublist(module, one.target_id, name)}
        for child_id in sorted(ids - set(self._created.get(entity, {}))):
            yield one.entity, one.source_id, f"{entity} {child_id}", None

    def _files(self, one: Written) -> Iterator[Reference]:
        """Files and links that are not ours: no list tells them, so each record is asked."""
        try:
            there = self._client.associations(PLACES[one.entity], one.target_id)
        except NotFound:
            return
        for name, entity in (("documents", "document"), ("document_links", "document_link")):
            for row in there[name]:
                if int(row["id"]) not in self._by_entity.get(entity, {}):
                    yield one.entity, one.source_id, f"{entity} {row['id']}", None

    def _sublist(self, module: str, target_id: int, name: str) -> list[Record]:
        try:
            return self._client.sublist(module, target_id, name)
        except NotFound:
            return []


def standing(
    client: Freshsales, module: str, wanted: set[int], *, include: Collection[str] = (), is_told: bool = False
) -> tuple[dict[int, Record], int]:
    """
    The records of *wanted* that are there, and how many pages were read; single ones where pages would be dearer.

    What a whole listing does not show is asked for by its id, unless that is just what *is_told* expects.
    """
    found: dict[int, Record] = {}
    left, pages = set(wanted), 0
    if len(wanted) > _VIEW_AND_PAGE:
        for pages, page in enumerate(client.pages(module, include=tuple(include)), 1):
            found |= {int(row["id"]): row for row in page if int(row["id"]) in left}
            left -= found.keys()
            if not left or pages >= len(left):
                break
        else:
            left = set() if is_told else left
    for target_id in sorted(left):
        if record := client.view(module, target_id, include=tuple(include)):
            found[target_id] = record
    return found, pages


def targets(row: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Type and id of what an activity hangs on."""
    many = [
        *(row.get("targetables") or []),
        {"type": row.get("targetable_type"), "id": row.get("targetable_id")},
    ]
    return {(str(one["type"]), int(one["id"])) for one in many if one.get("type") and one.get("id")}


def _include(client: Freshsales, module: str) -> tuple[str, ...]:
    links = client.edition.module(module).links
    return tuple(dict.fromkeys([*links, *_BESIDE.get(module, ())]))


def _parent(client: Freshsales, one: Written) -> tuple[str, int] | None:
    modules = {
        kind.targetable_type: name for name, kind in client.edition.modules.items() if kind.targetable_type
    }
    module, target_id = modules.get(one.sent.get("targetable_type", "")), one.sent.get("targetable_id")
    return (module, int(target_id)) if module and target_id else None
