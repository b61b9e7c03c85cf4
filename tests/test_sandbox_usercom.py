"""The User.com sandbox reads as the API does: transport, errors, paging, filters, both versions' shapes."""

import pytest
from starlette.responses import HTMLResponse, Response

from crmbook.sandbox.scenario import Scenario, check
from crmbook.sandbox.store import Store
from crmbook.sandbox.usercom import export_state, version_of
from usercom_account import ROWS, T0, T1, TOKEN, Api

USER_V2 = [
    *("id", "custom_id", "user_key", "name", "email", "phone_number", "gender", "status", "first_seen"),
    *("last_seen", "last_contacted", "page_views", "score", "unsubscribed", "notifications"),
    *("web_push_subscription", "last_ip", "timezone", "city", "region", "country", "browser"),
    *("browser_language", "os_type", "resolution", "facebook_url", "google_url", "linkedin_url"),
    *("twitter_url", "gravatar_url", "most_active_time", "assigned_to", "companies", "lists", "tags"),
    *("created_at", "updated_at"),
]
COMPANY_V2 = [
    *("id", "custom_id", "name", "description", "email", "country", "region", "city", "address"),
    *("postal_code", "size", "phone_numbers", "employees", "tags", "created_at", "updated_at"),
]
ACTIVITY_V2 = [
    *("id", "custom_id", "activity_type", "name", "due_date", "duration", "description", "done", "done_date"),
    *("assigned_to", "user_id", "company_id", "deal_id", "created_by", "created_at", "updated_at"),
]


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        pytest.param("*/*; version=2", 2, id="documented"),
        pytest.param("*/*;version=2", 2, id="no blank"),
        pytest.param(" */*; version=2", 2, id="leading blank"),
        pytest.param("*/*", 1, id="no version"),
        pytest.param("", 1, id="no header"),
        pytest.param("application/json; version=1", 1, id="version 1"),
        pytest.param("*/*; version=22", 1, id="another number"),
    ],
)
def test_version_is_a_parameter_of_the_accept_header(accept, version):
    """All header spellings of clients in production select the same version."""
    assert version == version_of(accept)


@pytest.mark.parametrize(
    ("authorization", "detail"),
    [
        pytest.param("", "Authentication credentials were not provided.", id="none"),
        pytest.param(f"Bearer {TOKEN}", "Authentication credentials were not provided.", id="other scheme"),
        pytest.param(f"token {TOKEN}", "Authentication credentials were not provided.", id="lower case"),
        pytest.param("Token " + "x" * 64, "Invalid token.", id="wrong key"),
        pytest.param(f"Token {TOKEN} ", "Invalid token.", id="trailing blank"),
    ],
)
def test_only_the_exact_token_opens(authorization, detail):
    """Anything but `Token <key>` is 401 with the framework's words."""
    answer = Api().ask("GET", "users/", headers={"authorization": authorization})
    assert (401, {"detail": detail}) == (answer.status_code, answer.json())


def test_reading_without_the_slash_redirects_and_keeps_the_query():
    """301 to the same path with its slash, before any authentication."""
    answer = Api().ask("GET", "users?min=1", headers={"authorization": ""})
    assert (301, "/api/public/users/?min=1") == (answer.status_code, answer.headers["location"])


def test_writing_without_the_slash_breaks():
    """A slash-less POST is an HTML 500 and writes nothing."""
    api = Api()
    answer = api.ask("POST", "tags", json={"name": "new"})
    assert (500, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert [5, 6] == api.ids("tags/")


@pytest.mark.parametrize("path", ["nothing/", "nothing", "users/1/", "users/501/nothing/", "users-by-id/zz/"])
def test_what_is_not_there_is_404(path):
    """Unknown routes and unknown records answer alike."""
    answer = Api().ask("GET", path)
    assert (404, {"detail": "Not found."}) == (answer.status_code, answer.json())


def test_a_method_the_route_lacks_is_405():
    """A known path with another verb is told apart from an unknown path."""
    answer = Api().ask("PATCH", "users/501/")
    assert (405, {"detail": 'Method "PATCH" not allowed.'}) == (answer.status_code, answer.json())


@pytest.mark.parametrize("body", [b"{", b"[1]"], ids=["broken", "a list"])
def test_a_body_that_is_no_object_is_400(body):
    """Malformed JSON never reaches a record."""
    assert Api().ask("POST", "users/", content=body).status_code == 400


def test_users_v2_are_flat():
    """Version 2: the known columns, then custom attributes by `name_std`; nothing else."""
    shown = Api().get("users/501/")
    assert [*USER_V2, "plan_type", "interests"] == list(shown)
    assert {
        "tags": [{"id": 5, "name": "vip"}],
        "custom_id": "crm-77",
        "interests": ["a", "b"],
    }.items() <= shown.items()
    assert [{"id": 3, "name": "Newsletter", "description": ""}] == shown["lists"]
    assert [{"id": 9, "name": "Acme", "member_since": "2024-01-02T03:04:05.000006Z"}] == shown["companies"]


def test_a_standard_column_hides_a_custom_attribute_of_its_name_in_v2_only():
    """The attribute `score` is 7, the column 0: version 2 shows the column, version 1 both."""
    v1 = Api(version=1).get("users/501/")
    assert 0 == Api().get("users/501/")["score"]
    assert [0, 7] == [v1["score"], next(a["value"] for a in v1["attributes"] if a["name_std"] == "score")]


def test_users_v1_have_attributes_and_old_names():
    """Version 1: `user_id` is the client's id, `key` the browser key, attributes are an array."""
    shown = Api(version=1).get("users/501/")
    old = {"custom_id": "user_id", "user_key": "key"}
    assert [*(old.get(key, key) for key in USER_V2), "chat_id", "attributes"] == list(shown)
    assert ("crm-77", "a1b2c3d4e5f6") == (shown["user_id"], shown["key"])
    assert {
        "id": 2,
        "name": "Interests",
        "name_std": "interests",
        "value": ["a", "b"],
        "description": "",
        "value_type": "fixed",
    } == shown["attributes"][1]


def test_columns_a_row_lacks_have_their_defaults():
    """An anonymous visitor: nulls, zeros and empty lists, no attribute keys."""
    shown = Api().get("users/503/")
    assert USER_V2 == list(shown)
    assert ("visitor", "unknown", None, 0, [], True) == tuple(
        shown[key] for key in ("status", "gender", "email", "page_views", "tags", "notifications")
    )


def test_companies_v2_and_v1():
    """Same values, other names: `size` was `approx_employees`, `custom_id` was `company_id`."""
    shown, older = Api().get("companies/9/"), Api(version=1).get("companies/9/")
    assert [*COMPANY_V2, "tier"] == list(shown)
    assert ([501], ["+48221234567"], ["gold"]) == (shown["employees"], shown["phone_numbers"], shown["tier"])
    assert ("c-9", 40, "Tier") == (
        older["company_id"],
        older["approx_employees"],
        older["attributes"][0]["name"],
    )
    assert {"custom_id", "size", "tier"}.isdisjoint(older)
    assert Api().get("companies/10/")["phone_numbers"] is None


def test_deals_v2():
    """The value is text with two decimals, the parties come under both their ids."""
    assert {
        "id": 40,
        "custom_id": "d-40",
        "name": "Fleet",
        "value": "1250.00",
        "currency": "EUR",
        "pipeline": 7,
        "stage": 70,
        "status": 1,
        "assigned_to": 12,
        "restricted_to": None,
        "agent": None,
        "created_by": None,
        "user_id": 501,
        "user_custom_id": "crm-77",
        "company_id": 9,
        "company_custom_id": "c-9",
        "products": [],
        "products_custom_id": [],
        "participants": [502],
        "scope": 0,
        "tags": [{"id": 6, "name": "old"}],
        "activities_status": "planned",
        "expected_close_date": "2024-09-01",
        "loss_reason": None,
        "loss_reason_description": "",
        "lost_at": None,
        "won_at": None,
        "created_at": T0,
        "updated_at": T1,
        "margin": 0.5,
    } == Api().get("deals/40/")


def test_deals_v1_name_the_parties_person_and_company():
    """In version 1 `user_id` is the client's id of the person."""
    shown = Api(version=1).get("deals/40/")
    assert (501, "crm-77", 9, "c-9", "d-40") == tuple(
        shown[key] for key in ("person", "user_id", "company", "company_deal_id", "deal_id")
    )
    assert [("margin", 0.5)] == [(a["name_std"], a["value"]) for a in shown["attributes"]]
    assert {"custom_id", "company_id", "margin"}.isdisjoint(shown)


def test_activities_and_their_old_names():
    """Version 1 says person, company, deal and datetime."""
    shown, older = Api().get("activities/60/"), Api(version=1).get("activities/60/")
    assert ACTIVITY_V2 == list(shown)
    assert (501, None, 40, T1) == tuple(older[key] for key in ("person", "company", "deal", "datetime"))


def test_status_may_come_as_text():
    """One page of the vendor shows a deal's status as text: a switch."""
    assert "1" == Api(deal_status_text=True).get("deals/40/")["status"]


@pytest.mark.parametrize("root", ["users", "companies", "deals"])
def test_by_id_twins_show_the_same_record(root):
    """The client's id in the path leads to the record its own id leads to."""
    api = Api()
    for row in ROWS[root]:
        if row.get("custom_id"):
            assert api.get(f"{root}/{row['id']}/") == api.get(f"{root}-by-id/{row['custom_id']}/")


@pytest.mark.parametrize("name", ["pipelines", "agents", "activity-types", "conversations"])
def test_undocumented_routes_can_be_missing(name):
    """Each provisional route answers pages, or 404 when the account is said not to have it."""
    assert Api().get(f"{name}/")["results"] != []
    assert 404 == Api(provisional={name: False}).ask("GET", f"{name}/").status_code


def test_pipelines_nest_their_stages():
    """The guessed shape: stages inside their pipeline."""
    assert ROWS["pipelines"] == Api().get("pipelines/")["results"]


def test_too_many_requests_in_a_second():
    """429 with the framework's sentence; `Retry-After` only when the account sends it; the next second is free."""
    now = [1000.5]
    api = Api(requests_per_second=2, retry_after=True, clock=lambda: now[0])
    assert [200, 200, 429] == [api.ask("GET", "tags/").status_code for _ in range(3)]
    refused = api.ask("GET", "tags/")
    assert {"detail": "Request was throttled. Expected available in 1 seconds."} == refused.json()
    assert "1" == refused.headers["retry-after"]
    now[0] = 1001.0
    assert 200 == api.ask("GET", "tags/").status_code
    quiet = Api(requests_per_second=1, clock=lambda: now[0])
    assert "retry-after" not in [quiet.ask("GET", "tags/") for _ in range(2)][1].headers


class Gateway:
    """A fault that answers before the account and one that replaces its answer."""

    def __init__(self, *, before: bool) -> None:
        self.first, self.page = before, HTMLResponse("<h1>502 Bad Gateway</h1>", 502)

    async def before(self, _request) -> Response | None:
        return self.page if self.first else None

    async def after(self, _request, _response) -> Response:
        return self.page


@pytest.mark.parametrize(
    ("before", "kept"), [(True, 2), (False, 3)], ids=["not sent on", "done, answer lost"]
)
def test_a_gateway_error_before_or_after_the_work(before, kept):
    """An HTML 502 says nothing about whether the write happened."""
    api = Api(faults=Gateway(before=before))
    assert 502 == api.ask("POST", "tags/", json={"name": "new"}).status_code
    assert kept == len(export_state(api.store)["tags"])


def test_the_state_is_a_scenario():
    """What the admin side exports loads as a scenario again, also after writes, merges and deletions."""
    api = Api(unknown_attribute="create")
    api.ask("POST", "users/merge/", json={"parent": 502, "users_list": [501]})
    for gone in ("tags/6/", "lists/3/", "companies/10/", "users/503/"):
        assert api.ask("DELETE", gone).status_code == 204
    api.ask("PUT", "users/502/", json={"first_name": "Aleksandra", "shoe size": 38, "gravatar_url": "x"})
    api.ask("POST", "deals/", json={"name": "New", "order_products": [{"product_id": 1, "quantity": 2}]})
    api.ask("POST", "users/502/conversations/", json={"content": "Hi", "user": 12})
    state = export_state(api.store)
    check(Scenario(state))
    assert ("Aleksandra Kowalski", 38) == (
        state["users"][0]["name"],
        state["users"][0]["attributes"]["shoe_size"],
    )


def test_every_request_is_kept(tmp_path):
    """A killed server loses nothing it answered."""
    path = tmp_path / "state.sqlite"
    api = Api(store=Store(path))
    api.ask("POST", "tags/", json={"name": "new"})
    again = Store(path)
    assert ["vip", "old", "new"] == [row["name"] for row in again.table("usercom", "tags").values()]
    again.close()
    api.store.close()


def test_an_edit_behind_the_api_is_shown_at_once():
    """A row changed and committed by somebody else, as the admin side does, is found by its new values."""
    api = Api()
    assert [] == api.ids("deals/?user_custom_id=crm-99") == api.ids("users/503/events/")
    table = api.store.table("usercom", "users")
    table.put(503, {**table.get(503), "custom_id": "crm-99"})
    events = api.store.table("usercom", "events")
    events.put(900, {**events.get(900), "user_id": 503})
    api.store.commit()
    assert (503, [900]) == (api.get("users-by-id/crm-99/")["id"], api.ids("users-by-id/crm-99/events/"))
