"""The Freshsales sandbox's contacts, accounts and deals: writes, refusals, side effects, the recycle bin."""

import pytest

from freshsales_tenant import Account, messages


def test_a_contact_shows_the_keys_of_a_recorded_one() -> None:
    """No key of a real tenant's contact is missing; references appear only when included."""
    contact = Account().contact()
    recorded = (
        "id first_name last_name display_name avatar job_title city state zipcode country email emails time_zone"
        " work_number mobile_number address last_seen lead_score last_contacted open_deals_amount won_deals_amount"
        " links last_contacted_sales_activity_mode custom_field created_at updated_at keyword medium"
        " last_contacted_mode recent_note won_deals_count last_contacted_via_sales_activity"
        " completed_sales_sequences active_sales_sequences web_form_ids open_deals_count last_assigned_at facebook"
        " twitter linkedin is_deleted team_user_ids external_id work_email subscription_status subscription_types"
        " unsubscription_reason other_unsubscription_reason customer_fit whatsapp_subscription_status"
        " sms_subscription_status last_seen_chat first_seen_chat locale total_sessions system_tags first_campaign"
        " first_medium first_source last_campaign last_medium last_source latest_campaign latest_medium"
        " latest_source mcr_id phone_numbers tags"
    )
    assert set() == set(recorded.split()) - contact.keys()
    assert set() == {"owner_id", "lifecycle_stage_id", "contact_status_id", "sales_accounts"} & contact.keys()


def test_the_other_records_show_the_keys_of_recorded_ones() -> None:
    """Accounts and deals, key for key; a deal's owner, account and currency are not among them."""
    account = Account()
    company, deal = account.account(), account.deal()
    common = (
        "id name links custom_field created_at updated_at recent_note completed_sales_sequences is_deleted avatar"
        " active_sales_sequences last_assigned_at last_contacted_sales_activity_mode team_user_ids tags"
        " last_contacted_via_sales_activity"
    )
    of_account = (
        "address city state zipcode country number_of_employees annual_revenue website owner_id phone"
        " open_deals_amount open_deals_count won_deals_amount won_deals_count last_contacted last_contacted_mode"
        " facebook twitter linkedin parent_sales_account_id web_form_ids"
    )
    of_deal = (
        "amount base_currency_amount expected_close closed_date stage_updated_time probability deal_pipeline_id"
        " deal_stage_id age web_form_id upcoming_activities_time collaboration expected_deal_value"
        " forecast_category deal_prediction deal_prediction_last_updated_at freddy_forecast_metrics"
        " last_deal_prediction rotten_days"
    )
    assert set() == set(f"{common} {of_account}".split()) - company.keys()
    assert set() == set(f"{common} {of_deal}".split()) - deal.keys()


def test_an_open_deal_ages_and_goes_stale() -> None:
    """Thirty days after its last move."""
    account = Account()
    deal = account.deal()["id"]
    account.clock.advance(33 * 86_400)
    shown = account.get(f"deals/{deal}").json()["deal"]
    assert (33, 3) == (shown["age"], shown["rotten_days"])


def test_a_contact_needs_an_email() -> None:
    """A phone and an external id are not enough on Suite."""
    answer = Account().post("contacts", {"contact": {"mobile_number": "1", "external_id": "7"}})
    assert (400, True) == (answer.status_code, messages(answer)[0].startswith("Need to fill this Email"))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"email": "no-at"}, "invalid email address"),
        ({"email": "a@x.example", "first_name": "x" * 300}, "not in required length"),
        ({"email": "a@x.example", "contact_status_id": 1}, "Invalid contact status provided."),
        ({"email": "a@x.example", "lifecycle_stage_id": 1}, "Invalid lifecycle stage provided."),
        ({"email": "a@x.example", "owner_id": 1}, "Invalid owner provided."),
        ({"email": "a@x.example", "sales_accounts": [{"id": 1}]}, "Sales account doesn't exist"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_contact_refusals_speak_the_vendors_words(sent: dict[str, object], expected: str) -> None:
    """Each refusal is a 400 and leaves no contact behind."""
    account = Account()
    answer = account.post("contacts", {"contact": sent})
    assert (400, True) == (answer.status_code, expected in messages(answer)[0])
    assert 0 == account.view("contacts", "All Contacts")["meta"]["total"]


@pytest.mark.parametrize(
    "emails",
    [
        "a@x.example",
        ["a@x.example", "b@x.example"],
        [{"value": "b@x.example"}, {"value": "a@x.example", "is_primary": True}],
    ],
    ids=["text", "texts", "objects"],
)
def test_emails_come_in_three_forms(emails: object) -> None:
    """Text, texts and objects all set the primary address."""
    contact = Account().post("contacts", {"contact": {"emails": emails}}).json()["contact"]
    primary = [entry["value"] for entry in contact["emails"] if entry["is_primary"]]
    assert ("a@x.example", ["a@x.example"]) == (contact["email"], primary)


def test_primary_email_is_unique_without_regard_to_case() -> None:
    """Secondary addresses are not covered."""
    account = Account()
    account.contact("ada@x.example")
    answer = account.post("contacts", {"contact": {"email": "ADA@X.example"}})
    assert (400, ["ADA@X.example already exists."]) == (answer.status_code, messages(answer))
    second = [{"value": "b@x.example", "is_primary": True}, {"value": "ada@x.example"}]
    assert 200 == account.post("contacts", {"contact": {"emails": second}}).status_code


def test_unknown_keys_are_dropped_without_a_word() -> None:
    """Also custom fields outside `custom_field`, and unknown ones inside."""
    account = Account(fields=[{"module": "contacts", "label": "Tier", "field_type": "text"}])
    contact = account.contact(cf_tier="gold", nonsense=1, custom_field={"cf_other": "x"})
    assert {"cf_tier": None} == contact["custom_field"]
    assert "nonsense" not in contact


def test_null_clears_and_a_partial_update_keeps_the_rest() -> None:
    """A PUT changes what it names."""
    account = Account()
    contact = account.contact(job_title="CTO", city="Oslo")
    after = account.put(f"contacts/{contact['id']}", {"contact": {"city": None}}).json()["contact"]
    assert ("CTO", None) == (after["job_title"], after["city"])


def test_a_contact_keeps_exactly_one_primary_account() -> None:
    """The list is replaced by a write; the embedded accounts say which is primary."""
    account = Account()
    first, second = account.account("A")["id"], account.account("B")["id"]
    sent = [{"id": first, "is_primary": True}, {"id": second, "is_primary": True}]
    contact = account.contact(sales_accounts=sent)
    path = f"contacts/{contact['id']}"
    shown = account.get(path, include="sales_accounts").json()["contact"]["sales_accounts"]
    assert [(first, True), (second, False)] == [(row["id"], row["is_primary"]) for row in shown]
    account.put(path, {"contact": {"sales_accounts": [{"id": second, "is_primary": True}]}})
    shown = account.get(path, include="sales_accounts").json()["contact"]["sales_accounts"]
    assert [(second, True)] == [(row["id"], row["is_primary"]) for row in shown]


def test_a_new_contact_is_lead_and_new() -> None:
    """The default stage is the one of type Lead, with its first status."""
    account = Account()
    answer = account.get(
        f"contacts/{account.contact()['id']}", include="lifecycle_stage,contact_status"
    ).json()
    assert ("Lead", "New") == (answer["lifecycle_stages"][0]["type"], answer["contact_status"][0]["name"])
    assert answer["contact"]["contact_status_id"] in answer["lifecycle_stages"][0]["contact_status_ids"]


def test_a_status_of_another_stage_is_accepted() -> None:
    """The API does not check that the status belongs to the stage."""
    account = Account()
    lost = account.selector("contact_statuses")["Churned"]["id"]
    contact = account.contact(contact_status_id=lost)
    shown = account.get(f"contacts/{contact['id']}", include="contact_status,lifecycle_stage").json()
    assert ("Churned", "Lead") == (shown["contact_status"][0]["name"], shown["lifecycle_stages"][0]["name"])


def test_owner_is_shown_beside_the_contact() -> None:
    """`include=owner` adds the id to the record and the user at the top."""
    account = Account()
    owner = account.selector("owners", "users")[None]["id"]
    contact = account.contact(owner_id=owner)
    shown = account.get(f"contacts/{contact['id']}", include="owner").json()
    assert (owner, owner) == (shown["contact"]["owner_id"], shown["users"][0]["id"])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"website": "x.io"}, "Name can't be empty"),
        ({"name": "  "}, "Name can't be empty"),
        ({"name": "A", "website": "not a site"}, "website is not in required format"),
        ({"name": "A" * 256}, "Name is not in required length"),
    ],
)
def test_account_refusals_speak_the_vendors_words(sent: dict[str, object], expected: str) -> None:
    """Each refusal is a 400."""
    answer = Account().post("sales_accounts", {"sales_account": sent})
    assert (400, [expected]) == (answer.status_code, messages(answer))


def test_account_name_uniqueness_is_the_tenants_choice() -> None:
    """Unique by default; some tenants hold several of one name."""
    strict, loose = Account(), Account(account_name_unique=False)
    strict.account("Acme")
    answer = strict.post("sales_accounts", {"sales_account": {"name": "acme"}})
    assert (400, ["Name has already been taken"]) == (answer.status_code, messages(answer))
    assert loose.account("Acme")["id"] != loose.account("Acme")["id"]


def test_a_junk_account_phone_becomes_null_and_a_contacts_stays() -> None:
    """Recorded tolerance, different per module."""
    account = Account()
    assert account.account(phone="abc")["phone"] is None
    assert "abc" == account.contact(mobile_number="abc")["mobile_number"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (20, "20.0"),
        (1234.5, "1234.5"),
        (0, "0.0"),
        (-3, "-3.0"),
        ("7.25", "7.25"),
        (9007199254740991, "9007199254740991.0"),
    ],
)
def test_amounts_are_shown_as_decimal_text(sent: object, shown: str) -> None:
    """At least one decimal; zero and negative pass."""
    assert shown == Account().deal(amount=sent)["amount"]


@pytest.mark.parametrize("amount", [9007199254740992, "abc", [1], True])
def test_impossible_amounts_are_refused(amount: object) -> None:
    """Beyond 2^53 - 1 or not a number."""
    assert 400 == Account().post("deals", {"deal": {"name": "d", "amount": amount}}).status_code


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_deal_needs_a_name(name: str | None) -> None:
    """Missing, empty and blank are the same."""
    answer = Account().post("deals", {"deal": {"name": name, "amount": 1}})
    assert (400, ["Deal name can't be empty"]) == (answer.status_code, messages(answer))


def test_a_deal_starts_in_the_default_pipelines_first_stage() -> None:
    """With the stage's probability, and no date it could not read."""
    account = Account()
    deal = account.deal(expected_close="notadate")
    first = account.selector("deal_stages")["New"]
    assert (first["id"], 20, None) == (deal["deal_stage_id"], deal["probability"], deal["expected_close"])


def test_probability_follows_the_stage_unless_it_is_sent() -> None:
    """On every move."""
    account = Account()
    stages = account.selector("deal_stages")
    path = f"deals/{account.deal()['id']}"
    moved = account.put(path, {"deal": {"deal_stage_id": stages["Demo"]["id"]}}).json()["deal"]
    told = account.put(path, {"deal": {"deal_stage_id": stages["New"]["id"], "probability": 33}}).json()[
        "deal"
    ]
    assert (60, 33) == (moved["probability"], told["probability"])


def test_a_stage_of_another_pipeline_is_refused() -> None:
    """The stage must belong to the pipeline that is sent."""
    account = Account(
        pipelines=[{"name": "A", "stages": [{"name": "a"}]}, {"name": "B", "stages": [{"name": "b"}]}]
    )
    pipelines, stages = account.selector("deal_pipelines"), account.selector("deal_stages")
    body = {
        "name": "d",
        "amount": 1,
        "deal_pipeline_id": pipelines["A"]["id"],
        "deal_stage_id": stages["b"]["id"],
    }
    answer = account.post("deals", {"deal": body})
    assert (400, ["Deal stage doesn't exist"]) == (answer.status_code, messages(answer))
    alone = account.deal(deal_stage_id=stages["b"]["id"])
    assert pipelines["B"]["id"] == alone["deal_pipeline_id"]


@pytest.mark.parametrize("stage", ["Won", "Lost"])
def test_closing_stamps_today_and_a_put_corrects_it(stage: str) -> None:
    """A date sent at creation is overwritten; one sent later stays."""
    account = Account()
    stage_id = account.selector("deal_stages")[stage]["id"]
    deal = account.deal(deal_stage_id=stage_id, closed_date="2019-05-03")
    assert account.tenant.today() == deal["closed_date"]
    after = account.put(f"deals/{deal['id']}", {"deal": {"closed_date": "2019-05-03"}}).json()["deal"]
    assert "2019-05-03" == after["closed_date"]


def test_a_deal_moves_its_contacts_through_the_lifecycle() -> None:
    """Added: Sales Qualified Lead. Won: Customer. A customer is not moved back."""
    account = Account()
    contact = account.contact()["id"]
    deal = account.deal(contacts_added_list=[contact])
    assert "Sales Qualified Lead" == account.stage(contact)
    won = account.selector("deal_stages")["Won"]["id"]
    account.put(f"deals/{deal['id']}", {"deal": {"deal_stage_id": won}})
    assert "Customer" == account.stage(contact)
    account.deal("Second", contacts_added_list=[contact])
    assert "Customer" == account.stage(contact)


def test_the_lifecycle_is_told_by_type_not_by_order() -> None:
    """A tenant may list Sales Qualified Lead before Lead."""
    stages = [
        {"name": "Sales Qualified Lead start", "type": "Sales Qualified Lead"},
        {"name": "Lead", "type": "Lead"},
        {"name": "Customer", "type": "Customer"},
    ]
    account = Account(lifecycle_stages=stages)
    contact = account.contact()["id"]
    account.deal(contacts_added_list=[contact])
    assert "Sales Qualified Lead start" == account.stage(contact)


@pytest.mark.parametrize(("mode", "stage"), [("off", "Lead"), ("always", "Sales Qualified Lead")])
def test_lifecycle_effects_are_a_switch(mode: str, stage: str) -> None:
    """`always` even moves a customer back."""
    account = Account(lifecycle_effects=mode)
    customer = account.selector("lifecycle_stages")["Customer"]["id"]
    contact = account.contact(lifecycle_stage_id=customer if mode == "always" else None)["id"]
    account.deal(contacts_added_list=[contact])
    assert stage == account.stage(contact)


def test_deal_links_are_shown_with_their_includes() -> None:
    """Contacts, account and currency are references that only `include` reveals; removal works."""
    account = Account()
    contact, company = account.contact()["id"], account.account()["id"]
    deal = account.deal(contacts_added_list=[contact], sales_account_id=company)
    assert set() == {"contact_ids", "sales_account_id", "currency_id", "owner_id"} & deal.keys()
    shown = account.get(f"deals/{deal['id']}", include="contacts,sales_account,currency").json()
    assert ([contact], company) == (shown["deal"]["contact_ids"], shown["deal"]["sales_account_id"])
    assert ("USD", contact) == (shown["currencies"][0]["currency_code"], shown["contacts"][0]["id"])
    account.put(f"deals/{deal['id']}", {"deal": {"contacts_removed_list": [contact]}})
    assert [] == account.get(f"deals/{deal['id']}", include="contacts").json()["deal"]["contact_ids"]


def test_roll_ups_follow_the_deals() -> None:
    """Open and won amounts of an account are decimal text, null without deals."""
    account = Account()
    company = account.account()["id"]
    assert account.get(f"sales_accounts/{company}").json()["sales_account"]["open_deals_amount"] is None
    account.deal(sales_account_id=company, amount=10)
    shown = account.get(f"sales_accounts/{company}").json()["sales_account"]
    assert ("10.0", 1, "0.0") == tuple(
        shown[k] for k in ("open_deals_amount", "open_deals_count", "won_deals_amount")
    )


def test_created_at_is_ignored_unless_the_tenant_honours_it() -> None:
    """Both readings of the contradicting sources."""
    old = "2019-01-01T00:00:00Z"
    assert not Account().contact(created_at=old)["created_at"].startswith("201")
    assert (
        "2018-12-31T20:00:00-04:00" == Account(created_at_settable=True).contact(created_at=old)["created_at"]
    )


def test_upsert_creates_once_and_then_updates() -> None:
    """201 and 200; the key's value is only kept if the body repeats it."""
    account = Account()
    body = {
        "unique_identifier": {"emails": "ada@x.example"},
        "contact": {"emails": "ada@x.example", "city": "Oslo"},
    }
    first, second = account.post("contacts/upsert", body), account.post("contacts/upsert", body)
    assert (201, 200) == (first.status_code, second.status_code)
    assert first.json()["contact"]["id"] == second.json()["contact"]["id"]
    bare = {"unique_identifier": {"emails": "b@x.example"}, "contact": {"city": "Oslo"}}
    assert 400 == account.post("contacts/upsert", bare).status_code


@pytest.mark.parametrize(
    ("module", "wrapper", "key"),
    [
        ("contacts", "contact", "city"),
        ("deals", "deal", "name"),
        ("sales_accounts", "sales_account", "website"),
    ],
)
def test_upsert_by_a_field_that_is_not_unique_is_refused(module: str, wrapper: str, key: str) -> None:
    """Deal names identify nothing."""
    answer = Account().post(f"{module}/upsert", {"unique_identifier": {key: "x"}, wrapper: {"name": "x"}})
    assert (400, ["Invalid unique identifier"]) == (answer.status_code, messages(answer))


def test_upsert_that_matches_several_records_is_refused() -> None:
    """External ids need not be unique."""
    account = Account()
    account.contact("a@x.example", external_id="7")
    account.contact("b@x.example", external_id="7")
    answer = account.post(
        "contacts/upsert", {"unique_identifier": {"external_id": "7"}, "contact": {"city": "O"}}
    )
    assert 400 == answer.status_code


def test_clone_needs_a_new_email() -> None:
    """Everything but the unique values is copied."""
    account = Account()
    contact = account.contact(job_title="CTO")
    assert 400 == account.post(f"contacts/{contact['id']}/clone", {"contact": {}}).status_code
    copy = account.post(f"contacts/{contact['id']}/clone", {"contact": {"email": "b@x.example"}}).json()[
        "contact"
    ]
    assert ("CTO", True) == (copy["job_title"], copy["id"] != contact["id"])


def test_delete_moves_to_the_bin_and_forget_purges() -> None:
    """`true` twice, then 404; the bin lists it in between, GET does not."""
    account = Account()
    contact = account.contact()["id"]
    deleted = account.delete(f"contacts/{contact}")
    assert (200, True) == (deleted.status_code, deleted.json())
    assert [404, 404] == [
        account.delete(f"contacts/{contact}").status_code,
        account.get(f"contacts/{contact}").status_code,
    ]
    binned = account.view("contacts", "Recycle Bin")["contacts"]
    assert [(contact, True)] == [(row["id"], row["is_deleted"]) for row in binned]
    assert account.delete(f"contacts/{contact}/forget").json() is True
    assert 404 == account.delete(f"contacts/{contact}/forget").status_code
    assert [] == account.view("contacts", "Recycle Bin")["contacts"]


def test_a_missing_contact_is_named_as_such() -> None:
    """The sentence of the live test."""
    assert "not in the CRM" in messages(Account().get("contacts/70010009999"))[0]


def test_the_bin_is_emptied_after_ninety_days() -> None:
    """By the server's clock."""
    account = Account()
    account.delete(f"contacts/{account.contact()['id']}")
    account.clock.advance(89 * 86_400)
    assert 1 == account.view("contacts", "Recycle Bin")["meta"]["total"]
    account.clock.advance(2 * 86_400)
    assert 0 == account.view("contacts", "Recycle Bin")["meta"]["total"]


@pytest.mark.parametrize(("reserves", "status"), [(True, 400), (False, 200)])
def test_whether_the_bin_reserves_an_email_is_a_switch(reserves: bool, status: int) -> None:
    """Unknown of the vendor; forgetting always frees it."""
    account = Account(bin_reserves_email=reserves)
    contact = account.contact()["id"]
    account.delete(f"contacts/{contact}")
    assert status == account.post("contacts", {"contact": {"email": "ada@x.example"}}).status_code
    if reserves:
        account.delete(f"contacts/{contact}/forget")
        assert 200 == account.post("contacts", {"contact": {"email": "ada@x.example"}}).status_code


def test_restore_is_a_route_of_the_web_interface() -> None:
    """It brings the contact back with its links; under /api there is no such route."""
    account = Account()
    company = account.account()["id"]
    contact = account.contact(sales_accounts=[{"id": company}])["id"]
    account.delete(f"contacts/{contact}")
    assert 404 == account.put(f"contacts/{contact}/restore").status_code
    answer = account.put(f"/crm/sales/contacts/{contact}/restore")
    assert (200, {"contact", "users", "meta"}) == (answer.status_code, set(answer.json()))
    assert [contact] == [
        c["id"] for c in account.get(f"sales_accounts/{company}/contacts").json()["contacts"]
    ]


def test_a_restored_account_has_lost_its_deals() -> None:
    """Vendor docs: links to deals and child accounts do not come back."""
    account = Account()
    company = account.account()["id"]
    deal = account.deal(sales_account_id=company)["id"]
    account.delete(f"sales_accounts/{company}")
    account.put(f"/crm/sales/sales_accounts/{company}/restore")
    assert account.get(f"deals/{deal}", include="sales_account").json()["deal"]["sales_account_id"] is None


def test_bulk_destroy_and_bulk_owner() -> None:
    """Many ids in one call, with a message each."""
    account = Account(
        owners=[{"display_name": "A", "email": "a@x.example"}, {"display_name": "B", "email": "b@x.example"}]
    )
    first, second = account.contact("1@x.example")["id"], account.contact("2@x.example")["id"]
    other = account.get("selector/owners").json()["users"][1]["id"]
    account.post("contacts/bulk_assign_owner", {"selected_ids": [first, second], "owner_id": other})
    shown = account.view("contacts", "All Contacts", include="owner")["contacts"]
    assert [other, other] == [row["owner_id"] for row in shown]
    answer = account.post("contacts/bulk_destroy", {"selected_ids": [first, second]})
    assert {"message": "Contact deleted."} == answer.json()
    assert 2 == account.view("contacts", "Recycle Bin")["meta"]["total"]


def test_accounts_can_take_their_contacts_and_deals_with_them() -> None:
    """Only when the bulk call says so."""
    account = Account()
    company = account.account()["id"]
    contact = account.contact(sales_accounts=[{"id": company}])["id"]
    deal = account.deal(sales_account_id=company)["id"]
    body = {"selected_ids": [company], "delete_associated_contacts_deals": True}
    account.post("sales_accounts/bulk_destroy", body)
    assert [404, 404] == [
        account.get(f"contacts/{contact}").status_code,
        account.get(f"deals/{deal}").status_code,
    ]


def test_workflows_plant_a_task_on_every_new_contact() -> None:
    """What a real migration suffered from when nobody switched them off."""
    account = Account(workflows_on=True)
    contact = account.contact()["id"]
    assert 1 == len(account.get(f"contacts/{contact}/tasks").json()["tasks"])


def test_products_hang_on_deals_where_the_plan_has_a_catalogue() -> None:
    """Up to a hundred lines, shown with `include=products`."""
    account = Account()
    product = account.post("cpq/products", {"product": {"name": "Seat", "unit_price": 9}}).json()["product"][
        "id"
    ]
    deal = account.deal()["id"]
    body = {"deal": {"products": [{"id": product, "quantity": 3, "unit_price": 8.5}]}}
    shown = account.put(f"deals/{deal}", body, include="products").json()["deal"]["products"]
    assert [(product, 3, "8.5")] == [(row["id"], row["quantity"], row["unit_price"]) for row in shown]
    assert 403 == Account(plan="growth").get("cpq/products").status_code
