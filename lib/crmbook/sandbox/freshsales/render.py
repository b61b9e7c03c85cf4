"""Records as the vendor shows them: the keys of recorded answers, local times, and computed roll-ups.

Plain answers lack most references (`owner_id` of contacts and deals, stages of contacts, account and currency of deals):
recorded tenants show them only beside the matching `include`, see `sideload`.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from crmbook.sandbox.freshsales import customfields, values
from crmbook.sandbox.freshsales.deals import CLOSED, stage
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.store import Doc

_NULLS_CONTACT = words(
    "first_name last_name avatar job_title city state zipcode country time_zone work_number mobile_number address"
    " last_seen last_contacted last_contacted_sales_activity_mode keyword medium last_contacted_mode"
    " last_contacted_via_sales_activity completed_sales_sequences active_sales_sequences web_form_ids facebook"
    " twitter linkedin team_user_ids external_id work_email unsubscription_reason other_unsubscription_reason"
    " last_seen_chat first_seen_chat locale total_sessions first_campaign first_medium first_source last_campaign"
    " last_medium last_source latest_campaign latest_medium latest_source"
)
_NULLS_ACCOUNT = words(
    "address city state zipcode country number_of_employees annual_revenue website owner_id phone last_contacted"
    " last_contacted_mode facebook twitter linkedin avatar parent_sales_account_id last_contacted_via_sales_activity"
    " last_contacted_sales_activity_mode completed_sales_sequences active_sales_sequences team_user_ids web_form_ids"
)
_NULLS_DEAL = words(
    "amount expected_close closed_date completed_sales_sequences active_sales_sequences web_form_id"
    " upcoming_activities_time last_contacted_sales_activity_mode last_contacted_via_sales_activity team_user_ids"
    " avatar forecast_category deal_prediction_last_updated_at freddy_forecast_metrics last_deal_prediction"
)
_NULLS_LEAD = words(
    "first_name last_name avatar job_title department city state zipcode country time_zone work_number mobile_number"
    " address last_seen last_contacted keyword medium facebook twitter linkedin email lead_quality has_authority"
    " stage_updated_time do_not_disturb email_status web_form_ids team_user_ids"
)


def shown(tenant: Tenant, kind: str, doc: Doc) -> Doc:
    """One record of a module without sideloads."""
    return SHOWN[kind](tenant, doc)


def _common(tenant: Tenant, kind: str, doc: Doc) -> Doc:
    notes = tenant.related("notes", kind, doc["id"])
    return {
        "links": links(tenant, kind, doc["id"]),
        "custom_field": _custom(tenant, kind, doc),
        "created_at": tenant.local(doc["created_at"]),
        "updated_at": tenant.local(doc["updated_at"]),
        "last_assigned_at": tenant.local(doc["created_at"]) if doc.get("owner_id") else None,
        "recent_note": notes[-1]["description"] if notes else None,
        "is_deleted": bool(doc.get("is_deleted")),
        "tags": list(doc.get("tags", ())),
    }


def _custom(tenant: Tenant, kind: str, doc: Doc) -> Doc:
    read = customfields.read(tenant, kind, doc)
    for name, value in read.items():
        if value and tenant.custom_fields[kind][name]["field_type"] == "datetime":
            read[name] = tenant.local(value)
    return read


def _picked(doc: Doc, names: list[str]) -> Doc:
    return {name: doc.get(name) for name in names}


def _rollup(tenant: Tenant, kind: str, doc_id: int) -> Doc:
    open_deals: list[str] = []
    won_deals: list[str] = []
    for deal in tenant.related("deals", kind, doc_id):
        forecast = stage(tenant, deal)["forecast_type"]
        if forecast not in CLOSED:
            open_deals.append(deal.get("amount") or "0")
        elif forecast == "Closed Won":
            won_deals.append(deal.get("amount") or "0")
    if not open_deals and not won_deals:
        return dict.fromkeys(("open_deals_amount", "open_deals_count", "won_deals_amount", "won_deals_count"))
    return {
        "open_deals_amount": values.money(str(sum(map(Decimal, open_deals)))),
        "open_deals_count": len(open_deals),
        "won_deals_amount": values.money(str(sum(map(Decimal, won_deals)))),
        "won_deals_count": len(won_deals),
    }


def _contact(tenant: Tenant, doc: Doc) -> Doc:
    named = " ".join(part for part in (doc.get("first_name"), doc.get("last_name")) if part)
    return (
        {"id": doc["id"], "display_name": named or doc.get("email")}
        | _picked(doc, _NULLS_CONTACT)
        | _common(tenant, "contacts", doc)
        | _rollup(tenant, "contacts", doc["id"])
        | {
            "email": doc.get("email"),
            "emails": [
                {k: e.get(k) for k in ("id", "value", "is_primary", "label")} | {"_destroy": False}
                for e in doc.get("emails", ())
            ],
            "phone_numbers": [p | {"_destroy": False} for p in doc.get("phone_numbers", ())],
            "lead_score": 0,
            "customer_fit": 0,
            "subscription_status": doc.get("subscription_status") or 1,
            "subscription_types": doc.get("subscription_types") or "2;3;4;5;1",
            "whatsapp_subscription_status": 2,
            "sms_subscription_status": 2,
            "system_tags": [],
            "record_type_id": str(doc["id"] // 10**9 * 10**9 + 12139284),
            "mcr_id": doc["id"] * 10**7,
        }
    )


def _account(tenant: Tenant, doc: Doc) -> Doc:
    return (
        {"id": doc["id"], "name": doc["name"]}
        | _picked(doc, _NULLS_ACCOUNT)
        | _common(tenant, "sales_accounts", doc)
        | _rollup(tenant, "sales_accounts", doc["id"])
        | {"record_type_id": str(doc["id"] // 10**9 * 10**9 + 10794477)}
    )


def _deal(tenant: Tenant, doc: Doc) -> Doc:
    amount = Decimal(doc.get("amount") or "0")
    return (
        {"id": doc["id"], "name": doc["name"]}
        | _picked(doc, _NULLS_DEAL)
        | _common(tenant, "deals", doc)
        | {
            "base_currency_amount": _in_base(tenant, doc, amount),
            "stage_updated_time": tenant.local(doc.get("stage_updated_time")),
            "probability": doc.get("probability"),
            "deal_pipeline_id": doc["deal_pipeline_id"],
            "deal_stage_id": doc["deal_stage_id"],
            "age": _days(doc["created_at"], doc.get("closed_date") or tenant.clock.iso()),
            "collaboration": {},
            "fc_widget_collaboration": {"convo_token": None, "auth_token": None, "encoded_jwt_token": None},
            "expected_deal_value": values.money(str(round(amount * _share(doc), 4))),
            "deal_prediction": 0,
            "rotten_days": _rotten(tenant, doc),
            "has_products": bool(doc.get("products")),
            "record_type_id": str(doc["id"] // 10**9 * 10**9 + 11318142),
        }
    )


def _days(start: str, end: str) -> int:
    return (date.fromisoformat(end[:10]) - date.fromisoformat(start[:10])).days


def _rotten(tenant: Tenant, doc: Doc) -> int | None:
    """Days beyond the 30 after which an open deal goes stale."""
    if doc.get("closed_date") or not doc.get("stage_updated_time"):
        return None
    stale = _days(doc["stage_updated_time"], tenant.clock.iso()) - 30
    return stale if stale > 0 else None


def _share(doc: Doc) -> Decimal:
    return Decimal(str(doc.get("probability") or 0)) / 100


def _in_base(tenant: Tenant, doc: Doc, amount: Decimal) -> str | None:
    if doc.get("amount") is None:
        return None
    currency = tenant.get("currencies", doc.get("currency_id") or 0)
    rate = Decimal(str(currency["exchange_rate"])) if currency else Decimal(1)
    return values.money(str(round(amount / (rate or Decimal(1)), 4)))


def _lead(tenant: Tenant, doc: Doc) -> Doc:
    named = " ".join(part for part in (doc.get("first_name"), doc.get("last_name")) if part)
    return (
        {"id": doc["id"], "display_name": named}
        | _picked(doc, _NULLS_LEAD)
        | _common(tenant, "leads", doc)
        | {
            "emails": [e | {"_destroy": False} for e in doc.get("emails", ())],
            "phone_numbers": [p | {"_destroy": False} for p in doc.get("phone_numbers", ())],
            "lead_score": 0,
            "company": doc.get("company"),
            "deal": doc.get("deal"),
        }
    )


def links(tenant: Tenant, kind: str, doc_id: int) -> Doc:
    """Paths of the web interface, as records carry them."""
    prefix = "/crm/sales" if tenant.edition == "suite" else ""
    base = f"{prefix}/{kind}/{doc_id}"
    recipients = "email_conversation_recipients%2Ctargetable%2Cphone_number%2Cphone_caller%2Cnote%2Cuser"
    found = {
        "conversations": f"{base}/conversations/all?include={recipients}&per_page=3",
        "document_associations": f"{base}/document_associations",
        "notes": f"{base}/notes?include=creater",
        "tasks": f"{base}/tasks?include=creater,owner,updater,targetable,users,task_type",
        "appointments": f"{base}/appointments?include=creater,owner,updater,targetable,appointment_attendees"
        ",conference,note",
    }
    if kind in {"contacts", "leads"}:
        found["timeline_feeds"] = f"{base}/timeline_feeds"
        found["reminders"] = f"{base}/reminders?include=creater,owner,updater,targetable"
        found["duplicates"] = f"{base}/duplicates"
        found["connections"] = f"{base}/connections"
    return found


SHOWN: dict[str, Callable[[Tenant, Doc], Doc]] = {
    "contacts": _contact,
    "sales_accounts": _account,
    "deals": _deal,
    "leads": _lead,
}
