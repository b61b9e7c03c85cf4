"""What does this tenant do where the vendor's documents and its clients contradict each other?

Measured with a few canary records that are removed for good afterwards. A value is `unknown` where nothing
could be measured, with the reason as evidence; the load refuses what depends on an unknown. Figures in seconds
are rounded up to a step, so that two measurements of one tenant read the same.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.errors import ApiError, DataError, RateLimited, Rejected, Unavailable, masked
from crmbook.phases.payloads import MULTI_WRITES
from crmbook.probe_canaries import Canaries, canaries, email, label
from crmbook.settle import newest
from crmbook.vendors.freshsales import Freshsales

UNKNOWN: Final = "unknown"
STEPS_S: Final = (1, 2, 5, 10, 20, 30)
_LONG_AGO: Final = "2001-02-03T04:05:06Z"
_POLL_S: Final = 0.25
_ENDED: Final = ("completed", "complete", "finished", "success", "done", "failed", "partial", "error")

Record = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One capability: its value, and what was seen."""

    capability: str
    value: str
    evidence: str


@dataclass(frozen=True)
class _Field:
    module: str
    api_name: str
    ids: Mapping[str, str]


def measure(
    client: Freshsales, target_fields: pl.DataFrame, *, sleep: Callable[[float], None] = time.sleep
) -> pl.DataFrame:
    """
    CAPABILITIES of the tenant.

    `choice_write` label, id; `multi_write` array_label, array_id, semicolon_label, semicolon_id; true or
    false: `account_name_unique`, `email_required`, `created_at_settable`, `bin_reserves_email`,
    `bulk_upsert`, `bulk_keeps_links`; `index_delay_s`, `bulk_job_s` at most so many seconds.

    Raises:
        ApiError: the tenant refuses even the simplest contact or account; what was made is removed.
    """
    with canaries(client) as row:
        contact = row.create("contacts", _contact("a") | {"created_at": _LONG_AGO})
        account = row.create("sales_accounts", {"name": label("a")})
        findings = [
            _created_at(contact),
            _index_delay(client, sleep),
            _choice_write(row, target_fields, contact, account),
            _multi_write(row, target_fields, contact, account),
            _account_name_unique(row),
            _email_required(row),
            *_bulk(row, account, sleep),
            _bin_reserves_email(row, contact),
            Finding("retry_after", UNKNOWN, "no refusal for quota was provoked; both ways are handled"),
        ]
    rows = [{"capability": f.capability, "value": f.value, "evidence": f.evidence} for f in findings]
    return tables.conform(pl.DataFrame(rows, schema=tables.CAPABILITIES.columns), tables.CAPABILITIES)


def _contact(name: str) -> Record:
    return {"email": email(name), "last_name": label(name), "external_id": label(name)}


def _created_at(contact: Record) -> Finding:
    settable = str(contact.get("created_at", "")).startswith("2001-02-0")
    return Finding("created_at_settable", _bool(settable), "a contact created with a date of 2001, read back")


def _index_delay(client: Freshsales, sleep: Callable[[float], None]) -> Finding:
    found = _within(lambda: client.lookup("contacts", "external_id", label("a")), sleep)
    if found is None:
        return Finding("index_delay_s", UNKNOWN, f"lookup did not show a new contact for {STEPS_S[-1]} s")
    return Finding("index_delay_s", str(found), "seconds until lookup showed a new contact, rounded up")


def _choice_write(row: Canaries, fields: pl.DataFrame, contact: Record, account: Record) -> Finding:
    field = _field(fields, "dropdown")
    if field is None:
        return Finding("choice_write", UNKNOWN, "no custom dropdown with choices on contacts or accounts")
    wanted = next(iter(field.ids))
    for how, value in (("label", wanted), ("id", _number(field.ids[wanted]))):
        if _reads_back(row.client, field, value, contact, account) == [wanted]:
            return Finding(
                "choice_write", how, f"{field.module} {field.api_name} written by {how}, read back"
            )
    return Finding("choice_write", UNKNOWN, f"{field.api_name}: neither label nor id came back")


def _multi_write(row: Canaries, fields: pl.DataFrame, contact: Record, account: Record) -> Finding:
    field = _field(fields, "multi_select_dropdown")
    if field is None:
        return Finding("multi_write", UNKNOWN, "no custom multi-select with choices on contacts or accounts")
    labels = sorted(list(field.ids)[:2])
    for how in MULTI_WRITES:
        parts = [field.ids[label] for label in labels] if how.endswith("_id") else labels
        value = (
            ";".join(parts)
            if how.startswith("semicolon")
            else [_number(p) if how == "array_id" else p for p in parts]
        )
        if _reads_back(row.client, field, value, contact, account) == labels:
            return Finding("multi_write", how, f"{field.module} {field.api_name} written as {how}, read back")
    return Finding("multi_write", UNKNOWN, f"{field.api_name}: no way of writing two choices came back")


def _account_name_unique(row: Canaries) -> Finding:
    taken = not row.is_accepted("sales_accounts", {"name": label("a")})
    return Finding("account_name_unique", _bool(taken), "two accounts of one name")


def _email_required(row: Canaries) -> Finding:
    body = {"last_name": label("b"), "mobile_number": "+48 000 000 000", "external_id": label("b")}
    required = not row.is_accepted("contacts", body)
    return Finding("email_required", _bool(required), "a contact with a phone number and no e-mail")


def _bin_reserves_email(row: Canaries, contact: Record) -> Finding:
    row.client.delete("contacts", int(contact["id"]))
    reserved = not row.is_accepted("contacts", _contact("a"))
    return Finding(
        "bin_reserves_email", _bool(reserved), "a contact created with the e-mail of one in the bin"
    )


def _bulk(row: Canaries, account: Record, sleep: Callable[[float], None]) -> list[Finding]:
    link = {"id": account["id"], "is_primary": True}
    data = {"last_name": label("c"), "external_id": label("c"), "sales_accounts": [link]}
    try:
        job = row.client.bulk_upsert("contacts", [{"emails": email("c"), "data": data}])
        took_s = _within(lambda: str(row.client.job(job).get("status", "")).lower() in _ENDED, sleep)
    except RateLimited:
        raise
    except Unavailable as doubt:
        return [Finding("bulk_upsert", UNKNOWN, masked(str(doubt)))]
    except (ApiError, DataError) as refusal:
        return [Finding("bulk_upsert", _bool(value=False), masked(str(refusal)))]
    made = [r for r in newest(row.client, "contacts") if r.get("external_id") == label("c")]
    if not made:
        return [Finding("bulk_upsert", _bool(value=False), "the job was accepted, the contact never came")]
    record = row.client.view("contacts", int(made[0]["id"]), include=["sales_accounts"]) or {}
    kept = [link["id"] for link in record.get("sales_accounts") or []] == [account["id"]]
    return [
        Finding(
            "bulk_upsert", _bool(value=True), "one contact by a job; 100 a call by the vendor's documents"
        ),
        Finding("bulk_keeps_links", _bool(kept), "the account link of a contact made by a job, read back"),
        Finding("bulk_job_s", str(took_s or UNKNOWN), "seconds until the job said it ended, rounded up"),
    ]


def _field(fields: pl.DataFrame, kind: str) -> _Field | None:
    """The first custom field of this kind with choices, contacts before accounts."""
    fitting = fields.filter(
        (pl.col("field_type") == kind) & pl.col("is_custom") & (pl.col("choices").list.len() > 0)
    )
    for module in ("contacts", "sales_accounts"):
        for name, choices, ids in (
            fitting.filter(pl.col("module") == module)
            .sort("api_name")
            .select("api_name", "choices", "choice_ids")
            .iter_rows()
        ):
            return _Field(module, name, dict(zip(choices, ids, strict=False)))
    return None


def _reads_back(
    client: Freshsales, field: _Field, value: Any, contact: Record, account: Record
) -> list[str] | None:
    """The labels the field shows after *value* was written to it, sorted; None where it is refused."""
    record_id = int((contact if field.module == "contacts" else account)["id"])
    try:
        client.update(field.module, record_id, {"custom_field": {field.api_name: value}})
    except Rejected:
        return None
    shown = ((client.view(field.module, record_id) or {}).get("custom_field") or {}).get(field.api_name)
    client.update(field.module, record_id, {"custom_field": {field.api_name: None}})
    parts = shown if isinstance(shown, list) else str(shown or "").split(";")
    labels = {str(choice_id): label for label, choice_id in field.ids.items()}
    return sorted(labels.get(str(part), str(part)) for part in parts if part not in (None, ""))


def _within(holds: Callable[[], object], sleep: Callable[[float], None]) -> int | None:
    """The step of seconds within which *holds* came true, None after the last."""
    started = time.monotonic()
    while True:
        is_true, took_s = bool(holds()), time.monotonic() - started
        if is_true:
            return next((step for step in STEPS_S if took_s <= step), STEPS_S[-1])
        if took_s > STEPS_S[-1]:
            return None
        sleep(_POLL_S)


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _bool(value: bool) -> str:
    return "true" if value else "false"
