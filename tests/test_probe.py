"""The tenant measured: every contradiction of the vendor's sources, told apart, and nothing left behind."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from crmbook import probe, workspace_read
from crmbook.errors import Rejected, Unavailable
from crmbook.probe_canaries import PREFIX, email
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import freshsales
from crmbook.vendors.freshsales import Freshsales

REALM = "freshsales_test"
TENANT: dict[str, Any] = {
    "index_delay_s": 0.1,
    "job_polls": 1,
    "requests_per_hour": 100_000,
    "requests_per_minute": 100_000,
    "bin_reserves_email": True,
    "created_at_settable": False,
    "bulk_drops_links": True,
    "account_name_unique": True,
    "dropdown_write": "label",
    "multi_write": "array",
    "fields": [
        *({"module": module, "label": "Mark", "api_name": "cf_usercom_original_id", "field_type": "text", "unique": True} for module in ("contacts", "sales_accounts", "deals")),
        {"module": "contacts", "label": "Plan", "api_name": "cf_plan", "field_type": "dropdown", "choices": ["free", "paid"]},
        {"module": "sales_accounts", "label": "Topics", "api_name": "cf_topics", "field_type": "multi_select_dropdown", "choices": ["b", "a"]},
    ],
    "existing": {"contacts": [{"email": "somebody@x.example", "last_name": "Somebody"}]},
}  # fmt: skip
SWITCHED = ("dropdown_write", "multi_write", "account_name_unique", "bin_reserves_email", "created_at_settable", "bulk_drops_links", "email_required", "bulk_dropdown_write", "bulk_multi_write", "allow_field_api", "workflows_on")  # fmt: skip


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
        doc
        for kind in ("contacts", "sales_accounts", "deals", "leads", "tasks")
        for doc in box.admin("GET", f"{REALM}/{kind}")
    ]
    return sum(PREFIX in str(doc) for doc in docs)


def clock_of(box: Sandbox) -> Callable[[float], object]:
    """A wait that moves the server's clock instead."""
    return lambda wait_s: box.admin("POST", "clock", {"advance_s": wait_s})


def measured(client: Freshsales, box: Sandbox | None = None) -> dict[str, str]:
    """The capabilities by name; with *box*, whoever waits moves the server's clock instead."""
    sleep = clock_of(box) if box else time.sleep
    found = probe.measure(client, workspace_read.read(client)["target_fields"], sleep=sleep)
    assert found["evidence"].str.len_chars().min() > 0  # type: ignore[operator]
    return dict(found.select("capability", "value").iter_rows())


def test_a_tenant_as_the_documents_have_it(box: Sandbox, client: Freshsales) -> None:
    """Every capability has a value and its evidence."""
    assert measured(client) == {
        "account_name_unique": "true",
        "bin_reserves_email": "true",
        "bulk_choice_write": "label",
        "bulk_job_polls": "1",
        "bulk_job_s": "1",
        "bulk_keeps_deal_links": "false",
        "bulk_keeps_links": "false",
        "bulk_key_contacts": "cf_usercom_original_id",
        "bulk_key_deals": "cf_usercom_original_id",
        "bulk_key_sales_accounts": "cf_usercom_original_id",
        "bulk_multi_write": "array_label",
        "bulk_size": "100",
        "bulk_upsert": "true",
        "bulk_upsert_deals": "true",
        "bulk_upsert_sales_accounts": "true",
        "choice_write": "label",
        "created_at_settable": "false",
        "email_required": "true",
        "field_api": "false",
        "index_delay_s": "1",
        "multi_write": "array_label",
        "probe_calls": "35",
        "retry_after": "unknown",
        "workflows_act": "false",
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
        ({"bulk_drops_links": False}, {"bulk_keeps_links": "true", "bulk_keeps_deal_links": "true"}),
        ({"bulk_dropdown_write": "id"}, {"choice_write": "label", "bulk_choice_write": "id"}),
        (
            {"bulk_multi_write": "semicolon"},
            {"multi_write": "array_label", "bulk_multi_write": "semicolon_label"},
        ),
        (
            {"bulk_dropdown_write": "id", "bulk_drops_links": False},
            {"bulk_upsert": "true", "bulk_keeps_links": "true", "bulk_multi_write": "array_id"},
        ),
        ({"allow_field_api": True}, {"field_api": "true"}),
        ({"workflows_on": True}, {"workflows_act": "true"}),
    ],
    ids=lambda case: " ".join(f"{k}={v}" for k, v in case.items()),
)
def test_each_contradiction_is_told_apart(
    box: Sandbox, client: Freshsales, switches: dict[str, Any], expected: dict[str, str]
) -> None:
    """A tenant of the other kind is measured as such, and nothing of it stays either."""
    before = state(box)
    box.admin("PUT", f"{REALM}/settings", switches)
    found = measured(client, box)
    assert {key: found[key] for key in expected} == expected
    assert state(box) == before


def test_nothing_is_left_behind(box: Sandbox, client: Freshsales) -> None:
    """State hash before and after are the same, the bin included."""
    before = state(box)
    measured(client)
    assert (state(box), canary_count(box)) == (before, 0)


def test_without_a_field_to_try_it_on_the_answer_is_unknown(box: Sandbox, client: Freshsales) -> None:
    """No dropdown, no multi-select: nothing is guessed."""
    found = probe.measure(client, workspace_read.read(client)["target_fields"].clear())
    unknown = found.filter(pl.col("value") == "unknown")["capability"].to_list()
    assert unknown == [
        "bulk_choice_write", "bulk_multi_write", "bulk_upsert_deals", "choice_write", "multi_write", "retry_after"
    ]  # fmt: skip


def test_a_key_the_tenant_does_not_know_leaves_the_documented_ones() -> None:
    """The source id is no unique field: contacts and accounts go by another key, deals have none."""
    fields = [{k: v for k, v in field.items() if k != "unique"} for field in TENANT["fields"]]
    with Sandbox(switches=TENANT | {"fields": fields}) as box:
        target = box.ready[REALM]
        found = measured(freshsales.connect("suite", target["base_url"], target["token"]))
    keys = {name: value for name, value in found.items() if name.startswith(("bulk_key", "bulk_upsert"))}
    assert keys == {
        "bulk_key_contacts": "external_id", "bulk_key_sales_accounts": "name", "bulk_key_deals": "none",
        "bulk_upsert": "true", "bulk_upsert_sales_accounts": "true", "bulk_upsert_deals": "false",
    }  # fmt: skip


def test_measurements_are_dated_and_say_what_they_cost(box: Sandbox, client: Freshsales) -> None:
    """One moment for all of them, in UTC; the calls stand beside them and are the server's count."""
    fields = workspace_read.read(client)["target_fields"]
    before = box.admin("GET", f"requests?realm={REALM}")["total"]
    found = probe.measure(client, fields)
    calls = box.admin("GET", f"requests?realm={REALM}")["total"] - before
    assert found["measured_at"].n_unique() == 1
    assert timedelta(0) <= datetime.now(UTC) - found["measured_at"][0] < timedelta(minutes=5)
    assert int(found.filter(pl.col("capability") == "probe_calls")["value"].item()) == calls <= 45


def test_whether_a_refusal_tells_how_long_to_wait_is_known_once_one_was_seen(
    box: Sandbox, client: Freshsales
) -> None:
    """No refusal is provoked; what the budget remembers is reported."""
    client.client.quota.observe(429, {"Retry-After": "0"})
    client.client.quota.observe(200, {})
    assert measured(client)["retry_after"] == "true"


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
    measured(client, box)
    assert (state(box), canary_count(box)) == (before, 0)


KILLED = """
import json, sys
from crmbook import probe, workspace_read
from crmbook.vendors import freshsales

told = json.loads(sys.argv[1])
client = freshsales.connect("suite", told["base_url"], told["token"])
probe.measure(client, workspace_read.read(client)["target_fields"])
"""


def jobs(box: Sandbox) -> int:
    routes = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    return sum(count for route, count in routes.items() if "bulk_upsert" in route)


class PowerCut(BaseException):
    """Nothing more leaves this process, cleaning up neither: for the server the same as SIGKILL."""


def cut_after(client: Freshsales, calls: int) -> None:
    """The first *calls* requests are answered; the answer to the last, and everything after it, is lost."""
    exchanged, left = client.client._exchanged, [calls]

    def counted(*arguments: Any) -> Any:
        if left[0] <= 0:
            raise PowerCut
        left[0] -= 1
        answer = exchanged(*arguments)
        if left[0] == 0:
            raise PowerCut
        return answer

    client.client._exchanged = counted  # type: ignore[method-assign]


@pytest.mark.parametrize("edition", ["suite", "classic"])
def test_a_probe_cut_short_at_any_moment_is_cleaned_up_by_the_next(edition: str) -> None:
    """After the n-th answer nothing follows; a second probe: the state is the one before, bin and jobs included."""
    with Sandbox(switches=TENANT | {"workflows_on": True}, edition=edition) as box:
        target = box.ready[REALM]
        before = state(box)
        for calls in range(1, 48, 5):
            client = freshsales.connect(edition, target["base_url"], target["token"])
            fields = workspace_read.read(client)["target_fields"]
            cut_after(client, calls)
            with contextlib.suppress(PowerCut):
                probe.measure(client, fields, sleep=clock_of(box))
            measured(freshsales.connect(edition, target["base_url"], target["token"]), box)
            assert (calls, state(box), canary_count(box)) == (calls, before, 0)


@pytest.mark.parametrize("edition", ["suite", "classic"])
def test_a_cleaning_up_that_is_cut_short_itself_is_finished_by_the_next(edition: str) -> None:
    """A probe cut amid its jobs, then the next one cut after the n-th answer: the third leaves the state from before."""
    with Sandbox(switches=TENANT | {"job_delay_s": 0.0}, edition=edition) as box:
        target = box.ready[REALM]
        before = state(box)
        fields = workspace_read.read(freshsales.connect(edition, target["base_url"], target["token"]))["target_fields"]  # fmt: skip
        for calls in range(2, 32, 3):
            for cut in (24, calls):
                client = freshsales.connect(edition, target["base_url"], target["token"])
                cut_after(client, cut)
                with contextlib.suppress(PowerCut):
                    probe.measure(client, fields, sleep=lambda _wait_s: None)
            measured(freshsales.connect(edition, target["base_url"], target["token"]), box)
            assert (calls, state(box), canary_count(box)) == (calls, before, 0)


def test_a_killed_probe_is_cleaned_up_by_the_next(box: Sandbox, client: Freshsales) -> None:
    """SIGKILL in the middle of the jobs, for real."""
    before, posted = state(box), jobs(box)
    target = box.ready[REALM]
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps({"base_url": target["base_url"], "token": target["token"]})]
    )
    while jobs(box) == posted:
        assert worker.poll() is None
        time.sleep(0.01)
    worker.kill()
    assert worker.wait() == -signal.SIGKILL
    assert canary_count(box) > 0
    measured(client, box)
    assert (state(box), canary_count(box)) == (before, 0)


def test_classic_measures_its_leads_too(box: Sandbox) -> None:
    """Leads have a bulk of their own; what it takes stays within the budget."""
    with Sandbox(switches=TENANT, edition="classic") as classic:
        target = classic.ready[REALM]
        before = state(classic)
        found = measured(freshsales.connect("classic", target["base_url"], target["token"]))
        assert (found["bulk_upsert_leads"], found["bulk_key_leads"]) == ("true", "emails")
        assert int(found["probe_calls"]) <= 45
        assert state(classic) == before


def test_what_an_earlier_probe_left_is_found_wherever_it_is(box: Sandbox, client: Freshsales) -> None:
    """Leftovers among the records and in the bin are found and removed before anything is measured."""
    before = state(box)
    for name in ("a", "c"):
        client.create("contacts", {"email": email(name), "last_name": f"{PREFIX}-{name}"})
    binned = client.create("contacts", {"email": email("d"), "last_name": f"{PREFIX}-d"})
    client.delete("contacts", int(binned["id"]))
    client.create("sales_accounts", {"name": f"{PREFIX}-a"})
    assert canary_count(box) == 4
    measured(client, box)
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
