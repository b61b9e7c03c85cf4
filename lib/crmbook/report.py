"""The archive a person reads: an executed notebook as one offline HTML page, and the run's front page.

Pages reference nothing outside themselves and run no script; what came from a source system is escaped.
Numbers on the front page are read from the run's tables and records, none is computed here.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from jinja2 import Environment, select_autoescape
from markupsafe import Markup, escape

from crmbook import runs

_ANCHOR: Final = re.compile(r'<a class="anchor-link".*?</a>')
_STYLE: Final = """
:root { color-scheme: light dark; --ink:#1f2430; --soft:#5b6472; --line:#d9dde3; --page:#ffffff; --tint:#f4f6f8;
  --kept:#1d7a52; --lost:#b3303f; --wait:#8a5d00; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6e8ec; --soft:#a4adba; --line:#3a414d; --page:#15181d; --tint:#1e232b;
  --kept:#5ecb98; --lost:#ff8d98; --wait:#e5b454; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, "Segoe UI", "Noto Sans", sans-serif; color: var(--ink); background: var(--page);
  max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 5rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
p { margin: .5rem 0; max-width: 46rem; } a { color: inherit; text-underline-offset: 3px; }
.lead { color: var(--soft); } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .7rem 0; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .32rem .8rem .32rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; color: var(--soft); } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.bar { width: 60%; min-width: 9rem; } table.bars { width: 100%; } .legend span { margin-left: 1rem; font-weight: 400; color: var(--soft); }
.legend i { display: inline-block; width: .7em; height: .7em; margin-right: .35em; border-radius: 2px; }
.more { color: var(--soft); font-size: .85rem; } .good { color: var(--kept); } .bad { color: var(--lost); } .waits { color: var(--wait); }
pre { font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-x: auto; margin: .4rem 0; white-space: pre-wrap; }
.code pre { background: var(--tint); border-left: 3px solid var(--line); padding: .5rem .8rem; color: var(--soft); }
.error pre { border-left: 3px solid var(--lost); padding-left: .8rem; color: var(--lost); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.figures li { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; } .figures b { display: block; font-size: 1.5rem; }
.figures span { color: var(--soft); font-size: .85rem; }
@media (max-width: 40rem) { table.cards thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table.cards, table.cards tbody, table.cards tr, table.cards td { display: block; } table.cards tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  table.cards td { border: 0; padding: .1rem 0; text-align: left; } table.cards td:first-child { font-weight: 600; }
  table.cards td:empty { display: none; } table.cards td:not(:first-child)::before { content: attr(data-label) ": "; color: var(--soft); } }
@media print { body { max-width: none; } .code { display: none; } }
"""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ title }}</title><style>{{ style }}</style></head><body><main>
{{ body }}
</main></body></html>
"""

_FRONT: Final = """
<h1>{{ name }}: User.com to Freshsales</h1>
<p class="lead">Run {{ run_id }}, {{ env }} environment, {{ edition }} edition, plan {{ plan }}. {{ verdict }}</p>
<ul class="figures">{% for label, figure in headline %}<li><b>{{ figure }}</b><span>{{ label }}</span></li>{% endfor %}</ul>
<h2>What moved, what did not, and why</h2>{{ moved }}
<h2>As what it stands in Freshsales</h2>{{ carried }}
<h2>Every record of the source, in exactly one class</h2>{{ classes }}
<h2>Every relation, likewise</h2>{{ links }}
<h2>Every row of the history, from the source to the target</h2>{{ history }}
<h2>Instants in the target beside those of the source</h2>{{ instants }}
<h2>What the move cost, named before it was approved and found in the target</h2>{{ lost }}
<h2>What a person still has to do</h2>{{ open_items }}
<h2>Who approved what</h2>{{ approvals }}
<h2>The phases and their evidence</h2>{{ phases }}
<p class="more">Records stand in the run's data folders and in its ledger, which are not part of this page.</p>
"""


_TABLE: Final = """
{% if not rows %}<p class="more">Nothing.</p>{% else %}
<div class="wide"><table{% if has_words %} class="cards"{% endif %}><thead><tr>
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


def page(title: str, body: str, *, style: str = "") -> str:
    """An offline page with the house's look around *body*, which is HTML; *style* adds to it."""
    look, content = Markup(_STYLE + style), Markup(body)  # noqa: S704  made here and by callers that escape
    return environment().from_string(_PAGE).render(title=title, style=look, body=content)


def table(frame: pl.DataFrame, *, links: Mapping[str, str] | None = None) -> Markup:
    """*frame* as an HTML table, everything escaped; *links* maps a cell of the first column to an address."""
    made = (
        environment()
        .from_string(_TABLE)
        .render(
            titles=[c.replace("_", " ") for c in frame.columns],
            number=[dtype.is_numeric() for dtype in frame.dtypes],
            rows=[[_cell(v) for v in row] for row in frame.iter_rows()],
            links=links or {},
            # Words need width: on a narrow screen such a table becomes one card a row.
            has_words=any(dtype == pl.String for dtype in frame.dtypes[1:]),
        )
    )
    return Markup(made)  # noqa: S704  the template escapes every cell


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return str(value)


def write_notebook(notebook: Path, target: Path) -> None:
    """The executed *notebook* as one offline page at *target*; code stays visible, plain text only where nothing richer is."""
    import nbformat

    content = nbformat.read(notebook, as_version=4)
    parts = [_rendered(cell) for cell in content.cells]
    title = next(
        (c.source.splitlines()[0].lstrip("# ") for c in content.cells if c.cell_type == "markdown"),
        notebook.stem,
    )
    runs.write_text(target, page(title, "\n".join(parts)))


def _rendered(cell: Any) -> str:
    if cell.cell_type == "markdown":
        from nbconvert.filters.markdown_mistune import markdown2html_mistune

        return _ANCHOR.sub("", str(markdown2html_mistune(cell.source)))
    if not cell.source.strip():
        return ""
    outputs = "".join(_output(output) for output in cell.get("outputs", []))
    return f'<div class="code"><pre>{escape(cell.source)}</pre></div><div class="wide">{outputs}</div>'


def _output(output: Any) -> str:
    from nbconvert.filters.ansi import strip_ansi

    if output.output_type == "stream":
        return f"<pre>{escape(output.text)}</pre>"
    if output.output_type == "error":
        return f'<div class="error"><pre>{escape(strip_ansi(chr(10).join(output.traceback)))}</pre></div>'
    data = output.get("data", {})
    if "text/html" in data:
        return str(data["text/html"])
    if "image/png" in data:
        encoded = base64.b64encode(base64.b64decode(data["image/png"])).decode()
        return f'<img alt="" src="data:image/png;base64,{encoded}">'
    return f"<pre>{escape(data.get('text/plain', ''))}</pre>"


def write_front(record: runs.Record, *, name: str, edition: str, plan: str, path: Path | None = None) -> Path:
    """The run's index.html, or the same at *path*; returns its path. Reads only tables without personal values."""
    content = record.get()
    tables = {t: _read(record, phase, t) for phase, t in _FRONT_TABLES}
    balance = tables["class_balance"]
    phases, evidence = _phases(record, content)
    kinds = (balance, tables["history_class_balance"])
    problems = sum(_total(kind, "missing", "duplicated", "unexpected") for kind in kinds)
    differing = sum(_total(tables[kind], "different") for kind in ("field_fidelity", "history_fidelity"))
    late = _total(tables["instant_balance"], "different")
    lost_links = _total(tables["link_balance"], "missing", "extra", "wrong_primary")
    body = environment().from_string(_FRONT).render(
        name=name, run_id=content["run_id"], env=content["env"], edition=edition, plan=plan,
        verdict=_verdict(content, problems + differing + lost_links + late),
        headline=[
            ("accounts, contacts and deals loaded", f"{_total(balance, 'loaded'):,}"),
            ("records of their history loaded", f"{_total(tables['history_class_balance'], 'loaded'):,}"),
            ("records missing or doubled", f"{problems:,}"),
            ("links missing or wrong", f"{lost_links:,}"),
            ("field values that differ", f"{differing:,}"),
            ("instants that differ", f"{late:,}"),
        ],
        moved=table(_of(tables["moved"], "object", "in_source", "in_target", "not_moved", "why")),
        carried=table(_of(tables["moved"], "object", "carrier", "kept", "lossy")), classes=table(balance), links=table(tables["link_balance"]),
        history=table(tables["history_chain"]), instants=table(tables["instant_balance"]), lost=table(_lost(tables["lost_fields"])),
        open_items=table(tables["open_items"]),
        approvals=table(_approvals(content)),
        phases=table(phases, links=evidence),
    )  # fmt: skip
    path = path or record.folder / "index.html"
    runs.write_text(path, page(f"{name}: User.com to Freshsales", body))
    return path


_FRONT_TABLES: Final = (
    ("07_handoff", "moved"), ("06_reconciliation", "class_balance"), ("06_reconciliation", "link_balance"),
    ("06_reconciliation", "field_fidelity"), ("06_reconciliation", "history_class_balance"),
    ("06_reconciliation", "history_fidelity"), ("06_reconciliation", "history_chain"),
    ("06_reconciliation", "instant_balance"), ("06_reconciliation", "lost_fields"), ("07_handoff", "open_items"),
)  # fmt: skip


def _of(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return frame.select(c for c in columns if c in frame.columns)


def _lost(frame: pl.DataFrame) -> pl.DataFrame:
    """Losses of values by entity and kind; which field lost how much stands in 02 and 06."""
    if frame.is_empty():
        return frame
    lost = frame.filter("is_loss").group_by("entity", "kind")
    return lost.agg(
        pl.col("source_field").n_unique().alias("fields"), pl.col("named", "found", "unnamed").sum()
    ).sort("entity", "kind")


def _total(frame: pl.DataFrame, *columns: str) -> int:
    return sum(int(frame.get_column(c).sum()) for c in columns if c in frame.columns)


def _read(record: runs.Record, phase: str, name: str) -> pl.DataFrame:
    path = record.folder / phase / "data" / f"{name}.parquet"
    return pl.read_parquet(path) if path.exists() else pl.DataFrame()


def _verdict(content: dict[str, Any], findings: int) -> str:
    if told := content.get("rollback"):
        return "This run was taken back." if told["state"] == "done" else "This run is being taken back."
    if content["phases"].get("06_reconciliation", {}).get("status") != "passed":
        return "The target has not been reconciled yet."
    signed = [a for a in content["approvals"] if a["what"] == "reconciliation"]
    found = (
        "Nothing is missing, doubled or different."
        if not findings
        else f"{findings:,} findings need a person."
    )
    return found + (f" Signed off by {signed[-1]['by']}." if signed else " Not signed off yet.")


def _approvals(content: dict[str, Any]) -> pl.DataFrame:
    rows = [(a["what"], a["by"], a["at"], a["hash"][:12]) for a in content["approvals"]]
    return pl.DataFrame(rows, schema=["approved", "by", "at (UTC)", "hash"], orient="row")


def _phases(record: runs.Record, content: dict[str, Any]) -> tuple[pl.DataFrame, dict[str, str]]:
    rows = [
        (p.name, p.question, content["phases"].get(p.name, {}).get("status", "not run")) for p in runs.PHASES
    ]
    links = {
        p.name: f"{p.name}/report.html"
        for p in runs.PHASES
        if (record.folder / p.name / "report.html").exists()
    }
    return pl.DataFrame(rows, schema=["phase", "question", "status"], orient="row"), links
