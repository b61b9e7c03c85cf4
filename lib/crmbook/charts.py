"""What every figure is made of: three forms of the same numbers, one colour per meaning, and bars.

A chart is Plotly's JSON (drawn where Plotly is), static HTML with inline SVG (a page, an e-mail, print) and text (a
terminal, a diff). Nothing needs a browser engine or the network; labels are escaped; the same data gives the same bytes.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# One colour per meaning, everywhere; each reads on white and on near-black. On a page the class of the same name wins.
COLOURS: Final = {"kept": "#2f9e6e", "changed": "#c98a0b", "lost": "#d1495b", "neutral": "#4c78b8"}
WIDTH: Final = 30  # characters of the longest bar in a terminal


@dataclass(frozen=True)
class Chart:
    """One figure in its three forms."""

    plotly: dict[str, Any]
    page: str
    plain: str


@dataclass(frozen=True)
class Series:
    """One part of every bar; `meaning` is a key of COLOURS."""

    name: str
    values: list[float]
    meaning: str


def bars(title: str, labels: list[str], series: Sequence[Series]) -> Chart:
    """Horizontal bars, stacked where there are several *series*; each as long as its number."""
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "x": part.values, "y": labels, "name": part.name,
            "marker": {"color": COLOURS[part.meaning]}, "hovertemplate": "%{y}: %{x:,}<extra>" + part.name + "</extra>",
        }
        for part in series
    ]  # fmt: skip
    shape = {
        "barmode": "stack", "yaxis": {"autorange": "reversed", "automargin": True},
        "xaxis": {"rangemode": "tozero", "separatethousands": True}, "showlegend": len(series) > 1,
    }  # fmt: skip
    page, plain = _page(title, labels, series), _plain(title, labels, series)
    return Chart({"data": traces, "layout": layout(title, 120 + 26 * len(labels), **shape)}, page, plain)


def layout(title: str, height: int, **shape: Any) -> dict[str, Any]:
    """Plotly's layout in the house's look: no ground of its own, so that it reads in light and in dark."""
    return {
        "title": {"text": title, "font": {"size": 15}}, "height": height, "margin": {"l": 10, "r": 10, "t": 50, "b": 30},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#7a7f87"}, **shape,
    }  # fmt: skip


def text(value: object) -> str:
    """*value* as a person writes it, on a page as in a terminal."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(text(v) for v in value[:8]) + (" …" if len(value) > 8 else "")
    return str(value)


def ink(meaning: str) -> str:
    """The attributes that give a shape the colour of *meaning*, with and without the page's style."""
    return f'class="{meaning}" fill="{COLOURS[meaning]}"'


def legend(named: Sequence[tuple[str, str]]) -> str:
    """The colours in use beside their names; *named* are name and meaning. Empty for a single one."""
    if len(named) < 2:
        return ""
    dot = '<svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" rx="2" {}/></svg>'
    parts = "".join(f"<span>{dot.format(ink(meaning))}{html.escape(name)}</span>" for name, meaning in named)
    return f'<span class="legend">{parts}</span>'


def bar(parts: Sequence[tuple[str, float, str]], widest: float, label: str) -> str:
    """One bar as SVG; *parts* are name, number and meaning, as wide as their share of *widest*."""
    x, drawn = 0.0, []
    for name, value, meaning in parts:
        width = 100 * value / widest
        drawn.append(
            f'<rect x="{x:.2f}%" width="{width:.2f}%" height="14" {ink(meaning)}>'
            f"<title>{html.escape(name)}: {text(value)}</title></rect>"
        )
        x += width
    return (
        f'<svg width="100%" height="14" role="img" aria-label="{html.escape(label)}">{"".join(drawn)}</svg>'
    )


def block(length: float, widest: float) -> str:
    """A bar of a terminal."""
    return "█" * round(WIDTH * length / widest)


def _totals(labels: Sequence[str], series: Sequence[Series]) -> list[float]:
    return [sum(part.values[i] for part in series) for i in range(len(labels))]


def _page(title: str, labels: Sequence[str], series: Sequence[Series]) -> str:
    totals = _totals(labels, series)
    widest = max(totals, default=0) or 1
    lines = [
        f'<tr><th scope="row">{html.escape(label)}</th><td class=bar>'
        + bar([(p.name, p.values[i], p.meaning) for p in series], widest, f"{label}: {text(totals[i])}")
        + f"</td><td class=number>{text(totals[i])}</td></tr>"
        for i, label in enumerate(labels)
    ]
    caption = html.escape(title) + legend([(part.name, part.meaning) for part in series])
    return f'<table class="crmbook bars"><caption>{caption}</caption><tbody>{"".join(lines)}</tbody></table>'


def _plain(title: str, labels: Sequence[str], series: Sequence[Series]) -> str:
    totals = _totals(labels, series)
    widest = max(totals, default=0) or 1
    margin = max((len(label) for label in labels), default=0)
    lines = [
        f"{label.ljust(margin)}  {block(total, widest)} {text(total)}"
        for label, total in zip(labels, totals, strict=True)
    ]
    return "\n".join([title, *lines])
