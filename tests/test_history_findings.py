"""Defects planted in a real tenant after a clean load of a history: each is named, on its record, and nothing else is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import history_case
from crmbook import apply, history_checks
from crmbook.phases import compare_history, load, reconcile_history, target_ids
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import ADMIN, REALM, TENANT, loading, opened

Case = tuple[Sandbox, Run, Freshsales]
Doc = dict[str, Any]
SETTINGS = ("owners", "stages", "target_owners", "target_stages", "target_statuses", "target_currencies")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def loaded(sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A finished load with a history, and 06_reconciliation open behind it."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    monkeypatch.setattr("crmbook.apply_writes._PAUSE_S", 0.0)
    with loading(sandbox, customers, history=history_case.history()) as (run, client):
        history_case.write_files(run.customer_folder)
        plan = apply.plan_of(run, client).collect()
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
        run.save("crosswalk", apply.crosswalk(run))
        run.close()
        yield sandbox, opened(run.record, "06_reconciliation"), client


def findings(run: Run, client: Freshsales) -> set[tuple[str, ...]]:
    """What the comparison says about the tenant as it is now."""
    crosswalk = run.read("crosswalk")
    ids = target_ids.resolve(**dict(zip(SETTINGS, run.frames(*SETTINGS), strict=True)), admin_email=ADMIN)
    found = history_checks.read_back(run, client)
    normalized = {name: run.read(name) for name in history_checks.LOADED}
    wanted, there = compare_history.expected(normalized, crosswalk, ids), compare_history.actual(found)
    classes, strange = reconcile_history.classes(
        expected=wanted, actual=there, crosswalk=crosswalk, refused=apply.rejected(run)
    )
    members = reconcile_history.member_classes(
        members=normalized["list_members"], actual_members=found["actual_list_members"], classes=classes,
        crosswalk=crosswalk,
    )  # fmt: skip
    compared = compare_history.compare(expected=wanted, actual=there, classes=classes)
    return {
        *classes.filter(pl.col("class") != "loaded").select("module", "source_id", "class").rows(),
        *strange.filter(pl.col("class") != "foreign").select("module", "class").rows(),
        *members.filter(pl.col("class") != "found").select("list_key", "contact_id", "class").rows(),
        *compared.differences.select("module", "source_id", "field").rows(),
    }


def target_id(run: Run, entity: str, source_id: str) -> int:
    here = (pl.col("entity") == entity) & (pl.col("source_id") == source_id)
    return int(run.read("crosswalk").filter(here)["target_id"].item())


def first(run: Run, table: str) -> str:
    return str(run.read(table)["source_id"].sort()[0])


def test_a_clean_history_has_no_finding(loaded: Case) -> None:
    """Records alike in title, date and parent, the years 1969 and 9999, long notes, files: all read back equal."""
    _box, run, client = loaded
    assert set() == findings(run, client)


def edit(kind: str, entity: str, table: str, **values: Any) -> Callable[[Case], str]:
    def plant(case: Case) -> str:
        box, run, _client = case
        source_id = first(run, table)
        box.admin("PUT", f"{REALM}/{kind}/{target_id(run, entity, source_id)}", values)
        return source_id

    return plant


DEFECTS: list[Any] = [
    ("tasks", "task", "tasks", {"due_date": "2001-01-01T00:00:00Z"}, "due_date"),
    ("tasks", "task", "tasks", {"status": 0}, "is_done"),
    ("tasks", "task", "tasks", {"targetable_type": "Deal", "targetable_id": 1}, "parent"),
    ("appointments", "appointment", "appointments", {"end_date": "2001-01-01T00:00:00Z"}, "end_date"),
    ("appointments", "appointment", "appointments", {"time_zone": "Hawaii"}, "time_zone"),
    ("sales_activities", "sales_activity", "sales_activities", {"notes": "cut"}, "notes"),
    ("notes", "note", "notes", {"description": "mojibÃ¤ke"}, "description"),
    ("lists", "list", "target_lists", {"name": "Renamed"}, "name"),
]


@pytest.mark.parametrize(
    ("kind", "entity", "table", "values", "field"), DEFECTS, ids=[f"{d[0]}-{d[4]}" for d in DEFECTS]
)
def test_an_edited_field_is_named(
    loaded: Case, kind: str, entity: str, table: str, values: Doc, field: str
) -> None:
    """A value changed behind our back differs in exactly that field of that record."""
    source_id = edit(kind, entity, table, **values)(loaded)
    _box, run, client = loaded
    assert {(kind, source_id, field)} == findings(run, client)


def test_a_loss_offset_by_a_copy_is_two_findings(loaded: Case) -> None:
    """One activity deleted, another one doubled: the counts are right, the records are not."""
    box, run, client = loaded
    lost, doubled = run.read("sales_activities")["source_id"].sort().to_list()[:2]
    box.admin("DELETE", f"{REALM}/sales_activities/{target_id(run, 'sales_activity', lost)}")
    original = client.view("sales_activities", target_id(run, "sales_activity", doubled))
    assert original is not None
    names = (
        "title", "start_date", "end_date", "notes", "owner_id", "sales_activity_type_id", "targetable_type",
        "targetable_id",
    )  # fmt: skip
    client.create("sales_activities", {name: original[name] for name in names})
    assert {
        ("sales_activities", lost, "missing"),
        ("sales_activities", doubled, "duplicated"),
        ("sales_activities", "copy"),
    } == findings(run, client)


def test_members_and_strangers_are_named(loaded: Case) -> None:
    """A member taken out, another one put in, and a task nobody loaded on a record of ours."""
    _box, run, client = loaded
    members = (
        run.read("list_members").filter(pl.col("list_key") == pl.col("list_key").first()).sort("contact_id")
    )
    list_key, gone = members.row(0)
    there = set(members["contact_id"])
    more = next(one for one in run.read("contacts")["source_id"] if one not in there)
    list_id = target_id(run, "list", list_key)
    client.remove_from_list(list_id, [target_id(run, "contact", gone)])
    client.add_to_list(list_id, [target_id(run, "contact", more)])
    on = {"targetable_type": "Deal", "targetable_id": target_id(run, "deal", "900")}
    client.create("tasks", {"title": "By hand", "due_date": "2026-01-01T00:00:00Z", **on})
    assert {
        (list_key, gone, "missing"), (list_key, more, "extra"), ("tasks", "unexpected")
    } == findings(run, client)  # fmt: skip


def test_other_bytes_of_the_same_size_are_named(loaded: Case) -> None:
    """Name and size are right; the bytes the target serves are not."""
    import base64

    box, run, client = loaded
    file = run.read("documents").filter(pl.col("kind") != "link").row(0, named=True)
    content = base64.b64encode(b"\0" * file["size_bytes"]).decode()
    number = target_id(run, "document", file["source_id"])
    box.admin("PUT", f"{REALM}/documents/{number}", {"content": content})
    assert {("documents", file["source_id"], "sha256")} == findings(run, client)
