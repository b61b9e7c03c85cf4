"""The User.com public API as far as it is known, for one account of the store.

`/api/public/` speaks version 2 when the Accept header says `version=2`, else version 1. A path without its
slash is redirected when read and breaks when written. Pipelines, agents, activity types and the account-wide
conversation list are provisional: a test that passes on them is no evidence about the real API.

A fault object, if given, may answer in place of the account (`before`) or replace its answer (`after`, when
the work is already committed).
"""

import json
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route as AnyRoute

from crmbook.sandbox import (
    usercom_catalog,
    usercom_companies,
    usercom_conversations,
    usercom_deals,
    usercom_history,
    usercom_users,
)
from crmbook.sandbox.store import Doc, Store
from crmbook.sandbox.usercom_state import REALM, Account
from crmbook.sandbox.usercom_wire import Call, Handler, Refusal, Reply, not_found

PREFIX = "/api/public/"
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
ROUTES = [
    *usercom_users.ROUTES,
    *usercom_companies.ROUTES,
    *usercom_deals.ROUTES,
    *usercom_catalog.ROUTES,
    *usercom_history.ROUTES,
    *usercom_conversations.ROUTES,
]


class Faults(Protocol):
    """Planned misbehaviour of the server; `before` answering None lets the request through."""

    async def before(self, request: Request) -> Response | None: ...

    async def after(self, request: Request, response: Response) -> Response: ...


def app(
    store: Store, *, token: str, faults: Faults | None = None, clock: Callable[[], float] = time.time
) -> Starlette:
    """The API of the account in the store; `token` is the only key it accepts, `clock` gives UNIX seconds."""
    service = _Service(Account(store, clock), token)

    async def endpoint(request: Request) -> Response:
        if faults and (planned := await faults.before(request)) is not None:
            return planned
        response = service.answer(request, await request.body())
        store.commit()
        return await faults.after(request, response) if faults else response

    return Starlette(routes=[AnyRoute("/{path:path}", endpoint, methods=METHODS)])


def export_state(store: Store) -> dict[str, list[Doc]]:
    """Every row of the account by kind, in the scenario's canonical form, without the switches."""
    return {kind: store.table(REALM, kind).values() for kind in store.kinds(REALM) if kind != "settings"}


def version_of(accept: str) -> int:
    """2 when any media type of the header has the parameter version=2, else 1."""
    for media_type in accept.split(","):
        for parameter in media_type.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "version" and value.strip().strip('"') == "2":
                return 2
    return 1


class _Service:
    def __init__(self, account: Account, token: str) -> None:
        self._account, self._token = account, token
        self._second, self._spent = 0, 0

    def answer(self, request: Request, body: bytes) -> Response:
        path: str = request.scope["path"]
        try:
            if not path.endswith("/"):
                return self._slashless(request)
            self._authenticate(request)
            self._throttle()
            handler, arguments = self._route(request.method, path)
            answer = handler(self._call(request, body), **arguments)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status, refusal.headers)
        if isinstance(answer, Reply):
            return (
                Response(status_code=204)
                if answer.status == 204
                else JSONResponse(answer.body, answer.status)
            )
        return JSONResponse(answer)

    def _slashless(self, request: Request) -> Response:
        """Before any authentication: the redirect is the framework's, not the API's."""
        path, query = request.url.path + "/", request.url.query
        self._find(request.scope["path"] + "/")
        if request.method != "GET":
            return HTMLResponse("<h1>Server Error (500)</h1>", 500)
        return Response(status_code=301, headers={"location": f"{path}?{query}" if query else path})

    def _authenticate(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        headers = {"www-authenticate": "Token"}
        if scheme != "Token":
            raise Refusal(401, {"detail": "Authentication credentials were not provided."}, headers)
        if key != self._token:
            raise Refusal(401, {"detail": "Invalid token."}, headers)

    def _throttle(self) -> None:
        """A fixed window of one second; the real number and window are on no public page."""
        limit = self._account.switch("requests_per_second")
        now = self._account.clock()
        if math.floor(now) != self._second:
            self._second, self._spent = math.floor(now), 0
        self._spent += 1
        if limit is not None and self._spent > limit:
            detail = "Request was throttled. Expected available in 1 seconds."
            headers = {"retry-after": "1"} if self._account.switch("retry_after") else {}
            raise Refusal(429, {"detail": detail}, headers)

    def _route(self, method: str, path: str) -> tuple[Handler, dict[str, Any]]:
        for methods, handler, arguments in self._find(path):
            if method in methods:
                return handler, arguments
        raise Refusal(405, {"detail": f'Method "{method}" not allowed.'})

    def _find(self, path: str) -> list[tuple[list[str], Handler, dict[str, Any]]]:
        if not path.startswith(PREFIX):
            raise not_found()
        relative = path.removeprefix(PREFIX)
        matches = ((route, route.match(relative)) for route in ROUTES)
        found = [
            (r.methods.split(), r.handler, arguments) for r, arguments in matches if arguments is not None
        ]
        if not found:
            raise not_found()
        return found

    def _call(self, request: Request, body: bytes) -> Call:
        base = f"{request.url.scheme}://{request.url.netloc}"
        return Call(
            account=self._account,
            version=version_of(request.headers.get("accept", "")),
            method=request.method,
            base=base + PREFIX,
            url=base + request.url.path,
            query=dict(request.query_params),
            body=_parsed(body),
        )


def _parsed(body: bytes) -> Doc:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise Refusal(400, {"detail": "JSON parse error"}) from None
    if not isinstance(value, dict):
        raise Refusal(400, {"errors": {"non_field_errors": ["Invalid data. Expected a dictionary."]}})
    return value
