"""The checklist as a page: in the order to click, exact labels, ticks for what is there, nothing a source can inject."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import sync_playwright

import load_case as case
from crmbook import checklist_page, tables

HOSTILE = '<script>alert("x")</script> & "Gold",  two blanks'


def item(item_id: str, kind: str, label: str, **more: Any) -> dict[str, Any]:
    blank = {
        "module": "",
        "api_name": "",
        "field_type": "",
        "choices": "[]",
        "pipeline": "",
        "stage": "",
        "found": "",
    }
    return blank | {
        "item_id": item_id, "kind": kind, "label": label, "probability": None, "position": None, "unique": False,
        "how": "admin", "status": "missing", **more,
    }  # fmt: skip


ROWS = (
    item("field:contacts:cf_plan", "custom_field", HOSTILE, module="contacts", api_name="cf_plan", field_type="dropdown",
         choices=json.dumps(["<b>", "a, b"])),
    item("field:contacts:cf_usercom_original_id", "custom_field", "Usercom original id", module="contacts",
         api_name="cf_usercom_original_id", field_type="text", unique=True, status="present", how="api"),
    item("field:deals:cf_x", "custom_field", "X", module="deals", api_name="cf_x", field_type="number",
         status="mismatch", found="type text"),
    item("owner:admin", "owner", "admin@x.example", api_name="admin@x.example", status="present"),
    item("pipeline:Sales", "pipeline", "Sales", module="deals", pipeline="Sales", position=1),
    item("stage:Sales/Won", "stage", "Won", module="deals", pipeline="Sales", stage="Won", position=2, probability=100,
         field_type="Closed Won"),
    item("stage:Sales/New", "stage", "New", module="deals", pipeline="Sales", stage="New", position=1, probability=10,
         field_type="Open"),
    item("setting:currency:EUR", "setting", "Currency EUR is active", api_name="currency:EUR", status="present"),
    item("setting:workflows_off", "setting", "Workflows are off during the load", api_name="workflows_off"),
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / checklist_page.NAME
    checklist_page.write(path, case.frame(tables.CHECKLIST, *ROWS), customer="Acme & <Sons>", env="test")
    return path


def test_the_page_is_offline_private_and_escaped(written: Path) -> None:
    """Nothing is fetched, no script runs, and what a source wrote stands as text; only the owner may read it."""
    text = written.read_text(encoding="utf-8")
    assert re.findall(r"https?://|<script|<b>|<Sons>", text) == []
    assert "&lt;script&gt;" in text
    assert written.stat().st_mode & 0o777 == 0o600


@pytest.mark.browser
def test_an_admin_reads_it_from_top_to_bottom(written: Path, chromium: str) -> None:
    """Sections in the order to work in; every item once, with its exact label, facts, choices and tick."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
        page.goto(written.as_uri())
        assert [h.inner_text() for h in page.locator("h2").all()] == [
            "1. Currencies", "2. Users", "3. Pipelines and their stages", "4. Fields of contacts", "5. Fields of deals",
            "6. Workflows",
        ]  # fmt: skip
        labels = [label.evaluate("e => e.textContent") for label in page.locator(".label").all()]
        assert labels == [
            "Currency EUR is active", "admin@x.example (the administrator)", "Sales", "New", "Won", "Usercom original id",
            HOSTILE, "X", "Workflows are off during the load",
        ]  # fmt: skip
        ticked = page.locator("input").evaluate_all("boxes => boxes.map(b => [b.checked, b.disabled])")
        there = ("Currency EUR is active", "admin@x.example (the administrator)", "Usercom original id")
        assert ticked == [[label in there] * 2 for label in labels]
        facts = page.locator("li.custom_field .facts").first.inner_text()
        assert facts == "Text, one line · api name cf_usercom_original_id · unique · by the API"
        assert [c.inner_text() for c in page.locator(".choices li").all()] == ["<b>", "a, b"]
        assert page.locator(".state.bad").inner_text() == "not as needed: type text"
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator(".lead").inner_text().startswith("Test environment. 3 of 9 things are there.")
        browser.close()


def test_every_item_of_a_real_checklist_is_on_the_page(tmp_path: Path) -> None:
    """No kind and no module falls between the sections."""
    kinds = {"custom_field": ("contacts", "sales_accounts", "deals", "leads"), "setting": ("",)}
    names = {"setting": ("currency:USD", "activity_type:phone", "workflows_off")}
    rows = [
        item(f"{kind}:{module}:{name}", kind, f"{kind} {module} {name}", module=module, api_name=name, field_type="text")
        for kind, modules in kinds.items() for module in modules for name in names.get(kind, ("cf_a",))
    ]  # fmt: skip
    checklist_page.write(
        tmp_path / "c.html", case.frame(tables.CHECKLIST, *rows), customer="A", env="production"
    )
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert [r["label"] for r in rows if f">{r['label']}</div>" not in text] == []
    assert pl.DataFrame(rows).height == text.count('class="label"')
