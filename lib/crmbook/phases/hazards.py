"""Which records carry something, or are of a kind that goes wrong: what the spot-check sheet has to show beside classes.

In: the source tables, the normalized history and its members, and the agents that have no user. Out: evidence for
`spot_check` (entity, source_id, covers). Invariant: only records of the source are named, and nothing of what they hold.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from crmbook.phases.narrow import Frame, only, parts

EVIDENCE: Final = {"entity": pl.String, "source_id": pl.String, "covers": pl.String}
_EXAMPLES: Final = 50  # a hazard, of each entity
_PHONES: Final = ("phone_number", "phone_numbers")
_TEXTS: Final = {
    "a text like a formula": r"\x00\s*(?:[=@]|[+\-][A-Za-z(])",
    "markup in a text": r"<\s*/?\s*[A-Za-z][^<]*>",
    "letters of another script": r"[\p{Cyrillic}\p{Greek}\p{Han}\p{Hiragana}\p{Katakana}\p{Arabic}\p{Hebrew}]",
    "an emoji": r"[\x{1F300}-\x{1FAFF}]",
    "several lines in a field": r"\n",
}
_ROW: Final = "\x1erow"
_LONG: Final = 256  # characters: what a text field of the target takes
_KINDS: Final = {
    "tasks": "a task", "appointments": "a meeting", "sales_activities": "a sales activity", "documents": "a file or link",
}  # fmt: skip
_NOTES: Final = {
    "conversation": "a note of a chat", "events": "a note of events", "overflow": "a note of what was too long",
    "activity": "a note of an activity",
}  # fmt: skip


def carriers(history: Mapping[str, Frame], members: pl.DataFrame) -> pl.DataFrame:
    """One row per record and kind of thing it carries; *history* by the names of 04's tables, *members* as LIST_MEMBERS."""
    told = [_carried(history[module], pl.lit(f"with {words}")) for module, words in _KINDS.items()]
    kind = (
        pl.col("source_id")
        .str.extract(r"^([a-z]+):")
        .replace_strict(_NOTES, default="a note", return_dtype=pl.String)
    )
    told.append(_carried(history["notes"], pl.format("with {}", kind)))
    is_segment = pl.col("list_key").str.starts_with("segment:")
    covers = pl.when(is_segment).then(pl.lit("in the list of a segment")).otherwise(pl.lit("in a list"))
    told.append(members.select(entity=pl.lit("contact"), source_id="contact_id", covers=covers))
    return pl.concat(told).unique().sort(list(EVIDENCE))


def hazards(contacts: Frame, companies: Frame, deals: Frame, *, waiting: list[str]) -> pl.DataFrame:
    """Records of the source whose like goes wrong; *waiting* are the agents for whom the administrator stands in."""
    frames = {"contact": contacts, "company": companies, "deal": deals}
    found = [pl.DataFrame(schema=EVIDENCE)]
    for entity, frame in frames.items():
        schema = frame.lazy().collect_schema()
        tests = dict((*_in_texts(schema), *_in_times(schema), *_own(entity, waiting)))
        hits: dict[str, list[pl.DataFrame]] = {name: [only(frame, "source_id").clear()] for name in tests}
        # All texts of a large account have no room at once.
        for part in parts(frame):
            rows = part.with_columns(_joined(schema))
            for name, is_so in tests.items():
                hits[name].append(rows.filter(is_so).select("source_id").sort("source_id").head(_EXAMPLES))
        found += [
            pl.concat(those).sort("source_id").head(_EXAMPLES).select(
                entity=pl.lit(entity), source_id="source_id", covers=pl.lit(f"{entity} with {name}")
            )
            for name, those in hits.items()
        ]  # fmt: skip
    return pl.concat(found)


def _carried(frame: Frame, covers: pl.Expr) -> pl.DataFrame:
    rows = only(frame, "source_id", "parent_kind", "parent_id").filter(pl.col("parent_id").is_not_null())
    # Each thing once before all are put together: one record carries many.
    return (
        rows.select(entity="parent_kind", covers=covers, source_id="parent_id")
        .select(list(EVIDENCE))
        .unique()
    )


def _texts(schema: pl.Schema) -> list[str]:
    is_text = [name for name, dtype in schema.items() if dtype == pl.String]
    return [name for name in is_text if name not in (*_PHONES, "source_id")]


def _joined(schema: pl.Schema) -> pl.Expr:
    """All texts of a row as one: it is searched once per pattern and not once per column."""
    told = pl.lit("\x00") + pl.concat_str(_texts(schema), separator="\x00", ignore_nulls=True)
    return told.alias(_ROW)


def _in_texts(schema: pl.Schema) -> Iterator[tuple[str, pl.Expr]]:
    for name, pattern in _TEXTS.items():
        yield name, pl.col(_ROW).str.contains(pattern)
    yield "a very long text", pl.max_horizontal(pl.col(_texts(schema)).str.len_chars()) >= _LONG


def _in_times(schema: pl.Schema) -> Iterator[tuple[str, pl.Expr]]:
    times = [name for name, dtype in schema.items() if dtype.is_temporal()]
    far = [(pl.col(t).dt.year() < 1970) | (pl.col(t).dt.year() > 2037) for t in times]
    yield "a date far from today", pl.any_horizontal(e.fill_null(value=False) for e in far)


def _own(entity: str, waiting: list[str]) -> Iterator[tuple[str, pl.Expr]]:
    """What only this entity can have."""
    if entity in ("contact", "deal"):
        yield "no owner", pl.col("assigned_to").is_null()
        yield "an owner who has no user", pl.col("assigned_to").is_in(waiting)
    if entity == "contact":
        yield "several companies", pl.col("company_ids").list.len() > 1
    if entity == "company":
        yield "several phone numbers", pl.col("phone_numbers").list.len() > 1
    if entity == "deal":
        yield "several people", pl.col("participants").list.len() > 1
        yield "no amount", pl.col("value").is_null() | (pl.col("value").str.strip_chars() == "")
        yield "an amount of zero or less", pl.col("value").cast(pl.Float64, strict=False) <= 0
