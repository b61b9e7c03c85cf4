"""Which plan does this account need, and what forces it?

In: the plan check of every plan of the edition, from small to large, with price and quota. Out: PLAN_OPTIONS. The smallest
plan that fails nothing is recommended; a limit nobody publishes neither fits nor fails, and is named as a question.
Invariant: at most one plan is recommended, and every plan that is not says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import tables

_WEEKEND: Final = "hours of loading"
_IN_ALL: Final = ": custom fields in all"


@dataclass(frozen=True)
class Option:
    """One plan: what the check says of it, its list price per user, and the hours the load takes at its quota."""

    name: str
    check: pl.DataFrame
    price: float | None
    currency: str
    requests_per_hour: int | None
    hours: float | None


def plan_options(
    options: Sequence[Option], *, current: str, users: int, weekend_hours: float
) -> pl.DataFrame:
    """*options* from small to large, each with the reasons against it; PLAN_OPTIONS."""
    rows: list[dict[str, Any]] = []
    for position, option in enumerate(options, 1):
        failing = _telling(option.check.filter(~pl.col("fits")).sort("requirement"))
        against = [_reason(*row) for row in failing.select("requirement", "needed", "allowed").iter_rows()]
        if option.hours is not None and option.hours > weekend_hours:
            against.append(
                f"{_WEEKEND}: {_number(option.hours)} at its quota, {_number(weekend_hours)} fit a weekend"
            )
        unknown = option.check.filter(pl.col("fits").is_null())["requirement"].sort().to_list()
        is_fit = not against
        rows.append({
            "plan": option.name, "position": position, "is_current": option.name == current, "fits": is_fit,
            "is_recommended": is_fit and not any(row["is_recommended"] for row in rows),
            "price": option.price, "currency": option.currency,
            "monthly": None if option.price is None else option.price * users,
            "requests_per_hour": option.requests_per_hour, "hours": option.hours,
            "against": "; ".join(against), "ask": "; ".join(unknown),
        })  # fmt: skip
    return tables.conform(pl.DataFrame(rows, schema=tables.PLAN_OPTIONS.columns), tables.PLAN_OPTIONS)


def recommended(options: pl.DataFrame) -> str:
    """The recommended plan of PLAN_OPTIONS, empty where no plan holds the account."""
    found = options.filter("is_recommended")["plan"]
    return str(found[0]) if len(found) else ""


def sentence(options: pl.DataFrame) -> str:
    """The recommendation and what forces it, in words."""
    name = recommended(options)
    if not name:
        return "No plan of this edition holds the account as it is; see what each of them lacks."
    best = options.filter("is_recommended")
    smaller = options.filter(pl.col("position") < best["position"][0]).sort("position")
    known = ", as far as the vendor tells" if best["ask"][0] else ""
    if smaller.is_empty():
        return f"{name.capitalize()}, the smallest plan, holds all of it{known}."
    return (
        f"{name.capitalize()} is the smallest plan that holds all of it{known}. What forces it, since"
        f" {smaller['plan'][-1]} is too small: {smaller['against'][-1]}."
    )


def _telling(failing: pl.DataFrame) -> pl.DataFrame:
    """*failing* without the single types of fields of a module that has too many of them in all anyway."""
    module = pl.col("requirement").str.extract(r"^(.+): .* fields")
    whole = failing.filter(pl.col("requirement").str.ends_with(_IN_ALL))["requirement"].str.strip_suffix(
        _IN_ALL
    )
    is_part = pl.col("requirement").str.ends_with(" fields") & module.is_in(whole.to_list())
    return failing.filter(~is_part.fill_null(value=False))


def _reason(requirement: str, needed: float, allowed: float) -> str:
    return f"{requirement}: {_number(needed)} needed, {_number(allowed)} allowed"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
