"""What does the move cost by the rules, and which day is what done?

In: the grade of the account, what is counted of it, and the rules as a table. Out: QUOTE and TIMELINE. Records are never
counted; above the limit of the rules there is no quote but one line that says so. Invariant: the total is the sum of the
lines.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables

GRADES: Final = ("A", "B", "C")
COUNTED: Final = (
    "pipelines", "custom properties", "properties with JSON", "histories", "folders of files", "gaps of the API", "exports",
    "automations",
)  # fmt: skip
TOTAL: Final = "total"
INDIVIDUAL: Final = "scoped individually"
_WEEK: Final = 5  # business days
# share of the days before the hypercare week, by step, and what the step waits for
_STEPS: Final = (
    ("discovery and scoping", 0.15, "access to User.com; this page"),
    ("map and workspace", 0.25, "approval of the map; the checklist done in Freshsales"),
    ("test run and reconciliation", 0.45, "sign-off of the test run, 20 to 40 records looked at"),
    ("production run and switch", 0.15, "no more writing in User.com; two empty deltas"),
)


def quote(rules: pl.DataFrame, *, grade: str, counts: Mapping[str, int], records: int) -> pl.DataFrame:
    """*rules* (QUOTE_RULES) applied to an account of *grade* (a letter) with *counts* by the names of COUNTED; QUOTE."""
    currency = rules["currency"][0]
    limit = rules.filter(pl.col("id") == "individual_over")["amount"][0]
    base = rules.filter((pl.col("kind") == "base") & (pl.col("id") == grade))
    if records > limit or base.is_empty():
        why = f"more than {int(limit):,} records" if records > limit else f"grade {grade}"
        rows: list[dict[str, Any]] = [
            {"item": INDIVIDUAL, "quantity": None, "price": None, "amount": None, "basis": why}
        ]
    else:
        rows = list(_lines(rules, base["amount"][0], grade, counts))
        total = sum(row["amount"] for row in rows)
        rows.append(
            {"item": TOTAL, "quantity": None, "price": None, "amount": total, "basis": "no fee by the record"}
        )
    numbered = [{"position": n, "currency": currency, **row} for n, row in enumerate(rows, 1)]
    return tables.conform(pl.DataFrame(numbered, schema=tables.QUOTE.columns), tables.QUOTE)


def timeline(weeks: int) -> pl.DataFrame:
    """The steps of a move of *weeks* at most, by business day; the last week is the hypercare; TIMELINE."""
    ahead, first = (weeks - 1) * _WEEK, 1
    rows = []
    for position, (step, share, waits_for) in enumerate(_STEPS, 1):
        last = ahead if position == len(_STEPS) else first - 1 + max(1, round(share * ahead))
        rows.append(_step(position, step, first, last, waits_for))
        first = last + 1
    rows.append(_step(len(_STEPS) + 1, "hypercare", first, ahead + _WEEK, "open items settled or accepted"))
    return tables.conform(pl.DataFrame(rows, schema=tables.TIMELINE.columns), tables.TIMELINE)


def scope_check(
    quote: pl.DataFrame, *, options: pl.DataFrame, timeline: pl.DataFrame, weeks: int
) -> pl.DataFrame:
    """What has to add up on the page, counted another way; SCOPE_CHECK."""
    lines = quote.filter(pl.col("item") != TOTAL)
    total = quote.filter(pl.col("item") == TOTAL)["amount"].sum()
    days = timeline.select((pl.col("last_day") - pl.col("first_day") + 1).sum()).item()
    pairs = (
        ("quote", lines.select((pl.col("price") * pl.col("quantity")).sum()).item(), total),
        ("recommended plans", int(options["fits"].any()), options["is_recommended"].sum()),
        ("business days", weeks * _WEEK, days),
    )
    rows = [{"item": item, "expected": float(expected), "found": float(found), "difference": float(found - expected)} for item, expected, found in pairs]  # fmt: skip
    return tables.conform(pl.DataFrame(rows, schema=tables.SCOPE_CHECK.columns), tables.SCOPE_CHECK)


def _lines(
    rules: pl.DataFrame, base: float, grade: str, counts: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    yield {
        "item": f"a move of grade {grade}",
        "quantity": 1,
        "price": base,
        "amount": base,
        "basis": "by the grade",
    }
    for rule in rules.filter(pl.col("kind") == "extra").sort("position").iter_rows(named=True):
        found = counts.get(rule["counts"], 0)
        number = -(-max(0, found - rule["free"]) // rule["step"])
        if number:
            yield {
                "item": rule["text"], "quantity": number, "price": rule["amount"], "amount": number * rule["amount"],
                "basis": f"{rule['counts']}: {found:,}",
            }  # fmt: skip


def _step(position: int, step: str, first: int, last: int, waits_for: str) -> dict[str, Any]:
    return {"position": position, "step": step, "first_day": first, "last_day": last, "waits_for": waits_for}
