"""01 of a delta run: what changed since the run it goes on from, and whether the source stands still.

Lists are read whole: that a record is gone only the list of all of them tells, and a window over `updated_at` would ask
for the same pages twice. What exists per contact is the dear part of a reading: where a contact's record is byte for byte
the one the run before read, its events, e-mails and conversations are taken over unasked. No document says that a new
event changes the contact's record, so the delta after one that found nothing asks for everybody's again.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import lineage, tables
from crmbook.extract_history_store import NAME as READINGS
from crmbook.lineage import Base
from crmbook.phases import delta
from crmbook.runs import Run
from crmbook.vendors.usercom import UserCom

_TABLES: Final = ("delta", "delta_balance", "freeze")


def compare(run: Run, client: Any) -> None:
    """`delta`, `delta_balance` and `freeze`, saved; the source tables keep the old row where its content is the same."""
    base = lineage.base_of(run)
    if base is None:
        for name in _TABLES:
            run.save(name, tables.of(name).empty())
        return
    run.save("freeze", _freeze(run, base, client))
    found, rows = [tables.DELTA.empty()], {}
    for entity, kind in delta.KINDS.items():
        now, before = run.read(kind.table), base.read(kind.table)
        part = delta.compare(kind, entity, now=now, before=before)
        if kind.volatile:
            run.save(kind.table, delta.settled(kind, part, now=now, before=before))
        found.append(part)
        rows[entity] = before.height, now.height
    run.save("delta", pl.concat(found))
    balance = run.save("delta_balance", delta.balance(pl.concat(found), rows))
    lineage.told(run, changes=delta.moved(balance), is_whole=is_whole(run))


def readings(run: Run) -> Path | None:
    """The file with the history the base read, None where everybody is to be asked."""
    base = lineage.base_of(run)
    if base is None or is_whole(run) or run.customer.source.kind != "api":
        return None
    path = base.record.folder / run.phase / "data" / READINGS
    return path if path.exists() else None


def is_whole(run: Run) -> bool:
    """Whether the history of everybody is asked for: as told, and after a delta that found nothing."""
    base = lineage.base_of(run)
    before: dict[str, Any] = base.record.get().get("delta") or {} if base else {}
    return base is None or bool(run.parameters.get("whole")) or before.get("changes") == 0


def _freeze(run: Run, base: Base, client: Any) -> pl.DataFrame:
    """FREEZE, of what was read and, for contacts, of a second look after it."""
    began, then = (datetime.fromisoformat(lineage.started_at(r)) for r in (run.record, base.record))
    rows = []
    for entity, kind in delta.KINDS.items():
        if not kind.changed_at:
            continue
        moments = run.read(kind.table).get_column(kind.changed_at).drop_nulls()
        late = int((moments >= began).sum())
        if entity == "contact" and isinstance(client, UserCom):
            again = (record for page in client.pages("users", since=began) for record in page.records)
            late = max(late, sum(1 for record in again if record.fields.get("updated_at")))
        rows.append((entity, moments.max(), int((moments >= then).sum()), late))
    return pl.DataFrame(rows, schema=tables.FREEZE.columns, orient="row")
