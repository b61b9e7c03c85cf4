"""Writable system columns by name: each turns a sent value into a kept one or refuses it.

A key that no column knows is dropped without a word, as the vendor does (seen by several clients).
"""

from collections.abc import Callable
from typing import Any

from crmbook.sandbox.freshsales import values
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

Column = Callable[[Tenant, Any], Any]
Columns = dict[str, Column]


def texts(*names: str, limit: int = 255) -> Columns:
    """255 characters is what the live name test allows; for the other texts it is [inferred]."""

    def column(label: str) -> Column:
        return lambda _tenant, value: values.text(value, label, limit)

    return {name: column(name.replace("_", " ").capitalize()) for name in names}


def integers(*names: str) -> Columns:
    def column(label: str) -> Column:
        return lambda _tenant, value: values.integer(value, label)

    return {name: column(name.replace("_", " ").capitalize()) for name in names}


def reference(kind: str, message: str) -> Column:
    """The id of a live document of *kind*; unknown ids are a 400."""

    def column(tenant: Tenant, value: Any) -> int | None:
        found = values.integer(value, message)
        if found is not None and tenant.get(kind, found) is None:
            raise Refused(400, message)
        return found

    return column


def references(**kinds: str) -> Columns:
    """Columns `<name>` for `<name>=<kind>` with the vendor's usual sentence [inferred for most]."""
    return {
        name: reference(kind, f"Invalid {name.removesuffix('_id').replace('_', ' ')} provided.")
        for name, kind in kinds.items()
    }


def instants(*names: str) -> Columns:
    return dict.fromkeys(names, lambda tenant, value: values.instant(value, tenant.zone))


def days(*names: str) -> Columns:
    return dict.fromkeys(names, lambda _tenant, value: values.day(value))


def write(tenant: Tenant, doc: Doc, body: Doc, columns: Columns) -> None:
    """Sets in *doc* what *body* sends for known columns; null clears (live test)."""
    for name in body.keys() & columns.keys():
        doc[name] = columns[name](tenant, body[name])
    if tenant.switch("created_at_settable"):
        for name in ("created_at", "updated_at"):
            sent = values.instant(body.get(name), tenant.zone)
            if sent:
                doc[name] = sent


def stamped(tenant: Tenant, kind: str) -> Doc:
    """A new document's id, stamps and authorship."""
    now = tenant.clock.iso()
    return {
        "id": tenant.new_id(kind),
        "created_at": now,
        "updated_at": now,
        "creater_id": tenant.admin_id,
        "updater_id": tenant.admin_id,
    }
