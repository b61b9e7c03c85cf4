"""What Freshsales has for each part of an automation: the same, another way, nothing, or a question."""

import re
from typing import Any

import polars as pl
import pytest

from crmbook import plan_limits, tables
from crmbook.phases import handoff, rebuilding
from crmbook.vendors import plans
from reconciliation_world import frame

PRO = plan_limits.features(plans.plan("pro"))


def automation(name: str = "A", **given: Any) -> dict[str, Any]:
    blank = {"trigger": "", "conditions": "", "actions": "", "is_active": True, "notes": ""}
    return {"name": name, **blank, **given}


def guide(*rows: dict[str, Any], plan: str = "pro") -> pl.DataFrame:
    return rebuilding.rebuild_guide(handoff.automations(rows), plan_limits.features(plans.plan(plan)))


@pytest.mark.parametrize(
    ("part", "clause", "fits", "needs"),
    [
        pytest.param("trigger", "Contact is created", "same", "workflows", id="contact created"),
        pytest.param("trigger", "Deal status becomes lost", "same", "workflows", id="deal changes"),
        pytest.param(
            "trigger", "Deal stays in Offer for 5 days", "another way", "time_workflows", id="days in stage"
        ),
        pytest.param(
            "trigger", "60 days before Departure date", "another way", "time_workflows", id="before a date"
        ),
        pytest.param("trigger", "Event trip_viewed, 3 times", "another way", "event_tracking", id="event"),
        pytest.param("trigger", "Tag school is added", "another way", "workflows", id="tag"),
        pytest.param(
            "trigger", "Contact enters list Newsletter", "another way", "workflows", id="list, not contact"
        ),
        pytest.param("trigger", "Conversation opens", "none", "", id="chat"),
        pytest.param("condition", "Country is Germany or Austria", "same", "workflows", id="field"),
        pytest.param("condition", "Outside 09:00-17:00 Warsaw", "none", "", id="hours"),
        pytest.param("condition", "Won deals > 0", "another way", "workflows", id="deals of the contact"),
        pytest.param("action", "3 mails over 10 days", "another way", "", id="series of mails"),
        pytest.param("action", "Mail to contact", "same", "workflows", id="mail"),
        pytest.param("action", "task to owner", "same", "workflows", id="task"),
        pytest.param("action", "Push", "none", "", id="push"),
        pytest.param("action", "Create deal in Request", "none", "workflows", id="new record"),
        pytest.param("action", "Zrób coś", "unknown", "", id="no words we know"),
    ],
)
def test_a_part_gets_the_verdict_of_its_words(part: str, clause: str, fits: str, needs: str) -> None:
    """The first entry that matches decides; where none does, a person does."""
    found = guide(automation(**{rebuilding.PARTS[part]: clause}))
    assert [(part, clause, fits, needs)] == found.select("part", "listed", "fits", "needs").rows()


def test_every_clause_stands_in_the_guide_once() -> None:
    """Parts are divided where the customer divided them; nothing is dropped or reworded."""
    found = guide(automation(trigger="Contact is created", conditions="Country is Poland and Newsletter is true", actions="Mail; task to owner"))  # fmt: skip
    assert [
        ("action", 1, "Mail"), ("action", 2, "task to owner"), ("condition", 1, "Country is Poland"),
        ("condition", 2, "Newsletter is true"), ("trigger", 1, "Contact is created"),
    ] == found.select("part", "position", "listed").rows()  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param("growth", False, id="not in growth"),
        pytest.param("pro", True, id="from pro on"),
        pytest.param("estate", None, id="the vendor does not say"),
    ],
)
def test_the_plan_has_it_has_it_not_or_does_not_say(plan: str, expected: bool | None) -> None:
    """A workflow based on dates, on three plans."""
    found = guide(automation(trigger="60 days before Departure date"), plan=plan)
    assert expected is found["plan_has"][0]


def test_limits_count_active_automations_once_per_feature() -> None:
    """Two parts that need the same count once; what is off needs nothing; an unpublished number is neither."""
    rows = (
        automation("A", trigger="Birthday is today", actions="wait 3 days; Mail"),
        automation("B", trigger="Contact is created"),
        automation("C", trigger="Birthday is today", is_active=False),
    )
    limits = rebuilding.rebuild_limits(guide(*rows), PRO)
    assert [("active workflows", 2.0, 50.0, True), ("workflows based on date and time", 1.0, None, True)] == (
        limits.select("requirement", "needed", "allowed", "fits").rows()
    )
    growth = plan_limits.features(plans.plan("growth"))
    small = rebuilding.rebuild_limits(guide(*rows, plan="growth"), growth)
    assert [("active workflows", None), ("workflows based on date and time", False)] == (
        small.select("requirement", "fits").rows()
    )


def test_every_entry_has_a_source_with_a_date_and_a_known_need() -> None:
    """Knowledge without a source is an opinion; a need nobody declares would never be checked."""
    entries = [entry for part in rebuilding.knowledge().values() for entry in part]
    assert [] == [
        e.id for e in entries if not re.search(r" \((official|inferred|low), read \d{4}-\d{2}\)$", e.source)
    ]
    assert {"same", "another way", "none"} == {e.fits for e in entries}
    assert {e.needs for e in entries} - {""} == set(PRO)


def test_an_inventory_of_nothing_gives_an_empty_guide() -> None:
    """No automations, no lines, no limits."""
    empty = guide()
    assert (0, 0) == (empty.height, rebuilding.rebuild_limits(empty, PRO).height)
    assert frame(tables.REBUILD_GUIDE).schema == empty.schema
