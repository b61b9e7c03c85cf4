"""mapping.xlsx back into rows, each with the sheet and row it stands at.

In: the workbook as Excel or LibreOffice left it. Out: the rows of decisions.csv, and the place of each. Columns may
stand in any order, rows too; formatting has no say. What can't be read exactly is refused with its place: nothing
is guessed.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from crmbook import decisions, mapping_cells, mapping_sheets
from crmbook.decisions import Place, Row
from crmbook.errors import ConfigError, named, readable
from crmbook.mapping_sheets import NAME, PERCENT, TARGET_PIPELINE, TARGET_STAGE, Sheet
from crmbook.phases import choice_map, decision_rows, marks
from crmbook.phases.decision_rows import STAGE
from crmbook.phases.standard_map import MODULES

_HEADER_WITHIN: Final = 10
_MOST_TOLD: Final = 3
# What nobody's mapping is, but a few bytes of an archive can claim: it would fill the memory.
_LARGEST_BYTES: Final = 256 * 2**20
_MOST_CELLS: Final = 20_000_000
_NEW_FILE: Final = "or delete the file: the next run writes it anew from decisions.csv"
_STAGE_NAMES: Final = {"target_field": TARGET_STAGE, "rule": PERCENT, "entity": "source_field"}
_NUMBERS: Final = ("confidence", PERCENT)

Cells = dict[str, Any]


def read(path: Path) -> list[Row]:
    """
    The rows of the workbook, in the order of its sheets.

    Raises:
        ConfigError: it is no workbook, a sheet or column is missing, cells are merged, or a cell can't be what
            its column says; each with its place, up to ten at once.
    """
    book = _opened(path)
    found = {
        name.strip().casefold(): book[name] for name in book.sheetnames if hasattr(book[name], "iter_rows")
    }
    rows: list[Row] = []
    faults: list[str] = []
    wanted = mapping_sheets.sheets()
    for sheet in wanted:
        page = found.get(sheet.entity.casefold())
        if page is None:
            known = {s.entity for s in wanted} | {
                mapping_sheets.GUIDE,
                mapping_sheets.UNMAPPED,
                mapping_sheets.LISTS,
            }
            other = [f'"{named(name)}"' for name in book.sheetnames if name.strip().casefold() not in known]
            seen = f" (there is {', '.join(other[:_MOST_TOLD])})" if other else ""
            faults.append(f"{NAME}: sheet {sheet.entity} is missing{seen}; name it so again, {_NEW_FILE}")
            continue
        try:
            for row, problems in _rows(sheet, page):
                rows.append(row)
                faults += problems
        except ConfigError as problem:
            faults.append(str(problem))
    decisions.refuse(faults)
    return rows


def _opened(path: Path) -> Any:
    from openpyxl import load_workbook

    try:
        with readable(path.name), zipfile.ZipFile(path) as parts:
            size_bytes = sum(part.file_size for part in parts.infolist())
        if size_bytes <= _LARGEST_BYTES:
            return load_workbook(path, data_only=False, keep_links=False)
        why = f"unpacked it is {size_bytes >> 20} MiB, which no mapping is"
    except ConfigError:
        raise
    except (OSError, zipfile.BadZipFile):
        why = "not an Excel workbook, or one with a password"
    except Exception as problem:  # a damaged part fails anywhere within the library
        why = f"can't be read ({type(problem).__name__})"
    raise ConfigError(f"{path.name}: {why}; save it as .xlsx, {_NEW_FILE}")


def _rows(sheet: Sheet, page: Any) -> Iterator[tuple[Row, list[str]]]:
    """Every filled row of one sheet, with its faults."""
    merged = sorted(str(area) for area in page.merged_cells.ranges)
    if merged:
        raise ConfigError(
            f"{NAME}: sheet {sheet.entity}: the cells {', '.join(merged[:3])} are merged; split them"
        )
    if page.max_row * page.max_column > _MOST_CELLS:
        raise ConfigError(
            f"{NAME}: sheet {sheet.entity}: a cell stands far from all others; delete what is below or beside them"
        )
    lines = page.iter_rows()
    places = _header(sheet, lines)
    for line in lines:
        cells = {name: line[at] for name, at in places.items() if at < len(line)}
        filled = [c for name, c in cells.items() if name in sheet.content and c.value not in (None, "")]
        if not any(str(c.value).strip() for c in filled):
            continue
        names = _STAGE_NAMES if sheet.entity == STAGE else {}
        place = Place(f"{NAME}:", f"sheet {sheet.entity}, row {line[0].row}", names)
        told: Cells = {}
        faults = []
        for name, cell in cells.items():
            try:
                told[name] = _value(name, cell, is_content=name in sheet.content)
            except ValueError as problem:
                faults.append(f"{place.file} {place.where}, column {name}: {problem}")
                told[name] = ""
        yield (place, _row(sheet.entity, told, faults, place)), faults


def _header(sheet: Sheet, lines: Iterator[Any]) -> dict[str, int]:
    """Where each column stands; the lines up to the header are taken from *lines*."""
    for line in lines:
        names = [str(cell.value or "").strip() for cell in line]
        if "source_field" in names or line[0].row >= _HEADER_WITHIN:
            break
    else:
        names = []
    where = f"{NAME}: sheet {sheet.entity}"
    missing = [name for name in sheet.content if name not in names]
    if missing:
        unknown = [n for n in names if n and n not in {c.name for c in sheet.columns} | {"loss"}]
        # In a sheet without its header the cells would be somebody's.
        is_header = len(missing) < len(sheet.content)
        seen = f" (there is {', '.join(map(named, unknown[:_MOST_TOLD]))})" if unknown and is_header else ""
        raise ConfigError(
            f"{where}: column {', '.join(missing)} is missing{seen}; expected {', '.join(sheet.content)}"
        )
    repeated = [name for name in sheet.content if names.count(name) > 1]
    if repeated:
        raise ConfigError(f"{where}: column {', '.join(repeated)} is there twice; delete one")
    return {name: names.index(name) for name in names if name}


def _value(name: str, cell: Any, *, is_content: bool) -> Any:
    """A cell's text, or its number; what only informs is never refused."""
    try:
        if name in _NUMBERS or name == "probability":
            return mapping_cells.number_of(cell.value, cell.data_type)
        return mapping_cells.text_of(cell.value, cell.data_type)
    except ValueError:
        if is_content:
            raise
        return None


def _row(entity: str, told: Cells, faults: list[str], place: Place) -> dict[str, str]:
    """The row of decisions.csv; what is wrong with the source field is added to *faults*."""
    source = told["source_field"]
    if not source and (entity in MODULES or entity in (STAGE, choice_map.ENTITY, decision_rows.OWNER)):
        faults.append(place.fault("source_field", "is empty; name the source field, or clear the whole row"))
    row = {
        "entity": entity, "source_field": source, "target_entity": _target_entity(entity, source),
        "target_field": told.get("target_field", ""), "rule": told.get("rule", "identity"),
        "decision": told["decision"].lower(), "confidence": _number(told["confidence"]), "reason": told["reason"],
        "note": told["note"],
    }  # fmt: skip
    if entity == STAGE:
        pipeline, stage = told[TARGET_PIPELINE], told[TARGET_STAGE]
        row["target_field"] = decision_rows.stage_name(pipeline, stage) if pipeline or stage else ""
        row["rule"] = _stage_rule(told, faults, place)
    if not row["decision"]:
        # A row a person added says what it wants; one whose mark was cleared is undecided again.
        is_added = entity in MODULES and not (row["reason"] or row["confidence"])
        row |= {"decision": "confirmed", "confidence": "1.0"} if is_added else {"decision": marks.PROPOSED}
    return row


def _target_entity(entity: str, source: str) -> str:
    if entity == choice_map.ENTITY:
        return MODULES.get(source.partition(".")[0], "")
    return mapping_sheets.TARGET_ENTITIES[entity]


def _stage_rule(told: Cells, faults: list[str], place: Place) -> str:
    percent = told[PERCENT]
    if percent in (None, ""):
        return decision_rows.ROUND
    if not (0 <= percent <= 100 and float(percent).is_integer()):
        faults.append(
            place.fault("rule", "expected a whole number from 0 to 100, or nothing for the rounded one")
        )
        return decision_rows.ROUND
    given = told.get("probability")
    return decision_rows.stage_rule(given if isinstance(given, float) else None, int(percent))


def _number(value: Any) -> str:
    """As decisions.csv writes it."""
    return "" if value in (None, "") else str(float(value))
