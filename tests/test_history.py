"""History as a whole: every row of the source is accounted for, and the demo's is carried as its hazards say."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from conftest import Demo
from crmbook import tables
from crmbook.phases import events, history, listing, parents
from crmbook.sandbox import demo as scenario
from history_rows import (
    TEAM,
    activities,
    at,
    conversations,
    emails,
    files,
    messages,
    states,
    types,
)
from history_rows import events as occurrences
from normalization_case import mapping
from source_rows import companies, contacts, deals, table

NOON = at("2024-05-03T12:00:00")
ROWS = scenario.scenario().usercom
NAMES = {"activities": "activity", "emails": "email", "events": "event", "conversations": "conversation"}
HAZARDS = [h for h in scenario.hazards() if h.entity in NAMES]


def _carry(**changed: Any) -> history.History:
    empty: dict[str, Any] = {
        "activities": activities(), "emails": emails(), "events": occurrences(), "conversations": conversations(),
        "messages": messages(), "segment_members": table(tables.SEGMENT_MEMBERS, []), "files": files(),
    }  # fmt: skip
    source = history.Source(**{**empty, **changed})
    people = contacts({"source_id": "1", "list_ids": ["5"]}, {"source_id": "3", "list_ids": ["5"]})
    lists = table(tables.LISTS, [{"list_id": "5", "name": "Fair"}])
    members = listing.members(people, source.segment_members)
    plans = history.Plans(
        mapping=mapping(), owners=TEAM, activity_types=types(("1", "Call", "call")),
        event_types=events.plan(source.events), list_plan=listing.plan(lists, table(tables.SEGMENTS, []), members),
        lists_in_target=["fair"],
    )  # fmt: skip
    rejects = pl.DataFrame(
        [("contact", "3", "email_missing", "email", True)], schema=tables.REJECTS.columns, orient="row"
    )
    sources = {"contact": people, "company": companies(), "deal": deals()}
    fates = parents.fates(
        sources, merges=tables.MERGES.empty(), rejects=rejects, excluded=tables.EXCLUDED.empty()
    )
    records = history.Records(
        sources, fates, rejects, changes=tables.CHANGES.empty(), loss=tables.LOSS.empty()
    )  # fmt: skip
    return history.carry(source, plans, records)


def test_every_row_of_every_kind_is_accounted_for() -> None:
    """Carried, rejected or skipped; the sum is what the source holds, counted in the source."""
    made = _carry(
        activities=activities({"source_id": "1", "contact_id": "1", "due_date": NOON}, {"source_id": "2", "contact_id": "3"}),
        emails=emails({"source_id": "1", "contact_id": "1", "sent_at": NOON, "opened_at": NOON}, {"source_id": "2", "contact_id": "1"}),
        events=occurrences({"source_id": "1", "contact_id": "1", "at": NOON}, {"source_id": "2", "contact_id": "3", "at": NOON}),
        conversations=conversations({"source_id": "1", "contact_id": "1"}, {"source_id": "2", "contact_id": "3"}),
        messages=messages({"conversation_id": "1", "position": 1, "at": NOON, "content": "x"}, {"conversation_id": "2", "position": 1}),
        files=files({"entity": "contact", "source_id": "3", "name": "a", "path": "a", "size_bytes": 1, "sha256": "x"}),
    )  # fmt: skip

    assert [
        ("activity", 2, 1, 1, 0, 0),
        ("conversation", 2, 1, 1, 0, 0),
        ("email", 3, 2, 1, 0, 0),
        ("event", 2, 1, 1, 0, 0),
        ("file", 1, 0, 1, 0, 0),
        ("link", 0, 0, 0, 0, 0),
        ("membership", 2, 1, 1, 0, 0),
        ("message", 2, 1, 1, 0, 0),
    ] == made.history_balance.rows()
    assert [("list:5", "Fair (2)")] == made.target_lists.rows()


def test_every_carrier_that_is_named_exists() -> None:
    """`carried` points at keys of the tables it names."""
    made = _carry(
        activities=activities(
            {"source_id": "1", "contact_id": "1", "due_date": NOON, "description": "w " * 9_000}
        ),
        events=occurrences({"source_id": "1", "contact_id": "1", "at": NOON}),
        conversations=conversations({"source_id": "1", "contact_id": "1"}),
        messages=messages({"conversation_id": "1", "position": 1, "at": NOON, "content": "x"}),
    )

    assert [] == _dangling(
        made.carried, {name: getattr(made, name) for name in ("sales_activities", "notes")}
    )


def test_a_balance_that_does_not_add_up_says_by_how_much() -> None:
    """The gate looks at this number."""
    made = history.balance({"event": 3}, tables.CARRIED.empty())

    assert [("event", 3, 0, 0, 0, 3)] == made.rows()


def test_an_account_without_history_is_no_error() -> None:
    """`source.history = "none"`: all tables there, all empty."""
    made = _carry()

    assert (0, 0, 0) == (made.notes.height, made.tasks.height, made.documents.height)
    assert 1 == made.list_members.height


def _dangling(carried: pl.DataFrame, modules: dict[str, pl.DataFrame]) -> list[tuple[str, str]]:
    return [
        row
        for name, rows in modules.items()
        for row in carried.filter(pl.col("carrier_module") == name)
        .join(rows, left_on="carrier_id", right_on="source_id", how="anti")
        .select("entity", "source_id")
        .iter_rows()
    ]


def _read(demo: Demo, name: str) -> pl.DataFrame:
    return pl.read_parquet(demo.run / "04_normalization" / "data" / f"{name}.parquet")


def test_the_demos_carriers_all_exist(demo: Demo) -> None:
    """No row of the history points at a record that will not be written."""
    modules = {
        name: _read(demo, name)
        for name in ("tasks", "appointments", "sales_activities", "notes", "documents")
    }

    assert [] == _dangling(_read(demo, "carried"), modules)


@pytest.mark.parametrize("hazard", HAZARDS, ids=[h.name for h in HAZARDS])
def test_a_hazard_of_the_demo_ends_as_it_says(demo: Demo, hazard: Any) -> None:
    """`listed` is rejected with a reason, everything else is carried."""
    carried = _read(demo, "carried").filter(pl.col("entity") == NAMES[hazard.entity])
    told = states(carried.with_columns(pl.col("source_id").str.extract("^([^:]*)")))
    expected = "rejected" if hazard.expected.startswith("listed") else "carried"

    found = {row_id: told[str(row_id)] for row_id in hazard.source_ids}
    assert {expected} == {state for state, _ in found.values()}
    assert all(reason for state, reason in found.values() if state == "rejected")


@pytest.mark.parametrize(
    "name", ["contact_by_call", "contact_by_mail", "activity_makes_contact", "mail_makes_contact"]
)
def test_recorded_engagement_makes_a_contact(demo: Demo, name: str) -> None:
    """A call, a meeting or a read e-mail, with nothing but an address on the record."""
    hazard = next(h for h in scenario.hazards() if h.name == name)
    people = {
        str(row["id"]): str(row.get("user_id") or row["id"])
        for stem in ("users", "activities", "emails")
        for row in ROWS[stem]
    }
    split = dict(_read(demo, "contacts").select("source_id", "split").iter_rows())

    assert {"Contact"} == {split[people[str(row_id)]] for row_id in hazard.source_ids}


@pytest.mark.parametrize("name", ["lead_with_chat", "lead_with_events"])
def test_a_chat_or_an_event_leaves_a_lead_a_lead(demo: Demo, name: str) -> None:
    """What a person does on the web site is no engagement."""
    hazard = next(h for h in scenario.hazards() if h.name == name)
    split = dict(_read(demo, "contacts").select("source_id", "split").iter_rows())

    assert {"Lead"} == {split[str(row_id)] for row_id in hazard.source_ids}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_every_activity_of_the_demo_stands_at_the_scenarios_instant(demo: Demo) -> None:
    """Read from the scenario itself, not from anything the workbook extracted."""
    starts: dict[str, datetime] = {}
    for name, column in (
        ("tasks", "due_date"),
        ("appointments", "from_date"),
        ("sales_activities", "start_date"),
    ):
        starts |= dict(_read(demo, name).select("source_id", column).iter_rows())
    source = {f"activity:{r['id']}": _instant(r["due_date"] or r["created_at"]) for r in ROWS["activities"]}

    mine = {key: moment for key, moment in starts.items() if key.startswith("activity:")}
    assert 330 < len(mine)
    assert {key: source[key].replace(microsecond=0) for key in mine} == mine


def _lines(demo: Demo, source_id: str) -> str:
    notes = _read(demo, "notes").filter(pl.col("source_id").str.starts_with(f"{source_id}:"))
    number = pl.col("source_id").str.extract(r"(\d+)$").cast(pl.Int64)
    head, *rest = notes.sort(number)["description"].to_list()
    bodies = [part.partition("<br>")[2] for part in rest]
    return head + "".join(f"<br>{body}" if body.startswith("<b>") else body for body in bodies)


def test_every_message_of_the_demo_is_told_in_order_with_its_instant(demo: Demo) -> None:
    """Time, side and text of each, as the scenario has them."""
    carried = states(_read(demo, "carried").filter(pl.col("entity") == "conversation"))
    compared = 0
    for talk in ROWS["conversations"]:
        if carried[str(talk["id"])][0] != "carried":
            continue
        shown = _lines(demo, f"conversation:{talk['id']}")
        blocks = re.findall(r"<b>(\S+ \S+) UTC, (agent|contact)[^<]*</b><br>(.*?)(?=<br><b>|$)", shown)
        said = sorted(talk["messages"], key=lambda m: m["timestamp"])
        assert [
            (
                _instant(m["timestamp"]),
                {"user": "contact"}.get(m["author"], "agent"),
                (m["content"] or "").strip() or "(no text)",
            )
            for m in said
        ] == [
            (datetime.fromisoformat(f"{when}+00:00"), side, html.unescape(text))
            for when, side, text in blocks
        ]
        compared += len(said)
    assert compared > 250


def test_every_event_of_the_demo_is_told_with_its_instant(demo: Demo) -> None:
    """In the note of the contact it lives on as."""
    carried = _read(demo, "carried").filter(pl.col("entity") == "event", pl.col("state") == "carried")
    where = dict(carried.select("source_id", "carrier_id").iter_rows())
    notes = dict(_read(demo, "notes").select("source_id", "description").iter_rows())

    missing = [
        event["id"]
        for event in ROWS["events"]
        if str(event["id"]) in where and _shown(event["timestamp"]) not in notes[where[str(event["id"])]]
    ]
    assert ([], True) == (missing, len(where) > 390)


def _shown(timestamp: str) -> str:
    moment = _instant(timestamp)
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"<b>{moment:%Y-%m-%d %H:%M:%S}{fraction} UTC</b>"
