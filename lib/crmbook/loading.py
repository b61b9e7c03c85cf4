"""05 as sentences: the plan with what it takes, and the plan carried out once it is approved."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import polars as pl

from crmbook import apply, delta_load, guard, lineage, plan_limits, target, watch
from crmbook.phases import capabilities, documents, forecast, load, strategies
from crmbook.runs import Run
from crmbook.vendors import plans

_RECORDS: Final = ("sales_accounts", "contacts", "deals")


def plan(run: Run) -> pl.DataFrame:
    """
    The plan of this run with its coverage, forecast and storage, saved; the approved one where there is one.

    Returned is `tables.PLAN` without the payloads, their hashes, and what each write waits for.

    Raises UpstreamError where the documents don't fit the target's plan.
    """
    users = run.read("target_owners").filter("is_active").height
    room = plan_limits.storage(plans.plan(run.target.plan), users)
    documents.require(run.save("storage", documents.storage(run.read("documents"), room)))
    with closing(target.connect(run)) as client:
        whole = apply.plan_of(run, client)
    # Payloads are most of a plan, and nothing but its writing needs all of them at once.
    planned = whole.drop("payload", "payload_sha256", "after").collect()
    known = apply.capabilities(run)
    chosen = strategies.ways(known, run.read("target_fields"))
    first = int(run.parameters.get("foreign_records_allowed", watch.ALLOWED)) + 1
    people, looks = forecast.looks(planned, chosen, first=first, every=capabilities.LOOK_EVERY)
    run.save_all(
        coverage=load.coverage(
            whole,
            **{name: run.scan(name).select("source_id").collect() for name in _RECORDS},
            history=apply.history_ids_of(run),
            untouched=run.read("untouched"),
        ),
        strategies=strategies.shown(planned, chosen),
        forecast=forecast.forecast(
            whole,
            _quotas(run),
            chosen=chosen,
            existing=run.read("existing"),
            guard_calls=capabilities.guard_calls(known, people, looks),
        ),
    )
    return planned


def carry_out(run: Run, planned: pl.DataFrame, *, retry_rejected: bool = False) -> pl.DataFrame:
    """
    The plan applied, once its hash is approved; returns `outcomes`. Waiting until it is.

    *retry_rejected* sends again what the target refused in an earlier start, and nothing that is done. A delta run that
    has nothing to write has nothing to approve.
    """
    digest, is_delta = load.plan_hash(run.scan("plan")), lineage.base_of(run) is not None
    if planned.height or not is_delta:
        digest = run.require_approval("plan", digest, load.headline(planned))["hash"]
    delta_load.inherit(run)
    with _guarded(run) as door:
        apply.apply(
            run, door.client, run.scan("plan"), confirm=digest, retry_rejected=retry_rejected,
            between=door.between,
        )  # fmt: skip
    if is_delta:
        lineage.told(run, writes=planned.height, conflicts=run.read("conflicts").height)
    run.save_all(
        failed_keys=apply.failed_keys(run),
        forecast_error=forecast.error(run.read("forecast"), apply.calls_used(run)),
        crosswalk=apply.crosswalk(run),
    )
    return run.save("outcomes", apply.outcomes(run, planned))


@contextmanager
def _guarded(run: Run) -> Iterator[guard.Door]:
    """`guard.writing`, its own calls counted as those of `guards`."""
    before = sum(apply.calls_used(run).values())
    with guard.writing(run) as door:
        yield door
    written = sum(apply.calls_used(run).values()) - before
    apply.spend(run, forecast.GUARDS, door.client.client.calls - written)


def _quotas(run: Run) -> dict[str, int]:
    """Requests an hour by plan of the target's edition, its own plan's as the customer has it."""
    published = {
        p.name: p.requests_per_hour
        for p in plans.load().values()
        if p.edition == run.target.edition and p.requests_per_hour
    }
    own = run.target.requests_per_hour
    return published | ({run.target.plan: own} if own else {})
