"""Dated entries of the history as tasks, meetings, sales activities or notes.

In: entries (ENTRY) that say when something was or is due, on whom, and which module carries it. Out: the rows of
those modules and what became of each entry. The instant is the source's, to the second, which is what the
target keeps; whatever the carrier has no field for stands in its text, and text that is too long for it stands
whole in a note beside it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import carriers, notetext, parents
from crmbook.phases.shape import merged, tally

ENTRY: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "entity": pl.String, "raw_id": pl.String, "source_id": pl.String, "carrier": pl.String, "kind": pl.String,
    "label": pl.String, "title": pl.String, "at": tables.TIME, "time_from": pl.String, "minutes": pl.Int64,
    "body": pl.String, "is_done": pl.Boolean, "done_at": tables.TIME, "created_at": tables.TIME,
    "owner_agent_id": pl.String, "contact_id": pl.String, "company_id": pl.String, "deal_id": pl.String,
}  # fmt: skip
TITLE_LIMIT: Final = 250
TEXT_LIMIT: Final = notetext.NOTE_LIMIT
LONGEST_MINUTES: Final = 10 * 366 * 24 * 60
_FACTS_ROOM: Final = 1_500
# Nothing documented gives a meeting or a note an owner.
_OWNERLESS: Final = ("appointments", "notes")


@dataclass(frozen=True)
class Dated:
    """The rows of each module, the blocks of the notes (`notetext.BLOCKS`), and an account of the entries."""

    tasks: pl.DataFrame
    appointments: pl.DataFrame
    sales_activities: pl.DataFrame
    blocks: pl.DataFrame
    carried: pl.DataFrame = field(default_factory=tables.CARRIED.empty)
    changes: pl.DataFrame = field(default_factory=tables.CHANGES.empty)
    loss: pl.DataFrame = field(default_factory=tables.LOSS.empty)


def carry(
    entries: pl.LazyFrame,
    fates: parents.Fates,
    owners: pl.DataFrame,
    available: Collection[str] | None,
) -> Dated:
    """
    *entries* in their carriers; *owners* (`tables.OWNERS`) name who did what where the carrier has no owner.

    An entry for a sales activity whose type the target does not have becomes a note; *available* are internal
    names of activity types, None for all.
    """
    types = carriers.activity_types(available)
    names = owners.lazy().select(owner_agent_id="agent_id", owner=pl.coalesce("name", "email"))
    named = parents.hung(entries, fates).join(names, on="owner_agent_id", how="left", maintain_order="left")
    rows = named.with_columns(
        activity_type=pl.col("kind").replace_strict(types, default=types["other"], return_dtype=pl.String)
    )
    is_typeless = (pl.col("carrier") == "sales_activities") & pl.col("activity_type").is_null()
    rows = rows.with_columns(
        carrier=pl.when(is_typeless).then(pl.lit("notes")).otherwise("carrier")
    ).with_columns(_state(), reason=_reason())
    rows = rows.collect().lazy()
    written = _written(rows.filter(pl.col("state") == "carried")).collect()
    notes = written.filter(pl.col("carrier") == "notes")
    return Dated(
        tasks=_of(written, tables.TASKS, due_date="start"),
        appointments=_of(
            written, tables.APPOINTMENTS, from_date="start", end_date="end", time_zone=pl.lit("UTC")
        ),
        sales_activities=_of(
            written, tables.SALES_ACTIVITIES, start_date="start", end_date="end", notes="description"
        ),
        blocks=pl.concat([_note_blocks(notes), _overflow_blocks(written)]),
        carried=parents.carried([_account(rows)]),
        changes=_tallied(tables.CHANGES, written, _CHANGES),
        loss=_tallied(tables.LOSS, written, _LOSSES),
    )


def joined(parts: Iterable[Dated]) -> Dated:
    """*parts*, made of different entries, as one."""
    made = list(parts)
    whole = {
        name: tables.conform(pl.concat([getattr(part, name) for part in made]), tables.of(name))
        for name in ("tasks", "appointments", "sales_activities", "carried")
    }
    return Dated(
        **whole,
        blocks=pl.concat([part.blocks for part in made]),
        changes=merged(tables.CHANGES, *(part.changes for part in made)),
        loss=merged(tables.LOSS, *(part.loss for part in made)),
    )


def _state() -> pl.Expr:
    is_left = (pl.col("carrier") == carriers.SKIP).fill_null(value=False)
    is_rejected = pl.col("why_not").is_not_null() | pl.col("at").is_null()
    rejected = pl.when(is_rejected).then(pl.lit("rejected")).otherwise(pl.lit("carried"))
    return pl.when(is_left).then(pl.lit("skipped")).otherwise(rejected).alias("state")


def _reason() -> pl.Expr:
    is_left = (pl.col("carrier") == carriers.SKIP).fill_null(value=False)
    lacks_time = pl.when(pl.col("at").is_null()).then(pl.lit("time_missing"))
    told = pl.coalesce("why_not", lacks_time, pl.lit(""))
    return pl.when(is_left).then(pl.lit("by decision")).otherwise(told)


def _written(rows: pl.LazyFrame) -> pl.LazyFrame:
    """*rows* with title, start, end, body and description as the target takes them, and what that cost."""
    start = pl.col("at").dt.truncate("1s")
    fits = pl.col("minutes").is_between(0, LONGEST_MINUTES).fill_null(value=False)
    length = pl.when(fits).then("minutes").otherwise(0)
    whole = pl.col("title").str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
    named = pl.coalesce(whole, "label", pl.lit("(no title)"))
    is_long = named.str.len_chars() > TITLE_LIMIT
    body = pl.col("body").str.strip_chars().replace("", None)
    made = rows.with_columns(
        start=start,
        end=start + pl.duration(minutes=length),
        has_length=fits,
        is_exact=start == pl.col("at"),
        title=pl.when(is_long).then(named.str.head(TITLE_LIMIT - 1) + pl.lit("…")).otherwise(named),
        is_title_long=is_long,
        is_title_given=whole.is_not_null(),
        body=pl.concat_str(pl.when(is_long).then(named), body, separator="\n", ignore_nulls=True).replace(
            "", None
        ),
    ).with_columns(facts=_facts())
    room = TEXT_LIMIT - _FACTS_ROOM
    is_text_long = (pl.col("body").str.len_chars() > room).fill_null(value=False)
    more = pl.format('… (whole in the note "User.com {} {}, text")', "entity", "raw_id")
    shown = pl.when(is_text_long).then(pl.col("body").str.head(room) + more).otherwise("body")
    return made.with_columns(
        is_text_long=is_text_long & (pl.col("carrier") != "notes"),
        description=pl.concat_str(shown, "facts", separator="\n", ignore_nulls=True),
    )


def _facts() -> pl.Expr:
    """What the carrier has no field for, in one line that begins with the source id."""
    origin = pl.format("User.com {} {}", "entity", "raw_id")
    label = pl.when(pl.col("label") != pl.col("title")).then(pl.col("label").str.head(TITLE_LIMIT))
    has_field = pl.col("carrier").is_in(["appointments", "sales_activities"]) & pl.col("has_length")
    lasted = pl.when(~has_field).then(pl.format("lasts {} minutes", "minutes"))
    owner = pl.coalesce("owner", pl.format("agent {}", "owner_agent_id"))
    state = pl.when("is_done").then(pl.lit("done")).otherwise(pl.lit("not done"))
    done_at = pl.format("done {}", notetext.instant(pl.col("done_at")))
    parts = (
        origin,
        label,
        pl.format("about {}", "others"),
        lasted,
        pl.when(_is_in(*_OWNERLESS)).then(pl.format("assigned to {}", owner)),
        pl.coalesce(done_at, pl.when(pl.col("is_done").is_not_null()).then(state)),
        pl.format("created {}", notetext.instant(pl.col("created_at"))),
        pl.when(~pl.col("is_exact")).then(pl.format("exactly at {}", notetext.instant(pl.col("at")))),
    )
    return pl.concat_str(parts, separator="; ", ignore_nulls=True)


def _of(written: pl.DataFrame, table: tables.Table, **renamed: str | pl.Expr) -> pl.DataFrame:
    mine = written.filter(pl.col("carrier") == table.name)
    made = mine.with_columns(**{n: pl.col(e) if isinstance(e, str) else e for n, e in renamed.items()})
    if table is tables.TASKS:
        made = made.with_columns(pl.col("is_done").fill_null(value=False))
    return tables.conform(made.select(list(table.columns)), table)


def _note_blocks(notes: pl.DataFrame) -> pl.DataFrame:
    bold = pl.format("<b>{}</b>", notetext.instant(pl.col("at")))
    lines = (bold, *(notetext.escaped(pl.col(c)) for c in ("title", "body", "facts")))
    return notes.select(
        key="source_id",
        parent_kind="parent_kind",
        parent_id="parent_id",
        head=pl.concat_str(
            pl.format("User.com {} {}", "entity", "raw_id"),
            pl.col("label").str.head(TITLE_LIMIT),
            separator=": ",
            ignore_nulls=True,
        ),
        position=pl.lit(0, pl.Int64),
        html=pl.concat_str(lines, separator=notetext.LINE, ignore_nulls=True),
    )


def _overflow_blocks(written: pl.DataFrame) -> pl.DataFrame:
    return written.filter("is_text_long").select(
        key=pl.format("overflow:{}:text", "source_id"),
        parent_kind="parent_kind",
        parent_id="parent_id",
        head=pl.format("User.com {} {}, text", "entity", "raw_id"),
        position=pl.lit(0, pl.Int64),
        html=notetext.escaped(pl.col("body")),
    )


def _account(rows: pl.LazyFrame) -> pl.LazyFrame:
    is_carried = pl.col("state") == "carried"
    carrier_id = pl.when(pl.col("carrier") == "notes").then(pl.col("source_id") + pl.lit(":1"))
    return rows.select(
        "entity",
        source_id="raw_id",
        carrier_module=pl.when(is_carried).then("carrier"),
        carrier_id=pl.when(is_carried).then(carrier_id.otherwise("source_id")),
        state="state",
        reason="reason",
    )


def _is_in(*modules: str) -> pl.Expr:
    return pl.col("carrier").is_in(modules)


# (field, rule or kind) -> the records it counts
_CHANGES: Final = {
    ("due_date", "taken_from_another_time"): pl.col("time_from").is_not_null(),
    ("name", "named_by_its_type"): ~pl.col("is_title_given"),
    ("name", "continued_in_text"): pl.col("is_title_long"),
    ("description", "to_note"): pl.col("is_text_long"),
    ("duration", "to_text"): pl.col("minutes").is_not_null() & ~pl.col("has_length"),
}
_LOSSES: Final = {
    ("due_date", "truncated"): ~pl.col("is_exact"),
    ("created_at", "collapsed"): pl.col("created_at").is_not_null(),
    ("done_date", "collapsed"): pl.col("done_at").is_not_null(),
    ("done", "collapsed"): pl.col("is_done").is_not_null() & ~_is_in("tasks"),
    ("duration", "collapsed"): pl.col("minutes").is_not_null() & _is_in("tasks", "notes"),
    ("assigned_to", "collapsed"): pl.col("owner_agent_id").is_not_null() & _is_in(*_OWNERLESS),
    ("company_id", "collapsed"): pl.col("company_id").is_not_null() & (pl.col("parent_kind") != "company"),
    ("deal_id", "collapsed"): pl.col("deal_id").is_not_null() & (pl.col("parent_kind") != "deal"),
}  # fmt: skip


def _tallied(
    table: tables.Table, written: pl.DataFrame, tests: dict[tuple[str, str], pl.Expr]
) -> pl.DataFrame:
    names = {f"{name}\x1f{what}": test for (name, what), test in tests.items()}
    counts = written.group_by("entity").agg(**{n: e.fill_null(value=False).sum() for n, e in names.items()})
    parts = [
        tally(table, entity := row.pop("entity"), (_counted(entity, *pair) for pair in row.items()))
        for row in counts.to_dicts()
    ]
    return merged(table, *parts)


def _counted(entity: str, name: str, count: int) -> tuple[str, str, int]:
    field_name, _, what = name.partition("\x1f")
    # Only activities are due; what happened has an instant.
    return "at" if field_name == "due_date" and entity != "activity" else field_name, what, count
