"""A lost ledger made anew from the plan and the target: it equals the lost one, and the load goes on."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import classic_case
import history_case
from conftest import crmbook
from crmbook import apply, delta_load, lineage, rebuild
from crmbook.errors import DataError, UpstreamError, UsageError
from crmbook.ledger import Ledger
from crmbook.phases import images, load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, again, deals, loading

Case = tuple[Sandbox, Run, Freshsales]
PATIENCE_S = 0.3


@pytest.fixture(scope="module", params=["suite", "classic"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    switches = TENANT if request.param == "suite" else classic_case.SWITCHES
    with Sandbox(switches=switches, edition=request.param) as box:
        yield box


@pytest.fixture
def case(
    sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Case]:
    """A fresh tenant and a run whose load, with a history, has not begun."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    monkeypatch.setattr("crmbook.apply_writes._PAUSE_S", 0.0)
    with prepared(sandbox, customers) as (run, client):
        yield sandbox, run, client


@contextmanager
def prepared(box: Sandbox, folder: Path, **changed: pl.DataFrame) -> Iterator[tuple[Run, Freshsales]]:
    """05_load of this case with its history, open."""
    if box.ready[REALM]["base_url"].endswith("/crm/sales/api"):
        with loading(box, folder, history=history_case.history(), **changed) as (run, client):
            history_case.write_files(run.customer_folder)
            yield run, client
    else:
        with classic_case.classic_loading(box, folder, **changed) as opened:
            yield opened


def approved(run: Run, client: Freshsales) -> pl.DataFrame:
    plan = apply.plan_of(run, client).collect()
    run.record.offer("plan", load.plan_hash(plan), "")
    run.record.approve("plan", by="Ola")
    return plan


def applied(run: Run, client: Freshsales, plan: pl.DataFrame) -> None:
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)


def lost(run: Run) -> str:
    """The state hash of the ledger, which is gone afterwards."""
    with Ledger(run.ledger_path) as ledger:
        told = ledger.state_hash()
    run.ledger_path.unlink()
    return told


def told(run: Run) -> str:
    with Ledger(run.ledger_path) as ledger:
        return ledger.state_hash()


def state(box: Sandbox) -> str:
    return str(box.admin("GET", f"state/hash?realm={REALM}")["sha256"])


def writes(box: Sandbox) -> dict[str, int]:
    routes = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    return {route: n for route, n in routes.items() if not route.startswith("GET")}


def ids(run: Run) -> dict[tuple[str, str], int]:
    return {(entity, source): target for entity, source, target, _ in apply.crosswalk(run).rows()}


class StoppedError(Exception):
    """The load was stopped between two writes."""


def stopped_after(
    monkeypatch: pytest.MonkeyPatch, run: Run, client: Freshsales, plan: pl.DataFrame, count: int
) -> None:
    """The load, until *count* writes are done."""
    left, real = [count], Ledger.intend

    def intend(self: Ledger, intents: Any) -> None:
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        real(self, intents)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "intend", intend)
        with pytest.raises(StoppedError):
            applied(run, client, plan)


def test_the_ledger_of_a_finished_load_equals_the_lost_one(case: Case) -> None:
    """Every write, every record's id, and the record as it stood before a match; and nothing is written again."""
    box, run, client = case
    plan = approved(run, client)
    applied(run, client, plan)
    with Ledger(run.ledger_path) as ledger:
        query = "SELECT op_id, target_id, after FROM writes ORDER BY op_id"
        rows, known = ledger._db.execute(query).fetchall(), ids(run)
    before, sent = lost(run), writes(box)
    counts = rebuild.rebuild(run, client, patience=PATIENCE_S)
    assert {outcome for _, _, outcome in counts} == {"done"}
    assert told(run) == before
    with Ledger(run.ledger_path) as ledger:
        again_rows = ledger._db.execute(query).fetchall()
        kept = ledger._db.execute("SELECT op_id FROM writes WHERE before IS NOT NULL ORDER BY 1").fetchall()
    swapped = {op for (op, one, _), (_, other, _) in zip(rows, again_rows, strict=True) if one != other}
    assert swapped == set()
    assert ids(run) == known
    assert [op_id for (op_id,) in kept] == sorted(plan.filter(pl.col("action") == "update")["op_id"])
    applied(run, client, plan)
    assert writes(box) == sent


@dataclass(frozen=True)
class Undisturbed:
    """The end of a load that nothing disturbed: the target's state and the ledger's story."""

    state: str
    story: list[tuple[str, str]]


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    with pytest.MonkeyPatch.context() as patch:
        sandbox.admin("POST", "reset")
        patch.setenv("CRMBOOK_RUNS", str(tmp_path_factory.mktemp("undisturbed")))
        patch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
        with prepared(sandbox, Path(os.environ["CRMBOOK_RUNS"])) as (run, client):
            applied(run, client, apply.plan_of(run, client).collect())
            return Undisturbed(state(sandbox), story(run))


def story(run: Run) -> list[tuple[str, str]]:
    """What became of every write: payloads of two tenants differ by the ids of their settings."""
    with Ledger(run.ledger_path) as ledger:
        return list(ledger._db.execute("SELECT op_id, state FROM writes ORDER BY op_id"))


@pytest.mark.parametrize("count", [0, 1, 8, 14, 33])
def test_a_load_that_was_half_done_goes_on(
    undisturbed: Undisturbed, case: Case, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The ledger is lost in the middle: what was written is found, the rest is written, nothing twice."""
    box, run, client = case
    plan = approved(run, client)
    stopped_after(monkeypatch, run, client, plan, count)
    before = lost(run)
    rebuild.rebuild(run, client, patience=PATIENCE_S)
    assert told(run) == before
    applied(run, client, plan)
    assert undisturbed == Undisturbed(state(box), story(run))


@pytest.mark.parametrize("path", ["/contacts$", "/deals$", "/tasks$", "/notes$", "/documents$", "/lists$"])
def test_a_write_under_way_when_everything_died_is_not_sent_again(
    undisturbed: Undisturbed, case: Case, path: str
) -> None:
    """The answer never came and the ledger is gone: the record is found by looking, after the index caught up."""
    box, run, client = case
    plan = approved(run, client)
    fault = {"realm": REALM, "kind": "drop_after", "method": "POST", "path": path, "times": 1}
    box.admin("POST", "faults", [fault])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "unclear", _died)
        with pytest.raises(StoppedError):
            applied(run, client, plan)
    run.ledger_path.unlink()
    counts = rebuild.rebuild(run, client, patience=PATIENCE_S)
    assert "open" not in {outcome for _, _, outcome in counts}
    applied(run, client, plan)
    assert undisturbed == Undisturbed(state(box), story(run))


def _died(*_: Any) -> None:
    raise StoppedError


def test_refused_writes_are_open_again_and_end_refused(case: Case) -> None:
    """What the vendor refused is missing in the target: it is looked for, sent, and refused like the first time."""
    box, run, client = case
    plan = approved(run, client)
    box.admin("POST", f"{REALM}/contacts", {"email": "p2@x.example", "last_name": "Somebody else"})
    folder = run.customer_folder / "attachments"
    (folder / "deals/900/plan.bin").unlink()
    applied(run, client, plan)
    refused, ended = apply.rejected(run), state(box)
    before = lost(run)
    rebuild.rebuild(run, client, patience=PATIENCE_S)
    with Ledger(run.ledger_path) as ledger:
        still_open = {write.op_id for write in ledger.pending()}
    missing = set(refused["op_id"])
    assert still_open <= missing
    assert missing & ledgered(run, "done") == set()
    applied(run, client, plan)
    assert (told(run), state(box)) == (before, ended)
    assert apply.rejected(run).rows() == refused.rows()


def ledgered(run: Run, outcome: str) -> set[str]:
    return {op_id for op_id, known in story(run) if known == outcome}


def test_what_stood_there_is_never_taken_for_ours(case: Case) -> None:
    """A matched contact had the very same task before the load: with our own missing, it is no proof."""
    box, run, client = case
    plan = approved(run, client)
    (known,) = [doc for doc in box.admin("GET", f"{REALM}/contacts") if doc["email"] == "Known@x.example"]
    theirs = {
        "title": "Call back", "due_date": "1969-07-20T20:17:40Z", "status": 1,
        "targetable_type": "Contact", "targetable_id": known["id"],
    }  # fmt: skip
    made = box.admin("POST", f"{REALM}/tasks", theirs | {"created_at": "2020-01-01T00:00:00Z"})
    applied(run, client, plan)
    ours = {doc["id"] for doc in box.admin("GET", f"{REALM}/tasks")} - {made["id"]}
    for task_id in [doc for doc in ours if _title(box, doc) == "Call back"]:
        box.admin("DELETE", f"{REALM}/tasks/{task_id}")
    lost(run)
    rebuild.rebuild(run, client, patience=PATIENCE_S)
    assert made["id"] not in ids(run).values()
    assert {"task:create:activity:1", "task:create:activity:2"} == ledgered(run, "unclear")


def _title(box: Sandbox, task_id: int) -> str:
    return str(box.admin("GET", f"{REALM}/tasks/{task_id}")["title"])


def test_what_a_person_edited_or_deleted_since_was_written_all_the_same(case: Case) -> None:
    """A renamed contact, a moved closing date, a contact in the bin: found, and told as changed since."""
    _, run, client = case
    plan = approved(run, client)
    applied(run, client, plan)
    known = ids(run)
    person = ("contact", "102")
    client.update("contacts", known[person], {"job_title": "Boss", "last_name": "Edited"})
    client.delete("deals", known["deal", "902"])
    before = lost(run)
    rebuild.rebuild(run, client, patience=PATIENCE_S)
    assert ids(run) == known
    with Ledger(run.ledger_path) as ledger:
        (after,) = ledger._db.execute(
            "SELECT after FROM writes WHERE op_id = 'contact:create:102'"
        ).fetchone()
    seen = client.view("contacts", known[person], include=client.edition.module("contacts").links)
    assert images.changed(images.merged([after]), seen or {}) == ["last_name"]
    assert told(run) == before


def test_two_records_of_one_source_id_are_a_persons_to_settle(case: Case) -> None:
    """Nothing is guessed: the line names both ids, and nothing is put in the ledger's place."""
    box, run, client = case
    plan = approved(run, client)
    applied(run, client, plan)
    twin = box.admin("GET", f"{REALM}/deals/{ids(run)['deal', '900']}")
    box.admin("POST", f"{REALM}/deals", {k: v for k, v in twin.items() if k != "id"})
    lost(run)
    with pytest.raises(
        DataError, match=r"deals: records \d+, \d+ carry the same source id; delete all but one"
    ):
        rebuild.rebuild(run, client, patience=PATIENCE_S)
    assert not run.ledger_path.exists()


def test_few_calls_are_made(case: Case) -> None:
    """Pages of 100, and one call for each record that carries notes or files; never one for each record."""
    box, run, client = case
    plan = approved(run, client)
    applied(run, client, plan)
    lost(run)
    before = box.admin("GET", f"requests?realm={REALM}")
    rebuild.rebuild(run, client, patience=PATIENCE_S)
    after = box.admin("GET", f"requests?realm={REALM}")
    assert [
        r
        for r in after["by_route"]
        if not r.startswith("GET") and after["by_route"][r] != before["by_route"][r]
    ] == []
    parents_of_notes, parents_of_files, lists, modules = 2, 3, 3, len(client.edition.modules) - 6
    # a page and the bin with their views per module, tasks and meetings by two filters each
    assert (
        after["total"] - before["total"]
        <= 4 * modules + 2 + 2 + 1 + 1 + lists + parents_of_notes + parents_of_files
    )


def test_a_load_whose_ledger_is_gone_is_not_begun_again(case: Case) -> None:
    """Without its ledger a load would write all history twice: it stops, and says how to get it back."""
    _, run, client = case
    plan = approved(run, client)
    applied(run, client, plan)
    lost(run)
    with pytest.raises(UpstreamError, match=r"ledger.db: gone, although writing began; .* --rebuild-ledger$"):
        apply.plan_of(again(run), client).collect()


def test_the_ledger_of_a_delta_run_too(case: Case) -> None:
    """A delta run's writes refer to what earlier runs wrote: it is known from there, and nothing is written again."""
    box, run, client = case
    applied(run, client, approved(run, client))
    run.close()
    run.record.change_phase("06_reconciliation", status="passed")
    run.record.offer("reconciliation", "f" * 64, "")
    run.record.approve("reconciliation", by="Ola")
    changed = deals().with_columns(name=pl.col("name") + " again", contact_ids=pl.lit(["101", "102"]))
    with prepared(box, run.customer_folder.parent, money=changed) as (delta, other):
        delta.record.change(delta={"base": run.run_id})
        plan = approved(delta, other)
        delta_load.inherit(delta)
        applied(delta, other, plan)
        assert set(plan["action"]) <= {"update", "lifecycle"}
        standing = lineage.Base(delta.record).standing().rows()
        before, sent = lost(delta), writes(box)
        rebuild.rebuild(delta, other, patience=PATIENCE_S)
        assert told(delta) == before
        assert lineage.Base(delta.record).standing().rows() == standing
        applied(delta, other, plan)
        assert writes(box) == sent


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_bytes(b"no database at all " * 100),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "overwritten inside": lambda path: path.write_bytes(
        path.read_bytes()[:4096] + b"\x07" * 8192 + path.read_bytes()[12288:]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_the_command_sets_a_damaged_ledger_aside(case: Case, damage: Callable[[Path], object]) -> None:
    """The load says in one line what is wrong; the command makes the ledger anew and deletes nothing."""
    box, run, client = case
    plan = approved(run, client)
    applied(run, client, plan)
    before, sent = told(run), writes(box)
    damage(run.ledger_path)
    rest = run.ledger_path.read_bytes() if run.ledger_path.exists() else None
    with pytest.raises((DataError, UpstreamError), match=r"--rebuild-ledger$") as stop:
        applied(again(run), client, apply.plan_of(run, client).collect())
    assert stop.value.exit_code == 2
    if rest is not None:
        run.ledger_path.write_bytes(rest)
    said: list[str] = []
    done = rebuild.command("case", "test", "", said.append)
    assert done["command"] == "crmbook run case --env test --run test-01"
    assert said[-1] == f"continue with: {done['command']}"
    assert (told(run), writes(box)) == (before, sent)
    aside = run.ledger_path.with_name("ledger.db~1")
    assert (aside.read_bytes() if aside.exists() else None) == rest
    assert [p.name for p in run.folder.glob("ledger.db.new*")] == []


def test_a_sound_ledger_is_never_replaced(case: Case) -> None:
    """Exit 2 and one line; the file stays as it was."""
    _, run, client = case
    applied(run, client, approved(run, client))
    before = run.ledger_path.read_bytes()
    with pytest.raises(UsageError, match=r"^test-01/ledger.db: sound, with \d+ writes; it is kept as it is$"):
        rebuild.command("case", "test", "test-01", print)
    assert run.ledger_path.read_bytes() == before


def test_without_a_plan_there_is_nothing_to_go_by(case: Case) -> None:
    """Nobody approved a plan, or its files are gone: said so, nothing is put in the ledger's place."""
    _, run, client = case
    apply.plan_of(run, client).collect()
    with pytest.raises(UpstreamError, match=r"^test-01: no approved plan in 05_load"):
        rebuild.command("case", "test", "", print)
    assert not run.ledger_path.exists()


def test_the_option_stands_alone(customers: Path) -> None:
    """With an option of a run it is exit 2; for a customer without a run too."""
    told = crmbook("run", "x", "--env", "test", "--rebuild-ledger", "--sample", "3", runs=customers)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert told.err.startswith("--rebuild-ledger stands alone")
