"""How many calls does a migrated record cost, and was the forecast right? `python tests/bench/calls.py [contacts]`

A generated world (every contact and deal linked) is loaded into the sandbox of each kind of tenant on each edition;
the vendor's quota counts calls, so calls are what is measured, never seconds. Bulk jobs take the sandbox's own time,
which passes without waiting.
"""

import contextlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bulk_world as bulk
from crmbook import apply
from crmbook.phases import forecast, strategies
from crmbook.phases.edition import CLASSIC, SUITE, Edition
from crmbook.sandbox.server import Sandbox
from load_case import REALM, TENANT

SIZE = 1_200
ROUTINE = "| {:<26} | {:<7} | {:>7} | {:>6} | {:>16} | {:>8} | {:>7} |"


@dataclass(frozen=True)
class Tenant:
    """What it was measured to do, how the sandbox is switched to do it, and which modules lack a unique field."""

    name: str
    known: dict[str, str]
    switches: dict[str, Any]
    lacking: tuple[str, ...] = ()


TENANTS = [
    Tenant("bulk keeps links", bulk.LINKS_KEPT, {"bulk_drops_links": False}),
    Tenant("bulk drops links", bulk.LINKS_DROPPED, {"bulk_drops_links": True}),
    Tenant("deals have no unique field", bulk.LINKS_KEPT, {"bulk_drops_links": False}, lacking=("deals",)),
    Tenant("no bulk", bulk.NO_BULK, {}),
]


def measured(tenant: Tenant, edition: Edition, size: int) -> tuple[int, int, int]:
    """Records, calls used and calls forecast of one load."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(switches=TENANT | tenant.switches, edition=edition.name) as box,
    ):
        os.environ |= {"CRMBOOK_RUNS": folder, "CASE_TARGET": box.ready[REALM]["token"]}
        with bulk.world(box, Path(folder), size=size, known=tenant.known, edition=edition) as (run, client):
            fields = bulk.without_unique(run, *tenant.lacking)
            used = bulk.loaded(box, run, client)
            foretold = forecast.forecast(
                run.read("plan"), {"pro": 2_000}, existing=run.read("existing"),
                chosen=strategies.ways(apply.capabilities(run), fields),
            )  # fmt: skip
            assert apply.rejected(run).height == 0
            counted = forecast.error(foretold, apply.calls_used(run))
            assert forecast.numbers(counted)["calls_used"] == used
            records = run.read("plan").filter(pl.col("action").is_in(["create", "update"])).height
    return records, used, forecast.numbers(counted)["calls_forecast"]


def main(size: int) -> None:
    print(ROUTINE.format("tenant", "edition", "records", "calls", "calls per record", "forecast", "error"))
    print("|---|---|--:|--:|--:|--:|--:|")
    for tenant in TENANTS:
        for edition in (SUITE, CLASSIC):
            with contextlib.redirect_stdout(io.StringIO()):
                records, used, foretold = measured(tenant, edition, size)
            off = f"{(used - foretold) / foretold:+.1%}"
            print(
                ROUTINE.format(
                    tenant.name, edition.name, records, used, f"{used / records:.3f}", foretold, off
                ),
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
