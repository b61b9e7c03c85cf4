"""The committed demo run is what the product does today: replayed cell by cell, from today's templates."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from crmbook import demo as demonstration
from crmbook import gates, runs
from crmbook.sandbox import demo as scenario
from crmbook.sandbox.server import Sandbox

ARCHIVE = runs.project() / "runs" / "demo" / "test-01"


@pytest.mark.parametrize("phase", runs.NAMES)
def test_the_archive_is_made_of_todays_templates(phase: str) -> None:
    """Every cell of the archived notebook but the injected parameters is the template's."""
    template = nbformat.read(runs.project() / "notebooks" / f"{phase}.ipynb", as_version=4)
    archived = nbformat.read(ARCHIVE / phase / "notebook.ipynb", as_version=4)
    kept = [c.source for c in archived.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    assert [c.source for c in template.cells] == kept


def test_the_archive_replays_cell_by_cell(customers: Path) -> None:
    """Every output of the seven notebooks comes out the same on a fresh sandbox, compared by nbval."""
    with Sandbox(scenario.scenario()) as box, gates.Server() as server:
        demonstration.prepare(box.ready)
        _configure(box)
        record = runs.create("demo", "test", parameters={"sample": 0})
        record.change(approve_all="Demo Admin")
        tokens = {v: box.ready[realm]["token"] for realm, v in demonstration.TOKENS.items()}
        notebooks = [str(ARCHIVE / phase / "notebook.ipynb") for phase in runs.NAMES]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120",
             "-p", "no:cacheprovider", "--rootdir", str(ARCHIVE), "-c", os.devnull, "-q", *notebooks],
            env={**os.environ, **tokens, **server.environment, "CRMBOOK_RUNS": str(customers)},
            capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    cells = sum(c.cell_type == "code" for n in notebooks for c in nbformat.read(n, as_version=4).cells)
    assert f"{cells} passed" in done.stdout


def _configure(box: Sandbox) -> None:
    """The tenant as the admin left it before the archived run went on."""
    with (ARCHIVE / "03_workspace" / "checklist.csv").open(encoding="utf-8", newline="") as stream:
        asked = [row for row in csv.DictReader(stream) if row["kind"] not in ("owner", "setting")]
    rows = [row | {"status": "missing"} for row in asked]
    answer = box.admin("POST", "/freshsales_test/checklist", {"rows": rows})
    assert answer["refused"] == []
