"""The way back against the sandbox: the target as it was before the run, and whatever a person did since stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import history_case
from classic_case import SWITCHES, classic_loading
from crmbook import apply, earlier, undo
from crmbook.errors import Unavailable, Waiting
from crmbook.ledger import Ledger
from crmbook.phases import load, rollback
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.undo import Planned
from crmbook.undo_ledger import UndoLedger
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, loading, opened

Case = tuple[Sandbox, Run, Freshsales]
PATIENCE_S = 0.3
# What no public call deletes.
LEFT = "lists,documents,document_links"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture(scope="module")
def classic_sandbox() -> Iterator[Sandbox]:
    with Sandbox(edition="classic", switches=SWITCHES) as box:
        yield box


def _suite_loading(box: Sandbox, folder: Path) -> AbstractContextManager[tuple[Run, Freshsales]]:
    history_case.write_files(folder / "case")
    return loading(box, folder, people=30, history=history_case.history())


@pytest.fixture
def begin(customers: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A fresh tenant and a run whose load, with a history, has not begun, on either edition."""
    monkeypatch.setattr("crmbook.apply_writes._PAUSE_S", 0.0)
    # A minute's limit learned of a refusal is waited for by the minute; test_quota has that, on a clock of its own.
    monkeypatch.setattr("crmbook.vendors.quota._WORTH_LEARNING", 100_000)

    def begun(box: Sandbox, edition: str = "suite") -> AbstractContextManager[tuple[Run, Freshsales]]:
        box.admin("POST", "reset")
        monkeypatch.setenv("CASE_TARGET", box.ready[REALM]["token"])
        return classic_loading(box, customers) if edition == "classic" else _suite_loading(box, customers)

    return begun


@pytest.fixture
def case(sandbox: Sandbox, begin: Callable[..., Any]) -> Iterator[Case]:
    """Suite, loaded."""
    with begin(sandbox) as (run, client):
        applied(run, client)
        yield sandbox, run, client


def applied(run: Run, client: Freshsales) -> None:
    plan = apply.plan_of(run, client).collect()
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)


def state(box: Sandbox, without: str = "") -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}&without={without}")["sha256"])


def calls(box: Sandbox) -> int:
    return int(box.admin("GET", f"requests?realm={REALM}")["total"])


def _writes(box: Sandbox) -> dict[str, int]:
    routes = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    return {route: count for route, count in routes.items() if not route.startswith("GET")}


def planned(run: Run, *, yes: bool = False, forget: bool = False) -> Planned:
    return undo.plan(opened(run.record, "rollback"), is_confirmed=yes, forget=forget, patience=PATIENCE_S)


def rolled_back(run: Run, *, forget: bool = True) -> Planned:
    """The plan made afresh, and carried out."""
    made = planned(run, yes=True, forget=forget)
    undo.carry_out(opened(run.record, "rollback"), made, is_confirmed=True, forget=forget)
    return made


def outcomes(run: Run) -> dict[str, int]:
    told = opened(run.record, "rollback").read("rollback_outcomes")
    return {name: int(told[name].sum()) for name in told.columns[1:] if told[name].sum()}


def action_of(made: Planned) -> dict[str, tuple[str, str]]:
    rows = made.plan.select("entity", "source_id", "action", "reason").iter_rows()
    return {f"{entity}:{source_id}": (action, reason) for entity, source_id, action, reason in rows}


def ids(run: Run) -> dict[str, int]:
    return {f"{e}:{s}": target_id for e, s, target_id, _ in apply.crosswalk(run).rows()}


@pytest.mark.parametrize("forget", [True, False], ids=["forgotten", "into-the-bin"])
@pytest.mark.parametrize("edition", ["suite", "classic"])
def test_the_target_is_as_it_was(
    request: pytest.FixtureRequest, begin: Callable[..., Any], edition: str, forget: bool
) -> None:
    """The very state hash from before the run, records that were there included; only lists and files are left over."""
    box = request.getfixturevalue("sandbox" if edition == "suite" else "classic_sandbox")
    with begin(box, edition) as (run, client):
        without = LEFT + ("" if forget else ",bin")
        before = state(box, without)
        applied(run, client)
        assert state(box, without) != before
        made = rolled_back(run, forget=forget)
        assert state(box, without) == before
    left = made.plan.filter(pl.col("action").is_in(["leave", "empty"]))["entity"].unique().sort().to_list()
    assert left == ["document", "document_link", "list"]
    assert outcomes(run).keys() == {"written", "deleted", "restored", "emptied", "left"}
    assert not any(doc.get("list_ids") for doc in box.admin("GET", f"{REALM}/contacts"))
    assert forget == (not any(doc["is_deleted"] for doc in box.admin("GET", f"{REALM}/contacts")))


def test_without_a_yes_nothing_is_changed(case: Case) -> None:
    """The plan is made and kept, the target is only read, and the exact command to go on is told."""
    box, run, _ = case
    before = state(box), _writes(box)
    made = planned(run, forget=True)
    with pytest.raises(Waiting, match=r"\d+ delete, 2 restore, 3 empty, 3 leave") as raised:
        undo.carry_out(opened(run.record, "rollback"), made, is_confirmed=False, forget=True)
    assert raised.value.command == "crmbook rollback case --run test-01 --yes --forget"
    assert (state(box), _writes(box)) == before
    assert "rollback" not in run.record.get()


def test_the_plan_tells_its_calls(case: Case) -> None:
    """The calls it forecasts, reading once more included, are those the rollback takes, or a few more."""
    box, run, _ = case
    planned(run, forget=True)
    told = opened(run.record, "rollback").read("rollback_calls").filter(step="total")["calls"].item()
    before = calls(box)
    rolled_back(run)
    assert 0 <= told - (calls(box) - before) <= 0.05 * told


def test_the_ledger_stays_as_evidence(case: Case) -> None:
    """What the run wrote stands there as before, and beside it what became of each record."""
    _, run, _ = case
    with Ledger(run.ledger_path) as ledger:
        before = ledger.state_hash()
    made = rolled_back(run)
    with UndoLedger(run.ledger_path) as ledger:
        assert ledger.state_hash() == before
        states = ledger.undone().group_by("action", "state").len().sort("action").rows()
    deleted = made.plan.filter(action="delete").height
    assert states == [("delete", "done", deleted), ("empty", "done", 3), ("restore", "done", 2)]


def _touch(box: Sandbox, client: Freshsales, at: dict[str, int]) -> dict[str, str]:
    """Twenty records edited or referred to by somebody, as a person does it in the target; each with its reason."""
    edits: dict[str, tuple[str, dict[str, Any]]] = {
        "contact:110": ("contacts", {"job_title": "CTO"}),
        "contact:111": ("contacts", {"last_name": "Renamed"}),
        "contact:112": ("contacts", {"custom_field": {"cf_born": "1999-01-01"}}),
        "contact:113": ("contacts", {"tags": ["vip"]}),
        "contact:114": ("contacts", {"sales_accounts": [{"id": at["company:5001"], "is_primary": True}]}),
        "contact:116": ("contacts", {"emails": [{"value": "second@x.example", "is_primary": False}]}),
        "company:5002": ("sales_accounts", {"website": "https://five.example"}),
        "deal:902": ("deals", {"amount": 21}),
        "task:activity:1": ("tasks", {"title": "Call back soon"}),
        "appointment:activity:11": ("appointments", {"location": "Oslo"}),
        "sales_activity:activity:20": ("sales_activities", {"notes": "said maybe"}),
        "note:conversation:7:3": ("notes", {"description": "shortened"}),
        "list:list:2": ("lists", {"name": "Somebody"}),
    }
    for name, (module, body) in edits.items():
        client.update(module, at[name], body)
    other_owner = next(row["id"] for row in client.selector("owners") if row["display_name"] == "Ola")
    client.update("contacts", at["contact:115"], {"owner_id": other_owner})
    # Which also moves the contact to another lifecycle stage.
    client.create("deals", {"name": "Theirs", "amount": 1, "contacts_added_list": [at["contact:117"]]})
    when = "2026-01-01T10:00:00Z"
    client.create("notes", {"description": "theirs", **on("Contact", at["contact:118"])})
    client.create(
        "appointments",
        {"title": "theirs", "from_date": when, "end_date": when, **on("Contact", at["contact:120"])},
    )
    kind = client.selector("sales_activity_types")[0]["id"]
    client.create(
        "sales_activities",
        {
            "title": "theirs",
            "start_date": when,
            "end_date": when,
            "sales_activity_type_id": kind,
            **on("Contact", at["contact:121"]),
        },
    )
    client.link("contacts", at["contact:122"], "https://x.example/a", "theirs")
    client.create("tasks", {"title": "theirs", "due_date": when, **on("Deal", at["deal:900"])})
    referred = ("contact:118", "contact:120", "contact:121", "contact:122", "deal:900")
    reasons = dict.fromkeys([*edits, "contact:115", "contact:117"], rollback.CHANGED) | dict.fromkeys(
        referred, rollback.REFERRED
    )
    assert len(reasons) == 20
    return reasons


def on(kind: str, target_id: int) -> dict[str, Any]:
    return {"targetable_type": kind, "targetable_id": target_id}


def test_what_somebody_touched_stays_and_is_named(case: Case) -> None:
    """Of twenty records edited or referred to since, exactly those stay and what they need; all others go."""
    box, run, client = case
    at = ids(run)
    reasons = _touch(box, client, at)
    # 101 has the meeting, 102 the call and the deal 900; 114 was linked to 5001; 101 has the account 5002 already.
    needed = {"contact:101", "contact:102", "company:5001"}
    made = rolled_back(run)
    kept = {name: reason for name, (action, reason) in action_of(made).items() if action == "keep"}
    assert kept == reasons | dict.fromkeys(needed, rollback.NEEDED)
    standing = {int(doc["id"]) for kind in KINDS for doc in box.admin("GET", f"{REALM}/{kind}")}
    made_by_run = {name for name, origin in made.plan.select(pl.format("{}:{}", "entity", "source_id"), "origin").iter_rows() if origin == "created"}  # fmt: skip
    assert {
        name for name in made_by_run if at[name] in standing and not name.startswith(("list:", "doc"))
    } == (kept.keys() - {"list:list:2"})
    named = {f"{e}:{s}": (stays, because) for e, s, stays, because in made.plan.select("entity", "source_id", "stays", "because").iter_rows()}  # fmt: skip
    assert named["contact:110"] == (["job_title"], [])
    assert named["contact:112"] == (["custom_field.cf_born"], [])
    assert named["contact:114"] == (["sales_accounts"], [])
    assert named["contact:115"] == (["owner_id"], [])
    assert [because[0].split()[0] for name in ("contact:117", "contact:122", "deal:900") for because in [named[name][1]]] == [
        "deal", "document_link", "task",
    ]  # fmt: skip


KINDS = (
    "contacts", "sales_accounts", "deals", "tasks", "appointments", "sales_activities", "notes",
)  # fmt: skip


def test_a_matched_record_keeps_what_a_person_did(case: Case) -> None:
    """Our keys go back, an edited one stays and is named; our tags and links go, theirs stay."""
    box, run, client = case
    at = ids(run)
    person = client.view("contacts", at["contact:100"], include=("sales_accounts",)) or {}
    client.update("contacts", at["contact:100"], {"last_name": "Married", "tags": [*person["tags"], "vip"]})
    made = rolled_back(run)
    row = made.plan.filter(entity="contact", source_id="100").row(0, named=True)
    assert (row["action"], row["stays"]) == ("restore", ["last_name"])
    assert {"tags", "sales_accounts", "email", "custom_field.cf_usercom_original_id"} <= set(row["keys"])
    now = box.admin("GET", f"{REALM}/contacts/{at['contact:100']}")
    foreign = next(
        doc["id"] for doc in box.admin("GET", f"{REALM}/sales_accounts") if doc["name"] == "Foreign"
    )
    assert (now["last_name"], now["tags"], now["email"]) == ("Married", ["theirs", "vip"], "Known@x.example")
    assert now["sales_accounts"] == [{"id": foreign, "is_primary": True}]


def test_a_matched_deal_goes_back_to_its_stage_and_date(sandbox: Sandbox, begin: Callable[..., Any]) -> None:
    """Stage, closing date, money, account and contacts as they stood, though the vendor stamps the date itself."""
    with begin(sandbox) as (run, client):
        stages = {
            row["name"]: row["id"]
            for row in sandbox.admin("GET", f"{REALM}/stages")
            if row["deal_pipeline_id"]
        }
        other = next(
            doc for doc in sandbox.admin("GET", f"{REALM}/contacts") if doc["email"] == "other@x.example"
        )
        held = client.create(
            "deals",
            {
                "name": "Held", "amount": 5.5, "deal_stage_id": stages["Lost"], "tags": ["theirs"],
                "contacts_added_list": [other["id"]], "custom_field": {"cf_usercom_original_id": "900"},
            },
        )  # fmt: skip
        client.update("deals", held["id"], {"closed_date": "2018-02-03"})
        before = state(sandbox, LEFT), sandbox.admin("GET", f"{REALM}/deals/{held['id']}")
        applied(run, client)
        assert sandbox.admin("GET", f"{REALM}/deals/{held['id']}")["closed_date"] is None
        rolled_back(run)
        now = sandbox.admin("GET", f"{REALM}/deals/{held['id']}")
    shown = (
        "name",
        "amount",
        "deal_stage_id",
        "closed_date",
        "contact_ids",
        "sales_account_id",
        "tags",
        "probability",
    )
    assert {key: now.get(key) for key in shown} == {key: before[1].get(key) for key in shown}
    assert state(sandbox, LEFT) == before[0]


KILLED = """
import os, signal, sys
from crmbook import runs, undo
from crmbook.undo_ledger import UndoLedger
from load_case import opened

step, left = sys.argv[1], [int(sys.argv[2])]
told = getattr(UndoLedger, step)


def deadly(self, *said):
    left[0] -= 1
    if step == "announce":
        told(self, *said)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    if step != "announce":
        told(self, *said)


setattr(UndoLedger, step, deadly)
run = opened(runs.Record(runs.root() / "case" / "test-01"), "rollback")
made = undo.plan(run, is_confirmed=True, forget=True)
undo.carry_out(run, made, is_confirmed=True, forget=True)
"""


@pytest.mark.parametrize(
    ("step", "moment"),
    [("announce", 1), ("announce", 12), ("announce", 19), ("close_acts", 5), ("close_acts", 24), ("close_acts", 29),
     ("forgotten", 1), ("forgotten", 30)],
)  # fmt: skip
def test_a_rollback_killed_at_any_act_goes_on(
    sandbox: Sandbox, begin: Callable[..., Any], step: str, moment: int
) -> None:
    """SIGKILL around an act: started again it ends in the state from before the run, every record accounted for."""
    with begin(sandbox) as (run, client):
        before = state(sandbox, LEFT)
        applied(run, client)
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, step, str(moment)], check=False, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert state(sandbox, LEFT) != before
        rolled_back(run)
    assert state(sandbox, LEFT) == before
    assert outcomes(run).keys() == {"written", "deleted", "restored", "emptied", "left"}


FAULTS = {
    "deletions dropped after": [{"kind": "drop_after", "method": "DELETE", "every": 2}],
    "half an answer to each deletion": [{"kind": "truncate", "method": "DELETE", "every": 2}],
    "bulk deletion missing": [{"kind": "status", "status": 404, "path": "bulk_destroy"}],
    "bulk deletion answers and does nothing": [
        {"kind": "status", "status": 200, "body": {"message": "deleted."}, "path": "bulk_destroy"}
    ],
    "restorations dropped after": [{"kind": "drop_after", "method": "PUT", "every": 2}],
    "503 everywhere": [{"kind": "status", "status": 503, "every": 7}],
    "429 with Retry-After": [{"kind": "status", "status": 429, "times": 2, "headers": {"Retry-After": "1"}}],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_trouble_on_the_way_back_leaves_no_trace(
    sandbox: Sandbox, begin: Callable[..., Any], faults: list[dict[str, Any]]
) -> None:
    """Under each kind of trouble, started again where it stops, the target ends as it was before the run."""
    with begin(sandbox) as (run, client):
        before = state(sandbox, LEFT)
        applied(run, client)
        sandbox.admin("POST", "faults", [{"realm": REALM, **fault} for fault in faults])
        for _ in range(5):
            try:
                rolled_back(run)
            except Unavailable:
                continue
            break
    assert state(sandbox, LEFT) == before
    assert outcomes(run).keys() == {"written", "deleted", "restored", "emptied", "left"}


def test_a_refusal_is_told_and_tried_again(case: Case) -> None:
    """A record the target will not delete stands there as refused with its words; the next start tries it again."""
    box, run, _ = case
    path = f"/contacts/{ids(run)['contact:105']}$"
    refuses = {"status": 400, "body": {"errors": {"code": 400, "message": ["Locked"]}}}
    box.admin("POST", "faults", [
        {"realm": REALM, "kind": "status", "method": "DELETE", "path": path, **refuses},
        {"realm": REALM, "kind": "status", "path": "contacts/bulk_destroy", **refuses},
    ])  # fmt: skip
    rolled_back(run)
    assert outcomes(run)["refused"] == 1
    box.admin("DELETE", "faults")
    rolled_back(run)
    assert "refused" not in outcomes(run)


def test_a_load_that_broke_off_can_be_taken_back(sandbox: Sandbox, begin: Callable[..., Any]) -> None:
    """What its last, unclear write left is looked up first and goes too; what never arrived is never sent again."""
    with begin(sandbox) as (run, client):
        before = state(sandbox, LEFT)
        plan = apply.plan_of(run, client).collect()
        left = [9]
        told = Ledger.done

        def dying(ledger: Ledger, said: Any) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            told(ledger, said)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "done", dying)
            with pytest.raises(KeyboardInterrupt):
                apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)
        with Ledger(run.ledger_path) as ledger:
            assert len(ledger.pending()) >= 1
        rolled_back(run)
        with Ledger(run.ledger_path) as ledger:
            assert ledger.pending() == []
    assert state(sandbox, LEFT) == before


def test_what_was_taken_back_is_not_known_to_later_runs(case: Case) -> None:
    """Only what still stands there is: the emptied lists, the files left over, and what a person kept."""
    _, run, client = case
    at = ids(run)
    client.update("tasks", at["task:activity:1"], {"title": "mine now"})
    rolled_back(run)
    later = opened(run.record, "05_load")
    later.record.folder = later.record.folder.with_name("test-02")
    known = earlier.crosswalk(later)
    assert set(known["entity"]) == {"list", "document", "document_link", "task"}
    assert known.filter(entity="task")["source_id"].to_list() == ["activity:1"]


def test_after_the_way_back_a_new_run_loads_the_same_again(
    sandbox: Sandbox, begin: Callable[..., Any]
) -> None:
    """No record is taken for one that is gone; the emptied lists are filled again instead of made twice."""
    with begin(sandbox) as (run, client):
        applied(run, client)
        loaded, lists = state(sandbox, LEFT), sandbox.admin("GET", f"{REALM}/lists")
        rolled_back(run)
        with _suite_loading(sandbox, run.customer_folder.parent) as (second, again):
            applied(second, again)
            assert state(sandbox, LEFT) == loaded
            assert sandbox.admin("GET", f"{REALM}/lists") == lists
            rolled_back(second)
