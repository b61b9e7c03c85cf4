"""What happened to a user: events, page views, the timeline, sent e-mails and product events; campaigns, tickets.

No public page lists occurrences account-wide, so `/events/` lists event types, and the `id` an event's creation
answers is the type's (what it names is unknown). The timeline holds page views only: no other content has
been seen. A campaign's statistics are not narrowed by `count_from` and `count_to`.
"""

from datetime import UTC, datetime
from typing import Any

from crmbook.sandbox import usercom_search as lookup
from crmbook.sandbox import usercom_write as write
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_render import tags
from crmbook.sandbox.usercom_state import Account
from crmbook.sandbox.usercom_wire import (
    REQUIRED,
    Call,
    Handler,
    Reply,
    Route,
    invalid,
    not_found,
    paged,
    twins,
)

PRODUCT_EVENTS = frozenset(
    (
        *(
            "add to cart",
            "purchase",
            "liking",
            "add to observation",
            "order",
            "reservation",
            "return",
            "view",
        ),
        *("click", "detail", "add", "remove", "checkout", "checkout option", "refund", "promo click"),
    )
)
_EMAIL = ("id", "status", "created_at", "sent_at", "opened_at", "clicked_at", "subject")
_PAGE_VIEW = (
    *("ip_address", "user_agent", "browser_family", "browser_version", "os_type", "city", "country", "url"),
    *("referer", "timestamp", "extra_data", "timezone", "resolution"),
)


def occurrence(call: Call, row: Doc) -> Doc:
    """Version 2's shape is inferred: `user_id` for `client` and `data` for `items`."""
    shown: Doc = {"id": row["id"], "timestamp": row.get("timestamp"), "event": row["name"]}
    shown["event_id"] = row.get("event_id")
    data: Doc = row.get("data") or {}
    if call.version == 2:
        return {**shown, "user_id": row["user_id"], "data": data}
    items = [{"key": key, "value": value} for key, value in data.items()]
    return {**shown, "client": row["user_id"], "items": items}


def email(_: Call, row: Doc) -> Doc:
    return {key: row.get(key) for key in _EMAIL}


def page_view(_: Call, row: Doc) -> Doc:
    return {"id": row["id"], "client": row["user_id"], **{key: row.get(key) for key in _PAGE_VIEW}}


def timeline_item(_: Call, row: Doc) -> Doc:
    content = {"url": row.get("url"), "title": row.get("title")}
    return {"id": row["id"], "datetime": row.get("timestamp"), "name": "Page view", "content": content}


def product_event(_: Call, row: Doc) -> Doc:
    shown = {"id": row["id"], "client": row["user_id"], "timestamp": row.get("timestamp")}
    return {**shown, "event_type": row["event_type"], "custom_data": row.get("custom_data") or {}}


def owned(kind: str, render: Handler) -> Handler:
    """A user's own rows of a kind as pages."""

    def handle(call: Call, row: Doc) -> Doc:
        return paged(call, call.account.find(kind, "user_id", row["id"]), lambda own: render(call, own))

    return handle


def event_types(account: Account) -> list[Doc]:
    known = {row["event_id"]: row["name"] for row in account.rows("events") if row.get("event_id")}
    return [{"id": type_id, "name": known[type_id]} for type_id in sorted(known)]


def events(call: Call) -> Doc:
    return paged(call, event_types(call.account), dict)


def view_event(call: Call, row_id: int) -> Doc:
    found = next((row for row in event_types(call.account) if row["id"] == row_id), None)
    if found is None:
        raise not_found()
    return found


def create_event(call: Call) -> Reply:
    owner = _owner(call)
    if owner is None:
        raise invalid(**{"client" if call.version == 1 else "user_id": REQUIRED})
    return create_event_of(call, owner)


def create_event_of(call: Call, owner: Doc) -> Reply:
    name, types = str(call.need("name")), event_types(call.account)
    known = next((row["id"] for row in types if row["name"] == name), None)
    event_id = known or max([row["id"] for row in types], default=0) + 1
    row: Doc = {"user_id": owner["id"], "event_id": event_id, "name": name, "timestamp": _instant(call)}
    call.account.insert("events", {**row, "data": call.body.get("data") or {}}, stamped=False)
    return Reply(201, {"id": event_id, "created": known is None})


def create_page_view(call: Call) -> Reply:
    """`client_user` is the browser key; the timestamp is ISO text here, unlike everywhere else."""
    found = call.account.find("users", "user_key", call.need("client_user"))
    if not found:
        raise not_found()
    url = f"{call.need('page_domain')}{call.body.get('page_path') or ''}"
    stamp = call.body.get("timestamp") or call.account.now()
    view = {"user_id": found[0]["id"], "url": url, "timestamp": stamp, "extra_data": {}}
    return Reply(201, {"id": call.account.insert("page_views", view, stamped=False)["id"]})


def create_product(call: Call) -> Reply:
    row = {**call.body, "name": str(call.need("name"))}
    row.pop("id", None)
    if row.get("custom_id") and call.account.find("products", "custom_id", row["custom_id"]):
        raise invalid(custom_id="This field must be unique.")
    return Reply(201, call.account.insert("products", row))


def view_product(_: Call, row: Doc) -> Doc:
    return dict(row)


def create_product_event(call: Call, product: Doc) -> Reply:
    kind = call.need("event_type")
    if kind not in PRODUCT_EVENTS:
        raise invalid(event_type=f'"{kind}" is not a valid choice.')
    owner = _owner(call)
    if owner is None:
        raise invalid(**{"client" if call.version == 1 else "user_id": REQUIRED})
    data: Doc = call.body.get("data") or {}
    row: Doc = {"user_id": owner["id"], "product_id": product["id"], "event_type": kind}
    row |= {"timestamp": _instant(call), "custom_data": data.get("custom_data") or {}}
    profile = {key: value for key, value in data.items() if key not in ("custom_data", "id")}
    call.account.save("products", {**product, **profile})
    return Reply(201, {"id": call.account.insert("product_events", row, stamped=False)["id"]})


def campaigns(call: Call) -> Doc:
    rows = call.account.rows("campaigns")
    for parameter, want in call.query.items():
        name, _, order = parameter.partition("__")
        if name == "started_at" and order in ("lt", "lte", "gt", "gte"):
            passes = lookup.comparison(order)
            rows = [row for row in rows if passes(row.get("started_at"), want)]
    return paged(call, rows, dict)


def view_campaign(call: Call, row_id: int) -> Doc:
    return dict(call.row("campaigns", row_id))


def send_email(call: Call) -> Doc:
    """Nothing leaves the sandbox: a row per receiver; `template` wins over `content`, `receivers` is "1,2,3"."""
    subject = str(call.need("subject"))
    call.need("template", "content")
    numbers = str(call.need("receivers")).split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise invalid(receivers="Expected ids separated by commas.")
    owners = [call.row("users", int(number)) for number in numbers]
    now = call.account.now()
    if call.body.get("campaign") is not None:
        campaign = call.row("campaigns", call.body["campaign"])
    else:
        row: Doc = {"name": subject, "type": 1, "status": 2, "started_at": now}
        row |= {"recipients_count": len(owners), "real_sender": call.body.get("custom_sender")}
        campaign = call.account.insert("campaigns", row, stamped=False)
    for owner in owners:
        sent = {"user_id": owner["id"], "status": 1, "subject": subject, "created_at": now, "sent_at": now}
        call.account.insert("emails", sent, stamped=False)
    return {"campaign": campaign["id"]}


def create_ticket(call: Call) -> Reply:
    """Only creation is documented; the answer keeps `attributes[]` in both versions."""
    row: Doc = {key: call.need(key) for key in ("name", "description", "due_date")}
    row |= {key: call.body.get(key) for key in ("custom_id", "assigned_to", "priority")}
    row["status"] = call.body.get("status", "draft")
    if row["status"] not in ("draft", "active", "closed", "archived"):
        raise invalid(status=f'"{row["status"]}" is not a valid choice.')
    for key, kind in (("user_id", "users"), ("company_id", "companies")):
        found = write.reference(call, kind, call.body, key, key.replace("_id", "_custom_id"))
        row[key] = found["id"] if found else None
    row["participants"] = call.body.get("participants") or []
    kept = call.account.insert("tickets", row)
    history = [{"entered_at": kept["created_at"].replace("Z", "+00:00"), "status": kept["status"]}]
    shown = {key: value for key, value in kept.items() if key not in ("user_id", "company_id")}
    shown |= {"person": row["user_id"], "company": row["company_id"], "tags": tags(call.account, kept)}
    return Reply(201, {**shown, "attributes": [], "serialized_attributes": [], "status_history": history})


def _owner(call: Call) -> Doc | None:
    names = ("client", "user_id") if call.version == 1 else ("user_id", "user_custom_id")
    return write.reference(call, "users", call.body, *names)


def _instant(call: Call) -> str:
    """Request timestamps of events are UNIX seconds (vendor docs); none means now."""
    seconds: Any = call.body.get("timestamp")
    if seconds is None:
        return call.account.now()
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise invalid(timestamp="A valid integer is required.")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


ROUTES = [
    Route("GET", "events/", events),
    Route("POST", "events/", create_event),
    Route("GET", "events/<row_id>/", view_event),
    Route("POST", "site-views/", create_page_view),
    Route("POST", "products/", create_product),
    Route("POST", "tickets/", create_ticket),
    Route("POST", "emails/send/", send_email),
    Route("POST", "emails/send-custom-domain/", send_email),
    Route("GET", "email-campaign/", campaigns),
    Route("GET", "email-campaign/<row_id>/", view_campaign),
    *twins(
        "users",
        [
            ("GET", "events/", owned("events", occurrence)),
            ("POST", "events/", create_event_of),
            ("GET", "emails/", owned("emails", email)),
            ("GET", "timeline/", owned("page_views", timeline_item)),
            ("GET", "ping_hits/", owned("page_views", page_view)),
            ("GET", "product_events/", owned("product_events", product_event)),
        ],
    ),
    *twins("products", [("GET", "details/", view_product), ("POST", "product_event/", create_product_event)]),
]
