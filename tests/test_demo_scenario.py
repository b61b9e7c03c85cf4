"""The demo account is the same every time, valid, fictional, and fits what it is served by."""

import json
import re
from collections import Counter

import pytest

from crmbook.sandbox import demo
from crmbook.sandbox.freshsales.clock import Clock
from crmbook.sandbox.freshsales.seed import open_tenants
from crmbook.sandbox.scenario import check
from crmbook.sandbox.scenario_keys import KINDS
from crmbook.sandbox.store import Store
from demo_account import SEEDS, STEMS, Account


@pytest.fixture(scope="module", params=SEEDS, ids=[f"seed {seed}" for seed in SEEDS])
def account(request):
    return Account(request.param)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    """Nothing depends on the clock, the hash seed or what was generated before."""
    first, again, other = (dump(demo.scenario(seed)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_changing_a_scenario_leaves_the_next_one_alone():
    """Shared definitions are handed out as copies."""
    before = dump(demo.scenario())
    demo.scenario().usercom["agents"][0]["email"] = "changed@post.example"
    demo.scenario().usercom["users"][250]["attributes"]["plan_type"] = ["changed"]
    demo.scenario().freshsales["owners"].clear()
    assert before == dump(demo.scenario())


def test_passes_the_check_every_scenario_folder_must_pass(account):
    """Keys, ids and references are what a served scenario needs."""
    check(demo.scenario())
    assert sorted(KINDS) == sorted(account.rows)


def test_has_the_size_a_demo_is_promised_to_have(account):
    """Rows per file."""
    assert {kind: len(rows) for kind, rows in account.rows.items()} == {
        "users": 300, "companies": 90, "deals": 150, "pipelines": 3, "activities": 350, "activity_types": 8,
        "events": 400, "tags": 20, "lists": 3, "segments": 6, "attributes": 32, "agents": 6,
        "conversations": 40, "emails": 200, "campaigns": 3,
    }  # fmt: skip


def test_message_ids_are_unique_across_conversations(account):
    """A transcript is told apart by message id."""
    found = [m["id"] for talk in account.rows["conversations"] for m in talk["messages"]]
    assert len(found) == len(set(found))


def test_both_sides_of_the_split_are_well_filled(account):
    """Between half and two thirds of the contacts that move are leads."""
    movable = {p["id"] for p in account.rows["users"]} - account.unmoved - account.merged
    leads = account.leads - account.merged
    assert 0.5 <= len(leads) / len(movable) <= 0.66


def test_every_value_type_is_declared_and_used_for_some_record(account):
    """An attribute nobody fills would prove nothing."""
    used = {
        (kind, name) for kind in STEMS.values() for row in account.rows[kind] for name in row["attributes"]
    }
    declared = {(STEMS[a["content_type"]], a["name_std"]) for a in account.rows["attributes"]}
    types = {"boolean", "integer", "date", "datetime", "string", "fixed", "float", "json"}
    assert declared == used
    assert types == {a["value_type"] for a in account.rows["attributes"]}


def test_attributes_fit_the_plan_of_the_target(account):
    """The documented limits per field type of the default plan, Pro, if texts, moments and JSON all take text fields."""
    limits = {"text": 30, "choice": 10, "number": 50, "boolean": 50, "date": 50}
    form = {
        "string": "text", "json": "text", "datetime": "text", "fixed": "choice",
        "integer": "number", "float": "number", "boolean": "boolean", "date": "date",
    }  # fmt: skip
    counts = Counter((a["content_type"], form[a["value_type"]]) for a in account.rows["attributes"])
    assert "plan" not in account.target
    assert [key for key, count in counts.items() if count > limits[key[1]]] == []


def test_addresses_and_numbers_reach_nobody(account):
    """Every mail domain and web site ends in .example; every number that could be dialled is a fictional one."""
    text = json.dumps(account.rows, ensure_ascii=False) + json.dumps(account.target)
    domains = re.findall(r"(?<=[\w.+-]@)[\w.-]*\.\w+|(?<=//)[\w.-]+", text)
    assert {"example"} == {domain.rpartition(".")[2].casefold() for domain in domains}
    numbers = [n for p in account.rows["users"] if (n := re.sub(r"\D", "", p["phone_number"] or ""))]
    fictional = re.compile(r"447700900|493023125|33639980|120255501|46701740|02079460|063998|2025550|6$")
    assert [n for n in numbers if not fictional.match(n)] == []


def test_tenants_have_an_admin_and_seats_of_both_kinds():
    """The admin is first; somebody is inactive; base currency and one lifecycle stage of every type exist."""
    target = demo.scenario().freshsales
    assert target["owners"][0]["email"] == demo.ADMIN_EMAIL
    assert {True, False} == {owner["is_active"] for owner in target["owners"]}
    assert [c["currency_code"] for c in target["currencies"] if c["is_base"]] == ["EUR"]
    types = [stage["type"] for stage in target["lifecycle_stages"]]
    assert sorted(types) == ["Custom", "Customer", "Lead", "Sales Qualified Lead"]


@pytest.mark.parametrize("edition", ["suite", "classic"])
def test_both_tenants_open_in_either_edition(edition):
    """Every key is one the tenants know, and what is there already refers to what is there."""
    store = Store()
    tenants = open_tenants(store, Clock(store), edition=edition, described=demo.scenario().freshsales)
    kinds = ("owners", "currencies", "contacts", "sales_accounts", "deals")
    assert [tuple(len(t.table(kind)) for kind in kinds) for t in tenants.values()] == [(6, 3, 2, 2, 1)] * 2


def test_automations_are_twelve_and_two_of_them_are_off():
    """The inventory tells active from inactive, in the handoff's columns."""
    rows = demo.automations()
    columns = ["name", "trigger", "conditions", "actions", "active", "notes"]
    assert [columns] * 12 == [list(row) for row in rows]
    assert Counter(true=demo.ACTIVE_AUTOMATIONS, false=2) == Counter(row["active"] for row in rows)
    assert len({row["name"] for row in rows}) == 12


def dump(scenario):
    return json.dumps([scenario.usercom, scenario.freshsales], ensure_ascii=False)
