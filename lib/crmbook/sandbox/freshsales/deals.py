"""Deals: pipeline and stage defaults, what follows a stage, and what a deal does to its contacts.

Live tests and a real importer: the first stage of the default pipeline when none is sent; probability follows the
stage unless sent; Won and Lost stamp `closed_date` with today at creation, and a PUT may correct it; a deal moves its
contacts to Sales Qualified Lead, a won one to Customer. A stage of another pipeline is refused [inferred].
"""

from typing import Any

from crmbook.sandbox.freshsales import accounts, columns, contacts, customfields, products, values
from crmbook.sandbox.freshsales.columns import reference, references
from crmbook.sandbox.freshsales.errors import INVALID, Refused
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

CLOSED = {"Closed Won", "Closed Lost"}

COLUMNS: columns.Columns = {
    **references(
        owner_id="owners",
        currency_id="currencies",
        territory_id="territories",
        campaign_id="campaigns",
        lead_source_id="lead_sources",
        deal_type_id="deal_types",
        deal_reason_id="deal_reasons",
        deal_product_id="deal_products",
        deal_payment_status_id="deal_payment_statuses",
        sales_account_id="sales_accounts",
    ),
    **columns.integers("forecast_category"),
    **columns.days("expected_close"),
    "name": lambda _tenant, value: values.text(value, "Deal name"),
    "amount": lambda _tenant, value: values.money(value),
    "deal_pipeline_id": reference("pipelines", "Deal pipeline doesn't exist"),
    "deal_stage_id": reference("stages", "Deal stage doesn't exist"),
}


def write(tenant: Tenant, doc: Doc, body: Doc, *, is_new: bool) -> None:
    """*body* applied to *doc*; Refused(400) with the vendor's words when it can't be."""
    stage_before, pipeline_before = doc.get("deal_stage_id"), doc.get("deal_pipeline_id")
    columns.write(tenant, doc, body, COLUMNS)
    if not (doc.get("name") or "").strip():
        raise Refused(400, "Deal name can't be empty")
    account = body.get("sales_account")
    if isinstance(account, dict) and isinstance(account.get("name"), str) and account["name"].strip():
        doc["sales_account_id"] = accounts.find_or_create(tenant, account["name"])
    if doc.get("currency_id") is None:
        doc["currency_id"] = base_currency(tenant)
    _place(tenant, doc, body, pipeline_before)
    _follow_stage(tenant, doc, body, moved=doc["deal_stage_id"] != stage_before, is_new=is_new)
    _link_contacts(tenant, doc, body)
    if "tags" in body:
        doc["tags"] = values.tags(body["tags"])
    if "products" in body:
        doc["products"] = products.on_deal(tenant, body["products"])
    customfields.write(tenant, "deals", doc, body.get("custom_field"))


def base_currency(tenant: Tenant) -> int | None:
    rows = tenant.table("currencies").values()
    return next((row["id"] for row in rows if row.get("is_base")), rows[0]["id"] if rows else None)


def stages_of(tenant: Tenant, pipeline_id: int) -> list[Doc]:
    rows = (s for s in tenant.table("stages").values() if s["deal_pipeline_id"] == pipeline_id)
    return sorted(rows, key=lambda s: s["position"])


def stage(tenant: Tenant, doc: Doc) -> Doc:
    found = tenant.get("stages", doc["deal_stage_id"])
    return found or {"forecast_type": "Open", "probability": 0}


def _place(tenant: Tenant, doc: Doc, body: Doc, pipeline_before: int | None) -> None:
    sent_stage = tenant.get("stages", doc.get("deal_stage_id") or 0) if body.get("deal_stage_id") else None
    if sent_stage and not body.get("deal_pipeline_id"):
        doc["deal_pipeline_id"] = sent_stage["deal_pipeline_id"]
    if not doc.get("deal_pipeline_id"):
        rows = tenant.table("pipelines").values()
        doc["deal_pipeline_id"] = next((p["id"] for p in rows if p["is_default"]), rows[0]["id"])
    if sent_stage and sent_stage["deal_pipeline_id"] != doc["deal_pipeline_id"]:
        raise Refused(400, "Deal stage doesn't exist")
    if not doc.get("deal_stage_id") or (not sent_stage and doc["deal_pipeline_id"] != pipeline_before):
        doc["deal_stage_id"] = stages_of(tenant, doc["deal_pipeline_id"])[0]["id"]


def _follow_stage(tenant: Tenant, doc: Doc, body: Doc, *, moved: bool, is_new: bool) -> None:
    now = stage(tenant, doc)
    if moved:
        doc["stage_updated_time"] = tenant.clock.iso()
        doc["probability"] = now["probability"]
        doc["closed_date"] = tenant.today() if now["forecast_type"] in CLOSED else None
    if body.get("probability") is not None:
        doc["probability"] = values.number(body["probability"], "Probability")
    if not is_new and "closed_date" in body and now["forecast_type"] in CLOSED:
        doc["closed_date"] = values.day(body["closed_date"])


def _link_contacts(tenant: Tenant, doc: Doc, body: Doc) -> None:
    linked = dict.fromkeys(doc.get("contact_ids", ()))
    linked.update(dict.fromkeys(_contact_ids(tenant, body.get("contacts_added_list"))))
    for contact_id in _contact_ids(tenant, body.get("contacts_removed_list")):
        linked.pop(contact_id, None)
    doc["contact_ids"] = list(linked)


def _contact_ids(tenant: Tenant, sent: Any) -> list[int]:
    if sent is None:
        return []
    if not isinstance(sent, list):
        raise Refused(400, INVALID)
    contact = reference("contacts", "Contact doesn't exist")
    return [found for found in (contact(tenant, item) for item in sent) if found is not None]


def affect_contacts(tenant: Tenant, before: Doc | None, after: Doc) -> None:
    """Lifecycle moves of the contacts that were added to the deal or whose deal was won."""
    known = set(before["contact_ids"]) if before else set()
    won = stage(tenant, after)["forecast_type"] == "Closed Won"
    newly_won = won and (before is None or before["deal_stage_id"] != after["deal_stage_id"])
    for contact_id in after["contact_ids"]:
        contact = tenant.get("contacts", contact_id)
        if contact is None:
            continue
        if newly_won or (won and contact_id not in known):
            contacts.promote(tenant, contact, "Customer")
        elif contact_id not in known:
            contacts.promote(tenant, contact, "Sales Qualified Lead")
