"""One planned write, carried out: resolved, announced in the ledger, sent, and its outcome recorded.

A strategy takes the planned operations and writes them in batches; `Single` sends one request per record.
Creating is never repeated before the record was looked for; changing a record to what the plan says is
harmless to repeat. A record the vendor refuses is recorded and the load goes on; what depends on it goes on
without it and says so. Invariant: every operation ends as done or rejected, or stays pending in the ledger.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol

import polars as pl

from crmbook.apply_places import Place, Record
from crmbook.errors import DataError, NotFound, Rejected, Unavailable
from crmbook.ledger import Intent, Ledger, Origin, Outcome, Write
from crmbook.phases import images
from crmbook.phases.payloads import canonical
from crmbook.phases.strategies import Stage
from crmbook.vendors.freshsales import Freshsales

ATTEMPTS: Final = 5
_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Op:
    """One row of the plan, without what it waits for: that stands before it."""

    op_id: str
    seq: int
    entity: str
    action: str
    source_id: str
    target_id: int | None
    payload: str
    payload_sha256: str

    @property
    def record(self) -> str:
        return f"{self.entity}:{self.source_id}"


OP: Final = tuple(field.name for field in fields(Op))


def ops_of(plan: pl.DataFrame) -> Iterator[Op]:
    """The rows of *plan* (`tables.PLAN`), one by one."""
    return (Op(*row) for row in plan.select(OP).iter_rows())


class Planned(Protocol):
    """Planned operations in their order, each read when its turn comes; `stages` tells what comes (`apply_work.Work`)."""

    def __iter__(self) -> Iterator[Op]: ...
    def stages(self) -> Iterator[tuple[Stage, pl.DataFrame]]: ...


class Strategy(Protocol):
    """A way to carry out planned operations, one or many in a call."""

    def batches(self, ops: Planned) -> Iterator[Sequence[Op]]: ...

    def write(self, batch: Sequence[Op], pending: Mapping[str, Write]) -> None:
        """Each operation of *batch* becomes done or rejected; *pending* names those an earlier start left open."""


class Single:
    """One request per operation, in the order of the plan."""

    def __init__(
        self,
        client: Freshsales,
        ledger: Ledger,
        places: Mapping[str, Place],
        *,
        target_ids: dict[str, int] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._ledger, self._places, self._sleep = client, ledger, places, sleep
        self._target_ids = ledger.target_ids() if target_ids is None else target_ids

    @property
    def target_ids(self) -> dict[str, int]:
        """`<entity>:<source_id>` to target id, of everything written so far."""
        return self._target_ids

    def batches(self, ops: Planned) -> Iterator[Sequence[Op]]:
        return ([op] for op in ops)

    def write(self, batch: Sequence[Op], pending: Mapping[str, Write]) -> None:
        for op in batch:
            if op.action == "create":
                self._create(op, is_open=op.op_id in pending)
            elif op.action == "update":
                self._update(op, pending.get(op.op_id))
            elif op.action in ("add", "remove"):
                self._members(op)
            else:
                self._change(op)

    def _create(self, op: Op, *, is_open: bool) -> None:
        place = self._places[op.entity]
        body, without = resolved(json.loads(op.payload), self._target_ids)
        intent = intent_of(op, "POST", f"/{place.route}")
        for attempt in range(1, ATTEMPTS + 1):
            if is_open and self._settled(op, body, without):
                return
            if why := place.obstacle(body):
                self._ledger.skip(intent, joined(why, without) or why)
                return
            self._ledger.intend([intent])
            try:
                record = place.create(body)
            except Rejected as refusal:
                # After an unclear attempt a refusal may be about the record that attempt made.
                if not (is_open and self._settled(op, body, without)):
                    self._ledger.reject(op.op_id, refusal.messages or [str(refusal)])
                return
            except NotFound as refusal:
                self._ledger.reject(op.op_id, [str(refusal)])
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
                self._done(op, record, body, "created", note=joined("", without))
                return

    def _settled(self, op: Op, body: Mapping[str, Any], without: Sequence[str]) -> bool:
        """Whether an earlier attempt made the record; if so it is done."""
        place = self._places[op.entity]
        if place.obstacle(body):
            return False
        others = [i for record, i in self._target_ids.items() if record.startswith(f"{op.entity}:")]
        found = place.found(op.source_id, body, frozenset(others))
        if found:
            self._done(op, found, body, "created", note=joined("found in the target", without))
        return found is not None

    def _update(self, op: Op, open_write: Write | None) -> None:
        if op.target_id is None:
            raise DataError(f"plan: {op.op_id} updates a record but names none; the plan was altered")
        place = self._places[op.entity]
        body, without = resolved(json.loads(op.payload), self._target_ids)
        before = json.loads(open_write.before) if open_write and open_write.before else None
        if not place.obstacle(body):
            before = before or place.before(op.target_id, body)
        intent = intent_of(op, "PUT", f"/{place.route}/:id", before=canonical(before) if before else None)
        if before is None and place.recreates:
            self._create(op, is_open=open_write is not None)
        elif before is None:
            self._ledger.skip(intent, "the record it matched is no longer there")
        else:
            matched = before
            target_id = op.target_id
            self._put(
                op,
                intent,
                lambda: place.update(target_id, body, matched),
                body,
                "matched",
                joined("", without),
            )

    def _change(self, op: Op) -> None:
        place = self._places[op.entity]
        target_id = self._target_ids.get(op.record)
        intent = intent_of(op, "PUT", f"/{place.route}/:id", target_id=target_id)
        body = json.loads(op.payload)
        if target_id is None:
            self._ledger.skip(intent, f"{op.record} is not in the target")
        else:
            self._put(op, intent, lambda: self._client.update(place.route, target_id, body), body)

    def _members(self, op: Op) -> None:
        """Members into a list or out of it; who is there already, or gone already, is no matter, so it may be sent again."""
        target_id = self._target_ids.get(op.record)
        body, without = resolved(json.loads(op.payload), self._target_ids)
        intent = intent_of(op, "PUT", f"/lists/:id/{op.action}_contacts", target_id=target_id)
        if target_id is None or not body.get("ids"):
            why = "none of its members is in the target" if target_id else f"{op.record} is not in the target"
            self._ledger.skip(intent, why)
            return
        list_id = target_id

        def send() -> Record:
            move = self._client.add_to_list if op.action == "add" else self._client.remove_from_list
            move(list_id, body["ids"])
            return {"id": list_id, **body}

        self._put(op, intent, send, body, note=joined("", without))

    def _put(
        self,
        op: Op,
        intent: Intent,
        send: Callable[[], Record],
        body: Mapping[str, Any],
        origin: Origin | None = None,
        note: str | None = None,
    ) -> None:
        self._ledger.intend([intent])
        try:
            record = send()
        except Rejected as refusal:
            self._ledger.reject(op.op_id, refusal.messages or [str(refusal)])
        except NotFound:
            self._ledger.reject(op.op_id, ["the record is no longer there"])
        else:
            self._done(op, record, body, origin, note=note)

    def _done(
        self, op: Op, record: Record, body: Mapping[str, Any], origin: Origin | None, *, note: str | None
    ) -> None:
        target_id = int(record["id"])
        self._ledger.done(
            [Outcome(op.op_id, target_id, images.text(images.image(record, body)), origin, note)]
        )
        if origin:
            self._target_ids[op.record] = target_id


def resolved(payload: Mapping[str, Any], target_ids: Mapping[str, int]) -> tuple[dict[str, Any], list[str]]:
    """
    *payload* with target ids for its references, and the records it has to go without.

    A contact that loses its primary account keeps the next one as primary. What is null or empty is to be cleared, and
    stays so.
    """
    body, without = dict(payload), []

    def known(reference: Mapping[str, str]) -> int | None:
        target_id = target_ids.get(reference["$id"])
        if target_id is None:
            without.append(reference["$id"])
        return target_id

    if account := body.get("sales_account_id"):
        del body["sales_account_id"]
        body |= {"sales_account_id": target_id} if (target_id := known(account)) else {}
    if contacts := body.pop("contacts_added_list", None):
        ids = [target_id for contact in contacts if (target_id := known(contact))]
        body |= {"contacts_added_list": ids} if ids else {}
    if accounts := body.get("sales_accounts"):
        del body["sales_accounts"]
        links = [link | {"id": target_id} for link in accounts if (target_id := known(link["id"]))]
        if links and not any(link["is_primary"] for link in links):
            links[0] = links[0] | {"is_primary": True}
        body |= {"sales_accounts": links} if links else {}
    if parent := body.pop("targetable_id", None):
        body |= {"targetable_id": target_id} if (target_id := known(parent)) else {}
    if members := body.pop("ids", None):
        body |= {"ids": [target_id for member in members if (target_id := known(member))]}
    return body, without


def intent_of(
    op: Op, method: str, route: str, *, target_id: int | None = None, before: str | None = None
) -> Intent:
    """The announcement of *op* in the ledger; *before* is the record as it stood, as JSON."""
    return Intent(
        op.op_id, op.seq, op.entity, op.action, op.source_id, method, route, op.payload_sha256,
        target_id=op.target_id if target_id is None else target_id, before=before,
    )  # fmt: skip


def joined(note: str, without: Sequence[str]) -> str | None:
    """What the ledger notes beside a write that is done."""
    parts = [note, f"without {', '.join(without)}" if without else ""]
    return "; ".join(part for part in parts if part) or None
