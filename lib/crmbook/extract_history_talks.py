"""Conversations with their messages: who has any, what was said, and when each contact was last heard.

The account-wide list names them all where the account has one (no vendor page shows it); else each contact is
asked. Either tells only how many messages there are, so every conversation that has some takes one request more.
Invariant: a conversation is read once, whichever way it was found.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from crmbook import extract_history_frames as frames
from crmbook.errors import NotFound
from crmbook.extract_history_asking import Asking, reading
from crmbook.extract_history_store import Reading, Store, mark
from crmbook.runs import Run
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.usercom import Record, UserCom
from crmbook.vendors.usercom_csv import UserComCsv

LISTS, MESSAGES = "conversations", "messages"


class Note(Protocol):
    """A row of the inventory."""

    def __call__(
        self,
        entity: str,
        *,
        reported: int | None = None,
        fetched: int = 0,
        distinct: int | None = None,
        available: bool = True,
        origin: str = "api",
    ) -> None: ...


class _Listed(NamedTuple):
    """What a list says of a conversation, also as received; `said` counts its messages."""

    contact_id: str | None
    said: int | None
    raw: str


class Conversations:
    """The conversations of one account; `ask` may be called again for more contacts."""

    def __init__(self, run: Run, client: UserCom | UserComCsv, store: Store, *, rate: float) -> None:
        self._run, self._client, self._store, self._rate = run, client, store, rate
        self._listed: dict[str, _Listed] = {}
        self._whole: dict[str, Record] = {}
        self._is_there = {LISTS: True, MESSAGES: True}
        self._of_all: tuple[int | None, int] | None = None
        self._asked: set[str] = set()

    def find_all(self) -> bool:
        """Every conversation of the account; False where it has no list of them."""
        reported, fetched = None, 0
        try:
            for page in self._client.pages("conversations"):
                reported = page.reported if reported is None else reported
                fetched += len(page.records)
                self._add(page.records)
                self._run.progress(LISTS, fetched, reported)
        except NotFound:
            return False
        self._of_all = reported, fetched
        return True

    def find_of(self, contacts: Mapping[str, str]) -> None:
        """The conversations of *contacts* (id to mark), where those of everybody are not known."""
        if self._of_all is not None:
            return

        def ask(contact_id: str) -> Reading:
            return reading(self._client.conversations(contact_id))

        asking = Asking(self._run, self._store, LISTS, rate=self._rate)
        self._is_there[LISTS] = asking.through(contacts, ask)
        self._asked |= contacts.keys()
        for batch in self._store.records(LISTS, contacts):
            self._add(_record(raw, contact_id) for contact_id, _, raw in batch)

    def read_messages(self, contacts: Collection[str] | None = None) -> None:
        """What was said in every conversation found; with *contacts*, in theirs only."""
        asked = {
            source_id: mark(listed.raw)
            for source_id, listed in self._listed.items()
            if source_id not in self._whole and (contacts is None or listed.contact_id in contacts)
        }

        def ask(conversation_id: str) -> Reading:
            whole = self._client.conversation(conversation_id)
            return Reading([(whole.source_id, whole.raw)], None)

        asking = Asking(self._run, self._store, MESSAGES, rate=self._rate)
        self._is_there[MESSAGES] = asking.through(asked, ask)

    def tables(self) -> frames.Talks:
        """Everything found; a conversation that is gone since it was listed is left out."""
        return frames.talks(self._batches())

    def note(self, note: Note, talked: frames.Talks) -> None:
        """The inventory's rows of both; fewer messages than were announced show, more came meanwhile."""
        told, fetched = self._of_all or self._told()
        distinct = len(self._listed)
        note(LISTS, reported=told, fetched=fetched, distinct=distinct, available=self._is_there[LISTS])
        is_there = all(self._is_there.values())
        announced = self._announced(talked) if is_there else None
        note(MESSAGES, reported=announced, fetched=talked.messages.height, available=is_there)

    def _told(self) -> tuple[int | None, int]:
        counts = self._store.counts(LISTS, self._asked)
        return counts.reported, counts.fetched

    def _announced(self, talked: frames.Talks) -> int | None:
        counts = [listed.said for listed in self._listed.values()]
        if any(count is None for count in counts):
            return None
        rows = talked.conversations.select("source_id", "messages").iter_rows()
        return sum(max(self._listed[source_id].said or 0, read or 0) for source_id, read in rows)

    def _add(self, records: Iterable[Record]) -> None:
        for record in records:
            fields = record.fields
            self._listed[record.source_id] = _Listed(fields["user_id"], fields["message_count"], record.raw)
            if fields["messages"] is not None or fields["message_count"] == 0:
                self._whole[record.source_id] = record

    def _batches(self) -> Iterator[list[Record]]:
        yield from frames.batched(self._whole.values())
        left = self._listed.keys() - self._whole.keys()
        if not self._is_there[MESSAGES]:
            yield from frames.batched(_record(self._listed[i].raw, self._listed[i].contact_id) for i in left)
            return
        for batch in self._store.records(MESSAGES, left):
            yield [_record(raw, self._listed[source_id].contact_id) for source_id, _, raw in batch]


def _record(raw: str, contact_id: str | None) -> Record:
    fields = shape.conversation(json.loads(raw))
    if fields["user_id"] is None:
        fields["user_id"] = contact_id
    return Record(fields["id"], raw, fields)
