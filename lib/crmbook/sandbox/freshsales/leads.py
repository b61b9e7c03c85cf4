"""Leads, which only Classic has, and their conversion into contact, account and deal.

A last name is required (vendor docs for imports); e-mails need not be unique. A converted lead can't be read any more and
its notes and activities move to the contact [inferred]: nothing public says what becomes of it.
"""

from typing import Any

from crmbook.sandbox.freshsales import accounts, columns, contacts, customfields, values
from crmbook.sandbox.freshsales.columns import references, texts
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

COLUMNS: columns.Columns = {
    **contacts.PERSON,
    **references(lead_stage_id="lead_stages", lead_reason_id="lead_reasons"),
    "do_not_disturb": lambda _tenant, value: values.flag(value, "Do not disturb"),
    "has_authority": lambda _tenant, value: values.flag(value, "Has authority"),
    "lead_quality": lambda _tenant, value: values.text(value, "Lead quality"),
}
_COMPANY = {name: accounts.COLUMNS[name] for name in accounts.COLUMNS.keys() - {"owner_id", "territory_id"}}
_DEAL: columns.Columns = {
    **texts("name"),
    **columns.days("expected_close"),
    **references(currency_id="currencies", deal_product_id="deal_products"),
    "amount": lambda _tenant, value: values.money(value),
}


def write(tenant: Tenant, doc: Doc, body: Doc, *, is_new: bool) -> None:
    """*body* applied to *doc*; Refused(400) with the vendor's words when it can't be."""
    columns.write(tenant, doc, body, COLUMNS)
    contacts.write_emails(tenant, doc, body)
    if not (doc.get("last_name") or "").strip():
        raise Refused(400, "Last name can't be blank")
    if is_new and not doc.get("lead_stage_id"):
        doc["lead_stage_id"] = next(iter(tenant.table("lead_stages")), None)
    for name, allowed in (("company", _COMPANY), ("deal", _DEAL)):
        if isinstance(body.get(name), dict):
            doc[name] = _nested(tenant, doc.get(name) or {}, body[name], allowed)
    if "tags" in body:
        doc["tags"] = values.tags(body["tags"])
    if "phone_numbers" in body:
        doc["phone_numbers"] = values.phones(body["phone_numbers"])
    customfields.write(tenant, "leads", doc, body.get("custom_field"))


def _nested(tenant: Tenant, before: Doc, body: Doc, allowed: columns.Columns) -> Doc:
    doc = dict(before)
    columns.write(tenant, doc, body, allowed)
    return doc


def contact_body(lead: Doc, sent: Doc) -> Doc:
    """What the contact of a converted lead is created from: the lead, overridden by the request."""
    names = [*contacts.PERSON, "email", "tags", "custom_field"]
    kept = {name: lead[name] for name in names if lead.get(name) is not None}
    return kept | {name: sent[name] for name in names if sent.get(name) is not None}


def company_name(lead: Doc, sent: Doc) -> str | None:
    """The account a conversion finds or creates; `company` is an object or, with one old client, its name."""
    found: Any = sent.get("company", lead.get("company"))
    name = found.get("name") if isinstance(found, dict) else found
    return name.strip() if isinstance(name, str) and name.strip() else None
