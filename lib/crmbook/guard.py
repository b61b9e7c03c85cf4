"""May this load write now, and go on writing?

Before the first write of a start: nobody else writes to the target, the measurement the plan rests on is young, and
what the plan depends on is measured again and found as it was. Between the writes: the lock is still ours, and nothing
foreign grows on our contacts. A start with nothing left to write asks nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from crmbook import probe, target, target_lock, watch
from crmbook.errors import GateFailed, UpstreamError
from crmbook.ledger import Ledger
from crmbook.phases import capabilities
from crmbook.runs import Run
from crmbook.vendors.freshsales import Freshsales

MAX_AGE_H: Final = 24


@dataclass(frozen=True)
class Door:
    """The target, open for writing; `between` is called after every batch and raises what must stop the load."""

    client: Freshsales
    between: Callable[[], None]


@contextmanager
def writing(run: Run) -> Iterator[Door]:
    """
    The right to carry out the plan of *run*, with every guard in place until the block ends.

    Raises:
        UsageError: another run writes to this target.
        UpstreamError: as `check_capabilities`.
        GateFailed: Workflows of the target act on what is written.
    """
    with target_lock.held(run) as lock, closing(target.connect(run)) as client:
        check_capabilities(run, client)
        with watch.watching(run, client, is_idle=_waiting(run).is_empty()) as workflows:

            def between() -> None:
                lock.check()
                workflows.look()

            yield Door(client, between)
            workflows.finish()


def check_capabilities(run: Run, client: Freshsales) -> pl.DataFrame:
    """
    CAPABILITY_CHECK, saved: the tenant measured again as far as the plan depends on it.

    A difference is believed when it is seen twice: a job that failed once is no other tenant.

    Raises:
        UpstreamError: the measurement of 03 is too old, or the tenant does not do what was measured.
        GateFailed: Workflows act on new contacts, and the plan creates more of them than may be disturbed.
        ApiError: the target has no usable answer; run again.
    """
    known, waiting = run.read("capabilities"), _waiting(run)
    if waiting.is_empty():
        return run.save("capability_check", capabilities.compare(known, None))
    _require_young(run, known)
    found = probe.measure(client, run.read("target_fields"), only_decisive=True)
    check = capabilities.compare(known, found)
    if capabilities.changes(check):
        found = probe.measure(client, run.read("target_fields"), only_decisive=True)
        check = capabilities.compare(known, found)
    run.save("capability_check", check)
    if changed := capabilities.changes(check):
        said = ", ".join(f"{name} {values}" for name, values in changed.items())
        raise UpstreamError(f"the target is not as 03_workspace measured it: {said}; {_again(run)}")
    _require_quiet(run, found, waiting)
    return check


def _waiting(run: Run) -> pl.DataFrame:
    """The writes of the plan that are not finished."""
    planned = run.scan("plan").select("op_id", "entity", "action").collect()
    if not run.ledger_path.exists():
        return planned
    with Ledger(run.ledger_path) as ledger:
        return planned.join(ledger.finished().to_frame(), on="op_id", how="anti", maintain_order="left")


def _require_young(run: Run, known: pl.DataFrame) -> None:
    longest = timedelta(hours=int(run.parameters.get("capabilities_max_age_h", MAX_AGE_H)))
    age = datetime.now(UTC) - min(known["measured_at"].to_list())
    if age > longest:
        raise UpstreamError(
            f"the target was measured {age / timedelta(hours=1):.1f} h ago, capabilities_max_age_h allows"
            f" {longest / timedelta(hours=1):.0f}; {_again(run)}"
        )


def _require_quiet(run: Run, found: pl.DataFrame, waiting: pl.DataFrame) -> None:
    is_acting = found.filter(pl.col("capability") == "workflows_act")["value"].to_list() == ["true"]
    people = waiting.filter(pl.col("entity").is_in(["contact", "lead"]), pl.col("action") == "create").height
    if is_acting and people > int(run.parameters.get("foreign_records_allowed", watch.ALLOWED)):
        raise GateFailed(
            f"a new contact got a task nobody asked for, and {people:,} contacts are about to be created: switch"
            " Workflows off in the target's admin settings, then run again"
        )


def _again(run: Run) -> str:
    return (
        f"measure it anew with: crmbook run {run.customer.key} --env {run.env} --run {run.run_id}"
        " --from 03_workspace"
    )
