"""Routes of tasks, appointments, sales activities, phone calls and notes, and the sub-lists of records.

Statuses are those of live tests: 201 for a new task, appointment or call, 200 for a new note or activity; deleting
answers `{"success": "200"}`, a call's `true`; there is no recycle bin. `GET /notes/:id` does not exist.
"""

from collections.abc import Callable

from crmbook.sandbox.freshsales import activities, columns, paging, sideload, views
from crmbook.sandbox.freshsales.call import Answer, Call, Handler, Route
from crmbook.sandbox.freshsales.errors import Refused, missing
from crmbook.sandbox.freshsales.tenant import MODULES
from crmbook.sandbox.store import Doc

_WRAPPER = {
    "tasks": "task",
    "appointments": "appointment",
    "sales_activities": "sales_activity",
    "notes": "note",
}


def _found(call: Call, kind: str) -> Doc:
    doc = call.tenant.get(kind, call.doc_id)
    if doc is None:
        raise missing(kind)
    return doc


def _respond(call: Call, kind: str, doc: Doc, status: int = 200) -> Answer:
    (record,), beside = sideload.answer(call.tenant, kind, [doc], call.include)
    return Answer({_WRAPPER[kind]: record} | beside, status)


def _create(call: Call, kind: str) -> Answer:
    body = call.wrapped(_WRAPPER[kind], strict=kind == "tasks")
    doc = columns.stamped(call.tenant, kind)
    activities.write(call.tenant, kind, doc, body)
    call.tenant.save(kind, doc)
    return _respond(call, kind, doc, 201 if kind in {"tasks", "appointments"} else 200)


def _view(call: Call, kind: str) -> Answer:
    return _respond(call, kind, _found(call, kind))


def _update(call: Call, kind: str) -> Answer:
    doc = _found(call, kind) | {"updated_at": call.tenant.clock.iso(), "updater_id": call.tenant.admin_id}
    activities.write(call.tenant, kind, doc, call.wrapped(_WRAPPER[kind], strict=kind == "tasks"))
    call.tenant.save(kind, doc)
    return _respond(call, kind, doc)


def _delete(call: Call, kind: str) -> Answer:
    call.tenant.drop(kind, _found(call, kind)["id"])
    return Answer({"success": "200"})


def _list(call: Call, kind: str) -> Answer:
    if kind == "tasks" and call.query.get("per_page") == "0" and call.query.get("page") == "0":
        raise Refused(500, "error")
    keeps = _kept(call, kind)
    docs = paging.ordered(call, [doc for doc in call.tenant.live(kind) if keeps(doc)])
    rows, meta = paging.page(call, docs)
    shown, beside = sideload.answer(call.tenant, kind, rows, call.include)
    return Answer({kind: shown} | beside | {"meta": meta})


def _kept(call: Call, kind: str) -> Callable[[Doc], bool]:
    name = call.query.get("filter", "").replace("_", " ")
    now, today = call.tenant.clock.iso(), call.tenant.today()
    if kind == "appointments" and name in {"past", "completed"}:
        return lambda doc: doc["end_date"] < now
    if kind == "appointments" and name in {"upcoming", "open"}:
        return lambda doc: doc["end_date"] >= now
    if kind == "tasks" and name == "completed":
        return lambda doc: doc["status"] == 1
    if kind == "tasks" and name == "open":
        return lambda doc: doc["status"] == 0
    if kind == "tasks" and name == "overdue":
        return lambda doc: doc["status"] == 0 and doc["due_date"] < now
    if kind == "tasks" and name in {"due today", "due tomorrow"}:
        later = name == "due tomorrow"
        return lambda doc: doc["status"] == 0 and _days_off(call, doc, today) == later
    return lambda _doc: True


def _days_off(call: Call, doc: Doc, today: str) -> int | None:
    due = (call.tenant.local(doc["due_date"]) or "")[:10]
    tomorrow = (call.tenant.local(_tomorrow(call)) or "")[:10]
    return {today: 0, tomorrow: 1}.get(due)


def _tomorrow(call: Call) -> str:
    from crmbook.sandbox.freshsales.clock import iso

    return iso(call.tenant.clock.now() + 86_400)


def _log_call(call: Call) -> Answer:
    tenant, body = call.tenant, call.wrapped("phone_call") if call.body else {}
    doc = columns.stamped(tenant, "phone_calls")
    activities.write(tenant, "phone_calls", doc, body)
    note = body.get("note")
    notes: list[Doc] = []
    if isinstance(note, dict) and note.get("description") and doc.get("targetable_id"):
        written = columns.stamped(tenant, "notes") | {"of_call": doc["id"]}
        where = {key: doc[key] for key in ("targetable_type", "targetable_id")}
        activities.write(tenant, "notes", written, where | {"description": note["description"]})
        doc["note_id"] = tenant.save("notes", written)["id"]
        notes = [activities.shown(tenant, "notes", written)]
    tenant.save("phone_calls", doc)
    empty: Doc = {key: [] for key in ("phone_numbers", "phone_callers", "contacts", "users", "outcomes")}
    beside = empty | {"notes": notes}
    return Answer({"phone_calls": [activities.shown(tenant, "phone_calls", doc)]} | beside, 201)


def _view_call(call: Call) -> Answer:
    return Answer({"call": activities.shown(call.tenant, "phone_calls", _found(call, "phone_calls"))})


def _delete_call(call: Call) -> Answer:
    doc = _found(call, "phone_calls")
    if doc.get("note_id"):
        call.tenant.drop("notes", doc["note_id"])
    call.tenant.drop("phone_calls", doc["id"])
    return Answer(True)


def _sublist(call: Call, parent: str, kind: str) -> Answer:
    docs = call.tenant.related(kind, parent, _found(call, parent)["id"])
    if kind in MODULES:
        return views.listed(call, kind, docs)
    rows, meta = paging.page(call, docs)
    shown, beside = sideload.answer(call.tenant, kind, rows, call.include)
    return Answer({kind: shown} | beside | {"meta": meta})


def _timeline(call: Call, parent: str) -> Answer:
    doc = _found(call, parent)
    rows = [
        _timeline_row(call, parent, doc, kind, child)
        for kind in ("notes", "tasks", "appointments", "sales_activities", "phone_calls")
        for child in call.tenant.related(kind, parent, doc["id"])
    ]
    rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    per_page, wanted = max(1, min(100, paging.number(call, "per_page", 25))), paging.number(call, "page", 1)
    start = (max(1, wanted) - 1) * per_page
    more = {"has_next": start + per_page < len(rows), "has_previous": start > 0}
    return Answer({"activities": rows[start : start + per_page], "meta": more})


def _timeline_row(call: Call, parent: str, doc: Doc, kind: str, child: Doc) -> Doc:
    names = {"contacts": "Contact", "sales_accounts": "SalesAccount", "deals": "Deal", "leads": "Lead"}
    return {
        "id": str(child["id"]),
        "composite_id": f"{child['id']}_{doc['id']}",
        "action_type": "create",
        "action_data": {"title": child.get("title") or child.get("description")},
        "actionable_type": kind,
        "actionable_id": child["id"],
        "targetable_type": names[parent],
        "targetable_id": doc["id"],
        "targetable_name": doc.get("name") or doc.get("email"),
        "user_activity": True,
        "automation": None,
        "group": None,
        "created_at": call.tenant.local(child["created_at"]),
    }


def _counts(call: Call, parent: str) -> Answer:
    doc = _found(call, parent)
    kinds = ("notes", "tasks", "appointments", "sales_activities")
    return Answer({"activity_counts": {k: len(call.tenant.related(k, parent, doc["id"])) for k in kinds}})


def _of(handler: Callable[[Call, str], Answer], kind: str) -> Handler:
    return lambda call: handler(call, kind)


def _sub(parent: str, kind: str) -> Handler:
    return lambda call: _sublist(call, parent, kind)


_CHILDREN = {
    "contacts": ("notes", "tasks", "appointments", "sales_activities", "deals"),
    "sales_accounts": ("notes", "tasks", "appointments", "sales_activities", "contacts", "deals"),
    "deals": ("notes", "tasks", "appointments", "sales_activities"),
    "leads": ("notes", "tasks", "appointments", "sales_activities"),
}

ROUTES: list[Route] = [
    *[("POST", kind, _of(_create, kind)) for kind in _WRAPPER],
    *[("GET", kind, _of(_list, kind)) for kind in ("tasks", "appointments", "sales_activities")],
    *[("GET", f"{kind}/:id", _of(_view, kind)) for kind in ("tasks", "appointments", "sales_activities")],
    *[("PUT", f"{kind}/:id", _of(_update, kind)) for kind in _WRAPPER],
    *[("DELETE", f"{kind}/:id", _of(_delete, kind)) for kind in _WRAPPER],
    ("POST", "phone_calls", _log_call),
    ("GET", "phone_calls/:id", _view_call),
    ("DELETE", "phone_calls/:id", _delete_call),
    *[
        ("GET", f"{parent}/:id/{kind}", _sub(parent, kind))
        for parent, kinds in _CHILDREN.items()
        for kind in kinds
    ],
    *[("GET", f"{parent}/:id/activities", _of(_timeline, parent)) for parent in _CHILDREN],
    *[("GET", f"{parent}/:id/activity_counts", _of(_counts, parent)) for parent in _CHILDREN],
]
