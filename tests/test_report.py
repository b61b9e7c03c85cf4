"""The archive a person reads: offline, escaped, and with the numbers of the run's own tables."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest

from conftest import Demo
from crmbook import report, runs
from test_config import GOOD

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = '<script>alert("x")</script>'


class _Tags(HTMLParser):
    """Every tag with its attributes, and the visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _cell(*outputs: dict[str, Any], source: str = "show(frame)") -> Any:
    cell = nbformat.v4.new_code_cell(source)
    cell.outputs = [nbformat.from_dict(output) for output in outputs]
    return cell


def _display(**data: Any) -> dict[str, Any]:
    named = {name.replace("_", "/", 1): value for name, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": named}


def _page(folder: Path, *cells: Any) -> str:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# 09 · Trial\n\nWhat is it?"), *cells]
    )
    nbformat.write(notebook, folder / "notebook.ipynb")
    report.write_notebook(folder / "notebook.ipynb", folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_a_notebook_becomes_a_page_with_its_title_code_and_outputs(tmp_path: Path) -> None:
    """The first heading is the title; code stays visible; cells without code leave nothing."""
    said = {"output_type": "stream", "name": "stdout", "text": "09_trial passed\n"}
    page = _Tags(_page(tmp_path, _cell(said, source="run.close(records=3)"), _cell(source="  \n")))
    assert page.tags[0] == ("html", {"lang": "en"})
    assert page.text.strip().startswith("09 · Trial")
    assert "run.close(records=3)" in page.text
    assert "09_trial passed" in page.text
    assert [tag for tag, _ in page.tags].count("pre") == 2


def test_the_richest_form_that_needs_no_script_is_shown(tmp_path: Path) -> None:
    """HTML before a picture before plain text; Plotly's JSON is left to Jupyter."""
    page = _page(
        tmp_path,
        _cell(_display(text_html="<table><tr><td>rich</td></tr></table>", text_plain="poor")),
        _cell(_display(image_png=DOT, text_plain="picture")),
        _cell(_display(text_plain="a < b")),
        _cell(_display(**{"application_vnd.plotly.v1+json": {"data": []}, "text_plain": "bars"})),
    )
    tags = _Tags(page)
    assert "rich" in tags.text
    assert "poor" not in tags.text
    assert [a["src"] for tag, a in tags.tags if tag == "img"] == [f"data:image/png;base64,{DOT}"]
    assert base64.b64decode(DOT).startswith(b"\x89PNG")
    assert "a < b" in tags.text
    assert "plotly" not in page


def test_what_a_source_says_never_becomes_markup(tmp_path: Path) -> None:
    """Printed text, plain results and errors are escaped; colours of a terminal are gone."""
    error = {"output_type": "error", "ename": "X", "evalue": EVIL, "traceback": [f"\x1b[31m{EVIL}\x1b[0m"]}
    said = {"output_type": "stream", "name": "stdout", "text": EVIL}
    page = _page(tmp_path, _cell(said, error, _display(text_plain=EVIL), source=f"# {EVIL}"))
    assert "<script" not in page
    assert _Tags(page).text.count(EVIL) == 4
    assert "\x1b" not in page


def test_no_page_of_a_run_fetches_or_runs_anything(demo: Demo) -> None:
    """No script, no address beyond the page but links a person clicks, and a policy that forbids the rest."""
    pages = sorted(demo.run.rglob("*.html"))
    assert len(pages) >= 8
    for path in pages:
        tags = _Tags(path.read_text(encoding="utf-8")).tags
        assert {tag for tag, _ in tags} & {
            "script",
            "link",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
        } == set()
        policy = [a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
        loaded = [a[k] for tag, a in tags for k in ("src", "srcset", "poster", "background") if k in a]
        assert [source for source in loaded if not str(source).startswith("data:")] == []
        assert [name for _, a in tags for name in a if name.startswith("on")] == []


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(pl.DataFrame(), ["Nothing."], id="no rows"),
        pytest.param(pl.DataFrame({"n_of": [1234567]}), ["n of", "1,234,567"], id="number"),
        pytest.param(pl.DataFrame({"a": [None, True, False]}), ["a", "–", "yes", "no"], id="truth"),
        pytest.param(pl.DataFrame({"a": [EVIL]}), ["a", EVIL], id="markup"),
    ],
)
def test_a_frame_as_a_table(frame: pl.DataFrame, expected: list[str]) -> None:
    """Headers in words, values as a person writes them, everything escaped."""
    made = str(report.table(frame))
    assert "<script" not in made
    parts = _Tags(made.replace("</td>", "\n</td>").replace("</th>", "\n</th>")).text
    assert [part for part in parts.split("\n") if part] == expected


def test_a_tables_links_are_escaped() -> None:
    """Only cells of the first column that have an address are links."""
    frame = pl.DataFrame({"phase": ["01", "02"], "status": ["01", "x"]})
    tags = _Tags(str(report.table(frame, links={"01": '01/"report".html'}))).tags
    assert [a["href"] for tag, a in tags if tag == "a"] == ['01/"report".html']


def test_the_front_page_tells_the_runs_own_numbers(demo: Demo) -> None:
    """Each headline is the sum of a column of the run's tables."""
    page = _Tags((demo.run / "index.html").read_text(encoding="utf-8"))

    def total(*columns: str, of: tuple[str, ...]) -> str:
        frames = [pl.read_parquet(demo.run / "06_reconciliation" / "data" / f"{name}.parquet") for name in of]
        return f"{sum(int(frame[c].sum()) for frame in frames for c in columns if c in frame.columns):,}"

    wanted = {
        "companies, contacts and deals in Freshsales": total("loaded", of=("class_balance",)),
        "records of their history in Freshsales": total("loaded", of=("history_class_balance",)),
        "links missing or wrong": total("missing", "extra", "wrong_primary", of=("link_balance",)),
        "field values that differ": total("different", of=("field_fidelity", "history_fidelity")),
    }
    balances = ("class_balance", "history_class_balance")
    wanted["records missing or doubled"] = total("missing", "duplicated", "unexpected", of=balances)
    assert "0" not in (
        wanted["companies, contacts and deals in Freshsales"],
        wanted["records of their history in Freshsales"],
    )
    for label, figure in wanted.items():
        assert f"{figure}{label}" in page.text


def test_the_front_page_leads_to_every_phase(demo: Demo) -> None:
    """Seven notebooks, the scope and the rules that were checked, each a page that is there."""
    page = _Tags((demo.run / "index.html").read_text(encoding="utf-8"))
    links = [str(a["href"]) for tag, a in page.tags if tag == "a" and not str(a["href"]).startswith("#")]
    assert links == [
        *(f"{name}/report.html" for name in runs.NAMES),
        "01_discovery/scope.html",
        "data_docs/index.html",
    ]
    assert [link for link in links if not (demo.run / link).is_file()] == []


def test_the_front_page_names_who_approved_what(demo: Demo) -> None:
    """Every approval of run.json with its hash, and the sign-off in the first sentence."""
    page = _Tags((demo.run / "index.html").read_text(encoding="utf-8")).text
    approvals = runs.Record(demo.run).get()["approvals"]
    assert [a["what"] for a in approvals] == ["mapping", "plan", "reconciliation"]
    assert [a["hash"][:12] for a in approvals if a["hash"][:12] not in page] == []
    assert f"Nothing is missing, doubled or different. Signed off by {approvals[-1]['by']}." in page


@pytest.fixture
def record(customers: Path) -> runs.Record:
    """A run that has not done anything yet."""
    (customers / "acme").mkdir()
    (customers / "acme" / "customer.toml").write_text(GOOD, encoding="utf-8")
    return runs.create("acme", "test", parameters={"sample": 0})


def _front(record: runs.Record, name: str = "Acme") -> str:
    return report.write_front(record, name=name, edition="suite", plan="pro").read_text(encoding="utf-8")


def test_a_run_that_is_not_reconciled_promises_nothing(record: runs.Record) -> None:
    """The page can be read at any time; it says how far the run is."""
    page = _Tags(_front(record)).text
    assert "The target has not been reconciled yet." in page
    assert page.count("not run") == 7


@pytest.mark.parametrize(
    ("missing", "approved", "expected"),
    [
        pytest.param(0, False, "Nothing is missing, doubled or different. Not signed off yet.", id="waits"),
        pytest.param(0, True, "Nothing is missing, doubled or different. Signed off by Eva.", id="signed"),
        pytest.param(3, True, "3 findings need a person. Signed off by Eva.", id="signed with findings"),
    ],
)
def test_the_verdict_follows_from_the_numbers(
    record: runs.Record, missing: int, approved: bool, expected: str
) -> None:
    """An approval does not talk findings away."""
    record.change_phase("06_reconciliation", status="passed")
    record.offer("reconciliation", "a" * 64, "")
    if approved:
        record.approve("reconciliation", by="Eva")
    folder = record.folder / "06_reconciliation" / "data"
    folder.mkdir(parents=True)
    row = {"entity": "contact", "loaded": 5, "missing": missing, "duplicated": 0, "unexpected": 0}
    pl.DataFrame([row]).write_parquet(folder / "class_balance.parquet")
    assert expected in _Tags(_front(record)).text


def test_a_customers_name_is_text(record: runs.Record) -> None:
    """In the title as on the page."""
    page = _front(record, name=EVIL)
    assert "<script" not in page
    assert re.search(r"<title>&lt;script&gt;", page)
