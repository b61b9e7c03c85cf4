"""A migration up to its approved plan, kept so that it can be loaded again and again into the very same tenant.

The phases' notebooks are played without a kernel. What is kept are two things: the folder of customers, and
the file in which the sandbox keeps both vendors. Every trial starts from copies of the two, on the same ports.
"""

import contextlib
import io
import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

from crmbook import demo as demonstration
from crmbook import figures, gates, runner, runs, steps
from crmbook.errors import Waiting
from crmbook.sandbox import demo as demo_scenario
from crmbook.sandbox.demo_files import FILES
from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.scenario import load as scenario_of
from crmbook.sandbox.server import Sandbox

REALM = "freshsales_test"
CUSTOMER = "chaos"
# the clock of the quota and of the index is not what is tried here
QUICK = {
    "requests_per_hour": 10_000_000,
    "requests_per_minute": 10_000_000,
    "index_delay_s": 0.05,
    "job_delay_s": 0.2,
}
# what a tenant may be able to do; the loads choose their strategy by what they measure
CAPABILITIES: dict[str, dict[str, Any]] = {
    "bulk then links": {"bulk_drops_links": True},
    "bulk with links": {"bulk_drops_links": False},
}
_SETTINGS = """\
[customer]
name = "Chaos"
admin_email = "{admin}"
time_zone = "Europe/Warsaw"
active_automations = 0
[source]
kind = "api"
base_url = "{source}"
token_env = "CHAOS_SOURCE"
requests_per_second = 1000
files = "{files}"
[target.test]
edition = "{edition}"
plan = "{plan}"
base_url = "{target}"
token_env = "CHAOS_TARGET"
requests_per_hour = 10000000
requests_per_minute = 10000000
[policy]
workflows_disabled = true
"""


@dataclass(frozen=True)
class World:
    """One prepared migration: where its folder of customers and the sandbox's state are kept, and on which port."""

    name: str
    folder: Path
    port: int
    edition: str
    writes: int

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def copied(self, folder: Path) -> "World":
        """The same world to be spoilt."""
        shutil.copytree(self.folder, folder)
        return World(self.name, folder, self.port, self.edition, self.writes)

    def served(self) -> Sandbox:
        return Sandbox(state=self.state, port=self.port, edition=self.edition)


def scenario(name: str) -> Scenario:
    """The built-in demo, or the scenario of a folder."""
    return demo_scenario.scenario() if name == "demo" else scenario_of(Path(name))


def prepared(
    name: str,
    folder: Path,
    *,
    edition: str = "suite",
    switches: dict[str, Any] | None = None,
    told: Scenario | None = None,
    decide: Callable[[runs.Record], None] | None = None,
) -> World:
    """
    The world of a scenario (*told*, or the one of that name), its plan approved and nothing written.

    *decide* is what a person changes in the proposed map before it is approved.
    """
    told, port = told or scenario(name), free_ports()
    folder.mkdir(parents=True)
    plan = "pro" if edition == "suite" else "estate"
    with Sandbox(
        told,
        state=folder / "state.db",
        port=port,
        edition=edition,
        switches=QUICK | {"plan": plan} | (switches or {}),
    ) as box:
        os.environ["CHAOS_SOURCE"] = box.ready["usercom"]["token"]
        os.environ["CHAOS_TARGET"] = box.ready[REALM]["token"]
        os.environ["CRMBOOK_RUNS"] = str(folder / "runs")
        settings = _SETTINGS.format(
            admin=_admin(told), edition=edition, plan=plan, files="attachments" if name == "demo" else "",
            source=box.ready["usercom"]["base_url"], target=box.ready[REALM]["base_url"],
        )  # fmt: skip
        writes = _walked(box, folder / "runs" / CUSTOMER, settings, with_files=name == "demo", decide=decide)
    return World(Path(name).name, folder, port, edition, writes)


def _walked(
    box: Sandbox,
    customer: Path,
    settings: str,
    *,
    with_files: bool,
    decide: Callable[[runs.Record], None] | None,
) -> int:
    """01 to the approved plan of 05; the number of planned writes."""
    (customer / "source").mkdir(parents=True)
    (customer / "customer.toml").write_text(settings, encoding="utf-8")
    for file, content in FILES.items() if with_files else ():
        path = customer / "attachments" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    record = runs.create(CUSTOMER, "test", parameters={"sample": 0})
    for phase in ("01_discovery", "02_mapping"):
        played(phase)
    if decide:
        decide(record)
        played("02_mapping")
    record.approve("mapping", by="Chaos")
    with contextlib.suppress(Waiting):
        played("03_workspace")
    demonstration.configure(box, REALM, record.folder / "03_workspace" / steps.CHECKLIST)
    played("03_workspace")
    played("04_normalization")
    with contextlib.suppress(Waiting):
        played("05_load")
    record.approve("plan", by="Chaos")
    return int(pl.read_parquet(record.folder / "05_load" / "data" / "plan.parquet").height)


def played(phase: str, *, gated: bool = False) -> None:
    """The code of a phase's notebook, cell by cell, without a kernel and its pictures; its gate too where *gated*."""
    silent = {name: lambda *_a, **_k: None for name in ("show", "bars", "stacked") if hasattr(figures, name)}
    cells = json.loads(runner.template(phase).read_text(encoding="utf-8"))["cells"]
    space: dict[str, Any] = {}
    with (
        contextlib.redirect_stdout(io.StringIO()),
        mock.patch.multiple(figures, **silent),
        contextlib.nullcontext() if gated else mock.patch.object(gates, "check"),
    ):
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), phase, "exec"), space)
            if "parameters" in cell["metadata"].get("tags", ()):
                space |= {"customer": CUSTOMER, "run_id": "test-01"}


def free_ports() -> int:
    """The first of four free ports in a row, from a random place on: they are given back between two trials."""
    for port in random.sample(range(10_000, 32_000, 4), 100):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for offset in range(4):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port
    raise OSError("no four free ports in a row")


def _admin(told: Scenario) -> str:
    described = told.freshsales.get("test", told.freshsales)
    owners = described.get("owners") or [{"email": "admin@sandbox.example", "is_active": True}]
    return next(str(owner["email"]) for owner in owners if owner.get("is_active"))
