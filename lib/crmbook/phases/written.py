"""What must a write have left, told by what its record shows now?

In: a record as the vendor shows it and the body that was written to it, some time ago. Out: the keys somebody changed
since, and the image the write left. Invariant: a key that shows another value now never passes for untouched.
"""

import html
from collections.abc import Mapping
from typing import Any

from crmbook.phases import agreement, images


def changed_since(record: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """
    The keys of *body* (custom fields as `custom_field.<name>`) that *record* shows otherwise, sorted.

    A choice sent by its id and shown by its label can't be told, and counts as unchanged.
    """
    return [
        key
        for key in agreement.lacking(body, record)
        if not _is_same(_sent(body, key), images.shown(record, key))
    ]


def left(record: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    """The image that writing *body* left; what was changed since is imaged as it was written."""
    mine = agreement.part(body, changed_since(record, body))
    return images.image(record, body) | images.image(mine, mine)


def _sent(body: Mapping[str, Any], key: str) -> Any:
    if key.startswith(images.CUSTOM):
        return body["custom_field"][key.removeprefix(images.CUSTOM)]
    return body[key]


def _is_same(sent: Any, told: Any) -> bool:
    if not isinstance(told, str) or isinstance(sent, bool):
        return False
    if isinstance(sent, int):
        return any(letter.isalpha() for letter in told)
    return isinstance(sent, str) and html.unescape(sent).split() == html.unescape(told).split()
