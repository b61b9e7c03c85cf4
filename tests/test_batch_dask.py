"""The batch on a Dask cluster: a worker that is killed costs nothing but time, and no token travels."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import batch_case as case
from conftest import Finished, crmbook

KEYS = ["struck", "wrong"]


@dataclass
class Scene:
    """Two customers on two workers: one worker is killed in the middle of a phase, the other customer's token is wrong."""

    runs: Path
    finished: Finished
    tokens: list[str]
    heard: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("dask")
    runs = folder / "runs"
    runs.mkdir()
    with case.opened(KEYS, runs) as customers:
        tokens = case.tokens(customers) | {customers["wrong"].variable("usercom"): "0" * 64}
        with case.cluster(folder, tokens | {"CRMBOOK_RUNS": str(runs)}, 2) as address:
            customers["struck"].box.admin("POST", "/faults", [case.SLOW])
            started = case.Batch(KEYS, runs, {}, "--scheduler", address)
            pid = started.pid("struck")
            os.kill(case.parent(pid), signal.SIGKILL)
            customers["struck"].box.admin("DELETE", "/faults")
            finished = started.ended()
            heard = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.log"))
            yield Scene(runs, finished, list(tokens.values()), heard)


def test_the_killed_workers_customer_goes_on_at_the_other(scene: Scene) -> None:
    """To where a person is needed; the one with a wrong token stops alone, and the batch says so."""
    table = [
        line.split()[:3] for line in scene.finished.out.splitlines() if line.startswith(("struck ", "wrong "))
    ]
    assert table == [["struck", "4", "test-01"], ["wrong", "2", "test-01"]]
    assert scene.finished.code == 2
    assert "crmbook approve struck --run test-01 mapping --by NAME --hash" in scene.finished.out


def test_the_phase_that_was_cut_short_ran_again_and_stands_once(scene: Scene) -> None:
    """The attempt is kept beside it; both phases passed in the one run."""
    run = scene.runs / "struck" / "test-01"
    phases = json.loads((run / "run.json").read_text(encoding="utf-8"))["phases"]
    assert {name: state["status"] for name, state in phases.items()} == {
        "01_discovery": "passed", "02_mapping": "passed",
    }  # fmt: skip
    assert [p.name for p in run.glob("01_discovery~*")] == ["01_discovery~1"]
    assert [p.name for p in run.glob("02_mapping~*")] == []


def test_progress_comes_task_by_task(scene: Scene) -> None:
    """Each customer and phase is one task; behind a stop they are handed on, not run."""
    said = [line for line in scene.finished.out.splitlines() if " of 14 tasks: " in line]
    assert len(said) == 14
    assert sum("struck 01_discovery done" in line for line in said) == 1
    assert sum("wrong 07_handoff stopped with exit code 2" in line for line in said) == 1


def test_no_token_travels(scene: Scene) -> None:
    """The batch itself had none, so no task can have held one; the cluster's logs hold none either."""
    everything = scene.heard + scene.finished.out + scene.finished.err
    assert [token for token in scene.tokens if token in everything] == []


def test_a_scheduler_that_is_not_there_or_has_no_worker_is_one_line(tmp_path: Path) -> None:
    """What to start, with exit code 2."""
    with case.opened(["acme"], tmp_path):
        batch = ("batch", "acme", "--env", "test", "--scheduler")
        silent = crmbook(*batch, "tcp://127.0.0.1:9", runs=tmp_path)
        assert silent.code == 2
        assert "no scheduler answers there" in silent.err
        with case.cluster(tmp_path, {}, 0) as address:
            idle = crmbook(*batch, address, runs=tmp_path)
        assert idle.code == 2
        assert "it has no worker; crmbook worker tells how to start one" in idle.err


def test_worker_tells_what_a_worker_needs_and_no_token(tmp_path: Path) -> None:
    """The variables by name, the command, the versions."""
    with case.opened(["acme"], tmp_path) as customers:
        tokens = case.tokens(customers)
        told = crmbook("worker", "--scheduler", "tcp://10.0.0.1:8786", "--json", runs=tmp_path, env=tokens)
    needs: dict[str, Any] = told.json
    assert needs["environment"] == [
        "CRMBOOK_RUNS", "ACME_FRESHSALES_TEST_TOKEN", "ACME_FRESHSALES_TOKEN", "ACME_USERCOM_TOKEN",
    ]  # fmt: skip
    assert needs["command"].startswith("dask worker tcp://10.0.0.1:8786 ")
    assert set(needs["versions"]) == {"crmbook", "dask", "distributed"}
    assert not [token for token in tokens.values() if token in told.out]
