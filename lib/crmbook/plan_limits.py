"""A plan's figures as the limits the plan check compares with: a yes or no becomes one or any number."""

from dataclasses import replace
from typing import Final

import polars as pl

from crmbook.phases import edition as editions
from crmbook.phases import fitting
from crmbook.phases.scoping import Limit
from crmbook.runs import Run
from crmbook.vendors import plans
from crmbook.vendors.plans import Plan

_SWITCHES: Final = {"pipelines": "multiple_pipelines", "currencies": "multi_currency"}


def of(plan: Plan) -> dict[str, Limit]:
    """The limits of *plan* by the names `scoping.plan_check` reads; unpublished ones are None."""
    plain = ("custom_fields_total", "choices_per_field", "unique_fields", "users")
    limits = {name: _limit(plan, name, getattr(plan, name)) for name in plain}
    for name, switch in _SWITCHES.items():
        several = getattr(plan, switch)
        limits[name] = _limit(plan, switch, 1 if several is False else None, is_open=several is True)
    for group, count in (plan.custom_fields or {}).items():
        limits[f"custom_fields.{group}"] = _limit(plan, "custom_fields", count)
    return limits


def features(plan: Plan) -> dict[str, Limit]:
    """What *plan* has for automating, by the names of `needs` in workflows.toml; a yes is any number, a no is zero."""
    limits = {"workflows": _limit(plan, "workflows", plan.workflows)}
    for name in ("time_workflows", "event_tracking"):
        has = getattr(plan, name)
        limits[name] = _limit(plan, name, 0 if has is False else None, is_open=has is True)
    return limits


def storage(plan: Plan, users: int) -> dict[str, Limit]:
    """What *plan* stores for so many *users*, in bytes: `file` for one file, `all` for all together."""
    per_user = plan.storage_gb_per_user
    return {
        "file": _limit(plan, "file_mb", None if plan.file_mb is None else plan.file_mb * 1024**2),
        "all": _limit(plan, "storage_gb_per_user", None if per_user is None else per_user * users * 1024**3),
    }


def files(plan: Plan, users: int) -> dict[str, Limit]:
    """`storage` in the units of the plan check: megabytes of one file, gigabytes of all."""
    return {
        name: replace(limit, allowed=None if limit.allowed is None else limit.allowed / unit)
        for (name, unit), limit in zip(
            (("file_mb", 1024**2), ("files_gb", 1024**3)), storage(plan, users).values(), strict=True
        )
    }


def _limit(plan: Plan, figure: str, allowed: float | None, *, is_open: bool = False) -> Limit:
    source = plan.basis.get(figure)
    title = source.title if source else "not published"
    return Limit(allowed, f"{plan.name}: {title}", is_open)


def fit(run: Run) -> pl.DataFrame:
    """`workspace_limits` of the decisions as they stand, saved."""
    edition, plan = editions.of(run.target.edition), plans.plan(run.target.plan)
    names = ("custom_fields", "mapping", "fields", "stages", "owners")
    fields, mapping, known, stages, owners = run.frames(*names)
    return run.save(
        "workspace_limits",
        fitting.workspace_limits(
            edition.by_module(fields), mapping=mapping, fields=known, stages=stages, owners=owners,
            currencies=run.read("source_deals").get_column("currency").drop_nulls().n_unique(),
            limits=of(plan), plans={p.name: of(p) for p in plans.load().values() if p.edition == plan.edition},
        ),
    )  # fmt: skip
