"""02 as sentences: the run's tables in, the plans with a person's decisions in them, decisions.csv written again.

What a person decided is never overwritten; everything else is proposed afresh on every run.
"""

from dataclasses import dataclass, replace

import polars as pl

from crmbook import decisions, losses
from crmbook.phases import carriers, events, jsonfields, listing, mapping, planning, structure, tagging
from crmbook.phases.people import PLACEHOLDER_TAG
from crmbook.phases.standard_map import MODULES
from crmbook.runs import Run


@dataclass(frozen=True)
class _Sources:
    """The tables of 01 that decisions are made from."""

    fields: pl.DataFrame
    source_contacts: pl.DataFrame
    source_companies: pl.DataFrame
    source_deals: pl.DataFrame
    source_stages: pl.DataFrame
    agents: pl.DataFrame
    source_activity_types: pl.DataFrame
    source_activities: pl.DataFrame
    source_emails: pl.DataFrame
    source_events: pl.DataFrame
    lists: pl.DataFrame
    segments: pl.DataFrame
    segment_members: pl.DataFrame

    def with_parts(self, decided: pl.DataFrame) -> "_Sources":
        """The same with the parts of JSON properties that *decided* carries."""
        return replace(
            self,
            source_contacts=jsonfields.extended(self.source_contacts, decided, "contact"),
            source_companies=jsonfields.extended(self.source_companies, decided, "company"),
            source_deals=jsonfields.extended(self.source_deals, decided, "deal"),
        )


def decide(run: Run) -> pl.DataFrame:
    """
    Every table of 02, saved: the mapping with a person's decisions in it, and what follows from it; returns the mapping.
    """
    names = list(_Sources.__annotations__)
    sources = _Sources(**dict(zip(names, run.frames(*names), strict=True)))
    path = run.phase_folder / decisions.NAME
    before = decisions.read(path)
    decided = mapping.propose(sources.fields)
    stages = structure.stages(sources.source_stages, sources.source_deals)
    owners = structure.owners(
        sources.agents, sources.source_contacts, sources.source_deals, sources.source_activities
    )
    if before:
        asked = jsonfields.requested(before.mapping, sources.fields)
        decided = mapping.with_decisions(pl.concat([decided, asked]), before.mapping)
        stages = structure.stages_with_decisions(stages, before.stages)
        owners = structure.owners_with_decisions(owners, before.owners)
    sources = sources.with_parts(decided)
    frames = {
        "contact": sources.source_contacts, "company": sources.source_companies, "deal": sources.source_deals,
    }  # fmt: skip
    fields = mapping.custom_fields(decided, sources.fields, jsonfields.choices(frames, decided))
    plans, tag_fields = _history(run, sources, decided, fields, before)
    decisions.write(
        path, mapping=decided, stages=stages, owners=owners, history=planning.rows(plans), before=before
    )
    run.save_all(
        mapping=decided,
        stages=stages,
        owners=owners,
        custom_fields=pl.concat([fields, tag_fields]),
        choices=mapping.choices(
            decided, contacts=frames["contact"], companies=frames["company"], deals=frames["deal"]
        ),
        unmapped=(left := mapping.unmapped(decided, sources.fields)),
        mapping_coverage=mapping.coverage(decided, sources.fields, left),
        **vars(plans),
    )
    return run.read("mapping")


def offer_mapping(run: Run) -> None:
    """The mapping put up for approval under the hash of everything in it that changes what is written."""
    decided, stages, owners = run.frames("mapping", "stages", "owners")
    names = list(planning.Plans.__annotations__)
    plans = planning.Plans(**dict(zip(names, run.frames(*names), strict=True)))
    carried = decided.filter(pl.col("decision") != "skip").height
    summary = (
        f"{carried} of {decided.height} fields mapped, {stages.height} stages, {owners.height} owners,"
        f" {plans.activity_types.height} activity types, {plans.event_types.height} events, {plans.list_plan.height} lists;"
        f" {losses.headline(run)}"
    )
    run.offer("mapping", mapping.effective_hash(decided, stages, owners, plans.effective()), summary)


def _history(
    run: Run,
    sources: _Sources,
    decided: pl.DataFrame,
    fields: pl.DataFrame,
    before: decisions.Decisions | None,
) -> tuple[planning.Plans, pl.DataFrame]:
    """What carries the history and the tags, and the custom fields the tags need."""
    placeholder = PLACEHOLDER_TAG if run.policy.contact_without_email == "placeholder" else None
    used = tagging.used(
        contacts=sources.source_contacts,
        companies=sources.source_companies,
        deals=sources.source_deals,
        placeholder=placeholder,
    )
    is_left = (pl.col("source_field") == "tags") & (pl.col("decision") == "skip")
    left = frozenset(MODULES[entity] for entity in decided.filter(is_left)["entity"])
    members = listing.members(sources.source_contacts, sources.segment_members)
    plans = planning.Plans(
        activity_types=carriers.plan(
            sources.source_activity_types, sources.source_activities, sources.source_emails
        ),
        event_types=events.plan(sources.source_events),
        tag_plan=tagging.plan(used, policy=run.policy.tags, left=left, taken=fields),
        list_plan=listing.plan(sources.lists, sources.segments, members),
    )
    if before:
        plans = planning.with_decisions(plans, before.history, fields)
    return plans, tagging.custom_fields(plans.tag_plan, used)
