"""What is done on each of the five business days after the switch?

In: the open items, the guides, and the commands of this run. Out: HYPERCARE. A line with nothing to do for this
customer is left out, but the drift check stands on every day: it reads the target again and says what is no longer as
it was signed off.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import tables

DAYS: Final = 5
ADMIN: Final = "Freshsales admin"
CUSTOMER: Final = "customer"
ANALYST: Final = "migration analyst"


@dataclass(frozen=True)
class Work:
    """How much there is of what; owners are the records that wait for a user."""

    owners: int
    automations: int
    segments: int
    mailings: int
    sheet: int
    items: int
    signs: int


def hypercare(work: Work, commands: Mapping[str, str]) -> pl.DataFrame:
    """*commands* are those of `drift`, `reassign`, `delta`, `pack` and `rollback` in this run; HYPERCARE."""
    rows = []
    for day in range(1, DAYS + 1):
        tasks = [task for task in _day(day, work, commands) if task["records"] != 0]
        rows += [{"day": day, "position": position, **task} for position, task in enumerate(tasks, 1)]
    return tables.conform(pl.DataFrame(rows, schema=tables.HYPERCARE.columns), tables.HYPERCARE)


def _day(day: int, work: Work, commands: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    yield _task(
        "Drift check: what is no longer in Freshsales as it was signed off", ANALYST, None, commands["drift"]
    )
    if day == 1:
        yield _task(
            "A last delta: what changed in User.com before it was closed for writing",
            ANALYST,
            None,
            commands["delta"],
        )
        yield _task("Look at the records of the spot-check sheet with the team", ADMIN, work.sheet)
        yield _task(
            "Give the owners that were missing a user, then hand them their records",
            ADMIN,
            work.owners,
            commands["reassign"],
        )
        yield _task("Switch Workflows, e-mail and sequences on, one after another", ADMIN, None)
    elif day == 2:
        yield _task("Rebuild the automations, those that make mails and tasks first", ADMIN, work.automations)
        yield _task("Say of each sign without an automation what makes it", CUSTOMER, work.signs)
    elif day == 3:
        yield _task(
            "Rebuild the segments as filters, compare their sizes with the guide", ADMIN, work.segments
        )
    elif day == 4:
        yield _task("Write the mails anew that go on, most opened first", CUSTOMER, work.mailings)
        yield _task("Settle the open items, or accept them by name", CUSTOMER, work.items)
    elif day == DAYS:
        yield _task(
            "Last day on which everybody still knows what they changed: decide against a rollback",
            CUSTOMER,
            None,
            commands["rollback"],
        )
        yield _task("Hand the archive over, without personal data", ANALYST, None, commands["pack"])


def _task(what: str, who: str, records: int | None, command: str = "") -> dict[str, Any]:
    return {"what": what, "who": who, "records": records, "command": command}
