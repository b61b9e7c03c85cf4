"""The documented keys and types of User.com's answers, in both versions, and how an answer is compared."""

from typing import Any

TEXT, NUMBER = (str, type(None)), (int, type(None))  # nullable
TAG = {"id": int, "name": str}
PERSON = {"id": int, "key": TEXT, "name": TEXT, "email": TEXT}

_USER = {
    "id": int, "name": TEXT, "email": TEXT, "phone_number": TEXT, "gender": str, "status": str,
    **dict.fromkeys(("first_seen", "last_seen", "last_contacted", "created_at", "updated_at"), TEXT),
    "page_views": int, "score": int, "unsubscribed": bool, "notifications": bool,
    "web_push_subscription": bool,
    **dict.fromkeys(("last_ip", "browser", "browser_language", "os_type", "resolution", "timezone"), TEXT),
    **dict.fromkeys(("city", "region", "country", "gravatar_url", "most_active_time"), TEXT),
    **dict.fromkeys(("facebook_url", "google_url", "linkedin_url", "twitter_url"), TEXT),
    "assigned_to": NUMBER, "tags": [TAG], "lists": [TAG | {"description": str}],
    "companies": [{"id": int, "name": str, "member_since": str}],
}  # fmt: skip
ATTRIBUTE = {"id": int, "name": str, "name_std": str, "value": object, "description": str, "value_type": str}
USER_2 = _USER | {"custom_id": TEXT, "user_key": str}
USER_1 = _USER | {"user_id": TEXT, "key": str, "chat_id": str, "attributes": [ATTRIBUTE]}
OLA = {"plan_type": str, "interests": [str]}  # this user's custom attributes, which version 2 shows as keys

_COMPANY = {
    **dict.fromkeys(("description", "email", "country", "region", "city", "address", "postal_code"), TEXT),
    "id": int, "name": str, "employees": [int], "tags": [TAG], "created_at": str, "updated_at": str,
}  # fmt: skip
COMPANY_2 = _COMPANY | {"custom_id": TEXT, "size": NUMBER, "phone_numbers": [str], "tier": [str]}
COMPANY_1 = _COMPANY | {"company_id": TEXT, "approx_employees": NUMBER, "phone_numbers": [str]}
COMPANY_1 |= {"attributes": [ATTRIBUTE]}

_DEAL = {
    **dict.fromkeys(("assigned_to", "restricted_to", "agent", "created_by", "loss_reason"), NUMBER),
    **dict.fromkeys(("expected_close_date", "lost_at", "won_at", "created_at", "updated_at"), TEXT),
    "id": int, "name": str, "value": str, "currency": TEXT, "pipeline": int, "stage": int, "status": int,
    "products": [int], "participants": [int], "scope": int, "tags": [TAG], "activities_status": str,
    "loss_reason_description": str,
}  # fmt: skip
DEAL_2 = _DEAL | {"custom_id": TEXT, "user_id": NUMBER, "user_custom_id": TEXT, "company_id": NUMBER}
DEAL_2 |= {"company_custom_id": TEXT, "products_custom_id": [str]}
FLEET = DEAL_2 | {"margin": float}
DEAL_1 = _DEAL | {
    "deal_id": TEXT,
    "person": NUMBER,
    "user_id": TEXT,
    "company": NUMBER,
    "company_deal_id": TEXT,
}
DEAL_1 |= {"products_deal_id": [TEXT], "activities_status_updated_at": TEXT, "attributes": [ATTRIBUTE]}

ACTIVITY = {
    **dict.fromkeys(("assigned_to", "user_id", "company_id", "deal_id", "created_by", "duration"), NUMBER),
    "id": int, "custom_id": TEXT, "activity_type": int, "name": str, "due_date": str, "description": str,
    "done": bool, "done_date": TEXT, "created_at": str, "updated_at": str,
}  # fmt: skip
TALK = {"id": int, "user": PERSON, "active": bool, "agent": NUMBER}
MESSAGE = {"id": int, "chat": int, "user": PERSON, "content": str, "source": str, "source_context": {}}
MESSAGE |= {"timestamp": str}
SEGMENT = {"id": int, "name": str, "description": str, "users": str, "object_count": int}
CAMPAIGN = {"id": int, "name": str, "type": int, "status": int, "started_at": str}
UPSERTED, OK, EVENT = {"created": bool, "id": int}, {"status": str}, {"id": int, "created": bool}


def pages(item: Any) -> dict[str, Any]:
    return {"count": int, "next": TEXT, "previous": TEXT, "results": [item]}


def misfits(value: Any, shape: Any, at: str = "answer") -> list[str]:
    """Where *value* is not of *shape*: keys exactly, every element of a list, `bool` is no `int`."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            return [f"{at}: keys {sorted(set(value) ^ set(shape)) if isinstance(value, dict) else value}"]
        return [found for key in shape for found in misfits(value[key], shape[key], f"{at}.{key}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [found for i, item in enumerate(value) for found in misfits(item, shape[0], f"{at}[{i}]")]
    allowed = shape if isinstance(shape, tuple) else (shape,)
    fits = object in allowed or type(value) in allowed
    return [] if fits else [f"{at}: {type(value).__name__}"]
