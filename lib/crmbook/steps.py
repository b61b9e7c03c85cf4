"""The wiring of a notebook's longer sentences: tables of the run in, the phases' functions, tables saved.

Nothing is decided here. Each function reads what its phase needs from the run, hands it to pure functions and
saves what they return, so that a notebook cell stays one sentence and its logic stays testable.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import polars as pl

from crmbook import (
    apply,
    decisions,
    figures,
    handoff_read,
    plan_limits,
    probe,
    readback,
    target,
    workspace_read,
)
from crmbook.errors import Waiting
from crmbook.phases import (
    compare,
    discovery,
    handoff,
    link_check,
    load,
    mapping,
    normalization,
    reconciliation,
    scoping,
    spot_check,
    structure,
    target_ids,
    workspace,
)
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run
from crmbook.vendors import plans

CHECKLIST = "checklist.csv"


def scope(run: Run) -> pl.DataFrame:
    """`plan_check` and `estimate` of the customer's target plan, saved; returns the estimate."""
    inventory, fields, billing, stages, agents, deals = run.frames(
        "inventory", "fields", "billing", "source_stages", "agents", "source_deals"
    )
    plan = plans.plan(run.target.plan)
    limits = plan_limits.of(plan)
    run.save(
        "plan_check", scoping.plan_check(fields, stages=stages, agents=agents, deals=deals, limits=limits)
    )
    quota = run.target.requests_per_hour or plan.requests_per_hour
    estimate = scoping.estimate(
        inventory, fields=fields, billing=billing, stages=stages, deals=deals, requests_per_hour=quota
    )
    return run.save("estimate", estimate)


def discover(run: Run) -> None:
    """`fields` and `billing` of what was read."""
    contacts, companies, deals, attributes = run.frames(
        "source_contacts", "source_companies", "source_deals", "attributes"
    )
    run.save_all(
        fields=discovery.fields(contacts, companies, deals, attributes), billing=discovery.billing(contacts)
    )


def decide(run: Run) -> pl.DataFrame:
    """
    The mapping with a person's decisions in it, written to decisions.csv again, and the tables that follow from it.

    What a person decided in decisions.csv is never overwritten; everything else is proposed afresh.
    """
    fields, contacts, companies, deals, source_stages, agents, types = run.frames(
        "fields", "source_contacts", "source_companies", "source_deals", "source_stages", "agents",
        "source_activity_types",
    )  # fmt: skip
    path = run.phase_folder / decisions.NAME
    before = decisions.read(path)
    decided = mapping.propose(fields)
    stages = structure.stages(source_stages, deals)
    owners = structure.owners(agents, contacts, deals)
    if before:
        decided = mapping.with_decisions(decided, before.mapping)
        stages = structure.stages_with_decisions(stages, before.stages)
        owners = structure.owners_with_decisions(owners, before.owners)
    decisions.write(path, mapping=decided, stages=stages, owners=owners, before=before)
    run.save_all(
        mapping=decided,
        stages=stages,
        owners=owners,
        custom_fields=mapping.custom_fields(decided, fields),
        choices=mapping.choices(decided, contacts=contacts, companies=companies, deals=deals),
        activity_types=structure.activity_types(types),
        unmapped=(left := mapping.unmapped(decided, fields)),
        mapping_coverage=mapping.coverage(decided, fields, left),
    )
    return run.read("mapping")


def offer_mapping(run: Run) -> None:
    """The mapping put up for approval under the hash of everything in it that changes what is written."""
    decided, stages, owners = run.frames("mapping", "stages", "owners")
    carried = decided.filter(pl.col("decision") != "skip").height
    summary = f"{carried} of {decided.height} fields mapped, {stages.height} stages, {owners.height} owners"
    run.offer("mapping", mapping.effective_hash(decided, stages, owners), summary)


def inspect_workspace(run: Run) -> pl.DataFrame:
    """What the tenant has, and the checklist of what the mapping needs of it; returns the checklist."""
    custom_fields, stages, owners, deals = run.frames("custom_fields", "stages", "owners", "source_deals")
    with closing(target.connect(run)) as client:
        found = workspace_read.read(client)
    run.save_all(**found)
    needed = workspace.needs(
        custom_fields=custom_fields, stages=stages, owners=owners,
        currencies=deals.get_column("currency").unique().to_list(), admin_email=run.customer.admin_email,
    )  # fmt: skip
    settings = {name: frame for name, frame in found.items() if name != "target_statuses"}
    checklist = workspace.check(needed, policy=run.policy, **settings)
    workspace_read.write_checklist(run.phase_folder / CHECKLIST, checklist)
    run.save("readiness", workspace.readiness(checklist))
    return run.save("checklist", checklist)


def require_readiness(run: Run, checklist: pl.DataFrame) -> None:
    """Waiting where something is missing that only a person can provide."""
    open_items = workspace.blocking(checklist)
    if open_items.height:
        kinds = dict(open_items.group_by("kind").len().sort("kind").iter_rows())
        said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
        raise Waiting(
            f"{open_items.height} checklist items are open in the target ({said});"
            f" see {run.run_id}/{run.phase}/{CHECKLIST}",
            f"crmbook run {run.customer.key} --env {run.env} --run {run.run_id}",
        )


def measure(run: Run) -> pl.DataFrame:
    """`capabilities`: what this tenant was seen to do, by canary records that are gone afterwards."""
    with closing(target.connect(run)) as client:
        return run.save("capabilities", probe.measure(client, run.read("target_fields")))


def decided(run: Run) -> normalization.Decisions:
    """The decisions of 02, the customer's policy and what 03 measured, as normalization reads them."""
    maps = dict(zip(_DECIDED, run.frames(*_DECIDED), strict=True))
    known = dict(run.read("capabilities").select("capability", "value").iter_rows())
    return normalization.Decisions(
        **maps,
        policy=run.policy,
        time_zone=run.customer.time_zone,
        account_name_unique=known.get("account_name_unique") != "false",
    )


_DECIDED = ("mapping", "custom_fields", "choices", "stages", "owners")


def normalize(run: Run) -> pl.DataFrame:
    """Every table of 04, saved; returns the balance."""
    contacts, companies, deals = run.frames("source_contacts", "source_companies", "source_deals")
    made = normalization.normalize(contacts=contacts, companies=companies, deals=deals, **vars(decided(run)))
    run.save_all(**vars(made))
    return run.read("balance")


def plan(run: Run) -> pl.DataFrame:
    """The plan of this run with its coverage and forecast, saved; the approved one where there is one."""
    with closing(target.connect(run)) as client:
        planned = apply.plan_of(run, client)
    accounts, contacts, deals = run.frames("sales_accounts", "contacts", "deals")
    quotas = {
        p.name: p.requests_per_hour
        for p in plans.load().values()
        if p.edition == run.target.edition and p.requests_per_hour
    }
    run.save_all(
        coverage=load.coverage(planned, sales_accounts=accounts, contacts=contacts, deals=deals),
        forecast=load.forecast(planned, quotas),
    )
    return planned


def carry_out(run: Run, planned: pl.DataFrame) -> pl.DataFrame:
    """The plan applied, once its hash is approved; returns `outcomes`. Waiting until it is."""
    digest = load.plan_hash(planned)
    approval = run.require_approval("plan", digest, load.headline(planned))
    with closing(target.connect(run)) as client:
        apply.apply(run, client, planned, confirm=approval["hash"])
    run.save("crosswalk", apply.crosswalk(run))
    return run.save("outcomes", apply.outcomes(run, planned))


def read_back(run: Run) -> dict[str, pl.DataFrame]:
    """The target's accounts, contacts and deals as `actual_*` tables, by entity."""
    with closing(target.connect(run)) as client:
        found = readback.records(run, client)
    run.save_all(**found)
    return readback.by_entity({name: run.read(name) for name in found})


def reconcile(run: Run, actual: Mapping[str, pl.DataFrame]) -> None:
    """Every table of 06: classes, links, fields and their balances."""
    read = dict(zip(_RECONCILED, run.frames(*_RECONCILED), strict=True))
    normalized = reconciliation.by_entity(read["sales_accounts"], read["contacts"], read["deals"])
    sources = reconciliation.by_entity(
        read["source_companies"], read["source_contacts"], read["source_deals"]
    )
    classes = reconciliation.classes(
        sources=sources, normalized=normalized, actual=actual, rejects=read["rejects"], excluded=read["excluded"],
        merges=read["merges"], crosswalk=read["crosswalk"], existing=read["existing"], refused=apply.rejected(run),
    )  # fmt: skip
    strange = reconciliation.target_only(existing=read["existing"], classes=classes, actual=actual)
    ids = _ids(run)
    compared = compare.compare(
        normalized=normalized, actual=actual, classes=classes, crosswalk=read["crosswalk"], ids=ids
    )
    links = link_check.link_classes(
        links=read["links"],
        contacts=read["contacts"],
        classes=classes,
        crosswalk=read["crosswalk"],
        actual=actual,
        ids=ids,
    )
    counted = link_check.source_links(read["source_contacts"], read["source_deals"])
    run.save_all(
        classes=classes,
        target_only=strange,
        differences=compared.differences,
        field_fidelity=compared.fidelity,
        link_classes=links,
        class_balance=reconciliation.class_balance(
            classes=classes, target_only=strange, extracted=_extracted(run)
        ),
        link_balance=link_check.link_balance(link_classes=links, extracted=counted),
        owner_queue=reconciliation.owner_queue(ids=ids, contacts=read["contacts"], deals=read["deals"]),
        spot_check=_sheet(run, read, classes, links, compared.differences),
    )


_RECONCILED = (
    "source_companies", "source_contacts", "source_deals", "sales_accounts", "contacts", "deals", "rejects", "excluded",
    "merges", "links", "crosswalk", "existing", "mapping",
)  # fmt: skip


def _ids(run: Run) -> TargetIds:
    names = ("owners", "stages", "target_owners", "target_stages", "target_statuses", "target_currencies")
    frames = dict(zip(names, run.frames(*names), strict=True))
    return target_ids.resolve(**frames, admin_email=run.customer.admin_email)


def _extracted(run: Run) -> dict[str, int]:
    """Records in the extract, counted from the raw answers where nothing was sampled."""
    names = {"company": "companies", "contact": "contacts", "deal": "deals"}
    prefix = "source_" if run.sample else "raw_"
    return {
        entity: run.scan(f"{prefix}{name}").select(pl.len()).collect().item()
        for entity, name in names.items()
    }


def _sheet(
    run: Run,
    read: Mapping[str, pl.DataFrame],
    classes: pl.DataFrame,
    links: pl.DataFrame,
    differences: pl.DataFrame,
) -> pl.DataFrame:
    found = spot_check.evidence(
        contacts=read["contacts"],
        deals=read["deals"],
        rejects=read["rejects"],
        merges=read["merges"],
        differences=differences,
    )
    pairs = (
        ("contact", "contacts", "contacts"),
        ("company", "companies", "sales_accounts"),
        ("deal", "deals", "deals"),
    )
    changed = [
        spot_check.changed_examples(entity, read[f"source_{source}"], read[made], read["mapping"])
        for entity, source, made in pairs
    ]
    return spot_check.spot_check(
        classes=classes, link_classes=links, evidence=pl.concat([found, *changed]),
        source_base_url=run.customer.source.base_url, target_base_url=run.target.base_url,
    )  # fmt: skip


def offer_reconciliation(run: Run) -> None:
    """The reconciliation put up for sign-off under the hash of its result."""
    import hashlib

    names = ("class_balance", "link_balance", "field_fidelity", "classes", "link_classes", "differences")
    digest = hashlib.sha256("".join(run.read(name).write_csv() for name in names).encode()).hexdigest()
    balance = run.read("class_balance")
    differing = run.read("differences").height
    loaded, problems = (
        balance["loaded"].sum(),
        sum(balance[c].sum() for c in ("missing", "duplicated", "unexpected")),
    )
    run.offer(
        "reconciliation",
        digest,
        f"{loaded:,} records loaded, {problems} problems, {differing} field differences",
    )


def hand_over(run: Run) -> None:
    """Every table of 07."""
    names = (
        "classes", "inventory", "mapping", "stages", "tags", "owner_queue", "target_only", "link_classes", "differences",
        "loss", "segments", "segment_members", "actual_contacts", "actual_sales_accounts", "actual_deals",
    )  # fmt: skip
    read: dict[str, Any] = dict(zip(names, run.frames(*names), strict=True))
    ids = _ids(run)
    listed = run.save("automations", handoff.automations(handoff_read.automations(run)))
    count = run.save("automation_check", handoff.automation_check(listed, run.customer.active_automations))
    segments = run.save("segment_guide", handoff.segment_guide(read["segments"], read["segment_members"]))
    run.save_all(
        moved=handoff.moved(
            classes=read["classes"], inventory=read["inventory"], mapping=read["mapping"], stages=read["stages"],
            found_stages=ids.stages, owners=ids.owners, tags=read["tags"], actual=readback.by_entity(read),
        ),
        open_items=handoff.open_items(
            owner_queue=read["owner_queue"], classes=read["classes"], target_only=read["target_only"],
            link_classes=read["link_classes"], differences=read["differences"], loss=read["loss"],
            automations=listed, automation_check=count, segments=segments,
        ),
    )  # fmt: skip


def flow(run: Run) -> None:
    """The picture of the whole move: per entity what was loaded, merged, left out, and lost."""
    balance = run.read("class_balance").with_columns(left_out=pl.col("excluded") + pl.col("rejected"))
    parts = {
        "loaded": "kept",
        "merged": "changed",
        "left_out": "neutral",
        "missing": "lost",
        "duplicated": "lost",
    }
    figures.stacked(balance, "entity", parts, title="From the source to the target, in records")
