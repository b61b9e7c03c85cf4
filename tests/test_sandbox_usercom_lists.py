"""The User.com sandbox pages, filters and searches as the API does."""

import httpx
import pytest

from usercom_account import Api


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
