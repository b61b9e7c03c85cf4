"""What the board draws, as HTML: the attributes with their combinations, groups before and after, bars by band.

In: the tables of `billing_tiers`. Out: text for one HTML widget each. Colours are JupyterLab's own with the workbook's
meanings on top, so it reads in light and dark; every bar says its number in words beside it. Text of the source is escaped.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

import polars as pl

from crmbook.charts import COLOURS

ROWS: Final = 24
NOTE: Final = (
    "User.com refreshes its own number (Settings → App settings → Additional → Database size) once in 24 hours, so it may be"
    " up to a day old; a difference that is gone tomorrow is none. It counts billable contacts; its API counts everybody."
)
STYLE: Final = f"""<style>
.crm-board {{ color: var(--jp-ui-font-color1, #222); line-height: 1.35; max-width: 100%; overflow-x: auto; }}
.crm-board table {{ border-collapse: collapse; margin: 0 0 14px; font-size: 13px; }}
.crm-board caption {{ text-align: left; font-weight: 600; padding: 4px 0; }}
.crm-board th, .crm-board td {{ padding: 2px 8px; text-align: left; font-weight: 400; white-space: nowrap;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); color: var(--jp-ui-font-color1, #222); }}
.crm-board thead th {{ font-weight: 600; color: var(--jp-ui-font-color2, #555); }}
.crm-board .n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.crm-board .dot {{ text-align: center; }}
.crm-board td.bar {{ width: 180px; min-width: 90px; }}
.crm-board td.bar div {{ display: flex; height: 12px; background: none; }}
.crm-board i.stay {{ background: {COLOURS["neutral"]}; height: 12px; }}
.crm-board i.gone {{ background: {COLOURS["lost"]}; height: 12px; }}
.crm-figures {{ display: flex; flex-wrap: wrap; gap: 4px 26px; margin: 8px 0; padding: 0; list-style: none; }}
.crm-figures b {{ display: block; font-size: 20px; }}
.crm-fault {{ border-left: 4px solid {COLOURS["lost"]}; padding-left: 8px; }}
.crm-done {{ border-left: 4px solid {COLOURS["kept"]}; padding-left: 8px; }}
.widget-html:has(.crm-board), .widget-html-content:has(.crm-board) {{ min-width: 0; max-width: 100%; }}
.widget-label, .widget-select select, .widget-dropdown select {{ color: var(--jp-ui-font-color1, #222); }}
</style>"""
# JupyterLab takes arrows and letters pressed in a list for its own: Down would go to the next cell, D twice delete this one.
KEYS: Final = """document.addEventListener("focusin", event => {
  const control = event.target;
  if (control.closest(".jupyter-widgets")) control.setAttribute("data-lm-suppress-shortcuts", "true");
});"""


def summary(sums: Mapping[str, int], tiers: Mapping[str, str]) -> str:
    """The numbers of the selection: how many there are, are chosen, and are billable before and after."""
    figures = [
        ("contacts", sums["contacts"], ""), ("chosen", sums["chosen"], ""),
        ("billable now", sums["billable"], tiers["billable"]),
        ("billable without them", sums["billable_after"], tiers["billable_after"]),
    ]  # fmt: skip
    items = "".join(
        f'<li data-figure="{label}"><b>{number:,}</b>{label}{f" · contract tier {tier}" if tier else ""}</li>'
        for label, number, tier in figures
    )
    return f'<div class="crm-board"><ul class="crm-figures" aria-live="polite">{items}</ul></div>'


def board(
    *, groups: pl.DataFrame, combinations: pl.DataFrame, single: pl.DataFrame, by: pl.DataFrame,
    labels: Mapping[str, str], dimension: str,
) -> str:  # fmt: skip
    """Everything below the numbers: combinations, each attribute alone, groups before and after, the chosen breakdown."""
    parts = (
        _combinations(combinations, labels),
        _single(single, labels),
        _groups(groups),
        _by(by, dimension),
    )
    return f'<div class="crm-board">{"".join(parts)}</div>'


def comparison(ours: int, theirs: int) -> str:
    """Our number of billable contacts beside User.com's, and the age theirs may have."""
    told = f"<b>{ours:,}</b> billable contacts here"
    if theirs:
        told += f", <b>{theirs:,}</b> there: a difference of <b data-difference>{theirs - ours:+,}</b>"
    return f'<div class="crm-board"><p>{told}.</p><p>{escape(NOTE)}</p></div>'


def said(sentence: str, *, is_fault: bool = False) -> str:
    """What came of a button."""
    kind = "crm-fault" if is_fault else "crm-done"
    return f'<div class="crm-board"><p role="status" class="{kind}">{escape(sentence)}</p></div>'


def _combinations(rows: pl.DataFrame, labels: Mapping[str, str]) -> str:
    head = [*labels.values(), "group", "contacts", "chosen", ""]
    widest = int(rows["contacts"].max() or 1)  # type: ignore[arg-type]
    body = []
    for row in rows.head(ROWS).to_dicts():
        dots = [_dot(label, is_there=row[name]) for name, label in labels.items()]
        words = " + ".join(label for name, label in labels.items() if row[name]) or "none of the six"
        body.append([*dots, _text(row["tier"]), *_counts(row, widest, words)])
    return _table(
        "combinations", "Which attributes they have together", head, body, rows.height, dots=len(labels)
    )


def _single(rows: pl.DataFrame, labels: Mapping[str, str]) -> str:
    widest = int(rows["contacts"].max() or 1)  # type: ignore[arg-type]
    body = [
        [
            _text(labels[row["attribute"]]),
            _number(row["alone"]),
            *_counts(row, widest, labels[row["attribute"]]),
        ]
        for row in rows.to_dicts()
    ]
    return _table(
        "single",
        "Each attribute",
        ["attribute", "only this one", "contacts", "chosen", ""],
        body,
        rows.height,
    )


def _groups(rows: pl.DataFrame) -> str:
    names = ("contacts", "billable", "chosen", "after", "billable_after")
    body = [[_text(row["tier"]), *(_number(row[name]) for name in names)] for row in rows.to_dicts()]
    total = [_text("all"), *(_number(int(rows[name].sum())) for name in names)]
    head = ["group", "contacts", "billable", "chosen", "without them", "billable without them"]
    return _table("groups", "Before and after", head, [*body, total], len(body) + 1)


def _by(rows: pl.DataFrame, dimension: str) -> str:
    widest = int(rows["contacts"].max() or 1)  # type: ignore[arg-type]
    body = [
        [_text(row["value"]), *_counts(row, widest, str(row["value"]))] for row in rows.head(ROWS).to_dicts()
    ]
    title = f"By {dimension.replace('seen', 'last seen').replace('size', 'company size')}"
    return _table("by", title, ["", "contacts", "chosen", ""], body, rows.height)


def _table(key: str, title: str, head: list[str], body: list[list[str]], total: int, *, dots: int = 0) -> str:
    titles = "".join(
        f'<th scope="col"{" class=dot" if i < dots else ""}>{escape(name)}</th>'
        for i, name in enumerate(head)
    )
    rows = "".join(f"<tr>{''.join(cells)}</tr>" for cells in body)
    more = f"<p>… {total - len(body):,} more rows</p>" if total > len(body) else ""
    none = "" if body else "<p>(no rows)</p>"
    return (
        f'<table data-table="{key}"><caption>{escape(title)}</caption><thead><tr>{titles}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{more}{none}"
    )


def _counts(row: Mapping[str, Any], widest: int, words: str) -> Iterable[str]:
    stay, gone = (100 * n / widest for n in (row["contacts"] - row["chosen"], row["chosen"]))
    label = escape(f"{words}: {row['contacts']:,} contacts, {row['chosen']:,} chosen", quote=True)
    bar = f'<div role="img" aria-label="{label}"><i class="gone" style="width:{gone:.1f}%"></i>'
    bar += f'<i class="stay" style="width:{stay:.1f}%"></i></div>'
    return _number(row["contacts"]), _number(row["chosen"]), f'<td class="bar">{bar}</td>'


def _dot(label: str, *, is_there: bool) -> str:
    mark, word = ("●", "has") if is_there else ("·", "lacks")
    return f'<td class="dot" aria-label="{word} {escape(label, quote=True)}">{mark}</td>'


def _text(value: object) -> str:
    return f'<th scope="row">{escape(str(value).replace("_", " ") if value is not None else "–")}</th>'


def _number(value: int) -> str:
    return f'<td class="n">{value:,}</td>'
