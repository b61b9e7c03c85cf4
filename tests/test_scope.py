"""The scope to send: the plan and what forces it, a quote by rules, the days, the traps, and the page that tells them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import quote_rules, scope_page, tables
from crmbook.errors import ConfigError
from crmbook.phases import gotchas, plan_choice, quoting
from reconciliation_world import frame

COUNTS = {"pipelines": 3, "custom properties": 56, "properties with JSON": 0, "automations": 10}


def check(*rows: tuple[str, float, float | None, bool | None]) -> pl.DataFrame:
    found = [dict(zip(("requirement", "needed", "allowed", "fits"), row, strict=True)) for row in rows]
    return frame(tables.PLAN_CHECK, *found)


def option(
    name: str, *rows: tuple[str, float, float | None, bool | None], hours: float | None = 1
) -> plan_choice.Option:
    return plan_choice.Option(name, check(*rows), 10.0, "USD", 1000, hours)


def options(*given: plan_choice.Option) -> pl.DataFrame:
    return plan_choice.plan_options(given, current="growth", users=4, weekend_hours=48)


ONE_PIPELINE = ("pipelines", 3.0, 1.0, False)
UNPUBLISHED = ("users", 6.0, None, None)


def test_the_smallest_plan_that_fails_nothing_is_recommended() -> None:
    """A limit nobody publishes does not fail it, but is named as a question; larger ones only fit."""
    table = options(option("growth", ONE_PIPELINE), option("pro", UNPUBLISHED), option("enterprise"))
    assert [
        ("growth", False, False, "pipelines: 3 needed, 1 allowed", "", 40.0),
        ("pro", True, True, "", "users", 40.0),
        ("enterprise", True, False, "", "", 40.0),
    ] == table.select("plan", "fits", "is_recommended", "against", "ask", "monthly").rows()
    assert plan_choice.sentence(table) == (
        "Pro is the smallest plan that holds all of it, as far as the vendor tells. What forces it, since growth is too small:"
        " pipelines: 3 needed, 1 allowed."
    )


def test_a_quota_that_takes_longer_than_a_weekend_forces_a_larger_plan() -> None:
    """Hours at the plan's own quota; a plan that publishes none is not failed by it."""
    table = options(option("growth", hours=48.5), option("pro", hours=48), option("sprout", hours=None))
    assert [("hours of loading: 48.5 at its quota, 48 fit a weekend", False), ("", True), ("", False)] == (
        table.select("against", "is_recommended").rows()
    )


def test_no_plan_that_holds_it_is_said_as_it_is() -> None:
    """Nothing is recommended then."""
    table = options(option("free", ONE_PIPELINE), option("growth", ONE_PIPELINE))
    assert ("", True) == (plan_choice.recommended(table), plan_choice.sentence(table).startswith("No plan"))


def test_a_module_with_too_many_fields_is_told_once() -> None:
    """Its single types add nothing; those of a module that fits in all do."""
    against = options(option(
        "free", ("contacts: custom fields in all", 9.0, 0.0, False), ("contacts: text fields", 9.0, 0.0, False),
        ("deals: text fields", 9.0, 2.0, False),
    ))["against"][0]  # fmt: skip
    assert (
        "contacts: custom fields in all: 9 needed, 0 allowed; deals: text fields: 9 needed, 2 allowed"
        == against
    )


def test_a_quote_is_the_grade_and_what_is_beyond_the_free_part() -> None:
    """Two pipelines more, two steps of 25 properties begun, nothing of what is not there; the total is their sum."""
    made = quoting.quote(quote_rules.read(), grade="B", counts=COUNTS, records=2_000_000)
    assert [
        ("a move of grade B", 1, 3900.0, 3900.0), ("each pipeline after the first", 2, 250.0, 500.0),
        ("each 25 custom properties after the first 30", 2, 300.0, 600.0), ("total", None, None, 5000.0),
    ] == made.select("item", "quantity", "price", "amount").rows()  # fmt: skip


@pytest.mark.parametrize(
    ("grade", "records", "why"),
    [
        pytest.param("B", 2_000_001, "more than 2,000,000 records", id="too large"),
        pytest.param("D", 10, "grade D", id="too complex"),
    ],
)
def test_above_the_rules_there_is_no_quote(grade: str, records: int, why: str) -> None:
    """One line that says so, and no amount."""
    made = quoting.quote(quote_rules.read(), grade=grade, counts=COUNTS, records=records)
    assert [("scoped individually", None, why)] == made.select("item", "amount", "basis").rows()


def test_the_number_of_records_never_changes_the_price() -> None:
    """Neither in the built-in rules nor in any that could be written: records are nothing a rule may count."""
    rules = quote_rules.read()
    totals = {quoting.quote(rules, grade="B", counts=COUNTS, records=n)["amount"][-1] for n in (1, 1_999_999)}
    assert {5000.0} == totals
    assert [] == [name for name in quoting.COUNTED if "record" in name or "contact" in name]


@pytest.mark.parametrize("weeks", [3, 5, 8, 12])
def test_the_days_of_the_timeline_are_those_of_the_weeks(weeks: int) -> None:
    """Steps follow one another without gaps, each has a day, the last five are the hypercare."""
    table = quoting.timeline(weeks)
    days = [
        day
        for first, last in table.select("first_day", "last_day").iter_rows()
        for day in range(first, last + 1)
    ]
    assert list(range(1, weeks * 5 + 1)) == days
    assert ("hypercare", weeks * 5 - 4) == table.select("step", "first_day").row(-1)


def test_what_does_not_add_up_is_found() -> None:
    """A changed amount, a second recommendation, a lost day: each is a difference of its own."""
    plans, days = options(option("growth"), option("pro")), quoting.timeline(3)
    quote = quoting.quote(quote_rules.read(), grade="A", counts=COUNTS, records=1)
    good = quoting.scope_check(quote, options=plans, timeline=days, weeks=3)
    assert [0.0, 0.0, 0.0] == good["difference"].to_list()
    bad = quoting.scope_check(
        quote.with_columns(amount=pl.col("amount") + 1), options=plans.with_columns(is_recommended=True),
        timeline=days.head(4), weeks=3,
    )  # fmt: skip
    assert {"business days": -5.0, "quote": 1.0, "recommended plans": 1.0} == dict(
        bad.select("item", "difference").iter_rows()
    )


FIRM = """
currency = "PLN"
is_example = false
weekend_hours = 24
individual_over = 500000
base = { A = 1, B = 2, C = 3 }
extra = [{ id = "x", text = "gaps", counts = "gaps of the API", free = 0, step = 1, amount = 9.5 }]
"""


def test_the_firms_own_rules_take_the_place_of_the_examples(customers: Path) -> None:
    """runs/quote.toml, in the same form; they are no examples any more."""
    (customers / "quote.toml").write_text(FIRM, encoding="utf-8")
    rules = quote_rules.read()
    made = quoting.quote(rules, grade="B", counts={"gaps of the API": 2}, records=1)
    assert ([2.0, 19.0, 21.0], {"PLN"}, False) == (
        made["amount"].to_list(), set(made["currency"]), rules["is_example"].any(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('"gaps of the API"', '"records"', "extra x: counts: expected one of .* nothing is charged by the record", id="records"),
        pytest.param("step = 1", "step = 0", "extra x: step: expected a number from 1 on", id="step"),
        pytest.param("C = 3", "D = 3", "base.C: expected the price", id="grade"),
        pytest.param('"PLN"', "7", "quote.toml: currency: expected str", id="type"),
        pytest.param("weekend_hours = 24", "", "quote.toml: weekend_hours: expected exactly the keys", id="missing"),
        pytest.param("base =", "base ", "quote.toml: .*correct it or delete it", id="no TOML"),
    ],
)  # fmt: skip
def test_rules_that_are_none_name_the_key(customers: Path, old: str, new: str, message: str) -> None:
    """One line: file, key, and what was expected."""
    assert old in FIRM
    (customers / "quote.toml").write_text(FIRM.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        quote_rules.read()


FACTS = gotchas.Facts(
    contacts=300, billable=290, stay_behind=12, no_email=3, automations=10, campaigns=2, emails=40, conversations=5, calls=7,
    call_minutes=90, segments=4, odd_properties=1, is_export=False, has_history=True, requests_per_second=5,
    file_bytes=3_000_000_000, storage_bytes=10.0e9, plan="growth", has_ai=False, bot_sessions=500, keeps_placeholders=False,
)  # fmt: skip
NOTHING = gotchas.Facts(
    contacts=0, billable=0, stay_behind=0, no_email=0, automations=0, campaigns=0, emails=0, conversations=0, calls=0,
    call_minutes=0, segments=0, odd_properties=0, is_export=False, has_history=False, requests_per_second=5, file_bytes=0,
    storage_bytes=None, plan="pro", has_ai=True, bot_sessions=500, keeps_placeholders=False,
)  # fmt: skip


def test_each_trap_applies_by_a_figure_of_the_customer() -> None:
    """With everything there all of them apply, with nothing there none; why stands beside each."""
    assert [True] * len(gotchas.RULES) == gotchas.gotchas(FACTS)["applies"].to_list()
    assert [False] * len(gotchas.RULES) == gotchas.gotchas(NOTHING)["applies"].to_list()
    because = dict(gotchas.gotchas(FACTS).select("title", "because").iter_rows())
    assert (
        "12 of 290 billable contacts are only known by chat or push and have no place in a CRM"
        == (because["Billing counts more contacts than anybody expects"])
    )
    assert "5 chats so far; growth comes with 500 sessions, once" == because["Bot sessions are given once: 500, then they are bought"]  # fmt: skip
    assert (
        "3.00 GB of files; growth gives 10.0 GB to these users together"
        == because["Storage goes by plan and user"]
    )


def test_what_the_vendor_does_not_say_is_a_question() -> None:
    """A plan of Classic: nobody publishes whether it has the AI."""
    unknown = gotchas.Facts(**{**NOTHING.__dict__, "plan": "estate", "has_ai": None})
    found = gotchas.gotchas(unknown).filter("applies")
    assert ["the vendor does not say whether estate has it: ask"] == found["because"].to_list()


def frames(**changed: pl.DataFrame) -> dict[str, pl.DataFrame]:
    estimate = [
        ("records", 1234.0, "records", "b"), ("billable contacts", 290.0, "contacts", "b"), ("timeline", 3.0, "weeks", "b"),
        ("complexity", 1.0, "grade B Standard", "<b>3 pipelines</b>; 2 properties hold JSON"),
    ]  # fmt: skip
    rules = quote_rules.read()
    made = {
        "estimate": pl.DataFrame(estimate, schema=tables.ESTIMATE.columns, orient="row"), "plan_check": check(ONE_PIPELINE),
        "plan_options": options(option("growth", ONE_PIPELINE), option("pro", UNPUBLISHED)), "quote_rules": rules,
        "quote": quoting.quote(rules, grade="B", counts=COUNTS, records=1), "timeline": quoting.timeline(3),
        "gotchas": gotchas.gotchas(FACTS),
    }  # fmt: skip
    return made | changed


def page(**given: Any) -> str:
    return scope_page.page(frames(**given), customer="Acme & <Sons>", edition="suite", plan="growth")


def test_the_page_tells_the_tables_and_is_offline() -> None:
    """Grade, plan, total and each trap stand on it; nothing is fetched, nothing runs, all is escaped."""
    text = page()
    for words in ("Acme &amp; &lt;Sons&gt;", "&lt;b&gt;3 pipelines&lt;/b&gt;", "5,000 EUR", "The plan in customer.toml is growth, which does not hold it.", "The rates are examples"):  # fmt: skip
        assert words in text
    assert [] == [
        title for title in gotchas.gotchas(FACTS)["title"] if title.replace("'", "&#39;") not in text
    ]
    assert [] == [word for word in ("http://", "https://", "<script", "<b>3 pip") if word in text]


def test_an_individual_scope_shows_no_price() -> None:
    """No total, no table of lines, no remark about example rates: the reason instead."""
    quote = quoting.quote(quote_rules.read(), grade="D", counts=COUNTS, records=3_000_000)
    text = page(quote=quote)
    assert "This account is scoped individually: more than 2,000,000 records." in text
    assert [] == [words for words in ("EUR", "The rates are examples") if words in text]
