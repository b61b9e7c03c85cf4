"""mapping.xlsx: what is written is read back, what a person changes has its effect, and every fault has its cell."""

import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.styles import Font

import mapping_case as case
from crmbook import decisions, mapping_cells, mapping_sheets, mapping_xlsx, mapping_xlsx_read, runs, tables
from crmbook.errors import ConfigError

Change = Callable[[Any], None]


@pytest.fixture
def record(mapped_customer: Path, customers: Path) -> runs.Record:
    """A run whose mapping is proposed and written."""
    return case.copied(mapped_customer, customers)


def test_both_files_hold_the_same_rows(record: runs.Record) -> None:
    """Row by row and cell by cell, in the same order; the fields first."""
    rows = case.rows_of_csv(case.csv_file(record))

    assert rows == case.rows_of_workbook(case.workbook(record))
    assert [e for n, e in enumerate(r["entity"] for r in rows) if n == 0 or e != rows[n - 1]["entity"]] == [
        "contact", "company", "deal", "choice", "stage", "owner", "activity_type", "tag", "list",
    ]  # fmt: skip


def test_only_the_owner_may_read_the_workbook(record: runs.Record) -> None:
    """It holds the team's e-mail addresses and the choices of fields."""
    assert case.workbook(record).stat().st_mode & 0o777 == 0o600


def test_the_same_content_is_the_same_file(record: runs.Record) -> None:
    """No moment of its making stands in it."""
    before = case.workbook(record).read_bytes()

    case.mapped(record)

    assert before == case.workbook(record).read_bytes()


def test_no_cell_is_a_formula(record: runs.Record) -> None:
    """A property `=Plan`, a list `=Fair`, a choice `=Silver+`, an address `+ann@…` and a stage `-New` are text, and marked so."""
    book = load_workbook(case.workbook(record))
    found = [cell for page in book for line in page.iter_rows() for cell in line if cell.value is not None]
    alike = {str(c.value): (c.data_type, c.quotePrefix) for c in found if str(c.value)[0] in "=+-@"}

    assert [] == [cell.coordinate for cell in found if cell.data_type == "f"]
    assert dict.fromkeys(["=Plan", "=Fair", "=Silver+", "+ann@a.example", "-New"], ("s", True)) == alike


def test_a_person_types_in_the_cells_that_are_open(record: runs.Record) -> None:
    """Targets, rules, decisions and notes; the rest is locked, without a password."""
    book = load_workbook(case.workbook(record))
    for sheet in mapping_sheets.sheets():
        page = book[sheet.entity]
        assert page.protection.sheet
        assert page.protection.password is None
        unlocked = {
            name for name, column in case.columns(page).items() if page.max_row > 1
            and not page.cell(2, column).protection.locked
        }  # fmt: skip
        assert unlocked == ({c.name for c in sheet.columns if c.is_edited} if page.max_row > 1 else set())
        assert page.freeze_panes == "B2"


def test_every_drop_down_offers_what_is_there(record: runs.Record) -> None:
    """A cell as written is one of its list's, and the list holds the target's own fields."""
    book = load_workbook(case.workbook(record))
    lists = {
        line[0].value: [c.value for c in line[1:] if c.value is not None]
        for line in book[mapping_sheets.LISTS].columns
    }
    assert book[mapping_sheets.LISTS].sheet_state == "hidden"
    assert {"job_title", "email", "cf_seats", "owner_id"} <= set(lists["targets of contact"])
    assert list(decisions.ENTITIES) == [s.entity for s in mapping_sheets.sheets()]
    for sheet in mapping_sheets.sheets():
        page = book[sheet.entity]
        for column in (c for c in sheet.columns if c.offers):
            at = case.columns(page)[column.name]
            there = {page.cell(r, at).value for r in range(2, page.max_row + 1)} - {None}
            assert there <= set(lists[column.offers]), (sheet.entity, column.name)


def test_a_field_says_what_it_is_called_and_what_else_it_may_be(customers: Path) -> None:
    """The source's own name for a property, and the other targets with how sure they are."""
    people = tuple({**person, "p_vorname": f"Ann {n}"} for n, person in enumerate(case.PEOPLE))
    record = case.new_run(customers, people)
    case.mapped(record)
    page = load_workbook(case.workbook(record))["contact"]
    at = case.columns(page)
    told = {
        field: [page.cell(case.row_of(page, field), at[c]).value or "" for c in ("label", "perhaps")]
        for field in ("p_vorname", "p_seats", "email")
    }

    assert {
        "p_vorname": ["vorname", "first_name (0.95)"], "p_seats": ["Seats", ""], "email": ["", ""]
    } == told  # fmt: skip


def test_what_stays_behind_says_how_many_records_that_touches(record: runs.Record) -> None:
    """The sheet `unmapped`, most records first."""
    case.edit(case.workbook(record), case.put("contact", "p_seats", decision="skip", note="not needed"))
    case.mapped(record)

    page = load_workbook(case.workbook(record))[mapping_sheets.UNMAPPED]

    lines = [[cell.value for cell in line] for line in page.iter_rows(min_row=2)]
    assert [
        "contact",
        "p_seats",
        2,
        2 / 3,
        "2 of 3 records have a value here that will not move: not needed",
    ] in lines


EDITS = {
    "field": case.put("contact", "p_seats", target_field="cf_places", decision="changed", note="so they say"),
    "rule": case.put("company", "p_vat", rule="textarea", decision="changed"),
    "choice": case.put("choice", "contact.p_plan:=Silver+", target_field="Silver", decision="changed"),
    "stage": case.put("stage", "1/11", target_pipeline="Sales", target_stage="Sent", target_probability=55,
                      decision="changed"),
    "owner": case.put("owner", "8", target_field="bob@a.example", decision="confirmed"),
    "activity": case.put("activity_type", "1", target_field="tasks", decision="changed"),
    "tag": case.put("tag", "contact", target_field="native", decision="changed"),
    "list": case.put("list", "list:5", target_field="Fair 2025", decision="changed"),
}  # fmt: skip


def test_what_a_person_changes_reaches_every_table_and_stays(record: runs.Record) -> None:
    """A field, a rule, a choice, a stage with pipeline and probability, an owner, a carrier, a mode and a name."""
    for change in EDITS.values():
        case.edit(case.workbook(record), change)
    proposed = case.digest(record)

    run = case.mapped(record)

    assert case.cells(run.read("mapping"), "source_field", "target_field")["p_seats"] == "cf_places"
    assert case.cells(run.read("mapping"), "source_field", "rule")["p_vat"] == "textarea"
    assert case.cells(run.read("choices"), "source_value", "target_value")["=Silver+"] == "Silver"
    assert case.cells(run.read("custom_fields"), "api_name", "choices")["cf_=plan"] == ["Silver", "Gold"]
    stage = run.read("stages").filter(pl.col("stage_id") == "11").row(0, named=True)
    assert (stage["target_pipeline"], stage["target_stage"], stage["target_probability"]) == (
        "Sales",
        "Sent",
        55,
    )
    assert case.cells(run.read("owners"), "agent_id", "email")["8"] == "bob@a.example"
    assert case.cells(run.read("activity_types"), "activity_type_id", "carrier")["1"] == "tasks"
    assert case.cells(run.read("tag_plan"), "module", "mode")["contacts"] == "native"
    assert case.cells(run.read("list_plan"), "list_key", "target_name")["list:5"] == "Fair 2025"
    decided = case.digest(record)
    assert decided != proposed
    kept = {(r["entity"], r["source_field"]): r["note"] for r in case.rows_of_csv(case.csv_file(record))
            if r["decision"] in ("changed", "confirmed")}  # fmt: skip
    assert len(EDITS) == len(kept)
    assert kept["contact", "p_seats"] == "so they say"

    # Nothing a person decided is proposed again, from whichever file.
    case.workbook(record).unlink()
    case.mapped(record)
    assert case.digest(record) == decided
    assert case.rows_of_csv(case.csv_file(record)) == case.rows_of_workbook(case.workbook(record))


@pytest.mark.parametrize("name", list(EDITS))
def test_every_kind_of_decision_counts_in_the_hash(record: runs.Record, name: str) -> None:
    """What is written differently has to be approved anew."""
    before = case.digest(record)
    case.edit(case.workbook(record), EDITS[name])

    case.mapped(record)

    assert case.digest(record) != before


def test_a_change_without_its_mark_counts(record: runs.Record) -> None:
    """Somebody chose another target and left the decision alone, on a proposal and on what was left behind."""
    case.edit(case.workbook(record), case.put("contact", "p_seats", target_field="cf_places"))
    case.edit(case.workbook(record), case.put("list", "list:5", target_field="Fair 2025"))
    case.edit(case.workbook(record), case.put("stage", "1/10", target_probability=20))

    run = case.mapped(record)

    rows = {(r["entity"], r["source_field"]): r for r in case.rows_of_csv(case.csv_file(record))}
    assert ("cf_places", "changed") == tuple(
        rows["contact", "p_seats"][c] for c in ("target_field", "decision")
    )
    assert ("Fair 2025", "changed") == tuple(rows["list", "list:5"][c] for c in ("target_field", "decision"))
    assert ("20 %", "changed") == tuple(rows["stage", "1/10"][c] for c in ("rule", "decision"))
    assert case.cells(run.read("stages"), "stage_id", "target_probability")["10"] == 20


def test_a_skipped_choice_leaves_the_field(record: runs.Record) -> None:
    """Its records have nothing there; the field does not offer it."""
    case.edit(case.workbook(record), case.put("choice", "contact.p_plan:Gold", decision="skip"))

    run = case.mapped(record)

    assert case.cells(run.read("choices"), "source_value", "target_value") == {
        "=Silver+": "=Silver+",
        "Gold": "",
    }
    assert case.cells(run.read("custom_fields"), "api_name", "choices")["cf_=plan"] == ["=Silver+"]


def test_a_row_may_be_added_for_a_part_of_a_property(record: runs.Record) -> None:
    """In the yellow rows below the fields; without a mark it counts as confirmed."""

    def add(book: Any) -> None:
        page = book["contact"]
        at = case.columns(page)
        free = next(r for r in range(2, page.max_row + 1) if page.cell(r, at["source_field"]).value is None)
        for name, value in (
            ("source_field", "p_details:$.diet"),
            ("target_field", "cf_diet"),
            ("rule", "choice"),
        ):
            cell = page.cell(free, at[name])
            assert not cell.protection.locked
            cell.value = value

    case.edit(case.workbook(record), add)

    run = case.mapped(record)

    assert case.cells(run.read("custom_fields"), "api_name", "choices")["cf_diet"] == ["fish", "vegan"]


def test_formatting_and_order_have_no_say(record: runs.Record) -> None:
    """Rows sorted, columns moved, a line above the header, blanks around text, colours: the same rows, the same hash."""
    before = {(r["entity"], r["source_field"]): r for r in case.rows_of_workbook(case.workbook(record))}

    def dress(book: Any) -> None:
        page = book["contact"]
        lines = [[c.value for c in line] for line in page.iter_rows() if line[0].value]
        page.delete_rows(1, page.max_row)
        page.append(["Our contacts"])
        for line in [lines[0], *reversed(lines[1:])]:
            page.append([f"  {v} " if isinstance(v, str) and v != "" else v for v in reversed(line)])
        for cell in page[2]:
            cell.font = Font(bold=True, color="FF0000")
        book.create_sheet("our remarks")["A1"] = "anything"

    case.edit(case.workbook(record), dress)
    after = {(r["entity"], r["source_field"]): r for r in case.rows_of_workbook(case.workbook(record))}
    approved = case.digest(record)
    case.mapped(record)

    assert before == after
    assert case.digest(record) == approved


def _merge(book: Any) -> None:
    book["contact"].merge_cells("B2:C3")


def _rename_column(book: Any) -> None:
    page = book["deal"]
    page.cell(1, case.columns(page)["rule"]).value = "how"


def _drop_column(book: Any) -> None:
    page = book["owner"]
    page.delete_cols(case.columns(page)["decision"])


def _repeat_column(book: Any) -> None:
    page = book["owner"]
    page.cell(1, page.max_column + 1).value = "note"


def _rename_sheet(book: Any) -> None:
    book["stage"].title = "stages"


def _repeat_row(book: Any) -> None:
    page = book["activity_type"]
    page.append([cell.value for cell in page[2]])


def _formula(book: Any) -> None:
    case.put("contact", "email", target_field="=A1&B1")(book)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(_merge, "sheet contact: the cells B2:C3 are merged; split them", id="merged"),
        pytest.param(_rename_column, "sheet deal: column rule is missing (there is how); expected source_field, ", id="column"),
        pytest.param(_drop_column, "sheet owner: column decision is missing; expected ", id="no column"),
        pytest.param(_repeat_column, "sheet owner: column note is there twice; delete one", id="column twice"),
        pytest.param(_rename_sheet, 'sheet stage is missing (there is "stages"); name it so again, or delete the file', id="sheet"),
        pytest.param(_repeat_row, "sheet activity_type, row 3, column source_field: the same activity_type as in sheet activity_type, row 2", id="row twice"),
        pytest.param(_formula, "column target_field: holds a formula; type the value instead", id="formula"),
        pytest.param(case.put("contact", "email", target_field=date(2026, 3, 1)),
                     "column target_field: the spreadsheet made a date of it; format the cell as text", id="date"),
        pytest.param(case.put("contact", "email", target_field=1.5), "made a number of it", id="number"),
        pytest.param(case.put("contact", "email", note=True), "column note: the spreadsheet made a truth value", id="boolean"),
        pytest.param(case.put("contact", "email", target_field="mail"),
                     'column target_field: "mail" is no field of contacts; expected cf_… or one of ', id="target"),
        pytest.param(case.put("contact", "email", target_field=None), "column target_field: is empty; name a target", id="blank"),
        pytest.param(case.put("contact", "email", rule="e-mail"), "column rule: expected one of ", id="rule"),
        pytest.param(case.put("contact", "email", decision="yes"), "column decision: expected one of ", id="decision"),
        pytest.param(case.put("contact", "email", source_field=None), "column source_field: is empty; name the source field", id="no field"),
        pytest.param(case.put("contact", "email", confidence="sure"), "column confidence: expected a number", id="confidence"),
        pytest.param(case.put("stage", "1/10", target_probability=101), "column target_probability: expected a whole number", id="percent"),
        pytest.param(case.put("stage", "1/10", target_stage=None, decision="changed"),
                     "column target_stage: expected <pipeline> / <stage>", id="stage"),
        pytest.param(case.put("stage", "1/10", decision="skip"), "column decision: a stage can't be skipped", id="skip"),
        pytest.param(case.put("owner", "8", target_field="Bob", decision="changed"),
                     "column target_field: expected the e-mail of a Freshsales user", id="owner"),
        pytest.param(case.put("activity_type", "1", target_field="letters"), "column target_field: expected one of sales_activities", id="carrier"),
        pytest.param(case.put("choice", "contact.p_plan:Gold", target_field=" "), "column target_field: is empty", id="choice"),
    ],
)  # fmt: skip
def test_a_fault_names_sheet_row_column_and_what_was_expected(
    record: runs.Record, change: Change, expected: str
) -> None:
    """A person finds the cell without searching; what they did stays in the file."""
    case.edit(case.workbook(record), change)
    edited = case.workbook(record).read_bytes()

    with pytest.raises(ConfigError) as caught:
        case.read(record)

    told = str(caught.value)
    assert told.startswith("mapping.xlsx: sheet ")
    assert expected in told
    assert "also" not in told
    assert case.workbook(record).read_bytes() == edited


def test_the_row_in_a_fault_is_the_row_on_the_screen(record: runs.Record) -> None:
    """Counted as the spreadsheet counts."""
    book = load_workbook(case.workbook(record))
    row = case.row_of(book["contact"], "p_seats")
    case.edit(case.workbook(record), case.put("contact", "p_seats", rule="integers"))

    with pytest.raises(ConfigError, match=rf"^mapping.xlsx: sheet contact, row {row}, column rule: "):
        case.mapped(record)


def test_up_to_ten_faults_are_told_at_once(record: runs.Record) -> None:
    """Of all sheets, then how many more there are."""

    def spoil(book: Any) -> None:
        for name in ("contact", "deal"):
            page = book[name]
            for at in range(2, page.max_row + 1):
                if page.cell(at, 1).value:
                    page.cell(at, case.columns(page)["rule"]).value = "?"

    case.edit(case.workbook(record), spoil)

    with pytest.raises(ConfigError) as caught:
        case.mapped(record)

    assert str(caught.value).count("column rule: expected one of") == 10
    assert str(caught.value).endswith(" more")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"entity,source_field\n",
        b"PK\x03\x04 broken",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 encrypted or .xls",
    ],
    ids=["empty", "csv", "cut", "old format"],
)
def test_a_file_that_is_no_workbook_says_what_to_do(record: runs.Record, content: bytes) -> None:
    """One line, never a traceback."""
    case.workbook(record).write_bytes(content)

    with pytest.raises(
        ConfigError, match=r"^mapping.xlsx: not an Excel workbook.*; save it as .xlsx, or delete"
    ):
        case.mapped(record)


def test_a_damaged_part_says_what_to_do(record: runs.Record) -> None:
    """A zip file that is no workbook, or one whose XML is cut."""
    with zipfile.ZipFile(case.workbook(record)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(case.workbook(record), "w") as book:
        for name, content in parts.items():
            book.writestr(name, content[: len(content) // 2] if name == "xl/workbook.xml" else content)

    with pytest.raises(
        ConfigError, match=r"^mapping.xlsx: can't be read \(\w+\); save it as .xlsx, or delete"
    ):
        case.mapped(record)


def test_a_deleted_row_is_back_as_a_proposal(record: runs.Record, capsys: pytest.CaptureFixture[str]) -> None:
    """And the notebook says so."""
    case.edit(case.workbook(record), case.put("contact", "p_seats", decision="skip"))
    case.mapped(record)

    def delete(book: Any) -> None:
        page = book["contact"]
        page.delete_rows(case.row_of(page, "p_seats"))

    case.edit(case.workbook(record), delete)
    capsys.readouterr()
    case.mapped(record)

    assert "a row of contact p_seats was deleted there: it is back as a proposal" in capsys.readouterr().out
    rows = {(r["entity"], r["source_field"]): r["decision"] for r in case.rows_of_csv(case.csv_file(record))}
    assert rows["contact", "p_seats"] == "proposed"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(TEXTS)
def test_every_text_survives_a_cell(text: str) -> None:
    """Control characters, what looks like an escape, and characters XML does not know."""
    assert mapping_cells.decoded(mapping_cells.encoded(text)) == text


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=3, max_size=8, unique_by=lambda t: t.strip()))
def test_every_text_survives_both_files(tmp_path: Path, texts: list[str]) -> None:
    """As source field, target, reason and note, trimmed as a person's cells are."""
    content = [
        {"entity": "event", "source_field": text, "target_entity": "history", "target_field": texts[n - 1], "rule":
         "identity", "decision": "proposed", "confidence": 1.0, "reason": texts[n - 2], "note": text, "records": 1,
         "position": n}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    rows = pl.DataFrame(content, schema=tables.DECISION_ROWS.columns)
    unmapped = pl.DataFrame(schema=["entity", "field", "records", "share", "why"])
    path = tmp_path / mapping_sheets.NAME

    mapping_xlsx.write(path, rows=rows, facts={}, offers=mapping_sheets.offers(rows, {}), unmapped=unmapped)
    found = [row for _, row in mapping_xlsx_read.read(path)]

    expected = [{k: str(v).strip() for k, v in row.items() if k in decisions.COLUMNS} for row in content]
    assert found == expected
    decisions.write_csv(tmp_path / decisions.NAME, content)
    assert expected == case.rows_of_csv(tmp_path / decisions.NAME)
