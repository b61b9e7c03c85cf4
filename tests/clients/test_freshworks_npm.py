"""The npm client `freshworks-api` with its host replaced: contacts, accounts, deals and notes.

Where it does less than it says the client is at fault, and the test shows by what.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.crm import Crm, serving
from clients.environments import npm_client, tool

Outcome = dict[str, Any]
Call = Callable[..., Outcome]


@pytest.fixture(scope="module")
def modules() -> Path:
    return npm_client("freshworks_api")


@pytest.fixture
def crm() -> Iterator[Crm]:
    with serving("suite", filled=False) as made:
        yield made


@pytest.fixture
def call(crm: Crm, modules: Path) -> Call:
    """`call(method, argument)` is one call of the client: what it `returned`, or threw, and `printed`."""

    def one(method: str, argument: Any, token: str | None = None) -> Outcome:
        given = {"base_url": crm.base_url, "token": token or crm.token, "calls": [[method, argument]]}
        done = subprocess.run(
            [tool("node"), Path(__file__).parent / "freshworks_api" / "calls.cjs"],
            env={**os.environ, "NODE_PATH": str(modules)}, input=json.dumps(given),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (outcome,) = json.loads(done.stdout)
        return outcome | {"printed": done.stderr}

    return one


def _account(crm: Crm, name: str = "Acme") -> int:
    return int(crm.send("POST", "sales_accounts", {"sales_account": {"name": name}})["sales_account"]["id"])


def _contact(crm: Crm, email: str = "ada@people.example") -> int:
    body = {"contact": {"email": email, "last_name": "Berg"}}
    return int(crm.send("POST", "contacts", body)["contact"]["id"])


def _deal(crm: Crm, **fields: Any) -> int:
    return int(crm.send("POST", "deals", {"deal": {"name": "Rollout", "amount": 10, **fields}})["deal"]["id"])


def _only(crm: Crm, kind: str) -> dict[str, Any]:
    (row,) = crm.held(kind)
    return row


def test_an_account_is_created_found_and_renamed(crm: Crm, call: Call) -> None:
    """Its bodies are flat, without the documented wrapper, and are taken."""
    made = call("createAccount", {"name": "Acme"})["returned"]["sales_account"]
    assert _only(crm, "sales_accounts")["id"] == made["id"]
    found = call("searchForAccounts", "acme")["returned"]
    assert [(str(made["id"]), "sales_account", "Acme")] == [(r["id"], r["type"], r["name"]) for r in found]
    call("updateAccount", {"id": made["id"], "name": "Acme North"})
    assert "Acme North" == _only(crm, "sales_accounts")["name"]


def test_a_contact_is_created_found_and_changed(crm: Crm, call: Call) -> None:
    """With its account; what the update does not name stays."""
    firm = _account(crm)
    person = {"firstName": "Ada", "lastName": "Berg", "email": "ada@people.example", "salesAccountId": firm}
    made = call("createContact", person)["returned"]["contact"]
    kept = _only(crm, "contacts")
    assert (made["id"], "Ada", "Berg") == (kept["id"], kept["first_name"], kept["last_name"])
    assert [{"id": firm, "is_primary": True}] == kept["sales_accounts"]
    found = call("searchForContacts", "ada@people")["returned"]
    assert [(str(made["id"]), "Acme")] == [(r["id"], r["primary_sales_account_name"]) for r in found]
    call("updateContact", {"id": made["id"], "jobTitle": "Buyer"})
    assert kept | {"job_title": "Buyer"} == {
        **_only(crm, "contacts"), "updated_at": kept["updated_at"]
    }  # fmt: skip


def test_a_deal_is_created_found_and_changed(crm: Crm, call: Call) -> None:
    """Empty texts for type, owner and pipeline, the client's defaults, mean none."""
    firm = _account(crm)
    stages = {row["name"]: row["id"] for row in crm.held("stages")}
    deal = {"name": "Rollout", "amount": 1234.5, "sales_account_id": firm, "deal_stage_id": stages["Demo"]}
    made = call("createDeal", deal)["returned"]["deal"]
    kept = _only(crm, "deals")
    assert ("Rollout", "1234.5", stages["Demo"]) == (kept["name"], kept["amount"], kept["deal_stage_id"])
    found = call("searchForDeals", "roll")["returned"]
    assert [(str(made["id"]), "Acme", "Demo")] == [
        (r["id"], r["sales_account_name"], r["stage_name"]) for r in found
    ]
    call("updateDeal", {"id": made["id"], "amount": 20, "deal_stage_id": stages["Won"]})
    changed = _only(crm, "deals")
    assert ("20.0", 100) == (changed["amount"], changed["probability"])


@pytest.mark.parametrize("kind", ["Contact", "SalesAccount", "Deal"])
def test_a_note_is_created_on_a_record(kind: str, crm: Crm, call: Call) -> None:
    """The only thing the client can do with notes; it has no search and no update for them."""
    target = {"Contact": _contact, "SalesAccount": _account, "Deal": _deal}[kind](crm)
    note = {"description": "<b>Called</b>", "targetableId": str(target), "targetableType": kind}
    made = call("createNote", note)["returned"]["note"]
    assert [{"id": target, "type": kind}] == made["targetables"]
    kept = _only(crm, "notes")
    assert (made["id"], "<b>Called</b>", target) == (kept["id"], kept["description"], kept["targetable_id"])


def test_a_single_record_comes_with_the_last_include_only(crm: Crm, call: Call) -> None:
    """The client repeats `include=`; the reference wants one comma-separated list, which brings them all."""
    firm, person = _account(crm), _contact(crm)
    crm.send("PUT", f"contacts/{person}", {"contact": {"sales_accounts": [{"id": firm, "is_primary": True}]}})
    deal = _deal(crm, contacts_added_list=[person], sales_account_id=firm)
    asked = call("getContact", person)["returned"]
    assert {"contact", "notes"} == set(asked)
    assert "sales_accounts" not in asked["contact"]
    whole = crm.send("GET", f"contacts/{person}?include=sales_accounts,deals,notes", None)
    assert [firm] == [row["id"] for row in whole["contact"]["sales_accounts"]]
    assert [deal] == [row["id"] for row in whole["deals"]]
    assert {"deal", "contacts"} == set(call("getDeal", deal)["returned"])


def test_a_contact_without_an_account_fails_by_the_clients_default(crm: Crm, call: Call) -> None:
    """It always sends an account, of id 0 unless told; without that key the same contact is taken."""
    person = {"email": "ada@people.example", "lastName": "Berg"}
    outcome = call("createContact", person)
    assert outcome["returned"] is None
    assert "Sales account doesn't exist" in outcome["printed"]
    assert [] == crm.held("contacts")
    assert _contact(crm) == _only(crm, "contacts")["id"]


def test_a_deals_contacts_are_lost_by_the_clients_names(crm: Crm, call: Call) -> None:
    """`contact_ids` and `contactIds` are keys the vendor drops; documented is `contacts_added_list`."""
    person = _contact(crm)
    made = call("createDeal", {"name": "Rollout", "amount": 1, "contactId": person})["returned"]["deal"]
    assert [] == _only(crm, "deals")["contact_ids"]
    call("updateDeal", {"id": made["id"], "contactIds": [person]})
    assert [] == _only(crm, "deals")["contact_ids"]
    crm.send("PUT", f"deals/{made['id']}", {"deal": {"contacts_added_list": [person]}})
    assert [person] == _only(crm, "deals")["contact_ids"]


@pytest.mark.parametrize(
    ("method", "argument", "sentence"),
    [
        ("createAccount", {"name": "acme"}, "Name has already been taken"),
        ("createAccount", {}, "Name can't be empty"),
        ("createDeal", {"name": " "}, "Deal name can't be empty"),
        ("createNote", {"targetableType": "Contact"}, "Description can't be blank"),
    ],
    ids=["taken name", "no name", "blank deal", "empty note"],
)
def test_a_refusal_is_printed_in_the_vendors_words(
    method: str, argument: Any, sentence: str, crm: Crm, call: Call
) -> None:
    """It reads them from `errors.message`, as this envelope has it."""
    _account(crm)
    outcome = call(method, argument)
    assert outcome["returned"] is None
    assert sentence in outcome["printed"]


def test_a_wrong_key_breaks_the_clients_own_error_handling(crm: Crm, call: Call) -> None:
    """The recorded 401 has no `errors`, which the client reads in any case; a search lets the 401 through."""
    assert {"thrown": "TypeError", "status": None, "printed": ""} == call(
        "createAccount", {"name": "A"}, "wrong"
    )
    assert {"thrown": "Error", "status": 401, "printed": ""} == call("searchForDeals", "a", "wrong")
