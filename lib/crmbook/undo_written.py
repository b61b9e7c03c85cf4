"""What a run wrote to each record, told by its ledger and its plan: the body sent, the image left, what was before.

Writes of unknown fate are settled first, by looking, as the load does. Invariant: one `Written` per record of the
crosswalk, with all its writes in their order.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from crmbook import settle_history
from crmbook.apply_places import Place
from crmbook.apply_writes import resolved
from crmbook.errors import NotFound, UpstreamError
from crmbook.ledger import Origin, Outcome
from crmbook.phases import images, load
from crmbook.phases.edition import MODULES
from crmbook.phases.history_tables import MODULES as HISTORY
from crmbook.phases.restoring import Written, arrived
from crmbook.runs import Run
from crmbook.undo_ledger import Row, UndoLedger
from crmbook.vendors.freshsales import Freshsales

Bodies = Mapping[str, Mapping[str, Any]]

NEVER_ARRIVED: Final = "it had not arrived when the run was rolled back"
_WITHOUT: Final = re.compile(r"without (.+)$")
_PLACES: Final = MODULES | HISTORY


def bodies(run: Run, ledger: UndoLedger) -> dict[str, dict[str, Any]]:
    """
    The body of every write of the run that left, by op id, with target ids for its references.

    Raises:
        UpstreamError: the plan the run was begun with is no longer in its folder.
    """
    payloads = dict(begun_plan(run, ledger.meta("plan_hash")).select("op_id", "payload").iter_rows())
    known = ledger.target_ids()
    found: dict[str, dict[str, Any]] = {}
    for row in ledger.written():
        if row.action == "owner":
            found[row.op_id] = {"owner_id": int(row.op_id.rpartition(":")[2])}
        elif row.op_id in payloads:
            left_out = _left_out(row)
            ids = {name: target_id for name, target_id in known.items() if name not in left_out}
            found[row.op_id] = resolved(json.loads(payloads[row.op_id]), ids if left_out else known)[0]
    return found


def begun_plan(run: Run, digest: str | None) -> pl.DataFrame:
    """The plan with that hash, from whichever start of 05_load holds it."""
    for path in sorted(run.folder.glob("05_load*/data/plan.parquet")):
        plan = pl.read_parquet(path)
        if load.plan_hash(plan) == digest:
            return plan
    raise UpstreamError(
        f"{run.run_id}: the plan its ledger began with is not in 05_load; restore that folder"
    )


def written(ledger: UndoLedger, sent: Bodies) -> list[Written]:
    """One per record this run wrote, by entity and source id; what runs before a delta made is theirs to take back."""
    rows: dict[tuple[str, str], list[Row]] = {}
    for row in ledger.written():
        rows.setdefault((row.entity, row.source_id), []).append(row)
    return [
        _written(entity, source_id, target_id, origin, rows.get((entity, source_id), []), sent)
        for entity, source_id, target_id, origin in ledger.own().iter_rows()
    ]


def _written(
    entity: str, source_id: str, target_id: int, origin: str, rows: Iterable[Row], sent: Bodies
) -> Written:
    body: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for row in rows:
        body = _merged(body, sent.get(row.op_id, {}))
        # What stood there at first is what counts; a later write found what an earlier one of ours left.
        before = _merged(json.loads(row.before), before) if row.before else before
    image = images.merged(row.after for row in rows)
    return Written(entity, source_id, target_id, origin, image, body, before if origin == "matched" else {})


def _merged(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    both = {**first, **then}
    parts = [part["custom_field"] for part in (first, then) if isinstance(part.get("custom_field"), Mapping)]
    if parts:
        both["custom_field"] = {name: value for part in parts for name, value in part.items()}
    if "ids" in first and "ids" in then:
        both["ids"] = [*first["ids"], *then["ids"]]
    return both


def settle(
    client: Freshsales, ledger: UndoLedger, places: Mapping[str, Place], sent: Bodies, *, closes: bool
) -> int:
    """
    Every write of unknown fate looked for: what arrived is recorded as done.

    With *closes* what did not arrive is recorded so, and never sent again; without, it stays open for a load that
    goes on. Returns how many were open.
    """
    due = {row.op_id: row for row in ledger.written() if row.state in ("intent", "unclear")}
    for op_id, row in due.items():
        body = sent.get(op_id, {})
        outcome = _created(row, body, places, ledger) or _changed(client, row, body, ledger)
        if outcome:
            ledger.done([outcome])
        elif closes:
            ledger.reject(op_id, [NEVER_ARRIVED])
    return len(due)


def _created(
    row: Row, body: Mapping[str, Any], places: Mapping[str, Place], ledger: UndoLedger
) -> Outcome | None:
    if row.before is not None or row.action not in ("create", "update"):
        return None
    place = places[row.entity]
    # Looking a file up takes its record, not the file itself.
    if "targetable_id" not in body if row.entity == "document" else place.obstacle(body):
        return None
    taken = frozenset(i for name, i in ledger.target_ids().items() if name.startswith(f"{row.entity}:"))
    found = place.found(row.source_id, body, taken)
    if found is None:
        return None
    image = images.text(images.image(found, body))
    return Outcome(row.op_id, int(found["id"]), image, "created", "found at the rollback")


def _changed(client: Freshsales, row: Row, body: Mapping[str, Any], ledger: UndoLedger) -> Outcome | None:
    target_id = row.target_id or ledger.target_ids().get(f"{row.entity}:{row.source_id}")
    if target_id is None or row.action == "create":
        return None
    if row.action == "add":
        # Its members are taken out as far as they are in it, whether or not this call put them there.
        return Outcome(row.op_id, target_id, "{}")
    present = _present(client, row.entity, target_id, body)
    image = arrived(json.loads(row.before or "{}"), present, body) if present else {}
    origin: Origin | None = "matched" if row.action == "update" else None
    return (
        Outcome(row.op_id, target_id, images.text(image), origin, "found at the rollback") if image else None
    )


def _present(
    client: Freshsales, entity: str, target_id: int, body: Mapping[str, Any]
) -> dict[str, Any] | None:
    module = _PLACES[entity]
    if entity == "note":
        there = settle_history.hanging(client, module, body)
        return next((record for record in there if int(record["id"]) == target_id), None)
    try:
        return client.view(module, target_id, include=client.edition.module(module).links)
    except NotFound:
        return None


def _left_out(row: Row) -> set[str]:
    """The records a write had to go without, as its note names them."""
    found = _WITHOUT.search(row.error or "") if row.state == "done" else None
    return set(found[1].split(", ")) if found else set()
