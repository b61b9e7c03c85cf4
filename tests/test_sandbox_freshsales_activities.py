"""The Freshsales sandbox's tasks, appointments, activities, calls, notes, lists and files."""

from typing import Any

import pytest

from freshsales_tenant import Account, messages

LONG_AGO = "2011-03-27T01:30:00Z"


def body(account: Account, kind: str) -> dict[str, Any]:
    """The smallest body each kind takes, hung on a contact."""
    target = {"targetable_type": "Contact", "targetable_id": account.contact()["id"]}
    types = account.selector("sales_activity_types")
    return {
        "tasks": {"task": {"title": "t", "due_date": LONG_AGO, **target}},
        "appointments": {
            "appointment": {
                "title": "t",
                "from_date": LONG_AGO,
                "end_date": LONG_AGO,
                "time_zone": "UTC",
                **target,
            }
        },
        "sales_activities": {
            "sales_activity": {
                "title": "t",
                "start_date": LONG_AGO,
                "sales_activity_type_id": types["Phone"]["id"],
                **target,
            }
        },
        "notes": {"note": {"description": "<p>n</p>", **target}},
        "phone_calls": {
            "phone_call": {"call_direction": True, **target, "note": {"description": "said hello"}}
        },
    }[kind]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("tasks", 201), ("appointments", 201), ("phone_calls", 201), ("notes", 200), ("sales_activities", 200)],
)
def test_each_kind_answers_with_its_own_status(kind: str, status: int) -> None:
    """Recorded: 201 for tasks, appointments and calls, 200 for the rest."""
    account = Account()
    assert status == account.post(kind, body(account, kind)).status_code


@pytest.mark.parametrize(
    ("kind", "wrapper", "expected"),
    [
        ("tasks", "task", ["Title can't be blank", "Due date can't be blank"]),
        (
            "appointments",
            "appointment",
            ["Title can't be blank", "From date can't be blank", "End date can't be blank"],
        ),
    ],
)
def test_all_blank_fields_are_named_at_once(kind: str, wrapper: str, expected: list[str]) -> None:
    """In the vendor's words and order."""
    answer = Account().post(kind, {wrapper: {"description": "x"}})
    assert (400, expected) == (answer.status_code, messages(answer))


def test_past_instants_come_back_as_the_same_instant() -> None:
    """In the account's offset."""
    account = Account()
    task = account.post("tasks", body(account, "tasks")).json()["task"]
    assert "2011-03-26T21:30:00-04:00" == task["due_date"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Tue Jun 21 2016 08:00:00 GMT+0530 (IST)", "2016-06-20T22:30:00-04:00"),
        ("2016-06-21", "2016-06-21T00:00:00-04:00"),
        ("1901-01-01T00:00:00+00:00", "1900-12-31T20:00:00-04:00"),
    ],
    ids=["javascript", "day in account time", "long ago"],
)
def test_instants_are_read_in_several_forms(sent: str, shown: str) -> None:
    """ISO, the documented browser form, and days."""
    account = Account()
    answer = account.post("tasks", {"task": {"title": "t", "due_date": sent}})
    assert shown == answer.json()["task"]["due_date"]


def test_completing_a_task_stamps_the_present() -> None:
    """Whatever is sent as completed_date."""
    account = Account()
    sent = {"task": {"title": "t", "due_date": LONG_AGO, "status": 1, "completed_date": LONG_AGO}}
    task = account.post("tasks", sent).json()["task"]
    assert (1, account.tenant.today()) == (task["status"], task["completed_date"][:10])
    opened = account.put(f"tasks/{task['id']}", {"task": {"status": 0}}).json()["task"]
    assert (0, None) == (opened["status"], opened["completed_date"])


def test_iana_time_zones_are_refused() -> None:
    """Rails names only."""
    account = Account()
    sent = body(account, "appointments")
    sent["appointment"]["time_zone"] = "Europe/Warsaw"
    assert "Not a supported time zone" in messages(account.post("appointments", sent))[0]
    sent["appointment"]["time_zone"] = "Warsaw"
    assert 201 == account.post("appointments", sent).status_code


@pytest.mark.parametrize("kind", ["tasks", "appointments", "sales_activities", "notes"])
def test_deletion_is_final(kind: str) -> None:
    """`{"success": "200"}`, then 404; there is no bin."""
    account = Account()
    (record,) = (v for v in account.post(kind, body(account, kind)).json().values() if isinstance(v, dict))
    first, second = account.delete(f"{kind}/{record['id']}"), account.delete(f"{kind}/{record['id']}")
    assert ({"success": "200"}, 404) == (first.json(), second.status_code)


def test_task_and_meeting_are_missed_in_their_own_words() -> None:
    """The sentences of the live test."""
    account = Account()
    assert "task you're looking for" in messages(account.get("tasks/1"))[0]
    assert "meeting you're looking for" in messages(account.get("appointments/1"))[0]


def test_tasks_are_listed_by_filter() -> None:
    """Open, completed, overdue; underscores count as blanks."""
    account = Account()
    for title, due, status in (
        ("late", LONG_AGO, 0),
        ("done", LONG_AGO, 1),
        ("later", "2099-01-01T00:00:00Z", 0),
    ):
        account.post("tasks", {"task": {"title": title, "due_date": due, "status": status}})
    found = {
        name: [task["title"] for task in account.get("tasks", filter=name).json()["tasks"]]
        for name in ("open", "completed", "overdue", "due_today")
    }
    assert {"open": ["late", "later"], "completed": ["done"], "overdue": ["late"], "due_today": []} == found
    assert 500 == account.get("tasks", per_page=0, page=0).status_code


def test_appointments_are_past_or_upcoming() -> None:
    """By their end."""
    account = Account()
    account.post("appointments", body(account, "appointments"))
    found = [len(account.get("appointments", filter=f).json()["appointments"]) for f in ("past", "upcoming")]
    assert [1, 0] == found


def test_a_note_is_only_readable_in_its_parents_list() -> None:
    """GET /notes/:id does not exist."""
    account = Account()
    sent = body(account, "notes")
    note = account.post("notes", sent).json()["note"]
    assert 404 == account.get(f"notes/{note['id']}").status_code
    contact = sent["note"]["targetable_id"]
    listed = account.get(f"contacts/{contact}/notes").json()
    assert ([note["id"]], 1) == ([n["id"] for n in listed["notes"]], listed["meta"]["total"])
    changed = account.put(f"notes/{note['id']}", {"note": {"description": "other"}}).json()["note"]
    assert ("other", [{"id": contact, "type": "Contact"}]) == (changed["description"], changed["targetables"])


@pytest.mark.parametrize("missing", ["description", "targetable_type", "targetable_id"])
def test_a_note_needs_text_and_target(missing: str) -> None:
    """All three are required."""
    account = Account()
    sent = body(account, "notes")
    del sent["note"][missing]
    assert 400 == account.post("notes", sent).status_code


def test_activities_keep_historical_dates_and_list() -> None:
    """The carrier of dated history; deals and contacts list their own."""
    account = Account()
    sent = body(account, "sales_activities")
    made = account.post("sales_activities", sent).json()["sales_activity"]
    assert ("2011-03-26T21:30:00-04:00", None) == (made["start_date"], made["owner_id"])
    everything = account.get("sales_activities", per_page=1).json()
    assert ([made["id"]], 1) == (
        [a["id"] for a in everything["sales_activities"]],
        everything["meta"]["total_pages"],
    )
    contact = sent["sales_activity"]["targetable_id"]
    assert 1 == len(account.get(f"contacts/{contact}/sales_activities").json()["sales_activities"])


def test_unknown_activity_type_and_target_are_refused() -> None:
    """A blank type is one of the inputs that break the vendor."""
    account = Account()
    sent = body(account, "sales_activities")["sales_activity"]
    for change, status in (
        ({"sales_activity_type_id": 1}, 400),
        ({"sales_activity_type_id": ""}, 500),
        ({"targetable_id": 1}, 400),
        ({"targetable_type": "Lead"}, 400),
    ):
        assert status == account.post("sales_activities", {"sales_activity": sent | change}).status_code


def test_a_call_is_logged_with_its_note() -> None:
    """The answer is a set of arrays; the single read wraps it as `call`."""
    account = Account()
    answer = account.post("phone_calls", body(account, "phone_calls")).json()
    call, note = answer["phone_calls"][0], answer["notes"][0]
    assert (True, note["id"]) == (call["call_direction"], call["note_id"])
    assert call["id"] == account.get(f"phone_calls/{call['id']}").json()["call"]["id"]
    assert account.delete(f"phone_calls/{call['id']}").json() is True
    assert 404 == account.get("phone_calls").status_code


def test_includes_of_a_contact_name_its_activities() -> None:
    """Ids in the record, rows beside it."""
    account = Account()
    sent = body(account, "tasks")
    task = account.post("tasks", sent).json()["task"]["id"]
    contact = sent["task"]["targetable_id"]
    shown = account.get(f"contacts/{contact}", include="tasks,notes").json()
    assert ([task], [task], []) == (
        shown["contact"]["task_ids"],
        [t["id"] for t in shown["tasks"]],
        shown["notes"],
    )
    beside = account.get(f"tasks/{task}", include="targetable,owner").json()
    assert [contact] == [c["id"] for c in beside["contacts"]]


def test_the_timeline_lists_newest_first() -> None:
    """With has_next and has_previous instead of totals."""
    account = Account()
    sent = body(account, "notes")
    account.post("notes", sent)
    answer = account.get(f"contacts/{sent['note']['targetable_id']}/activities.json").json()
    assert (1, {"has_next": False, "has_previous": False}) == (len(answer["activities"]), answer["meta"])


def test_lists_hold_contacts() -> None:
    """Create, rename, add, list, remove, empty; there is no delete."""
    account = Account()
    first, second = account.contact("a@x.example")["id"], account.contact("b@x.example")["id"]
    list_id = account.post("lists", {"name": "VIP"}).json()["list"]["id"]
    assert "VIPs" == account.put(f"lists/{list_id}", {"name": "VIPs"}).json()["list"]["name"]
    assert [{"id": list_id, "name": "VIPs"}] == account.get("lists").json()["lists"]

    def members() -> list[int]:
        return [c["id"] for c in account.get(f"contacts/lists/{list_id}").json()["contacts"]]

    account.put(f"lists/{list_id}/add_contacts", {"ids": [first, second, 1]})
    assert [first, second] == members()
    account.put(f"lists/{list_id}/remove_contacts", {"ids": [first]})
    assert [second] == members()
    other = account.post("lists", {"name": "Other"}).json()["list"]["id"]
    account.put(f"lists/{other}/move_contacts", {"from_list_id": list_id, "all": True})
    assert [] == members()
    shown = account.get(f"contacts/{second}", include="lists").json()
    assert ([other], ["Other"]) == (shown["contact"]["list_ids"], [row["name"] for row in shown["lists"]])
    account.put(f"lists/{other}/remove_contacts", {"all": True})
    assert [] == account.get(f"contacts/lists/{other}").json()["contacts"]


def upload(account: Account, contact: int, content: bytes = b"\x00\xffpdf", **parts: str) -> Any:
    data = {
        "file_name": "x.pdf",
        "is_shared": "true",
        "targetable_type": "Contact",
        "targetable_id": str(contact),
    }
    files = {"file": ("x.pdf", content, "application/pdf")}
    return account.request("POST", "documents", data=data | parts, files=files)


def test_an_uploaded_file_comes_back_byte_for_byte() -> None:
    """Through document_associations; its URL needs no key."""
    account = Account()
    contact = account.contact()["id"]
    answer = upload(account, contact).json()
    assert {"id", "url", "msg"} == set(answer)
    found = account.get(f"contacts/{contact}/document_associations").json()
    (document,) = found["documents"]
    assert ("x.pdf", 5, "application/pdf") == tuple(
        document[k] for k in ("name", "content_file_size", "content_content_type")
    )
    assert [{"type": "Document", "id": document["id"]}] == [
        a["attachable"] for a in found["document_associations"]
    ]
    path = document["url"].removeprefix("http://crm.example")
    assert b"\x00\xffpdf" == account.request("GET", path, headers={"Authorization": ""}).content


def test_files_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the file limit, beyond the plan's storage, or without a target."""
    account = Account()
    contact = account.contact()["id"]
    assert 400 == upload(account, 1).status_code
    free = Account(plan="free", requests_per_hour=9)
    assert "storage" in messages(upload(free, free.contact()["id"]))[0]
    monkeypatch.setattr("crmbook.sandbox.freshsales.files.FILE_LIMIT_BYTES", 4)
    assert "150 MB" in messages(upload(account, contact))[0]


def test_links_are_flat_and_listed() -> None:
    """A link needs a URL and a target."""
    account = Account()
    deal = account.deal()["id"]
    sent = {"url": "https://files.example/x", "name": "x", "targetable_type": "Deal", "targetable_id": deal}
    assert {"id", "url", "msg"} == set(account.post("document_links", sent).json())
    listed = account.get(f"deals/{deal}/document_associations").json()["document_links"]
    assert [("x", "https://files.example/x")] == [(row["name"], row["url"]) for row in listed]
    assert 400 == account.post("document_links", sent | {"url": "x"}).status_code


def test_forgetting_a_contact_takes_its_notes_and_files() -> None:
    """Tasks stay, without their target."""
    account = Account()
    sent = body(account, "notes")
    contact = sent["note"]["targetable_id"]
    account.post("notes", sent)
    upload(account, contact)
    target = {"targetable_type": "Contact", "targetable_id": contact}
    task = account.post("tasks", {"task": {"title": "t", "due_date": LONG_AGO, **target}}).json()["task"][
        "id"
    ]
    account.delete(f"contacts/{contact}/forget")
    assert (0, 0) == (len(account.tenant.table("notes")), len(account.tenant.table("documents")))
    assert [] == account.get(f"tasks/{task}").json()["task"]["targetables"]
