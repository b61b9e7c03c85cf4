"""Over runs and over customers: every run has a row that tells how it stands and leads to its report."""

import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from conftest import Demo
from crmbook import overview, runs
from test_config import GOOD

EVIL = "<script>alert(1)</script>"


class _Rows(HTMLParser):
    """The cells of every row of a page's tables, and the addresses it leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self._is_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._is_cell = True
        if tag == "a":
            self.links.append(str(dict(attrs)["href"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._is_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.rows[-1][-1] += data.strip()


def _read(path: Path) -> _Rows:
    return _Rows(path.read_text(encoding="utf-8"))


@pytest.fixture
def acme(customers: Path) -> Path:
    """A customer without a run."""
    folder = customers / "acme"
    folder.mkdir()
    (folder / "customer.toml").write_text(GOOD, encoding="utf-8")
    return folder


def _reconciled(record: runs.Record, *, loaded: int, missing: int) -> None:
    folder = record.folder / "06_reconciliation" / "data"
    folder.mkdir(parents=True)
    row = {"entity": "contact", "loaded": loaded, "missing": missing, "duplicated": 0, "unexpected": 0}
    pl.DataFrame([row]).write_parquet(folder / "class_balance.parquet")
    for name in runs.NAMES:
        record.change_phase(name, status="passed")


def test_a_run_tells_how_far_it_is_and_leads_to_its_report(acme: Path) -> None:
    """The newest first; a number nobody knows yet is a dash, not a zero."""
    first, second = (runs.create("acme", "test", parameters={"sample": 0}) for _ in range(2))
    _reconciled(first, loaded=1200, missing=2)
    first.offer("reconciliation", "a" * 64, "")
    first.approve("reconciliation", by="Eva")
    overview.refresh(first)
    overview.refresh(second)
    page = _read(acme / "index.html")
    assert [row[:2] + row[3:] for row in page.rows[1:]] == [
        ["test-02", "test", "not begun", "–", "–", "", "–"],
        ["test-01", "test", "finished", "1,200", "2", "Eva", "–"],
    ]
    assert [(acme / link).is_file() for link in page.links] == [True, True]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("waiting", "waits for a person in 02_mapping", id="waits"),
        pytest.param("failed", "stopped in 02_mapping", id="failed"),
        pytest.param("running", "goes on in 02_mapping", id="goes on"),
        pytest.param("passed", "03_workspace is next", id="passed"),
    ],
)
def test_a_runs_state_in_words(acme: Path, status: str, expected: str) -> None:
    """By the phase that needs something, else by the one that is due."""
    record = runs.create("acme", "test", parameters={"sample": 0})
    record.change_phase("01_discovery", status="passed")
    record.change_phase("02_mapping", status=status)
    overview.write_customer("acme")
    assert _read(acme / "index.html").rows[1][3] == expected


def test_a_run_that_was_taken_back_says_so(acme: Path) -> None:
    """Whatever its phases say."""
    record = runs.create("acme", "test", parameters={"sample": 0})
    _reconciled(record, loaded=3, missing=0)
    record.change(rollback={"state": "done", "at": "2026-01-01T00:00:00+00:00", "forget": False})
    overview.write_customer("acme")
    assert _read(acme / "index.html").rows[1][3] == "taken back"


def test_every_customer_has_a_row_with_their_newest_run(acme: Path, customers: Path) -> None:
    """By name; who has no run yet is there too, and so is one whose settings or run can't be read."""
    runs.create("acme", "test", parameters={"sample": 0})
    overview.write_customer("acme")
    for name, settings in (("beta", GOOD), ("gamma", "[customer]\nname = 3\n")):
        (customers / name).mkdir()
        (customers / name / "customer.toml").write_text(settings, encoding="utf-8")
    (customers / "gamma" / "test-01").mkdir()
    (customers / "gamma" / "test-01" / "run.json").write_text("{", encoding="utf-8")
    page = _read(overview.write_all())
    assert page.rows[0][:2] == ["customer", "newest run"]
    assert [(row[1], row[4]) for row in page.rows[1:]] == [
        ("test-01", "not begun"),
        ("–", "no run yet"),
        ("test-01", "its files can't be read"),
    ]
    assert page.links == ["acme/index.html"]


def test_a_column_more_stands_beside_the_others(acme: Path) -> None:
    """A batch tells of each customer what became of it."""
    runs.create("acme", "test", parameters={"sample": 0})
    page = _read(overview.write_all({"acme": {"in this batch": "waits for its quota"}}))
    assert page.rows[0][-1] == "in this batch"
    assert page.rows[1][-1] == "waits for its quota"


def test_no_customer_at_all_is_said(customers: Path) -> None:
    """A page all the same."""
    assert "No customer yet." in overview.write_all().read_text(encoding="utf-8")
    assert (customers / "index.html").exists()


def test_a_name_is_text(acme: Path) -> None:
    """On both pages."""
    text = GOOD.replace(re.search(r'name = "(.*)"', GOOD)[1], EVIL, 1)  # type: ignore[index]
    (acme / "customer.toml").write_text(text, encoding="utf-8")
    runs.create("acme", "test", parameters={"sample": 0})
    for path in (overview.write_customer("acme"), overview.write_all()):
        assert "<script" not in path.read_text(encoding="utf-8")
        assert "&lt;script&gt;" in path.read_text(encoding="utf-8")


def test_the_demo_is_found_from_all_customers(demo: Demo) -> None:
    """From the index of all to the customer, to the run, to its report, with the report's own numbers."""
    every = _read(demo.runs / "index.html")
    mine = _read(demo.runs / "demo" / "index.html")
    assert every.links == ["demo/index.html"]
    assert mine.links == ["test-01/index.html"]
    assert (demo.runs / "demo" / mine.links[0]) == demo.run / "index.html"
    balances = ("class_balance", "history_class_balance")
    frames = [
        pl.read_parquet(demo.run / "06_reconciliation" / "data" / f"{name}.parquet") for name in balances
    ]
    assert mine.rows[1][4] == f"{sum(int(frame['loaded'].sum()) for frame in frames):,}"
    spent = pl.read_parquet(demo.run / "05_load" / "data" / "forecast_error.parquet")
    assert mine.rows[1][7] == f"{spent.filter(pl.col('entity') == 'total')['used'][0]:,}"
