"""A small customer as discovery leaves it, and 02 decided on it without a notebook: what a person edits, and the result."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from openpyxl import load_workbook

from crmbook import (
    deciding,
    decision_files,
    decisions,
    losses,
    mapping_sheets,
    mapping_xlsx_read,
    runs,
    tables,
)
from crmbook.phases import discovery
from source_rows import attributes, companies, contacts, deals, stages, table
from test_config import GOOD

CUSTOMER = "acme"
DECLARED = (
    ("contact", "plan", "=Plan", "fixed"),
    ("contact", "seats", "Seats", "integer"),
    ("contact", "details", "Details", "json"),
    ("company", "vat", "VAT", "string"),
)
PEOPLE: tuple[dict[str, Any], ...] = (
    {"source_id": "1", "email": "a@b.example", "name": "Ann Lee", "p_plan": '["Gold"]', "p_seats": "3",
     "p_details": '{"diet":"vegan"}', "assigned_to": "7", "tags": ["vip"]},
    {"source_id": "2", "email": "c@d.example", "name": "Bo Ek", "p_plan": '["=Silver+"]', "p_seats": "12",
     "p_details": '{"diet":"fish"}', "assigned_to": "8", "tags": ["vip", "new"]},
    {"source_id": "3", "email": "e@f.example", "name": "Cy Ott", "p_plan": '["Gold"]', "p_seats": None,
     "p_details": None, "assigned_to": "7", "tags": []},
)  # fmt: skip


def discovered(record: runs.Record, people: tuple[dict[str, Any], ...] = PEOPLE) -> None:
    """01 of *record* passed on these contacts, a company, two deals, a team of two and some history."""
    run = runs.open("01_discovery", customer=record.folder.parent.name, run_id=record.folder.name)
    source_contacts = contacts(*people)
    source_companies = companies({"source_id": "60", "name": "Haff", "p_vat": "PL123"})
    source_deals = deals(
        {"source_id": "50", "name": "Boat", "pipeline_id": "1", "stage_id": "10", "status": 1},
        {"source_id": "51", "name": "Sail", "pipeline_id": "1", "stage_id": "11", "status": 1},
    )
    declared = attributes(*DECLARED)
    made = {
        "source_contacts": source_contacts,
        "source_companies": source_companies,
        "source_deals": source_deals,
        "billing": discovery.billing(source_contacts),
        "fields": discovery.fields(source_contacts, source_companies, source_deals, declared),
        "source_stages": stages(("10", "-New", 12.5), ("11", "Offer / sent", 40), pipeline="Sales / EU"),
        "agents": pl.DataFrame(
            [("7", "Ann", "+ann@a.example"), ("8", "Bob", None)], schema=tables.AGENTS.columns, orient="row"
        ),
        "source_activity_types": pl.DataFrame(
            [("1", "Call", "call")], schema=tables.ACTIVITY_TYPES.columns, orient="row"
        ),
        "lists": table(tables.LISTS, [{"list_id": "5", "name": "=Fair"}]),
    }
    others = [t for t in map(tables.of, tables.names()) if t.phase == run.phase and t.name not in made]
    run.save_all(**made, **{table.name: table.empty() for table in others})
    run.close()


def new_run(customers: Path, people: tuple[dict[str, Any], ...] = PEOPLE) -> runs.Record:
    """A new test run of the customer, discovered."""
    (customers / CUSTOMER).mkdir(exist_ok=True)
    (customers / CUSTOMER / "customer.toml").write_text(GOOD, encoding="utf-8")
    record = runs.create(CUSTOMER, "test", parameters={"sample": 0})
    discovered(record, people)
    return record


def copied(folder: Path, customers: Path) -> runs.Record:
    """The customer of *folder* among *customers*; its only run."""
    shutil.copytree(folder / CUSTOMER, customers / CUSTOMER)
    return runs.Record(next(customers.glob(f"{CUSTOMER}/test-*")))


def read(record: runs.Record) -> decision_files.Found:
    """What 02 would go by."""
    return decision_files.latest(
        runs.open("02_mapping", customer=record.folder.parent.name, run_id=record.folder.name)
    )


def mapped(record: runs.Record) -> runs.Run:
    """02 of *record*, decided, put up for approval and passed."""
    run = runs.open("02_mapping", customer=record.folder.parent.name, run_id=record.folder.name)
    deciding.decide(run)
    losses.preview(run)
    deciding.offer_mapping(run)
    deciding.compare_maps(run)
    run.close()
    return run


def digest(record: runs.Record) -> str:
    """The hash of the mapping on offer."""
    found: str = record.get()["offers"]["mapping"]["hash"]
    return found


def workbook(record: runs.Record) -> Path:
    return record.folder / "02_mapping" / mapping_sheets.NAME


def csv_file(record: runs.Record) -> Path:
    return record.folder / "02_mapping" / decisions.NAME


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """The workbook at *path* after *change*, as openpyxl saves it."""
    book = load_workbook(path)
    change(book)
    book.save(path)


def columns(page: Any) -> dict[str, int]:
    return {cell.value: cell.column for cell in page[1]}


def row_of(page: Any, source_field: str) -> int:
    """The row of *source_field* on *page*."""
    at = columns(page)["source_field"]
    return next(r for r in range(2, page.max_row + 1) if page.cell(r, at).value == source_field)


def put(sheet: str, field: str, /, **cells: Any) -> Callable[[Any], None]:
    """A change that types *cells* into the row of the source field *field*."""

    def change(book: Any) -> None:
        page = book[sheet]
        at, row = columns(page), row_of(page, field)
        for name, value in cells.items():
            page.cell(row, at[name]).value = value

    return change


def rows_of_workbook(path: Path) -> list[dict[str, str]]:
    return [row for _, row in mapping_xlsx_read.read(path)]


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    return [row for _, row in decisions.read_csv(path)]


def cells(frame: pl.DataFrame, key: str, value: str) -> dict[Any, Any]:
    return dict(frame.select(key, value).iter_rows())
