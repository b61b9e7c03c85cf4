"""Great Expectations' own Data Docs of a run: complete, without values, without script or network, the same bytes."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import Demo
from crmbook import data_docs, runs
from crmbook.errors import DataError

SECRET = "eva.strict@acme.example"


def _check(id_: str, table: str, **of: Any) -> dict[str, Any]:
    known = {
        "id": id_, "table": table, "type": "expect_column_values_to_not_be_null", "column": "email", "severity": "critical",
        "passed": True, "checked": 40, "failed": 0, "notes": "Nobody is written to without one.", "kwargs": {"column": "email"},
    }  # fmt: skip
    return known | of


CHECKS = [
    _check("N-01", "contacts"),
    _check("N-02", "contacts", passed=False, failed=7, kwargs={"column": "email", "mostly": 0.9}),
    _check("N-03", "deals", type="expect_column_values_to_be_in_set", column="state",
           kwargs={"column": "state", "value_set": ["<b>open</b>", "won"]}),
]  # fmt: skip


@pytest.fixture
def run(customers: Path) -> Path:
    """A run of which one gate has spoken, beside a file with a value about a person."""
    folder = runs.create("acme", "test", parameters={"sample": 0}, run_id="test-01").folder
    (folder / "04_normalization" / "data").mkdir(parents=True)
    (folder / "04_normalization" / "data" / "contacts.csv").write_text(SECRET, encoding="utf-8")
    _judged(folder, CHECKS)
    return folder


def _judged(run: Path, checks: list[dict[str, Any]], phase: str = "04_normalization") -> None:
    (run / phase).mkdir(exist_ok=True)
    runs.write_json(run / phase / "gate.json", {"phase": phase, "passed": False, "checks": checks})


def _pages(run: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((run / "data_docs").iterdir())}


def _told(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main>")[2]).split())


def test_every_suite_has_a_page_and_the_front_leads_to_it(run: Path) -> None:
    """Those of an attempt that was repeated stand aside with it."""
    _judged(run, [_check("N-09", "notes")], phase="04_normalization~1")
    data_docs.write(run)
    pages = _pages(run)
    assert list(pages) == ["04_normalization.contacts.html", "04_normalization.deals.html", "index.html"]
    assert re.findall(r'<a href="([^"]+)"', pages["index.html"]) == list(pages)[:2]
    assert _told(pages["index.html"]).endswith(
        "suite result 04_normalization.contacts not met 04_normalization.deals passed"
    )


def test_a_rule_is_told_in_words_with_the_counts_of_its_gate(run: Path) -> None:
    """Whether it held, and how much of what was looked at did not; of a suite, how many did."""
    data_docs.write(run)
    told = _told(_pages(run)["04_normalization.contacts.html"])
    assert "Status: Failed" in told
    assert "Evaluated Expectations 2 Successful Expectations 1 Unsuccessful Expectations 1" in told
    assert "passed values must never be null. 100% not null" in told
    assert re.search(r"not met values must not be null, at least 90 % of the time\.", told)
    assert "7 unexpected values found. 17.5% of 40 total rows." in told


def test_no_value_no_script_and_nothing_from_elsewhere(run: Path) -> None:
    """Only relative links; what a suite names is text; the moment and random ids of GX's own pages are gone."""
    data_docs.write(run)
    for name, page in _pages(run).items():
        assert SECRET not in page, name
        assert not re.search(
            r"<(script|link|img|iframe|form|base|object)\b|\bsrc=|https?:|\son\w+=|@import|url\(", page
        )
        assert [a for a in re.findall(r'href="([^"]+)"', page) if a not in _pages(run)] == []
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", page)
    assert "&lt;b&gt;open&lt;/b&gt;" in _pages(run)["04_normalization.deals.html"]


def test_the_same_verdicts_give_the_same_bytes(run: Path) -> None:
    """So that an archive made again can be compared."""
    data_docs.write(run)
    before = _pages(run)
    data_docs.write(run)
    assert before == _pages(run)


def test_a_verdict_that_cannot_be_rendered_is_an_error(run: Path) -> None:
    """GX would log it and leave the page out; the pages of before stay."""
    data_docs.write(run)
    before = _pages(run)
    _judged(run, [*CHECKS, _check("N-04", "tasks", kwargs={"column": "email", "mostly": "often"})])
    with pytest.raises(DataError, match="data_docs: 2 of 3 verdicts rendered"):
        data_docs.write(run)
    assert before == _pages(run)


def test_they_are_made_when_a_gate_has_spoken_since(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start in which no gate was reached costs nothing, and a run without gates has none."""
    asked: list[str] = []
    monkeypatch.setattr(data_docs.gates, "ask", lambda _task, folder: asked.append(folder))
    record = runs.Record(run)
    data_docs.build(record)
    (run / "data_docs").mkdir()
    (run / "data_docs" / "index.html").write_text("", encoding="utf-8")
    later = (run / "04_normalization" / "gate.json").stat().st_mtime + 1
    os.utime(run / "data_docs" / "index.html", (later, later))
    data_docs.build(record)
    (run / "04_normalization" / "gate.json").unlink()
    (run / "data_docs" / "index.html").unlink()
    data_docs.build(record)
    assert asked == [str(run)]


def test_the_demos_are_part_of_its_archive(demo: Demo) -> None:
    """Every check of every gate is counted on a page, and every page is sealed as evidence without personal data."""
    pages = _pages(demo.run)
    gates = [
        json.loads(path.read_text()) for path in sorted(demo.run.glob("0*/gate.json")) if "~" not in str(path)
    ]
    counted = sum(
        int(re.search(r"Evaluated Expectations (\d+)", _told(p))[1])
        for n, p in pages.items()
        if n != "index.html"
    )  # type: ignore[index]
    assert counted == sum(len(gate["checks"]) for gate in gates) > 100
    sealed = json.loads((demo.run / "manifest.json").read_text())["files"]
    for name in pages:
        entry = sealed[f"data_docs/{name}"]
        assert (entry["role"], entry["personal"]) == ("rules and their results", False)
        assert entry["sha256"] == runs.sha256(demo.run / "data_docs" / name)
    assert sum(len(page) for page in pages.values()) < 500_000


def test_the_report_leads_to_them(demo: Demo) -> None:
    """Beside the notebooks."""
    page = (demo.run / "index.html").read_text(encoding="utf-8")
    assert '<a href="data_docs/index.html">' in page
