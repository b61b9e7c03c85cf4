"""04 as sentences: the run's tables in, records and history shaped for the target out.

Records first, because history hangs on the ones that are left; then history, whose values too long for a field
take some losses back. What the target has (activity types, lists) is read from 03.
"""

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from crmbook import lineage
from crmbook.phases import edition as editions
from crmbook.phases import engagement, exclusions, history, jsonfields, normalization
from crmbook.runs import Run

_DECIDED: Final = ("mapping", "custom_fields", "choices", "stages", "owners", "tag_plan", "exclusions")
_RECORDS: Final = {"contact": "contacts", "company": "companies", "deal": "deals"}


def decided(run: Run) -> normalization.Decisions:
    """The decisions of 02, the customer's policy and what 03 measured, as normalization reads them."""
    known = dict(run.read("capabilities").select("capability", "value").iter_rows())
    return planned(run, account_name_unique=known.get("account_name_unique") != "false")


def planned(run: Run, *, account_name_unique: bool) -> normalization.Decisions:
    """The decisions of 02 and the customer's policy; *account_name_unique* is what the target does, or is taken to do."""
    maps = dict(zip(_DECIDED, run.frames(*_DECIDED), strict=True))
    return normalization.Decisions(
        **maps, policy=run.policy, time_zone=run.customer.time_zone, account_name_unique=account_name_unique
    )


@dataclass(frozen=True)
class Made:
    """Everything 04 makes: the sources with extracted parts, by entity, and its tables by name."""

    sources: dict[str, pl.DataFrame]
    tables: dict[str, pl.DataFrame]


def normalize(run: Run) -> pl.DataFrame:
    """Every table of 04, saved; returns the balance."""
    theirs = run.read("existing_lists").filter(pl.col("source_id").is_null())
    run.save_all(
        **made(
            run,
            decided(run),
            types=run.read("target_activity_types").get_column("internal_name").unique().to_list(),
            lists=theirs.get_column("name").to_list(),
        ).tables
    )
    return run.read("balance")


def made(run: Run, decisions: normalization.Decisions, *, types: list[str] | None, lists: list[str]) -> Made:
    """
    The tables of 04 under *decisions*, nothing saved.

    *types* are the internal names of the target's activity types (None where nobody looked), *lists* the names of
    its own contact lists.
    """
    sources = {
        entity: jsonfields.extended(run.read(f"source_{name}"), decisions.mapping, entity)
        for entity, name in _RECORDS.items()
    }
    source = _source(run)
    engaged = engagement.engagement(source.activities, run.read("source_activity_types"), source.emails)
    shaped = normalization.normalize(
        contacts=sources["contact"], companies=sources["company"], deals=sources["deal"], engagement=engaged,
        standing=_standing(run), **vars(decisions),
    )  # fmt: skip
    edition = editions.of(run.target.edition)
    shaped = replace(shaped, **edition.fitted(contacts=shaped.contacts, links=shaped.links, loss=shaped.loss))
    records = history.Records(
        sources, shaped.merges, shaped.rejects, shaped.excluded, changes=shaped.changes, loss=shaped.loss,
        unlisted=edition.unlisted(shaped.contacts),
    )  # fmt: skip
    told = history.carry(source, _plans(run, decisions, types, lists), records)
    obeyed = exclusions.obeyed(
        decisions.exclusions, excluded=shaped.excluded, contacts=shaped.contacts, merges=shaped.merges
    )
    return Made(sources, {**vars(shaped), **vars(told), "exclusions_obeyed": obeyed})


def _standing(run: Run) -> dict[str, pl.DataFrame]:
    """In a delta run the contacts and companies that stand in the target, as the run before had them."""
    base = lineage.base_of(run)
    if base is None:
        return {}
    there = base.standing()
    return {
        entity: base.read(table).join(
            there.filter(pl.col("entity").is_in(places)), on="source_id", how="semi"
        )
        for entity, table, places in (
            ("company", "sales_accounts", ["company"]),
            ("contact", "contacts", ["contact", "lead"]),
        )
    }


def _source(run: Run) -> history.Source:
    return history.Source(
        activities=run.read("source_activities"),
        emails=run.read("source_emails"),
        events=run.read("source_events"),
        conversations=run.read("source_conversations"),
        messages=run.read("source_messages"),
        segment_members=run.read("segment_members"),
        files=run.read("source_files"),
    )


def _plans(
    run: Run, decisions: normalization.Decisions, types: list[str] | None, lists: list[str]
) -> history.Plans:
    return history.Plans(
        mapping=decisions.mapping,
        owners=decisions.owners,
        activity_types=run.read("activity_types"),
        event_types=run.read("event_types"),
        list_plan=run.read("list_plan"),
        types_in_target=types,
        lists_in_target=lists,
    )
