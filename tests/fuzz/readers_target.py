"""Fuzz targets for what comes from the target: every answer of Freshsales the tool reads."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import polars as pl

from crmbook import readback, readback_shapes, tables, workspace_read
from crmbook.vendors.freshsales import Freshsales, connect
from fuzz.hostile import MARKER, Bytes, as_json, damaged, frayed, refusal

_AT: Final = "2026-03-02T09:30:00Z"
_CONTACT: Final = {
    "id": "7", "first_name": "Ann", "last_name": MARKER, "email": MARKER, "emails": [{"value": MARKER, "is_primary": True}],
    "owner_id": 3, "lifecycle_stage_id": 1, "contact_status_id": 2, "tags": ["vip"], "sales_accounts": [{"id": 9, "is_primary": True}],
    "custom_field": {"cf_usercom_original_id": "1", "cf_plan": "gold", "cf_seats": 3, "cf_when": _AT, "cf_many": "a;b"},
    "mobile_number": "+48 1", "external_id": "1", "created_at": _AT, "updated_at": _AT,
}  # fmt: skip
_ACCOUNT: Final = {
    "id": 9,
    "name": MARKER,
    "owner_id": 3,
    "tags": [],
    "custom_field": {"cf_usercom_original_id": "9"},
}
_DEAL: Final = {
    "id": 50, "name": MARKER, "amount": "12.50", "deal_stage_id": 4, "deal_pipeline_id": 5, "currency_id": 6, "owner_id": 3,
    "sales_account_id": 9, "contact_ids": [7], "expected_close": "2026-05-01", "custom_field": {"cf_usercom_original_id": "50"},
}  # fmt: skip
_FIELDS: Final = [
    {"id": "1", "name": "cf_plan", "label": "Plan", "type": "dropdown", "choices": [{"id": 1, "value": "gold"}], "default": False},
    {"id": "2", "name": "emails", "label": "E-mail", "type": "group_field", "fields": [{"name": "email", "type": "text"}]},
]  # fmt: skip
_STAGES: Final = [{"id": 4, "name": "New", "position": 1, "probability": 10, "forecast_type": "Open"}]
_META: Final = {"meta": {"total": 1, "total_pages": 1}}

# Path below the API's base, and what a healthy tenant answers there; the first that fits counts.
ANSWERS: Final[tuple[tuple[str, Any], ...]] = (
    ("contacts/filters", {"filters": [{"id": 70, "name": "All Contacts"}, {"id": 71, "name": "Recycle Bin"}]}),
    ("sales_accounts/filters", {"filters": [{"id": 72, "name": "All Accounts"}]}),
    ("deals/filters", {"filters": [{"id": 73, "name": "All Deals"}]}),
    ("contacts/view", {"contacts": [_CONTACT], "users": [], **_META}),
    ("sales_accounts/view", {"sales_accounts": [_ACCOUNT], **_META}),
    ("deals/view", {"deals": [_DEAL], **_META}),
    ("contacts/lists", {"contacts": [_CONTACT], **_META}),
    ("contacts/7/notes", {"notes": [{"id": 1, "description": MARKER, "targetable_id": 7, "targetable_type": "Contact"}], **_META}),
    ("contacts/7/document_associations", {"documents": [{"id": 1, "name": MARKER, "url": "u", "content_file_size": 3}],
                                          "document_links": [], "document_associations": []}),
    ("contacts/upsert", {"contact": _CONTACT}),
    ("contacts/bulk_upsert", {"message": "ok", "job_status_url": "https://x.example/api/job_statuses/ab12"}),
    ("contacts", {"contact": _CONTACT}),
    ("job_statuses", {"id": "ab12", "status": "completed", "effected_ids": ["7"], "succeeded": 1}),
    ("lookup", {"contacts": {"contacts": [_CONTACT]}}),
    ("filtered_search/contact", {"contacts": [_CONTACT], **_META}),
    ("selector/owners", {"users": [{"id": 3, "display_name": "Ann", "email": MARKER, "is_active": True}]}),
    ("selector/deal_pipelines/5/deal_stages", {"deal_stages": _STAGES}),
    ("selector/deal_pipelines", {"deal_pipelines": [{"id": 5, "name": "Sales", "position": 1}]}),
    ("selector/lifecycle_stages", {"lifecycle_stages": [{"id": 1, "name": "Lead", "type": "Lead", "position": 1}]}),
    ("selector/contact_statuses", {"contact_statuses": [{"id": 2, "name": "New", "position": 1, "lifecycle_stage_id": 1}]}),
    ("selector/currencies", {"currencies": [{"id": 6, "currency_code": "EUR", "is_active": True, "currency_type": 1}]}),
    ("selector/sales_activity_types", {"sales_activity_types": [{"id": 8, "name": "Call", "internal_name": "phone", "position": 1}]}),
    ("settings/contacts/forms/1/fields", {"field": _FIELDS[0]}),
    ("settings/contacts/forms", {"forms": [{"id": "1", "fields": [{"name": "g", "fields": [
        {"name": "cf_plan", "field_options": {"unique": True}}]}]}]}),
    ("settings/contacts/fields", {"fields": _FIELDS}),
    ("settings", {"fields": [], "forms": []}),
    ("lists", {"lists": [{"id": 60, "name": MARKER}], **_META}),
    ("tasks", {"tasks": [{"id": 1, "title": MARKER, "due_date": _AT, "status": 1, "targetables": [{"id": 7, "type": "Contact"}]}], **_META}),
    ("appointments", {"appointments": [{"id": 2, "title": MARKER, "from_date": _AT, "end_date": _AT, "appointment_attendee_ids": [1]}], **_META}),
    ("sales_activities", {"sales_activities": [{"id": 3, "title": MARKER, "start_date": _AT, "sales_activity_type_id": 8}], **_META}),
    ("documents", {"id": 1, "url": "u", "msg": "ok"}),
)  # fmt: skip
_STATUSES: Final = (200, 200, 200, 200, 200, 201, 202, 204, 302, 400, 403, 404, 422, 429, 503)
_NAMES: Final = (
    r"\b(GET|POST|PUT|DELETE|contacts?|sales_accounts|deals?|filters|owners|deal_pipelines|deal_stages|lifecycle_stages|"
    r"contact_statuses|currencies|sales_activity_types|lists|job|notes|documents?|document_links|tasks|appointments|sales_activities|a page)\b"
)
_CUSTOM: Final = pl.DataFrame(
    [
        {"module": "contacts", "api_name": f"cf_{name}", "label": name, "field_type": kind, "is_custom": True, "is_required": False,
         "choices": ["a;b", "c"], "choice_ids": ["1", "2"], "is_unique": None}
        for name, kind in (("plan", "dropdown"), ("seats", "number"), ("when", "datetime"), ("many", "multi_select_dropdown"))
    ],
    schema=tables.TARGET_FIELDS.columns,
)  # fmt: skip
_HISTORY: Final = ("tasks", "appointments", "sales_activities")


def freshsales_api(content: bytes) -> None:
    """One kind of answer is hostile: what is read of it, or its route or module is named."""
    how = Bytes(content)
    place, good = how.pick(ANSWERS)
    is_raw, status = how.below(4) == 1, how.pick(_STATUSES)
    body = how.rest() if is_raw else frayed(as_json(damaged(good, how)), how)

    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.path.removeprefix("/crm/sales/api/")
        found, known = next(((p, a) for p, a in ANSWERS if asked.startswith(p)), ("", {}))
        if found != place:
            return httpx.Response(200, json=known)
        return httpx.Response(
            status, headers={"location": "http://evil.example/"}, content=b"" if status == 204 else body
        )

    client = connect(
        "suite",
        "http://127.0.0.1/crm/sales/api",
        "tok",
        transport=httpx.MockTransport(answer),
        max_wait_s=0,
        attempts=1,
    )
    for call in _calls(client, place):
        refusal(call, _NAMES)
    client.close()


def _calls(client: Freshsales, place: str) -> Iterator[Callable[[], Any]]:
    module = place.split("/", maxsplit=1)[0]
    if place.startswith(("selector", "settings")):
        yield lambda: workspace_read.read(client)
        yield client.check
        yield lambda: client.create_field("contacts", "1", {"label": "x", "type": "text"})
    elif module in ("contacts", "sales_accounts", "deals"):
        yield lambda: _main(client, module)
    yield from _single(client, place)
    if place in _HISTORY:
        yield lambda: _hanging(client, place)


def _main(client: Freshsales, module: str) -> None:
    """A module read back as reconciliation reads it: every id that was shown has its row."""
    rows = [row for page in client.pages(module, include=("owner",)) for row in page]
    frame = readback.shaped(module, rows, _CUSTOM, links=())
    assert frame.height == len({row["id"] for row in rows})


def _hanging(client: Freshsales, module: str) -> None:
    rows = [row for page in client.pages(module) for row in page]
    frame = readback_shapes.shaped(module, rows, {8: "phone"})
    assert frame.height == len({row["id"] for row in rows})


def _single(client: Freshsales, place: str) -> Iterator[Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {
        "contacts": lambda: (
            client.view("contacts", 7),
            client.create("contacts", {}),
            client.update("contacts", 7, {}),
        ),
        "contacts/upsert": lambda: client.upsert("contacts", {"emails": "a@b.example"}, {}),
        "contacts/bulk_upsert": lambda: client.bulk_upsert("contacts", [{"emails": "a", "data": {}}]),
        "contacts/filters": lambda: (client.views("contacts"), list(client.bin("contacts"))),
        "contacts/lists": lambda: list(client.list_members(60)),
        "contacts/7/notes": lambda: readback_shapes.shaped(
            "notes", client.sublist("contacts", 7, "notes"), {}
        ),
        "contacts/7/document_associations": lambda: [
            readback_shapes.document("contact", row)
            for row in client.associations("contacts", 7)["documents"]
        ],
        "job_statuses": lambda: client.job("ab12"),
        "lookup": lambda: client.lookup("contacts", "email", "a@b.example"),
        "filtered_search/contact": lambda: list(client.search("contacts", [])),
        "lists": lambda: workspace_read.lists(client, tables.CROSSWALK.empty()),
        "documents": lambda: client.link("contacts", 7, "https://a.example", "a"),
    }
    if place in calls:
        yield calls[place]
