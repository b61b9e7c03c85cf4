"""How much of what a vendor allows is used, is it ever overspent, and what does a plain client make of it? `python tests/bench/rates.py [contacts]`

The source is read through the extractor and by a bare pager of httpx: the same routes, one request after another, a
pause after each where there is a limit, nothing written. The target is loaded over several windows of a quota smaller
than the work, counted where the sandbox receives the requests; then a whole load is compared with a client of httpx
that sends each write of the plan in one request, links inline, and looks at nothing; both leave the same tenant.
User.com publishes no limit: 5 a second is the default of customer.toml, 20 is as much as a busy machine serves for sure.
Late answers are the sandbox's; until the way to it is known, a request counts until a second after its answer, which costs a
second's window a share that a minute's or an hour's does not feel. The load's times are by the sandbox's clock, where waiting costs nothing,
except in the row that says real time.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bulk_world as bulk
import history_account as account
from crmbook import apply, config, extract, runs
from crmbook.apply_writes import resolved
from crmbook.phases import load
from crmbook.phases.edition import MODULES
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from crmbook.vendors.freshsales_edition import edition
from crmbook.vendors.quota import WINDOWS_S, Quota
from crmbook.vendors.usercom import ROUTES
from load_case import REALM, TENANT

SIZE = 600
PLAN = 1_000  # an hour, as the smallest paid plan publishes it
UNLIMITED = 100_000
LATE_S = 0.1
LINE = "| {:<47} | {:>13} | {:>19} | {:>6} | {:>4} | {:>13} | {:>5} |"
PLAIN = "plain"
WAYS = {
    "bulk, links kept": bulk.LINKS_KEPT,
    "bulk, then links": bulk.LINKS_DROPPED,
    "one by one": bulk.NO_BULK,
}
UNITS = (("{:,} calls", ""), ("{:,.0f} s", "no limit"), ("{:,.0f} s", f"{PLAN:,} an hour"))
Wait = Callable[[float], Any]


class Arrivals:
    """What one realm of *box* receives: when by *clock*, and the statuses it answers."""

    def __init__(self, box: Sandbox, realm: str, clock: Callable[[], float] = time.time) -> None:
        self.moments: list[float] = []
        self.statuses: list[int] = []
        self._clock, self._app = clock, box._site.apps[realm]
        box._site.apps[realm] = self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.moments.append(self._clock())

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        await self._app(scope, receive, noted)

    @property
    def refused(self) -> int:
        return self.statuses.count(429)

    def rate(self, limit: int) -> float:
        """
        Requests a second from the end of the first *limit* of them to the end of the last.

        The first leave at once, which no window after them can repeat.
        """
        whole = len(self.moments) // limit * limit
        return (whole - limit) / (self.moments[whole - 1] - self.moments[limit - 1])

    def in_windows(self, span_s: float, windows: int) -> list[int]:
        first = self.moments[0]
        return [
            sum(n * span_s <= at - first < (n + 1) * span_s for at in self.moments) for n in range(windows)
        ]


class Passing:
    """The sandbox's clock, which a sleeper only moves; `quota_s` of it were spent waiting for the quota."""

    def __init__(self) -> None:
        self.box: Sandbox | None = None
        self.quota_s = self._ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_s

    def sleep(self, wait_s: float) -> None:
        self._ahead_s = self.box.admin("POST", "clock", {"advance_s": wait_s})["advanced_s"]

    def wait(self, wait_s: float) -> None:
        self.quota_s += wait_s
        self.sleep(wait_s)


@contextmanager
def source(rate: int | None, late_s: float) -> Iterator[tuple[Sandbox, Arrivals]]:
    """A history in pages of ten behind a vendor that allows *rate* a second and answers so late."""
    people = {"users": [account._user(n) for n in range(1, 81)]}
    box = Sandbox(account.scenario(people, page_size=10, requests_per_second=rate))
    arrivals = Arrivals(box, "usercom")
    with box:
        if late_s:
            box.admin("POST", "faults", [{"realm": "usercom", "kind": "delay", "delay_s": late_s}])
        yield box, arrivals


def extracted(box: Sandbox, rate: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CRMBOOK_RUNS": folder, account.TOKEN: box.ready["usercom"]["token"]}
        text = config.TEMPLATE.format(customer="acme", variable="ACME")
        text = text.replace("https://acme.user.com/api/public/", box.ready["usercom"]["base_url"])
        text = text.replace("per_second = 5", f"per_second = {rate or UNLIMITED}")
        (Path(folder) / "acme").mkdir()
        (Path(folder) / "acme" / "customer.toml").write_text(text)
        run_id = runs.create("acme", "test", parameters={}).folder.name
        with contextlib.redirect_stdout(io.StringIO()):
            extract.fetch(runs.open("01_discovery", customer="acme", run_id=run_id))


def paged(box: Sandbox, rate: int | None) -> None:
    """The bare pager."""
    ready = box.ready["usercom"]
    headers = {"Authorization": f"Token {ready['token']}", "Accept": "*/*; version=2"}
    with httpx.Client(base_url=ready["base_url"], headers=headers, trust_env=False) as web:

        def asked(path: str) -> Any:
            answer = web.get(path).raise_for_status().json()
            if rate:
                time.sleep(1 / rate)
            return answer

        def walked(path: str | None) -> list[Any]:
            found = []
            while path:
                page = asked(path)
                found += page["results"]
                path = page["next"]
            return found

        found = {name: walked(path) for name, path in ROUTES.items() if name != "events"}
        for user in found["users"]:
            walked(f"users/{user['id']}/events/")
            if user["email"]:
                walked(f"users/{user['id']}/emails/")
        for talk in found["conversations"]:
            if talk["messages"]:
                asked(f"conversations/{talk['id']}/")


def reading(rate: int | None, late_s: float = 0.0) -> None:
    """A row of the source, read both ways from an account of its own."""
    took_s, seen, routes = [], [], []
    for read in (extracted, paged):
        with source(rate, late_s) as (box, arrivals):
            before = time.perf_counter()
            read(box, rate)
            took_s.append(time.perf_counter() - before)
            seen.append(arrivals)
            routes.append(box.admin("GET", "requests?realm=usercom")["by_route"])
    # the list of attributes is read once for its table and once to tell custom keys from new standard ones
    assert routes[0] == routes[1] | {"GET /attributes/": 2}
    late = f", answers {late_s * 1000:.0f} ms late" if late_s else ""
    what, refused = f"source: {len(seen[0].moments)} requests{late}", seen[0].refused
    if rate is None:
        row(what, "no limit", f"{took_s[0]:.1f} s", None, refused, f"{took_s[1]:.1f} s", took_s)
    else:
        rates = [arrivals.rate(rate) for arrivals in seen]
        ours, bare = (f"{found:.2f} a second" for found in rates)
        row(what, f"{rate} a second", ours, rates[0] / rate, refused, bare, rates)


class Enough(Exception):  # noqa: N818
    """The windows are over, and there is more to load."""


@dataclass(frozen=True)
class Load:
    """A plan and its target, nothing written yet."""

    box: Sandbox
    run: runs.Run
    client: Freshsales
    plan: pl.DataFrame
    limits: dict[str, int]
    arrivals: Arrivals
    passing: Passing

    def applied(self, wait: Wait, between: Callable[[], None] = lambda: None) -> None:
        """The plan carried out within the limits; *wait* is how the quota waits, and jobs where that is real time."""
        self.client.client.quota = Quota(
            self.run.folder / "quota.db", "crm.example", self.limits, clock=self.passing.now, sleep=wait
        )
        apply.apply(
            self.run, self.client, self.plan, confirm=load.plan_hash(self.plan), patience=0.0,
            sleep=time.sleep if wait is time.sleep else self.passing.sleep, between=between,
        )  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a whole load took: calls, seconds but for the quota, seconds with it; and the tenant it left."""

    costs: tuple[int, float, float]
    refused: int
    records: int
    state: str


@contextmanager
def target(size: int, known: dict[str, str], limits: dict[str, int]) -> Iterator[Load]:
    """A planned load of *size* contacts; from here on the tenant allows *limits*, its windows unspent."""
    passing = Passing()
    box = Sandbox(switches=TENANT | {"bulk_drops_links": known is bulk.LINKS_DROPPED})
    arrivals = Arrivals(box, REALM, passing.now)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        passing.box = stack.enter_context(box)
        os.environ |= {"CRMBOOK_RUNS": str(folder), "CASE_TARGET": box.ready[REALM]["token"]}
        with contextlib.redirect_stdout(io.StringIO()):
            run, client = stack.enter_context(bulk.world(box, folder, size=size, known=known))
            plan = apply.plan_of(run, client).collect()
        box.admin("PUT", f"{REALM}/settings", {f"requests_per_{name}": n for name, n in limits.items()})
        passing.sleep(WINDOWS_S["hour"])
        arrivals.moments.clear()
        arrivals.statuses.clear()
        yield Load(box, run, client, plan, limits, arrivals, passing)


def windows(what: str, size: int, known: dict[str, str], window: str, limit: int, *, real: bool) -> None:
    """A row of a load that is stopped after three full windows with work left."""
    span_s, count = WINDOWS_S[window], 3
    with target(size, known, {window: limit}) as made:
        arrivals, passing = made.arrivals, made.passing

        def between() -> None:
            if passing.now() - arrivals.moments[0] > count * span_s:
                raise Enough

        with contextlib.suppress(Enough):
            made.applied(time.sleep if real else passing.wait, between)
            raise AssertionError("the load ended before the windows did")
        spent = " ".join(map(str, arrivals.in_windows(span_s, count)))
        share = arrivals.rate(limit) * span_s / limit
        row(f"load: {what}", per(limit, window), spent, share, arrivals.refused, "", None)


def sent(made: Load, pause: Callable[[], None]) -> None:
    """The plain client: each write of the plan in one request, its references as the ids the answers brought."""
    ready, suite, ids = made.box.ready[REALM], edition("suite"), {}
    headers = {"Authorization": f"Token token={ready['token']}"}
    with httpx.Client(base_url=ready["base_url"], headers=headers, trust_env=False) as web:
        for op in made.plan.sort("seq").iter_rows(named=True):
            module, record = suite.module(MODULES[op["entity"]]), f"{op['entity']}:{op['source_id']}"
            body = {module.wrapper: resolved(json.loads(op["payload"]), ids)[0]}
            if record in ids:
                web.put(f"{module.path}/{ids[record]}", json=body).raise_for_status()
            else:
                answer = web.post(module.path, json=body).raise_for_status()
                ids[record] = answer.json()[module.wrapper]["id"]
            pause()


def done(way: str, known: dict[str, str], size: int) -> Done:
    with target(size, known, {"hour": PLAN}) as made:
        passing = made.passing
        began = passing.now()
        if way == PLAIN:
            sent(made, lambda: passing.wait(WINDOWS_S["hour"] / PLAN))
        else:
            made.applied(passing.wait)
        whole_s, arrivals = passing.now() - began, made.arrivals
        records = made.plan["action"].is_in(["create", "update"]).sum()
        costs = len(arrivals.moments), whole_s - passing.quota_s, whole_s
        return Done(costs, arrivals.refused, records, bulk.state(made.box))


def loads(size: int) -> None:
    """Three rows for each way to load: the calls, and the time without and with the plan's quota."""
    bare = done(PLAIN, bulk.NO_BULK, size)
    for way, known in WAYS.items():
        ours = done(way, known, size)
        assert ours.state == bare.state
        what = f"load: {ours.records:,} records, {way}"
        for n, (unit, allowed) in enumerate(UNITS):
            pair = ours.costs[n], bare.costs[n]
            row(what, allowed, unit.format(pair[0]), None, ours.refused, unit.format(pair[1]), pair)


def per(limit: int, window: str) -> str:
    return f"{limit:,} {'an' if window == 'hour' else 'a'} {window}"


def row(what: str, allowed: str, ours: str, share: float | None, refused: int, bare: str, pair: Any) -> None:
    used = "" if share is None else f"{share:.1%}"
    ratio = f"{pair[0] / pair[1]:.2f}" if pair else ""
    print(LINE.format(what, allowed, ours, used, refused, bare, ratio), flush=True)


def main(size: int) -> None:
    print(LINE.format("what", "allowed", "crmbook", "share", "429s", "plain client", "ratio"))
    print("|---|--:|--:|--:|--:|--:|--:|")
    for rate in (5, 20, None):
        for late_s in (0.0, LATE_S):
            reading(rate, late_s)
    windows("one by one, real time", 100, bulk.NO_BULK, "minute", 60, real=True)
    windows("bulk, then links", 200, bulk.LINKS_DROPPED, "minute", 60, real=False)
    windows("one by one", 1_100, bulk.NO_BULK, "hour", PLAN, real=False)
    loads(size)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
