"""The sheet a person signs off by: which records it shows, and its files spot_check.xlsx and spot_check.csv.

In: the tables of 01, 04 and 06. Out: SPOT_CHECK, SPOT_COVERAGE and both files: ids and addresses only, all of it text. The
files lie in the archive: a person saves a copy elsewhere and fills in that.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from crmbook import csvfiles, workbook
from crmbook.phases import edition as editions
from crmbook.phases import hazards, spot_check
from crmbook.phases.narrow import only
from crmbook.runs import Run

XLSX: Final = "spot_check.xlsx"
CSV: Final = "spot_check.csv"
_HISTORY: Final = ("tasks", "appointments", "sales_activities", "notes", "documents")
_PAIRS: Final = (
    ("contact", "contacts", "contacts"), ("company", "companies", "sales_accounts"), ("deal", "deals", "deals"),
)  # fmt: skip
_TO_FILL: Final = ("as expected", "remark", "looked at by")
_WIDTHS: Final = {
    "entity": 11, "source_id": 14, "target_id": 18, "covers": 70, "source_url": 16, "target_url": 16, "as expected": 13,
    "remark": 40, "looked at by": 20,
}  # fmt: skip
_LINKS: Final = {"source_url": "User.com", "target_url": "Freshsales"}
_HEAD, _OPEN = PatternFill("solid", fgColor="24405E"), PatternFill("solid", fgColor="FFFBE6")
_SAID: Final = (
    "Save a copy outside this folder, open both links of each row, and say whether the two agree. Then approve the"
    " reconciliation by name. The link to User.com is that of its API, the only one the vendor documents."
)


class Written(Protocol):
    """The run, as far as files are written."""

    def write(self, name: str, content: str | bytes) -> Path: ...


def choose(run: Run, differences: pl.DataFrame) -> None:
    """The records a person looks at, and what of everything that occurs they show; *differences* as they are saved."""
    rejects, merges, queue, members = run.frames("rejects", "merges", "owner_queue", "list_members")
    evidence = pl.concat([
        spot_check.evidence(
            contacts=run.scan("contacts"), deals=run.scan("deals"), merges=merges, differences=differences,
            rejects=rejects.filter(pl.col("entity").is_in(list(editions.PLACES))),
        ),
        hazards.carriers({name: run.scan(name) for name in _HISTORY}, members),
        hazards.hazards(
            *(run.scan(f"source_{name}") for name in ("contacts", "companies", "deals")),
            waiting=queue["agent_id"].to_list(),
        ),
    ])  # fmt: skip
    mapping = run.read("mapping")
    changed = [
        spot_check.changed_examples(entity, run.scan(f"source_{source}"), run.scan(made), mapping)
        for entity, source, made in _PAIRS
    ]
    told = {
        "classes": only(run.scan("classes"), "entity", "source_id", "class", "module", "target_id"),
        "link_classes": only(run.scan("link_classes"), "relation", "from_id", "class"),
        "evidence": evidence,
    }
    sheet = run.save("spot_check", spot_check.spot_check(
        **told, examples=pl.concat(changed),
        source_base_url=run.customer.source.base_url, target_base_url=run.target.base_url,
    ))  # fmt: skip
    run.save("spot_coverage", spot_check.coverage(sheet, **told))
    write(run, sheet)


def write(run: Written, sheet: pl.DataFrame) -> None:
    """Both files of *sheet* (`tables.SPOT_CHECK`) in the phase's folder."""
    columns = [*sheet.columns, *_TO_FILL]
    run.write(CSV, csvfiles.text(columns, sheet.iter_rows(named=True)))
    run.write(XLSX, _book(sheet, columns))


def _book(sheet: pl.DataFrame, columns: Sequence[str]) -> bytes:
    book = Workbook()
    page: Worksheet = book.active
    page.title = "spot check"
    page.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(columns))
    page.cell(1, 1, _SAID).alignment = Alignment(wrap_text=True, vertical="top")
    page.row_dimensions[1].height = 34
    for number, name in enumerate(columns, 1):
        head = page.cell(2, number, _LINKS.get(name, name.replace("_", " ")))
        head.font, head.fill = Font(bold=True, color="FFFFFF"), _HEAD
        page.column_dimensions[get_column_letter(number)].width = _WIDTHS[name]
    for at, row in enumerate(sheet.iter_rows(named=True), 3):
        for number, name in enumerate(columns, 1):
            _cell(page, at, number, name, row.get(name))
    answers = DataValidation(type="list", formula1='"yes,no"', allow_blank=True)
    page.add_data_validation(answers)
    letter = get_column_letter(columns.index("as expected") + 1)
    answers.add(f"{letter}3:{letter}{max(3, sheet.height + 2)}")
    page.freeze_panes = "A3"
    page.page_setup.orientation, page.page_setup.fitToHeight = "landscape", 0
    page.sheet_properties.pageSetUpPr.fitToPage = True
    return workbook.in_bytes(book)


def _cell(page: Worksheet, at: int, number: int, name: str, value: Any) -> None:
    cell = page.cell(at, number)
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    if name in _TO_FILL:
        cell.fill = _OPEN
    elif value is not None:
        cell.value = _LINKS.get(name, str(value))
        cell.data_type = "s"
        if name in _LINKS:
            cell.hyperlink = str(value)
            cell.font = Font(color="1F5FA8", underline="single")
