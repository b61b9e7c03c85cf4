"""One load under one kind of trouble, in a process that is started again until it ends, and what was left of it.

Killing is by SIGKILL: at a random moment, or at a random request just before the target works on it, just after, or after
its answer left. The end is compared with an undisturbed load of the same world: the tenant's state hash, the ledger's state
hash, records that are there twice, records that are not there.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.chaos.worlds import CUSTOMER, REALM, World
from crmbook.ledger import Ledger
from crmbook.sandbox.statehash import RECORDS

MARK = "cf_usercom_original_id"
MOMENTS = ("before", "processed", "answered")
_SHOWN = ("name", "title", "description", "email", "due_date", "start_date", "from_date", "url")
_MOST_STARTS = 400


@dataclass(frozen=True)
class End:
    """What stands after a load: state hashes of tenant and ledger, and every record by what tells it."""

    state: str
    ledger: str
    records: Counter[str]


@dataclass
class Trial:
    """One kind of trouble: what happened, and how the ends compare with the undisturbed one."""

    name: str
    loads: int = 0
    kills: int = 0
    faults: int = 0
    restarts: int = 0
    requests: int = 0
    differing: int = 0
    ledgers_differing: int = 0
    duplicates: int = 0
    losses: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        wrong = (self.differing, self.ledgers_differing, self.duplicates, self.losses, len(self.remarks))
        return not any(wrong)

    def compare(self, end: End, reference: End) -> None:
        self.loads += 1
        self.differing += end.state != reference.state
        self.ledgers_differing += end.ledger != reference.ledger
        self.duplicates += (end.records - reference.records).total()
        self.losses += (reference.records - end.records).total()


class Nursery:
    """Loads, one at a time, each a process of its own that can be killed by its id."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def __enter__(self) -> Self:
        folder = Path(__file__).resolve().parent
        self._process = subprocess.Popen(
            [sys.executable, str(folder / "nursery.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log.open("a"), text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def start(self, world: World, **asked: Any) -> int:
        """The process id of a load of *world* that has begun."""
        asked |= {"runs": str(world.runs), "customer": CUSTOMER, "run": "test-01"}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """The exit code of the load, once it ended; negative for a signal."""
        return int(self._line())

    def said(self) -> str:
        """The last line of the log: why a load stopped."""
        return next(iter(self._log.read_text(encoding="utf-8").splitlines()[-1:]), "nothing")

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


class Killer:
    """An application in front of a tenant that kills the load at a request; without an order it does nothing."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._order: tuple[int, int, str] | None = None
        self._lock = threading.Lock()

    def order(self, process: int, after: int, moment: str) -> None:
        with self._lock:
            self._order = (process, after, moment)

    def cancel(self) -> None:
        with self._lock:
            self._order = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        due = self._due()
        if due is None:
            await self._app(scope, receive, send)
            return
        process, moment = due
        if moment == "before":
            _kill(process)

        async def sent(message: Any) -> None:
            if moment == "processed":
                _kill(process)
            await send(message)

        await self._app(scope, receive, sent)
        if moment == "answered":
            _kill(process)

    def _due(self) -> tuple[int, str] | None:
        with self._lock:
            if self._order is None:
                return None
            process, left, moment = self._order
            self._order = (process, left - 1, moment) if left > 1 else None
            return None if left > 1 else (process, moment)


def _kill(process: int) -> None:
    assert process > 1, "a load has an id of its own"
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@dataclass
class Bench:
    """Trials of one world; *scratch* holds the copies while they are used, *is_guarded* measures the tenant at each start."""

    world: World
    nursery: Nursery
    scratch: Path
    random: random.Random
    patience_s: float = 0.15
    is_guarded: bool = True
    _timer: threading.Timer | None = None

    def undisturbed(self) -> tuple[End, int]:
        """The end everything is compared with, and how many requests the load takes."""
        with self._fresh() as (world, box, _):
            self._start(world)
            assert self.nursery.ended() == 0, "the undisturbed load failed; see its log"
            return end(world, box), _requests(box)

    def killed(self, reference: End, requests: int, *, kills: int, a_load: int) -> Trial:
        """Loads killed *a_load* times each or so, until *kills* processes have died."""
        trial = Trial("SIGKILL")
        while trial.kills < kills:
            with self._fresh() as (world, box, killer):
                self._through(trial, world, lambda pid: self._order(pid, killer, requests // a_load), killer)
                trial.requests += _requests(box)
                trial.compare(end(world, box), reference)
        return trial

    def troubled(
        self, name: str, faults: list[dict[str, Any]], reference: End, *, timeout_s: float | None = None
    ) -> Trial:
        """One load under *faults*; what the target works on for longer than *timeout_s* is looked for for longer."""
        trial = Trial(name)
        with self._fresh() as (world, box, killer):
            box.admin("POST", "faults", [{"realm": REALM, **fault} for fault in faults])
            self._through(trial, world, lambda _pid: None, killer, timeout_s=timeout_s)
            trial.faults = sum(fault["fired"] for fault in box.admin("GET", "faults"))
            box.admin("DELETE", "faults")
            trial.requests = _requests(box)
            trial.compare(end(world, box), reference)
        return trial

    def served_again(self, reference: End, *, kills: int) -> Trial:
        """The server itself is killed and started again on its file, *kills* times in one load."""
        trial = Trial("server killed and started again")
        with self._copied() as world:
            over = threading.Event()
            keeper = threading.Thread(target=self._keep_killing, args=(world, kills, over, trial))
            keeper.start()
            try:
                self._through(trial, world, lambda _pid: time.sleep(0.3), None)
            finally:
                over.set()
                keeper.join()
            with world.served() as box:
                trial.requests = _requests(box)
                trial.compare(end(world, box), reference)
        return trial

    def _through(
        self,
        trial: Trial,
        world: World,
        trouble: Callable[[int], object],
        killer: Killer | None,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """The load, started again until it ends; what it says each time is in the log."""
        for start in range(_MOST_STARTS):
            trial.restarts += start > 0
            process = self._start(world, timeout_s)
            trouble(process)
            code = self.nursery.ended()
            self._cancel(killer)
            trial.kills += code == -signal.SIGKILL
            if code == 0:
                return
            if code not in (-signal.SIGKILL, 5):
                trial.remarks.append(f"exit {code}: {self.nursery.said()}")
                return
        trial.remarks.append(f"not ended after {_MOST_STARTS} starts")

    def _start(self, world: World, timeout_s: float | None = None) -> int:
        patience_s = self.patience_s if timeout_s is None else 4 * timeout_s
        return self.nursery.start(
            world, patience_s=patience_s, timeout_s=timeout_s, is_guarded=self.is_guarded
        )

    def _order(self, process: int, killer: Killer, requests: int) -> None:
        """Death at a random request, or at a random time of about as many."""
        if self.random.random() < 0.75:
            moment = self.random.choice(MOMENTS)
            killer.order(process, self.random.randint(1, max(2, 2 * requests)), moment)
            return
        self._timer = threading.Timer(self.random.uniform(0.02, 0.01 * requests + 0.2), _kill, [process])
        self._timer.start()

    def _cancel(self, killer: Killer | None) -> None:
        """Nobody is killed any more; before the next load starts, whose id may be the same."""
        if killer:
            killer.cancel()
        if self._timer:
            self._timer.cancel()
            self._timer.join()
            self._timer = None

    def _keep_killing(self, world: World, kills: int, over: threading.Event, trial: Trial) -> None:
        while not over.is_set():
            server = subprocess.Popen(
                [sys.executable, "-m", "crmbook", "sandbox", "--json", "--port", str(world.port),
                 "--state", str(world.state), "--edition", world.edition],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert server.stdout
            server.stdout.readline()
            over.wait(self.random.uniform(0.3, 1.5) if trial.faults < kills else None)
            if not over.is_set():
                trial.faults += 1
            server.send_signal(signal.SIGKILL)
            server.wait()

    @contextlib.contextmanager
    def _copied(self) -> Iterator[World]:
        folder = self.scratch / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        yield self.world.copied(folder)
        shutil.rmtree(folder)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[tuple[World, Any, Killer]]:
        """The world served from a copy, with a killer in front of its tenant."""
        with self._copied() as world:
            box = world.served()
            killer = Killer(box._site.apps[REALM])
            box._site.apps[REALM] = killer
            with box:
                yield world, box, killer


def end(world: World, box: Any) -> End:
    """What the tenant and the ledger hold now."""
    with Ledger(world.runs / CUSTOMER / "test-01" / "ledger.db") as ledger:
        told = ledger.state_hash()
    found = box.admin("GET", f"state?realm={REALM}")[REALM]
    records = Counter(_told(kind, doc) for kind in RECORDS for doc in found.get(kind, []))
    return End(box.admin("GET", f"state/hash?realm={REALM}")["sha256"], told, records)


def _told(kind: str, doc: dict[str, Any]) -> str:
    mark = (doc.get("custom_field") or {}).get(MARK)
    return json.dumps([kind, mark, *(doc.get(key) for key in _SHOWN)], ensure_ascii=False)


def _requests(box: Any) -> int:
    return int(box.admin("GET", f"requests?realm={REALM}")["total"])
