"""May the customer switch over? Proven by two empty deltas in a row, the newer of which asked for everybody's history.

Empty: nothing new, changed or deleted in the source, no write, and the reconciliation passed and was approved. Everything
here is read from the run.json of the deltas, so that a person can check it.
"""

from dataclasses import dataclass
from typing import Any

from crmbook import lineage, runs
from crmbook.runs import Record, Run

NEEDED = "cutover is proven by two empty deltas in a row"


@dataclass(frozen=True)
class Cutover:
    """Whether it is proven, and the sentence that says by what, or what still moved."""

    is_proven: bool
    sentence: str


def state(customer: str, env: str) -> Cutover:
    """Where *customer* stands on *env*, by its newest runs there."""
    mine = [record for record in runs.all_runs(customer) if record.get()["env"] == env]
    return _judged(mine[-1]) if mine else Cutover(is_proven=False, sentence=f"no {env} run yet; {NEEDED}")


def of(run: Run) -> Cutover:
    """Where the customer stands with this run."""
    return _judged(run.record)


def _judged(record: Record) -> Cutover:
    base = lineage.base_id(record)
    if not base:
        command = f"crmbook run {record.folder.parent.name} --env {record.get()['env']} --delta"
        return Cutover(is_proven=False, sentence=f"no delta run yet; {NEEDED}: {command}")
    if found := _moved(record):
        return Cutover(is_proven=False, sentence=f"{record.folder.name}: {found}; {NEEDED}")
    before = Record(record.folder.parent / base)
    if not lineage.base_id(before):
        return Cutover(is_proven=False, sentence=f"one empty delta ({_named(record)}); {NEEDED}, run another")
    if found := _moved(before):
        return Cutover(
            is_proven=False,
            sentence=f"one empty delta ({_named(record)}), before it {base}: {found}; {NEEDED}",
        )
    if not _facts(record).get("is_whole"):
        why = "but the newer one took history over unasked; run it with --set whole=true"
        return Cutover(is_proven=False, sentence=f"two empty deltas ({base}, {record.folder.name}), {why}")
    return Cutover(
        is_proven=True,
        sentence=f"cutover proven: two empty deltas in a row ({_named(before)}; {_named(record)})",
    )


def _moved(record: Record) -> str:
    """What keeps the delta from being empty, nothing where it is."""
    facts = _facts(record)
    parts = [
        f"{facts[name]:,} {words}" for name, words in (("changes", "rows of the source moved"), ("writes", "writes"))
        if facts.get(name)
    ]  # fmt: skip
    if any(facts.get(name) is None for name in ("changes", "writes")):
        parts.append("not finished")
    elif not lineage.is_approved(record):
        parts.append("its reconciliation is not approved")
    return ", ".join(parts)


def _facts(record: Record) -> dict[str, Any]:
    return dict(record.get().get("delta") or {})


def _named(record: Record) -> str:
    return f"{record.folder.name}, read {lineage.started_at(record)}"
