"""One budget, several processes, the real server: nothing refused, nothing left unused; and what `--max-wait` does."""

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crmbook.errors import RateLimited
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import freshsales
from crmbook.vendors.quota import Quota
from customer_setup import Journey

REALM = "freshsales_test"
HOUR = 40
WORKER = """
import json, sys
from pathlib import Path
import httpx
from crmbook.vendors import freshsales
from crmbook.vendors.quota import Quota

told = json.loads(sys.argv[1])
web = httpx.Client(base_url=told["admin"], trust_env=False)
quota = Quota(
    Path(told["path"]), "crm.example", {"hour": told["hour"]},
    clock=lambda: web.get("clock").json()["epoch_s"],
    sleep=lambda wait_s: web.post("clock", json={"advance_s": wait_s}),
)
client = freshsales.connect("suite", told["base_url"], told["token"], quota=quota, max_wait_s=None)
for _ in range(told["calls"]):
    client.check()
print(json.dumps({"calls": client.client.calls, "refused": quota.refusals().answers}))
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(switches={"requests_per_hour": HOUR}) as made:
        yield made


def worker(box: Sandbox, path: Path, calls: int) -> subprocess.Popen[str]:
    target = box.ready[REALM]
    told = {
        "admin": box.ready["admin"]["base_url"], "path": str(path), "hour": HOUR, "calls": calls,
        "base_url": target["base_url"], "token": target["token"],
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(told)], stdout=subprocess.PIPE, text=True
    )


def sent(client: freshsales.Freshsales, calls: int) -> None:
    for _ in range(calls):
        assert client.check()


def test_two_processes_spend_one_budget_fully_and_are_never_refused(box: Sandbox, tmp_path: Path) -> None:
    """200 calls at 40 an hour, by the server's clock, which moves only where somebody waits for it."""
    before_s = float(box.admin("GET", "clock")["epoch_s"])
    started = [worker(box, tmp_path / "quota.db", 100) for _ in range(2)]
    told: list[dict[str, Any]] = [json.loads(process.communicate(timeout=200)[0]) for process in started]
    hours = (float(box.admin("GET", "clock")["epoch_s"]) - before_s) / 3600
    assert told == [{"calls": 100, "refused": 0}] * 2
    assert box.admin("GET", f"requests?realm={REALM}")["total"] == 200
    assert 200 / (HOUR * (hours + 1)) >= 0.95


def test_a_storm_of_429s_is_obeyed_and_survived(box: Sandbox) -> None:
    """Every third answer is a 429 that names no time: every call gets through, each pause is longer than none."""
    clock: list[float] = [0.0]
    quota = Quota(
        None, "crm.example", {"minute": 1000}, clock=lambda: clock[0], sleep=lambda s: clock.append(clock.pop() + s)
    )  # fmt: skip
    target = box.ready[REALM]
    client = freshsales.connect("suite", target["base_url"], target["token"], quota=quota, max_wait_s=None)
    box.admin("PUT", f"{REALM}/settings", {"requests_per_hour": 10_000})
    box.admin("POST", "faults", [{"realm": REALM, "kind": "status", "status": 429, "every": 3}])
    sent(client, 20)
    assert client.client.calls == 20 + quota.refusals().answers
    assert clock[0] >= quota.refusals().answers > 5


def test_a_wait_beyond_the_longest_allowed_stops_and_running_again_continues(
    box: Sandbox, tmp_path: Path
) -> None:
    """Exit code 5 with the moment; nothing was sent in vain, and an hour later the same file lets it through."""

    def connected() -> freshsales.Freshsales:
        quota = Quota(
            tmp_path / "quota.db", "crm.example", {"hour": HOUR},
            clock=lambda: float(box.admin("GET", "clock")["epoch_s"]),
        )  # fmt: skip
        target = box.ready[REALM]
        return freshsales.connect("suite", target["base_url"], target["token"], quota=quota, max_wait_s=600)

    client = connected()
    with pytest.raises(RateLimited, match=r"free again at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC") as caught:
        sent(client, HOUR + 1)
    assert (caught.value.exit_code, client.client.calls) == (5, HOUR)
    box.admin("POST", "clock", {"advance_s": 3600})
    assert connected().check()


def test_a_clock_set_back_costs_at_most_a_window(box: Sandbox, tmp_path: Path) -> None:
    """A machine whose clock jumps back an hour in the middle: no call is refused by the server."""
    jump_s = [0.0]
    quota = Quota(
        tmp_path / "quota.db", "crm.example", {"hour": HOUR},
        clock=lambda: float(box.admin("GET", "clock")["epoch_s"]) + jump_s[0],
        sleep=lambda wait_s: box.admin("POST", "clock", {"advance_s": wait_s}),
    )  # fmt: skip
    target = box.ready[REALM]
    client = freshsales.connect("suite", target["base_url"], target["token"], quota=quota, max_wait_s=None)
    for number in range(2 * HOUR):
        jump_s[0] = -5000.0 if number >= HOUR // 2 else 0.0
        client.check()
    assert quota.refusals().answers == 0


def test_a_run_that_would_wait_too_long_is_exit_5_and_goes_on_later(journey: Journey, tmp_path: Path) -> None:
    """The command's own limit reaches the notebook; the line tells the moment, and running again continues."""
    acme = journey.to("signed").again_from("planned", tmp_path)
    path = acme.runs / ".quota.db"
    host = urlsplit(acme.box.ready[REALM]["base_url"]).netloc
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        closed = (host, time.time(), time.time() + 1800, 1, 1.0)
        db.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?)", closed)
    stopped = acme.run("test", "--run", "test-01", "--max-wait", "10m")
    assert stopped.code == 5, stopped.out + stopped.err
    assert re.search(
        r"quota spent.*asks for a pause; free again at 20\d\d-.* UTC, run again then to resume", stopped.err
    )
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE hosts SET closed_until=0")
    assert acme.run("test", "--run", "test-01").code == 4
