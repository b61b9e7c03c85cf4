"""Records moved to owners who got their user after the load, each announced in the ledger like any write.

In: the queue. Out: what became of each record. A record somebody gave to another owner meanwhile is left alone;
one that was moved before is not moved again, whoever has it now. The answer to a bulk call is not trusted: the
owners are read again. Whatever stops it, starting it again goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import polars as pl

from crmbook.errors import NotFound, Rejected
from crmbook.ledger import Intent, Ledger, Outcome
from crmbook.phases import edition as editions
from crmbook.phases import history_tables, images
from crmbook.phases.payloads import canonical, digest
from crmbook.vendors.freshsales import Freshsales

MOVED: Final = "moved"
LEFT: Final = "left"
GONE: Final = "gone"
REFUSED: Final = "refused"
WAITING: Final = "waiting"

_WHY: Final = {LEFT: "somebody gave it to another owner", GONE: "the record is no longer there"}
_OVERTAKEN: Final = {why: state for state, why in _WHY.items()}
_MODULES: Final = editions.MODULES | history_tables.MODULES
_BULK: Final = frozenset(editions.MODULES.values())
_A_CALL: Final = 100
_FEW: Final = 10  # so many are read one by one


@dataclass(frozen=True)
class _Move:
    """One record on its way to another owner."""

    entity: str
    source_id: str
    target_id: int
    owner_id: int

    @property
    def op_id(self) -> str:
        return f"{self.entity}:owner:{self.source_id}:{self.owner_id}"

    @property
    def body(self) -> dict[str, int]:
        return {"owner_id": self.owner_id}


def assign(
    client: Freshsales, ledger: Ledger, queue: pl.DataFrame, *, admin_id: int, first_seq: int
) -> pl.DataFrame:
    """
    *queue* (`reassigning.QUEUE`) with `state`: moved, left (somebody re-assigned it), gone, refused, waiting.

    Only records that stand with *admin_id* are moved; *first_seq* is where the ledger's numbers go on.

    Raises:
        ApiError: the target stopped answering; run again to continue.
    """
    states: dict[tuple[str, str], str] = {}
    rejected = dict(ledger.rejected().select("op_id", pl.col("messages").list.first()).iter_rows())
    finished, pending = set(ledger.finished()), {write.op_id for write in ledger.pending()}
    for entity, moves in _by_entity(queue):
        due = [move for move in moves if move.op_id not in finished]
        for move in moves:
            why = rejected.get(move.op_id)
            states[entity, move.source_id] = MOVED if why is None else _OVERTAKEN.get(why, REFUSED)
        states |= _Module(client, ledger, _MODULES[entity], admin_id).moved(due, pending, first_seq)
        first_seq += len(due)
    told = [states.get(key, WAITING) for key in queue.select("entity", "source_id").iter_rows()]
    return queue.with_columns(pl.Series("state", told, dtype=pl.String))


@dataclass(frozen=True)
class _Module:
    client: Freshsales
    ledger: Ledger
    name: str
    admin_id: int

    def moved(self, moves: Sequence[_Move], pending: set[str], first_seq: int) -> dict[tuple[str, str], str]:
        """What became of each of *moves*; those of *pending* may have happened in an earlier start."""
        found = self._owners(moves)
        states: dict[tuple[str, str], str] = {}
        due = []
        for move in moves:
            owner_id = found.get(move.target_id, GONE)
            is_open = move.op_id in pending
            if owner_id == self.admin_id:
                due.append(move)
            elif is_open and owner_id == move.owner_id:
                states[move.entity, move.source_id] = self._done(move)
            else:
                state = GONE if owner_id == GONE else LEFT
                states[move.entity, move.source_id] = state
                if is_open:
                    self.ledger.reject(move.op_id, [_WHY[state]])
        return states | self._sent(due, first_seq)

    def _sent(self, moves: Sequence[_Move], first_seq: int) -> dict[tuple[str, str], str]:
        ordered = sorted(moves, key=lambda move: (move.owner_id, move.target_id))
        for start in range(0, len(ordered), _A_CALL):
            batch = ordered[start : start + _A_CALL]
            self.ledger.intend(self._intent(move, first_seq + start + n) for n, move in enumerate(batch))
            for owner_id, theirs in groupby(batch, key=lambda move: move.owner_id):
                self._bulk([move.target_id for move in theirs], owner_id)
        now = self._owners(ordered) if self.name in _BULK and ordered else {}
        return {
            (move.entity, move.source_id): self._done(move)
            if now.get(move.target_id) == move.owner_id
            else self._single(move)
            for move in ordered
        }

    def _bulk(self, target_ids: list[int], owner_id: int) -> None:
        if self.name not in _BULK:
            return
        try:
            self.client.bulk_assign_owner(self.name, target_ids, owner_id)
        except (NotFound, Rejected):
            # One record that is refused, or a tenant without the call: each is sent alone then.
            return

    def _single(self, move: _Move) -> str:
        try:
            self.client.update(self.name, move.target_id, move.body)
        except Rejected as refusal:
            self.ledger.reject(move.op_id, refusal.messages or [str(refusal)])
            return REFUSED
        except NotFound:
            self.ledger.reject(move.op_id, [_WHY[GONE]])
            return GONE
        return self._done(move)

    def _done(self, move: _Move) -> str:
        self.ledger.done(
            [Outcome(move.op_id, move.target_id, images.text(images.image(move.body, move.body)))]
        )
        return MOVED

    def _intent(self, move: _Move, seq: int) -> Intent:
        return Intent(
            move.op_id, seq, move.entity, "owner", move.source_id, "POST", f"/{self.name}/bulk_assign_owner",
            digest(canonical(move.body)), target_id=move.target_id, before=canonical({"owner_id": self.admin_id}),
        )  # fmt: skip

    def _owners(self, moves: Sequence[_Move]) -> dict[int, Any]:
        """Target id to owner id of those of *moves* that are there; 100 records a call, or one where there are few."""
        wanted = {move.target_id for move in moves}
        if len(wanted) <= _FEW:
            seen = [self.client.view(self.name, target_id, include=("owner",)) for target_id in wanted]
            return {int(record["id"]): record.get("owner_id") for record in seen if record}
        listed = (record for page in self.client.pages(self.name, include=("owner",)) for record in page)
        return {int(record["id"]): record.get("owner_id") for record in listed if record["id"] in wanted}


def _by_entity(queue: pl.DataFrame) -> Iterator[tuple[str, list[_Move]]]:
    ready = queue.filter(pl.col("owner_id").is_not_null()).sort("entity", "source_id")
    for (entity,), rows in ready.group_by("entity", maintain_order=True):
        columns = rows.select("entity", "source_id", "target_id", "owner_id")
        yield str(entity), [_Move(**row) for row in columns.iter_rows(named=True)]


def counted(assigned: pl.DataFrame) -> Mapping[str, dict[str, int]]:
    """State to entity to records."""
    found: dict[str, dict[str, int]] = {}
    for state, entity, count in (
        assigned.group_by("state", "entity").len().sort("state", "entity").iter_rows()
    ):
        found.setdefault(state, {})[entity] = count
    return found
