"""One customer through test and production by typed commands: what stops it, what it prints, what it writes."""

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from customer_setup import Journey, content_of

TO_APPROVE = [
    pytest.param("mapped", "production opens", "mapping", "production-01", id="mapping"),
    pytest.param("loaded", "test stops at the plan", "plan", "test-01", id="plan"),
    pytest.param("loaded", "test stops at the sign-off", "reconciliation", "test-01", id="reconciliation"),
    pytest.param("killed", "production stops at the plan", "plan", "production-01", id="production plan"),
    pytest.param("produced", "production resumes", "reconciliation", "production-01", id="production sign-off"),
]  # fmt: skip


def _record(folder: Path, run_id: str = "test-01") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / run_id / "run.json").read_text(encoding="utf-8"))
    return content


def _change(folder: Path, run_id: str, **changes: Any) -> None:
    (folder / run_id / "run.json").write_text(json.dumps(_record(folder, run_id) | changes), encoding="utf-8")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("stage", "step", "what", "run_id"), TO_APPROVE)
def test_a_run_stops_for_each_approval(
    journey: Journey, stage: str, step: str, what: str, run_id: str
) -> None:
    """Exit 4, and one line with what waits and the exact command that approves it."""
    stopped = journey.to(stage).seen[step]
    offer = _record(journey.customer.folder, run_id)["offers"][what]
    command = f"crmbook approve acme --run {run_id} {what} --by NAME --hash {offer['hash'][:12]}"
    assert stopped.code == 4
    assert stopped.err == f"{what} waits for approval: {offer['summary']}; then: {command}\n"


def test_the_printed_command_approves_with_a_name(journey: Journey) -> None:
    """What was typed as printed stands in run.json with hash and name, and the next command is printed."""
    approved = journey.to("mapped").seen["mapping approved"]
    assert approved.code == 0
    assert approved.out.endswith("continue with: crmbook run acme --env production --run production-01\n")
    record = _record(journey.kept("mapped"), "production-01")
    assert [(a["what"], a["by"], a["hash"]) for a in record["approvals"]] == [
        ("mapping", "Eva Nowak", record["offers"]["mapping"]["hash"])
    ]


def test_production_waits_for_a_signed_off_rehearsal(journey: Journey) -> None:
    """With its mapping approved it still does not open the target before a test run was signed off."""
    stopped = journey.to("mapped").seen["production unrehearsed"]
    assert (stopped.code, stopped.out) == (4, "")
    assert stopped.err == (
        "production needs a test run with this mapping whose reconciliation is approved;"
        " then: crmbook run acme --env test\n"
    )
    assert sorted(_record(journey.kept("mapped"), "production-01")["phases"]) == [
        "01_discovery",
        "02_mapping",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"parameters": {"sample": 5}}, id="of a sample only"),
        pytest.param({"approvals": []}, id="not signed off"),
        pytest.param({"offers": {"mapping": {"hash": "f" * 64, "summary": ""}}}, id="of another mapping"),
        pytest.param({"env": "production"}, id="not a rehearsal at all"),
    ],
)
def test_only_a_whole_rehearsal_of_the_same_mapping_opens_production(
    journey: Journey, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """A finished test run that differs in one of these is no rehearsal: exit 4, no phase run."""
    journey.to("signed")
    acme = journey.again_from("signed", tmp_path)
    _change(acme.folder, "test-01", **changes)
    stopped = acme.run("production", "--run", "production-01")
    assert (stopped.code, stopped.out) == (4, "")
    assert stopped.err.startswith("production needs a test run with this mapping")


def test_a_mapping_approved_once_counts_for_the_next_run(journey: Journey) -> None:
    """The test run has the same mapping hash and goes on to the workspace without asking again."""
    stopped = journey.to("mapped").seen["test stops at the workspace"]
    assert stopped.code == 4
    assert "03_workspace stopped" in stopped.out
    assert "waits for approval" not in stopped.out + stopped.err
    assert _record(journey.kept("mapped"))["approvals"] == []


def test_a_workspace_that_lacks_something_names_it(journey: Journey) -> None:
    """The counts by kind, the checklist's place, and the command that goes on."""
    stopped = journey.to("mapped").seen["test stops at the workspace"]
    missing = [
        row["kind"]
        for row in _rows(journey.kept("mapped") / "test-01/03_workspace/checklist.csv")
        if row["status"] == "missing"
    ]
    counted = {kind: missing.count(kind) for kind in ("custom_field", "pipeline", "stage")}
    assert {kind: count for kind, count in counted.items() if kind != "custom_field"} == {
        "pipeline": 1,
        "stage": 3,
    }
    said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counted.items())
    assert stopped.err == (
        f"{sum(counted.values())} checklist items are open in the target ({said}); see test-01/03_workspace/checklist.csv;"
        " then: crmbook run acme --env test --run test-01\n"
    )


def test_nothing_is_loaded_before_the_plan_is_approved(journey: Journey) -> None:
    """Up to there the tenant holds no record: the canaries that measured it are gone again."""
    assert journey.to("loaded").held_before_approval == {"sales_accounts": 0, "contacts": 0, "deals": 0}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param("wrong hash", r"test-01: the plan on offer is \w{12}, not 000000000000\n", id="another hash"),
        pytest.param("nothing on offer", r"test-01: no reconciliation to approve yet; run it first\n", id="not offered"),
        pytest.param("nameless", r"--by: expected the name of the person who approves\n", id="blank name"),
    ],
)  # fmt: skip
def test_an_approval_that_fits_nothing_is_refused(journey: Journey, step: str, expected: str) -> None:
    """Exit 2 and one line; nothing is recorded."""
    told = journey.to("loaded").seen[step]
    assert told.code == 2
    assert re.fullmatch(expected, told.err)
    assert _record(journey.kept("refused"))["approvals"] == []


def test_a_run_that_waits_says_so_again(journey: Journey) -> None:
    """Started again without the approval it prints the same command, for scripts apart from the sentence."""
    told = journey.to("loaded").seen["still waiting"]
    line = journey.seen["test stops at the sign-off"].err.removesuffix("\n")
    assert told.code == 4
    assert told.json["error"] == line
    assert (told.json["waits_for"], told.json["command"]) == tuple(line.split("; then: "))


def test_status_shows_what_a_run_waits_for(journey: Journey, tmp_path: Path) -> None:
    """Each phase with its state, and the command the run itself printed."""
    journey.to("loaded")
    told = journey.again_from("planned", tmp_path).crm("status", "acme", "--run", "test-01")
    command = journey.seen["test stops at the plan"].err.split("; then: ")[1]
    assert told.code == 0
    assert f"\n  {command}" in told.out
    assert re.search(r"^  04_normalization +passed\n  05_load +waiting: plan waits", told.out, re.MULTILINE)


def test_a_finished_run_started_again_writes_nothing(journey: Journey, tmp_path: Path) -> None:
    """Exit 0, no byte and no time of any file changed, and not one request to either vendor."""
    journey.to("signed")
    acme = journey.again_from("signed", tmp_path)
    realms = ("usercom", "freshsales_test", "freshsales_production")
    before = content_of(acme.runs), [acme.box.admin("GET", f"/requests?realm={r}") for r in realms]
    again = acme.run("test", "--run", "test-01", "--json")
    assert (again.code, again.json["ran"]) == (0, [])
    assert again.json["report"] == str(acme.folder / "test-01" / "index.html")
    assert (content_of(acme.runs), [acme.box.admin("GET", f"/requests?realm={r}") for r in realms]) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--env", "production", "--run", "test-01"], "run test-01 is a test run", id="other environment"),
        pytest.param(["--env", "test", "--sample", "3"], "run test-01 was started with --sample 0", id="other sample"),
    ],
)  # fmt: skip
def test_a_run_goes_on_under_the_terms_it_began_with(
    journey: Journey, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    """Exit 2, and nothing in the folder changes."""
    journey.to("mapped")
    acme = journey.again_from("mapped", tmp_path)
    before = content_of(acme.runs)
    told = acme.crm("run", "acme", *arguments)
    assert told.code == 2
    assert told.err.startswith(expected)
    assert content_of(acme.runs) == before


def test_an_edited_decision_opens_the_mapping_again(journey: Journey, tmp_path: Path) -> None:
    """The old phase moves aside untouched, the decision is kept, and its new hash asks for a new approval."""
    journey.to("loaded")
    acme = journey.again_from("planned", tmp_path)
    phase = acme.folder / "test-01" / "02_mapping"
    evidence = {k: v for k, v in content_of(phase).items() if k != "decisions.csv"}
    rows = _rows(phase / "decisions.csv")
    chosen = next(row for row in rows if row["source_field"] == "p_plan_type")
    chosen.update(decision="skip", target_field="", note="not needed any more")
    with (phase / "decisions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(chosen))
        writer.writeheader()
        writer.writerows(rows)

    early = acme.crm("approve", "acme", "--run", "test-01", "mapping", "--by", "Eva")
    assert early.code == 2
    assert early.err.startswith("02_mapping/decisions.csv changed since it was read; run the phase again")

    stopped = acme.run()
    assert stopped.code == 4
    assert stopped.out.splitlines() == [
        "02_mapping passed",
        "decisions read from decisions.csv, the file that was changed",
    ]
    assert stopped.err.startswith("mapping waits for approval: ")
    offers = [
        _record(folder)["offers"]["mapping"]["hash"] for folder in (acme.folder, journey.kept("planned"))
    ]
    assert offers[0] != offers[1]
    assert {
        k: v for k, v in content_of(phase.with_name("02_mapping~1")).items() if k != "decisions.csv"
    } == evidence
    kept = next(row for row in _rows(phase / "decisions.csv") if row["source_field"] == "p_plan_type")
    assert (kept["decision"], kept["note"]) == ("skip", "not needed any more")


def test_production_is_loaded_as_it_was_rehearsed(journey: Journey) -> None:
    """The same records with the same links, though one run was killed amid its writes."""
    journey.to("produced")
    ended = journey.seen["production ends"]
    assert ended.code == 0, ended.err
    hashes = [
        journey.customer.box.admin("GET", f"/state/hash?realm={realm}")["sha256"]
        for realm in ("freshsales_test", "freshsales_production")
    ]
    assert hashes[0] == hashes[1]


def test_a_killed_load_goes_on_without_doubles_or_gaps(journey: Journey) -> None:
    """Killed with signal 9 between deals; the next start sends what is missing and nothing twice."""
    journey.to("produced")
    planned = {"sales_accounts": 2, "contacts": 8, "deals": 3}
    assert 0 < journey.held_when_killed["deals"] < planned["deals"]
    assert journey.customer.records("freshsales_production") == planned
    with closing(sqlite3.connect(journey.kept("produced") / "production-01" / "ledger.db")) as ledger:
        again = ledger.execute("SELECT count(*) FROM writes WHERE attempts > 1").fetchone()[0]
    # only the one under way when the process died may have left twice, and only if it never arrived
    assert again <= 1


def test_the_ledger_of_a_killed_load_has_nothing_open(journey: Journey) -> None:
    """Every planned write is done, whoever sent it."""
    journey.to("produced")
    with sqlite3.connect(journey.kept("produced") / "production-01" / "ledger.db") as ledger:
        states = ledger.execute("SELECT state, count(*) FROM writes GROUP BY state").fetchall()
    ledger.close()
    assert states == [("done", 19)]
