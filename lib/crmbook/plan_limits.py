"""A plan's figures as the limits the plan check compares with: a yes or no becomes one or any number."""

from typing import Final

from crmbook.phases.scoping import Limit
from crmbook.vendors.plans import Plan

_SWITCHES: Final = {"pipelines": "multiple_pipelines", "currencies": "multi_currency"}


def of(plan: Plan) -> dict[str, Limit]:
    """The limits of *plan* by the names `scoping.plan_check` reads; unpublished ones are None."""
    plain = ("custom_fields_total", "choices_per_field", "users")
    limits = {name: _limit(plan, name, getattr(plan, name)) for name in plain}
    for name, switch in _SWITCHES.items():
        several = getattr(plan, switch)
        limits[name] = _limit(plan, switch, 1 if several is False else None, is_open=several is True)
    for group, count in (plan.custom_fields or {}).items():
        limits[f"custom_fields.{group}"] = _limit(plan, "custom_fields", count)
    return limits


def _limit(plan: Plan, figure: str, allowed: float | None, *, is_open: bool = False) -> Limit:
    source = plan.basis.get(figure)
    title = source.title if source else "not published"
    return Limit(allowed, f"{plan.name}: {title}", is_open)
