"""07 as sentences: the findings, decisions and inventories of the run in, the customer's tables and pages out."""

import polars as pl

from crmbook import csvfiles, handoff_page, handoff_read, history_checks, plan_limits, readback
from crmbook.phases import automation_signs, handoff, hypercare, mailings, moved, rebuilding
from crmbook.phases import edition as editions
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run
from crmbook.vendors import plans

_FINDINGS = (
    "classes", "target_only", "link_classes", "differences", "history_classes", "history_target_only", "member_classes",
    "history_differences", "instants", "actual_documents",
)  # fmt: skip
_MOVED = (
    "classes", "history_classes", "inventory", "mapping", "stages", "tags", "tag_plan", "list_plan", "source_deals",
)  # fmt: skip
_LEFT = ("owner_queue", "rejects", "carried", "loss", "list_plan", "foreign_records", "source_rejects")
_SOURCE = {
    "tags": "tags", "lists": "lists", "contacts": "source_contacts", "companies": "source_companies", "deals": "source_deals",
    "events": "source_events", "emails": "source_emails", "activities": "source_activities",
    "activity_types": "source_activity_types", "messages": "source_messages",
}  # fmt: skip
_SHOWN = (
    "automations", "automation_check", "automation_signs", "rebuild_guide", "rebuild_limits", "segment_guide", "mailings",
    "hypercare",
)  # fmt: skip


def hand_over(run: Run, ids: TargetIds) -> None:
    """Every table of 07, and what a person opens of them."""
    listed = run.save("automations", handoff.automations(handoff_read.automations(run)))
    count = run.save("automation_check", handoff.automation_check(listed, run.customer.active_automations))
    segments = run.save(
        "segment_guide",
        handoff.segment_guide(*run.frames("segments", "segment_members", "target_lists", "member_classes")),
    )
    signs = _rebuild(run, listed)
    actual = tuple(f"actual_{module}" for module in editions.of(run.target.edition).modules.values())
    findings = handoff.Findings(**_frames(run, _FINDINGS))
    items = handoff.open_items(
        findings=findings, automations=listed, automation_check=count, segments=segments, signs=signs,
        **_frames(run, _LEFT),
    )  # fmt: skip
    run.save_all(
        moved=moved.moved(
            **_frames(run, _MOVED), chain=run.read("history_chain"), standing=history_checks.standing(run),
            found_stages=ids.stages, owners=ids.owners, actual=readback.by_entity(_frames(run, actual)),
        ),
        open_items=items, hypercare=hypercare.hypercare(_work(run, items), _commands(run)),
    )  # fmt: skip
    _write(run)


def _rebuild(run: Run, listed: pl.DataFrame) -> pl.DataFrame:
    """What is built anew: the guide of the automations, the signs of further ones, the mails; returns the signs."""
    limits = plan_limits.features(plans.plan(run.target.plan))
    guide = run.save("rebuild_guide", rebuilding.rebuild_guide(listed, limits))
    campaigns = run.read("raw_campaigns") if run.has("raw_campaigns") else None
    run.save_all(
        rebuild_limits=rebuilding.rebuild_limits(guide, limits),
        mailings=mailings.mailings(campaigns, run.read("source_emails")),
    )
    source = automation_signs.Source(**{name: run.read(table) for name, table in _SOURCE.items()})
    return run.save("automation_signs", automation_signs.automation_signs(listed, source))


def _work(run: Run, items: pl.DataFrame) -> hypercare.Work:
    queue, listed, signs = run.frames("owner_queue", "automations", "automation_signs")
    return hypercare.Work(
        owners=int(queue.select((pl.col("contacts") + pl.col("deals")).sum()).item() or 0),
        automations=listed.filter("is_active").height, segments=run.read("segment_guide").height,
        mailings=run.read("mailings").height, sheet=run.read("spot_check").height, items=items.height,
        signs=signs.filter(~pl.col("is_explained")).height,
    )  # fmt: skip


def _commands(run: Run) -> dict[str, str]:
    key, env, number = run.customer.key, run.env, run.run_id
    return {
        "drift": f"crmbook run {key} --env {env} --run {number} --only 06_reconciliation",
        "delta": f"crmbook run {key} --env {env} --delta",
        "reassign": f"crmbook reassign {key} --run {number}",
        "rollback": f"crmbook rollback {key} --run {number}",
        "pack": f"crmbook pack {key} --run {number}",
    }


def _write(run: Run) -> None:
    """The admin's page and lists; what may be personal only under data/."""
    frames = _frames(run, _SHOWN)
    run.write(
        handoff_page.NAME,
        handoff_page.page(
            frames, customer=run.customer.name, run_id=run.run_id, env=run.env, plan=run.target.plan
        ),
    )
    for name, place in (
        ("rebuild_guide", ""), ("segment_guide", ""), ("hypercare", ""), ("automation_signs", "data/"), ("mailings", "data/"),
    ):  # fmt: skip
        frame = frames[name]
        run.write(f"{place}{name}.csv", csvfiles.text(frame.columns, frame.iter_rows(named=True)))


def _frames(run: Run, names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    return dict(zip(names, run.frames(*names), strict=True))
