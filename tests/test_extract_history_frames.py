"""Typed history from records as they may come: both API versions, seconds for instants, messages out of order."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from crmbook import extract_history_frames as frames
from crmbook import tables
from crmbook.errors import DataError
from crmbook.vendors import usercom_shape as shape
from crmbook.vendors.usercom import Record

AT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = "2024-01-02T03:04:05Z"


def _record(entity: str, obj: dict[str, Any]) -> Record:
    return Record(str(obj["id"]), json.dumps(obj), shape.canonical(entity, obj))


def _talk(*messages: dict[str, Any], **head: Any) -> Record:
    obj = {
        "id": 7,
        "user": {"id": 1, "key": "k"},
        "active": True,
        "agent": {"id": 11},
        "messages": list(messages),
        **head,
    }
    return Record(str(obj["id"]), json.dumps(obj), shape.conversation(obj))


def _message(number: int, at: str | None, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "user": {"id": 1, "key": "k"},
        "content": str(number),
        "source": "chat",
        "timestamp": at,
    } | more


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param({"user_id": 1, "event_id": 5, "event": "paid", "timestamp": TEXT, "data": {"a": [1]}}, id="v2"),
        pytest.param({"client": 1, "event_id": 5, "event": "paid", "timestamp": TEXT,
                      "items": [{"key": "a", "value": [1]}]}, id="v1"),
        pytest.param({"user_id": 1, "event_id": 5, "name": "paid", "timestamp": int(AT.timestamp()),
                      "data": {"a": [1]}}, id="UNIX seconds"),
        pytest.param({"user_id": 1, "event_id": 5, "event": "paid", "timestamp": "2024-01-02T05:04:05+02:00",
                      "data": {"a": [1]}}, id="another offset"),
    ],
)  # fmt: skip
def test_an_event_is_the_same_in_every_version(obj: dict[str, Any]) -> None:
    """Names, the shape of its data and the form of its time differ; the table doesn't."""
    frame, _ = frames.typed(tables.HISTORY_EVENTS, [[_record("events", {"id": 9, **obj})]])

    assert [("9", "1", "5", "paid", AT, '{"a":[1]}')] == frame.rows()


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param({"user_id": 1, "company_id": 2, "deal_id": 3, "due_date": TEXT}, id="v2"),
        pytest.param({"person": 1, "company": 2, "deal": 3, "datetime": TEXT}, id="v1"),
    ],
)
def test_an_activity_is_the_same_in_every_version(obj: dict[str, Any]) -> None:
    """The vendor's own page mixes the names."""
    frame, _ = frames.typed(
        tables.HISTORY_ACTIVITIES, [[_record("activities", {"id": 9, "activity_type": 4, **obj})]]
    )

    row = frame.row(0, named=True)
    assert ("4", "1", "2", "3", AT) == tuple(
        row[k] for k in ("activity_type_id", "contact_id", "company_id", "deal_id", "due_date")
    )


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        pytest.param(-14_182_940, datetime(1969, 7, 20, 20, 17, 40, tzinfo=UTC), id="before 1970"),
        pytest.param(4_070_908_800, datetime(2099, 1, 1, tzinfo=UTC), id="far ahead"),
        pytest.param(1_761_438_600, datetime(2025, 10, 26, 0, 30, tzinfo=UTC), id="the night clocks change"),
    ],
)
def test_seconds_are_instants_whatever_the_century(seconds: int, moment: datetime) -> None:
    """Written so, and possibly read so."""
    frame, _ = frames.typed(tables.HISTORY_EVENTS, [[_record("events", {"id": 9, "timestamp": seconds})]])

    assert [moment] == frame.get_column("at").to_list()


def test_messages_are_ordered_by_time_and_then_as_received() -> None:
    """One without a time stays behind the one it came after; one at the very start stays first."""
    talk = _talk(
        _message(1, None), _message(2, "2024-01-01T00:00:02Z"), _message(3, None),
        _message(4, "2024-01-01T00:00:01Z"), _message(5, "2024-01-01T00:00:02Z"),
    )  # fmt: skip

    messages = frames.talks([[talk]]).messages

    assert [1, 2, 3, 4, 5] == messages.get_column("position").to_list()
    assert ["1", "4", "2", "3", "5"] == messages.get_column("source_id").to_list()


def test_a_message_without_a_users_key_is_the_agents() -> None:
    """The only sign the vendor gives; text, blank and missing content stay what they are."""
    talk = _talk(
        _message(1, TEXT, content=None, source=4),
        _message(2, TEXT, user={"id": 12, "key": None}, content=""),
        _message(3, TEXT, user=None, content="<b>&</b>", source=None),
    )

    columns = ("side", "agent_id", "content", "channel")
    assert [
        ("contact", None, None, "sms"),
        ("agent", "12", "", "chat"),
        ("agent", None, "<b>&</b>", None),
    ] == (frames.talks([[talk]]).messages.select(columns).rows())


def test_the_contact_was_heard_when_they_last_wrote() -> None:
    """In any of their conversations; an agent's later answer says nothing of them."""
    talks = frames.talks([
        [_talk(_message(1, TEXT), _message(2, "2025-01-01T00:00:00Z", user={"id": 12, "key": None}))],
        [_talk(_message(3, "2023-01-01T00:00:00Z"), id=8), _talk(_message(4, TEXT), id=9, user=None)],
    ])  # fmt: skip

    assert [("1", AT)] == frames.heard(talks).rows()


def test_a_message_at_no_time_names_its_conversation() -> None:
    """And not what was written there."""
    with pytest.raises(DataError, match=r"messages of conversation 7: at: expected an ISO 8601 time"):
        frames.talks([[_talk(_message(1, "soon"))]])


def test_a_record_sent_twice_stands_once_also_across_batches() -> None:
    """The last one, in the table and as received."""
    old, new = ({"id": 9, "user_id": 1, "subject": subject} for subject in ("old", "new"))

    frame, raw = frames.typed(tables.HISTORY_EMAILS, [[_record("emails", old)], [_record("emails", new)]])

    assert ["new"] == frame.get_column("subject").to_list()
    assert [("9", json.dumps(new))] == raw.rows()


def test_half_an_emoji_in_a_message_does_not_stop_the_reading() -> None:
    """It is legal in JSON and no text."""
    talked = frames.talks([[_talk(_message(1, TEXT, content="ok \ud83d"))]])

    assert ["ok \ufffd"] == talked.messages.get_column("content").to_list()


@pytest.mark.parametrize(("size", "count"), [(1, 3), (2, 2), (3, 1), (9, 1)])
def test_batches_hold_every_record_once(size: int, count: int) -> None:
    """In order."""
    records = [_talk(id=number) for number in range(3)]

    made = list(frames.batched(records, size))

    assert (count, records) == (len(made), [record for batch in made for record in batch])
