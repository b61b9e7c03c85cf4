"""One customer's part of a batch, in a process of its own: its own working folder, its own log, its own tokens.

In: a `Job`, which names and never holds a token. Out: an `Outcome`, whatever happened to the process. The process ends
when whoever started it does, however that ended, because its standard input ends then. Invariant: a customer is worked
on by one such process at a time on this machine.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from crmbook import config, pipeline, runs, store, telling
from crmbook.errors import UsageError

LOG: Final = "batch.log"
LOCK: Final = ".batch.lock"
_DYING_S: Final = 30.0
_LOOK_S: Final = 0.1


@dataclass(frozen=True)
class Job:
    """What to do for one customer: all phases, or those up to `last`. `foreign` names the others' token variables."""

    customer: str
    env: config.Env
    approve_all: bool = False
    by: str = ""
    last: str = ""
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How it ended: the exit code `crmbook run` would have, and for a stop what it is and what to type."""

    customer: str
    exit_code: int
    run: str = ""
    report: str = ""
    error: str = ""
    kind: str = ""
    waits_for: str = ""
    command: str = ""


class Crew:
    """The processes under way; `stop` ends them and lets no other start."""

    def __init__(self) -> None:
        self._living: set[subprocess.Popen[str]] = set()
        self._is_over = False
        self._lock = threading.Lock()

    def work(self, job: Job) -> Outcome:
        """The outcome of *job*, done in a process of its own."""
        folder = runs.root() / job.customer
        with _log(folder / LOG) as log:
            process = self._started(job, folder, log)
            if process is None:
                return Outcome(job.customer, telling.INTERRUPTED, error="not started: interrupted")
            try:
                return _heard(job, process)
            finally:
                self._ended(process)

    def stop(self) -> None:
        with self._lock:
            self._is_over = True
            for process in self._living:
                _let_go(process)

    def _started(self, job: Job, folder: Path, log: int) -> "subprocess.Popen[str] | None":
        environment = {k: v for k, v in os.environ.items() if k not in job.foreign}
        with self._lock:
            if self._is_over:
                return None
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "crmbook.batch_worker"], cwd=folder, text=True, stderr=log,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                env={**environment, "CRMBOOK_RUNS": runs.store_address() or str(runs.root())},
            )  # fmt: skip
            self._living.add(process)
        return process

    def _ended(self, process: "subprocess.Popen[str]") -> None:
        with self._lock:
            self._living.discard(process)
            _let_go(process)
        process.wait()


def _heard(job: Job, process: "subprocess.Popen[str]") -> Outcome:
    """What the process says of its job, or what its end says."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asdict(job)) + "\n")
        process.stdin.flush()
    said = process.stdout.read()
    code = process.wait()
    if code == 0 and said:
        return Outcome(**json.loads(said))
    how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
    error = f"{how}; run again to continue, see {job.customer}/{LOG}"
    return Outcome(job.customer, 1, run=run_of(job.customer, job.env), error=error, kind="Killed")


def _let_go(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()


@contextlib.contextmanager
def _log(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def run_of(customer: str, env: config.Env) -> str:
    """The run a batch is about: the newest of *env* that was not rolled back, finished or not; empty where none is."""
    found = [r for r in runs.all_runs(customer) if r.get()["env"] == env and not runs.rolled_back(r)]
    return found[-1].folder.name if found else ""


def carry_out(job: Job, say: Callable[[str], None]) -> Outcome:
    """The job, done in this process."""
    try:
        with only_one(runs.root() / job.customer), store.checked_out(job.customer):
            done = pipeline.run(
                job.customer, job.env, say, run_id=run_of(job.customer, job.env), last=job.last or None,
                approve_all=job.approve_all, by=job.by,
            )  # fmt: skip
    except (Exception, KeyboardInterrupt) as problem:
        if telling.is_bug(problem):
            traceback.print_exc(limit=-6)
        told = telling.told(problem)
        say(told["error"])
        return Outcome(job.customer, **told, **_reached(job))
    return Outcome(job.customer, 0, run=done["run"], report=done["report"])


def _reached(job: Job) -> dict[str, Any]:
    with contextlib.suppress(Exception):
        run = run_of(job.customer, job.env)
        page = runs.root() / job.customer / run / "index.html"
        return {"run": run, "report": str(page) if run and page.exists() else ""}
    return {}


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """
    The customer's folder for this process alone, until the block ends; a dying one is waited for.

    Raises:
        UsageError: another process of a batch works on it; names it.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + _DYING_S
        while not _is_free(descriptor):
            if time.monotonic() > deadline:
                owner = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
                raise UsageError(
                    f"{folder.name}: process {owner} of another batch works on it; wait until it ends, or stop it, then run again"
                )
            time.sleep(_LOOK_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_with_starter() -> None:
    """Ends this process when its standard input does; the notebook's kernel gets a moment to be ended orderly."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_DYING_S / 2)
    os._exit(telling.INTERRUPTED)


def main() -> None:
    """Takes one job from standard input, tells its outcome on standard output; what it says meanwhile is the log."""
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    job = Job(**{f.name: given[f.name] for f in fields(Job)})
    threading.Thread(target=_end_with_starter, daemon=True).start()

    def say(line: str) -> None:
        print(f"{runs.now()} {line}", file=sys.stderr, flush=True)

    say(f"{job.customer} --env {job.env}{' --to ' + job.last if job.last else ''}")
    print(json.dumps(asdict(carry_out(job, say))), flush=True)


if __name__ == "__main__":
    main()
