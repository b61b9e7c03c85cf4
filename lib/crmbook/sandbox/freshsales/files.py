"""Uploaded files and links to files, and what hangs on a record. Nothing public deletes them.

One file is at most 150 MB and all together what the plan stores per user (vendor docs). The stored URL needs no key, like
the vendor's signed ones, and answers the very bytes that were uploaded.
"""

import base64
import hashlib

from crmbook.sandbox.freshsales import activities, columns, values
from crmbook.sandbox.freshsales.call import Answer, Body, Call, Handler, Route, Upload
from crmbook.sandbox.freshsales.defaults import STORAGE_GB
from crmbook.sandbox.freshsales.errors import INVALID, Refused, missing
from crmbook.sandbox.store import Doc

FILE_LIMIT_BYTES = 150 * 1024 * 1024


def _upload(call: Call) -> Answer:
    tenant, part = call.tenant, call.form.get("file")
    if not isinstance(part, Upload):
        raise Refused(400, INVALID)
    if len(part.content) > FILE_LIMIT_BYTES:
        raise Refused(400, "File size should not exceed 150 MB")
    used = sum(doc["content_file_size"] for doc in tenant.table("documents").values())
    seats = tenant.switch("users") or sum(1 for owner in tenant.live("owners") if owner["is_active"])
    if used + len(part.content) > STORAGE_GB[tenant.plan] * seats * 1024**3:
        raise Refused(400, "You have reached the storage limit of your plan")
    fields = {name: value for name, value in call.form.items() if isinstance(value, str)}
    doc = columns.stamped(tenant, "documents") | {
        "name": fields.get("file_name") or part.filename,
        "is_shared": fields.get("is_shared") == "true",
        "content_file_size": len(part.content),
        "content_content_type": part.content_type,
        "sha256": hashlib.sha256(part.content).hexdigest(),
        "content": base64.b64encode(part.content).decode(),
    }
    _attach(call, doc, fields)
    tenant.save("documents", doc)
    return Answer({"id": doc["id"], "url": _url(call, doc), "msg": "File uploaded successfully."})


def _attach(call: Call, doc: Doc, fields: Body) -> None:
    activities.target(call.tenant, doc, fields)
    if not doc.get("targetable_id"):
        raise Refused(400, INVALID)


def _link(call: Call) -> Answer:
    tenant, body = call.tenant, call.object()
    url = values.text(body.get("url"), "Url", 2048)
    if not url or "://" not in url:
        raise Refused(400, INVALID)
    doc = columns.stamped(tenant, "document_links") | {
        "url": url,
        "name": values.text(body.get("name"), "Name") or url,
        "is_shared": bool(values.flag(body.get("is_shared"), "Is shared")),
    }
    _attach(call, doc, body)
    tenant.save("document_links", doc)
    return Answer({"id": doc["id"], "url": url, "msg": "Link added successfully."})


def _url(call: Call, doc: Doc) -> str:
    prefix = "/crm/sales/api" if call.tenant.edition == "suite" else "/api"
    return f"{call.origin}{prefix}/files/{doc['id']}/{doc['sha256'][:16]}"


def _content(call: Call) -> Answer:
    doc = call.tenant.get("documents", call.doc_id)
    if doc is None or not doc["sha256"].startswith(call.args[1]):
        raise missing("documents")
    return Answer(None, raw=(base64.b64decode(doc["content"]), doc["content_content_type"]))


def _associations(call: Call, parent: str) -> Answer:
    tenant, parent_id = call.tenant, call.doc_id
    if tenant.get(parent, parent_id) is None:
        raise missing(parent)
    documents = tenant.related("documents", parent, parent_id)
    document_links = tenant.related("document_links", parent, parent_id)
    return Answer(
        {
            "documents": [_document(call, doc) for doc in documents],
            "document_links": [_common(call, doc) | {"url": doc["url"]} for doc in document_links],
            "document_associations": [
                {
                    "id": doc["id"] + 5_000_000,
                    "created_at": tenant.local(doc["created_at"]),
                    "creater_id": doc["creater_id"],
                    "attachable": {"type": kind, "id": doc["id"]},
                }
                for kind, docs in (("Document", documents), ("DocumentLink", document_links))
                for doc in docs
            ],
            "users": [],
        }
    )


def _common(call: Call, doc: Doc) -> Doc:
    return {
        "id": doc["id"],
        "name": doc["name"],
        "is_shared": doc["is_shared"],
        "created_at": call.tenant.local(doc["created_at"]),
        "is_attached": True,
        "creater_id": doc["creater_id"],
    }


def _document(call: Call, doc: Doc) -> Doc:
    size = doc["content_file_size"]
    return _common(call, doc) | {
        "url": _url(call, doc),
        "thumbnail_url": None,
        "content_file_size": size,
        "content_content_type": doc["content_content_type"],
        "content_updated_at": call.tenant.local(doc["created_at"]),
        "content_file_size_readable": f"{size} Bytes" if size < 1024 else f"{size / 1024:.1f} KB",
    }


def _of(parent: str) -> Handler:
    return lambda call: _associations(call, parent)


ROUTES: list[Route] = [
    ("POST", "documents", _upload),
    ("POST", "document_links", _link),
    ("GET", "files/:id/*", _content),
    *[
        ("GET", f"{parent}/:id/document_associations", _of(parent))
        for parent in ("contacts", "sales_accounts", "deals", "leads")
    ],
]
