"""A User.com account with history, and a customer whose discovery reads it from the sandbox."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmbook import config, extract, runner, runs
from crmbook.sandbox.scenario import KINDS, Scenario
from crmbook.sandbox.server import Sandbox

TOKEN = "ACME_USERCOM_TOKEN"
PEOPLE = range(1, 25)
VISITORS = (23, 24)
HISTORY = ("activities", "events", "emails", "conversations", "messages")
Open = Callable[..., runs.Run]


def _user(number: int) -> dict[str, Any]:
    email = None if number in VISITORS else f"p{number}@a.example"
    return {"id": number, "user_key": f"key{number:09}", "name": f"P {number}", "email": email}


def _event(number: int) -> dict[str, Any]:
    return {"id": 800 + number, "user_id": 1 + number % 24, "event_id": 5 + number % 2, "name": f"e{number % 2}",
            "timestamp": f"2024-03-01T10:00:{number:02}.000001Z", "data": {"n": number, "list": [{"a": None}]}}  # fmt: skip


def _talk(number: int) -> dict[str, Any]:
    start = {
        "id": number * 10,
        "author": "user",
        "content": f"hi <b>{number}</b>",
        "timestamp": "2024-03-01T10:00:00Z",
    }
    answer = {"id": number * 10 + 1, "author": "agent", "agent_id": 11, "content": "yes?", "source": 2,
              "timestamp": "2024-03-01T09:59:00Z"}  # fmt: skip
    return {
        "id": 70 + number,
        "user_id": 3 * number,
        "agent_id": 11,
        "messages": [start, answer][: number % 3],
    }


ROWS: dict[str, list[dict[str, Any]]] = {
    "users": [_user(number) for number in PEOPLE],
    "companies": [{"id": 91, "name": "Firm"}],
    "deals": [{"id": 41, "name": "D", "pipeline": 1, "stage": 10, "status": 1, "user_id": 1}],
    "pipelines": [{"id": 1, "name": "Sales", "position": 1, "stages": [{"id": 10, "name": "New", "position": 1}]}],
    "agents": [{"id": 11, "name": "Ag", "email": "ag@a.example"}],
    "activity_types": [{"id": 1, "name": "Call", "kind": "call"}],
    "activities": [
        {"id": 60, "activity_type": 1, "name": "Call", "user_id": 1, "due_date": "1969-12-31T23:59:59.000000Z",
         "duration": 30, "description": "<p>x</p>", "done": True, "assigned_to": 11},
        {"id": 61, "activity_type": 1, "name": "About a firm", "user_id": None, "company_id": 91, "deal_id": 41},
        {"id": 62, "activity_type": 1, "name": "Of another", "user_id": 22, "done": False},
    ],
    "events": [_event(number) for number in range(40)],
    "emails": [{"id": 500 + n, "user_id": n, "status": 3, "sent_at": "2024-01-01T00:00:00Z", "subject": f"s{n}",
                "opened_at": "2024-01-01T00:00:01.500000Z" if n % 2 else None} for n in range(1, 23)],
    "conversations": [_talk(number) for number in range(1, 9)],
}  # fmt: skip


def scenario(rows: dict[str, list[dict[str, Any]]] | None = None, **switches: Any) -> Scenario:
    known = {**ROWS, **(rows or {})}
    return Scenario({kind: known.get(kind, []) for kind in KINDS}, {}, switches)


@pytest.fixture
def open_run(customers: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A run of a customer whose source is the given sandbox, its discovery open; *run_id* opens one again."""

    def opened(box: Sandbox, *, source: str = "", run_id: str = "", **parameters: Any) -> runs.Run:
        folder = customers / "acme"
        folder.mkdir(exist_ok=True)
        url = box.ready["usercom"]["base_url"]
        text = config.TEMPLATE.format(customer="acme", variable="ACME")
        text = text.replace("https://acme.user.com/api/public/", url)
        text = text.replace("per_second = 5", "per_second = 500")
        text = text.replace("[source]\n", f"[source]\n{source}\n")
        (folder / "customer.toml").write_text(text, encoding="utf-8")
        monkeypatch.setenv(TOKEN, box.ready["usercom"]["token"])
        run_id = run_id or runs.create("acme", "test", parameters={}).folder.name
        return runs.open("01_discovery", customer="acme", run_id=run_id, **parameters)

    return opened


def set_aside(run: runs.Run) -> None:
    """The folder of an attempt, put out of the next one's way by the runner itself."""
    runner.set_aside(run.phase_folder)


def fetched(run: runs.Run) -> dict[str, bytes]:
    """The source read; every table's bytes."""
    extract.fetch(run)
    return {path.name: path.read_bytes() for path in sorted((run.phase_folder / "data").glob("*.parquet"))}


def asked(box: Sandbox) -> dict[str, int]:
    """How often each route of the history was asked."""
    counts = box.admin("GET", "/requests?realm=usercom")["by_route"]
    pattern = r"GET /(users/:id/\w+|conversations/:id|conversations)/"
    return {route.removeprefix("GET "): n for route, n in counts.items() if re.fullmatch(pattern, route)}


def fault(box: Sandbox, *faults: dict[str, Any]) -> None:
    box.admin("POST", "/faults", [{"realm": "usercom", "kind": "status", **one} for one in faults])


def log(run: runs.Run, event: str) -> list[dict[str, Any]]:
    lines = (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for line in lines if (entry := json.loads(line))["event"] == event]
