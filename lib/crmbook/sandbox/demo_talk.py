"""The demo account's 400 event occurrences and 40 conversations, with what breaks a transcript.

Event names are the customer's own. A conversation's messages are stored as the vendor sends them: usually,
but not always, in the order they were written; HTML for one side, plain text for the other.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox import demo_words as words
from crmbook.sandbox.demo_case import (
    NOW,
    Case,
    by_day,
    case,
    draw,
    each,
    ids,
    planted,
    same,
    sometimes,
    stamp,
)
from crmbook.sandbox.demo_people import engaged
from crmbook.sandbox.demo_values import LONG_TEXT
from crmbook.sandbox.store import Doc

FIRST, LAST = 81001, 81400
FIRST_TALK, LAST_TALK = 91001, 91040
_FIRST_MESSAGE = 930_001
_BEGAN = datetime(2023, 9, 1, tzinfo=UTC)
EVENT_NAMES: Final = {
    51: "trip_viewed",
    52: "brochure_downloaded",
    53: "booking paid",
    54: "Office appointment",
}


def events(seed: int) -> list[Doc]:
    people = engaged(seed)
    return planted([_event(seed, row_id, people) for row_id in ids(FIRST, LAST)], EVENT_CASES)


def conversations(seed: int) -> list[Doc]:
    people = engaged(seed)
    rows = [_talk(seed, row_id, people) for row_id in ids(FIRST_TALK, LAST_TALK)]
    return _numbered(planted(rows, TALK_CASES))


def _event(seed: int, row_id: int, people: list[int]) -> Doc:
    rng = draw(seed, "events", row_id)
    event_id = 51 + row_id % 3
    return {
        "id": row_id,
        "user_id": rng.choice(people),
        "event_id": event_id,
        "name": EVENT_NAMES[event_id],
        "timestamp": stamp(by_day(rng, _BEGAN, NOW)),
        "data": {
            "trip": rng.choice(words.TRIPS),
            "adults": rng.randrange(1, 5),
            "price": rng.randrange(9000) / 10,
        },
    }


def _talk(seed: int, row_id: int, people: list[int]) -> Doc:
    rng = draw(seed, "conversations", row_id)
    start = by_day(rng, _BEGAN, NOW - timedelta(days=2)).replace(microsecond=0)
    agent = rng.choice(catalogue.ACTIVE_AGENTS)
    messages = []
    for number in range(rng.randrange(2, 9)):
        by_agent = number % 2 == 1
        text = rng.choice(words.ANSWERS if by_agent else words.QUESTIONS)
        messages.append(_message(start + timedelta(minutes=7 * number), text, agent if by_agent else None))
    return {
        "id": row_id,
        "user_id": rng.choice(people),
        "agent_id": agent,
        "active": sometimes(rng, 0.2),
        "messages": messages,
    }


def _message(at: datetime, content: str | None, agent_id: int | None = None) -> Doc:
    return {
        "author": "agent" if agent_id else "user",
        "agent_id": agent_id,
        "content": content,
        "source": "chat",
        "timestamp": stamp(at),
    }


def _numbered(talks: list[Doc]) -> list[Doc]:
    """Message ids run through the whole account, in the order of the conversations."""
    number = _FIRST_MESSAGE
    for talk in talks:
        messages = []
        for message in talk["messages"]:
            messages.append({"id": number, **message})
            number += 1
        talk["messages"] = messages
    return talks


def _appointment(start: str, end: str, attendees: tuple[str, ...]) -> Doc:
    data = {
        "title": "Trip planning",
        "start": start,
        "end": end,
        "location": "ul. Mariacka 7, Gdańsk",
        "description": "Bring the passports",
        "attendees": list(attendees),
    }
    return {"event_id": 54, "name": EVENT_NAMES[54], "timestamp": start, "data": data}


EVENT_CASES: tuple[Case, ...] = (
    case(
        "event_of_lead", "events", "something on the web site, by somebody never contacted",
        "loaded: its contact stays a lead",
        {81001 + n: {"user_id": 41144 + n % 5} for n in range(15)},
    ),
    case(
        "event_of_unmoved_contact", "events", "its contact is rejected or excluded", "listed: not moved, with the reason",
        {81016: {"user_id": 41209}, 81017: {"user_id": 41213}, 81018: {"user_id": 41222}},
    ),
    case(
        "event_of_merged_contact", "events", "its contact is merged into another", "loaded: on the survivor",
        {81019: {"user_id": 41235}, 81020: {"user_id": 41240}},
    ),
    case(
        "event_without_data", "events", "no data", "loaded: by its name", each(81021, "data", ({}, {}, {}, {})),
    ),
    case(
        "event_nested_data", "events", "data within data, and markup", "loaded: readable, escaped",
        each(
            81025, "data",
            (
                {"cart": [{"sku": "LIS-3", "qty": 2}, {"sku": "INS", "qty": 2}], "coupon": None},
                {"note": "<i>quiet room</i>", "path": ["/trips", "/trips/kyoto?ref=a&b=c"]},
                {"formula": "=1+1", "emoji": "🧳", "big": 2**53 + 1, "deep": {"a": {"b": {"c": [1, [2, [3]]]}}}},
            ),
        ),
    ),
    case(
        "event_time_edge", "events", "in the night the clocks change, before 1970, or far ahead", "loaded: the same instant",
        each(
            81028, "timestamp",
            (
                *("2025-10-26T00:30:00.000000Z", "2025-10-26T01:30:00.000000Z", "2026-03-29T01:00:00.000000Z"),
                *("1969-12-31T23:59:59.000000Z", "2099-01-01T00:00:00.000000Z"),
            ),
        ),
    ),
    case(
        "event_with_attendees", "events", "an appointment with people of the team and guests",
        "loaded: the team resolved by e-mail, the guests listed",
        {
            81033: _appointment(
                "2026-10-05T08:00:00.000000Z", "2026-10-05T09:30:00.000000Z",
                (f"K.ZIELINSKA@{catalogue.DOMAIN}", "guest@post.example"),
            ),
            81034: _appointment(
                "2026-12-01T13:00:00.000000Z", "2026-12-01T13:45:00.000000Z", (f"c.marchand@{catalogue.DOMAIN}",)
            ),
            81035: _appointment("2026-03-28T23:30:00.000000Z", "2026-03-29T02:30:00.000000Z", ()),
        },
    ),
    case("event_name_long", "events", "a name longer than 255 characters", "loaded: whole", each(81036, "name", ("filter_changed_" * 18,))),
)  # fmt: skip

_START = datetime(2026, 5, 11, 9, 0, tzinfo=UTC)
_HTML = '<p>Hi <a href="https://baltic-compass.example/trips">look here</a></p><script>alert(1)</script>'
_SHUFFLED = [
    _message(_START + timedelta(minutes=minute), text, agent)
    for minute, text, agent in ((9, "third", None), (1, "first", None), (4, "second", 11))
]

TALK_CASES: tuple[Case, ...] = (
    case(
        "talk_of_chat_only", "conversations", "the whole record of a chat-only visitor", "listed: excluded with its visitor",
        {91001 + n: {"user_id": 41201 + n} for n in range(8)},
    ),
    case(
        "talk_of_lead", "conversations", "with somebody never contacted by the record", "loaded: in a note of a lead",
        {91009 + n: {"user_id": 41140 + n} for n in range(4)},
    ),
    case(
        "talk_of_merged_contact", "conversations", "its contact is merged into another", "loaded: on the survivor",
        {91013: {"user_id": 41236}},
    ),
    case(
        "talk_html", "conversations", "markup in a message", "loaded: as text, escaped",
        {91014: {"messages": [_message(_START, _HTML, 12), _message(_START + timedelta(minutes=2), "1 < 2 && 3 > 2")]}},
    ),
    case(
        "talk_long", "conversations", "longer than one note takes", "loaded: in numbered parts, nothing cut",
        {
            91015: {"messages": [_message(_START, LONG_TEXT * 500)]},
            91016: {
                "messages": [
                    _message(_START + timedelta(minutes=n), f"{n}: {LONG_TEXT * 4}", 13 if n % 2 else None)
                    for n in range(150)
                ]
            },
        },
    ),
    case(
        "talk_unordered", "conversations", "messages not in the order they were written", "loaded: in order of time",
        {91017: {"messages": _SHUFFLED}},
    ),
    case("talk_empty", "conversations", "no message at all", "listed: nothing to move", same((91018,), {"messages": []})),
    case(
        "talk_blank_message", "conversations", "a message without text (a picture)", "loaded: its time and side are kept",
        {91019: {"messages": [_message(_START, None), _message(_START + timedelta(minutes=1), "", 11)]}},
    ),
    case(
        "talk_agent_gone", "conversations", "led by somebody the account no longer lists", "loaded: side and time are kept",
        {
            91020: {
                "agent_id": catalogue.GONE_AGENT,
                "messages": [_message(_START, "Jest wolne?"), _message(_START, "Tak.", catalogue.GONE_AGENT)],
            }
        },
    ),
    case(
        "talk_dst_night", "conversations", "through the hour that comes twice", "loaded: in order of time",
        {
            91021: {
                "messages": [
                    _message(datetime(2025, 10, 26, 0, 50, tzinfo=UTC), "Are you awake? =)"),
                    _message(datetime(2025, 10, 26, 1, 10, tzinfo=UTC), "Zawsze 😀", 12),
                ]
            }
        },
    ),
)  # fmt: skip
