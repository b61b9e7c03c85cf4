"""02 as sentences: the run's tables in, the plans with a person's decisions in them, the files to edit written again.

What a person decided is never overwritten; everything else is proposed afresh on every run. A change in the source
opens again what was decided on other evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from crmbook import decision_files, decisions, exclusion_file, losses, map_history, proposing, tables
from crmbook.phases import (
    carriers,
    choice_map,
    decision_rows,
    events,
    exclusions,
    jsonfields,
    listing,
    map_diff,
    mapping,
    marks,
    planning,
    reopening,
    structure,
    tagging,
)
from crmbook.phases.narrow import only
from crmbook.phases.people import PLACEHOLDER_TAG
from crmbook.phases.standard_map import MODULES
from crmbook.runs import Run


@dataclass(frozen=True)
class _Sources:
    """The tables of 01 that decisions are made from; those of a large account's records are read column by column."""

    fields: pl.DataFrame
    source_stages: pl.DataFrame
    agents: pl.DataFrame
    source_activity_types: pl.DataFrame
    lists: pl.DataFrame
    segments: pl.DataFrame
    segment_members: pl.DataFrame
    records: Mapping[str, pl.LazyFrame]

    def with_parts(self, decided: pl.DataFrame) -> "_Sources":
        """The same with the parts of JSON properties that *decided* carries."""
        return replace(
            self,
            records={
                entity: jsonfields.extended(frame, decided, entity) for entity, frame in self.records.items()
            },
        )


_RECORDS: Final = {"contact": "source_contacts", "company": "source_companies", "deal": "source_deals"}


def _sources(run: Run) -> _Sources:
    names = [name for name in _Sources.__annotations__ if name != "records"]
    return _Sources(
        **dict(zip(names, run.frames(*names), strict=True)),
        records={entity: run.scan(table) for entity, table in _RECORDS.items()},
    )


def decide(run: Run) -> pl.DataFrame:
    """
    Every table of 02, saved: the mapping with a person's decisions in it, and what follows from it; returns the mapping.
    """
    sources = _sources(run)
    exclusion_file.take(run, only(sources.records["contact"], "source_id"))
    found = decision_files.latest(run)
    before = found.decisions
    asked, judged = proposing.proposed(run, sources.fields)
    decided = _fields(run, sources, found, judged.mapping)
    stages = structure.stages(
        sources.source_stages, only(sources.records["deal"], "pipeline_id", "stage_id", "status")
    )
    of_owners = (sources.records["contact"], sources.records["deal"], run.scan("source_activities"))
    owners = structure.owners(sources.agents, *(only(frame, "assigned_to") for frame in of_owners))
    sources = sources.with_parts(decided)
    records = sources.records
    choices = mapping.choices(
        decided, contacts=records["contact"], companies=records["company"], deals=records["deal"]
    )
    fields = mapping.custom_fields(decided, sources.fields, jsonfields.choices(records, decided))
    plans, used = _history(run, sources, decided, fields)
    proposed = _rows(sources, decided, stages, owners, choices, plans)
    if before:
        stages = structure.stages_with_decisions(stages, before.stages)
        owners = structure.owners_with_decisions(owners, before.owners)
        choices = choice_map.with_decisions(choices, before.choices)
        fields = choice_map.applied(fields, decided, choices)
        plans = planning.with_decisions(plans, before.history, fields)
    rows = _rows(sources, decided, stages, owners, choices, plans, before)
    evidence = reopening.of_fields(sources.fields) | _evidence(proposed)
    is_field = pl.col("entity").is_in(list(MODULES))
    rows = pl.concat(
        [
            rows.filter(is_field),
            reopening.rows_opened(rows.filter(~is_field), then=found.evidence_of(evidence), now=evidence),
        ]
    )
    proposing.save(
        run, sources.fields, asked, judged,
        stages=stages, owners=owners, choices=choices, types=plans.activity_types,
    )  # fmt: skip
    run.save_all(
        mapping=decided,
        stages=stages,
        owners=owners,
        custom_fields=pl.concat([fields, tagging.custom_fields(plans.tag_plan, used)]),
        choices=choices,
        unmapped=(left := mapping.unmapped(decided, sources.fields)),
        mapping_coverage=mapping.coverage(decided, sources.fields, left),
        decision_rows=rows,
        **vars(plans),
    )
    decision_files.write(run, rows, evidence, found)
    _tell(run, found, rows)
    return run.read("mapping")


def offer_mapping(run: Run) -> None:
    """The mapping put up for approval under the hash of everything in it that changes what is written."""
    decided, stages, owners, choices, rows = run.frames(
        "mapping", "stages", "owners", "choices", "decision_rows"
    )
    names = list(planning.Plans.__annotations__)
    plans = planning.Plans(**dict(zip(names, run.frames(*names), strict=True)))
    carried = decided.filter(pl.col("decision") != "skip").height
    still = rows.filter(marks.is_open())
    summary = (
        f"{carried} of {decided.height} fields mapped, {stages.height} stages, {owners.height} owners,"
        f" {plans.activity_types.height} activity types, {plans.event_types.height} events, {plans.list_plan.height} lists;"
        f" {losses.headline(run)}"
    )
    left_out = run.read("exclusions")
    summary += f"; {left_out.height:,} contacts left out by decision" if left_out.height else ""
    summary += f"; {still.height} rows are open" if still.height else ""
    effective = plans.effective() | {
        "choices": choice_map.changed(choices),
        "exclusions": exclusions.effective(left_out),
        # What a person has to decide anew is another map than the one where it was decided.
        "reopened": rows.filter(marks.is_reopened()).select("entity", "source_field", "note"),
    }
    digest = mapping.effective_hash(decided, stages, owners, effective)
    run.offer("mapping", digest, summary)


def compare_maps(run: Run) -> None:
    """`mapping_changes` since the map approved last; the map on offer is kept with its hash and what is open in it."""
    offer = run.record.get()["offers"]["mapping"]
    rows = run.read("decision_rows")
    past = [kept for kept in map_history.approved(run.customer.key) if kept.digest != offer["hash"]]
    changes = map_diff.changes(past[-1].rows(), rows) if past else tables.MAPPING_CHANGES.empty()
    run.save("mapping_changes", changes)
    map_history.keep(run, offer["hash"], offer["summary"], rows, decision_files.told(run))
    decision_files.write_workbook(run, rows)


def open_rows(run: Run) -> pl.DataFrame:
    """The rows still undecided, most records first, without values: entity, field (of fields only), confidence, note, records."""
    name = (
        pl.when(pl.col("entity").is_in(list(MODULES)))
        .then("source_field")
        .otherwise(pl.lit("(see mapping.xlsx)"))
    )
    still = (
        run.read("decision_rows")
        .filter(marks.is_open())
        .sort("records", descending=True, maintain_order=True)
    )
    return still.select(
        "entity", source_field=name, confidence="confidence", reason="reason", note="note", records="records"
    )


def _fields(run: Run, sources: _Sources, found: decision_files.Found, proposed: pl.DataFrame) -> pl.DataFrame:
    """The mapping with a person's decisions in it, opened again where the source no longer is what it was."""
    if not found.decisions:
        return proposed
    asked = jsonfields.requested(found.decisions.mapping, sources.fields)
    proposed = pl.concat([proposed, asked])
    decided = mapping.with_decisions(proposed, found.decisions.mapping)
    now = reopening.of_fields(sources.fields)
    approved = map_history.approved(run.customer.key)
    return reopening.fields_opened(
        decided, proposed, then=found.evidence_of(now), now=now,
        approved=approved[-1].rows() if approved else tables.DECISION_ROWS.empty(),
    )  # fmt: skip


def _rows(
    sources: _Sources,
    decided: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    choices: pl.DataFrame,
    plans: planning.Plans,
    before: decisions.Decisions | None = None,
) -> pl.DataFrame:
    return decision_rows.rows(
        mapping=decided, stages=stages, owners=owners, choices=choices, history=planning.rows(plans),
        fields=sources.fields, before=before.kept if before else {},
    )  # fmt: skip


def _evidence(proposed: pl.DataFrame) -> dict[reopening.Key, str]:
    """What decisions beside fields and choices rest on: a choice is its own evidence."""
    return reopening.of_rows(proposed.filter(~pl.col("entity").is_in([*MODULES, choice_map.ENTITY])))


def _tell(run: Run, found: decision_files.Found, rows: pl.DataFrame) -> None:
    """Where the decisions come from, in the notebook and the log."""
    print(found.told)
    run.log("decisions", source=found.told)
    for entity, field in found.deleted(rows):
        name = f" {field}" if entity in MODULES else ""
        print(f"a row of {entity}{name} was deleted there: it is back as a proposal")


def _history(
    run: Run,
    sources: _Sources,
    decided: pl.DataFrame,
    fields: pl.DataFrame,
) -> tuple[planning.Plans, pl.DataFrame]:
    """What carries the history and the tags, as proposed, and every tag that is used."""
    placeholder = PLACEHOLDER_TAG if run.policy.contact_without_email == "placeholder" else None
    records = sources.records
    used = tagging.used(
        contacts=only(records["contact"], "source_id", "email", "tags"),
        companies=only(records["company"], "source_id", "name", "tags"),
        deals=only(records["deal"], "source_id", "tags"),
        placeholder=placeholder,
    )
    is_left = (pl.col("source_field") == "tags") & (pl.col("decision") == "skip")
    left = frozenset(MODULES[entity] for entity in decided.filter(is_left)["entity"])
    members = listing.members(only(records["contact"], "source_id", "list_ids"), sources.segment_members)
    plans = planning.Plans(
        activity_types=carriers.plan(
            sources.source_activity_types,
            only(run.scan("source_activities"), "activity_type_id"),
            only(run.scan("source_emails"), *carriers.MARKS.values()),
        ),
        event_types=events.plan(only(run.scan("source_events"), "name", "contact_id", "data")),
        tag_plan=tagging.plan(used, policy=run.policy.tags, left=left, taken=fields),
        list_plan=listing.plan(sources.lists, sources.segments, members),
    )
    return plans, used
