"""What changed in the source since the run this one goes on from?

In: a source table as read now and as that run kept it. Out: DELTA and DELTA_BALANCE, one verdict per row by the hash of
its content, and the table a delta run keeps: a row whose content is the same is the old one whole. Volatile fields are
what a visit, a clock or a counter changes; they don't make a row changed, and are taken along when something else does.
Invariant: every row then or now has exactly one verdict.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from crmbook import tables

NEW, CHANGED, DELETED, SAME = "new", "changed", "deleted", "same"
_HASH: Final = {"source_id": pl.String, "hash": pl.String}


@dataclass(frozen=True)
class Kind:
    """A kind of source row: its table, what makes its `source_id`, its volatile fields, and when it changed."""

    table: str
    key: tuple[str, ...] = ("source_id",)
    volatile: frozenset[str] = frozenset()
    changed_at: str = ""


# Where somebody is, which browser they use and how often they come is their last visit, not their record.
_VISIT: Final = frozenset({
    "updated_at", "last_seen", "page_views", "last_ip", "browser", "browser_language", "os_type", "resolution",
    "most_active_time",
})  # fmt: skip
_STAMP: Final = frozenset({"updated_at"})

KINDS: Final = {
    "contact": Kind("source_contacts", volatile=_VISIT, changed_at="updated_at"),
    "company": Kind("source_companies", volatile=_STAMP, changed_at="updated_at"),
    "deal": Kind("source_deals", volatile=_STAMP, changed_at="updated_at"),
    "activity": Kind("source_activities", volatile=_STAMP, changed_at="updated_at"),
    "event": Kind("source_events", changed_at="at"),
    "email": Kind("source_emails", changed_at="created_at"),
    "conversation": Kind("source_conversations"),
    "message": Kind("source_messages", ("conversation_id", "position"), changed_at="at"),
    "segment_member": Kind("segment_members", ("segment_id", "contact_id")),
    "file": Kind("source_files", ("entity", "source_id", "name")),
}


def compare(kind: Kind, entity: str, *, now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """One row per row of *now* or *before*; DELTA."""
    columns = sorted({*now.columns, *before.columns} - kind.volatile)
    pairs = _hashes(kind, before, columns).join(
        _hashes(kind, now, columns), on="source_id", how="full", coalesce=True, suffix="_now"
    )
    then, here = pl.col("hash"), pl.col("hash_now")
    verdict = (
        pl.when(then.is_null()).then(pl.lit(NEW)).when(here.is_null()).then(pl.lit(DELETED))
        .when(then == here).then(pl.lit(SAME)).otherwise(pl.lit(CHANGED))
    )  # fmt: skip
    made = pairs.select(
        "source_id", entity=pl.lit(entity), change=verdict, hash_before=then, hash_after=here
    ).select(list(tables.DELTA.columns))
    return tables.conform(made, tables.DELTA)


def settled(kind: Kind, delta: pl.DataFrame, *, now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """*now* in which the rows that *delta* (of this kind) calls the same are those of *before*."""
    same = delta.filter(pl.col("change") == SAME).select(_id="source_id")
    kept, rest = (
        (frame.with_columns(_id=_source_id(kind)).join(same, on="_id", how=how).drop("_id"))  # type: ignore[arg-type]
        for frame, how in ((before, "semi"), (now, "anti"))
    )
    # A property nobody had then is no column there; one that is gone now was empty in every same row.
    return pl.concat([rest, kept], how="diagonal").select(now.columns)


def balance(delta: pl.DataFrame, rows: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """The verdicts counted beside the rows of both tables (*rows*: entity to then and now); DELTA_BALANCE."""
    made = []
    for entity, (before, now) in rows.items():
        counts = dict(delta.filter(pl.col("entity") == entity).group_by("change").len().iter_rows())
        new, changed, deleted, same = (counts.get(name, 0) for name in (NEW, CHANGED, DELETED, SAME))
        off = abs(before - changed - deleted - same) + abs(now - new - changed - same)
        made.append((entity, before, now, new, changed, deleted, same, off))
    frame = pl.DataFrame(made, schema=tables.DELTA_BALANCE.columns, orient="row")
    return tables.conform(frame, tables.DELTA_BALANCE)


def moved(balance: pl.DataFrame) -> int:
    """How many rows of the source are new, changed or deleted."""
    return int(balance.select(pl.sum_horizontal("new", "changed", "deleted").sum()).item() or 0)


def _source_id(kind: Kind) -> pl.Expr:
    return pl.concat_str([pl.col(column).cast(pl.String) for column in kind.key], separator=":")


def _hashes(kind: Kind, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    absent = [pl.lit(None).alias(column) for column in columns if column not in frame.columns]
    whole = frame.with_columns(absent).select(
        source_id=_source_id(kind), text=pl.struct(columns).struct.json_encode()
    )
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in whole["text"]]
    return pl.DataFrame({"source_id": whole["source_id"], "hash": hashes}, schema=_HASH)
