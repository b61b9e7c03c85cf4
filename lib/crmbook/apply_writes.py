"""One planned write, carried out: resolved, announced in the ledger, sent, and its outcome recorded.

A strategy takes the planned operations and writes them in batches; `Single` sends one request per record.
Creating is never repeated before the record was looked for; changing a record to what the plan says is
harmless to repeat. A record the vendor refuses is recorded and the load goes on; what depends on it goes on
without it and says so. Invariant: every operation ends as done or rejected, or stays pending in the ledger.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from crmbook.errors import DataError, NotFound, Rejected, Unavailable
from crmbook.ledger import Intent, Ledger, Outcome, Write
from crmbook.phases.payloads import canonical, digest
from crmbook.settle import Finder, Record
from crmbook.vendors.freshsales import Freshsales

MODULES: Final = {"company": "sales_accounts", "contact": "contacts", "deal": "deals"}
ATTEMPTS: Final = 5
_PAUSE_S: Final = 1.0
_INCLUDES: Final = {
    "company": ("owner",),
    "contact": ("owner", "sales_accounts", "contact_status", "lifecycle_stage"),
    "deal": ("owner", "contacts", "sales_account", "deal_stage", "deal_pipeline", "currency"),
}


@dataclass(frozen=True)
class Op:
    """One row of the plan."""

    op_id: str
    seq: int
    entity: str
    action: str
    source_id: str
    target_id: int | None
    payload: str
    payload_sha256: str
    after: tuple[str, ...]

    @property
    def module(self) -> str:
        return MODULES[self.entity]

    @property
    def record(self) -> str:
        return f"{self.entity}:{self.source_id}"


class Strategy(Protocol):
    """A way to carry out planned operations, one or many in a call."""

    def batches(self, ops: Sequence[Op]) -> Iterator[Sequence[Op]]: ...

    def write(self, batch: Sequence[Op], pending: Mapping[str, Write]) -> None:
        """Each operation of *batch* becomes done or rejected; *pending* names those an earlier start left open."""


class Single:
    """One request per operation, in the order of the plan."""

    def __init__(
        self,
        client: Freshsales,
        ledger: Ledger,
        finder: Finder,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._ledger, self._finder, self._sleep = client, ledger, finder, sleep
        self._target_ids = ledger.target_ids()

    def batches(self, ops: Sequence[Op]) -> Iterator[Sequence[Op]]:
        return ([op] for op in ops)

    def write(self, batch: Sequence[Op], pending: Mapping[str, Write]) -> None:
        for op in batch:
            if op.action == "create":
                self._create(op, is_open=op.op_id in pending)
            elif op.action == "update":
                self._update(op, pending.get(op.op_id))
            else:
                self._change(op)

    def _create(self, op: Op, *, is_open: bool) -> None:
        body, without = resolved(json.loads(op.payload), self._target_ids)
        for attempt in range(1, ATTEMPTS + 1):
            if is_open and self._settled(op, body, without):
                return
            self._ledger.intend([_intent(op, "POST", f"/{op.module}")])
            try:
                record = self._client.create(op.module, body)
            except Rejected as refusal:
                # After an unclear attempt a refusal may be about the record that attempt made.
                if not (is_open and self._settled(op, body, without)):
                    self._ledger.reject(op.op_id, refusal.messages or [str(refusal)])
                return
            except (Unavailable, DataError) as doubt:
                if isinstance(doubt, Unavailable) and not doubt.sent:
                    raise
                self._ledger.unclear([op.op_id], str(doubt))
                is_open = True
                if attempt == ATTEMPTS and not self._settled(op, body, without):
                    raise
                self._sleep(_PAUSE_S * (attempt - 1))
            else:
                self._done(op, record, body, note=_joined("", without))
                return

    def _settled(self, op: Op, body: Mapping[str, Any], without: Sequence[str]) -> bool:
        """Whether an earlier attempt made the record; if so it is done."""
        found = self._finder.find(op.module, op.source_id)
        if found:
            self._done(op, found, body, note=_joined("found by its mark", without))
        return found is not None

    def _update(self, op: Op, open_write: Write | None) -> None:
        if op.target_id is None:
            raise DataError(f"plan: {op.op_id} updates a record but names none; the plan was altered")
        before = json.loads(open_write.before) if open_write and open_write.before else None
        before = before or self._client.view(op.module, op.target_id, include=_INCLUDES[op.entity])
        intent = _intent(op, "PUT", f"/{op.module}/:id", before=canonical(before) if before else None)
        if before is None:
            self._ledger.skip(intent, "the record it matched is no longer there")
            return
        body, without = resolved(json.loads(op.payload), self._target_ids)
        self._put(op, intent, op.target_id, widened(body, before), note=_joined("", without))

    def _change(self, op: Op) -> None:
        target_id = self._target_ids.get(op.record)
        intent = _intent(op, "PUT", f"/{op.module}/:id", target_id=target_id)
        if target_id is None:
            self._ledger.skip(intent, f"{op.record} is not in the target")
        else:
            self._put(op, intent, target_id, json.loads(op.payload), note=None)

    def _put(
        self, op: Op, intent: Intent, target_id: int, body: Mapping[str, Any], *, note: str | None
    ) -> None:
        self._ledger.intend([intent])
        try:
            record = self._client.update(op.module, target_id, body)
        except Rejected as refusal:
            self._ledger.reject(op.op_id, refusal.messages or [str(refusal)])
        except NotFound:
            self._ledger.reject(op.op_id, ["the record is no longer there"])
        else:
            self._done(op, record, body, note=note)

    def _done(self, op: Op, record: Record, body: Mapping[str, Any], *, note: str | None) -> None:
        target_id = int(record["id"])
        origins = {"create": "created", "update": "matched"}
        self._ledger.done(
            [Outcome(op.op_id, target_id, fingerprint(record, body), origins.get(op.action), note)]  # type: ignore[arg-type]
        )
        if op.action in origins:
            self._target_ids[op.record] = target_id


def resolved(payload: Mapping[str, Any], target_ids: Mapping[str, int]) -> tuple[dict[str, Any], list[str]]:
    """
    *payload* with target ids for its references, and the records it has to go without.

    A contact that loses its primary account keeps the next one as primary.
    """
    body, without = dict(payload), []

    def known(reference: Mapping[str, str]) -> int | None:
        target_id = target_ids.get(reference["$id"])
        if target_id is None:
            without.append(reference["$id"])
        return target_id

    if account := body.pop("sales_account_id", None):
        body |= {"sales_account_id": target_id} if (target_id := known(account)) else {}
    if contacts := body.pop("contacts_added_list", None):
        ids = [target_id for contact in contacts if (target_id := known(contact))]
        body |= {"contacts_added_list": ids} if ids else {}
    if accounts := body.pop("sales_accounts", None):
        links = [link | {"id": target_id} for link in accounts if (target_id := known(link["id"]))]
        if links and not any(link["is_primary"] for link in links):
            links[0] = links[0] | {"is_primary": True}
        body |= {"sales_accounts": links} if links else {}
    return body, without


def widened(body: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """*body* for a record that was there before: tags and account links replace what stands, so those are kept."""
    wide = dict(body)
    if "tags" in body:
        wide["tags"] = list(dict.fromkeys([*(before.get("tags") or []), *body["tags"]]))
    if "sales_accounts" in body:
        ours = {link["id"] for link in body["sales_accounts"]}
        theirs = [link["id"] for link in before.get("sales_accounts") or [] if link["id"] not in ours]
        wide["sales_accounts"] = [*body["sales_accounts"], *({"id": i, "is_primary": False} for i in theirs)]
    return wide


def fingerprint(record: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """A digest of what *record* shows of the keys *body* wrote: equal as long as nobody changed them."""
    shown = {key: record[key] for key in body if key in record and key != "custom_field"}
    custom, written = record.get("custom_field") or {}, body.get("custom_field", {})
    return digest(canonical(shown | {"custom_field": {key: custom.get(key) for key in written}}))


def _intent(
    op: Op, method: str, route: str, *, target_id: int | None = None, before: str | None = None
) -> Intent:
    return Intent(
        op.op_id, op.seq, op.entity, op.action, op.source_id, method, route, op.payload_sha256,
        target_id=op.target_id if target_id is None else target_id, before=before,
    )  # fmt: skip


def _joined(note: str, without: Sequence[str]) -> str | None:
    parts = [note, f"without {', '.join(without)}" if without else ""]
    return "; ".join(part for part in parts if part) or None
