"""`crmbook reassign`: records that stand with the administrator go to the owners who have a user by now.

In: a run whose load has passed. Out: the target's owners, the ledger, and `reassigned.csv` in the run's folder:
one row per record that waits or waited, and what became of it.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from crmbook import apply_owners, archive, config, csvfiles, runs, target, target_lock, workspace_read
from crmbook.ledger import Ledger
from crmbook.phases import reassigning, resolving
from crmbook.runs import Run

NAME: Final = "reassigned.csv"
_WORDS: Final = {
    apply_owners.MOVED: "moved to their owners",
    apply_owners.LEFT: "left with whom somebody gave them to",
    apply_owners.GONE: "no longer in the target",
    apply_owners.REFUSED: "refused by the target; the ledger has its words",
    apply_owners.WAITING: "still waiting for a user",
}


def reassign(customer: str, run_id: str, say: Callable[[str], None]) -> dict[str, Any]:
    """
    The waiting records of the run moved, and counts by state and entity; the file lists each record.

    Raises:
        UpstreamError: the load has not passed, or the administrator is no active user any more.
        UsageError: another run writes to this target, or the target is another one now.
        ApiError: the target stopped answering; run again to continue.
    """
    run = _opened(customer, run_id)
    owners, then, crosswalk, plan = run.frames("owners", "target_owners", "crosswalk", "plan")
    normalized = {entity: run.read(table) for entity, table in reassigning.OWNED.items()}
    admin = run.customer.admin_email
    with (
        target_lock.held(run), closing(target.connect(run)) as client, Ledger(run.ledger_path) as ledger,
        ledger.writing(),
    ):  # fmt: skip
        ledger.bind(target_host=target.host(run))
        now = workspace_read.owners(client)
        queue = reassigning.queue(
            normalized, owners=owners, users_then=then, users_now=now, crosswalk=crosswalk, admin_email=admin
        )
        admin_id = resolving.owner_ids(owners, then, admin).admin_id
        assigned = apply_owners.assign(client, ledger, queue, admin_id=admin_id, first_seq=plan.height + 1)
    path = run.folder / NAME
    csvfiles.write(path, assigned.columns, assigned.iter_rows(named=True))
    counts = apply_owners.counted(assigned)
    for state, entities in counts.items():
        say(f"{_listed(entities)}: {_WORDS[state]}")
    if not counts:
        say("no record waits for an owner")
    run.log("reassigned", **{state: sum(entities.values()) for state, entities in counts.items()})
    archive.seal(run.record, {"event": "reassign", "at": runs.now()})
    return {"customer": customer, "run": run_id, **counts, "file": str(path)}


def _opened(customer: str, run_id: str) -> Run:
    record = runs.Record(runs.root() / customer / run_id)
    runs.refuse_rolled_back(record)
    settled = config.read(runs.root() / customer / "customer.toml")
    return Run(record, "reassign", settled, record.get()["env"], {})


def _listed(entities: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {entity.replace('_', ' ')}" for entity, count in entities.items())
