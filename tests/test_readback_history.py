"""Reading the history back: exact shapes, precise refusals, and what a real sandbox tells on both editions."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from crmbook import readback_history, readback_shapes, tables
from crmbook.errors import DataError
from crmbook.sandbox.server import Sandbox
from crmbook.vendors import download
from crmbook.vendors.freshsales import Freshsales, connect
from reconciliation_world import frame

LONG_AGO, FAR = "1969-12-31T23:59:59Z", "2099-01-01T00:00:00Z"


@dataclass
class Watched:
    """A run, as far as reading needs it."""

    frames: dict[str, pl.DataFrame]

    def read(self, table: str) -> pl.DataFrame:
        return self.frames[table]

    def progress(self, entity: str, done: int, total: int | None = None) -> None:
        assert entity
        assert total is not None
        assert done <= total


@pytest.fixture(scope="module", params=["suite", "classic"])
def box(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, str]]:
    with Sandbox(edition=request.param, switches={"index_delay_s": 0}) as running:
        yield running, request.param


@pytest.fixture
def target(box: tuple[Sandbox, str]) -> Iterator[Freshsales]:
    sandbox, edition = box
    sandbox.admin("POST", "reset")
    ready = sandbox.ready["freshsales_test"]
    made = connect(edition, ready["base_url"], ready["token"])
    yield made
    made.close()


@dataclass
class Case:
    """What was made in the target, and the run that knows it."""

    run: Watched
    ids: dict[str, int]
    person: str
    owner_id: int


@pytest.fixture
def case(target: Freshsales, tmp_path: Path) -> Case:
    """A person (a lead where the edition has leads) with one of each, a deal with a file, and strangers."""
    has_leads = "leads" in target.edition.modules
    module, kind = ("leads", "Lead") if has_leads else ("contacts", "Contact")
    person = target.create(module, {"last_name": "Ada", "email": "ada@x.example"})["id"]
    other = target.create("contacts", {"last_name": "Bo", "email": "bo@x.example"})["id"]
    deal = target.create("deals", {"name": "Deal", "amount": 1})["id"]
    owner = target.selector("owners")[0]["id"]
    types = {row["internal_name"]: row["id"] for row in target.selector("sales_activity_types")}
    on = {"targetable_type": kind, "targetable_id": person}
    at_deal = {"targetable_type": "Deal", "targetable_id": deal}
    made = {
        "task": target.create(
            "tasks", {"title": "Done", "due_date": LONG_AGO, "status": 1, "owner_id": owner, "description": "d", **on}
        ),
        "open": target.create("tasks", {"title": "Open", "due_date": FAR, "status": 0, **at_deal}),
        "appointment": target.create(
            "appointments", {"title": "Meet", "from_date": LONG_AGO, "end_date": FAR, "time_zone": "UTC", **on}
        ),
        "sales_activity": target.create(
            "sales_activities",
            {"title": "Call", "start_date": LONG_AGO, "end_date": LONG_AGO, "notes": "n", "owner_id": owner,
             "sales_activity_type_id": types["phone"], **on},
        ),
        "note": target.create("notes", {"description": "one<br>two", **on}),
        "stranger": target.create("notes", {"description": "by hand", **on}),
        "list": target.create_list("A"),
        "empty": target.create_list("B"),
        "theirs": target.create_list("Theirs"),
        "document_link": target.link(module, person, "https://x.example/1", "site"),
    }  # fmt: skip
    target.create(
        "notes", {"description": "on nobody of ours", "targetable_type": "Contact", "targetable_id": other}
    )
    file = tmp_path / "a.pdf"
    file.write_bytes(b"12345")
    made["document"] = target.upload("deals", deal, file)
    target.add_to_list(made["list"]["id"], [other])
    ids = {name: row["id"] for name, row in made.items()} | {"person": person, "other": other, "deal": deal}
    place = "lead" if has_leads else "contact"
    crosswalk = [
        (place, "1", person), ("contact", "2", other), ("deal", "3", deal), ("task", "t1", ids["task"]),
        ("list", "list:1", ids["list"]), ("list", "list:2", ids["empty"]),
    ]  # fmt: skip
    frames = {
        "crosswalk": frame(
            tables.CROSSWALK,
            *({"entity": e, "source_id": s, "target_id": t, "origin": "created"} for e, s, t in crosswalk),
        ),
        "notes": frame(
            tables.NOTES, {"source_id": "n", "description": "", "parent_kind": "contact", "parent_id": "1"}
        ),
        "documents": frame(
            tables.DOCUMENTS,
            {"source_id": "f", "kind": "file", "parent_kind": "deal", "parent_id": "3"},
            {"source_id": "l", "kind": "link", "parent_kind": "contact", "parent_id": "1"},
        ),
    }
    return Case(Watched(frames), ids, f"{place}:{person}", owner)


def served(url: str, size_bytes: int) -> str | None:
    return download.sha256(url, size_bytes=size_bytes)


def rows(found: dict[str, pl.DataFrame], table: str) -> dict[int, dict[str, Any]]:
    return {row.pop("target_id"): row for row in found[f"actual_{table}"].to_dicts()}


def test_the_target_tells_its_history(target: Freshsales, case: Case) -> None:
    """Every module with its instants, texts, owners and parents; done and open tasks, past and coming meetings alike."""
    found = readback_history.records(case.run, target, served)
    ids, deal = case.ids, f"deal:{case.ids['deal']}"
    long_ago, far = (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    task = {"owner_id": case.owner_id, "title": "Done", "due_date": long_ago, "is_done": True, "description": "d",
            "parent": case.person}  # fmt: skip
    assert task == rows(found, "tasks")[ids["task"]]
    still = rows(found, "tasks")[ids["open"]]
    assert (far, False, None, deal) == tuple(
        still[n] for n in ("due_date", "is_done", "description", "parent")
    )
    meeting = {"owner_id": None, "title": "Meet", "from_date": long_ago, "end_date": far, "description": None,
               "time_zone": "UTC", "attendees": 0, "parent": case.person}  # fmt: skip
    assert meeting == rows(found, "appointments")[ids["appointment"]]
    call = {"owner_id": case.owner_id, "activity_type": "phone", "title": "Call", "start_date": long_ago,
            "end_date": long_ago, "notes": "n", "parent": case.person}  # fmt: skip
    assert call == rows(found, "sales_activities")[ids["sales_activity"]]
    notes = {key: (row["description"], row["parent"]) for key, row in rows(found, "notes").items()}
    assert {
        ids["note"]: ("one<br>two", case.person), ids["stranger"]: ("by hand", case.person)
    } == notes  # fmt: skip
    assert {"A", "B", "Theirs"} == {row["name"] for row in rows(found, "lists").values()}
    assert [(ids["list"], ids["other"])] == found["actual_list_members"].rows()


def test_a_note_is_read_wherever_a_record_of_ours_says_it_has_one(target: Freshsales, case: Case) -> None:
    """Also from one that should have none; what hangs on others' records is not asked for."""
    theirs = target.create("contacts", {"last_name": "Cy", "email": "cy@x.example"})["id"]
    target.create("notes", {"description": "theirs", "targetable_type": "Contact", "targetable_id": theirs})
    noted = readback_history.Noted(target)
    for module in set(readback_history.PARENTS.values()).intersection(target.edition.modules):
        list(noted.pages(module, include=()))
    person = next(place for place in noted.places if place[1] == case.ids["person"])
    assert {person, ("contacts", case.ids["other"]), ("contacts", theirs)} == noted.places
    found = readback_history.records(case.run, target, served, noted.places)
    told = {(row["description"], row["parent"]) for row in rows(found, "notes").values()}
    other = f"contact:{case.ids['other']}"
    assert {("one<br>two", case.person), ("by hand", case.person), ("on nobody of ours", other)} == told


def test_files_are_told_by_their_bytes(target: Freshsales, case: Case) -> None:
    """Name and size as the target tells them, the hash of what it serves; a link has its address."""
    found = readback_history.records(case.run, target, served)["actual_documents"]
    shown = found.select("kind", "name", "size_bytes", "sha256", "parent").rows()
    assert [
        ("document", "a.pdf", 5, hashlib.sha256(b"12345").hexdigest(), f"deal:{case.ids['deal']}"),
        ("document_link", "site", None, None, case.person),
    ] == shown
    assert ["https://x.example/1"] == found.filter(pl.col("kind") == "document_link")["url"].to_list()


def test_other_bytes_of_the_same_size_have_another_hash(
    box: tuple[Sandbox, str], target: Freshsales, case: Case
) -> None:
    """The planted defect that name and size can't show."""
    sandbox, _ = box
    change = {"content": "YWJjZGU="}
    sandbox.admin("PUT", f"freshsales_test/documents/{case.ids['document']}", change)
    found = readback_history.records(case.run, target, served)["actual_documents"]
    assert [hashlib.sha256(b"abcde").hexdigest()] == found["sha256"].drop_nulls().to_list()


def test_what_no_list_shows_is_asked_for_by_its_id(
    target: Freshsales, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that leaves something out is not taken for a loss; what is gone stays gone."""
    theirs = frame(
        tables.CROSSWALK,
        {"entity": "task", "source_id": "gone", "target_id": 1, "origin": "created"},
        {"entity": "task", "source_id": "t1", "target_id": case.ids["task"], "origin": "created"},
    )
    case.run.frames["crosswalk"] = theirs
    monkeypatch.setattr(target, "pages", lambda *_args, **_more: iter(()))
    found = readback_history.records(case.run, target, served)["actual_tasks"]
    assert [case.ids["task"]] == found["target_id"].to_list()


def test_a_parent_that_is_gone_has_no_notes(target: Freshsales, case: Case) -> None:
    """A deleted person ends no reading: its notes are missing, which the comparison says."""
    module = case.person.partition(":")[0] + "s"
    target.forget(module, case.ids["person"])
    found = readback_history.records(case.run, target, served)
    assert (0, 1) == (found["actual_notes"].height, found["actual_documents"].height)


@pytest.mark.parametrize(
    ("module", "row", "message"),
    [
        pytest.param("tasks", {"id": "x"}, "tasks: a record has no usable id", id="no id"),
        pytest.param("tasks", {"id": 7, "due_date": "soon"}, "tasks 7: due_date is a text", id="no instant"),
        pytest.param("tasks", {"id": 7, "due_date": "2024-05-03T09:00:00"}, "tasks 7: due_date", id="no offset"),
        pytest.param("tasks", {"id": 7, "status": "done"}, "tasks 7: status is a text", id="no status"),
        pytest.param("notes", {"id": 7, "description": {}}, "notes 7: description is an object", id="no text"),
        pytest.param("notes", {"id": 7, "targetables": "Contact"}, "notes 7: targetables is a text", id="no parents"),
        pytest.param("notes", {"id": 7, "targetables": [{"id": "a"}]}, "notes 7: id is a text", id="no parent id"),
    ],
)  # fmt: skip
def test_what_is_not_that_is_refused(module: str, row: dict[str, Any], message: str) -> None:
    """Module, id and key; never the value."""
    with pytest.raises(DataError, match=message) as stop:
        readback_shapes.shaped(module, [row], {})
    assert "soon" not in str(stop.value)


def test_a_type_without_a_name_shows_its_id() -> None:
    """An activity of a type the selector does not list is never taken for another one."""
    row = {
        "id": 1,
        "title": "t",
        "sales_activity_type_id": 99,
        "targetable_id": 5,
        "targetable_type": "SalesAccount",
    }
    shown = readback_shapes.shaped("sales_activities", [row], {7: "phone"})
    assert [("#99", "company:5")] == shown.select("activity_type", "parent").rows()


def test_several_parents_are_all_told() -> None:
    """A note a person linked to a second record shows both."""
    both = [{"id": 2, "type": "Deal"}, {"id": 1, "type": "Contact"}]
    shown = readback_shapes.shaped("notes", [{"id": 1, "description": "x", "targetables": both}], {})
    assert ["contact:1 deal:2"] == shown["parent"].to_list()


def _serving(**answers: httpx.Response) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return answers[request.url.path.strip("/")]

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    ("url", "size", "expected"),
    [
        pytest.param("https://files.example/a", 3, hashlib.sha256(b"abc").hexdigest(), id="whole"),
        pytest.param("https://files.example/a", 2, None, id="longer than told"),
        pytest.param("https://files.example/gone", 3, None, id="run out"),
        pytest.param("http://files.example/a", 3, None, id="plain http"),
        pytest.param("ftp://files.example/a", 3, None, id="other scheme"),
        pytest.param("no address", 3, None, id="no address"),
    ],
)
def test_bytes_are_fetched_without_a_key(url: str, size: int, expected: str | None) -> None:
    """No key goes along, nothing over plain http to elsewhere, and no more than the file is long."""
    transport = _serving(a=httpx.Response(200, content=b"abc"), gone=httpx.Response(403))
    assert expected == download.sha256(url, size_bytes=size, transport=transport)
