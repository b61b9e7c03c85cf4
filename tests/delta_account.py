"""The small customer with history, taken through a whole run and three deltas; what moved in between on either side."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import polars as pl

from conftest import Finished
from crmbook.sandbox.scenario import Scenario, check
from crmbook.sandbox.server import Sandbox
from customer_setup import KEY, Customer, _person
from customer_setup import scenario as plain

REALM = "freshsales_test"
MARK = "cf_usercom_original_id"
_DAY = "2026-03-{:02d}T10:00:00.000000Z"


def scenario() -> Scenario:
    """acme with a list, a call, a task, a chat of two messages, an e-mail and an event."""
    made = plain()
    rows = {**made.usercom}
    rows["lists"] = [{"id": 1, "name": "Newsletter"}]
    rows["users"] = [user | ({"list_ids": [1]} if user["id"] in (1, 8) else {}) for user in rows["users"]]
    rows["activity_types"] = [*rows["activity_types"], {"id": 2, "name": "To do", "kind": "task"}]
    rows["activities"] = [
        {"id": 51, "activity_type": 1, "name": "First call", "user_id": 1, "due_date": _DAY.format(3), "duration": 10,
         "done": True, "done_date": _DAY.format(3), "assigned_to": 1, "created_at": _DAY.format(3), "updated_at": _DAY.format(3)},
        {"id": 52, "activity_type": 2, "name": "Send the offer", "user_id": 8, "due_date": _DAY.format(4), "done": False,
         "assigned_to": 1, "created_at": _DAY.format(4), "updated_at": _DAY.format(4)},
    ]  # fmt: skip
    rows["conversations"] = [{"id": 71, "user_id": 7, "agent_id": 1, "messages": [_message(1), _message(2)]}]
    rows["emails"] = [{"id": 81, "user_id": 9, "status": 3, "subject": "Hello", "sent_at": _DAY.format(5)}]
    rows["events"] = [
        {"id": 91, "user_id": 10, "event_id": 5, "name": "visit", "timestamp": _DAY.format(6), "data": {}}
    ]
    made = Scenario(rows, made.freshsales, made.switches)
    check(made)
    return made


def _message(number: int) -> dict[str, Any]:
    author = {"author": "agent", "agent_id": 1} if number % 2 == 0 else {"author": "user"}
    return {
        "id": number,
        "content": f"message {number}",
        "timestamp": _DAY.format(6 + number),
        "source": 2,
        **author,
    }


class Account:
    """acme between the two systems: what moves in the source, what a person does in the target."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.customer = Customer(box, folder)
        self.customer.runs.mkdir(exist_ok=True)
        self.customer.write_settings()

    def loaded(self) -> None:
        """The whole run, to its approved reconciliation."""
        self.run()
        self.customer.configure(REALM, self.customer.checklist("test-01"))
        assert self.run().code == 0

    def run(self, *arguments: str) -> Finished:
        return self.customer.run("test", "--approve-all", "--by", "Eva Nowak", *arguments)

    def source(self, kind: str, number: int, **changes: Any) -> None:
        self.box.admin("PUT", f"/usercom/{kind}/{number}", changes)

    def edit(self, module: str, source_id: str, **changes: Any) -> None:
        self.box.admin("PUT", f"/{REALM}/{module}/{self.target(module)[source_id]['id']}", changes)

    def target(self, module: str) -> dict[str, dict[str, Any]]:
        """Our live records of *module* by source id; two of one id would be an error."""
        found: dict[str, dict[str, Any]] = {}
        for doc in self.box.admin("GET", f"/{REALM}/{module}"):
            mark = doc["custom_field"].get(MARK)
            if mark and not doc["is_deleted"]:
                assert mark not in found
                found[mark] = doc
        return found

    def all_of(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.box.admin("GET", f"/{REALM}/{kind}")
        return found

    def table(self, run: str, phase: str, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.customer.folder / run / phase / "data" / f"{name}.parquet")

    def state(self) -> str:
        return str(self.box.admin("GET", f"/state/hash?realm={REALM}")["sha256"])

    def history_asked(self) -> dict[str, int]:
        routes = self.box.admin("GET", "/requests?realm=usercom")["by_route"]
        kinds = ("events", "emails", "conversations")
        return {kind: routes.get(f"GET /users/:id/{kind}/", 0) for kind in kinds}

    def moves_on(self) -> None:
        """Between the whole run and the first delta: the source goes on, and people work in the target."""
        anna = {"plan_type": "monthly", "renewal": "2026-09-01"}
        self.source("users", 1, attributes=anna, phone_number="+48600700899", tag_ids=[2])
        self.source(
            "users",
            2,
            phone_number="+48600700777",
            city="Gdynia",
            country="Poland",
            attributes={"plan_type": "yearly", "renewal": "2027-02-02"},
        )
        self.source("users", 9, name="Greta Holmquist", list_ids=[1], attributes={})
        self.source("users", 10, last_seen="2026-05-05T00:00:00.000000Z", page_views=99)
        self.source("users", 8, list_ids=[])
        self.box.admin(
            "POST",
            "/usercom/users",
            _person(13, "Kaja Lund", company_ids=[{"id": 22, "member_since": _DAY.format(1)}]),
        )
        self.box.admin("DELETE", "/usercom/companies/21")
        self.source("deals", 31, stage=12, status=2, won_at="2026-06-01T10:00:00.000000Z", participants=[])
        self.source("activities", 52, done=True, done_date=_DAY.format(9))
        self.box.admin(
            "POST",
            "/usercom/activities",
            {
                "id": 53,
                "activity_type": 1,
                "name": "Second call",
                "user_id": 13,
                "due_date": _DAY.format(8),
                "duration": 5,
                "done": True,
                "assigned_to": 1,
                "created_at": _DAY.format(8),
                "updated_at": _DAY.format(8),
            },
        )
        self.source("conversations", 71, messages=[_message(1), _message(2), _message(3)])
        self.people_work()

    def people_work(self) -> None:
        self.edit("contacts", "1", mobile_number="+1999")
        self.edit("contacts", "11", mobile_number="+1888", job_title="Skipper")
        owners = {one["email"]: one["id"] for one in self.all_of("owners")}
        self.edit("contacts", "7", owner_id=owners["ines@acme.example"])
        self.edit("contacts", "12", is_deleted=True, deleted_at=_DAY.format(20))
        parent = self.target("contacts")["8"]["id"]
        task = {
            "title": "Call back",
            "due_date": _DAY.format(25),
            "status": 0,
            "targetable_type": "Contact",
            "targetable_id": parent,
        }
        self.box.admin("POST", f"/{REALM}/tasks", task)

    def killed_while_writing(self) -> int:
        """How many writes of the delta were done when it was killed with signal 9 amid its contacts."""
        slow = {"realm": REALM, "kind": "delay", "method": "PUT", "path": "/contacts/", "delay_s": 0.5}
        acme, said = self.customer, self.customer.runs.parent / "killed.txt"
        self.box.admin("POST", "/faults", [slow])
        with said.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "crmbook", "run", KEY, "--env", "test", "--delta", "--approve-all", "--by", "Eva"],
                cwd=acme.runs, env={**os.environ, **acme.tokens, "CRMBOOK_RUNS": str(acme.runs)},
                stdout=stream, stderr=stream,
            )  # fmt: skip
        while (done := self._done()) < 2:
            assert process.poll() is None, said.read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.box.admin("DELETE", "/faults")
        return done

    def _done(self) -> int:
        if not self.ledger().exists():
            return 0
        with (
            closing(sqlite3.connect(f"file:{self.ledger()}?mode=ro", uri=True)) as ledger,
            suppress(sqlite3.Error),
        ):
            return int(ledger.execute("SELECT count(*) FROM writes WHERE state = 'done'").fetchone()[0])
        return 0

    def ledger(self) -> Path:
        return self.customer.folder / "test-02" / "ledger.db"
