"""`crmbook batch`: many customers side by side, none of them stopping another, each continued where it was.

Every customer is worked on in a process of its own (`batch_worker`). Customers that share a target take turns, because
one run at a time may write to it. A customer's newest run of the environment is continued; where that is finished, nothing
is done. The exit code is 0 when all are done, else that of the most serious stop, in the order 1, 2, 3, 5, 4: what needs
hands on the workbook first, what waits for a person's approval last.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from crmbook import batch_dask, config, overview, runs, store, target, telling
from crmbook.batch_worker import Crew, Job, Outcome
from crmbook.errors import CrmbookError, UsageError

Say = Callable[[str], None]
_LOOK_S: Final = 0.5
_MOST_SERIOUS_FIRST: Final = (1, 2, 3, 5, 4)


def run(
    customers: Sequence[str],
    env: config.Env,
    say: Say,
    *,
    jobs: int | None = None,
    scheduler: str = "",
    approve_all: bool = False,
    by: str = "",
) -> dict[str, Any]:
    """
    How each of *customers* ended, in the order given, and the exit code of all; a table of it is said.

    Raises:
        UsageError: the options contradict each other. What is wrong with one customer stands in its row.
    """
    if jobs and scheduler:
        raise UsageError("--jobs is for this machine, --scheduler for a cluster; give one of them")
    if approve_all and not by.strip():
        raise UsageError("--approve-all needs --by NAME: an approval without a name is none")
    names = list(dict.fromkeys(customers))
    lanes, wrong = _lanes(names, env, approve_all=approve_all, by=by)
    done = (
        batch_dask.run(lanes, scheduler, say) if scheduler else _here(lanes, jobs or os.cpu_count() or 1, say)
    )
    found = [*wrong, *done]
    outcomes = sorted(found, key=lambda outcome: names.index(outcome.customer))
    page = overview.write_all(
        {o.customer: {"exit code": str(o.exit_code), "last batch": _state(o)} for o in outcomes}
    )
    for line in (*_table(outcomes), f"all customers: {page}"):
        say(line)
    rows = [asdict(outcome) for outcome in outcomes]
    return {"env": env, "exit_code": exit_code(outcomes), "customers": rows, "report": str(page)}


def worker(customers: Sequence[str], scheduler: str, say: Say) -> dict[str, Any]:
    """
    What a worker of *scheduler* needs for *customers*, by default all: variables (only their names), command, versions.

    Raises:
        ConfigError: a customer's settings can't be read.
    """
    names = customers or sorted(p.parent.name for p in runs.root().glob("*/customer.toml"))
    settled = [_settings(name) for name in names]
    needed = ["CRMBOOK_RUNS", *sorted({v for customer in settled for v in _variables(customer)})]
    command = f"dask worker {scheduler} --nworkers {os.cpu_count()} --nthreads 1"
    versions = {name: version(name) for name in ("crmbook", "dask", "distributed")}
    say(
        "set in the worker's own environment (CRMBOOK_RUNS as it is here, the others from where you keep tokens):"
    )
    for name in needed:
        say(f"  {name}{'' if os.environ.get(name) else '   (not set here)'}")
    say(f"start it with: {command}")
    say("with the same " + ", ".join(f"{name} {number}" for name, number in versions.items()))
    return {"environment": needed, "command": command, "versions": versions, "runs": str(runs.root())}


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when all are done, else the most serious code."""
    codes = {outcome.exit_code for outcome in outcomes} - {0}
    return min(codes, key=_rank, default=0)


def _rank(code: int) -> int:
    return _MOST_SERIOUS_FIRST.index(code) if code in _MOST_SERIOUS_FIRST else -1


def _lanes(
    names: Sequence[str], env: config.Env, *, approve_all: bool, by: str
) -> tuple[list[list[Job]], list[Outcome]]:
    """The jobs, those on one target in one lane; and the outcome of customers whose settings can't be read."""
    known: dict[str, config.Customer] = {}
    hosts: dict[str, str] = {}
    wrong: list[Outcome] = []
    for name in names:
        try:
            known[name] = _settings(name)
            hosts[name] = target.address(known[name].target(env))
        except CrmbookError as stop:
            known.pop(name, None)
            wrong.append(Outcome(name, **telling.told(stop)))
    tokens = {name: set(_variables(customer)) for name, customer in known.items()}
    every = set().union(*tokens.values())
    lanes: dict[str, list[Job]] = {}
    for name, own in tokens.items():
        job = Job(name, env, approve_all=approve_all, by=by, foreign=tuple(sorted(every - own)))
        lanes.setdefault(hosts[name], []).append(job)
    return list(lanes.values()), wrong


def _settings(name: str) -> config.Customer:
    with store.checked_out(name, writes=False):
        return config.read(runs.root() / name / "customer.toml")


def _variables(customer: config.Customer) -> Iterator[str]:
    """The names of the variables the customer's keys stand in."""
    targets = (customer.targets.test, customer.targets.production)
    yield from (t.token_env for t in targets if t)
    yield from (
        name for name in (customer.source.token_env, customer.ai.key_env if customer.ai else "") if name
    )


def _here(lanes: Sequence[Sequence[Job]], jobs: int, say: Say) -> list[Outcome]:
    """The outcomes of all *lanes*, at most *jobs* at once in processes of this machine; each is said as it ends."""
    ahead, outcomes = [list(lane) for lane in lanes], list[Outcome]()
    under_way: dict[Future[Outcome], list[Job]] = {}
    crew = Crew()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while ahead or under_way:
                while ahead and len(under_way) < jobs:
                    lane = ahead.pop(0)
                    under_way[pool.submit(crew.work, lane.pop(0))] = lane
                # polars lets a waiting thread sleep through Ctrl-C, so it wakes now and then (polars 2.1)
                for future in wait(under_way, timeout=_LOOK_S, return_when=FIRST_COMPLETED).done:
                    outcomes.append(future.result())
                    say(f"{outcomes[-1].customer}: {_state(outcomes[-1])}")
                    rest = under_way.pop(future)
                    ahead += [rest] if rest else []
        finally:
            crew.stop()
    return outcomes


def _state(outcome: Outcome) -> str:
    if outcome.exit_code == 0:
        return "done"
    return f"{outcome.waits_for}; then: {outcome.command}" if outcome.waits_for else outcome.error


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Customer, exit code, run, and what it waits for or where its report stands."""
    rows = [("customer", "exit", "run", "what")]
    rows += [(o.customer, str(o.exit_code), o.run or "-", _state(o)) for o in outcomes]
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    for row, report in zip(rows, ("", *(o.report for o in outcomes)), strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row[:3], wide, strict=True)) + f"  {row[3]}"
        if report:
            yield " " * (sum(wide) + 6) + report
