"""Contacts: what a client may write, and how stages, e-mails and account links follow from it.

On Suite an e-mail is required and a new contact is Lead / New; the API does not check that a status belongs to its
stage (vendor docs, live tests). The list of accounts is replaced by a write and keeps exactly one primary [inferred].
"""

from typing import Any

from crmbook.sandbox.freshsales import columns, customfields, values
from crmbook.sandbox.freshsales.columns import reference, references, texts
from crmbook.sandbox.freshsales.errors import INVALID, Refused
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

PERSON: columns.Columns = {
    **texts("first_name", "last_name", "job_title", "address", "city", "state", "zipcode", "country"),
    **texts("time_zone", "medium", "keyword", "facebook", "twitter", "linkedin", "department"),
    **texts("work_number", "mobile_number", limit=30),
    **references(
        owner_id="owners", territory_id="territories", lead_source_id="lead_sources", campaign_id="campaigns"
    ),
}

COLUMNS: columns.Columns = {
    **PERSON,
    **texts("external_id", "subscription_types"),
    **columns.integers("subscription_status"),
    "contact_status_id": reference("contact_statuses", "Invalid contact status provided."),
    "lifecycle_stage_id": reference("lifecycle_stages", "Invalid lifecycle stage provided."),
}

# built-in stages can be reordered, so their order of progress is told by type; own stages count as the first
_RANK = {"Custom": 0, "Lead": 0, "Sales Qualified Lead": 1, "Customer": 2}


def write(tenant: Tenant, doc: Doc, body: Doc, *, is_new: bool) -> None:
    """*body* applied to *doc*; Refused(400) with the vendor's words when it can't be."""
    stage_before = doc.get("lifecycle_stage_id")
    columns.write(tenant, doc, _plain(body), COLUMNS)
    write_emails(tenant, doc, body)
    if tenant.email_required and not doc.get("email"):
        raise Refused(400, "Need to fill this Email")
    if tenant.edition == "classic" and not doc.get("last_name"):
        raise Refused(400, "Last name can't be blank")
    if "tags" in body:
        doc["tags"] = values.tags(body["tags"])
    if "phone_numbers" in body:
        doc["phone_numbers"] = values.phones(body["phone_numbers"])
    if "sales_accounts" in body:
        doc["sales_accounts"] = _links(tenant, body["sales_accounts"])
    elif body.get("sales_account_id"):
        doc["sales_accounts"] = _links(tenant, [{"id": body["sales_account_id"], "is_primary": True}])
    if tenant.edition == "suite":
        _stage(tenant, doc, body, stage_before, is_new=is_new)
    customfields.write(tenant, "contacts", doc, body.get("custom_field"))


def _plain(body: Doc) -> Doc:
    types = body.get("subscription_types")
    return body | {"subscription_types": ";".join(map(str, types))} if isinstance(types, list) else body


def _stage(tenant: Tenant, doc: Doc, body: Doc, before: int | None, *, is_new: bool) -> None:
    if is_new and not doc.get("lifecycle_stage_id"):
        doc["lifecycle_stage_id"] = stage_of_type(tenant, "Lead")["id"]
    moved = doc.get("lifecycle_stage_id") != before
    if moved and "contact_status_id" not in body and doc["lifecycle_stage_id"]:
        doc["contact_status_id"] = first_status(tenant, doc["lifecycle_stage_id"])


def stage_of_type(tenant: Tenant, stage_type: str) -> Doc:
    """The lifecycle stage of a built-in type; its name may have been changed, its type not."""
    return next(s for s in tenant.table("lifecycle_stages").values() if s["type"] == stage_type)


def first_status(tenant: Tenant, stage_id: int) -> int | None:
    rows = [s for s in tenant.table("contact_statuses").values() if s["lifecycle_stage_id"] == stage_id]
    return min(rows, key=lambda s: s["position"])["id"] if rows else None


def promote(tenant: Tenant, doc: Doc, stage_type: str) -> None:
    """The contact in the stage that a deal implies, with its first status; saved if that changes it."""
    mode = tenant.switch("lifecycle_effects")
    if mode == "off" or tenant.edition != "suite":
        return
    stage = stage_of_type(tenant, stage_type)
    now = tenant.get("lifecycle_stages", doc.get("lifecycle_stage_id") or 0)
    if mode == "forward" and now is not None and _RANK[now["type"]] > _RANK[stage_type]:
        return
    if now is not None and now["id"] == stage["id"]:
        return
    changed = doc | {
        "lifecycle_stage_id": stage["id"],
        "contact_status_id": first_status(tenant, stage["id"]),
        "updated_at": tenant.clock.iso(),
    }
    tenant.save("contacts", changed)


def _links(tenant: Tenant, sent: Any) -> list[Doc]:
    if sent is None:
        return []
    if not isinstance(sent, list) or not all(isinstance(item, dict) for item in sent):
        raise Refused(400, INVALID)
    account = reference("sales_accounts", "Sales account doesn't exist")
    found: dict[int, bool] = {}
    for item in sent:
        account_id = account(tenant, item.get("id"))
        if account_id is None:
            raise Refused(400, INVALID)
        if not item.get("_destroy"):
            found[account_id] = found.get(account_id, False) or bool(item.get("is_primary"))
    primary = next((i for i, is_primary in found.items() if is_primary), next(iter(found), None))
    return [{"id": account_id, "is_primary": account_id == primary} for account_id in found]


def write_emails(tenant: Tenant, doc: Doc, body: Doc) -> None:
    """`email` and `emails` in all the forms clients send them: text, texts, or objects with `is_primary`."""
    entries = [dict(entry) for entry in doc.get("emails", ())]
    if "emails" in body:
        for item in _email_items(body["emails"]):
            _merge_email(tenant, entries, item)
    if "email" in body:
        if body["email"] in (None, ""):
            entries = [entry for entry in entries if not entry["is_primary"]]
        else:
            _merge_email(tenant, entries, {"value": body["email"], "is_primary": True, "_moves": True})
    if entries and not any(entry["is_primary"] for entry in entries):
        entries[0]["is_primary"] = True
    doc["emails"] = entries
    doc["email"] = next((entry["value"] for entry in entries if entry["is_primary"]), None)


def _email_items(sent: Any) -> list[Doc]:
    if sent is None:
        return []
    items = [sent] if isinstance(sent, str | dict) else sent
    if not isinstance(items, list):
        raise Refused(400, INVALID)
    plain = [{"value": item} if isinstance(item, str) else item for item in items]
    if not all(isinstance(item, dict) for item in plain):
        raise Refused(400, INVALID)
    return plain


def _merge_email(tenant: Tenant, entries: list[Doc], item: Doc) -> None:
    value = values.email(item.get("value", ""))
    known = next((e for e in entries if e["value"].casefold() == value.casefold()), None)
    if item.get("_destroy"):
        entries[:] = [entry for entry in entries if entry is not known]
        return
    if item.get("is_primary"):
        if item.get("_moves") and known is None:
            known = next((e for e in entries if e["is_primary"]), None)
        for entry in entries:
            entry["is_primary"] = False
    if known is None:
        known = {"id": tenant.new_id("emails"), "label": None, "is_primary": False}
        entries.append(known)
    known["value"] = value
    known["is_primary"] = known["is_primary"] or bool(item.get("is_primary"))
    known["label"] = item.get("label", known["label"])
