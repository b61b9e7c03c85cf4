"""The archive a person reads: an executed notebook as one offline HTML page, and the run's front page.

Pages reference nothing outside themselves and run no script; what came from a source system is escaped.
Numbers on the front page are read from the run's tables and records (`front`), none is computed here.
"""

import base64
import re
from pathlib import Path
from typing import Any, Final

import polars as pl
from markupsafe import Markup, escape

from crmbook import archive, charts_flow, figures, flows, front, pages, runs
from crmbook.phases.link_check import pictured

environment = pages.environment
page = pages.page
table = pages.table

_DOCS: Final = f"{archive.DATA_DOCS}/index.html"
_BESIDE: Final = (
    ("01_discovery/scope.html", "What the move was expected to take, as it was sent"),
    (_DOCS, "Every rule that was checked, and its result"),
)
_ANCHOR: Final = re.compile(r'<a class="anchor-link".*?</a>')

_FRONT: Final = """
<h1>{{ name }}: from User.com to Freshsales</h1>
<p class="lead">Run {{ run_id }}, {{ env }} environment, {{ edition }} edition, plan {{ plan }}. {{ verdict }}</p>
<p>This page tells what became of everything the User.com account held: what stands in Freshsales now, what does not and
why, and who agreed to that. {{ place }}</p>
<ul class="figures">{% for label, figure in headline %}<li><b>{{ figure }}</b><span>{{ label }}</span></li>{% endfor %}</ul>
<nav aria-label="On this page"><ul class="inline">{% for id, title in contents %}<li><a href="#{{ id }}">{{ title }}</a></li>{% endfor %}</ul></nav>
{% for id, title, told, parts in sections %}
<section aria-labelledby="{{ id }}"><h2 id="{{ id }}">{{ title }}</h2><p>{{ told }}</p>
{% for part in parts %}{{ part }}{% endfor %}</section>
{% endfor %}
<p class="more">Records stand in the run's data folders and in its ledger, which are not part of this page.</p>
"""
_STYLE: Final = """
ul.inline { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; margin: .6rem 0; font-size: .9rem; }
"""
_PLACES: Final = {
    "test": "It was a rehearsal: Freshsales here is the test workspace, and nobody's daily work was touched.",
    "production": "Freshsales here is the workspace the company works in.",
}
_LOST: Final = (
    "Values Freshsales does not hold as User.com did. They were named before the map was approved, and counted again in what"
    " Freshsales holds. "
)
_EVIDENCE: Final = (
    "Each phase is a notebook, kept as it ran, with every table it showed and every rule it was held to."
    " python3 verify.py in this folder tells whether anything was altered since."
)
_WORDS: Final = (
    ("moved, or found", "the record stands in Freshsales, and was read there again after the load"),
    ("merged", "two records of the same person or company became one; nothing of the second is thrown away unnamed"),
    ("left out", "the record stays in User.com, by a rule or a decision; each has its reason"),
    ("history", "what happened around a record: activities, e-mails, events, conversations, files"),
    ("link", "that one record belongs to another: a contact to its company, a deal to its contact, either to its owner"),
    ("call", "one question or order to Freshsales; the plan allows only so many an hour, and that is the clock of a move"),
    ("fingerprint", "a number made of exactly what was approved; one letter changed makes another number"),
)  # fmt: skip


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
    return f'<div class="code"><pre>{escape(cell.source)}</pre></div><div class="wide" tabindex="0" role="group" aria-label="result">{outputs}</div>'


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
    facts = front.read(record)
    sections = _sections(facts, plan)
    body = environment().from_string(_FRONT).render(
        name=name, run_id=facts.content["run_id"], env=facts.content["env"], edition=edition, plan=plan,
        verdict=front.verdict(facts), place=_PLACES[facts.content["env"]], headline=front.headline(facts),
        sections=sections, contents=[(id_, title) for id_, title, _, _ in sections],
    )  # fmt: skip
    path = path or record.folder / "index.html"
    runs.write_text(path, page(f"{name}: from User.com to Freshsales", body, style=_STYLE))
    return path


Section = tuple[str, str, str, list[Markup]]


def _sections(facts: front.Facts, plan: str) -> list[Section]:
    """Every part of the page: its name, its title, the sentence that explains it, and what it shows."""
    doing, accepting = front.todo(facts)
    return [
        ("moved", "What moved, what did not, and why", "One row for each kind of thing an account holds.",
         [*_flow(facts), _shown(facts, "07_handoff", front.moved(facts), "what moved and what did not")]),
        ("todo", "What a person still has to do", "Nothing of this happens by itself; each row says who and what.",
         [_shown(facts, "07_handoff", doing, "open items"),
          *([_folded(f"To accept, or to mend and move again: {accepting.height} points", table(accepting))] if accepting.height else [])]),
        ("owners", "Owners who need a user", "Their records are looked after by the administrator until they have one.",
         [_shown(facts, "06_reconciliation", front.queue(facts), "owners without a user")]),
        ("lost", "What the move cost, and who accepted it",
         _LOST + front.accepted(facts),
         [_shown(facts, "06_reconciliation", front.losses(facts), "losses")]),
        ("links", "Links between records", "Who works where, whose deal it is, who looks after whom.",
         [*_links(facts), _shown(facts, "06_reconciliation", front.links(facts), "links")]),
        *_proof(facts),
        ("approvals", "Who approved what", "A run stops and waits for a person three times.",
         [pages.table(front.approvals(facts), label="approvals", empty="Nothing has been approved yet.")]),
        *_effort(facts, plan),
    ]  # fmt: skip


def _proof(facts: front.Facts) -> list[Section]:
    six = "06_reconciliation"
    return [
        ("fields", "Field by field", "Every value that was written, read in Freshsales again and compared.",
         [_shown(facts, six, front.fidelity(facts), "values compared"),
          _folded("Dates and times of the history, beside those of User.com", _shown(facts, six, facts["instant_balance"], "dates"))]),
        ("carried", "As what it stands in Freshsales", "The two systems are not alike: this is the form each kind of thing took.",
         [_shown(facts, "07_handoff", front.carried(facts), "forms")]),
        ("classes", "Every record accounted for", "Each is counted exactly once; what is unaccounted for must be zero.",
         [_folded("Companies, contacts and deals", _shown(facts, six, facts["class_balance"], "classes")),
          _folded("The history as User.com has it", _shown(facts, six, facts["history_chain"], "history of the source")),
          _folded("The history as Freshsales has it", _shown(facts, six, facts["history_class_balance"], "history of the target"))]),
    ]  # fmt: skip


def _effort(facts: front.Facts, plan: str) -> list[Section]:
    phases, links = front.phases(facts)
    there = [(path, title) for path, title in _BESIDE if (facts.record.folder / path).exists()]
    beside = [Markup('<p><a href="{}">{}</a></p>').format(path, title) for path, title in there]
    words = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(*pair) for pair in _WORDS)
    return [
        ("time", "How long it took, and how many calls", f"{front.span(facts)} {front.quota(facts, plan)}".strip(),
         [_folded("Calls by kind of record", _shown(facts, "05_load", front.calls(facts), "calls"))]),
        ("evidence", "The phases and their evidence",
         _EVIDENCE,
         [pages.table(phases, links=links, label="phases"), *beside]),
        ("words", "Words on this page", "In the order they matter.", [Markup('<dl class="words">{}</dl>').format(words)]),
    ]  # fmt: skip


def _shown(facts: front.Facts, phase: str, frame: pl.DataFrame, label: str) -> Markup:
    """*frame* as a table; where there are no rows, whether that is good news or none yet."""
    is_known = facts.status(phase) == "passed"
    return table(frame, label=label, empty="Nothing." if is_known else f"Known once {phase} has passed.")


def _folded(title: str, content: Markup) -> Markup:
    return Markup("<details><summary>{}</summary>{}</details>").format(title, content)


def _flow(facts: front.Facts) -> list[Markup]:
    if facts["flow"].is_empty():
        return []
    parts = flows.parted(facts["flow"], facts["flow_left"])
    drawn = (charts_flow.flow(title, figures.stations(at, left)) for title, at, left in parts)
    return [Markup(chart.page) for chart in drawn]  # noqa: S704  charts escape their labels


def _links(facts: front.Facts) -> list[Markup]:
    if facts["link_balance"].is_empty():
        return []
    chart = charts_flow.links(
        "Found, and lost an end on the way", figures.edges(pictured(facts["link_balance"]))
    )
    return [Markup(chart.page)]  # noqa: S704  charts escape their labels
