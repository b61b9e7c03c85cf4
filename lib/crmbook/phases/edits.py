"""What did somebody add to a record this run made, in fields the run never wrote?

The ledger vouches for the keys that were written. A key that was not is empty when the record is made, so whatever
stands in it later was put there by a person. Fields a tenant fills by itself are known by this: most of the records
of one module show the same value. Formulas and numbers the vendor counts are never a person's.
Invariant: keys that were written are not judged here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from crmbook.phases.images import CUSTOM
from crmbook.phases.restoring import Written

Record = Mapping[str, Any]

COMPUTED: Final = ("formula", "auto_number")
# The vendor's own fields that it leaves empty until a person fills them (vendor docs, recorded answers).
_EMPTY: Final[dict[str, tuple[str, ...]]] = {
    "contact": (
        "first_name", "job_title", "department", "address", "city", "state", "zipcode", "country", "mobile_number",
        "work_number", "facebook", "twitter", "linkedin", "tags", "phone_numbers", "sales_accounts",
    ),
    "company": (
        "phone", "website", "address", "city", "state", "zipcode", "country", "number_of_employees",
        "annual_revenue", "facebook", "twitter", "linkedin", "tags", "parent_sales_account_id",
    ),
    "deal": ("expected_close", "tags", "sales_account_id", "contact_ids", "has_products"),
    "task": ("description", "outcome_id", "user_ids"),
    "appointment": ("description", "location", "outcome_id", "appointment_attendee_ids"),
    "sales_activity": ("notes", "location", "sales_activity_outcome_id"),
}  # fmt: skip
_EMPTY["lead"] = tuple(key for key in _EMPTY["contact"] if key != "sales_accounts")
# The key under which a body carries what the record shows under another name.
_SENT_AS: Final = {"contact_ids": "contacts_added_list"}
# What the tenant sets itself when a record is made: told from an edit by what most records show.
_PRESET: Final = {"lead": ("lead_stage_id",)}
_ENOUGH: Final = 5


def presets(entity: str, records: Iterable[tuple[Written, Record]]) -> dict[str, str]:
    """
    What the tenant fills in by itself, by key: the value (as `repr`) that more than half of the *records* of one
    entity show alike where the run did not write the key; told by no fewer than five.
    """
    told: dict[str, Counter[str]] = {}
    for written, record in records:
        for key in _judged(entity, written, record):
            told.setdefault(key, Counter())[repr(_value(record, key))] += 1
    common = {key: (counts.most_common(1)[0], counts.total()) for key, counts in told.items()}
    return {key: value for key, ((value, n), total) in common.items() if total >= _ENOUGH and 2 * n > total}


def added(
    written: Written, record: Record, known: Mapping[str, str], computed: Collection[str] = ()
) -> list[str]:
    """
    The keys of *record* that this run did not write and that somebody filled.

    *known* are the `presets` of its entity, *computed* the names of custom fields nobody writes.
    """
    sent = _sent(written)
    keys = [
        key
        for key in _EMPTY.get(written.entity, ())
        if _SENT_AS.get(key, key) not in sent and record.get(key)
    ]
    keys += ["emails"] if len(record.get("emails") or []) > 1 else []
    judged = (
        key for key in _judged(written.entity, written, record) if key.removeprefix(CUSTOM) not in computed
    )
    keys += [key for key in judged if _is_own(key, _value(record, key), known)]
    return sorted(_SENT_AS.get(key, key) for key in keys)


def _judged(entity: str, written: Written, record: Record) -> list[str]:
    """The unwritten keys a tenant may fill by itself."""
    sent = _sent(written)
    keys = (*_PRESET.get(entity, ()), *(f"{CUSTOM}{name}" for name in record.get("custom_field") or {}))
    return [key for key in keys if key not in sent]


def _sent(written: Written) -> set[str]:
    custom = (f"{CUSTOM}{name}" for name in written.sent.get("custom_field") or {})
    return {*written.sent, *written.image, *custom}


def _is_own(key: str, value: Any, known: Mapping[str, str]) -> bool:
    if value in (None, "", False, []):
        return False
    # Without a usual value a stage may be the tenant's first one; a custom field is empty until somebody fills it.
    return known[key] != repr(value) if key in known else key.startswith(CUSTOM)


def _value(record: Record, key: str) -> Any:
    if key.startswith(CUSTOM):
        return (record.get("custom_field") or {}).get(key.removeprefix(CUSTOM))
    return record.get(key)
