"""Canonical rows as the two API versions show users, companies and deals.

Version 2 is flat: custom attributes are top-level keys by `name_std`, and a standard key wins over a custom
attribute of the same name (what the vendor does then is unknown). Version 1 has `attributes[]` and older
names; there `user_id` and `company_id` are the client's own ids. An attribute without a value is left out.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Any

from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_state import Account

_CHAT_ID = "This field is deprecated"

_USER_DEFAULTS: Doc = {
    "name": None,
    "email": None,
    "phone_number": None,
    "gender": "unknown",
    "status": "visitor",
    "first_seen": None,
    "last_seen": None,
    "last_contacted": None,
    "page_views": 0,
    "score": 0,
    "unsubscribed": False,
    "notifications": True,
    "web_push_subscription": False,
    "last_ip": None,
    "timezone": None,
    "city": None,
    "region": None,
    "country": None,
    "browser": None,
    "browser_language": None,
    "os_type": None,
    "resolution": None,
    "facebook_url": None,
    "google_url": None,
    "linkedin_url": None,
    "twitter_url": None,
    "gravatar_url": None,
    "most_active_time": None,
    "assigned_to": None,
}
_COMPANY_PLACE = ("country", "region", "city", "address", "postal_code")
_DEAL_AGENTS = ("assigned_to", "restricted_to", "agent", "created_by")


def user(account: Account, row: Doc, version: int) -> Doc:
    shown: Doc = {"id": row["id"]}
    shown |= _renamed(row, version, {"custom_id": "user_id", "user_key": "key"})
    shown |= {key: row.get(key, default) for key, default in _USER_DEFAULTS.items()}
    shown["companies"] = [_membership(account, link) for link in row.get("company_ids") or []]
    shown["lists"] = [list_(r) for r in _named(account, "lists", row.get("list_ids"))]
    shown["tags"] = tags(account, row)
    shown |= {key: row.get(key) for key in ("created_at", "updated_at")}
    if version == 1:
        shown["chat_id"] = _CHAT_ID
    return _with_attributes(account, "user", row, shown, version)


def company(account: Account, row: Doc, version: int) -> Doc:
    shown: Doc = {"id": row["id"], **_renamed(row, version, {"custom_id": "company_id"})}
    shown |= {key: row.get(key) for key in ("name", "description", "email", *_COMPANY_PLACE)}
    shown |= _renamed(row, version, {"size": "approx_employees"})
    shown["phone_numbers"] = row.get("phone_numbers")
    shown["employees"] = [member["id"] for member in account.find("users", "company_ids", row["id"])]
    shown["tags"] = tags(account, row)
    shown |= {key: row.get(key) for key in ("created_at", "updated_at")}
    return _with_attributes(account, "company", row, shown, version)


def deal(account: Account, row: Doc, version: int) -> Doc:
    shown: Doc = {"id": row["id"], **_renamed(row, version, {"custom_id": "deal_id"})}
    shown |= {"name": row["name"], "value": money(row.get("value")), "currency": row.get("currency")}
    shown |= {key: row.get(key) for key in ("pipeline", "stage")}
    status = row.get("status", 1)
    shown["status"] = str(status) if account.switch("deal_status_text") else status
    shown |= {key: row.get(key) for key in _DEAL_AGENTS}
    shown |= _parties(account, row, version)
    shown |= {"participants": row.get("participants") or [], "scope": row.get("scope") or 0}
    shown["tags"] = tags(account, row)
    shown["activities_status"] = _activities_status(account, row)
    if version == 1:
        shown["activities_status_updated_at"] = row.get("updated_at")
    shown |= {"expected_close_date": row.get("expected_close_date"), "loss_reason": row.get("loss_reason")}
    shown["loss_reason_description"] = row.get("loss_reason_description") or ""
    shown |= {key: row.get(key) for key in ("lost_at", "won_at", "created_at", "updated_at")}
    if "order_products" in row:  # whether the vendor reads order lines back is unknown
        shown["order_products"] = row["order_products"]
    return _with_attributes(account, "deal", row, shown, version)


def money(value: Any) -> str:
    """A deal's value as the vendor writes it: text with two decimals."""
    if value is None:
        return "0.00"
    try:
        with localcontext() as context:
            context.prec = 60
            return str(Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    except InvalidOperation:
        return str(value)


def tags(account: Account, row: Doc) -> list[Doc]:
    return [{"id": r["id"], "name": r["name"]} for r in _named(account, "tags", row.get("tag_ids"))]


def list_(row: Doc) -> Doc:
    return {"id": row["id"], "name": row["name"], "description": row.get("description") or ""}


def person(row: Doc) -> Doc:
    """How conversations name a user; `key` keeps its old name in both versions."""
    return {
        "id": row["id"],
        "key": row.get("user_key"),
        "email": row.get("email"),
        "name": row.get("name"),
    }


def custom_id(account: Account, kind: str, row_id: Any) -> str | None:
    found = account.row(kind, row_id)
    return found.get("custom_id") if found else None


def _parties(account: Account, row: Doc, version: int) -> Doc:
    owner, firm = row.get("user_id"), row.get("company_id")
    goods = row.get("products") or []
    own_ids = [custom_id(account, "products", good) for good in goods]
    if version == 1:
        return {
            "person": owner,
            "user_id": custom_id(account, "users", owner),
            "company": firm,
            "company_deal_id": custom_id(account, "companies", firm),
            "products": goods,
            "products_deal_id": own_ids,
        }
    return {
        "user_id": owner,
        "user_custom_id": custom_id(account, "users", owner),
        "company_id": firm,
        "company_custom_id": custom_id(account, "companies", firm),
        "products": goods,
        "products_custom_id": own_ids,
    }


def _renamed(row: Doc, version: int, names: dict[str, str]) -> Doc:
    return {(old if version == 1 else new): row.get(new) for new, old in names.items()}


def _named(account: Account, kind: str, ids: list[int] | None) -> list[Doc]:
    found = (account.row(kind, row_id) for row_id in ids or [])
    return [row for row in found if row is not None]


def _membership(account: Account, link: Doc) -> Doc:
    firm = account.row("companies", link["id"])
    return {
        "id": link["id"],
        "name": firm["name"] if firm else None,
        "member_since": link.get("member_since"),
    }


def _activities_status(account: Account, row: Doc) -> str:
    planned = any(not a.get("done") for a in account.find("activities", "deal_id", row["id"]))
    return "planned" if planned else "no planned"


def _with_attributes(account: Account, content_type: str, row: Doc, shown: Doc, version: int) -> Doc:
    values: Doc = row.get("attributes") or {}
    if version == 2:
        return {**shown, **{name: value for name, value in values.items() if name not in shown}}
    definitions = {a["name_std"]: a for a in account.rows("attributes") if a["content_type"] == content_type}
    shown["attributes"] = [
        {
            "id": definitions[name]["id"],
            "name": definitions[name]["name"],
            "name_std": name,
            "value": value,
            "description": "",
            "value_type": definitions[name]["value_type"],
        }
        for name, value in values.items()
        if name in definitions
    ]
    return shown
