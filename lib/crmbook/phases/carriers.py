"""What carries each kind of activity in the target, and what another carrier would lose.

In: the customer's activity types, activities and mails of the source. Out: one row per type, with the opens,
clicks and sends of mails as types of their own, so that each may be decided alone. An activity of a type
nobody lists has a row as well. A carrier is a table of 04, or `skip`.
"""

from collections.abc import Collection
from typing import Final

import polars as pl

from crmbook import tables

SKIP: Final = "skip"
CARRIERS: Final = ("sales_activities", "appointments", "tasks", "notes")
EVENT_CARRIERS: Final = ("notes", "sales_activities", "tasks")
MARKS: Final = {"sent": "sent_at", "opened": "opened_at", "clicked": "clicked_at"}
UNKNOWN_TYPE: Final = ""
_DEFAULT: Final = {
    "call": "sales_activities", "meeting": "appointments", "email": "sales_activities", "task": "tasks",
    "push": "sales_activities", "other": "notes",
}  # fmt: skip
_WHY: Final = {
    "call": "a sales activity of type Phone keeps start and end; as a task the length would stand in the text only",
    "meeting": "a meeting keeps start and end, nobody is invited; as a task the length would stand in the text only",
    "email": "a sales activity of type Email keeps the instant; as a task it would look like work to do",
    "task": "a task keeps its due date and whether it is done",
    "push": "a sales activity keeps the instant, where the target has a fitting type, else a note; as a task it would"
    " look like work to do",
    "other": "a note, which the target dates on the day of the load: its first lines tell the instant; a sales activity"
    " or a task would keep it as a date",
}  # fmt: skip
# Internal names of Freshsales' activity types that may stand for a kind, the best one first (recorded tenants).
_TYPES: Final = {
    "call": ("phone",),
    "meeting": ("appointment", "cappointment"),
    "email": ("email",),
    "task": ("task",),
    "push": ("sms_outgoing", "reminder"),
    "other": ("task", "reminder"),
    "event": ("task", "reminder"),
}
ACTIVITY_TYPES: Final = frozenset(name for names in _TYPES.values() for name in names)


def plan(types: pl.DataFrame, activities: pl.DataFrame, emails: pl.DataFrame) -> pl.DataFrame:
    """What carries each activity type and each mark of a mail, as `tables.ACTIVITY_MAP`; types no mail or activity has too."""
    type_id = pl.col("activity_type_id").fill_null(UNKNOWN_TYPE)
    counted = activities.group_by(type_id).agg(records=pl.len().cast(pl.Int64))
    listed = types.join(counted, on="activity_type_id", how="full", coalesce=True)
    rows = pl.concat([listed.select("activity_type_id", "name", "kind", "records"), _mails(emails)])
    kind = pl.col("kind").fill_null("other")
    kind = pl.when(kind.is_in(list(_DEFAULT))).then(kind).otherwise(pl.lit("other"))
    made = rows.with_columns(pl.col("records").fill_null(0), kind=kind).with_columns(
        carrier=pl.col("kind").replace_strict(_DEFAULT, return_dtype=pl.String),
        reason=pl.col("kind").replace_strict(_WHY, return_dtype=pl.String),
    )
    return tables.conform(made, tables.ACTIVITY_MAP)


def with_decisions(planned: pl.DataFrame, edited: pl.DataFrame, *, key: str) -> pl.DataFrame:
    """*planned* with the carriers a person gave: *edited* has source_field (the *key*), target_field, decision."""
    given = pl.when(pl.col("decision") == "skip").then(pl.lit(SKIP)).otherwise("target_field")
    theirs = edited.select(pl.col("source_field").alias(key), given=given)
    joined = planned.join(theirs, on=key, how="left", maintain_order="left")
    return joined.with_columns(carrier=pl.coalesce("given", "carrier")).drop("given")


def activity_types(available: Collection[str] | None) -> dict[str, str | None]:
    """Per kind the internal name of its activity type, null where the target has none; all are there if nobody looked."""
    names = ACTIVITY_TYPES if available is None else frozenset(available)
    return {kind: next((n for n in wanted if n in names), None) for kind, wanted in _TYPES.items()}


def _mails(emails: pl.DataFrame) -> pl.DataFrame:
    counts = emails.select(pl.col(column).count().alias(mark) for mark, column in MARKS.items()).row(
        0, named=True
    )
    rows = [(f"email:{mark}", f"E-mail {mark}", "email", n) for mark, n in counts.items() if n]
    schema = {"activity_type_id": pl.String, "name": pl.String, "kind": pl.String, "records": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")
