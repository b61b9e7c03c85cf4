"""The scope of a move as one offline page to send: grade, days, plan, quote, and the traps that apply.

In: the tables of 01. Out: the text of scope.html, which holds counts and names of settings, never a value about a person.
Invariant: the same tables give the same page, and every figure on it is in one of them.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl
from markupsafe import Markup

from crmbook import report
from crmbook.phases import plan_choice, quoting
from crmbook.phases.scoping import HOURS

NAME: Final = "scope.html"
_EFFORT: Final = [
    "records", "billable contacts", "contacts left out", "custom properties", "calls to write", "calls to write the history",
    "calls to read back", HOURS,
]  # fmt: skip
_STYLE: Final = """
ul.figures { grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); } ul.reasons { padding-left: 1.1rem; margin: .4rem 0; } ul.reasons li { padding: .1rem 0; }
ol.line { list-style: none; padding: 0; margin: .8rem 0; } ol.line li { display: grid; grid-template-columns: 15rem minmax(0, 1fr) 7rem; gap: .2rem 1rem; padding: .35rem 0; align-items: center; }
ol.line .rail { height: .7rem; background: var(--tint); border-radius: 4px; } ol.line .rail i { display: block; height: 100%; background: var(--kept); border-radius: 4px; min-width: .4rem; }
ol.line .days { color: var(--soft); font-size: .88rem; text-align: right; } ol.line .waits-for { grid-column: 1 / -1; color: var(--soft); font-size: .88rem; }
.trap { border-top: 1px solid var(--line); padding: .7rem 0; break-inside: avoid; } .trap h3 { font-size: 1rem; margin: 0 0 .2rem; } .trap p { margin: .2rem 0; }
.side { font-weight: 400; color: var(--soft); font-size: .85rem; } .source { color: var(--soft); font-size: .82rem; }
.total { font-size: 1.1rem; } table.plans td:first-child, table.plans th { white-space: nowrap; }
.note { border-left: 3px solid var(--wait); padding-left: .8rem; }
@media (max-width: 40rem) { ol.line li { grid-template-columns: minmax(0, 1fr); gap: .2rem; } ol.line .days { text-align: left; } }
"""
_BODY: Final = """
<h1>{{ customer }}: what the move to Freshsales takes</h1>
<p class="lead">From User.com, as the account was read. Every figure is counted from it; nothing was written anywhere.</p>
<ul class="figures">{% for label, figure in headline %}<li><b>{{ figure }}</b><span>{{ label }}</span></li>{% endfor %}</ul>
<h2>How complex it is</h2>
<p>Grade <strong>{{ grade }}</strong>{% if reasons %}, because of this:</p><ul class="reasons">{% for r in reasons %}<li>{{ r }}</li>{% endfor %}</ul>
{% else %}: nothing out of the ordinary.</p>{% endif %}
{{ effort }}
<h2>How long it takes</h2>
<p>{{ days }} business days at most, the five of the hypercare week included. Steps that wait for a person take as long as the person.</p>
<ol class="line">{% for s in steps %}<li><span>{{ s.step }}</span><span class="rail"><i style="margin-left: {{ s.left }}%; width: {{ s.width }}%"></i></span>
<span class="days">{{ "day" if s.first_day == s.last_day else "days" }} {{ s.first_day }}{% if s.first_day != s.last_day %}–{{ s.last_day }}{% endif %}</span>
<span class="waits-for">waits for: {{ s.waits_for }}</span></li>{% endfor %}</ol>
<h2>Which plan it needs</h2>
<p>{{ sentence }}{% if current %} {{ current }}{% endif %}</p>
{{ plans }}
{% if ask %}<p>Not published for the recommended plan, so ask the vendor: {{ ask }}. List prices are from comparison pages and may be out of date.</p>{% endif %}
<h2>What it costs</h2>
{% if is_example %}<p class="note">The rates are examples that came with the workbook, not an offer: put your own into runs/quote.toml.</p>{% endif %}
{{ quote }}
{% if total %}<p class="total"><strong>{{ total }}</strong> in all, by rules; nothing is charged by the record.</p>
{% else %}<p class="total">This account is scoped individually: {{ why }}.</p>{% endif %}
<p class="more">The vendor's own plan is paid to the vendor and not part of this.</p>
<h2>What to know beforehand</h2>
{% for t in traps %}<section class="trap"><h3>{{ t.title }} <span class="side">{{ t.side }}</span></h3>
<p>Here: {{ t.because }}.</p><p>To do: {{ t.action }}.</p><p class="source">{{ t.source }}</p></section>{% endfor %}
{% if others %}<p class="more">Looked at, and not a matter here:{% for t in others %} {{ t.title }} ({{ t.because }}){{ ";" if not loop.last else "." }}{% endfor %}</p>{% endif %}
"""


def page(frames: Mapping[str, pl.DataFrame], *, customer: str, edition: str, plan: str) -> str:
    """The page of the tables *frames* of 01, by their names; *plan* is the one in customer.toml."""
    told = {item: (figure, unit, basis) for item, figure, unit, basis in frames["estimate"].iter_rows()}
    options, timeline, quote = frames["plan_options"], frames["timeline"], frames["quote"]
    grade, reasons = told["complexity"][1].removeprefix("grade "), told["complexity"][2]
    traps, others = (
        frames["gotchas"].filter(pl.col("applies") == is_on).sort("position") for is_on in (True, False)
    )
    best = plan_choice.recommended(options)
    total = _total(quote)
    body = report.environment().from_string(_BODY).render(
        customer=customer, grade=grade, reasons=[r for r in reasons.split("; ") if told["complexity"][0]],
        headline=_headline(told, grade, best, total), effort=report.table(_effort(frames["estimate"])),
        days=int(timeline["last_day"].max() or 0), steps=_steps(timeline),  # type: ignore[arg-type]
        sentence=plan_choice.sentence(options), current=_current(options, plan, best), plans=report.table(_plans(options, edition)),
        ask=next(iter(options.filter("is_recommended")["ask"]), "").replace("; ", ", "),
        is_example=bool(frames["quote_rules"]["is_example"].any()) and bool(total),
        quote=report.table(_quote(quote)) if total else "", total=total, why=quote["basis"][0],
        traps=traps.to_dicts(), others=others.to_dicts(),
    )  # fmt: skip
    return report.page(f"{customer}: what the move to Freshsales takes", Markup(body), style=_STYLE)  # noqa: S704  escaped above


def _headline(
    told: Mapping[str, tuple[float | None, str, str]], grade: str, best: str, total: str
) -> list[tuple[str, str]]:
    return [
        ("records in the account", f"{told['records'][0] or 0:,.0f}"),
        ("billable contacts", f"{told['billable contacts'][0] or 0:,.0f}"),
        (f"grade, {grade[2:].lower()}", grade[:1]), ("weeks at most", f"{told['timeline'][0] or 0:,.0f}"),
        ("Freshsales plan", best.capitalize() or "none fits"), ("by the rules", total or "individually"),
    ]  # fmt: skip


def _effort(estimate: pl.DataFrame) -> pl.DataFrame:
    """The figures of the estimate that are about work, rounded as a person reads them."""
    order = pl.DataFrame({"item": _EFFORT})
    shown = order.join(estimate, on="item", how="inner", maintain_order="left")
    figure = [_figure(value) for value in shown["figure"]]
    return shown.select("item", pl.Series("figure", figure), "unit", "basis")


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"


def _steps(timeline: pl.DataFrame) -> list[dict[str, Any]]:
    days = int(timeline["last_day"].max() or 1)  # type: ignore[arg-type]
    return [
        row | {
            "left": round(100 * (row["first_day"] - 1) / days, 1),
            "width": round(100 * (row["last_day"] - row["first_day"] + 1) / days, 1),
        }
        for row in timeline.sort("position").iter_rows(named=True)
    ]  # fmt: skip


def _plans(options: pl.DataFrame, edition: str) -> pl.DataFrame:
    verdict = (
        pl.when("is_recommended").then(pl.lit("recommended")).when("fits").then(pl.lit("fits"))
        .otherwise(pl.lit("too small"))
    )  # fmt: skip
    return options.sort("position").select(
        pl.col("plan").alias(f"{edition} plan"),
        verdict.alias("verdict"),
        pl.Series(
            "a user and month",
            [_money(p, c) for p, c in options.sort("position").select("price", "currency").iter_rows()],
        ),
        pl.col("requests_per_hour").alias("calls an hour"),
        pl.Series("hours of loading", [_figure(h) for h in options.sort("position")["hours"]]),
        pl.col("against").replace("", "nothing").alias("what speaks against it"),
    )


def _quote(quote: pl.DataFrame) -> pl.DataFrame:
    lines = quote.filter(pl.col("item") != quoting.TOTAL).sort("position")
    amounts = [
        _money(amount, currency) for amount, currency in lines.select("amount", "currency").iter_rows()
    ]
    prices = [_money(price, currency) for price, currency in lines.select("price", "currency").iter_rows()]
    return lines.select(
        "item",
        pl.Series("price", prices),
        "quantity",
        pl.Series("amount", amounts),
        pl.col("basis").alias("counted"),
    )


def _total(quote: pl.DataFrame) -> str:
    found = quote.filter(pl.col("item") == quoting.TOTAL)
    return _money(found["amount"][0], found["currency"][0]) if found.height else ""


def _money(amount: float | None, currency: str) -> str:
    return "–" if amount is None else f"{_figure(float(amount))} {currency}"


def _current(options: pl.DataFrame, plan: str, best: str) -> str:
    """What that means for the plan in customer.toml."""
    if plan == best:
        return "It is the plan in customer.toml."
    is_held = bool(options.filter("is_current")["fits"].any())
    return f"The plan in customer.toml is {plan}, " + (
        "which holds it as well." if is_held else "which does not hold it."
    )
