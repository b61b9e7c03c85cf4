"""Bulk upsert: accepted with a 202, worked off later, row by row, at most 100 a call.

A real importer found links silently lost (`bulk_drops_links`), bare strings for `emails` or `phone_numbers` in `data`
refused, and the whole call refused when its key is no unique field of the tenant. What a job's `data` holds is unknown:
here two counts and no ids, so clients must read back by key.
"""

import itertools
from typing import Any

from crmbook.sandbox.freshsales import records
from crmbook.sandbox.freshsales.call import Answer, Call, Handler, Route
from crmbook.sandbox.freshsales.errors import INVALID, Refused, missing
from crmbook.sandbox.freshsales.tenant import LOOKED_UP, Tenant
from crmbook.sandbox.store import Doc

_LIMIT = 100
_LINKS = {
    "contacts": ("sales_accounts", "sales_account_id"),
    "deals": ("contacts_added_list", "contacts_removed_list", "sales_account_id", "sales_account"),
    "sales_accounts": (),
    "leads": (),
}


def _accept(call: Call, kind: str) -> Answer:
    tenant, rows = call.tenant, call.object().get(kind)
    if not isinstance(rows, list) or not rows or not all(_is_row(row) for row in rows):
        raise Refused(400, INVALID)
    if len(rows) > _LIMIT:
        raise Refused(400, f"Only {_LIMIT} records can be upserted at a time")
    for row in rows:
        key, _ = _key(row)
        if key not in _known_keys(tenant, kind):
            raise Refused(400, f"{key} is not a unique field")
    job = {
        "id": tenant.new_id("jobs"),
        "kind": kind,
        "rows": rows,
        "status": "queued",
        "polls": 0,
        "accepted_s": tenant.clock.now(),
        "created_at": tenant.clock.iso(),
        "status_updated_at": tenant.clock.iso(),
        "fault": call.job_fault,
    }
    tenant.save("jobs", job)
    prefix = "/crm/sales/api" if tenant.edition == "suite" else "/api"
    url = f"{call.origin}{prefix}/job_statuses/{job['id']}"
    return Answer({"message": "The bulk upsert request has been accepted.", "job_status_url": url}, 202)


def _known_keys(tenant: Tenant, kind: str) -> set[str]:
    known = {*tenant.unique_fields(kind), *LOOKED_UP[kind]}
    return {"id"} | {"emails" if name == "email" else name for name in known}


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("data"), dict):
        return False
    return len(row) == 2 and isinstance(_key(row)[1], str | int)


def _key(row: Doc) -> tuple[str, Any]:
    return next((k, v) for k, v in row.items() if k != "data")


def settle(tenant: Tenant, *, everything: bool = False) -> None:
    """Works off the jobs that are due: long enough accepted, or all of them."""
    for job in [job for job in tenant.table("jobs").values() if job["status"] in {"queued", "in_progress"}]:
        if everything or tenant.clock.now() - job["accepted_s"] >= tenant.switch("job_delay_s"):
            _work_off(tenant, job)


def _work_off(tenant: Tenant, job: Doc) -> None:
    rows, fault = job["rows"], job["fault"]
    if fault == "job_fail":
        rows = []
    elif fault == "job_partial":
        rows = list(itertools.islice(rows, len(rows) // 2))
    errors = [error for error in (_error_of(tenant, job["kind"], row) for row in rows) if error]
    finished: Doc = {
        "status": "failed" if fault else "completed",
        "rows": [],
        "total": len(job["rows"]),
        "successful": len(rows) - len(errors),
        "failed": len(job["rows"]) - len(rows) + len(errors),
        "status_updated_at": tenant.clock.iso(),
    }
    tenant.save("jobs", job | finished)


def _error_of(tenant: Tenant, kind: str, row: Doc) -> str | None:
    tenant.in_bulk = True
    try:
        _apply(tenant, kind, row)
    except Refused as no:
        return "; ".join(no.messages)
    finally:
        tenant.in_bulk = False
    return None


def _apply(tenant: Tenant, kind: str, row: Doc) -> None:
    key, value = _key(row)
    data = dict(row["data"])
    for name in ("emails", "phone_numbers"):
        if isinstance(data.get(name), str):
            raise Refused(400, INVALID)
    if tenant.switch("bulk_drops_links"):
        for name in _LINKS[kind]:
            data.pop(name, None)
    hits = records.matches(tenant, kind, key, value)
    if len(hits) > 1 or (key == "id" and not hits):
        raise Refused(400, INVALID)
    if hits:
        records.update(tenant, kind, tenant.get(kind, hits[0]) or {}, data)
    else:
        records.create(tenant, kind, _with_key(data, key, value))


def _with_key(data: Doc, key: str, value: Any) -> Doc:
    """Creation needs the key's value in the record: the documented samples leave it out of `data`."""
    if key.startswith("cf_"):
        return data | {"custom_field": {key: value} | (data.get("custom_field") or {})}
    name = "email" if key == "emails" else key
    return data if name in data or key in data else data | {name: value}


def _status(call: Call) -> Answer:
    job = call.tenant.get("jobs", call.doc_id)
    if job is None:
        raise missing("jobs")
    if job["status"] in {"queued", "in_progress"}:
        job = call.tenant.save("jobs", job | {"polls": job["polls"] + 1, "status": "in_progress"})
        if job["polls"] >= call.tenant.switch("job_polls"):
            _work_off(call.tenant, job)
            job = call.tenant.get("jobs", call.doc_id) or job
    done = job["status"] in {"completed", "failed"}
    return Answer(
        {
            "id": str(job["id"]),
            "status": job["status"],
            "progress": 100 if done else 0,
            "data": {"successful": job["successful"], "failed": job["failed"]} if done else None,
            "job_type_name": "bulk_upsert",
            "created_at": call.tenant.local(job["created_at"]),
            "status_updated_at": call.tenant.local(job["status_updated_at"]),
        }
    )


def _of(kind: str) -> Handler:
    return lambda call: _accept(call, kind)


ROUTES: list[Route] = [
    *[("POST", f"{kind}/bulk_upsert", _of(kind)) for kind in _LINKS],
    ("GET", "job_statuses/:id", _status),
]
