"""Occurrences of custom events: as one summary note per contact and event, or as dated entries.

In: `source_events`, what carries each event, and the team. Out: the plan of 02, and for 04 the blocks of the
notes, entries for the other carriers, and an account of every occurrence. Every occurrence tells its instant
and its data as JSON text. Attendees are told apart by e-mail: people of the team, who may own the entry, and
guests; nobody is invited.
"""

from typing import Final, NamedTuple

import polars as pl

from crmbook import clean, tables
from crmbook.phases import carriers, dated, notetext, parents
from crmbook.phases.shape import rejected

ENTITY: Final = "event"
UNRESOLVED: Final = "attendee_unresolved"
_NAME_LIMIT: Final = 250
_ADDRESS: Final = r"[^\s\"\\<>,;@\[\]]+@[^\s\"\\<>,;@\[\]]+"
_CHEAPEST: Final = (
    "one note per contact tells every occurrence with its instant and data, in fewer calls than a record each;"
    " sales_activities or tasks keep each instant as a date of its own"
)


class Told(NamedTuple):
    """`blocks` as `notetext.BLOCKS`; `placed` the occurrences in them (key, position, source_id, state, reason)."""

    blocks: pl.DataFrame
    placed: pl.DataFrame


def plan(events: pl.DataFrame) -> pl.DataFrame:
    """What carries each event, as `tables.EVENT_MAP`; `calls` are those of the carrier proposed, before merging."""
    size = pl.col("data").str.len_chars().fill_null(0) + len("2026-01-01 00:00:00 UTC") + 15
    per_note = notetext.NOTE_LIMIT * 2 // 3
    per_contact = events.group_by(_event(), "contact_id").agg(
        records=pl.len(), notes=(size.sum() / per_note).ceil().cast(pl.Int64)
    )
    made = per_contact.group_by("event").agg(
        carrier=pl.lit("notes").first(),
        records=pl.col("records").sum().cast(pl.Int64),
        calls=pl.col("notes").sum(),
        reason=pl.lit(_CHEAPEST).first(),
    )
    return tables.conform(made, tables.EVENT_MAP)


def with_calls(planned: pl.DataFrame, proposed: pl.DataFrame) -> pl.DataFrame:
    """*planned* with the calls of the carriers it has now: a call per record, none for what is skipped."""
    was = proposed.select("event", was="carrier")
    joined = planned.join(was, on="event", how="left", maintain_order="left")
    is_left = pl.col("carrier") == carriers.SKIP
    calls = pl.when(is_left).then(0).when(pl.col("carrier") == pl.col("was")).then("calls")
    return tables.conform(joined.with_columns(calls=calls.otherwise("records")).drop("was"), tables.EVENT_MAP)


def entries(events: pl.DataFrame, types: pl.DataFrame, owners: pl.DataFrame) -> pl.LazyFrame:
    """The occurrences that get a record each or none, as entries; the first attendee of the team owns it."""
    rows = _with_carrier(events, types).filter(pl.col("carrier") != "notes")
    guests = _guests(events, owners)
    blank = {name: pl.lit(None, dtype=dtype) for name, dtype in dated.ENTRY.items()}
    label = pl.col("event").replace("", "(no name)")
    known = {
        "entity": pl.lit(ENTITY), "raw_id": pl.col("source_id"), "source_id": pl.lit("event:") + pl.col("source_id"),
        "carrier": pl.col("carrier"), "kind": pl.lit(ENTITY), "label": label, "title": label, "at": pl.col("at"),
        "body": pl.concat_str(_data(), "guests", separator="\n", ignore_nulls=True),
        "owner_agent_id": pl.col("agent_id"), "contact_id": pl.col("contact_id"),
    }  # fmt: skip
    joined = rows.join(guests.lazy(), on="source_id", how="left", maintain_order="left")
    return joined.select(**{name: known.get(name, blank[name]) for name in dated.ENTRY})


def summaries(events: pl.DataFrame, types: pl.DataFrame, owners: pl.DataFrame, fates: parents.Fates) -> Told:
    """The occurrences whose event is summarised in notes, per surviving contact in order of time."""
    rows = _with_carrier(events, types).filter(pl.col("carrier") == "notes")
    rows = parents.hung(parents.alone(rows), fates).join(
        _guests(events, owners).lazy(), on="source_id", how="left", maintain_order="left"
    )
    number = pl.col("source_id").cast(pl.Int64, strict=False)
    ordered = rows.sort("at", number, "source_id", nulls_last=True).with_columns(
        key=pl.concat_str(pl.lit("events"), "parent_id", "event", separator=":"),
        state=pl.when(pl.col("why_not").is_null()).then(pl.lit("carried")).otherwise(pl.lit("rejected")),
        reason=pl.col("why_not").fill_null(""),
    )
    placed = ordered.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int64).over("key")).collect()
    there = placed.lazy().filter(pl.col("state") == "carried")
    return Told(
        pl.concat([_blocks(there), _long_names(there)]).collect(),
        placed.select("key", "position", "source_id", "state", "reason"),
    )


def unresolved(events: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """Non-blocking reject rows for occurrences with attendees who are nobody of the team."""
    found = _attendees(events, owners).filter(pl.col("agent_id").is_null())
    told = found.select("source_id", rule=pl.lit(UNRESOLVED), field=pl.lit("attendees")).unique()
    return rejected(ENTITY, [told], is_blocking=False)


def _event() -> pl.Expr:
    # Names that differ by blanks alone are one event: decisions.csv could not tell them apart.
    return pl.col("name").fill_null("").str.replace_all(r"\s+", " ").str.strip_chars().alias("event")


def _with_carrier(events: pl.DataFrame, types: pl.DataFrame) -> pl.LazyFrame:
    chosen = types.lazy().select("event", "carrier")
    return events.lazy().with_columns(_event()).join(chosen, on="event", how="left", maintain_order="left")


def _data() -> pl.Expr:
    return pl.when(~pl.col("data").is_in(["", "{}", "null"])).then("data")


def _attendees(events: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """One row per occurrence and attendee: `source_id`, `address`, `agent_id`, `name`."""
    team = owners.filter(pl.col("email").is_not_null()).select(
        "agent_id", "name", _key=clean.email_key(pl.col("email"))
    )
    team = team.unique("_key", keep="first", maintain_order=True)
    invited = events.filter(pl.col("data").str.contains('"attendees"', literal=True)).select(
        "source_id", address=pl.col("data").str.json_path_match("$.attendees").str.extract_all(_ADDRESS)
    )
    listed = invited.explode("address").drop_nulls("address")
    keyed = listed.with_columns(_key=clean.email_key(pl.col("address")))
    return keyed.join(team, on="_key", how="left", maintain_order="left").drop("_key")


def _guests(events: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """Per occurrence with attendees: `source_id`, the line `guests`, and the first of the team (`agent_id`)."""
    of_team = pl.format("{} ({})", "address", pl.col("name").fill_null("of the team"))
    told = pl.coalesce(pl.when(pl.col("agent_id").is_not_null()).then(of_team), "address")
    return (
        _attendees(events, owners)
        .group_by("source_id", maintain_order=True)
        .agg(
            guests=pl.lit("attendees: ") + told.str.join(", "),
            agent_id=pl.col("agent_id").drop_nulls().first(),
        )
    )


def _head() -> pl.Expr:
    name = pl.col("event").str.head(_NAME_LIMIT).replace("", "(no name)")
    return pl.format("User.com events {}, user {}", name, "parent_id")


def _blocks(rows: pl.LazyFrame) -> pl.LazyFrame:
    bold = pl.format("<b>{}</b>", pl.coalesce(notetext.instant(pl.col("at")), pl.lit("(no time)")))
    lines = (bold, notetext.escaped(_data()), notetext.escaped(pl.col("guests")))
    return rows.select(
        "key",
        "parent_kind",
        "parent_id",
        head=_head(),
        position="position",
        html=pl.concat_str(lines, separator=notetext.LINE, ignore_nulls=True),
    )


def _long_names(rows: pl.LazyFrame) -> pl.LazyFrame:
    """A first block with the whole name, where the head has no room for it."""
    is_long = pl.col("event").str.len_chars() > _NAME_LIMIT
    return (
        rows.filter(is_long)
        .unique("key", keep="first", maintain_order=True)
        .select(
            "key",
            "parent_kind",
            "parent_id",
            head=_head(),
            position=pl.lit(-1, pl.Int64),
            html=notetext.escaped(pl.col("event")),
        )
    )
