"""One sha256 of what a realm holds, equal for two loads of the same data whatever ids and times they were given.

A record is labelled by its own content; references are replaced by the labels of what they point at, twice over, so a
note is told by the contact it hangs on and a contact by its account. Records in the recycle bin count, marked deleted.
Nulls, blanks, empty lists and unset checkboxes are the same as nothing.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any

from crmbook.sandbox.freshsales.words import words
from crmbook.sandbox.store import Doc, Store

RECORDS = words(
    "contacts sales_accounts deals leads tasks appointments notes sales_activities phone_calls lists documents"
    " document_links products"
)
CONFIGURATION = words(
    "owners pipelines stages lifecycle_stages contact_statuses currencies fields sales_activity_types"
    " sales_activity_outcomes lead_sources territories campaigns industry_types business_types deal_types"
    " deal_reasons deal_products deal_payment_statuses lead_stages lead_reasons task_types"
)
_VOLATILE = {
    *("id", "created_at", "updated_at", "deleted_at", "stage_updated_time", "completed_date", "creater_id"),
    *("updater_id", "content", "is_deleted", "position"),
}
_ONE = {
    "owner_id": "owners",
    "territory_id": "territories",
    "lead_source_id": "lead_sources",
    "campaign_id": "campaigns",
    "contact_status_id": "contact_statuses",
    "lifecycle_stage_id": "lifecycle_stages",
    "sales_account_id": "sales_accounts",
    "parent_sales_account_id": "sales_accounts",
    "industry_type_id": "industry_types",
    "business_type_id": "business_types",
    "currency_id": "currencies",
    "deal_pipeline_id": "pipelines",
    "deal_stage_id": "stages",
    "deal_type_id": "deal_types",
    "deal_reason_id": "deal_reasons",
    "deal_product_id": "deal_products",
    "deal_payment_status_id": "deal_payment_statuses",
    "task_type_id": "task_types",
    "outcome_id": "sales_activity_outcomes",
    "sales_activity_outcome_id": "sales_activity_outcomes",
    "sales_activity_type_id": "sales_activity_types",
    "lead_stage_id": "lead_stages",
    "lead_reason_id": "lead_reasons",
    "note_id": "notes",
    "of_call": "phone_calls",
}
_MANY = {"contact_ids": "contacts", "list_ids": "lists", "user_ids": "owners"}
_ROWS = {"sales_accounts": "sales_accounts", "products": "products"}
_TARGETS = {"Contact": "contacts", "SalesAccount": "sales_accounts", "Deal": "deals", "Lead": "leads"}
_ATTENDEES = {"Contact": "contacts", "FdMultitenant::User": "owners"}

Reference = tuple[str, str, int]  # name of the key, kind, id


def of_realm(
    store: Store, realm: str, *, everything: bool = False, without: Collection[str] = frozenset()
) -> str:
    """
    The hash of a tenant's records, of its configuration too with *everything*; of all rows for the source.

    *without* leaves out kinds of a tenant (lists, documents…), and `bin` what lies in the recycle bin.
    """
    if realm == "usercom":
        return _digest([[k, store.table(realm, k).values()] for k in store.kinds(realm) if k != "settings"])
    docs = {
        (kind, doc["id"]): doc
        for kind in RECORDS + CONFIGURATION
        for doc in store.table(realm, kind).values()
    }
    own: dict[tuple[str, int], str] = {}
    references: dict[tuple[str, int], list[Reference]] = {}
    for (kind, doc_id), doc in docs.items():
        content, references[kind, doc_id] = _split(doc)
        own[kind, doc_id] = _digest([kind, bool(doc.get("is_deleted")), content])
    labels = own
    for _ in range(3):
        labels = {
            key: _digest([own[key], sorted([n, labels.get((k, i), "gone")] for n, k, i in references[key])])
            for key in docs
        }
    kinds = set(RECORDS + CONFIGURATION if everything else RECORDS)
    binned = {key for key, doc in docs.items() if doc.get("is_deleted")} if "bin" in without else set()
    return _digest(
        sorted(label for key, label in labels.items() if key[0] in kinds - set(without) and key not in binned)
    )


def _split(doc: Doc) -> tuple[Doc, list[Reference]]:
    content: Doc = {}
    references = list(_by_type(doc))
    for name, value in doc.items():
        if name in _VOLATILE or name in {"targetable_id", "attendees"}:
            continue
        if name in _ONE:
            references += [(name, _ONE[name], value)] if value else []
        elif name in _MANY:
            references += [(name, _MANY[name], i) for i in value]
        elif name in _ROWS:
            references += [(name + _digest(_bare(row)), _ROWS[name], row["id"]) for row in value]
        else:
            content[name] = _bare(value)
    return {name: value for name, value in content.items() if not _empty(value)}, references


def _by_type(doc: Doc) -> Iterator[Reference]:
    if doc.get("targetable_id") and doc.get("targetable_type") in _TARGETS:
        yield "target", _TARGETS[doc["targetable_type"]], doc["targetable_id"]
    for attendee in doc.get("attendees", ()):
        yield "attendee", _ATTENDEES[attendee["attendee_type"]], attendee["attendee_id"]


def _bare(value: Any) -> Any:
    """Nested content without ids, times, nothings and the order of lists."""
    if isinstance(value, dict):
        kept = {name: _bare(inner) for name, inner in value.items() if name not in _VOLATILE}
        return {name: inner for name, inner in kept.items() if not _empty(inner) and inner is not False}
    if isinstance(value, list):
        return sorted((_bare(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
