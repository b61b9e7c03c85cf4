"""Finding a record by the source id it carries, however it hides."""

from collections.abc import Iterator
from typing import Any

import pytest

from crmbook.errors import DataError
from crmbook.sandbox.server import Sandbox
from crmbook.settle import MARK, Finder, carries, newest, patience_s
from crmbook.vendors import freshsales
from crmbook.vendors.freshsales import Freshsales

REALM = "freshsales_test"
TENANT: dict[str, Any] = {
    "index_delay_s": 0.3,
    "requests_per_hour": 100_000,
    "fields": [
        {"module": module, "label": "Id", "api_name": MARK, "field_type": "text"}
        for module in ("contacts", "sales_accounts", "deals")
    ],
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Freshsales]:
    sandbox.admin("POST", "reset")
    target = sandbox.ready[REALM]
    made = freshsales.connect("suite", target["base_url"], target["token"])
    with made.client:
        yield made


def account(client: Freshsales, name: str, source_id: str) -> int:
    return int(client.create("sales_accounts", {"name": name, "custom_field": {MARK: source_id}})["id"])


def test_a_new_record_is_found_at_once(client: Freshsales) -> None:
    """The newest page needs no index: no waiting at all."""
    made = account(client, "A", "5")
    waits: list[float] = []
    found = Finder(client, patience_s=9, sleep=waits.append).find("sales_accounts", "5")
    assert (found or {})["id"] == made
    assert waits == []


def test_a_write_of_a_broken_start_is_waited_for_until_it_can_be_worked_on_no_more(
    client: Freshsales,
) -> None:
    """Up to that moment and no longer, however little patience there is; what shows up on the way is taken."""
    for shown_at, expected in ((1_030.0, {"id": 7}), (2_000.0, None)):
        clock = [1_000.0]
        found = Finder(
            client, patience_s=0, until=1_060.0, clock=lambda at=clock: at[0],
            sleep=lambda wait_s, at=clock: at.__setitem__(0, at[0] + wait_s),
        ).patiently(lambda at=clock, shown=shown_at: {"id": 7} if at[0] >= shown else None)  # fmt: skip
        assert found == expected
        assert clock[0] < 1_060.0 if expected else clock[0] == 1_060.0


def test_an_older_record_is_found_when_the_index_knows_it(client: Freshsales) -> None:
    """Behind a hundred newer ones only lookup sees it, after its delay."""
    made = account(client, "Old", "5")
    for number in range(100):
        client.create("sales_accounts", {"name": f"New {number}"})
    found = Finder(client, patience_s=5).find("sales_accounts", "5")
    assert (found or {})["id"] == made
    assert made not in [record["id"] for record in newest(client, "sales_accounts")]


def test_nothing_is_there_only_after_patience(client: Freshsales) -> None:
    """The answer no comes after the whole wait, never before."""
    waits: list[float] = []
    assert Finder(client, patience_s=3, sleep=waits.append).find("deals", "5") is None
    assert sum(waits) == pytest.approx(3)


def test_a_deleted_record_the_index_still_shows_is_not_there(client: Freshsales) -> None:
    """Lookup may lag behind a deletion; the record itself decides."""
    made = client.create("contacts", {"email": "a@x.example", "external_id": "5"})
    Finder(client, patience_s=5).find("contacts", "5")
    client.delete("contacts", int(made["id"]))
    assert Finder(client, patience_s=0).find("contacts", "5") is None


def test_two_records_of_one_source_are_said(client: Freshsales) -> None:
    """Nobody can tell which one is meant: both ids are named, none is taken."""
    ids = sorted([account(client, "A", "5"), account(client, "B", "5")])
    with pytest.raises(DataError, match=f"records {ids[0]}, {ids[1]} both carry source id 5"):
        Finder(client, patience_s=0).find("sales_accounts", "5")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"external_id": "5"}, True),
        ({"external_id": 5}, True),
        ({"custom_field": {MARK: "5"}}, True),
        ({"external_id": "15", "custom_field": {MARK: "51"}}, False),
        ({"id": 5, "name": "5", "custom_field": None}, False),
    ],
    ids=["external", "number", "mark", "part-of-it", "elsewhere"],
)
def test_carries(record: dict[str, Any], expected: bool) -> None:
    """Only the mark itself counts, whole."""
    assert carries(record, "5") is expected


@pytest.mark.parametrize(
    ("capabilities", "seconds"),
    [
        ({"index_delay_s": "1"}, 3),
        ({"index_delay_s": "30"}, 20),
        ({"index_delay_s": "unknown"}, 20),
        ({}, 20),
    ],
    ids=["measured", "capped", "unknown", "never-measured"],
)
def test_patience(capabilities: dict[str, str], seconds: float) -> None:
    """Twice the measured delay and a second, at most what public clients saw."""
    assert patience_s(capabilities) == seconds
