"""02 on the demo's own tables: a person's rows in decisions.csv reach every table they are about."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl

from conftest import Demo
from crmbook import csvfiles, deciding, decisions, runs

SEAT = {
    "entity": "contact", "source_field": "p_preferences:$.seat", "target_entity": "contacts", "target_field": "cf_seat",
    "rule": "choice", "decision": "confirmed", "confidence": "1", "reason": "", "note": "",
}  # fmt: skip
CHANGED = {
    ("event", "trip_viewed"): "tasks",
    ("tag", "deal"): "native",
    ("activity_type", "1"): "notes",
    ("list", "list:202"): "VIPs",
}


def _edited(demo: Demo, customers: Path) -> runs.Run:
    shutil.copytree(demo.runs / "demo", customers / "demo")
    run = runs.open("02_mapping", customer="demo", run_id=demo.run.name)
    path = run.phase_folder / decisions.NAME
    rows = [row for _, row in csvfiles.read(path, decisions.COLUMNS)]
    for row in rows:
        if target := CHANGED.get((row["entity"], row["source_field"])):
            row |= {"target_field": target, "decision": "changed"}
    csvfiles.write(path, decisions.COLUMNS, [*rows, SEAT])
    return run


def _cells(frame: pl.DataFrame, key: str, value: str) -> dict[Any, Any]:
    return dict(frame.select(key, value).iter_rows())


def test_decisions_reach_every_table_and_stay_in_the_file(demo: Demo, customers: Path) -> None:
    """Carriers, tags, list names and a part of a JSON property; nothing a person decided is proposed again."""
    run = _edited(demo, customers)

    deciding.decide(run)

    assert "tasks" == _cells(run.read("event_types"), "event", "carrier")["trip_viewed"]
    assert "native" == _cells(run.read("tag_plan"), "module", "mode")["deals"]
    assert "notes" == _cells(run.read("activity_types"), "activity_type_id", "carrier")["1"]
    # What was proposed for the segment of the same name stays, until a person decides on it too.
    names = _cells(run.read("list_plan"), "list_key", "target_name")
    assert ("VIPs", "VIP guests (segment)") == (names["list:202"], names["segment:502"])
    fields = run.read("custom_fields")
    seat = fields.filter(pl.col("api_name") == "cf_seat").row(0, named=True)
    assert ("dropdown", ["aisle", "window"]) == (seat["field_type"], seat["choices"])
    assert {"contacts", "sales_accounts"} == set(fields.filter(pl.col("api_name") == "cf_tags")["module"])
    kept = {
        (row["entity"], row["source_field"]): row["target_field"]
        for _, row in csvfiles.read(run.phase_folder / decisions.NAME, decisions.COLUMNS)
        if row["decision"] in ("changed", "confirmed")
    }
    assert kept == {**CHANGED, ("contact", "p_preferences:$.seat"): "cf_seat"}
