"""Users: list, search, write, upsert, merge and mass updates, and all of it by the client's own id.

Answers no vendor page shows (tag removal, attribute setting, list removal) are `{"status": "ok"}`, as the
documented mass updates answer.
"""

import copy
import secrets
from collections.abc import Callable
from typing import Any

from crmbook.sandbox import usercom_render as render
from crmbook.sandbox import usercom_write as write
from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_search import WINDOW_FIELDS, parse, select
from crmbook.sandbox.usercom_state import Account
from crmbook.sandbox.usercom_wire import Call, Reply, Route, invalid, not_found, paged, twins

OK = {"status": "ok"}

# What belongs to a user and follows them: into a merge's parent, and out with a deletion.
OWNED = ("events", "emails", "conversations", "product_events", "page_views")
POINTING = ("deals", "activities", "tickets")


def shown(call: Call) -> Callable[[Doc], Doc]:
    return lambda row: render.user(call.account, row, call.version)


def listing(call: Call) -> Doc:
    windows = call.account.switch("search_window") != "search"
    return paged(call, select(call, call.account.rows("users"), windows=windows), shown(call))


def search(call: Call) -> Any:
    """One object for an e-mail or a key; a bare array with `many`; an envelope for anything else."""
    account, query = call.account, call.query
    if "email" in query:
        found = account.find("users", "email", query["email"])
        return [shown(call)(row) for row in found] if query.get("many") == "true" else _one(call, found)
    if "key" in query:
        return _one(call, account.find("users", "user_key", query["key"]))
    if "phone_number" in query and call.version == 1:
        return _one(call, account.find("users", "phone_number", query["phone_number"]))
    windows = query.get("search") in WINDOW_FIELDS and account.switch("search_window") != "users"
    if not windows and not any(parse(account, name, call.version) for name in query):
        raise not_found()
    return paged(call, select(call, account.rows("users"), windows=windows), shown(call))


def search_by_custom_id(call: Call) -> Doc:
    own_id = call.query.get("user_id" if call.version == 1 else "custom_id")
    return _one(call, call.account.find("users", "custom_id", own_id))


def create(call: Call) -> Reply:
    return Reply(201, shown(call)(_created(call)))


def view(call: Call, row: Doc) -> Doc:
    return shown(call)(row)


def update(call: Call, row: Doc) -> Doc:
    return shown(call)(_updated(call, row))


def delete(call: Call, row: Doc) -> Reply:
    account, gone = call.account, row["id"]
    for kind in OWNED:
        for owned in list(account.find(kind, "user_id", gone)):
            account.delete(kind, owned["id"])
    for kind in POINTING:
        for pointing in list(account.find(kind, "user_id", gone)):
            account.save(kind, {**pointing, "user_id": None})
    for deal in list(account.find("deals", "participants", gone)):
        account.save("deals", {**deal, "participants": [p for p in deal["participants"] if p != gone]})
    _replace_member(account, gone, [])
    account.delete("users", gone)
    return Reply(204)


def upsert(call: Call) -> Doc:
    """Update or create by the client's id, which must be sent."""
    own_id = str(call.need("user_id" if call.version == 1 else "custom_id"))
    found = call.account.find("users", "custom_id", own_id)
    row = _updated(call, found[0]) if found else _created(call)
    return {"created": not found, "id": row["id"]}


def merge(call: Call) -> Doc:
    """The parent keeps its own values; gaps are filled from the others, the lowest id first."""
    account, parent = call.account, copy.deepcopy(call.row("users", call.need("parent")))
    ids = sorted({i for i in call.need("users_list", "user_list") if i != parent["id"]})
    for other in [call.row("users", i) for i in ids]:
        for key, value in other.items():
            if parent.get(key) in (None, "") and value is not None:
                parent[key] = value
        parent["attributes"] = {**(other.get("attributes") or {}), **(parent.get("attributes") or {})}
        for key in ("tag_ids", "list_ids", "company_ids"):
            have = parent.setdefault(key, [])
            have += [item for item in other.get(key) or [] if item not in have]
        _repoint(account, other["id"], parent["id"])
        account.delete("users", other["id"])
    account.save("users", parent)
    return {"success": True}


def mass_update_standard(call: Call, key: str = "id") -> Doc:
    ids, name = call.need("ids"), call.need("attribute")
    if name not in write.MASS_UPDATABLE:
        raise invalid(attribute="Not a standard attribute.")
    for row in _listed(call, key, ids):
        _updated(call, row, {name: call.body.get("value")})
    return OK


def mass_update_custom(call: Call, key: str = "id") -> Doc:
    ids, name = call.need("ids"), call.need("attribute")
    for row in _listed(call, key, ids):
        _set(call, row, {name: call.body.get("value")})
    return OK


def _listed(call: Call, key: str, ids: list[Any]) -> list[Doc]:
    return [row for value in ids for row in call.account.find("users", key, value)]


def set_attribute(call: Call, row: Doc) -> Doc:
    return _set(call, row, {call.need("attribute"): call.body.get("value")})


def set_multiple_attributes(call: Call, row: Doc) -> Doc:
    return _set(call, row, call.body)


def remove_attribute(call: Call, row: Doc) -> Doc:
    definition = call.account.attribute("user", call.need("attribute"))
    if definition is None:
        raise not_found()
    values = {k: v for k, v in (row.get("attributes") or {}).items() if k != definition["name_std"]}
    call.account.save("users", {**row, "attributes": values})
    return OK


def add_to_list(call: Call, row: Doc) -> Doc:
    listed = call.row("lists", call.need("list"))
    ids = row.get("list_ids") or []
    if listed["id"] not in ids:
        call.account.save("users", {**row, "list_ids": [*ids, listed["id"]]})
    return {"id": listed["id"]}


def remove_from_list(call: Call, row: Doc) -> Doc:
    listed = call.row("lists", call.need("list"))
    kept = [i for i in row.get("list_ids") or [] if i != listed["id"]]
    call.account.save("users", {**row, "list_ids": kept})
    return OK


def _set(call: Call, row: Doc, values: Doc) -> Doc:
    fresh = copy.deepcopy(row)
    write.attributes(call, "user", fresh, values)
    call.account.save("users", fresh)
    return OK


def _one(call: Call, found: list[Doc]) -> Doc:
    if not found:
        raise not_found()
    return shown(call)(found[0])


def _created(call: Call) -> Doc:
    row: Doc = {"user_key": secrets.token_hex(6), "status": "user", "attributes": {}}
    write.user(call, row, call.body)
    return call.account.insert("users", row)


def _updated(call: Call, row: Doc, body: Doc | None = None) -> Doc:
    fresh = copy.deepcopy(row)
    write.user(call, fresh, call.body if body is None else body)
    return call.account.save("users", fresh)


def _repoint(account: Account, gone: int, parent: int) -> None:
    for kind in (*OWNED, *POINTING):
        for row in list(account.find(kind, "user_id", gone)):
            account.save(kind, {**row, "user_id": parent}, stamped=kind in POINTING)
    for deal in list(account.find("deals", "participants", gone)):
        people = [parent if p == gone else p for p in deal["participants"]]
        account.save("deals", {**deal, "participants": list(dict.fromkeys(people))})
    _replace_member(account, gone, [parent])


def _replace_member(account: Account, gone: int, by: list[int]) -> None:
    for segment in list(account.find("segments", "user_ids", gone)):
        members = [i for i in segment["user_ids"] if i != gone] + by
        account.save("segments", {**segment, "user_ids": list(dict.fromkeys(members))}, stamped=False)


ROUTES = [
    Route("GET", "users/", listing),
    Route("POST", "users/", create),
    Route("GET", "users/search/", search),
    Route("GET", "users-by-id/search/", search_by_custom_id),
    Route("POST", "users/update_or_create/", upsert),
    Route("POST", "users/merge/", merge),
    Route("PUT", "users/mass_update_standard_attributes/", mass_update_standard),
    Route("PUT", "users/mass_update_custom_attributes/", mass_update_custom),
    Route(
        "PUT",
        "users-by-id/mass_update_standard_attributes/",
        lambda call: mass_update_standard(call, "custom_id"),
    ),
    Route(
        "PUT",
        "users-by-id/mass_update_custom_attributes/",
        lambda call: mass_update_custom(call, "custom_id"),
    ),
    *twins(
        "users",
        [
            ("GET", "", view),
            ("PUT", "", update),
            ("DELETE", "", delete),
            ("POST", "set_attribute/", set_attribute),
            ("POST", "set_multiple_attributes/", set_multiple_attributes),
            ("POST DELETE", "remove_attribute/", remove_attribute),
            ("POST", "add_to_list/", add_to_list),
            ("POST DELETE", "remove_from_list/", remove_from_list),
        ],
    ),
]
