"""What a record carries and what goes wrong with its like, so that the spot-check sheet can show one of each."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import load_workbook

from crmbook import spot_sheet, tables
from crmbook.phases import hazards, spot_check
from reconciliation_world import frame

CONTACT: dict[str, Any] = {
    "source_id": "1",
    "assigned_to": "a1",
    "company_ids": ["c"],
    "phone_number": "+48600700800",
}
COMPANY: dict[str, Any] = {"source_id": "2", "name": "Plain", "phone_numbers": ["+48"]}
DEAL: dict[str, Any] = {"source_id": "3", "assigned_to": "a1", "value": "10.00", "participants": ["1"]}


def found(entity: str, **changed: Any) -> set[str]:
    """What is found of a plain account whose contact, company or deal has this one thing."""
    rows = {"contact": CONTACT, "company": COMPANY, "deal": DEAL}
    rows[entity] = rows[entity] | changed
    table = hazards.hazards(
        frame(tables.SOURCE_CONTACTS, rows["contact"]), frame(tables.SOURCE_COMPANIES, rows["company"]),
        frame(tables.SOURCE_DEALS, rows["deal"]), waiting=["a9"],
    )  # fmt: skip
    assert table.height == table.filter(pl.col("source_id") == rows[entity]["source_id"]).height
    return set(table["covers"])


@pytest.mark.parametrize(
    ("entity", "changed", "covers"),
    [
        pytest.param("contact", {"name": "=1+1"}, "contact with a text like a formula", id="formula"),
        pytest.param("deal", {"name": " @SUM(A1)"}, "deal with a text like a formula", id="formula after a blank"),
        pytest.param("company", {"description": "<b>x</b>"}, "company with markup in a text", id="markup"),
        pytest.param("contact", {"name": "Анна"}, "contact with letters of another script", id="script"),
        pytest.param("contact", {"name": "Ann \U0001f389"}, "contact with an emoji", id="emoji"),
        pytest.param("company", {"address": "a\nb"}, "company with several lines in a field", id="lines"),
        pytest.param("deal", {"loss_reason_description": "x" * 256}, "deal with a very long text", id="long"),
        pytest.param("contact", {"created_at": datetime(1901, 1, 1, tzinfo=UTC)}, "contact with a date far from today", id="far"),
        pytest.param("contact", {"assigned_to": None}, "contact with no owner", id="no owner"),
        pytest.param("deal", {"assigned_to": "a9"}, "deal with an owner who has no user", id="waits"),
        pytest.param("contact", {"company_ids": ["c", "d"]}, "contact with several companies", id="companies"),
        pytest.param("company", {"phone_numbers": ["1", "2"]}, "company with several phone numbers", id="phones"),
        pytest.param("deal", {"participants": ["1", "2"]}, "deal with several people", id="people"),
        pytest.param("deal", {"value": " "}, "deal with no amount", id="no amount"),
        pytest.param("deal", {"value": "-5"}, "deal with an amount of zero or less", id="below zero"),
    ],
)  # fmt: skip
def test_each_hazard_is_found_alone(entity: str, changed: dict[str, Any], covers: str) -> None:
    """One thing, one line, on the record that has it."""
    assert {covers} == found(entity, **changed)


def test_a_plain_record_has_no_hazard() -> None:
    """Nor has a telephone number, which begins with a plus."""
    assert set() == found("contact")


def test_what_a_record_carries_is_told_by_kind() -> None:
    """Tasks, meetings, activities, files, notes by what they were, lists by what they were made of."""
    parent = {"parent_kind": "contact", "parent_id": "1"}
    on_deal = {"parent_kind": "deal", "parent_id": "3"}
    history = {
        "tasks": frame(tables.TASKS, {"source_id": "activity:1", **on_deal}),
        "appointments": frame(tables.APPOINTMENTS, {"source_id": "activity:2", **parent}),
        "sales_activities": frame(tables.SALES_ACTIVITIES, {"source_id": "email:1:sent", **parent}),
        "documents": frame(tables.DOCUMENTS, {"source_id": "contact:1:a.pdf", **parent}),
        "notes": frame(
            tables.NOTES, {"source_id": "conversation:7:1", **parent}, {"source_id": "conversation:8:1", **parent},
            {"source_id": "overflow:deal:3:name:1", **on_deal},
        ),
    }  # fmt: skip
    members = frame(
        tables.LIST_MEMBERS,
        {"list_key": "list:1", "contact_id": "1"},
        {"list_key": "segment:1", "contact_id": "2"},
    )
    assert [
        ("contact", "1", "in a list"), ("contact", "1", "with a file or link"), ("contact", "1", "with a meeting"),
        ("contact", "1", "with a note of a chat"), ("contact", "1", "with a sales activity"),
        ("contact", "2", "in the list of a segment"), ("deal", "3", "with a note of what was too long"),
        ("deal", "3", "with a task"),
    ] == hazards.carriers(history, members).rows()  # fmt: skip


CLASSES = pl.DataFrame(
    {"entity": "deal", "source_id": [str(n) for n in range(60)], "class": "loaded"}
).with_columns(module=pl.lit("deals"), target_id=pl.lit(7, pl.Int64), reason=pl.lit(""))
RARE = CLASSES.select("entity", "source_id", covers=pl.format("hazard {}", "source_id"))


def sheet(evidence: pl.DataFrame, examples: pl.DataFrame | None = None) -> pl.DataFrame:
    return spot_check.spot_check(
        classes=CLASSES, link_classes=tables.LINK_CLASSES.empty(), evidence=evidence, examples=examples,
        source_base_url="https://a.example", target_base_url="https://b.example/api",
    )  # fmt: skip


def test_examples_never_push_out_what_has_to_be_seen() -> None:
    """Thirty hazards all stand on the sheet, the ten places left go to examples."""
    examples = RARE.tail(30).with_columns(covers=pl.format("field {} changed", "source_id"))
    shown = sheet(RARE.head(30), examples)
    covered = {part for row in shown["covers"] for part in row.split("; ")}
    assert (40, 30, 10) == (
        shown.height, sum(c.startswith("hazard") for c in covered), sum(c.startswith("field") for c in covered),
    )  # fmt: skip


def test_coverage_names_what_is_on_no_record_of_the_sheet() -> None:
    """Fifty things to see, forty rows: ten are on none, and the class is on all."""
    shown = sheet(RARE.head(50))
    told = spot_check.coverage(
        shown, classes=CLASSES, link_classes=tables.LINK_CLASSES.empty(), evidence=RARE.head(50)
    )
    assert (51, 10, 40) == (
        told.height, told.filter(pl.col("in_sheet") == 0).height,
        told.filter(pl.col("covers") == "deal loaded")["in_sheet"][0],
    )  # fmt: skip


def test_the_workbook_holds_the_sheet_with_links_and_nothing_computed() -> None:
    """Text stays text, links lead to both systems, three columns to fill in; the same sheet is the same bytes."""
    row = {"entity": "deal", "source_id": "1", "target_id": 70020000009, "covers": "=HOT changed by text", "source_url": "https://a.example/deals/1/", "target_url": None}  # fmt: skip
    written: dict[str, Any] = {}

    class Folder:
        """A run, as far as files are written."""

        def write(self, name: str, content: str | bytes) -> Path:
            assert written.setdefault(name, content) == content
            return Path(name)

    for _ in range(2):
        spot_sheet.write(Folder(), frame(tables.SPOT_CHECK, row))
    page = load_workbook(io.BytesIO(written["spot_check.xlsx"])).active
    cells = [cell.value for cell in page[3]]
    assert ["deal", "1", "70020000009", "=HOT changed by text", "User.com", None, None, None, None] == cells
    assert ({"s", "n"}, "https://a.example/deals/1/") == (
        {c.data_type for c in page[3]},
        page["E3"].hyperlink.target,
    )
    assert "'=HOT changed by text" in written["spot_check.csv"]
