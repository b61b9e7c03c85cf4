"""Custom fields: what an admin (or the API, where allowed) defines, and what their values may be.

Limits per plan and per type, lengths and the shape of numbers: vendor docs. How choices are written is contradicted
by the sources, so `dropdown_write` and `multi_write` decide. Values that fit no choice are a 400 [inferred].
"""

from collections.abc import Sequence
from typing import Any

from crmbook.sandbox.freshsales import values
from crmbook.sandbox.freshsales.defaults import CHOICES_LIMIT, FIELD_LIMITS, UNIQUE_LIMIT
from crmbook.sandbox.freshsales.errors import INVALID, Refused
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.store import Doc

_COUNTED_AS = {"radio": "dropdown", "decimal": "number", "datetime": "date", "url": "text"}
TYPES = words(
    "text textarea number decimal dropdown multi_select_dropdown checkbox radio date datetime auto_complete url"
    " formula auto_number"
)
CHOOSING = {"dropdown", "multi_select_dropdown", "radio"}
_READ_ONLY = {"formula", "auto_number"}


def slug(label: str) -> str:
    """The API name the vendor derives from a label: lower case, spaces to underscores, the rest survives."""
    return "cf_" + label.strip().lower().replace(" ", "_")


def create(
    tenant: Tenant,
    module: str,
    *,
    label: str,
    field_type: str,
    api_name: str = "",
    choices: Sequence[str] = (),
    unique: bool = False,
    required: bool = False,
) -> Doc:
    """A new custom field of *module*; Refused(400) beyond the plan's limits or with a name already in use."""
    if field_type not in TYPES or not label.strip():
        raise Refused(400, INVALID)
    name = api_name or slug(label)
    fields = tenant.custom_fields.setdefault(module, {})
    if name in fields:
        raise Refused(400, f"{label} has already been taken")
    _check_room(tenant, module, field_type)
    if unique:
        check_unique_allowed(tenant, module, field_type)
    doc = {
        "id": tenant.new_id("fields"),
        "module": module,
        "label": label,
        "api_name": name,
        "field_type": field_type,
        "choices": [],
        "unique": unique,
        "required": required,
        "position": len(fields) + 1,
    }
    add_choices(tenant, doc, choices)
    tenant.save("fields", doc)
    tenant.refresh()
    return doc


def add_choices(tenant: Tenant, field: Doc, labels: Sequence[str]) -> None:
    """The labels the field lacks, appended in order; Refused(400) beyond 300 (vendor docs)."""
    known = {choice["value"] for choice in field["choices"]}
    fresh = [label for label in dict.fromkeys(labels) if label not in known]
    if fresh and field["field_type"] not in CHOOSING:
        raise Refused(400, f"{field['label']} takes no choices")
    if len(known) + len(fresh) > CHOICES_LIMIT:
        raise Refused(400, f"{field['label']} can have at most {CHOICES_LIMIT} choices")
    start = len(field["choices"])
    field["choices"] = field["choices"] + [
        {"id": tenant.new_id("choices"), "value": label, "position": start + i}
        for i, label in enumerate(fresh, 1)
    ]


def _check_room(tenant: Tenant, module: str, field_type: str) -> None:
    limits = FIELD_LIMITS[tenant.plan]
    counted = [
        _COUNTED_AS.get(f["field_type"], f["field_type"]) for f in tenant.custom_fields[module].values()
    ]
    group = _COUNTED_AS.get(field_type, field_type)
    if counted.count(group) >= limits.get(group, limits["total"]):
        raise Refused(
            400, f"You have reached the limit of {limits.get(group, 0)} {group} fields of your plan"
        )
    if len(counted) >= limits["total"]:
        raise Refused(400, f"You have reached the limit of {limits['total']} fields of your plan")


def check_unique_allowed(tenant: Tenant, module: str, field_type: str) -> None:
    if field_type not in {"text", "number", "decimal"}:
        raise Refused(400, "Only text and number fields can be unique")
    if len(tenant.unique_fields(module)) >= UNIQUE_LIMIT:
        raise Refused(400, f"At most {UNIQUE_LIMIT} fields of a module can be unique")


def write(tenant: Tenant, module: str, doc: Doc, sent: Any) -> None:
    """The known keys of *sent* into the document's `custom_field`; unknown and computed ones are dropped."""
    if sent is None:
        return
    if not isinstance(sent, dict):
        raise Refused(400, INVALID)
    kept = dict(doc.get("custom_field", {}))
    fields = tenant.custom_fields.get(module, {})
    for name in sent.keys() & fields.keys():
        field = fields[name]
        if field["field_type"] in _READ_ONLY:
            continue
        value = _value(tenant, field, sent[name])
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    doc["custom_field"] = kept


def check_required(tenant: Tenant, module: str, doc: Doc) -> None:
    for name, field in tenant.custom_fields.get(module, {}).items():
        if field.get("required") and doc.get("custom_field", {}).get(name) is None:
            raise Refused(400, f"Need to fill this {field['label']}")


def read(tenant: Tenant, module: str, doc: Doc) -> Doc:
    """Every custom field of the module: null where nothing was written, an unset checkbox is false."""
    kept = doc.get("custom_field", {})
    return {
        name: kept.get(name, False if field["field_type"] == "checkbox" else None)
        for name, field in tenant.custom_fields.get(module, {}).items()
    }


def _value(tenant: Tenant, field: Doc, sent: Any) -> Any:
    kind, label = field["field_type"], field["label"]
    if sent is None or sent == "":
        return None
    if kind in {"text", "url"}:
        return values.text(sent, label, 256)
    if kind == "textarea":
        return values.text(sent, label, 10_000)
    if kind in {"number", "decimal"}:
        return values.number(sent, label)
    if kind == "checkbox":
        return values.flag(sent, label)
    if kind == "date":
        return values.day(sent)
    if kind == "datetime":
        return values.instant(sent, tenant.zone)
    if kind == "auto_complete":
        return values.integer(sent, label)
    if kind == "radio":
        return _choice(field, sent, "label")
    if kind == "dropdown":
        return _choice(field, sent, tenant.choices_written_as("dropdown_write"))
    return _several(
        field, sent, tenant.choices_written_as("multi_write"), tenant.choices_written_as("dropdown_write")
    )


def _choice(field: Doc, sent: Any, written_as: str) -> str:
    for choice in field["choices"]:
        by_label = written_as in {"label", "both"} and sent == choice["value"]
        by_id = written_as in {"id", "both"} and str(sent) == str(choice["id"])
        if by_label or by_id:
            return str(choice["value"])
    raise Refused(400, f"{field['label']} is not a valid choice")


def _several(field: Doc, sent: Any, shape: str, written_as: str) -> str | None:
    if isinstance(sent, list) and shape in {"array", "both"}:
        items = sent
    elif isinstance(sent, str) and shape in {"semicolon", "both"}:
        items = [item.strip() for item in sent.split(";") if item.strip()]
    else:
        raise Refused(400, f"{field['label']} is not a valid choice")
    chosen = {_choice(field, item, written_as) for item in items}
    return ";".join(c["value"] for c in field["choices"] if c["value"] in chosen) or None
