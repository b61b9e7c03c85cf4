"""What Workflows hang on new contacts: noticed after a few, kept, told, and no reason to stop twice."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import classic_case
import history_case
from crmbook import apply, watch
from crmbook.errors import GateFailed
from crmbook.phases import load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.settle import MARK
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, again, loading

PEOPLE = 30


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def box(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox.admin("POST", "reset")
    sandbox.admin("PUT", f"{REALM}/settings", {"workflows_on": False})
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    return sandbox


def watched(run: Run, client: Freshsales, beside: Callable[[], object] = lambda: None) -> None:
    """The load with the watch over it; *beside* happens after every write."""
    plan = apply.plan_of(run, client).collect()
    with watch.watching(run, client) as workflows:

        def between() -> None:
            beside()
            workflows.look()

        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4, between=between)
        workflows.finish()


def ours(box: Sandbox) -> int:
    marks = [
        doc["custom_field"].get("cf_usercom_original_id") for doc in box.admin("GET", f"{REALM}/contacts")
    ]
    assert len([m for m in marks if m]) == len({m for m in marks if m})
    return len([m for m in marks if m])


def asked(box: Sandbox) -> dict[str, int]:
    routes = box.admin("GET", f"requests?realm={REALM}")["by_route"]
    return {kind: routes.get(f"GET /{kind}", 0) for kind in ("tasks", "appointments", "sales_activities")}


def test_a_load_stops_after_a_few_and_goes_on_when_workflows_are_off(box: Sandbox, customers: Path) -> None:
    """Exit code 3 long before the end; what was made stays, is told, and stops nothing the second time."""
    with loading(box, customers, people=PEOPLE) as (run, client):
        box.admin("PUT", f"{REALM}/settings", {"workflows_on": True})
        with pytest.raises(
            GateFailed, match=r"^4 tasks nobody planned hang on contacts .* switch Workflows off"
        ) as stopped:
            watched(run, client)
        assert stopped.value.exit_code == 3
        assert ours(box) < 8
        made = run.read("foreign_records")
        assert made.select("kind", "entity").unique().rows() == [("tasks", "contact")]
        box.admin("PUT", f"{REALM}/settings", {"workflows_on": False})
        later = again(run)
        watched(later, client)
        assert ours(box) == PEOPLE
        kept = {doc["id"] for doc in box.admin("GET", f"{REALM}/tasks")}
        assert set(later.read("foreign_records")["target_id"]) == kept
        assert set(made["target_id"]) <= kept


def test_workflows_that_are_still_on_stop_the_second_start_too(box: Sandbox, customers: Path) -> None:
    """What stood there before is old; what comes now is not."""
    with loading(box, customers, people=PEOPLE) as (run, client):
        box.admin("PUT", f"{REALM}/settings", {"workflows_on": True})
        with pytest.raises(GateFailed):
            watched(run, client)
        box.admin("POST", "clock", {"advance_s": 5})
        with pytest.raises(GateFailed):
            watched(again(run), client)
        assert ours(box) < PEOPLE


def test_a_few_records_of_a_person_stop_nothing_and_are_told(box: Sandbox, customers: Path) -> None:
    """Somebody plans a meeting with a contact that just arrived."""
    with loading(box, customers, people=PEOPLE) as (run, client):
        planned: list[Any] = []

        def person() -> None:
            arrived = [
                doc for doc in box.admin("GET", f"{REALM}/contacts") if doc.get("external_id") == "105"
            ]
            if arrived and not planned:
                body = {
                    "title": "Coffee", "from_date": "2031-01-01T10:00:00Z", "end_date": "2031-01-01T11:00:00Z",
                    "targetable_type": "Contact", "targetable_id": arrived[0]["id"],
                }  # fmt: skip
                planned.append(client.create("appointments", body)["id"])

        watched(run, client, person)
        told = run.read("foreign_records").select("kind", "target_id", "entity", "source_id").rows()
    assert told == [("appointments", planned[0], "contact", "105")]


def test_a_load_with_history_of_its_own_is_not_foreign(box: Sandbox, customers: Path) -> None:
    """Its tasks, meetings and activities stand in the ledger; the watch asks a handful of times in all."""
    with loading(box, customers, people=PEOPLE, history=history_case.history()) as (run, client):
        history_case.write_files(run.customer_folder)
        before = sum(asked(box).values())
        watched(run, client)
        assert run.read("foreign_records").height == 0
        assert 4 <= sum(asked(box).values()) - before <= 5


def test_leads_of_classic_are_watched_too(customers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own tasks are ours; a task somebody else hangs on a lead is told."""
    with Sandbox(switches=classic_case.SWITCHES, edition="classic") as box:
        monkeypatch.setenv("CASE_TARGET", box.ready[REALM]["token"])
        with classic_case.classic_loading(box, customers) as (run, client):
            hung: list[Any] = []

            def person() -> None:
                leads = [
                    doc["id"] for doc in box.admin("GET", f"{REALM}/leads") if doc["custom_field"].get(MARK)
                ]
                if leads and not hung:
                    body = {"title": "Call", "due_date": "2031-01-01T10:00:00Z", "targetable_type": "Lead"}
                    hung.append(client.create("tasks", body | {"targetable_id": leads[0]})["id"])

            watched(run, client, person)
            told = run.read("foreign_records").select("kind", "target_id", "entity").rows()
    assert told == [("tasks", hung[0], "lead")]


def test_a_list_the_key_may_not_see_is_not_asked_for_again(box: Sandbox, customers: Path) -> None:
    """The load goes on without that look."""
    before = asked(box)["tasks"]
    with loading(box, customers, people=PEOPLE) as (run, client):
        box.admin(
            "POST",
            "faults",
            [{"realm": REALM, "kind": "status", "status": 403, "method": "GET", "path": "/tasks$"}],
        )
        watched(run, client)
        box.admin("DELETE", "faults")
    assert ours(box) == PEOPLE
    assert asked(box)["tasks"] - before == 1
