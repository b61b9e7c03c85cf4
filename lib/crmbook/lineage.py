"""The runs a delta run goes on from: what they read, decided and wrote.

The base is the customer's newest whole run on the same target whose reconciliation a person approved; a delta run may be
the base of the next. Reading changes nothing. Invariant: a table of the base is the file its phase wrote.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import config, runs, tables, target
from crmbook.errors import UpstreamError, UsageError
from crmbook.ledger import Ledger
from crmbook.phases import delta_written
from crmbook.phases.delta_written import Written
from crmbook.runs import Record, Run

_SIGNED: Final = "reconciliation"


def base_for(customer: config.Customer, env: config.Env) -> Record:
    """
    The run a new delta of *customer* goes on from.

    Raises:
        UsageError: no whole run on this target is approved; says what to do.
    """
    host = target.address(customer.target(env))
    for record in reversed(runs.all_runs(customer.key)):
        if is_approved(record) and _host(record) == host and record.get()["env"] == env:
            return record
    raise UsageError(
        f"--delta: {customer.key} has no {env} run on this target whose reconciliation is approved;"
        f" finish one first: crmbook run {customer.key} --env {env}"
    )


def is_approved(record: Record) -> bool:
    """Whether the run is whole, reconciled, signed off, and not rolled back."""
    content = record.get()
    signed = content["offers"].get(_SIGNED, {}).get("hash", "")
    return (
        not content["parameters"].get("sample")
        and not runs.rolled_back(record)
        and content["phases"].get("06_reconciliation", {}).get("status") == "passed"
        and record.approved(_SIGNED, signed) is not None
    )


def _host(record: Record) -> str | None:
    path = record.folder / "ledger.db"
    if not path.exists():
        return None
    with Ledger(path) as ledger:
        return ledger.meta("target_host")


@dataclass(frozen=True)
class Base:
    """The run a delta run goes on from, and through it those before."""

    record: Record

    def read(self, table: str) -> pl.DataFrame:
        """
        The base's table, empty where its phase wrote none of that name.

        Raises:
            UpstreamError: the file is gone, or not the one the phase wrote.
        """
        phase = tables.of(table).phase
        known = self.record.phase(phase).get("outputs", {}).get(f"{phase}/data/{table}.parquet")
        path = self.record.folder / phase / "data" / f"{table}.parquet"
        if known is None:
            return tables.of(table).empty()
        if not path.exists() or runs.sha256(path) != known:
            raise UpstreamError(
                f"{self.record.folder.name}/{phase}/data/{table}.parquet: gone or changed since the run was approved;"
                " a delta can't go on from it, restore the file or start a whole run"
            )
        return pl.read_parquet(path)

    @property
    def lineage(self) -> list[Record]:
        """The base and the runs it went on from itself, oldest first."""
        found, record = [self.record], self.record
        while before := base_id(record):
            record = Record(record.folder.parent / before)
            found.append(record)
        return found[::-1]

    def standing(self) -> pl.DataFrame:
        """CROSSWALK of everything the base and the runs before it wrote or matched, with `is_there`."""
        with Ledger(self.record.folder / "ledger.db") as ledger:
            return ledger.standing()

    def written(self) -> Written:
        """What all of them wrote, the later over the earlier."""
        known = Written()
        for record in self.lineage:
            plan = Base(record).read("plan").sort("seq")
            with Ledger(record.folder / "ledger.db") as ledger:
                delta_written.grow(known, plan, ledger.results())
        return known

    def refused(self) -> pl.DataFrame:
        """entity, source_id of what the target refused in any of them."""
        found = []
        for record in self.lineage:
            with Ledger(record.folder / "ledger.db") as ledger:
                found.append(ledger.rejected().select("entity", "source_id"))
        return pl.concat(found).unique()


def base_id(record: Record) -> str:
    """The id of the run *record* goes on from, empty where it is no delta run."""
    delta: dict[str, Any] = record.get().get("delta") or {}
    return str(delta.get("base", ""))


def base_of(run: Run) -> Base | None:
    """
    The base of a delta run, None where *run* is none.

    Raises:
        UpstreamError: the base is no longer there or no longer approved.
    """
    known = base_id(run.record)
    if not known:
        return None
    record = Record(run.customer_folder / known)
    if not record.exists() or not is_approved(record):
        raise UpstreamError(
            f"{run.run_id}: the run it goes on from, {known}, is gone or no longer approved; start a new delta"
        )
    return Base(record)


def told(run: Run, **facts: Any) -> None:
    """*facts* about a delta run kept in its run.json, where the next delta and `status` look for them."""
    before = run.record.get().get("delta") or {}
    run.record.change(delta={**before, **facts})


def started_at(record: Record) -> str:
    """When the run began to read the source."""
    return str(record.phase("01_discovery").get("started_at", record.get()["created_at"]))


def decisions_of(record: Record) -> Iterator[str]:
    """The files of 02 in which a person may have decided something."""
    for name in ("decisions.csv", "mapping.xlsx"):
        if (record.folder / "02_mapping" / name).exists():
            yield name
