"""Everything that happened, as records of the target: activities, mails, events, chats, lists, files.

In: the history of the source, what 02 decided about it, and what became of contacts, companies and deals. Out:
tasks, meetings, sales activities, notes, lists with members, documents, and one row per source row that says
which record carries it, or why none does. Rows in = carried + rejected + skipped, per kind of history.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import (
    activities,
    attachments,
    conversations,
    dated,
    events,
    listing,
    notetext,
    overflow,
    parents,
)
from crmbook.phases.carriers import MARKS
from crmbook.phases.narrow import Frame, only
from crmbook.phases.shape import merged

NOTES: Final = "notes"
STATES: Final = ("carried", "rejected", "skipped")
_AT_ONCE: Final = 200_000


@dataclass(frozen=True)
class Source:
    """The source's tables of 01 that history is made of."""

    activities: pl.DataFrame
    emails: pl.DataFrame
    events: pl.DataFrame
    conversations: pl.DataFrame
    messages: pl.DataFrame
    segment_members: pl.DataFrame
    files: pl.DataFrame


@dataclass(frozen=True)
class Plans:
    """What 02 decided about history, and what the target has (None where nobody looked)."""

    mapping: pl.DataFrame
    owners: pl.DataFrame
    activity_types: pl.DataFrame
    event_types: pl.DataFrame
    list_plan: pl.DataFrame
    types_in_target: Collection[str] | None = None
    lists_in_target: Collection[str] = ()


@dataclass(frozen=True)
class Records:
    """
    The records of 04 that history hangs on: source tables by entity (contact, company, deal), with extracted
    parts of JSON properties, read when they are asked for, and what became of their rows. *unlisted* are the
    surviving contacts (source ids) who have no place in a list.
    """

    sources: Mapping[str, Frame]
    fates: parents.Fates
    rejects: pl.DataFrame
    changes: pl.DataFrame
    loss: pl.DataFrame
    unlisted: pl.Series = field(default_factory=lambda: pl.Series("source_id", [], dtype=pl.String))


@dataclass(frozen=True)
class History:
    """The tables of their names in 04; rejects, changes and loss are those of the records and of history together."""

    tasks: pl.DataFrame
    appointments: pl.DataFrame
    sales_activities: pl.DataFrame
    notes: pl.DataFrame
    target_lists: pl.DataFrame
    list_members: pl.DataFrame
    documents: pl.DataFrame
    carried: pl.DataFrame
    history_balance: pl.DataFrame
    rejects: pl.DataFrame
    changes: pl.DataFrame
    loss: pl.DataFrame


def carry(source: Source, plans: Plans, records: Records) -> History:
    """The history of *source* as *plans* decide, hung on what is left of *records*."""
    fates = records.fates
    made = dated.joined(
        dated.carry(entries, fates, plans.owners, plans.types_in_target)
        for entries in _entries(source, plans)
    )
    told = events.summaries(source.events, plans.event_types, plans.owners, fates)
    talks = conversations.talks(source.conversations, source.messages, plans.owners, fates)
    whole = overflow.overflow(records.sources, records.rejects, records.loss, fates)
    noted = notetext.pack(pl.concat([made.blocks, told.blocks, talks.blocks, whole.blocks]).lazy())
    members = listing.members(
        only(records.sources["contact"], "source_id", "list_ids"), source.segment_members
    )
    kept, of_members = listing.kept(
        members, plans.list_plan, listing.listable(fates["contact"], records.unlisted)
    )
    documents, of_files = attachments.documents(source.files, records.sources, plans.mapping, fates)
    carried = parents.carried(
        [
            *(frame.lazy() for frame in (made.carried, of_members, of_files)),
            activities.silent_mails(source.emails),
            _of_occurrences(told.placed, noted.places),
            _of_talks(talks.told, noted.places),
        ]
    )
    return History(
        tasks=made.tasks,
        appointments=made.appointments,
        sales_activities=made.sales_activities,
        notes=noted.notes,
        target_lists=listing.target_lists(plans.list_plan, plans.lists_in_target),
        list_members=kept,
        documents=documents,
        carried=carried,
        history_balance=balance(rows_in(source, members, carried), carried),
        rejects=merged(tables.REJECTS, records.rejects, events.unresolved(source.events, plans.owners)),
        changes=merged(tables.CHANGES, records.changes, made.changes, whole.changes),
        loss=merged(tables.LOSS, whole.loss, made.loss),
    )


def _entries(source: Source, plans: Plans) -> Iterator[pl.LazyFrame]:
    """The dated entries of *source* part by part: what they become is several times as large as what they are made of."""
    for part in source.activities.iter_slices(_AT_ONCE):
        yield activities.entries(part, plans.activity_types)
    for part in source.emails.iter_slices(_AT_ONCE):
        yield activities.mails(part, plans.activity_types)
    yield events.entries(source.events, plans.event_types, plans.owners)


def rows_in(source: Source, members: pl.DataFrame, carried: pl.DataFrame) -> dict[str, int]:
    """
    Rows of the source per kind of history, counted in the source.

    Of a mail every mark counts, and a mail without one counts once. Links stand in no table of their own,
    so they are counted where they are accounted for.
    """
    marks = source.emails.select(pl.col(column).is_not_null() for column in MARKS.values())
    counts = marks.select(pl.sum_horizontal(pl.all()))
    silent = counts.filter(pl.first() == 0).height
    return {
        "activity": source.activities.height,
        "email": int(counts.to_series().sum()) + silent,
        "event": source.events.height,
        "conversation": source.conversations.height,
        "message": source.messages.height,
        "membership": members.height,
        "file": source.files.height,
        "link": carried.filter(pl.col("entity") == attachments.LINK).height,
    }


def balance(rows: dict[str, int], carried: pl.DataFrame) -> pl.DataFrame:
    """Rows in beside what became of them, per kind of history: `tables.HISTORY_BALANCE`."""
    counts = dict.fromkeys(((entity, state) for entity in rows for state in STATES), 0)
    for entity, state, number in carried.group_by("entity", "state").len().iter_rows():
        counts[entity, state] = number
    made = [
        (entity, number, *(per := [counts[entity, state] for state in STATES]), number - sum(per))
        for entity, number in rows.items()
    ]
    return tables.conform(
        pl.DataFrame(made, schema=tables.HISTORY_BALANCE.columns, orient="row"), tables.HISTORY_BALANCE
    )


def outcomes(carried: pl.DataFrame) -> pl.DataFrame:
    """Source rows per (entity, carrier_module, state, reason), as a person reads them: `rows`."""
    keys = ("entity", "state", "carrier_module", "reason")
    return carried.group_by(keys).agg(rows=pl.len().cast(pl.Int64)).sort(keys)


def modules(made: History) -> pl.DataFrame:
    """Records per module of the target: `module`, `records`."""
    names = (
        "tasks", "appointments", "sales_activities", NOTES, "target_lists", "list_members", "documents",
    )  # fmt: skip
    return pl.DataFrame({"module": names, "records": [getattr(made, name).height for name in names]})


def _of_occurrences(placed: pl.DataFrame, places: pl.DataFrame) -> pl.LazyFrame:
    rows = placed.lazy().join(places.lazy(), on=["key", "position"], how="left", maintain_order="left")
    return rows.select(
        entity=pl.lit(events.ENTITY),
        source_id="source_id",
        carrier_module=_module(),
        carrier_id="note_id",
        state="state",
        reason="reason",
    )


def _of_talks(told: pl.DataFrame, places: pl.DataFrame) -> pl.LazyFrame:
    """Conversations and messages; a conversation is carried by its first note."""
    first = places.lazy().sort("key", "position").unique("key", keep="first", maintain_order=True)
    rows = told.lazy().join(places.lazy(), on=["key", "position"], how="left", maintain_order="left")
    rows = rows.join(first.select("key", first="note_id"), on="key", how="left", maintain_order="left")
    note_id = pl.when(pl.col("position").is_null()).then("first").otherwise("note_id")
    return rows.with_columns(note_id=note_id).select(
        "entity",
        "source_id",
        carrier_module=_module(),
        carrier_id="note_id",
        state="state",
        reason="reason",
    )


def _module() -> pl.Expr:
    return pl.when(pl.col("note_id").is_not_null()).then(pl.lit(NOTES))
