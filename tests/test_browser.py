"""The pages a person opens, in a real Chromium: they show the tables' numbers, offline, on any screen."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import Demo
from crmbook import runs

pytestmark = pytest.mark.browser
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails its test on a console error or a request that leaves the machine."""
    options: dict[str, Any] = getattr(request, "param", {"viewport": {"width": 1280, "height": 900}})
    context = browser.new_context(**options)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda asked: faults.append(asked.url) if not is_local(asked.url) else None)
    yield opened
    context.close()
    assert faults == []


def is_local(url: str) -> bool:
    """Whether an address stays on this machine."""
    return url.startswith(
        (
            "file:",
            "data:",
            "blob:",
            "about:",
            "http://127.0.0.1:",
            "ws://127.0.0.1:",
            "http://localhost:",
            "ws://localhost:",
        )
    )


SCREENS = [
    pytest.param({"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}, id="wide-light"),
    pytest.param({"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"}, id="phone-dark"),
]


@pytest.mark.parametrize("page", SCREENS, indirect=True)
@pytest.mark.parametrize("phase", runs.NAMES)
def test_an_archived_notebook_reads_offline(demo: Demo, page: Page, phase: str) -> None:
    """From the front page to the notebook: title, tables and figures are there, the page itself never scrolls sideways."""
    page.goto((demo.run / "index.html").as_uri())
    page.get_by_role("link", name=phase).click()
    assert page.inner_text("h1").startswith(phase[:2])
    assert page.locator("table.crmbook").count() >= 2
    assert f"{phase} passed" in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_source_text_never_runs_in_a_page(demo: Demo, page: Page) -> None:
    """The demo's names hold HTML; no page of the run holds an element made of them."""
    for path in sorted(demo.run.rglob("*.html")):
        page.goto(path.as_uri())
        assert page.locator("script, iframe, img[onerror]").count() == 0, path.name
