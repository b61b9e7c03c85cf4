"""Pages and order: `page` from 1, `per_page` 25 unless told, at most 100; a page past the end is empty (vendor docs).

Whether the vendor clamps `per_page` to 100 or honours more is unknown: here it clamps.
"""

from collections.abc import Sequence
from typing import Any

from crmbook.sandbox.freshsales.call import Call
from crmbook.sandbox.store import Doc


def number(call: Call, name: str, default: int) -> int:
    try:
        return int(call.query.get(name, default))
    except ValueError:
        return default


def page(call: Call, docs: Sequence[Doc]) -> tuple[list[Doc], Doc]:
    """The asked-for slice, and `meta` with the totals over all pages."""
    per_page = max(0, min(100, number(call, "per_page", 25)))
    wanted = max(1, number(call, "page", 1))
    pages = -(-len(docs) // per_page) if per_page else 0
    start = (wanted - 1) * per_page
    return list(docs[start : start + per_page]), {"total_pages": pages, "total": len(docs)}


def ordered(call: Call, docs: list[Doc]) -> list[Doc]:
    """By `sort` and `sort_type`; ties and an absent `sort` fall back to the id, in which *docs* come [inferred]."""
    name = call.query.get("sort", "id")
    backwards = call.query.get("sort_type", "asc") == "desc"
    if name == "id":
        return docs[::-1] if backwards else docs

    def key(doc: Doc) -> tuple[bool, Any, int]:
        value = doc.get(name)
        if name == "amount":
            value = float(value or 0)
        return value is not None, value if value is not None else 0, doc["id"]

    try:
        return sorted(docs, key=key, reverse=backwards)
    except TypeError:
        return sorted(docs, key=lambda doc: doc["id"], reverse=backwards)
