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
    record_checks,
    scope_run,
    target,
    target_lock,
    workspace_read,
)
from crmbook import cutover as cutting_over
from crmbook.errors import Waiting
from crmbook.ledger import Ledger
from crmbook.phases import discovery, reassigning, workspace
from crmbook.phases import edition as editions
from crmbook.phases.digests import sha256_of_csv
from crmbook.phases.narrow import Frame
from crmbook.runs import Run

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


def read_back(run: Run) -> dict[str, pl.LazyFrame]:
    """What the target tells as `actual_*` tables, saved; accounts, contacts and deals by entity, to be read."""
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


def reconcile(run: Run, actual: Mapping[str, Frame]) -> None:
    """Every table of 06 about *actual* (as `read_back`): classes, links, fields and their balances."""
    kept, ids = delta_check.Kept(run), delta_check.tenant_ids(run)
    record_checks.reconcile(run, actual, kept, ids)
    history_checks.reconcile(run, ids, kept)
    flows.follow(run)
    kept.save()


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
