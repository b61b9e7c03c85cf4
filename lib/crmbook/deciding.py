"""02 as sentences: the run's tables in, the plans with a person's decisions in them, decisions.csv written again.

What a person decided is never overwritten; everything else is proposed afresh on every run.
"""

import json
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from crmbook import ai, decisions, known_tenant, runs
from crmbook.phases import (
    carriers,
    events,
    jsonfields,
    listing,
    mapping,
    planning,
    proposal_model,
    proposal_values,
    proposals,
    structure,
    tagging,
)
from crmbook.phases.people import PLACEHOLDER_TAG
from crmbook.phases.standard_map import MODULES
from crmbook.runs import Run

MODEL: Final = "model.json"


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
    asked_model, judged = _proposed(run, sources.fields)
    decided = judged.mapping
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
    choices = mapping.choices(
        decided, contacts=frames["contact"], companies=frames["company"], deals=frames["deal"]
    )
    runs.write_json(run.phase_folder / MODEL, {"remark": asked_model.remark, "refused": judged.refused})
    _save_proposals(
        run, sources.fields, judged, stages=stages, owners=owners, choices=choices, types=plans.activity_types
    )
    run.save_all(
        mapping=decided,
        stages=stages,
        owners=owners,
        custom_fields=pl.concat([fields, tag_fields]),
        choices=choices,
        unmapped=(left := mapping.unmapped(decided, sources.fields)),
        mapping_coverage=mapping.coverage(decided, sources.fields, left),
        **vars(plans),
    )
    return run.read("mapping")


def model_remark(run: Run) -> None:
    """What came of asking the model, on the page."""
    told = json.loads((run.phase_folder / MODEL).read_text(encoding="utf-8"))
    print(told["remark"])
    for why, count in told["refused"].items():
        print(f"  {count} suggestions refused: {why}")


def _proposed(run: Run, fields: pl.DataFrame) -> tuple[ai.Asked, proposal_model.Judged]:
    """The offline proposals, and what of the model's suggestions may stand beside or in them."""
    offline = mapping.propose(fields)
    asked = ai.ask(run, fields, offline)
    known = known_tenant.table(run, "target_fields")
    return asked, proposal_model.judged(offline, fields, asked.suggestions, known)


def _save_proposals(
    run: Run,
    fields: pl.DataFrame,
    judged: proposal_model.Judged,
    *,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    choices: pl.DataFrame,
    types: pl.DataFrame,
) -> None:
    """What everything may become beside what is decided: the tables a person chooses from."""
    known = known_tenant.table(run, "target_fields")
    of_fields = proposals.of_fields(fields, judged.mapping, known)
    parts = [
        proposal_model.with_offers(of_fields, judged.offers),
        proposals.of_stages(stages, known_tenant.table(run, "target_stages")),
        proposals.of_activity_types(types),
    ]
    run.save_all(
        proposals=pl.concat(parts),
        choice_proposals=proposal_values.of_choices(choices, judged.mapping, known),
        owner_proposals=proposal_values.of_owners(owners, known_tenant.table(run, "target_owners")),
    )


def offer_mapping(run: Run) -> None:
    """The mapping put up for approval under the hash of everything in it that changes what is written."""
    decided, stages, owners = run.frames("mapping", "stages", "owners")
    names = list(planning.Plans.__annotations__)
    plans = planning.Plans(**dict(zip(names, run.frames(*names), strict=True)))
    carried = decided.filter(pl.col("decision") != "skip").height
    summary = (
        f"{carried} of {decided.height} fields mapped, {stages.height} stages, {owners.height} owners,"
        f" {plans.activity_types.height} activity types, {plans.event_types.height} events, {plans.list_plan.height} lists"
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
