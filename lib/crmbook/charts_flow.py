"""Two figures of what gets through: the way from the source to the target step by step, and links that lose an end.

In: numbers with their names; a step tells how many are left and how many left it, and why. Out: `Chart`. Nothing
is computed but lengths.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crmbook.charts import COLOURS, Chart, bar, block, ink, layout, legend, text

_ROW: Final = 46  # height of a link's row, in units of a picture 360 wide
_LEFT, _RIGHT, _PICTURE = 96, 264, 360


@dataclass(frozen=True)
class Step:
    """One station of the way: `records` that reached it; `left` behind since the one before, by name and meaning."""

    name: str
    records: float
    left: list[tuple[str, float, str]] = field(default_factory=list)
    why: str = ""


@dataclass(frozen=True)
class Edge:
    """Links from one kind of record to another: `kept` are there, `lost` are not."""

    name: str
    source: str
    target: str
    kept: float
    lost: float


def flow(title: str, steps: Sequence[Step], *, kept: str = "come this far") -> Chart:
    """Bars that get shorter by what left, each with the reason beneath it; *kept* names what goes on."""
    widest = max((step.records + _gone(step) for step in steps), default=0) or 1
    meanings = {name: meaning for step in steps for name, number, meaning in step.left if number}
    rows, lines = [], [title]
    margin = max((len(step.name) for step in steps), default=0)
    for step in steps:
        parts = [(kept, step.records, "kept"), *step.left]
        drawn = bar(parts, widest, f"{step.name}: {text(step.records)}")
        said = _said(step)
        rows.append(
            f'<tr{" class=told" if said else ""}><th scope="row">{html.escape(step.name)}</th>'
            f"<td class=bar>{drawn}</td><td class=number>{text(step.records)}</td></tr>"
            + (f'<tr class="note"><td colspan="3">{html.escape(said)}</td></tr>' if said else "")
        )
        lines.append(f"{step.name.ljust(margin)}  {block(step.records, widest)} {text(step.records)}")
        lines += [f"{' ' * margin}  {said}"] if said else []
    caption = html.escape(title) + legend([(kept, "kept"), *meanings.items()])
    page = (
        f'<table class="crmbook bars flow"><caption>{caption}</caption><tbody>{"".join(rows)}</tbody></table>'
    )
    return Chart(_sankey(title, *_ways(steps)), page, "\n".join(lines))


def links(title: str, edges: Sequence[Edge]) -> Chart:
    """Ribbons between kinds of records, as wide as their links are many; what lost an end is told beside what is there."""
    widest = max((edge.kept + edge.lost for edge in edges), default=0) or 1
    drawn = "".join(_ribbon(edge, i, widest) for i, edge in enumerate(edges))
    said = "; ".join(_told(edge) for edge in edges)
    height = _ROW * len(edges)
    page = (
        f'<figure class="crmbook"><figcaption>{html.escape(title)}'
        + legend([("there", "kept"), ("lost an end", "lost")])
        + f'</figcaption><svg viewBox="0 0 {_PICTURE} {height}" width="100%" style="max-width:27rem" role="img"'
        f' aria-label="{html.escape(said)}">{drawn}</svg></figure>'
    )
    margin = max((len(f"{e.source} → {e.target}") for e in edges), default=0)
    lines = [
        f"{f'{e.source} → {e.target}'.ljust(margin)}  {block(e.kept, widest)}{'░' * len(block(e.lost, widest))}"
        f" {e.name}: {text(e.kept)} there, {text(e.lost)} lost"
        for e in edges
    ]
    return Chart(_links_sankey(title, edges), page, "\n".join([title, *lines]))


def _gone(step: Step) -> float:
    return sum(number for _, number, _ in step.left)


def _said(step: Step) -> str:
    total = _gone(step)
    return f"{text(total)} left: {step.why}" if total and step.why else f"{text(total)} left" if total else ""


def _told(edge: Edge) -> str:
    return f"{edge.name}: {text(edge.kept)} there, {text(edge.lost)} lost"


def _ribbon(edge: Edge, row: int, widest: float) -> str:
    y = row * _ROW + 28
    parts = []
    for value, meaning, shift in ((edge.kept, "kept", 0.0), (edge.lost, "lost", 1.0)):
        # A thin thread stays visible; it is the label that counts.
        width = max(1.5, 14 * math.sqrt(value / widest)) if value else 0
        offset = shift * (7 * math.sqrt(edge.kept / widest) + width / 2 + 1.5)
        if width:
            parts.append(
                f'<rect x="{_LEFT}" y="{y + offset - width / 2:.2f}" width="{(_RIGHT - _LEFT) * (1 - shift / 2):.0f}"'
                f' height="{width:.2f}" {ink(meaning)}/>'
            )
    lost = f", {text(edge.lost)} lost" if edge.lost else ""
    label = (
        f'<text x="0" y="{y + 4}">{html.escape(edge.source)}</text>'
        f'<text x="{_RIGHT + 8}" y="{y + 4}">{html.escape(edge.target)}</text>'
        f'<text x="{(_LEFT + _RIGHT) / 2:.0f}" y="{y - 11}" text-anchor="middle">{html.escape(edge.name)}:'
        f" {text(edge.kept)}{lost}</text>"
    )
    return "".join(parts) + label


def _ways(steps: Sequence[Step]) -> tuple[list[str], list[tuple[int, int, float, str]]]:
    """The stations and exits of a flow as Plotly numbers them, and what goes from one to another."""
    names = [step.name for step in steps]
    ways: list[tuple[int, int, float, str]] = []
    for i, step in enumerate(steps[1:], 1):
        ways.append((i - 1, i, step.records, "kept"))
        for name, number, meaning in step.left:
            if number:
                ways.append((i - 1, len(names), number, meaning))
                names.append(name)
    return names, ways


def _links_sankey(title: str, edges: Sequence[Edge]) -> dict[str, Any]:
    names = list(dict.fromkeys(e.source for e in edges))
    first = len(names)
    names += list(dict.fromkeys(e.target for e in edges))
    ways = [
        (names.index(e.source), names.index(e.target, first), value, meaning)
        for e in edges
        for value, meaning in ((e.kept, "kept"), (e.lost, "lost"))
        if value
    ]
    return _sankey(title, names, ways)


def _sankey(title: str, names: list[str], ways: Sequence[tuple[int, int, float, str]]) -> dict[str, Any]:
    node = {"label": names, "color": "#8a919c", "pad": 18, "thickness": 12}
    link = {
        "source": [w[0] for w in ways], "target": [w[1] for w in ways], "value": [w[2] for w in ways],
        "color": [COLOURS[w[3]] for w in ways],
    }  # fmt: skip
    return {
        "data": [{"type": "sankey", "node": node, "link": link}],
        "layout": layout(title, 120 + 40 * len(names)),
    }
