"""Static lists and segments as contact lists with the same members, and what their names become.

In: lists, segments and who is in them. Out: the plan of 02 and, for 04, lists and surviving members. The target
has one kind of list, whose names may not differ by case alone (live test is missing; the stricter reading), so
a segment named like a list gets ` (segment)`, whatever is still the same a number.
"""

from collections.abc import Collection
from typing import Final

import polars as pl

from crmbook import clean, tables
from crmbook.phases import parents
from crmbook.phases.edition import NO_LISTS

ENTITY: Final = "membership"
NAME_LIMIT: Final = clean.STANDARD_LENGTH


def members(contacts: pl.DataFrame, segment_members: pl.DataFrame) -> pl.DataFrame:
    """Every membership of the source once: `list_key`, `contact_id`."""
    lists = (
        contacts.lazy()
        .select(list_id="list_ids", contact_id="source_id")
        .explode("list_id")
        .drop_nulls("list_id")
        .select(list_key=pl.lit("list:") + pl.col("list_id"), contact_id="contact_id")
    )
    segments = segment_members.lazy().select(
        list_key=pl.lit("segment:") + pl.col("segment_id"), contact_id="contact_id"
    )
    return pl.concat([lists, segments]).unique(maintain_order=True).collect()


def plan(lists: pl.DataFrame, segments: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Every list and segment and the name it gets, as `tables.LIST_PLAN`; a list only its members name too."""
    rows = pl.concat(
        [
            lists.select(kind=pl.lit("list"), id="list_id", name="name"),
            segments.select(kind=pl.lit("segment"), id="segment_id", name="name"),
        ]
    ).with_columns(list_key=pl.concat_str("kind", "id", separator=":"))
    counted = members.group_by("list_key").agg(members=pl.len().cast(pl.Int64))
    joined = rows.join(counted, on="list_key", how="full", coalesce=True).with_columns(
        kind=pl.col("list_key").str.extract("^([^:]*):"), members=pl.col("members").fill_null(0)
    )
    whole = pl.col("name").str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
    unnamed = pl.col("list_key").str.replace(":", " ", literal=True).str.to_titlecase()
    named = joined.with_columns(
        name=pl.col("name").fill_null(""), target_name=pl.coalesce(whole, unnamed).str.head(NAME_LIMIT - 20)
    )
    return _conformed(_told_apart(named, frozenset()))


def with_decisions(planned: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
    """*planned* with the names a person gave, or blank for skip; names still the same are told apart again."""
    given = pl.when(pl.col("decision") == "skip").then(pl.lit("")).otherwise("target_field")
    theirs = edited.select(list_key="source_field", given=given)
    joined = planned.join(theirs, on="list_key", how="left", maintain_order="left")
    named = joined.with_columns(target_name=pl.coalesce("given", "target_name"))
    return _conformed(_told_apart(named, frozenset()))


def target_lists(planned: pl.DataFrame, existing: Collection[str]) -> pl.DataFrame:
    """The lists to make, as `tables.LISTS_TARGET`, under names that none of the *existing* lists has."""
    kept = planned.filter(pl.col("target_name") != "")
    made = _told_apart(kept, frozenset(existing))
    return tables.conform(made.select(source_id="list_key", name="target_name"), tables.LISTS_TARGET)


def listable(fate: pl.DataFrame, unlisted: pl.Series) -> pl.DataFrame:
    """The *fate* of contacts as members of a list: those who live on as one of *unlisted* have no place in it."""
    is_out = pl.col("kept_id").is_in(unlisted.implode())
    return fate.with_columns(
        kept_id=pl.when(~is_out).then("kept_id"),
        reason=pl.when(is_out).then(pl.lit(NO_LISTS)).otherwise("reason"),
    )


def kept(
    members: pl.DataFrame, planned: pl.DataFrame, fate: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    The surviving members (`tables.LIST_MEMBERS`), and an account of every membership (`tables.CARRIED`).

    *fate* says as whom each contact lives on in lists (`listable`).
    """
    skipped = (
        planned.lazy().filter(pl.col("target_name") == "").select("list_key", is_left=pl.lit(value=True))
    )
    people = fate.lazy().select(contact_id="source_id", kept_id="kept_id", why="reason")
    rows = (
        members.lazy()
        .join(people, on="contact_id", how="left", maintain_order="left")
        .join(skipped, on="list_key", how="left", maintain_order="left")
        .with_columns(is_kept=pl.col("kept_id").is_not_null() & pl.col("is_left").is_null())
        .collect()
    )
    there = rows.filter("is_kept").select("list_key", contact_id="kept_id").unique()
    state = pl.when("is_left").then(pl.lit("skipped")).when("is_kept").then(pl.lit("carried"))
    why = pl.when("is_left").then(pl.lit("by decision")).when("is_kept").then(pl.lit(""))
    account = rows.lazy().select(
        entity=pl.lit(ENTITY),
        source_id=pl.concat_str("list_key", "contact_id", separator=":"),
        carrier_module=pl.when("is_kept").then(pl.lit("list_members")),
        carrier_id=pl.when("is_kept").then(pl.concat_str("list_key", "kept_id", separator=":")),
        state=state.otherwise(pl.lit("rejected")),
        reason=why.otherwise(pl.col("why").fill_null("contact not in the source")),
    )
    return tables.conform(there, tables.LIST_MEMBERS), parents.carried([account])


def _conformed(rows: pl.DataFrame) -> pl.DataFrame:
    is_renamed = (pl.col("target_name") != pl.col("name")) & (pl.col("target_name") != "")
    made = rows.with_columns(is_renamed=is_renamed)
    return tables.conform(made.select(list(tables.LIST_PLAN.columns)), tables.LIST_PLAN)


def _told_apart(rows: pl.DataFrame, existing: frozenset[str]) -> pl.DataFrame:
    """*rows* whose `target_name`s differ by more than case; lists, and whoever has the lower id, keep theirs."""
    taken = {name.strip().casefold() for name in existing}
    names: dict[str, str] = {}
    number = pl.col("list_key").str.extract(r"(\d+)$").cast(pl.Int64, strict=False)
    for key, kind, name in (
        rows.sort("kind", number, "list_key").select("list_key", "kind", "target_name").iter_rows()
    ):
        candidates = [name, *([f"{name} (segment)"] if kind == "segment" else [])]
        numbered = (f"{candidates[-1]} ({n})" for n in range(2, len(rows) + len(taken) + 3))
        free = next((c for c in (*candidates, *numbered) if c.casefold() not in taken), name)
        names[key] = free if name else ""
        taken.add(names[key].casefold())
    return rows.with_columns(
        target_name=pl.col("list_key").replace_strict(names, return_dtype=pl.String)
        if names
        else pl.col("target_name")
    )
