"""05 as sentences: the plan with what it takes, and the plan carried out once it is approved."""

from contextlib import closing

import polars as pl

from crmbook import apply, delta_load, lineage, plan_limits, target
from crmbook.phases import documents, load
from crmbook.runs import Run
from crmbook.vendors import plans


def plan(run: Run) -> pl.DataFrame:
    """
    The plan of this run with its coverage, forecast and storage, saved; the approved one where there is one.

    Raises UpstreamError where the documents don't fit the target's plan.
    """
    history = apply.history_of(run)
    users = run.read("target_owners").filter("is_active").height
    room = plan_limits.storage(plans.plan(run.target.plan), users)
    documents.require(run.save("storage", documents.storage(history.documents, room)))
    with closing(target.connect(run)) as client:
        planned = apply.plan_of(run, client)
    accounts, contacts, deals = run.frames("sales_accounts", "contacts", "deals")
    quotas = {
        p.name: p.requests_per_hour
        for p in plans.load().values()
        if p.edition == run.target.edition and p.requests_per_hour
    }
    run.save_all(
        coverage=load.coverage(
            planned,
            sales_accounts=accounts,
            contacts=contacts,
            deals=deals,
            history=history,
            untouched=run.read("untouched"),
        ),
        forecast=load.forecast(planned, quotas),
    )
    return planned


def carry_out(run: Run, planned: pl.DataFrame) -> pl.DataFrame:
    """
    The plan applied, once its hash is approved; returns `outcomes`. Waiting until it is.

    A delta run that has nothing to write has nothing to approve.
    """
    digest = load.plan_hash(planned)
    is_due = planned.height or not lineage.base_of(run)
    if is_due:
        digest = run.require_approval("plan", digest, load.headline(planned))["hash"]
    delta_load.inherit(run)
    with closing(target.connect(run)) as client:
        apply.apply(run, client, planned, confirm=digest)
    if lineage.base_of(run):
        lineage.told(run, writes=planned.height, conflicts=run.read("conflicts").height)
    run.save("crosswalk", apply.crosswalk(run))
    return run.save("outcomes", apply.outcomes(run, planned))
