"""The executed notebook is written seldom, and is whole however its run ends."""

import math
from pathlib import Path

import nbformat
import papermill
import papermill.engines
import pytest
from papermill.exceptions import PapermillExecutionError

from crmbook import engine


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every write of a notebook while it runs."""
    told: list[str] = []
    whole = papermill.engines.write_ipynb

    def counted(notebook: nbformat.NotebookNode, path: str) -> None:
        told.append(path)
        whole(notebook, path)

    monkeypatch.setattr(papermill.engines, "write_ipynb", counted)
    return told


def run(folder: Path, *sources: str) -> Path:
    """A notebook of these cells, executed; the path it is left under, also where a cell fails."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, folder / "in.ipynb")
    papermill.execute_notebook(
        str(folder / "in.ipynb"), str(folder / "out.ipynb"), engine_name=engine.NAME, kernel_name="python3",
        language="python", progress_bar=False,
    )  # fmt: skip
    return folder / "out.ipynb"


def printed(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    told = [o.text for c in cells for o in c.get("outputs", []) if o.output_type == "stream"]
    return "".join(told).split()


def test_within_the_pause_cells_are_written_at_the_start_and_at_the_end(
    tmp_path: Path, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice and not forty times; every output is there."""
    monkeypatch.setattr(engine, "_EVERY_S", math.inf)
    left = run(tmp_path, *(f"print({number})" for number in range(20)))
    assert printed(left) == [str(number) for number in range(20)]
    assert len(writes) == 2


def test_a_cell_that_fails_leaves_everything_before_it_on_disk(tmp_path: Path) -> None:
    """With its own error."""
    with pytest.raises(PapermillExecutionError):
        run(tmp_path, "print('before')", "1 / 0", "print('after')")
    assert printed(tmp_path / "out.ipynb") == ["before"]
    assert "ZeroDivisionError" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")


def test_once_the_pause_is_over_each_cell_is_written(
    tmp_path: Path, writes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any pause as by papermill's own engine: at its start and at its end."""
    monkeypatch.setattr(engine, "_EVERY_S", 0.0)
    run(tmp_path, "print(1)", "print(2)")
    assert len(writes) >= 6
