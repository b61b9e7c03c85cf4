"""What the rollback's plan says, carried out: the only code that takes back what a run wrote.

In reverse order of the load: what hangs on records, members of lists, deals, people, accounts. Every act is in the
ledger before it leaves. A bulk answer is not trusted: the module is read again, and what is still there is deleted
alone. Invariant: a record the plan keeps is never named in a request that writes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from crmbook import undo_read
from crmbook.errors import NotFound, Rejected
from crmbook.phases import payloads, restoring, rollback
from crmbook.phases.edition import MODULES as PLACES
from crmbook.phases.history_tables import MODULES as HISTORY
from crmbook.phases.images import CUSTOM
from crmbook.phases.restoring import Written
from crmbook.readback_values import several
from crmbook.undo_ledger import Act, UndoLedger
from crmbook.vendors.freshsales import Freshsales

Progress = Callable[[str, int, int | None], None]

_MODULES: Final = PLACES | HISTORY
_NOT_TAKEN: Final = "the target accepted the change, but still shows other values for: "


class Undo:
    """Takes records back, one entity after the other."""

    def __init__(
        self,
        client: Freshsales,
        ledger: UndoLedger,
        *,
        written: Mapping[str, Written],
        present: Mapping[str, Mapping[int, dict[str, Any]]],
        members: Mapping[int, set[int]],
        encode: Callable[[str, Mapping[str, Any]], dict[str, Any]],
        progress: Progress,
    ) -> None:
        self._client, self._ledger, self._progress = client, ledger, progress
        self._written, self._present, self._members, self._encode = written, present, members, encode

    def carry_out(self, planned: pl.DataFrame, *, forget: bool) -> None:
        """Every act of *planned* that is not done yet; with *forget* what is deleted leaves the bin as well."""
        due = planned.filter(~pl.col("is_done"))
        for entity in rollback.ORDER:
            acts = {
                action: [Act(*row, action) for row in _rows(due, entity, action)]
                for action in ("restore", "empty", "delete")
            }
            self._each("restore", acts["restore"], self._restore)
            self._each("empty", acts["empty"], self._empty)
            self._delete(entity, acts["delete"])
            if forget and entity in PLACES:
                self._forget(planned, entity)

    def _each(self, what: str, acts: Sequence[Act], do: Callable[[Act], list[str] | None]) -> None:
        """*do* answers the vendor's sentences where it refuses, None where there is no such record any more."""
        self._ledger.announce(acts)
        for number, act in enumerate(acts, 1):
            try:
                refused = do(act)
            except NotFound:
                self._ledger.close_acts([act], "gone")
            except Rejected as refusal:
                self._ledger.close_acts([act], "refused", refusal.messages or [str(refusal)])
            else:
                self._ledger.close_acts([act], "refused" if refused else "done", refused or ())
            self._progress(f"{what}: {act.entity}", number, len(acts))

    def _restore(self, act: Act) -> list[str]:
        one, module = self._written[f"{act.entity}:{act.source_id}"], _MODULES[act.entity]
        back = restoring.restoration(one, self._present[act.entity][act.target_id])
        body = self._encode(module, back.body)
        record = self._client.update(module, act.target_id, body)
        if missed := restoring.left_over(record, one, back.keys):
            # A value that follows another (a closing date its stage) may need a write of its own.
            record = self._client.update(module, act.target_id, _only(body, missed))
            missed = restoring.left_over(record, one, back.keys)
        return [_NOT_TAKEN + ", ".join(missed)] if missed else []

    def _empty(self, act: Act) -> list[str]:
        ours = {int(one) for one in self._written[f"{act.entity}:{act.source_id}"].sent.get("ids") or []}
        ids = sorted(ours & self._members.get(act.target_id, set()))
        for start in range(0, len(ids), rollback.A_CALL):
            self._client.remove_from_list(act.target_id, ids[start : start + rollback.A_CALL])
        return []

    def _delete(self, entity: str, acts: Sequence[Act]) -> None:
        """In bulk where there is a call for it; until a whole reading shows none of them, each that is there alone."""
        if entity not in PLACES or len(acts) == 1:
            self._each("delete", acts, self._alone)
            return
        for start in range(0, len(acts), rollback.A_CALL):
            batch = acts[start : start + rollback.A_CALL]
            self._ledger.announce(batch)
            self._bulk(_MODULES[entity], [act.target_id for act in batch])
            self._progress(f"delete: {entity}", start + len(batch), len(acts))
        left = {act.target_id for act in acts}
        # A deletion still going on moves records between the pages one reads, so a reading that shows some is repeated.
        while left:
            there = undo_read.standing(self._client, _MODULES[entity], left, is_told=True)[0].keys()
            if not there:
                break
            self._each("delete", [act for act in acts if act.target_id in there], self._alone)
            left -= there
        self._ledger.close_acts([act for act in acts if act.target_id in left], "done")

    def _bulk(self, module: str, target_ids: list[int]) -> None:
        try:
            self._client.bulk_destroy(module, target_ids)
        except (NotFound, Rejected):
            # A tenant without the call, or one that refuses it for one record: each is deleted alone then.
            return

    def _alone(self, act: Act) -> list[str]:
        # Not there any more is what was wanted: an earlier start may have deleted it.
        self._client.delete(_MODULES[act.entity], act.target_id)
        return []

    def _forget(self, planned: pl.DataFrame, entity: str) -> None:
        """Also what somebody else put into the bin, since the run made it; not twice."""
        told = self._ledger.undone().filter(pl.col("entity") == entity)
        away = told.filter((pl.col("state").is_in(["done", "gone"])) & (pl.col("action") != "restore"))
        gone = pl.col("source_id").is_in(away["source_id"].implode()) | (pl.col("action") == "gone")
        known = told.filter("is_forgotten")["source_id"].implode()
        due = planned.filter(
            (pl.col("entity") == entity)
            & (pl.col("origin") == "created")
            & gone
            & ~pl.col("source_id").is_in(known)
        )
        acts = [Act(*row) for row in due.select("entity", "source_id", "target_id", "action").iter_rows()]
        for number, act in enumerate(acts, 1):
            self._client.forget(_MODULES[entity], act.target_id)
            self._ledger.forgotten(act)
            self._progress(f"forget: {entity}", number, len(acts))


def encoder(
    target_fields: pl.DataFrame, capabilities: Mapping[str, str]
) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    """Bodies with the values of custom fields, which a record shows by label, as this tenant wants them written."""

    def encode(module: str, body: Mapping[str, Any]) -> dict[str, Any]:
        custom = body.get("custom_field") or {}
        filled = {name: value for name, value in custom.items() if value not in (None, "", [])}
        frame = pl.DataFrame(
            [pl.Series(name, [_chosen(target_fields, module, name, v)]) for name, v in filled.items()]
        )
        shape = payloads.shape(
            frame, module, plain=(), target_fields=target_fields, capabilities=capabilities
        )
        made = {name: shape.custom[name](frame[name].to_list()[0]) for name in filled}
        return {**body, "custom_field": {name: made.get(name) for name in custom}} if custom else dict(body)

    return encode


def _chosen(target_fields: pl.DataFrame, module: str, name: str, value: Any) -> Any:
    mine = target_fields.filter(
        (pl.col("module") == module)
        & (pl.col("api_name") == name)
        & pl.col("field_type").is_in(payloads.SEVERAL)
    )
    return several(mine["choices"].to_list()[0] or [])(value) if mine.height else value


def _rows(due: pl.DataFrame, entity: str, action: str) -> list[tuple[str, str, int]]:
    mine = due.filter((pl.col("entity") == entity) & (pl.col("action") == action)).sort("target_id")
    return mine.select("entity", "source_id", "target_id").rows()


def _only(body: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    plain = {key: body[key] for key in keys if key in body}
    custom = {
        name: value for name, value in (body.get("custom_field") or {}).items() if f"{CUSTOM}{name}" in keys
    }
    return plain | ({"custom_field": custom} if custom else {})
