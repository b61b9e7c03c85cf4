"""Canonical history records as typed tables: activities, events, e-mails, conversations and their messages.

In: batches of records as the source clients return them. Out: frames in the shape of `tables.HISTORY_*`, and
the records as received. Invariant: a message keeps its text untouched and its place in time; messages of one
instant keep the order received, and one without a time stays behind the message it came after.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

import polars as pl

from crmbook import tables
from crmbook.extract_columns import Columns, Record
from crmbook.extract_values import texts, times

Kind = TypeVar("Kind", bound=Record)

_SIDES: Final = {"agent": "agent", "user": "contact"}


class Talks(NamedTuple):
    """Conversations, their messages, and the conversations as received."""

    conversations: pl.DataFrame
    messages: pl.DataFrame
    raw: pl.DataFrame


def typed(table: tables.Table, batches: Iterable[Iterable[Record]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    The records as *table* and as received; of a record sent twice the last one stands.

    Raises:
        DataError: a text is no time; names record and field.
    """
    frames, raws = [table.empty()], [tables.RAW.empty()]
    # A page is too few: what a table costs beside its rows would be most of it.
    for batch in batched(record for records in batches for record in records):
        columns = Columns(table)
        columns.add(batch)
        frames.append(columns.frame())
        raws.append(columns.raw())
    return tables.conform(_last(frames), table), _last(raws)


def talks(batches: Iterable[Iterable[Record]]) -> Talks:
    """
    The conversations, each with its messages where they were sent; `messages` is then their number.

    Raises:
        DataError: a message's time is none; names the conversation.
    """
    heads, messages, raws = (
        [tables.HISTORY_CONVERSATIONS.empty()], [tables.HISTORY_MESSAGES.empty()], [tables.RAW.empty()],
    )  # fmt: skip
    for batch in map(list, batches):
        heads.append(pl.DataFrame([_head(r) for r in batch], schema=tables.HISTORY_CONVERSATIONS.columns))
        messages.append(_messages(batch))
        raws.append(_raw(batch))
    return Talks(
        tables.conform(_last(heads), tables.HISTORY_CONVERSATIONS),
        tables.conform(pl.concat(messages), tables.HISTORY_MESSAGES),
        _last(raws),
    )


def heard(talked: Talks) -> pl.DataFrame:
    """When each contact last wrote in a chat: `source_id`, `heard`; an agent's messages don't count."""
    spoken = talked.messages.filter(pl.col("side") == "contact", pl.col("at").is_not_null()).select(
        "conversation_id", "at"
    )
    whose = talked.conversations.select(conversation_id="source_id", source_id="contact_id")
    return (
        spoken.join(whose, on="conversation_id")
        .filter(pl.col("source_id").is_not_null())
        .group_by("source_id")
        .agg(pl.col("at").max().alias("heard"))
    )


def _head(record: Record) -> dict[str, Any]:
    fields = record.fields
    return {
        "source_id": record.source_id, "contact_id": fields["user_id"], "agent_id": fields["agent_id"],
        "is_active": fields["active"], "messages": fields["message_count"],
    }  # fmt: skip


def _messages(batch: list[Record]) -> pl.DataFrame:
    rows = [(record.source_id, message) for record in batch for message in record.fields["messages"] or []]
    ids = [conversation_id for conversation_id, _ in rows]

    def told(name: str, key: str) -> pl.Series:
        return texts(name, [message[key] for _, message in rows])

    received = pl.DataFrame(
        [
            pl.Series("conversation_id", ids, dtype=pl.String),
            told("source_id", "id"),
            pl.Series("side", [_SIDES[message["author"]] for _, message in rows], dtype=pl.String),
            told("agent_id", "agent_id"),
            told("content", "content"),
            texts("channel", [_channel(message["source"]) for _, message in rows]),
            times("messages of conversation", "at", [m["timestamp"] for _, m in rows], ids),
        ]
    )
    in_time = received.with_columns(
        pl.col("at").forward_fill().over("conversation_id").alias("_placed")
    ).sort("conversation_id", "_placed", maintain_order=True, nulls_last=False)
    position = pl.int_range(1, pl.len() + 1).over("conversation_id").alias("position")
    return in_time.with_columns(position).select(*tables.HISTORY_MESSAGES.columns)


def _channel(source: Any) -> str | None:
    return None if source is None else str(source)


def _raw(batch: list[Record]) -> pl.DataFrame:
    ids = pl.Series("source_id", [record.source_id for record in batch], dtype=pl.String)
    return pl.DataFrame([ids, texts("raw", [record.raw for record in batch])])


def _last(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).unique("source_id", keep="last", maintain_order=True)


def batched(records: Iterable[Kind], size: int = 20_000) -> Iterator[list[Kind]]:
    """The records in lists of at most *size*, so that a table is built without holding every record."""
    batch: list[Kind] = []
    for record in records:
        batch.append(record)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
