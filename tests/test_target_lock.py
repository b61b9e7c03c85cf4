"""One run at a time on one target: refused while another writes, free the moment it is gone, however it went."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crmbook import config, runs, target_lock
from crmbook.errors import ConfigError, UsageError
from crmbook.runs import Run
from test_config import GOOD

OWNER = """
import sys, time
from crmbook import config, runs, target_lock
from crmbook.runs import Run

record = runs.Record(runs.root() / sys.argv[1] / "test-01")
run = Run(record, "05_load", config.read(record.folder.parent / "customer.toml"), "test", {})
with target_lock.held(run):
    print("held", flush=True)
    time.sleep(60)
"""


def opened(folder: Path, customer: str, **changed: str) -> Run:
    """A run of *customer*; all of them write to one target."""
    settings = GOOD
    for before, after in changed.items():
        settings = settings.replace(before, after)
    (folder / customer).mkdir()
    (folder / customer / "customer.toml").write_text(settings, encoding="utf-8")
    record = runs.create(customer, "test", parameters={})
    return Run(record, "05_load", config.read(folder / customer / "customer.toml"), "test", {})


@contextmanager
def owner(customer: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock for the customer's run."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, customer], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def left(run: Run, *, age_s: float = 0.0, **changed: Any) -> None:
    """The file of an owner who is not here, with its last sign so long ago."""
    told = {
        "customer": "beta", "run": "test-07", "pid": 4711, "host": "elsewhere", "boot": "another",
        "since": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    path = target_lock.path_of(run)
    path.write_text(json.dumps(told | changed), encoding="utf-8")
    moment = time.time() - age_s
    os.utime(path, (moment, moment))


def test_a_second_run_on_the_target_is_refused_with_the_owner_and_what_to_do(customers: Path) -> None:
    """Another customer's run in another process: who, since when, how fresh, and the process to stop."""
    acme, beta = opened(customers, "acme"), opened(customers, "beta")
    with owner("beta") as process, pytest.raises(UsageError) as refused, target_lock.held(acme):
        pytest.fail("both hold the lock")
    line = str(refused.value)
    assert line.startswith(
        f"target acme-test.myfreshworks.com: beta/{beta.run_id} (process {process.pid} on "
    )
    assert f"wait until it ends, or stop process {process.pid}, then run again" in line
    assert "last sign" in line
    assert refused.value.exit_code == 2


def test_another_target_is_free(customers: Path) -> None:
    """The lock belongs to the host, not to the folder."""
    acme = opened(customers, "acme")
    other = opened(customers, "other", **{"acme-test.myfreshworks.com": "other.myfreshworks.com"})
    with target_lock.held(acme), target_lock.held(other):
        assert target_lock.path_of(acme) != target_lock.path_of(other)


def test_a_killed_owner_is_gone_at_once(customers: Path) -> None:
    """SIGKILL leaves the file behind; nobody waits for it."""
    acme = opened(customers, "acme")
    opened(customers, "beta")
    with owner("beta") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert target_lock.path_of(acme).read_text(encoding="utf-8") != ""
        with target_lock.held(acme) as held:
            held.check()
    assert "taken over" in (acme.folder / "log.jsonl").read_text(encoding="utf-8")


def test_a_run_waits_for_its_own_dying_kernel(customers: Path) -> None:
    """The command was killed, its notebook lets go a moment later: started again at once, the run goes on."""
    acme = opened(customers, "acme")
    with owner("acme") as process:
        threading.Timer(0.5, process.kill).start()
        with target_lock.held(acme) as held:
            held.check()


def test_a_run_that_is_really_running_is_not_started_twice(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own run is refused too, after a moment."""
    acme = opened(customers, "acme")
    monkeypatch.setattr("crmbook.target_lock._DYING_S", 0.2)
    with owner("acme"), pytest.raises(UsageError, match="acme/test-01"), target_lock.held(acme):
        pytest.fail("both hold the lock")


def test_the_lock_is_given_back_whatever_ends_the_block(customers: Path) -> None:
    """After an error too, and the file says nobody."""
    acme = opened(customers, "acme")
    with pytest.raises(ZeroDivisionError), target_lock.held(acme):
        _ = 1 / 0
    assert target_lock.path_of(acme).read_text(encoding="utf-8") == ""
    with target_lock.held(acme):
        assert "acme" in target_lock.path_of(acme).read_text(encoding="utf-8")


def test_an_owner_on_another_machine_counts_while_it_gives_signs(customers: Path) -> None:
    """Its lock can't be seen from here, its last sign can."""
    acme = opened(customers, "acme")
    left(acme, age_s=target_lock.STALE_S - 60)
    with pytest.raises(UsageError, match="on elsewhere") as refused, target_lock.held(acme):
        pytest.fail("both hold the lock")
    assert "last sign 9 min ago; wait until it ends; it counts as gone 10 min after its last sign" in str(
        refused.value
    )


def test_an_owner_on_another_machine_that_gives_no_sign_is_gone(customers: Path) -> None:
    """Its machine lost power: after ten minutes the target is free."""
    acme = opened(customers, "acme")
    left(acme, age_s=target_lock.STALE_S + 1)
    with target_lock.held(acme) as held:
        held.check()


def test_a_living_owner_gives_signs(customers: Path) -> None:
    """The file is touched for as long as the block lasts."""
    acme = opened(customers, "acme")
    with target_lock.held(acme, beat_s=0.01):
        path = target_lock.path_of(acme)
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 2


def test_who_slept_through_its_own_end_writes_no_more(customers: Path) -> None:
    """Another machine took over meanwhile; the sleeper is told, and does not give away what is not its own."""
    acme = opened(customers, "acme")
    with target_lock.held(acme) as held:
        left(acme)
        with pytest.raises(UsageError, match=r"beta/test-07 .* took over this target"):
            held.check()
    assert "beta" in target_lock.path_of(acme).read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_one_line(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to do stands in it."""
    acme = opened(customers, "acme")
    target_lock.path_of(acme).mkdir()
    with pytest.raises(ConfigError, match="make the folder of runs writable"), target_lock.held(acme):
        pytest.fail("held without a file")
