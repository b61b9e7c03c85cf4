"""Which planned writes does the target show, now that the ledger is lost?

In: the plan, what the target holds, and what it held before the load. Out: the writes that happened, each with the record
it made or changed. A creation proves itself; a change that the target might have shown anyway counts only where a later
write is proven, or nothing provable is missing before it. Invariant: no record is given to two writes, and none that
stood there before counts as made.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from crmbook import settle_history
from crmbook.apply_writes import Op, resolved
from crmbook.errors import DataError
from crmbook.ledger import Origin
from crmbook.phases import images, written
from crmbook.phases.edition import MODULES as RECORDS
from crmbook.phases.history_tables import MODULES as HISTORY
from crmbook.rebuild_target import LISTED, Held, Parent, Record
from crmbook.settle import carries

MODULES: Final = RECORDS | HISTORY
PRIMARY: Final = ("create", "update")


@dataclass(frozen=True)
class Found:
    """A write that happened; `is_proven` where only that write can have left what is shown."""

    op: Op
    target_id: int
    after: str
    origin: Origin | None
    is_proven: bool
    without: tuple[str, ...] = ()


@dataclass
class Matcher:
    """
    The search through one plan; `found` grows by op id.

    *before* are the records the plan changes as they stood (module and id to the record), *foreign* the ids by
    module of what stood there before the load.
    """

    held: Held
    before: Mapping[tuple[str, int], Record]
    foreign: Mapping[str, Collection[int]]
    found: dict[str, Found] = field(default_factory=dict)
    target_ids: dict[str, int] = field(default_factory=dict)
    _taken: dict[str, set[int]] = field(default_factory=dict)
    _made: dict[str, dict[str, list[Record]]] = field(default_factory=dict)
    _since: datetime | None = None

    def search(self, ops: Sequence[Op]) -> None:
        """Every write of *ops* (a whole plan, by `seq`) that the target shows."""
        matched = [op for op in ops if op.action == "update" and op.target_id is not None]
        for op in matched:
            self._taken.setdefault(MODULES[op.entity], set()).add(op.target_id or 0)
        records = [op for op in ops if op.entity in RECORDS]
        for op in records:
            self._record(op)
        self._since = self._first_made()
        for op in ops:
            if op.entity == "list":
                self._list(op)
        self._hang([op for op in ops if op.entity in HISTORY and op.entity != "list"])
        for op_id in self._unreached(ops):
            gone = self.found.pop(op_id)
            if gone.origin:
                self.target_ids.pop(gone.op.record, None)

    def frontier(self) -> int:
        """The last write that is proven: the load came at least that far."""
        return max((found.op.seq for found in self.found.values() if found.is_proven), default=0)

    def keep(self, op: Op, record: Record) -> None:
        """*record* is what *op*, a creation, made."""
        body, _ = resolved(json.loads(op.payload), self.target_ids)
        self._keep(op, record, body, "created", is_proven=True)

    def taken(self, module: str) -> set[int]:
        return self._taken.setdefault(module, set())

    def _keep(
        self, op: Op, record: Record, body: Mapping[str, Any], origin: Origin | None, *, is_proven: bool
    ) -> None:
        _, without = resolved(json.loads(op.payload), self.target_ids)
        target_id = int(record["id"])
        after = images.text(written.left(record, body))
        self.found[op.op_id] = Found(op, target_id, after, origin, is_proven, tuple(without))
        if origin:
            self.target_ids[op.record] = target_id
            self.taken(MODULES[op.entity]).add(target_id)

    # contacts, leads, accounts, deals

    def _record(self, op: Op) -> None:
        module = MODULES[op.entity]
        body, _ = resolved(json.loads(op.payload), self.target_ids)
        if op.action == "create":
            made = self._made_of(module, op.source_id)
            if made:
                self._keep(op, made, body, "created", is_proven=True)
        elif op.action == "update":
            record = self.held.records(module).get(op.target_id or 0)
            if record is None or record.get("is_deleted"):
                return
            was = self.before.get((module, op.target_id or 0), {})
            is_new = carries(record, op.source_id) and bool(was) and not carries(was, op.source_id)
            if is_new or not written.changed_since(record, body):
                self._keep(op, record, body, "matched", is_proven=is_new)
        else:
            self._changed(op, module, body)

    def _changed(self, op: Op, module: str, body: Mapping[str, Any]) -> None:
        """Closing dates and lifecycle stages: the vendor sets both by itself, the date to the day of the write."""
        record = self.held.records(module).get(self.target_ids.get(op.record, 0))
        if record is None or written.changed_since(record, body):
            return
        made_on = str(record.get("created_at") or "")[:10]
        is_proven = "closed_date" in body and made_on not in ("", body["closed_date"])
        self._keep(op, record, body, None, is_proven=is_proven)

    def _made_of(self, module: str, source_id: str) -> Record | None:
        if module not in self._made:
            self._made[module] = self.held.marked(module)
        foreign = self.foreign.get(module, ())
        made = [r for r in self._made[module].get(source_id, []) if int(r["id"]) not in foreign]
        if len(made) > 1:
            ids = ", ".join(str(record["id"]) for record in made)
            raise DataError(
                f"{module}: records {ids} carry the same source id; delete all but one, then run again"
            )
        return made[0] if made else None

    def _first_made(self) -> datetime | None:
        """When the load made its first record, by the target's clock; whatever hangs on records came later."""
        made = [
            instant
            for found in self.found.values()
            if found.origin == "created"
            and (instant := _instant(self.held.records(MODULES[found.op.entity])[found.target_id]))
        ]
        return min(made, default=None)

    # lists

    def _list(self, op: Op) -> None:
        body, _ = resolved(json.loads(op.payload), self.target_ids)
        if op.action == "add":
            list_id = self.target_ids.get(op.record)
            if list_id and body.get("ids") and set(body["ids"]) <= self.held.members(list_id):
                is_ours = any(f.op.record == op.record and f.origin == "created" for f in self.found.values())
                self._keep(op, {"id": list_id, **body}, body, None, is_proven=is_ours)
        elif op.action == "update":
            record = self.held.lists.get(op.target_id or 0)
            if record and not written.changed_since(record, body):
                self._keep(op, record, body, "matched", is_proven=False)
        else:
            others = {*self.taken("lists"), *self.foreign.get("lists", ())}
            record = settle_history.named(body["name"], self.held.lists.values(), others)
            if record:
                self._keep(op, record, body, "created", is_proven=True)

    # what hangs on records

    def _hang(self, ops: Sequence[Op]) -> None:
        """First what agrees in every key, then what has the same title and time, then what no list told."""
        for op in ops:
            self._hung(op, exactly=True)
        for op in ops:
            self._hung(op, exactly=False)
        last = self.frontier()
        for op in ops:
            if op.seq < last and MODULES[op.entity] in LISTED:
                self._hung(op, exactly=False, closely=True)

    def _hung(self, op: Op, *, exactly: bool, closely: bool = False) -> None:
        body, _ = resolved(json.loads(op.payload), self.target_ids)
        if op.op_id in self.found or "targetable_id" not in body:
            return
        module, parent = MODULES[op.entity], (str(body["targetable_type"]), int(body["targetable_id"]))
        there = (self.held.closely if closely else self.held.hanging)(module, parent)
        if op.action == "update":
            record = next((r for r in there if int(r["id"]) == op.target_id), None)
            if record and not written.changed_since(record, body):
                self._keep(op, record, body, "matched", is_proven=False)
            return
        there = list(self._possible(op, parent, there))
        if exactly:
            there = [record for record in there if not written.changed_since(record, body)]
        alike = settle_history.same if module in settle_history.IDENTITY else settle_history.same_file
        if record := alike(module, body, there, self.taken(module)):
            self._keep(op, record, body, "created", is_proven=True)

    def _possible(self, op: Op, parent: Parent, there: Sequence[Record]) -> Iterator[Record]:
        """Without what stood on a matched record before the load made anything."""
        is_ours = parent[1] not in self.foreign.get(_module_of(op), ())
        for record in there:
            made = _instant(record)
            if is_ours or not made or not self._since or made >= self._since:
                yield record

    # how far the load came

    def _unreached(self, ops: Sequence[Op]) -> list[str]:
        """The unproven writes after a provable one that is missing: the target showed them anyway."""
        last = self.frontier()
        missing = [
            op.seq for op in ops if op.action == "create" and op.seq > last and op.op_id not in self.found
        ]
        first = min(missing, default=None)
        return [
            found.op.op_id
            for found in self.found.values()
            if first is not None and found.op.seq > first and not found.is_proven
        ]


def _module_of(op: Op) -> str:
    """The module of the record that *op* hangs on."""
    parent: str = json.loads(op.payload)["targetable_id"]["$id"]
    return MODULES[parent.partition(":")[0]]


def _instant(record: Record) -> datetime | None:
    try:
        told = datetime.fromisoformat(str(record.get("created_at")))
    except ValueError:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
