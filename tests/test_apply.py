"""The load against the sandbox: exactly the plan, exactly once, whatever breaks in between."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import apply
from crmbook.errors import AuthError, RateLimited, Unavailable, UpstreamError, UsageError
from crmbook.ledger import Ledger
from crmbook.phases import load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import ADMIN, REALM, TENANT, again, loading

Case = tuple[Sandbox, Run, Freshsales]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A fresh tenant and a run whose load has not begun."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    with loading(sandbox, customers) as (run, client):
        yield sandbox, run, client


def applied(run: Run, client: Freshsales, *, patience: float = 0.4) -> pl.DataFrame:
    plan = apply.plan_of(run, client).collect()
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=patience)
    return plan


def records(box: Sandbox, module: str) -> dict[str, dict[str, Any]]:
    """What the tenant holds of ours, by source id; two records of one source id would be an error."""
    found: dict[str, dict[str, Any]] = {}
    for doc in box.admin("GET", f"{REALM}/{module}"):
        mark = doc["custom_field"].get("cf_usercom_original_id")
        if mark is not None and not doc["is_deleted"]:
            assert mark not in found
            found[mark] = doc
    return found


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])


@dataclass(frozen=True)
class Undisturbed:
    """The end of a load that nothing disturbed: the state hash, and the requests it took."""

    state: str
    calls: int


def calls(box: Sandbox) -> int:
    return int(box.admin("GET", f"requests?realm={REALM}")["total"])


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        sandbox.admin("POST", "reset")
        patch.setenv("CRMBOOK_RUNS", str(folder))
        patch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        with loading(sandbox, folder) as (run, client):
            plan = apply.plan_of(run, client).collect()
            before = calls(sandbox)
            apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
        return Undisturbed(state(sandbox), calls(sandbox) - before)


def selector(box: Sandbox, kind: str, key: str, value: str) -> int:
    return int(next(row["id"] for row in box.admin("GET", f"{REALM}/{kind}") if row[key] == value))


def test_the_target_holds_what_was_planned(case: Case) -> None:
    """Companies, contacts with links and stages, deals with pipeline, money, dates and owner: field by field."""
    box, run, client = case
    plan = applied(run, client)
    ids = {(e, s): t for e, s, t, _ in apply.crosswalk(run).rows()}
    people, money = records(box, "contacts"), records(box, "deals")
    ola, admin = (selector(box, "owners", "email", mail) for mail in ("OLA@case.example", ADMIN))
    assert set(records(box, "sales_accounts")) == {"5000", "5001", "5002"}
    assert {k: d["owner_id"] for k, d in people.items()} == {
        "100": ola,
        "101": admin,
        "102": admin,
        "103": admin,
    }
    assert people["101"]["custom_field"]["cf_plan"] == "paid, yearly"
    assert people["101"]["custom_field"]["cf_topics"] == "a;b"
    assert people["102"]["custom_field"]["cf_born"] == "1969-12-31"
    assert people["101"]["sales_accounts"] == [{"id": ids["company", "5002"], "is_primary": True}]
    kinds = {row["id"]: row["type"] for row in box.admin("GET", f"{REALM}/lifecycle_stages")}
    assert {k: kinds[d["lifecycle_stage_id"]] for k, d in people.items()} == {
        "100": "Lead", "101": "Customer", "102": "Sales Qualified Lead", "103": "Lead",
    }  # fmt: skip
    assert money["900"]["contact_ids"] == [ids["contact", "102"]]
    assert money["900"]["sales_account_id"] == ids["company", "5000"]
    assert money["900"]["currency_id"] == selector(box, "currencies", "currency_code", "PLN")
    assert money["901"]["closed_date"] == "2019-05-03"
    assert sorted(money["901"]["contact_ids"]) == sorted([ids["contact", "101"], ids["contact", "100"]])
    assert {k: float(d["amount"]) for k, d in money.items()} == {"900": 1234.5, "901": 0.0, "902": 20.0}
    assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]


def test_what_was_there_is_matched_and_kept(case: Case) -> None:
    """A contact by e-mail and an account by name are updated: their tags and links stay beside ours."""
    box, run, client = case
    applied(run, client)
    person, company = records(box, "contacts")["100"], records(box, "sales_accounts")["5000"]
    origins = {(e, s): o for e, s, _, o in apply.crosswalk(run).rows() if o == "matched"}
    assert origins == {("contact", "100"): "matched", ("company", "5000"): "matched"}
    assert (person["tags"], company["tags"], company["city"]) == (
        ["theirs", "ours"],
        ["theirs", "ours"],
        "Hull",
    )
    foreign = selector(box, "sales_accounts", "name", "Foreign")
    assert foreign in [link["id"] for link in person["sales_accounts"]]
    assert [link["is_primary"] for link in person["sales_accounts"]].count(True) == 1
    assert len(box.admin("GET", f"{REALM}/contacts")) == 2 + 3


def test_existing_is_what_stood_before(case: Case) -> None:
    """Every record of the tenant by its keys, ours not among them."""
    _, run, client = case
    found = apply.existing(run, client)
    assert found.select("module", "email", "name", "original_id").rows() == [
        ("contacts", "Known@x.example", "Known", None),
        ("contacts", "other@x.example", "Other", None),
        ("sales_accounts", None, "Acme ", None),
        ("sales_accounts", None, "Foreign", None),
    ]


def test_a_finished_load_writes_nothing_again(case: Case) -> None:
    """Started again it takes over the approved plan and sends no write."""
    box, run, client = case
    plan = applied(run, client)
    before = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    second = again(run)
    assert load.plan_hash(applied(second, client)) == load.plan_hash(plan)
    after = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    assert {k: v for k, v in after.items() if not k.startswith("GET")} == {
        k: v for k, v in before.items() if not k.startswith("GET")
    }


FAULTS = {
    "dropped after the contact was made": [
        {"kind": "drop_after", "method": "POST", "path": "/contacts$", "every": 2}
    ],
    "half an answer to each creation": [{"kind": "truncate", "method": "POST", "every": 2}],
    "dropped before a deal was made": [
        {"kind": "drop_before", "method": "POST", "path": "/deals$", "times": 2}
    ],
    "500 on creations": [{"kind": "status", "status": 500, "method": "POST", "every": 3, "times": 4}],
    "503 everywhere": [{"kind": "status", "status": 503, "every": 5, "times": 12}],
    "429 without Retry-After": [
        {"kind": "status", "status": 429, "times": 1, "body": {"errors": {"code": 429}}}
    ],
    "429 with Retry-After": [{"kind": "status", "status": 429, "times": 2, "headers": {"Retry-After": "1"}}],
    "changes dropped after": [{"kind": "drop_after", "method": "PUT", "every": 2}],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_trouble_leaves_no_trace(undisturbed: Undisturbed, case: Case, faults: list[dict[str, Any]]) -> None:
    """Under each kind of trouble the tenant ends in the very state of an undisturbed load."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", "faults", [{"realm": REALM, **fault} for fault in faults])
    before = calls(box)
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
    assert calls(box) - before > undisturbed.calls
    assert state(box) == undisturbed.state
    assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]


KILLED = """
import os, signal, sys
from crmbook import apply, runs, target
from crmbook.ledger import Ledger
from crmbook.phases import load
from load_case import opened

step, left = sys.argv[1], [int(sys.argv[2])]
told = getattr(Ledger, step)


def deadly(self, said):
    left[0] -= 1
    if step == "intend":
        told(self, said)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == "done":
        told(self, said)


setattr(Ledger, step, deadly)
run = opened(runs.Record(runs.root() / "case" / "test-01"), "05_load")
plan = run.read("plan").sort("seq")
apply.apply(run, target.connect(run), plan, confirm=load.plan_hash(plan), patience=0.4)
"""


@pytest.mark.parametrize("step", ["intend", "done"], ids=["before-sending", "before-the-outcome"])
@pytest.mark.parametrize("moment", [1, 5, 8, 11, 14])
def test_a_load_killed_at_any_write_goes_on(
    undisturbed: Undisturbed, case: Case, step: str, moment: int
) -> None:
    """SIGKILL around a write: the next start settles the one that is open, and the state is the same."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", KILLED, step, str(moment)]
    dead = subprocess.run(command, check=False, env=environment, capture_output=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    with Ledger(run.ledger_path) as ledger:
        assert len(ledger.pending()) == 1
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
    assert state(box) == undisturbed.state


def test_another_plan_than_the_approved_one_is_refused(case: Case) -> None:
    """The hash is the approval; nothing is written for another one."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    with pytest.raises(UsageError, match="is not the approved plan 000000000000"):
        apply.apply(run, client, plan.head(3), confirm="0" * 64)
    assert records(box, "contacts") == {}
    assert not run.ledger_path.exists()


def test_a_refused_record_is_recorded_and_the_rest_goes_on(case: Case) -> None:
    """The vendor refuses a contact: it is kept with its sentence, its deal goes on without it and says so."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", f"{REALM}/contacts", {"email": "p2@x.example", "last_name": "Somebody else"})
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.2)
    refused = apply.rejected(run)
    assert refused.select("op_id", "messages").rows() == [
        ("contact:create:102", ["p2@x.example already exists."]),
        ("contact:lifecycle:102", ["contact:102 is not in the target"]),
    ]
    assert records(box, "deals")["900"]["contact_ids"] == []
    with Ledger(run.ledger_path) as ledger:
        note = ledger._db.execute("SELECT error FROM writes WHERE op_id = 'deal:create:900'").fetchone()
    assert note == ("without contact:102",)
    assert {"done", "rejected"} == set(apply.outcomes(run, plan)["outcome"])


def test_a_matched_record_that_went_away_is_reported(case: Case) -> None:
    """Deleted by a person between plan and load: recorded, not recreated behind their back."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    client.delete("contacts", selector(box, "contacts", "email", "Known@x.example"))
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.2)
    assert apply.rejected(run).select("op_id", "messages").rows()[0] == (
        "contact:update:100",
        ["the record it matched is no longer there"],
    )


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"kind": "status", "status": 401}, AuthError, 2),
        ({"kind": "status", "status": 503}, Unavailable, 5),
        ({"kind": "drop_before"}, Unavailable, 5),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "90000"}}, RateLimited, 5),
    ],
    ids=["key-withdrawn", "down", "unreachable", "quota"],
)
def test_a_target_that_stops_answering_stops_the_load(
    undisturbed: Undisturbed,
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    error: type[Exception],
    code: int,
) -> None:
    """What was written is kept, what was not is pending, and the next start finishes it."""
    box, run, client = case
    monkeypatch.setattr("crmbook.apply_writes._PAUSE_S", 0.0)
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", "faults", [{"realm": REALM, "path": "/deals", **fault}])
    with pytest.raises(error) as stop:
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0)
    assert stop.value.exit_code == code  # type: ignore[attr-defined]
    assert set(records(box, "contacts")) == {"100", "101", "102", "103"}
    assert records(box, "deals") == {}
    box.admin("DELETE", "faults")
    run.quota_path.unlink(missing_ok=True)
    from crmbook import target

    apply.apply(run, target.connect(run), plan, confirm=load.plan_hash(plan), patience=0.4)
    assert state(box) == undisturbed.state


def test_the_plan_that_was_begun_is_the_plan_that_is_finished(case: Case) -> None:
    """After writing began, changed upstream tables are refused instead of loaded half and half."""
    _, run, client = case
    applied(run, client)
    upstream = Run(run.record, "04_normalization", run.customer, "test", {})
    upstream.save("deals", upstream.read("deals").with_columns(name=pl.lit("changed")))
    upstream.close()
    with pytest.raises(UpstreamError, match="start a new run"):
        apply.plan_of(again(run), client).collect()


def test_an_approved_plan_is_taken_over_an_unapproved_one_is_made_anew(case: Case) -> None:
    """Approval is what makes a plan stay: the tenant changes in between, and only then the plan follows it."""
    box, run, client = case
    first = apply.plan_of(run, client).collect()
    box.admin("POST", f"{REALM}/contacts", {"email": "p3@x.example", "last_name": "New"})
    second_run = again(run)
    second = apply.plan_of(second_run, client).collect()
    assert second.filter(pl.col("source_id") == "103")["action"].to_list() == ["update"]
    assert load.plan_hash(first) != load.plan_hash(second)
    run.record.offer("plan", load.plan_hash(second), "")
    run.record.approve("plan", by="Ola", digest=load.plan_hash(second))
    box.admin("POST", f"{REALM}/contacts", {"email": "p1@x.example", "last_name": "New"})
    third_run = again(second_run)
    assert load.plan_hash(apply.plan_of(third_run, client).collect()) == load.plan_hash(second)
    assert third_run.read("existing").height == 5


def test_a_ledger_belongs_to_one_target(case: Case) -> None:
    """The same plan against another host is refused."""
    _, run, client = case
    plan = applied(run, client)
    elsewhere = run.customer.model_copy(
        update={"targets": run.customer.targets.model_copy(
            update={"test": run.target.model_copy(update={"base_url": "http://127.0.0.1:9/crm/sales/api"})}
        )}
    )  # fmt: skip
    run.customer = elsewhere
    with pytest.raises(UsageError, match="another target host"):
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0)


def test_nothing_personal_is_logged(case: Case) -> None:
    """The log names operations and counts; e-mails, names and the token stay out."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", f"{REALM}/contacts", {"email": "p2@x.example", "last_name": "Somebody else"})
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.2)
    log = (run.folder / "log.jsonl").read_text()
    assert [json.loads(line)["event"] for line in log.splitlines()][-1] == "load finished"
    assert [word for word in ("@", "Known", "Open one", box.ready[REALM]["token"]) if word in log] == []
