"""04 as sentences: the run's tables in, records and history shaped for the target out.

Records first, because history hangs on the ones that are left; then history, whose values too long for a field
take some losses back. What the target has (activity types, lists) is read from 03.
"""

from dataclasses import replace
from typing import Final

import polars as pl

from crmbook import lineage
from crmbook.phases import edition as editions
from crmbook.phases import engagement, exclusions, history, jsonfields, normalization, parents
from crmbook.phases.narrow import only
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


def sources(run: Run, mapping: pl.DataFrame) -> dict[str, pl.LazyFrame]:
    """The source tables by entity (contact, company, deal) with the parts of JSON properties *mapping* asks for."""
    return {
        entity: jsonfields.extended(run.scan(f"source_{name}"), mapping, entity)
        for entity, name in _RECORDS.items()
    }


def normalize(run: Run) -> pl.DataFrame:
    """Every table of 04, saved; returns the balance."""
    decisions = decided(run)
    theirs = run.read("existing_lists").filter(pl.col("source_id").is_null())
    shaped = records(run, decisions)
    run.save("exclusions_obeyed", obeyed(decisions, shaped))
    left = what_history_needs(run, decisions, shaped)
    told = ("rejects", "changes", "loss")
    run.save_all(**{name: frame for name, frame in vars(shaped).items() if name not in told})
    # A large account's records have no room beside its history.
    del shaped
    types = run.read("target_activity_types").get_column("internal_name").unique().to_list()
    run.save_all(**vars(past(run, decisions, left, types=types, lists=theirs.get_column("name").to_list())))
    return run.read("balance")


def records(run: Run, decisions: normalization.Decisions) -> normalization.Normalized:
    """Contacts, companies and deals under *decisions*, as the run's edition can hold them; nothing saved."""
    activities = run.scan("source_activities").select("activity_type_id", "contact_id").collect()
    emails = run.scan("source_emails").select("contact_id", "sent_at", "opened_at", "clicked_at").collect()
    engaged = engagement.engagement(activities, run.read("source_activity_types"), emails)
    shaped = normalization.normalize(
        sources(run, decisions.mapping), decisions, engagement=engaged, standing=_standing(run)
    )
    edition = editions.of(run.target.edition)
    return replace(shaped, **edition.fitted(contacts=shaped.contacts, links=shaped.links, loss=shaped.loss))


def obeyed(decisions: normalization.Decisions, shaped: normalization.Normalized) -> pl.DataFrame:
    """`exclusions_obeyed`: whether each exclusion held."""
    return exclusions.obeyed(
        decisions.exclusions, excluded=shaped.excluded, contacts=shaped.contacts, merges=shaped.merges
    )


def what_history_needs(
    run: Run, decisions: normalization.Decisions, shaped: normalization.Normalized
) -> history.Records:
    """What became of the records, as far as history asks; it does not keep *shaped* alive."""
    told = sources(run, decisions.mapping)
    ids = {entity: only(frame, "source_id") for entity, frame in told.items()}
    fates = parents.fates(ids, merges=shaped.merges, rejects=shaped.rejects, excluded=shaped.excluded)
    return history.Records(
        told, fates, shaped.rejects, changes=shaped.changes, loss=shaped.loss,
        unlisted=editions.of(run.target.edition).unlisted(shaped.contacts),
    )  # fmt: skip


def past(
    run: Run,
    decisions: normalization.Decisions,
    left: history.Records,
    *,
    types: list[str] | None,
    lists: list[str],
) -> history.History:
    """
    The history that hangs on what is *left* of the records; nothing saved.

    *types* are the internal names of the target's activity types (None where nobody looked), *lists* the names of
    its own contact lists.
    """
    return history.carry(_source(run), _plans(run, decisions, types, lists), left)


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
