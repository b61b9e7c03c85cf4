"""The demo's whole history in the target, held against the account it came from: the scenario itself, nothing derived."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import Demo
from crmbook.phases import carriage
from crmbook.sandbox import demo as scenario
from crmbook.sandbox.demo_files import FILES

ACCOUNT = scenario.scenario().usercom


def _read(demo: Demo, phase: str, table: str) -> pl.DataFrame:
    return pl.read_parquet(demo.run / phase / "data" / f"{table}.parquet")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _told() -> dict[tuple[str, str], datetime | None]:
    """Kind and id of every row of the account's history, with the instant the account gives it."""
    rows: dict[tuple[str, str], datetime | None] = {}
    for row in ACCOUNT["activities"]:
        at = row["due_date"] or row["done_date"] or row["created_at"]
        rows["activity", str(row["id"])] = _moment(at)
    for row in ACCOUNT["events"]:
        rows["event", str(row["id"])] = _moment(row["timestamp"])
    for row in ACCOUNT["emails"]:
        marks = {mark: row[f"{mark}_at"] for mark in ("sent", "opened", "clicked") if row[f"{mark}_at"]}
        for mark, at in marks.items():
            rows["email", f"{row['id']}:{mark}"] = _moment(at)
    for talk in ACCOUNT["conversations"]:
        ordered = sorted(talk["messages"], key=lambda message: message["timestamp"])
        for position, message in enumerate(ordered, start=1):
            rows["message", f"{talk['id']}:{position}"] = _moment(message["timestamp"])
    return rows


def test_every_instant_of_the_account_stands_in_the_target(demo: Demo) -> None:
    """Every row that moved shows the account's own instant; those that did not are listed with a reason."""
    told = _told()
    shown = {
        (entity, source_id): (found, module)
        for entity, source_id, found, module in _read(demo, "06_reconciliation", "instants")
        .select("entity", "source_id", "found", "carrier_module")
        .iter_rows()
    }
    left = _read(demo, "04_normalization", "carried").filter(pl.col("state") == "rejected")
    rejected = set(left.filter(pl.col("reason") != "").select("entity", "source_id").iter_rows())
    assert told.keys() == shown.keys() | (rejected & told.keys())
    assert shown.keys() & rejected == set()
    wrong = {
        key: (found, told[key])
        for key, (found, module) in shown.items()
        if found != (told[key] if module == "notes" else told[key].replace(microsecond=0))
    }
    assert {} == wrong


def test_no_text_of_a_conversation_is_lost(demo: Demo) -> None:
    """The words of every message that moved stand in the notes read back, in their order."""
    notes = _read(demo, "06_reconciliation", "actual_notes")
    parts: dict[str, list[tuple[int, str]]] = {}
    classes = _read(demo, "06_reconciliation", "history_classes").filter(pl.col("module") == "notes")
    joined = classes.join(notes, on="target_id").select("source_id", "description")
    for source_id, text in joined.iter_rows():
        kind, _, rest = source_id.partition(":")
        if kind == "conversation":
            talk, _, part = rest.partition(":")
            parts.setdefault(talk, []).append((int(part), text.partition("<br>")[2]))
    assert len(parts) == 31
    for talk in ACCOUNT["conversations"]:
        if str(talk["id"]) in parts:
            whole = _plain("".join(text for _, text in sorted(parts[str(talk["id"])])))
            place = 0
            for message in sorted(talk["messages"], key=lambda row: row["timestamp"]):
                place = whole.find(_squeezed(message["content"] or ""), place)
                assert place >= 0, (talk["id"], message["id"])


def _plain(html: str) -> str:
    from html import unescape

    for mark in ("<br>", "<b>", "</b>"):
        html = html.replace(mark, "")
    return _squeezed(unescape(html))


def _squeezed(text: str) -> str:
    return "".join(text.split())


def test_every_file_stands_with_its_bytes(demo: Demo) -> None:
    """Files of merged contacts on the survivor, of nobody and of excluded ones listed, the others byte for byte."""
    there = _read(demo, "06_reconciliation", "actual_documents").filter(pl.col("kind") == "document")
    import hashlib

    moved = {
        name: body for name, body in FILES.items() if body and "99999" not in name and "41209" not in name
    }
    expected = Counter((Path(name).name, hashlib.sha256(body).hexdigest()) for name, body in moved.items())
    assert expected == Counter(there.select("name", "sha256").iter_rows())


def test_lists_hold_the_members_of_lists_and_segments(demo: Demo) -> None:
    """As many lists as the account has lists and segments, and nobody missing or too many in any."""
    members = _read(demo, "06_reconciliation", "member_classes")
    assert ["found"] == members["class"].unique().to_list()
    lists = _read(demo, "06_reconciliation", "actual_lists")
    assert len(ACCOUNT["lists"]) + len(ACCOUNT["segments"]) == lists.height


def test_every_object_tells_in_what_it_stands(demo: Demo) -> None:
    """One line an object; what is in the source and not in the target has a reason."""
    moved = _read(demo, "07_handoff", "moved")
    assert set(carriage.OBJECTS) == set(moved["object"])
    silent = moved.filter((pl.col("not_moved") > 0) & (pl.col("why") == ""))
    assert [] == silent["object"].to_list()


def test_nothing_in_the_history_differs(demo: Demo) -> None:
    """The summary of 06 says so, and so do its tables."""
    summary: dict[str, Any] = json.loads(
        (demo.run / "06_reconciliation" / "summary.json").read_text(encoding="utf-8")
    )
    assert (0, 0) == (summary["missing"], summary["instants_different"])
    balance = _read(demo, "06_reconciliation", "history_class_balance")
    faults = ("missing", "duplicated", "rejected", "unexpected", "different", "unaccounted")
    assert dict.fromkeys(faults, 0) == {name: int(balance[name].sum()) for name in faults}


@pytest.mark.parametrize("table", ["open_items", "moved"])
def test_the_customer_reads_words(demo: Demo, table: str) -> None:
    """No name of a rule, with its underscores, in what the customer is told."""
    shown = _read(demo, "07_handoff", table)
    texts = [str(cell) for row in shown.iter_rows() for cell in row if isinstance(cell, str)]
    assert [] == [text for text in texts if "_" in text]
