"""What the customer is told: what moved, what did not and why, what is left to do; and the inventory they write."""

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

import reconciliation_world as world
from crmbook import handoff_read, tables
from crmbook.errors import ConfigError
from crmbook.phases import handoff
from crmbook.phases import reconciliation as rec
from reconciliation_world import ACTUAL, changed, frame, with_copy, without

INVENTORY = frame(
    tables.INVENTORY,
    {"entity": "contacts", "distinct": 5, "available": True},
    {"entity": "activities", "distinct": 40, "available": True},
    {"entity": "campaigns", "distinct": 0, "available": True},
    {"entity": "conversations", "distinct": 0, "available": False},
    {"entity": "segments", "distinct": 2, "available": True},
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
AUTOMATION = {
    "name": "Welcome",
    "trigger": "t",
    "conditions": "",
    "actions": "a",
    "is_active": True,
    "notes": "",
}


def moved(actual: dict[str, pl.DataFrame] = ACTUAL) -> dict[str, tuple[object, ...]]:
    ids = world.ids()
    table = handoff.moved(
        classes=world.classes(actual),
        inventory=INVENTORY,
        mapping=MAPPING,
        stages=world.STAGES,
        found_stages=ids.stages,
        owners=ids.owners,
        tags=TAGS,
        actual=actual,
    )
    return {row[0]: row[1:] for row in table.rows()}


def test_moved_counts_every_object_and_says_why() -> None:
    """In source = in target + not moved, with the reasons of the rest counted."""
    shown = moved()
    assert {
        "companies": (2, 2, 0, ""),
        "contacts": (
            5, 2, 3,
            "1 excluded: chat_only, 1 merged: lives on in another record, 1 rejected: email: email_missing",
        ),
        "deals": (2, 2, 0, ""),
        "custom properties": (3, 1, 2, "1 always empty, 1 not wanted"),
        "deal stages": (2, 2, 0, ""),
        "owners": (3, 2, 1, "1 inactive user"),
        "tags": (3, 2, 1, "on no record that moved"),
        "activities": (40, 0, 40, "not loaded by this workbook"),
        "campaigns": (0, 0, 0, ""),
        "conversations": (None, 0, None, "the source does not list them"),
        "segments": (2, 0, 2, handoff.NOT_MOVED["segments"]),
    } == shown  # fmt: skip


def test_a_lost_record_is_told_as_not_moved() -> None:
    """What the comparison misses counts in the customer's table too."""
    lost = moved({**ACTUAL, "deal": without(ACTUAL["deal"], 3100)})
    assert (2, 1, 1, "1 missing: gone from the target") == lost["deals"]


def open_items(actual: dict[str, pl.DataFrame] = ACTUAL, active: int = 3) -> dict[str, tuple[object, ...]]:
    classes = world.classes(actual)
    automations = handoff.automations([AUTOMATION, {**AUTOMATION, "name": "Old", "is_active": False}])
    table = handoff.open_items(
        owner_queue=rec.owner_queue(
            ids=world.ids(), contacts=world.NORMALIZED["contact"], deals=world.NORMALIZED["deal"]
        ),
        classes=classes,
        target_only=rec.target_only(existing=world.EXISTING, classes=classes, actual=actual),
        link_classes=world.links(actual),
        differences=world.comparison(actual).differences,
        loss=frame(tables.LOSS, {"entity": "deal", "field": "probability", "kind": "rounded", "records": 4}),
        automations=automations,
        automation_check=handoff.automation_check(automations, active),
        segments=SEGMENTS,
    )
    return {row[0]: row[1:3] for row in table.rows()}


def test_open_items_of_a_clean_move() -> None:
    """What nobody but a person can do, for how many records, and who."""
    assert {
        "1 owners: inactive user": (1, "Freshsales admin"),
        "Workflows, e-mail and sequences are off": (None, "Freshsales admin"),
        "automations not in the inventory": (2, "customer"),
        "automations to rebuild": (1, "customer"),
        "contacts excluded: chat_only": (1, "customer"),
        "contacts rejected: email: email_missing": (1, "customer"),
        "deal: values rounded in 1 fields": (4, "customer"),
        "segments to rebuild": (2, "customer"),
    } == open_items()


def test_findings_become_open_items() -> None:
    """Copies, unexpected records, wrong links and different fields are the analyst's to settle."""
    deals = with_copy(changed(ACTUAL["deal"], 3100, amount=1.0), 3101, 3900)
    contacts = changed(ACTUAL["contact"], 2001, account_ids=["1010"])
    items = open_items({**ACTUAL, "deal": deals, "contact": contacts})
    analyst = {item: records for item, (records, who) in items.items() if who == "migration analyst"}
    assert {
        "contact_account missing": 1,
        "deals duplicated: in several target records": 1,
        "deals nobody loaded": 1,
        "deals: amount differs": 1,
    } == analyst


def test_segment_guide_counts_the_members_of_the_extract() -> None:
    """Sizes are those of the day of the move, not the vendor's own count; an empty segment is listed."""
    guide = handoff.segment_guide(SEGMENTS, MEMBERS)
    assert [("1", "Buyers", "won a deal", 2), ("2", "Nobody", None, 0)] == guide.rows()


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
