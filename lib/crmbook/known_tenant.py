"""What an earlier look at the target told: tables of 03 of this run or of an earlier one in the same environment.

02 comes before 03, so a first run knows nothing; then everything is proposed as if the tenant were new. A table
counts only where it is the file its phase wrote. Nothing here asks the target.
"""

import polars as pl

from crmbook import runs, tables
from crmbook.runs import Record, Run


def table(run: Run, name: str) -> pl.DataFrame | None:
    """The newest table *name* of 03 for this run's environment, this run's own before all; None where nobody looked."""
    others = [r for r in reversed(runs.all_runs(run.customer.key)) if r.folder != run.folder]
    for record in (run.record, *others):
        found = _table(record, name) if record.get()["env"] == run.env else None
        if found is not None:
            return found
    return None


def _table(record: Record, name: str) -> pl.DataFrame | None:
    phase = tables.of(name).phase
    key = f"{phase}/data/{name}.parquet"
    path = record.folder / key
    written = record.phase(phase).get("outputs", {}).get(key)
    if written is None or not path.exists() or runs.sha256(path) != written:
        return None
    return pl.read_parquet(path)
