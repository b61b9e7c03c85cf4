"""The first sheet of mapping.xlsx: what to do, in plain words, and how many rows wait on each sheet."""

from collections.abc import Sequence
from typing import Final

import polars as pl
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from crmbook import mapping_sheets
from crmbook.mapping_sheets import Sheet
from crmbook.phases import marks

_FONT: Final = "Calibri"
_STEPS: Final = """\
This workbook says where everything goes that moves from User.com to Freshsales. Each row is one decision.
1.  Look at the rows, sheet by sheet. Type only in the yellow cells; the others tell what the proposal rests on.
2.  Agree with a row: set its decision to confirmed. Want it elsewhere: choose another target and set changed. Don't \
want it at all: set skip. A row you leave at proposed goes as proposed.
3.  Rows marked red need you: the proposal is too weak to stand on its own, or the source changed since the row was \
decided (the note says how). While there are any, the map can't be approved.
4.  Save, and run the mapping again (crmbook run CUSTOMER --env test). It reads this file or decisions.csv, whichever \
was changed last, says which, and writes both anew with the same content.
5.  What you decided is never overwritten. A row you delete comes back as a proposal. Notes are yours.
6.  A custom field that is not in the drop-down is made: give it a name such as cf_shoe_size. A part of a JSON \
property gets a field of its own by a row in the yellow rows at the end: property and path as source field, such as \
p_preferences:$.diet, a target and a rule.
The sheet unmapped lists what stays behind although records have it. Nothing else is left out."""
_COLOURS: Final = (
    ("CDEBD8", "decided by a person, or a confidence of 0.9 and more"),
    ("FBE7B2", f"a confidence from {marks.STANDS_ALONE} to 0.9: worth a look"),
    ("F6C7C7", f"open: needs a decision; or a confidence under {marks.STANDS_ALONE}"),
    ("E3E5E8", "left behind"),
)  # fmt: skip


def write(page: Worksheet, rows: pl.DataFrame, plan: Sequence[Sheet]) -> None:
    """The sheet at *page*; *rows* as `tables.DECISION_ROWS`."""
    page.title = mapping_sheets.GUIDE
    for letter, width in (("A", 18), ("B", 46), ("C", 12), ("D", 12), ("E", 12)):
        page.column_dimensions[letter].width = width
    page["A1"] = "The map: what goes where"
    page["A1"].font = Font(bold=True, size=16, name=_FONT, color="24405E")
    at = 3
    for text in _STEPS.splitlines():
        page.merge_cells(start_row=at, end_row=at, start_column=1, end_column=5)
        page.cell(at, 1, text).alignment = Alignment(wrap_text=True, vertical="top")
        page.row_dimensions[at].height = 15 * (1 + len(text) // 108) + 5
        at += 1
    at = _counts(page, at + 1, rows, plan)
    for colour, meaning in _COLOURS:
        page.cell(at, 1).fill = PatternFill("solid", fgColor=colour)
        page.cell(at, 2, meaning)
        at += 1
    page.sheet_view.showGridLines = False
    page.page_setup.orientation = "portrait"
    page.page_setup.paperSize = page.PAPERSIZE_A4
    page.page_setup.fitToHeight = 0
    page.sheet_properties.pageSetUpPr.fitToPage = True
    page.protection.sheet = True


def _counts(page: Worksheet, at: int, rows: pl.DataFrame, plan: Sequence[Sheet]) -> int:
    """The table of sheets from row *at*; returns the row after it."""
    for number, title in enumerate(("sheet", "what it decides", "rows", "confirmed", "open"), 1):
        cell = page.cell(at, number, title)
        cell.font = Font(name=_FONT, bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor="24405E")
        cell.alignment = Alignment(horizontal="right" if number > 2 else "left")
    for sheet in plan:
        at += 1
        own = rows.filter(pl.col("entity") == sheet.entity)
        decided = own.filter(pl.col("decision").is_in(["confirmed", "changed"])).height
        still = own.filter(marks.is_open()).height
        for number, value in enumerate((sheet.entity, sheet.title, own.height, decided, still), 1):
            page.cell(at, number, value)
        page.cell(at, 1).hyperlink = f"#'{sheet.entity}'!A1"
        page.cell(at, 1).font = Font(name=_FONT, color="1F5FA8", underline="single")
    return at + 2
