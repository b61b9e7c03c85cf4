"""The Freshsales sandbox's selectors, fields and their values, plan limits, seeding, and Classic."""

import re
from typing import Any

import pytest

from crmbook.sandbox.scenario import ScenarioError
from freshsales_tenant import Account, messages


def test_owners_answer_under_users() -> None:
    """The other selectors under their own name."""
    account = Account()
    assert {"users"} == set(account.get("selector/owners").json())
    assert {"lead_sources"} == set(account.get("selector/lead_sources").json())
    assert 404 == account.get("selector/nonsense").status_code


def test_the_default_pipeline_is_the_recorded_one() -> None:
    """Stages, probabilities and forecasts of a fresh tenant."""
    account = Account()
    pipeline = account.selector("deal_pipelines")["Default Pipeline"]
    rows = account.get(f"selector/deal_pipelines/{pipeline['id']}/deal_stages").json()["deal_stages"]
    assert [
        ("New", 20),
        ("Qualification", 30),
        ("Discovery", 40),
        ("Demo", 60),
        ("Negotiation", 80),
        ("Won", 100),
        ("Lost", 0),
    ] == [(row["name"], row["probability"]) for row in rows]
    assert ["Open"] * 5 + ["Closed Won", "Closed Lost"] == [row["forecast_type"] for row in rows]


def test_lifecycle_stages_are_told_by_type() -> None:
    """Renamed built-in stages keep their type; own ones are Custom."""
    account = Account(
        lifecycle_stages=[
            {"name": "Sales Qualified Lead start", "type": "Sales Qualified Lead", "statuses": ["Qualified"]},
            {"name": "Lead", "type": "Lead", "statuses": ["New"]},
            {"name": "Customer", "type": "Customer", "statuses": ["Won"]},
            {"name": "final Customer"},
        ]
    )
    rows = account.selector("lifecycle_stages")
    assert [("Sales Qualified Lead", True), ("Custom", False)] == [
        (rows[name]["type"], rows[name]["default"])
        for name in ("Sales Qualified Lead start", "final Customer")
    ]
    assert "Lead" == account.stage(account.contact()["id"])


def test_built_in_activity_types_have_internal_names() -> None:
    """Meeting is `appointment`."""
    types = Account().selector("sales_activity_types")
    assert ("appointment", "phone", False) == (
        types["Meeting"]["internal_name"],
        types["Phone"]["internal_name"],
        types["Reminder"]["show_in_conversation"],
    )


def fielded(field_type: str, *, choices: tuple[str, ...] = (), **switches: Any) -> Account:
    field = {"module": "contacts", "label": "F", "field_type": field_type, "choices": list(choices)}
    return Account(fields=[field], **switches)


@pytest.mark.parametrize(
    ("field_type", "sent", "shown"),
    [
        ("text", "x" * 256, "x" * 256),
        ("text", 7, "7"),
        ("textarea", "y" * 10_000, "y" * 10_000),
        ("number", 12345678901, 12345678901),
        ("number", "7.12345", 7.1234),
        ("number", 7.0, 7),
        ("checkbox", True, True),
        ("checkbox", None, False),
        ("date", "2024-05-03", "2024-05-03"),
        ("date", "2024-05-03T23:00:00Z", "2024-05-03"),
        ("date", "soon", None),
        ("datetime", "2024-05-03T12:00:00Z", "2024-05-03T08:00:00-04:00"),
        ("text", None, None),
        ("formula", 7, None),
    ],
)
def test_custom_values_read_back(field_type: str, sent: object, shown: object) -> None:
    """As the vendor's article lists types and lengths."""
    assert shown == fielded(field_type).contact(custom_field={"cf_f": sent})["custom_field"]["cf_f"]


@pytest.mark.parametrize(
    ("field_type", "sent"),
    [
        ("text", "x" * 257),
        ("textarea", "y" * 10_001),
        ("number", 123456789012),
        ("number", "many"),
        ("checkbox", "maybe"),
        ("text", {}),
    ],
)
def test_custom_values_that_do_not_fit_are_refused(field_type: str, sent: object) -> None:
    """With a 400 that names the field's label."""
    answer = fielded(field_type).post(
        "contacts", {"contact": {"email": "a@x.example", "custom_field": {"cf_f": sent}}}
    )
    assert 400 == answer.status_code


@pytest.mark.parametrize(
    ("written_as", "label", "number"), [("label", 200, 400), ("id", 400, 200), ("both", 200, 200)]
)
def test_dropdowns_take_labels_or_ids(written_as: str, label: int, number: int) -> None:
    """The tenant's switch decides; both read back as the label."""
    account = fielded("dropdown", choices=("gold", "silver"), dropdown_write=written_as)
    fields = account.get("settings/contacts/fields").json()["fields"]
    silver = next(f for f in fields if f["name"] == "cf_f")["choices"][1]
    assert {"id", "value", "position"} == set(silver)
    for status, sent in ((label, "silver"), (number, silver["id"])):
        answer = account.post(
            "contacts", {"contact": {"email": f"{sent}@x.example", "custom_field": {"cf_f": sent}}}
        )
        assert status == answer.status_code
        if status == 200:
            assert "silver" == answer.json()["contact"]["custom_field"]["cf_f"]


@pytest.mark.parametrize(
    ("shape", "sent", "status"),
    [
        ("array", ["b", "a"], 200),
        ("array", "a;b", 400),
        ("semicolon", "b;a", 200),
        ("semicolon", ["a"], 400),
        ("array", ["z"], 400),
    ],
)
def test_multi_selects_take_arrays_or_text(shape: str, sent: object, status: int) -> None:
    """They read back joined in the order of the choices."""
    account = fielded("multi_select_dropdown", choices=("a", "b", "c"), multi_write=shape)
    answer = account.post("contacts", {"contact": {"email": "a@x.example", "custom_field": {"cf_f": sent}}})
    assert status == answer.status_code
    if status == 200:
        assert "a;b" == answer.json()["contact"]["custom_field"]["cf_f"]


def test_unique_custom_fields_are_enforced() -> None:
    """On create and on update; blanks never collide."""
    account = Account(
        fields=[{"module": "deals", "label": "S", "field_type": "text", "api_name": "cf_s", "unique": True}]
    )
    account.deal(custom_field={"cf_s": "7"})
    other = account.deal()["id"]
    account.deal(custom_field={"cf_s": ""})
    answer = account.put(f"deals/{other}", {"deal": {"custom_field": {"cf_s": "7"}}})
    assert (400, ["7 already exists."]) == (answer.status_code, messages(answer))
    assert account.get(f"deals/{other}").json()["deal"]["custom_field"]["cf_s"] is None


def test_fields_and_forms_describe_a_custom_field() -> None:
    """Text ids; only the form tells uniqueness."""
    account = Account(
        fields=[
            {"module": "contacts", "label": "Src", "field_type": "text", "api_name": "cf_s", "unique": True}
        ]
    )
    field = account.get("settings/contacts/fields", include="field_group").json()["fields"][-1]
    assert ("cf_s", "Src", "text", False, "Contact") == tuple(
        field[k] for k in ("name", "label", "type", "default", "base_model")
    )
    assert isinstance(field["id"], str)
    (form,) = account.get("settings/contacts/forms").json()["forms"]
    row = form["fields"][0]["fields"][-1]
    assert {"unique": True, "system_field": False} == row["field_options"]


def created(account: Account, body: dict[str, Any]) -> Any:
    form = account.get("settings/contacts/forms").json()["forms"][0]["id"]
    return account.post(f"settings/contacts/forms/{form}/fields", body)


def test_creating_fields_is_a_switch() -> None:
    """Forbidden unless allowed; choices and uniqueness get lost unless that is allowed too."""
    body = {"label": "Last Webinar", "type": "dropdown", "choices": ["a"], "required": False}
    assert 403 == created(Account(), body).status_code
    answer = created(Account(allow_field_api=True), body)
    assert ("cf_last_webinar", []) == (answer.json()["field"]["name"], answer.json()["field"]["choices"])
    full = created(Account(allow_field_api=True, field_api_choices=True), body | {"internal_name": "web"})
    assert ("cf_web", ["a"]) == (
        full.json()["field"]["name"],
        [choice["value"] for choice in full.json()["field"]["choices"]],
    )
    assert 404 == Account(allow_field_api=True).post("settings/contacts/fields", body).status_code


@pytest.mark.parametrize(
    "body", [{"label": "X", "field_type": 1}, {"type": "text"}, {"label": "X", "type": "currency"}]
)
def test_fields_of_unknown_type_are_refused(body: dict[str, Any]) -> None:
    """Nobody knows the integer codes."""
    assert 400 == created(Account(allow_field_api=True), body).status_code


@pytest.mark.parametrize(
    ("edition", "plan", "field_type", "room"),
    [
        ("suite", "growth", "textarea", 5),
        ("suite", "free", "text", 0),
        ("suite", "pro", "textarea", 10),
        ("classic", "blossom", "text", 10),
    ],
)
def test_plans_limit_the_fields_of_a_module(edition: str, plan: str, field_type: str, room: int) -> None:
    """One more than the plan's number is a 400."""
    account = Account(edition=edition, plan=plan, allow_field_api=True)
    answers = [created(account, {"label": f"F{i}", "type": field_type}) for i in range(room + 1)]
    assert [200] * room + [400] == [a.status_code for a in answers]
    assert "limit" in messages(answers[-1])[0]


def test_existing_records_are_seeded_by_word() -> None:
    """Names and e-mails stand for ids."""
    account = Account(
        owners=[{"display_name": "A", "email": "a@x.example"}, {"display_name": "B", "email": "b@x.example"}],
        deal_reasons=["Price"],
        existing={
            "sales_accounts": [{"name": "Acme", "owner": "B@x.example"}],
            "contacts": [{"email": "c@x.example", "accounts": ["Acme"], "lifecycle_stage": "Customer"}],
            "deals": [
                {"name": "D", "amount": 1, "stage": "Demo", "account": "Acme", "contacts": ["c@x.example"]}
            ],
            "lists": [{"name": "L", "contacts": ["c@x.example"]}],
        },
    )
    deal = account.view("deals", "All Deals", include="contacts,sales_account,deal_stage")
    assert ("Acme", "c@x.example", "Demo") == (
        deal["sales_accounts"][0]["name"],
        deal["contacts"][0]["email"],
        deal["deal_stages"][0]["name"],
    )
    contact = account.view("contacts", "All Contacts", include="lists,lifecycle_stage")
    assert ("L", "Customer") == (contact["lists"][0]["name"], contact["lifecycle_stages"][0]["name"])
    assert {"Price"} == set(account.selector("deal_reasons"))


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"existing": {"deals": [{"name": "D", "account": "Acme"}]}}, "no sales_accounts with name Acme"),
        ({"existing": {"contacts": [{"first_name": "A"}]}}, "Need to fill this Email"),
        ({"existing": {"cases": []}}, "unknown key existing.cases"),
        ({"pipelines": [{"stages": []}]}, "a key is missing or of the wrong type: 'name'"),
        ({"lifecycle_stages": [{"name": "Lead", "type": "Lead"}]}, "no lifecycle stage of type Customer"),
        ({"account_name_uniqe": True}, "unknown key account_name_uniqe"),
        ({"plan": "garden"}, "plan garden is no suite plan"),
        ({"time_offset": 3}, "a key is missing or of the wrong type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_description_that_can_not_be_served_says_why(described: dict[str, Any], expected: str) -> None:
    """One line, as for any other file of a scenario."""
    with pytest.raises(ScenarioError, match=f"freshsales.json: {re.escape(expected)}"):
        Account(**described)


def classic(**described: Any) -> Account:
    return Account(edition="classic", **described)


def test_classic_has_leads_and_no_lifecycle() -> None:
    """Its selectors differ, its contacts need a last name and no e-mail."""
    account = classic()
    assert (404, 404) == tuple(
        account.get(f"selector/{n}").status_code for n in ("lifecycle_stages", "contact_statuses")
    )
    assert account.selector("lead_stages")["New"]["position"] == 1
    assert 400 == account.post("contacts", {"contact": {"email": "a@x.example"}}).status_code
    assert 200 == account.post("contacts", {"contact": {"last_name": "B"}}).status_code
    assert 404 == Account().get("selector/lead_stages").status_code


def test_a_lead_lives_through_its_module() -> None:
    """Create, view with include, update, list, delete."""
    account = classic()
    lead = account.post(
        "leads", {"lead": {"last_name": "Berg", "email": "a@x.example", "company": {"name": "Acme"}}}
    )
    lead_id = lead.json()["lead"]["id"]
    shown = account.get(f"leads/{lead_id}", include="lead_stage").json()
    assert ("New", {"name": "Acme"}) == (shown["lead_stages"][0]["name"], shown["lead"]["company"])
    account.put(f"leads/{lead_id}", {"lead": {"city": "Oslo"}})
    assert ["Oslo"] == [row["city"] for row in account.view("leads", "All Leads")["leads"]]
    assert "Last name can't be blank" in messages(account.post("leads", {"lead": {"email": "b@x.example"}}))
    assert account.delete(f"leads/{lead_id}").json() is True


def test_a_converted_lead_becomes_contact_account_and_deal() -> None:
    """Its notes move along; the lead is gone."""
    account = classic()
    sent = {"last_name": "Berg", "email": "a@x.example", "company": {"name": "Acme"}}
    lead = account.post("leads", {"lead": sent}).json()["lead"]["id"]
    account.post("notes", {"note": {"description": "n", "targetable_type": "Lead", "targetable_id": lead}})
    body = {"lead": {"last_name": "Berg", "deal": {"name": "D", "amount": 5}}}
    answer = account.post(f"leads/{lead}/convert", body).json()
    contact = answer["contact"]
    assert ("Acme", "D", "5.0") == (
        answer["sales_account"]["name"],
        answer["deal"]["name"],
        answer["deal"]["amount"],
    )
    assert ["Acme"] == [row["name"] for row in contact["sales_accounts"]]
    assert 1 == len(account.get(f"contacts/{contact['id']}/notes").json()["notes"])
    assert 404 == account.get(f"leads/{lead}").status_code


def test_classic_deals_leave_contacts_alone() -> None:
    """There is no lifecycle to move through."""
    account = classic()
    contact = account.contact()["id"]
    account.deal(contacts_added_list=[contact])
    shown = account.get(f"contacts/{contact}", include="lifecycle_stage").json()["contact"]
    assert shown["lifecycle_stage_id"] is None
