"""The house keeps its shape: who imports whom, and phases, tables, suites and notebooks belong together."""

import ast
import json
from pathlib import Path

import pytest

from crmbook import runs, tables

PROJECT = Path(__file__).resolve().parents[1]
LIB = PROJECT / "lib" / "crmbook"
PHASES = {name.partition("_")[2] for name in runs.NAMES} | {runs.ROLLBACK.name}
NOTEBOOKS = (*runs.NAMES, runs.ROLLBACK.name)
# Modules that start things: they may import everything, and nothing else imports them.
SHELL = {
    "__main__",
    "cli",
    "pipeline",
    "runner",
    "desk",
    "demo",
    "lab",
    "rollback",
    "batch",
    "batch_dask",
    "batch_worker",
}
# Third-party packages a group may not touch.
EDGES = {"httpx", "papermill", "great_expectations", "plotly", "sqlite3", "nbconvert", "IPython"}


def _modules() -> dict[str, Path]:
    return {
        ".".join(p.relative_to(LIB).with_suffix("").parts).removesuffix(".__init__"): p
        for p in sorted(LIB.rglob("*.py"))
    }


def _imports(path: Path) -> set[str]:
    """Everything a module imports, crmbook's own modules without their prefix."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            base = node.module
            nested = {f"{base}.{alias.name}" for alias in node.names}
            found |= {n for n in nested if n.removeprefix("crmbook.") in MODULES} or {base}
    return {name.removeprefix("crmbook.") for name in found}


MODULES = _modules()
IMPORTS = {name: _imports(path) for name, path in MODULES.items()}


def _own(name: str) -> set[str]:
    return {i for i in IMPORTS[name] if i in MODULES}


def _group(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("name", [n for n in MODULES if _group(n) == "phases"])
def test_a_phase_is_pure(name: str) -> None:
    """Phases import polars, errors, tables and the cleaning rules; none imports an edge or another phase."""
    allowed = {"errors", "tables", "clean", "parse", "seldom"}
    other_phases = {f"phases.{p}" for p in PHASES} - {name}
    own = _own(name)
    assert {i for i in own if _group(i) != "phases"} <= allowed
    assert own & other_phases == set()
    assert {i.split(".")[0] for i in IMPORTS[name]} & EDGES == set()


@pytest.mark.parametrize("name", [n for n in MODULES if _group(n) == "vendors"])
def test_a_client_knows_no_phase(name: str) -> None:
    """The vendors' clients import errors and one another, nothing else of the workbook."""
    assert {i for i in _own(name) if _group(i) != "vendors"} <= {"errors"}


@pytest.mark.parametrize("name", [n for n in MODULES if _group(n) == "sandbox"])
def test_the_sandbox_shares_no_code_with_the_clients(name: str) -> None:
    """The sandbox imports only itself, so a client's mistake can't hide in the server it is tested against."""
    assert {i for i in _own(name) if _group(i) != "sandbox"} == set()


@pytest.mark.parametrize(
    "name", [n for n in MODULES if n in {"errors", "tables", "clean", "parse", "seldom"}]
)
def test_the_foundation_depends_on_nothing_above_it(name: str) -> None:
    """Errors, tables and cleaning rules import only one another."""
    assert _own(name) <= {"errors", "tables", "clean", "parse", "seldom"}


@pytest.mark.parametrize("name", [n for n in MODULES if n not in SHELL])
def test_nothing_imports_the_shell(name: str) -> None:
    """Command line, runner and demo stand on top: no library module imports them, or the sandbox."""
    assert _own(name) & SHELL == set()
    if _group(name) != "sandbox":
        assert not [i for i in _own(name) if _group(i) == "sandbox"]


def test_only_apply_probe_undo_and_field_creation_write_to_a_target() -> None:
    """No other module below the shell calls a method of the target client that writes."""
    writing = {
        "create", "update", "upsert", "bulk_upsert", "bulk_destroy", "forget", "add_to_list", "upload", "link",
        "create_list", "remove_from_list", "bulk_assign_owner", "delete", "create_field",
    }  # fmt: skip
    callers = set()
    for name, path in MODULES.items():
        if _group(name) in {"vendors", "sandbox", "phases"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in writing
            ):
                receiver = node.func.value
                if isinstance(receiver, ast.Name | ast.Attribute) and "client" in ast.unparse(receiver):
                    callers.add(_group(name).split("_")[0])
    assert callers <= {"apply", "probe", "settling", "undo", "field"}


def test_every_phase_has_its_module_and_notebook() -> None:
    """The number-and-name of a phase is the key of module, notebook and suites."""
    for phase in NOTEBOOKS:
        assert (LIB / "phases" / f"{phase.partition('_')[2] or phase}.py").exists(), phase
        assert (PROJECT / "notebooks" / f"{phase}.ipynb").exists(), phase


SUITES = sorted((PROJECT / "expectations").glob("*.json"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda p: p.stem)
def test_a_suite_guards_a_declared_table_of_its_phase(suite: Path) -> None:
    """The file name is the wiring: phase, then table; the columns it reads are columns of that table."""
    phase, table = suite.stem.split(".")
    contract = tables.of(table)
    assert contract.phase == phase
    content = json.loads(suite.read_text(encoding="utf-8"))
    assert content["name"] == suite.stem
    assert content["expectations"]
    for expectation in content["expectations"]:
        kwargs = expectation["kwargs"]
        columns = [kwargs[k] for k in ("column", "column_A", "column_B") if k in kwargs] + kwargs.get(
            "column_list", []
        )
        assert set(columns) <= set(contract.columns), expectation["meta"]["id"]
        assert expectation["severity"] in {"critical", "warning"}
        assert expectation["notes"].endswith(".")


def test_every_phase_has_a_gate_and_check_ids_are_unique() -> None:
    """A phase without a suite would pass whatever it wrote; an id names one check in one file."""
    assert {s.stem.split(".")[0] for s in SUITES} == set(NOTEBOOKS)
    ids = [e["meta"]["id"] for s in SUITES for e in json.loads(s.read_text(encoding="utf-8"))["expectations"]]
    assert sorted(set(ids)) == sorted(ids)


def test_every_table_says_what_it_means() -> None:
    """Each declared table has a phase, a key and a meaning; personal columns are columns it has."""
    for name in tables.names():
        contract = tables.of(name)
        assert contract.phase in NOTEBOOKS, name
        assert set(contract.key) <= set(contract.columns), name
        assert contract.meaning, name
        assert contract.personal <= set(contract.columns), name
