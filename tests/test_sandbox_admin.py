"""The sandbox's admin side, planned faults, and the servers on real sockets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.server import Sandbox

TEST = "freshsales_test"
QUICK = {"index_delay_s": 0, "requests_per_hour": 100_000, "bulk_drops_links": False}


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(switches=QUICK) as box:
        yield box


@pytest.fixture
def box(shared: Sandbox) -> Sandbox:
    """A sandbox in its first state."""
    shared.admin("POST", "reset")
    return shared


def crm(box: Sandbox, realm: str = TEST, **options: Any) -> httpx.Client:
    """A client with the tenant's key."""
    where = box.ready[realm]
    headers = {"Authorization": f"Token token={where['token']}"}
    return httpx.Client(base_url=where["base_url"] + "/", headers=headers, trust_env=False, **options)


def load(client: httpx.Client, order: list[str]) -> dict[str, int]:
    """Two accounts, two linked contacts and a deal with a note, created in the given order of names."""
    ids: dict[str, int] = {}
    for name in order:
        answer = client.post("sales_accounts", json={"sales_account": {"name": f"Firm {name}"}})
        company = answer.json()["sales_account"]["id"]
        links = [{"id": company, "is_primary": True}]
        body = {"contact": {"email": f"{name}@x.example", "sales_accounts": links}}
        ids[name] = client.post("contacts", json=body).json()["contact"]["id"]
        deal = {"name": "Deal", "amount": 5, "contacts_added_list": [ids[name]], "sales_account_id": company}
        client.post("deals", json={"deal": deal})
        note = {"description": f"about {name}", "targetable_type": "Contact", "targetable_id": ids[name]}
        client.post("notes", json={"note": note})
    return ids


def state_hash(box: Sandbox, realm: str = TEST, scope: str = "records") -> str:
    return str(box.admin("GET", f"state/hash?realm={realm}&scope={scope}")["sha256"])


def test_the_hash_does_not_depend_on_ids_order_or_time(box: Sandbox) -> None:
    """Two tenants, loaded in another order, an hour apart."""
    with crm(box) as client:
        load(client, ["a", "b"])
    box.admin("POST", "clock", {"advance_s": 3600})
    with crm(box, "freshsales_production") as client:
        load(client, ["b", "a"])
    assert state_hash(box) == state_hash(box, "freshsales_production")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("contacts", {"city": "Oslo"}),
        ("contacts", {"sales_accounts": []}),
        ("contacts", {"email": "other@x.example"}),
        ("deals", {"contact_ids": []}),
        ("deals", {"amount": "500.0"}),
        ("deals", {"closed_date": "2024-01-01"}),
        ("notes", {"description": "other"}),
        ("notes", {"targetable_id": None}),
        ("sales_accounts", {"name": "Other"}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_the_hash_sees_every_planted_change(box: Sandbox, kind: str, change: dict[str, Any]) -> None:
    """A raw edit of one field or link of one record; undoing it brings the hash back."""
    with crm(box) as client:
        load(client, ["a", "b"])
    before = state_hash(box)
    doc = box.admin("GET", f"{TEST}/{kind}")[0]
    box.admin("PUT", f"{TEST}/{kind}/{doc['id']}", change)
    assert before != state_hash(box)
    box.admin("PUT", f"{TEST}/{kind}/{doc['id']}", {key: doc.get(key) for key in change})
    assert before == state_hash(box)


def test_the_hash_sees_links_swapped_between_equal_records(box: Sandbox) -> None:
    """Each contact keeps one account, but the other one."""
    with crm(box) as client:
        load(client, ["a", "b"])
    before = state_hash(box)
    first, second = box.admin("GET", f"{TEST}/contacts")
    for doc, other in ((first, second), (second, first)):
        box.admin("PUT", f"{TEST}/contacts/{doc['id']}", {"sales_accounts": other["sales_accounts"]})
    assert before != state_hash(box)


def test_deleting_shows_in_the_hash_until_it_is_forgotten(box: Sandbox) -> None:
    """A binned record is neither absent nor alive."""
    empty = state_hash(box)
    with crm(box) as client:
        contact = client.post("contacts", json={"contact": {"email": "a@x.example"}}).json()["contact"]["id"]
        alive = state_hash(box)
        client.delete(f"contacts/{contact}")
        binned = state_hash(box)
        client.delete(f"contacts/{contact}/forget")
    assert 3 == len({empty, alive, binned})
    assert empty == state_hash(box)


def test_configuration_counts_only_when_asked(box: Sandbox) -> None:
    """A new field changes the wide hash, not that of the records."""
    narrow, wide = state_hash(box), state_hash(box, scope="all")
    field = {"module": "contacts", "label": "F", "api_name": "cf_f", "field_type": "text"}
    box.admin("POST", f"{TEST}/fields", field)
    assert (True, False) == (narrow == state_hash(box), wide == state_hash(box, scope="all"))


def test_the_hash_waits_for_accepted_jobs(box: Sandbox) -> None:
    """What was accepted is part of the state."""
    empty = state_hash(box)
    with crm(box) as client:
        client.post("contacts/bulk_upsert", json={"contacts": [{"emails": "a@x.example", "data": {}}]})
    assert empty != state_hash(box)
    assert 1 == len(box.admin("GET", "state?realm=freshsales_test")[TEST]["contacts"])


def test_requests_are_counted_by_route(box: Sandbox) -> None:
    """Numbers become `:id`; broken requests count too."""
    before = box.admin("GET", f"requests?realm={TEST}")["total"]
    with crm(box) as client:
        client.get("contacts/123?include=owner")
        client.get("contacts/124")
    counted = box.admin("GET", f"requests?realm={TEST}")
    assert 2 == counted["total"] - before
    assert 2 <= counted["by_route"]["GET /contacts/:id"]


def test_an_admins_edit_shows_in_the_api(box: Sandbox) -> None:
    """Raw documents are merged without validation, and indexes follow."""
    with crm(box) as client:
        contact = client.post("contacts", json={"contact": {"email": "a@x.example"}}).json()["contact"]["id"]
        box.admin("PUT", f"{TEST}/contacts/{contact}", {"email": "not an address", "city": "Oslo"})
        assert "not an address" == client.get(f"contacts/{contact}").json()["contact"]["email"]
        assert 200 == client.post("contacts", json={"contact": {"email": "a@x.example"}}).status_code
        copy = box.admin("POST", f"{TEST}/contacts", {"email": "planted@x.example", "emails": []})
        assert 200 == client.get(f"contacts/{copy['id']}").status_code
        box.admin("DELETE", f"{TEST}/contacts/{copy['id']}")
        assert 404 == client.get(f"contacts/{copy['id']}").status_code


def test_documents_are_rewritten_exactly(box: Sandbox) -> None:
    """Changed, taken away and made at once, nothing stamped; written back, the whole state is what it was."""
    with crm(box) as client:
        load(client, ["a", "b"])
        before = box.admin("GET", f"state?realm={TEST}")
        first, second = before[TEST]["contacts"]
        strange = {"id": 7, "email": "c@x.example", "custom_field": {}, "created_at": first["created_at"]}
        spoilt = {
            str(first["id"]): first | {"created_at": "2001-01-01T00:00:00Z"},
            str(second["id"]): None,
            "7": strange,
        }
        box.admin("PUT", f"{TEST}/documents", {"contacts": spoilt})
        told = box.admin("GET", f"state?realm={TEST}")[TEST]["contacts"]
        assert [strange, spoilt[str(first["id"])]] == told
        assert 404 == client.get(f"contacts/{second['id']}").status_code
        box.admin(
            "PUT", f"{TEST}/documents", {"contacts": {str(d["id"]): d for d in (first, second)} | {"7": None}}
        )
        assert 200 == client.get(f"contacts/{second['id']}").status_code
    assert before == box.admin("GET", f"state?realm={TEST}")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nowhere/contacts", None, 404),
        ("GET", f"{TEST}/contacts/1", None, 404),
        ("PUT", f"{TEST}/settings", {"nonsense": 1}, 400),
        ("POST", "faults", [{"realm": TEST, "kind": "explode"}], 400),
        ("POST", "faults", [{"realm": TEST, "kind": "status", "wen": 1}], 400),
        ("POST", f"{TEST}/fields", {"module": "contacts"}, 400),
    ],
)
def test_admin_mistakes_are_named(box: Sandbox, method: str, path: str, body: Any, status: int) -> None:
    """One line under `error`."""
    answer = httpx.request(method, f"{box.ready['admin']['base_url']}/{path}", json=body, trust_env=False)
    assert (status, True) == (answer.status_code, bool(answer.json()["error"]))


def row(item_id: str, kind: str, **rest: str) -> dict[str, str]:
    columns = (
        "item_id kind module label api_name field_type choices pipeline stage probability position unique how status"
        " found"
    )
    return dict.fromkeys(columns.split(), "") | {"item_id": item_id, "kind": kind, "status": "missing"} | rest


def test_a_checklist_is_worked_off_as_an_admin_would(box: Sandbox) -> None:
    """Fields with choices and uniqueness, pipelines with stages, owners, settings; what is present is left."""
    rows = [
        row(
            "1",
            "custom_field",
            module="deals",
            label="Source id",
            api_name="cf_src",
            field_type="text",
            unique="true",
        ),
        row(
            "2",
            "custom_field",
            module="contacts",
            label="Tier",
            api_name="cf_t",
            field_type="dropdown",
            choices='["a"]',
        ),
        row(
            "3",
            "custom_field",
            module="contacts",
            label="Tier",
            api_name="cf_t",
            field_type="dropdown",
            choices='["a", "b"]',
        ),
        row("4", "pipeline", pipeline="Trips", position="2"),
        row("5", "stage", pipeline="Trips", stage="Inquiry", probability="12.5", position="1"),
        row("6", "stage", pipeline="Trips", stage="Travelled", probability="100", position="2"),
        row("7", "owner", label="Ola", api_name="ola@x.example"),
        row("8", "setting", api_name="currency:EUR"),
        row("9", "setting", api_name="workflows_off"),
        row("10", "setting", api_name="deal_reason:Too expensive"),
        row("11", "owner", label="Never", api_name="never@x.example", status="present"),
    ]
    answer = box.admin("POST", f"{TEST}/checklist", {"rows": rows})
    assert {"done": [str(i) for i in range(1, 11)], "refused": []} == answer
    with crm(box) as client:
        tier = client.get("settings/contacts/fields").json()["fields"][-1]
        assert ("cf_t", ["a", "b"]) == (tier["name"], [choice["value"] for choice in tier["choices"]])
        stages = client.get("selector/deal_stages").json()["deal_stages"]
        found = [(s["name"], s["probability"], s["forecast_type"]) for s in stages]
        assert {("Inquiry", 12.5, "Open"), ("Travelled", 100, "Closed Won")} <= set(found)
        owners = {owner["email"] for owner in client.get("selector/owners").json()["users"]}
        assert {"admin@sandbox.example", "ola@x.example"} == owners
        assert "EUR" in [c["currency_code"] for c in client.get("selector/currencies").json()["currencies"]]
    assert answer["done"] == box.admin("POST", f"{TEST}/checklist", {"rows": rows})["done"]


def test_a_checklist_is_refused_where_the_plan_ends(box: Sandbox) -> None:
    """Each refusal names its row and the reason."""
    box.admin("PUT", f"{TEST}/settings", {"plan": "growth"})
    unique = {"field_type": "text", "unique": "true", "module": "sales_accounts", "label": "U"}
    rows = [
        row("1", "pipeline", pipeline="Second"),
        row("2", "setting", api_name="currency:EUR"),
        row("3", "stage", pipeline="Second", stage="S"),
        row("4", "custom_field", api_name="cf_1", **unique),
        row("5", "custom_field", api_name="cf_2", **unique),
        row("6", "custom_field", module="contacts", label="L", api_name="cf_l", field_type="auto_complete"),
        row("7", "magic"),
    ]
    answer = box.admin("POST", f"{TEST}/checklist", {"rows": rows})
    assert (["4"], ["1", "2", "3", "5", "6", "7"]) == (
        answer["done"],
        [no["item_id"] for no in answer["refused"]],
    )
    assert all(no["reason"] for no in answer["refused"])


def test_the_clock_moves_quota_bin_and_stamps(box: Sandbox) -> None:
    """Everything the server dates follows."""
    before = box.admin("GET", "clock")["now"]
    after = box.admin("POST", "clock", {"advance_s": 86_400})["now"]
    assert before[:10] < after[:10]
    with crm(box) as client:
        contact = client.post("contacts", json={"contact": {"email": "a@x.example"}}).json()["contact"]
    # The tenant shows its own time zone, the clock tells UTC.
    assert datetime.fromisoformat(contact["created_at"]) >= datetime.fromisoformat(after)


@pytest.mark.parametrize(("kind", "kept"), [("drop_before", 0), ("drop_after", 1), ("truncate", 1)], ids=str)
def test_dropped_connections_are_transport_errors(box: Sandbox, kind: str, kept: int) -> None:
    """Before processing nothing is kept, after it everything is; the client can't tell."""
    box.admin(
        "POST", "faults", [{"realm": TEST, "kind": kind, "method": "POST", "path": "contacts$", "times": 1}]
    )
    with crm(box) as client:
        with pytest.raises(httpx.TransportError):
            client.post("contacts", json={"contact": {"email": "a@x.example"}})
        assert kept == len(box.admin("GET", f"{TEST}/contacts"))
        assert 1 - kept == (
            client.post("contacts", json={"contact": {"email": "a@x.example"}}).status_code == 200
        )


def test_status_faults_answer_instead_of_the_vendor(box: Sandbox) -> None:
    """Every second request, with body and headers as planned; the other realm is untouched."""
    fault = {
        "realm": TEST,
        "kind": "status",
        "status": 502,
        "body": "<h1>no</h1>",
        "headers": {"X-A": "1"},
        "every": 2,
    }
    box.admin("POST", "faults", [fault])
    with crm(box) as client, crm(box, "freshsales_production") as other:
        answers = [client.get("selector/owners") for _ in range(4)]
        assert [200, 502, 200, 502] == [a.status_code for a in answers]
        assert ("<h1>no</h1>", "1") == (answers[1].text, answers[1].headers["x-a"])
        assert {200} == {other.get("selector/owners").status_code for _ in range(2)}
        box.admin("DELETE", "faults")
        assert {200} == {client.get("selector/owners").status_code for _ in range(2)}


def test_random_faults_repeat_with_their_seed(box: Sandbox) -> None:
    """The same seed breaks the same requests."""
    fault = {"realm": TEST, "kind": "status", "status": 503, "probability": 0.5, "seed": 3}
    seen = []
    with crm(box) as client:
        for _ in range(2):
            box.admin("POST", "faults", [fault])
            seen.append([client.get("selector/owners").status_code for _ in range(12)])
    assert seen[0] == seen[1]
    assert {200, 503} == set(seen[0])


def test_a_delayed_answer_outlasts_the_clients_patience(box: Sandbox) -> None:
    """The request is processed all the same."""
    box.admin("POST", "faults", [{"realm": TEST, "kind": "delay", "delay_s": 0.4, "times": 1}])
    with crm(box, timeout=0.1) as client, pytest.raises(httpx.ReadTimeout):
        client.post("contacts", json={"contact": {"email": "a@x.example"}})
    with crm(box) as client:
        client.get("selector/owners")
    assert "a@x.example" in json.dumps(_eventually(box))


def _eventually(box: Sandbox) -> Any:
    for _ in range(2000):
        found = box.admin("GET", f"{TEST}/contacts")
        if found:
            return found
    return []


@pytest.mark.parametrize(("kind", "kept"), [("job_fail", 0), ("job_partial", 1)])
def test_jobs_can_fail_wholly_or_half_way(box: Sandbox, kind: str, kept: int) -> None:
    """Accepted with a 202, ending as failed."""
    box.admin("POST", "faults", [{"realm": TEST, "kind": kind, "path": "bulk_upsert"}])
    rows = [{"emails": f"{i}@x.example", "data": {}} for i in range(2)]
    with crm(box) as client:
        url = client.post("contacts/bulk_upsert", json={"contacts": rows}).json()["job_status_url"]
        client.get(url)
        assert "failed" == client.get(url).json()["status"]
    assert kept == len(box.admin("GET", f"{TEST}/contacts"))


def test_user_com_is_reachable_and_breakable_beside_it() -> None:
    """The source side runs in the same process, with faults of its own."""
    agent = {"id": 1, "name": "Ada", "email": "ada@x.example"}
    with Sandbox(Scenario({"agents": [agent]})) as box:
        source = box.ready["usercom"]
        headers = {"Authorization": f"Token {source['token']}"}
        with httpx.Client(base_url=source["base_url"], headers=headers, trust_env=False) as client:
            assert 200 == client.get("users/").status_code
            box.admin("POST", "faults", [{"realm": "usercom", "kind": "drop_before"}])
            with pytest.raises(httpx.TransportError):
                client.get("users/")
        assert "ada@x.example" == box.admin("GET", "usercom/agents/1")["email"]
        assert 64 == len(source["token"])
        assert 2 == box.admin("GET", "requests?realm=usercom")["by_route"]["GET /users/"]


def test_tls_is_trusted_only_with_the_sandboxes_authority() -> None:
    """The certificate's authority is in the ready line."""
    with Sandbox(switches=QUICK, tls=True) as box:
        url = box.ready[TEST]["base_url"]
        assert url.startswith("https://")
        with crm(box, verify=_trusting(box.ready["ca_file"])) as client:
            assert 200 == client.get("selector/owners").status_code
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)


def _trusting(ca_file: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=ca_file)


def test_classic_answers_under_its_own_prefix() -> None:
    """The edition decides the base URLs of both tenants."""
    with Sandbox(edition="classic", switches=QUICK) as box, crm(box) as client:
        assert box.ready[TEST]["base_url"].endswith("/api")
        assert 200 == client.get("leads/filters").status_code


SERVE = """
import json, sys
from pathlib import Path
from crmbook.sandbox.scenario import load
from crmbook.sandbox.server import serve
serve(port=0, edition="suite", scenario=load(None), state=Path(sys.argv[1]), tls=False,
      on_ready=lambda ready: print(json.dumps(ready), flush=True))
"""


def start(state: Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(state)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    """Same data, same key, after SIGKILL; SIGTERM ends it in good order."""
    state = tmp_path / "sandbox.db"
    for round_number in range(2):
        process, ready = start(state)
        where = ready[TEST]
        headers = {"Authorization": f"Token token={where['token']}"}
        with httpx.Client(base_url=where["base_url"], headers=headers, trust_env=False) as client:
            answer = client.post("/contacts", json={"contact": {"email": "a@x.example"}})
        assert [200, 400][round_number] == answer.status_code
        os.kill(process.pid, [signal.SIGKILL, signal.SIGTERM][round_number])
        assert [-signal.SIGKILL, 0][round_number] == process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
