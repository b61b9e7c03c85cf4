"""Who may write to a target now? One run at a time on one host, whoever's run it is.

The right is a lock on a file of the host's name in the folder of all customers; it ends with its process, however
that dies. Machines that share the folder may not see each other's locks, so the owner also touches the file: an owner
on another machine counts as gone when its last sign is older than `STALE_S`. Ages are told by the folder's own clock.
Invariant: of the processes that share the folder, at most one is inside `held` for a host.
"""

import fcntl
import json
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from crmbook import lab_tables, runs, target
from crmbook.errors import ConfigError, UsageError
from crmbook.runs import Run

STALE_S: Final = 600.0
_BEAT_S: Final = 30.0
_DYING_S: Final = 5.0
_LOOK_S: Final = 0.1
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MOST_BYTES: Final = 4096

Owner = Mapping[str, Any]


class Held:
    """The lock, while it is held."""

    def __init__(self, path: Path, descriptor: int, owner: Owner) -> None:
        self._path, self._descriptor, self._owner = path, descriptor, dict(owner)

    def check(self) -> None:
        """Raises UsageError where another machine took over because this one gave no sign (it slept)."""
        now = _read(self._descriptor)
        if now != self._owner:
            raise UsageError(
                f"{self._path.name}: {_named(now) if now else 'somebody'} took over this target while this process"
                " gave no sign; nothing more is written, run again when the other has ended"
            )


@contextmanager
def held(run: Run, *, beat_s: float = _BEAT_S) -> Iterator[Held]:
    """
    The sole right to write to the target of *run*, until the block ends.

    Raises:
        UsageError: another run has it (says whose, since when, and what to do), or this is a working copy in the lab.
        ConfigError: the lock's file can't be written.
    """
    if lab_tables.is_on():
        raise UsageError(
            "a working copy in the lab never writes to a target; run the phase with:"
            f" crmbook run {run.customer.key} --env {run.env} --run {run.run_id}"
        )
    path = path_of(run)
    with _opened(path) as descriptor:
        before = _taken(descriptor, path, run)
        if before:
            run.log("target lock taken over from a process that is gone", run=str(before.get("run")))
        owner = {
            "customer": run.customer.key, "run": run.run_id, "pid": os.getpid(), "host": socket.gethostname(),
            "boot": _boot(), "since": runs.now(),
        }  # fmt: skip
        _write(descriptor, json.dumps(owner))
        over = threading.Event()
        beating = threading.Thread(target=_beat, args=(descriptor, over, beat_s), daemon=True)
        beating.start()
        try:
            yield Held(path, descriptor, owner)
        finally:
            over.set()
            beating.join()
            if _read(descriptor) == owner:
                _write(descriptor, "")


def path_of(run: Run) -> Path:
    """The lock file of the run's target."""
    return runs.root() / f".target-{re.sub(r'[^a-z0-9.-]', '_', target.host(run))}.lock"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise ConfigError(f"{path.name}: {problem.strerror}; make the folder of runs writable") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int, path: Path, run: Run) -> Owner:
    """The lock taken; who had it before without giving it back, empty where nobody."""
    deadline = time.monotonic() + _DYING_S
    while not _is_free(descriptor):
        owner = _read(descriptor)
        # The notebook's kernel of a killed command notices a moment later, and lets go.
        is_own = (owner.get("customer"), owner.get("run")) == (run.customer.key, run.run_id)
        if not is_own or time.monotonic() > deadline:
            raise UsageError(_refusal(path, owner, _age_s(path)))
        time.sleep(_LOOK_S)
    before = _read(descriptor)
    if before and not _is_here(before) and (age_s := _age_s(path)) < STALE_S:
        raise UsageError(_refusal(path, before, age_s))
    return before


def _is_free(descriptor: int) -> bool:
    """Whether no other process has the lock; from then on this one has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refusal(path: Path, owner: Owner, age_s: float) -> str:
    host = path.name.removeprefix(".target-").removesuffix(".lock")
    if not owner:
        return f"target {host}: another run is starting to write to it; wait until it ends, then run again"
    line = f"target {host}: {_named(owner)} has been writing to it since {owner.get('since')}, last sign {_spelled(age_s)} ago"
    if _is_here(owner):
        return f"{line}; wait until it ends, or stop process {owner.get('pid')}, then run again"
    return f"{line}; wait until it ends; it counts as gone {_spelled(STALE_S)} after its last sign"


def _named(owner: Owner) -> str:
    return f"{owner.get('customer')}/{owner.get('run')} (process {owner.get('pid')} on {owner.get('host')})"


def _is_here(owner: Owner) -> bool:
    """Whether the kernel of this machine has the say about the owner's lock."""
    here = _boot()
    return owner.get("boot") == here if here else owner.get("host") == socket.gethostname()


def _boot() -> str:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def _age_s(path: Path) -> float:
    """Seconds since the owner's last sign, both moments told by the file system."""
    with tempfile.TemporaryFile(dir=path.parent) as fresh:
        return max(0.0, os.fstat(fresh.fileno()).st_mtime - path.stat().st_mtime)


def _beat(descriptor: int, over: threading.Event, beat_s: float) -> None:
    while not over.wait(beat_s):
        with suppress(OSError):
            os.utime(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
        return content if isinstance(content, dict) else {}
    return {}


def _write(descriptor: int, text: str) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        os.fsync(descriptor)
    except OSError as problem:
        raise ConfigError(f"the lock of the target cannot be written: {problem.strerror}") from None


def _spelled(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
