"""The User.com sandbox reads as the API does: transport, errors, paging, filters, both versions' shapes."""

import httpx
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


def walk(api: Api, path: str) -> tuple[list[dict], int]:
    """The pages up to the end, and the status of the last answer."""
    pages, status = [], 200
    while path:
        answer = api.ask("GET", path)
        status = answer.status_code
        if status != 200:
            break
        pages.append(answer.json())
        path = pages[-1]["next"]
    return pages, status


def many(count: int) -> dict[str, list[dict]]:
    return {"tags": [{"id": 3 * i + 1, "name": f"tag {i}"} for i in range(count)]}


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_pages_hold_a_hundred_and_link_to_each_other(count, sizes):
    """Following `next` verbatim gives every row once; `previous` leads back to the page before."""
    api = Api(rows=many(count))
    pages, _ = walk(api, "tags/")
    assert sizes == [len(page["results"]) for page in pages]
    assert [3 * i + 1 for i in range(count)] == [row["id"] for page in pages for row in page["results"]]
    assert [None, *pages[:-1]] == [api.get(p["previous"]) if p["previous"] else None for p in pages]
    assert {count} == {page["count"] for page in pages}


def test_next_is_absolute_on_the_host_asked_and_keeps_the_filter():
    """The link is built from the request's own scheme and host; the cursor is opaque."""
    page = Api(page_size=1).get("deals/?stage=70&x=1&stage=70")
    assert page["next"] is None
    link = httpx.URL(Api(page_size=1).get("users/?email__contains=ola")["next"])
    assert ("http", "box", 8700, "/api/public/users/") == (link.scheme, link.host, link.port, link.path)
    assert ["email__contains", "cursor"] == list(link.params)


def test_rows_deleted_while_paging_shift_nothing():
    """A cursor points behind a record, so a deletion before it loses no row."""
    api = Api(rows=many(150))
    first = api.get("tags/")
    assert 204 == api.ask("DELETE", "tags/1/").status_code
    assert 50 == len(api.get(first["next"])["results"])


def test_the_last_page_may_promise_a_page_that_is_404():
    """Known bug of the API, as a switch; all rows came before it."""
    pages, status = walk(Api(rows=many(150), next_404=True), "tags/")
    assert ([100, 50], 404) == ([len(page["results"]) for page in pages], status)


def test_an_invented_cursor_is_404():
    """Only the cursors the API gave are good."""
    assert 404 == Api().ask("GET", "users/?cursor=2").status_code


def test_v1_also_knows_page_numbers():
    """The older clients count pages until an error."""
    api = Api(version=1, page_size=2)
    assert ([501, 502], [503]) == (api.ids("users/?page=1"), api.ids("users/?page=2"))
    assert 404 == api.ask("GET", "users/?page=3").status_code


MARCH = "&min=1709250000&max=1709253000"  # around 2024-03-01T00:00Z, in UNIX seconds


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        pytest.param("search=last_seen&min=1709251200&max=1709251201", [501], id="inside"),
        pytest.param("search=last_seen&min=1709251201", [], id="after"),
        pytest.param("search=updated_at&min=1714521600&max=1714521600", [502], id="on both ends"),
        pytest.param("search=last_contacted" + MARCH, [], id="never contacted"),
        pytest.param("search=updated_at&min=1706781600", [501, 502], id="open end"),
        pytest.param("search=updated_at&max=1706781600", [503], id="open start"),
        pytest.param("name__contains=Nowak", [501], id="contains"),
        pytest.param("created_at__gte=2024-01-01", [501, 502, 503], id="date"),
        pytest.param("page_views__gt=0", [], id="number"),
        pytest.param("plan_type=pro", [501], id="attribute"),
        pytest.param("nobody_knows=1", [501, 502, 503], id="unknown is ignored"),
    ],
)
def test_user_list_filters(query, ids):
    """Windows include both ends; a lookup reads columns and attributes."""
    assert ids == Api().ids(f"users/?{query}")


def test_windows_and_their_path():
    """Clients disagree on the path of the window: the switch decides which one understands it."""
    query = "search=updated_at&min=1714000000"
    assert ([502], [502]) == (Api().ids(f"users/?{query}"), Api().ids(f"users/search/?{query}"))
    assert [501, 502, 503] == Api(search_window="search").ids(f"users/?{query}")
    assert 404 == Api(search_window="users").ask("GET", f"users/search/?{query}").status_code


@pytest.mark.parametrize("query", ["search=birthday&min=1", "search=updated_at&min=x"])
def test_a_window_that_cannot_be_read_is_400(query):
    """An unknown date or a bound that is no number is refused, not ignored."""
    answer = Api().ask("GET", f"users/?{query}")
    assert (400, ["errors"]) == (answer.status_code, list(answer.json()))


def test_search_by_email():
    """One object, with `many` a bare array, without a match 404: e-mail is not unique."""
    api = Api()
    assert 501 == api.get("users/search/?email=ola@firm.example")["id"]
    assert [501, 502] == [row["id"] for row in api.get("users/search/?email=ola@firm.example&many=true")]
    assert [] == api.get("users/search/?email=no@firm.example&many=true")
    assert 404 == api.ask("GET", "users/search/?email=no@firm.example").status_code


def test_search_by_key_phone_and_custom_id():
    """A phone gives an envelope in version 2 and an object in version 1."""
    api, older, phone = Api(), Api(version=1), {"phone_number": "+48600100200"}
    assert 502 == api.get("users/search/?key=ffffffffffff")["id"]
    assert [501] == api.ids("users/search/", params=phone)
    assert 501 == older.get("users/search/", params=phone)["id"]
    assert 502 == older.get("users-by-id/search/?user_id=crm-78")["id"]
    assert 404 == api.ask("GET", "users/search/").status_code


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("plan_type__icontains=PR", [501]),
        ("plan_type__startswith=ro", []),
        ("plan_type__endswith=ro", [501]),
        ("interests__contains=b", [501]),
        ("plan_type__gte=pro", [501]),
    ],
)
def test_search_by_attribute(query, ids):
    """Lookups on a custom attribute answer an envelope; any choice of several may match."""
    assert ids == Api().ids(f"users/search/?{query}")


@pytest.mark.parametrize(
    ("version", "query", "ids"),
    [
        (2, "user_id=501", [40]),
        (2, "user_custom_id=crm-78", [41]),
        (1, "user_id=crm-78", [41]),
        (2, "userkey=a1b2c3d4e5f6", [40]),
        (2, "stage=71", [41]),
        (2, "stage=71&user_id=501", []),
        (2, "user_id=501&userkey=ffffffffffff", []),
    ],
)
def test_deal_filters(version, query, ids):
    """`user_id` is the internal id in version 2 and the client's id in version 1."""
    assert ids == Api(version=version).ids(f"deals/?{query}")


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
    api.ask("POST", "users/merge/", json={"parent": 501, "users_list": [502]})
    for gone in ("tags/6/", "lists/3/", "companies/10/", "users/503/"):
        assert api.ask("DELETE", gone).status_code == 204
    api.ask("PUT", "users/501/", json={"first_name": "Aleksandra", "shoe size": 38, "gravatar_url": "x"})
    api.ask("POST", "deals/", json={"name": "New", "order_products": [{"product_id": 1, "quantity": 2}]})
    api.ask("POST", "users/501/conversations/", json={"content": "Hi", "user": 12})
    state = export_state(api.store)
    check(Scenario(state))
    assert ("Aleksandra Nowak", 38) == (
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
