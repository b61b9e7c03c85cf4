"""The templates keep the craft: a form at the top, an argument in the middle, a verdict at the end."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from crmbook import runner, runs

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TEMPLATES = sorted(FOLDER.glob("*.ipynb"))
FORBIDDEN = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try, ast.With)
MAGICS = {"run", "load", "time", "page", "store", "save", "edit", "config", "env", "history", "who", "reset"}


def _cells(path: Path) -> list[Any]:
    return list(nbformat.read(path, as_version=4).cells)


def _code(path: Path) -> list[Any]:
    return [cell for cell in _cells(path) if cell.cell_type == "code"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_a_template_is_stored_without_outputs(path: Path) -> None:
    """No outputs, no execution counts, no personal kernel: templates are diffs of one line."""
    notebook = nbformat.read(path, as_version=4)
    assert [c for c in _code(path) if c.outputs or c.execution_count] == []
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_the_form_comes_right_after_the_title(path: Path) -> None:
    """Exactly one parameters cell, second in the notebook, at least two annotated constants with help."""
    cells = _cells(path)
    tagged = [i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", [])]
    assert tagged == [1]
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    lines = cells[1].source.splitlines()
    assert len(lines) >= 2
    for line in lines:
        match = re.fullmatch(r"(\w+): (str|int|float|bool|list\[str\]) = ([^#=]+)  # ([^=]+)", line)
        assert match, line
        name = match[1]
        assert name not in MAGICS
        assert not re.search("token|key|secret|password", name)
        ast.literal_eval(match[3].strip())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_every_declared_parameter_is_inspected_with_its_type(path: Path) -> None:
    """What the command line checks `--set` against is what the cell declares."""
    declared = runner.declared(path.stem)
    names = [line.split(":")[0] for line in _cells(path)[1].source.splitlines()]
    assert sorted(declared) == sorted(names)
    assert all(info["type"] in {"str", "int", "float", "bool", "list[str]"} for info in declared.values())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_cells_hold_sentences_not_programs(path: Path) -> None:
    """At most eight lines, no control flow, no paths, no magics; logic in cells can't be unit-tested."""
    for cell in _code(path):
        assert len(cell.source.splitlines()) <= 8, cell.source
        tree = ast.parse(cell.source)
        assert [n for n in ast.walk(tree) if isinstance(n, FORBIDDEN)] == [], cell.source
        assert not re.search(r"^[%!]|sys\.path|os\.environ|\.\./|[\"']/", cell.source, re.MULTILINE), (
            cell.source
        )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_every_code_cell_follows_an_explanation(path: Path) -> None:
    """The archive must be readable without the code: markdown before each body cell."""
    cells = _cells(path)
    for i in range(3, len(cells)):
        if cells[i].cell_type == "code":
            assert cells[i - 1].cell_type == "markdown", cells[i].source


@pytest.mark.parametrize("phase", [*runs.NAMES, runs.ROLLBACK.name])
def test_a_phase_ends_with_its_gate_and_its_verdict(phase: str) -> None:
    """gates.check before run.close, nothing after: a phase can't pass without its gate."""
    code = [c.source for c in _code(FOLDER / f"{phase}.ipynb")]
    assert "gates.check(run)" in code[-2]
    assert ast.unparse(ast.parse(code[-1]).body[-1]).startswith("run.close(")
    assert f'runs.open("{phase}"' in code[1]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_the_title_says_what_is_read_written_and_guarded(path: Path) -> None:
    """Question, Reads, Writes, Gate, Run it: the reader knows where they are."""
    title = _cells(path)[0].source
    for word in ("**Reads**", "**Writes**", "**Gate**", "**Run it**"):
        assert word in title


def test_a_command_starts_without_checks_nobody_asks_for() -> None:
    """What jsonschema would import for the form of addresses and durations, and what these import."""
    told = "import sys, jsonschema; print(*(n for n in ('arrow', 'lark') if n in sys.modules))"
    found = [
        subprocess.run([sys.executable, "-c", first + told], check=True, capture_output=True, text=True).stdout.split()
        for first in ("", "import crmbook.pipeline; ")
    ]  # fmt: skip
    assert found == [["arrow", "lark"], []]


def test_a_kernel_starts_without_what_few_phases_need() -> None:
    """Each of these takes as long to import as all of ours; a phase that needs one imports it then."""
    told = "import sys; from crmbook import figures, gates, steps; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    heavy = [
        "openpyxl",
        "great_expectations",
        "papermill",
        "nbconvert",
        "nbformat",
        "pandas",
        "numpy",
        "dask",
    ]
    assert [name for name in heavy if name in done.stdout.split()] == []
