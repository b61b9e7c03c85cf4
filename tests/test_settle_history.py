"""Finding what an unclear write made, where nothing carries a source id: by content, and never somebody else's."""

from typing import Any

import pytest

from crmbook.settle_history import first_line, same

TASK = {"title": "Call  back", "due_date": "2024-05-03T12:00:00.250000Z", "status": 1, "owner_id": 5}


def shown(record_id: int, **changed: Any) -> dict[str, Any]:
    record = {
        "id": record_id,
        "title": "Call back",
        "due_date": "2024-05-03T08:00:00-04:00",
        "status": 1,
        "owner_id": 5,
    }
    return record | changed


@pytest.mark.parametrize(
    ("records", "taken", "expected"),
    [
        ([shown(1)], [], 1),
        ([shown(1)], [1], None),
        ([shown(1, title="Call")], [], None),
        ([shown(1, due_date="2024-05-03T08:00:01-04:00")], [], None),
        ([shown(1, due_date=None)], [], None),
        ([shown(1), shown(2)], [], 2),
        ([shown(1), shown(2, owner_id=6)], [], 1),
        ([shown(1), shown(2), shown(3, status=0)], [2], 1),
        ([shown(1, title="Call &amp; back")], [], None),
        ([], [], None),
    ],
    ids=["offset", "another-writes", "title", "second", "no-date", "newest", "agrees-more", "free-one", "escaped", "none"],
)  # fmt: skip
def test_a_task_is_known_by_title_and_instant(
    records: list[dict[str, Any]], taken: list[int], expected: int | None
) -> None:
    """The same title at the same second, not known to the ledger; of several the one that agrees most."""
    assert (same("tasks", TASK, records, taken) or {"id": None})["id"] == expected


def test_a_call_of_another_type_is_another_one() -> None:
    """Title and instants may agree by chance; the type of activity has to as well."""
    call = {
        "title": "Hi",
        "start_date": "2024-01-01T00:00:00Z",
        "end_date": "2024-01-01T00:05:00Z",
        "sales_activity_type_id": 3,
    }
    assert same("sales_activities", call, [call | {"id": 1, "sales_activity_type_id": 4}], []) is None
    assert same("sales_activities", call, [call | {"id": 1}], []) == call | {"id": 1}


def test_a_note_is_known_by_its_first_line() -> None:
    """The vendor may change the markup; part 1 is not part 2."""
    body = {"description": "User.com chat 7 (1/2)<br>a &lt; b"}
    parts = [
        {"id": 1, "description": "<p>User.com chat 7 (2/2)</p>b"},
        {"id": 2, "description": "<p>User.com  chat 7 (1/2)</p>"},
    ]
    assert (same("notes", body, parts, []) or {})["id"] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p></p><p>one</p>two", "one"),
        ("one<BR />two", "one"),
        ("a &lt;b&gt; &amp; c\nd", "a <b> & c"),
        ("<b>bold</b> start<br>", "bold start"),
        ("", ""),
    ],
    ids=["blank-first", "break", "escaped", "tags", "nothing"],
)
def test_the_first_line_is_what_a_reader_sees(text: str, expected: str) -> None:
    """Tags, entities and blank lines do not count."""
    assert first_line(text) == expected
