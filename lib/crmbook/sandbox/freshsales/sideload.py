"""`include=`: related rows as top-level arrays beside the records, and their ids in the records.

Key names are those of recorded answers where there are any (`contact_status` is singular, `sales_accounts` is embedded
in a contact), else the plural of the related thing [inferred]. Unknown names are ignored.
"""

from collections.abc import Iterable
from typing import Any

from crmbook.sandbox.freshsales import activities, products, render, selectors
from crmbook.sandbox.freshsales.tenant import KIND_OF_CLASS, Tenant
from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.store import Doc

# include -> (key of the id in the record, kind, top-level key)
_ONE: dict[str, tuple[str, str, str]] = {
    "owner": ("owner_id", "owners", "users"),
    "creater": ("creater_id", "owners", "users"),
    "updater": ("updater_id", "owners", "users"),
    "source": ("lead_source_id", "lead_sources", "lead_source"),
    "lead_source": ("lead_source_id", "lead_sources", "lead_source"),
    "campaign": ("campaign_id", "campaigns", "campaigns"),
    "territory": ("territory_id", "territories", "territories"),
    "contact_status": ("contact_status_id", "contact_statuses", "contact_status"),
    "lifecycle_stage": ("lifecycle_stage_id", "lifecycle_stages", "lifecycle_stages"),
    "business_type": ("business_type_id", "business_types", "business_types"),
    "industry_type": ("industry_type_id", "industry_types", "industry_types"),
    "deal_stage": ("deal_stage_id", "stages", "deal_stages"),
    "deal_pipeline": ("deal_pipeline_id", "pipelines", "deal_pipelines"),
    "deal_type": ("deal_type_id", "deal_types", "deal_types"),
    "deal_reason": ("deal_reason_id", "deal_reasons", "deal_reasons"),
    "deal_product": ("deal_product_id", "deal_products", "deal_products"),
    "deal_payment_status": ("deal_payment_status_id", "deal_payment_statuses", "deal_payment_statuses"),
    "currency": ("currency_id", "currencies", "currencies"),
    "lead_stage": ("lead_stage_id", "lead_stages", "lead_stages"),
    "lead_reason": ("lead_reason_id", "lead_reasons", "lead_reasons"),
    "task_type": ("task_type_id", "task_types", "task_types"),
    "outcome": ("outcome_id", "sales_activity_outcomes", "outcomes"),
}
# include -> (kind of the children, key of their ids in the record)
_MANY: dict[str, tuple[str, str]] = {
    "tasks": ("tasks", "task_ids"),
    "appointments": ("appointments", "appointment_ids"),
    "notes": ("notes", "note_ids"),
    "deals": ("deals", "deal_ids"),
    "sales_activities": ("sales_activities", "sales_activity_ids"),
}
_ALLOWED: dict[str, set[str]] = {
    "contacts": set(
        words(
            "owner creater updater source lead_source campaign tasks appointments notes deals sales_accounts"
            " contact_status lifecycle_stage territory lists"
        )
    ),
    "sales_accounts": set(
        words(
            "owner creater updater territory business_type industry_type tasks appointments contacts deals notes"
            " child_sales_accounts"
        )
    ),
    "deals": set(
        words(
            "owner creater updater source lead_source contacts sales_account deal_stage deal_type deal_reason"
            " campaign deal_payment_status deal_product currency products sales_activities tasks appointments notes"
            " territory deal_pipeline"
        )
    ),
    "leads": set(
        words(
            "owner creater updater territory lead_stage lead_source lead_reason source tasks appointments notes"
        )
    ),
    "tasks": set(words("owner users targetable creater updater task_type outcome")),
    "appointments": set(words("creater targetable appointment_attendees conference note outcome")),
    "notes": set(words("creater updater targetable")),
    "sales_activities": set(words("owner creater updater targetable outcome")),
}


class Tray:
    """Top-level arrays under way, each row once."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._rows: dict[str, dict[int, Any]] = {}

    def put(self, key: str, kind: str, doc_ids: Iterable[int]) -> None:
        rows = self._rows.setdefault(key, {})
        for doc_id in doc_ids:
            doc = self._tenant.get(kind, doc_id)
            if doc is not None and doc_id not in rows:
                rows[doc_id] = row(self._tenant, kind, doc)

    def arrays(self) -> Doc:
        return {key: list(rows.values()) for key, rows in self._rows.items()}


def row(tenant: Tenant, kind: str, doc: Doc) -> Any:
    """A document of any kind as it stands in a list."""
    if kind in render.SHOWN:
        return render.shown(tenant, kind, doc)
    if kind in activities.SHOWN:
        return activities.shown(tenant, kind, doc)
    return selectors.item(tenant, kind, doc)


def answer(tenant: Tenant, kind: str, docs: list[Doc], include: list[str]) -> tuple[list[Doc], Doc]:
    """The shown records, completed by what *include* adds to them, and the top-level arrays beside them."""
    tray = Tray(tenant)
    shown = []
    for doc in docs:
        record = row(tenant, kind, doc)
        for name in include:
            if name in _ALLOWED.get(kind, ()):
                _include(tenant, kind, doc, record, name, tray)
        shown.append(record)
    return shown, tray.arrays()


def _include(tenant: Tenant, kind: str, doc: Doc, record: Doc, name: str, tray: Tray) -> None:
    doc_id = doc["id"]
    if name in _ONE:
        key, related_kind, top = _ONE[name]
        related_id = doc.get(key)
        record[key] = related_id
        tray.put(top, related_kind, [related_id] if related_id else [])
    elif name in _MANY:
        related_kind, key = _MANY[name]
        record[key] = [child["id"] for child in tenant.related(related_kind, kind, doc_id)]
        tray.put(related_kind, related_kind, record[key])
    elif name == "targetable":
        _targetable(doc, tray)
    elif name == "users":
        record["user_ids"] = list(doc.get("user_ids", ()))
        tray.put("users", "owners", record["user_ids"])
    elif name == "products":
        record["products"] = products.lines(tenant, doc)
    else:
        _special(tenant, kind, doc, record, name, tray)


def _special(tenant: Tenant, kind: str, doc: Doc, record: Doc, name: str, tray: Tray) -> None:
    doc_id = doc["id"]
    if name == "sales_accounts":
        record["sales_accounts"] = embedded_accounts(tenant, doc)
    elif name == "sales_account":
        linked = tenant.get("sales_accounts", doc.get("sales_account_id") or 0)
        record["sales_account_id"] = linked["id"] if linked else None
        tray.put("sales_accounts", "sales_accounts", [linked["id"]] if linked else [])
    elif name == "contacts":
        found = (
            tenant.related("contacts", kind, doc_id) if kind == "sales_accounts" else _contacts(tenant, doc)
        )
        record["contact_ids"] = [contact["id"] for contact in found]
        tray.put("contacts", "contacts", record["contact_ids"])
    elif name == "child_sales_accounts":
        record["child_sales_account_ids"] = [d["id"] for d in tenant.related("sales_accounts", kind, doc_id)]
        tray.put("child_sales_accounts", "sales_accounts", record["child_sales_account_ids"])
    elif name == "lists":
        record["list_ids"] = list(doc.get("list_ids", ()))
        tray.put("lists", "lists", record["list_ids"])
    elif name == "appointment_attendees":
        record["appointment_attendee_ids"] = [a["id"] for a in doc.get("attendees", ())]


def _contacts(tenant: Tenant, deal: Doc) -> list[Doc]:
    found = (tenant.get("contacts", contact_id) for contact_id in deal.get("contact_ids", ()))
    return [contact for contact in found if contact is not None]


def _targetable(doc: Doc, tray: Tray) -> None:
    kind = KIND_OF_CLASS.get(doc.get("targetable_type") or "")
    if kind and doc.get("targetable_id"):
        tray.put(kind, kind, [doc["targetable_id"]])


def embedded_accounts(tenant: Tenant, contact: Doc) -> list[Doc]:
    """The partial accounts a contact carries with `include=sales_accounts`."""
    found = ((tenant.get("sales_accounts", link["id"]), link) for link in contact.get("sales_accounts", ()))
    return [
        {
            "partial": True,
            "id": doc["id"],
            "name": doc["name"],
            "avatar": None,
            "website": doc.get("website"),
            "last_contacted": None,
            "record_type_id": str(doc["id"] // 10**9 * 10**9 + 10794477),
            "is_primary": link["is_primary"],
        }
        for doc, link in found
        if doc is not None
    ]
