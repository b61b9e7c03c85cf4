"""One Freshsales tenant served in process: the test's stand-in for a client is plain httpx."""

import asyncio
from typing import Any

import httpx

from crmbook.sandbox.freshsales import Clock, Tenant, app, open_tenant
from crmbook.sandbox.store import Store

TOKEN = "key"
REALM = "freshsales_test"
BASE = {"suite": "/crm/sales/api", "classic": "/api"}


class Account:
    """The tenant and a client with its key; `**described` are keys of freshsales.json."""

    def __init__(self, *, edition: str = "suite", store: Store | None = None, **described: Any) -> None:
        self.store = store or Store()
        self.clock = Clock(self.store)
        quick = {"index_delay_s": 0, "requests_per_hour": 100_000, "requests_per_minute": 100_000}
        self.tenant: Tenant = open_tenant(
            self.store, REALM, self.clock, edition=edition, described=quick | described
        )
        self.base = BASE[edition]
        self.headers = {"Authorization": f"Token token={TOKEN}"}
        self._app = app(self.tenant, token=TOKEN)

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = self.headers | rest.pop("headers", {})
        url = path if path.startswith("/") else f"{self.base}/{path}"

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://crm.example") as client:
                return await client.request(method, url, headers=headers, **rest)

        return asyncio.run(ask())

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.request("GET", path, params=query)

    def post(self, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.request("POST", path, json=body, params=query)

    def put(self, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.request("PUT", path, json=body, params=query)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)

    # shorthands for what most tests start from

    def contact(self, email: str = "ada@x.example", **fields: Any) -> Any:
        return self._made("contacts", "contact", {"email": email, "last_name": "Berg", **fields})

    def account(self, name: str = "Acme", **fields: Any) -> Any:
        return self._made("sales_accounts", "sales_account", {"name": name, **fields})

    def deal(self, name: str = "Rollout", **fields: Any) -> Any:
        return self._made("deals", "deal", {"name": name, "amount": 10, **fields})

    def _made(self, path: str, wrapper: str, body: Any) -> Any:
        answer = self.post(path, {wrapper: body})
        assert answer.status_code == 200, answer.text
        return answer.json()[wrapper]

    def selector(self, name: str, key: str = "") -> dict[str, Any]:
        """Rows of a selector by name."""
        rows = self.get(f"selector/{name}").json()[key or name]
        return {row.get("name", row.get("currency_code")): row for row in rows}

    def view(self, module: str, name: str, **query: Any) -> Any:
        rows = self.get(f"{module}/filters").json()["filters"]
        view_id = next(row["id"] for row in rows if row["name"] == name)
        return self.get(f"{module}/view/{view_id}", **query).json()

    def stage(self, contact_id: int) -> str:
        """The lifecycle stage's name of a contact."""
        answer = self.get(f"contacts/{contact_id}", include="lifecycle_stage").json()
        return str(answer["lifecycle_stages"][0]["name"])


def messages(answer: httpx.Response) -> list[str]:
    """The sentences of a refusal whose envelope carries the status as its code."""
    errors = answer.json()["errors"]
    assert errors["code"] == answer.status_code
    return list(errors["message"])
