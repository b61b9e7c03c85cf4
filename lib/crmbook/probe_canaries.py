"""Records that exist only to be looked at: marked, removed for good afterwards, and found again if they stayed.

The first canary is a contact that is made before all others and removed after them, under an address nobody else has:
where the tenant refuses it, an earlier row was cut short, and its rest is hunted down before anything is measured. A
row that ended as it should costs no call to look for. Invariants: while any canary is left the first one is, however
often cleaning up is cut short; only records whose own name or address begins with the mark are ever deleted, and what
hangs on them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from crmbook.errors import Rejected, Unavailable
from crmbook.vendors.freshsales import Freshsales

PREFIX: Final = "crmbook-canary"
MODULES: Final = ("deals", "leads", "contacts", "sales_accounts")  # in the order they let go of one another
LONG_AGO: Final = "2001-02-03T04:05:06Z"
_PAGE: Final = 100
_BIN: Final = "Recycle Bin"
_BIN_PAGES: Final = 20
_JOB_S: Final = 10.0  # by then a job the cut row had posted is worked off

Record = dict[str, Any]


def email(name: str) -> str:
    """An address that can't receive mail."""
    return f"{PREFIX}-{name}@canary.invalid"


def label(name: str) -> str:
    return f"{PREFIX}-{name}"


def contact(name: str) -> Record:
    """The body of a contact."""
    return {"email": email(name), "last_name": label(name), "external_id": label(name)}


class Canaries:
    """The canaries of one probe; `first` is the contact that stands for all of them."""

    first: Record

    def __init__(self, client: Freshsales, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.client, self._sleep = client, sleep
        self.modules = [name for name in MODULES if name in client.edition.modules]
        self._made: list[tuple[str, int]] = []
        self._views: dict[str, dict[str, int]] = {}
        self._forgets_at_once = True
        self._is_unclear = False
        self._has_tasks = False

    def claim(self) -> None:
        """The first canary made; what an earlier row left is removed before."""
        body = contact("a") | {"created_at": LONG_AGO}
        try:
            self.first = self.create("contacts", body)
        except Rejected:
            first = self.remove_leftovers()
            if first:
                self._sleep(_JOB_S)
                for module in self.modules:
                    self._sweep(module, self.newest(module))
            for record_id in first:
                self._forget("contacts", record_id)
            self.first = self.create("contacts", body)

    def create(self, module: str, body: Mapping[str, Any]) -> Record:
        """The canary made of *body*; Rejected as the vendor says."""
        try:
            record = self.client.create(module, body)
        except Unavailable:
            self._is_unclear = True
            raise
        self._made.append((module, int(record["id"])))
        return record

    def is_accepted(self, module: str, body: Mapping[str, Any]) -> bool:
        """Whether the tenant takes a record like this."""
        try:
            self.create(module, body)
        except Rejected:
            return False
        return True

    def adopted(self, module: str, name: str, include: Sequence[str] = ()) -> Record | None:
        """The canary a bulk job made, by its name; None, and looked for again at the end, where it never came."""
        for record in self.newest(module, include):
            if label(name) in (record.get("name"), record.get("last_name")):
                self._made.append((module, int(record["id"])))
                return record
        self._is_unclear = True
        return None

    def doubted(self) -> None:
        """A record may come that nobody was told of: looked for at the end."""
        self._is_unclear = True

    def newest(self, module: str, include: Sequence[str] = ()) -> list[Record]:
        """The page of 100 records created last, as the view shows it without delay."""
        return self._page(module, self._all(module), include=include)

    def _all(self, module: str) -> str:
        return self.client.edition.module(module).all_view

    def tasks(self) -> list[Record]:
        """What the tenant's Workflows hung on the first canary; no probe makes a task."""
        found = self.client.sublist("contacts", int(self.first["id"]), "tasks")
        self._has_tasks = bool(found)
        return found

    def remove(self) -> None:
        """All of them for good, the first one last, and those whose creation was never answered."""
        for made, made_id in reversed(self._made[1:]):
            self._forget(made, made_id)
        del self._made[1:]
        for record_id in self.remove_leftovers() if self._is_unclear else ():
            self._forget("contacts", record_id)
        for made, made_id in self._made:
            self._forget(made, made_id)
        self._made.clear()

    def remove_leftovers(self) -> set[int]:
        """What earlier rows left among the records, in the index, and in the bin; the first ones of theirs are spared and told."""
        first: set[int] = set()
        for module in self.modules:
            first |= self._sweep(module, self.newest(module))
            first |= self._sweep(module, self._page(module, self._all(module), order="updated_at"))
        for kind, records in self._indexed():
            first |= self._sweep(kind, records)
        for module in self.modules:
            for number in range(1, _BIN_PAGES + 1):
                page = self._page(module, _BIN, number)
                first |= self._sweep(module, page)
                if len(page) < _PAGE:
                    break
        return first

    def _indexed(self) -> Iterator[tuple[str, list[Record]]]:
        """Canaries of any age the search index knows, by module; one call."""
        wrappers = {self.client.edition.module(module).wrapper: module for module in self.modules}
        params = {"q": PREFIX, "include": ",".join(wrappers), "per_page": _PAGE}
        body = self.client.ask("GET", "search", "/search", entity="canaries", params=params).body
        rows = [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []
        for wrapper, module in wrappers.items():
            yield module, [row for row in rows if row.get("type") == wrapper]

    def _page(
        self,
        module: str,
        view: str,
        number: int = 1,
        *,
        include: Sequence[str] = (),
        order: str = "created_at",
    ) -> list[Record]:
        if module not in self._views:
            self._views[module] = {str(v.get("name")): int(v["id"]) for v in self.client.views(module)}
        view_id = self._views[module].get(view)
        if view_id is None:
            return []
        path = self.client.edition.module(module).path
        params = {"sort": order, "sort_type": "desc", "page": number, "per_page": _PAGE}
        params |= {"include": ",".join(include)} if include else {}
        route = f"/{path}/view/:id"
        body = self.client.ask("GET", f"{path}/view/{view_id}", route, entity=module, params=params).body
        return self.client.rows(module, body, module)

    def _sweep(self, module: str, records: Iterable[Record]) -> set[int]:
        """The canaries among *records* removed, but this row's first and the first ones of earlier rows, which are told."""
        spared: set[int] = set()
        for record in records:
            record_id = int(record["id"])
            if not is_canary(module, record) or (module, record_id) in self._made:
                continue
            self._has_tasks = True
            if module == "contacts" and _is_first(record):
                spared.add(record_id)
            else:
                self._forget(module, record_id)
        return spared

    def bin(self, contact_id: int) -> None:
        """A contact into the bin, without what Workflows hung on it."""
        self._untask(contact_id)
        self.client.delete("contacts", contact_id)

    def _untask(self, contact_id: int) -> None:
        if self._has_tasks and self.client.view("contacts", contact_id) is not None:
            for task in self.client.sublist("contacts", contact_id, "tasks"):
                self.client.delete("tasks", int(task["id"]))

    def _forget(self, module: str, record_id: int) -> None:
        if module == "contacts":
            self._untask(record_id)
        if self._forgets_at_once:
            try:
                if self.client.forget(module, record_id):
                    return
            except Rejected:
                self._forgets_at_once = False
        self.client.delete(module, record_id)
        self.client.forget(module, record_id)


@contextmanager
def canaries(client: Freshsales, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Canaries]:
    """A row of canaries with its first one, nothing of it left at the end, whatever went wrong in between."""
    row = Canaries(client, sleep=sleep)
    try:
        row.claim()
        yield row
    finally:
        row.remove()


def is_canary(module: str, record: Mapping[str, Any]) -> bool:
    """Whether *record* says of itself that it is one."""
    keys = ("email", "last_name", "name") if module in ("contacts", "leads") else ("name",)
    return any(str(record.get(key) or "").startswith(PREFIX) for key in keys)


def _is_first(record: Mapping[str, Any]) -> bool:
    """Whether *record* is the first canary of a row; a search shows its last name as its name."""
    return record.get("email") == email("a") or label("a") in (record.get("last_name"), record.get("name"))
