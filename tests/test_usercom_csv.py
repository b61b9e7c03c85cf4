"""An export of the source: what its lines, cells and columns say, and what becomes of those that say nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from crmbook.errors import ConfigError, DataError, NotFound, UsageError
from crmbook.vendors import usercom_csv_cells as cells
from crmbook.vendors.usercom import Page
from crmbook.vendors.usercom_csv import UserComCsv
from crmbook.vendors.usercom_csv_text import TextFile
from crmbook.vendors.usercom_values import WrongTypeError

ATTRIBUTES = (
    "id,name,name_std,content_type,value_type\n"
    "1,Plan,plan,user,fixed\n2,Is trial,is_trial,user,boolean\n3,Seats,seats,user,integer\n4,Ratio,ratio,user,float\n"
    "5,Data,data,user,json\n6,Seen at,seen_at,user,datetime\n7,Lead source,lead_source,user,string\n"
    "8,Lead-Source,lead-source,user,string\n"
)


def _text(folder: Path, content: str | bytes, name: str = "users.csv") -> TextFile:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TextFile(path)


def _export(folder: Path, **files: str) -> UserComCsv:
    """A folder of exports; the three files that must be there hold their header only unless given."""
    blank = {"users": "id\n", "companies": "id,name\n", "deals": "id,name\n"}
    for entity, content in (blank | files).items():
        (folder / f"{entity}.csv").write_text(content, encoding="utf-8")
    return UserComCsv(folder)


def _fields(export: UserComCsv, entity: str = "users") -> list[dict[str, Any]]:
    return [record.fields for page in export.pages(entity) for record in page.records]


def _custom(folder: Path, header: str, row: str) -> dict[str, Any]:
    [fields] = _fields(_export(folder, attributes=ATTRIBUTES, users=f"id,{header}\n1,{row}\n"))
    found: dict[str, Any] = fields["attributes"]
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("id,name\n1,Ann\n", [["1", "Ann"]], id="commas"),
        pytest.param("id;name\n1;a,b\n", [["1", "a,b"]], id="semicolons"),
        pytest.param("id\tname\n1\tAnn\n", [["1", "Ann"]], id="tabs"),
        pytest.param("id|name\n1|Ann\n", [["1", "Ann"]], id="bars"),
        pytest.param("\ufeffid,name\n1,Ann\n", [["1", "Ann"]], id="byte order mark"),
        pytest.param("id,name\r\n1,Ann\r\n", [["1", "Ann"]], id="line ends of Windows"),
        pytest.param("id,name\n1,Ann", [["1", "Ann"]], id="no line end at the end"),
        pytest.param("id,name\n\n1,Ann\n\n", [["1", "Ann"]], id="blank lines"),
        pytest.param('id,name\n1,"say ""hi"", Ann"\n', [["1", 'say "hi", Ann']], id="doubled quotes"),
        pytest.param('id,name\n1,"two\nlines"\n', [["1", "two\nlines"]], id="line break in quotes"),
        pytest.param('id,name\n1,\n2,""\n', [["1", None], ["2", ""]], id="null beside empty text"),
        pytest.param('id,name\n1,\\N\n2,\n3,"\\N"\n', [["1", None], ["2", ""], ["3", "\\N"]], id="null has a marker"),
    ],
)  # fmt: skip
def test_rows_are_read_in_every_dialect(
    tmp_path: Path, content: str, expected: list[list[str | None]]
) -> None:
    """Separator, mark and line ends are found out; null and the empty text stay two things."""
    assert expected == [row.cells for row in _text(tmp_path, content).rows()]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"id,name\n1,A,B\n2,C\n", [(2, "3 cells, expected 2"), (3, "")], id="a cell too many"),
        pytest.param(b"id,name\n1\n2,C\n", [(2, "1 cells, expected 2"), (3, "")], id="a cell too few"),
        pytest.param(b"id,name\n1,\xff\n2,C\n", [(2, "not UTF-8; expected text saved as UTF-8"), (3, "")], id="bytes"),
        pytest.param(
            b'id,name\n1,"never closed\n2,C\n',
            [(2, "cell 2: a quote that is not closed; double a quote inside quotes"), (3, "")],
            id="open quote",
        ),
        pytest.param(
            b'id,name\n1,5" disk\n2,"C"\n',
            [(2, "cell 2: text beside quotes; expected the whole cell in quotes"), (3, "")],
            id="stray quote",
        ),
        pytest.param(
            b'id,name\n1,"x\ny",z\n2,C\n',
            [(2, "3 cells, expected 2"), (3, "cell 1: text beside quotes; expected the whole cell in quotes"), (4, "")],
            id="two lines",
        ),
    ],
)  # fmt: skip
def test_a_line_that_is_no_row_is_told_and_the_next_one_read(
    tmp_path: Path, content: bytes, expected: list[tuple[int, str]]
) -> None:
    """Every line is either a row or a problem with its number; a quote left open costs one line, not the file."""
    found = [(row.line, row.problem) for row in _text(tmp_path, content).rows()]

    assert expected == found


def test_line_numbers_count_the_lines_inside_quotes(tmp_path: Path) -> None:
    """The number is the one an editor shows."""
    file = _text(tmp_path, 'id,name\n1,"a\nb\nc"\n2,B\n3,C,D\n')

    assert [2, 5, 6] == [row.line for row in file.rows()]


def test_a_row_is_found_again_by_its_place(tmp_path: Path) -> None:
    """What hangs on one contact is read without reading the file again."""
    file = _text(tmp_path, '\ufeffid,name\n1,"ä\nb"\n2,Ü\n')
    rows = list(file.rows())

    assert rows[::-1] == list(file.at((row.line, row.offset) for row in rows[::-1]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "users.csv: empty; expected a line of column names", id="empty"),
        pytest.param("id,name\n".encode("utf-16"), "users.csv: UTF-16; save it as CSV UTF-8", id="wide"),
        pytest.param(b"id,,name\n", "users.csv line 1: column 2 has no name", id="nameless"),
        pytest.param(b"id,name,name\n", "users.csv line 1: columns 2 and 3 have the same name", id="twice"),
    ],
)
def test_a_header_that_cannot_be_read_stops_at_once(tmp_path: Path, content: bytes, message: str) -> None:
    """Without names no row means anything."""
    with pytest.raises(DataError) as caught:
        _text(tmp_path, content)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{}", [], id="nothing"),
        pytest.param("{a,b}", ["a", "b"], id="plain"),
        pytest.param('{"Sea, sun","said \\"no\\"","a\\\\b | c","Wine {tasting}"}',
                     ["Sea, sun", 'said "no"', "a\\b | c", "Wine {tasting}"], id="quoted"),
        pytest.param('{a,NULL,"NULL",""}', ["a", None, "NULL", ""], id="null and its name"),
        pytest.param("{City breaks,Food}", ["City breaks", "Food"], id="blank inside"),
        pytest.param('["a", "b, c"]', ["a", "b, c"], id="json"),
    ],
)  # fmt: skip
def test_a_list_keeps_its_elements(text: str, expected: list[Any]) -> None:
    """Quotes, backslashes, braces and commas belong to the value."""
    assert expected == cells.elements(text)


@pytest.mark.parametrize("text", ["{a", '{a,"b}', "{a,,b}", "a,b", '{a}"b"', "{a,}"])
def test_a_broken_list_is_none(text: str) -> None:
    """Half a list would lose the other half."""
    with pytest.raises(WrongTypeError, match="a list such as"):
        cells.elements(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31T08:30:00.123456Z", "2024-01-31T08:30:00.123456Z"),
        ("2024-01-31 08:30:00.123456+00", "2024-01-31T08:30:00.123456Z"),
        ("2024-01-31 08:30:00+00", "2024-01-31T08:30:00.000000Z"),
        ("2024-01-31 08:30:00+05:30", "2024-01-31T08:30:00+05:30"),
        ("2024-01-31 08:30:00-0330", "2024-01-31T08:30:00-03:30"),
        ("2024-01-31 08:30:00", "2024-01-31T08:30:00Z"),
        ("2024-01-31 08:30 UTC", "2024-01-31T08:30:00Z"),
    ],
)
def test_a_time_is_read_in_both_styles(text: str, expected: str) -> None:
    """The instant stays; without an offset it is UTC."""
    assert expected == cells.moment(text)


@pytest.mark.parametrize(
    "text", ["yesterday", "2024-02-30 10:00:00+00", "2024-01-31", "infinity", "31.01.2024 10:00"]
)
def test_what_is_no_time_is_not_guessed(text: str) -> None:
    """No day before month, no date without a clock."""
    with pytest.raises(WrongTypeError, match="a time such as"):
        cells.moment(text)


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        pytest.param("plan", '"{""pro, yearly""}"', ["pro, yearly"], id="choice with a comma"),
        pytest.param("plan", "pro", "pro", id="choice as plain text"),
        pytest.param("is_trial", "t", True, id="t"),
        pytest.param("is_trial", "f", False, id="f"),
        pytest.param("is_trial", "maybe", "maybe", id="no truth value"),
        pytest.param("seats", "9007199254740993", 9007199254740993, id="integer beyond a float"),
        pytest.param("seats", "007", "007", id="a code"),
        pytest.param("ratio", "0.1", 0.1, id="float"),
        pytest.param("ratio", "0.10000000000000000001", "0.10000000000000000001", id="digits no float holds"),
        pytest.param("data", '"{""a"": [1, null]}"', {"a": [1, None]}, id="json"),
        pytest.param("data", '"""text"""', "text", id="json text"),
        pytest.param("data", "{'a'", "{'a'", id="malformed json"),
        pytest.param("seen_at", "2024-01-31 08:30:00.5+00", "2024-01-31T08:30:00.500000Z", id="stored instant"),
        pytest.param("seen_at", "2024-01-31T08:30:00+02:00", "2024-01-31T08:30:00+02:00", id="instant as received"),
        pytest.param("lead_source", '""', "", id="empty text"),
    ],
)  # fmt: skip
def test_a_custom_property_is_what_the_api_sends(
    tmp_path: Path, column: str, cell: str, expected: Any
) -> None:
    """By its declared type; what doesn't fit stays the text it is, to the last digit."""
    found = _custom(tmp_path, column, cell)

    assert {column: expected} == found
    assert type(expected) is type(found[column])


def test_a_null_property_is_not_sent(tmp_path: Path) -> None:
    """As over the API."""
    assert {} == _custom(tmp_path, "plan", "")


def test_properties_are_found_by_either_name(tmp_path: Path) -> None:
    """Names that differ by a hyphen only are two; a display name is understood."""
    found = _custom(tmp_path, "lead_source,lead-source,Is trial", "a,b,t")

    assert {"lead_source": "a", "lead-source": "b", "is_trial": True} == found


def test_without_declarations_lists_and_json_are_told_by_their_looks(tmp_path: Path) -> None:
    """All filled cells of the column must look like it; t and f stay text, for a rule to decide."""
    users = 'id,Plan Type,meta,flag,odd\n1,"{a,b}","{""x"": 1}",t,{a}\n2,{},,f,plain\n'
    first, second = _fields(_export(tmp_path, users=users))

    assert {"plan_type": ["a", "b"], "meta": {"x": 1}, "flag": "t", "odd": "{a}"} == first["attributes"]
    assert {"plan_type": [], "flag": "f", "odd": "plain"} == second["attributes"]


def test_names_of_version_1_mean_what_they_meant_there(tmp_path: Path) -> None:
    """`user_id` is the client's own id in version 1 and the vendor's in version 2."""
    export = _export(
        tmp_path,
        users="id,user_id,key,E-mail\n1,crm-1,k1,a@x.example\n",
        companies="id,company_id,name,approx_employees\n8,c-8,Firm,40\n",
        deals="id,deal_id,name,person,user_id,company,pipeline,stage\n4,d-4,D,1,crm-1,8,1,2\n",
    )
    [user], [firm], [deal] = (_fields(export, entity) for entity in ("users", "companies", "deals"))

    assert ("crm-1", "k1", "a@x.example", {}) == tuple(
        user[k] for k in ("custom_id", "user_key", "email", "attributes")
    )
    assert ("c-8", 40) == (firm["custom_id"], firm["size"])
    assert ("d-4", "1", "crm-1", "8") == tuple(
        deal[k] for k in ("custom_id", "user_id", "user_custom_id", "company_id")
    )


@pytest.mark.parametrize(
    ("header", "cells_"),
    [
        pytest.param("tags,list_ids,company_ids,company_member_since",
                     '"{vip,""a,b""}",{3},"{9,8}","{""2023-02-01 00:00:00+00"",NULL}"', id="names and ids"),
        pytest.param("tag_ids,lists,companies",
                     '"{5,6}",{News},"[{""id"": 9, ""member_since"": ""2023-02-01T00:00:00.000000Z""}, {""id"": 8}]"', id="json"),
    ],
)  # fmt: skip
def test_relations_are_resolved(tmp_path: Path, header: str, cells_: str) -> None:
    """Tags and lists by id or name, memberships with their times."""
    export = _export(
        tmp_path,
        tags='id,name\n5,vip\n6,"a,b"\n',
        lists="id,name\n3,News\n",
        users=f"id,{header}\n1,{cells_}\n",
    )
    [user] = _fields(export)

    assert [("5", "vip"), ("6", "a,b")] == [(tag["id"], tag["name"]) for tag in user["tags"]]
    assert ["3"] == [one["id"] for one in user["lists"]]
    assert [("9", "2023-02-01T00:00:00.000000Z"), ("8", None)] == [
        (one["id"], one["member_since"]) for one in user["companies"]
    ]
    assert {} == export.rejects


@pytest.mark.parametrize(
    ("header", "cell", "reason"),
    [
        pytest.param("page_views", "many", "column page_views: expected a whole number", id="number"),
        pytest.param("unsubscribed", "maybe", "column unsubscribed: expected t or f", id="flag"),
        pytest.param("Last seen", "soon", "column Last seen: expected a time such as 2024-01-31T08:30:00Z", id="time"),
        pytest.param("plan", "{a", 'column plan: expected a list such as {a,"b, c"}', id="list"),
        pytest.param("list_ids", "{4}", "column list_ids: expected ids that stand in lists.csv", id="list id"),
        pytest.param("lists", "{Old}", "column lists: expected names that stand once in lists.csv", id="list name"),
        pytest.param("lists", "{Twice}", "column lists: expected names that stand once in lists.csv", id="two lists"),
        pytest.param("gender", "7", "users 1: gender: expected a gender, got a number", id="code"),
        pytest.param("company_member_since", '"{""2024-01-01T00:00:00Z""}"',
                     "column company_member_since: expected one time for each of company_ids", id="memberships"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_rejected_with_its_place(
    tmp_path: Path, header: str, cell: str, reason: str
) -> None:
    """File, line, column and what was expected; never what is there. The next row is read, the page counts it."""
    export = _export(
        tmp_path,
        attributes=ATTRIBUTES,
        lists="id,name\n3,News\n5,Twice\n6,Twice\n",
        users=f"id,{header}\n1,{cell}\n2,\n",
    )
    pages = list(export.pages("users"))

    assert ["2"] == [record.source_id for page in pages for record in page.records]
    assert {("users.csv", 2): reason} == export.rejects
    assert 1 == sum(page.rejected for page in pages)


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ("name\nAnn\n", "users.csv line 1: missing column id; expected the names of the columns there"),
        ("id,email,E-mail\n", "users.csv line 1: columns email and E-mail mean the same; keep one"),
    ],
)
def test_a_header_must_tell_the_id_and_each_field_once(tmp_path: Path, users: str, message: str) -> None:
    """Which of two columns counts is not for a program to choose."""
    with pytest.raises(DataError) as caught:
        _fields(_export(tmp_path, users=users))

    assert message == str(caught.value)


def test_a_file_that_is_not_there_is_not_available(tmp_path: Path) -> None:
    """Which isn't the same as a file without rows, unless a person was to fill it in."""
    export = _export(tmp_path, tags="id,name\n", agents="agent_id,name,email\n")

    assert [Page([], None)] == list(export.pages("tags"))
    assert [False, False, True] == [export.available(entity) for entity in ("lists", "agents", "tags")]
    with pytest.raises(NotFound, match=r"read lists.csv: not found for lists"):
        next(export.pages("lists"))


def test_the_three_main_files_must_be_there(tmp_path: Path) -> None:
    """An account without companies has a file that says so."""
    (tmp_path / "users.csv").write_text("id\n")

    with pytest.raises(ConfigError, match=r"companies.csv, deals.csv not in"):
        UserComCsv(tmp_path)


def test_an_unknown_entity_is_a_mistake(tmp_path: Path) -> None:
    """A typo must not pass for an empty file."""
    with pytest.raises(UsageError, match="no entity tasks"):
        next(_export(tmp_path).pages("tasks"))


def test_pipelines_are_put_together_from_their_stages(tmp_path: Path) -> None:
    """One row a stage, as in the file a person fills in."""
    header = "pipeline_id,pipeline,pipeline_position,stage_id,stage,stage_position,probability"
    export = _export(
        tmp_path, pipelines=f"{header}\n1,Sales,1,10,New,1,12.5\n2,Other,,20,Due,,\n1,Sales,1,11,Won,2,100\n"
    )
    first, second = _fields(export, "pipelines")

    assert [("10", "New", 12.5), ("11", "Won", 100.0)] == [
        (stage["id"], stage["name"], stage["probability"]) for stage in first["stages"]
    ]
    assert ("Other", None) == (second["name"], second["stages"][0]["probability"])


def test_history_is_found_by_user_and_conversation(tmp_path: Path) -> None:
    """Messages stand in a file of their own; one without its conversation is told."""
    export = _export(
        tmp_path,
        events='id,user_id,name,timestamp,data\n1,7,signed_up,2024-01-01 10:00:00+00,"{""a"": 1}"\n2,8,left,,\n',
        conversations="id,user_id,agent_id,active\n70,7,11,f\n71,8,,t\n",
        messages="id,conversation_id,author,agent_id,content,source,timestamp\n"
        '1,70,user,,"Hi, ""you""",chat,2024-01-01T10:00:00Z\n2,70,agent,11,Yes?,2,2024-01-01T10:01:00Z\n3,99,user,,?,1,\n',
    )
    [event] = [r.fields for page in export.events("7") for r in page.records]
    talk, quiet = _fields(export, "conversations")

    assert ({"a": 1}, "2024-01-01T10:00:00.000000Z") == (event["data"], event["timestamp"])
    assert [("user", None, 'Hi, "you"'), ("agent", "11", "Yes?")] == [
        (m["author"], m["agent_id"], m["content"]) for m in talk["messages"]
    ]
    assert ("8", []) == (quiet["user_id"], quiet["messages"])
    assert talk == export.conversation("70").fields
    assert ["70"] == [r.source_id for page in export.conversations("7") for r in page.records]
    assert {("messages.csv", 4): "no such conversation in conversations.csv"} == export.rejects


def test_members_of_a_segment_need_their_file(tmp_path: Path) -> None:
    """A segment without members is one thing, members nobody exported another."""
    export = _export(tmp_path, segments="id,name\n30,All\n")
    with pytest.raises(ConfigError, match=r"segment_members.csv is not there"):
        next(export.segment_members("30"))

    (tmp_path / "segment_members.csv").write_text("segment_id,user_id\n30,1\n31,2\n30,3\n")
    assert ["1", "3"] == [r.source_id for page in export.segment_members("30") for r in page.records]


def test_the_record_as_received_is_the_object_the_api_would_send(tmp_path: Path) -> None:
    """Ids are numbers, relations objects, text as it stands."""
    export = _export(
        tmp_path, attributes=ATTRIBUTES, users='id,name,unsubscribed,plan\n1,"Zoë ""Z""",f,{a}\n'
    )
    [record] = [r for page in export.pages("users") for r in page.records]

    assert {"id": 1, "name": 'Zoë "Z"', "unsubscribed": False, "plan": ["a"]} == json.loads(record.raw)


def test_a_hundred_thousand_rows_come_in_pages(tmp_path: Path) -> None:
    """No page holds the file; a broken line in the middle costs itself."""
    lines = [f"{n},u{n}@x.example" for n in range(100_000)]
    lines[50_000] = '50000,"broken'
    export = _export(tmp_path, companies="id,name\n" + "\n".join(lines) + "\n")
    sizes = [len(page.records) for page in export.pages("companies")]

    assert (99_999, 500) == (sum(sizes), max(sizes))
    assert [("companies.csv", 50_002)] == list(export.rejects)
