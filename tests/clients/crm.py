"""A Freshsales tenant with enough of everything that a reading client has to page, and what it really holds.

`held` asks the admin side, which shares no route, view or page with the API the clients read.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.server import Sandbox

PAST, FUTURE = "2019-05-03T10:00:00Z", "2090-05-03T10:00:00Z"
STAGES = ("New", "Won", "Lost", "Demo", "Won", "New", "Lost")
REALM = "freshsales_test"


class Crm:
    """The running tenant: where a client finds it, a plain client for preparing, and what it holds."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self.base_url: str = box.ready[REALM]["base_url"]
        self.token: str = box.ready[REALM]["token"]
        self.ca_file: str | None = box.ready["ca_file"]
        self.origin = str(httpx.URL(self.base_url).copy_with(path="/")).rstrip("/")
        self.host = self.origin.partition("//")[2]
        trust: ssl.SSLContext | bool = (
            ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True
        )
        self.http = httpx.Client(
            base_url=self.base_url, headers={"Authorization": f"Token token={self.token}"}, verify=trust
        )

    def held(self, kind: str) -> list[dict[str, Any]]:
        return self._box.admin("GET", f"{REALM}/{kind}")

    def ids(self, kind: str, **having: Any) -> set[int]:
        """Ids of all documents, those in the recycle bin too, whose values are the given ones."""
        rows = self.held(kind)
        return {row["id"] for row in rows if all(row.get(key) == value for key, value in having.items())}

    def send(self, method: str, path: str, body: Any) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def plan_fault(self, **fault: Any) -> None:
        self._box.admin("POST", "faults", fault)


@contextmanager
def serving(edition: str, *, filled: bool = True, tls: bool = False) -> Iterator[Crm]:
    """A tenant of its own; *filled* with 105 contacts, 55 accounts, open and closed deals, activities."""
    described = {"index_delay_s": 0, "requests_per_hour": 100_000, "requests_per_minute": 100_000}
    existing = _existing(edition) if filled else {}
    scenario = Scenario(usercom={}, freshsales=described | {"existing": existing})
    with Sandbox(scenario, edition=edition, tls=tls) as box:
        crm = Crm(box)
        try:
            if filled:
                _fill(crm)
            yield crm
        finally:
            crm.http.close()


def _existing(edition: str) -> dict[str, Any]:
    mails = [f"ada{n}@people.example" for n in range(105)]
    firms = [f"Company {n}" for n in range(55)]
    people = [
        {"first_name": "Ada", "last_name": f"Berg {n}", "email": mail, "accounts": [firms[n % 55]]}
        for n, mail in enumerate(mails)
    ]
    deals = [
        {
            "name": f"Deal {n}",
            "amount": 10 * n + 0.5,
            "stage": stage,
            "account": firms[n],
            "contacts": [mails[n]],
        }
        for n, stage in enumerate(STAGES)
    ]
    leads = [{"last_name": f"Lund {n}", "email": f"lund{n}@people.example"} for n in range(3)]
    rows = {"sales_accounts": [{"name": firm} for firm in firms], "contacts": people, "deals": deals}
    return rows | ({"leads": leads} if edition == "classic" else {})


def _fill(crm: Crm) -> None:
    people = sorted(crm.ids("contacts"))
    kind = crm.held("sales_activity_types")[0]["id"]
    owner = crm.held("owners")[0]["id"]
    for n in range(4):
        on = {"targetable_type": "Contact", "targetable_id": people[n], "title": f"Talk {n}"}
        crm.send("POST", "tasks", {"task": on | {"due_date": PAST, "status": n % 2}})
        dates = {"from_date": PAST, "end_date": FUTURE if n % 2 else PAST}
        crm.send("POST", "appointments", {"appointment": on | dates})
        done = {"start_date": PAST, "end_date": PAST, "owner_id": owner, "sales_activity_type_id": kind}
        crm.send("POST", "sales_activities", {"sales_activity": on | done})
    for kind_name in ("contacts", "sales_accounts", "deals"):
        crm.send("DELETE", f"{kind_name}/{max(crm.ids(kind_name))}", None)
