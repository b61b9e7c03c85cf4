"""The scope of a move as sentences: the tables of 01 in; plan, quote, timeline, traps and the page to send out.

Nothing is decided here: figures of the plan come from `plans.toml`, prices from the rules the run kept.
"""

from collections.abc import Mapping

import polars as pl

from crmbook import plan_limits, scope_page
from crmbook.phases import edition as editions
from crmbook.phases import gotchas, plan_choice, quoting, scoping
from crmbook.runs import Run
from crmbook.vendors import plans
from crmbook.vendors.plans import Plan

_PAGE = ("estimate", "plan_options", "plan_check", "quote_rules", "quote", "timeline", "gotchas")


def scope(run: Run) -> pl.DataFrame:
    """Every table of the scope and its page, saved; returns the estimate."""
    plan = plans.plan(run.target.plan)
    run.save("plan_check", _checked(run, plan))
    estimate = run.save("estimate", _estimated(run, run.target.requests_per_hour or plan.requests_per_hour))
    rules = run.read("quote_rules")
    grade, weeks, records = _graded(estimate)
    run.save_all(
        plan_options=plan_choice.plan_options(
            [_option(run, each) for each in plans.load().values() if each.edition == plan.edition],
            current=plan.name, users=run.read("agents").height, weekend_hours=_limit(rules, "weekend_hours"),
        ),
        quote=quoting.quote(rules, grade=grade, counts=_counts(run), records=records),
        timeline=quoting.timeline(weeks),
        gotchas=gotchas.gotchas(_facts(run, plan)),
    )  # fmt: skip
    options, quote, timeline = run.frames("plan_options", "quote", "timeline")
    run.save("scope_check", quoting.scope_check(quote, options=options, timeline=timeline, weeks=weeks))
    frames = dict(zip(_PAGE, run.frames(*_PAGE), strict=True))
    run.write(
        scope_page.NAME,
        scope_page.page(frames, customer=run.customer.name, edition=plan.edition, plan=plan.name),
    )
    return estimate


def _checked(run: Run, plan: Plan) -> pl.DataFrame:
    fields, stages, agents, deals, files = run.frames(
        "fields", "source_stages", "agents", "source_deals", "source_files"
    )
    limits = plan_limits.of(plan) | plan_limits.features(plan) | plan_limits.files(plan, agents.height)
    return scoping.plan_check(
        fields, stages=stages, agents=agents, deals=deals, limits=limits, edition=editions.of(run.target.edition),
        automations=run.customer.active_automations, files=files,
    )  # fmt: skip


def _estimated(run: Run, requests_per_hour: int | None) -> pl.DataFrame:
    inventory, fields, billing, stages, deals = run.frames(
        "inventory", "fields", "billing", "source_stages", "source_deals"
    )
    return scoping.estimate(
        inventory, fields=fields, billing=billing, stages=stages, deals=deals, requests_per_hour=requests_per_hour,
        edition=editions.of(run.target.edition),
    )  # fmt: skip


def _option(run: Run, plan: Plan) -> plan_choice.Option:
    hours = _estimated(run, plan.requests_per_hour).filter(pl.col("item") == scoping.HOURS)["figure"][0]
    price, currency = (plan.price.amount, plan.price.currency) if plan.price else (None, "")
    return plan_choice.Option(plan.name, _checked(run, plan), price, currency, plan.requests_per_hour, hours)


def _graded(estimate: pl.DataFrame) -> tuple[str, int, int]:
    """The grade's letter, the weeks at most, and the records in the account."""
    told = {item: (figure, unit) for item, figure, unit, _ in estimate.iter_rows()}
    letter = told["complexity"][1].removeprefix("grade ")[0]
    return letter, int(told["timeline"][0]), int(told["records"][0])


def _limit(rules: pl.DataFrame, name: str) -> float:
    return float(rules.filter(pl.col("id") == name)["amount"][0])


def _counts(run: Run) -> Mapping[str, int]:
    inventory, fields, stages, files = run.frames("inventory", "fields", "source_stages", "source_files")
    rows = dict(inventory.select("entity", "distinct").iter_rows())
    history = sum(rows.get(entity, 0) for entity in ("activities", "events", "emails", "conversations"))
    return {
        "pipelines": stages["pipeline_id"].n_unique(), "custom properties": scoping.custom(fields).height,
        "properties with JSON": scoping.structured(fields), "histories": int(history > 0),
        "folders of files": int(files.height > 0), "gaps of the API": len(scoping.gaps(inventory)),
        "exports": int(run.customer.source.kind == "csv"), "automations": run.customer.active_automations,
    }  # fmt: skip


def _facts(run: Run, plan: Plan) -> gotchas.Facts:
    billing, fields, activities, types, files = run.frames(
        "billing", "fields", "source_activities", "source_activity_types", "source_files"
    )
    rows = dict(run.read("inventory").select("entity", "distinct").iter_rows())
    source, is_known = run.customer.source, pl.col("tier") == "identified"
    calls = activities.join(types.filter(pl.col("kind") == "call"), on="activity_type_id", how="semi")
    return gotchas.Facts(
        contacts=billing.height, billable=billing.filter("is_billable").height,
        stay_behind=billing.filter("is_billable", ~is_known).height, no_email=billing.filter(is_known, ~pl.col("email")).height,
        automations=run.customer.active_automations, campaigns=rows.get("campaigns", 0), emails=rows.get("emails", 0),
        conversations=rows.get("conversations", 0), calls=calls.height, call_minutes=int(calls["duration"].sum() or 0),
        segments=rows.get("segments", 0),
        odd_properties=scoping.custom(fields).filter(pl.col("mostly_share") < 1).height,
        is_export=source.kind == "csv", has_history=source.history == "all", requests_per_second=source.requests_per_second,
        file_bytes=int(files["size_bytes"].sum() or 0),
        storage_bytes=plan_limits.storage(plan, run.read("agents").height)["all"].allowed, plan=plan.name, has_ai=plan.ai,
        bot_sessions=plan.bot_sessions, keeps_placeholders=run.policy.contact_without_email == "placeholder",
    )  # fmt: skip
