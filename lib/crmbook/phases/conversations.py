"""Conversations as readable notes on the contact: every message in order, with its time and who wrote it.

In: `source_conversations`, `source_messages`, the team, and what became of the contacts. Out: the blocks of
the notes and an account of every conversation and message. Nothing said is left out: markup is shown as
text, and a message without text (a picture) keeps its time and side.
"""

from typing import Final, NamedTuple

import polars as pl

from crmbook.phases import notetext, parents

CONVERSATION: Final = "conversation"
MESSAGE: Final = "message"
NO_TEXT: Final = "(no text)"
# The head's own line of facts precedes the messages, whose positions start at 1.
_FACTS: Final = 0


class Talks(NamedTuple):
    """
    `blocks` as `notetext.BLOCKS`; `told` has one row per conversation and message: `entity`, `source_id`, `key`,
    `position`, `state`, `reason`; a message's id is `<conversation id>:<position>`.
    """

    blocks: pl.DataFrame
    told: pl.DataFrame


def talks(
    conversations: pl.DataFrame, messages: pl.DataFrame, owners: pl.DataFrame, fates: parents.Fates
) -> Talks:
    """*conversations* with their *messages* as notes of the contact."""
    names = owners.lazy().select("agent_id", agent=pl.coalesce("name", "email"))
    counted = messages.lazy().group_by("conversation_id").agg(has_messages=pl.lit(value=True).first())
    held = (
        parents.hung(parents.alone(conversations.lazy()), fates)
        .join(counted, left_on="source_id", right_on="conversation_id", how="left", maintain_order="left")
        .join(names, on="agent_id", how="left", maintain_order="left")
        .with_columns(key=pl.lit("conversation:") + pl.col("source_id"), why=_why())
        .with_columns(
            state=pl.when(pl.col("why") == "").then(pl.lit("carried")).otherwise(pl.lit("rejected")),
            head=pl.format("User.com chat {}", "source_id"),
        )
        .collect()
        .lazy()
    )
    said = (
        messages.lazy()
        .join(names, on="agent_id", how="left", maintain_order="left")
        .join(
            held.select("source_id", "key", "parent_kind", "parent_id", "head", "state", "why"),
            left_on="conversation_id",
            right_on="source_id",
            how="left",
            maintain_order="left",
        )
    )
    blocks = pl.concat([_facts(held), _said(said)]).collect()
    return Talks(blocks, pl.concat([_held(held), _told(said)]).collect())


def _why() -> pl.Expr:
    is_silent = pl.when(pl.col("has_messages").is_null()).then(pl.lit("no_messages"))
    return pl.coalesce("why_not", is_silent, pl.lit(""))


def _facts(held: pl.LazyFrame) -> pl.LazyFrame:
    with_agent = pl.format("with {}", pl.coalesce("agent", pl.format("agent {}", "agent_id")))
    state = pl.when("is_active").then(pl.lit("still open")).otherwise(pl.lit("closed"))
    facts = pl.concat_str(
        with_agent, pl.when(pl.col("is_active").is_not_null()).then(state), separator=", ", ignore_nulls=True
    )
    shown = held.filter(pl.col("state") == "carried", facts != "")
    return shown.select(
        "key",
        "parent_kind",
        "parent_id",
        "head",
        position=pl.lit(_FACTS, pl.Int64),
        html=notetext.escaped(facts),
    )


def _said(said: pl.LazyFrame) -> pl.LazyFrame:
    agent = pl.concat_str(pl.lit("agent"), pl.coalesce("agent", "agent_id"), separator=" ", ignore_nulls=True)
    side = pl.when(pl.col("side") == "agent").then(agent).otherwise(pl.col("side").fill_null("unknown side"))
    channel = pl.when(pl.col("channel") != "chat").then(pl.format("by {}", "channel"))
    when = pl.coalesce(notetext.instant(pl.col("at")), pl.lit("(no time)"))
    title = notetext.escaped(pl.concat_str(when, side, channel, separator=", ", ignore_nulls=True))
    text = pl.col("content").str.strip_chars().replace("", None).fill_null(NO_TEXT)
    return said.filter(pl.col("state") == "carried").select(
        "key",
        "parent_kind",
        "parent_id",
        "head",
        "position",
        html=pl.format("<b>{}</b>" + notetext.LINE + "{}", title, notetext.escaped(text)),
    )


def _held(held: pl.LazyFrame) -> pl.LazyFrame:
    first = pl.lit(None, dtype=pl.Int64)
    return held.select(
        entity=pl.lit(CONVERSATION),
        source_id="source_id",
        key="key",
        position=first,
        state="state",
        reason="why",
    )


def _told(said: pl.LazyFrame) -> pl.LazyFrame:
    message_id = pl.concat_str("conversation_id", pl.col("position").cast(pl.String), separator=":")
    return said.select(
        entity=pl.lit(MESSAGE),
        source_id=message_id,
        key="key",
        position="position",
        state=pl.col("state").fill_null("rejected"),
        reason=pl.col("why").fill_null("conversation not in the source"),
    )
