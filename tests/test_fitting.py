"""What the map asks of the workspace beside what a plan allows: counts, lengths, names, and what to do."""

from typing import Any

import pytest

import load_case as case
from crmbook import plan_limits, tables
from crmbook.phases import fitting
from crmbook.vendors import plans


def field(
    api_name: str, field_type: str = "text", *, choices: int = 0, unique: bool = False, label: str = ""
) -> Any:
    return {
        "module": "contacts", "api_name": f"cf_{api_name}", "label": label or api_name.replace("_", " ").capitalize(),
        "field_type": field_type, "choices": [f"c{i}" for i in range(choices)], "is_unique": unique,
    }  # fmt: skip


def checked(
    *wanted: dict[str, Any],
    plan: str = "pro",
    lengths: dict[str, int] | None = None,
    labels: dict[str, str] | None = None,
    filled: dict[str, int] | None = None,
    pipelines: int = 1,
    currencies: int = 1,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by limit and item; a field's source is `p_<name>`."""
    names = [w["api_name"][3:] for w in wanted]
    known = [
        {"entity": "contact", "field": f"p_{n}", "label": (labels or {}).get(n, n.replace("_", " ")), "choices": [],
         "filled": (filled or {}).get(n, 5), "max_length": (lengths or {}).get(n, 10)}
        for n in names
    ]  # fmt: skip
    mapping = [
        {"entity": "contact", "source_field": f"p_{n}", "target_entity": "contacts", "target_field": f"cf_{n}",
         "rule": "text", "decision": "proposed"}
        for n in names
    ]  # fmt: skip
    stages = [{"pipeline_id": str(i), "stage_id": "1", "target_pipeline": f"P{i}"} for i in range(pipelines)]
    own = plans.plan(plan)
    made = fitting.workspace_limits(
        case.frame(tables.CUSTOM_FIELDS, *wanted), mapping=case.frame(tables.MAPPING, *mapping),
        fields=case.frame(tables.FIELDS, *known), stages=case.frame(tables.STAGES, *stages),
        owners=case.frame(tables.OWNERS, {"agent_id": "1"}), currencies=currencies, limits=plan_limits.of(own),
        plans={p.name: plan_limits.of(p) for p in plans.load().values() if p.edition == own.edition},
    )  # fmt: skip
    return {(r["limit"], r["item"]): r for r in made.iter_rows(named=True)}


def verdict(row: dict[str, Any]) -> tuple[int, int | None, str]:
    return row["planned"], row["allowed"], row["verdict"]


def test_fields_are_counted_by_the_plans_groups() -> None:
    """URLs count as text, decimals as numbers, radio fields as dropdowns; all of them together as well."""
    rows = checked(
        field("a"), field("b", "url"), field("c", "decimal"), field("d", "radio"), field("e", "date")
    )
    assert {k[0]: verdict(r) for k, r in rows.items() if k[0].endswith(("fields", "in all"))} == {
        "text fields": (2, 30, "fits"), "number fields": (1, 50, "fits"), "dropdown fields": (1, 40, "fits"),
        "date fields": (1, 50, "fits"), "custom fields in all": (5, 250, "fits"), "unique fields": (1, 2, "fits"),
    }  # fmt: skip


def test_too_many_fields_come_with_a_proposal() -> None:
    """The fields with the fewest values, as many as are over, or the smallest plan that has the room."""
    wanted = [field(f"t{i:02}") for i in range(32)]
    rows = checked(*wanted, filled={"t07": 1, "t30": 2})
    row = rows["text fields", ""]
    assert verdict(row) == (32, 30, "exceeds")
    assert row["proposal"] == "skip p_t07 (1 rows), p_t30 (2 rows); or take plan enterprise"
    assert "pro: " in row["source"]


def test_no_plan_may_have_the_room() -> None:
    """Then nobody is told to buy one."""
    row = checked(*(field(f"t{i:02}", "textarea") for i in range(40)))["textarea fields", ""]
    assert row["verdict"] == "exceeds"
    assert row["proposal"].endswith("; or no plan of this edition is known to have the room")


def test_a_limit_nobody_publishes_does_not_fit() -> None:
    """Classic publishes no counts by type: unknown, not unlimited."""
    rows = checked(field("a"), plan="estate")
    assert verdict(rows["text fields", ""]) == (1, None, "unknown")
    assert verdict(rows["custom fields in all", ""]) == (1, 305, "fits")


def test_unique_fields_count_the_vendors_own() -> None:
    """A contact's e-mail is one of the two."""
    rows = checked(field("a", unique=True), field("b", unique=True))
    assert verdict(rows["unique fields", "cf_a, cf_b, email"]) == (3, 2, "exceeds")


def test_choices_and_lengths_name_the_field() -> None:
    """The largest of each kind, and every one beyond the limit."""
    rows = checked(
        field("few", "dropdown", choices=3), field("many", "dropdown", choices=301), field("long", "textarea"),
        field("short"), lengths={"long": 12_000, "short": 40},
    )  # fmt: skip
    assert {k[1]: verdict(r) for k, r in rows.items() if k[0].startswith(("choices", "characters"))} == {
        "cf_many": (301, 300, "exceeds"), "cf_long": (12_000, 10_000, "to_note"), "cf_short": (40, 256, "fits"),
    }  # fmt: skip


def test_names_that_would_be_one_are_told_apart() -> None:
    """Two source fields that fold to one name: numbered is fine, two equal labels are not."""
    same = {"lead_source": "Lead source", "lead-source": "Lead-Source"}
    numbered = checked(
        field("lead_source", label="Lead source"), field("lead-source", label="Lead-Source 2"), labels=same
    )
    row = numbered["fields named lead_source", "cf_lead-source and cf_lead_source"]
    assert (row["verdict"], row["proposal"]) == ("told_apart", "one of them is numbered")
    clash = checked(field("a", label="Plan"), field("b", label="plan "))
    assert clash["fields named alike", "cf_a and cf_b"]["verdict"] == "exceeds"


def test_a_name_of_the_targets_own_is_for_review() -> None:
    """A custom field called like a standard one confuses whoever fills it in."""
    row = checked(field("city", label="City"))["fields named city", "cf_city and city"]
    assert row["verdict"] == "review"


@pytest.mark.parametrize(
    ("plan", "verdicts"),
    [("growth", ("exceeds", "exceeds")), ("pro", ("fits", "fits"))],
    ids=["growth", "pro"],
)
def test_pipelines_and_currencies(plan: str, verdicts: tuple[str, str]) -> None:
    """One of each on the smaller plan, and the proposal names the plan that has more."""
    rows = checked(field("a"), plan=plan, pipelines=2, currencies=2)
    found = rows["pipelines", ""], rows["currencies", ""]
    assert tuple(r["verdict"] for r in found) == verdicts
    assert {r["proposal"] for r in found} == ({"take plan pro"} if plan == "growth" else {""})


def test_what_does_not_fit_stands_first() -> None:
    """A notebook shows the worst on top."""
    made = case.frame(
        tables.WORKSPACE_LIMITS,
        *({"module": "m", "limit": v, "item": "", "planned": 1, "verdict": v} for v in fitting.VERDICTS),
    )
    assert fitting.shown(made)["verdict"].to_list() == list(reversed(fitting.VERDICTS))
