"""Shared parts of the tests: retries wait for nothing, and the demo is run once for all who look at it."""

import atexit
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import stamina

from crmbook import gates
from crmbook.sandbox.server import Sandbox

PROJECT = Path(__file__).resolve().parents[1]


def pytest_xdist_auto_num_workers() -> int:
    """Half as many more as there are cores: a command that goes on after a kill first waits until the target surely is done."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@pytest.fixture(autouse=True, scope="session")
def _no_waiting() -> Iterator[None]:
    """Retries are counted but not waited for."""
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


@pytest.fixture
def customers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of customers, in place of runs/."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("CRMBOOK_RUNS", str(folder))
    return folder


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        return content


@cache
def warm_gates() -> dict[str, str]:
    """Great Expectations for the commands of this worker: each would import it anew, which takes longer than most of them."""
    server = gates.Server()
    atexit.register(server.__exit__, None, None, None)
    return server.__enter__().environment


def crmbook(
    *arguments: str,
    runs: Path,
    env: dict[str, str] | None = None,
    timeout_s: int = 800,
    shares_gates: bool = True,
) -> Finished:
    """The command as a person types it, in a process of its own; the process of the gates is shared unless told."""
    shared = warm_gates() if shares_gates else {}
    environment = {**os.environ, **shared, "CRMBOOK_RUNS": str(runs), **(env or {})}
    done = subprocess.run(
        [sys.executable, "-m", "crmbook", *arguments],
        env=environment, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=runs,
    )  # fmt: skip
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Demo:
    """A finished demo: the folder of customers, the run's folder, what the command printed."""

    runs: Path
    run: Path
    finished: Finished


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo customer migrated once for all workers, as `crmbook demo` does it; tests only read it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    folder, told = shared / "runs", shared / "finished.json"
    folder.mkdir(parents=True, exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            finished = crmbook("demo", "--json", runs=folder, shares_gates=False)
            assert finished.code == 0, finished.out + finished.err
            told.write_text(json.dumps(vars(finished)), encoding="utf-8")
    finished = Finished(**json.loads(told.read_text(encoding="utf-8")))
    return Demo(folder, Path(finished.json["report"]).parent, finished)


@pytest.fixture(scope="session")
def mapped_customer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of customers with a small one whose mapping is proposed; tests copy it."""
    import mapping_case

    folder = tmp_path_factory.mktemp("mapped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRMBOOK_RUNS", str(folder))
        mapping_case.mapped(mapping_case.new_run(folder))
    return folder


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The small customer, walked from stage to stage by whoever needs it first: `journey.to("signed")`."""
    from customer_setup import Journey, scenario

    with Sandbox(scenario()) as box:
        yield Journey(box, tmp_path_factory.mktemp("journey"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The machine's Chromium; without one the browser tests say so, and CI fails instead."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("CRMBOOK_REQUIRE_BROWSER"):
        pytest.fail("no Chromium on this machine, and CRMBOOK_REQUIRE_BROWSER is set")
    if found is None:
        pytest.skip("no Chromium on this machine; .ci/run installs one")
    return found
