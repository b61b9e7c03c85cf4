"""Records that exist only to be looked at: marked, removed for good afterwards, and found again if they stayed.

The first canary is a contact that is made before all others and removed after them, under an address nobody else has:
where the tenant refuses it, an earlier row was cut short, and its rest is hunted down before anything is measured. A
row that ended as it should costs no call to look for. Invariant: only records whose own name or address begins with
the mark are ever deleted, and what hangs on them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
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
_RECENT_S: Final = 300.0

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
            touched = self.remove_leftovers()
            self.first = self.create("contacts", body)
            if touched and _seconds_between(touched, self.first.get("updated_at")) < _RECENT_S:
                self._sleep(_JOB_S)
                for module in self.modules:
                    self._sweep(module, self.newest(module))

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
        return self._page(module, self.client.edition.module(module).all_view, include=include)

    def tasks(self) -> list[Record]:
        """What the tenant's Workflows hung on the first canary; no probe makes a task."""
        found = self.client.sublist("contacts", int(self.first["id"]), "tasks")
        self._has_tasks = bool(found)
        return found

    def remove(self) -> None:
        """All of them for good, the first one last, and those whose creation was never answered."""
        for module, record_id in reversed(self._made[1:]):
            self._forget(module, record_id)
        del self._made[1:]
        if self._is_unclear:
            self.remove_leftovers()
        for module, record_id in self._made:
            self._forget(module, record_id)
        self._made.clear()

    def remove_leftovers(self) -> str:
        """What earlier rows left among the records, in the index, and in the bin; when one of it was changed last."""
        touched = [self._sweep(module, self.newest(module)) for module in self.modules]
        touched += [self._sweep(module, records) for module, records in self._indexed()]
        for module in self.modules:
            for number in range(1, _BIN_PAGES + 1):
                page = self._page(module, _BIN, number)
                touched.append(self._sweep(module, page))
                if len(page) < _PAGE:
                    break
        return max(touched, default="")

    def _indexed(self) -> Iterator[tuple[str, list[Record]]]:
        """Canaries of any age the search index knows, by module; one call."""
        wrappers = {self.client.edition.module(module).wrapper: module for module in self.modules}
        params = {"q": PREFIX, "include": ",".join(wrappers), "per_page": _PAGE}
        body = self.client.ask("GET", "search", "/search", entity="canaries", params=params).body
        rows = [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []
        for wrapper, module in wrappers.items():
            yield module, [row for row in rows if row.get("type") == wrapper]

    def _page(self, module: str, view: str, number: int = 1, include: Sequence[str] = ()) -> list[Record]:
        if module not in self._views:
            self._views[module] = {str(v.get("name")): int(v["id"]) for v in self.client.views(module)}
        view_id = self._views[module].get(view)
        if view_id is None:
            return []
        path = self.client.edition.module(module).path
        params = {"sort": "created_at", "sort_type": "desc", "page": number, "per_page": _PAGE}
        params |= {"include": ",".join(include)} if include else {}
        route = f"/{path}/view/:id"
        body = self.client.ask("GET", f"{path}/view/{view_id}", route, entity=module, params=params).body
        return self.client.rows(module, body, module)

    def _sweep(self, module: str, records: Iterable[Record]) -> str:
        """The canaries among *records* removed, but the first; when one of them was changed last."""
        touched = [""]
        for record in records:
            if is_canary(module, record) and (module, int(record["id"])) not in self._made:
                touched.append(str(record.get("updated_at") or ""))
                self._has_tasks = True
                self._forget(module, int(record["id"]))
        return max(touched)

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


def _seconds_between(before: str, after: Any) -> float:
    try:
        return (datetime.fromisoformat(str(after)) - datetime.fromisoformat(before)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
