"""The demo customer: both vendors from the sandbox, the built-in scenario, a run from end to end.

The part of the customer's admin is played by the sandbox's admin side: it is handed the checklist that
03_workspace wrote, exactly as a person would get it, and the run continues.
"""

import contextlib
import csv
import json
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from crmbook import gates, pipeline, runs, secrecy
from crmbook.errors import UsageError, Waiting
from crmbook.sandbox import demo as scenario
from crmbook.sandbox.demo_files import FILES
from crmbook.sandbox.scenario import Scenario, ScenarioError, load
from crmbook.sandbox.server import Sandbox
from crmbook.sandbox.server import serve as serve_sandbox

Say = Callable[[str], None]
CUSTOMERS: Final = {"suite": "demo", "classic": "demo-classic"}
PORT: Final = 8700
TOKENS: Final = {
    "usercom": "CRMBOOK_DEMO_USERCOM_TOKEN",
    "freshsales_test": "CRMBOOK_DEMO_FRESHSALES_TEST_TOKEN",
    "freshsales_production": "CRMBOOK_DEMO_FRESHSALES_TOKEN",
}
_ATTACHMENTS: Final = "attachments"
_AUTOMATION_COLUMNS: Final = ("name", "trigger", "conditions", "actions", "active", "notes")


def run(edition: str, say: Say) -> dict[str, Any]:
    """The demo customer migrated into the sandbox's test tenant; the summary names the report."""
    customer = CUSTOMERS[edition]
    with Sandbox(scenario.scenario(), edition=edition, port=_port()) as box:
        prepare(box.ready, edition=edition)
        for record in runs.all_runs(customer):
            shutil.rmtree(record.folder)
        with environment(box.ready), gates.warm():
            return _through(customer, box, say)


def _through(customer: str, box: Sandbox, say: Say) -> dict[str, Any]:
    """The run to its end, with the checklist handed to the admin when it asks for it."""
    try:
        return pipeline.run(customer, "test", say, approve_all=True, by="Demo Admin")
    except Waiting as stop:
        record = runs.all_runs(customer)[-1]
        checklist = record.folder / "03_workspace" / "checklist.csv"
        if record.phase("03_workspace").get("status") != "waiting" or not checklist.exists():
            raise
        say(f"the admin is asked: {stop.what}")
        done = configure(box, "freshsales_test", checklist)
        say(f"the admin did {done} items of the checklist")
    return pipeline.run(customer, "test", say, approve_all=True, by="Demo Admin")


def configure(box: Sandbox, realm: str, checklist: Path) -> int:
    """
    What an admin does by hand before the load: every open item of *checklist* but users, whose seats cost money.

    Raises:
        UsageError: the tenant refuses an item.
    """
    with checklist.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] != "owner"]
    answer = box.admin("POST", f"/{realm}/checklist", {"rows": rows})
    if answer["refused"]:
        first = answer["refused"][0]
        raise UsageError(
            f"{realm}: {len(answer['refused'])} items refused, first {first['item_id']}: {first['reason']}"
        )
    return len(answer["done"])


def prepare(ready: dict[str, Any], *, edition: str = "suite") -> None:
    """The demo customer's folder: its settings, its attachments, and the automation inventory its admin filled in."""
    folder = runs.root() / CUSTOMERS[edition]
    (folder / "source").mkdir(mode=0o700, parents=True, exist_ok=True)
    runs.write_text(folder / "customer.toml", settings(ready, edition=edition, files=_ATTACHMENTS))
    for name, content in FILES.items():
        file = folder / _ATTACHMENTS / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(content)
    path = folder / "source" / "automations.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, _AUTOMATION_COLUMNS)
        writer.writeheader()
        writer.writerows(scenario.automations())


def settings(
    ready: dict[str, Any], *, name: str = "Demo customer", edition: str = "suite", files: str = ""
) -> str:
    """A customer.toml for a sandbox that is *ready*; the quotas are the sandbox's own. *files*: the attachments' folder."""
    active = sum(str(row["active"]).lower() in ("true", "yes", "1") for row in scenario.automations())
    plan = "pro" if edition == "suite" else "estate"
    return f"""\
[customer]
name = "{name}"
admin_email = "{scenario.ADMIN_EMAIL}"
time_zone = "Europe/Warsaw"
active_automations = {active}

[source]
kind = "api"
base_url = "{ready["usercom"]["base_url"]}"
token_env = "{TOKENS["usercom"]}"
requests_per_second = 200
files = "{files}"

[target.test]
edition = "{edition}"
plan = "{plan}"
base_url = "{ready["freshsales_test"]["base_url"]}"
token_env = "{TOKENS["freshsales_test"]}"
requests_per_hour = 20000
requests_per_minute = 20000

[target.production]
edition = "{edition}"
plan = "{plan}"
base_url = "{ready["freshsales_production"]["base_url"]}"
token_env = "{TOKENS["freshsales_production"]}"
requests_per_hour = 20000
requests_per_minute = 20000

[policy]
workflows_disabled = true
"""


@contextlib.contextmanager
def environment(ready: dict[str, Any]) -> Iterator[None]:
    """The sandbox's tokens in the environment, where a real customer's would be, until the block ends."""
    values = {variable: ready[realm]["token"] for realm, variable in TOKENS.items()}
    with secrecy.environment(values):
        yield


def serve(
    port: int, edition: str, name: str, state: Path | None, *, tls: bool, as_json: bool, say: Say
) -> None:
    """The sandbox until it is interrupted; UsageError for a scenario that can't be read or a taken port."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))

    def ready(facts: dict[str, Any]) -> None:
        if as_json:
            print(json.dumps(facts), flush=True)
            return
        for part, fact in facts.items():
            if isinstance(fact, dict):
                say(f"{part}: {fact['base_url']}")
        say("serving until interrupted; tokens are printed by --json")

    try:
        serve_sandbox(
            port=port, edition=edition, scenario=_scenario(name), state=state, tls=tls, on_ready=ready
        )
    except ScenarioError as problem:
        raise UsageError(str(problem)) from None
    except OSError as problem:
        raise UsageError(
            f"--port {port}: {problem.strerror or problem}; choose another, or 0 for any"
        ) from None


def _scenario(name: str) -> Scenario:
    return scenario.scenario() if name == "demo" else load(Path(name))


def _port() -> int:
    """The contract's port when all four are free, else any."""
    for offset in range(4):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", PORT + offset))
            except OSError:
                return 0
    return PORT
