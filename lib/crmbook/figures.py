"""How a notebook shows a table or a figure: readable in Jupyter, in the archived HTML and in a terminal.

`show` is the only way a frame is displayed: at most 20 rows and 10 columns, personal columns masked; in the lab a table
that sorts and filters. The vocabulary of figures is small: `bars`, `stacked`, `flow` from records to found, `timeline`,
`heat` of how full fields are, `links` and what they lose. A figure is one display in three forms (see `charts`), and the
same data gives the same bytes.
"""

import html
from typing import Final

import polars as pl
from IPython.display import display

from crmbook import charts, charts_flow, charts_time, lab_tables, tables
from crmbook.charts import Chart, Series, text

ROWS: Final = 20
COLUMNS: Final = 10
MASK: Final = "•••"


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
        [MASK if c in hidden and v is not None else text(v) for c, v in row.items()]
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
    stacked(frame, label, {value: meaning}, title=title)


def stacked(frame: pl.DataFrame, label: str, parts: dict[str, str], *, title: str) -> None:
    """Stacked bars: *parts* maps a column to its meaning (kept, changed, lost or neutral)."""
    shown = frame.head(ROWS)
    _draw(charts.bars(title, _texts(shown, label), _series(shown, parts)))


def flow(frame: pl.DataFrame, left: pl.DataFrame, *, title: str) -> None:
    """What got from the source to the target, step by step, and what left where: FLOW and FLOW_LEFT of some entities."""
    _draw(charts_flow.flow(title, stations(frame, left)))


def stations(frame: pl.DataFrame, left: pl.DataFrame) -> list[charts_flow.Step]:
    """FLOW and FLOW_LEFT summed over their entities, as the stations of a figure."""
    at = frame.group_by("position", "step").agg(pl.col("records").sum()).sort("position")
    return [
        charts_flow.Step(step, number, *_behind(left.filter(pl.col("position") == position)))
        for position, step, number in at.iter_rows()
    ]


def _behind(left: pl.DataFrame) -> tuple[list[tuple[str, float, str]], str]:
    """What left at a station by fate, and in words by reason, the most frequent first."""
    fates = dict(left.group_by("fate").agg(pl.col("records").sum()).iter_rows())
    reasons = left.group_by("reason").agg(pl.col("records").sum())
    rows = sorted(reasons.iter_rows(), key=lambda row: (-row[1], row[0]))
    parts = [(name, float(fates[fate]), meaning) for fate, (name, meaning) in _FATES.items() if fate in fates]
    return parts, ", ".join(f"{number:,} {reason}" for reason, number in rows)


def links(frame: pl.DataFrame, *, title: str) -> None:
    """Links between kinds of records, there and lost: `relation`, `source`, `target`, `kept`, `lost`; at most 20."""
    _draw(charts_flow.links(title, edges(frame)))


def edges(frame: pl.DataFrame) -> list[charts_flow.Edge]:
    """The rows of `links` as a figure takes them."""
    columns = ("relation", "source", "target", "kept", "lost")
    return [charts_flow.Edge(*row) for row in frame.head(ROWS).select(columns).iter_rows()]


def timeline(frame: pl.DataFrame, month: str, parts: dict[str, str], *, title: str) -> None:
    """Columns month by month, in the order of the frame; *parts* as in `stacked`."""
    _draw(charts_time.timeline(title, _texts(frame, month), _series(frame, parts)))


def heat(frame: pl.DataFrame, label: str, *, title: str) -> None:
    """How full, from 0 to 1, each other column is by *label*; at most 20 rows and 10 columns."""
    shown = frame.head(ROWS)
    columns = [c for c in frame.columns if c != label][-COLUMNS:]
    _draw(
        charts_time.heat(
            title, _texts(shown, label), columns, [list(r) for r in shown.select(columns).iter_rows()]
        )
    )


# A fate of FLOW_LEFT: its name on the figure, its meaning.
_FATES: Final = {
    "merged": ("live on in another record", "changed"), "left_out": ("left out", "neutral"), "lost": ("lost", "lost"),
}  # fmt: skip


def _texts(frame: pl.DataFrame, column: str) -> list[str]:
    return [str(v) for v in frame[column].to_list()]


def _series(frame: pl.DataFrame, parts: dict[str, str]) -> list[Series]:
    return [
        Series(column.replace("_", " "), [float(v or 0) for v in frame[column].to_list()], meaning)
        for column, meaning in parts.items()
    ]


def _draw(chart: Chart) -> None:
    display(
        {"application/vnd.plotly.v1+json": chart.plotly, "text/html": chart.page, "text/plain": chart.plain},
        raw=True,
    )


def _publish(plain: str, page: str) -> None:
    display({"text/plain": plain, "text/html": page}, raw=True)


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
