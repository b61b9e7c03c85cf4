"""`crmbook rollback` as a person types it: the notebook, its archive, the exit codes, and what a run is afterwards."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import Finished, crmbook
from crmbook import demo, pipeline, runs
from crmbook.errors import Waiting
from crmbook.sandbox import demo as scenario
from crmbook.sandbox.server import Sandbox
from test_cli import SETTINGS

REALM = "freshsales_test"
RUN = ("rollback", "demo", "--run", "test-01")


@dataclass
class Story:
    """The demo's sample, loaded and taken back by typed commands: what each printed, and the state around them."""

    folder: Path
    said: dict[str, Finished] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def phase(self) -> Path:
        return self.folder / "demo" / "test-01" / "rollback"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    told = Story(tmp_path_factory.mktemp("way_back") / "runs")
    told.folder.mkdir()
    with (
        pytest.MonkeyPatch.context() as patch,
        Sandbox(scenario.scenario()) as box,
        demo.environment(box.ready),
    ):
        patch.setenv("CRMBOOK_RUNS", str(told.folder))
        demo.prepare(box.ready)

        def state() -> str:
            query = f"realm={REALM}&without=lists,documents,document_links"
            return str(box.admin("GET", f"state/hash?{query}")["sha256"])

        told.state["before"] = state()
        for _ in range(2):
            with suppress(Waiting):
                pipeline.run("demo", "test", print, sample=6, last="05_load", approve_all=True, by="Eva")
            demo.configure(box, REALM, told.folder / "demo/test-01/03_workspace/checklist.csv")
        told.state["loaded"] = state()
        for name, arguments in {
            "planned": (*RUN, "--forget", "--json"),
            "yes": (*RUN, "--forget", "--yes"),
            "again": (*RUN, "--forget", "--yes", "--json"),
            "continued": ("run", "demo", "--env", "test", "--run", "test-01"),
            "reassigned": ("reassign", "demo", "--run", "test-01"),
            "status": ("status", "demo"),
            "verified": ("verify", "demo", "--run", "test-01"),
        }.items():
            told.said[name] = crmbook(*arguments, runs=told.folder)
            told.state[name] = state()
            told.calls[name] = box.admin("GET", f"requests?realm={REALM}")["total"]
        yield told


def test_without_a_yes_it_plans_and_waits(story: Story) -> None:
    """Exit 4 with the exact command; the target is as it was, and the plan is archived as a notebook that waits."""
    said = story.said["planned"]
    assert said.code == 4
    assert said.json["command"] == "crmbook rollback demo --run test-01 --yes --forget"
    assert said.json["waits_for"].startswith("the rollback of test-01 waits for a yes: ")
    assert story.state["planned"] == story.state["loaded"] != story.state["before"]
    first = story.phase.with_name("rollback~1")
    assert (first / "data" / "rollback_plan.parquet").exists()
    assert "waits for a yes" in (first / "report.html").read_text(encoding="utf-8")


def test_with_the_yes_the_target_is_as_before(story: Story) -> None:
    """Exit 0; the state from before the run; notebook, report, gate and summary stand in the run's folder."""
    said = story.said["yes"]
    assert (said.code, said.err) == (0, "")
    assert story.state["yes"] == story.state["before"]
    for name in (
        "notebook.ipynb",
        "report.html",
        "gate.json",
        "summary.json",
        "data/rollback_outcomes.parquet",
    ):
        assert (story.phase / name).exists(), name
    assert json.loads((story.phase / "gate.json").read_text(encoding="utf-8"))["passed"] is True
    summary = json.loads((story.phase / "summary.json").read_text(encoding="utf-8"))
    assert summary["written"] == sum(count for name, count in summary.items() if name != "written")
    assert (summary["refused"], summary["kept"], summary["gone"]) == (0, 0, 0)


def test_taken_back_once_it_is_left_alone(story: Story) -> None:
    """Exit 0, not one request, nothing run."""
    said = story.said["again"]
    assert (said.code, said.json["ran"]) == (0, False)
    assert story.calls["again"] == story.calls["yes"]


def test_a_run_that_was_taken_back_is_over(story: Story) -> None:
    """It can't be continued or reassigned (exit 2), and the status says that and when it was rolled back."""
    for name in ("continued", "reassigned"):
        assert story.said[name].code == 2
        assert story.said[name].err.startswith(
            "run test-01 was rolled back; start a new one with: crmbook run demo"
        )
    assert "\n  rolled back: 20" in story.said["status"].out
    assert "waits for approval" not in story.said["status"].out


def test_the_rollback_is_part_of_the_chain(story: Story) -> None:
    """The archive verifies with it, plan and taking back each an entry."""
    assert story.said["verified"].code == 0, story.said["verified"].out
    chain = json.loads((story.phase.parent / "manifest.json").read_text(encoding="utf-8"))["chain"]
    entries = [(entry["phase"], entry["status"]) for entry in chain if entry.get("phase") == "rollback"]
    assert entries == [("rollback", "waiting"), ("rollback", "passed")]


def test_the_archive_of_a_rollback_holds_no_personal_values(story: Story) -> None:
    """No e-mail address of the demo in the notebook or the report."""
    for path in (story.phase / "notebook.ipynb", story.phase / "report.html"):
        assert "@" not in path.read_text(encoding="utf-8").replace("@media", "").replace("@page", "")


def test_a_run_without_a_load_has_nothing_to_take_back(customers: Path) -> None:
    """Exit 2 and one line, before anything is asked of anybody."""
    runs.create("acme", "test", parameters={"sample": 0})
    (customers / "acme" / "customer.toml").write_text(SETTINGS, encoding="utf-8")
    said = crmbook("rollback", "acme", "--run", "test-01", runs=customers)
    assert said.code == 2
    assert said.err == "run test-01 wrote nothing to a target; there is nothing to take back\n"
