"""Does a record show what a body wrote, although the vendor writes it in other words?

In: a record as the vendor shows it and a body with its references resolved. Out: the keys on which they disagree, and
the image the write must have left. Dates come back in another zone, numbers as text, choices joined: those agree.
What is added (tags, links, members) agrees where it is among what is shown. Invariant: a key the record does not
show is never a disagreement.
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from crmbook.phases import images

_ADDED: Final = ("tags", "contacts_added_list")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_PARENT: Final = ("targetable_type", "targetable_id")


def differing(record: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """The keys of *body* (custom fields as `custom_field.<name>`) that *record* shows otherwise, sorted."""
    return sorted(key for key, sent in _written(body) if not _agrees(key, sent, record))


def left(record: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    """
    The image that writing *body* left, told by what *record* shows now.

    A key that shows something else now is imaged as it was written, so that it counts as changed since.
    """
    other = differing(record, body)
    written = images.image(body, {key: value for key, value in body.items() if key in other})
    custom = {
        name: value for name, value in (body.get("custom_field") or {}).items()
        if f"{images.CUSTOM}{name}" in other
    }  # fmt: skip
    written |= images.image(body, {"custom_field": custom})
    return images.image(record, body) | written


def _written(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    plain = [(key, value) for key, value in body.items() if key != "custom_field" and key not in _PARENT]
    return plain + [(f"{images.CUSTOM}{k}", v) for k, v in (body.get("custom_field") or {}).items()]


def _agrees(key: str, sent: Any, record: Mapping[str, Any]) -> bool:
    told = images.shown(record, key)
    if images.is_absent(told):
        return True
    if key == "sales_accounts":
        ours = {(int(link["id"]), bool(link.get("is_primary"))) for link in sent}
        return ours <= {tuple(link) for link in told or ()}
    if key in _ADDED:
        return set(sent) <= set(told or [])
    return _same(sent, told)


def _same(sent: Any, told: Any) -> bool:
    """Whether two values mean the same; a choice sent by its id and shown by its label can't be told, and counts."""
    if isinstance(sent, Mapping):
        return isinstance(told, Mapping) and all(_same(value, told.get(key)) for key, value in sent.items())
    if isinstance(sent, list) or isinstance(told, list):
        return {_plain(part) for part in _parts(sent)} == {_plain(part) for part in _parts(told)}
    left, right = _plain(sent), _plain(told)
    is_id = isinstance(sent, int) and not isinstance(sent, bool) and isinstance(right, str) and right != ""
    return left == right or is_id


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [part for part in str(value or "").split(";") if part.strip()]


def _plain(value: Any) -> Any:
    """A value in the one form that is compared: instants in UTC to the second, numbers as such, texts unescaped."""
    if value is None or value == "" or isinstance(value, bool):
        return value or ""
    text = " ".join(html.unescape(str(value)).split())
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return text.casefold()
    if "T" not in text and " " not in text:
        return text
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
