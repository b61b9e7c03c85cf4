"""The history in the target: everything once, every field, every instant of the source, nothing nobody can explain."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

import history_world as history
from crmbook import tables
from crmbook.phases import instants
from history_world import ACTUAL, CROSSWALK, SEEN, TALK, Found, at
from reconciliation_world import Frames, changed, frame, with_copy, without

Finding = tuple[str, ...]


def edited(table: str, target_id: int, **values: Any) -> Frames:
    return {**ACTUAL, f"actual_{table}": changed(ACTUAL[f"actual_{table}"], target_id, **values)}


def removed(table: str, target_id: int) -> Frames:
    return {**ACTUAL, f"actual_{table}": without(ACTUAL[f"actual_{table}"], target_id)}


def copied(table: str, target_id: int, copy_id: int, **values: Any) -> Frames:
    return {**ACTUAL, f"actual_{table}": with_copy(ACTUAL[f"actual_{table}"], target_id, copy_id, **values)}


def test_clean_history_has_no_finding() -> None:
    """Records of others in the tenant are none of ours; everything of ours is there and equal."""
    found = Found()
    assert set() == found.findings()
    assert [("lists", 899), ("tasks", 499)] == found.strange.select("module", "target_id").rows()


def test_balance_of_a_clean_history() -> None:
    """Every module's rows are accounted for by its classes."""
    shown = {row[0]: row[1:] for row in Found().balance.rows()}
    assert {
        "tasks": (2, 2, 0, 0, 0, 0, 0, 0, 0),
        "appointments": (1, 1, 0, 0, 0, 0, 0, 0, 0),
        "sales_activities": (3, 3, 0, 0, 0, 0, 0, 0, 0),
        "notes": (3, 3, 0, 0, 0, 0, 0, 0, 0),
        "lists": (2, 2, 0, 0, 0, 0, 0, 0, 0),
        "list_members": (3, 3, 0, 0, 0, 0, 0, 0, 0),
        "documents": (1, 1, 0, 0, 0, 0, 0, 0, 0),
        "document_links": (1, 1, 0, 0, 0, 0, 0, 0, 0),
    } == shown


def test_chain_reaches_from_the_source_to_the_target() -> None:
    """Source rows = found + rejected + skipped + lost, per kind of history."""
    shown = {row[0]: row[1:] for row in Found().chain.rows()}
    assert {
        "activity": (4, 4, 0, 0, 0, 0, 0),
        "event": (3, 2, 1, 0, 0, 0, 0),
        "email": (3, 2, 0, 1, 0, 0, 0),
        "message": (5, 4, 1, 0, 0, 0, 0),
        "membership": (4, 4, 0, 0, 0, 0, 0),
        "file": (1, 1, 0, 0, 0, 0, 0),
    } == shown


def test_every_field_of_every_record_is_compared() -> None:
    """Fields that hold something on either side count; none is left out of the fidelity."""
    shown = {(m, f): n for m, f, n in Found().compared.fidelity.select("module", "field", "compared").rows()}
    assert (2, 1, 0, 1) == (
        shown["tasks", "due_date"], shown["tasks", "description"], shown["appointments", "owner_id"],
        shown["documents", "sha256"],
    )  # fmt: skip


DEFECTS: list[Any] = [
    pytest.param(removed("tasks", 403), {("tasks", "activity:3", "missing")}, id="task lost"),
    pytest.param(
        copied("tasks", 403, 490),
        {("tasks", "activity:3", "duplicated"), ("tasks", "490", "copy")},
        id="task twice",
    ),
    pytest.param(
        {**ACTUAL, "actual_tasks": without(copied("tasks", 403, 490)["actual_tasks"], 404)},
        {("tasks", "activity:3", "duplicated"), ("tasks", "490", "copy"), ("tasks", "activity:4", "missing")},
        id="loss offset by a copy",
    ),
    pytest.param(
        copied("tasks", 403, 490, title="New"), {("tasks", "490", "unexpected")}, id="stranger on ours"
    ),
    pytest.param(edited("tasks", 403, owner_id=92), {("tasks", "activity:3", "owner_id")}, id="owner"),
    pytest.param(edited("tasks", 403, is_done=False), {("tasks", "activity:3", "is_done")}, id="done state"),
    pytest.param(
        edited("tasks", 404, description=None), {("tasks", "activity:4", "description")}, id="description"
    ),
    pytest.param(
        edited("tasks", 404, parent="deal:3101"), {("tasks", "activity:4", "parent")}, id="other deal"
    ),
    pytest.param(edited("tasks", 404, parent=None), {("tasks", "activity:4", "parent")}, id="orphan"),
    pytest.param(
        edited("tasks", 404, due_date=history.FAR + timedelta(hours=1)),
        {("tasks", "activity:4", "due_date"), ("instant", "activity", "4")},
        id="an hour off",
    ),
    pytest.param(
        edited("appointments", 502, from_date=history.MEETING + timedelta(seconds=1)),
        {("appointments", "activity:2", "from_date"), ("instant", "activity", "2")},
        id="a second off",
    ),
    pytest.param(
        edited("appointments", 502, attendees=1), {("appointments", "activity:2", "attendees")}, id="invited"
    ),
    pytest.param(
        edited("appointments", 502, owner_id=9), {("appointments", "activity:2", "owner_id")}, id="told owner"
    ),
    pytest.param(
        edited("sales_activities", 601, activity_type="email"),
        {("sales_activities", "activity:1", "activity_type")},
        id="type",
    ),
    pytest.param(
        edited("sales_activities", 601, title="Căll"),
        {("sales_activities", "activity:1", "title")},
        id="title",
    ),
    pytest.param(
        edited("notes", 703, description=SEEN.replace("<br>a<br>", "<br>A<br>")),
        {("notes", "events:1:seen:1", "description")},
        id="text of a note",
    ),
    pytest.param(
        edited("notes", 701, description=TALK[0].partition("<br><b>2026-05-11 09:01")[0]),
        {("notes", "conversation:91:1", "description"), ("instant", "message", "91:2")},
        id="message lost",
    ),
    pytest.param(removed("notes", 702), {("notes", "conversation:91:2", "missing")}, id="part lost"),
    pytest.param(edited("lists", 801, name="C"), {("lists", "list:1", "name")}, id="list renamed"),
    pytest.param(
        removed("lists", 802),
        {("lists", "segment:1", "missing"), ("list_members", "segment:1", "2", "missing")},
        id="list lost",
    ),
    pytest.param(
        {**ACTUAL, "actual_list_members": ACTUAL["actual_list_members"].head(2)},
        {("list_members", "segment:1", "2", "missing")},
        id="member lost",
    ),
    pytest.param(
        {
            **ACTUAL,
            "actual_list_members": pl.concat(
                [
                    ACTUAL["actual_list_members"],
                    pl.DataFrame({"list_id": [802, 802], "contact_id": [2001, 2999]}),
                ]
            ),
        },
        {("list_members", "segment:1", "1", "extra"), ("list_members", "segment:1", "target:2999", "extra")},
        id="members too many",
    ),
    pytest.param(
        {
            **ACTUAL,
            "actual_documents": ACTUAL["actual_documents"].with_columns(
                sha256=pl.when(pl.col("kind") == "document").then(pl.lit("bb"))
            ),
        },
        {("documents", "deal:100:a.pdf", "sha256")},
        id="same size, other bytes",
    ),
    pytest.param(
        {**ACTUAL, "actual_documents": ACTUAL["actual_documents"].filter(pl.col("kind") == "document")},
        {("document_links", "contact:1:p_link", "missing")},
        id="link lost, file of the same id there",
    ),
]


@pytest.mark.parametrize(("actual", "expected"), DEFECTS)
def test_planted_defect_is_named(actual: Frames, expected: set[Finding]) -> None:
    """One defect in the target: exactly its findings, on its record."""
    assert expected == Found(actual).findings()


def test_messages_out_of_order_are_found_by_their_instants() -> None:
    """Two messages that swapped their places show each other's instants."""
    blocks = [
        "<br><b>2026-05-11 09:00:00 UTC, contact</b><br>a",
        "<br><b>2026-05-11 09:01:00.250000 UTC</b><br>b",
    ]
    found = Found(edited("notes", 701, description="".join(["head", *reversed(blocks)])))
    assert [("message", "91:1"), ("message", "91:2")] == found.instants.filter(~pl.col("is_equal")).select(
        "entity", "source_id"
    ).rows()


def test_a_lost_carrier_loses_its_source_rows() -> None:
    """The chain counts source rows, not records: one note gone is two messages lost."""
    lost = Found(removed("notes", 702)).chain.filter(pl.col("entity") == "message")
    assert [("message", 5, 2, 1, 0, 2, 0, 0)] == lost.rows()


def test_a_row_nobody_carries_is_unaccounted() -> None:
    """Source rows are counted from the source; a row that 04 forgot shows."""
    less = Found().standing.filter(pl.col("source_id") != "8")
    short = history.rec.chain(standing=less, extracted=history.EXTRACTED)
    assert [("event", 1)] == short.filter(pl.col("unaccounted") != 0).select("entity", "unaccounted").rows()


def test_a_record_the_crosswalk_lost_is_found_by_its_content() -> None:
    """A record deleted and made again is there once, and says how it was found."""
    again = {**ACTUAL, "actual_tasks": without(copied("tasks", 403, 490)["actual_tasks"], 403)}
    found = Found(again)
    assert set() == found.findings()
    told = found.classes.filter(pl.col("target_id") == 490).select("source_id", "reason").rows()
    assert [("activity:3", "found by its content")] == told


def test_two_records_cannot_share_one_place() -> None:
    """A crosswalk that sends two source records to one target record has lost one of them."""
    both = CROSSWALK.with_columns(
        target_id=pl.when(pl.col("source_id") == "activity:4").then(403).otherwise("target_id")
    )
    found = Found(removed("tasks", 404), both)
    assert ("tasks", "activity:4", "missing") in found.findings()


def test_what_the_target_refused_is_rejected_not_missing() -> None:
    """A refusal of the load stands as such."""
    crosswalk = CROSSWALK.filter(pl.col("source_id") != "activity:4")
    refused = pl.DataFrame({"entity": ["task"], "source_id": ["activity:4"]})
    assert {("tasks", "activity:4", "rejected")} == Found(
        removed("tasks", 404), crosswalk, refused
    ).findings()


def test_history_of_a_lost_parent_differs() -> None:
    """A record on nothing we loaded can't be right, wherever it hangs."""
    orphaned = CROSSWALK.filter(~((pl.col("entity") == "company") & (pl.col("source_id") == "10")))
    assert ("appointments", "activity:2", "parent") in Found(ACTUAL, orphaned).findings()


def test_a_lead_of_classic_is_a_parent() -> None:
    """A contact that went to the leads is found under its lead."""
    leads = CROSSWALK.with_columns(
        entity=pl.when((pl.col("entity") == "contact") & (pl.col("source_id") == "1"))
        .then(pl.lit("lead"))
        .otherwise("entity")
    )
    moved = {
        name: table.with_columns(pl.col("parent").str.replace("contact:2001", "lead:2001", literal=True))
        if "parent" in table.columns
        else table
        for name, table in ACTUAL.items()
    }
    found = Found(moved, leads)
    assert {
        ("list_members", "list:1", "1", "missing"),
        ("list_members", "list:1", "target:2001", "extra"),
    } == found.findings()


def test_instants_are_those_of_the_source() -> None:
    """Halves of a second go where the target keeps seconds and stay where it keeps text; 1969 and 2099 are no exception."""
    shown = {
        (e, s): (x, f)
        for e, s, x, f in Found().instants.select("entity", "source_id", "expected", "found").rows()
    }
    assert {
        ("activity", "1"): (history.CALL, at("2024-05-03T09:00:00")),
        ("activity", "2"): (history.MEETING, history.MEETING),
        ("activity", "3"): (history.LONG_AGO, history.LONG_AGO),
        ("activity", "4"): (history.FAR, history.FAR),
        ("email", "70:opened"): (history.SECOND, at("2026-05-11T09:01:00")),
        ("email", "70:sent"): (history.FIRST, history.FIRST),
        ("event", "7"): (history.SECOND, history.SECOND),
        ("event", "8"): (history.FIRST, history.FIRST),
        ("message", "91:1"): (history.FIRST, history.FIRST),
        ("message", "91:2"): (history.SECOND, history.SECOND),
        ("message", "91:3"): (history.SECOND, history.SECOND),
        ("message", "91:4"): (history.THIRD, history.THIRD),
    } == shown  # fmt: skip


def test_instant_balance_counts_per_kind() -> None:
    """Compared, equal and different; a wrong one is counted where it belongs."""
    late = Found(edited("tasks", 404, due_date=history.FIRST))
    assert [("activity", 4, 3, 1), ("email", 2, 2, 0), ("event", 2, 2, 0), ("message", 4, 4, 0)] == (
        instants.balance(late.instants).rows()
    )


def test_source_rows_are_counted_from_the_source() -> None:
    """A mail counts once a step and at least once; a contact in a list twice is one membership."""
    contacts = frame(
        tables.SOURCE_CONTACTS,
        {"source_id": "1", "list_ids": ["1", "1"]},
        {"source_id": "2", "list_ids": ["1"]},
    )
    segments = frame(tables.SEGMENT_MEMBERS, {"segment_id": "1", "contact_id": "2"})
    counted = instants.extracted(
        activities=history.ACTIVITIES, events=history.EVENTS, emails=history.EMAILS, messages=history.MESSAGES,
        conversations=frame(tables.HISTORY_CONVERSATIONS, {"source_id": "91"}), contacts=contacts, segment_members=segments, files=tables.SOURCE_FILES.empty(),
    )  # fmt: skip
    assert {
        "activity": 4,
        "event": 3,
        "email": 3,
        "conversation": 1,
        "message": 5,
        "membership": 3,
        "file": 0,
    } == counted
