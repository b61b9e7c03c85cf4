"""History of the source from a few cells, and what became of a small customer's records."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from crmbook import tables
from crmbook.phases import carriers
from source_rows import Row, table

LATER = "rejected: email_missing"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def activities(*rows: Row) -> pl.DataFrame:
    return table(tables.HISTORY_ACTIVITIES, [{"activity_type_id": "1", "is_done": True, **r} for r in rows])


def emails(*rows: Row) -> pl.DataFrame:
    return table(tables.HISTORY_EMAILS, list(rows))


def events(*rows: Row) -> pl.DataFrame:
    return table(tables.HISTORY_EVENTS, [{"name": "seen", "data": "{}", **r} for r in rows])


def conversations(*rows: Row) -> pl.DataFrame:
    return table(tables.HISTORY_CONVERSATIONS, list(rows))


def messages(*rows: Row) -> pl.DataFrame:
    return table(tables.HISTORY_MESSAGES, [{"side": "contact", "channel": "chat", **r} for r in rows])


def files(*rows: Row) -> pl.DataFrame:
    return table(tables.SOURCE_FILES, list(rows))


def types(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Activity types by id, name and kind, each with the carrier proposed for it."""
    made = pl.DataFrame(rows, schema=tables.ACTIVITY_TYPES.columns, orient="row")
    return carriers.plan(made, activities(), emails())


def owners(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """The team by agent id, name and e-mail."""
    made = [(*row, True, 1) for row in rows]
    return pl.DataFrame(made, schema=tables.OWNERS.columns, orient="row")


TEAM = owners(("7", "Ann Lee", "Ann@team.example"), ("8", "Bo Ek", "bo@team.example"))


def fate(entity: str, **kept: str | None) -> pl.DataFrame:
    """What became of records: source id to survivor; None is rejected."""
    rows = [(i[1:], k, "" if k else f"{entity} {LATER}") for i, k in kept.items()]
    return pl.DataFrame(rows, schema=["source_id", "kept_id", "reason"], orient="row").cast(pl.String)


# Contact 1 lives, 2 lives on as 1, 3 is rejected; deal 50 and company 60 live, company 61 is rejected.
FATES = {
    "contact": fate("contact", _1="1", _2="1", _3=None),
    "deal": fate("deal", _50="50"),
    "company": fate("company", _60="60", _61=None),
}


def only(frame: pl.DataFrame) -> dict[str, Any]:
    """The one row of *frame*."""
    return frame.row(0, named=True) if frame.height == 1 else {"rows": frame.height}


def states(carried: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """Source id to state and reason."""
    return {r["source_id"]: (r["state"], r["reason"]) for r in carried.iter_rows(named=True)}
