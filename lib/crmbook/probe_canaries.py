"""Records that exist only to be looked at: marked, removed for good afterwards, and found again if they stayed.

Whoever opens a row of canaries first removes what an earlier one left behind, in the bin too. Every canary is
removed when the row closes, whatever went wrong in between. Invariant: only records whose own name or address
begins with the mark are ever deleted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from crmbook.errors import Rejected
from crmbook.settle import newest
from crmbook.vendors.freshsales import Freshsales

PREFIX: Final = "crmbook-canary"
MODULES: Final = ("deals", "contacts", "sales_accounts")  # in the order they let go of one another
_NAMES: Final = ("a", "b", "c", "d")

Record = dict[str, Any]


def email(name: str) -> str:
    """An address that can't receive mail."""
    return f"{PREFIX}-{name}@canary.invalid"


def label(name: str) -> str:
    return f"{PREFIX}-{name}"


class Canaries:
    """The canaries of one probe."""

    def __init__(self, client: Freshsales) -> None:
        self.client = client
        self._made: list[tuple[str, int]] = []

    def create(self, module: str, body: Mapping[str, Any]) -> Record:
        """The canary made of *body*; Rejected as the vendor says."""
        record = self.client.create(module, body)
        self._made.append((module, int(record["id"])))
        return record

    def is_accepted(self, module: str, body: Mapping[str, Any]) -> bool:
        """Whether the tenant takes a record like this."""
        try:
            self.create(module, body)
        except Rejected:
            return False
        return True

    def remove(self) -> None:
        """All of them for good, and those whose creation was never answered."""
        for module, record_id in reversed(self._made):
            self._forget(module, record_id)
        self._made.clear()
        for module in MODULES:
            self._sweep(module, newest(self.client, module))

    def remove_leftovers(self) -> None:
        """What earlier probes left: by their known names through lookup, the newest records, and the bin."""
        for module in MODULES:
            field = "email" if module == "contacts" else "name"
            for name in _NAMES:
                key = email(name) if module == "contacts" else label(name)
                self._sweep(module, self.client.lookup(module, field, key))
            self._sweep(module, newest(self.client, module))
            for page in self.client.bin(module):
                self._sweep(module, page)

    def _sweep(self, module: str, records: list[Record]) -> None:
        for record in records:
            if is_canary(module, record):
                self._forget(module, int(record["id"]))

    def _forget(self, module: str, record_id: int) -> None:
        self.client.delete(module, record_id)
        self.client.forget(module, record_id)


@contextmanager
def canaries(client: Freshsales) -> Iterator[Canaries]:
    """A row of canaries, empty at first and empty at the end."""
    row = Canaries(client)
    row.remove_leftovers()
    try:
        yield row
    finally:
        row.remove()


def is_canary(module: str, record: Mapping[str, Any]) -> bool:
    """Whether *record* says of itself that it is one."""
    keys = ("email", "last_name") if module == "contacts" else ("name",)
    return any(str(record.get(key) or "").startswith(PREFIX) for key in keys)
