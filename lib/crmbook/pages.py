"""The look of every page the workbook writes: offline, without script, light and dark, from a phone to a wide screen.

In: HTML made by callers that escape what they were told, frames, words. Out: whole pages and tables. Nothing is read
from disk. Invariant: a page references nothing outside itself, and its policy forbids a browser to fetch or run anything.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl
from jinja2 import Environment, select_autoescape
from markupsafe import Markup

# The colours of figures are those of `charts.COLOURS`, each in a tone that reads on this page's ground.
_BASE: Final = """
:root { color-scheme: light dark; --ink:#1f2430; --soft:#565f6d; --line:#d9dde3; --page:#ffffff; --tint:#f4f6f8;
  --kept:#1d7a52; --changed:#b26a00; --lost:#b3303f; --neutral:#4668a0; --wait:#8a5d00; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6e8ec; --soft:#a9b2bf; --line:#3a414d; --page:#15181d; --tint:#1e232b;
  --kept:#5ecb98; --changed:#e5b454; --lost:#ff8d98; --neutral:#86aae6; --wait:#e5b454; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, "Segoe UI", "Noto Sans", sans-serif; color: var(--ink); background: var(--page);
  max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 5rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
p { margin: .5rem 0; max-width: 46rem; } a { color: inherit; text-underline-offset: 3px; }
.lead { color: var(--soft); } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .7rem 0; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .32rem .8rem .32rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; color: var(--soft); } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.more { color: var(--soft); font-size: .85rem; } .good { color: var(--kept); } .bad { color: var(--lost); } .waits { color: var(--wait); }
"""
_STYLE: Final = """
td.bar { width: 60%; min-width: 6rem; } table.bars { width: 100%; } td.bar svg, figure.crmbook > svg { display: block; } td.bar svg { margin-top: .3rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-weight: 400; color: var(--soft); } .legend svg { width: .7em; height: .7em; margin-right: .4em; }
table.flow { table-layout: fixed; } table.flow th { width: 10.5rem; } table.flow td.bar { width: auto; } table.flow td.number { width: 5rem; }
tr.note td { color: var(--soft); font-size: .85rem; } tr.told > * { border-bottom: 0; padding-bottom: 0; }
figure.crmbook { margin: 1rem 0; } figure.crmbook figcaption { font-weight: 600; font-size: .9rem; padding: .3rem 0; }
figure.crmbook svg text { fill: currentColor; font: 12px system-ui, "Segoe UI", "Noto Sans", sans-serif; }
.kept { fill: var(--kept); } .changed { fill: var(--changed); } .lost { fill: var(--lost); } .neutral { fill: var(--neutral); } .rest { fill: var(--line); }
table.heat td { text-align: center; font-variant-numeric: tabular-nums; padding: .25rem .4rem; border: 0; min-width: 3rem; }
table.heat th { border: 0; padding: .25rem .8rem .25rem 0; } table.heat thead th { text-align: center; padding: .25rem .4rem; }
pre { font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-x: auto; margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.code pre { background: var(--tint); border-left: 3px solid var(--line); padding: .5rem .8rem; color: var(--soft); }
.error pre { border-left: 3px solid var(--lost); padding-left: .8rem; color: var(--lost); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr)); gap: .8rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.figures li { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; } .figures b { display: block; font-size: 1.5rem; }
.figures span { color: var(--soft); font-size: .85rem; line-height: 1.35; display: block; }
details { margin: .7rem 0; } summary { cursor: pointer; color: var(--soft); }
dl.words { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1.2rem; max-width: 46rem; font-size: .9rem; }
dl.words dt { font-weight: 600; } dl.words dd { margin: 0; color: var(--soft); }
@media (max-width: 40rem) { table.cards thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table.cards, table.cards tbody, table.cards tr, table.cards td { display: block; } table.cards tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  table.cards td { border: 0; padding: .1rem 0; text-align: left; } table.cards td:first-child { font-weight: 600; }
  table.cards td:empty { display: none; } table.cards td:not(:first-child)::before { content: attr(data-label) ": "; color: var(--soft); }
  dl.words { grid-template-columns: 1fr; } dl.words dd { margin-bottom: .4rem; } td.bar { min-width: 4rem; } table.flow th { width: 8rem; } }
@media print { body { max-width: none; } .code { display: none; } }
"""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ title }}</title><style>{{ style }}</style></head><body><main>
{{ body }}
</main></body></html>
"""

# A part that scrolls must be reachable by keyboard, and say what it is.
_TABLE: Final = """
{% if not rows %}<p class="more">{{ empty }}</p>{% else %}
<div class="wide" tabindex="0" role="group" aria-label="{{ label }}"><table{% if has_words %} class="cards"{% endif %}><thead><tr>
{% for title in titles %}<th scope="col"{% if number[loop.index0] %} class="number"{% endif %}>{{ title }}</th>{% endfor %}
</tr></thead><tbody>
{% for row in rows %}<tr>{% for cell in row %}
<td data-label="{{ titles[loop.index0] }}"{% if number[loop.index0] %} class="number"{% endif %}>
{%- if loop.first and cell in links %}<a href="{{ links[cell] }}">{{ cell }}</a>{% else %}{{ cell }}{% endif %}</td>
{% endfor %}</tr>{% endfor %}
</tbody></table></div>{% endif %}
"""


def environment() -> Environment:
    """Templates in which every value is escaped."""
    return Environment(autoescape=select_autoescape(default=True), trim_blocks=True)


def page(title: str, body: str, *, style: str = "", is_plain: bool = False) -> str:
    """An offline page with the house's look around *body*, which is HTML; *style* adds to it, a plain one has tables only."""
    look, content = Markup(_BASE + ("" if is_plain else _STYLE) + style), Markup(body)  # noqa: S704  made here and by callers that escape
    return environment().from_string(_PAGE).render(title=title, style=look, body=content)


def table(
    frame: pl.DataFrame,
    *,
    links: Mapping[str, str] | None = None,
    label: str = "table",
    empty: str = "Nothing.",
) -> Markup:
    """
    *frame* as an HTML table, everything escaped.

    *links* maps a cell of the first column to an address, *label* names the table to who can't see it, *empty* is said
    where there are no rows.
    """
    made = (
        environment()
        .from_string(_TABLE)
        .render(
            titles=[c.replace("_", " ") for c in frame.columns],
            number=[dtype.is_numeric() for dtype in frame.dtypes],
            rows=[[cell(v) for v in row] for row in frame.iter_rows()],
            links=links or {},
            label=label,
            empty=empty,
            # Words and many numbers need width: on a narrow screen such a table becomes one card a row.
            has_words=frame.width > 4 or any(dtype == pl.String for dtype in frame.dtypes[1:]),
        )
    )
    return Markup(made)  # noqa: S704  the template escapes every cell


def cell(value: object) -> str:
    """*value* as a person writes it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return str(value)
