"""What the admin works from after the switch, as one offline page: five days, automations, segments, mails.

In: the tables of 07. Out: the text of handoff.html. No text of a mail or a chat stands on it, only its number; the texts
are in the lists under data/. Invariant: the same tables give the same page.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl
from markupsafe import Markup

from crmbook import report

NAME: Final = "handoff.html"
_PARTS: Final = ("trigger", "condition", "action")
_FITS: Final = {"same": "good", "another way": "waits", "none": "bad", "unknown": "bad"}
_WORDS: Final = {
    "same": "the same",
    "another way": "another way",
    "none": "nothing there",
    "unknown": "decide by hand",
}
_STYLE: Final = """
nav ul { list-style: none; padding: 0; columns: 15rem; } nav li { padding: .15rem 0; } h3 { font-size: 1.02rem; margin: 1.6rem 0 .3rem; }
ol.day { padding-left: 1.3rem; margin: .3rem 0 1rem; } ol.day li { padding: .2rem 0; } .who { color: var(--soft); font-size: .88rem; }
code { font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--tint); padding: .1rem .35rem; border-radius: 4px; overflow-wrap: anywhere; }
.off { color: var(--soft); font-weight: 400; } .automation { break-inside: avoid; border-top: 1px solid var(--line); padding-top: .2rem; margin-top: 1.2rem; }
dl.parts { display: grid; grid-template-columns: 6rem minmax(0, 1fr); gap: .35rem .9rem; margin: .4rem 0; }
dl.parts dt { color: var(--soft); font-size: .88rem; padding-top: .1rem; } dl.parts dd { margin: 0; overflow-wrap: anywhere; }
.listed { font-weight: 600; white-space: pre-wrap; } .there { display: block; } .how { display: block; font-size: .9rem; } .how:not(.bad) { color: var(--soft); }
ul.sources { padding-left: 1.1rem; color: var(--soft); font-size: .88rem; }
@media (max-width: 40rem) { nav ul { columns: 1; } dl.parts { grid-template-columns: minmax(0, 1fr); gap: .1rem; } dl.parts dd { margin-bottom: .6rem; } }
@media print { nav { display: none; } }
"""
_BODY: Final = """
<h1>{{ customer }}: the week after the switch</h1>
<p class="lead">Run {{ run_id }}, {{ env }} environment, plan {{ plan }}. What is done on which day, and what has to be built anew in
Freshsales, because no interface moves it: automations, segments as filters, campaigns and e-mail templates.</p>
<nav aria-label="Sections"><ul>{% for id, title in titles %}<li><a href="#{{ id }}">{{ title }}</a></li>{% endfor %}</ul></nav>
<h2 id="days">Five business days</h2>
{% for day, tasks in days %}<h3>Day {{ day }}</h3><ol class="day">{% for t in tasks %}<li>{{ t.what }}
 <span class="who">{{ t.who }}{% if t.records is not none %} · {{ "{:,}".format(t.records) }} of them{% endif %}</span>
 {% if t.command %}<br><code>{{ t.command }}</code>{% endif %}</li>{% endfor %}</ol>{% endfor %}
<p>The drift check reads Freshsales again and compares it with what was signed off. It changes nothing: not the sign-off, not its
archive. Exit code 0 says that all is as signed, 3 that something is not; its report names it.</p>
<h2 id="automations">Automations to build anew</h2>
<p>{{ verdict }}</p>{{ limits }}
{% for a in automations %}<section class="automation"><h3>{{ a.name }}{% if not a.is_active %} <span class="off">(off in User.com:
only if it is wanted again)</span>{% endif %}</h3><dl class="parts">{% for p in a.parts %}<dt>{{ p.part }}</dt>
<dd><span class="listed">{{ p.listed }}</span> <span class="{{ p.tone }}">{{ p.fits }}</span><span class="there">{{ p.there }}</span>
{% if p.how %}<span class="how">{{ p.how }}</span>{% endif %}{% if p.plan_has is sameas false %}<span class="how bad">not in this plan</span>{% endif %}</dd>
{% endfor %}</dl></section>{% endfor %}
<h2 id="signs">Signs of automations that nobody listed</h2>
<p>Found in the data. Each either belongs to an automation that is missing in the inventory, or is a person's habit: the customer
says which. What mails, titles and answers say stands in data/automation_signs.csv, because it may be personal.</p>{{ signs }}
<h2 id="segments">Segments to build anew as filters</h2>
<p>The members stand in lists as on the day of the move; the rule is not told by User.com and is built anew as a filter.
Its size beside the list's says whether it was met.</p>{{ segments }}
<h2 id="mailings">Campaigns and e-mail templates that do not move</h2>
<p>No interface takes them. Which mail is which stands in data/mailings.csv.</p>{{ mailings }}
<h2 id="sources">Where this is known from</h2><ul class="sources">{% for s in sources %}<li>{{ s }}</li>{% endfor %}</ul>
"""
_TITLES: Final = (
    ("days", "Five business days"), ("automations", "Automations to build anew"),
    ("signs", "Signs of automations that nobody listed"), ("segments", "Segments to build anew as filters"),
    ("mailings", "Campaigns and e-mail templates"), ("sources", "Where this is known from"),
)  # fmt: skip


def page(frames: Mapping[str, pl.DataFrame], *, customer: str, run_id: str, env: str, plan: str) -> str:
    """The page of the tables *frames* of 07, by their names."""
    guide = frames["rebuild_guide"]
    signs = frames["automation_signs"].filter(~pl.col("is_explained"))
    body = report.environment().from_string(_BODY).render(
        customer=customer, run_id=run_id, env=env, plan=plan, titles=_TITLES, days=_days(frames["hypercare"]),
        verdict=verdict(guide, frames["automation_check"]), limits=report.table(frames["rebuild_limits"].with_columns(pl.col("needed", "allowed").cast(pl.Int64))),
        automations=_automations(frames["automations"], guide),
        signs=report.table(signs.select("kind", "sign", "records", "days", "reason").sort("records", descending=True)),
        segments=report.table(frames["segment_guide"].drop("segment_id")),
        mailings=report.table(_mailings(frames["mailings"])),
        sources=sorted(set(guide["source"]) - {"none"}),
    )  # fmt: skip
    return report.page(f"{customer}: the week after the switch", Markup(body), style=_STYLE)  # noqa: S704  escaped above


def verdict(guide: pl.DataFrame, check: pl.DataFrame) -> str:
    """How many of the active automations can be built anew whole, in one sentence."""
    expected, listed = check.select("expected", "listed").row(0)
    counted = f"{listed} active automations are listed, the customer counts {expected} in User.com."
    active = guide.filter("is_active").group_by("name").agg(
        is_whole=(~pl.col("fits").is_in(["none", "unknown"]) & pl.col("plan_has").fill_null(value=True)).all()
    )  # fmt: skip
    if active.is_empty():
        return counted
    whole = active.filter("is_whole").height
    return f"{counted} {whole} can be built whole, {active.height - whole} have a part that Freshsales or this plan has nothing for."


def _mailings(mailings: pl.DataFrame) -> pl.DataFrame:
    seen = pl.concat_str(pl.col("first", "last").dt.strftime("%b %Y"), separator=" to ", ignore_nulls=True)
    told = mailings.sort("kind", "sent", descending=[False, True]).with_columns(seen=seen)
    return told.select("kind", "name", "sent", "opened", "clicked", "seen", "action")


def _days(hypercare: pl.DataFrame) -> list[tuple[int, list[dict[str, Any]]]]:
    days = hypercare.partition_by("day", maintain_order=True)
    return [(frame["day"][0], frame.to_dicts()) for frame in days]


def _automations(automations: pl.DataFrame, guide: pl.DataFrame) -> Iterable[dict[str, Any]]:
    """The automations, active ones first, each with its parts in the order they act."""
    for row in automations.sort(["is_active", "name"], descending=[True, False]).iter_rows(named=True):
        mine = guide.filter(pl.col("name") == row["name"]).sort("part", "position").to_dicts()
        parts = sorted(mine, key=lambda part: _PARTS.index(part["part"]))
        yield row | {
            "parts": [part | {"tone": _FITS[part["fits"]], "fits": _WORDS[part["fits"]]} for part in parts]
        }
