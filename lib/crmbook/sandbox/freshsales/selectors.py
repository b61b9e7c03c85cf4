"""`GET /selector/<name>`: the reference data a client maps its own words to. Owners answer under `users`.

Item fields are those of recorded answers. Lifecycle stages and contact statuses exist on Suite only, lead stages and
reasons on Classic only (their paths are [inferred]).
"""

import functools
from collections.abc import Callable
from typing import Any

from crmbook.sandbox.freshsales.call import Answer, Call, Route
from crmbook.sandbox.freshsales.deals import stages_of
from crmbook.sandbox.freshsales.errors import missing
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.store import Doc

_PLAIN = words(
    "territories campaigns lead_sources industry_types business_types deal_types deal_reasons deal_products"
    " deal_payment_statuses designations teams task_types"
)
_KINDS = {
    "owners": "owners",
    "deal_pipelines": "pipelines",
    "deal_stages": "stages",
    "currencies": "currencies",
}
_SUITE = {"contact_statuses": "contact_statuses", "lifecycle_stages": "lifecycle_stages"}
_CLASSIC = {"lead_stages": "lead_stages", "lead_reasons": "lead_reasons"}
_ACTIVITY = {
    "sales_activity_types": "sales_activity_types",
    "sales_activity_outcomes": "sales_activity_outcomes",
}


def _kind(tenant: Tenant, name: str) -> str | None:
    known = {kind: kind for kind in _PLAIN} | _KINDS | _ACTIVITY
    return (known | (_SUITE if tenant.edition == "suite" else _CLASSIC)).get(name)


def item(tenant: Tenant, kind: str, doc: Doc) -> Doc:
    """One row of reference data in the vendor's shape."""
    shapes: dict[str, Callable[[Doc], Doc]] = {
        "owners": _owner,
        "pipelines": _pipeline,
        "stages": _stage,
        "currencies": _currency,
        "lifecycle_stages": functools.partial(_lifecycle_stage, tenant),
        "contact_statuses": _contact_status,
        "sales_activity_types": _activity_type,
        "sales_activity_outcomes": _outcome,
        "lists": _list,
    }
    return shapes.get(kind, _named)(doc)


def _list(doc: Doc) -> Doc:
    return {"id": doc["id"], "name": doc["name"]}


def _named(doc: Doc) -> Doc:
    return {"partial": True, "id": doc["id"], "name": doc["name"], "position": doc.get("position")}


def _owner(doc: Doc) -> Doc:
    keys = ("id", "display_name", "email", "is_active", "work_number", "mobile_number")
    return {key: doc.get(key) for key in keys}


def _pipeline(doc: Doc) -> Doc:
    shown = {key: doc[key] for key in ("id", "name", "position", "is_default")}
    return shown | {"rotting_days": 30, "configs": [], "aggregated_field": None}


def _stage(doc: Doc) -> Doc:
    keys = ("id", "name", "position", "forecast_type", "deal_pipeline_id", "probability", "updated_at")
    return {"partial": True} | {key: doc.get(key) for key in keys} | {"choice_type": 0}


def _currency(doc: Doc) -> Doc:
    keys = ("id", "is_active", "currency_code", "exchange_rate")
    kind = 1 if doc.get("is_base") else 2
    return (
        {"partial": True} | {key: doc[key] for key in keys} | {"currency_type": kind, "schedule_info": None}
    )


def _lifecycle_stage(tenant: Tenant, doc: Doc) -> Doc:
    statuses = [s for s in tenant.table("contact_statuses").values() if s["lifecycle_stage_id"] == doc["id"]]
    statuses.sort(key=lambda s: s["position"])
    return {
        "id": doc["id"],
        "name": doc["name"],
        "position": doc["position"],
        "disabled": bool(doc.get("disabled")),
        "default": doc["type"] != "Custom",
        "type": doc["type"],
        "contact_status_ids": [s["id"] for s in statuses],
    }


def _contact_status(doc: Doc) -> Doc:
    keys = ("id", "name", "position", "lifecycle_stage_id")
    return {"partial": True} | {key: doc[key] for key in keys} | {"forecast_type": "Open"}


def _activity_type(doc: Doc) -> Doc:
    return {
        "partial": True,
        "id": doc["id"],
        "name": doc["name"],
        "internal_name": doc["internal_name"],
        "show_in_conversation": doc.get("show_in_conversation", True),
        "position": doc["position"],
        "is_default": doc.get("is_default", True),
        "is_checkedin": doc.get("is_checkedin", False),
    }


def _outcome(doc: Doc) -> Doc:
    keys = ("id", "name", "sales_activity_type_id", "position")
    return {"partial": True} | {key: doc[key] for key in keys}


def _selector(call: Call) -> Answer:
    name = call.args[0]
    if name == "sales_activity_entity_types":
        return Answer({name: []})
    kind = _kind(call.tenant, name)
    if kind is None:
        raise missing(name)
    rows = sorted(call.tenant.live(kind), key=lambda doc: doc.get("position") or 0)
    return Answer({"users" if name == "owners" else name: [item(call.tenant, kind, doc) for doc in rows]})


def _pipeline_stages(call: Call) -> Answer:
    if call.tenant.get("pipelines", call.doc_id) is None:
        raise missing("pipelines")
    return Answer({"deal_stages": [_stage(doc) for doc in stages_of(call.tenant, call.doc_id)]})


def _type_outcomes(call: Call) -> Answer:
    rows = call.tenant.live("sales_activity_outcomes")
    found = [_outcome(doc) for doc in rows if doc["sales_activity_type_id"] == call.doc_id]
    return Answer({"sales_activity_outcomes": found})


def _ui_pipelines(call: Call) -> Answer:
    """The web interface's list, the only one with `include=deal_stages` (read-only audit)."""
    if not call.ui:
        raise missing("pipelines")
    rows: list[dict[str, Any]] = [_pipeline(doc) for doc in call.tenant.live("pipelines")]
    if "deal_stages" not in call.include:
        return Answer({"deal_pipelines": rows})
    stages = [_stage(doc) for row in rows for doc in stages_of(call.tenant, row["id"])]
    for row in rows:
        row["deal_stage_ids"] = [s["id"] for s in stages if s["deal_pipeline_id"] == row["id"]]
    return Answer({"deal_pipelines": rows, "deal_stages": stages})


ROUTES: list[Route] = [
    ("GET", "selector/*", _selector),
    ("GET", "selector/deal_pipelines/:id/deal_stages", _pipeline_stages),
    ("GET", "selector/sales_activity_types/:id/sales_activity_outcomes", _type_outcomes),
    ("GET", "settings/deal_pipelines", _ui_pipelines),
]
