"""The tenant measured: every contradiction of the vendor's sources, told apart, and nothing left behind."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from crmbook import probe, workspace_read
from crmbook.errors import Rejected, Unavailable
from crmbook.probe_canaries import PREFIX, canaries, email
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import freshsales
from crmbook.vendors.freshsales import Freshsales

REALM = "freshsales_test"
TENANT: dict[str, Any] = {
    "index_delay_s": 0.1,
    "job_polls": 1,
    "requests_per_hour": 100_000,
    "bin_reserves_email": True,
    "created_at_settable": False,
    "bulk_drops_links": True,
    "account_name_unique": True,
    "dropdown_write": "label",
    "multi_write": "array",
    "fields": [
        {"module": "contacts", "label": "Plan", "api_name": "cf_plan", "field_type": "dropdown", "choices": ["free", "paid"]},
        {"module": "sales_accounts", "label": "Topics", "api_name": "cf_topics", "field_type": "multi_select_dropdown", "choices": ["b", "a"]},
    ],
    "existing": {"contacts": [{"email": "somebody@x.example", "last_name": "Somebody"}]},
}  # fmt: skip
SWITCHED = ("dropdown_write", "multi_write", "account_name_unique", "bin_reserves_email", "created_at_settable", "bulk_drops_links", "email_required")  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def box(sandbox: Sandbox) -> Sandbox:
    sandbox.admin("POST", "reset")
    sandbox.admin("PUT", f"{REALM}/settings", {k: TENANT.get(k) for k in SWITCHED})
    return sandbox


@pytest.fixture
def client(box: Sandbox) -> Iterator[Freshsales]:
    target = box.ready[REALM]
    made = freshsales.connect("suite", target["base_url"], target["token"], attempts=2)
    with made.client:
        yield made


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])


def canary_count(box: Sandbox) -> int:
    docs = [
        doc for kind in ("contacts", "sales_accounts", "deals") for doc in box.admin("GET", f"{REALM}/{kind}")
    ]
    return sum(PREFIX in str(doc) for doc in docs)


def measured(client: Freshsales) -> dict[str, str]:
    found = probe.measure(client, workspace_read.read(client)["target_fields"])
    assert found["evidence"].str.len_chars().min() > 0  # type: ignore[operator]
    return dict(found.select("capability", "value").iter_rows())


def test_a_tenant_as_the_documents_have_it(box: Sandbox, client: Freshsales) -> None:
    """Every capability has a value and its evidence."""
    assert measured(client) == {
        "account_name_unique": "true",
        "bin_reserves_email": "true",
        "bulk_job_s": "1",
        "bulk_keeps_links": "false",
        "bulk_upsert": "true",
        "choice_write": "label",
        "created_at_settable": "false",
        "email_required": "true",
        "index_delay_s": "1",
        "multi_write": "array_label",
        "retry_after": "unknown",
    }


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({"dropdown_write": "id"}, {"choice_write": "id", "multi_write": "array_id"}),
        ({"dropdown_write": "both"}, {"choice_write": "label", "multi_write": "array_label"}),
        ({"multi_write": "semicolon"}, {"multi_write": "semicolon_label"}),
        ({"multi_write": "semicolon", "dropdown_write": "id"}, {"multi_write": "semicolon_id"}),
        ({"account_name_unique": False}, {"account_name_unique": "false"}),
        ({"bin_reserves_email": False}, {"bin_reserves_email": "false"}),
        ({"created_at_settable": True}, {"created_at_settable": "true"}),
        ({"email_required": False}, {"email_required": "false"}),
        ({"bulk_drops_links": False}, {"bulk_keeps_links": "true"}),
    ],
    ids=lambda case: " ".join(f"{k}={v}" for k, v in case.items()),
)
def test_each_contradiction_is_told_apart(
    box: Sandbox, client: Freshsales, switches: dict[str, Any], expected: dict[str, str]
) -> None:
    """A tenant of the other kind is measured as such."""
    box.admin("PUT", f"{REALM}/settings", switches)
    found = measured(client)
    assert {key: found[key] for key in expected} == expected


def test_nothing_is_left_behind(box: Sandbox, client: Freshsales) -> None:
    """State hash before and after are the same, the bin included."""
    before = state(box)
    measured(client)
    assert (state(box), canary_count(box)) == (before, 0)


def test_without_a_field_to_try_it_on_the_answer_is_unknown(box: Sandbox, client: Freshsales) -> None:
    """No dropdown, no multi-select: nothing is guessed."""
    found = probe.measure(client, workspace_read.read(client)["target_fields"].clear())
    unknown = found.filter(pl.col("value") == "unknown")["capability"].to_list()
    assert unknown == ["choice_write", "multi_write", "retry_after"]


FAULTS = {
    "bulk answers 500": ({"kind": "status", "status": 500, "path": "bulk_upsert"}, "unknown"),
    "there is no bulk": ({"kind": "status", "status": 404, "path": "bulk_upsert"}, "false"),
    "the job never ends well": ({"kind": "job_fail", "path": "bulk_upsert"}, "false"),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_bulk_that_does_not_work_is_no_bulk(
    box: Sandbox, client: Freshsales, fault: dict[str, Any], expected: str
) -> None:
    """Whatever keeps a job from making the contact, bulk is not relied on."""
    box.admin("POST", "faults", [{"realm": REALM, **fault}])
    assert measured(client)["bulk_upsert"] == expected
    assert canary_count(box) == 0


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_probe_that_fails_cleans_up(box: Sandbox, client: Freshsales, at: int) -> None:
    """A connection that breaks after a canary was made: the error comes through, the canary goes."""
    before = state(box)
    path = ["/contacts$", "/sales_accounts$", "/lookup"][at - 1]
    method = "GET" if at == 3 else "POST"
    kind = {"kind": "status", "status": 503} if at == 3 else {"kind": "drop_after"}
    fields = workspace_read.read(client)["target_fields"]
    times = {"times": 20} if at < 3 else {}
    box.admin("POST", "faults", [{"realm": REALM, "method": method, "path": path, **kind, **times}])
    with pytest.raises(Unavailable):
        probe.measure(client, fields)
    box.admin("DELETE", "faults")
    with canaries(client):
        assert canary_count(box) == 0
    assert state(box) == before


def test_a_probe_that_was_killed_is_cleaned_up_by_the_next(box: Sandbox, client: Freshsales) -> None:
    """Leftovers among the records and in the bin are found and removed before anything is measured."""
    before = state(box)
    for name in ("a", "c"):
        client.create("contacts", {"email": email(name), "last_name": f"{PREFIX}-{name}"})
    binned = client.create("contacts", {"email": email("d"), "last_name": f"{PREFIX}-d"})
    client.delete("contacts", int(binned["id"]))
    client.create("sales_accounts", {"name": f"{PREFIX}-a"})
    assert canary_count(box) == 4
    measured(client)
    assert (state(box), canary_count(box)) == (before, 0)


def test_only_canaries_are_ever_deleted(box: Sandbox, client: Freshsales) -> None:
    """A record that merely mentions the mark elsewhere stays."""
    client.create("contacts", {"email": "x@x.example", "last_name": "Y", "job_title": f"{PREFIX}-a"})
    measured(client)
    assert [d["email"] for d in box.admin("GET", f"{REALM}/contacts")] == [
        "somebody@x.example",
        "x@x.example",
    ]


def test_a_tenant_that_takes_no_contact_says_so(box: Sandbox, client: Freshsales) -> None:
    """A field the tenant requires of every contact: the refusal comes through instead of a guess."""
    box.admin(
        "POST",
        f"{REALM}/fields",
        {
            "module": "contacts",
            "label": "Must",
            "api_name": "cf_must",
            "field_type": "text",
            "required": True,
        },
    )
    with pytest.raises(Rejected, match="Must"):
        measured(client)
    assert canary_count(box) == 0
