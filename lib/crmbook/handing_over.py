"""07 as sentences: the findings, decisions and inventories of the run in, the customer's tables out."""

import polars as pl

from crmbook import handoff_read, history_checks, readback
from crmbook.phases import edition as editions
from crmbook.phases import handoff, moved
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run

_FINDINGS = (
    "classes", "target_only", "link_classes", "differences", "history_classes", "history_target_only", "member_classes",
    "history_differences", "instants", "actual_documents",
)  # fmt: skip
_MOVED = (
    "classes", "history_classes", "inventory", "mapping", "stages", "tags", "tag_plan", "list_plan", "source_deals",
)  # fmt: skip


def hand_over(run: Run, ids: TargetIds) -> None:
    """Every table of 07."""
    listed = run.save("automations", handoff.automations(handoff_read.automations(run)))
    count = run.save("automation_check", handoff.automation_check(listed, run.customer.active_automations))
    segments = run.save(
        "segment_guide",
        handoff.segment_guide(*run.frames("segments", "segment_members", "target_lists", "member_classes")),
    )
    actual = tuple(f"actual_{module}" for module in editions.of(run.target.edition).modules.values())
    findings = handoff.Findings(**_frames(run, _FINDINGS))
    run.save_all(
        moved=moved.moved(
            **_frames(run, _MOVED), chain=run.read("history_chain"), standing=history_checks.standing(run),
            found_stages=ids.stages, owners=ids.owners, actual=readback.by_entity(_frames(run, actual)),
        ),
        open_items=handoff.open_items(
            findings=findings, automations=listed, automation_check=count, segments=segments,
            **_frames(run, ("owner_queue", "rejects", "carried", "loss", "list_plan", "foreign_records")),
        ),
    )  # fmt: skip


def _frames(run: Run, names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    return dict(zip(names, run.frames(*names), strict=True))
