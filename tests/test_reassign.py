"""Records of owners without a user go to them once they have one; what a person re-assigned stays where it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import history_case
from crmbook import apply, csvfiles, reassign
from crmbook.errors import Unavailable, UpstreamError
from crmbook.ledger import Ledger
from crmbook.phases import load, reassigning
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import ADMIN, REALM, TENANT, loading

INES, GONE = "ines@case.example", "gone@case.example"
KINDS = ("contacts", "sales_accounts", "deals", "tasks", "sales_activities")
Case = tuple[Sandbox, Run, Freshsales]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A run whose load has passed; agents 2 (inactive user), 3 (no user) and 9 (no e-mail) fell to the admin."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    with loading(sandbox, customers, history=history_case.history()) as (run, client):
        history_case.write_files(run.customer_folder)
        plan = apply.plan_of(run, client).collect()
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.3)
        run.save("crosswalk", apply.crosswalk(run))
        run.save("outcomes", apply.outcomes(run, plan))
        run.close()
        yield sandbox, run, client


def told(box: Sandbox, kind: str) -> list[dict[str, Any]]:
    return list(box.admin("GET", f"{REALM}/{kind}"))


def user(box: Sandbox, email: str) -> int:
    return int(next(row["id"] for row in told(box, "owners") if row["email"].lower() == email.lower()))


def provision(box: Sandbox, *emails: str) -> None:
    """What the customer's admin does later: users made, or made active."""
    for email in emails:
        known = [row["id"] for row in told(box, "owners") if row["email"] == email]
        if known:
            box.admin("PUT", f"{REALM}/owners/{known[0]}", {"is_active": True})
        else:
            box.admin("POST", f"{REALM}/owners", {"email": email, "display_name": "New"})


def owners(box: Sandbox) -> dict[tuple[str, int], int]:
    return {(kind, doc["id"]): doc.get("owner_id") for kind in KINDS for doc in told(box, kind)}


def ids(run: Run) -> dict[str, int]:
    return {f"{entity}:{source_id}": number for entity, source_id, number, _ in apply.crosswalk(run).rows()}


def done(run: Run) -> dict[str, Any]:
    return reassign.reassign("case", run.run_id, lambda _line: None)


def writes(box: Sandbox) -> dict[str, int]:
    routes = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    return {route: count for route, count in routes.items() if not route.startswith("GET")}


def test_exactly_the_queued_records_move(case: Case) -> None:
    """Two agents get their users: their contacts, deals and tasks move, all else keeps its owner."""
    box, run, _ = case
    before, at = owners(box), ids(run)
    provision(box, INES, GONE)
    result = done(run)
    after = owners(box)
    moved = {key: owner for key, owner in after.items() if owner != before[key]}
    assert moved == {
        ("contacts", at["contact:101"]): user(box, INES),
        ("deals", at["deal:901"]): user(box, GONE),
        ("tasks", at["task:activity:2"]): user(box, INES),
    }
    assert result["moved"] == {"contact": 1, "deal": 1, "task": 1}
    assert result["waiting"] == {"contact": 1, "sales_activity": 1}


def test_what_a_person_reassigned_stays(case: Case) -> None:
    """The contact went to Ola since: she keeps it, and the file says so."""
    box, run, client = case
    at, ola = ids(run), user(box, "OLA@case.example")
    client.update("contacts", at["contact:101"], {"owner_id": ola})
    provision(box, INES)
    result = done(run)
    assert owners(box)["contacts", at["contact:101"]] == ola
    assert (result["moved"], result["left"]) == ({"task": 1}, {"contact": 1})
    rows = [
        row
        for _, row in csvfiles.read(
            Path(result["file"]), ("entity", "source_id", "target_id", "agent_id", "owner_id", "state")
        )
    ]
    assert {f"{row['entity']}:{row['source_id']}": row["state"] for row in rows} == {
        "contact:101": "left", "contact:102": "waiting", "deal:901": "waiting", "task:activity:2": "moved",
        "sales_activity:activity:21": "waiting",
    }  # fmt: skip


def test_06_learns_who_got_the_records(case: Case) -> None:
    """Per agent the user their records went to, from the ledger; agents who still wait are not in it."""
    box, run, _ = case
    provision(box, INES)
    done(run)
    with Ledger(run.ledger_path) as ledger:
        given = ledger.owners_given()
    normalized = {entity: run.read(table) for entity, table in reassigning.OWNED.items()}
    assert [("2", user(box, INES))] == reassigning.given(normalized, given).rows()


def test_a_record_moved_once_is_not_moved_again(case: Case) -> None:
    """A person gave it back to the administrator: a second start leaves it there and writes nothing."""
    box, run, client = case
    at = ids(run)
    provision(box, INES)
    assert done(run)["moved"] == {"contact": 1, "task": 1}
    client.update("contacts", at["contact:101"], {"owner_id": user(box, ADMIN)})
    before = writes(box)
    assert done(run)["moved"] == {"contact": 1, "task": 1}
    assert owners(box)["contacts", at["contact:101"]] == user(box, ADMIN)
    assert writes(box) == before


def test_nothing_moves_while_nobody_was_provisioned(case: Case) -> None:
    """All wait, nothing is written."""
    box, run, _ = case
    before = writes(box)
    assert done(run)["waiting"] == {"contact": 2, "deal": 1, "sales_activity": 1, "task": 1}
    assert writes(box) == before


def test_each_move_is_in_the_ledger_with_what_stood_before(case: Case) -> None:
    """Rollback needs who had it: the administrator."""
    box, run, _ = case
    provision(box, GONE)
    done(run)
    with Ledger(run.ledger_path) as ledger:
        rows = ledger._db.execute("SELECT op_id, state, before FROM writes WHERE action = 'owner'").fetchall()
    expected = f"deal:owner:901:{user(box, GONE)}"
    assert rows == [(expected, "done", f'{{"owner_id":{user(box, ADMIN)}}}')]


FAULTS = {
    "bulk is refused": {"kind": "status", "status": 400, "path": "/bulk_assign_owner$", "body": {"errors": {"code": 400, "message": ["no"]}}},
    "bulk does not exist": {"kind": "status", "status": 404, "path": "/bulk_assign_owner$"},
    "bulk answers and does nothing": {"kind": "status", "status": 200, "path": "/bulk_assign_owner$", "body": {"message": "ok"}},
    "changes dropped after": {"kind": "drop_after", "method": "PUT", "every": 2},
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_bulk_call_that_fails_is_made_good_one_by_one(case: Case, fault: dict[str, Any]) -> None:
    """The answer to the bulk call is not trusted: the owners are read again, and what stayed is moved alone."""
    box, run, _ = case
    at = ids(run)
    provision(box, INES)
    box.admin("POST", "faults", [{"realm": REALM, **fault}])
    assert done(run)["moved"] == {"contact": 1, "task": 1}
    assert owners(box)["contacts", at["contact:101"]] == user(box, INES)


STOPS = {
    "after the bulk call happened": {"kind": "drop_after", "path": "/bulk_assign_owner$"},
    "before the bulk call happened": {"kind": "drop_before", "path": "/bulk_assign_owner$"},
    "after a task moved": {"kind": "drop_after", "method": "PUT", "path": "/tasks/"},
    "before a task moved": {"kind": "status", "status": 503, "method": "PUT", "path": "/tasks/"},
}


@pytest.mark.parametrize("fault", STOPS.values(), ids=STOPS.keys())
def test_a_stop_in_between_goes_on(case: Case, fault: dict[str, Any]) -> None:
    """The target stops answering around a move: the next start finds what happened and finishes."""
    box, run, _ = case
    at = ids(run)
    provision(box, INES)
    box.admin("POST", "faults", [{"realm": REALM, **fault}])
    with pytest.raises(Unavailable):
        done(run)
    box.admin("DELETE", "faults")
    assert done(run)["moved"] == {"contact": 1, "task": 1}
    assert {owners(box)["tasks", at["task:activity:2"]], owners(box)["contacts", at["contact:101"]]} == {
        user(box, INES)
    }
    with Ledger(run.ledger_path) as ledger:
        assert ledger.pending() == []


def test_an_open_move_that_a_person_overtook_is_closed(case: Case) -> None:
    """Nobody can tell whether the move happened before: the record stays with whom it was given to."""
    box, run, client = case
    contact, ola = ids(run)["contact:101"], user(box, "OLA@case.example")
    provision(box, INES)
    box.admin("POST", "faults", [{"realm": REALM, "kind": "drop_before", "path": "/bulk_assign_owner$"}])
    with pytest.raises(Unavailable):
        done(run)
    box.admin("DELETE", "faults")
    client.update("contacts", contact, {"owner_id": ola})
    assert [done(run)["left"], done(run)["left"]] == [{"contact": 1}, {"contact": 1}]
    assert owners(box)["contacts", contact] == ola
    with Ledger(run.ledger_path) as ledger:
        assert ledger.pending() == []


def test_a_deleted_record_is_told(case: Case) -> None:
    """Gone from the target is not a failure, and not a move."""
    box, run, client = case
    client.delete("deals", ids(run)["deal:901"])
    provision(box, GONE)
    result = done(run)
    assert (result["gone"], "moved" in result) == ({"deal": 1}, False)


def test_a_run_that_did_not_load_has_nothing_to_reassign(case: Case) -> None:
    """The one line says which phase is missing."""
    _, run, _ = case
    run.record.change_phase("05_load", outputs={})
    with pytest.raises(UpstreamError, match="05_load"):
        done(run)


def test_many_move_in_one_call(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 of 240 contacts have the new owner: one call, not sixty, and the others stay."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    with loading(sandbox, customers, people=240) as (run, client):
        plan = apply.plan_of(run, client).collect()
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.3)
        run.save("crosswalk", apply.crosswalk(run))
        run.close()
        provision(sandbox, INES)
        before = writes(sandbox)
        assert done(run)["moved"] == {"contact": 60}
        new = {route: count - before.get(route, 0) for route, count in writes(sandbox).items()}
        assert {route: count for route, count in new.items() if count} == {
            "POST /contacts/bulk_assign_owner": 1
        }
        ines = user(sandbox, INES)
        mine = [doc for doc in told(sandbox, "contacts") if doc.get("owner_id") == ines]
        assert len(mine) == 60
        assert pl.Series([doc["external_id"] for doc in mine]).n_unique() == 60
