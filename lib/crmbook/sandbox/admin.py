"""The side of the sandbox no vendor has: its state, its hash and counters, its clock, faults, and an admin's hands.

Loopback only and without authentication. Raw documents are written without any validation: that is how a test plants a
person's edit or a defect. Mounted under `/admin`; answers are JSON, refusals `{"error": one line}`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from crmbook.sandbox import checklist, statehash, usercom_export
from crmbook.sandbox.faults import Faults
from crmbook.sandbox.freshsales.bulk import settle
from crmbook.sandbox.freshsales.clock import Clock
from crmbook.sandbox.freshsales.errors import Refused
from crmbook.sandbox.freshsales.records import purge_bin
from crmbook.sandbox.freshsales.tenant import MODULES, Tenant
from crmbook.sandbox.journal import Journal
from crmbook.sandbox.store import Doc, Store
from crmbook.sandbox.usercom_export import Style
from crmbook.sandbox.usercom_state import Account

_REALMS = ("usercom", "freshsales_test", "freshsales_production")
_HIDDEN = {"quota"}


class Trouble(Exception):  # noqa: N818 - an answer of the admin side
    """A refused admin request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Side:
    """What the admin side can reach; every method answers JSON."""

    def __init__(
        self, store: Store, clock: Clock, tenants: dict[str, Tenant], faults: Faults, journal: Journal
    ) -> None:
        self.store, self.clock, self.tenants, self.faults, self.journal = (
            store,
            clock,
            tenants,
            faults,
            journal,
        )
        self._reset: Callable[[], None] = lambda: None

    def on_reset(self, action: Callable[[], None]) -> None:
        self._reset = action

    def tenant(self, realm: str) -> Tenant:
        if realm not in self.tenants:
            raise Trouble(404, f"{realm} is no tenant; expected one of {', '.join(self.tenants)}")
        return self.tenants[realm]

    def catch_up(self, realm: str) -> None:
        """Finishes accepted jobs and empties what the bin has kept long enough, so that the state is at rest."""
        if realm in self.tenants:
            settle(self.tenants[realm], everything=True)
            purge_bin(self.tenants[realm])

    def state(self, realm: str | None) -> Doc:
        realms = [self.known(realm)] if realm else _REALMS
        for name in realms:
            self.catch_up(name)
        return {
            name: {k: self.store.table(name, k).values() for k in self.store.kinds(name) if k not in _HIDDEN}
            for name in realms
        }

    def state_hash(self, realm: str, scope: str, without: str) -> Doc:
        self.catch_up(self.known(realm))
        left_out = frozenset(filter(None, without.split(",")))
        if strange := sorted(left_out - {*statehash.RECORDS, "bin"}):
            raise Trouble(400, f"without: unknown kind {strange[0]}")
        digest = statehash.of_realm(self.store, realm, everything=scope == "all", without=left_out)
        return {"sha256": digest}

    def known(self, realm: str | None) -> str:
        if realm not in _REALMS:
            raise Trouble(404, f"unknown realm; expected one of {', '.join(_REALMS)}")
        return realm

    def export(self, folder: str, style: Doc) -> Doc:
        """The source account as CSV exports in *folder*, a new or empty one."""
        return dict(usercom_export.export(Account(self.store), Path(folder), Style.of(style)))

    def reset(self) -> Doc:
        self._reset()
        self.faults.replace([])
        return {"reset": True}

    # raw documents

    def documents(self, realm: str, kind: str) -> list[Doc]:
        return self.store.table(self.known(realm), kind).values()

    def document(self, realm: str, kind: str, doc_id: int) -> Doc:
        doc = self.store.table(self.known(realm), kind).get(doc_id)
        if doc is None:
            raise Trouble(404, f"{realm} has no {kind} {doc_id}")
        return doc

    def merge(self, realm: str, kind: str, doc_id: int, changes: Doc) -> Doc:
        return self._put(realm, kind, self.document(realm, kind, doc_id) | changes | {"id": doc_id})

    def insert(self, realm: str, kind: str, doc: Doc) -> Doc:
        table = self.store.table(self.known(realm), kind)
        if realm == "usercom":
            return self._put(realm, kind, {"id": table.reserve(), **doc})
        tenant, now = self.tenant(realm), self.clock.iso()
        blank: Doc = {"id": tenant.new_id(kind)}
        if kind in statehash.RECORDS:
            blank |= {"created_at": now, "updated_at": now, "creater_id": tenant.admin_id}
        if kind in MODULES:
            blank |= {"custom_field": {}, "tags": [], "is_deleted": False}
        return self._put(realm, kind, blank | doc)

    def rewrite(self, realm: str, changes: dict[str, dict[str, Doc | None]]) -> Doc:
        """Documents exactly as given, kind to id to document, and gone where it is null; nothing is stamped or filled in."""
        for kind, docs in changes.items():
            table = self.store.table(self.known(realm), kind)
            for doc_id, doc in docs.items():
                if doc is None:
                    table.delete(int(doc_id))
                else:
                    table.put(int(doc_id), doc | {"id": int(doc_id)})
        self._reindex(realm)
        return {"documents": sum(map(len, changes.values()))}

    def _put(self, realm: str, kind: str, doc: Doc) -> Doc:
        if not isinstance(doc["id"], int):
            raise Trouble(400, "id must be an integer")
        self.store.table(realm, kind).put(doc["id"], doc)
        self._reindex(realm)
        return doc

    def remove(self, realm: str, kind: str, doc_id: int) -> Doc:
        self.document(realm, kind, doc_id)
        self.store.table(realm, kind).delete(doc_id)
        self._reindex(realm)
        return {"deleted": doc_id}

    def _reindex(self, realm: str) -> None:
        if realm in self.tenants:
            self.tenants[realm].reindex()


def app(side: Side) -> Starlette:
    """The admin side as an application; one commit per request."""

    def route(method: str, path: str, handler: Callable[[Request, Any], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                body = json.loads(await request.body() or b"null")
                answer = handler(request, body)
            except Trouble as trouble:
                return JSONResponse({"error": str(trouble)}, trouble.status)
            except Refused as no:
                return JSONResponse({"error": "; ".join(no.messages)}, no.status)
            except (KeyError, ValueError, TypeError, AttributeError) as wrong:
                return JSONResponse({"error": f"bad request: {type(wrong).__name__} {wrong}"}, 400)
            finally:
                side.store.commit()
            return JSONResponse(answer)

        return Route(path, endpoint, methods=[method])

    return Starlette(routes=[Mount("/admin", routes=[route(*row) for row in _routes(side)])])


def _routes(side: Side) -> list[tuple[str, str, Callable[[Request, Any], Any]]]:
    def realm(request: Request) -> str:
        return str(request.path_params["realm"])

    def tenant(request: Request) -> Tenant:
        return side.tenant(realm(request))

    def place(request: Request) -> tuple[str, str, int]:
        return realm(request), request.path_params["kind"], request.path_params["doc_id"]

    def custom_field(request: Request) -> Doc:
        fields = tenant(request).custom_fields.get(request.path_params["module"], {})
        if request.path_params["name"] not in fields:
            raise Trouble(404, f"no field {request.path_params['name']}")
        return fields[request.path_params["name"]]

    def planned(specs: Any) -> Doc:
        side.faults.replace(specs if isinstance(specs, list) else [specs])
        return {"faults": len(specs) if isinstance(specs, list) else 1}

    def query(request: Request, name: str, default: str = "") -> str:
        return str(request.query_params.get(name, default))

    return [
        ("GET", "/state", lambda r, _: side.state(r.query_params.get("realm"))),
        (
            "GET",
            "/state/hash",
            lambda r, _: side.state_hash(
                query(r, "realm"), query(r, "scope", "records"), query(r, "without")
            ),
        ),
        ("GET", "/requests", lambda r, _: side.journal.of(side.known(query(r, "realm")))),
        ("GET", "/clock", lambda _r, _b: {"now": side.clock.iso(), "epoch_s": side.clock.now()}),
        (
            "POST",
            "/clock",
            lambda _r, b: {"advanced_s": side.clock.advance(b["advance_s"]), "now": side.clock.iso()},
        ),
        ("GET", "/faults", lambda _r, _b: side.faults.told()),
        ("POST", "/faults", lambda _r, b: planned(b)),
        ("DELETE", "/faults", lambda _r, _b: planned([])),
        ("POST", "/reset", lambda _r, _b: side.reset()),
        ("POST", "/usercom/export", lambda _r, b: side.export(b["folder"], b.get("style") or {})),
        ("POST", "/{realm}/checklist", lambda r, b: checklist.apply(tenant(r), b["rows"])),
        ("POST", "/{realm}/pipelines", lambda r, b: checklist.pipeline(tenant(r), b)),
        (
            "POST",
            "/{realm}/pipelines/{doc_id:int}/stages",
            lambda r, b: checklist.stage(tenant(r), r.path_params["doc_id"], b),
        ),
        ("POST", "/{realm}/fields", lambda r, b: checklist.field(tenant(r), b)),
        (
            "PUT",
            "/{realm}/fields/{module}/{name}",
            lambda r, b: checklist.change_field(tenant(r), custom_field(r), b),
        ),
        ("POST", "/{realm}/owners", lambda r, b: checklist.owner(tenant(r), b)),
        ("POST", "/{realm}/currencies", lambda r, b: checklist.currency(tenant(r), b)),
        ("PUT", "/{realm}/settings", lambda r, b: tenant(r).configure(b)),
        ("PUT", "/{realm}/documents", lambda r, b: side.rewrite(realm(r), b)),
        ("GET", "/{realm}/{kind}", lambda r, _: side.documents(realm(r), r.path_params["kind"])),
        ("POST", "/{realm}/{kind}", lambda r, b: side.insert(realm(r), r.path_params["kind"], b)),
        ("GET", "/{realm}/{kind}/{doc_id:int}", lambda r, _: side.document(*place(r))),
        ("PUT", "/{realm}/{kind}/{doc_id:int}", lambda r, b: side.merge(*place(r), b)),
        ("DELETE", "/{realm}/{kind}/{doc_id:int}", lambda r, _: side.remove(*place(r))),
    ]
