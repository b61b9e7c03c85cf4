"""The demo account's 350 activities and 200 mails: what was planned, said, opened and clicked, and when.

Calls, meetings and opened mails belong to engaged contacts, because they decide between lead and contact;
tasks, push messages and unopened mails may belong to anybody.
"""

from datetime import UTC, datetime, timedelta
from random import Random
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

FIRST, LAST = 71001, 71350
FIRST_MAIL, LAST_MAIL = 95001, 95200
_TYPE_CYCLE: Final = (1, 2, 3, 4, 2, 5, 1, 6, 7, 2)
_BEGAN = datetime(2023, 9, 1, tzinfo=UTC)
TASK, CALL, MEETING, OPENED, CLICKED, PUSH, VIDEO, BROCHURE = 1, 2, 3, 4, 5, 6, 7, 8


def activities(seed: int) -> list[Doc]:
    people = engaged(seed)
    return planted([_activity(seed, row_id, people) for row_id in ids(FIRST, LAST)], ACTIVITY_CASES)


def emails(seed: int) -> list[Doc]:
    people = engaged(seed)
    return planted([_mail(seed, row_id, people) for row_id in ids(FIRST_MAIL, LAST_MAIL)], MAIL_CASES)


def _activity(seed: int, row_id: int, people: list[int]) -> Doc:
    rng = draw(seed, "activities", row_id)
    type_id = _TYPE_CYCLE[row_id % len(_TYPE_CYCLE)]
    due = by_day(rng, _BEGAN, NOW).replace(microsecond=0)
    is_done = sometimes(rng, 0.8)
    return {
        "id": row_id,
        "activity_type": type_id,
        "name": _title(rng, type_id),
        "due_date": stamp(due),
        "duration": rng.choice((5, 15, 30, 45, 90)),
        "description": f"About {rng.choice(words.TRIPS)}." if sometimes(rng, 0.5) else "",
        "done": is_done,
        "done_date": stamp(due + timedelta(minutes=rng.randrange(300))) if is_done else None,
        "assigned_to": rng.choice((*catalogue.ACTIVE_AGENTS, None)),
        "user_id": rng.choice(people),
        "company_id": None,
        "deal_id": None,
        "created_at": stamp(due - timedelta(days=rng.randrange(1, 20))),
        "updated_at": stamp(due + timedelta(hours=rng.randrange(400))),
    }


def _title(rng: Random, type_id: int) -> str:
    trip = rng.choice(words.TRIPS)
    if catalogue.KIND[type_id] == "task":
        return rng.choice(words.TASKS)
    return f"{'Newsletter' if catalogue.KIND[type_id] in ('email', 'push') else 'Talk'}: {trip}"


def _mail(seed: int, row_id: int, people: list[int]) -> Doc:
    rng = draw(seed, "emails", row_id)
    sent = by_day(rng, _BEGAN, NOW - timedelta(days=10))
    opened = sent + timedelta(minutes=rng.randrange(5, 240)) if sometimes(rng, 0.6) else None
    clicked = opened + timedelta(seconds=rng.randrange(3, 600)) if opened and sometimes(rng, 0.3) else None
    return {
        "id": row_id,
        "user_id": rng.choice(people),
        "status": 3,
        "created_at": stamp(sent - timedelta(minutes=5)),
        "sent_at": stamp(sent),
        "opened_at": stamp(opened) if opened else None,
        "clicked_at": stamp(clicked) if clicked else None,
        "subject": f"{rng.choice(words.TRIPS)}: new dates",
    }


def _at(type_id: int, due: str, **more: object) -> Doc:
    return {"activity_type": type_id, "due_date": due, "done": True, "done_date": due, **more}


ACTIVITY_CASES: tuple[Case, ...] = (
    case(
        "activity_without_contact", "activities", "about a company or a deal only", "loaded: on that record",
        {
            71001: {"user_id": None, "company_id": 61001},
            71002: {"user_id": None, "company_id": 61002},
            71003: {"user_id": None, "deal_id": 52020},
            71004: {"user_id": None, "company_id": 61003, "deal_id": 52021},
            71005: {"user_id": None, "company_id": 61062},
        },
    ),
    case(
        "activity_alone", "activities", "about nobody and nothing", "listed: no record to hang it on",
        same(ids(71006, 71007), {"user_id": None}),
    ),
    case(
        "activity_several_parents", "activities", "about a contact, its company and a deal at once",
        "loaded: on the contact, the others linked where the target can",
        same(ids(71008, 71009), {"company_id": 61004, "deal_id": 52022}),
    ),
    case(
        "activity_dst_night", "activities", "in the night the clocks change in Warsaw",
        "loaded: the same instant, the duration unchanged",
        {
            71010: _at(CALL, "2025-10-26T00:30:00.000000Z", duration=60),
            71011: _at(CALL, "2025-10-26T01:30:00.000000Z", duration=60),
            71012: _at(MEETING, "2026-03-29T00:45:00.000000Z", duration=30),
            71013: _at(TASK, "2026-03-29T01:00:00.000000Z"),
        },
    ),
    case(
        "activity_extreme_time", "activities", "before 1970 or far ahead", "loaded: the same instant",
        {
            71014: _at(CALL, "1969-07-20T20:17:40.000000Z"),
            71015: _at(MEETING, "1931-04-01T08:00:00.000000Z"),
            71016: {"activity_type": TASK, "due_date": "2099-12-31T23:59:59.000000Z", "done": False, "done_date": None},
        },
    ),
    case(
        "done_without_date", "activities", "done, nobody knows when", "loaded: done, at its due date",
        same(ids(71017, 71022), {"done": True, "done_date": None}),
    ),
    case("duration_missing", "activities", "no duration", "loaded: with no length", same(ids(71023, 71028), {"duration": None})),
    case(
        "duration_odd", "activities", "no minute, or three days", "loaded: as given",
        each(71029, "duration", (0, 4320)),
    ),
    case("due_date_missing", "activities", "never scheduled", "loaded: at the time it was created", same(ids(71031, 71032), {"due_date": None, "done": False, "done_date": None})),
    case(
        "activity_owner_gone", "activities", "of somebody the account no longer lists", "queued: the admin owns it",
        same(ids(71033, 71035), {"assigned_to": catalogue.GONE_AGENT}),
    ),
    case(
        "activity_owner_not_in_target", "activities", "of somebody who is no user of the target",
        "queued: the admin owns it until reassigned", same(ids(71036, 71037), {"assigned_to": catalogue.UNKNOWN_AGENT}),
    ),
    case(
        "activity_of_unmoved_contact", "activities", "its contact is rejected or excluded", "listed: not moved, with the reason",
        {
            71038: {"activity_type": PUSH, "user_id": 41209},
            71039: {"activity_type": PUSH, "user_id": 41210},
            71040: {"activity_type": CALL, "user_id": 41221},
            71041: {"activity_type": TASK, "user_id": 41246},
        },
    ),
    case(
        "activity_of_merged_contact", "activities", "its contact is merged into another", "loaded: on the survivor",
        {71042: {"activity_type": CALL, "user_id": 41236}, 71043: {"activity_type": TASK, "user_id": 41242}},
    ),
    case(
        "activity_type_other", "activities", "of a kind the customer invented", "loaded: by the activity map",
        same(ids(71044, 71049), {"activity_type": BROCHURE, "name": "Brochure posted"}),
    ),
    case(
        "activity_html", "activities", "markup in the description", "loaded: as text",
        each(71050, "description", ("<p>Wants <b>two</b> rooms</p><br><script>alert(1)</script>",)),
    ),
    case(
        "activity_description_over_10000", "activities", "a description longer than any field takes",
        "loaded: split, never cut", each(71051, "description", (LONG_TEXT * 190,)),
    ),
    case("activity_formula", "activities", "a title a spreadsheet would compute", "loaded: unchanged, text in sheets", each(71052, "name", ("=NOW() call back",))),
    case(
        "activity_makes_contact", "activities", "a call or meeting with somebody never contacted by the record",
        "loaded: its contact is no lead",
        {
            71053: {"activity_type": CALL, "user_id": 41134},
            71054: {"activity_type": MEETING, "user_id": 41135},
            71055: {"activity_type": CALL, "user_id": 41136},
            71056: {"activity_type": VIDEO, "user_id": 41137},
        },
    ),
    case(
        "activity_of_lead", "activities", "a task or push message of somebody never contacted",
        "loaded: its contact stays a lead",
        {
            71057: {"activity_type": TASK, "user_id": 41140},
            71058: {"activity_type": PUSH, "user_id": 41144},
            71059: {"activity_type": TASK, "user_id": 41232},
        },
    ),
)  # fmt: skip

_UNOPENED: Doc = {"opened_at": None, "clicked_at": None}

MAIL_CASES: tuple[Case, ...] = (
    case(
        "mail_makes_contact", "emails", "opened by somebody never contacted by the record", "loaded: its contact is no lead",
        {
            95001 + n: {
                "user_id": user_id,
                "sent_at": "2026-03-02T08:00:00.000000Z",
                "opened_at": "2026-03-02T09:12:31.000000Z",
                "clicked_at": None,
            }
            for n, user_id in enumerate((41138, 41139))
        },
    ),
    case(
        "mail_to_lead", "emails", "sent to somebody never contacted, and not opened", "loaded: its contact stays a lead",
        {95003 + n: {"user_id": user_id, **_UNOPENED} for n, user_id in enumerate((41140, 41141, 41148))},
    ),
    case(
        "clicked_not_opened", "emails", "clicked, never opened (images off)", "loaded: the click only",
        same(ids(95006, 95008), {"opened_at": None, "clicked_at": "2026-01-12T08:01:00.000000Z"}),
    ),
    case(
        "mail_never_sent", "emails", "written, never sent", "listed: nothing happened",
        same(ids(95009, 95010), {"sent_at": None, **_UNOPENED, "status": 1}),
    ),
    case(
        "mail_dst_night", "emails", "opened in the night the clocks change", "loaded: the same instant",
        {95011: {"sent_at": "2025-10-25T20:00:00.000000Z", "opened_at": "2025-10-26T00:59:59.500000Z"}},
    ),
    case("mail_without_subject", "emails", "an empty subject, or none", "loaded: with a neutral title", each(95012, "subject", ("", None))),
)  # fmt: skip
