"""An account made of attacks, migrated end to end: no formula, no script, no value shown, no key where it isn't needed."""

import ast
import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, sync_playwright

from crmbook import runs
from crmbook.sandbox.server import Sandbox
from hostile_account import Migrated, keys_in, migrate, scenario
from test_privacy import _leaks, _personal

LIB = Path(__file__).resolve().parents[1] / "lib" / "crmbook"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    """The hostile account in Freshsales; tests only read it."""
    account = scenario()
    with Sandbox(account) as box:
        yield migrate(box, account, tmp_path_factory.mktemp("hostile") / "runs")


def test_it_is_migrated_whole(migrated: Migrated) -> None:
    """The attacks arrive as what they are, text: the run ends, after the workspace was configured."""
    assert [4, 0] == migrated.codes, migrated.said
    summary = json.loads((migrated.run / "06_reconciliation" / "summary.json").read_text(encoding="utf-8"))
    assert 0 == sum(
        value for name, value in summary.items() if name in ("missing", "duplicated", "field_differences")
    )


def test_no_cell_of_a_csv_starts_a_formula(migrated: Migrated) -> None:
    """In every CSV the run leaves; and the attacks do stand there, behind an apostrophe."""
    found: dict[str, list[str]] = {}
    for path in sorted(migrated.run.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            found[path.name] = [cell for row in csv.reader(stream) for cell in row]
    assert {"decisions.csv", "checklist.csv", "automations.csv"} <= found.keys()
    assert [(name, cell) for name, cells in found.items() for cell in cells if cell.startswith(FORMULA)] == []
    for name in ("decisions.csv", "checklist.csv", "automations.csv"):
        assert any(cell.startswith("'") and "window.ran" in cell for cell in found[name]), name


def test_no_cell_of_a_workbook_is_a_formula(migrated: Migrated) -> None:
    """In every workbook the run leaves; and the attacks do stand there, as text."""
    books = sorted(migrated.run.rglob("*.xlsx"))
    cells = [c for path in books for page in load_workbook(path) for line in page.iter_rows() for c in line]
    assert [cell.coordinate for cell in cells if cell.data_type == "f"] == []
    assert len([cell for cell in cells if isinstance(cell.value, str) and "window.ran" in cell.value]) > 10


def test_whoever_writes_a_csv_or_a_workbook_writes_it_through_one_door() -> None:
    """By construction: one module writes cells of CSV files, two make workbooks, cell by cell as text; the rest is hashed, never opened."""
    writers: dict[str, set[str]] = {
        "writer": set(),
        "DictWriter": set(),
        "write_csv": set(),
        "write_excel": set(),
        "Workbook": set(),
    }
    for path in LIB.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "attr", getattr(called, "id", ""))
            if name in writers:
                writers[name].add(path.relative_to(LIB).as_posix())
    assert writers == {
        # The demo writes its own automations, for itself to read.
        "writer": {"csvfiles.py"}, "DictWriter": {"demo.py"}, "write_excel": set(), "Workbook": {"mapping_xlsx.py", "spot_sheet.py"},
        # decisions.write_csv goes through csvfiles; the other hashes what polars writes.
        "write_csv": {"decision_files.py", "phases/digests.py"},
    }  # fmt: skip


def test_a_spreadsheet_shows_the_attacks_as_text(migrated: Migrated, tmp_path: Path) -> None:
    """LibreOffice opens the CSV files and the workbook: not one cell computes."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    assert program, "no LibreOffice on this machine; .ci/run installs one"
    opened = [migrated.run / "02_mapping" / "decisions.csv", migrated.run / "02_mapping" / "mapping.xlsx",
              migrated.run / "03_workspace" / "checklist.csv", migrated.run / "07_handoff" / "automations.csv"]  # fmt: skip
    subprocess.run(
        [program, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless", "--norestore",
         "--convert-to", "ods", "--outdir", str(tmp_path / "ods"), *map(str, opened)],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    for path in opened:
        shutil.unpack_archive(tmp_path / "ods" / f"{path.stem}.ods", tmp_path / path.stem, "zip")
        content = (tmp_path / path.stem / "content.xml").read_text(encoding="utf-8")
        assert "window.ran" in content, path.name
        assert "table:formula" not in content, path.name


@pytest.fixture(scope="module")
def chromium_page(chromium: str) -> Iterator[tuple[Page, list[str]]]:
    """A page of the machine's Chromium, and everything on it that a harmless page doesn't do."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        seen: list[str] = []
        page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on(
            "console",
            lambda message: seen.append(f"console {message.text}") if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: seen.append(f"error {error}"))
        page.on(
            "request",
            lambda asked: (
                seen.append(f"request {asked.url}") if not asked.url.startswith(("file:", "data:")) else None
            ),
        )
        yield page, seen
        browser.close()


@pytest.mark.browser
def test_no_page_of_the_run_runs_what_the_source_says(
    migrated: Migrated, chromium_page: tuple[Page, list[str]]
) -> None:
    """Every HTML file under the run, whoever wrote it: no script, no dialog, no error, no request; the text is shown."""
    page, seen = chromium_page
    shown = 0
    pages = sorted(migrated.run.rglob("*.html"))
    assert {path.parent.name for path in pages} >= set(runs.NAMES)
    for path in pages:
        page.goto(path.as_uri())
        assert page.evaluate("window.ran") is None, path
        assert (
            page.locator(
                "iframe, img[onerror], svg[onload], a[href^='javascript:'], meta[http-equiv=refresh]"
            ).count()
            == 0
        ), path
        shown += "window.ran" in page.inner_text("body")
    assert shown > 2
    assert seen == []


@pytest.mark.browser
def test_no_output_of_a_notebook_runs_what_the_source_says(
    migrated: Migrated, chromium_page: tuple[Page, list[str]]
) -> None:
    """The HTML of every output, put into a page that forbids nothing, as a trusted notebook is shown; a planted one does run."""
    page, seen = chromium_page
    outputs = [
        "".join(output.get("data", {}).get("text/html", ""))
        for path in sorted(migrated.run.rglob("notebook.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
    ]
    assert len([text for text in outputs if text]) > 20
    page.goto("about:blank")
    page.set_content("\n".join(outputs))
    assert page.evaluate("window.ran") is None
    assert seen == []
    page.set_content("<script>window.ran = 1</script>")
    assert page.evaluate("window.ran") == 1


def test_it_shows_no_personal_value(migrated: Migrated) -> None:
    """Neither in what is shown of the run nor in what was printed."""
    personal = _personal(migrated.account.usercom)
    assert len(personal) > 20
    assert _leaks(migrated.customer.folder, personal) == []
    assert [text for text in personal if text in migrated.said] == []


def test_each_process_is_given_the_key_it_asks_with_and_no_other(migrated: Migrated) -> None:
    """Seen in /proc while the run went on: a phase that asks nobody has none, nor has the process of the gates."""
    expected: dict[str, set[str]] = {
        "command": {"usercom", "freshsales_test", "freshsales_production"}, "gates": set(), "01_discovery": {"usercom"},
        "02_mapping": set(), "03_workspace": {"freshsales_test"}, "04_normalization": set(), "05_load": {"freshsales_test"},
        "06_reconciliation": {"freshsales_test"}, "07_handoff": set(),
    }  # fmt: skip
    assert expected == {kind: keys_in(child, migrated.customer) for kind, child in migrated.children.items()}


def test_no_key_stands_in_arguments_files_or_what_was_printed(migrated: Migrated) -> None:
    """Arguments of every process, and every file under the folder of customers: ledger, log, progress, locks, quota."""
    keys = list(migrated.customer.tokens.values())
    assert [c.kind for c in migrated.children.values() if any(key in c.arguments for key in keys)] == []
    files = [path for path in migrated.customer.runs.rglob("*") if path.is_file()]
    assert {"ledger.db", "log.jsonl", ".quota.db"} <= {path.name for path in files}
    assert [p.name for p in files if any(key.encode() in p.read_bytes() for key in keys)] == []
    assert [key for key in keys if key in migrated.said] == []


def test_no_process_may_leave_a_core_file(migrated: Migrated) -> None:
    """The limit of one byte, which handlers of piped cores obey too, in the command and in all it starts."""
    assert len(migrated.children) > 7
    assert {child.core for child in migrated.children.values()} <= {"1 1", "0 0"}
