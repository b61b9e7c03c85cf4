"""Loads as processes that die cheaply: everything is imported once, each load is a fork that can be killed.

Reads one JSON object a line on stdin (`runs`, `customer`, `run`, `patience_s`, `timeout_s`, `is_guarded`); answers the process id of the
load, then its exit code (negative: the signal that killed it). Retries are counted but not waited for.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import stamina

from crmbook import apply, apply_writes, config, guard, runs, target, target_lock
from crmbook.errors import CrmbookError
from crmbook.phases import load
from crmbook.runs import Run
from crmbook.vendors.quota import Quota

# the budget's minute passes in a second: what is tried is that a load goes on after it, not how long it waits
FASTER = 60


def opened(asked: dict[str, Any]) -> Run:
    """05_load of the run that is asked for, as a notebook has it."""
    os.environ["CRMBOOK_RUNS"] = asked["runs"]
    folder = Path(asked["runs"]) / asked["customer"]
    record = runs.Record(folder / asked["run"])
    return Run(record, "05_load", config.read(folder / "customer.toml"), "test", {})


def carry_out(asked: dict[str, Any]) -> int:
    """The approved plan, as 05_load applies it."""
    stamina.set_testing(True, attempts=5)
    apply_writes._PAUSE_S = 0.0
    Quota.__init__.__kwdefaults__.update(
        clock=lambda: time.time() * FASTER, sleep=lambda wait_s: time.sleep(wait_s / FASTER)
    )
    run = opened(asked)
    plan = run.read("plan").sort("seq")
    try:
        with _door(run, is_guarded=asked["is_guarded"]) as door:
            if asked["timeout_s"]:
                door.client.client._http.timeout = httpx.Timeout(asked["timeout_s"])
            apply.apply(
                run,
                door.client,
                plan,
                confirm=load.plan_hash(plan),
                patience=asked["patience_s"],
                between=door.between,
            )
    except CrmbookError as stop:
        print(f"{type(stop).__name__}: {stop}", file=sys.stderr, flush=True)
        return stop.exit_code
    return 0


@contextmanager
def _door(run: Run, *, is_guarded: bool) -> Iterator[guard.Door]:
    """The target as a load gets it; without its guards no canary is written at every start."""
    if is_guarded:
        with guard.writing(run) as door:
            yield door
    else:
        with target_lock.held(run) as lock, closing(target.connect(run)) as client:
            yield guard.Door(client, lock.check)


def main() -> None:
    child = 0
    for line in sys.stdin:
        asked = json.loads(line)
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            code = 1
            try:
                code = carry_out(asked)
            finally:
                os._exit(code)
        print(child, flush=True)
        # Not reaped before the next load: until then its id can be nobody else's, whoever still means to kill it.
        told = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert told
        print(told.si_status if told.si_code == os.CLD_EXITED else -told.si_status, flush=True)


if __name__ == "__main__":
    main()
