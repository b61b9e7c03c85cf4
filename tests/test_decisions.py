"""decisions.csv: what is written is what is read, and every fault has its place."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import csvfiles, decisions, tables
from crmbook.errors import ConfigError
from crmbook.phases import decision_rows, discovery, mapping, structure
from source_rows import attributes, companies, contacts, deals, stages

DECLARED = attributes(("contact", "notes", "=Notes", "string"), ("contact", "plan", 'A "b", c', "string"))
FIELDS = discovery.fields(
    contacts({"source_id": "1", "email": "a@b.example", "p_notes": "n", "p_plan": "p"}),
    companies(),
    deals({"source_id": "d", "pipeline_id": "1", "stage_id": "10", "status": 2}),
    DECLARED,
)
MAPPING = mapping.propose(FIELDS)
STAGES = structure.stages(
    stages(("10", "-New", 10)), deals({"source_id": "d", "pipeline_id": "1", "stage_id": "10", "status": 2})
)
OWNERS = pl.DataFrame(
    [("1", "Ann", "+ann@a.example", True, 3), ("2", "Bob", None, True, 0)],
    schema=tables.OWNERS.columns,
    orient="row",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as the workbook writes it."""
    file = tmp_path / decisions.NAME
    _write(file, STAGES, OWNERS)
    return file


def _write(path: Path, stages_now: pl.DataFrame, owners: pl.DataFrame, **before: Any) -> None:
    rows = decision_rows.rows(
        mapping=MAPPING, stages=stages_now, owners=owners, choices=tables.CHOICES.empty(), history=pl.DataFrame(),
        fields=FIELDS, before=before.get("before", {}),
    )  # fmt: skip
    decisions.write_csv(path, rows.to_dicts())


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _read(path: Path) -> decisions.Decisions:
    return decisions.parsed(decisions.read_csv(path))


def test_what_is_written_is_read_back_exactly(path: Path) -> None:
    """Quotes, commas and text that looks like a formula included; nothing counts as decided by a person."""
    found = _read(path)

    assert MAPPING.equals(found.mapping)
    assert (0, 0) == (found.stages.height, found.owners.height)


def test_no_cell_starts_a_formula(path: Path) -> None:
    """A spreadsheet would compute it; the stage `-New` and the address `+ann@…` stand behind an apostrophe."""
    cells = [cell for _, row in csvfiles.read(path, decisions.COLUMNS) for cell in row.values()]
    raw = path.read_text(encoding="utf-8")

    assert "+ann@a.example" in cells
    assert not [
        line for line in raw.splitlines() for cell in line.split(",") if cell.startswith(("=", "+", "-", "@"))
    ]


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    """It holds the team's e-mail addresses."""
    assert path.stat().st_mode & 0o777 == 0o600


def test_stages_and_owners_a_person_decided_come_back_and_keep_their_mark(path: Path) -> None:
    """Written again, they are still the person's."""
    _edit(path, "Sales / -New,round,proposed", "Retail / Fresh,round,changed")
    _edit(path, "user,,identity,proposed", "user,bob@a.example,identity,confirmed")
    found = _read(path)

    assert [("1", "10", "Retail", "Fresh", None)] == found.stages.rows()
    assert [("2", "bob@a.example")] == found.owners.rows()
    moved = structure.stages_with_decisions(STAGES, found.stages)
    owners = structure.owners_with_decisions(OWNERS, found.owners)
    _write(path, moved, owners, before=found.kept)
    again = _read(path)
    assert {("stage", "1/10"): ("changed", ""), ("owner", "2"): ("confirmed", "")} == {
        key: kept for key, kept in again.kept.items() if key[0] in ("stage", "owner")
    }
    assert (found.stages.rows(), found.owners.rows()) == (again.stages.rows(), again.owners.rows())


def test_a_spreadsheets_habits_do_no_harm(path: Path) -> None:
    """A byte-order mark, semicolons, other line ends, columns in another order, blank lines, decimal commas."""
    rows = [row for _, row in csvfiles.read(path, decisions.COLUMNS)]
    header = list(reversed(decisions.COLUMNS))
    lines = [";".join(header)]
    for row in rows:
        cells = {**row, "confidence": row["confidence"].replace(".", ",")}
        lines.append(";".join('"' + cells[c].replace('"', '""') + '"' for c in header))
    path.write_bytes("\r\n".join([*lines, ";;;;;;;;", ""]).encode("utf-8-sig"))

    assert MAPPING.equals(_read(path).mapping)


@pytest.mark.parametrize(
    ("message", "old", "new"),
    [
        pytest.param(
            "column rule: expected one of", "email,email,proposed", "email,e-mail,proposed", id="rule"
        ),
        pytest.param(
            "column decision: expected one of", "email,email,proposed", "email,email,yes", id="decision"
        ),
        pytest.param("column entity: expected one of", "\ncontact,email,", "\nperson,email,", id="entity"),
        pytest.param(
            "column target_entity: expected contacts",
            "contact,email,contacts",
            "contact,email,leads",
            id="module",
        ),
        pytest.param(
            '"mail" is no field of contacts; expected cf_… or one of ',
            "contacts,email,email,proposed",
            "contacts,mail,email,changed",
            id="target",
        ),
        pytest.param(
            "expected cf_ and lower-case words",
            "cf_usercom_original_id,text",
            "cf_Original id,text",
            id="api name",
        ),
        pytest.param(
            "target_field: is empty",
            "contacts,email,email,proposed",
            "contacts,,email,confirmed",
            id="empty target",
        ),
        pytest.param("from 0 to 1", "email,email,proposed,1.0", "email,email,proposed,2", id="confidence"),
        pytest.param(
            "a number from 0 to 1", "email,email,proposed,1.0", "email,email,proposed,sure", id="not a number"
        ),
        pytest.param(
            "a stage can't be skipped", "-New,round,proposed", "-New,round,skip", id="skipped stage"
        ),
        pytest.param(
            "expected <pipeline> / <stage>", "Sales / -New,round,proposed", "New,round,changed", id="stage"
        ),
        pytest.param(
            "expected round, or a whole percent", "New,round,proposed", "New,120 %,changed", id="percent"
        ),
        pytest.param(
            "the e-mail of a Freshsales user",
            "user,,identity,proposed",
            "user,Bob,identity,changed",
            id="owner",
        ),
    ],
)
def test_a_fault_names_file_line_column_and_what_was_expected(
    path: Path, message: str, old: str, new: str
) -> None:
    """A person finds the cell without searching."""
    _edit(path, old, new)
    text = path.read_text(encoding="utf-8")
    line = text[: text.index(new.strip())].count("\n") + 1

    with pytest.raises(ConfigError) as caught:
        _read(path)

    assert str(caught.value).startswith(f"decisions.csv line {line}, column ")
    assert message in str(caught.value)


def test_a_percent_is_read_from_the_rule(path: Path) -> None:
    """A stage keeps its place and gets another probability."""
    _edit(path, "Sales / -New,round,proposed", "Sales / -New,40 %,changed")

    assert [("1", "10", "Sales", "-New", 40)] == _read(path).stages.rows()


@pytest.mark.parametrize(
    ("pipeline", "stage"),
    [("Sales", "New"), ("B2B / Export", "New / old"), ("/", "/"), ("a //", "// b"), ("a / / b", "c /"), ("a/b", "//")],
)  # fmt: skip
def test_pipeline_and_stage_share_a_cell_and_part_again(pipeline: str, stage: str) -> None:
    """Whatever slashes their own names hold."""
    assert (pipeline, stage) == decision_rows.stage_parts(decision_rows.stage_name(pipeline, stage))


def test_up_to_ten_faults_are_told_at_once(path: Path) -> None:
    """A person mends a file in one go; what is beyond ten is counted."""
    text = path.read_text(encoding="utf-8")
    lines = text.count(",proposed,") + text.count(",skip,")
    path.write_text(text.replace(",proposed,", ",maybe,").replace(",skip,", ",maybe,"), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        _read(path)

    told = str(caught.value)
    assert 10 == told.count("column decision: expected one of")
    assert told.endswith(f"; also {lines - 10} more")


def test_two_rows_for_one_field_are_named_with_both_lines(path: Path) -> None:
    """Nobody can tell which one counts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]), encoding="utf-8")

    with pytest.raises(
        ConfigError, match=rf"line {len(lines) + 1}, column source_field: the same .* as in line 2; delete"
    ):
        _read(path)


def test_two_decided_rows_cannot_share_a_target(path: Path) -> None:
    """The second would overwrite the first."""
    _edit(path, "cf_=notes,text,proposed", "cf_both,text,changed")
    _edit(path, 'cf_a_""b"",_c",text,proposed', 'cf_both",text,changed')

    with pytest.raises(ConfigError, match=r"column target_field: the same target as in line \d+"):
        _read(path)


@pytest.mark.parametrize(
    ("message", "content"),
    [
        pytest.param("line 1: missing column note", b"entity,source_field,target_entity,target_field,rule,decision,"
                     b"confidence,reason\n", id="missing"),
        pytest.param("line 1: unknown column extra", ",".join((*decisions.COLUMNS, "extra")).encode(), id="unknown"),
        pytest.param("line 1: repeated column note", ",".join((*decisions.COLUMNS, "note")).encode(), id="repeated"),
        pytest.param("not UTF-8 (byte 0)", b"\xff\xfe", id="other encoding"),
        pytest.param("line 2: 10 cells, expected 9", ",".join(decisions.COLUMNS).encode() + b"\n" + b"a," * 9 + b"b",
                     id="too many cells"),
        pytest.param("check the quotes", ",".join(decisions.COLUMNS).encode() + b'\n"a"b,', id="broken quotes"),
        pytest.param("line 1: missing column entity", b"", id="empty file"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_says_why(tmp_path: Path, message: str, content: bytes) -> None:
    """One line, never a traceback."""
    path = tmp_path / decisions.NAME
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        _read(path)

    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["=1+1", "+48", "-x", "@a", "'quoted", "''", "\ttab", "plain", ""])
def test_every_text_survives_the_apostrophe(tmp_path: Path, text: str) -> None:
    """Also one that starts with an apostrophe itself."""
    path = tmp_path / "one.csv"
    csvfiles.write(path, ["a", "b"], [{"a": text, "b": "x"}])

    assert [(2, {"a": text, "b": "x"})] == csvfiles.read(path, ["a", "b"])
