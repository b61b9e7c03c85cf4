"""What in the data points to an automation that the customer's inventory does not list?

In: the inventory, and the tags, lists, events, mails, activities, chats and campaigns of the source. Out:
AUTOMATION_SIGNS. A sign is strong where no person works like that: the same mail on many days, an answer within a
minute, a name people give to what a machine sets. Everything else is weak, and only told. Thresholds and words stand in
`workflows.toml`. Invariant: a text somebody wrote stands in the personal column, its sign is only a number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.phases.rebuilding import document_of

STRONG: Final = "strong"
WEAK: Final = "weak"
_WORD: Final = re.compile(r"[^\W_]+")
_SIGNIFICANT: Final = 5  # letters
_MOST: Final = 0.5  # more than so much of a text's significant words, in one automation
_SENT_BY_MACHINE: Final = ("email", "push")


@dataclass(frozen=True)
class Source:
    """The tables of 01 that are looked at, by their names there; `campaigns` are as received."""

    tags: pl.DataFrame
    lists: pl.DataFrame
    contacts: pl.DataFrame
    companies: pl.DataFrame
    deals: pl.DataFrame
    events: pl.DataFrame
    emails: pl.DataFrame
    activities: pl.DataFrame
    activity_types: pl.DataFrame
    messages: pl.DataFrame


def automation_signs(automations: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Every sign with the listed automation it belongs to, if any; AUTOMATION_SIGNS."""
    told = [
        (row["name"], _folded(" ".join(str(row[c]) for c in ("name", "trigger", "conditions", "actions", "notes"))))
        for row in automations.iter_rows(named=True)
    ]  # fmt: skip
    rows = []
    for row in _signs(source):
        listed = _listed_in(row["text"] or row["sign"], told, is_text=row["text"] is not None)
        rows.append(row | {"listed_in": listed, "is_explained": bool(listed) or row["strength"] == WEAK})
    made = pl.DataFrame(rows, schema=tables.AUTOMATION_SIGNS.columns)
    return tables.conform(made, tables.AUTOMATION_SIGNS)


def repeated(frame: pl.DataFrame, text: str, at: str) -> pl.DataFrame:
    """text, records, days of each text of *frame* that is there more than once, the most frequent first."""
    filled = frame.filter(pl.col(text).str.strip_chars().str.len_chars() > 0)
    counted = filled.group_by(pl.col(text).str.strip_chars().alias("text")).agg(
        records=pl.len().cast(pl.Int64), days=pl.col(at).dt.date().n_unique().cast(pl.Int64)
    )
    return counted.filter(pl.col("records") > 1).sort(["records", "text"], descending=[True, False])


def _signs(source: Source) -> Iterator[dict[str, Any]]:
    yield from _names(source)
    yield from _events(source.events)
    yield from _mails(source.emails)
    yield from _activities(source.activities, source.activity_types)
    yield from _answers(source.messages)
    scored = source.contacts.filter(pl.col("score").fill_null(0) != 0).height
    if scored:
        yield _sign(
            "score", "contact score", scored, None, "scores are counted by rules, or set by hand", WEAK
        )


def _names(source: Source) -> Iterator[dict[str, Any]]:
    """Tags and lists with a word people give to what a machine sets."""
    tagged = pl.concat(frame.select(pl.col("tags").explode().alias("name")) for frame in (
        source.contacts, source.companies, source.deals)).drop_nulls()  # fmt: skip
    members = source.contacts.select(list_id=pl.col("list_ids").explode()).drop_nulls()
    named = members.join(source.lists.select("list_id", "name"), on="list_id").select("name")
    for kind, known, used in (("tag", source.tags, tagged), ("list", source.lists, named)):
        counts = dict(used.group_by("name").len().iter_rows())
        for name in known["name"].drop_nulls().unique().sort():
            if word := _word_of(name):
                yield _sign(kind, name, counts.get(name, 0), None, f"its name says “{word}”", STRONG)


def _events(events: pl.DataFrame) -> Iterator[dict[str, Any]]:
    counted = events.drop_nulls("name").group_by("name").agg(
        records=pl.len().cast(pl.Int64), days=pl.col("at").dt.date().n_unique().cast(pl.Int64)
    )  # fmt: skip
    for name, records, days in counted.sort("name").iter_rows():
        yield _sign("event", name, records, days, "events are sent so that something acts on them", WEAK)


def _mails(emails: pl.DataFrame) -> Iterator[dict[str, Any]]:
    least = document_of()["signs"]
    sent = emails.filter(pl.col("sent_at").is_not_null())
    for number, (text, records, days) in enumerate(repeated(sent, "subject", "sent_at").iter_rows(), 1):
        if records >= least["mails"] and days >= least["days"]:
            reason = "the same mail on many days: nobody sends it by hand"
            yield _sign("mail", f"mail {number}", records, days, reason, STRONG, text)


def _activities(activities: pl.DataFrame, types: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Titles that come again and again, of kinds a machine makes; number as in the order of their frequency."""
    least = document_of()["signs"]
    kinds = types.select("activity_type_id", kind=pl.col("kind").fill_null("other"))
    known = activities.join(kinds, on="activity_type_id", how="left")
    for kind in (*_SENT_BY_MACHINE, "task"):
        mine = repeated(known.filter(pl.col("kind") == kind), "name", "created_at")
        for number, (text, records, days) in enumerate(mine.iter_rows(), 1):
            if records >= least["mails"] and days >= least["days"]:
                is_sent = kind in _SENT_BY_MACHINE
                reason = "the same title on many days" + (": nobody sends it by hand" if is_sent else "")
                yield _sign(f"{kind} activity", f"{kind} {number}", records, days, reason, STRONG if is_sent else WEAK, text)  # fmt: skip


def _answers(messages: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The same words of the team at the start of many chats; strong where they come faster than a person reads."""
    least = document_of()["signs"]
    ordered = messages.sort("conversation_id", "position").with_columns(
        gap=(pl.col("at") - pl.col("at").shift(1).over("conversation_id")).dt.total_seconds()
    )
    first = ordered.filter(pl.col("side") == "agent").unique(
        "conversation_id", keep="first", maintain_order=True
    )
    counted = first.group_by(text=pl.col("content").str.strip_chars()).agg(
        records=pl.len().cast(pl.Int64), days=pl.col("at").dt.date().n_unique().cast(pl.Int64), gap=pl.col("gap").median()
    )  # fmt: skip
    often = counted.filter(pl.col("records") >= least["answers"]).sort(
        ["records", "text"], descending=[True, False]
    )
    for number, (text, records, days, gap) in enumerate(often.iter_rows(), 1):
        is_fast = gap is None or gap <= least["answer_seconds"]
        reason = "the same first answer in many chats" + (
            ", faster than a person reads" if is_fast else ": a saved answer or an automatic one"
        )
        yield _sign(
            "chat answer", f"answer {number}", records, days, reason, STRONG if is_fast else WEAK, text
        )


def _sign(
    kind: str, sign: str, records: int, days: int | None, reason: str, strength: str, text: str | None = None
) -> dict[str, Any]:
    return {
        "kind": kind, "sign": sign, "records": records, "days": days, "reason": reason, "strength": strength, "text": text,
    }  # fmt: skip


def _word_of(name: str) -> str:
    folded = f" {_folded(name)} "
    return next((word for word in document_of()["signs"]["words"] if f" {word} " in folded), "")


def _listed_in(words: str, told: list[tuple[str, str]], *, is_text: bool) -> str:
    """The first automation whose words name *words*; for a text, the one that has most of its long words."""
    folded = _folded(words)
    if not is_text:
        return next((name for name, text in told if folded and f" {folded} " in f" {text} "), "")
    wanted = {word for word in folded.split() if len(word) >= _SIGNIFICANT}
    for name, text in told:
        if wanted and len(wanted & set(text.split())) / len(wanted) > _MOST:
            return name
    return ""


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
