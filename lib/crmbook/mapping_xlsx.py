"""mapping.xlsx: the decisions as a workbook an analyst and a customer can work in.

In: the rows of decisions.csv, what is told beside them, and what the drop-downs offer. Out: the file, the same bytes
for the same content. Every cell from the source is text, whatever it looks like; cells a person edits are open,
the others locked without a password.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final

import polars as pl
from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.worksheet import Worksheet

from crmbook import mapping_cells, mapping_guide, mapping_sheets, runs, workbook
from crmbook.mapping_sheets import LISTS, PERCENT, SPARE_ROWS, TARGET_PIPELINE, TARGET_STAGE, Column, Sheet
from crmbook.phases import decision_rows, marks
from crmbook.phases.decision_rows import STAGE
from crmbook.phases.standard_map import MODULES

_HEAD: Final = PatternFill("solid", fgColor="24405E")
_OPEN_CELL: Final = PatternFill("solid", fgColor="FFFBE6")
_GREEN, _AMBER, _RED, _GREY = (
    PatternFill("solid", bgColor=colour) for colour in ("CDEBD8", "FBE7B2", "F6C7C7", "E3E5E8")
)
_LINE: Final = Border(bottom=Side("hair", color="B8BEC6"))
_NUMBER: Final = Alignment(vertical="top", horizontal="right")
_TEXT: Final = Alignment(vertical="top", horizontal="left", indent=1)
_WRAPPED: Final = Alignment(vertical="top", horizontal="left", indent=1, wrap_text=True)
_FONT: Final = "Calibri"
_PLAIN: Final = Font(name=_FONT, size=11)
_TYPED: Final = Protection(locked=False)
_LINE_HEIGHT: Final = 15
_FORMULA: Final = ("=", "+", "-", "@")
_WRAPPED_COLUMNS: Final = ("reason", "note", "loss", "why")
Styles = dict[tuple[str, bool | None, bool], Any]
"""How openpyxl holds the looks of a cell, by number format, wrapping and being open."""


def write(
    path: Path,
    *,
    rows: pl.DataFrame,
    facts: Mapping[str, Mapping[str, Mapping[str, Any]]],
    offers: Mapping[str, list[str]],
    unmapped: pl.DataFrame,
) -> None:
    """
    The workbook at *path*, replaced by rename, 0600.

    *rows* as `tables.DECISION_ROWS` in the order to show; *facts* the told columns by entity and source field;
    *offers* the drop-downs by name; *unmapped* has entity, field, filled, share and why.
    """
    book = Workbook()
    has_loss = any("loss" in told for of in facts.values() for told in of.values())
    plan = mapping_sheets.sheets(has_loss=has_loss)
    mapping_guide.write(book.active, rows, plan)
    lists = _lists(offers)
    styles: Styles = {}
    for sheet in plan:
        _sheet(book.create_sheet(sheet.entity), sheet, rows, facts.get(sheet.entity, {}), lists, styles)
    _unmapped(book.create_sheet(mapping_sheets.UNMAPPED), unmapped, styles)
    _write_lists(book.create_sheet(LISTS), offers, styles)
    runs.write_bytes(path, workbook.in_bytes(book), mode=0o600)


def _sheet(
    page: Worksheet,
    sheet: Sheet,
    rows: pl.DataFrame,
    facts: Mapping[str, Mapping[str, Any]],
    lists: Mapping[str, str],
    styles: Styles,
) -> None:
    _head(page, sheet.columns)
    own = rows.filter(pl.col("entity") == sheet.entity).to_dicts()
    for at, row in enumerate(own, 2):
        told = {**row, **_stage_cells(row), **facts.get(row["source_field"], {})}
        for number, column in enumerate(sheet.columns, 1):
            _cell(page, at, number, column, told.get(column.name), styles)
        page.row_dimensions[at].height = _height(sheet.columns, told)
    last = len(own) + 1
    if sheet.entity in MODULES:
        for at in range(last + 1, last + 1 + SPARE_ROWS):
            for number, column in enumerate(sheet.columns, 1):
                _cell(page, at, number, column, None, styles, is_spare=True)
        last += SPARE_ROWS
    _drop_downs(page, sheet, last, lists)
    _colours(page, sheet, last)
    page.auto_filter.ref = f"A1:{get_column_letter(len(sheet.columns))}{max(last, 2)}"
    _protect(page)


def _cell(
    page: Worksheet,
    at: int,
    number: int,
    column: Column,
    value: Any,
    styles: Styles,
    *,
    is_spare: bool = False,
) -> None:
    cell = page.cell(at, number)
    is_open = column.is_edited or (is_spare and column.name == "source_field")
    _styled(cell, column, styles, is_open=is_open)
    if isinstance(value, str) and value:
        cell.value = mapping_cells.encoded(value)
        # Text that looks like a formula or an error stays text, also when a person opens the cell.
        cell.data_type = "s"
        cell.quotePrefix = value.startswith(_FORMULA)
    elif not isinstance(value, str):
        cell.value = value


def _styled(cell: Cell, column: Column, styles: Styles, *, is_open: bool) -> None:
    """Its look set part by part for the first cell of a kind only: openpyxl looks each part up in those of the whole book."""
    kind = (column.number_format, _alignment(column).wrap_text, is_open)
    if kind in styles:
        cell._style = copy(styles[kind])
        return
    cell.number_format = column.number_format
    cell.font = _PLAIN
    cell.alignment = _alignment(column)
    cell.border = _LINE
    if is_open:
        cell.protection = _TYPED
        cell.fill = _OPEN_CELL
    styles[kind] = copy(cell._style)


def _alignment(column: Column) -> Alignment:
    if column.number_format != "@":
        return _NUMBER
    return _WRAPPED if column.name in _WRAPPED_COLUMNS else _TEXT


def _height(columns: Sequence[Column], told: Mapping[str, Any]) -> float:
    """High enough for wrapped text; no program works it out by itself when it opens the file."""
    lines = [
        sum(
            1 + int(len(part) / (column.width * 1.15))
            for part in str(told.get(column.name) or "").split("\n")
        )
        for column in columns
        if column.name in _WRAPPED_COLUMNS
    ]
    return _LINE_HEIGHT * min(max([1, *lines]), 20)


def _stage_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["entity"] != STAGE:
        return {}
    pipeline, stage = decision_rows.stage_parts(row["target_field"])
    return {TARGET_PIPELINE: pipeline, TARGET_STAGE: stage}


def _head(page: Worksheet, columns: Sequence[Column]) -> None:
    for number, column in enumerate(columns, 1):
        cell = page.cell(1, number, column.name)
        cell.font = Font(name=_FONT, size=11, bold=True, color="FFFFFF")
        cell.fill = _HEAD
        is_number = column.number_format != "@"
        cell.alignment = Alignment(
            vertical="center", horizontal="right" if is_number else "left", indent=not is_number
        )
        page.column_dimensions[get_column_letter(number)].width = column.width
    page.row_dimensions[1].height = 20
    page.freeze_panes = "B2"
    page.page_setup.orientation = "landscape"
    page.page_setup.paperSize = page.PAPERSIZE_A4
    page.page_setup.fitToHeight = 0
    page.page_margins = PageMargins(0.4, 0.4, 0.5, 0.5)
    page.sheet_properties.pageSetUpPr.fitToPage = True
    page.print_title_rows = "1:1"


def _drop_downs(page: Worksheet, sheet: Sheet, last: int, lists: Mapping[str, str]) -> None:
    for number, column in enumerate(sheet.columns, 1):
        letter = get_column_letter(number)
        if column.offers:
            rule = DataValidation(type="list", formula1=lists[column.offers], allow_blank=True)
            rule.errorStyle = "stop" if column.is_strict else "warning"
            rule.error = (
                "Please choose from the list." if column.is_strict
                else "This is no known field of the target. A new custom field needs a name such as cf_shoe_size."
            )  # fmt: skip
        elif column.name == PERCENT:
            rule = DataValidation(
                type="whole", operator="between", formula1="0", formula2="100", allow_blank=True
            )
            rule.error = "A whole number from 0 to 100, or nothing for the rounded one."
        else:
            continue
        rule.errorTitle = column.name
        rule.showErrorMessage = True
        rule.add(f"{letter}2:{letter}{max(last, 2)}")
        page.add_data_validation(rule)


def _colours(page: Worksheet, sheet: Sheet, last: int) -> None:
    letter = {column.name: get_column_letter(n) for n, column in enumerate(sheet.columns, 1)}
    decision, confidence, note = letter["decision"], letter["confidence"], letter["note"]
    marked = f"{decision}2:{decision}{max(last, 2)}"
    sure = f"{confidence}2:{confidence}{max(last, 2)}"
    reopened = f'LEFT(${note}2,{len(marks.REOPENED)})="{marks.REOPENED}"'
    weak = (
        f"AND(ISNUMBER(${confidence}2),${confidence}2<{marks.STANDS_ALONE})"
        if sheet.entity in MODULES
        else "FALSE"
    )
    is_open = f'AND(${decision}2="{marks.PROPOSED}",OR({weak},{reopened}))'
    add = page.conditional_formatting.add
    add(marked, FormulaRule(formula=[is_open], fill=_RED, stopIfTrue=True))
    add(marked, FormulaRule(formula=[f'OR(${decision}2="confirmed",${decision}2="changed")'], fill=_GREEN))
    add(marked, FormulaRule(formula=[f'${decision}2="{marks.SKIP}"'], fill=_GREY))
    filled = f"ISNUMBER(${confidence}2)"
    add(sure, FormulaRule(formula=[f"AND({filled},${confidence}2>=0.9)"], fill=_GREEN))
    add(sure, FormulaRule(formula=[f"AND({filled},${confidence}2>={marks.STANDS_ALONE})"], fill=_AMBER))
    add(sure, FormulaRule(formula=[f"AND({filled},${confidence}2<{marks.STANDS_ALONE})"], fill=_RED))


def _unmapped(page: Worksheet, unmapped: pl.DataFrame, styles: Styles) -> None:
    columns = (
        Column("entity", 12), Column("field", 32), Column("records", 11, number_format="#,##0"),
        Column("share", 9, number_format="0%"), Column("why", 90),
    )  # fmt: skip
    _head(page, columns)
    for at, row in enumerate(unmapped.iter_rows(named=True), 2):
        for number, column in enumerate(columns, 1):
            _cell(page, at, number, column, row[column.name], styles)
        page.row_dimensions[at].height = _height(columns, row)
    page.auto_filter.ref = f"A1:E{max(unmapped.height + 1, 2)}"
    _protect(page)


def _lists(offers: Mapping[str, list[str]]) -> dict[str, str]:
    """The range of each drop-down."""
    return {
        name: f"'{LISTS}'!${get_column_letter(n)}$2:${get_column_letter(n)}${max(len(values), 1) + 1}"
        for n, (name, values) in enumerate(offers.items(), 1)
    }


def _write_lists(page: Worksheet, offers: Mapping[str, list[str]], styles: Styles) -> None:
    for number, (name, values) in enumerate(offers.items(), 1):
        for at, text in enumerate([name, *values], 1):
            _cell(page, at, number, Column(name), text, styles)
    page.sheet_state = "hidden"
    _protect(page)


def _protect(page: Worksheet) -> None:
    """Locked without a password; filters, column widths and row heights stay a person's."""
    page.protection.sheet = True
    for name in ("autoFilter", "sort", "formatColumns", "formatRows", "formatCells"):
        setattr(page.protection, name, False)
