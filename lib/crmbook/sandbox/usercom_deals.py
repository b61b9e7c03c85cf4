"""Deals and activities: list with filters, write, upsert, and deals by the client's own id.

Only creating an activity is documented; reading, changing and deleting one are inferred by symmetry.
"""

import copy
from typing import Any

from crmbook.sandbox import usercom_render as render
from crmbook.sandbox import usercom_write as write
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_wire import REQUIRED, Call, Reply, Route, invalid, paged, twins


def listing(call: Call) -> Doc:
    """Filters by user (either id or browser key) and by stage; all given must hold."""
    account, query = call.account, call.query
    rows = account.rows("deals")
    own_id = query.get("user_custom_id") or (query.get("user_id") if call.version == 1 else None)
    people: list[set[int]] = []
    if own_id is not None:
        people.append({row["id"] for row in account.find("users", "custom_id", own_id)})
    elif "user_id" in query:
        people.append({_whole(query, "user_id")})
    if "userkey" in query:
        people.append({row["id"] for row in account.find("users", "user_key", query["userkey"])})
    for owners in people:
        rows = [row for row in rows if row.get("user_id") in owners]
    if "stage" in query:
        stage = _whole(query, "stage")
        rows = [row for row in rows if row.get("stage") == stage]
    return paged(call, rows, lambda row: view(call, row))


def _whole(query: dict[str, str], name: str) -> int:
    try:
        return int(query[name])
    except ValueError:
        raise invalid(**{name: "A valid integer is required."}) from None


def view(call: Call, row: Doc) -> Doc:
    return render.deal(call.account, row, call.version)


def create(call: Call) -> Reply:
    return Reply(201, view(call, _created(call)))


def update(call: Call, row: Doc) -> Doc:
    return view(call, _updated(call, row))


def delete(call: Call, row: Doc) -> Reply:
    for activity in list(call.account.find("activities", "deal_id", row["id"])):
        call.account.save("activities", {**activity, "deal_id": None})
    call.account.delete("deals", row["id"])
    return Reply(204)


def upsert(call: Call) -> Doc:
    own_id = str(call.need(*(("deal_id", "custom_id") if call.version == 1 else ("custom_id",))))
    found = call.account.find("deals", "custom_id", own_id)
    row = _updated(call, found[0]) if found else _created(call)
    return {"created": not found, "id": row["id"]}


def _created(call: Call) -> Doc:
    row: Doc = {"attributes": {}, "products": [], "participants": [], "value": "0.00"}
    write.deal(call, row, call.body)
    return call.account.insert("deals", row)


def _updated(call: Call, row: Doc) -> Doc:
    fresh = copy.deepcopy(row)
    write.deal(call, fresh, call.body)
    return call.account.save("deals", fresh)


_PARTIES = {"user_id": "person", "company_id": "company", "deal_id": "deal"}
_ACTIVITY = ("activity_type", "name", "due_date", "duration", "description", "done", "done_date")
_DEFAULTS: Doc = {"description": "", "done": False}


def activity(call: Call, row: Doc) -> Doc:
    """Version 1 calls the due date `datetime`: the vendor's example still does."""
    older = {"due_date": "datetime", **_PARTIES} if call.version == 1 else {}
    shown: Doc = {"id": row["id"], "custom_id": row.get("custom_id")}
    for name in (*_ACTIVITY, "assigned_to", *_PARTIES, "created_by", "created_at", "updated_at"):
        shown[older.get(name, name)] = row.get(name, _DEFAULTS.get(name))
    return shown


def activities(call: Call) -> Doc:
    return paged(call, call.account.rows("activities"), lambda row: activity(call, row))


def create_activity(call: Call) -> Reply:
    row = _written(call, {"description": "", "done": False, "duration": None})
    return Reply(201, activity(call, call.account.insert("activities", row)))


def view_activity(call: Call, row_id: int) -> Doc:
    return activity(call, call.row("activities", row_id))


def update_activity(call: Call, row_id: int) -> Doc:
    fresh = _written(call, copy.deepcopy(call.row("activities", row_id)))
    return activity(call, call.account.save("activities", fresh))


def delete_activity(call: Call, row_id: int) -> Reply:
    call.account.delete("activities", call.row("activities", row_id)["id"])
    return Reply(204)


def _written(call: Call, row: Doc) -> Doc:
    """Both names of a key are taken in either version, since the vendor's own page mixes them."""
    body: Doc = dict(call.body)
    for name, older in {"due_date": "datetime", **_PARTIES}.items():
        if older in body:
            body[name] = body[older]
    row.update({name: body[name] for name in (*_ACTIVITY, "assigned_to", "custom_id") if name in body})
    for name in ("name", "activity_type", "due_date"):
        if row.get(name) is None:
            raise invalid(**{name: REQUIRED})
    if call.account.row("activity_types", row["activity_type"]) is None:
        raise invalid(activity_type="No such activity type.")
    kinds: dict[str, Any] = {"user_id": "users", "company_id": "companies", "deal_id": "deals"}
    for name, kind in kinds.items():
        if name in body:
            row[name] = call.row(kind, body[name])["id"] if body[name] is not None else None
    return row


ROUTES = [
    Route("GET", "deals/", listing),
    Route("POST", "deals/", create),
    Route("POST", "deals-by-id/", create),
    Route("POST", "deals/update_or_create/", upsert),
    *twins("deals", [("GET", "", view), ("PUT", "", update), ("DELETE", "", delete)]),
    Route("GET", "activities/", activities),
    Route("POST", "activities/", create_activity),
    Route("GET", "activities/<row_id>/", view_activity),
    Route("PUT", "activities/<row_id>/", update_activity),
    Route("DELETE", "activities/<row_id>/", delete_activity),
]
