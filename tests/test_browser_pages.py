"""The scope and the hand-off as a person opens them, in a real Chromium: the tables' numbers, offline, readable by anybody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import Demo

pytestmark = pytest.mark.browser
PAGES = {"scope": "01_discovery/scope.html", "hand-off": "07_handoff/handoff.html"}
SCREENS = [
    pytest.param(
        {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}, id=f"{width}-{scheme}"
    )
    for width in (1280, 390)
    for scheme in ("light", "dark")
]
EVERY = pytest.mark.parametrize("name", PAGES)
# A page that asks for nothing can't be given the script of axe either.
AXE = Axe()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails its test on a console error or on any request but for the page itself."""
    options: dict[str, Any] = getattr(request, "param", {"viewport": {"width": 1280, "height": 900}})
    context = browser.new_context(**options, bypass_csp=True)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on(
        "request", lambda asked: faults.append(asked.url) if not asked.url.startswith("file:") else None
    )
    yield opened
    context.close()
    assert faults == []


def table(demo: Demo, phase: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(demo.run / phase / "data" / f"{name}.parquet")


def opened(demo: Demo, page: Page, name: str) -> Path:
    path = demo.run / PAGES[name]
    page.goto(path.as_uri())
    return path


@EVERY
@pytest.mark.parametrize("page", SCREENS, indirect=True)
def test_a_page_fits_and_has_no_serious_fault(demo: Demo, page: Page, tmp_path: Path, name: str) -> None:
    """Wide and narrow, light and dark: nothing is wider than the screen, axe finds nothing serious; a picture is kept."""
    opened(demo, page, name)
    page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    faults = [fault for fault in AXE.run(page)["violations"] if fault["impact"] in ("serious", "critical")]
    assert [] == [(fault["id"], fault["nodes"][0]["html"]) for fault in faults]


@EVERY
def test_a_page_names_nobody(demo: Demo, page: Page, name: str) -> None:
    """No address, no e-mail and no mail's subject of the demo's people is on it."""
    opened(demo, page, name)
    text = page.inner_text("main")
    people = table(demo, "01_discovery", "source_contacts")
    mails = table(demo, "01_discovery", "source_emails")["subject"].drop_nulls().unique()
    emails = people["email"].drop_nulls()
    values = [
        *emails.filter(emails.str.contains("@")),
        *people["phone_number"].drop_nulls(),
        *mails.filter(mails != ""),
    ]
    assert len(values) > 200
    assert [] == [value for value in values if len(value) > 4 and value in text]


def test_the_scope_shows_the_tables_numbers(demo: Demo, page: Page) -> None:
    """Figures, reasons, every plan, every line of the quote, each trap that applies."""
    opened(demo, page, "scope")
    told = dict(table(demo, "01_discovery", "estimate").select("item", "figure").iter_rows())
    quote = table(demo, "01_discovery", "quote").sort("position")
    options = table(demo, "01_discovery", "plan_options").sort("position")
    best = options.filter("is_recommended")["plan"][0]
    figures = [item.inner_text().split("\n")[0] for item in page.locator("ul.figures li").all()]
    total = f"{quote['amount'][-1]:,.0f} {quote['currency'][0]}"
    expected = [f"{told['records']:,.0f}", f"{told['billable contacts']:,.0f}", "B", f"{told['timeline']:.0f}", best.capitalize(), total]  # fmt: skip
    assert expected == figures
    rows = [row.inner_text() for row in page.locator("tbody tr").all()]
    assert [] == [plan for plan in options["plan"] if not any(row.startswith(plan) for row in rows)]
    assert [] == [item for item in quote["item"][:-1] if not any(row.startswith(item) for row in rows)]
    traps = table(demo, "01_discovery", "gotchas").filter("applies").sort("position")
    heads = [head.inner_text().rpartition(" ")[0] for head in page.locator("section.trap h3").all()]
    assert traps["title"].to_list() == heads


def test_the_hand_off_shows_every_automation_with_every_part(demo: Demo, page: Page) -> None:
    """Active ones first; each part with what was listed and the verdict, five days, the commands as they are typed."""
    opened(demo, page, "hand-off")
    listed = table(demo, "07_handoff", "automations").sort(["is_active", "name"], descending=[True, False])
    heads = [head.inner_text().split(" (off")[0] for head in page.locator("section.automation h3").all()]
    assert listed["name"].to_list() == heads
    guide = table(demo, "07_handoff", "rebuild_guide")
    shown = [part.inner_text() for part in page.locator("dl.parts .listed").all()]
    assert sorted(guide["listed"]) == sorted(shown)
    week = table(demo, "07_handoff", "hypercare").sort("day", "position")
    assert [c for c in week["command"] if c] == [
        code.inner_text() for code in page.locator("ol.day code").all()
    ]
    assert 5 == page.locator("ol.day").count()
    unexplained = table(demo, "07_handoff", "automation_signs").filter(~pl.col("is_explained")).height
    assert unexplained == page.locator("#signs ~ .wide").first.locator("tbody tr").count()


def test_the_sections_are_reached_by_keyboard(demo: Demo, page: Page) -> None:
    """Tab and Enter on the first link of the hand-off leads to its section."""
    opened(demo, page, "hand-off")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#automations")
    assert page.locator("#automations").bounding_box()["y"] < 100  # type: ignore[index]
