"""Which writes of a whole plan are still needed, and where did a person change what the source changed too?

In: the plan that would make the target hold every record, what earlier runs wrote (`Written`), where it stands, and the
records as the target shows them now. Out: the plan cut down to what has to be written, with the changed keys only; UNTOUCHED for the
rest; CONFLICTS; TARGET_CHANGES. A key is a person's where the target shows something else than our last write left.
Invariant: each primary write of the whole plan is in the plan or in UNTOUCHED, never in both.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases import delta_keys as keys
from crmbook.phases.delta_keys import Body, Record
from crmbook.phases.delta_written import Key, Written
from crmbook.phases.load_history import MEMBERS_A_CALL
from crmbook.phases.operations import PRIMARY
from crmbook.phases.payloads import canonical, digest, reference

RECORD: Final = "record"
TARGET, SOURCE = "target", "source"
SAME, KEPT, GONE, REFUSED = "same", "kept", "gone", "refused"
_STAGE: Final = "deal_stage_id"
_READ_WHOLE: Final = ("company", "contact", "lead", "deal")
Op = dict[str, Any]


@dataclass(frozen=True)
class Now:
    """
    The target as it stands: `places` (entity, source_id) to target id of what earlier runs wrote, `records` by entity and
    target id (main modules, read whole), `look` for one record of the history, None where it is gone.
    """

    places: Mapping[Key, int]
    records: Mapping[str, Mapping[int, Record]]
    look: Callable[[Op], Record | None]

    def record(self, op: Op, target_id: int) -> Record | None:
        if op["entity"] in _READ_WHOLE:
            return self.records.get(op["entity"], {}).get(target_id)
        return self.look(op | {"target_id": target_id})


@dataclass(frozen=True)
class Reduced:
    """`plan` as PLAN, `untouched` as UNTOUCHED, `conflicts` as CONFLICTS, `target_changes` as TARGET_CHANGES."""

    plan: pl.DataFrame
    untouched: pl.DataFrame
    conflicts: pl.DataFrame
    target_changes: pl.DataFrame


def reduced(whole: pl.DataFrame, *, written: Written, now: Now, winner: Callable[[str, str], str]) -> Reduced:
    """
    *whole* (`tables.PLAN`) without the writes that earlier runs did; *winner* of an entity and key is target or source.

    A record that is refused as it was before is not sent again, unless something it refers to is new.
    """
    work = _Work(written, now, winner)
    ops = whole.sort("seq").to_dicts()
    firsts = [op for op in ops if op["action"] in PRIMARY]
    work.new = {keys.of(op) for op in firsts if work.is_new(op)}
    kept = [one for op in firsts if (one := work.first(op))]
    work.touched = {keys.of(op): op for op in kept}
    work.moved = _moved(work.touched, {keys.of(op): op for op in firsts})
    later = [op for op in ops if op["action"] not in PRIMARY and op["entity"] != "list"]
    follow = [one for op in later if (one := work.follow(op))]
    lists = list(work.members([op for op in ops if op["entity"] == "list"]))
    return Reduced(
        _numbered([*_ordered(kept), *follow, *lists], ops),
        work.frame(tables.UNTOUCHED, work.untouched),
        work.frame(tables.CONFLICTS, [(*place, who) for place, who in work.won.items()]),
        changes_in_target(written, now),
    )


def changes_in_target(written: Written, now: Now) -> pl.DataFrame:
    """The records of the main modules that show something else than earlier runs left; TARGET_CHANGES."""
    rows: list[tuple[str, str, int, list[str]]] = []
    ids = {f"{entity}:{source_id}": target_id for (entity, source_id), target_id in now.places.items()}
    for (entity, source_id), target_id in now.places.items():
        if entity in _READ_WHOLE:
            record = now.records.get(entity, {}).get(target_id)
            place = (entity, target_id)
            known = keys.Known(written.bodies.get(place, {}), written.images.get(place, {}), ids)
            changed = [RECORD] if record is None else keys.changed(known, record)
            rows += [(entity, source_id, target_id, changed)] if changed else []
    frame = pl.DataFrame(rows, schema=tables.TARGET_CHANGES.columns, orient="row")
    return tables.conform(frame, tables.TARGET_CHANGES)


@dataclass
class _Work:
    written: Written
    now: Now
    winner: Callable[[str, str], str]
    new: set[Key] = field(default_factory=set)
    touched: dict[Key, Op] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    untouched: list[tuple[Any, ...]] = field(default_factory=list)
    won: dict[tuple[str, str, int, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = self.now.places.items()
        self.ids = {f"{entity}:{source_id}": target_id for (entity, source_id), target_id in places}

    def is_new(self, op: Op) -> bool:
        """Never written and not refused with this very content before, or deleted in the target and to be made again."""
        target_id = self.now.places.get(keys.of(op))
        if target_id is not None:
            is_read = op["entity"] in _READ_WHOLE
            is_gone = is_read and target_id not in self.now.records.get(op["entity"], {})
            return is_gone and self.winner(op["entity"], RECORD) == SOURCE
        is_refused = (
            self.written.refused.get((op["entity"], "first", op["source_id"])) == op["payload_sha256"]
        )
        return not is_refused

    def first(self, op: Op) -> Op | None:
        """The write of *op* that is still needed, None where none is."""
        key = keys.of(op)
        target_id = self.now.places.get(key)
        if target_id is None:
            if key in self.new or self._leads_to_new(op):
                return op
            return self._leave(key, REFUSED)
        wanted = keys.flat(json.loads(op["payload"]))
        known = self._known(op["entity"], target_id)
        if op["entity"] in _READ_WHOLE and self.now.record(op, target_id) is None:
            return self._again(op, target_id, is_changed=bool(known.differing(wanted, self.new)))
        changed = known.differing(wanted, self.new)
        if not changed:
            return self._leave(key, SAME)
        record = self.now.record(op, target_id)
        if record is None:
            return self._again(op, target_id, is_changed=True)
        return self._cut(op, target_id, known, wanted, changed, record)

    def _cut(
        self, op: Op, target_id: int, known: keys.Known, wanted: Body, changed: list[str], record: Record
    ) -> Op | None:
        key, send, lost = keys.of(op), {}, 0
        for name in changed:
            if known.is_shown(name, wanted.get(name), record):
                continue
            if known.is_persons(name, record) and self._lost(key, target_id, name):
                lost += 1
                continue
            send[name] = wanted.get(name)
        if not send:
            return self._leave(key, KEPT if lost else SAME)
        return _op(op, "update", known.body(op["entity"], send, wanted, record), target_id)

    def _again(self, op: Op, target_id: int, *, is_changed: bool) -> Op | None:
        """A record a person deleted: made again only where the source's word counts."""
        key = keys.of(op)
        winner = self.winner(op["entity"], RECORD)
        if is_changed:
            self.won[*key, target_id, RECORD] = winner
        return (
            _op(op, "create", json.loads(op["payload"]), None) if winner == SOURCE else self._leave(key, GONE)
        )

    def _lost(self, key: Key, target_id: int, name: str) -> bool:
        winner = self.winner(key[0], name)
        self.won[*key, target_id, name] = winner
        return winner == TARGET

    def _known(self, entity: str, target_id: int, **later: Any) -> keys.Known:
        place = (entity, target_id)
        return keys.Known(
            self.written.bodies.get(place, {}) | later, self.written.images.get(place, {}), self.ids
        )

    def _leave(self, key: Key, why: str) -> Op | None:
        self.untouched.append((*key, why))
        return None

    def _leads_to_new(self, op: Op) -> bool:
        return any(keys.key_of(ref) in self.new for ref in keys.references(json.loads(op["payload"])))

    def follow(self, op: Op) -> Op | None:
        """A closing date or lifecycle: needed where it changed, or where a write of this plan moves it."""
        key = keys.of(op)
        target_id = self.now.places.get(key)
        record = None if target_id is None else self.now.record(op, target_id)
        if target_id is None or record is None:
            return op if key in self.touched else None
        is_moved, body = self._is_moved(op), json.loads(op["payload"])
        before = self.written.later.get((op["entity"], op["action"], target_id))
        is_written = before == op["payload"]
        if not is_moved and (is_written or all(keys.shows(record, *pair) for pair in body.items())):
            return None
        state = self._known(op["entity"], target_id, **json.loads(before or "{}"))
        theirs = [name for name in body if state.is_persons(name, record)]
        if is_written:
            return None if theirs else op
        lost = [self._lost(key, target_id, name) for name in theirs]
        return None if any(lost) else op

    def _is_moved(self, op: Op) -> bool:
        if op["action"] == "lifecycle":
            return keys.name(op) in self.moved
        mine = self.touched.get(keys.of(op))
        return mine is not None and (mine["action"] == "create" or _STAGE in json.loads(mine["payload"]))

    def members(self, ops: Iterable[Op]) -> Iterable[Op]:
        """Whoever is to join or leave a list, up to 100 a call; a list that is no longer in the source stays as it is."""
        wanted: dict[str, set[str]] = {}
        for op in ops:
            ids = {one["$id"].partition(":")[2] for one in json.loads(op["payload"]).get("ids", ())}
            wanted.setdefault(op["source_id"], set()).update(ids)
        for list_key, ids in sorted(wanted.items()):
            before = (
                self.written.members.get(list_key, set()) if ("list", list_key) in self.now.places else set()
            )
            again = {one for one in ids if ("contact", one) in self.new}
            stay = sorted((ids & before) - again)
            self.untouched += [("membership", f"{list_key}:{one}", SAME) for one in stay]
            yield from _batches(list_key, "add", sorted((ids - before) | again))
            yield from _batches(
                list_key, "remove", [one for one in sorted(before - ids) if self._is_there(one)]
            )

    def _is_there(self, contact_id: str) -> bool:
        return self.now.places.get(("contact", contact_id)) in self.now.records.get("contact", {})

    @staticmethod
    def frame(table: tables.Table, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
        return tables.conform(pl.DataFrame(rows, schema=table.columns, orient="row"), table)


def _moved(touched: Mapping[Key, Op], whole: Mapping[Key, Op]) -> set[str]:
    """The contacts whose lifecycle the vendor moves, because a deal of theirs is new, changes its stage or takes them in."""
    found: set[str] = set()
    for key, op in touched.items():
        if key[0] == "deal":
            body = json.loads(op["payload"])
            is_all = op["action"] == "create" or _STAGE in body
            found |= keys.references(json.loads(whole[key]["payload"]) if is_all else body)
    return found


def _batches(list_key: str, action: str, ids: list[str]) -> Iterable[Op]:
    for part, start in enumerate(range(0, len(ids), MEMBERS_A_CALL), 1):
        body = {"ids": [reference("contact", one) for one in ids[start : start + MEMBERS_A_CALL]]}
        blank = {"entity": "list", "source_id": list_key, "after": []}
        yield _op(blank, action, body, None) | {"op_id": f"list:{action}:{list_key}:{part}"}


def _op(op: Op, action: str, body: Body, target_id: int | None) -> Op:
    payload = canonical(body)
    return op | {
        "op_id": f"{op['entity']}:{action}:{op['source_id']}", "action": action, "target_id": target_id,
        "payload": payload, "payload_sha256": digest(payload),
    }  # fmt: skip


def _ordered(ops: list[Op]) -> list[Op]:
    """Per entity changes before new records: what a new one is to have (an e-mail, a name) may be given up by an old one."""
    blocks = {entity: place for place, entity in enumerate(dict.fromkeys(op["entity"] for op in ops))}
    return sorted(ops, key=lambda op: (blocks[op["entity"]], op["action"] != "update"))


def _numbered(ops: list[Op], whole: list[Op]) -> pl.DataFrame:
    """*ops* as PLAN; each comes after what it refers to, as far as that is written in this plan."""
    here = {keys.name(op): op["op_id"] for op in ops if op["action"] in PRIMARY}
    names = {op["op_id"]: keys.name(op) for op in whole if op["action"] in PRIMARY}
    for seq, op in enumerate(ops, 1):
        needs = {names[one] for one in op["after"] if one in names} | keys.references(
            json.loads(op["payload"])
        )
        needs |= {keys.name(op)} if op["action"] not in PRIMARY else set()
        op["after"] = sorted(here[name] for name in needs if here.get(name, op["op_id"]) != op["op_id"])
        op["seq"] = seq
    return tables.conform(pl.DataFrame(ops, schema=tables.PLAN.columns), tables.PLAN).sort("seq")
