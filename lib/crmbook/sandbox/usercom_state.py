"""One User.com account: the rows of the realm, looked up by any of their keys, and the account's switches.

Rows stay in the scenario's canonical form, so that whoever edits one from the admin side sees the API change.
Lookups are indexes rebuilt when anything was written since, also by somebody else.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from crmbook.sandbox.store import Doc, Store, Table

REALM = "usercom"

_DEFAULTS: Doc = {
    "provisional": {},  # route name: false makes an undocumented route answer 404
    "requests_per_second": None,  # 429 beyond; None is unlimited
    "retry_after": False,  # whether a 429 carries the header
    "next_404": False,  # the last page announces a next page that does not exist (seen by a public client)
    "unknown_attribute": "ignore",  # create | ignore | 400: the vendor's pages disagree
    "page_size": 100,
    "deal_status_text": False,  # one v1 page of the vendor shows the status as text
    "search_window": "both",  # users | search | both: clients disagree on the path of the date window
}


class Account:
    """`clock` gives UNIX seconds; every write stamps `updated_at` from it."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self.store, self.clock = store, clock
        self._indexes: dict[tuple[str, str], dict[Any, list[Doc]]] = {}
        self._indexed_at: tuple[int, int] = (-1, -1)

    def table(self, kind: str) -> Table:
        return self.store.table(REALM, kind)

    def rows(self, kind: str) -> list[Doc]:
        return self.table(kind).values()

    def row(self, kind: str, row_id: Any) -> Doc | None:
        return self.table(kind).get(row_id) if isinstance(row_id, int) else None

    def switch(self, name: str) -> Any:
        settings = self.table("settings").get(1) or {}
        return settings.get(name, _DEFAULTS[name])

    def now(self) -> str:
        stamp = datetime.fromtimestamp(self.clock(), UTC)
        return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def by(self, kind: str, key: str) -> dict[Any, list[Doc]]:
        """Rows of a kind under each value of a key; a list key puts a row under each of its ids."""
        # The connection counts rows written by anybody who shares the store, such as the admin side.
        written = (self.store._db.total_changes, len(self.store._dirty))
        if written != self._indexed_at:
            self._indexes.clear()
            self._indexed_at = written
        if (kind, key) not in self._indexes:
            index: dict[Any, list[Doc]] = {}
            for row in self.rows(kind):
                for value in _values(row.get(key)):
                    index.setdefault(value, []).append(row)
            self._indexes[kind, key] = index
        return self._indexes[kind, key]

    def find(self, kind: str, key: str, value: Any) -> list[Doc]:
        try:
            return self.by(kind, key).get(value, [])
        except TypeError:  # a list or an object where the caller expected a scalar
            return []

    def insert(self, kind: str, row: Doc, *, stamped: bool = True) -> Doc:
        """Gives the row a fresh id and, when the kind has them, both stamps."""
        row = {"id": self.table(kind).reserve(), **row}
        if stamped:
            row["created_at"] = row["updated_at"] = self.now()
        self._put(kind, row)
        return row

    def save(self, kind: str, row: Doc, *, stamped: bool = True) -> Doc:
        if stamped:
            row["updated_at"] = self.now()
        self._put(kind, row)
        return row

    def delete(self, kind: str, row_id: int) -> None:
        self.table(kind).delete(row_id)
        self._indexes.clear()

    def _put(self, kind: str, row: Doc) -> None:
        self.table(kind).put(row["id"], row)
        self._indexes.clear()

    def attribute(self, content_type: str, name: Any) -> Doc | None:
        """A custom attribute by its id, `name_std` or display name."""
        for row in self.rows("attributes"):
            if row["content_type"] == content_type and name in (row["name_std"], row["name"], row["id"]):
                return row
        return None

    def tag(self, name: str) -> tuple[Doc, bool]:
        """The tag of that name and whether it had to be created."""
        if found := self.find("tags", "name", name):
            return found[0], False
        return self.insert("tags", {"name": name}, stamped=False), True


def _values(value: Any) -> list[Any]:
    if value is None or isinstance(value, dict):
        return []
    if isinstance(value, list):
        return [item["id"] if isinstance(item, dict) else item for item in value]
    return [value]
