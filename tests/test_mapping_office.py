"""mapping.xlsx in LibreOffice: saved by it, edited in it, and turned into its own format and back, it reads the same."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pytest
from openpyxl import load_workbook

import mapping_case as case
from crmbook import mapping_sheets, mapping_xlsx, mapping_xlsx_read, runs, tables

Office = Callable[..., None]
MACRO = """
Sub Edit(source As String, target As String)
  Dim book, page, args(0) As New com.sun.star.beans.PropertyValue, hidden(0) As New com.sun.star.beans.PropertyValue
  hidden(0).Name = "Hidden" : hidden(0).Value = True
  book = StarDesktop.loadComponentFromURL(ConvertToURL(source), "_blank", 0, hidden())
  Fill(book, "contact", "p_seats", "target_field", "cf_places")
  Fill(book, "contact", "p_seats", "decision", "changed")
  Fill(book, "contact", "p_seats", "note", "=not a formula, (c) " & Chr(10) & "two lines")
  Fill(book, "choice", "contact.p_plan:Gold", "target_field", "007")
  Fill(book, "stage", "1/11", "target_stage", "Sent")
  Fill(book, "stage", "1/11", "target_probability", "55")
  Fill(book, "owner", "7", "target_field", "eve@a.example")
  args(0).Name = "FilterName" : args(0).Value = "Calc MS Excel 2007 XML"
  book.storeToURL(ConvertToURL(target), args())
  book.close(True)
End Sub

Sub Fill(book, sheet As String, key As String, column As String, text As String)
  Dim page, at As Long, row As Long
  page = book.Sheets.getByName(sheet)
  at = 0
  While page.getCellByPosition(at, 0).String <> column
    at = at + 1
  Wend
  row = 1
  While page.getCellByPosition(0, row).String <> key
    row = row + 1
  Wend
  If column = "target_probability" Then
    page.getCellByPosition(at, row).Value = CDbl(text)
  Else
    page.getCellByPosition(at, row).String = text
  End If
End Sub
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """LibreOffice with a profile of its own that knows the macro."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None and os.environ.get("CRMBOOK_REQUIRE_OFFICE"):
        pytest.fail("no LibreOffice on this machine, and CRMBOOK_REQUIRE_OFFICE is set")
    if program is None:
        pytest.skip("no LibreOffice on this machine; .ci/run installs one")
    profile = tmp_path_factory.mktemp("office")

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", *arguments],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    # The first start writes the profile, and would write over a library that is there already.
    run("--terminate_after_init")
    _library(profile / "user" / "basic" / "Standard")
    return run


def _library(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    library = (
        'xmlns:library="http://openoffice.org/2000/library" library:name="Standard" library:readonly="false"'
    )
    (folder / "script.xlb").write_text(
        f'{head}<library:library {library} library:passwordprotected="false"><library:element library:name="Module1"/>'
        "</library:library>",
        encoding="utf-8",
    )
    (folder / "dialog.xlb").write_text(
        f'{head}<library:library {library} library:passwordprotected="false"/>', encoding="utf-8"
    )
    script = (
        'xmlns:script="http://openoffice.org/2000/script" script:name="Module1" script:language="StarBasic"'
    )
    (folder / "Module1.xba").write_text(
        f"{head}<script:module {script}>{escape(MACRO)}</script:module>", encoding="utf-8"
    )


@pytest.fixture
def record(mapped_customer: Path, customers: Path) -> runs.Record:
    """A run whose mapping is proposed and written."""
    return case.copied(mapped_customer, customers)


def _converted(office: Office, path: Path, folder: Path, kind: str) -> Path:
    folder.mkdir(exist_ok=True)
    office("--convert-to", kind, "--outdir", str(folder), str(path))
    return folder / f"{path.stem}.{kind}"


def test_saved_by_libreoffice_it_reads_the_same(office: Office, record: runs.Record, tmp_path: Path) -> None:
    """As .xlsx, and by way of its own format; what is text stays text."""
    rows = case.rows_of_workbook(case.workbook(record))

    saved = _converted(office, case.workbook(record), tmp_path / "saved", "xlsx")
    own = _converted(office, saved, tmp_path / "own", "ods")
    back = _converted(office, own, tmp_path / "back", "xlsx")

    assert rows == case.rows_of_workbook(saved)
    assert rows == case.rows_of_workbook(back)
    found = [cell for page in load_workbook(saved) for line in page.iter_rows() for cell in line]
    assert [] == [cell.coordinate for cell in found if cell.data_type == "f"]


def test_a_mapping_saved_by_libreoffice_is_the_one_that_was_approved(
    office: Office, record: runs.Record, tmp_path: Path
) -> None:
    """Other styles, other order of parts in the file, the same hash."""
    approved = case.digest(record)
    saved = _converted(office, case.workbook(record), tmp_path / "saved", "xlsx")
    shutil.copy(saved, case.workbook(record))

    case.mapped(record)

    assert case.digest(record) == approved


def test_an_edit_in_libreoffice_has_its_effect(office: Office, record: runs.Record, tmp_path: Path) -> None:
    """Typed into the open cells of the protected sheets: target, mark, note, choice, stage, probability, owner."""
    edited = tmp_path / "edited.xlsx"
    before = {(r["entity"], r["source_field"]): r for r in case.rows_of_workbook(case.workbook(record))}

    office(f'macro:///Standard.Module1.Edit("{case.workbook(record)}","{edited}")')
    shutil.copy(edited, case.workbook(record))
    after = {(r["entity"], r["source_field"]): r for r in case.rows_of_workbook(case.workbook(record))}
    run = case.mapped(record)

    different = {
        key: {column: row[column] for column in row if row[column] != before[key][column]} for key, row in after.items()
        if row != before[key]
    }  # fmt: skip
    assert different == {
        ("contact", "p_seats"): {"target_field": "cf_places", "decision": "changed",
                                 "note": "=not a formula, (c) \ntwo lines"},
        ("choice", "contact.p_plan:Gold"): {"target_field": "007"},
        ("stage", "1/11"): {"target_field": "Sales // EU / Sent", "rule": "55 %"},
        ("owner", "7"): {"target_field": "eve@a.example"},
    }  # fmt: skip
    assert case.cells(run.read("stages"), "stage_id", "target_probability")["11"] == 55
    assert case.cells(run.read("choices"), "source_value", "target_value")["Gold"] == "007"
    assert case.cells(run.read("owners"), "agent_id", "email")["7"] == "eve@a.example"
    assert case.rows_of_csv(case.csv_file(record)) == case.rows_of_workbook(case.workbook(record))


def test_text_no_cell_can_hold_survives_libreoffice(office: Office, tmp_path: Path) -> None:
    """Control characters, what looks like an escape, quotes, line ends, numbers, dates, formulas, long text."""
    texts = [
        "\x01bell\x07", "_x0041_", "_x005F_", "\\u{41}", "_x000D_", 'say "so"', "one\ntwo", "one\r\ntwo", "007", "1,5", "2026-03-01", "1e5",
        "TRUE", "=1+1", "+48 600", "-x", "@a", "'quoted", "#N/A", "żółć 漢字 🙂", "a\tb", "x" * 5000, "\u00a0nbsp",
        "\u0085next", "\ufffe", "50%", "https://a.example/?a=b&c=<d>",
    ]  # fmt: skip
    content = [
        {"entity": "event", "source_field": text, "target_entity": "history", "target_field": "notes", "rule": "identity",
         "decision": "proposed", "confidence": 0.25, "reason": text, "note": text, "records": 1, "position": n}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    rows = pl.DataFrame(content, schema=tables.DECISION_ROWS.columns)
    path = tmp_path / mapping_sheets.NAME
    unmapped = pl.DataFrame(schema=["entity", "field", "records", "share", "why"])
    mapping_xlsx.write(path, rows=rows, facts={}, offers=mapping_sheets.offers(rows, {}), unmapped=unmapped)
    written = [row for _, row in mapping_xlsx_read.read(path)]

    saved = _converted(office, path, tmp_path / "saved", "xlsx")

    assert [text.strip() for text in texts] == [row["source_field"] for row in written]
    assert written == [row for _, row in mapping_xlsx_read.read(saved)]
