"""06 again after the sign-off: what changed in the target since is found and told; the sign-off stays what it was."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import reconciliation_world as world
from conftest import Finished
from crmbook import csvfiles, drift_check, runs, tables
from crmbook.phases import drift, target_ids
from customer_setup import Customer, Journey, content_of
from reconciliation_world import frame

REALM = "freshsales_test"
CHECK = ("--run", "test-01", "--only", "06_reconciliation")
SIGNED = {
    "classes": [{"entity": "deal", "source_id": "1", "class": "loaded"}, {"entity": "deal", "source_id": "2", "class": "loaded"}],
    "link_classes": [{"relation": "deal_account", "from_id": "1", "to_id": "9", "class": "found"}],
    "history_classes": [{"module": "notes", "source_id": "n", "class": "loaded"}],
    "member_classes": [{"list_key": "list:1", "contact_id": "5", "class": "found"}],
    "instants": [{"entity": "event", "source_id": "e", "is_equal": True}],
    "differences": [{"entity": "deal", "source_id": "1", "field": "name", "kind": "changed"}],
    "history_differences": [],
    "target_only": [{"module": "contacts", "target_id": 7, "class": "pre_existing"}],
    "history_target_only": [], "reassigned": [],
}  # fmt: skip
CONTRACTS = {
    "classes": tables.CLASSES, "link_classes": tables.LINK_CLASSES, "history_classes": tables.HISTORY_CLASSES,
    "member_classes": tables.MEMBER_CLASSES, "instants": tables.INSTANTS, "differences": tables.DIFFERENCES,
    "history_differences": tables.HISTORY_DIFFERENCES, "target_only": tables.TARGET_ONLY,
    "history_target_only": tables.HISTORY_TARGET_ONLY, "reassigned": tables.REASSIGNED,
}  # fmt: skip


def reading(**changed: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    return {name: frame(CONTRACTS[name], *rows) for name, rows in (SIGNED | changed).items()}


def test_two_readings_that_agree_give_no_row() -> None:
    """A difference that was signed off is no drift."""
    assert (0, "", 0) == (
        drift.drift(reading(), reading()).height, drift.summary(drift.drift(reading(), reading())), drift.made(reading(), reading()),
    )  # fmt: skip


CHANGES = [
    pytest.param({"classes": [SIGNED["classes"][0], SIGNED["classes"][1] | {"class": "missing"}]}, ("record", "deal", "2", "", "loaded", "missing"), id="record gone"),
    pytest.param({"link_classes": [SIGNED["link_classes"][0] | {"class": "missing"}]}, ("link", "deal_account", "1", "9", "found", "missing"), id="link lost"),
    pytest.param({"link_classes": [*SIGNED["link_classes"], {"relation": "deal_account", "from_id": "1", "to_id": "8", "class": "extra"}]}, ("link", "deal_account", "1", "8", drift.NEW, "extra"), id="link more"),
    pytest.param({"history_classes": [SIGNED["history_classes"][0] | {"class": "missing"}]}, ("record", "notes", "n", "", "loaded", "missing"), id="note gone"),
    pytest.param({"member_classes": []}, ("list member", "list", "list:1:5", "", "found", drift.GONE), id="member gone"),
    pytest.param({"instants": [SIGNED["instants"][0] | {"is_equal": False}]}, ("instant", "event", "e", "", "true", "false"), id="instant moved"),
    pytest.param({"differences": [*SIGNED["differences"], {"entity": "deal", "source_id": "2", "field": "amount", "kind": "changed"}]}, ("field", "deal", "2", "amount", "as loaded", "changed"), id="field edited"),
    pytest.param({"differences": []}, ("field", "deal", "1", "name", "changed", "as loaded"), id="difference repaired"),
    pytest.param({"history_differences": [{"module": "tasks", "source_id": "t", "field": "title", "kind": "changed"}]}, ("field", "tasks", "t", "title", "as loaded", "changed"), id="task edited"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "expected"), CHANGES)
def test_each_change_is_one_row(changed: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Record, link, member, instant or field, with both verdicts and no value."""
    assert [expected] == drift.drift(reading(), reading(**changed)).rows()


@pytest.mark.parametrize(("agent", "drifted"), [("2", 0), ("3", 1)], ids=["handed over", "by somebody else"])
def test_an_owner_who_got_what_waited_for_them_is_no_drift(agent: str, drifted: int) -> None:
    """Only where a reassignment did it: an owner a person changed is told."""
    link = {"relation": "contact_owner", "from_id": "7", "to_id": "2"}
    signed = reading(link_classes=[link | {"class": "repointed"}])
    now = reading(link_classes=[link | {"class": "found"}], reassigned=[{"agent_id": agent, "owner_id": 77}])
    assert drifted == drift.drift(signed, now).height


def test_what_people_make_is_counted_not_blamed() -> None:
    """A record nobody loaded, and a note on a loaded one: new work in the target."""
    now = reading(
        target_only=[*SIGNED["target_only"], {"module": "contacts", "target_id": 8, "class": "unexpected"}],
        history_target_only=[{"module": "notes", "target_id": 9, "class": "unexpected"}],
    )
    assert (0, 2) == (drift.drift(reading(), now).height, drift.made(reading(), now))


def test_after_a_reassignment_its_user_is_expected() -> None:
    """The agent owns through the user they were given, and waits no more; the others stay with the administrator."""
    ids = world.ids()
    waiting = ids.owners.filter("is_fallback")["agent_id"].to_list()
    after = target_ids.after_reassigning(ids, frame(tables.REASSIGNED, {"agent_id": "a3", "owner_id": 77}))
    found = dict(after.owners.select("agent_id", "owner_id").iter_rows())
    assert (77, ["a3"]) == (
        found["a3"],
        [a for a in waiting if a not in after.owners.filter("is_fallback")["agent_id"]],
    )
    assert ids.owners.filter(pl.col("agent_id") != "a3").equals(
        after.owners.filter(pl.col("agent_id") != "a3")
    )


def test_a_check_that_was_killed_is_undone_by_the_next_start(customers: Path) -> None:
    """The signed folder, state and offer come back; the broken reading is kept as the next number."""
    record = runs.create("acme", "test", parameters={"sample": 0}, run_id="test-01")
    folder = record.folder / drift_check.PHASE
    for name, text in (("06_reconciliation", "signed"), ("06_reconciliation~1", "older")):
        (record.folder / name).mkdir()
        (record.folder / name / "gate.json").write_text(text, encoding="utf-8")
    record.change_phase(drift_check.PHASE, status="passed")
    record.offer("reconciliation", "a" * 64, "all well")
    before = record.get()
    block = drift_check.beside(record)
    block.__enter__()
    folder.mkdir()
    (folder / "gate.json").write_text("half", encoding="utf-8")
    record.change_phase(drift_check.PHASE, status="running")
    record.offer("reconciliation", "b" * 64, "something else")
    drift_check.restore(record)
    assert before == record.get()
    told = {path.parent.name: path.read_text(encoding="utf-8") for path in record.folder.glob("*/gate.json")}
    assert {
        "06_reconciliation": "signed",
        "06_reconciliation~1": "older",
        "06_reconciliation~2": "half",
    } == told


@dataclass
class Week:
    """acme after its sign-off, on three days of the hypercare week; what each command printed, and what it left."""

    acme: Customer
    signed: dict[str, Any]
    evidence: dict[str, Any]
    seen: dict[str, Finished] = field(default_factory=dict)
    drifted: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)

    def check(self, day: str) -> None:
        self.seen[day] = self.acme.run("test", *CHECK, "--json")
        rows = csvfiles.read(self.acme.folder / "test-01" / drift_check.NAME, list(drift.DRIFT))
        self.drifted[day] = [row for _, row in rows]
        self.states[day] = state(self.acme)
        self.folders[day] = content_of(self.acme.folder / "test-01" / drift_check.PHASE)


def state(acme: Customer) -> dict[str, Any]:
    """What run.json says of phases, offers and approvals."""
    content = json.loads((acme.folder / "test-01" / "run.json").read_text(encoding="utf-8"))
    return {name: content[name] for name in ("phases", "offers", "approvals")}


@pytest.fixture(scope="module")
def week(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """A quiet day, a day on which people work in the target, a day after an owner was provisioned; then all is put back."""
    journey.to("signed")
    acme = journey.again_from("signed", tmp_path_factory.mktemp("week"))
    box, ready = acme.box, acme.box.ready[REALM]
    deal = next(d for d in box.admin("GET", f"/{REALM}/deals") if d["name"] == "Fleet of kayaks")
    people = {p["external_id"]: p for p in box.admin("GET", f"/{REALM}/contacts")}
    walked = Week(acme, state(acme), content_of(acme.folder / "test-01" / drift_check.PHASE))
    head = {"Authorization": f"Token token={ready['token']}"}
    walked.check("quiet")
    with httpx.Client(base_url=ready["base_url"], headers=head, trust_env=False) as person:
        made = person.post(
            "/contacts", json={"contact": {"last_name": "Walk-in", "emails": ["walk@in.example"]}}
        )
        assert person.put(f"/deals/{deal['id']}", json={"deal": {"amount": 12}}).status_code == 200
    walked.check("worked in")
    walked.seen["verify"] = acme.crm("verify", "acme", "--run", "test-01")
    box.admin("PUT", f"/{REALM}/deals/{deal['id']}", deal)
    olaf = box.admin(
        "POST", f"/{REALM}/owners", {"email": "olaf@acme.example", "display_name": "Olaf", "is_active": True}
    )
    walked.seen["reassign"] = acme.crm("reassign", "acme", "--run", "test-01", "--json")
    walked.check("reassigned")
    walked.seen["verify again"] = acme.crm("verify", "acme", "--run", "test-01")
    yield walked
    box.admin("PUT", f"/{REALM}/contacts/{people['7']['id']}", people["7"])
    box.admin("DELETE", f"/{REALM}/contacts/{made.json()['contact']['id']}")
    box.admin("DELETE", f"/{REALM}/owners/{olaf['id']}")


def test_a_quiet_day_is_as_it_was_signed(week: Week) -> None:
    """Exit 0, nobody is asked to sign again, no row."""
    assert (0, ["06_reconciliation"], []) == (
        week.seen["quiet"].code, week.seen["quiet"].json["ran"], week.drifted["quiet"],
    )  # fmt: skip


def test_an_edit_in_the_target_is_found_by_record_and_field(week: Week) -> None:
    """Exit 3 and one line: who signed, what differs, where to read on; the new contact is no drift."""
    told = week.seen["worked in"]
    assert told.code == 3
    assert re.fullmatch(
        r"test-01: not as Eva Nowak signed it off on \d{4}-\d\d-\d\d: 1 field of deal; the sign-off stands,"
        r" see test-01/drift\.csv and 06_reconciliation~2/report\.html", told.json["error"],
    )  # fmt: skip
    assert [{"kind": "field", "entity": "deal", "source_id": "31", "what": "amount", "signed": "as loaded", "now": "changed"}] == (
        week.drifted["worked in"]
    )  # fmt: skip


@pytest.mark.parametrize("day", ["quiet", "worked in", "reassigned"])
def test_the_sign_off_is_never_touched(week: Week, day: str) -> None:
    """Folder byte for byte, state, offer and approvals: production and deltas still build on it."""
    assert (week.signed, week.evidence) == (week.states[day], week.folders[day])


def test_the_archive_holds_with_its_checks_in_it(week: Week) -> None:
    """Each reading is kept with its report, chained, and the signed numbers still recompute."""
    assert (0, 0) == (week.seen["verify"].code, week.seen["verify again"].code), week.seen["verify"].err + week.seen["verify again"].err  # fmt: skip
    run = week.acme.folder / "test-01"
    assert [True] * 3 == [(run / f"06_reconciliation~{n}" / "report.html").exists() for n in (1, 2, 3)]
    chain = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["chain"]
    assert [("06_reconciliation~1", 0), ("06_reconciliation~2", 1), ("06_reconciliation~3", 0)] == [
        (entry["folder"], entry["drifted"]) for entry in chain if entry["event"] == "drift"
    ]


def test_a_reassigned_owner_is_no_drift(week: Week) -> None:
    """The record stands with the user it was handed to: that is what 06 expects now."""
    assert {"contact": 1} == week.seen["reassign"].json.get("moved"), week.seen["reassign"].out
    assert (0, []) == (week.seen["reassigned"].code, week.drifted["reassigned"]), week.seen["reassigned"].out
