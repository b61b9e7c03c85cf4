"""What earlier runs of the customer wrote to the same target, by their ledgers.

Tasks, notes, lists and files carry no source id in the target, so a later run knows them by these ledgers only; what a
rollback took back is not theirs any more.
Reading changes nothing; the newest run's word counts.
"""

import polars as pl

from crmbook import runs, tables, target, undo_ledger
from crmbook.ledger import Ledger
from crmbook.runs import Run


def crosswalk(run: Run) -> pl.DataFrame:
    """CROSSWALK of all other runs on this run's target; the newest where several know a source record."""
    found = [tables.CROSSWALK.empty()]
    for record in reversed(runs.all_runs(run.customer.key)):
        path = record.folder / "ledger.db"
        if record.folder == run.folder or not path.exists():
            continue
        with Ledger(path) as ledger:
            if ledger.meta("target_host") == target.host(run):
                found.append(undo_ledger.standing(path, ledger.crosswalk()))
    together = pl.concat(found)
    # A target record stands for one source record, also where two runs disagree on which.
    return together.unique(["entity", "source_id"], keep="first", maintain_order=True).unique(
        ["entity", "target_id"], keep="first", maintain_order=True
    )
