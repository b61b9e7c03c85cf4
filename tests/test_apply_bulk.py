"""The load in bulk against the sandbox: the same end as one by one, in few calls, whatever becomes of a job."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import bulk_world as bulk
from crmbook import apply
from crmbook.errors import Unavailable
from crmbook.ledger import Ledger
from crmbook.phases import forecast, load, strategies
from crmbook.phases.edition import CLASSIC, SUITE
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, again, loading

SIZE = 40
# A job is over by time, polled or not, so that calls can be counted exactly.
JOBS = {"job_delay_s": 0.5, "job_polls": 1_000}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT | JOBS) as box:
        yield box


@pytest.fixture
def target(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox.admin("POST", "reset")
    sandbox.admin("PUT", f"{REALM}/settings", JOBS | {"bulk_drops_links": True, "index_delay_s": 0.1})
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    return sandbox


@pytest.fixture(scope="module")
def one_by_one(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The state the same world ends in where nothing goes in bulk."""
    folder = tmp_path_factory.mktemp("one-by-one")
    with pytest.MonkeyPatch.context() as patch:
        sandbox.admin("POST", "reset")
        patch.setenv("CRMBOOK_RUNS", str(folder))
        patch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        with bulk.world(sandbox, folder, size=SIZE, known=bulk.NO_BULK) as (run, client):
            bulk.loaded(sandbox, run, client)
        return bulk.state(sandbox)


def applied(box: Sandbox, run: Run, client: Freshsales, **more: Any) -> pl.DataFrame:
    plan = apply.plan_of(run, client).collect()
    apply.apply(
        run, client, plan, confirm=load.plan_hash(plan), patience=0.0, sleep=bulk.passing(box), **more
    )
    return plan


def sent(box: Sandbox, route: str) -> int:
    return int(box.admin("GET", f"requests?realm={REALM}")["by_route"].get(route, 0))


@pytest.mark.parametrize("edition", [SUITE, CLASSIC], ids=["suite", "classic"])
@pytest.mark.parametrize(
    ("known", "drops"), [(bulk.LINKS_KEPT, False), (bulk.LINKS_DROPPED, True), (bulk.LINKS_KEPT, True)],
    ids=["links-kept", "links-dropped", "dropped-though-measured-kept"],
)  # fmt: skip
def test_bulk_ends_as_one_by_one_does(
    customers: Path, monkeypatch: pytest.MonkeyPatch, edition: Any, known: dict[str, str], drops: bool
) -> None:
    """The same state hash on both editions, with links in the call, after it, or lost against expectation."""
    states = []
    with Sandbox(switches=TENANT | JOBS | {"bulk_drops_links": drops}, edition=edition.name) as box:
        monkeypatch.setenv("CASE_TARGET", box.ready[REALM]["token"])
        for how in (bulk.NO_BULK, known):
            box.admin("POST", "reset")
            with bulk.world(box, customers, size=SIZE, known=how, edition=edition) as (run, client):
                bulk.loaded(box, run, client)
                assert apply.rejected(run).height == 0
            states.append(bulk.state(box))
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("known", "drops", "size", "most"),
    [(bulk.LINKS_KEPT, False, 500, 0.05), (bulk.LINKS_DROPPED, True, 200, 1.1)],
    ids=["links-kept", "links-dropped"],
)  # fmt: skip
def test_calls_are_few_and_foretold(
    target: Sandbox, customers: Path, known: dict[str, str], drops: bool, size: int, most: float
) -> None:
    """Calls per migrated record, and the forecast within 5 % of them."""
    switches = {"bulk_drops_links": drops, "job_delay_s": 5.0, "job_polls": 2}
    target.admin("PUT", f"{REALM}/settings", switches)
    with bulk.world(target, customers, size=size, known=known) as (run, client):
        used = bulk.loaded(target, run, client)
        plan, fields = run.read("plan"), run.read("target_fields")
        chosen = strategies.ways(apply.capabilities(run), fields)
        foretold = forecast.forecast(plan, {"pro": 2000}, chosen=chosen, existing=run.read("existing"))
        counted = forecast.error(foretold, apply.calls_used(run))
    total = counted.row(by_predicate=pl.col("entity") == "total", named=True)
    assert total["used"] == used
    assert used / (2 * size) <= most
    assert abs(total["error"]) <= 0.05


def test_an_update_in_bulk_keeps_what_others_wrote(target: Sandbox, customers: Path) -> None:
    """The second load of a world matches every record by its mark: tags and links of others stay, none doubles."""
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        bulk.loaded(target, run, client)
    theirs = next(d for d in target.admin("GET", f"{REALM}/contacts") if d.get("external_id") == "7")
    target.admin("PUT", f"{REALM}/contacts/{theirs['id']}", {"tags": ["theirs"]})
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        used = bulk.loaded(target, run, client)
        origins = apply.crosswalk(run)["origin"].unique().to_list()
    people = target.admin("GET", f"{REALM}/contacts")
    assert origins == ["matched"]
    assert next(d for d in people if d["id"] == theirs["id"])["tags"] == ["theirs", "a"]
    assert len(people) == SIZE + 2
    # nothing links anew: those links stand there already
    assert used < 40


FAULTS: dict[str, list[dict[str, Any]]] = {
    "a job that does nothing": [{"kind": "job_fail", "path": "/bulk_upsert$", "times": 2}],
    "a job that does half": [{"kind": "job_partial", "path": "/bulk_upsert$", "times": 3}],
    "every job does half": [{"kind": "job_partial", "path": "/bulk_upsert$"}],
    "dropped after the job was taken": [{"kind": "drop_after", "path": "/bulk_upsert$", "every": 2}],
    "dropped before it was": [{"kind": "drop_before", "path": "/bulk_upsert$", "every": 2}],
    "half an answer": [{"kind": "truncate", "path": "/bulk_upsert$", "every": 2}],
    "503 on every third call": [{"kind": "status", "status": 503, "every": 3, "times": 12}],
    "bulk is refused": [{"kind": "status", "status": 400, "path": "/bulk_upsert$", "body": {"errors": {"code": 400}}}],
    "bulk is not there": [{"kind": "status", "status": 404, "path": "/bulk_upsert$"}],
    "no job can be asked about": [{"kind": "status", "status": 404, "path": "/job_statuses/"}],
    "links are dropped after": [{"kind": "drop_after", "method": "PUT", "every": 2}],
}  # fmt: skip


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_trouble_leaves_no_trace(
    target: Sandbox, customers: Path, one_by_one: str, faults: list[dict[str, Any]]
) -> None:
    """Under each kind of trouble the tenant ends in the very state of a load one by one."""
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        target.admin("POST", "faults", [{"realm": REALM, **fault} for fault in faults])
        plan = applied(target, run, client)
        assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]
    assert bulk.state(target) == one_by_one


def test_an_index_that_lags_makes_no_duplicate(target: Sandbox, customers: Path, one_by_one: str) -> None:
    """Search shows nothing for an hour and every other answer is lost: the pages of the view tell all the same."""
    target.admin("PUT", f"{REALM}/settings", {"index_delay_s": 3600})
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        lost = {"realm": REALM, "kind": "drop_after", "method": "POST", "path": "/bulk_upsert$", "every": 2}
        target.admin("POST", "faults", [lost])
        applied(target, run, client)
    assert bulk.state(target) == one_by_one


def test_a_bad_row_is_found_and_named(target: Sandbox, customers: Path) -> None:
    """Two contacts whose e-mails are taken: only they are refused, in the vendor's words; the rest is there."""
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        plan = apply.plan_of(run, client).collect()
        for number in (3, 31):
            body = {"email": f"p{number}@world.example", "last_name": "Somebody else"}
            target.admin("POST", f"{REALM}/contacts", body)
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0, sleep=bulk.passing(target))
        refused = apply.rejected(run)
        assert refused.filter(pl.col("op_id").str.starts_with("contact:create")).select(
            "op_id", "messages"
        ).rows() == [
            ("contact:create:3", ["P3@world.example already exists."]),
            ("contact:create:31", ["P31@world.example already exists."]),
        ]
        assert apply.crosswalk(run).filter(pl.col("entity") == "contact").height == SIZE - 2
        kinds = dict(apply.failed_keys(run).select("op_id", "kind").iter_rows())
        assert kinds["contact:create:3"] == "duplicate"
        assert {kinds[op] for op in kinds if op.startswith("contact:lifecycle")} <= {"depends_on_missing"}


def test_only_what_was_refused_is_sent_again(target: Sandbox, customers: Path, one_by_one: str) -> None:
    """After a person made room the refused contact goes, and nothing else; the first refusal is kept."""
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        plan = apply.plan_of(run, client).collect()
        body = {"email": "p5@world.example", "last_name": "Somebody else"}
        stranger = target.admin("POST", f"{REALM}/contacts", body)
        confirm = {"confirm": load.plan_hash(plan), "patience": 0.0, "sleep": bulk.passing(target)}
        apply.apply(run, client, plan, **confirm)
        assert apply.failed_keys(run)["op_id"].to_list() == ["contact:create:5"]
        target.admin("DELETE", f"{REALM}/contacts/{stranger['id']}")
        before = target.admin("GET", f"requests?realm={REALM}")["by_route"]
        apply.apply(run, client, plan, retry_rejected=True, **confirm)
        after = target.admin("GET", f"requests?realm={REALM}")["by_route"]
        assert {k: n - before.get(k, 0) for k, n in after.items() if not k.startswith("GET")
                and n != before.get(k, 0)} == {"POST /contacts": 1}  # fmt: skip
        assert apply.failed_keys(run).height == 0
        with Ledger(run.ledger_path) as ledger:
            kept = ledger._db.execute("SELECT op_id, error FROM refusals").fetchall()
        assert kept == [("contact:create:5", json.dumps(["P5@world.example already exists."]))]
    assert bulk.state(target) == one_by_one


def test_what_lacks_its_account_goes_without(target: Sandbox, customers: Path) -> None:
    """A company the tenant refuses: its contacts and deals are there without it, and the ledger says so."""
    world = bulk.companies(SIZE // 2)
    bad = pl.when(pl.col("source_id") == "c4").then(pl.lit("not a website")).otherwise("website")
    with bulk.world(
        target, customers, size=SIZE, known=bulk.LINKS_KEPT, companies=world.with_columns(website=bad)
    ) as (run, client):
        target.admin("PUT", f"{REALM}/settings", {"bulk_drops_links": False})
        applied(target, run, client)
        assert apply.rejected(run).select("op_id", "messages").rows() == [
            ("company:create:c4", ["website is not in required format"])
        ]
        with Ledger(run.ledger_path) as ledger:
            notes = dict(ledger._db.execute("SELECT op_id, error FROM writes WHERE error LIKE 'without%'"))
    assert notes["contact:create:4"] == "without company:c4"
    assert notes["deal:create:d4"] == "without company:c4"


def test_a_field_bulk_does_not_write_is_written_after(
    target: Sandbox, customers: Path, one_by_one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant whose jobs lose tags: what lacks is seen and written, record by record."""
    from crmbook.sandbox.freshsales import bulk as vendor

    monkeypatch.setitem(vendor._LINKS, "contacts", ("sales_accounts", "tags"))
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        applied(target, run, client)
    assert bulk.state(target) == one_by_one


def test_a_tenant_that_takes_labels_singly_and_ids_in_jobs(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a real importer found it: each kind of call gets its own, and the end is the same."""
    states = []
    switches = TENANT | JOBS | {"bulk_dropdown_write": "id", "bulk_multi_write": "semicolon"}
    told = {"bulk_choice_write": "id", "bulk_multi_write": "semicolon_id"}
    with Sandbox(switches=switches) as box:
        monkeypatch.setenv("CASE_TARGET", box.ready[REALM]["token"])
        for how in (bulk.NO_BULK, bulk.LINKS_DROPPED | told):
            box.admin("POST", "reset")
            before = sent(box, "POST /contacts")
            with bulk.world(box, customers, size=SIZE, known=how) as (run, client):
                bulk.loaded(box, run, client)
            states.append(bulk.state(box))
        assert states[0] == states[1]
        assert sent(box, "POST /contacts") == before


def test_values_shown_another_way_cost_one_call(target: Sandbox, customers: Path) -> None:
    """A phone number the vendor nulls is written once by itself; then it counts as the vendor's way."""
    junk = bulk.companies(SIZE).with_columns(phone=pl.lit("none"))
    with bulk.world(
        target, customers, size=SIZE, known=bulk.LINKS_DROPPED, companies=junk
    ) as (run, client):  # fmt: skip
        before = sent(target, "PUT /sales_accounts/:id")
        plan = applied(target, run, client)
        assert sent(target, "PUT /sales_accounts/:id") - before == 1
        assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]


def test_deals_without_a_unique_field_go_one_by_one(target: Sandbox, customers: Path) -> None:
    """Bulk on deals was refused in such a tenant; the others still go in bulk, contacts by their external id."""
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        fields = bulk.without_unique(run, "contacts", "deals")
        before = sent(target, "POST /deals")
        applied(target, run, client)
        chosen = strategies.shown(run.read("plan"), strategies.ways(apply.capabilities(run), fields))
    assert dict(chosen.select("entity", "strategy").iter_rows()) == {
        "company": "bulk_with_links", "contact": "bulk_then_links", "deal": "single",
    }  # fmt: skip
    assert chosen.filter(pl.col("entity") == "contact")["key"].item() == "external_id"
    assert sent(target, "POST /deals") - before == SIZE // 2


def test_a_job_that_never_ends_stops_the_load(target: Sandbox, customers: Path) -> None:
    """A second job beside it could make records twice: exit 5, everything pending, and the next start goes on."""
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        plan = apply.plan_of(run, client).collect()
        # longer than a busy machine needs for the questions that are asked without waiting in between
        target.admin("PUT", f"{REALM}/settings", {"job_delay_s": 3_600})
        with pytest.raises(Unavailable, match="its job did not end within 600 s") as stop:
            apply.apply(
                run, client, plan, confirm=load.plan_hash(plan), patience=0.0, sleep=lambda _wait_s: None
            )
        assert stop.value.exit_code == 5
        with Ledger(run.ledger_path) as ledger:
            assert len(ledger.pending()) == SIZE // 2
        target.admin("PUT", f"{REALM}/settings", JOBS)
        target.admin("POST", "clock", {"advance_s": 3_600})
        applied(target, again(run), client)
        assert apply.rejected(run).height == 0


KILLED = """
import os, signal, sys
from crmbook import apply, runs, target
from crmbook.ledger import Ledger
from crmbook.phases import load
from crmbook.vendors.freshsales import Freshsales
from load_case import opened

step, left = sys.argv[1], [int(sys.argv[2])]
owner = Freshsales if step in ("bulk_upsert", "job", "update") else Ledger
told = getattr(owner, step)


def deadly(self, *said):
    left[0] -= 1
    if not left[0] and step == "done":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = told(self, *said)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer


setattr(owner, step, deadly)
run = opened(runs.Record(runs.root() / "case" / "test-01"), "05_load")
plan = run.read("plan").sort("seq")
apply.apply(run, target.connect(run), plan, confirm=load.plan_hash(plan), patience=0.1, sleep=lambda wait_s: None)
"""


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("intend", 1), ("intend", 2), ("bulk_upsert", 1), ("bulk_upsert", 2), ("bulk_upsert", 4), ("job", 2),
        ("done", 1), ("done", 2), ("done", 9), ("update", 5),
    ],
)  # fmt: skip
def test_a_load_killed_at_any_moment_goes_on(
    target: Sandbox, customers: Path, one_by_one: str, step: str, moment: int
) -> None:
    """SIGKILL around a call or its record: what is open is looked up by key, and the state is the same."""
    target.admin("PUT", f"{REALM}/settings", {"job_delay_s": 0.0})
    with bulk.world(target, customers, size=SIZE, known=bulk.LINKS_DROPPED) as (run, client):
        plan = apply.plan_of(run, client).collect()
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [sys.executable, "-c", KILLED, step, str(moment)]
        dead = subprocess.run(command, check=False, env=environment, capture_output=True)
        assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
        with Ledger(run.ledger_path) as ledger:
            assert len(ledger.pending()) > 1
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0, sleep=bulk.passing(target))
        assert apply.rejected(run).height == 0
    assert bulk.state(target) == one_by_one


def test_matched_records_in_bulk_are_those_of_the_plan(target: Sandbox, customers: Path) -> None:
    """A contact by e-mail and an account by name, with tags and links of others, beside many new ones."""
    from load_case import capabilities, contacts

    with loading(target, customers, people=contacts(12), known=capabilities(**bulk.LINKS_DROPPED)) as (
        run,
        client,
    ):
        applied(target, run, client)
        origins = {(e, s) for e, s, _, o in apply.crosswalk(run).rows() if o == "matched"}
    found = {d.get("external_id"): d for d in target.admin("GET", f"{REALM}/contacts")}
    assert origins == {("contact", "100"), ("company", "5000")}
    assert found["100"]["tags"] == ["theirs", "ours"]
    assert len(found["100"]["sales_accounts"]) == 3
