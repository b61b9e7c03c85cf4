"""Small customers for a batch: each with both vendors in a sandbox of its own, and what a batch did with them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from conftest import Finished
from crmbook.sandbox.scenario import Scenario, check
from crmbook.sandbox.server import Sandbox
from customer_setup import Customer, scenario

PATIENCE_S = 800
REALM = "freshsales_test"
# A source that answers each page of contacts so late that a process can be met at work.
SLOW = {"realm": "usercom", "kind": "delay", "path": "/users", "delay_s": 120}


def tiny() -> Scenario:
    """The small customer with three of its contacts and what hangs on them."""
    whole = scenario()
    kept = {"users": {1, 2, 8}, "deals": {31}}
    rows = {
        name: [r for r in found if r["id"] in kept.get(name, {r["id"]})]
        for name, found in whole.usercom.items()
    }
    made = Scenario(rows, whole.freshsales)
    check(made)
    return made


@contextmanager
def opened(keys: Sequence[str], runs: Path) -> Iterator[dict[str, Customer]]:
    """The customers, their settings written, nothing run yet."""
    with ExitStack() as stack:
        found = {key: Customer(stack.enter_context(Sandbox(tiny())), runs, key=key) for key in keys}
        for customer in found.values():
            customer.write_settings()
        yield found


def tokens(customers: Mapping[str, Customer]) -> dict[str, str]:
    return {name: value for customer in customers.values() for name, value in customer.tokens.items()}


class Batch:
    """`crmbook batch` under way: `pid` meets a customer's process at work, `ended` is what came out."""

    def __init__(self, keys: Sequence[str], runs: Path, env: Mapping[str, str], *options: str) -> None:
        self.runs = runs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crmbook", "batch", *keys, "--env", "test", *options], cwd=runs, text=True,
            env={**os.environ, **env, "CRMBOOK_RUNS": str(runs)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def pid(self, key: str, at: str = "01_discovery", patience_s: float = PATIENCE_S) -> int:
        """The process of *key*, once it is in the phase *at*."""
        lock, state = self.runs / key / ".batch.lock", self.runs / key / "test-01" / "run.json"
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if (
                state.exists()
                and json.loads(state.read_text(encoding="utf-8"))["phases"].get(at, {}).get("status")
                == "running"
            ):
                return int(lock.read_text(encoding="ascii"))
            assert self.process.poll() is None, f"the batch ended before: {self.ended()}"
            time.sleep(0.05)
        raise TimeoutError(f"{key} never came to {at}")

    def ended(self, patience_s: float | None = PATIENCE_S) -> Finished:
        out, err = self.process.communicate(timeout=patience_s)
        return Finished(self.process.returncode, out, err)


def run(keys: Sequence[str], runs: Path, env: Mapping[str, str], *options: str) -> Finished:
    return Batch(keys, runs, env, *options).ended()


def is_alive(pid: int) -> bool:
    """Whether the process still works; one that is only waited for by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_gone(pid: int, within_s: float = 120) -> bool:
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


@contextmanager
def process(*command: str, env: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as stream:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], env={**os.environ, **env}, stdout=stream, stderr=stream
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def cluster(folder: Path, env: Mapping[str, str], workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers; they, and nobody else, have *env*."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        scheduler = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        stack.enter_context(
            process(*scheduler, "--scheduler-file", str(file), env={}, log=folder / "scheduler.log")
        )
        deadline = time.monotonic() + PATIENCE_S
        while not (file.exists() and file.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.1)
        address: str = json.loads(file.read_text(encoding="utf-8"))["address"]
        for number in range(workers):
            worker = (
                "distributed.cli.dask_worker",
                address,
                "--nworkers",
                "1",
                "--nthreads",
                "1",
                "--no-nanny",
            )
            log = folder / f"worker-{number}.log"
            stack.enter_context(process(*worker, "--no-dashboard", env=env, log=log))
        if workers:
            _wait_for(address, workers)
        yield address


def _wait_for(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False, timeout=120) as client:
        client.wait_for_workers(workers, timeout=PATIENCE_S)
