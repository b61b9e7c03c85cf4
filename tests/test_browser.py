"""The pages a person opens, in a real Chromium: they show the tables' numbers, offline, on any screen."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
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


def test_the_analyst_runs_discovery_in_jupyterlab(demo: Demo, page: Page, tmp_path: Path) -> None:
    """`crmbook lab` opens a working copy filled in for the newest run; running it needs no edit of the template."""
    port = _free_port()
    environment = {
        **os.environ,
        "CRMBOOK_RUNS": str(demo.runs),
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
    }
    arguments = ["lab", "demo", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "crmbook", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        token = _token(server)
        _wait_for(port)
        page.goto(f"http://127.0.0.1:{port}/lab/tree/02_mapping.ipynb?token={token}")
        page.get_by_role("heading", name="02 · Mapping").wait_for(timeout=90_000)
        injected = page.get_by_text('customer = "demo"').first
        injected.wait_for(timeout=30_000)
        assert "test-01" in page.inner_text(".jp-Notebook")
    finally:
        page.close()
        server.kill()
        server.wait(30)
    assert (demo.runs / "demo" / "drafts" / "02_mapping.ipynb").exists()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    """The address is printed a moment before the server listens."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("JupyterLab does not listen")


def _token(server: subprocess.Popen[str]) -> str:
    assert server.stdout
    for line in server.stdout:
        if "?token=" in line:
            return line.strip().rpartition("?token=")[2]
    raise AssertionError("JupyterLab did not start")
