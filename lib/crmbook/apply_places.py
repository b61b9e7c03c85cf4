"""Where each kind of planned record is written, and how it is found and read there again.

A place knows one kind: the request that creates it, the one that changes it, what stood there before, and how
to settle whether an unclear creation happened. It sends what it is told, once; the ledger is the caller's.
Invariant: `found` never takes a record that another write made.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crmbook import settle_history
from crmbook.errors import NotFound
from crmbook.phases.delta_written import DROPPED
from crmbook.settle import Finder
from crmbook.vendors.freshsales import Freshsales

Record = dict[str, Any]
Body = Mapping[str, Any]


class Place(Protocol):
    """One kind of record in the target."""

    @property
    def route(self) -> str: ...

    @property
    def recreates(self) -> bool:
        """Whether a matched record that is gone is made again: true where the match is our own earlier write."""

    def obstacle(self, body: Body) -> str:
        """Why *body* can't be written at all, empty where it can."""

    def create(self, body: Body) -> Record: ...

    def found(self, source_id: str, body: Body, taken: Collection[int]) -> Record | None:
        """The record that an unclear attempt made, None after it had time to show; *taken* are others' ids."""

    def before(self, target_id: int, body: Body) -> Record | None:
        """The record as it stands, None where it is gone."""

    def update(self, target_id: int, body: Body, before: Record) -> Record: ...


@dataclass(frozen=True)
class Marked:
    """Accounts, contacts, leads, deals: records that carry their source id."""

    client: Freshsales
    finder: Finder
    route: str
    recreates: bool = False

    def obstacle(self, body: Body) -> str:  # noqa: ARG002  the interface
        return ""

    def create(self, body: Body) -> Record:
        return self.client.create(self.route, body)

    def found(self, source_id: str, body: Body, taken: Collection[int]) -> Record | None:  # noqa: ARG002
        return self.finder.find(self.route, source_id)

    def before(self, target_id: int, body: Body) -> Record | None:  # noqa: ARG002
        return self.client.view(self.route, target_id, include=self.client.edition.module(self.route).links)

    def update(self, target_id: int, body: Body, before: Record) -> Record:
        return self.client.update(self.route, target_id, widened(body, before))


@dataclass(frozen=True)
class Hanging:
    """Tasks, appointments, sales activities and notes: known by what hangs on the same record."""

    client: Freshsales
    finder: Finder
    route: str
    recreates: bool = True

    def obstacle(self, body: Body) -> str:
        return "" if "targetable_id" in body else "the record it hangs on is not in the target"

    def create(self, body: Body) -> Record:
        return self.client.create(self.route, body)

    def found(self, source_id: str, body: Body, taken: Collection[int]) -> Record | None:  # noqa: ARG002
        def look() -> Record | None:
            there = settle_history.hanging(self.client, self.route, body)
            return settle_history.same(self.route, body, there, taken)

        return self.finder.patiently(look)

    def before(self, target_id: int, body: Body) -> Record | None:
        if self.route != "notes":
            return self.client.view(self.route, target_id)
        # A single note can't be read (live test).
        there = settle_history.hanging(self.client, self.route, body)
        return next((record for record in there if int(record["id"]) == target_id), None)

    def update(self, target_id: int, body: Body, before: Record) -> Record:  # noqa: ARG002
        return self.client.update(self.route, target_id, body)


@dataclass(frozen=True)
class Lists:
    """Contact lists, known by their name; *foreign* are those that stood there before the load."""

    client: Freshsales
    finder: Finder
    foreign: Collection[int]
    route: str = "lists"
    recreates: bool = True

    def obstacle(self, body: Body) -> str:  # noqa: ARG002  the interface
        return ""

    def create(self, body: Body) -> Record:
        return self.client.create_list(body["name"])

    def found(self, source_id: str, body: Body, taken: Collection[int]) -> Record | None:  # noqa: ARG002
        others = {*taken, *self.foreign}
        return self.finder.patiently(lambda: settle_history.list_named(self.client, body["name"], others))

    def before(self, target_id: int, body: Body) -> Record | None:  # noqa: ARG002
        for page in self.client.pages(self.route):
            for record in page:
                if record["id"] == target_id:
                    return record
        return None

    def update(self, target_id: int, body: Body, before: Record) -> Record:  # noqa: ARG002
        return self.client.update(self.route, target_id, body)


@dataclass(frozen=True)
class Attached:
    """Files and links; nothing public changes or deletes one, so a matched one stays as it is."""

    client: Freshsales
    finder: Finder
    files: Path | None
    route: str
    recreates: bool = True

    def obstacle(self, body: Body) -> str:
        if "targetable_id" not in body:
            return "the record it hangs on is not in the target"
        return "" if self.route == "document_links" else self._altered(body)

    def create(self, body: Body) -> Record:
        parent, parent_id = settle_history.parent_of(self.client, body)
        if self.route == "document_links":
            return self.client.link(parent, parent_id, body["url"], body["name"])
        return self.client.upload(parent, parent_id, self._path(body), body["name"])

    def found(self, source_id: str, body: Body, taken: Collection[int]) -> Record | None:  # noqa: ARG002
        return self.finder.patiently(lambda: settle_history.attached(self.client, self.route, body, taken))

    def before(self, target_id: int, body: Body) -> Record | None:
        try:
            there = self.client.associations(*settle_history.parent_of(self.client, body))[self.route]
        except NotFound:
            return None
        return next((record for record in there if int(record["id"]) == target_id), None)

    def update(self, target_id: int, body: Body, before: Record) -> Record:  # noqa: ARG002  the interface
        return before

    def _path(self, body: Body) -> Path:
        return (self.files or Path()) / str(body["path"])

    def _altered(self, body: Body) -> str:
        try:
            with self._path(body).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return "the file is no longer in the attachments folder"
        return "" if digest == body["sha256"] else "the file is not the one 01_discovery read"


def places(
    client: Freshsales, finder: Finder, *, files: Path | None, foreign_lists: Collection[int]
) -> dict[str, Place]:
    """The place of every kind of record, by the plan's entity; *files* is the attachments folder."""
    return {
        "company": Marked(client, finder, "sales_accounts"),
        "contact": Marked(client, finder, "contacts"),
        "lead": Marked(client, finder, "leads"),
        "deal": Marked(client, finder, "deals"),
        "list": Lists(client, finder, foreign_lists),
        "task": Hanging(client, finder, "tasks"),
        "appointment": Hanging(client, finder, "appointments"),
        "sales_activity": Hanging(client, finder, "sales_activities"),
        "note": Hanging(client, finder, "notes"),
        "document": Attached(client, finder, files, "documents"),
        "document_link": Attached(client, finder, files, "document_links"),
    }


def widened(body: Body, before: Body) -> Record:
    """
    *body* for a record that was there before: tags and account links replace what stands, so those are kept, but for what
    the body's `$dropped` names: that was ours and is no longer wanted.
    """
    wide = dict(body)
    dropped = wide.pop(DROPPED, {})
    if "tags" in body:
        kept = [tag for tag in before.get("tags") or [] if tag not in dropped.get("tags", ())]
        wide["tags"] = list(dict.fromkeys([*kept, *body["tags"]]))
    if "sales_accounts" in body:
        ours = {link["id"] for link in body["sales_accounts"]} | {*dropped.get("sales_accounts", ())}
        theirs = [link["id"] for link in before.get("sales_accounts") or [] if link["id"] not in ours]
        wide["sales_accounts"] = [*body["sales_accounts"], *({"id": i, "is_primary": False} for i in theirs)]
    return wide
