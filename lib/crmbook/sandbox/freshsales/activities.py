"""How tasks, appointments, sales activities, phone calls and notes look, and what a client may write in them.

Required texts and their messages, statuses and shapes: live tests and recorded answers. Completing a task stamps
`completed_date` with the present [inferred]; dates of the past are kept everywhere (a real importer).
"""

from collections.abc import Callable
from typing import Any

from crmbook.sandbox.freshsales import columns, customfields, values
from crmbook.sandbox.freshsales.columns import instants, reference, references, texts
from crmbook.sandbox.freshsales.errors import INVALID, Refused
from crmbook.sandbox.freshsales.tenant import KIND_OF_CLASS, Tenant
from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.freshsales.zones import RAILS_ZONES
from crmbook.sandbox.store import Doc

_PLACE = texts("location", "latitude", "longitude")

COLUMNS: dict[str, columns.Columns] = {
    "tasks": {
        **texts("title"),
        **texts("description", limit=65_535),
        **instants("due_date"),
        **references(owner_id="owners", task_type_id="task_types", outcome_id="sales_activity_outcomes"),
        "status": lambda _tenant, value: int(bool(values.integer(value, "Status"))),
    },
    "appointments": {
        **texts("title"),
        **texts("description", limit=65_535),
        **_PLACE,
        **instants("from_date", "end_date", "checkedin_at"),
        **references(owner_id="owners", outcome_id="sales_activity_outcomes"),
        "is_allday": lambda _tenant, value: values.flag(value, "Is allday"),
        "time_zone": lambda _tenant, value: _zone(value),
    },
    "sales_activities": {
        **texts("title"),
        **texts("notes", limit=65_535),
        **_PLACE,
        **instants("start_date", "end_date", "checkedin_at"),
        **references(
            owner_id="owners",
            creater_id="owners",
            sales_activity_outcome_id="sales_activity_outcomes",
        ),
        "sales_activity_type_id": reference("sales_activity_types", "Sales activity type doesn't exist"),
    },
    "notes": texts("description", limit=65_535),
    "phone_calls": {
        **references(outcome_id="sales_activity_outcomes"),
        "call_direction": lambda _tenant, value: values.flag(value, "Call direction"),
    },
}

_REQUIRED: dict[str, dict[str, str]] = {
    "tasks": {"title": "Title can't be blank", "due_date": "Due date can't be blank"},
    "appointments": {
        "title": "Title can't be blank",
        "from_date": "From date can't be blank",
        "end_date": "End date can't be blank",
    },
    "sales_activities": {
        "title": "Title can't be blank",
        "sales_activity_type_id": "Sales activity type can't be blank",
        "targetable_type": "Targetable type can't be blank",
    },
    "notes": {
        "description": "Description can't be blank",
        "targetable_type": "Targetable type can't be blank",
        "targetable_id": "Targetable can't be blank",
    },
}


def _zone(value: Any) -> str | None:
    if value is not None and value not in RAILS_ZONES:
        raise Refused(400, "Not a supported time zone")
    return None if value is None else str(value)


def write(tenant: Tenant, kind: str, doc: Doc, body: Doc) -> None:
    """*body* applied to *doc*; all blank required fields are named in one Refused(400)."""
    if kind == "sales_activities" and body.get("sales_activity_type_id") == "":
        # live test: a blank type is one of the few inputs the vendor answers with a bare 500
        raise Refused(500, "error")
    status_before = doc.get("status", 0)
    columns.write(tenant, doc, body, COLUMNS[kind])
    target(tenant, doc, body)
    blank = [
        message
        for name, message in _REQUIRED.get(kind, {}).items()
        if doc.get(name) is None or not str(doc[name]).strip()
    ]
    if blank:
        raise Refused(400, *blank)
    if kind == "tasks":
        _task(tenant, doc, body, status_before)
    elif kind == "appointments" and "appointment_attendees_attributes" in body:
        doc["attendees"] = _attendees(tenant, body["appointment_attendees_attributes"])
    elif kind == "sales_activities":
        customfields.write(tenant, kind, doc, body.get("custom_field"))


def target(tenant: Tenant, doc: Doc, body: Doc) -> None:
    """The one record an activity hangs on; Refused(400) for an unknown type or record [inferred]."""
    kind_name = body.get("targetable_type", doc.get("targetable_type"))
    inner = body.get("targetable")
    target_id = inner.get("id") if isinstance(inner, dict) else body.get("targetable_id")
    if kind_name is not None:
        kind_name = {"contact": "Contact"}.get(str(kind_name), str(kind_name))
        if kind_name not in KIND_OF_CLASS or (kind_name == "Lead" and tenant.edition == "suite"):
            raise Refused(400, "Invalid targetable type")
        doc["targetable_type"] = kind_name
    if target_id is not None:
        if kind_name is None:
            raise Refused(400, "Targetable type can't be blank")
        doc["targetable_id"] = reference(KIND_OF_CLASS[kind_name], "Invalid targetable")(tenant, target_id)


def _task(tenant: Tenant, doc: Doc, body: Doc, status_before: int) -> None:
    doc["status"] = doc.get("status") or 0
    if doc["status"] != status_before or "completed_date" not in doc:
        doc["completed_date"] = tenant.clock.iso() if doc["status"] else None
    users = body.get("task_users_attributes")
    if isinstance(users, list):
        if not all(isinstance(user, dict) for user in users):
            raise Refused(400, INVALID)
        owner = reference("owners", "Invalid user provided.")
        doc["user_ids"] = [found for found in (owner(tenant, user.get("user_id")) for user in users) if found]


def _attendees(tenant: Tenant, sent: Any) -> list[Doc]:
    if not isinstance(sent, list) or not all(isinstance(item, dict) for item in sent):
        raise Refused(400, INVALID)
    kinds = {"Contact": "contacts", "FdMultitenant::User": "owners"}
    found = []
    for item in sent:
        kind = kinds.get(str(item.get("attendee_type")))
        if kind is None:
            raise Refused(400, "Invalid attendee type")
        attendee_id = reference(kind, "Invalid attendee")(tenant, item.get("attendee_id"))
        found.append(
            {
                "id": tenant.new_id("associations"),
                "attendee_type": item["attendee_type"],
                "attendee_id": attendee_id,
            }
        )
    return found


def shown(tenant: Tenant, kind: str, doc: Doc) -> Doc:
    """One activity as the vendor shows it, without sideloads."""
    return SHOWN[kind](tenant, doc)


def targetables(doc: Doc) -> list[Doc]:
    if not doc.get("targetable_id"):
        return []
    return [{"id": doc["targetable_id"], "type": doc["targetable_type"]}]


def _stamps(tenant: Tenant, doc: Doc, *names: str) -> Doc:
    return {name: tenant.local(doc.get(name)) for name in ("created_at", "updated_at", *names)}


def _task_shown(tenant: Tenant, doc: Doc) -> Doc:
    keys = words("id status title description owner_id creater_id updater_id outcome_id task_type_id")
    return (
        {key: doc.get(key) for key in keys}
        | _stamps(tenant, doc, "due_date", "completed_date")
        | {
            "targetables": targetables(doc),
            "targetables_with_email": [],
            "has_multiple_emails": False,
            "is_linkedin_type": False,
            "user_ids": list(doc.get("user_ids", ())),
        }
    )


def _appointment_shown(tenant: Tenant, doc: Doc) -> Doc:
    keys = words("id time_zone title description location outcome_id creater_id latitude longitude")
    nulls = words(
        "checkedout_latitude checkedout_longitude checkedout_location checkedout_at checkedin_duration"
        " conference_id note_id"
    )
    return (
        {key: doc.get(key) for key in keys}
        | _stamps(tenant, doc, "from_date", "end_date", "checkedin_at")
        | dict.fromkeys(nulls)
        | {
            "is_allday": bool(doc.get("is_allday")),
            "provider": "freshsales",
            "can_checkin": True,
            "can_checkout": False,
            "can_checkin_checkout": True,
            "targetables": targetables(doc),
            "appointment_attendee_ids": [a["id"] for a in doc.get("attendees", ())],
        }
    )


def _activity_shown(tenant: Tenant, doc: Doc) -> Doc:
    keys = words(
        "id title sales_activity_type_id notes owner_id sales_activity_outcome_id creater_id updater_id"
        " targetable_id targetable_type latitude longitude location"
    )
    nulls = words(
        "remote_id import_id conversation_id checkedout_latitude checkedout_longitude checkedout_location"
        " checkedout_at checkedin_duration completed_date"
    )
    return (
        {key: doc.get(key) for key in keys}
        | _stamps(tenant, doc, "start_date", "end_date", "checkedin_at")
        | dict.fromkeys(nulls)
        | {
            "conversation_time": tenant.local(doc.get("end_date")),
            "custom_field": customfields.read(tenant, "sales_activities", doc),
            "status": False,
        }
    )


def _note_shown(tenant: Tenant, doc: Doc) -> Doc:
    return (
        {"id": doc["id"], "description": doc["description"], "html_content": doc["description"]}
        | _stamps(tenant, doc)
        | {
            "creater_id": doc.get("creater_id"),
            "url": None,
            "duration": None,
            "has_access": True,
            "has_mentions": False,
            "targetables": targetables(doc),
            "collab_context": {"hasSlackViewAccess": False, "messageId": None},
        }
    )


def _call_shown(tenant: Tenant, doc: Doc) -> Doc:
    nulls = words(
        "call_duration recording_duration status recording cost root_phone_call_id outcome_id source freshcaller_id"
        " freshcaller_number freshcaller_number_country phone_number_id phone_caller_id"
    )
    return (
        {"id": doc["id"]}
        | dict.fromkeys(nulls)
        | {
            "conversation_time": tenant.local(doc["created_at"]),
            "is_manual": True,
            "child_phone_calls": [],
            "note_id": doc.get("note_id"),
            "user_id": doc.get("creater_id"),
            "call_direction": doc.get("call_direction"),
            "targetable": next(iter(targetables(doc)), None),
        }
    )


SHOWN: dict[str, Callable[[Tenant, Doc], Doc]] = {
    "tasks": _task_shown,
    "appointments": _appointment_shown,
    "sales_activities": _activity_shown,
    "notes": _note_shown,
    "phone_calls": _call_shown,
}
