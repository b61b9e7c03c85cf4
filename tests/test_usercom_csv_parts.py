"""An export read by the thousand says what reading it row by row says: records, rejects, lines and reasons."""

import random
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from crmbook import tables
from crmbook.extract_columns import Columns
from crmbook.vendors import usercom_csv_blocks as blocks
from crmbook.vendors.usercom_csv import UserComCsv
from crmbook.vendors.usercom_csv_blocks import Block
from crmbook.vendors.usercom_csv_parts import ENTITIES, Part, parts
from crmbook.vendors.usercom_csv_text import Row, TextFile

TABLES = {
    "users": tables.SOURCE_CONTACTS, "companies": tables.SOURCE_COMPANIES, "deals": tables.SOURCE_DEALS,
    "activities": tables.HISTORY_ACTIVITIES,
}  # fmt: skip
HEADERS = {
    "users": "id,custom_id,name,email,gender,status,page_views,unsubscribed,last_seen,most_active_time,assigned_to,company_ids"
    ",tags,list_ids,fcm_key,chat_id,plan,seats,ratio,data,seen_at,is_trial,note,odd one,created_at",
    "companies": "id,name,size,phone_numbers,employees,tag_ids,created_at,odd one",
    "deals": "id,name,value,status,pipeline_id,stage,contact_id,expected_close_date,scope,order_products,tags,products,won_at,note",
    "activities": "id,activity_type,name,duration,done,due_date,user_id,company_id,odd one",
}
# Each means something else when the columns are these: they are read row by row.
ODD_HEADERS = (
    "id,name,company_ids,company_member_since", "id,name,attributes,key", "id,first_name,last_name,plan",
    "id,name,first_name,last_name", "id,approx_employees,user_id", "id,E-mail addr,email", "user_id,id,name", "id,companies,company_ids",
)  # fmt: skip
CATALOGS = {
    "tags": 'id,name,colour\n1,VIP,red\n2,"a, b",\n3,twice,\n4,twice,\n',
    "lists": 'id,name,description\n7,News,\n8,"Old, news",kept\n',
    "attributes": "id,name,name_std,content_type,value_type\n1,Plan,plan,user,fixed\n2,Seats,seats,user,integer\n"
    "3,Ratio,ratio,user,float\n4,Data,data,user,json\n5,Seen,seen_at,user,datetime\n6,Trial,is_trial,user,boolean\n"
    "7,Mail,E-mail addr,user,string\n8,Note,note,deal,date\n9,First,first_name,user,string\n",
}  # fmt: skip
CELLS = (
    "", "", "1", "0", "-0", "007", "+5", "12345", "-12", "12.50", "12.5", "0.0001", "0.00001", "1e5", "1.0", "-0.0",
    "9223372036854775808", "99999999999999999999", "1234567890.1234", "٣", "t", "f", "TRUE", " true ", "false", "null", "NaN", "nothing",
    "text", " text ", "tab\there", 'say "hi"', "back\\slash", "line\nbreak", "bell\x07", "ünïcödé 美咲", "\x7f\u2028", "{}", "{a}", '{"a, b",NULL}', "{1,2}", '{"1","7"}',
    "{7,8}", "{VIP}", '{VIP,twice,"a, b"}', "{torn", "[1,2]", '["x",null]', '{"k": {"deep": [1.0, null]}}', '{"k":"\\ud800"}', '"quoted"',
    '[{"id":1,"name":"VIP"}]', "2024-01-31", "2024-02-30", "0000-01-01", "2024-01-31T08:30:00Z", "2024-01-31T08:30:00.1234567Z",
    "2024-01-31 08:30:00+00", "2024-01-31 08:30:00.12+00", "2024-01-31 08:30:00.1234567+00", "2024-01-31 08:30", "2024-01-31T08:30:00+02:00",
    "2024-01-31T24:00:00Z", "2024-02-30T08:30:00Z", "0000-01-31T08:30:00Z", "2024-01-31T08:30:60Z", "male", "2", "3", "user", "visitor", "1", "abc-1", "a b", "_x", "x" * 65, "\\N",
)  # fmt: skip


def _cell(draw: random.Random, text: str) -> str:
    if text == "\\N":
        return text
    is_bare = not any(sign in text for sign in ',"\n') and draw.random() < 0.7
    return text if is_bare else '"' + text.replace('"', '""') + '"'


def _file(draw: random.Random, header: str, *, most: int = 30) -> str:
    names = header.split(",")
    lines = [header]
    few = draw.sample(CELLS, 12)
    for number in range(draw.randint(1, most)):
        # Most columns of a real export are what they say; a row of nothing but surprises is only ever rejected.
        usual = draw.random() < 0.8
        cells = [_cell(draw, "" if usual and draw.random() < 0.85 else draw.choice(few)) for _ in names]
        if draw.random() < 0.95:
            cells[names.index("id")] = str(number // 2)
        lines.append(",".join(cells[: len(cells) - (draw.random() < 0.03)]))
        if draw.random() < 0.03:
            lines.append(draw.choice(('"', "", " ", 'x"y', ",,", '"open,\n1')))
    return draw.choice(("\n", "\n", "\r\n")).join(lines) + draw.choice(("\n", ""))


def _folder(path: Path, files: dict[str, str]) -> UserComCsv:
    blank = {"users": "id\n", "companies": "id\n", "deals": "id\n"}
    for name, content in (blank | CATALOGS | files).items():
        (path / f"{name}.csv").write_bytes(content.encode())
    return UserComCsv(path)


def _read(export: UserComCsv, entity: str, *, by_row: bool) -> Columns:
    columns = Columns(TABLES[entity], sorted(export.declared(entity) or ()))
    if by_row:
        for page in export.pages(entity):
            columns.add(page.records)
    else:
        for part in parts(export, entity):
            if isinstance(part, Part):
                columns.add_part(part)
            else:
                columns.add(part)
    return columns


def _assert_same(export: UserComCsv, entity: str) -> int:
    expected, found = UserComCsv(export.folder), UserComCsv(export.folder)
    by_row, by_part = _read(expected, entity, by_row=True), _read(found, entity, by_row=False)

    assert expected.rejects == found.rejects
    assert expected.rejected(entity) == found.rejected(entity)
    assert_frame_equal(by_row.raw(), by_part.raw())
    assert_frame_equal(by_row.frame(), by_part.frame())
    assert (
        pl.concat(expected.users or [pl.Series()]).to_list()
        == pl.concat(found.users or [pl.Series()]).to_list()
    )
    return by_row.raw().height


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_kind_of_cell_reads_the_same(tmp_path: Path, entity: str) -> None:
    """Cells of every form in columns of every kind, in files with lines that are no rows."""
    draw, records = random.Random(entity), 0
    for _ in range(15):
        export = _folder(tmp_path, {entity: _file(draw, HEADERS[entity])})
        records += _assert_same(export, entity)
        assert all(isinstance(part, Part) for part in parts(export, entity))

    assert records > 15


@pytest.mark.parametrize("header", ODD_HEADERS)
def test_columns_that_mean_two_things_read_the_same(tmp_path: Path, header: str) -> None:
    """Names of two versions, memberships with times, names in two parts, and properties called like a standard field."""
    draw = random.Random(header)
    for _ in range(10):
        _assert_same(_folder(tmp_path, {"users": _file(draw, header)}), "users")


@pytest.mark.parametrize("text", CELLS)
def test_each_form_alone_reads_the_same(tmp_path: Path, text: str) -> None:
    """A record a cell, so that no other cell of its row hides what becomes of it."""
    draw = random.Random(0)
    names = HEADERS["users"].split(",")[1:]
    rows = [
        ",".join([str(n), *(_cell(draw, text if n == at else "") for at in range(len(names)))])
        for n in range(len(names))
    ]
    _assert_same(_folder(tmp_path, {"users": "\n".join([HEADERS["users"], *rows])}), "users")


@pytest.mark.parametrize(
    "lists",
    [
        pytest.param(["{}", "{1}", '{"1","2"}', '{12,"3",12}', ""], id="of numbers"),
        pytest.param(["{1}", "{a,2}"], id="with a name"),
        pytest.param(["{1}", "{01}"], id="with a leading zero"),
        pytest.param(["{1}", "[1,2]"], id="in JSON"),
        pytest.param(["{1}", "{1, 2 }"], id="with blanks"),
        pytest.param(["{1}", "{1,NULL}"], id="with a null"),
        pytest.param(["{1}", "{-1}"], id="with no id"),
        pytest.param(["{1}", "{1,}"], id="broken off"),
    ],
)
def test_ids_of_companies_read_the_same(tmp_path: Path, lists: list[str]) -> None:
    """Plain lists of numbers, and lists of anything else beside them."""
    rows = [f'{n},"{one.replace(chr(34), chr(34) * 2)}"' for n, one in enumerate(lists)]
    export = _folder(tmp_path, {"users": "\n".join(["id,company_ids", *rows, "99,"])})

    assert _assert_same(export, "users") >= len(lists)


def _told(row: Row) -> tuple[int, int, tuple[str | None, ...], str]:
    return row.line, row.offset, tuple(row.cells), row.problem


def _rows(block: Block) -> list[Row]:
    return [block.row(number) for number in range(block.cells.height)] + block.broken


@pytest.mark.parametrize("size", [1, 20, 300, 1 << 20])
@pytest.mark.parametrize("sep", [",", "\t"])
def test_blocks_hold_the_rows_of_the_file(tmp_path: Path, size: int, sep: str) -> None:
    """Whatever their size: the same cells, lines, offsets and problems, the null of databases and bytes that are no text."""
    draw = random.Random(f"{size}{sep}")
    pieces = (
        "a",
        "",
        '""',
        '"x"',
        f'"a{sep}b"',
        '"l1\nl2"',
        '"q""q"',
        "é",
        " ",
        "\\N",
        '"\\N"',
        "\r",
        "\x0b",
        "\ufeff",
        '"',
        "\n",
        sep,
        "\udcff",
    )
    for _ in range(40):
        width = draw.randint(1, 4)
        content = sep.join("abcd"[:width]) + draw.choice(("\n", "\r\n"))
        for _ in range(draw.randint(0, 20)):
            cells = [draw.choice(pieces[:9]) for _ in range(width)]
            row = sep.join(cells) if draw.random() < 0.85 else "".join(draw.choices(pieces, k=6))
            content += row + draw.choice(("\n", "\n", "\r\n"))
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        file = TextFile(path)
        found = [row for block in blocks.blocks(file, size) for row in _rows(block)]

        assert sorted(map(_told, file.rows())) == sorted(map(_told, found))
