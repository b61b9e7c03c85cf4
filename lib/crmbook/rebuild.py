"""`crmbook run … --rebuild-ledger`: the ledger of a load made anew from the plan and the target, where it is lost.

In: the plan that was approved, what the target held before, and what it holds now. Out: a ledger that tells the same
story as the lost one. What a refused write would have left is missing in the target and becomes open again: the next run
looks it up and sends it. Invariant: a sound ledger is never replaced, a damaged one is set aside and never deleted.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import (
    apply_places,
    config,
    delta_load,
    lineage,
    plan_folders,
    runs,
    settle,
    target,
    target_lock,
)
from crmbook.apply_writes import Op, ops_of, resolved
from crmbook.errors import UpstreamError, UsageError
from crmbook.ledger import Intent, Ledger, Outcome
from crmbook.phases import load
from crmbook.rebuild_match import MODULES, PRIMARY, Found, Matcher
from crmbook.rebuild_target import Held
from crmbook.runs import Run
from crmbook.vendors.freshsales import Freshsales

PHASE: Final = "05_load"
_NOTE: Final = "told by the target, the ledger was made anew"
_OPEN: Final = "not shown by the target when the ledger was made anew"


def command(customer: str, env: config.Env, run_id: str, say: Callable[[str], None]) -> dict[str, Any]:
    """
    The ledger of *run_id* (default: the newest run of *env*) made anew; what was found, by entity and action.

    Raises:
        UsageError: the ledger is sound, the run was rolled back, or another run writes to this target.
        UpstreamError: nothing was ever written, or the plan is gone.
        DataError: two records of the target carry the same source id.
        ApiError: the target stopped answering; nothing was changed, run again.
    """
    run = _opened(customer, env, run_id)
    runs.refuse_rolled_back(run.record)
    with target_lock.held(run), Ledger(run.ledger_path).writing():
        if why_not := sound(run.ledger_path):
            raise UsageError(f"{run.run_id}/{run.ledger_path.name}: {why_not}; it is kept as it is")
        with closing(target.connect(run)) as client:
            counts = rebuild(run, client)
    for (entity, action, state), count in sorted(counts.items()):
        say(f"{count:,} {entity.replace('_', ' ')} {action}: {state}")
    following = f"crmbook run {customer} --env {env} --run {run.run_id}"
    say(f"continue with: {following}")
    told = [{"entity": e, "action": a, "state": s, "writes": n} for (e, a, s), n in sorted(counts.items())]
    return {"customer": customer, "run": run.run_id, "writes": told, "command": following}


def rebuild(run: Run, client: Freshsales, *, patience: float | None = None) -> Counter[tuple[str, str, str]]:
    """
    The ledger of *run* from its plan and what *client* shows; writes by (entity, action, done | open | planned).

    *patience* (seconds) is how long the write that may have been under way is looked for, by default as the
    tenant's index delay was measured. An old file is set aside as `ledger.db~N`.
    """
    folder = _folder(run)
    plan = pl.read_parquet(folder / "plan.parquet").sort("seq")
    ops = list(ops_of(plan))
    matcher = _matcher(run, client, folder)
    if base := lineage.base_of(run):
        known = base.standing().filter("is_there").select("entity", "source_id", "target_id").iter_rows()
        matcher.target_ids |= {f"{entity}:{source_id}": target_id for entity, source_id, target_id in known}
    matcher.search(ops)
    _look_for_the_next(run, client, matcher, ops, patience)
    still_open = [op for op in ops if op.op_id not in matcher.found and op.seq < matcher.frontier()]
    fresh = run.ledger_path.with_name(f"{run.ledger_path.name}.new")
    _remove(fresh)
    with Ledger(fresh) as ledger:
        ledger.bind(plan_hash=load.plan_hash(plan), target_host=target.host(run))
        _tell(ledger, matcher, still_open)
    _put_in_place(fresh, run.ledger_path)
    if run.has("target_changes"):
        delta_load.inherit(run)
    run.log("ledger made anew", found=len(matcher.found), open=len(still_open), writes=len(ops))
    open_ids = {op.op_id for op in still_open}
    return Counter((op.entity, op.action, _state(op.op_id, matcher.found, open_ids)) for op in ops)


def sound(path: Path) -> str:
    """Why the ledger at *path* needs no replacement, empty where it is gone, damaged or tells nothing."""
    if not path.is_file():
        return ""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            whole = db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            writes = db.execute("SELECT count(*) FROM writes").fetchone()[0]
            bound = db.execute("SELECT count(*) FROM meta WHERE key = 'plan_hash'").fetchone()[0]
    except sqlite3.Error:
        return ""
    return f"sound, with {writes:,} writes" if whole and bound else ""


def _opened(customer: str, env: config.Env, run_id: str) -> Run:
    settled = config.read(runs.root() / customer / "customer.toml")
    known = [record for record in runs.all_runs(customer) if record.get()["env"] == env]
    if run_id:
        known = [record for record in known if record.folder.name == run_id]
    if not known:
        raise UsageError(f"{customer}: no {env} run {run_id or 'yet'}; there is no ledger to make anew")
    return Run(known[-1], PHASE, settled, env, {})


def _folder(run: Run) -> Path:
    """The data folder with the plan that was begun, else the approved one."""
    begun = run.record.phase(PHASE).get("begun")
    for folder in plan_folders.folders_with_plan(run):
        digest = load.plan_hash(pl.scan_parquet(folder / "plan.parquet"))
        if digest == begun or (not begun and run.record.approved("plan", digest)):
            return folder
    raise UpstreamError(
        f"{run.run_id}: no approved plan in {PHASE}; without plan.parquet and existing.parquet the ledger can't be"
        " made anew, restore them from a backup"
    )


def _matcher(run: Run, client: Freshsales, folder: Path) -> Matcher:
    existing = pl.read_parquet(folder / "existing.parquet")
    foreign = {
        str(module): set(rows["target_id"].to_list())
        for (module,), rows in existing.group_by("module", maintain_order=True)
    }
    before: dict[tuple[str, int], dict[str, Any]] = {}
    if (path := folder / "before_images.parquet").exists():
        before = {(m, i): json.loads(record) for m, i, record in pl.read_parquet(path).iter_rows()}
    return Matcher(Held(client, run.progress), before, foreign)


def _look_for_the_next(
    run: Run, client: Freshsales, matcher: Matcher, ops: Sequence[Op], patience: float | None
) -> None:
    """The write after the last one found may have been under way when the load died: it gets time to show."""
    last = matcher.frontier()
    op = next((op for op in ops if op.seq > last and op.op_id not in matcher.found), None)
    if op is None or op.action != "create":
        return
    measured = dict(run.read("capabilities").select("capability", "value").iter_rows())
    finder = settle.Finder(client, patience_s=settle.patience_s(measured) if patience is None else patience)
    there = apply_places.places(client, finder, files=None, foreign_lists=matcher.foreign.get("lists", ()))
    body, _ = resolved(json.loads(op.payload), matcher.target_ids)
    if op.entity not in ("document", "document_link") and there[op.entity].obstacle(body):
        return
    if record := there[op.entity].found(op.source_id, body, matcher.taken(MODULES[op.entity])):
        matcher.keep(op, record)


def _tell(ledger: Ledger, matcher: Matcher, still_open: Sequence[Op]) -> None:
    found = sorted(matcher.found.values(), key=lambda one: one.op.seq)
    ledger.intend(_intent(one.op, matcher, one.target_id) for one in found)
    ledger.done(Outcome(one.op.op_id, one.target_id, one.after, one.origin, _note(one)) for one in found)
    ledger.intend(_intent(op, matcher, op.target_id) for op in still_open)
    ledger.unclear([op.op_id for op in still_open], _OPEN)


def _note(found: Found) -> str:
    return "; ".join([_NOTE, *([f"without {', '.join(found.without)}"] if found.without else [])])


def _intent(op: Op, matcher: Matcher, target_id: int | None) -> Intent:
    module = MODULES[op.entity]
    before = matcher.before.get((module, op.target_id or 0)) if op.action == "update" else None
    method, route = ("POST", f"/{module}") if op.action == "create" else ("PUT", f"/{module}/:id")
    return Intent(
        op.op_id, op.seq, op.entity, op.action, op.source_id, method, route, op.payload_sha256,
        target_id=target_id if op.action in PRIMARY else matcher.target_ids.get(op.record),
        before=json.dumps(before, ensure_ascii=False, sort_keys=True) if before else None,
    )  # fmt: skip


def _state(op_id: str, found: dict[str, Found], still_open: set[str]) -> str:
    return "done" if op_id in found else "open" if op_id in still_open else "planned"


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _put_in_place(fresh: Path, path: Path) -> None:
    """What stands at *path* moved aside with its companions, *fresh* in its place."""
    taken = [int(m[1]) for p in path.parent.glob(f"{path.name}~*") if (m := re.search(r"~(\d+)$", p.name))]
    number = max(taken, default=0) + 1
    for suffix in ("-wal", "-shm", ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(path.with_name(f"{path.name}~{number}{suffix}"))
    fresh.replace(path)
