"""Fuzz targets for what comes from the source: its CSV exports, its API, and the files a customer fills in instead."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import httpx

from crmbook import (
    extract_columns,
    extract_csv,
    extract_frames,
    extract_history_frames,
    handoff_read,
    source_files,
    tables,
)
from crmbook.phases import handoff
from crmbook.vendors import usercom_csv_parts
from crmbook.vendors.usercom import ROUTES, Page, UserCom
from crmbook.vendors.usercom_csv import UserComCsv
from crmbook.vendors.usercom_csv_kinds import whole
from crmbook.vendors.usercom_csv_text import TextFile
from fuzz.hostile import MARKER, Bytes, as_json, damaged, frayed, refusal

_AT: Final = "2026-03-02T09:30:00.000000Z"
_TABLES: Final = {
    "users": tables.SOURCE_CONTACTS, "companies": tables.SOURCE_COMPANIES, "deals": tables.SOURCE_DEALS, "tags": tables.TAGS,
    "lists": tables.LISTS, "segments": tables.SEGMENTS, "agents": tables.AGENTS, "activity_types": tables.ACTIVITY_TYPES,
    "activities": tables.HISTORY_ACTIVITIES, "events": tables.HISTORY_EVENTS, "emails": tables.HISTORY_EMAILS,
}  # fmt: skip

EXPORTS: Final[dict[str, str]] = {
    "users": f"id,name,email,tags,lists,company_ids,created_at,score,last_seen,plan,seats\n"
    f'1,"Ann, {MARKER}",{MARKER},"{{vip}}","{{Fair}}","{{9}}",{_AT},5,2026-03-02 09:30:00+00,gold,3\n2,=Bo,,,,,,,,"{{a,""b""}}",x\n',
    "companies": f'id,name,phone_numbers,size,tags,created_at\n9,{MARKER},"{{+48 1,NULL}}",4,{{vip}},{_AT}\n',
    "deals": f"id,name,value,currency,pipeline,stage,user_id,participants,expected_close_date\n50,{MARKER},12.50,EUR,1,10,1,{{1}},2026-05-01\n",
    "attributes": "id,name,name_std,content_type,value_type\n1,Plan,plan,user,fixed\n2,Seats,seats,user,integer\n",
    "tags": "id,name\n1,vip\n", "lists": "id,name\n5,Fair\n", "segments": "id,name,object_count\n6,Active,1\n",
    "segment_members": "segment_id,user_id\n6,1\n", "agents": f"id,name,email\n7,Ann,{MARKER}\n",
    "activities": f"id,activity_type,name,due_date,done,user_id,description\n3,1,Call,{_AT},t,1,{MARKER}\n",
    "activity_types": "id,name,kind\n1,Call,call\n", "events": f'id,user_id,name,timestamp,data\n4,1,seen,{_AT},"{{""a"":1}}"\n',
    "emails": f"id,user_id,status,sent_at,subject\n8,1,sent,{_AT},{MARKER}\n", "campaigns": "id,name\n2,Spring\n",
    "conversations": "id,user_id,agent_id,active\n11,1,7,t\n",
    "messages": f"id,conversation_id,author,content,timestamp\n1,11,user,{MARKER},{_AT}\n2,11,agent,hello,{_AT}\n",
    "pipelines": "pipeline_id,pipeline,stage_id,stage,probability\n1,Sales,10,New,12.5\n1,Sales,11,Won,100\n",
}  # fmt: skip
_CELLS: Final = (
    "", '""', "\\N", "t", "f", "0", "-1", "9" * 30, "9" * 5000, "1e999", "-0", "{}", "{a", '"{a,""b""}"', "[", "[1,2]", _AT, "2026-02-30",
    MARKER, "=1+1", "\t", '"', '"a', 'a"b', "\x00", "٣", "null", "NULL", "{NULL}", '"{""id"":1}"', "Infinity", "x" * 2000, "\u2028",
)  # fmt: skip

API: Final[dict[str, Any]] = {
    "users": [{"id": 1, "custom_id": "c", "user_key": "k", "name": MARKER, "email": MARKER, "status": "user", "gender": 2,
               "tags": [{"id": 1, "name": "vip"}], "lists": [{"id": 5, "name": "Fair"}],
               "companies": [{"id": 9, "name": "Haff", "member_since": _AT}], "created_at": _AT, "last_seen": _AT, "score": 5,
               "attributes": [{"name": "Plan", "name_std": "plan", "value": MARKER}], "first_name": "A", "unsubscribed": False},
              {"id": 2, "key": "k2", "user_id": "old", "name": None, "email": None, "plan": ["gold"]}],
    "companies": [{"id": 9, "custom_id": "h", "name": MARKER, "phone_numbers": ["+48 1"], "size": 4, "employees": [1],
                   "tags": [{"id": 1, "name": "vip"}], "created_at": _AT}, {"id": 10, "approx_employees": 3, "company_id": "x"}],
    "deals": [{"id": 50, "custom_id": "d", "name": MARKER, "value": "12.50", "currency": "EUR", "pipeline": 1, "stage": 10,
               "status": 1, "user_id": 1, "participants": [1], "products": [3], "order_products": [{"id": 3, "quantity": 1}],
               "expected_close_date": "2026-05-01", "loss_reason": {"name": "price"}, "created_at": _AT}],
    "tags": [{"id": 1, "name": "vip"}], "lists": [{"id": 5, "name": "Fair", "description": MARKER}],
    "segments": [{"id": 6, "name": "Active", "object_count": 1}],
    "activities": [{"id": 3, "activity_type": 1, "name": MARKER, "due_date": _AT, "done": True, "user_id": 1, "duration": 3}],
    "events": [{"id": 4, "client": 1, "event": "seen", "timestamp": 1772443800, "items": [{"key": "a", "value": MARKER}]}],
    "emails": [{"id": 8, "status": 2, "sent_at": _AT, "subject": MARKER}],
    "campaigns": [{"id": 2, "name": "Spring", "statistics": {"sent": 1}}],
    "agents": [{"id": 7, "name": "Ann", "email": MARKER}],
    "pipelines": [{"id": 1, "name": "Sales", "position": 1, "stages": [{"id": 10, "name": "New", "position": 1, "probability": 12.5}]}],
    "activity_types": [{"id": 1, "name": "Call", "kind": "call"}],
    "conversations": [{"id": 11, "user": {"id": 1}, "agent": 7, "active": True, "messages": [
        {"id": 1, "user": {"id": 1, "key": "k"}, "content": MARKER, "source": 1, "timestamp": _AT},
        {"id": 2, "user": {"id": 7, "key": None}, "content": "hello", "source": "chat", "timestamp": _AT}]}],
    "attributes": [{"id": 1, "name": "Plan", "name_std": "plan", "content_type": "user", "value_type": "fixed"}],
}  # fmt: skip
_STATUSES: Final = (200, 200, 200, 200, 201, 204, 302, 400, 401, 404, 422, 429, 500)
_TYPES: Final = ("application/json", "text/html", "")

GAPS: Final = {
    "pipelines": "pipeline_id,pipeline,pipeline_position,stage_id,stage,stage_position,probability\n1,Sales,1,10,New,1,12.5\n",
    "agents": f"agent_id,name,email\n7,Ann,{MARKER}\n",
    "activity_types": "activity_type_id,name,kind\n1,Call,call\n",
    "automations": f"name,trigger,conditions,actions,active,notes\nWelcome,sign-up,,mail {MARKER},yes,\n",
}


@cache
def scratch() -> Path:
    """A folder for this process; the operating system's temporary folder is cleaned by whoever owns it."""
    folder = tempfile.TemporaryDirectory(prefix="crmbook-fuzz-")
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: Final[list[tempfile.TemporaryDirectory[str]]] = []


def csv_export(content: bytes) -> None:
    """One file of an export is hostile: rows in are records out and rejects, or the file is refused by name."""
    how = Bytes(content)
    entity = how.pick(sorted(EXPORTS))
    folder = _healthy_export()
    (folder / f"{entity}.csv").write_bytes(how.rest() if how.below(2) else _rows(EXPORTS[entity], how))
    try:
        refusal(
            lambda: _read_export(folder, entity),
            r"\b[a-z_]+\.csv\b|^(contacts|companies|deals|history_|messages)",
        )
    finally:
        (folder / f"{entity}.csv").write_text(EXPORTS[entity], encoding="utf-8")


@cache
def _healthy_export() -> Path:
    folder = scratch() / "exports"
    folder.mkdir()
    for name, good in EXPORTS.items():
        (folder / f"{name}.csv").write_text(good, encoding="utf-8")
    return folder


def _rows(good: str, how: Bytes) -> bytes:
    """The header of *good*, sometimes spoiled, and rows of hostile cells."""
    header = good.partition("\n")[0].split(",")
    if how.below(3) == 1:
        header[how.below(len(header))] = how.pick(
            ("id", "", '"', "name", "plan", "x y", header[0].upper(), "user_id")
        )
    lines = [",".join(header)]
    for _ in range(how.below(6)):
        cells = ["1", *(how.pick(_CELLS) for _ in header[1:])]
        lines.append(how.pick((",", ",", ",", ";")).join(cells[: len(cells) - (how.below(9) == 1)]))
    if how.below(2):
        lines += good.splitlines()[1:]
    return frayed(how.pick(("\n", "\r\n", "\r")).join(lines).encode(), how)


# What is read differently where a file is: whoever takes its names, types or rows from it.
_READ_WITH: Final = {
    "attributes": ("attributes", "users"), "tags": ("tags", "users"), "lists": ("lists", "users"), "messages": ("conversations",),
    "segment_members": (),
}  # fmt: skip


def _read_export(folder: Path, entity: str) -> None:
    export = UserComCsv(folder)
    export.check()
    for name in _READ_WITH.get(entity, (entity,)):
        if export.available(name):
            pages = list(export.pages(name))
            framed(name, pages, export)
            _same_by_parts(name, pages, export)
            records = sum(len(page.records) for page in pages)
            if name == "pipelines":
                records = sum(len(one.fields["stages"]) for page in pages for one in page.records)
            _balanced(export, name, records)
            if name in ("events", "emails", "conversations"):
                of_users = [list(getattr(export, name)(user_id)) for user_id in ("1", "2")]
                framed(name, [page for pages in of_users for page in pages], export)
    list(export.segment_members("6"))
    assert extract_csv.rejects(export).height == len(export.rejects)
    assert not [reason for reason in export.rejects.values() if "Zq7Plant" in reason]


def _same_by_parts(name: str, pages: list[Page], export: UserComCsv) -> None:
    """Read by the thousand the file holds the same records, and the same of its lines are none, for the same reasons."""
    if name not in usercom_csv_parts.ENTITIES:
        return
    again = UserComCsv(export.folder)
    raw: list[str] = []
    for part in usercom_csv_parts.parts(again, name):
        raw += part.raw.to_list() if isinstance(part, usercom_csv_parts.Part) else [one.raw for one in part]
    # Half a character in JSON is replaced where it becomes a column.
    assert raw == [whole(one.raw) for page in pages for one in page.records]
    file = f"{name}.csv"
    for_file = [{at: why for at, why in one.rejects.items() if at[0] == file} for one in (export, again)]
    assert for_file[0] == for_file[1]


def _balanced(export: UserComCsv, name: str, records: int) -> None:
    rows = sum(1 for _ in TextFile(export.folder / f"{name}.csv").rows())
    lost = sum(file == f"{name}.csv" for file, _ in export.rejects)
    assert records + lost == rows, f"{name}: {rows} rows in, {records} records out, {lost} rejected"


def framed(entity: str, pages: list[Page], client: Any) -> None:
    """The records of *pages* as the table discovery makes of them: each id once, nothing else lost."""
    records = [one for page in pages for one in page.records]
    ids = {one.source_id for one in records}
    if entity in _TABLES:
        columns = extract_columns.Columns(_TABLES[entity], sorted(client.declared(entity) or ()))
        columns.add(records)
        assert columns.frame().height == len(ids)
        assert columns.raw().height == len(ids)
    elif entity == "conversations":
        talked = extract_history_frames.talks([records])
        sent = sum(len(one.fields["messages"] or []) for one in records)
        assert (talked.conversations.height, talked.messages.height) == (len(ids), sent)
        extract_history_frames.heard(talked)
    elif entity == "pipelines":
        extract_frames.stages(records)
    elif entity == "attributes":
        extract_frames.attributes(records)


def usercom_api(content: bytes) -> None:
    """One kind of answer is hostile: every result in it becomes a record, or the route's entity is named."""
    how = Bytes(content)
    entity = how.pick(sorted(API))
    is_raw, status = how.below(4) == 1, how.pick(_STATUSES)
    kind = how.pick(_TYPES)
    if is_raw:
        body = how.rest()
    else:
        page = {"count": len(API[entity]), "next": how.pick((None, None, None, "/api/public/x/?page=2", "https://evil.example/")),
                "previous": None, "results": API[entity]}  # fmt: skip
        body = frayed(as_json(damaged(page, how)), how)

    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.path.removeprefix("/api/public/")
        is_hostile = _asks_for(asked, entity)
        if not is_hostile:
            known = next((rows for name, rows in API.items() if _asks_for(asked, name)), [])
            return httpx.Response(200, json={"count": None, "next": None, "results": known})
        headers = {"content-type": kind, "location": "http://evil.example/"}
        return httpx.Response(status, headers=headers, content=b"" if status == 204 else body)

    client = UserCom(
        "http://127.0.0.1/api/public/", "tok", transport=httpx.MockTransport(answer), max_wait_s=0, attempts=1
    )
    for call in _calls(client, entity):
        refusal(
            call,
            r"\b(GET|contacts?|attributes|users|a page|messages|stages|contents?|conversation|"
            + entity
            + r")\b",
        )
    client.close()


def _asks_for(path: str, entity: str) -> bool:
    if entity == "conversations":
        return "conversations" in path
    if entity in ("events", "emails"):
        return path.rstrip("/").endswith(entity)
    return (
        path.startswith(ROUTES.get(entity, f"{entity}/"))
        and "/" not in path[len(ROUTES.get(entity, entity)) :]
    )


def _calls(client: UserCom, entity: str) -> Iterator[Callable[[], Any]]:
    if entity in ROUTES:
        yield lambda: framed(entity, list(client.pages(entity)), client)
        yield lambda: client.available(entity)
    yield lambda: client.declared("users")
    yield client.check
    for name in ("events", "emails", "conversations"):
        if entity == name:
            yield lambda: framed(entity, list(getattr(client, entity)("1")), client)
    if entity == "conversations":
        yield lambda: client.conversation("11").fields["messages"]
    if entity == "users":
        yield lambda: list(client.segment_members("6"))


def gap_files(content: bytes) -> None:
    """A file the customer fills in is hostile: a table, or its name with line and column."""
    how = Bytes(content)
    entity = how.pick(sorted(GAPS))
    folder = scratch() / "source"
    folder.mkdir(exist_ok=True)
    path = folder / f"{entity}.csv"
    path.write_bytes(how.rest() if how.below(2) else _rows(GAPS[entity], how))
    refusal(
        lambda: _automations(path) if entity == "automations" else source_files.read(folder, entity),
        rf"^{entity}\.csv\b",
    )


def _automations(path: Path) -> Any:
    phase = scratch() / "07_handoff"
    phase.mkdir(exist_ok=True)
    (phase / path.name).unlink(missing_ok=True)
    return handoff.automations(
        handoff_read.automations(SimpleNamespace(source_folder=path.parent, phase_folder=phase))
    )
