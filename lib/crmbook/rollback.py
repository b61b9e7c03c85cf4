"""`crmbook rollback`: the notebook that shows what of a run can be taken back, and with --yes takes it back.

Exit codes as everywhere: 4 while it waits for the yes, 5 where the target stopped answering; typed again it goes on.
A run that is taken back already is left alone.
"""

import json
from collections.abc import Callable
from typing import Any

from crmbook import archive, data_docs, gates, overview, pipeline, runner, runs
from crmbook.errors import CrmbookError, UsageError

NAME = runs.ROLLBACK.name


def rollback(
    customer: str, run_id: str, say: Callable[[str], None], *, yes: bool, forget: bool
) -> dict[str, Any]:
    """
    The rollback of one run, planned, or with *yes* carried out; with *forget* out of the bin too.

    Raises:
        UsageError: the run never wrote to a target.
        Waiting: it is planned and waits for the yes.
        CrmbookError: whatever stopped it, with its exit code.
    """
    record = runs.Record(runs.root() / customer / run_id)
    told = record.get().get("rollback", {})
    if not (record.folder / "ledger.db").exists():
        raise UsageError(f"run {run_id} wrote nothing to a target; there is nothing to take back")
    if told.get("state") == "done" and (told["forget"] or not forget):
        say(f"run {run_id} was rolled back at {told['at']}: nothing to do")
        return _result(record, customer, did_run=False)
    if any(entry["event"] == "purge" for entry in archive.chain(record)):
        raise UsageError(f"run {run_id}: its personal data was purged, and with it what stood there before")
    parameters = {"customer": customer, "run_id": run_id, "is_confirmed": yes, "forget": forget}
    try:
        with gates.warm(), pipeline.bar(NAME) as watch:
            runner.run_phase(record, NAME, parameters, watch=watch)
            data_docs.build(record)
    except CrmbookError:
        say(f"{NAME} stopped; see {record.folder / NAME / 'report.html'}")
        raise
    finally:
        archive.seal_phase(record, NAME)
        archive.seal(record)
    overview.refresh(record)
    archive.seal(record)
    result = _result(record, customer, did_run=True)
    say(", ".join(f"{count:,} {what}" for what, count in result["records"].items() if count))
    say(f"report: {result['report']}")
    return result


def _result(record: runs.Record, customer: str, *, did_run: bool) -> dict[str, Any]:
    told = json.loads((record.folder / NAME / "summary.json").read_text(encoding="utf-8"))
    return {
        "customer": customer, "run": record.folder.name, "ran": did_run, "records": told,
        "report": str(record.folder / NAME / "report.html"),
    }  # fmt: skip
