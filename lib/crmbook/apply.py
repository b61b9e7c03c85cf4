"""The approved plan, carried out: the only code that writes records to a target.

In: the plan of 05_load and the hash a person approved. Out: the target holds the records, the ledger every
write with its outcome. Whatever stops it, starting it again continues where the ledger stopped. Invariant:
only the plan whose hash was approved is ever applied, and a run's ledger belongs to one plan and one target.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from crmbook import delta_load, plan_folders, plan_spool, runs, tables, target
from crmbook.apply_bulk import Bulk
from crmbook.apply_bulk_jobs import Jobs
from crmbook.apply_existing import Wholes, before_images, existing
from crmbook.apply_places import places
from crmbook.apply_work import Work
from crmbook.apply_writes import Single, Strategy
from crmbook.errors import UpstreamError, UsageError
from crmbook.ledger import Ledger
from crmbook.phases import bulk_values, load, operations, refusals, strategies
from crmbook.phases import edition as editions
from crmbook.phases.capabilities import fingerprint
from crmbook.phases.history_tables import MODULES, History
from crmbook.phases.narrow import Frame
from crmbook.runs import Run
from crmbook.settle import Finder, patience_s
from crmbook.vendors.freshsales import Freshsales

# as long as we wait for an answer, so long the vendor may still work on a request whose sender died
WORKED_ON_S: Final = 60.0
_PARTS: Final = {
    ("company", "create"): "accounts", ("company", "update"): "accounts",
    ("contact", "create"): "contacts", ("contact", "update"): "contacts",
    ("lead", "create"): "leads", ("lead", "update"): "leads",
    ("deal", "create"): "deals", ("deal", "update"): "deals",
    ("deal", "close"): "closing dates", ("contact", "lifecycle"): "lifecycle stages", ("list", "add"): "list members",
    ("list", "remove"): "list members",
} | {
    (entity, action): module.replace("_", " ")
    for entity, module in MODULES.items() for action in ("create", "update")
}  # fmt: skip
_FRAMES: Final = (
    "sales_accounts", "contacts", "deals", "stages", "owners", "target_fields", "target_owners", "target_stages",
    "target_statuses", "target_currencies", "target_activity_types", "capabilities",
)  # fmt: skip


def history_of(run: Run) -> History:
    """The tables of 04 that hang on contacts, companies and deals."""
    return History(**dict(zip(History.names(), run.frames(*History.names()), strict=True)))


def history_ids_of(run: Run) -> History:
    """As `history_of`, without what the rows say: their ids, kinds and whose members."""
    keys = pl.col(r"^(source_id|kind|list_key|contact_id)$")
    return History(**{name: run.scan(name).select(keys).collect() for name in History.names()})


def plan_of(run: Run, client: Freshsales) -> pl.LazyFrame:
    """
    The plan of this run by `seq`, saved as `plan` with `existing` beside it.

    A plan that was approved or begun in an earlier start of the phase is taken over, never made anew, as
    long as it was made of the same tables.

    Raises:
        UpstreamError: writing began and the tables, or the plan itself, are no longer those it began with.
    """
    # Opened, they are among the run's inputs, and those tell whether an earlier plan was made of the same.
    for name in (*_FRAMES, *History.names()):
        run.scan(name)
    begun = _begun(run)
    folder = _folder_with(run, begun)
    if folder:
        for name in ("existing", "before_images", *delta_load.TABLES):
            path = folder / f"{name}.parquet"
            run.save(name, pl.read_parquet(path) if path.exists() else tables.of(name).empty())
        plan_spool.take_over(run, folder / "plan.parquet")
    else:
        wholes: Wholes = {}
        seen = delta_load.Seen(run)
        found = existing(run, client, history_of(run), wholes=wholes, look=seen.add)
        parts = _parts(run, run.save("existing", found))
        if seen.base is None:
            delta_load.save_none(run)
            with plan_spool.Spool(run, parts) as spool:
                run.save("before_images", before_images(spool.keys, wholes))
                spool.save()
        else:
            planned = delta_load.reduced(run, client, operations.numbered(parts), seen, seen.base)
            operations.require_unique(planned)
            run.save_all(before_images=before_images(planned, wholes), plan=planned)
    runs.write_json(run.path_of("plan").with_name(plan_folders.INPUTS), _read_for_plan(run), mode=0o600)
    return run.scan("plan")


def _parts(run: Run, found: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The writes as they are made; with the last one everything they were made of is gone."""
    yield from load.parts(
        **dict(zip(_FRAMES, run.frames(*_FRAMES), strict=True)), existing=found, admin_email=run.customer.admin_email,
        history=lambda: history_of(run), edition=editions.of(run.target.edition),
    )  # fmt: skip


def apply(
    run: Run,
    client: Freshsales,
    plan: Frame,
    *,
    confirm: str,
    patience: float | None = None,
    retry_rejected: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    between: Callable[[], None] = lambda: None,
) -> None:
    """
    Every write of *plan* (`tables.PLAN` by `seq`) that is not done yet, in order; nothing when all are.

    *patience* (seconds) is how long a record of unknown fate is looked for, by default as the tenant's index
    delay was measured; *sleep* waits for bulk jobs. *retry_rejected* sends once more what was refused.
    *between* is called after every batch; what it raises stops the load there.

    Raises:
        UsageError: *confirm* is not the plan's hash, or another process is loading this run.
        AuthError, RateLimited, Unavailable: the target stopped answering; run again to continue.
    """
    work, digest = Work(plan), load.plan_hash(plan)
    if digest != confirm:
        raise UsageError(f"plan {digest[:12]} is not the approved plan {confirm[:12]}; approve it first")
    with Ledger(run.ledger_path) as ledger, ledger.writing():
        ledger.bind(plan_hash=digest, target_host=target.host(run))
        run.record.change_phase(run.phase, begun=digest)
        waits_s = patience_s(capabilities(run)) if patience is None else patience
        again = ledger.reopen(work.op_ids()) if retry_rejected else set()
        late_s = WORKED_ON_S if patience is None else patience
        strategy = _strategy(
            run, client, ledger, (waits_s, ledger.under_way_until(late_s)), sleep, frozenset(again)
        )
        writes = _carry_out(run, client, work.without(ledger.finished()), strategy, ledger, between)
        run.log("load finished", writes=writes, rejected=ledger.rejected().height)


def capabilities(run: Run) -> dict[str, str]:
    """What the tenant was measured to do, by name."""
    return dict(run.read("capabilities").select("capability", "value").iter_rows())


def files(run: Run) -> Path | None:
    """The folder of attachments, relative to the customer's folder; None where the customer names none."""
    folder = run.customer.source.files
    return run.customer_folder / Path(folder).expanduser() if folder else None


def outcomes(run: Run, plan: pl.DataFrame) -> pl.DataFrame:
    """OUTCOMES: what became of each write of *plan*; `pending` are those that did not happen yet."""
    with Ledger(run.ledger_path) as ledger:
        told, known = ledger.outcomes(), ledger.finished()
    rest = (
        plan.join(known.to_frame(), on="op_id", how="anti")
        .group_by("entity", "action")
        .agg(writes=pl.len().cast(pl.Int64))
        .select("entity", "action", outcome=pl.lit("pending"), writes="writes")
    )
    return tables.conform(pl.concat([told.filter(pl.col("outcome") != "pending"), rest]), tables.OUTCOMES)


def crosswalk(run: Run) -> pl.DataFrame:
    """CROSSWALK: which record of the target each source record became."""
    with Ledger(run.ledger_path) as ledger:
        return ledger.crosswalk()


def rejected(run: Run) -> pl.DataFrame:
    """The load's writes the vendor refused, with its own sentences: op_id, entity, action, source_id, messages."""
    with Ledger(run.ledger_path) as ledger:
        return ledger.rejected().filter(pl.col("action") != "owner")


def failed_keys(run: Run) -> pl.DataFrame:
    """FAILED_KEYS: the writes the vendor refused, by kind of reason."""
    return refusals.failed_keys(rejected(run))


def calls_used(run: Run) -> dict[str, int]:
    """Calls made for the load so far by entity, over all its starts."""
    if not run.ledger_path.exists():
        return {}
    with Ledger(run.ledger_path) as ledger:
        return ledger.spent()


def spend(run: Run, entity: str, calls: int) -> None:
    """*calls* more that the load made, beside its writes, for *entity*."""
    with Ledger(run.ledger_path) as ledger:
        ledger.spend(entity, calls)


def _carry_out(
    run: Run,
    client: Freshsales,
    work: Work,
    strategy: Strategy,
    ledger: Ledger,
    between: Callable[[], None],
) -> int:
    """How many writes the plan has, once all are done or refused."""
    pending = {write.op_id: write for write in ledger.pending()}
    totals: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for entity, action, writes, left in work.counts().iter_rows():
        totals[_PARTS[entity, action]] += writes
        done[_PARTS[entity, action]] += writes - left
    run.log("load started", writes=totals.total(), finished=done.total(), pending=len(pending))
    for batch in strategy.batches(work):
        with _counted(client, ledger, batch[0].entity):
            strategy.write(batch, pending)
        for op in batch:
            part = _PARTS[op.entity, op.action]
            done[part] += 1
            run.progress(part, done[part], totals[part])
        between()
    return totals.total()


@contextmanager
def _counted(client: Freshsales, ledger: Ledger, entity: str) -> Iterator[None]:
    before = client.client.calls
    try:
        yield
    finally:
        ledger.spend(entity, client.client.calls - before)


def _strategy(
    run: Run,
    client: Freshsales,
    ledger: Ledger,
    waits_s: tuple[float, float],
    sleep: Callable[[float], None],
    reopened: frozenset[str],
) -> Strategy:
    lists = run.read("existing").filter(pl.col("module") == "lists", pl.col("original_id").is_null())
    foreign = frozenset(lists["target_id"])
    patient, hasty = (
        places(client, Finder(client, patience_s=s, until=until), files=files(run), foreign_lists=foreign)
        for s, until in (waits_s, (0.0, 0.0))
    )
    known, fields = capabilities(run), run.read("target_fields")
    single = Single(client, ledger, patient)
    return Bulk(
        client, ledger, patient, strategies.ways(known, fields), single=single,
        hasty=Single(client, ledger, hasty, target_ids=single.target_ids),
        translations=bulk_values.translations(fields, known), jobs=Jobs(client, measured_s=strategies.job_s(known), sleep=sleep), reopened=reopened,
    )  # fmt: skip


def _begun(run: Run) -> str | None:
    """
    The hash of the plan this run's ledger was started with, None before the first write.

    Raises:
        UpstreamError: writing began, and the ledger that knows what was written is gone.
    """
    known = None
    if run.ledger_path.exists():
        with Ledger(run.ledger_path) as ledger:
            known = ledger.meta("plan_hash")
    if known is None and run.record.phase(run.phase).get("begun"):
        raise UpstreamError(
            f"{run.run_id}/{run.ledger_path.name}: gone, although writing began; make it anew from the target with"
            f" crmbook run {run.customer.key} --env {run.env} --run {run.run_id} --rebuild-ledger"
        )
    return known


def _folder_with(run: Run, begun: str | None) -> Path | None:
    """The data folder of an earlier start whose plan still counts, None where a plan has to be made."""
    for folder in plan_folders.folders_with_plan(run):
        digest = load.plan_hash(pl.scan_parquet(folder / "plan.parquet"))
        if begun is None and not run.record.approved("plan", digest):
            continue
        if begun not in (None, digest):
            continue
        if plan_folders.inputs(folder) == _read_for_plan(run):
            return folder
        if begun:
            raise UpstreamError(
                f"{run.run_id}: writing began with other tables than 02 to 04 hold now; start a new run to load those"
            )
    if begun:
        raise UpstreamError(
            f"{run.run_id}: the plan that was begun ({begun[:12]}) is no longer in 05_load; restore its folder"
        )
    return None


def _read_for_plan(run: Run) -> dict[str, str]:
    read = {key: sha for key, sha in run.inputs.items() if Path(key).stem in (*_FRAMES, *History.names())}
    # Measured anew with the same result, a plan that was begun still counts.
    measured = next((key for key in read if Path(key).stem == "capabilities"), None)
    return read | ({measured: fingerprint(run.read("capabilities"))} if measured else {})
