"""Saved views: the only way to list a module. Names are the vendor's; ids are the tenant's and must be looked up.

An unknown view is a 403 (live test). "Active", "Inactive" and "Never Contacted" need history the sandbox does not
keep: they show all, none and all [inferred].
"""

from collections.abc import Callable

from crmbook.sandbox.freshsales import paging, records, sideload
from crmbook.sandbox.freshsales.call import Answer, Call, Handler, Route
from crmbook.sandbox.freshsales.clock import iso
from crmbook.sandbox.freshsales.deals import CLOSED, stage
from crmbook.sandbox.freshsales.errors import Refused, missing
from crmbook.sandbox.freshsales.tenant import Tenant
from crmbook.sandbox.store import Doc

_CLASS = {"contacts": "Contact", "sales_accounts": "SalesAccount", "deals": "Deal", "leads": "Lead"}


def _keeps(tenant: Tenant, name: str) -> Callable[[Doc], bool]:
    recent = iso(tenant.clock.now() - 7 * 86_400)
    if name.startswith("My ") and "Territory" not in name:
        return lambda doc: doc.get("owner_id") == tenant.admin_id
    if name in {"New Contacts", "Recently Imported"}:
        return lambda doc: doc["created_at"] >= recent
    if name == "Open Deals":
        return lambda doc: stage(tenant, doc)["forecast_type"] not in CLOSED
    if name in {"Won Deals", "Lost Deals"}:
        wanted = "Closed " + name.partition(" ")[0]
        return lambda doc: stage(tenant, doc)["forecast_type"] == wanted
    nothing = name in {"Inactive", "My Territory Accounts"}
    return lambda _doc: not nothing


def members(tenant: Tenant, view: Doc) -> list[Doc]:
    """The records a view shows, in order of their ids."""
    kind, name = view["module"], view["name"]
    if name == "Recycle Bin":
        records.purge_bin(tenant)
        return [doc for doc in tenant.table(kind).values() if doc.get("is_deleted")]
    keeps = _keeps(tenant, name)
    return [doc for doc in tenant.live(kind) if keeps(doc)]


def page_of(call: Call, kind: str, view_id: int) -> Answer:
    """One page of a view with its sideloads and `meta`."""
    view = call.tenant.get("views", view_id)
    if view is None or view["module"] != kind:
        raise Refused(403, "You are not authorized to perform this action.")
    return listed(call, kind, members(call.tenant, view), view["name"] == "Recently Modified")


def listed(call: Call, kind: str, docs: list[Doc], newest_first: bool = False) -> Answer:
    """A page of *docs* of one module as every list endpoint answers."""
    if newest_first and "sort" not in call.query:
        docs = sorted(docs, key=lambda doc: (doc["updated_at"], doc["id"]), reverse=True)
    else:
        docs = paging.ordered(call, docs)
    rows, meta = paging.page(call, docs)
    shown, beside = sideload.answer(call.tenant, kind, rows, call.include)
    return Answer({kind: shown} | beside | {"meta": meta})


def _filter(tenant: Tenant, view: Doc) -> Doc:
    return {
        "id": view["id"],
        "name": view["name"],
        "model_class_name": _CLASS[view["module"]],
        "user_id": tenant.admin_id,
        "is_default": True,
        "is_public": True,
        "updated_at": tenant.local(view["updated_at"]),
        "user_name": None,
        "current_user_permissions": [],
    }


def _filters(call: Call, kind: str) -> Answer:
    rows = [_filter(call.tenant, view) for view in call.tenant.live("views") if view["module"] == kind]
    return Answer({"filters": rows, "meta": {}})


def _one_filter(call: Call, kind: str) -> Answer:
    view = call.tenant.get("views", call.doc_id)
    if view is None or view["module"] != kind:
        raise missing("views")
    return Answer({"filter": _filter(call.tenant, view)})


def _view(call: Call, kind: str) -> Answer:
    return page_of(call, kind, int(call.args[0]) if call.args[0].isdigit() else 0)


def _of(handler: Callable[[Call, str], Answer], kind: str) -> Handler:
    return lambda call: handler(call, kind)


ROUTES: list[Route] = [
    (method, template.format(kind), _of(handler, kind))
    for kind in _CLASS
    for method, template, handler in [
        ("GET", "{}/filters", _filters),
        ("GET", "{}/filters/:id", _one_filter),
        ("GET", "{}/view/*", _view),
    ]
]
