"""How a notebook shows a table or a figure: readable in Jupyter, in the archived HTML and in a terminal.

`show` is the only way a frame is displayed: at most 20 rows and 10 columns, personal columns masked; in the lab a table
that sorts and filters. A figure
is one display with three representations (Plotly JSON, static HTML with inline bars, plain text), so
nothing needs a browser engine or the network, and the same data gives the same bytes.
"""

import html
from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from IPython.display import display

from crmbook import lab_tables, tables

ROWS: Final = 20
COLUMNS: Final = 10
MASK: Final = "•••"
# One colour per meaning, everywhere; each reads on white and on near-black.
COLOURS: Final = {"kept": "#2f9e6e", "changed": "#c98a0b", "lost": "#d1495b", "neutral": "#4c78b8"}


def show(frame: pl.DataFrame, table: str = "", *, reveal: bool = False, rows: int = ROWS) -> None:
    """*frame* on the page; *table* names the contract that says which of its columns are personal."""
    contract = tables.of(table) if table else None
    if lab_tables.is_on():
        personal = [] if reveal or contract is None else [c for c in frame.columns if contract.is_personal(c)]
        lab_tables.show(
            frame.with_columns(pl.when(pl.col(c).is_not_null()).then(pl.lit(MASK)).alias(c) for c in personal)
        )
        return
    columns = frame.columns[:COLUMNS]
    head = frame.select(columns).head(rows)
    hidden = set() if reveal or contract is None else {c for c in columns if contract.is_personal(c)}
    cells = [
        [MASK if c in hidden and v is not None else _text(v) for c, v in row.items()]
        for row in head.to_dicts()
    ]
    more = [f"… {frame.height - head.height:,} more rows"] if frame.height > head.height else []
    more += (
        [f"… {len(frame.columns) - len(columns)} more columns"] if len(frame.columns) > len(columns) else []
    )
    numeric = [frame.schema[c].is_numeric() for c in columns]
    titles = [c.replace("_", " ") for c in columns]
    _publish(_plain(titles, cells, numeric, more), _html_table(titles, cells, numeric, more))


def bars(frame: pl.DataFrame, label: str, value: str, *, title: str, meaning: str = "neutral") -> None:
    """Horizontal bars of *value* by *label*, in the order of the frame, at most 20."""
    shown = frame.head(ROWS)
    labels = [str(v) for v in shown[label].to_list()]
    values = [float(v or 0) for v in shown[value].to_list()]
    _figure(title, [(labels, values, value.replace("_", " "), COLOURS[meaning])])


def stacked(frame: pl.DataFrame, label: str, parts: dict[str, str], *, title: str) -> None:
    """Stacked bars: *parts* maps a column to its meaning (kept, changed, lost or neutral)."""
    shown = frame.head(ROWS)
    labels = [str(v) for v in shown[label].to_list()]
    series = [
        (labels, [float(v or 0) for v in shown[c].to_list()], c.replace("_", " "), COLOURS[m])
        for c, m in parts.items()
    ]
    _figure(title, series)


def _figure(title: str, series: Sequence[tuple[list[str], list[float], str, str]]) -> None:
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "x": values, "y": labels, "name": name,
            "marker": {"color": colour}, "hovertemplate": "%{y}: %{x:,}<extra>" + name + "</extra>",
        }
        for labels, values, name, colour in series
    ]  # fmt: skip
    rows = len(series[0][0]) if series else 0
    layout = {
        "title": {"text": title, "font": {"size": 15}}, "barmode": "stack", "height": 120 + 26 * rows,
        "yaxis": {"autorange": "reversed", "automargin": True}, "xaxis": {"rangemode": "tozero", "separatethousands": True},
        "margin": {"l": 10, "r": 10, "t": 50, "b": 30}, "showlegend": len(series) > 1,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#7a7f87"},
    }  # fmt: skip
    figure = {"data": traces, "layout": layout}
    display(
        {
            "application/vnd.plotly.v1+json": figure,
            "text/html": _html_bars(title, series),
            "text/plain": _plain_bars(title, series),
        },
        raw=True,
    )


def _publish(plain: str, page: str) -> None:
    display({"text/plain": plain, "text/html": page}, raw=True)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value[:8]) + (" …" if len(value) > 8 else "")
    return str(value)


def _plain(titles: list[str], cells: list[list[str]], numeric: list[bool], more: list[str]) -> str:
    clipped = [[c if len(c) <= 48 else c[:47] + "…" for c in row] for row in cells]
    widths = [max(len(t), *(len(r[i]) for r in clipped)) if clipped else len(t) for i, t in enumerate(titles)]

    def line(row: list[str]) -> str:
        return "  ".join(
            c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)
        ).rstrip()

    body = [line(titles), "  ".join("─" * w for w in widths), *(line(r) for r in clipped)]
    return "\n".join(body + (more if cells else ["(no rows)"]))


def _html_table(titles: list[str], cells: list[list[str]], numeric: list[bool], more: list[str]) -> str:
    def row(tag: str, values: list[str]) -> str:
        scope = ' scope="col"' if tag == "th" else ""
        return "<tr>" + "".join(
            f'<{tag}{scope}{" class=number" if n else ""}>{html.escape(v)}</{tag}>'
            for v, n in zip(values, numeric, strict=True)
        ) + "</tr>"  # fmt: skip

    foot = "".join(f"<p class=more>{html.escape(m)}</p>" for m in (more if cells else ["(no rows)"]))
    body = "".join(row("td", r) for r in cells)
    return f'<table class="crmbook"><thead>{row("th", titles)}</thead><tbody>{body}</tbody></table>{foot}'


def _html_bars(title: str, series: Sequence[tuple[list[str], list[float], str, str]]) -> str:
    labels = series[0][0] if series else []
    totals = [sum(values[i] for _, values, _, _ in series) for i in range(len(labels))]
    widest = max(totals, default=0) or 1
    lines = []
    for i, label in enumerate(labels):
        x, parts = 0.0, []
        for _, values, name, colour in series:
            width = 100 * values[i] / widest
            parts.append(
                f'<rect x="{x:.2f}%" width="{width:.2f}%" height="14" fill="{colour}">'
                f"<title>{html.escape(name)}: {_text(values[i])}</title></rect>"
            )
            x += width
        lines.append(
            f'<tr><th scope="row">{html.escape(label)}</th><td class=bar><svg width="100%" height="14" role="img"'
            f' aria-label="{html.escape(label)}: {_text(totals[i])}">{"".join(parts)}</svg></td>'
            f"<td class=number>{_text(totals[i])}</td></tr>"
        )
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>'
        for _, _, name, colour in series
    )
    caption = html.escape(title) + (f" <span class=legend>{legend}</span>" if len(series) > 1 else "")
    return f'<table class="crmbook bars"><caption>{caption}</caption><tbody>{"".join(lines)}</tbody></table>'


def _plain_bars(title: str, series: Sequence[tuple[list[str], list[float], str, str]]) -> str:
    labels = series[0][0] if series else []
    totals = [sum(values[i] for _, values, _, _ in series) for i in range(len(labels))]
    widest = max(totals, default=0) or 1
    margin = max((len(label) for label in labels), default=0)
    lines = [
        f"{lab.ljust(margin)}  {'█' * round(30 * t / widest)} {_text(t)}"
        for lab, t in zip(labels, totals, strict=True)
    ]
    return "\n".join([title, *lines])
