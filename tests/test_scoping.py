"""What the move takes, and whether the plan allows it."""

import polars as pl
import pytest

from crmbook import plan_limits, tables
from crmbook.phases import discovery, scoping
from crmbook.vendors import plans
from source_rows import attributes, companies, contacts, deals, stages

PEOPLE = contacts(
    {"source_id": "1", "email": "a@b.example", "p_plan": '["a"]', "p_born": "1990-01-01"},
    {"source_id": "2", "web_push_subscription": True, "p_plan": '["b"]', "p_born": None},
)
SALES = deals(
    {"source_id": "1", "status": 2, "contact_id": "1", "currency": "EUR", "participants": ["2"]},
    {"source_id": "2", "status": 1, "contact_id": "1", "currency": "PLN"},
)
DECLARED = attributes(("contact", "plan", "Plan", "fixed"), ("contact", "born", "Born", "date"))
FIELDS = discovery.fields(PEOPLE, companies({"source_id": "1"}), SALES, DECLARED)
ONE_PIPELINE = stages(("10", "New", 10))
TWO_PIPELINES = pl.concat([ONE_PIPELINE, stages(("20", "New", 10), pipeline_id="2", pipeline="Other")])
AGENTS = pl.DataFrame([("1", "Ann", "a@a.example")], schema=tables.AGENTS.columns, orient="row")


def _check(plan: str, source_stages: pl.DataFrame = TWO_PIPELINES) -> dict[str, tuple[object, ...]]:
    made = scoping.plan_check(
        FIELDS, stages=source_stages, agents=AGENTS, deals=SALES, limits=plan_limits.of(plans.plan(plan))
    )
    return {r[0]: r[1:4] for r in made.iter_rows()}


def test_needs_are_counted_per_module_and_type() -> None:
    """The proposal's own custom fields, structure's included."""
    found = _check("growth")

    assert (1.0, 30.0, True) == found["contacts: date fields"]
    assert (1.0, 30.0, True) == found["contacts: dropdown fields"]
    assert (2.0, 20.0, True) == found["deals: text fields"]
    assert found["contacts: custom fields in all"][0] == sum(
        need for name, (need, *_) in found.items() if name.startswith("contacts: ") and "in all" not in name
    )


@pytest.mark.parametrize(
    ("expected", "plan", "requirement"),
    [
        pytest.param(False, "free", "contacts: text fields", id="free has no custom fields"),
        pytest.param(False, "blossom", "pipelines", id="one pipeline only"),
        pytest.param(True, "pro", "pipelines", id="any number of pipelines"),
        pytest.param(True, "pro", "currencies", id="any number of currencies"),
        pytest.param(None, "pro", "users", id="nobody publishes a number"),
    ],
)
def test_a_plan_fits_fails_or_does_not_say(expected: bool | None, plan: str, requirement: str) -> None:
    """An unpublished limit is neither."""
    assert _check(plan)[requirement][2] is expected


def test_one_pipeline_fits_every_plan_that_says_so() -> None:
    """The same need against the same limit, on the other side of it."""
    assert _check("blossom", ONE_PIPELINE)["pipelines"] == (1.0, 1.0, True)


def _inventory(*rows: tuple[str, int], closed: tuple[str, ...] = ()) -> pl.DataFrame:
    return pl.DataFrame(
        [(e, n, n, 0, n, e not in closed, "api", 0) for e, n in rows],
        schema=tables.INVENTORY.columns,
        orient="row",
    )


def _estimate(inventory: pl.DataFrame, quota: int | None = 1000) -> dict[str, tuple[float | None, str]]:
    made = scoping.estimate(
        inventory,
        fields=FIELDS,
        billing=discovery.billing(PEOPLE),
        stages=ONE_PIPELINE,
        deals=SALES,
        requests_per_hour=quota,
    )
    return {item: (figure, unit) for item, figure, unit, _ in made.iter_rows()}


SMALL = _inventory(("contacts", 2), ("companies", 1), ("deals", 2), ("activities", 9))


def test_calls_are_one_per_record_and_repair() -> None:
    """One company, one contact that moves, two deals, one closing, two contacts whose stage a deal moves."""
    found = _estimate(SMALL)

    assert ((14.0, "records"), (2.0, "contacts"), (1.0, "contacts")) == (
        found["records"], found["billable contacts"], found["contacts left out"],
    )  # fmt: skip
    assert ((7.0, "calls"), (9.0, "calls"), (3.0, "calls"), (0.02, "hours")) == (
        found["calls to write"], found["calls to write the history"], found["calls to read back"],
        found["hours at the plan's quota"],
    )  # fmt: skip


def test_calls_of_the_history_are_an_upper_bound() -> None:
    """Three instants an e-mail, one call for each activity, event, chat and file, a hundred members a call."""
    whole = _inventory(
        ("activities", 9), ("events", 4), ("conversations", 2), ("files", 1), ("emails", 5), ("segment_members", 101)
    )  # fmt: skip
    assert _estimate(whole)["calls to write the history"] == (9 + 4 + 2 + 1 + 3 * 5 + 2, "calls")


def test_files_and_automations_are_checked_against_the_plan() -> None:
    """The largest file, all of them together, and one workflow for each active automation."""
    files = pl.DataFrame(
        [{"entity": "deal", "source_id": "1", "name": n, "size_bytes": size} for n, size in (("a", 200 * 1024**2), ("b", 3 * 1024**3))],
        schema=tables.SOURCE_FILES.columns,
    )  # fmt: skip
    growth = plans.plan("growth")
    limits = plan_limits.of(growth) | plan_limits.features(growth) | plan_limits.files(growth, users=1)
    made = scoping.plan_check(
        FIELDS, stages=ONE_PIPELINE, agents=AGENTS, deals=SALES, limits=limits, files=files, automations=7
    )
    found = {r[0]: r[1:4] for r in made.iter_rows()}
    assert ((3072.0, 150.0, False), (3.2, 2.0, False), (7.0, None, None)) == (
        found["largest file in MB"], found["files in GB"], found["active workflows"],
    )  # fmt: skip


def test_hours_are_unknown_without_a_quota() -> None:
    """A plan that publishes none gives no forecast instead of zero."""
    assert _estimate(SMALL, None)["hours at the plan's quota"] == (None, "hours")


@pytest.mark.parametrize(
    ("expected", "inventory", "source_stages"),
    [
        pytest.param("A Simple", SMALL, ONE_PIPELINE, id="nothing special"),
        pytest.param("B Standard", SMALL, TWO_PIPELINES, id="two pipelines"),
        pytest.param(
            "B Standard", _inventory(("pipelines", 0), closed=("pipelines",)), ONE_PIPELINE, id="API gap"
        ),
        pytest.param(
            "C Complex",
            _inventory(("contacts", 1_000_001), ("agents", 0), closed=("agents",)),
            TWO_PIPELINES,
            id="large, gaps, pipelines",
        ),
        pytest.param(
            "D Individual", _inventory(("contacts", 2_000_001)), ONE_PIPELINE, id="over two million"
        ),
    ],
)
def test_the_grade_has_a_reason_per_point(
    expected: str, inventory: pl.DataFrame, source_stages: pl.DataFrame
) -> None:
    """More that is out of the ordinary, a higher grade."""
    grade, points, _, reasons = scoping.complexity(inventory, fields=FIELDS, stages=source_stages)

    assert (expected, len(reasons)) == (grade, points)


def test_more_than_two_million_records_are_scoped_individually() -> None:
    """The estimate says so in a row of its own; below, there is none."""
    assert "scoped individually" in _estimate(_inventory(("contacts", 2_000_001)))
    assert "scoped individually" not in _estimate(_inventory(("contacts", 2_000_000)))
