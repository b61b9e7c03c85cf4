"""What does the target hold now, for a ledger to be made anew? Read in pages of 100, each page once.

Contacts, leads, accounts and deals come with their links, the bin included: what a person deleted since was written all
the same. Tasks, meetings and activities are read as lists and sorted by the record they hang on; notes and files have no
list and are read from that record, when they are asked for. Nothing here writes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Final

from crmbook.errors import NotFound
from crmbook.settle import MARK
from crmbook.vendors.freshsales import Freshsales

Record = dict[str, Any]
Parent = tuple[str, int]  # targetable type and id

LISTED: Final = ("tasks", "appointments", "sales_activities")
_FILES: Final = ("documents", "document_links")


class Held:
    """The target as it stands; *progress* is told what is read and how many records so far."""

    def __init__(self, client: Freshsales, progress: Callable[[str, int], None]) -> None:
        self._client, self._progress = client, progress
        self._records: dict[str, dict[int, Record]] = {}
        self._hanging: dict[str, dict[Parent, list[Record]]] = {}
        self._seen: dict[tuple[str, Parent], list[Record]] = {}
        self._members: dict[int, set[int]] = {}
        self._modules = {kind.targetable_type: name for name, kind in client.edition.modules.items()}

    def records(self, module: str) -> dict[int, Record]:
        """Every record of *module* by its id, deleted ones included."""
        if module not in self._records:
            links = self._client.edition.module(module).links
            found = self._read(module, self._client.pages(module, include=links))
            try:
                binned = self._read(f"{module} in the bin", self._client.bin(module))
            except NotFound:
                binned = {}
            self._records[module] = binned | found
        return self._records[module]

    def marked(self, module: str) -> dict[str, list[Record]]:
        """The records of *module* by the source id they carry."""
        found: dict[str, dict[int, Record]] = defaultdict(dict)
        for target_id, record in self.records(module).items():
            custom = record.get("custom_field") or {}
            for mark in {record.get("external_id"), custom.get(MARK)} - {None, ""}:
                found[str(mark)][target_id] = record
        return {mark: list(records.values()) for mark, records in found.items()}

    @cached_property
    def lists(self) -> dict[int, Record]:
        return self._read("lists", self._client.pages("lists"))

    def members(self, list_id: int) -> set[int]:
        """The contacts in a list; none where it is gone."""
        if list_id not in self._members:
            try:
                pages = list(self._client.list_members(list_id))
            except NotFound:
                pages = []
            self._members[list_id] = {int(record["id"]) for page in pages for record in page}
        return self._members[list_id]

    def hanging(self, module: str, parent: Parent) -> list[Record]:
        """What of *module* hangs on *parent*, as the lists tell where there are any."""
        if module in LISTED:
            if module not in self._hanging:
                self._hanging[module] = self._by_parent(module)
            return self._hanging[module].get(parent, [])
        return self.closely(module, parent)

    def closely(self, module: str, parent: Parent) -> list[Record]:
        """The same, told by the record itself: a call for each, and the last word where a list left something out."""
        if (module, parent) not in self._seen:
            self._ask(module, parent)
        return self._seen[module, parent]

    def _ask(self, module: str, parent: Parent) -> None:
        kind, record_id = parent
        self._progress(f"what hangs on records: {module}", len(self._seen))
        try:
            if module in _FILES:
                told = self._client.associations(self._modules[kind], record_id)
            else:
                told = {module: self._client.sublist(self._modules[kind], record_id, module)}
        except NotFound:
            told = {}
        for name in _FILES if module in _FILES else (module,):
            self._seen[name, parent] = told.get(name, [])

    def _by_parent(self, module: str) -> dict[Parent, list[Record]]:
        found: dict[Parent, list[Record]] = defaultdict(list)
        try:
            rows = self._read(module, self._client.pages(module))
        except NotFound:
            rows = {}
        for record in rows.values():
            for parent in _parents(record):
                found[parent].append(record)
        return found

    def _read(self, what: str, pages: Iterable[list[Record]]) -> dict[int, Record]:
        found: dict[int, Record] = {}
        for page in pages:
            found |= {int(record["id"]): record for record in page}
            self._progress(what, len(found))
        return found


def _parents(record: Record) -> set[Parent]:
    told = [
        *(record.get("targetables") or ()),
        {"type": record.get("targetable_type"), "id": record.get("targetable_id")},
    ]
    return {(str(one["type"]), int(one["id"])) for one in told if one.get("id")}
