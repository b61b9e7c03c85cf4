"""The keys a scenario's rows may have: per file, those that must be there and those that may.

The canonical name of a column is decided here and nowhere else; what each API version calls it is decided by
the rendering.
"""

from collections.abc import Callable
from typing import Any

_PERSONAL_STANDARD = (
    "last_ip",
    "browser",
    "browser_language",
    "os_type",
    "resolution",
    "facebook_url",
    "google_url",
    "linkedin_url",
    "twitter_url",
    "gravatar_url",
    "most_active_time",
)
_STAMPS = ("created_at", "updated_at")

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "users": (
        ("id",),
        (
            *("custom_id", "user_key", "name", "email", "phone_number", "gender", "status"),
            *("first_seen", "last_seen", "last_contacted", "page_views", "score"),
            *("unsubscribed", "notifications", "web_push_subscription", *_STAMPS),
            *("city", "region", "country", "timezone", "assigned_to"),
            *("company_ids", "tag_ids", "list_ids", "attributes"),
            *_PERSONAL_STANDARD,
        ),
    ),
    "companies": (
        ("id", "name"),
        (
            *("custom_id", "description", "email", "country", "region", "city", "address", "postal_code"),
            *("size", "phone_numbers", "tag_ids", "attributes", *_STAMPS),
        ),
    ),
    "deals": (
        ("id", "name", "pipeline", "stage"),
        (
            *("custom_id", "value", "currency", "status", "assigned_to", "user_id", "company_id"),
            *("products", "order_products", "participants", "tag_ids", "expected_close_date"),
            *("loss_reason", "loss_reason_description", "lost_at", "won_at", *_STAMPS, "attributes"),
            *("restricted_to", "agent", "created_by", "scope"),
        ),
    ),
    "pipelines": (("id", "name", "stages"), ("position",)),
    "activities": (
        ("id", "activity_type", "name"),
        (
            *("custom_id", "due_date", "duration", "description", "done", "done_date", "assigned_to"),
            *("user_id", "company_id", "deal_id", "created_by", *_STAMPS),
        ),
    ),
    "activity_types": (("id", "name"), ("kind",)),
    "events": (("id", "user_id", "name"), ("event_id", "timestamp", "data")),
    "tags": (("id", "name"), ()),
    "lists": (("id", "name"), ("description",)),
    "segments": (("id", "name"), ("description", "user_ids")),
    "attributes": (("id", "name", "name_std", "content_type", "value_type"), ()),
    "agents": (("id", "name"), ("email",)),
    "conversations": (("id", "user_id"), ("agent_id", "active", "messages")),
    "emails": (
        ("id", "user_id"),
        ("status", "created_at", "sent_at", "opened_at", "clicked_at", "subject"),
    ),
    "campaigns": (
        ("id", "name"),
        (
            *("type", "status", "recipients_count", "closed", "started_at", "smtp"),
            *("custom_settings", "real_sender", "statistics"),
        ),
    ),
}

NESTED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "company_ids": (("id",), ("member_since",)),
    "stages": (("id", "name"), ("position", "probability")),
    "messages": (("id", "content"), ("author", "agent_id", "source", "timestamp")),
}

CONTENT_TYPES = {"users": "user", "companies": "company", "deals": "deal"}

# What each switch does is said beside its default, in usercom_state.
PROVISIONAL = ("pipelines", "agents", "activity-types", "conversations")

_Check = tuple[str, Callable[[Any], bool]]


def _one_of(*allowed: str) -> _Check:
    return " or ".join(allowed), lambda value: value in allowed


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _provisional(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(name in PROVISIONAL and isinstance(served, bool) for name, served in value.items())


_BOOLEAN: _Check = ("true or false", lambda value: isinstance(value, bool))

SWITCHES: dict[str, _Check] = {
    "provisional": (f"an object of true or false by {', '.join(PROVISIONAL)}", _provisional),
    "requests_per_second": ("a positive whole number or null", lambda value: value is None or _count(value)),
    "retry_after": _BOOLEAN,
    "next_404": _BOOLEAN,
    "unknown_attribute": _one_of("create", "ignore", "400"),
    "page_size": ("a positive whole number", _count),
    "deal_status_text": _BOOLEAN,
    "search_window": _one_of("users", "search", "both"),
}
