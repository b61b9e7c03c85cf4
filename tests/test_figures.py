"""What a notebook shows of a table: little, masked, escaped, and the same bytes for the same data."""

import html
import re
from typing import Any

import polars as pl
import pytest

from crmbook import figures, tables
from crmbook.figures import MASK, bars, show, stacked

PEOPLE = pl.DataFrame(
    {"agent_id": ["1", "2"], "name": ["Ines Maas", None], "email": ["ines@acme.example", "olaf@acme.example"]}
)
COUNTS = pl.DataFrame({"entity": ["contact", "<deal>"], "kept": [3, 1000], "lost": [1, 0]})


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every display in order: what a notebook would keep of it."""
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(figures, "display", lambda data, *, raw: kept.append(data) if raw else None)
    return kept


def _cells(data: dict[str, Any]) -> list[str]:
    return [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", data["text/html"])]


def test_personal_columns_are_masked(page: list[dict[str, Any]]) -> None:
    """Their values are not in any representation; that one is missing still shows."""
    show(PEOPLE, "agents")
    assert _cells(page[0]) == ["1", MASK, MASK, "2", "–", MASK]
    assert not re.search(r"Ines|acme\.example", str(page[0]))


def test_custom_properties_are_always_masked(page: list[dict[str, Any]]) -> None:
    """Nobody can declare what a customer keeps in them, so every prefixed column counts as personal."""
    frame = pl.DataFrame({"source_id": ["7"], "cf_shoe_size": ["43 wide"]})
    assert tables.of("contacts").prefix == "cf_"
    show(frame, "contacts")
    assert _cells(page[0]) == ["7", MASK]


def test_reveal_shows_them_to_the_person_who_asks(page: list[dict[str, Any]]) -> None:
    """In a working copy only: templates declare no such parameter."""
    show(PEOPLE, "agents", reveal=True)
    assert _cells(page[0])[1:3] == ["Ines Maas", "ines@acme.example"]


def test_a_table_shows_twenty_rows_and_ten_columns(page: list[dict[str, Any]]) -> None:
    """And says how many there are beyond."""
    frame = pl.DataFrame({f"c{i}": range(1234) for i in range(12)})
    show(frame)
    assert len(_cells(page[0])) == 20 * 10
    assert "… 1,214 more rows" in page[0]["text/plain"]
    assert "… 2 more columns" in page[0]["text/html"]


def test_an_empty_table_says_so(page: list[dict[str, Any]]) -> None:
    """Headers stay."""
    show(PEOPLE.clear(), "agents")
    assert "(no rows)" in page[0]["text/plain"]
    assert "(no rows)" in page[0]["text/html"]
    assert "agent id" in page[0]["text/html"]


def test_texts_from_a_source_are_escaped(page: list[dict[str, Any]]) -> None:
    """In tables, labels, titles and names of series alike."""
    evil = "<img src=x onerror=alert(1)>\"'"
    frame = pl.DataFrame({"label": [evil], "n<b>": [1]})
    show(frame)
    bars(frame, "label", "n<b>", title=evil)
    stacked(frame, "label", {"n<b>": "kept"}, title=evil)
    for data in page:
        assert "<img" not in data["text/html"]
        assert "<b>" not in data["text/html"]
        assert "&lt;img src=x" in data["text/html"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "–", id="nothing"),
        pytest.param(True, "yes", id="true"),
        pytest.param(False, "no", id="false"),
        pytest.param(1234567, "1,234,567", id="whole"),
        pytest.param(1234.5, "1,234.5", id="fraction"),
        pytest.param(20.0, "20", id="whole float"),
        pytest.param(0.001, "0", id="below two decimals"),
        pytest.param(["a", "b"], "a, b", id="list"),
        pytest.param(list("abcdefghij"), "a, b, c, d, e, f, g, h …", id="long list"),
    ],
)
def test_values_read_as_a_person_writes_them(
    page: list[dict[str, Any]], value: object, expected: str
) -> None:
    """The same text on the page and in a terminal."""
    show(pl.DataFrame({"value": [value]}))
    assert _cells(page[0]) == [expected]
    assert page[0]["text/plain"].splitlines()[-1].strip() == expected


def test_a_figure_is_one_display_in_three_forms(page: list[dict[str, Any]]) -> None:
    """Interactive where Plotly is, static on a page, and text in a terminal, with the same numbers."""
    stacked(COUNTS, "entity", {"kept": "kept", "lost": "lost"}, title="From source to target")
    data = page[0]
    assert sorted(data) == ["application/vnd.plotly.v1+json", "text/html", "text/plain"]
    figure = data["application/vnd.plotly.v1+json"]
    assert [(t["name"], t["x"]) for t in figure["data"]] == [("kept", [3.0, 1000.0]), ("lost", [1.0, 0.0])]
    assert [re.search(r"\d[\d,]*$", line)[0] for line in data["text/plain"].splitlines()[1:]] == [
        "4",
        "1,000",
    ]
    assert re.findall(r"<td class=number>(.*?)</td>", data["text/html"]) == ["4", "1,000"]


def test_bars_are_as_long_as_their_numbers(page: list[dict[str, Any]]) -> None:
    """In percent of the longest; stacked parts begin where the one before ends."""
    stacked(
        pl.DataFrame({"e": ["a", "b"], "x": [30, 10], "y": [10, 10]}),
        "e",
        {"x": "kept", "y": "lost"},
        title="t",
    )
    rects = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%"', page[0]["text/html"])
    assert rects == [("0.00", "75.00"), ("75.00", "25.00"), ("0.00", "25.00"), ("25.00", "25.00")]


def test_every_colour_has_a_name_beside_it(page: list[dict[str, Any]]) -> None:
    """A legend where there are several series, none where there is one; each bar tells its number in words."""
    bars(COUNTS, "entity", "kept", title="Kept")
    stacked(COUNTS, "entity", {"kept": "kept", "lost": "lost"}, title="Both")
    assert "legend" not in page[0]["text/html"]
    assert re.findall(r'<rect [^>]*class="(\w+)"[^>]*/></svg>(\w+)</span>', page[1]["text/html"]) == [
        ("kept", "kept"),
        ("lost", "lost"),
    ]
    assert 'aria-label="contact: 4"' in page[1]["text/html"]


@pytest.mark.parametrize("rows", [0, 1, 25])
def test_a_figure_takes_any_number_of_rows(page: list[dict[str, Any]], rows: int) -> None:
    """None is an empty figure, more than 20 are cut to 20; nulls and zeros draw nothing."""
    frame = pl.DataFrame(
        {"e": [str(i) for i in range(rows)], "n": [None] * rows}, schema={"e": pl.String, "n": pl.Int64}
    )
    bars(frame, "e", "n", title="Nothing")
    assert page[0]["text/html"].count("<rect") == min(rows, 20)
    assert 'width="0.00%"' in page[0]["text/html"] or rows == 0


def test_the_same_data_gives_the_same_bytes(page: list[dict[str, Any]]) -> None:
    """No ids, times or order of its own."""
    for _ in range(2):
        show(PEOPLE, "agents")
        bars(COUNTS, "entity", "kept", title="Kept")
    assert page[:2] == page[2:]


def test_nothing_is_fetched_and_nothing_runs(page: list[dict[str, Any]]) -> None:
    """A page kept for years needs neither network nor script."""
    show(PEOPLE, "agents")
    bars(COUNTS, "entity", "kept", title="Kept")
    assert [d for d in page if re.search(r"https?:|<script|<link|url\(|\bon\w+=", d["text/html"])] == []
