"""The requests the User.com documentation shows, replayed with curl, against both versions of the API.

No client of that vendor is published where it can be installed. Statuses of creations are those of its
framework where no page names one.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from clients.environments import tool
from clients.usercom_shapes import (
    ACTIVITY,
    CAMPAIGN,
    COMPANY_1,
    COMPANY_2,
    DEAL_1,
    DEAL_2,
    EVENT,
    FLEET,
    MESSAGE,
    NUMBER,
    OK,
    OLA,
    SEGMENT,
    TAG,
    TALK,
    TEXT,
    UPSERTED,
    USER_1,
    USER_2,
    misfits,
    pages,
)
from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.server import Sandbox
from usercom_account import ROWS

V2 = "*/*; version=2"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(Scenario(usercom=ROWS, freshsales={})) as made:
        yield made


class Curl:
    """curl as the vendor's pages call it: `-X`, two or three headers, `-d` with JSON."""

    def __init__(self, box: Sandbox) -> None:
        self._url: str = box.ready["usercom"]["base_url"]
        self._token: str = box.ready["usercom"]["token"]

    def __call__(
        self, method: str, path: str, body: Any = None, *, accept: str | None = V2, token: str | None = None
    ) -> tuple[int, Any]:
        """The status and the JSON, None when there is none; redirects are followed."""
        command = [tool("curl"), "--silent", "--location", "--write-out", "\n%{http_code}", "-X", method]
        command += ["-H", f"Authorization: Token {token or self._token}"]
        command += ["-H", f"Accept: {accept}"] if accept else []
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run(
            [*command, self._url + path], capture_output=True, text=True, check=True, timeout=30
        )
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text) if text else None


@pytest.fixture
def curl(box: Sandbox) -> Curl:
    box.admin("POST", "reset")
    return Curl(box)


READS_2 = {
    "users by e-mail": ("users/search/?email=ola@firm.example", USER_2 | OLA),
    "users by key": ("users/search/?key=a1b2c3d4e5f6", USER_2 | OLA),
    "user by own id": ("users-by-id/crm-77/", USER_2 | OLA),
    "segments": ("segments/", pages(SEGMENT)),
    "deals by user": ("deals/?user_id=501", pages(FLEET)),
    "deals by user's own id": ("deals/?user_custom_id=crm-77", pages(FLEET)),
    "deals by browser key": ("deals/?userkey=a1b2c3d4e5f6", pages(FLEET)),
    "deal by own id": ("deals-by-id/d-40/", FLEET),
    "conversations of a user": ("users/501/conversations/?status=true", pages(TALK | {"messages": int})),
    "one campaign, without the slash as documented": ("email-campaign/20", CAMPAIGN),
    "one conversation, an object for results": (
        "conversations/70/",
        pages(None) | {"results": TALK | {"messages": [MESSAGE]}},
    ),
}


@pytest.mark.parametrize("name", READS_2)
def test_a_documented_read_of_version_2(name: str, curl: Curl) -> None:
    """Status 200, and exactly the documented keys with their types."""
    path, shape = READS_2[name]
    status, answer = curl("GET", path)
    assert (200, []) == (status, misfits(answer, shape))
    assert answer.get("results", answer)


@pytest.mark.parametrize("path", ["users/", "tags/5/users/", "segments/300/users/"])
def test_a_documented_list_of_users_in_version_2(path: str, curl: Curl) -> None:
    """Every user has the standard keys; custom attributes are further keys, of those who have them."""
    status, answer = curl("GET", path)
    custom = {"plan_type", "interests"}
    standard = [{k: v for k, v in row.items() if k not in custom} for row in answer["results"]]
    assert (200, []) == (status, misfits(answer | {"results": standard}, pages(USER_2)))
    assert [501] == [row["id"] for row in answer["results"] if custom <= set(row)]


def test_a_search_for_many_answers_a_bare_array(curl: Curl) -> None:
    """Two people share the address; there is no envelope around them."""
    status, answer = curl("GET", "users/search/?email=ola@firm.example&many=true")
    assert (200, [501, 502]) == (status, [row["id"] for row in answer])


READS_1 = {
    "users by key": ("users/search/?key=a1b2c3d4e5f6", USER_1),
    "users by tag": ("tags/5/users/", pages(USER_1)),
    "companies by tag": ("tags/5/companies/", pages(COMPANY_1)),
    "deals by stage": ("deals/?stage=70", pages(DEAL_1)),
    "one deal": ("deals/40/", DEAL_1),
    "one conversation": ("conversations/70/", pages(None) | {"results": TALK | {"messages": [MESSAGE]}}),
}


@pytest.mark.parametrize("name", READS_1)
def test_a_documented_read_of_version_1(name: str, curl: Curl) -> None:
    """Without the version in Accept: the older names, custom attributes as an array."""
    path, shape = READS_1[name]
    status, answer = curl("GET", path, accept=None)
    assert (200, []) == (status, misfits(answer, shape))
    assert answer.get("results", answer)


_WHEN = 1700000000
_MAIL = {"subject": "Hello", "content": "<p>Hi</p>", "receivers": "501,502", "author": "12"}
_DUE = "2026-12-01T10:00:00Z"
_TICKET = {
    **dict.fromkeys(("name", "description", "due_date", "status", "created_at", "updated_at"), str),
    **dict.fromkeys(("assigned_to", "priority", "person", "company"), NUMBER),
    "id": int, "custom_id": TEXT, "participants": [int], "attributes": [object], "tags": [TAG],
    "serialized_attributes": [object], "status_history": [{"entered_at": str, "status": str}],
}  # fmt: skip
_PERSON = {"email": "n@x.example"}
_CALL = {"activity_type": 1, "name": "Call"}
_MERGED, _TALK = {"success": bool}, TALK | {"messages": int}
_MASS = {"attribute": "city", "value": "Gdynia"}
_NEW_DEAL = {"name": "Boats", "value": 99.5, "currency": "EUR", "stage": 71}

# name -> (method, path, body, status, shape)
WRITES_2: dict[str, tuple[str, str, Any, int, Any]] = {
    "upsert a user": ("POST", "users/update_or_create/", _PERSON | {"custom_id": "n-1"}, 200, UPSERTED),
    "merge users": ("POST", "users/merge/", {"parent": 501, "users_list": [502]}, 200, _MERGED),
    "merge users as its curl": ("POST", "users/merge/", {"parent": 501, "user_list": [502]}, 200, _MERGED),
    "mass update": ("PUT", "users/mass_update_standard_attributes/", _MASS | {"ids": [501, 502]}, 200, OK),
    "mass update custom": (
        "PUT", "users/mass_update_custom_attributes/",
        {"ids": [501, 502], "attribute": "plan_type", "value": "basic"}, 200, OK,
    ),
    "mass update by own id": (
        "PUT", "users-by-id/mass_update_standard_attributes/", _MASS | {"ids": ["crm-77", "crm-78"]}, 200, OK,
    ),
    "update a company": ("PUT", "companies/9/", {"city": "Gdynia", "size": 41}, 200, COMPANY_2),
    "create a deal": ("POST", "deals/", _NEW_DEAL | {"user_id": 501}, 201, DEAL_2),
    "upsert a deal": ("POST", "deals/update_or_create/", _NEW_DEAL | {"custom_id": "d-9"}, 200, UPSERTED),
    "create an event": ("POST", "events/", {"user_id": 501, "name": "paid", "timestamp": _WHEN}, 201, EVENT),
    "create an activity": ("POST", "activities/", _CALL | {"due_date": _DUE}, 201, ACTIVITY),
    "create an activity as its example": (
        "POST", "activities/", _CALL | {"datetime": _DUE}, 201, ACTIVITY,
    ),
    "start a conversation": (
        "POST", "users/501/conversations/", {"content": "Hi", "user": 12, "source": 1}, 201, _TALK,
    ),
    "send a message as the user": (
        "POST", "message/send_message_as_user/",
        {"user_custom_id": "crm-77", "content": "Hi", "conversation": 71, "state": "close"}, 201, MESSAGE,
    ),
    "send an e-mail": ("POST", "emails/send/", _MAIL, 200, {"campaign": int}),
    "send from an own domain": (
        "POST", "emails/send-custom-domain/", _MAIL | {"campaign": 20, "custom_sender": "a@x.example"}, 200,
        {"campaign": int},
    ),
    "create a ticket": (
        "POST", "tickets/", {"name": "Lost bag", "description": "Red", "due_date": _DUE, "user_id": 501}, 201,
        _TICKET,
    ),
    "create an attribute": (
        "POST", "attributes/", {"name": "My Attribute", "value_type": "string", "content_type": "clientuser"},
        201, {"id": int, "name": str, "name_std": str, "content_type": str, "value_type": str},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES_2)
def test_a_documented_write_of_version_2(name: str, curl: Curl) -> None:
    """Status and the documented keys of the answer."""
    method, path, body, expected, shape = WRITES_2[name]
    status, answer = curl(method, path, body)
    assert (expected, []) == (status, misfits(answer, shape))


WRITES_1: dict[str, tuple[str, str, Any, int, Any]] = {
    "upsert a user": ("POST", "users/update_or_create/", _PERSON | {"user_id": "n-1"}, 200, UPSERTED),
    "create an event": ("POST", "events/", {"client": 501, "name": "paid", "timestamp": _WHEN}, 201, EVENT),
    "create a deal by own id": (
        "POST", "deals-by-id/", _NEW_DEAL | {"deal_id": "d-9", "user_id": "crm-77"}, 201, DEAL_1,
    ),
    "create a conversation": (
        "POST", "conversations/", {"content": "Hi", "client_client_user_id": "a1b2c3d4e5f6", "source": 1},
        201, _TALK,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES_1)
def test_a_documented_write_of_version_1(name: str, curl: Curl) -> None:
    """The older names of the parameters, and of the keys in the answer."""
    method, path, body, expected, shape = WRITES_1[name]
    status, answer = curl(method, path, body, accept=None)
    assert (expected, []) == (status, misfits(answer, shape))


@pytest.mark.parametrize(("accept", "owner"), [(V2, "user_id"), (None, "client")], ids=["v2", "v1"])
@pytest.mark.parametrize("path", ["products/{id}/", "products-by-id/p-1/"], ids=["id", "own id"])
def test_a_documented_product_event(path: str, accept: str | None, owner: str, curl: Curl) -> None:
    """Its list of types is closed; an unknown one is refused."""
    _, product = curl("POST", "products/", {"name": "Boat", "custom_id": "p-1"})
    body = {owner: 501, "event_type": "purchase", "timestamp": _WHEN, "data": {"price": 5}}
    where = path.format(**product) + "product_event/"
    status, answer = curl("POST", where, body, accept=accept)
    assert (201, []) == (status, misfits(answer, {"id": int}))
    assert 400 == curl("POST", where, body | {"event_type": "admire"}, accept=accept)[0]


def test_what_an_upsert_answers_tells_new_from_known(curl: Curl) -> None:
    """The same request again updates, and the id stays."""
    body = {"custom_id": "n-1", "email": "n@x.example", "tags": ["fresh"]}
    (_, first), (_, second) = (
        curl("POST", "users/update_or_create/", body),
        curl("POST", "users/update_or_create/", body),
    )
    assert (True, False) == (first["created"], second["created"])
    assert first["id"] == second["id"]


def test_sent_mail_is_among_the_mails_of_its_receivers(curl: Curl) -> None:
    """Ids in one text, separated by commas; the campaign it answers can be read."""
    _, sent = curl("POST", "emails/send/", _MAIL)
    for receiver in (501, 502):
        assert "Hello" in [row["subject"] for row in curl("GET", f"users/{receiver}/emails/")[1]["results"]]
    assert "Hello" == curl("GET", f"email-campaign/{sent['campaign']}/")[1]["name"]


@pytest.mark.parametrize(
    ("method", "path", "token", "expected"),
    [
        ("GET", "users/", "wrong", (401, {"detail": "Invalid token."})),
        ("GET", "users/999/", None, (404, {"detail": "Not found."})),
        ("GET", "nothing/", None, (404, {"detail": "Not found."})),
    ],
    ids=["wrong key", "unknown user", "unknown route"],
)
def test_a_refusal_has_a_detail(
    method: str, path: str, token: str | None, expected: tuple[int, Any], curl: Curl
) -> None:
    """As the framework behind the API words it."""
    assert expected == curl(method, path, token=token)
