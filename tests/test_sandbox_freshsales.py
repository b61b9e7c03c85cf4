"""The Freshsales sandbox's transport: prefixes, keys, bodies, quota, what a restart keeps."""

from pathlib import Path

import pytest

from crmbook.sandbox.store import Store
from freshsales_tenant import Account, messages


@pytest.mark.parametrize(
    "path",
    ["/crm/sales/api/selector/owners", "/crm/sales/api/selector/owners/", "/crm/sales/selector/owners.json"],
    ids=["api", "trailing slash", "web route with .json"],
)
def test_suite_answers_under_both_trees(path: str) -> None:
    """The same controllers serve /crm/sales/api and /crm/sales, slashes and .json tolerated."""
    assert Account().get(path).status_code == 200


def test_suite_does_not_answer_under_the_classic_prefix() -> None:
    """A client with the wrong edition's base URL gets nothing."""
    assert Account().get("/api/selector/owners").status_code == 404


def test_xml_is_not_acceptable() -> None:
    """An .xml suffix is a 406."""
    assert Account().get("selector/owners.xml").status_code == 406


@pytest.mark.parametrize("key", ["", "Token key", "Token token=other", "Bearer key"])
def test_wrong_key_with_json_is_a_401(key: str) -> None:
    """Only `Token token=<key>` opens; the body is the login failure, not the error envelope."""
    answer = Account().request("GET", "selector/owners", headers={"Authorization": key})
    assert (401, {"login": "failed", "message": None}) == (answer.status_code, answer.json())


def test_wrong_key_with_html_is_a_redirect() -> None:
    """A browser without a session is sent to the login page."""
    answer = Account().request("GET", "contacts/1", headers={"Authorization": "", "Accept": "text/html"})
    assert (302, "/login") == (answer.status_code, answer.headers["location"])


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'"x"', b'{"contact": []}', b'{"contact": {"email": NaN}}', b"\xff\xfe", b"[" * 100_000],
    ids=["cut", "array", "text", "array inside", "NaN", "no utf-8", "too deep"],
)
def test_malformed_bodies_are_a_400(content: bytes) -> None:
    """Nothing a client sends as JSON makes the server fail."""
    answer = Account().request(
        "POST", "contacts", content=content, headers={"content-type": "application/json"}
    )
    assert (400, ["Invalid or missing attributes"]) == (answer.status_code, messages(answer))


def test_text_body_is_a_500_without_the_envelope() -> None:
    """Recorded: a text/plain POST breaks the vendor."""
    answer = Account().request("POST", "contacts", content=b"x", headers={"content-type": "text/plain"})
    assert (500, {"error_code": 500}) == (answer.status_code, answer.json())


def test_suite_has_no_leads_module() -> None:
    """Leads are refused, not missing."""
    account = Account()
    for answer in (account.get("leads/filters"), account.post("leads", {"lead": {"last_name": "B"}})):
        assert (403, 1) == (answer.status_code, len(messages(answer)))


@pytest.mark.parametrize("path", ["contacts/abc", "contacts/1", "deals/9" + "9" * 30, "nothing"])
def test_unknown_places_are_a_404(path: str) -> None:
    """Unknown ids, non-numeric ids and unknown routes alike."""
    assert Account().get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "selector/deal_pipelines"), ("POST", "settings/deal_pipelines"), ("DELETE", "lists/1")],
)
def test_what_no_api_can_do_is_a_404(method: str, path: str) -> None:
    """Pipelines are not creatable and lists not deletable."""
    assert Account().request(method, path, json={}).status_code == 404


def test_flat_bodies_pass_unless_the_tenant_is_strict() -> None:
    """Rails wraps parameters itself; the switch makes the server insist."""
    assert Account().post("contacts", {"email": "a@x.example"}).status_code == 200
    assert Account(strict_wrapper=True).post("contacts", {"email": "a@x.example"}).status_code == 400


def test_tasks_always_need_their_wrapper() -> None:
    """Recorded: a flat task is a 400 even where other flat bodies pass."""
    assert Account().post("tasks", {"title": "t", "due_date": "2024-01-01"}).status_code == 400


def test_ids_are_long_and_tell_the_tenants_apart() -> None:
    """Ids have at least eleven digits and no number is given to two kinds."""
    account = Account()
    contact, company = account.contact(), account.account()
    assert len(str(contact["id"])) >= 11
    assert contact["id"] != company["id"]
    assert isinstance(contact["record_type_id"], str)


def test_instants_carry_the_account_offset() -> None:
    """Responses show the account's offset, configurable per tenant."""
    assert Account().contact()["created_at"].endswith("-04:00")
    assert Account(time_offset="+05:30").contact()["created_at"].endswith("+05:30")


def test_quota_counts_down_and_ends_in_a_429() -> None:
    """Remaining and reset are always sent; Retry-After only where the tenant says so."""
    account = Account(requests_per_hour=2)
    first, second, third = (account.get("selector/owners") for _ in range(3))
    assert ["1", "0"] == [a.headers["x-ratelimit-remaining"] for a in (first, second)]
    assert 3590 <= int(first.headers["x-ratelimit-reset"]) <= 3600
    assert (429, False) == (third.status_code, "retry-after" in third.headers)
    assert len(messages(third)) == 1
    account.tenant.configure({"retry_after": True})
    assert 3590 <= int(account.get("selector/owners").headers["retry-after"]) <= 3600


def test_quota_window_ends_an_hour_after_its_first_request() -> None:
    """The window is fixed and follows the server's clock."""
    account = Account(requests_per_hour=1)
    account.get("selector/owners")
    account.clock.advance(3590)
    assert account.get("selector/owners").status_code == 429
    account.clock.advance(15)
    assert account.get("selector/owners").status_code == 200


def test_minute_window_holds_beside_the_hour() -> None:
    """The tighter of both windows decides."""
    account = Account(requests_per_minute=1)
    account.get("selector/owners")
    assert account.get("selector/owners").status_code == 429
    account.clock.advance(61)
    assert account.get("selector/owners").status_code == 200


@pytest.mark.parametrize(
    ("edition", "plan", "hourly"),
    [
        ("suite", "growth", 1000),
        ("suite", "pro", 2000),
        ("suite", "enterprise", 5000),
        ("classic", "forest", 5000),
    ],
)
def test_hourly_quota_follows_the_plan(edition: str, plan: str, hourly: int) -> None:
    """Without a switch the plan's published number holds."""
    account = Account(edition=edition, plan=plan, requests_per_hour=None)
    answer = account.get("selector/owners")
    assert str(hourly) == answer.headers["x-ratelimit-total"]


def test_classic_has_a_minute_limit_of_its_own() -> None:
    """Classic publishes 400 a minute."""
    account = Account(edition="classic", requests_per_minute=None)
    assert "399" == account.get("selector/owners").headers["x-ratelimit-remaining"]


def test_a_tenant_survives_a_restart(tmp_path: Path) -> None:
    """Documents, ids, uniqueness and the spent quota are in the file after every request."""
    path = tmp_path / "state.db"
    before = Account(store=Store(path), requests_per_hour=10)
    contact = before.contact()
    after = Account(store=Store(path), requests_per_hour=99)
    again = after.post("contacts", {"contact": {"email": "ADA@x.example"}})
    assert (400, ["ADA@x.example already exists."]) == (again.status_code, messages(again))
    assert "8" == again.headers["x-ratelimit-remaining"]
    assert contact["id"] < after.contact("b@x.example")["id"]
