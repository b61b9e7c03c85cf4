"""Did a write of unknown outcome happen, where the record has no field for its source id?

The record it hangs on is asked for what hangs on it now; what carries the same title and instants, or the same
first line, and is not known to the ledger yet, is the one. Lists are known by their name, files by name and
size. Invariant: a record that belongs to another write, or stood there before the load, is never taken.
"""

import html
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from crmbook.errors import NotFound
from crmbook.vendors.freshsales import Freshsales

Record = dict[str, Any]

# What makes two records the same one, per module; instants are compared to the second, which the target keeps.
IDENTITY: Final = {
    "tasks": ("title", "due_date"),
    "appointments": ("title", "from_date", "end_date"),
    "sales_activities": ("title", "start_date", "end_date", "sales_activity_type_id"),
    "notes": ("first_line",),
}
_INSTANTS: Final = ("due_date", "from_date", "end_date", "start_date")
_LINE_END: Final = re.compile(r"<br\s*/?>|</p>|</div>|</li>|\n", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")


def parent_of(client: Freshsales, body: Mapping[str, Any]) -> tuple[str, int]:
    """The module and id of the record that *body* hangs on."""
    modules = {kind.targetable_type: name for name, kind in client.edition.modules.items()}
    return modules[body["targetable_type"]], int(body["targetable_id"])


def hanging(client: Freshsales, module: str, body: Mapping[str, Any]) -> list[Record]:
    """The records of *module* on the one that *body* hangs on; none where that is gone."""
    parent, parent_id = parent_of(client, body)
    try:
        return client.sublist(parent, parent_id, module)
    except NotFound:
        pass
    try:
        listed = [record for page in client.pages(module) for record in page]
    except NotFound:
        return []
    return [record for record in listed if _hangs_on(record, body)]


def same(
    module: str, body: Mapping[str, Any], records: Iterable[Record], taken: Collection[int]
) -> Record | None:
    """
    The one of *records* that *body* made, None where none did; *taken* are ids that belong to other writes.

    Of several the one whose further fields agree most, then the newest.
    """
    wanted = {key: _told(body, key) for key in IDENTITY[module]}
    found = [
        record
        for record in records
        if int(record["id"]) not in taken and all(_told(record, key) == told for key, told in wanted.items())
    ]
    return max(found, key=lambda record: (_agreement(body, record), int(record["id"])), default=None)


def first_line(text: str) -> str:
    """The first line of an HTML text that holds anything, as a reader sees it."""
    lines = (" ".join(html.unescape(_TAG.sub("", part)).split()) for part in _LINE_END.split(text))
    return next((line for line in lines if line), "")


def list_named(client: Freshsales, name: str, taken: Collection[int]) -> Record | None:
    """The contact list of that name."""
    listed = (record for page in client.pages("lists") for record in page)
    return named(name, listed, taken)


def named(name: str, records: Iterable[Record], taken: Collection[int]) -> Record | None:
    """The first of the lists *records* of that name."""
    wanted = name.strip().casefold()
    free = (record for record in records if record["id"] not in taken)
    return next((r for r in free if str(r.get("name", "")).strip().casefold() == wanted), None)


def attached(
    client: Freshsales, module: str, body: Mapping[str, Any], taken: Collection[int]
) -> Record | None:
    """The file of that name and size, or the link of that name and address, on the record *body* hangs on."""
    try:
        there = client.associations(*parent_of(client, body))[module]
    except NotFound:
        return None
    return same_file(module, body, there, taken)


def same_file(
    module: str, body: Mapping[str, Any], records: Iterable[Record], taken: Collection[int]
) -> Record | None:
    """The newest of *records* with the name and size, or name and address, of the file or link *body* made."""
    keys = {"documents": {"name": "name", "content_file_size": "size_bytes"}}.get(
        module, {"name": "name", "url": "url"}
    )
    found = [
        record
        for record in records
        if int(record["id"]) not in taken and all(record.get(k) == body[ours] for k, ours in keys.items())
    ]
    return max(found, key=lambda record: int(record["id"]), default=None)


def _told(record: Mapping[str, Any], key: str) -> Any:
    if key == "first_line":
        return first_line(str(record.get("description") or ""))
    value = record.get(key)
    if key in _INSTANTS:
        return _second(value)
    return " ".join(html.unescape(value).split()) if isinstance(value, str) else value


def _second(value: Any) -> datetime | None:
    try:
        told = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def _agreement(body: Mapping[str, Any], record: Mapping[str, Any]) -> int:
    return sum(_told(record, key) == _told(body, key) for key in body if key in record)


def _hangs_on(record: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    targets = [
        *(record.get("targetables") or []),
        {"type": record.get("targetable_type"), "id": record.get("targetable_id")},
    ]
    return any(
        (t.get("type"), t.get("id")) == (body["targetable_type"], body["targetable_id"]) for t in targets
    )
