"""Contact lists and their members. Nothing public deletes a list, so neither does this."""

from crmbook.sandbox.freshsales import paging, values, views
from crmbook.sandbox.freshsales.call import Answer, Call, Route
from crmbook.sandbox.freshsales.errors import INVALID, Refused, missing
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc


def _name(call: Call) -> str:
    body = call.object()
    inner = body.get("list", body)
    name = values.text(inner.get("name"), "Name") if isinstance(inner, dict) else None
    if not name or not name.strip():
        raise Refused(400, "Name can't be blank")
    return name


def _shown(doc: Doc) -> Doc:
    return {"id": doc["id"], "name": doc["name"]}


def _create(call: Call) -> Answer:
    name = _name(call)
    if any(doc["name"].casefold() == name.casefold() for doc in call.tenant.live("lists")):
        # nothing public says whether list names are unique; refusing is the stricter reading
        raise Refused(400, "Name has already been taken")
    return Answer(
        {"list": _shown(call.tenant.add("lists", {"name": name, "created_at": call.tenant.clock.iso()}))}
    )


def _all(call: Call) -> Answer:
    rows, meta = paging.page(call, list(call.tenant.live("lists")))
    return Answer({"lists": [_shown(doc) for doc in rows], "meta": meta})


def _rename(call: Call) -> Answer:
    doc = _found(call.tenant, call.doc_id)
    return Answer({"list": _shown(call.tenant.save("lists", doc | {"name": _name(call)}))})


def _found(tenant: Tenant, list_id: int) -> Doc:
    doc = tenant.get("lists", list_id)
    if doc is None:
        raise missing("lists")
    return doc


def _members(call: Call) -> Answer:
    _found(call.tenant, call.doc_id)
    return views.listed(call, "contacts", call.tenant.related("contacts", "lists", call.doc_id))


def _add(call: Call) -> Answer:
    _found(call.tenant, call.doc_id)
    for contact in _contacts(call.tenant, call.ids("ids")):
        _put(call.tenant, contact, add=call.doc_id)
    return Answer({"message": "Contacts are being added to the list."})


def _remove(call: Call) -> Answer:
    for contact in _chosen(call, call.doc_id):
        _put(call.tenant, contact, drop=call.doc_id)
    return Answer({"message": "Contacts are being removed from the list."})


def _move(call: Call) -> Answer:
    source = call.object().get("from_list_id")
    if not isinstance(source, int):
        raise Refused(400, INVALID)
    _found(call.tenant, call.doc_id)
    for contact in _chosen(call, source):
        _put(call.tenant, contact, add=call.doc_id, drop=source)
    return Answer({"message": "Contacts are being moved to the list."})


def _chosen(call: Call, list_id: int) -> list[Doc]:
    _found(call.tenant, list_id)
    if call.object().get("all") is True:
        return call.tenant.related("contacts", "lists", list_id)
    return _contacts(call.tenant, call.ids("ids"))


def _contacts(tenant: Tenant, ids: list[int]) -> list[Doc]:
    found = (tenant.get("contacts", contact_id) for contact_id in ids)
    return [contact for contact in found if contact is not None]


def _put(tenant: Tenant, contact: Doc, add: int | None = None, drop: int | None = None) -> None:
    kept = [i for i in contact.get("list_ids", ()) if i not in {add, drop}]
    tenant.save("contacts", contact | {"list_ids": kept + ([add] if add else [])})


ROUTES: list[Route] = [
    ("POST", "lists", _create),
    ("GET", "lists", _all),
    ("PUT", "lists/:id", _rename),
    ("GET", "contacts/lists/:id", _members),
    ("PUT", "lists/:id/add_contacts", _add),
    ("PUT", "lists/:id/remove_contacts", _remove),
    ("PUT", "lists/:id/move_contacts", _move),
]
