"""Figures beyond bars: the same numbers as a picture, as a page and as text; escaped, offline, the same bytes each time."""

import html
import re
from collections.abc import Callable

import pytest

from crmbook import charts_flow, charts_time
from crmbook.charts import COLOURS, Chart, Series
from crmbook.charts_flow import Edge, Step

EVIL = "<img src=x onerror=alert(1)>"
STEPS = [
    Step("source", 10),
    Step("kept", 7, [("merged", 1, "changed"), ("left out", 2, "neutral")], "2 no e-mail, 1 lives on"),
    Step("found", 6, [("lost", 1, "lost")]),
]
EDGES = [Edge("works at", "contact", "company", 9, 1), Edge("is with", "deal", "contact", 4, 0)]


def _flow() -> Chart:
    return charts_flow.flow("The way", STEPS)


def _links() -> Chart:
    return charts_flow.links("Links", EDGES)


def _timeline() -> Chart:
    return charts_time.timeline("Months", ["2024-01", "2024-02"], [Series("records", [2.0, 6.0], "neutral")])


def _heat() -> Chart:
    return charts_time.heat("Fill", ["city", "size"], ["2023", "2024"], [[1.0, 0.25], [None, 0.0]])


ALL = [pytest.param(made, id=made.__name__[1:]) for made in (_flow, _links, _timeline, _heat)]


def _words(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("made", ALL)
def test_the_same_numbers_give_the_same_bytes(made: Callable[[], Chart]) -> None:
    """In each of the three forms."""
    assert made() == made()


@pytest.mark.parametrize("made", ALL)
def test_nothing_is_fetched_and_nothing_runs(made: Callable[[], Chart]) -> None:
    """A page kept for years needs neither network nor script."""
    assert not re.search(r"https?:|<script|<link|url\(|\bon\w+=", made().page)


@pytest.mark.parametrize("made", ALL)
def test_a_colour_stands_for_a_meaning_in_light_and_in_dark(made: Callable[[], Chart]) -> None:
    """Every coloured shape has the class of its meaning, which the page's style gives a tone for its ground."""
    chart = made()
    shapes = re.findall(r"<rect [^>]*>", chart.page)
    assert [s for s in shapes if not any(f'class="{m}" fill="{c}"' in s for m, c in COLOURS.items())] == []
    assert "rgba(0,0,0,0)" in (
        chart.plotly["layout"]["paper_bgcolor"],
        chart.plotly["layout"]["plot_bgcolor"],
    )


def test_a_flow_tells_how_many_left_and_why() -> None:
    """Records at every station, and beneath it what left since the one before."""
    chart = _flow()
    for told in (_words(chart.page), chart.plain):
        assert "3 left: 2 no e-mail, 1 lives on" in told
        assert "1 left" in told
    assert re.findall(r"<td class=number>(\d+)</td>", chart.page) == ["10", "7", "6"]
    assert [line.rsplit(" ", 1)[1] for line in chart.plain.splitlines()[1:] if "█" in line] == [
        "10",
        "7",
        "6",
    ]


def test_what_flows_into_a_station_is_what_flows_out_of_it() -> None:
    """In Plotly's form each way on and each exit is one link, and they sum to what was there."""
    link = _flow().plotly["data"][0]["link"]
    out = {i: sum(v for s, v in zip(link["source"], link["value"], strict=True) if s == i) for i in (0, 1)}
    assert out == {0: 10, 1: 7}
    assert [link["color"][i] for i in (1, 3)] == [COLOURS["changed"], COLOURS["kept"]]


def test_bars_of_a_flow_are_as_long_as_their_numbers() -> None:
    """In percent of the longest; what left follows what stays."""
    rects = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%" height="14" class="(\w+)"', _flow().page)
    assert rects[:4] == [
        ("0.00", "100.00", "kept"),
        ("0.00", "70.00", "kept"),
        ("70.00", "10.00", "changed"),
        ("80.00", "20.00", "neutral"),
    ]


def test_links_tell_what_is_there_and_what_lost_an_end() -> None:
    """As words on the picture, for who can't see it, and in a terminal."""
    chart = _links()
    assert 'aria-label="works at: 9 there, 1 lost; is with: 4 there, 0 lost"' in chart.page
    assert "works at: 9, 1 lost" in _words(chart.page)
    assert "contact → company" in chart.plain
    assert sum(chart.plotly["data"][0]["link"]["value"]) == 14
    assert len(re.findall(r"<rect x=", chart.page)) == 3


def test_a_kind_that_links_and_is_linked_to_stands_on_both_sides() -> None:
    """A contact is where a deal's link ends and where its own begins; Plotly would draw a circle otherwise."""
    data = _links().plotly["data"][0]
    assert data["node"]["label"] == ["contact", "deal", "company", "contact"]
    assert set(data["link"]["source"]) & set(data["link"]["target"]) == set()


def test_a_timeline_tells_its_span_and_its_peak() -> None:
    """The picture, its label and the text say the same."""
    chart = _timeline()
    said = "2024-01 to 2024-02: 8 records, most in 2024-02 (6)"
    assert chart.page.count(said) == 2
    assert chart.plain.splitlines() == ["Months", "▃█", said]
    heights = re.findall(r'height="([\d.]+)" class', chart.page)
    assert [float(h) for h in heights] == pytest.approx([110 / 3, 110], abs=0.1)


def test_a_heat_map_shows_every_share_as_a_number() -> None:
    """A colour alone tells nobody how full a field is; where nothing could be filled stands a dash."""
    chart = _heat()
    assert re.findall(r"<td[^>]*>([^<]+)</td>", chart.page) == ["100", "25", "–", "0"]
    assert chart.plotly["data"][0]["z"] == [[100, 25], [None, 0]]
    assert re.findall(r"rgba\(47,158,110,([\d.]+)\)", chart.page) == ["0.60", "0.15", "0.00"]
    assert chart.plain.splitlines()[2].split() == ["city", "100", "█", "25", "░"]


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(charts_flow.flow(EVIL, [Step(EVIL, 2, [(EVIL, 1, "lost")], EVIL)]), id="flow"),
        pytest.param(charts_flow.links(EVIL, [Edge(EVIL, EVIL, EVIL, 1, 1)]), id="links"),
        pytest.param(charts_time.timeline(EVIL, ["2024-01"], [Series(EVIL, [1.0], "kept")]), id="timeline"),
        pytest.param(charts_time.heat(EVIL, [EVIL], [EVIL], [[0.5]]), id="heat"),
    ],
)
def test_texts_are_escaped(chart: Chart) -> None:
    """In titles, labels, reasons and what is read aloud."""
    assert "<img" not in chart.page
    assert "&lt;img" in chart.page


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(charts_flow.flow("t", []), id="flow"),
        pytest.param(charts_flow.flow("t", [Step("s", 0)]), id="flow of nothing"),
        pytest.param(charts_flow.links("t", []), id="links"),
        pytest.param(charts_time.timeline("t", [], [Series("n", [], "kept")]), id="timeline"),
        pytest.param(charts_time.heat("t", [], [], []), id="heat"),
    ],
)
def test_no_rows_make_an_empty_figure(chart: Chart) -> None:
    """With its title, and without a bar."""
    assert ">t" in chart.page
    assert "NaN" not in chart.page
    assert chart.plain.startswith("t")
