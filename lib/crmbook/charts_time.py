"""Two figures over time: how many records each month has, and how full fields are year by year.

In: numbers with their names, months as `2024-03`, shares from 0 to 1 (None where nothing could be filled). Out: `Chart`.
"""

import html
from collections.abc import Sequence
from typing import Any, Final

from crmbook.charts import COLOURS, Chart, Series, ink, layout, legend, text

_HEIGHT: Final = 110
_SHADES: Final = " ░▒▓█"
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_STRONGEST: Final = 0.6  # a full cell's opacity: its number must stay readable on it


def timeline(title: str, months: list[str], series: Sequence[Series]) -> Chart:
    """Columns month by month, stacked; *months* without a gap, each *series* as long as them."""
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "x": months, "y": part.values, "name": part.name, "marker": {"color": COLOURS[part.meaning]},
            "hovertemplate": "%{x}: %{y:,}<extra>" + part.name + "</extra>",
        }
        for part in series
    ]  # fmt: skip
    shape = {
        "barmode": "stack",
        "bargap": 0.1,
        "xaxis": {"type": "category"},
        "yaxis": {"rangemode": "tozero"},
        "showlegend": len(series) > 1,
    }
    totals = [sum(part.values[i] for part in series) for i in range(len(months))]
    said = _span(months, totals)
    page = (
        f'<figure class="crmbook"><figcaption>{html.escape(title)}'
        + legend([(part.name, part.meaning) for part in series])
        + f"</figcaption>{_columns(months, series, totals, said)}<p class=more>{html.escape(said)}</p></figure>"
    )
    plain = "\n".join([title, _sparks(totals), said])
    return Chart({"data": traces, "layout": layout(title, 320, **shape)}, page, plain)


def heat(title: str, rows: list[str], columns: list[str], shares: Sequence[Sequence[float | None]]) -> Chart:
    """A cell per row and column, the fuller the darker, with its percentage; *shares* by row, from 0 to 1."""
    cells = [[None if share is None else round(100 * share) for share in row] for row in shares]
    trace = {
        "type": "heatmap", "x": columns, "y": rows, "z": cells, "zmin": 0, "zmax": 100, "showscale": False,
        "colorscale": [[0, "rgba(0,0,0,0)"], [1, COLOURS["kept"]]], "texttemplate": "%{z}",
        "hovertemplate": "%{y}, %{x}: %{z} %<extra></extra>",
    }  # fmt: skip
    shape = {
        "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"}, "xaxis": {"type": "category"},
    }  # fmt: skip
    head = "<td></td>" + "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(_cell(cell) for cell in row)}</tr>'
        for name, row in zip(rows, cells, strict=True)
    )
    page = (
        f'<table class="crmbook heat"><caption>{html.escape(title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    drawn = {"data": [trace], "layout": layout(title, 120 + 24 * len(rows), **shape)}
    return Chart(drawn, page, _plain_heat(title, rows, columns, cells))


def _span(months: Sequence[str], totals: Sequence[float]) -> str:
    if not months:
        return "no records"
    most = max(range(len(months)), key=lambda i: (totals[i], -i))
    return f"{months[0]} to {months[-1]}: {text(sum(totals))} records, most in {months[most]} ({text(totals[most])})"


def _columns(months: Sequence[str], series: Sequence[Series], totals: Sequence[float], said: str) -> str:
    widest, width = max(totals, default=0) or 1, 100 / (len(months) or 1)
    drawn = []
    for i in range(len(months)):
        y = float(_HEIGHT)
        for part in series:
            height = _HEIGHT * part.values[i] / widest
            y -= height
            if height:
                drawn.append(
                    f'<rect x="{i * width:.2f}%" y="{y:.1f}" width="{0.9 * width:.2f}%" height="{height:.1f}"'
                    f" {ink(part.meaning)}><title>{months[i]}, {html.escape(part.name)}: {text(part.values[i])}</title></rect>"
                )
    return f'<svg width="100%" height="{_HEIGHT}" role="img" aria-label="{html.escape(said)}">{"".join(drawn)}</svg>'


def _sparks(totals: Sequence[float]) -> str:
    widest = max(totals, default=0) or 1
    return "".join(" " if not t else _LEVELS[min(7, int(8 * t / widest))] for t in totals)


def _cell(percent: int | None) -> str:
    if percent is None:
        return "<td>–</td>"
    return f'<td style="background:rgba(47,158,110,{_STRONGEST * percent / 100:.2f})">{percent}</td>'


def _plain_heat(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[int | None]]
) -> str:
    margin = max((len(name) for name in rows), default=0)
    wide = [max(5, len(name)) for name in columns]
    lines = [" " * margin + "".join(f"  {name.rjust(w)}" for name, w in zip(columns, wide, strict=True))]
    for name, row in zip(rows, cells, strict=True):
        shown = "".join(f"  {_shade(cell).rjust(w)}" for cell, w in zip(row, wide, strict=True))
        lines.append(f"{name.ljust(margin)}{shown}")
    return "\n".join([title, *lines])


def _shade(percent: int | None) -> str:
    return "–" if percent is None else f"{percent} {_SHADES[min(4, (percent + 24) // 25)]}"
