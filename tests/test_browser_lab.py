"""JupyterLab itself, in a real Chromium: the billing notebook is run, its controls typed at, and shows the tables' numbers."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from conftest import Demo
from crmbook import exclusion_file
from customer_setup import content_of
from lab_server import lab

pytestmark = pytest.mark.browser
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SLOW_MS = 60_000
SCREENS = {
    "wide-light": ((1280, 900), "light"), "wide-dark": ((1280, 900), "dark"), "phone-light": ((390, 800), "light"),
    "phone-dark": ((390, 800), "dark"),
}  # fmt: skip


@dataclass
class Lab:
    """The notebook as it was run once, the run it explores, and what the browser complained of."""

    page: Page
    run: Path
    before: dict[str, tuple[str, int]]
    faults: list[str] = field(default_factory=list)

    @property
    def billing(self) -> pl.DataFrame:
        return pl.read_parquet(self.run / "01_discovery" / "data" / "billing.parquet")

    def figure(self, name: str) -> int:
        text = self.page.locator(f'li[data-figure="{name}"] b').inner_text()
        return int(text.replace(",", ""))

    def rows(self, table: str) -> list[list[str]]:
        rows = self.page.locator(f'table[data-table="{table}"] tbody tr').all()
        return [row.locator("th, td").all_inner_texts() for row in rows]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def opened(demo: Demo, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`crmbook lab demo` over a copy of the finished demo; every cell of the notebook it opens is run by the keyboard."""
    folder = tmp_path_factory.mktemp("lab")
    customers = shutil.copytree(demo.runs, folder / "runs")
    run = customers / "demo" / demo.run.name
    with lab(customers, "demo", folder / "settings") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        made = Lab(page, run, content_of(run))
        page.on("console", lambda said: made.faults.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: made.faults.append(asked.url) if not _is_local(asked.url) else None)
        page.goto(address)
        page.get_by_role("heading", name="Explore · Billing tiers").wait_for(timeout=SLOW_MS)
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for(timeout=SLOW_MS)
        _command(page, "Run All Cells")
        page.locator('li[data-figure="contacts"] b').wait_for(timeout=SLOW_MS)
        page.get_by_role("button", name="Leave these contacts out").wait_for(timeout=SLOW_MS)
        yield made
        page.close()


def _is_local(url: str) -> bool:
    return url.startswith(("data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:"))


def _command(page: Page, name: str) -> None:
    """A command of the lab by the keyboard alone; again where the palette was not ready yet, or a kernel took its focus."""
    field = page.locator(".lm-CommandPalette input")
    found = page.locator(".lm-CommandPalette-item", has_text=name).first
    for _ in range(40):
        try:
            if not field.is_visible():
                page.keyboard.press("Control+Shift+C")
                field.wait_for(timeout=3_000)
            field.fill("", timeout=3_000)
            field.press_sequentially(name, timeout=3_000)
            found.wait_for(timeout=3_000)
        except PlaywrightTimeout:
            continue
        page.keyboard.press("Enter")
        return
    raise AssertionError(f"the palette knows no command {name}")


def _choose(opened: Lab, label: str, *options: str) -> None:
    """Options of a control, and the board drawn anew."""
    shown = opened.page.locator('table[data-table="groups"]')
    before = shown.inner_html()
    opened.page.get_by_label(label, exact=True).select_option(list(options))
    opened.page.wait_for_function(
        "before => document.querySelector('table[data-table=\"groups\"]').innerHTML !== before",
        arg=before, timeout=SLOW_MS,
    )  # fmt: skip


def test_the_copy_says_what_it_is(opened: Lab) -> None:
    """The first cell names customer and run, and that nothing is written to it."""
    # The lab draws a cell when it comes into view.
    opened.page.locator(".jp-Cell").first.scroll_into_view_if_needed()
    opened.page.get_by_text("Working copy of demo").wait_for(timeout=SLOW_MS)
    first = opened.page.locator(".jp-Cell").first.inner_text()
    assert "Working copy of demo, run test-01" in first
    assert "never to the run" in first


def test_the_numbers_shown_are_the_tables(opened: Lab) -> None:
    """Contacts, billable ones, every group and every combination of attributes as 01 has them."""
    billing = opened.billing
    assert (opened.figure("contacts"), opened.figure("billable now")) == (
        billing.height, billing["is_billable"].sum()
    )  # fmt: skip
    told = {
        row[0].replace(" ", "_"): [int(n.replace(",", "")) for n in row[1:3]] for row in opened.rows("groups")
    }
    groups = billing.group_by("tier").agg(pl.len(), pl.col("is_billable").sum())
    for tier, contacts, billable in groups.iter_rows():
        assert told[tier] == [contacts, billable]
    shown = sorted(int(row[7].replace(",", "")) for row in opened.rows("combinations"))
    flags = [name for name in billing.columns if name not in ("source_id", "is_billable", "tier")]
    assert shown == sorted(billing.group_by(flags).len()["len"].to_list())


def test_a_control_draws_anew_by_the_keyboard(opened: Lab) -> None:
    """With arrows in the list of groups the selection and what is left of the bill change."""
    box = opened.page.get_by_label("group", exact=True)
    box.focus()
    box.press("ArrowDown")
    box.press("ArrowDown")
    chosen = box.evaluate("e => [...e.selectedOptions].map(o => o.value)")
    assert len(chosen) == 1
    tier = opened.billing.filter(tier=chosen[0].replace(" ", "_"))
    opened.page.wait_for_function(
        "n => document.querySelector('li[data-figure=\"chosen\"] b').textContent === n", arg=f"{tier.height:,}",
        timeout=SLOW_MS,
    )  # fmt: skip
    left = opened.billing["is_billable"].sum() - tier["is_billable"].sum()
    assert opened.figure("billable without them") == left


def test_the_selection_is_listed_masked_sorted_and_filtered(opened: Lab) -> None:
    """The table has a row for each chosen contact, no address in it, and a search field that filters."""
    _choose(opened, "group", "identified")
    chosen = opened.billing.filter(tier="identified")
    opened.page.get_by_role("button", name="List these contacts").press("Enter")
    table = opened.page.locator(".dt-container").last
    # The lab draws a table's frame before its rows, and draws it again where the cell comes into view.
    expect(table).to_contain_text(f"{chosen.height:,} contacts chosen", timeout=SLOW_MS)
    assert "@" not in table.locator("tbody").first.inner_text()
    ids = chosen["source_id"].sort()
    wanted = ids.item(0)
    table.locator("input[type=search]").first.fill(wanted)
    found = table.locator("tbody tr td:first-child")
    expect(found).to_have_text([re.compile(re.escape(wanted))] * ids.str.contains(wanted, literal=True).sum())
    assert wanted in found.all_inner_texts()


def test_the_days_difference_is_explained(opened: Lab) -> None:
    """User.com's number typed in: the difference, and that it may be a day old."""
    field = opened.page.get_by_label("shown there", exact=True)
    field.fill(str(opened.billing["is_billable"].sum() + 7))
    field.press("Enter")
    opened.page.locator("[data-difference]", has_text="+7").wait_for(timeout=SLOW_MS)
    assert "once in 24 hours" in opened.page.inner_text(".jp-Notebook")


def test_a_selection_is_saved_as_a_decision(opened: Lab) -> None:
    """Ids and reason stand in the customer's file; the explored run is byte for byte what it was."""
    _choose(opened, "group", "push only")
    opened.page.get_by_label("reason", exact=True).fill("only web push")
    opened.page.keyboard.press("Tab")
    opened.page.get_by_role("button", name="Leave these contacts out").press("Enter")
    opened.page.get_by_role("status").filter(has_text="source/exclusions.csv").wait_for(timeout=SLOW_MS)
    saved = exclusion_file.read(opened.run.parent / "source")
    assert sorted(saved["source_id"]) == sorted(opened.billing.filter(tier="push_only")["source_id"])
    assert saved["reason"].unique().to_list() == ["only web push"]
    assert content_of(opened.run) == opened.before


def test_the_board_reads_on_every_screen(opened: Lab, tmp_path: Path) -> None:
    """Wide and narrow, light and dark: pictures are kept, and the board is never wider than its cell."""
    opened.page.locator(".jp-Notebook").click(position={"x": 5, "y": 5})
    for name, (size, scheme) in SCREENS.items():
        opened.page.set_viewport_size({"width": size[0], "height": size[1]})
        opened.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        opened.page.locator("ul.crm-figures").scroll_into_view_if_needed()
        opened.page.wait_for_timeout(1500)
        opened.page.screenshot(path=tmp_path / f"board-{name}.png")
        fits: Any = opened.page.locator(".crm-board").evaluate_all(
            "boards => boards.every(b => b.getBoundingClientRect().right <= window.innerWidth + 1)"
        )
        assert fits, name
    assert len(list(tmp_path.glob("board-*.png"))) == len(SCREENS)


def test_nothing_left_the_machine_and_nothing_failed(opened: Lab) -> None:
    """No error in the browser's console and no request off loopback, over everything above."""
    assert opened.faults == []
