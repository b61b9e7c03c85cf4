"""A small User.com account served in process: the test's stand-in for a client is plain httpx."""

import asyncio
import copy
from typing import Any

import httpx

from crmbook.sandbox.scenario import Scenario, check, seed
from crmbook.sandbox.store import Store
from crmbook.sandbox.usercom import app

TOKEN = "k" * 64
T0 = "2024-01-01T10:00:00.123456Z"
T1 = "2024-02-01T10:00:00.654321Z"

STAMP = "2026-11-01T00:00:00.000000Z"

ROWS: dict[str, list[dict[str, Any]]] = {
    "attributes": [
        {
            "id": 1,
            "name": "Plan type",
            "name_std": "plan_type",
            "content_type": "user",
            "value_type": "string",
        },
        {
            "id": 2,
            "name": "Interests",
            "name_std": "interests",
            "content_type": "user",
            "value_type": "fixed",
        },
        {"id": 3, "name": "Score", "name_std": "score", "content_type": "user", "value_type": "integer"},
        {"id": 4, "name": "Tier", "name_std": "tier", "content_type": "company", "value_type": "fixed"},
        {"id": 5, "name": "Margin", "name_std": "margin", "content_type": "deal", "value_type": "float"},
    ],
    "tags": [{"id": 5, "name": "vip"}, {"id": 6, "name": "old"}],
    "lists": [{"id": 3, "name": "Newsletter"}],
    "agents": [{"id": 12, "name": "Ada Agent", "email": "ada@firm.example"}],
    "activity_types": [{"id": 1, "name": "Phone call", "kind": "call"}],
    "pipelines": [
        {
            "id": 7,
            "name": "Sales",
            "position": 1,
            "stages": [
                {"id": 70, "name": "New", "position": 1, "probability": 12.5},
                {"id": 71, "name": "Won", "position": 2, "probability": 100},
            ],
        },
        {"id": 8, "name": "Renewals", "position": 2, "stages": [{"id": 80, "name": "Due", "position": 1}]},
    ],
    "companies": [
        {
            "id": 9,
            "custom_id": "c-9",
            "name": "Acme",
            "size": 40,
            "phone_numbers": ["+48221234567"],
            "tag_ids": [5],
            "attributes": {"tier": ["gold"]},
            "created_at": T0,
            "updated_at": T1,
        },
        {"id": 10, "name": "Acme", "phone_numbers": None, "created_at": T0, "updated_at": T0},
    ],
    "users": [
        {
            "id": 501,
            "custom_id": "crm-77",
            "user_key": "a1b2c3d4e5f6",
            "name": "Ola Nowak",
            "email": "ola@firm.example",
            "phone_number": "+48600100200",
            "gender": "female",
            "status": "user",
            "country": "Poland",
            "assigned_to": 12,
            "last_seen": "2024-03-01T00:00:00.230000Z",
            "company_ids": [{"id": 9, "member_since": "2024-01-02T03:04:05.000006Z"}],
            "list_ids": [3],
            "tag_ids": [5],
            "attributes": {"plan_type": "pro", "interests": ["a", "b"], "score": 7},
            "created_at": T0,
            "updated_at": T1,
        },
        {
            "id": 502,
            "custom_id": "crm-78",
            "user_key": "ffffffffffff",
            "name": "Jan Kowalski",
            "email": "ola@firm.example",
            "phone_number": "",
            "tag_ids": [5, 6],
            "company_ids": [{"id": 10, "member_since": T1}],
            "created_at": T0,
            "updated_at": "2024-05-01T00:00:00.000000Z",
        },
        {"id": 503, "user_key": "000000000003", "created_at": T0, "updated_at": T0},
    ],
    "deals": [
        {
            "id": 40,
            "custom_id": "d-40",
            "name": "Fleet",
            "value": "1250",
            "currency": "EUR",
            "pipeline": 7,
            "stage": 70,
            "status": 1,
            "assigned_to": 12,
            "user_id": 501,
            "company_id": 9,
            "participants": [502],
            "tag_ids": [6],
            "expected_close_date": "2024-09-01",
            "attributes": {"margin": 0.5},
            "created_at": T0,
            "updated_at": T1,
        },
        {"id": 41, "name": "Bikes", "pipeline": 7, "stage": 71, "status": 2, "user_id": 502, "won_at": T1},
    ],
    "activities": [
        {
            "id": 60,
            "activity_type": 1,
            "name": "Call Ola",
            "due_date": T1,
            "duration": 30,
            "user_id": 501,
            "deal_id": 40,
            "created_at": T0,
            "updated_at": T0,
        }
    ],
    "events": [
        {
            "id": 900,
            "user_id": 501,
            "event_id": 4,
            "name": "signed_up",
            "timestamp": T0,
            "data": {"from": "web"},
        }
    ],
    "emails": [{"id": 800, "user_id": 501, "status": "opened", "sent_at": T0, "subject": "Hello"}],
    "segments": [
        {"id": 300, "name": "With email", "user_ids": [502, 501]},
        {"id": 301, "name": "Empty", "user_ids": []},
    ],
    "conversations": [
        {
            "id": 70,
            "user_id": 501,
            "agent_id": 12,
            "active": False,
            "messages": [
                {"id": 1, "author": "user", "content": "<b>Hi</b>", "source": 1, "timestamp": T0},
                {
                    "id": 2,
                    "author": "agent",
                    "agent_id": 12,
                    "content": "Hello",
                    "source": 2,
                    "timestamp": T1,
                },
            ],
        },
        {"id": 71, "user_id": 501, "active": True, "messages": []},
    ],
    "campaigns": [
        {"id": 20, "name": "Spring", "type": 1, "status": 2, "started_at": T0},
        {"id": 21, "name": "Summer", "type": 1, "status": 2, "started_at": T1},
    ],
}


class Api:
    """The account with its switches; every call is one request of a client that follows no redirect."""

    def __init__(
        self, *, version: int = 2, rows=None, faults=None, clock=None, store=None, **switches: Any
    ) -> None:
        scenario = Scenario(copy.deepcopy(rows or ROWS), {}, switches)
        check(scenario)
        self.store = store or Store()
        seed(self.store, scenario)
        clocked = {"clock": clock} if clock else {}
        self.app = app(self.store, token=TOKEN, faults=faults, **clocked)
        accept = "*/*; version=2" if version == 2 else "*/*"
        self.headers = {"authorization": f"Token {TOKEN}", "accept": accept}

    def ask(self, method: str, path: str, *, headers=None, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://box:8700") as client:
                url = path if path.startswith("http") else f"/api/public/{path}"
                return await client.request(method, url, headers=self.headers | (headers or {}), **more)

        return asyncio.run(send())

    def get(self, path: str, **more: Any) -> Any:
        answer = self.ask("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, path: str, **more: Any) -> list[int]:
        return [row["id"] for row in self.get(path, **more)["results"]]

    def row(self, kind: str, row_id: int) -> Any:
        return self.store.table("usercom", kind).get(row_id)


def clocked(**more) -> Api:
    return Api(clock=lambda: 1793491200.0, **more)


def refused(answer) -> list[str]:
    """The fields a 400 names."""
    assert 400 == answer.status_code, answer.text
    return list(answer.json()["errors"])
