"""Twelve customers at once: who stops whom, and what do more jobs bring? `python tests/bench/batch.py [customers] [jobs...]`

First the scene: one customer's token is wrong, one waits for its admin, one is killed; the others have to be done, and a
second batch, after the fault is mended, has to finish the three. With `dask` as the first argument the same on a cluster of two workers,
one of which is killed too. Then the wall time of all customers, fresh each time, at each number of jobs, as a ratio to the first.
"""

import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import batch_case as case
from conftest import Finished
from customer_setup import Customer

APPROVED = ("--approve-all", "--by", "Eva Nowak")


def checklist() -> list[dict[str, str]]:
    """What the admin of such a customer is asked to do."""
    with fresh(1, None) as (runs, customers):
        key, customer = next(iter(customers.items()))
        customer.run("test", "--to", "03_workspace", *APPROVED)
        assert (runs / key).is_dir()
        return customer.checklist("test-01")


@contextmanager
def fresh(count: int, rows: list[dict[str, str]] | None) -> Iterator[tuple[Path, dict[str, Customer]]]:
    """So many new customers; where *rows* are given, their admins did what the checklist asks for."""
    keys = [f"c{number:02d}" for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory() as folder, case.opened(keys, Path(folder)) as customers:
        for customer in customers.values() if rows else ():
            customer.configure(case.REALM, rows or [])
        yield Path(folder), customers


def scene(count: int, rows: list[dict[str, str]], *, dask: bool) -> None:
    with fresh(count, None) as (runs, customers):
        wrong, waits, killed = list(customers)[:3]
        for key, customer in customers.items():
            if key != waits:
                customer.configure(case.REALM, rows)
        env = case.tokens(customers)
        bad = env | {customers[wrong].variable("usercom"): "0" * 64}
        customers[killed].box.admin("POST", "/faults", [case.SLOW])
        first = batch(runs, list(customers), bad, dask=dask, kill=customers[killed])
        shown("the first batch", first)
        codes = {row["customer"]: row["exit_code"] for row in first.json["customers"]}
        expected = dict.fromkeys(customers, 0) | {wrong: 2, waits: 4, killed: 0 if dask else 1}
        assert codes == expected, codes
        customers[waits].configure(case.REALM, rows)
        again = batch(runs, list(customers), env, dask=dask)
        shown("mended, the second batch", again)
        assert {row["exit_code"] for row in again.json["customers"]} == {0}


def batch(
    runs: Path, keys: list[str], env: dict[str, str], *, dask: bool, kill: Customer | None = None
) -> Finished:
    """The batch's result; the process of the customer *kill*, on a cluster its worker, ends by SIGKILL in the middle."""
    with tempfile.TemporaryDirectory() as folder:
        own = env | {"CRMBOOK_RUNS": str(runs)}
        with case.cluster(Path(folder), own, 2) if dask else nullcontext("") as address:
            where = ("--scheduler", address) if dask else ("--jobs", "2")
            started = case.Batch(keys, runs, {} if dask else env, *where, *APPROVED, "--json")
            if kill:
                # A cluster takes the customers in an order of its own.
                pid = started.pid(kill.key, patience_s=math.inf)
                os.kill(case.parent(pid) if dask else pid, signal.SIGKILL)
                # Another worker takes the customer up at once.
                kill.box.admin("DELETE", "/faults")
            return started.ended(patience_s=None)


def shown(title: str, finished: Finished) -> None:
    print(f"\n{title}: exit code {finished.code}\n\n| customer | exit code | what |\n|---|--:|---|")
    rows: list[dict[str, Any]] = finished.json["customers"]
    for row in rows:
        print(
            f"| {row['customer']} | {row['exit_code']} | {row['waits_for'] or row['error'] or 'done'} |",
            flush=True,
        )


def wall_s(count: int, rows: list[dict[str, str]], jobs: int) -> float:
    with fresh(count, rows) as (runs, customers):
        before = time.perf_counter()
        options = ("--jobs", str(jobs), *APPROVED, "--json")
        finished = case.Batch(list(customers), runs, case.tokens(customers), *options).ended(patience_s=None)
        assert finished.code == 0, finished.out + finished.err
        return time.perf_counter() - before


def main(*given: str) -> None:
    dask = given[:1] == ("dask",)
    count, *jobs = [int(number) for number in given[int(dask) :]] or [12, 1, 2, 4]
    rows = checklist()
    if count > 3:
        scene(count, rows, dask=dask)
    if jobs:
        print(
            f"\n{count} customers from start to end\n\n| jobs | ratio to {jobs[0]} | seconds |\n|--:|--:|--:|"
        )
        seconds = [wall_s(count, rows, number) for number in jobs]
        for number, taken in zip(jobs, seconds, strict=True):
            print(f"| {number} | {taken / seconds[0]:.2f} | {taken:.0f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
