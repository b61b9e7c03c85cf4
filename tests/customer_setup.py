"""A small customer of its own, taken from phase to phase by typed commands, and what each of them printed.

`Customer` is one folder of customers over a running sandbox. `Journey` walks it once per session and keeps a
copy of the folder at the points other tests start from, so that no test has to migrate anything again.
"""

import csv
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import Finished, crmbook
from crmbook.sandbox.scenario import Scenario, check
from crmbook.sandbox.server import Sandbox

KEY = "acme"
ADMIN = "admin@acme.example"
REALMS = {"test": "freshsales_test", "production": "freshsales_production"}
TOKENS = {
    "usercom": "ACME_USERCOM_TOKEN",
    "freshsales_test": "ACME_FRESHSALES_TEST_TOKEN",
    "freshsales_production": "ACME_FRESHSALES_TOKEN",
}
COMMAND = re.compile(r"crmbook (approve \S+ --run \S+ \w+ --by NAME --hash \w+)")
RECORDS = re.compile(r"^(POST|PUT|DELETE) /(contacts|sales_accounts|deals|leads)(?!/view|/filters)")
STAGES = ("mapped", "loaded", "signed", "killed", "produced")
_AT = "2026-03-02T09:30:00.000000Z"


def _person(number: int, name: str, **given: Any) -> dict[str, Any]:
    row = {
        "id": number, "name": name, "email": f"{name.partition(' ')[0].lower()}@people.example", "status": "user",
        "user_key": f"key{number:09d}", "last_seen": f"2026-04-{number:02d}T08:00:00.000000Z", "created_at": _AT,
        "updated_at": _AT, "assigned_to": 1, "company_ids": [], "tag_ids": [], "attributes": {},
    }  # fmt: skip
    return {**row, **given}


def _deal(number: int, name: str, stage: int, status: int, **given: Any) -> dict[str, Any]:
    row = {
        "id": number, "name": name, "value": f"{number * 100}.00", "currency": "EUR", "pipeline": 1, "stage": stage,
        "status": status, "assigned_to": 1, "created_at": _AT, "updated_at": _AT, "attributes": {},
    }  # fmt: skip
    return {**row, **given}


def scenario() -> Scenario:
    """Twelve contacts: leads, customers, a duplicate, a push-only browser, one without and one with a wrong e-mail."""
    anna = {"attributes": {"plan_type": "quarterly", "renewal": "2026-09-01"}, "tag_ids": [1]}
    rows: dict[str, list[dict[str, Any]]] = {
        "attributes": [
            {"id": 1, "name": "Plan type", "name_std": "plan_type", "content_type": "user", "value_type": "string"},
            {"id": 2, "name": "Renewal", "name_std": "renewal", "content_type": "user", "value_type": "date"},
            {"id": 3, "name": "Website", "name_std": "website", "content_type": "company", "value_type": "string"},
        ],
        "tags": [{"id": 1, "name": "winter fair"}, {"id": 2, "name": "reseller"}],
        "agents": [
            {"id": 1, "name": "Ines Maas", "email": "ines@acme.example"},
            {"id": 2, "name": "Olaf Berg", "email": "olaf@acme.example"},
        ],
        "activity_types": [{"id": 1, "name": "Phone call", "kind": "call"}],
        "pipelines": [
            {"id": 1, "name": "Rentals", "position": 1, "stages": [
                {"id": 11, "name": "Enquiry", "position": 1, "probability": 12.5},
                {"id": 12, "name": "Signed", "position": 2, "probability": 100},
                {"id": 13, "name": "Lost", "position": 3, "probability": 0},
            ]},
        ],
        "companies": [
            {"id": 21, "name": "Nordlicht Bootsverleih", "tag_ids": [2], "created_at": _AT, "updated_at": _AT,
             "attributes": {"website": "https://nordlicht.example"}},
            {"id": 22, "name": "Haff Werft", "created_at": _AT, "updated_at": _AT, "attributes": {}},
        ],
        "users": [
            _person(1, "Anna Lindqvist", company_ids=[{"id": 21, "member_since": _AT}], **anna),
            _person(2, "Bruno Castell", attributes={"plan_type": "seasonal"}),
            _person(3, "Bruno Castell", email="BRUNO@people.example", tag_ids=[2], attributes={"plan_type": "yearly"}),
            _person(4, "", email=None, status="visitor", user_key="key000000004", assigned_to=None,
                    web_push_subscription=True),
            _person(5, "Clara Dorn", email=None, phone_number="+48600700801"),
            _person(6, "Dario Eken", email="dario-at-people"),
            _person(7, "Ewa Falk", last_contacted=_AT, assigned_to=2),
            _person(8, "Finn Gauss", company_ids=[{"id": 22, "member_since": _AT}, {"id": 21, "member_since": None}]),
            _person(9, "Greta Holm", attributes={"renewal": "2027-01-15"}),
            _person(10, "Hugo Iversen", tag_ids=[1, 2]),
            _person(11, "Ida Jonsson", phone_number="+48600700802"),
            _person(12, "Jonas Kraft", assigned_to=None),
        ],
        "deals": [
            _deal(31, "Fleet of kayaks", 11, 1, user_id=1, company_id=21, participants=[8]),
            _deal(32, "Jetty repair", 12, 2, user_id=9, company_id=22, won_at="2026-05-01T22:30:00.000000Z"),
            _deal(33, "Spare sails", 13, 3, user_id=3, lost_at=_AT, loss_reason="price"),
        ],
    }  # fmt: skip
    owners = [
        {"display_name": "Admin", "email": ADMIN, "is_active": True},
        {"display_name": "Ines Maas", "email": "ines@acme.example", "is_active": True},
    ]
    made = Scenario(
        rows,
        {
            "owners": owners,
            "currencies": [{"currency_code": "EUR", "is_active": True, "is_base": True, "exchange_rate": "1.0"}],
            "requests_per_hour": 20_000, "index_delay_s": 0.2, "account_name_unique": True,
        },
    )  # fmt: skip
    check(made)
    return made


@dataclass
class Customer:
    """The customer acme (or *key*) in one folder of customers, with the tokens a person would export."""

    box: Sandbox
    runs: Path
    tokens: dict[str, str] = field(default_factory=dict)
    key: str = KEY

    def __post_init__(self) -> None:
        self.tokens = self.tokens or {self.variable(r): self.box.ready[r]["token"] for r in TOKENS}

    def variable(self, realm: str) -> str:
        """The name of the variable the realm's token stands in."""
        return TOKENS[realm].replace(KEY.upper(), self.key.upper())

    @property
    def folder(self) -> Path:
        return self.runs / self.key

    def write_settings(self, replaced: Mapping[str, str] | None = None) -> None:
        """customer.toml and the automation inventory; *replaced* are texts of the file and what stands instead."""
        ready = self.box.ready
        text = f"""\
[customer]
name = "Acme GmbH"
admin_email = "{ADMIN}"
time_zone = "Europe/Warsaw"
active_automations = 1

[source]
kind = "api"
base_url = "{ready["usercom"]["base_url"]}"
token_env = "{self.variable("usercom")}"
requests_per_second = 200
"""
        for env, realm in REALMS.items():
            text += f"""
[target.{env}]
edition = "suite"
plan = "pro"
base_url = "{ready[realm]["base_url"]}"
token_env = "{self.variable(realm)}"
requests_per_hour = 20000
"""
        text += "\n[policy]\nworkflows_disabled = true\n"
        for old, new in (replaced or {}).items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "source").mkdir(parents=True, exist_ok=True)
        (self.folder / "customer.toml").write_text(text, encoding="utf-8")
        (self.folder / "source" / "automations.csv").write_text(
            "name,trigger,conditions,actions,active,notes\nWelcome,sign-up,,send mail,yes,\n",
            encoding="utf-8",
        )

    def crm(self, *arguments: str) -> Finished:
        return crmbook(*arguments, runs=self.runs, env=self.tokens)

    def run(self, env: str = "test", *arguments: str) -> Finished:
        return self.crm("run", self.key, "--env", env, *arguments)

    def approve(self, stopped: Finished, by: str = "Eva Nowak") -> Finished:
        """The command a stop printed, typed with a name in the place of NAME."""
        printed = COMMAND.search(stopped.err)
        assert printed, stopped.err
        return self.crm(*(by if word == "NAME" else word for word in printed[1].split()))

    def checklist(self, run_id: str, phase: str = "03_workspace") -> list[dict[str, str]]:
        path = self.folder / run_id / phase / "checklist.csv"
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def configure(self, realm: str, rows: list[dict[str, str]]) -> None:
        assert self.box.admin("POST", f"/{realm}/checklist", {"rows": rows})["refused"] == []

    def records(self, realm: str) -> dict[str, int]:
        """How many records of each module the tenant holds now."""
        modules = ("sales_accounts", "contacts", "deals")
        return {module: len(self.box.admin("GET", f"/{realm}/{module}")) for module in modules}

    def record_writes(self, realm: str) -> dict[str, int]:
        """Requests so far that create, change or delete a record, by route."""
        routes = self.box.admin("GET", f"/requests?realm={realm}")["by_route"]
        return {route: count for route, count in routes.items() if RECORDS.match(route)}


def content_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of *folder* with its hash and time of change: equal where nothing was written."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _without_olaf(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """He gets no user: a missing owner stops no load, and his records wait with the administrator."""
    return [row for row in rows if row["item_id"] != "owner:2"]


class Journey:
    """acme through test and production, a stage at a time; `seen` keeps what every command printed."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.seen: dict[str, Finished] = {}
        self.copies = folder
        self.customer = Customer(box, folder / "runs")
        self.customer.runs.mkdir()
        self.customer.write_settings()
        self._ahead = dict(
            zip(STAGES, (self._map, self._load, self._sign_off, self._kill, self._produce), strict=True)
        )
        self._reached: list[str] = []

    def to(self, stage: str) -> "Journey":
        """Walked at least to *stage*; a stage that failed is not tried again."""
        for ahead in STAGES[: STAGES.index(stage) + 1]:
            if walk := self._ahead.pop(ahead, None):
                walk()
                self._reached.append(ahead)
            assert ahead in self._reached, f"the stage {ahead} failed before"
        return self

    def kept(self, point: str) -> Path:
        """acme's folder as it stood at that point: mapped, planned, refused, signed or produced; only to be read."""
        return self.copies / point / KEY

    def again_from(self, point: str, folder: Path) -> Customer:
        """acme as it stood at that point, in a folder of its own, over the same sandbox."""
        return Customer(self.customer.box, shutil.copytree(self.copies / point, folder / "runs"))

    def _keep(self, point: str) -> None:
        shutil.copytree(self.customer.runs, self.copies / point)

    def _map(self) -> None:
        acme, seen = self.customer, self.seen
        seen["production opens"] = acme.run("production")
        seen["mapping approved"] = acme.approve(seen["production opens"])
        seen["production unrehearsed"] = acme.run("production")
        seen["test stops at the workspace"] = acme.run("test")
        self._keep("mapped")

    def _load(self) -> None:
        acme, seen = self.customer, self.seen
        acme.configure("freshsales_test", _without_olaf(acme.checklist("test-01")))
        seen["test stops at the plan"] = acme.run("test")
        self.held_before_approval = acme.records("freshsales_test")
        self._keep("planned")
        seen["wrong hash"] = acme.crm(
            "approve", KEY, "--run", "test-01", "plan", "--by", "Eva", "--hash", "0" * 12
        )
        seen["nothing on offer"] = acme.crm(
            "approve", KEY, "--run", "test-01", "reconciliation", "--by", "Eva"
        )
        seen["nameless"] = acme.crm("approve", KEY, "--run", "test-01", "plan", "--by", " ")
        self._keep("refused")
        seen["plan approved"] = acme.approve(seen["test stops at the plan"])
        seen["test stops at the sign-off"] = acme.run("test")
        seen["still waiting"] = acme.run("test", "--json")

    def _sign_off(self) -> None:
        acme, seen = self.customer, self.seen
        seen["signed off"] = acme.approve(seen["test stops at the sign-off"])
        seen["test ends"] = acme.run("test")
        self._keep("signed")

    def _kill(self) -> None:
        acme, seen = self.customer, self.seen
        acme.configure("freshsales_production", _without_olaf(acme.checklist("test-01", "03_workspace~1")))
        seen["production stops at the plan"] = acme.run("production")
        acme.approve(seen["production stops at the plan"], by="Jan Kos")
        self.held_when_killed = self._killed_while_writing()

    def _produce(self) -> None:
        acme, seen = self.customer, self.seen
        seen["production resumes"] = acme.run("production")
        acme.approve(seen["production resumes"], by="Jan Kos")
        seen["production ends"] = acme.run("production")
        self._keep("produced")

    def _killed_while_writing(self) -> dict[str, int]:
        """What the tenant holds once `crmbook run` was killed with signal 9 amid its deals."""
        acme, realm = self.customer, "freshsales_production"
        slow = {"realm": realm, "kind": "delay", "method": "POST", "path": "/deals$", "delay_s": 0.4}
        acme.box.admin("POST", "/faults", [slow])
        before = acme.record_writes(realm).get("POST /deals", 0)
        process = subprocess.Popen(
            [sys.executable, "-m", "crmbook", "run", KEY, "--env", "production"], cwd=acme.runs,
            env={**os.environ, **acme.tokens, "CRMBOOK_RUNS": str(acme.runs)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while acme.record_writes(realm).get("POST /deals", 0) < before + 2:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        acme.box.admin("DELETE", "/faults")
        return acme.records(realm)
