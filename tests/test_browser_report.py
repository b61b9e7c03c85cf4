"""The report, the indexes, the Data Docs and the notebooks in a real Chromium: true, whole, and readable by everybody."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from conftest import Demo
from crmbook import runs
from crmbook.phases import flow
from test_browser import ARGUMENTS, is_local

pytestmark = pytest.mark.browser
# Wide and bright, narrow and dark: what breaks in one is rarely seen in the other.
LOOKS = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")]
PAGES = [
    "index.html", "../index.html", "../../index.html", "data_docs/index.html", "data_docs/04_normalization.contacts.html",
    "03_workspace/checklist.html", *(f"{name}/report.html" for name in runs.NAMES),
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails its test on a console error or a request that leaves the machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda asked: faults.append(asked.url) if not is_local(asked.url) else None)
    yield opened
    context.close()
    assert faults == []


def _open(page: Page, path: Path) -> None:
    page.goto(path.resolve().as_uri())


def _table(demo: Demo, phase: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(demo.run / phase / "data" / f"{name}.parquet")


def _cells(rows: Locator) -> list[list[str]]:
    return [[text.strip() for text in row.locator("th, td").all_inner_texts()] for row in rows.all()]


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_readable_by_everybody(demo: Demo, page: Page, name: str, tmp_path: Path) -> None:
    """Light and dark, wide and narrow: nothing hangs over the edge, and axe finds no serious fault; pictures are kept."""
    _open(page, demo.run / name)
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (width, scheme)
    for width, scheme in LOOKS[:2]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        found = Axe().run(page)
        serious = [
            (fault["id"], fault["nodes"][0]["html"][:200])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == [], (width, scheme)
        assert len(found["passes"]) > 5


def test_axe_would_find_a_fault(page: Page) -> None:
    """A picture without words and grey on grey are serious ones."""
    page.set_content(
        '<html lang="en"><title>t</title><main><img src="data:,"><p style="color:#999;background:#aaa">grey on grey</p></main>'
    )
    found = {
        fault["id"] for fault in Axe().run(page)["violations"] if fault["impact"] in ("serious", "critical")
    }
    assert {"image-alt", "color-contrast"} <= found


def test_the_headline_is_the_sum_of_the_tables(demo: Demo, page: Page) -> None:
    """Records in Freshsales, and zero of everything a person would have to look at."""
    _open(page, demo.run / "index.html")
    figures = [item.inner_text().split("\n")[0] for item in page.locator("ul.figures li").all()]
    balances = (
        _table(demo, "06_reconciliation", name) for name in ("class_balance", "history_class_balance")
    )
    assert figures == [*(f"{table['loaded'].sum():,}" for table in balances), "0", "0", "0", "0"]
    assert "Nothing is missing, doubled or different. Signed off by Demo Admin." in page.inner_text("p.lead")


def test_the_flow_shows_the_numbers_of_its_table(demo: Demo, page: Page) -> None:
    """Both pictures, station by station; the bars get shorter as the numbers get smaller."""
    _open(page, demo.run / "index.html")
    table = _table(demo, "06_reconciliation", "flow")
    is_record = pl.col("entity").is_in(flow.RECORDS)
    for picture, part in zip(
        page.locator("table.flow").all(), (table.filter(is_record), table.filter(~is_record)), strict=True
    ):
        at = part.group_by("position").agg(pl.col("records").sum()).sort("position")["records"].to_list()
        shown = _cells(picture.locator("tr:not(.note)"))
        assert [(row[0], row[-1]) for row in shown] == [
            (s, _number(n)) for s, n in zip(flow.STEPS, at, strict=True)
        ]
        drawn = [bar.bounding_box() for bar in picture.locator("rect.kept").all()][1:]
        widths = [box["width"] for box in drawn if box]
        assert widths == pytest.approx([widths[0] * number / at[0] for number in at], rel=0.02)


def test_what_moved_is_told_row_by_row(demo: Demo, page: Page) -> None:
    """Every object of the account with the numbers of the hand-over, and why the rest stayed behind."""
    _open(page, demo.run / "index.html")
    told = {
        row[0]: row[1:]
        for row in _cells(page.locator("section[aria-labelledby=moved] table:not(.flow) tbody tr"))
    }
    expected = {
        row["object"]: [*(_number(row[c]) for c in ("in_source", "in_target", "not_moved")), row["why"]]
        for row in _table(demo, "07_handoff", "moved").iter_rows(named=True)
    }
    assert expected == told
    assert next(iter(told)) == "contacts"


def test_links_and_fields_are_told_as_they_were_found(demo: Demo, page: Page) -> None:
    """The links of the account beside those of the target, and every value that was compared."""
    _open(page, demo.run / "index.html")
    links = _table(demo, "06_reconciliation", "link_balance")
    shown = _cells(page.locator("section[aria-labelledby=links] tbody tr"))
    assert [row[1:5] for row in shown] == [
        [_number(n) for n in row]
        for row in links.select("extracted", "found", "repointed", "dropped").iter_rows()
    ]
    fields = [_table(demo, "06_reconciliation", name) for name in ("field_fidelity", "history_fidelity")]
    compared = [
        int(row[2].replace(",", ""))
        for row in _cells(page.locator("section[aria-labelledby=fields] > div tbody tr"))
    ]
    assert sum(compared) == sum(int(frame["compared"].sum()) for frame in fields)


def test_who_approved_and_what_it_took_stand_on_the_page(demo: Demo, page: Page) -> None:
    """Three approvals, the losses with who accepted them, and the calls of the load beside those forecast."""
    _open(page, demo.run / "index.html")
    content = runs.Record(demo.run).get()
    rows = _cells(page.locator("section[aria-labelledby=approvals] tbody tr"))
    assert [(row[0], row[2], row[4]) for row in rows] == [
        (a["what"], a["by"], a["hash"][:12]) for a in content["approvals"]
    ]
    day = content["approvals"][0]["at"][:10]
    assert f"Accepted with the map by Demo Admin on {day}." in page.inner_text(
        "section[aria-labelledby=lost]"
    )
    spent = _table(demo, "05_load", "forecast_error").filter(pl.col("entity") == "total").row(0, named=True)
    told = page.inner_text("section[aria-labelledby=time]")
    assert f"The load took {spent['used']:,} calls to Freshsales" in told
    assert f"{spent['forecast']:,}" in told


def test_a_customer_finds_every_page_from_the_index_of_all(demo: Demo, page: Page) -> None:
    """All customers, this one, its run, its rules, a single suite, and back; then a notebook."""
    _open(page, demo.runs / "index.html")
    page.get_by_role("link", name="Demo customer").click()
    page.get_by_role("link", name="test-01").click()
    page.get_by_role("link", name="Every rule that was checked, and its result").click()
    page.get_by_role("link", name="06_reconciliation.flow").click()
    assert "values must belong to this set: 0." in page.inner_text("main")
    page.get_by_role("link", name="All rules of the run").click()
    assert page.inner_text("h1") == "Rules of the run"
    _open(page, demo.run / "index.html")
    page.get_by_role("link", name="06_reconciliation").click()
    assert page.locator("table.flow").count() == 2
    assert page.locator("figure.crmbook svg").count() >= 1


def test_folded_parts_open(demo: Demo, page: Page) -> None:
    """A click shows the classes of every record, with what is unaccounted for at the end."""
    _open(page, demo.run / "index.html")
    part = page.locator("details", has=page.get_by_text("Companies, contacts and deals", exact=True))
    assert not part.locator("table").is_visible()
    part.locator("summary").click()
    shown = {row[0]: (row[1], row[-1]) for row in _cells(part.locator("tbody tr"))}
    balance = _table(demo, "06_reconciliation", "class_balance").select("entity", "extracted", "unaccounted")
    assert shown == {entity: (_number(n), _number(rest)) for entity, n, rest in balance.iter_rows()}
