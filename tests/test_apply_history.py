"""Lists, history and documents against the sandbox: exactly the plan, exactly once, whatever breaks in between."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import history_case
from crmbook import apply
from crmbook.errors import Unavailable, UpstreamError
from crmbook.ledger import Ledger
from crmbook.phases import load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, again, loading
from test_apply import KILLED

Case = tuple[Sandbox, Run, Freshsales]
PATIENCE_S = 0.3


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A fresh tenant and a run whose load, with a history, has not begun."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    monkeypatch.setattr("crmbook.apply_writes._PAUSE_S", 0.0)
    with loading(sandbox, customers, history=history_case.history()) as (run, client):
        history_case.write_files(run.customer_folder)
        yield sandbox, run, client


def applied(run: Run, client: Freshsales, *, patience: float = PATIENCE_S) -> pl.DataFrame:
    plan = apply.plan_of(run, client).collect()
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=patience)
    return plan


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        sandbox.admin("POST", "reset")
        patch.setenv("CRMBOOK_RUNS", str(folder))
        patch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        with loading(sandbox, folder, history=history_case.history()) as (run, client):
            history_case.write_files(run.customer_folder)
            applied(run, client)
        return state(sandbox)


def told(box: Sandbox, kind: str) -> list[dict[str, Any]]:
    return list(box.admin("GET", f"{REALM}/{kind}"))


def ids(run: Run) -> dict[str, int]:
    return {
        f"{entity}:{source_id}": target_id for entity, source_id, target_id, _ in apply.crosswalk(run).rows()
    }


def by_source(box: Sandbox, run: Run, entity: str, kind: str) -> dict[str, dict[str, Any]]:
    """What the tenant holds of one kind, by source id; a record of nobody's would be an error."""
    known = {
        number: name.split(":", 1)[1] for name, number in ids(run).items() if name.startswith(f"{entity}:")
    }
    found = {known[doc["id"]]: doc for doc in told(box, kind)}
    assert len(found) == len(known)
    return found


def seconds(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(microsecond=0)


def test_history_arrives_with_its_instants_and_parents(case: Case) -> None:
    """Tasks, meetings, calls and mails: dates before 1970, of DST days and of year 9999, and what they hang on."""
    box, run, client = case
    plan = applied(run, client)
    at = ids(run)
    parents = {"contact": "Contact", "company": "SalesAccount", "deal": "Deal"}
    for entity, kind, frame, dates in (
        ("task", "tasks", history_case.tasks(), {"due_date": "due_date"}),
        (
            "appointment",
            "appointments",
            history_case.appointments(),
            {"from_date": "from_date", "end_date": "end_date"},
        ),
        ("sales_activity", "sales_activities", history_case.sales_activities(), {"start_date": "start_date"}),
    ):
        found = by_source(box, run, entity, kind)
        assert set(found) == set(frame["source_id"])
        for row in frame.iter_rows(named=True):
            doc = found[row["source_id"]]
            assert doc["title"] == row["title"]
            assert (doc["targetable_type"], doc["targetable_id"]) == (
                parents[row["parent_kind"]],
                at[f"{row['parent_kind']}:{row['parent_id']}"],
            )
            for theirs, ours in dates.items():
                assert seconds(doc[theirs]) == row[ours].replace(microsecond=0)
    assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]


def test_done_type_owner_and_zone_are_kept(case: Case) -> None:
    """A done task is done, a call has its type and owner, a meeting its zone, and nobody is invited."""
    box, run, client = case
    applied(run, client)
    owners = {row["email"]: row["id"] for row in told(box, "owners")}
    ola, admin = owners["OLA@case.example"], owners["admin@case.example"]
    done = {
        key: (doc["status"], doc["owner_id"]) for key, doc in by_source(box, run, "task", "tasks").items()
    }
    assert done == {
        "activity:1": (1, ola),
        "activity:2": (0, admin),
        "activity:3": (0, admin),
        "event:4": (1, admin),
    }
    types = {row["id"]: row["internal_name"] for row in told(box, "sales_activity_types")}
    calls = by_source(box, run, "sales_activity", "sales_activities")
    assert {key: (types[doc["sales_activity_type_id"]], doc["owner_id"]) for key, doc in calls.items()} == {
        "activity:20": ("phone", ola), "activity:21": ("phone", admin), "email:5:opened": ("email", admin), "event:6": ("task", admin),
    }  # fmt: skip
    assert seconds(calls["email:5:opened"]["end_date"]) == seconds(calls["email:5:opened"]["start_date"])
    meetings = by_source(box, run, "appointment", "appointments")
    assert {key: doc["time_zone"] for key, doc in meetings.items()} == {
        "activity:10": "UTC",
        "activity:11": "Warsaw",
    }
    assert [doc.get("attendees", []) for doc in meetings.values()] == [[], []]


def test_notes_are_made_in_their_order(case: Case) -> None:
    """Part 10 of a conversation comes after part 9: the target shows notes in the order they were made."""
    box, run, client = case
    applied(run, client)
    contact = ids(run)["contact:100"]
    texts = [
        doc["description"]
        for doc in sorted(told(box, "notes"), key=lambda doc: doc["id"])
        if doc["targetable_id"] == contact
    ]
    assert texts == [f"User.com chat 7 ({part}/11)<br>&lt;b&gt; message {part}" for part in range(1, 12)]


def test_lists_have_their_members_and_files_their_bytes(case: Case) -> None:
    """Empty lists too; uploaded bytes are the folder's bytes, links keep their address."""
    box, run, client = case
    applied(run, client)
    at = ids(run)
    names = {doc["id"]: doc["name"] for doc in told(box, "lists")}
    assert sorted(names.values()) == ["Newsletter", "Newsletter (segment)", "Nobody"]
    held = {(names[i], doc["external_id"]) for doc in told(box, "contacts") for i in doc.get("list_ids", ())}
    assert held == {
        ("Newsletter", "100"), ("Newsletter", "102"), ("Newsletter (segment)", "100"),
        ("Newsletter (segment)", "101"), ("Newsletter (segment)", "103"),
    }  # fmt: skip
    files = by_source(box, run, "document", "documents")
    wanted = {
        row["source_id"]: row["sha256"]
        for row in history_case.documents().filter(pl.col("kind") == "file").iter_rows(named=True)
    }
    assert {key: doc["sha256"] for key, doc in files.items()} == wanted
    (link,) = told(box, "document_links")
    assert (link["url"], link["name"], link["targetable_id"]) == (
        "https://files.example/x.pdf",
        "contract",
        at["company:5000"],
    )


def test_a_finished_load_writes_nothing_again(case: Case) -> None:
    """Started again it takes over the plan, history included, and sends no write."""
    box, run, client = case
    plan = applied(run, client)

    def writes() -> dict[str, int]:
        routes = box.admin("GET", f"requests?realm={REALM}")["by_route"]
        return {route: count for route, count in routes.items() if not route.startswith("GET")}

    before = writes()
    assert load.plan_hash(applied(again(run), client)) == load.plan_hash(plan)
    assert writes() == before


KINDS = ("tasks", "appointments", "sales_activities", "notes", "lists", "documents", "document_links")
FAULTS = {
    **{f"dropped after {kind}": [{"kind": "drop_after", "method": "POST", "path": f"/{kind}$"}] for kind in KINDS},
    **{f"dropped before {kind}": [{"kind": "drop_before", "method": "POST", "path": f"/{kind}$", "times": 2}] for kind in KINDS},
    "half of every answer": [{"kind": "truncate", "method": "POST", "every": 2}],
    "members dropped after": [{"kind": "drop_after", "path": "/add_contacts$", "every": 2}],
    "500 on creations": [{"kind": "status", "status": 500, "method": "POST", "every": 4, "times": 6}],
}  # fmt: skip


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_trouble_leaves_no_trace(undisturbed: str, case: Case, faults: list[dict[str, Any]]) -> None:
    """Twins and all: under each kind of trouble the tenant ends in the state of an undisturbed load."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", "faults", [{"realm": REALM, "every": 2, **fault} for fault in faults])
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)
    assert state(box) == undisturbed
    assert apply.outcomes(run, plan)["outcome"].unique().to_list() == ["done"]


FIRST = 15  # the writes of contacts, companies and deals come before the first list


@pytest.mark.parametrize("step", ["intend", "done"], ids=["before-sending", "before-the-outcome"])
@pytest.mark.parametrize("moment", [FIRST, FIRST + 1, 20, 21, 23, 25, 26, 28, 30, 40, 41, 42, 43, 44])
def test_a_load_killed_at_any_write_goes_on(undisturbed: str, case: Case, step: str, moment: int) -> None:
    """SIGKILL around a write of each kind: the next start settles the open one, and the state is the same."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", KILLED, step, str(moment)]
    dead = subprocess.run(command, check=False, env=environment, capture_output=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    with Ledger(run.ledger_path) as ledger:
        assert len(ledger.pending()) == 1
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)
    assert state(box) == undisturbed


def counts(box: Sandbox) -> dict[str, int]:
    return {kind: len(told(box, kind)) for kind in (*KINDS, "contacts", "sales_accounts", "deals")}


def test_a_later_run_knows_what_the_earlier_one_wrote(case: Case) -> None:
    """A changed mapping, loaded in a new run: everything is updated, nothing is there twice."""
    box, run, client = case
    applied(run, client)
    before = counts(box)
    changed = replace(
        history_case.history(),
        tasks=history_case.tasks().with_columns(title=pl.lit("New title")),
        notes=history_case.notes().with_columns(description=pl.lit("New<br>text")),
    )
    with loading(box, run.customer_folder.parent, history=changed) as (second, other):
        plan = applied(second, other)
        assert set(plan["action"]) == {"update", "add", "close", "lifecycle"}
        assert apply.outcomes(second, plan)["outcome"].unique().to_list() == ["done"]
        assert ids(second) == ids(run)
    assert counts(box) == before
    assert {doc["title"] for doc in told(box, "tasks")} == {"New title"}
    assert {doc["description"] for doc in told(box, "notes")} == {"New<br>text"}


def test_a_later_run_makes_again_what_is_gone(case: Case) -> None:
    """A task, a note and a list that vanished since the earlier run are created; the rest is updated."""
    box, run, client = case
    applied(run, client)
    before, at = counts(box), ids(run)
    for kind, record in (
        ("tasks", "task:activity:1"),
        ("notes", "note:conversation:7:3"),
        ("lists", "list:list:2"),
    ):
        box.admin("DELETE", f"{REALM}/{kind}/{at[record]}")
    with loading(box, run.customer_folder.parent, history=history_case.history()) as (second, other):
        applied(second, other)
        now = ids(second)
    assert counts(box) == before
    assert {record for record, number in now.items() if at[record] != number} == {
        "task:activity:1", "note:conversation:7:3", "list:list:2",
    }  # fmt: skip


def test_an_earlier_run_on_another_tenant_says_nothing(case: Case) -> None:
    """The tenant was emptied since: ids of the earlier ledger may be anybody's, so everything is created."""
    box, run, client = case
    applied(run, client)
    box.admin("POST", "reset")
    with loading(box, run.customer_folder.parent, history=history_case.history()) as (second, other):
        plan = applied(second, other)
        assert plan.filter(pl.col("entity").is_in(["task", "note", "list", "document"]))[
            "action"
        ].unique().sort().to_list() == ["add", "create"]


def test_a_list_of_somebody_else_is_not_taken(case: Case) -> None:
    """A list of that name stands there: the plan is refused before anything is written, and says what to do."""
    _, run, client = case
    client.create_list("NEWSLETTER")
    with pytest.raises(UpstreamError, match="target_lists: 1 names .* run 03_workspace again"):
        apply.plan_of(run, client).collect()


def test_a_list_made_meanwhile_is_not_taken_either(case: Case) -> None:
    """Somebody makes a list of that name after the plan: the creation is refused, its members are told."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    theirs = client.create_list("Newsletter")["id"]
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0)
    assert apply.rejected(run).select("op_id", "messages").rows() == [
        ("list:create:list:1", ["Name has already been taken"]),
        ("list:add:list:1:1", ["list:list:1 is not in the target"]),
    ]
    assert [doc["id"] for doc in told(box, "contacts") if theirs in doc.get("list_ids", ())] == []


def test_what_hangs_on_a_refused_record_is_told(case: Case) -> None:
    """The vendor refuses a contact: its calls are recorded as not loaded, its list goes on without it."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin("POST", f"{REALM}/contacts", {"email": "p2@x.example", "last_name": "Somebody else"})
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0)
    refused = dict(apply.rejected(run).select("op_id", "messages").rows())
    why = "the record it hangs on is not in the target; without contact:102"
    assert refused["sales_activity:create:activity:20"] == [why]
    assert refused["sales_activity:create:activity:21"] == [why]
    with Ledger(run.ledger_path) as ledger:
        note = ledger._db.execute(
            "SELECT state, error FROM writes WHERE op_id = 'list:add:list:1:1'"
        ).fetchone()
    assert note == ("done", "without contact:102")


def test_a_file_that_changed_since_discovery_is_not_uploaded(case: Case) -> None:
    """Other bytes than the approved ones, or none: told per file, and the other file arrives."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    folder = run.customer_folder / "attachments"
    (folder / "contacts/100/offer.pdf").write_bytes(b"%PDF other")
    (folder / "deals/900/plan.bin").unlink()
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0)
    assert dict(apply.rejected(run).select("op_id", "messages").rows()) == {
        "document:create:file:contacts/100/offer.pdf": ["the file is not the one 01_discovery read"],
        "document:create:file:deals/900/plan.bin": ["the file is no longer in the attachments folder"],
    }
    assert told(box, "documents") == []


def test_a_tenant_without_sub_lists_is_asked_for_the_whole_list(undisturbed: str, case: Case) -> None:
    """Where a record's own tasks can't be listed, an unclear one is looked for among all tasks."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    faults = [
        {"kind": "drop_after", "method": "POST", "path": "/tasks$", "every": 2},
        {
            "kind": "status",
            "status": 404,
            "method": "GET",
            "path": "/(contacts|deals|sales_accounts)/\\d+/tasks",
        },
    ]
    box.admin("POST", "faults", [{"realm": REALM, **fault} for fault in faults])
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)
    assert state(box) == undisturbed


def test_a_target_that_stops_answering_stops_the_load(undisturbed: str, case: Case) -> None:
    """Down in the middle of the notes: what was written is kept, and the next start finishes it."""
    box, run, client = case
    plan = apply.plan_of(run, client).collect()
    box.admin(
        "POST", "faults", [{"realm": REALM, "kind": "drop_after", "path": "/notes", "probability": 1.0}]
    )
    with pytest.raises(Unavailable):
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.0)
    box.admin("DELETE", "faults")
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)
    assert state(box) == undisturbed


def test_nothing_personal_is_logged(case: Case) -> None:
    """The log names operations and counts; titles, texts and file names stay out."""
    _, run, client = case
    applied(run, client)
    log = (run.folder / "log.jsonl").read_text()
    assert [word for word in ("Call back", "offer.pdf", "said yes", "User.com chat") if word in log] == []
