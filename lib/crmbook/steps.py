"""The wiring of a notebook's longer sentences: tables of the run in, the phases' functions, tables saved.

Nothing is decided here. Each function reads what its phase needs from the run, hands it to pure functions and
saves what they return, so that a notebook cell stays one sentence and its logic stays testable.
"""

from collections.abc import Mapping
from contextlib import closing

import polars as pl

from crmbook import (
    checklist_page,
    deciding,
    delta_check,
    earlier,
    field_creation,
    flows,
    handing_over,
    history_checks,
    loading,
    normalizing,
    probe,
    proposing,
    quote_rules,
    readback,
    readback_history,
    scope_run,
    spot_sheet,
    target,
    target_lock,
    workspace_read,
)
from crmbook import cutover as cutting_over
from crmbook.errors import Waiting
from crmbook.ledger import Ledger
from crmbook.phases import (
    compare,
    discovery,
    link_check,
    reassigning,
    reconciliation,
    workspace,
)
from crmbook.phases import edition as editions
from crmbook.phases.digests import sha256_of_csv
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run
from crmbook.stored import Stored

CHECKLIST = "checklist.csv"

decide = deciding.decide
offer_mapping = deciding.offer_mapping
model_remark = proposing.model_remark
compare_maps = deciding.compare_maps
open_rows = deciding.open_rows
normalize = normalizing.normalize
plan = loading.plan
carry_out = loading.carry_out
flow = flows.flow
lost_links = flows.lost_links
keep_rules = quote_rules.keep
scope = scope_run.scope


def discover(run: Run) -> None:
    """`fields` and `billing` of what was read."""
    contacts, companies, deals, attributes = run.frames(
        "source_contacts", "source_companies", "source_deals", "attributes"
    )
    run.save_all(
        fields=discovery.fields(contacts, companies, deals, attributes), billing=discovery.billing(contacts)
    )


def inspect_workspace(run: Run) -> pl.DataFrame:
    """What the tenant has, and the checklist of what the mapping needs of it; returns the checklist."""
    custom_fields, stages, owners, deals, types = run.frames(
        "custom_fields", "stages", "owners", "source_deals", "activity_types"
    )
    needed = workspace.needs(
        custom_fields=editions.of(run.target.edition).by_module(custom_fields), stages=stages, owners=owners,
        currencies=deals.get_column("currency").unique().to_list(), admin_email=run.customer.admin_email,
        activity_types=types,
    )  # fmt: skip
    with closing(target.connect(run)) as client:

        def looked() -> pl.DataFrame:
            found = workspace_read.read(client)
            run.save_all(**found)
            settings = {name: frame for name, frame in found.items() if name != "target_statuses"}
            checked = workspace.check(needed, policy=run.policy, **settings)
            return field_creation.proven(client, checked)

        checklist = looked()
        if run.policy.custom_fields == "api":
            with target_lock.held(run):
                checklist = field_creation.create(run, client, checklist, looked)
        run.save("existing_lists", workspace_read.lists(client, earlier.crosswalk(run)))
    workspace_read.write_checklist(run.phase_folder / CHECKLIST, checklist)
    checklist_page.write(
        run.phase_folder / checklist_page.NAME, checklist, customer=run.customer.name, env=run.env
    )
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
    with target_lock.held(run), closing(target.connect(run)) as client:
        return run.save("capabilities", probe.measure(client, run.read("target_fields")))


def read_back(run: Run) -> Mapping[str, pl.DataFrame]:
    """What the target tells as `actual_*` tables, saved; accounts, contacts and deals by entity."""
    with closing(target.connect(run)) as client:
        noted = readback_history.Noted(client)
        found = readback.records(run, noted)
        history = history_checks.read_back(run, client, noted.places)
    run.save_all(**found, **history, reassigned=_reassigned(run))
    return readback.told(run, list(found))


def _reassigned(run: Run) -> pl.DataFrame:
    """Which agents' records `crmbook reassign` handed over by now: 03 could not know their users yet."""
    with Ledger(run.ledger_path) as ledger:
        given = ledger.owners_given()
    return reassigning.given({entity: run.read(table) for entity, table in reassigning.OWNED.items()}, given)


def reconcile(run: Run, actual: Mapping[str, pl.DataFrame]) -> None:
    """Every table of 06: classes, links, fields and their balances."""
    kept, ids = delta_check.Kept(run), delta_check.tenant_ids(run)
    _reconcile_records(run, actual, kept, ids)
    history_checks.reconcile(run, ids, kept)
    flows.follow(run)
    kept.save()


def _reconcile_records(
    run: Run, actual: Mapping[str, pl.DataFrame], kept: delta_check.Kept, ids: TargetIds
) -> None:
    read = Stored(run, {name: name for name in _RECONCILED})
    normalized = editions.of(run.target.edition).records(
        **{name: read[name] for name in ("sales_accounts", "contacts", "deals", "existing")}
    )
    ids_of = [run.scan(name).select("source_id").collect() for name in _SOURCES]
    sources = reconciliation.by_entity(*ids_of)
    classes = reconciliation.classes(
        sources=sources, normalized=normalized, actual=actual, rejects=read["rejects"], excluded=read["excluded"],
        merges=read["merges"], crosswalk=read["crosswalk"], existing=read["existing"], refused=kept.refused,
    )  # fmt: skip
    classes = kept.records(classes)
    strange = reconciliation.target_only(existing=read["existing"], classes=classes, actual=actual)
    compared = compare.compare(
        normalized=normalized, actual=actual, classes=classes, crosswalk=read["crosswalk"], ids=ids
    )
    compared = kept.fields(compared, normalized, ids)
    links = link_check.link_classes(
        links=read["links"],
        people=normalized,
        classes=classes,
        crosswalk=read["crosswalk"],
        actual=actual,
        ids=ids,
    )
    links = kept.links(links)
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
    )
    spot_sheet.choose(run, read, compared.differences)


_SOURCES = ("source_companies", "source_contacts", "source_deals")
_RECONCILED = (
    *_SOURCES, "sales_accounts", "contacts", "deals", "rejects", "excluded",
    "merges", "links", "crosswalk", "existing", "mapping",
)  # fmt: skip


def _extracted(run: Run) -> dict[str, int]:
    """Records in the extract, counted from the raw answers where nothing was sampled."""
    names = {"company": "companies", "contact": "contacts", "deal": "deals"}
    prefix = "source_" if run.sample else "raw_"
    return {
        entity: run.scan(f"{prefix}{name}").select(pl.len()).collect().item()
        for entity, name in names.items()
    }


def offer_reconciliation(run: Run) -> None:
    """The reconciliation put up for sign-off under the hash of its result."""
    digest = sha256_of_csv(run.read(name) for name in _SIGNED)
    balances = run.frames("class_balance", "history_class_balance")
    differing = run.read("differences").height + run.read("history_differences").height
    loaded = sum(int(balance["loaded"].sum()) for balance in balances)
    problems = sum(
        int(balance[c].sum()) for balance in balances for c in ("missing", "duplicated", "unexpected")
    )
    late = int(run.read("instant_balance")["different"].sum())
    kept = run.read("kept").height
    run.offer(
        "reconciliation",
        digest,
        f"{loaded:,} records loaded, {problems} problems, {differing} field differences, {late} other instants"
        + (f", {kept} kept by the target" if kept else ""),
    )


_SIGNED = (
    "class_balance", "link_balance", "field_fidelity", "classes", "link_classes", "differences",
    "history_class_balance", "history_chain", "history_fidelity", "history_classes", "member_classes",
    "history_differences", "instants", "kept",
)  # fmt: skip


def hand_over(run: Run) -> None:
    """Every table of 07."""
    handing_over.hand_over(run, delta_check.tenant_ids(run))


def cutover(run: Run) -> None:
    """Whether the customer may switch over, as a sentence."""
    print(cutting_over.of(run).sentence)
