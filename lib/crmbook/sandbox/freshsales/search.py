"""`/search`, `/lookup` and `/filtered_search`: what they find lags behind the writes, so no client may depend on it.

A hit is decided on the copy that was indexed; the row shown is the record as it is now, and records deleted since
don't appear. Operators are those seen in clients; rules combine with AND [inferred].
"""

from typing import Any

from crmbook.sandbox.freshsales import paging, render, sideload, views
from crmbook.sandbox.freshsales.call import Answer, Call, Route
from crmbook.sandbox.freshsales.errors import INVALID, Refused, forbidden, missing
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

_KINDS = {"contact": "contacts", "sales_account": "sales_accounts", "deal": "deals", "lead": "leads"}
_SEARCHED = (
    "display_name",
    "first_name",
    "last_name",
    "name",
    "email",
    "website",
    "mobile_number",
    "work_number",
)
_OPERATORS = {"is", "is_in", "is_not", "is_before", "is_after", "contains", "starts_with"}
_LOOKED_UP = {
    "contacts": {"email", "emails", "name", "mobile_number", "work_number", "phone", "external_id"},
    "sales_accounts": {"name", "phone", "website"},
    "deals": {"name"},
    "leads": {"email", "emails", "name", "mobile_number", "work_number", "phone", "company_name"},
}


def _entities(call: Call, name: str) -> list[tuple[str, str]]:
    wanted = [part.strip() for part in call.query.get(name, "").split(",")]
    return [
        (part, _KINDS[part])
        for part in wanted
        if part in _KINDS and (part != "lead" or call.tenant.edition == "classic")
    ]


def _hits(tenant: Tenant, kind: str, keeps: Any) -> list[Doc]:
    """Live records whose indexed copy is kept by the test, in order of their ids."""
    index = tenant.searchable_now().get(kind, {})
    found = (tenant.get(kind, doc_id) for doc_id, copy in sorted(index.items()) if keeps(copy))
    return [doc for doc in found if doc is not None]


def _search(call: Call) -> Answer:
    needle = call.query.get("q", "").strip().casefold()
    rows: list[Doc] = []
    for name, kind in _entities(call, "include") if needle else ():
        hits = _hits(call.tenant, kind, lambda copy: any(needle in text for text in _texts(copy)))
        rows.extend(_result(call.tenant, name, kind, doc) for doc in hits)
    return Answer(rows[: max(0, min(100, paging.number(call, "per_page", 25)))])


def _texts(copy: Doc) -> list[str]:
    full = f"{copy.get('first_name') or ''} {copy.get('last_name') or ''}"
    return [str(copy.get(key) or "").casefold() for key in _SEARCHED] + [full.casefold()]


def _result(tenant: Tenant, name: str, kind: str, doc: Doc) -> Doc:
    shown = render.shown(tenant, kind, doc)
    accounts = sideload.embedded_accounts(tenant, doc) if kind == "contacts" else []
    owner = tenant.get("owners", doc.get("owner_id") or 0)
    found = {
        "id": str(doc["id"]),
        "type": name,
        "name": shown.get("display_name") or shown.get("name"),
        "email": doc.get("email"),
        "avatar": None,
        "company_name": None,
        "country": doc.get("country"),
        "owner": {"id": owner["id"], "name": owner["display_name"]} if owner else None,
        "updated_at": shown["updated_at"],
        "record_type_id": shown.get("record_type_id"),
    }
    if kind == "contacts":
        primary = next((a["name"] for a in accounts if a["is_primary"]), None)
        return found | {"primary_sales_account_name": primary, "mcr_id": shown["mcr_id"]}
    if kind == "deals":
        stage = tenant.get("stages", doc["deal_stage_id"])
        account = tenant.get("sales_accounts", doc.get("sales_account_id") or 0)
        return found | {
            "stage_name": stage["name"] if stage else None,
            "sales_account_name": account["name"] if account else None,
        }
    return found | {"website": doc.get("website")}


def _lookup(call: Call) -> Answer:
    field, wanted = call.query.get("f", ""), call.query.get("q", "").strip().casefold()
    entities = _entities(call, "entities")
    if not field or not wanted or not entities:
        raise Refused(400, INVALID)
    answer: Doc = {}
    for _, kind in entities:
        custom = call.tenant.custom_fields.get(kind, {}).get(field)
        if custom is None and field not in _LOOKED_UP[kind]:
            answer[kind] = {kind: [], "meta": {"total": 0}}
            continue
        hits = _hits(
            call.tenant,
            kind,
            lambda copy: any(wanted == str(v).strip().casefold() for v in _values(copy, field)),
        )
        shown, _ = sideload.answer(call.tenant, kind, hits, call.include)
        answer[kind] = {kind: shown, "meta": {"total": len(shown)}}
    return Answer(answer)


def _values(copy: Doc, field: str) -> list[Any]:
    if field.startswith("cf_"):
        value = copy.get("custom_field", {}).get(field)
        return [] if value is None else [value]
    if field in {"email", "emails"}:
        return [entry["value"] for entry in copy.get("emails", ())]
    if field == "name" and "name" not in copy:
        return [" ".join(p for p in (copy.get("first_name"), copy.get("last_name")) if p)]
    if field == "phone" and "phone" not in copy:
        numbers = [copy.get("mobile_number"), copy.get("work_number")]
        return [n for n in numbers if n] + [p["value"] for p in copy.get("phone_numbers", ())]
    if field == "company_name":
        return [(copy.get("company") or {}).get("name") or ""]
    return [] if copy.get(field) is None else [copy[field]]


def _filtered(call: Call) -> Answer:
    name = call.args[0]
    if name == "lead" and call.tenant.edition == "suite":
        raise forbidden()
    if name not in _KINDS:
        raise missing(name)
    rules = call.object().get("filter_rule")
    if not isinstance(rules, list) or not all(_is_rule(rule) for rule in rules):
        raise Refused(400, INVALID)
    kind = _KINDS[name]
    hits = _hits(call.tenant, kind, lambda copy: all(_holds(copy, rule) for rule in rules))
    return views.listed(call, kind, hits)


def _is_rule(rule: Any) -> bool:
    return (
        isinstance(rule, dict)
        and isinstance(rule.get("attribute"), str)
        and rule.get("operator") in _OPERATORS
    )


def _holds(copy: Doc, rule: Doc) -> bool:
    attribute = rule["attribute"].removeprefix("contact_email.").removeprefix("lead_email.")
    found = [str(value).casefold() for value in _values(copy, attribute)]
    sent = rule.get("value")
    wanted = [str(value).casefold() for value in (sent if isinstance(sent, list) else [sent])]
    match rule["operator"]:
        case "is" | "is_in":
            return any(value in wanted for value in found)
        case "is_not":
            return not any(value in wanted for value in found)
        case "is_before":
            return any(value < wanted[0] for value in found)
        case "is_after":
            return any(value > wanted[0] for value in found)
        case "starts_with":
            return any(value.startswith(wanted[0]) for value in found)
        case _:
            return any(wanted[0] in value for value in found)


ROUTES: list[Route] = [
    ("GET", "search", _search),
    ("GET", "lookup", _lookup),
    ("POST", "filtered_search/*", _filtered),
]
