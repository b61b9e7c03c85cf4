"""What does a load hold in memory? `python tests/bench/scale/load_memory.py [contacts] [--keep FOLDER]`

A generated account is taken to its plan. Then the load is begun twice, each time in a process of its own: with nothing
written yet, and with a ledger that knows all but the last writes as done. It writes to the sandbox for a minute at most;
printed is the peak of its process, which the first batches reach.
"""

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))

import polars as pl  # noqa: E402  the tests' folder is put in front first

from bench.scale import journey  # noqa: E402
from crmbook import apply, runs, target  # noqa: E402
from crmbook.apply_writes import Op, ops_of  # noqa: E402
from crmbook.ledger import Intent, Ledger, Outcome  # noqa: E402
from crmbook.phases import load, narrow, operations  # noqa: E402

SIZE: Final = 100_000
AT: Final = ("beginning", "end")
_SELF: Final = ("-m", "bench.scale.load_memory")
LAST: Final = 3_000
SECONDS: Final = 60.0
ROUTINE: Final = "| {:<24} | {:>12} | {:>12} | {:>8} |"


class EnoughError(Exception):
    """So many writes show what is held."""


def begun() -> dict[str, float]:
    """The load of the customer, begun in this process."""
    run = runs.open("05_load", customer=journey.CUSTOMER, run_id=journey.RUN)
    plan, until = run.scan("plan"), time.monotonic() + SECONDS

    def between() -> None:
        if time.monotonic() > until:
            raise EnoughError

    with closing(target.connect(run)) as client:
        try:
            apply.apply(run, client, plan, confirm=load.plan_hash(plan), between=between)
        except EnoughError:
            pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    known = apply.outcomes(run, narrow.only(plan, "op_id", "entity", "action"))
    left = known.filter(pl.col("outcome") == "pending")["writes"].sum()
    return {"writes": known["writes"].sum(), "left": left, "peak_bytes": peak}


def nearly_done() -> None:
    """A ledger that knows all but the last writes of the plan as done, each record under an id of its own."""
    run = runs.open("05_load", customer=journey.CUSTOMER, run_id=journey.RUN)
    plan = run.scan("plan")
    writes = (op for part in narrow.parts(plan) for op in ops_of(part))
    ids = itertools.count(10_000_000)
    with Ledger(run.ledger_path) as ledger:
        ledger.bind(plan_hash=load.plan_hash(plan), target_host=target.host(run))
        done = narrow.only(plan, "seq").height - LAST
        for batch in _batches(itertools.islice(writes, done)):
            ledger.intend(
                Intent(
                    op.op_id, op.seq, op.entity, op.action, op.source_id, "POST", "/bench", op.payload_sha256
                )
                for op in batch
            )
            ledger.done(
                Outcome(op.op_id, next(ids), "{}", "created" if op.action in operations.PRIMARY else None)
                for op in batch
            )


def _batches(writes: Iterator[Op]) -> Iterator[list[Op]]:
    while batch := list(itertools.islice(writes, 10_000)):
        yield batch


def main(contacts: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with journey.prepared(folder / f"tables-{contacts}", contacts, way="tables"):
        run = runs.root() / journey.CUSTOMER / journey.RUN
        for phase in journey.PHASES[1:5]:
            if not (run / phase / "data").exists():
                journey.measured(phase)
        print(ROUTINE.format("the load at its", "writes", "left", "peak GiB"))
        print("|---|--:|--:|--:|", flush=True)
        for at in AT:
            for old in run.glob("ledger.db*"):
                old.unlink()
            if at == "end":
                journey.process([*_SELF, "fill"])
            told = journey.process([*_SELF, "begin"])
            found = json.loads(told.splitlines()[-1])
            print(
                ROUTINE.format(
                    at, f"{found['writes']:,}", f"{found['left']:,}", f"{found['peak_bytes'] / 2**30:.2f}"
                ),
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:] == ["fill"]:
        nearly_done()
    elif sys.argv[1:] == ["begin"]:
        print(json.dumps(begun()))
    else:
        asked = argparse.ArgumentParser(
            description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        asked.add_argument("contacts", nargs="?", type=int, default=SIZE)
        asked.add_argument("--keep", type=Path, metavar="FOLDER")
        given = asked.parse_args()
        with tempfile.TemporaryDirectory() as name:
            main(given.contacts, (given.keep or Path(name)).absolute())
