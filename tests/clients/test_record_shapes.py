"""The sandbox's records against those of a real tenant, key for key and type for type.

`recorded_shapes.json` has the keys and types, no value, of the answers published in airbytehq/airbyte,
`airbyte-integrations/connectors/source-freshsales/integration_tests/expected_records.jsonl`. That connector
wrote numbers and lists through a schema of its time, so where later evidence knows better it decides, and the
difference is listed here with its reason. A null in a recording says nothing about a type.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freshsales_tenant import Account

Shape = dict[str, set[str]]
RECORDED: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("recorded_shapes.json").read_text())

_MONEY = ("number", "string", "amounts are decimal text in every other recording and in today's schema")
_LIST = ("string", "array", "the connector printed a list as text; today's schema says array")
_WHOLE = ("string", "integer", "text by a schema of the time; today's says integer")
# module and key -> (recorded type, type here, why)
DECIDED_OTHERWISE = {
    ("contacts", "emails"): _LIST,
    ("contacts", "system_tags"): _LIST,
    ("contacts", "open_deals_amount"): _MONEY,
    ("contacts", "won_deals_amount"): _MONEY,
    ("contacts", "sms_subscription_status"): _WHOLE,
    ("contacts", "subscription_status"): ("string", "integer", "an integer in other recordings"),
    ("contacts", "mcr_id"): _WHOLE,
    ("sales_accounts", "open_deals_amount"): _MONEY,
    ("sales_accounts", "won_deals_amount"): _MONEY,
    ("deals", "amount"): _MONEY,
    ("deals", "base_currency_amount"): _MONEY,
    ("deals", "expected_deal_value"): _MONEY,
    ("tasks", "status"): _WHOLE,
    ("tasks", "targetables"): _LIST,
    ("appointments", "is_allday"): (
        "string",
        "boolean",
        "Python's `False` as text; today's schema says boolean",
    ),
    ("appointments", "targetables"): _LIST,
}
# keys the recording lacks, and who has seen them
SEEN_ELSEWHERE = {
    "contacts": {"record_type_id": "recorded answers of another client"},
    "sales_accounts": {"record_type_id": "recorded answers of another client"},
    "deals": {
        "record_type_id": "tables that other clients fill from answers",
        "has_products": "the connector's own schema of today",
        "fc_widget_collaboration": "the connector takes it out of every record, for it holds tokens",
    },
    "tasks": {
        "targetables_with_email": "live tests of 2026",
        "has_multiple_emails": "live tests of 2026",
        "is_linkedin_type": "live tests of 2026",
        "user_ids": "live tests of 2026",
    },
    "appointments": {
        "can_checkout": "live tests of 2026",
        "note_id": "live tests of 2026",
        "appointment_attendee_ids": "live tests of 2026",
    },
}
# what the vendor derives from a history the sandbox does not keep
ALWAYS_NULL_HERE = {
    "contacts": {
        *("avatar", "last_contacted", "last_contacted_mode"),
        *("last_contacted_via_sales_activity", "last_contacted_sales_activity_mode"),
    },
    "sales_accounts": {
        *("last_contacted", "last_contacted_mode"),
        *("last_contacted_via_sales_activity", "last_contacted_sales_activity_mode"),
    },
    "deals": {
        *("last_contacted_via_sales_activity", "last_contacted_sales_activity_mode"),
        "deal_prediction_last_updated_at",
    },
    "tasks": set(),
    "appointments": set(),
}


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names[type(value)]


def _shape(records: list[dict[str, Any]]) -> Shape:
    """Types of every key over all records; the keys of `links` count as keys of the record."""
    shape: Shape = {}
    for record in records:
        links = {f"links.{name}": value for name, value in record.get("links", {}).items()}
        for key, value in (record | links).items():
            shape.setdefault(key, set()).add(_type(value))
    return shape


@pytest.fixture(scope="module")
def records() -> dict[str, list[dict[str, Any]]]:
    """A filled and a bare record of each kind, as its list shows them 40 days later."""
    account = Account(task_types=["Follow-up"])
    _fill(account)
    account.clock.advance(40 * 86_400)
    found = {kind: account.view(kind, view)[kind] for kind, view in VIEWS.items()}
    return found | {kind: account.get(kind).json()[kind] for kind in ("tasks", "appointments")}


VIEWS = {"contacts": "All Contacts", "sales_accounts": "All Accounts", "deals": "All Deals"}
_PLACE = {
    "address": "1 Quay",
    "city": "Gdynia",
    "state": "Pomerania",
    "zipcode": "81-001",
    "country": "Poland",
}
_SOCIAL = {"facebook": "1", "twitter": "ada", "linkedin": "ada-1"}


def _fill(account: Account) -> None:
    owner = next(iter(account.tenant.table("owners")))
    owned = {"owner_id": owner, "tags": ["vip"]}
    firm = account.account(
        "Acme", phone="+48 1", website="acme.example", number_of_employees=11, annual_revenue=5,
        **_PLACE, **_SOCIAL, **owned,
    )  # fmt: skip
    account.account("Bare")
    numbers = {"work_number": "1", "mobile_number": "2", "phone_numbers": [{"value": "3", "label": "fax"}]}
    person = account.contact(
        first_name="Ada", job_title="Buyer", time_zone="Warsaw", keyword="k", medium="m", external_id="e-1",
        sales_accounts=[{"id": firm["id"], "is_primary": True}], **_PLACE, **_SOCIAL, **numbers, **owned,
    )  # fmt: skip
    account.contact("bare@x.example")
    stages = account.selector("deal_stages")
    linked = {"sales_account_id": firm["id"], "contacts_added_list": [person["id"]], **owned}
    sold = account.deal("Sold", deal_stage_id=stages["Won"]["id"], **linked)
    account.deal(
        "Open", deal_stage_id=stages["New"]["id"], expected_close="2090-01-01", forecast_category=2, **linked
    )
    account.deal("Bare")
    for kind, target in (("Contact", person), ("SalesAccount", firm), ("Deal", sold)):
        at = {"targetable_type": kind, "targetable_id": target["id"]}
        _made(account, "notes", {"note": {"description": "Noted"} | at})
    _fill_activities(account, {"title": "Talk", "description": "About it", "owner_id": owner} | at)


def _fill_activities(account: Account, common: dict[str, Any]) -> None:
    outcome = next(iter(account.tenant.table("sales_activity_outcomes")))
    task_type = next(iter(account.tenant.table("task_types")))
    for status in (0, 1):
        task = {"due_date": "2019-05-03T10:00:00Z", "status": status, "task_type_id": task_type}
        _made(account, "tasks", {"task": common | task | {"outcome_id": outcome}})
    when = {"from_date": "2019-05-03T10:00:00Z", "end_date": "2019-05-03T11:00:00Z", "is_allday": False}
    _made(
        account, "appointments", {"appointment": common | when | {"location": "Pier", "time_zone": "Warsaw"}}
    )


def _made(account: Account, path: str, body: dict[str, Any]) -> None:
    answer = account.post(path, body)
    assert answer.is_success, answer.text


@pytest.mark.parametrize("kind", RECORDED)
def test_the_keys_are_those_of_the_recorded_tenant(
    kind: str, records: dict[str, list[dict[str, Any]]]
) -> None:
    """Neither a key too few nor one that nobody has seen."""
    assert set(RECORDED[kind]) | set(SEEN_ELSEWHERE[kind]) == set(_shape(records[kind]))


@pytest.mark.parametrize("kind", RECORDED)
def test_every_record_has_every_key(kind: str, records: dict[str, list[dict[str, Any]]]) -> None:
    """What has no value is null; the vendor leaves no key out of a record."""
    assert all(set(record) == set(records[kind][0]) for record in records[kind])


def _typed_keys(kind: str) -> Iterator[tuple[str, str]]:
    for key, types in RECORDED[kind].items():
        known = set(types.split("|")) - {"null"}
        if known:
            (recorded,) = known
            yield key, recorded


@pytest.mark.parametrize("kind", RECORDED)
def test_the_types_are_those_of_the_recorded_tenant(
    kind: str, records: dict[str, list[dict[str, Any]]]
) -> None:
    """Of each key whose type the recording shows; the exceptions are the listed ones, each still needed."""
    shape = _shape(records[kind])
    differing = {
        (kind, key): (recorded, *(shape[key] - {"null"}))
        for key, recorded in _typed_keys(kind)
        if shape[key] - {"null"} not in (set(), {recorded})
    }
    decided = {at: (old, new) for at, (old, new, _) in DECIDED_OTHERWISE.items() if at[0] == kind}
    assert decided == differing


@pytest.mark.parametrize("kind", RECORDED)
def test_only_derived_history_is_always_null(kind: str, records: dict[str, list[dict[str, Any]]]) -> None:
    """The types were compared on values: no other key of a known type stayed empty here."""
    shape = _shape(records[kind])
    assert ALWAYS_NULL_HERE[kind] == {key for key, _ in _typed_keys(kind) if shape[key] == {"null"}}


def test_an_email_of_a_contact_has_the_recorded_keys(records: dict[str, list[dict[str, Any]]]) -> None:
    """The recording shows the list as text, but whole."""
    emails = [email for record in records["contacts"] for email in record["emails"]]
    expected = {"id": {"integer"}, "value": {"string"}, "is_primary": {"boolean"}, "label": {"null"}}
    assert expected | {"_destroy": {"boolean"}} == _shape(emails)


@pytest.mark.parametrize("kind", ["tasks", "appointments"])
def test_a_target_has_the_recorded_keys(kind: str, records: dict[str, list[dict[str, Any]]]) -> None:
    """What a task or a meeting hangs on is an id and a class name."""
    targets = [target for record in records[kind] for target in record["targetables"]]
    assert {"id": {"integer"}, "type": {"string"}} == _shape(targets)
