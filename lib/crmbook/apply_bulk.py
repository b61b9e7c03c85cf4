"""Planned writes carried out in waves of bulk calls, a hundred rows each.

All rows of a wave are announced in the ledger at once, posted, waited for and read back by their key; those that
are there are done. Those that are not go again in halves, until what is refused stands alone and is sent by
itself, which brings the vendor's own reason. Links that bulk drops follow, one call a record.
Invariant: a row is done only when its record was seen to hold what was sent.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from crmbook.apply_bulk_jobs import Jobs, Sent
from crmbook.apply_bulk_look import Looking, Record, Row
from crmbook.apply_places import Place, widened
from crmbook.apply_writes import ATTEMPTS, Op, Planned, Single, intent_of, joined, resolved
from crmbook.errors import DataError, NotFound, Rejected
from crmbook.ledger import Ledger, Outcome, Write
from crmbook.phases import agreement, images, strategies
from crmbook.phases.bulk_values import Translate
from crmbook.phases.delta_written import is_taking
from crmbook.phases.payloads import canonical
from crmbook.phases.strategies import A_CALL, EXTERNAL_ID, FEW, THEN_LINKS, Way
from crmbook.vendors.freshsales import Freshsales

_GONE: Final = "the record it matched is no longer there"


class Bulk:
    """
    The strategy for a tenant on which bulk works; what goes one by one is left to *single*.

    *ways* say how each entity goes, *translations* how a job wants choices; *hasty* is like *single* but does not wait for the index, for rows that were
    looked for already; so it is for *reopened* writes, whose refusal is no news. All share their target ids.
    """

    def __init__(
        self,
        client: Freshsales,
        ledger: Ledger,
        places: Mapping[str, Place],
        ways: Mapping[str, Way],
        *,
        single: Single,
        hasty: Single,
        jobs: Jobs,
        translations: Mapping[str, Mapping[str, Translate]],
        reopened: Collection[str] = (),
    ) -> None:
        self._client, self._ledger, self._places, self._ways = client, ledger, places, dict(ways)
        self._single, self._hasty, self._jobs, self._reopened = single, hasty, jobs, reopened
        self._translations = translations
        self._target_ids = single.target_ids
        self._looking = Looking(client)
        self._before: dict[tuple[str, int], str] = {}
        self._to_change: dict[str, set[int]] = {}
        self._odd: set[tuple[str, str]] = set()

    def batches(self, ops: Planned) -> Iterator[Sequence[Op]]:
        following = iter(ops)
        for kind, stage in ops.stages():
            way = self._ways.get(kind[0])
            if way is None or not way.is_bulk:
                yield from ([op] for op in islice(following, stage.height))
                continue
            self._to_change[kind[0]] = set(stage["target_id"].drop_nulls())
            for size in strategies.waves(stage.height, way, kind):
                yield list(islice(following, size))

    def write(self, batch: Sequence[Op], pending: Mapping[str, Write]) -> None:
        way = self._ways.get(batch[0].entity)
        if way is None or not way.is_bulk or len(batch) <= FEW:
            for op in batch:
                (self._hasty if op.op_id in self._reopened else self._single).write([op], pending)
            return
        rows = [row for op in batch if (row := self._row(op, pending.get(op.op_id), way))]
        self._through(self._unsettled(rows, pending), way)

    def _row(self, op: Op, open_write: Write | None, way: Way) -> Row | None:
        """*op* on its way; None where it was written, or recorded as impossible, at once."""
        place = self._places[op.entity]
        if op.action == "create":
            body, without = resolved(json.loads(op.payload), self._target_ids)
            if way.key == EXTERNAL_ID and "email" not in body:
                # Nothing but the unique e-mail keeps two jobs from making it twice.
                self._single.write([op], {op.op_id: open_write} if open_write else {})
                return None
            return Row(op, place.route, {way.key: op.source_id}, body, without, origin="created")
        if op.action == "update":
            return self._changing(op, open_write, place)
        target_id = self._target_ids.get(op.record)
        if target_id is None:
            self._ledger.skip(
                intent_of(op, "PUT", f"/{place.route}/:id"), f"{op.record} is not in the target"
            )
            return None
        return Row(op, place.route, {"id": target_id}, json.loads(op.payload), [], target_id)

    def _changing(self, op: Op, open_write: Write | None, place: Place) -> Row | None:
        if op.target_id is None:
            raise DataError(f"plan: {op.op_id} updates a record but names none; the plan was altered")
        if is_taking(json.loads(op.payload)):
            # Bulk may leave out what is emptied, and what a record keeps would look like what it was sent.
            self._single.write([op], {op.op_id: open_write} if open_write else {})
            return None
        known = open_write.before if open_write and open_write.before else self._stood(op, place.route)
        if known is None:
            self._ledger.skip(intent_of(op, "PUT", f"/{place.route}/:id"), _GONE)
            return None
        body, without = resolved(json.loads(op.payload), self._target_ids)
        before = json.loads(known)
        wide = widened(body, before)
        return Row(op, place.route, {"id": op.target_id}, wide, without, op.target_id, "matched", before)

    def _stood(self, op: Op, module: str) -> str | None:
        """The record as it stood; all that the stage changes are read with the first of them."""
        if op.target_id not in self._to_change.get(op.entity, ()):
            return self._before.pop((module, op.target_id or 0), None)
        found = self._looking.by_id(module, self._to_change.pop(op.entity))
        self._before |= {(module, target_id): canonical(record) for target_id, record in found.items()}
        return self._before.pop((module, op.target_id or 0), None)

    def _unsettled(self, rows: Sequence[Row], pending: Mapping[str, Write]) -> list[Row]:
        """*rows* without the creations of an earlier start that are there by now."""
        doubtful = [row for row in rows if row.op.op_id in pending and row.origin == "created"]
        if not doubtful:
            return list(rows)
        self._jobs.awaited([Sent(doubtful)], self._looked)
        left = {row.op.op_id for row in self._recorded([row for row in doubtful if row.record])}
        return [row for row in rows if row.record is None or row.op.op_id in left]

    def _through(self, rows: list[Row], way: Way) -> None:
        size, doubts, refusals = A_CALL, 0, 0
        while rows and way.is_bulk:
            if len(rows) <= FEW or size <= FEW:
                break
            self._ledger.intend(self._intent(row) for row in rows)
            wave = [self._posted(rows[i : i + size], way) for i in range(0, len(rows), size)]
            self._jobs.awaited(wave, self._looked)
            rows = self._recorded(rows)
            doubtful = [sent.doubt for sent in wave if sent.doubt]
            doubts = doubts + 1 if doubtful else 0
            if rows and doubts >= ATTEMPTS:
                raise doubtful[-1]
            refusals = refusals + len(wave) if all(sent.is_refused for sent in wave) else 0
            if refusals > 1:
                way = self._ways[rows[0].op.entity] = Way(strategies.SINGLE, "", "bulk was refused")
            size = size if doubtful else -(-min(size, len(rows)) // 2)
        for row in rows:
            self._alone(row)

    def _posted(self, rows: Sequence[Row], way: Way) -> Sent:
        for row in rows:
            row.record = None

        sent = self._jobs.post(rows, lambda row: self._data(row, way))
        for row in rows:
            row.is_doubtful |= not sent.is_refused
        if sent.doubt:
            self._ledger.unclear([row.op.op_id for row in rows], str(sent.doubt))
        return sent

    def _data(self, row: Row, way: Way) -> Record:
        """The body of *row* as a job takes it, without the links it would drop."""
        body = {k: v for k, v in row.body.items() if way.strategy != THEN_LINKS or not agreement.is_link(k)}
        ways = self._translations.get(row.module, {})
        if fields := body.get("custom_field"):
            body["custom_field"] = {k: ways[k](v) if k in ways else v for k, v in fields.items()}
        return body

    def _looked(self, rows: Sequence[Row]) -> list[Row]:
        """Those of *rows* not seen as written; a new record is written as soon as it is there."""
        self._looking.find(rows)
        return [
            row for row in rows
            if row.record is None or (row.origin != "created" and self._wrong(row))
        ]  # fmt: skip

    def _recorded(self, rows: Iterable[Row]) -> list[Row]:
        """
        Those of *rows* that are not done after their records were judged; links that lack are written.

        Of those that show other values than were sent one is written by itself: where that changes nothing,
        the vendor shows these values its own way, and they count as written from then on.
        """
        judged = list(rows)
        left = [row for row in judged if row.record is None]
        judged = [row for row in judged if row.record is not None]
        while judged:
            wrong = [row for row in judged if self._wrong(row)]
            self._finished([row for row in judged if not self._wrong(row)])
            if not wrong:
                break
            first, *judged = wrong
            known = len(self._odd)
            self._completed(first)
            if len(judged) > FEW and len(self._odd) == known:
                return left + judged
        return left

    def _finished(self, rows: Sequence[Row]) -> None:
        """*rows*, whose values are written, done; with their links where those lack."""
        linking = [row for row in rows if self._lacks_links(row)]
        self._done([row for row in rows if not self._lacks_links(row)])
        for row in linking:
            self._completed(row)

    def _lacks_links(self, row: Row) -> bool:
        return any(agreement.is_link(key) for key in agreement.lacking(row.body, row.record or {}))

    def _wrong(self, row: Row) -> list[str]:
        lacks = agreement.lacking(row.body, row.record or {})
        return [key for key in lacks if not agreement.is_link(key) and (row.module, key) not in self._odd]

    def _completed(self, row: Row) -> None:
        """What the record lacks of its body, written by its id; the whole body where nothing of it was seen written."""
        before = row.record or {}
        lacks = [k for k in agreement.lacking(row.body, before) if (row.module, k) not in self._odd]
        is_untouched = row.origin != "created" and not all(agreement.is_link(key) for key in lacks)
        # What means the same is not lacking (an e-mail in other case), but was not written either.
        body = widened(row.body if is_untouched else agreement.part(row.body, lacks), before)
        try:
            answer = self._client.update(row.module, int(before["id"]), body)
        except NotFound:
            self._ledger.reject(row.op.op_id, ["the record is no longer there"])
        except Rejected as refusal:
            if row.origin != "created":
                self._ledger.reject(row.op.op_id, refusal.messages or [str(refusal)])
                return
            self._done([row], f"without {', '.join(lacks)}: {'; '.join(refusal.messages)}")
        else:
            shown_otherwise = [key for key in agreement.lacking(body, answer) if not agreement.is_link(key)]
            self._odd |= {(row.module, key) for key in shown_otherwise}
            # The page was read before the links were written, so it does not vouch for them.
            kept = {key: value for key, value in before.items() if key not in images.names_shown(body)}
            row.record = kept | answer
            self._done([row])

    def _alone(self, row: Row) -> None:
        """The row by itself, so that a refusal says why; what earlier calls may have made is looked for first."""
        if row.record is not None:
            self._completed(row)
            return
        before = canonical(row.before) if row.before else None
        known = Write(row.op.op_id, "unclear", row.target_id, before, 1, None)
        self._hasty.write([row.op], {row.op.op_id: known} if before or row.is_doubtful else {})

    def _done(self, rows: Sequence[Row], note: str = "") -> None:
        outcomes = []
        for row in rows:
            record = row.record or {}
            image = images.text(images.image(record, row.body))
            note_of = joined(note, row.without)
            outcomes.append(Outcome(row.op.op_id, int(record["id"]), image, row.origin, note_of))
        self._ledger.done(outcomes)
        for row, outcome in zip(rows, outcomes, strict=True):
            if row.origin:
                self._target_ids[row.op.record] = outcome.target_id

    def _intent(self, row: Row) -> Any:
        before = canonical(row.before) if row.before else None
        return intent_of(row.op, "POST", f"/{row.module}/bulk_upsert", target_id=row.target_id, before=before)
