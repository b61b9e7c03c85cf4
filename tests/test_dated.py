"""Activities and mails in their carriers: same instant, nothing without a place, nothing cut."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import activities as acts
from crmbook.phases import carriers, dated, notetext
from history_rows import FATES, TEAM, activities, at, emails, only, states, types

NOON = at("2024-05-03T12:00:00")
TYPES = types(
    ("1", "Call", "call"), ("2", "Visit", "meeting"), ("3", "To-do", "task"), ("4", "Brochure", "other")
)
CALL, MEETING, TASK, OTHER = "1", "2", "3", "4"


def _carry(
    *rows: dict[str, Any], available: list[str] | None = None, chosen: pl.DataFrame = TYPES
) -> dated.Dated:
    made = activities(
        *({"source_id": str(n), "contact_id": "1", "due_date": NOON, **r} for n, r in enumerate(rows))
    )
    return dated.carry(acts.entries(made, chosen), FATES, TEAM, available)


def _mails(*rows: dict[str, Any]) -> dated.Dated:
    made = emails(*({"contact_id": "1", **r} for r in rows))
    planned = carriers.plan(tables.ACTIVITY_TYPES.empty(), activities(), made)
    return dated.carry(acts.mails(made, planned), FATES, TEAM, None)


def test_a_call_keeps_start_length_owner_and_words() -> None:
    """As a sales activity of the phone's type."""
    made = _carry({"name": "Offer", "duration": 45, "description": "Asked twice.", "assigned_to": "7"})

    row = only(made.sales_activities)
    expected = {
        "source_id": "activity:0", "owner_agent_id": "7", "activity_type": "phone", "title": "Offer",
        "start_date": NOON, "end_date": NOON + timedelta(minutes=45), "parent_kind": "contact", "parent_id": "1",
        "notes": "Asked twice.\nUser.com activity 0; Call; done",
    }  # fmt: skip
    assert expected == row


def test_a_meeting_names_its_owner_in_the_text() -> None:
    """Nothing documented gives a meeting an owner, and nobody is invited."""
    row = only(
        _carry(
            {"activity_type_id": MEETING, "name": "Visit", "duration": 30, "assigned_to": "7"}
        ).appointments
    )

    assert (NOON, NOON + timedelta(minutes=30), "UTC") == (
        row["from_date"],
        row["end_date"],
        row["time_zone"],
    )
    assert row["description"] == "User.com activity 0; assigned to Ann Lee; done"
    assert set(row) == set(tables.APPOINTMENTS.columns)


def test_a_task_keeps_what_it_has_no_field_for_as_text() -> None:
    """Length, when it was done and created; the target would date its completion with the day of the load."""
    made = _carry(
        {"activity_type_id": TASK, "name": "Ring", "duration": 20, "done_date": at("2024-05-04T08:00:00"),
         "created_at": at("2024-05-01T07:00:00")}
    )  # fmt: skip

    row = only(made.tasks)
    assert (NOON, True) == (row["due_date"], row["is_done"])
    expected = "User.com activity 0; To-do; lasts 20 minutes; done 2024-05-04 08:00:00 UTC; created 2024-05-01 07:00:00 UTC"
    assert expected == row["description"]
    lost = dict(made.loss.select("field", "kind").iter_rows())
    assert {"created_at": "collapsed", "done_date": "collapsed", "duration": "collapsed"} == lost


def test_an_invented_kind_becomes_a_note_that_begins_with_its_id_and_instant() -> None:
    """Markup in it is shown as text."""
    made = _carry({"activity_type_id": OTHER, "name": "Sent <2>", "description": "a\nb"})

    note = only(notetext.pack(made.blocks.lazy()).notes)
    expected = (
        "User.com activity 0: Brochure<br><b>2024-05-03 12:00:00 UTC</b><br>Sent &lt;2&gt;<br>a<br>b<br>"
        "User.com activity 0; Brochure; done"
    )
    assert ("activity:0:1", expected) == (note["source_id"], note["description"])
    assert only(made.carried)["carrier_id"] == "activity:0:1"


@pytest.mark.parametrize(
    ("expected", "parents"),
    [
        pytest.param(("contact", "1"), {"contact_id": "2"}, id="merged: on the survivor"),
        pytest.param(
            ("contact", "1"), {"deal_id": "50", "company_id": "60"}, id="contact before deal and company"
        ),
        pytest.param(
            ("deal", "50"),
            {"contact_id": None, "deal_id": "50", "company_id": "60"},
            id="deal before company",
        ),
        pytest.param(("company", "60"), {"contact_id": None, "company_id": "60"}, id="company alone"),
        pytest.param(("deal", "50"), {"contact_id": "3", "deal_id": "50"}, id="contact not moved"),
    ],
)
def test_it_hangs_on_the_best_record_that_moved(
    expected: tuple[str, str], parents: dict[str, str | None]
) -> None:
    """The contact first, then the deal, then the company."""
    row = only(_carry({"name": "x", **parents}).sales_activities)

    assert expected == (row["parent_kind"], row["parent_id"])


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        pytest.param("no_parent", {"contact_id": None}, id="about nobody"),
        pytest.param("contact rejected: email_missing", {"contact_id": "3"}, id="contact rejected"),
        pytest.param("contact not in the source", {"contact_id": "99"}, id="contact unknown"),
        pytest.param(
            "contact rejected: email_missing",
            {"contact_id": "3", "company_id": "61"},
            id="the first says why",
        ),
        pytest.param("time_missing", {"due_date": None}, id="no time at all"),
    ],
)
def test_what_has_no_place_is_rejected_with_the_reason(reason: str, changed: dict[str, Any]) -> None:
    """Never attached to something else, never given a made-up time."""
    made = _carry({"name": "x", **changed})

    assert {"0": ("rejected", reason)} == states(made.carried)
    assert made.sales_activities.height == 0


def test_further_records_it_is_about_stand_in_the_text() -> None:
    """The target hangs it on one record; the others are named, moved or not."""
    row = only(_carry({"name": "x", "deal_id": "50", "company_id": "61"}).sales_activities)

    assert "about deal 50, company 61 (not moved)" in row["notes"]


@pytest.mark.parametrize(
    ("expected", "dates"),
    [
        pytest.param("2024-01-01T00:00:00", {"done_date": at("2024-01-01"), "created_at": NOON}, id="done"),
        pytest.param(
            "2024-05-03T12:00:00", {"created_at": NOON, "updated_at": at("2025-01-01")}, id="created"
        ),
        pytest.param("2025-01-01T00:00:00", {"updated_at": at("2025-01-01")}, id="changed"),
    ],
)
def test_what_was_never_scheduled_stands_at_its_next_best_time(expected: str, dates: dict[str, Any]) -> None:
    """And that is counted among the changes."""
    made = _carry({"name": "x", "due_date": None, **dates})

    assert at(expected) == only(made.sales_activities)["start_date"]
    assert ("activity", "due_date", "taken_from_another_time", 1) in made.changes.rows()


@pytest.mark.parametrize(
    "moment",
    ["2025-10-26T00:30:00", "2025-10-26T01:30:00", "2026-03-29T01:00:00", "1969-07-20T20:17:40", "1931-04-01T08:00:00",
     "2099-12-31T23:59:59"],
)  # fmt: skip
def test_the_instant_is_the_sources(moment: str) -> None:
    """In the night the clocks change, before 1970, far ahead; the length is added to the instant, not the clock."""
    row = only(_carry({"name": "x", "due_date": at(moment), "duration": 60}).sales_activities)

    assert (at(moment), at(moment) + timedelta(hours=1)) == (row["start_date"], row["end_date"])


def test_a_fraction_of_a_second_stands_in_the_text() -> None:
    """The target keeps seconds; also before 1970 the second is the one that had begun."""
    made = _carry({"name": "x", "due_date": at("1969-12-31T23:59:58.250")})

    row = only(made.sales_activities)
    assert at("1969-12-31T23:59:58") == row["start_date"]
    assert "exactly at 1969-12-31 23:59:58.250000 UTC" in row["notes"]
    assert ("activity", "due_date", "truncated", 1) in made.loss.rows()


@pytest.mark.parametrize("minutes", [None, 0, -5, 10**15])
def test_a_length_that_is_none_ends_where_it_starts(minutes: int | None) -> None:
    """What was given stands in the text."""
    row = only(_carry({"name": "x", "duration": minutes}).sales_activities)

    assert row["start_date"] == row["end_date"]
    assert (f"lasts {minutes} minutes" in row["notes"]) == (minutes not in (None, 0))


def test_a_title_too_long_goes_on_in_the_text() -> None:
    """Shortened with a mark, whole in the first line."""
    made = _carry({"name": "n" * 400})

    row = only(made.sales_activities)
    assert "n" * 249 + "…" == row["title"]
    assert row["notes"].startswith("n" * 400 + "\n")
    assert ("activity", "name", "continued_in_text", 1) in made.changes.rows()


@pytest.mark.parametrize("name", [None, "", "  \n"])
def test_without_a_name_it_is_called_by_its_type(name: str | None) -> None:
    """The target refuses a blank title."""
    assert only(_carry({"name": name}).sales_activities)["title"] == "Call"


def test_a_description_too_long_stands_whole_in_a_note_beside_it() -> None:
    """The record says where; the note hangs on the same record."""
    text = "".join(f"{n} " for n in range(4_000))
    made = _carry({"name": "x", "description": text})

    row = only(made.sales_activities)
    notes = notetext.pack(made.blocks.lazy()).notes.sort("source_id")
    assert len(row["notes"]) <= dated.TEXT_LIMIT
    assert '(whole in the note "User.com activity 0, text")' in row["notes"]
    shown = "".join(d.partition("<br>")[2] for d in notes["description"])
    assert text.strip() == shown
    assert {"overflow:activity:0:text:1", "overflow:activity:0:text:2"} <= set(notes["source_id"])
    assert ("activity", "description", "to_note", 1) in made.changes.rows()


def test_a_type_the_target_lacks_becomes_a_note() -> None:
    """A push message has no type everywhere; a call needs its own."""
    push = types(("1", "Push", "push"))

    assert only(_carry({"name": "x"}, chosen=push, available=["sms_outgoing"]).sales_activities)[
        "activity_type"
    ] == ("sms_outgoing")
    bare = _carry({"name": "x"}, chosen=push, available=["phone"])
    assert (0, "notes") == (bare.sales_activities.height, only(bare.carried)["carrier_module"])


@pytest.mark.parametrize("carrier", carriers.CARRIERS)
def test_a_person_may_choose_any_carrier(carrier: str) -> None:
    """The same call in every module."""
    edited = pl.DataFrame(
        [("1", carrier, "changed")], schema=["source_field", "target_field", "decision"], orient="row"
    )
    chosen = carriers.with_decisions(TYPES, edited, key="activity_type_id")

    made = _carry({"name": "x", "duration": 5}, chosen=chosen)

    assert carrier == only(made.carried)["carrier_module"]
    heights = {"tasks": made.tasks, "appointments": made.appointments, "sales_activities": made.sales_activities,
               "notes": made.blocks}  # fmt: skip
    assert {name: int(name == carrier) for name in heights} == {n: f.height for n, f in heights.items()}


def test_a_skipped_type_is_skipped_by_decision() -> None:
    """Also where its record is gone: the decision comes first."""
    edited = pl.DataFrame(
        [("1", "", "skip")], schema=["source_field", "target_field", "decision"], orient="row"
    )
    chosen = carriers.with_decisions(TYPES, edited, key="activity_type_id")

    made = _carry({"name": "x"}, {"name": "y", "contact_id": "3"}, chosen=chosen)

    assert {"0": ("skipped", "by decision"), "1": ("skipped", "by decision")} == states(made.carried)


def test_a_mail_is_an_entry_for_each_thing_that_happened() -> None:
    """Sent, opened and clicked, each at its instant, with the kind in the title."""
    made = _mails(
        {"source_id": "5", "subject": "News", "sent_at": NOON, "opened_at": NOON + timedelta(hours=1),
         "clicked_at": NOON + timedelta(hours=2)}
    )  # fmt: skip

    rows = made.sales_activities.select("source_id", "title", "start_date", "activity_type").rows()
    assert [
        ("email:5:clicked", "E-mail clicked: News", NOON + timedelta(hours=2), "email"),
        ("email:5:opened", "E-mail opened: News", NOON + timedelta(hours=1), "email"),
        ("email:5:sent", "E-mail sent: News", NOON, "email"),
    ] == rows
    assert {"5:sent", "5:opened", "5:clicked"} == set(made.carried["source_id"])


@pytest.mark.parametrize("subject", [None, "", " "])
def test_a_mail_without_subject_has_a_neutral_title(subject: str | None) -> None:
    """What happened is known even where the subject is not."""
    made = _mails({"source_id": "5", "subject": subject, "clicked_at": NOON})

    assert [("email:5:clicked", "E-mail clicked")] == made.sales_activities.select(
        "source_id", "title"
    ).rows()


def test_a_mail_of_which_nothing_happened_is_listed() -> None:
    """Written, never sent."""
    silent = acts.silent_mails(emails({"source_id": "5"}, {"source_id": "6", "sent_at": NOON})).collect()

    assert {"5": ("rejected", "never_sent")} == states(silent)


def test_types_are_counted_and_those_nobody_lists_have_a_row() -> None:
    """Opens, clicks and sendings of mails may be decided alone."""
    listed = pl.DataFrame(
        [("1", "Call", "call"), ("2", "Dance", "dance")], schema=tables.ACTIVITY_TYPES.columns, orient="row"
    )
    used = activities(
        {"source_id": "a"},
        {"source_id": "b", "activity_type_id": "77"},
        {"source_id": "c", "activity_type_id": None},
    )
    sent = emails({"source_id": "5", "sent_at": NOON, "opened_at": NOON})

    made = carriers.plan(listed, used, sent)

    expected = [
        ("", None, "other", "notes", 1),
        ("1", "Call", "call", "sales_activities", 1),
        ("2", "Dance", "other", "notes", 0),
        ("77", None, "other", "notes", 1),
        ("email:opened", "E-mail opened", "email", "sales_activities", 1),
        ("email:sent", "E-mail sent", "email", "sales_activities", 1),
    ]
    assert expected == made.select("activity_type_id", "name", "kind", "carrier", "records").rows()


def test_an_activity_of_an_unlisted_type_is_carried() -> None:
    """Its type has an id and no name; the activity is a note all the same."""
    used = activities(
        {"source_id": "a", "activity_type_id": None, "name": None, "due_date": NOON, "contact_id": "1"}
    )
    planned = carriers.plan(tables.ACTIVITY_TYPES.empty(), used, emails())

    made = dated.carry(acts.entries(used, planned), FATES, TEAM, None)

    assert "(no title)" in only(notetext.pack(made.blocks.lazy()).notes)["description"]
