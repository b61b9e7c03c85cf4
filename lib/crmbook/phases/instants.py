"""Does the target show the source's own instant for every activity, event, e-mail and message?

In: the source tables, which record carries which source row (CARRIED), where that record was found, and the records as
the target tells them. Out: INSTANTS and INSTANT_BALANCE. Nothing of what normalization made of a time is read: the expected
instant comes from the source, the found one from the target. A dated record keeps seconds; a note is text and keeps all,
and in it the order counts as well: the n-th source row a note carries is the n-th block of the note.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.compare_history import MODULES
from crmbook.phases.narrow import Frame, only

DATED: Final = {module: shape.instant for module, shape in MODULES.items() if shape.instant}
_ACTIVITY: Final = ("due_date", "done_date", "created_at", "updated_at")
_MAIL: Final = ("sent_at", "opened_at", "clicked_at")
# the columns of the source tables that this reads
READ: Final = {
    "activities": ("source_id", *_ACTIVITY), "events": ("source_id", "at"), "emails": ("source_id", *_MAIL),
    "messages": ("conversation_id", "position", "at"),
}  # fmt: skip
_NOTES: Final = "notes"
_SHOWN: Final = r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d{1,6})? UTC"
_BLOCK: Final = rf"<br><b>{_SHOWN}"


def in_source(
    *, activities: pl.DataFrame, events: pl.DataFrame, emails: pl.DataFrame, messages: pl.DataFrame
) -> pl.DataFrame:
    """
    entity, source_id (as in `carried`), at: when each row of the source happened; `place` orders the rows of one note.

    An activity that was never scheduled counts from when it was done, else created, else changed. An e-mail is up to
    three rows. What has no time at all is left out.
    """
    mails = emails.unpivot(_MAIL, index="source_id", variable_name="step", value_name="at").drop_nulls("at")
    step = pl.col("step").str.strip_suffix("_at")
    nothing = pl.lit(0, pl.Int64)
    return pl.concat(
        [
            _rows("activity", activities, pl.col("source_id"), pl.coalesce(_ACTIVITY), nothing),
            _rows("event", events, pl.col("source_id"), pl.col("at"), nothing),
            _rows("email", mails, pl.format("{}:{}", "source_id", step), pl.col("at"), nothing),
            _rows(
                "message",
                messages,
                pl.format("{}:{}", "conversation_id", "position"),
                pl.col("at"),
                pl.col("position"),
            ),
        ]
    )


def extracted(
    *,
    activities: pl.DataFrame,
    events: pl.DataFrame,
    emails: pl.DataFrame,
    conversations: pl.DataFrame,
    messages: pl.DataFrame,
    contacts: pl.DataFrame,
    segment_members: pl.DataFrame,
    files: pl.DataFrame,
) -> dict[str, int]:
    """How many rows of each kind of history the source holds; a mail counts once for each step it took, at least once."""
    steps = emails.select(pl.sum_horizontal(pl.col(name).is_not_null() for name in _MAIL)).to_series()
    lists = contacts["list_ids"].fill_null([]).list.unique().list.len().sum()
    return {
        "activity": activities.height,
        "event": events.height,
        "email": int(steps.clip(lower_bound=1).sum()),
        "conversation": conversations.height,
        "message": messages.height,
        "membership": int(lists) + segment_members.unique().height,
        "file": files.height,
    }


def linked(sources: Mapping[str, pl.DataFrame], links: pl.DataFrame) -> int:
    """How many addresses stand in the fields of *sources* (by entity) that *links* (rows of MAPPING) makes document links."""
    fields = links.select("entity", "source_field").iter_rows()
    return sum(
        int((sources[entity][field].fill_null("").str.strip_chars() != "").sum())
        for entity, field in fields
        if field in sources[entity].columns
    )


def instants(*, source: pl.DataFrame, standing: pl.DataFrame, actual: Mapping[str, Frame]) -> pl.DataFrame:
    """
    The instant of every row of *source* that stands in the target beside the one shown there; INSTANTS.

    *source* is `in_source`, *standing* `reconcile_history.standing`. A row whose carrier has no instant to show where it
    should is not equal.
    """
    placed = standing.filter((pl.col("fate") == "found") & pl.col("target_id").is_not_null()).select(
        "entity", "source_id", "carrier_module", "carrier_id", "target_id"
    )
    rows = source.join(placed, on=["entity", "source_id"])
    dated = [_dated(rows, module, field, actual[module]) for module, field in DATED.items()]
    noted = _noted(rows.filter(pl.col("carrier_module") == _NOTES), actual[_NOTES])
    return tables.conform(pl.concat([tables.INSTANTS.empty(), *dated, noted]), tables.INSTANTS)


def balance(instants: pl.DataFrame) -> pl.DataFrame:
    """Instants compared, equal and different per kind of history; INSTANT_BALANCE."""
    counted = instants.group_by("entity").agg(
        compared=pl.len().cast(pl.Int64), equal=pl.col("is_equal").sum().cast(pl.Int64)
    )
    made = counted.with_columns(different=pl.col("compared") - pl.col("equal"))
    return tables.conform(made.select(list(tables.INSTANT_BALANCE.columns)), tables.INSTANT_BALANCE)


def _rows(entity: str, frame: pl.DataFrame, source_id: pl.Expr, at: pl.Expr, place: pl.Expr) -> pl.DataFrame:
    return frame.select(
        entity=pl.lit(entity), source_id=source_id, at=at, place=place.cast(pl.Int64)
    ).drop_nulls("at")


def _dated(rows: pl.DataFrame, module: str, field: str, actual: Frame) -> pl.DataFrame:
    mine = rows.filter(pl.col("carrier_module") == module)
    shown = only(actual, "target_id", field).rename({field: "found"})
    both = mine.join(shown, on="target_id", how="left")
    return _judged(both, pl.col("at").dt.truncate("1s"))


def _noted(rows: pl.DataFrame, actual: Frame) -> pl.DataFrame:
    """The n-th row a note carries beside the n-th block the note begins; blocks are told apart by markup no text can hold."""
    number = pl.int_range(pl.len()).over("target_id").alias("n")
    wanted = rows.sort("target_id", "place", "at", "source_id").with_columns(number)
    shown = pl.col("description").str.extract_all(_BLOCK)
    blocks = (
        actual.lazy()
        .select("target_id", block=shown)
        .collect()
        .explode("block", empty_as_null=False, keep_nulls=False)
        .with_columns(number, found=_instant(pl.col("block")))
    )
    both = wanted.join(blocks.select("target_id", "n", "found"), on=["target_id", "n"], how="left")
    return _judged(both, pl.col("at"))


def _instant(block: pl.Expr) -> pl.Expr:
    text = block.str.extract(rf"({_SHOWN})").str.strip_suffix(" UTC")
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")


def _judged(both: pl.DataFrame, expected: pl.Expr) -> pl.DataFrame:
    return both.select(
        "entity",
        "source_id",
        "carrier_module",
        "target_id",
        expected="at",
        found="found",
        is_equal=(pl.col("found") == expected).fill_null(value=False),
    )
