"""A customer's run from phase to phase: what is due, what it waits for, who approved what.

Continuing is the normal case: a phase that passed on the same inputs is not run again, a finished run writes
nothing, and whatever stopped a run is checked afresh when it is started again.
"""

import ipaddress
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

from crmbook import (
    archive,
    config,
    data_docs,
    drift_check,
    exclusion_file,
    gates,
    lineage,
    map_history,
    overview,
    progress,
    runner,
    runs,
    store,
)
from crmbook.errors import CrmbookError, ParameterError, UsageError, Waiting

Say = Callable[[str], None]


def run(
    customer: str,
    env: config.Env,
    say: Say,
    *,
    run_id: str = "",
    only: str | None = None,
    first: str | None = None,
    last: str | None = None,
    sample: int | None = None,
    delta: bool = False,
    settings: Sequence[str] = (),
    approve_all: bool = False,
    by: str = "",
) -> dict[str, Any]:
    """
    The phases due in one run of *customer*, executed in order; a summary with the report's path.

    Raises:
        UsageError: the options contradict each other or the customer's settings.
        Waiting: a person is needed; running again afterwards continues.
        CrmbookError: whatever stopped a phase, with its exit code.
    """
    settled = config.read(runs.root() / customer / "customer.toml")
    target = settled.target(env)
    _check_options(env, target, sample=sample, is_delta=delta, approve_all=approve_all, by=by, only=only, first=first,
                   last=last)  # fmt: skip
    given = dict(_split(setting) for setting in settings)
    names = _asked(only, first, last)
    values = {name: runner.coerced(name, _for_phase(name, given, names)) for name in names} if given else {}
    record = _opened(settled, env, run_id, sample, is_delta=delta)
    runs.refuse_rolled_back(record)
    drift_check.restore(record)
    record.change(approve_all=by if approve_all else "")
    is_check = only == drift_check.PHASE and drift_check.is_signed(record) and _is_current(record, only)
    done: list[str] = []
    tried: list[str] = []
    try:
        with ExitStack() as stack:
            for phase in names:
                _check_before(record, settled, phase, by if approve_all else "")
                if not (only or first) and _is_current(record, phase):
                    continue
                if not tried:
                    stack.enter_context(_warm_gates(record))
                tried.append(phase)
                with drift_check.beside(record) if is_check else nullcontext():
                    _run_phase(record, phase, values.get(phase, {}), say)
                done.append(phase)
        if is_check:
            say(drift_check.said(drift_check.told(record)))
        if names[-1] == runs.NAMES[-1] or only == "06_reconciliation":
            _check_approval(record, settled, "06_reconciliation", by if approve_all else "")
    finally:
        record.change(approve_all="")
        front = overview.refresh(record) if tried else None
        if tried:
            archive.seal(record)
    page = front or record.folder / "index.html"
    say(f"report: {page}" if page.exists() else f"run {record.folder.name}: nothing to do")
    return {"customer": customer, "run": record.folder.name, "env": env, "ran": done, "report": str(page)}


def approve(customer: str, what: str, run_id: str, by: str, digest: str | None, say: Say) -> dict[str, Any]:
    """The approval now recorded; UsageError where nothing (or another hash) is on offer."""
    record = runs.Record(runs.root() / customer / run_id)
    phase = next(p.name for p in runs.PHASES if p.approval == what)
    if changed := _edited(record, phase):
        raise UsageError(f"{changed} changed since it was read; run the phase again, look, then approve")
    if what == "mapping":
        map_history.refuse_open(record)
    if not by.strip():
        raise ParameterError("--by: expected the name of the person who approves")
    approval = record.approve(what, by=by.strip(), digest=digest)
    overview.refresh(record)
    archive.seal(record)
    env = record.get()["env"]
    say(f"{what} {approval['hash'][:12]} approved by {approval['by']}")
    say(f"continue with: crmbook run {customer} --env {env} --run {run_id}")
    return {"run": run_id, **approval}


def _check_options(env: str, target: config.Target, *, sample: int | None, is_delta: bool, approve_all: bool, by: str,
                   only: str | None, first: str | None, last: str | None) -> None:  # fmt: skip
    if is_delta and sample:
        raise UsageError("--delta never goes with --sample: what is not in the sample would count as deleted")
    if only and (first or last):
        raise UsageError("--only stands alone; leave out --from and --to")
    if first and last and runs.NAMES.index(first) > runs.NAMES.index(last):
        raise UsageError(f"--from {first} comes after --to {last}")
    if approve_all and not by.strip():
        raise UsageError("--approve-all needs --by NAME: an approval without a name is none")
    if approve_all and env == "production" and not _is_loopback(target.base_url):
        raise UsageError("--approve-all is refused for production; approve each step with: crmbook approve")
    if sample and env == "production":
        raise UsageError("--sample never opens production; leave it out")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(setting: str) -> tuple[str, str]:
    name, sign, value = setting.partition("=")
    if not sign:
        raise ParameterError(f"--set {setting}: expected NAME=VALUE")
    return name, value


def _asked(only: str | None, first: str | None, last: str | None) -> list[str]:
    if only:
        return [only]
    start = runs.NAMES.index(first) if first else 0
    stop = runs.NAMES.index(last) + 1 if last else len(runs.NAMES)
    return list(runs.NAMES[start:stop])


def _for_phase(phase: str, given: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The settings this phase declares; a setting no asked phase declares is an error before anything runs."""
    known = {name: runner.declared(name) for name in names}
    for setting in given:
        if not any(setting in declared for declared in known.values()):
            options = sorted({option for declared in known.values() for option in declared})
            raise ParameterError(f"--set {setting}: no such parameter; declared are {', '.join(options)}")
        if setting in ("customer", "run_id"):
            raise ParameterError(f"--set {setting}: set by the command itself; use the argument or --run")
    return {name: value for name, value in given.items() if name in known[phase]}


def _opened(
    customer: config.Customer, env: config.Env, run_id: str, sample: int | None, *, is_delta: bool
) -> runs.Record:
    """The run to continue, or a new one; UsageError where it was started under other terms."""
    if run_id:
        record = runs.Record(runs.root() / customer.key / run_id)
        if not record.exists():
            return _created(customer, env, run_id, sample, is_delta=is_delta)
    else:
        unfinished = [
            r for r in runs.all_runs(customer.key)
            if r.get()["env"] == env and not _is_finished(r) and not runs.rolled_back(r)
            and (lineage.base_id(r) or not is_delta)
        ]  # fmt: skip
        if not unfinished:
            return _created(customer, env, "", sample, is_delta=is_delta)
        record = unfinished[-1]
    content = record.get()
    if content["env"] != env:
        raise UsageError(
            f"run {record.folder.name} is a {content['env']} run; leave out --run or use --env {content['env']}"
        )
    if is_delta and not lineage.base_id(record):
        raise UsageError(
            f"run {record.folder.name} is no delta run; leave out --run to start or continue one"
        )
    begun_with = content["parameters"].get("sample", 0)
    if sample is not None and sample != begun_with:
        raise UsageError(
            f"run {record.folder.name} was started with --sample {begun_with}; start a new one with --run"
        )
    return record


def _created(
    customer: config.Customer, env: config.Env, run_id: str, sample: int | None, *, is_delta: bool
) -> runs.Record:
    """A new run; a delta goes on from the newest approved one and keeps what a person decided there."""
    base = lineage.base_for(customer, env) if is_delta else None
    for other in runs.all_runs(customer.key) if is_delta else ():
        if lineage.base_id(other) and not _is_finished(other) and (other.folder / "ledger.db").exists():
            raise UsageError(
                f"--delta: {other.folder.name} wrote to the target and is not finished; finish it first:"
                f" crmbook run {customer.key} --env {env} --run {other.folder.name}"
            )
    record = runs.create(
        customer.key,
        env,
        parameters={"sample": sample or 0},
        run_id=run_id,
        base=base.folder.name if base else "",
    )
    for name in lineage.decisions_of(base) if base else ():
        folder = record.folder / "02_mapping"
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.copy2(base.folder / "02_mapping" / name, folder / name)  # type: ignore[union-attr]
    return record


def _is_finished(record: runs.Record) -> bool:
    phases = record.get()["phases"]
    return all(phases.get(name, {}).get("status") == "passed" for name in runs.NAMES)


def _is_current(record: runs.Record, phase: str) -> bool:
    """Whether the phase passed on exactly the inputs that stand there now."""
    phases = record.get()["phases"]
    state = phases.get(phase, {})
    if state.get("status") != "passed" or _edited(record, phase):
        return False
    now = {key: digest for p in phases.values() for key, digest in p.get("outputs", {}).items()}
    read = {key: digest for key, digest in state["inputs"].items() if key != exclusion_file.KEY}
    return all(now.get(key) == digest for key, digest in read.items())


def _edited(record: runs.Record, phase: str) -> str:
    """The file that a person changed after the phase read it, if any."""
    if phase == map_history.PHASE and exclusion_file.is_newer(record):
        return exclusion_file.KEY
    known = record.phase(phase).get("outputs", {})
    for name in ("decisions.csv", "mapping.xlsx", "automations.csv"):
        path = record.folder / phase / name
        if f"{phase}/{name}" in known and path.exists() and runs.sha256(path) != known[f"{phase}/{name}"]:
            return f"{phase}/{name}"
    return ""


def _check_before(record: runs.Record, customer: config.Customer, phase: str, approver: str) -> None:
    """What a person has to have approved before *phase* may start; Waiting otherwise."""
    position = runs.NAMES.index(phase)
    if position >= runs.NAMES.index("03_workspace"):
        _check_approval(record, customer, "02_mapping", approver)
        if record.get()["env"] == "production":
            _check_rehearsed(record, customer)
    if phase == "07_handoff":
        _check_approval(record, customer, "06_reconciliation", approver)


def _check_approval(record: runs.Record, customer: config.Customer, phase: str, approver: str) -> None:
    what = next(p.approval for p in runs.PHASES if p.name == phase)
    offer = record.get()["offers"].get(what)
    if record.phase(phase).get("status") != "passed" or not offer:
        return
    if what == "mapping" and runs.mapping_approval(customer.key, offer["hash"]):
        return
    if record.approved(what, offer["hash"]):
        return
    if approver:
        record.approve(what, by=approver, digest=offer["hash"], note=map_history.accepted(record, what))
        return
    raise runs.waiting_for(what, customer.key, record.folder.name, offer["hash"], offer["summary"])


def _check_rehearsed(record: runs.Record, customer: config.Customer) -> None:
    """Production opens only after a whole test run with the same mapping was signed off."""
    digest = record.get()["offers"].get("mapping", {}).get("hash")
    for other in runs.all_runs(customer.key):
        content = other.get()
        signed = content["offers"].get("reconciliation", {}).get("hash", "")
        if (
            content["env"] == "test" and not content["parameters"].get("sample", 0)
            and content["offers"].get("mapping", {}).get("hash") == digest and other.approved("reconciliation", signed)
        ):  # fmt: skip
            return
    raise Waiting(
        "production needs a test run with this mapping whose reconciliation is approved",
        f"crmbook run {customer.key} --env test",
    )


def _run_phase(record: runs.Record, phase: str, values: Mapping[str, Any], say: Say) -> None:
    content = record.get()
    known = runner.declared(phase)
    base = {"customer": content["customer"], "run_id": content["run_id"], **content["parameters"]}
    parameters = {**{k: v for k, v in base.items() if k in known}, **values}
    with bar(phase) as watch:
        try:
            runner.run_phase(record, phase, parameters, watch=watch)
        except CrmbookError:
            say(f"{phase} stopped; see {record.folder / phase / 'report.html'}")
            raise
        finally:
            archive.seal_phase(record, phase)
            archive.seal(record)
            store.keep(content["customer"])
    say(f"{phase} passed")
    for line in map_history.read_from(record) if phase == map_history.PHASE else []:
        say(line)


@contextmanager
def bar(phase: str) -> Iterator[runner.Watch | None]:
    """On a terminal phase, entity, done of total, speed, quota left and the time of day it ends; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=phase, unit="", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:
        state = {"entity": ""}

        def watch(news: Mapping[str, Any]) -> None:
            if news["entity"] != state["entity"]:
                state["entity"] = news["entity"]
                bar.reset(total=news["total"])
                bar.set_description(f"{phase} {news['entity']}")
            bar.total = news["total"]
            told = (
                progress.line(news)
                if news.get("waits_until")
                else ", ".join(progress.remarks(news, rate=False))
            )
            bar.set_postfix_str(told, refresh=False)
            bar.update(news["done"] - bar.n)
            bar.refresh()

        yield watch


@contextmanager
def _warm_gates(record: runs.Record) -> Iterator[None]:
    """Great Expectations warm for the phases of one start; at its end, however it ends, it documents the gates."""
    with gates.warm():
        try:
            yield
        finally:
            data_docs.build(record)
