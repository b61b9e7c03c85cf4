"""`crmbook batch --scheduler`: the same batch on a Dask cluster, one task per customer and phase.

A task names a customer, a phase and the variables its worker needs; no token travels. Workers share the run store, so a
task that runs again elsewhere, because its worker died, goes on where the run stands: phases that passed are not
repeated, and the ledger keeps the load exact. A stop ends its customer's chain; the tasks behind it hand it on.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from crmbook import runs, store, telling
from crmbook.batch_worker import Crew, Job, Outcome, run_of
from crmbook.errors import CrmbookError, UsageError

if TYPE_CHECKING:
    from distributed import Client

Say = Callable[[str], None]
_ANSWER_S: Final = 30
_LOOK_S: Final = 0.5


@dataclass(frozen=True)
class Terms:
    """What a worker must have in common with whoever asked: the version, and the customer's settings by hash."""

    version: str
    settings: str


def run(lanes: Sequence[Sequence[Job]], address: str, say: Say) -> list[Outcome]:
    """
    The outcomes of all *lanes*, done by the workers of the scheduler at *address*; each task that ends is said.

    Raises:
        UsageError: no scheduler answers there, or it has no worker.
    """
    from distributed import as_completed

    total, ended = sum(map(len, lanes)) * len(runs.NAMES), 0
    outcomes: list[Outcome] = []
    with _connected(address) as client:
        under_way = as_completed((), loop=client.loop)  # type: ignore[no-untyped-call]
        tasks: dict[str, tuple[list[Job], Job]] = {}

        def start(lane: list[Job]) -> None:
            for future in _chain(client, lane[0]):
                tasks[future.key] = (lane[1:], lane[0])
                under_way.add(future)  # type: ignore[no-untyped-call]

        for lane in lanes:
            start(list(lane))
        for future in under_way:
            behind, job = tasks[future.key]
            outcome, ended = _outcome(job, future), ended + 1
            say(f"{ended} of {total} tasks: {job.customer} {_phase(future)} {_word(outcome)}")
            if _phase(future) == runs.NAMES[-1]:
                outcomes.append(outcome)
                if behind:
                    start(behind)
    return outcomes


def step(job: Job, terms: Terms, before: Outcome | None) -> Outcome:
    """The phase `job.last`, done on a worker; *before* handed on where the customer stopped earlier."""
    if before is not None and before.exit_code:
        return before
    try:
        _check(job, terms)
    except CrmbookError as stop:
        return Outcome(job.customer, **telling.told(stop))
    with _crew() as crew:
        return crew.work(job)


def terms(job: Job) -> Terms:
    path = runs.root() / job.customer / "customer.toml"
    with store.checked_out(job.customer, writes=False):
        pass
    return Terms(version("crmbook"), runs.sha256(path) if path.exists() else "")


def _check(job: Job, expected: Terms) -> None:
    here = terms(job)
    if here.version != expected.version:
        raise UsageError(f"this worker has crmbook {here.version}, expected {expected.version}; install that")
    if here.settings != expected.settings:
        raise UsageError(
            f"{job.customer}/customer.toml: a worker does not see the file that the batch sees; all of them need"
            " the same CRMBOOK_RUNS, see crmbook worker"
        )


@contextlib.contextmanager
def _connected(address: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(address, timeout=_ANSWER_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as problem:
        raise UsageError(
            f"--scheduler {address}: no scheduler answers there ({type(problem).__name__}); start one with: dask scheduler"
        ) from None
    with client:
        if not client.scheduler_info(n_workers=1)["workers"]:
            raise UsageError(
                f"--scheduler {address}: it has no worker; crmbook worker tells how to start one"
            )
        yield client


def _chain(client: "Client", job: Job) -> Iterator[Any]:
    """The tasks of one customer, each behind the one before."""
    agreed, batch, before = terms(job), uuid4().hex[:8], None
    for phase in runs.NAMES:
        key = f"{job.customer}/{phase}/{batch}"
        before = client.submit(step, replace(job, last=phase), agreed, before, key=key, pure=False)
        yield before


def _phase(future: Any) -> str:
    return str(future.key.split("/")[1])


def _outcome(job: Job, future: Any) -> Outcome:
    """What the task returned; where it could not end, because every worker that had it died, that."""
    if future.status == "finished":
        result: Outcome = future.result()
        return result
    how = type(future.exception()).__name__ if future.status == "error" else future.status
    error = f"{_phase(future)}: the cluster gave the task up ({how}); run again to continue"
    return Outcome(job.customer, 1, run=run_of(job.customer, job.env), error=error, kind="Killed")


def _word(outcome: Outcome) -> str:
    return "done" if outcome.exit_code == 0 else f"stopped with exit code {outcome.exit_code}"


@contextlib.contextmanager
def _crew() -> Iterator[Crew]:
    """A crew whose processes end when nobody wants this task any more: the batch was interrupted, or is gone."""
    from distributed import get_worker

    worker, crew, over = get_worker(), Crew(), threading.Event()
    key = worker.get_current_task()

    def look() -> None:
        while not over.wait(_LOOK_S):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                crew.stop()
                return

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield crew
    finally:
        over.set()
        watching.join()
