"""A customer every one of whose texts is an attack: formulas, script, markup, templates, line ends; and who sees its keys.

`scenario` is a small account in which names, tags, lists, pipelines, properties, choices, activities, chats and people are
traps. `migrate` takes it through a whole test run and watches, in /proc, every process the command starts.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

from crmbook import csvfiles, tables
from crmbook.sandbox.scenario import Scenario, check
from crmbook.sandbox.server import Sandbox
from customer_setup import KEY, TOKENS, Customer
from customer_setup import scenario as plain_scenario

AT = "2026-03-02T09:30:00.000000Z"
_FORMULAS = ("=", "+", "-", "@", "\t=", "\r=", "＝", " =", "\n=", "'=")
_SCRIPTS = (
    "<script>window.ran={n}</script>",
    "<img src=x onerror=window.ran={n}>",
    '"><svg onload=window.ran={n}>',
    "</td></table><iframe srcdoc='<script>parent.ran={n}</script>'>",
    "[x](javascript:window.ran={n})<a href='javascript:window.ran={n}'>x</a>",
    "{{{{7*7}}}}{{% raw %}}</script><script>alert({n})</script>",
    "<style>@import 'http://evil.example/{n}';</style><meta http-equiv=refresh content='0;url=http://evil.example/'>",
)
_NUMBERS, _STARTS, _ENDS = count(1), cycle(_FORMULAS), cycle(_SCRIPTS)
# Keys whose texts are a person's or the account's own words; the others are dates, ids and kinds.
_WORDS = frozenset(
    {"name", "description", "address", "loss_reason_description", "content", "subject", "city", "custom_id"}
)


def trap() -> str:
    """The next attack: a formula that goes on as script, with a number of its own."""
    number = next(_NUMBERS)
    return f"{next(_STARTS)}1+{number}{next(_ENDS).format(n=number)}"


def _spoiled(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _spoiled(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_spoiled(item, key) for item in value]
    return trap() if isinstance(value, str) and key in _WORDS and value else value


def scenario() -> Scenario:
    """The small account of the other tests with history, every word of it a trap."""
    plain = plain_scenario()
    rows = {kind: _spoiled(found) for kind, found in plain.usercom.items()}
    rows["users"] = [row for row in rows["users"] if row["id"] in (1, 2, 3, 4, 7)]
    rows["companies"] = [row | {"description": trap(), "address": trap()} for row in rows["companies"]]
    rows["deals"] = rows["deals"][:1]
    rows["deals"][0] |= {"participants": [7], "loss_reason_description": trap()}
    choice, other = trap(), trap()
    rows["attributes"] += [
        {"id": 4, "name": trap(), "name_std": "size", "content_type": "user", "value_type": "fixed"},
        {"id": 5, "name": trap(), "name_std": "x<img src=x onerror=window.ran=9>", "content_type": "user", "value_type": "string"},
    ]  # fmt: skip
    for person in rows["users"]:
        person["attributes"] = {
            "size": [choice if person["id"] % 2 else other],
            "plan_type": trap(),
            "x<img src=x onerror=window.ran=9>": trap(),
        }
    rows["lists"] = [{"id": 5, "name": trap(), "description": trap()}]
    rows["users"][0]["list_ids"] = [5]
    rows["segments"] = [{"id": 6, "name": trap(), "description": trap(), "user_ids": [1, 2]}]
    rows["activities"] = [
        {"id": 60, "activity_type": 1, "name": trap(), "user_id": 1, "due_date": AT, "description": trap(), "done": True, "assigned_to": 1},
        {"id": 61, "activity_type": 1, "name": trap(), "company_id": 21, "description": trap(), "created_at": AT},
    ]  # fmt: skip
    rows["events"] = [
        {"id": 80, "user_id": 1, "event_id": 5, "name": trap(), "timestamp": AT, "data": {trap(): trap()}}
    ]
    rows["emails"] = [{"id": 90, "user_id": 1, "status": 2, "sent_at": AT, "subject": trap()}]
    rows["conversations"] = [{"id": 70, "user_id": 1, "agent_id": 1, "messages": [
        {"id": 700, "author": "user", "content": trap(), "timestamp": AT},
        {"id": 701, "author": "agent", "agent_id": 1, "content": trap(), "timestamp": AT}]}]  # fmt: skip
    owners = [owner | {"display_name": trap()} for owner in plain.freshsales["owners"]]
    made = Scenario(rows, plain.freshsales | {"owners": owners, "account_name_unique": False})
    check(made)
    return made


@dataclass
class Child:
    """A process the command started, as /proc showed it: its arguments, which keys stood in its environment, its core limit."""

    kind: str
    arguments: str
    environment: bytes
    core: str


@dataclass
class Migrated:
    """The migrated account: its customer, what the commands printed, the processes seen by kind."""

    customer: Customer
    account: Scenario
    said: str = ""
    codes: list[int] = field(default_factory=list)
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.customer.folder / "test-01"


def migrate(box: Sandbox, account: Scenario, folder: Path) -> Migrated:
    """A whole test run, with the workspace configured where it stops for that."""
    folder.mkdir()
    made = Migrated(Customer(box, folder), account)
    made.customer.write_settings({'name = "Acme GmbH"': f"name = '''{trap()}'''".replace("\r", " ")})
    (made.customer.folder / "source" / "automations.csv").write_text(
        f'name,trigger,conditions,actions,active,notes\n"{_quoted()}","{_quoted()}",,"{_quoted()}",yes,"{_quoted()}"\n',
        encoding="utf-8",
    )
    _watched(made)
    if made.codes[-1] == 4:
        made.customer.configure("freshsales_test", _checklist(made))
        _watched(made)
    return made


def _checklist(made: Migrated) -> list[dict[str, str]]:
    """As a script has to read it: an apostrophe before what looks like a formula is the file's, not the name's."""
    rows = csvfiles.read(made.run / "03_workspace" / "checklist.csv", list(tables.CHECKLIST.columns))
    return [row for _, row in rows]


def _quoted() -> str:
    return trap().replace('"', '""')


def _watched(made: Migrated) -> None:
    """The command, typed, and looked at from outside as long as it runs."""
    environment = {**os.environ, **made.customer.tokens, "CRMBOOK_RUNS": str(made.customer.runs)}
    by = trap().replace("\r", "").replace("\n", "").replace("\t", "")
    process = subprocess.Popen(
        [sys.executable, "-m", "crmbook", "run", KEY, "--env", "test", "--approve-all", "--by", by], cwd=made.customer.runs,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    over = threading.Event()
    watcher = threading.Thread(target=_look, args=(process.pid, made.children, over))
    watcher.start()
    made.said += process.communicate(timeout=900)[0]
    over.set()
    watcher.join()
    made.codes.append(process.returncode)


def _look(pid: int, seen: dict[str, Child], over: threading.Event) -> None:
    while not over.wait(0.1):
        for child in (pid, *_descendants(pid)):
            try:
                found = _described(Path("/proc") / str(child))
            except OSError:  # it ended meanwhile
                continue
            if found.environment:
                seen[found.kind] = found


def _descendants(pid: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            yield int(path.parent.name)


def _described(process: Path) -> Child:
    arguments = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    kind = "gates" if "gates.serve" in arguments else "command"
    if "ipykernel" in arguments:
        kind = process.joinpath("cwd").readlink().name
    core = re.search(r"Max core file size\s+(\S+)\s+(\S+)", process.joinpath("limits").read_text())
    assert core
    return Child(kind, arguments, process.joinpath("environ").read_bytes(), f"{core[1]} {core[2]}")


def keys_in(child: Child, customer: Customer) -> set[str]:
    """Whose keys stand in the environment of *child*."""
    return {
        whom for whom, variable in TOKENS.items() if customer.tokens[variable].encode() in child.environment
    }
