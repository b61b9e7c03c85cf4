"""The HTTP face of one tenant: prefixes, authentication, bodies, quota, and one commit per request.

Suite answers under `/crm/sales/api` and, as the web interface does, under `/crm/sales`; Classic under `/api` and the
bare root. Trailing slashes and `.json` are tolerated, `.xml` is a 406.
"""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from crmbook.sandbox.freshsales import quota
from crmbook.sandbox.freshsales.bulk import settle
from crmbook.sandbox.freshsales.call import Answer, Call, Upload
from crmbook.sandbox.freshsales.errors import INVALID, Refused, envelope, forbidden
from crmbook.sandbox.freshsales.routes import ROUTES
from crmbook.sandbox.freshsales.tenant import Tenant

_PREFIXES = {
    "suite": (("crm/sales/api", False), ("crm/sales", True)),
    "classic": (("api", False), ("", True)),
}
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


def app(tenant: Tenant, *, token: str) -> Starlette:
    """The vendor's API for *tenant*; every request but a file download needs `Token token=<token>`."""

    async def endpoint(request: Request) -> Response:
        try:
            answer, headers = await _answer(request, tenant, token)
        except ClientDisconnect:
            # hung up amid its body: nothing was read of it, nobody is there for an answer
            return Response(status_code=400)
        tenant.store.commit()
        if answer.raw is not None:
            return Response(answer.raw[0], answer.status, headers, answer.raw[1])
        if answer.body is None:
            return Response(b"", answer.status, headers)
        content = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode()
        return Response(content, answer.status, headers, "application/json; charset=utf-8")

    return Starlette(routes=[WebRoute("/{path:path}", endpoint, methods=_METHODS)])


async def _answer(request: Request, tenant: Tenant, token: str) -> tuple[Answer, dict[str, str]]:
    place = _place(request.path_params["path"].strip("/"), tenant.edition)
    if place is None:
        return Answer(envelope(404, ["Not found."]), 404), {}
    local, ui = place
    headers: dict[str, str] = {}
    try:
        if not local.startswith("files/"):
            refusal = _authenticate(request, token)
            if refusal is not None:
                return refusal
            headers = quota.spend(tenant)
        if local.endswith(".xml"):
            return Answer(None, 406), headers
        call = await _call(request, tenant, ui=ui)
        settle(tenant)
        return _dispatch(call, local.removesuffix(".json")), headers
    except Refused as no:
        return Answer(no.body(), no.status), headers | no.headers


def _place(path: str, edition: str) -> tuple[str, bool] | None:
    for prefix, ui in _PREFIXES[edition]:
        if not prefix or path == prefix or path.startswith(prefix + "/"):
            return path[len(prefix) :].strip("/"), ui
    return None


def _authenticate(request: Request, token: str) -> tuple[Answer, dict[str, str]] | None:
    if request.headers.get("authorization") == f"Token token={token}":
        return None
    if "text/html" in request.headers.get("accept", ""):
        return Answer(None, 302), {"location": "/login"}
    return Answer({"login": "failed", "message": None}, 401), {}


async def _call(request: Request, tenant: Tenant, *, ui: bool) -> Call:
    body: Any = None
    form: dict[str, str | Upload] = {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await _form(request)
    else:
        sent = await request.body()
        if sent and kind == "text/plain":
            # live test: the vendor answers 500 to a text body, without its usual envelope
            return Call(tenant, "TEXT", {}, None, {}, "", ui)
        body = _json(sent) if sent else None
    return Call(
        tenant=tenant,
        method=request.method,
        query=dict(request.query_params),
        body=body,
        form=form,
        origin=f"{request.url.scheme}://{request.url.netloc}",
        ui=ui,
        job_fault=request.scope.get("sandbox.job_fault"),
    )


def _json(sent: bytes) -> Any:
    try:
        return json.loads(sent, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, INVALID) from None


def _no_constant(name: str) -> float:
    raise ValueError(name)


async def _form(request: Request) -> dict[str, str | Upload]:
    parts: dict[str, str | Upload] = {}
    try:
        async with request.form(max_part_size=1 << 20) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    kind = value.content_type or "application/octet-stream"
                    parts[name] = Upload(value.filename or "", kind, await value.read())
                else:
                    parts[name] = value
    except MultiPartException:
        raise Refused(400, INVALID) from None
    return parts


def _dispatch(call: Call, path: str) -> Answer:
    if call.method == "TEXT":
        return Answer({"error_code": 500}, 500)
    if path.split("/", 1)[0] == "leads" and call.tenant.edition == "suite":
        raise forbidden()
    found = ROUTES.find(call.method, path)
    if found is None:
        raise Refused(404, "Not found.")
    handler, call.args = found
    return handler(call)
