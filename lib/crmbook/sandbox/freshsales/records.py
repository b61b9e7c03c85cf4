"""The four modules' create, view, update, upsert, clone, delete, forget, restore and the bulk verbs without jobs.

DELETE moves to the recycle bin for 90 days, where GET is a 404; forget purges, with what could only be reached through
the record (notes, calls, activities, files). Restoring an account does not bring back its deals and children (vendor docs).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crmbook.sandbox.freshsales import accounts, columns, contacts, customfields, deals, leads, sideload
from crmbook.sandbox.freshsales.call import Answer, Body, Call, Handler, Route
from crmbook.sandbox.freshsales.clock import iso
from crmbook.sandbox.freshsales.errors import INVALID, Refused, missing
from crmbook.sandbox.freshsales.tenant import LOOKED_UP, Tenant
from crmbook.sandbox.store import Doc

_BIN_DAYS = 90
_ATTACHED = ("notes", "sales_activities", "phone_calls", "documents", "document_links")


@dataclass(frozen=True)
class Module:
    """What differs between the modules: the wrapper, the noun in messages, how a body is applied."""

    kind: str
    wrapper: str
    noun: str
    write: Callable[..., None]


MODULES = {
    "contacts": Module("contacts", "contact", "Contact", contacts.write),
    "sales_accounts": Module("sales_accounts", "sales_account", "Account", accounts.write),
    "deals": Module("deals", "deal", "Deal", deals.write),
    "leads": Module("leads", "lead", "Lead", leads.write),
}


def create(tenant: Tenant, kind: str, body: Body) -> Doc:
    """A new record with all its side effects; Refused(400) leaves nothing behind."""
    doc = columns.stamped(tenant, kind) | {"custom_field": {}, "tags": [], "is_deleted": False}
    doc = _apply(tenant, kind, doc, body, before=None)
    if kind == "contacts" and tenant.switch("workflows_on"):
        _run_workflow(tenant, doc)
    return doc


def update(tenant: Tenant, kind: str, before: Doc, body: Body) -> Doc:
    """The record with *body* applied; Refused(400) leaves it as it was."""
    stamp = {"updated_at": tenant.clock.iso(), "updater_id": tenant.admin_id}
    return _apply(tenant, kind, before | stamp, body, before=before)


def _apply(tenant: Tenant, kind: str, doc: Doc, body: Body, *, before: Doc | None) -> Doc:
    MODULES[kind].write(tenant, doc, body, is_new=before is None)
    if before is None:
        customfields.check_required(tenant, kind, doc)
    tenant.check_unique(kind, doc)
    tenant.save(kind, doc)
    if kind == "deals":
        deals.affect_contacts(tenant, before, doc)
    return doc


def _run_workflow(tenant: Tenant, contact: Doc) -> None:
    task = columns.stamped(tenant, "tasks")
    tenant.save(
        "tasks",
        task
        | {
            "title": "Follow up with the new contact",
            "due_date": iso(tenant.clock.now() + 86_400),
            "completed_date": None,
            "status": 0,
            "owner_id": contact.get("owner_id") or tenant.admin_id,
            "targetable_type": "Contact",
            "targetable_id": contact["id"],
        },
    )


def matches(tenant: Tenant, kind: str, key: str, value: Any) -> list[int]:
    """Ids of live records that an upsert by *key* would hit; Refused(400) for a key that identifies nothing."""
    if key == "id":
        text = str(value)
        found = tenant.get(kind, int(text)) if text.isdigit() else None
        return [found["id"]] if found else []
    field = "email" if key == "emails" and kind in {"contacts", "leads"} else key
    if field not in {*tenant.unique_fields(kind), *LOOKED_UP[kind]}:
        raise Refused(400, "Invalid unique identifier")
    return [doc_id for doc_id in tenant.holders(kind, field, value) if tenant.get(kind, doc_id)]


def delete(tenant: Tenant, kind: str, doc: Doc) -> None:
    """Into the recycle bin."""
    if kind == "sales_accounts":
        for deal in tenant.related("deals", kind, doc["id"]):
            tenant.save("deals", deal | {"sales_account_id": None})
        for child in tenant.related("sales_accounts", kind, doc["id"]):
            tenant.save("sales_accounts", child | {"parent_sales_account_id": None})
    tenant.save(kind, doc | {"is_deleted": True, "deleted_at": tenant.clock.iso()})


def forget(tenant: Tenant, kind: str, doc_id: int) -> None:
    """Gone for good; references to the record in others go with it."""
    for attached in _ATTACHED:
        for doc in tenant.related(attached, kind, doc_id):
            tenant.drop(attached, doc["id"])
    for loose in ("tasks", "appointments"):
        for doc in tenant.related(loose, kind, doc_id):
            tenant.save(loose, doc | {"targetable_type": None, "targetable_id": None})
    if kind == "sales_accounts":
        for contact in tenant.related("contacts", kind, doc_id):
            kept = [link for link in contact["sales_accounts"] if link["id"] != doc_id]
            tenant.save("contacts", contact | {"sales_accounts": kept})
        for deal in tenant.related("deals", kind, doc_id):
            tenant.save("deals", deal | {"sales_account_id": None})
    if kind == "contacts":
        for deal in tenant.related("deals", kind, doc_id):
            kept = [i for i in deal["contact_ids"] if i != doc_id]
            tenant.save("deals", deal | {"contact_ids": kept})
    tenant.drop(kind, doc_id)


def purge_bin(tenant: Tenant) -> None:
    """Forgets what has been in the bin for 90 days."""
    oldest = iso(tenant.clock.now() - _BIN_DAYS * 86_400)
    for kind in MODULES:
        for doc in tenant.table(kind).values():
            if doc.get("is_deleted") and doc.get("deleted_at", "") < oldest:
                forget(tenant, kind, doc["id"])


def found(call: Call, kind: str) -> Doc:
    """The live record the path names, or the module's 404."""
    doc = call.tenant.get(kind, call.doc_id)
    if doc is None:
        raise missing(kind)
    return doc


def respond(call: Call, kind: str, doc: Doc, status: int = 200) -> Answer:
    """The record under its wrapper with the asked-for sideloads."""
    (record,), beside = sideload.answer(call.tenant, kind, [doc], call.include)
    return Answer({MODULES[kind].wrapper: record} | beside, status)


def _body(call: Call, module: Module) -> Body:
    body = call.wrapped(module.wrapper)
    # one reference shows a deal's products beside the wrapper instead of inside it
    if module.kind == "deals" and module.wrapper in call.object() and "products" in call.object():
        body = body | {"products": call.object()["products"]}
    return body


def _create(call: Call, module: Module) -> Answer:
    return respond(call, module.kind, create(call.tenant, module.kind, _body(call, module)))


def _view(call: Call, module: Module) -> Answer:
    return respond(call, module.kind, found(call, module.kind))


def _update(call: Call, module: Module) -> Answer:
    before = found(call, module.kind)
    return respond(call, module.kind, update(call.tenant, module.kind, before, _body(call, module)))


def _upsert(call: Call, module: Module) -> Answer:
    body = call.object()
    identifier = body.get("unique_identifier")
    if not isinstance(identifier, dict) or len(identifier) != 1:
        raise Refused(400, INVALID)
    ((key, value),) = identifier.items()
    hits = matches(call.tenant, module.kind, key, value)
    if len(hits) > 1:
        raise Refused(400, "More than one record matches the unique identifier")
    sent = call.wrapped(module.wrapper)
    if not hits:
        return respond(call, module.kind, create(call.tenant, module.kind, sent), 201)
    before = call.tenant.get(module.kind, hits[0]) or {}
    return respond(call, module.kind, update(call.tenant, module.kind, before, sent))


def _clone(call: Call, module: Module) -> Answer:
    source = found(call, module.kind)
    sent = call.body.get(module.wrapper, call.body) if isinstance(call.body, dict) else {}
    fresh = columns.stamped(call.tenant, module.kind)
    dropped = {"email", "emails", "external_id"} | (set() if module.kind == "deals" else {"name"})
    unique = {n for n in call.tenant.unique_fields(module.kind) if n.startswith("cf_")}
    copy = {k: v for k, v in source.items() if k not in dropped} | fresh
    copy["custom_field"] = {k: v for k, v in source["custom_field"].items() if k not in unique}
    return respond(call, module.kind, _apply(call.tenant, module.kind, copy, sent, before=None))


def _delete(call: Call, module: Module) -> Answer:
    delete(call.tenant, module.kind, found(call, module.kind))
    return Answer(True)


def _forget(call: Call, module: Module) -> Answer:
    if call.doc_id not in call.tenant.table(module.kind):
        raise missing(module.kind)
    forget(call.tenant, module.kind, call.doc_id)
    return Answer(True)


def _restore(call: Call, module: Module) -> Answer:
    """Live test on the web interface's route; nothing is known of one under `/api`."""
    doc = call.tenant.table(module.kind).get(call.doc_id)
    if not call.ui or doc is None or not doc.get("is_deleted"):
        raise missing(module.kind)
    back = {k: v for k, v in doc.items() if k != "deleted_at"} | {"is_deleted": False}
    call.tenant.check_unique(module.kind, back)
    call.tenant.save(module.kind, back)
    answer = respond(call, module.kind, back)
    return Answer({"users": [], "meta": {}} | answer.body)


def _bulk_destroy(call: Call, module: Module) -> Answer:
    tenant, cascade = call.tenant, call.object().get("delete_associated_contacts_deals")
    for doc_id in call.ids():
        doc = tenant.get(module.kind, doc_id)
        if doc is None:
            continue
        if module.kind == "sales_accounts" and cascade:
            for kind in ("contacts", "deals"):
                for other in tenant.related(kind, module.kind, doc_id):
                    delete(tenant, kind, other)
        delete(tenant, module.kind, doc)
    return Answer({"message": f"{module.noun} deleted."})


def _bulk_assign_owner(call: Call, module: Module) -> Answer:
    ids = call.ids()
    owner = columns.reference("owners", "Invalid owner provided.")
    owner_id = owner(call.tenant, call.object().get("owner_id"))
    if owner_id is None:
        raise Refused(400, "Invalid owner provided.")
    for doc in (call.tenant.get(module.kind, doc_id) for doc_id in ids):
        if doc is not None:
            update(call.tenant, module.kind, doc, {"owner_id": owner_id})
    return Answer({"message": f"{module.noun} owner changed."})


def _bare_list(call: Call, module: Module) -> Answer:
    """Live test: without a view the collection is a 403; the web interface names the view as `segment_id`."""
    from crmbook.sandbox.freshsales import views  # views show records, records list by views

    view = call.query.get("segment_id", "")
    if not call.ui or not view.isdigit():
        raise Refused(403, "You are not authorized to perform this action.")
    return views.page_of(call, module.kind, int(view))


def _of(handler: Callable[[Call, Module], Answer], module: Module) -> Handler:
    return lambda call: handler(call, module)


ROUTES: list[Route] = [
    (method, template.format(kind), _of(handler, module))
    for kind, module in MODULES.items()
    for method, template, handler in [
        ("GET", "{}", _bare_list),
        ("POST", "{}", _create),
        ("POST", "{}/upsert", _upsert),
        ("POST", "{}/bulk_destroy", _bulk_destroy),
        ("POST", "{}/bulk_assign_owner", _bulk_assign_owner),
        ("GET", "{}/:id", _view),
        ("PUT", "{}/:id", _update),
        ("DELETE", "{}/:id", _delete),
        ("POST", "{}/:id/clone", _clone),
        ("DELETE", "{}/:id/forget", _forget),
        ("PUT", "{}/:id/restore", _restore),
    ]
]
