"""The rollback of a run as sentences: what can be taken back, and the taking back once a person said yes.

In: the run's ledger and plan, and its target as it stands now. Out: the tables of `rollback`, the target without what
the run wrote, and in the ledger what became of each record. Whatever stops it, starting it again goes on.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl

from crmbook import runs, target, target_lock, undo_written
from crmbook.apply_places import places
from crmbook.errors import Waiting
from crmbook.phases import edits, restoring, rollback
from crmbook.phases.edition import MODULES
from crmbook.phases.restoring import Written
from crmbook.runs import Run
from crmbook.settle import Finder, patience_s
from crmbook.undo_ledger import Act, UndoLedger
from crmbook.undo_read import Found, Reader
from crmbook.undo_writes import Undo, encoder
from crmbook.vendors.freshsales import Freshsales


@dataclass(frozen=True)
class Planned:
    """ROLLBACK_PLAN with what it was made of, as it stood at that moment."""

    plan: pl.DataFrame
    found: Found
    written: list[Written]


def plan(
    run: Run, *, is_confirmed: bool = False, forget: bool = False, patience: float | None = None
) -> Planned:
    """
    What there is to do about every record of the run; ROLLBACK_PLAN and ROLLBACK_CALLS, saved.

    Reads the target and changes nothing there. Once *is_confirmed* the run counts as rolled back, and a write of
    unknown fate that is not found (*patience* in seconds, as for a load) is never sent again.

    Raises:
        UsageError: another process is writing this run, or its target is another one now.
        UpstreamError: the plan the run began with is gone.
    """
    with _opened(run) as (client, ledger):
        calls_before = client.client.calls
        sent = undo_written.bodies(run, ledger)
        if is_confirmed:
            # From here on the run can't be continued: what is not found now is never sent again.
            run.record.change(rollback={"state": "begun", "forget": forget, "at": runs.now()})
        waits_s = patience_s(_capabilities(run)) if patience is None else patience
        there = places(
            client, Finder(client, patience_s=waits_s), files=None, foreign_lists=_foreign_lists(run)
        )
        if undo_written.settle(client, ledger, there, sent, closes=is_confirmed):
            sent = undo_written.bodies(run, ledger)
        written, done = undo_written.written(ledger, sent), _done(ledger)
        found = Reader(client, written, done, run.progress).read()
        calls = client.client.calls - calls_before
        done |= _settled(ledger, written, found)
    made = rollback.plan(_standing(written, found, done, _computed(run)), _references(found))
    quota = target.limits(run.target).get("hour")
    cost = rollback.calls(made, reading=calls, pages=found.pages, forget=forget, requests_per_hour=quota)
    run.save_all(rollback_plan=made, rollback_calls=cost)
    return Planned(run.read("rollback_plan"), found, written)


def carry_out(run: Run, planned: Planned, *, is_confirmed: bool, forget: bool) -> pl.DataFrame:
    """
    *planned* carried out; ROLLBACK_OUTCOMES, saved.

    Raises:
        Waiting: nobody confirmed it; nothing was changed.
        AuthError, RateLimited, Unavailable: the target stopped answering; run again to continue.
    """
    if not is_confirmed:
        command = (
            f"crmbook rollback {run.customer.key} --run {run.run_id} --yes{' --forget' if forget else ''}"
        )
        raise Waiting(
            f"the rollback of {run.run_id} waits for a yes: {rollback.headline(planned.plan)}", command
        )
    with _opened(run) as (client, ledger):
        Undo(
            client,
            ledger,
            written={one.name: one for one in planned.written},
            present=planned.found.records,
            members=planned.found.members,
            encode=encoder(run.read("target_fields"), _capabilities(run)),
            progress=run.progress,
        ).carry_out(planned.plan, forget=forget)
        undone = ledger.undone()
    outcomes = run.save("rollback_outcomes", rollback.outcomes(planned.plan, undone))
    run.log("rollback carried out", **{name: int(outcomes[name].sum()) for name in outcomes.columns[1:]})
    return outcomes


def finished(run: Run, outcomes: pl.DataFrame, *, forget: bool) -> dict[str, int]:
    """Records by what became of them; the run is marked as rolled back, unless some were refused and may be tried again."""
    numbers = {
        name: int(outcomes[name].sum()) for name in outcomes.columns if name not in ("entity", "unaccounted")
    }
    if not numbers["refused"]:
        run.record.change(rollback={"state": "done", "forget": forget, "at": runs.now()})
    return numbers


@contextmanager
def _opened(run: Run) -> Iterator[tuple[Freshsales, UndoLedger]]:
    """The target and the run's ledger, for one process at a time."""
    with (
        target_lock.held(run), closing(target.connect(run)) as client, UndoLedger(run.ledger_path) as ledger,
        ledger.writing(),
    ):  # fmt: skip
        ledger.bind(target_host=target.host(run))
        yield client, ledger


def _done(ledger: UndoLedger) -> set[str]:
    """What an earlier start took back, by name; lists stand there still."""
    done = ledger.undone().filter(pl.col("state") == "done")
    return {f"{entity}:{source_id}" for entity, source_id in done.select("entity", "source_id").iter_rows()}


def _settled(ledger: UndoLedger, written: list[Written], found: Found) -> set[str]:
    """Acts an earlier start announced and did not see the end of, as far as the target shows that they happened."""
    announced = {
        f"{entity}:{source_id}": action
        for entity, source_id, action in ledger.undone()
        .filter(pl.col("state") == "intent")
        .select("entity", "source_id", "action")
        .iter_rows()
    }
    happened = []
    for one in written:
        action, record = announced.get(one.name), found.records.get(one.entity, {}).get(one.target_id)
        is_deleted = action == "delete" and record is None
        is_restored = action == "restore" and record and not restoring.restoration(one, record).keys
        if is_deleted or is_restored:
            happened.append(Act(one.entity, one.source_id, one.target_id, str(action)))
    ledger.close_acts(happened, "done")
    return {f"{act.entity}:{act.source_id}" for act in happened}


def _standing(
    written: list[Written], found: Found, done: set[str], computed: Mapping[str, list[str]]
) -> pl.DataFrame:
    there = {one.name: found.records.get(one.entity, {}).get(one.target_id) for one in written}
    made: dict[str, list[tuple[Written, Mapping[str, Any]]]] = {}
    for one in written:
        if one.origin == "created" and (record := there[one.name]):
            made.setdefault(one.entity, []).append((one, record))
    presets = {entity: edits.presets(entity, pairs) for entity, pairs in made.items()}
    rows = []
    for one in written:
        record = there[one.name]
        changed, restores = _judged(one, record, presets, computed)
        rows.append(
            {
                "entity": one.entity, "source_id": one.source_id, "target_id": one.target_id, "origin": one.origin,
                "is_there": record is not None or one.entity in rollback.FILES, "is_done": one.name in done,
                "changed": changed, "restores": restores,
                "members": len(found.members.get(one.target_id, set()) & set(one.sent.get("ids") or [])),
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=rollback.STANDING)


def _judged(
    one: Written,
    record: Mapping[str, Any] | None,
    presets: Mapping[str, Mapping[str, str]],
    computed: Mapping[str, list[str]],
) -> tuple[list[str], list[str]]:
    """The keys somebody changed, and those that can be put back."""
    if record is None:
        return [], []
    if one.origin != "created":
        back = restoring.restoration(one, record)
        return back.stays, back.keys
    more = edits.added(one, record, presets[one.entity], computed.get(one.entity, []))
    return sorted({*restoring.changed(one, record), *more}), []


def _computed(run: Run) -> dict[str, list[str]]:
    """Custom fields nobody writes, by entity."""
    fields = run.read("target_fields").filter(pl.col("field_type").is_in(edits.COMPUTED))
    return {entity: fields.filter(module=module)["api_name"].to_list() for entity, module in MODULES.items()}


def _references(found: Found) -> pl.DataFrame:
    return pl.DataFrame(found.references, schema=rollback.REFERENCES, orient="row")


def _capabilities(run: Run) -> dict[str, str]:
    return dict(run.read("capabilities").select("capability", "value").iter_rows())


def _foreign_lists(run: Run) -> frozenset[int]:
    """Lists that stood there before the load, from whichever start of it looked."""
    found: set[int] = set()
    for path in run.folder.glob("05_load*/data/existing.parquet"):
        lists = pl.scan_parquet(path).filter(pl.col("module") == "lists", pl.col("original_id").is_null())
        found |= set(lists.collect()["target_id"])
    return frozenset(found)
