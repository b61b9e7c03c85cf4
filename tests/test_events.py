"""Occurrences of events: every instant and all data, as few calls as that takes, attendees told apart."""

import json
from typing import Any

import polars as pl
import pytest

from crmbook.phases import carriers, dated, events, notetext
from history_rows import FATES, TEAM, at, only, states
from history_rows import events as occurrences

FIRST, SECOND = at("2026-01-01T10:00:00"), at("2026-01-01T10:00:00.250000")


def _summaries(*rows: dict[str, Any]) -> tuple[events.Told, pl.DataFrame]:
    made = occurrences(*({"contact_id": "1", "at": FIRST, **r} for r in rows))
    told = events.summaries(made, events.plan(made), TEAM, FATES)
    return told, notetext.pack(told.blocks.lazy()).notes


def _chosen(made: pl.DataFrame, carrier: str) -> pl.DataFrame:
    rows = [(name, carrier, "skip" if carrier == "skip" else "changed") for name in made["name"].unique()]
    edited = pl.DataFrame(rows, schema=["source_field", "target_field", "decision"], orient="row")
    planned = events.plan(made)
    return events.with_calls(carriers.with_decisions(planned, edited, key="event"), planned)


def test_one_note_per_contact_and_event_tells_every_occurrence_in_order() -> None:
    """Merged contacts share the survivor's note."""
    _, notes = _summaries(
        {"source_id": "9", "at": SECOND, "data": '{"trip":"Kyoto"}'},
        {"source_id": "8", "contact_id": "2"},
        {"source_id": "7", "name": "paid", "data": None},
    )

    assert {
        "events:1:seen:1": "User.com events seen, user 1<br><b>2026-01-01 10:00:00 UTC</b>"
        "<br><b>2026-01-01 10:00:00.250000 UTC</b><br>{&quot;trip&quot;:&quot;Kyoto&quot;}",
        "events:1:paid:1": "User.com events paid, user 1<br><b>2026-01-01 10:00:00 UTC</b>",
    } == dict(notes.select("source_id", "description").iter_rows())


def test_occurrences_of_one_instant_keep_the_order_of_their_ids() -> None:
    """Numbers, not text: 10 comes after 9."""
    told, _ = _summaries({"source_id": "10"}, {"source_id": "9"})

    assert ["9", "10"] == told.placed.sort("position")["source_id"].to_list()


def test_a_contact_that_is_not_moved_takes_its_events_along() -> None:
    """Listed with the reason."""
    told, notes = _summaries({"source_id": "1", "contact_id": "3"}, {"source_id": "2", "contact_id": None})

    assert {"1": ("rejected", "contact rejected: email_missing"), "2": ("rejected", "no_parent")} == states(
        told.placed
    )
    assert notes.height == 0


def test_a_long_name_is_whole_in_the_note() -> None:
    """The head has room for its beginning only."""
    _, notes = _summaries(
        {"source_id": "1", "name": "filter_" * 60}, {"source_id": "2", "name": "filter_" * 60}
    )

    text = only(notes)["description"]
    head, name, *rest = text.split("<br>")
    assert head.startswith("User.com events filter_filter_")
    assert ("filter_" * 60, 2) == (name, len(rest))


def test_names_that_differ_by_blanks_are_one_event() -> None:
    """A person could not tell them apart in decisions.csv."""
    told, _ = _summaries({"source_id": "1", "name": " big  deal"}, {"source_id": "2", "name": "big deal"})

    assert {"events:1:big deal"} == set(told.placed["key"])


@pytest.mark.parametrize("name", [None, ""])
def test_an_event_without_a_name_is_told_all_the_same(name: str | None) -> None:
    """It has a row in the plan and a note."""
    made = occurrences({"source_id": "1", "name": name, "contact_id": "1", "at": FIRST})

    told = events.summaries(made, events.plan(made), TEAM, FATES)

    assert "User.com events (no name), user 1" == only(told.blocks)["head"]


def test_attendees_are_told_apart_by_e_mail() -> None:
    """Whatever the case: people of the team with their name, guests by address; guests are listed."""
    data = json.dumps({"attendees": ["ANN@team.example", "guest@post.example"]})
    made = occurrences({"source_id": "1", "contact_id": "1", "at": FIRST, "data": data}, {"source_id": "2"})

    told = events.summaries(made, events.plan(made), TEAM, FATES)

    shown = told.blocks.filter(pl.col("parent_id") == "1")["html"].item()
    assert shown.endswith("<br>attendees: ANN@team.example (Ann Lee), guest@post.example")
    assert [("event", "1", "attendee_unresolved", "attendees", False)] == events.unresolved(made, TEAM).rows()


def test_attendees_may_be_records() -> None:
    """Whatever shape the customer's events give them, the address is found."""
    data = json.dumps({"attendees": [{"email": "bo@team.example", "status": "yes"}]})
    made = occurrences({"source_id": "1", "contact_id": "1", "at": FIRST, "data": data})

    assert events.unresolved(made, TEAM).height == 0


@pytest.mark.parametrize("carrier", ["sales_activities", "tasks"])
def test_a_person_may_choose_a_record_for_each_occurrence(carrier: str) -> None:
    """The first attendee of the team owns it; the data stands in its text."""
    data = json.dumps({"title": "Trip", "attendees": ["guest@post.example", "bo@team.example"]})
    made = occurrences({"source_id": "4", "contact_id": "2", "at": FIRST, "data": data})
    chosen = _chosen(made, carrier)

    carried = dated.carry(events.entries(made, chosen, TEAM), FATES, TEAM, None)

    row = only(getattr(carried, carrier))
    text = row.get("notes") or row.get("description")
    assert ("event:4", "seen", "8", "1") == tuple(
        row[c] for c in ("source_id", "title", "owner_agent_id", "parent_id")
    )
    assert text.startswith(data)
    assert "\nattendees: guest@post.example, bo@team.example (Bo Ek)\n" in text
    assert FIRST == (row.get("start_date") or row.get("due_date"))
    assert (1, 1) == chosen.select("records", "calls").row(0)


def test_a_skipped_event_is_skipped_by_decision() -> None:
    """And costs nothing."""
    made = occurrences({"source_id": "4", "contact_id": "1", "at": FIRST})
    chosen = _chosen(made, "skip")

    carried = dated.carry(events.entries(made, chosen, TEAM), FATES, TEAM, None)

    assert {"4": ("skipped", "by decision")} == states(carried.carried)
    assert ("skip", 0) == chosen.select("carrier", "calls").row(0)
    assert events.summaries(made, chosen, TEAM, FATES).placed.height == 0


def test_the_plan_counts_the_calls_of_its_proposal() -> None:
    """A note per contact, more where the data is long."""
    rows = [{"source_id": str(n), "contact_id": str(n % 2), "data": '{"a":1}'} for n in range(10)]
    rows += [
        {"source_id": f"1{n}", "contact_id": "0", "name": "big", "data": json.dumps({"a": "x" * 9_000})}
        for n in range(4)
    ]

    made = events.plan(occurrences(*rows))

    assert [("big", "notes", 4, 6), ("seen", "notes", 10, 2)] == made.select(
        "event", "carrier", "records", "calls"
    ).rows()
