"""The checklist as a page an admin works from: in the order to click, exact labels, every choice, ticks to print.

In: the checklist of 03. Out: one offline HTML page beside checklist.csv, readable by its owner only, since it names
users. It holds no script: a tick set by hand lasts as long as the page is open, what the tenant has is ticked by 03.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
from markupsafe import Markup

from crmbook import report, runs

NAME: Final = "checklist.html"
_TYPES: Final = {
    "text": "Text, one line", "textarea": "Text area", "number": "Number", "decimal": "Decimal number",
    "checkbox": "Checkbox", "date": "Date", "dropdown": "Dropdown, one choice",
    "multi_select_dropdown": "Multi-select, several choices",
}  # fmt: skip
_MODULES: Final = {"sales_accounts": "accounts", "contacts": "contacts", "leads": "leads", "deals": "deals"}
_STYLE: Final = """
ol.items { list-style: none; padding: 0; margin: .6rem 0; }
ol.items > li { display: grid; grid-template-columns: 1.6rem minmax(0, 1fr); gap: .2rem .7rem; padding: .7rem 0;
  border-bottom: 1px solid var(--line); break-inside: avoid; }
ol.items input { width: 1.15rem; height: 1.15rem; margin: .2rem 0 0; accent-color: var(--kept); }
.label { font-weight: 600; white-space: pre-wrap; overflow-wrap: anywhere; } .there .label { font-weight: 400; color: var(--soft); }
.facts { color: var(--soft); font-size: .88rem; overflow-wrap: anywhere; } .facts code, .choices { white-space: pre-wrap; }
.state { font-size: .85rem; } .choices { margin: .35rem 0 0; padding: 0 0 0 1.2rem; font-size: .9rem; columns: 14rem; column-gap: 2.4rem; overflow-wrap: anywhere; }
li.stage { margin-left: 1.4rem; } .bar { height: .5rem; border-radius: 4px; background: var(--line); overflow: hidden; max-width: 22rem; }
.bar i { display: block; height: 100%; background: var(--kept); } nav ul { list-style: none; padding: 0; columns: 15rem; } nav li { padding: .15rem 0; }
@media (max-width: 40rem) { .choices, nav ul { columns: 1; } }
@media print { nav { display: none; } h2 { break-after: avoid; } .there { color: #555; } }
"""
_BODY: Final = """
<h1>{{ customer }}: what Freshsales needs before the load</h1>
<p class="lead">{{ env|capitalize }} environment. {{ done }} of {{ total }} things are there. Labels, choices and stage names must be exactly as
they stand here, blanks and capitals included; the order is the one to work in. Then run crmbook again: it reads the tenant and ticks what it finds.</p>
<div class="bar" role="img" aria-label="{{ done }} of {{ total }} are there"><i style="width: {{ percent }}%"></i></div>
<nav aria-label="Sections"><ul>{% for s in sections %}<li><a href="#s{{ loop.index }}">{{ loop.index }}. {{ s.title }}</a>
 <span class="{{ 'waits' if s.open else 'good' }}">{{ s.open ~ " open" if s.open else "done" }}</span></li>{% endfor %}</ul></nav>
{% for s in sections %}<h2 id="s{{ loop.index }}">{{ loop.index }}. {{ s.title }}</h2><p>{{ s.hint }}</p>
<ol class="items">{% for i in s["items"] %}<li class="{{ i.kind }}{{ ' there' if i.is_there }}">
<input type="checkbox" aria-label="{{ i.label }}"{% if i.is_there %} checked disabled{% endif %}>
<div><div class="label">{{ i.label }}</div>
{% if i.facts %}<div class="facts">{% for name, value in i.facts %}{% if not loop.first %} · {% endif %}{{ name }}{% if value %} <code>{{ value }}</code>{% endif %}{% endfor %}</div>{% endif %}
{% if not i.is_there %}<div class="state {{ 'bad' if i.status == 'mismatch' else 'waits' }}">{{ i.said }}</div>{% endif %}
{% if i.choices %}<ol class="choices">{% for c in i.choices %}<li>{{ c }}</li>{% endfor %}</ol>{% endif %}
</div></li>
{% endfor %}</ol>{% endfor %}
<p class="more">The same list for a script: checklist.csv in this folder.</p>
"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Section:
    """A group of items done in one place of the tenant's settings."""

    title: str
    hint: str
    items: list[Row]

    @property
    def open(self) -> int:
        return sum(not item["is_there"] for item in self.items)


def write(path: Path, checklist: pl.DataFrame, *, customer: str, env: str) -> None:
    """*checklist* (`tables.CHECKLIST`) as a page at *path*, 0600."""
    sections = [s for s in _sections(checklist.to_dicts()) if s.items]
    total, still = sum(len(s.items) for s in sections), sum(s.open for s in sections)
    body = report.environment().from_string(_BODY).render(
        customer=customer, env=env, sections=sections, total=total, done=total - still,
        percent=round(100 * (total - still) / max(total, 1)),
    )  # fmt: skip
    title = f"{customer}: what Freshsales needs before the load"
    runs.write_text(path, report.page(title, Markup(body), style=_STYLE), mode=0o600)  # noqa: S704  escaped above


def _sections(rows: list[Row]) -> list[Section]:
    def of(kind: str, *, prefix: str = "", module: str = "") -> list[Row]:
        mine = (r for r in rows if r["kind"] == kind and r["api_name"].startswith(prefix))
        return [r for r in mine if not module or r["module"] == module]

    made = [
        Section("Currencies", "Each of them active.", _items(of("setting", prefix="currency:"))),
        Section("Types of sales activity", "The vendor's own types, not renamed ones.",
                _items(of("setting", prefix="activity_type:"))),
        Section("Users", "With this e-mail address, and active. Whoever is missing does not stop the load: the"
                " administrator owns the records until they are reassigned.", _items(of("owner"))),
        Section("Pipelines and their stages", "A pipeline, then its stages in this order; other stages may stand between"
                " them.", _pipelines(of("pipeline"), of("stage"))),
    ]  # fmt: skip
    hint = "The label gives the field its api name, which can't be changed later: copy it letter by letter."
    for module, name in _MODULES.items():
        fields = sorted(
            of("custom_field", module=module), key=lambda r: (not r["unique"], r["label"].casefold())
        )
        made.append(Section(f"Fields of {name}", hint, _items(fields)))
    off = "Last of all, right before the load, so that nobody gets mail about records that are years old."
    made.append(Section("Workflows", off, _items(of("setting", prefix="workflows_off"))))
    return made


def _pipelines(pipelines: Iterable[Row], stages: list[Row]) -> list[Row]:
    items = []
    for row in sorted(pipelines, key=lambda r: (r["position"] or 0, r["pipeline"])):
        own = sorted(
            (s for s in stages if s["pipeline"] == row["pipeline"]), key=lambda s: s["position"] or 0
        )
        items += [*_items([row]), *_items(own)]
    return items


def _items(rows: Iterable[Row]) -> list[Row]:
    return [_item(row) for row in rows]


def _item(row: Row) -> Row:
    label = row["label"]
    return {
        "kind": row["kind"],
        "label": f"{label} (the administrator)" if row["item_id"] == "owner:admin" else label,
        "is_there": row["status"] == "present",
        "status": row["status"],
        "said": _said(row),
        "facts": _facts(row),
        "choices": json.loads(row["choices"] or "[]"),
    }


def _said(row: Row) -> str:
    if row["status"] == "mismatch":
        return f"not as needed: {row['found']}" if row["found"] else "not as needed"
    return f"missing: {row['found']}" if row["found"] else "missing"


def _facts(row: Row) -> list[tuple[str, str]]:
    """What the item is, as words and the exact values beside them."""
    if row["kind"] == "owner":
        return [("e-mail", row["api_name"])]
    if row["kind"] == "pipeline":
        return [("pipeline", "")]
    if row["kind"] == "stage":
        return [("stage", str(row["position"] or "")), ("probability", f"{row['probability']} %"),
                ("type", row["field_type"])]  # fmt: skip
    if row["kind"] == "custom_field":
        kind = str(row["field_type"])
        facts = [(_TYPES.get(kind, kind), ""), ("api name", str(row["api_name"]))]
        facts += [("unique", "")] if row["unique"] else []
        return facts + ([("by the API", "")] if row["how"] == "api" else [])
    return []
