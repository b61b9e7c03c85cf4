"""What did a record show after our write, and has anybody changed it since?

In: a record as the vendor shows it and the body that was written. Out: one short digest per key written, small
enough for the ledger. Keys the answer did not show are not vouched for. Invariant: two images of an untouched
record are equal, whatever the order of its links and tags.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from crmbook.phases.payloads import canonical, digest

CUSTOM: Final = "custom_field."
_DIGITS: Final = 16
# What a body adds is shown by the record under another name (vendor docs).
_SHOWN_AS: Final = {"contacts_added_list": "contact_ids"}


def image(record: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    """Key to digest for every key of *body* that *record* shows; custom fields as `custom_field.<name>`."""
    keys = [key for key in body if key != "custom_field"]
    keys += [f"{CUSTOM}{name}" for name in body.get("custom_field") or {}]
    return {key: _digest(key, value) for key in keys if (value := shown(record, key)) is not _ABSENT}


def changed(before: Mapping[str, str], record: Mapping[str, Any]) -> list[str]:
    """The keys of the image *before* that *record* no longer shows as they were, sorted; gone ones included."""
    return sorted(key for key, known in before.items() if _digest(key, shown(record, key)) != known)


def shown(record: Mapping[str, Any], key: str) -> Any:
    """The value *record* has for *key* of a body, in the one form that images compare."""
    if key.startswith(CUSTOM):
        custom = record.get("custom_field")
        return custom.get(key.removeprefix(CUSTOM)) if isinstance(custom, Mapping) else _ABSENT
    value = record.get(_SHOWN_AS.get(key, key), _ABSENT)
    if key == "sales_accounts" and isinstance(value, list):
        return sorted([int(link["id"]), bool(link.get("is_primary"))] for link in value)
    if key in ("tags", "contacts_added_list") and isinstance(value, list):
        return sorted(value)
    return value


def names_shown(body: Mapping[str, Any]) -> set[str]:
    """The names under which a record shows the keys of *body*."""
    return {_SHOWN_AS.get(key, key) for key in body}


def is_shown(value: Any) -> bool:
    """Whether *value*, as `shown` returned it, was there at all; null counts."""
    return value is not _ABSENT


def merged(images: Iterable[str | None]) -> dict[str, str]:
    """The image after several writes of one record, given in their order as `text` made them."""
    known: dict[str, str] = {}
    for written in images:
        known |= json.loads(written) if written else {}
    return known


def text(made: Mapping[str, str]) -> str:
    """An image as the ledger keeps it."""
    return canonical(made)


class Absent:
    """A key that was not shown, which is not the same as a null."""


_ABSENT: Final = Absent()


def _digest(key: str, value: Any) -> str:
    return digest(json.dumps([key, None if value is _ABSENT else value], sort_keys=True, ensure_ascii=False))[
        :_DIGITS
    ]
