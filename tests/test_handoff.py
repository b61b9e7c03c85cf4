"""What the customer is told: what moved, what did not and why, what is left to do; and the inventory they write."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import history_world as history
import reconciliation_world as world
from crmbook import handoff_read, tables
from crmbook.errors import ConfigError
from crmbook.phases import handoff, wording
from crmbook.phases import moved as moving
from crmbook.phases import reconciliation as rec
from reconciliation_world import ACTUAL, changed, frame, with_copy, without

INVENTORY = frame(
    tables.INVENTORY,
    {"entity": "contacts", "distinct": 5, "available": True},
    {"entity": "activities", "distinct": 4, "available": True},
    {"entity": "campaigns", "distinct": 2, "available": True},
    {"entity": "conversations", "distinct": 0, "available": False, "origin": "api"},
    {"entity": "files", "distinct": 0, "available": False, "origin": "skipped"},
)
MAPPING = frame(
    tables.MAPPING,
    {"entity": "contact", "source_field": "email", "target_field": "email", "decision": "proposed"},
    {"entity": "contact", "source_field": "p_plan", "target_field": "cf_plan", "decision": "confirmed"},
    {
        "entity": "contact",
        "source_field": "p_old",
        "target_field": "",
        "decision": "skip",
        "reason": "always empty",
    },
    {
        "entity": "deal",
        "source_field": "p_x",
        "target_field": "cf_x",
        "decision": "skip",
        "reason": "not wanted",
    },
)
TAGS = frame(
    tables.TAGS,
    {"tag_id": "1", "name": "vip"},
    {"tag_id": "2", "name": "unused"},
    {"tag_id": "3", "name": "eu"},
)
SEGMENTS = frame(
    tables.SEGMENTS,
    {"segment_id": "1", "name": "Buyers", "description": "won a deal", "object_count": 9},
    {"segment_id": "2", "name": "Nobody"},
)
MEMBERS = frame(
    tables.SEGMENT_MEMBERS, {"segment_id": "1", "contact_id": "1"}, {"segment_id": "1", "contact_id": "2"}
)
LISTS = frame(
    tables.LISTS_TARGET, {"source_id": "list:1", "name": "A"}, {"source_id": "segment:1", "name": "Buyers"}
)
LIST_PLAN = frame(
    tables.LIST_PLAN,
    {"list_key": "list:1", "kind": "list", "name": "A", "target_name": "A", "members": 2, "is_renamed": False},
    {"list_key": "segment:1", "kind": "segment", "name": "A", "target_name": "A (segment)", "members": 2, "is_renamed": True},
    {"list_key": "segment:2", "kind": "segment", "name": "Nobody", "target_name": "", "members": 0, "is_renamed": False},
)  # fmt: skip
TAG_PLAN = frame(
    tables.TAG_PLAN,
    {"module": "contacts", "mode": "multi_select", "api_name": "cf_tags"},
    {"module": "sales_accounts", "mode": "native", "api_name": ""},
)
DEALS = frame(
    tables.SOURCE_DEALS,
    {"source_id": "100", "products": ["1"]},
    {"source_id": "101", "products": [], "order_products": "[]"},
    {"source_id": "102", "order_products": '[{"quantity": 2}]'},
)
AUTOMATION = {
    "name": "Welcome",
    "trigger": "t",
    "conditions": "",
    "actions": "a",
    "is_active": True,
    "notes": "",
}


SIGNS = frame(
    tables.AUTOMATION_SIGNS,
    {"kind": "mail", "sign": "mail 1", "records": 9, "is_explained": False},
    {"kind": "tag", "sign": "welcome", "records": 2, "is_explained": True},
)
REJECTED_LINES = frame(
    tables.SOURCE_REJECTS,
    {"file": "users.csv", "line": 3, "reason": "too many cells"},
    {"file": "users.csv", "line": 9, "reason": "too many cells"},
    {"file": "deals.csv", "line": 2, "reason": "no id"},
)


def with_products(actual: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {**actual, "deal": actual["deal"].with_columns(cf_usercom_products=pl.lit("1 x boat"))}


def moved(
    actual: dict[str, pl.DataFrame] = ACTUAL,
    found: history.Found | None = None,
    inventory: pl.DataFrame = INVENTORY,
) -> pl.DataFrame:
    ids, found = world.ids(), found or history.Found()
    return moving.moved(
        classes=world.classes(actual),
        chain=found.chain,
        standing=found.standing,
        history_classes=found.classes,
        list_plan=LIST_PLAN,
        inventory=inventory,
        mapping=MAPPING,
        stages=world.STAGES,
        found_stages=ids.stages,
        owners=ids.owners,
        tags=TAGS,
        tag_plan=TAG_PLAN,
        source_deals=DEALS,
        actual=with_products(actual),
    )


def numbers(table: pl.DataFrame) -> dict[str, tuple[object, ...]]:
    return {row[0]: row[1:5] for row in table.rows()}


def test_moved_counts_every_object_and_says_why() -> None:
    """In source = in target + not moved, with the reasons of the rest counted, in words."""
    assert {
        "companies": (2, 2, 0, ""),
        "contacts": (
            5, 2, 3,
            "1 excluded: only a chat visitor, 1 merged: lives on in another record, 1 rejected: no e-mail address",
        ),
        "deals": (2, 2, 0, ""),
        "deal products": (2, 1, 1, ""),
        "custom properties": (3, 1, 2, "1 always empty, 1 not wanted"),
        "deal stages": (2, 2, 0, ""),
        "owners": (3, 2, 1, "1 inactive user"),
        "tags": (3, 2, 1, "on no record that moved"),
        "activities": (4, 4, 0, ""),
        "e-mails": (3, 2, 1, "1 never sent"),
        "events": (3, 2, 1, "1 contact rejected: no e-mail address"),
        "conversations": (None, 0, None, "the source does not list them"),
        "messages": (5, 4, 1, "1 contact rejected: no e-mail address"),
        "lists": (1, 1, 0, ""),
        "segments": (2, 1, 1, "1 left out by decision"),
        "memberships": (4, 4, 0, ""),
        "documents": (1, 1, 0, ""),
        "links": (0, 0, 0, ""),
        "campaigns": (2, 0, 2, "no interface takes campaigns or e-mail templates"),
    } == numbers(moved())  # fmt: skip


def test_moved_says_in_what_things_stand() -> None:
    """Carriers are those of the run, counted; every object says what is kept and what is lossy."""
    table = moved()
    carriers = dict(table.select("object", "carrier").iter_rows())
    assert ("tasks (2), meetings (1), sales activities (1)", "notes (2)", "multi-select field, tags") == (
        carriers["activities"], carriers["events"], carriers["tags"],
    )  # fmt: skip
    assert [] == table.filter((pl.col("kept") == "") | (pl.col("lossy") == "")).rows()


def test_tags_in_a_field_are_found_there() -> None:
    """A tag that stands in the custom field of its module counts as moved."""
    people = ACTUAL["contact"].with_columns(cf_tags=pl.lit(["unused"]), tags=pl.lit([], tables.TEXTS))
    assert (3, 2, 1, "on no record that moved") == numbers(moved({**ACTUAL, "contact": people}))["tags"]


def test_history_that_was_not_read_is_not_zero() -> None:
    """A number nobody read is null, and the reason is the decision."""
    short = history.Found()
    short.chain = short.chain.filter(pl.col("entity") != "file")
    assert (None, 0, None, "not read, as decided") == numbers(moved(found=short))["documents"]


def test_a_lost_record_is_told_as_not_moved() -> None:
    """What the comparison misses counts in the customer's table too."""
    lost = numbers(moved({**ACTUAL, "deal": without(ACTUAL["deal"], 3100)}))
    assert (2, 1, 1, "1 missing: gone from the target") == lost["deals"]
    gone = {**history.ACTUAL, "actual_notes": without(history.ACTUAL["actual_notes"], 702)}
    told = numbers(moved(found=history.Found(gone)))
    assert (5, 2, 3, "2 missing in the target, 1 contact rejected: no e-mail address") == told["messages"]


def findings(
    actual: dict[str, pl.DataFrame] = ACTUAL, past: dict[str, pl.DataFrame] = history.ACTUAL
) -> handoff.Findings:
    classes, found = world.classes(actual), history.Found(past)
    return handoff.Findings(
        classes=classes,
        target_only=rec.target_only(existing=world.EXISTING, classes=classes, actual=actual),
        link_classes=world.links(actual),
        differences=world.comparison(actual).differences,
        history_classes=found.classes,
        history_target_only=found.strange,
        member_classes=found.members,
        history_differences=found.compared.differences,
        instants=found.instants,
        actual_documents=past["actual_documents"],
    )


def open_items(
    found: handoff.Findings | None = None, active: int = 3, foreign: pl.DataFrame | None = None
) -> dict[str, tuple[object, ...]]:
    automations = handoff.automations([AUTOMATION, {**AUTOMATION, "name": "Old", "is_active": False}])
    noticed = frame(
        tables.REJECTS,
        {"entity": "contact", "source_id": "1", "rule": "tag_over_40", "field": "tags", "is_blocking": False},
        {"entity": "contact", "source_id": "1", "rule": "phone_invalid", "field": "phone", "is_blocking": False},
        {"entity": "event", "source_id": "7", "rule": "attendee_unresolved", "field": "attendees", "is_blocking": False},
    )  # fmt: skip
    table = handoff.open_items(
        findings=found or findings(),
        owner_queue=rec.owner_queue(
            ids=world.ids(), contacts=world.NORMALIZED["contact"], deals=world.NORMALIZED["deal"]
        ),
        rejects=noticed,
        carried=history.CARRIED,
        loss=frame(
            tables.LOSS,
            {"entity": "deal", "field": "probability", "kind": "rounded", "records": 4},
            {"entity": "activity", "field": "due_date", "kind": "truncated", "records": 2},
            {"entity": "activity", "field": "name", "kind": "truncated", "records": 1},
        ),
        list_plan=LIST_PLAN,
        automations=automations,
        automation_check=handoff.automation_check(automations, active),
        segments=SEGMENTS,
        signs=SIGNS,
        source_rejects=REJECTED_LINES,
        foreign_records=foreign,
    )
    return {row[0]: row[1:3] for row in table.rows()}


def test_what_workflows_made_is_somebodys_to_look_at() -> None:
    """One item with the number of records; nothing found, no item."""
    row = {
        "kind": "tasks",
        "entity": "contact",
        "source_id": "1",
        "seen_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    found = pl.DataFrame([row | {"target_id": i} for i in (7, 8)], schema=tables.FOREIGN_RECORDS.columns)
    more = open_items(foreign=found).items() - open_items(foreign=found.clear()).items()
    assert more == {("Records nobody planned on new contacts", (2, "Freshsales admin"))}


def test_open_items_of_a_clean_move() -> None:
    """What nobody but a person can do, for how many records, and who; losses are one line a kind."""
    assert {
        "1 owner: inactive user": (1, "Freshsales admin"),
        "Workflows, e-mail and sequences are off": (None, "Freshsales admin"),
        "activities: values shortened, in 2 fields": (3, "customer"),
        "automations not in the inventory": (2, "customer"),
        "automations to rebuild": (1, "customer"),
        "contacts excluded: only a chat visitor": (1, "customer"),
        "contacts rejected: no e-mail address": (1, "customer"),
        "contacts with a tag longer than 40 characters": (1, "customer"),
        "deals: values rounded, in 1 field": (4, "customer"),
        "events not moved": (1, "customer"),
        "events with guests who are nobody of the team": (1, "customer"),
        "lines of deals.csv that are no record: no id": (1, "customer"),
        "lines of users.csv that are no record: too many cells": (2, "customer"),
        "lists under another name, because names clash": (1, "customer"),
        "segments to rebuild": (2, "customer"),
        "signs of automations that are not in the inventory": (1, "customer"),
    } == open_items()


def analysts(found: handoff.Findings) -> dict[str, object]:
    return {item: number for item, (number, who) in open_items(found).items() if who == "migration analyst"}


def test_findings_become_open_items() -> None:
    """Copies, unexpected records, wrong links and different fields are the analyst's to settle."""
    deals = with_copy(changed(ACTUAL["deal"], 3100, amount=1.0), 3101, 3900)
    contacts = changed(ACTUAL["contact"], 2001, account_ids=["1010"])
    assert {
        "contact_account missing": 1,
        "deals duplicated: in several target records": 1,
        "deals nobody loaded": 1,
        "deals: amount differs": 1,
    } == analysts(findings({**ACTUAL, "deal": deals, "contact": contacts}))


def test_findings_in_the_history_become_open_items() -> None:
    """Losses, copies, strangers, fields, members, instants and unread files each have their line."""
    past = history.ACTUAL
    tasks = with_copy(with_copy(past["actual_tasks"], 403, 490), 403, 491, title="New")
    found = findings(
        past={
            **past,
            "actual_tasks": changed(tasks, 404, due_date=history.FIRST),
            "actual_notes": without(past["actual_notes"], 703),
            "actual_list_members": past["actual_list_members"].head(2),
            "actual_documents": past["actual_documents"].with_columns(sha256=pl.lit(None, pl.String)),
        }
    )
    assert {
        "activities: another instant than in the source": 1,
        "files whose bytes were not compared": 1,
        "list members missing": 1,
        "notes missing: gone from the target": 1,
        "tasks duplicated: in several target records": 1,
        "tasks nobody loaded": 1,
        "tasks: due_date differs": 1,
    } == analysts(found)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param("email: email_missing", "no e-mail address", id="field and rule"),
        pytest.param(
            "contact excluded: chat_only", "contact excluded: only a chat visitor", id="fate and rule"
        ),
        pytest.param("deal_x: brand_new_rule", "deal_x: brand new rule", id="a rule without words"),
        pytest.param("email: email_missing; name: name_missing", "no e-mail address; no name", id="several"),
        pytest.param("refused by the target", "refused by the target", id="words already"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_reasons_are_words(reason: str, words: str) -> None:
    """A rule's name never reaches the customer."""
    assert words == wording.worded(reason)


def test_segment_guide_counts_the_members_of_the_extract() -> None:
    """Sizes are those of the day of the move; the list made of a segment is named with the members it has."""
    members = frame(
        tables.MEMBER_CLASSES,
        {"list_key": "segment:1", "contact_id": "1", "class": "found", "reason": ""},
        {"list_key": "segment:1", "contact_id": "2", "class": "missing", "reason": ""},
        {"list_key": "list:1", "contact_id": "1", "class": "found", "reason": ""},
    )
    guide = handoff.segment_guide(SEGMENTS, MEMBERS, LISTS, members)
    assert [
        ("1", "Buyers", "won a deal", 2, "Buyers", 1),
        ("2", "Nobody", None, 0, None, None),
    ] == guide.rows()


@pytest.mark.parametrize(("active", "missing"), [(1, 0), (3, 2), (0, -1)])
def test_inventory_must_match_the_customers_count(active: int, missing: int) -> None:
    """Only active automations count; too many listed is a mismatch as well."""
    listed = handoff.automations([AUTOMATION, {**AUTOMATION, "name": "Old", "is_active": False}])
    check = handoff.automation_check(listed, active)
    assert [("active automations", active, 1, missing)] == check.rows()


@dataclass
class Folders:
    """A run's two folders."""

    source_folder: Path
    phase_folder: Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "source", tmp_path / "run" / "07_handoff")
    made.source_folder.mkdir()
    made.phase_folder.mkdir(parents=True)
    return made


HEADER = "name,trigger,conditions,actions,active,notes\n"


def written(folder: Path, text: str, at_s: int = 1_000) -> Path:
    path = folder / "automations.csv"
    path.write_text(text, encoding="utf-8")
    os.utime(path, (at_s, at_s))
    return path


def test_inventory_is_read_from_the_source_folder(folders: Folders) -> None:
    """The customer's file becomes the table, and a copy with formulas as text lies in the run."""
    written(folders.source_folder, HEADER + 'Welcome,=1+1,"a, b",mail,Yes,\nOld,t,,x,0,n\n')
    table = handoff.automations(handoff_read.automations(folders))
    assert [("Old", "t", "", "x", False, "n"), ("Welcome", "=1+1", "a, b", "mail", True, "")] == table.rows()
    copy = folders.phase_folder / "automations.csv"
    assert "'=1+1" in copy.read_text(encoding="utf-8")
    assert 0o600 == copy.stat().st_mode & 0o777


def test_missing_inventory_is_written_empty_for_the_customer(folders: Folders) -> None:
    """Nothing to read: no rows, and a file with the header to fill in."""
    assert [] == handoff_read.automations(folders)
    assert HEADER == (folders.source_folder / "automations.csv").read_text(encoding="utf-8")


def test_the_file_changed_last_counts(folders: Folders) -> None:
    """An edit of the run's copy wins over the older source file, until that is edited again."""
    written(folders.source_folder, HEADER + "A,,,,true,\n")
    handoff_read.automations(folders)
    assert "source/automations.csv" == handoff_read.chosen(folders)
    written(folders.phase_folder, HEADER + "B,,,,true,\n", at_s=2_000)
    assert ["B"] == [row["name"] for row in handoff_read.automations(folders)]
    assert "07_handoff/automations.csv" == handoff_read.chosen(folders)
    written(folders.source_folder, HEADER + "C,,,,true,\n", at_s=3_000)
    assert ["C"] == [row["name"] for row in handoff_read.automations(folders)]


def test_an_edited_copy_survives_the_rerun_of_the_phase(folders: Folders) -> None:
    """A rerun moves the phase's folder away; what a person wrote there still counts."""
    written(folders.source_folder, HEADER)
    written(folders.phase_folder, HEADER + "Mine,,,,true,\n", at_s=2_000)
    folders.phase_folder.rename(folders.phase_folder.with_name("07_handoff~1"))
    assert ["Mine"] == [row["name"] for row in handoff_read.automations(folders)]
    assert (folders.phase_folder / "automations.csv").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "name,trigger\nA,t\n", "line 1: missing column conditions, actions, active, notes", id="columns"
        ),
        pytest.param(HEADER + ",t,,,true,\n", "line 2, column name: is empty", id="no name"),
        pytest.param(
            HEADER + "A,,,,true,\nA,,,,true,\n", "line 3, column name: the same name as in line 2", id="twice"
        ),
        pytest.param(
            HEADER + "A,,,,perhaps,\n", "line 2, column active: expected true or false", id="active"
        ),
        pytest.param(HEADER + "A,,,,,\n", "line 2, column active: expected true or false", id="active empty"),
    ],
)
def test_malformed_inventory_names_the_place(folders: Folders, text: str, message: str) -> None:
    """File, line, column and what was expected; never the value."""
    written(folders.source_folder, text)
    with pytest.raises(ConfigError, match=message) as stop:
        handoff_read.automations(folders)
    assert "perhaps" not in str(stop.value)
