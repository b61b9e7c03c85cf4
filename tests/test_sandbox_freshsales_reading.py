"""The Freshsales sandbox's views, search, bulk upsert and jobs."""

from typing import Any

import pytest

from freshsales_tenant import Account, messages


def test_views_carry_the_names_clients_match() -> None:
    """All and Recycle Bin exist in every module; ids must be looked up."""
    account = Account()
    for module, name in (
        ("contacts", "All Contacts"),
        ("sales_accounts", "All Accounts"),
        ("deals", "All Deals"),
    ):
        rows = account.get(f"{module}/filters").json()["filters"]
        assert {name, "Recycle Bin"} <= {row["name"] for row in rows}
        one = account.get(f"{module}/filters/{rows[0]['id']}").json()["filter"]
        assert rows[0] == one


@pytest.mark.parametrize("path", ["contacts/view/1", "contacts/view/x", "contacts"])
def test_lists_without_a_known_view_are_forbidden(path: str) -> None:
    """A bare collection too."""
    assert 403 == Account().get(path).status_code


def test_the_web_interface_lists_by_segment() -> None:
    """The view id goes into `segment_id`."""
    account = Account()
    contact = account.contact()["id"]
    view = account.get("contacts/filters").json()["filters"][2]["id"]
    rows = account.get("/crm/sales/contacts", segment_id=view).json()["contacts"]
    assert [contact] == [row["id"] for row in rows]


def test_a_view_of_another_module_is_forbidden() -> None:
    """Ids of views are not interchangeable."""
    account = Account()
    view = account.get("deals/filters").json()["filters"][0]["id"]
    assert 403 == account.get(f"contacts/view/{view}").status_code


def test_pages_count_from_one_and_end_empty() -> None:
    """25 rows unless told; one page beyond the last is empty and no error."""
    account = Account()
    made = [account.contact(f"{i}@x.example")["id"] for i in range(30)]
    first, second, third = (account.view("contacts", "All Contacts", page=n) for n in (1, 2, 3))
    assert {"total": 30, "total_pages": 2} == first["meta"]
    assert (made, []) == ([c["id"] for c in first["contacts"] + second["contacts"]], third["contacts"])


@pytest.mark.parametrize(("per_page", "rows"), [(0, 0), (7, 7), (1000, 100)])
def test_per_page_is_clamped(per_page: int, rows: int) -> None:
    """Nothing for 0, at most 100."""
    account = Account()
    for i in range(101):
        account.contact(f"{i}@x.example")
    assert rows == len(account.view("contacts", "All Contacts", per_page=per_page)["contacts"])


def test_sorting_is_by_field_and_direction() -> None:
    """Ties fall back to the id."""
    account = Account()
    for amount in (5, 30, 7):
        account.deal(amount=amount)
    rows = account.view("deals", "All Deals", sort="amount", sort_type="desc")["deals"]
    assert ["30.0", "7.0", "5.0"] == [row["amount"] for row in rows]


def test_deal_views_follow_the_forecast() -> None:
    """Open, Won and Lost split the deals."""
    account = Account()
    stages = account.selector("deal_stages")
    made = {
        name: account.deal(name, deal_stage_id=stages[name]["id"])["id"] for name in ("New", "Won", "Lost")
    }
    for view, name in (("Open Deals", "New"), ("Won Deals", "Won"), ("Lost Deals", "Lost")):
        assert [made[name]] == [row["id"] for row in account.view("deals", view)["deals"]]


def test_search_lags_behind_the_writes() -> None:
    """Found only when the index delay has passed, and as a list of text ids."""
    account = Account(index_delay_s=5)
    contact = account.contact(first_name="Ada")
    assert [] == account.get("search", q="ada", include="contact").json()
    account.clock.advance(6)
    (hit,) = account.get("search", q="ada", include="contact,deal").json()
    assert (str(contact["id"]), "contact", "Ada Berg") == (hit["id"], hit["type"], hit["name"])


def test_the_index_remembers_what_was_written_before() -> None:
    """An update is found by its old value until the index catches up; deleted records never show."""
    account = Account(index_delay_s=5)
    contact = account.contact(external_id="old")["id"]
    account.clock.advance(6)
    account.put(f"contacts/{contact}", {"contact": {"external_id": "new"}})
    hits = account.get("lookup", q="old", f="external_id", entities="contact").json()["contacts"]["contacts"]
    assert ["new"] == [row["external_id"] for row in hits]
    account.delete(f"contacts/{contact}")
    answer = account.get("lookup", q="old", f="external_id", entities="contact").json()
    assert [] == answer["contacts"]["contacts"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "ADA@x.example"), ("external_id", "7"), ("mobile_number", "123"), ("cf_source_id", "s-1")],
)
def test_lookup_is_exact_and_by_entity(field: str, value: str) -> None:
    """Only the asked-for entities appear in the answer."""
    account = Account(fields=[{"module": "contacts", "label": "Source id", "field_type": "text"}])
    fields = {"external_id": "7", "mobile_number": "123", "custom_field": {"cf_source_id": "s-1"}}
    contact = account.contact(**fields)["id"]
    answer = account.get("lookup", q=value, f=field, entities="contact,deal").json()
    assert ({"contacts", "deals"}, [contact]) == (
        set(answer),
        [c["id"] for c in answer["contacts"]["contacts"]],
    )
    miss = account.get("lookup", q=value + "0", f=field, entities="contact").json()
    assert [] == miss["contacts"]["contacts"]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"attribute": "contact_email.email", "operator": "is_in", "value": "a@x.example"}, ["a"]),
        ({"attribute": "city", "operator": "is_in", "value": ["Oslo", "Bergen"]}, ["a", "b"]),
        ({"attribute": "city", "operator": "is_not", "value": "Oslo"}, ["b"]),
        ({"attribute": "city", "operator": "starts_with", "value": "be"}, ["b"]),
        ({"attribute": "city", "operator": "contains", "value": "SL"}, ["a"]),
        ({"attribute": "updated_at", "operator": "is_after", "value": "2020-01-01"}, ["a", "b"]),
        ({"attribute": "updated_at", "operator": "is_before", "value": "2020-01-01"}, []),
    ],
    ids=lambda value: value["operator"] if isinstance(value, dict) else "",
)
def test_filtered_search_knows_the_operators(rule: dict[str, Any], found: list[str]) -> None:
    """One rule each; an empty list finds all."""
    account = Account()
    for name, city in (("a", "Oslo"), ("b", "Bergen")):
        account.contact(f"{name}@x.example", city=city, first_name=name)
    rows = account.post("filtered_search/contact", {"filter_rule": [rule]}).json()["contacts"]
    assert found == [row["first_name"] for row in rows]
    everything = account.post("filtered_search/contact", {"filter_rule": []}, page=1, per_page=1).json()
    assert {"total": 2, "total_pages": 2} == everything["meta"]


@pytest.mark.parametrize(
    "rules", [None, "x", [{"attribute": "a", "operator": "like", "value": 1}], [1]], ids=str
)
def test_filtered_search_refuses_what_it_does_not_know(rules: object) -> None:
    """Unknown operators included."""
    assert 400 == Account().post("filtered_search/contact", {"filter_rule": rules}).status_code


def finish(account: Account, answer: Any) -> Any:
    """The job's last status, polled by its URL."""
    url = answer.json()["job_status_url"].removeprefix("http://crm.example")
    for _ in range(5):
        status = account.get(url).json()
        if status["progress"] == 100:
            return status
    raise AssertionError("the job does not finish")


def test_bulk_upsert_is_accepted_and_worked_off_later() -> None:
    """202, nothing there yet, done at the last poll, counts and no ids."""
    account = Account(job_polls=2)
    rows = [{"emails": "a@x.example", "data": {"first_name": "A"}}]
    answer = account.post("contacts/bulk_upsert", {"contacts": rows})
    assert (202, {"message", "job_status_url"}) == (answer.status_code, set(answer.json()))
    assert 0 == account.view("contacts", "All Contacts")["meta"]["total"]
    status = finish(account, answer)
    assert ("completed", {"successful": 1, "failed": 0}) == (status["status"], status["data"])
    shown = account.view("contacts", "All Contacts")["contacts"][0]
    assert ("A", "a@x.example") == (shown["first_name"], shown["email"])


def test_a_job_nobody_polls_is_done_after_a_while() -> None:
    """A killed client's job still happens."""
    account = Account(job_delay_s=30)
    account.post("contacts/bulk_upsert", {"contacts": [{"emails": "a@x.example", "data": {}}]})
    account.clock.advance(31)
    assert 1 == account.view("contacts", "All Contacts")["meta"]["total"]


def test_bulk_updates_what_it_matches() -> None:
    """By e-mail, external id, id or a unique field; running it twice makes no duplicate."""
    account = Account()
    contact = account.contact(external_id="7")["id"]
    for key, value in (("emails", "ada@x.example"), ("external_id", "7"), ("id", str(contact))):
        rows = [{key: value, "data": {"city": key}}]
        finish(account, account.post("contacts/bulk_upsert", {"contacts": rows}))
        assert key == account.get(f"contacts/{contact}").json()["contact"]["city"]
    assert 1 == account.view("contacts", "All Contacts")["meta"]["total"]


@pytest.mark.parametrize(("drops", "linked"), [(True, 0), (False, 1)])
def test_bulk_may_lose_links_without_a_word(drops: bool, linked: int) -> None:
    """What a real migration found; the job is green either way."""
    account = Account(bulk_drops_links=drops)
    company = account.account()["id"]
    rows = [{"emails": "a@x.example", "data": {"sales_accounts": [{"id": company, "is_primary": True}]}}]
    status = finish(account, account.post("contacts/bulk_upsert", {"contacts": rows}))
    assert {"successful": 1, "failed": 0} == status["data"]
    assert linked == len(account.get(f"sales_accounts/{company}/contacts").json()["contacts"])


def test_one_bad_row_does_not_sink_the_others() -> None:
    """It is counted, not named."""
    rows = [
        {"emails": "a@x.example", "data": {}},
        {"emails": "nonsense", "data": {}},
        {"emails": "b@x.example", "data": {"phone_numbers": "1"}},
    ]
    account = Account()
    status = finish(account, account.post("contacts/bulk_upsert", {"contacts": rows}))
    assert {"successful": 1, "failed": 2} == status["data"]


def test_bulk_takes_a_hundred_rows() -> None:
    """One more is refused."""
    rows = [{"emails": f"{i}@x.example", "data": {}} for i in range(101)]
    account = Account()
    assert 202 == account.post("contacts/bulk_upsert", {"contacts": rows[:100]}).status_code
    assert 400 == account.post("contacts/bulk_upsert", {"contacts": rows}).status_code


def test_bulk_on_deals_needs_a_unique_field() -> None:
    """Without one the whole call is refused, as a real importer saw."""
    plain = Account()
    answer = plain.post("deals/bulk_upsert", {"deals": [{"name": "D", "data": {"amount": 1}}]})
    assert (400, ["name is not a unique field"]) == (answer.status_code, messages(answer))
    keyed = Account(
        fields=[
            {"module": "deals", "label": "Source", "field_type": "text", "api_name": "cf_src", "unique": True}
        ]
    )
    rows = [{"cf_src": "7", "data": {"name": "D", "amount": 1}}]
    finish(keyed, keyed.post("deals/bulk_upsert", {"deals": rows}))
    assert ["7"] == [d["custom_field"]["cf_src"] for d in keyed.view("deals", "All Deals")["deals"]]


@pytest.mark.parametrize(
    "rows", [[], [{}], [{"emails": "a@x.example"}], "x", [{"emails": {}, "data": {}}]], ids=str
)
def test_malformed_bulk_bodies_are_refused(rows: object) -> None:
    """A key and `data` in every row."""
    assert 400 == Account().post("contacts/bulk_upsert", {"contacts": rows}).status_code


def test_an_unknown_job_is_a_404() -> None:
    """Also one that never was."""
    assert 404 == Account().get("job_statuses/70390000001").status_code
