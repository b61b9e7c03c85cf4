"""The history of the source account: activities, custom events, e-mails, conversations and their messages.

In: an open run of 01_discovery with its contacts read. Out: `source_activities`, `source_events`,
`source_emails`, `source_conversations`, `source_messages`, what was received as `raw_*`, and inventory rows.
Activities are one list; events and e-mails exist per contact only. Nothing in a contact's record proves that it
has no events, so everybody is asked for them (a service may have sent events for somebody never seen on a
site). E-mails need somebody to send them to: a contact without e-mail, phone and user id is not asked for them.
With `source.history = "none"` nothing of it is read but chats of such contacts, which decide whether they
count; the tables are empty and the inventory says `skipped`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol, Self

import polars as pl

from crmbook import delta_extract, parse, tables
from crmbook import extract_history_frames as typed
from crmbook import extract_history_store as stores
from crmbook.errors import NotFound
from crmbook.extract_columns import Columns
from crmbook.extract_history_asking import Asking, reading
from crmbook.extract_history_marks import Marks
from crmbook.extract_history_talks import LISTS, MESSAGES, Conversations, Note
from crmbook.runs import Run
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.trust import checked_base_url
from crmbook.vendors.usercom import Page, Record, UserCom
from crmbook.vendors.usercom_csv import UserComCsv

ACTIVITIES, EVENTS, EMAILS = "activities", "events", "emails"
KINDS: Final = (ACTIVITIES, EVENTS, EMAILS, LISTS, MESSAGES)
# What of a contact says whether there is somebody to ask for.
ASKED: Final = ("source_id", "last_heard", "email", "phone_number", "custom_id")
SKIPPED: Final = "skipped"
_TABLES: Final = {
    ACTIVITIES: tables.HISTORY_ACTIVITIES,
    EVENTS: tables.HISTORY_EVENTS,
    EMAILS: tables.HISTORY_EMAILS,
    LISTS: tables.HISTORY_CONVERSATIONS,
    MESSAGES: tables.HISTORY_MESSAGES,
}


class Job(Protocol):
    """The reading of an account this is a part of."""

    run: Run
    client: UserCom | UserComCsv

    def take(self, entity: str, route: str, columns: Columns) -> None: ...
    @property
    def note(self) -> Note: ...


class History:
    """
    The history of one account. `with_last_heard`, which may be called again, comes before `save`.

    What was read of each contact is kept beside the tables until the phase has passed, so that a stopped
    reading goes on where it was.

    Raises:
        UsageError: another process reads this run.
    """

    def __init__(self, job: Job) -> None:
        source = job.run.customer.source
        self._job, self._rate = job, source.requests_per_second
        self._is_wanted = source.history == "all"
        # A folder of exports has no host; its own path says whose reading a resumed one was.
        is_api = source.kind == "api"
        host = checked_base_url(f"{source.base_url}/").netloc.decode() if is_api else source.path
        self._store = stores.opened(job.run, host, base=delta_extract.readings(job.run))
        self._talks = Conversations(job.run, job.client, self._store, rate=self._rate)
        self._talked = typed.talks([])
        self._has_list: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def with_last_heard(self, contacts: pl.DataFrame, *, everybody: bool) -> pl.DataFrame:
        """
        *contacts* (id, last_heard, e-mail, phone, user id) with `last_heard` as their own last message in a chat, where the source doesn't tell it.

        Of everybody where the account lists its conversations or *everybody* is asked, else only of contacts
        without e-mail, phone and user id, for whom it decides whether they count at all.
        """
        if self._has_list is None:
            self._has_list = self._talks.find_all()
        nobody = _nobody(contacts).filter(pl.col("last_heard").is_null())
        asked = (contacts if everybody and self._is_wanted else nobody).get_column("source_id")
        if not self._has_list:
            self._talks.find_of(self._of(asked))
        self._talks.read_messages(None if self._is_wanted else set(asked))
        self._talked = self._talks.tables()
        heard = typed.heard(self._talked)
        return (
            contacts.join(heard, on="source_id", how="left", maintain_order="left")
            .with_columns(pl.coalesce("last_heard", "heard").alias("last_heard"))
            .drop("heard")
        )

    def save(self, contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame) -> None:
        """Every table of history, of these records only where the run is a sample; and the inventory's rows."""
        run = self._job.run
        run.save("raw_conversations", self._talked.raw)
        if not self._is_wanted:
            for kind in KINDS:
                run.save(_TABLES[kind].name, _TABLES[kind].empty())
                self._job.note(kind, available=False, origin=SKIPPED)
            return
        self._save_activities(contacts, companies, deals)
        client = self._job.client
        self._save_of_contacts(EVENTS, contacts, client.events)
        self._save_of_contacts(
            EMAILS, contacts.join(_nobody(contacts), on="source_id", how="anti"), client.emails
        )
        self._save_talks(contacts)

    def _save_activities(self, contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame) -> None:
        job, table = self._job, tables.HISTORY_ACTIVITIES
        with Columns(table, folder=job.run.data_folder) as columns:
            try:
                job.take(ACTIVITIES, ACTIVITIES, columns)
            except NotFound:
                job.note(ACTIVITIES, available=False)
            columns.save_raw(job.run, f"raw_{ACTIVITIES}")
            if job.run.sample:
                job.run.save(table.name, _about(columns.frame(), contacts, companies, deals))
            else:
                columns.save(job.run)

    def _save_of_contacts(
        self, kind: str, contacts: pl.DataFrame, pages: Callable[[str], Iterator[Page]]
    ) -> None:
        run, table = self._job.run, _TABLES[kind]
        owners = self._of(contacts.get_column("source_id"))

        def ask(contact_id: str) -> stores.Reading:
            return reading(pages(contact_id))

        is_there = Asking(run, self._store, kind, rate=self._rate).through(owners, ask)
        batches = self._store.records(kind, owners) if is_there else iter(())
        frame, raw = typed.typed(table, ([_record(kind, *row) for row in batch] for batch in batches))
        run.save(f"raw_{kind}", raw)
        run.save(table.name, frame)
        counts = self._store.counts(kind, owners) if is_there else stores.Counts(None, 0, 0)
        self._job.note(kind, **counts._asdict(), available=is_there)

    def _save_talks(self, contacts: pl.DataFrame) -> None:
        conversations, messages = self._talked.conversations, self._talked.messages
        if self._job.run.sample:
            ids = contacts.get_column("source_id").implode()
            conversations = conversations.filter(pl.col("contact_id").is_in(ids))
            messages = messages.join(
                conversations.select(conversation_id="source_id"), on="conversation_id", how="semi"
            )
        self._job.run.save(_TABLES[LISTS].name, conversations)
        self._job.run.save(_TABLES[MESSAGES].name, messages)
        self._talks.note(self._job.note, self._talked)

    def _of(self, contact_ids: pl.Series) -> Mapping[str, str]:
        return Marks(contact_ids, lambda: self._job.run.scan("raw_contacts"))


def _nobody(contacts: pl.DataFrame) -> pl.DataFrame:
    """Contacts without e-mail, phone and user id."""
    return contacts.filter(
        *(parse.trimmed(pl.col(c)).is_null() for c in ("email", "phone_number", "custom_id"))
    )


def _about(
    activities: pl.DataFrame, contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame
) -> pl.DataFrame:
    """The activities of *contacts*, and those of nobody but of one of *companies* or *deals*."""

    def among(column: str, frame: pl.DataFrame) -> pl.Expr:
        return pl.col(column).is_in(frame.get_column("source_id").implode())

    of_others = among("company_id", companies) | among("deal_id", deals)
    return activities.filter(
        among("contact_id", contacts) | (pl.col("contact_id").is_null() & of_others.fill_null(False))
    )


def _record(kind: str, contact_id: str, source_id: str, raw: str) -> Record:
    fields: dict[str, Any] = shape.canonical(kind, json.loads(raw))
    if fields["user_id"] is None:
        fields["user_id"] = contact_id
    return Record(source_id, raw, fields)
