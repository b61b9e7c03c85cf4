"""A generated account of any size, taken from phase to phase: each phase's own notebook, each in a process of its own.

The target is the sandbox over real HTTP; nothing is written to it, so 06 compares with a read-back made of the
normalized records as a faithful target would tell them. What a phase took is measured inside its process: seconds
per cell, those of the gates apart, and the peak of its memory.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.scale import exports, world
from crmbook import demo, runs, steps
from crmbook.sandbox.server import Sandbox

CUSTOMER: Final = "scale"
RUN: Final = "test-01"
REALM: Final = "freshsales_test"
PHASES: Final = (
    "01_discovery", "02_mapping", "03_workspace", "04_normalization", "05_load", "06_reconciliation",
)  # fmt: skip
_ADMIN: Final = "admin@scale.example"
_TENANT: Final[dict[str, Any]] = {
    "requests_per_hour": 10_000_000, "requests_per_minute": 10_000_000, "index_delay_s": 0.05, "job_delay_s": 0.2,
    "plan": "enterprise", "allow_field_api": True,
    "owners": [
        {"display_name": name, "email": email, "is_active": True}
        for _, name, email in [("", "Admin", _ADMIN), *world.agents()[:-1]]
    ],
    "currencies": [
        {"currency_code": "EUR", "is_active": True, "is_base": True, "exchange_rate": "1.0"},
        {"currency_code": "PLN", "is_active": True, "is_base": False, "exchange_rate": "4.27"},
    ],
}  # fmt: skip
_SETTINGS: Final = """\
[customer]
name = "Scale"
admin_email = "{admin}"
time_zone = "Europe/Warsaw"
active_automations = 0
[source]
kind = "csv"
path = "exports"
[target.test]
edition = "suite"
plan = "enterprise"
base_url = "{base_url}"
token_env = "SCALE_TARGET"
requests_per_hour = 10000000
requests_per_minute = 10000000
[policy]
workflows_disabled = true
"""


@dataclass(frozen=True)
class Measured:
    """One phase: seconds and processor seconds in all, seconds in the gate's check and per cell; its peak memory."""

    phase: str
    seconds: float
    cpu_s: float
    gate_s: float
    peak_bytes: int
    cells: dict[str, float]

    def per_record_us(self, records: int) -> float:
        return self.seconds / records * 1e6


@contextlib.contextmanager
def prepared(folder: Path, contacts: int, *, way: str) -> Iterator[Path]:
    """
    The customer's folder under *folder*, its account there as exports (*way* csv) or as 01's tables (tables), the target
    served until the block ends. What an earlier start prepared is taken as it is.
    """
    customer = folder / CUSTOMER
    with Sandbox(state=folder.with_suffix(".db"), switches=_TENANT) as box:
        os.environ |= {"CRMBOOK_RUNS": str(folder), "SCALE_TARGET": box.ready[REALM]["token"]}
        is_new = not customer.exists()
        customer.mkdir(parents=True, exist_ok=True)
        settings = _SETTINGS.format(admin=_ADMIN, base_url=box.ready[REALM]["base_url"])
        (customer / "customer.toml").write_text(settings, encoding="utf-8")
        if is_new:
            runs.create(CUSTOMER, "test", parameters={"sample": 0})
            asked = ["-m", "bench.scale.journey", "make", str(contacts), way]
            process(asked)
        with _admin(box):
            yield customer


@contextlib.contextmanager
def _admin(box: Sandbox) -> Iterator[None]:
    """The customer's admin, who works off the checklist when the environment asks for it."""
    Admin.box = box
    yield
    Admin.box = None


class Admin:
    """Who does the checklist between the two starts of 03."""

    box: Sandbox | None = None

    @classmethod
    def works_off(cls, checklist: Path) -> None:
        assert cls.box is not None
        demo.configure(cls.box, REALM, checklist)


def measured(phase: str) -> Measured:
    """
    The phase's notebook played in a process of its own; 03 a second time after the admin's work, 05 up to its plan, and
    before 06 what a load would have left.
    """
    if phase == "06_reconciliation":
        process(["-m", "bench.scale.faithful"])
    found = _played(phase)
    record = runs.Record(runs.root() / CUSTOMER / RUN)
    if phase == "02_mapping":
        record.approve("mapping", by="Scale")
    if phase == "03_workspace" and record.phase(phase).get("status") != "passed":
        Admin.works_off(record.folder / phase / steps.CHECKLIST)
        found = _played(phase)
    return found


def _played(phase: str) -> Measured:
    told = process(["-m", "bench.scale.playing", phase])
    return Measured(**json.loads(told.splitlines()[-1]))


def process(arguments: list[str]) -> str:
    tests = Path(__file__).resolve().parents[2]
    found_in = os.pathsep.join(map(str, (tests, tests.parent / "lib")))
    environment = {**os.environ, "PYTHONPATH": found_in}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=tests,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: ended with {done.returncode}")
    return done.stdout


def _make(contacts: int, way: str) -> None:
    account = world.account(contacts)
    if way == "csv":
        exports.write_csv(account, runs.root() / CUSTOMER / "exports")
    else:
        exports.write_tables(account, exports.opened(CUSTOMER, RUN, "01_discovery"))


if __name__ == "__main__":
    _make(int(sys.argv[2]), sys.argv[3])
