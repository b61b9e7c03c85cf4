"""What 02 decides beside fields: proposed, put up in decisions.csv, decided there, and part of the approved hash."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from crmbook import csvfiles, decisions, tables
from crmbook.errors import ConfigError
from crmbook.phases import decision_rows, events, listing, mapping, planning, tagging
from history_rows import events as occurrences
from history_rows import types
from source_rows import companies, contacts, deals, table

NO_FIELDS = tables.CUSTOM_FIELDS.empty()
PEOPLE = contacts({"source_id": "1", "email": "a@b.example", "tags": ["x", "y"], "list_ids": ["5"]})
MEMBERS = listing.members(PEOPLE, table(tables.SEGMENT_MEMBERS, []))
PLANS = planning.Plans(
    activity_types=types(("1", "=Call", "call"), ("2", "Visit", "meeting")),
    event_types=events.plan(occurrences({"source_id": "1", "contact_id": "1", "name": "paid, in cash"})),
    tag_plan=tagging.plan(
        tagging.used(contacts=PEOPLE, companies=companies(), deals=deals(), placeholder=None),
        policy="auto", left=frozenset(), taken=NO_FIELDS,
    ),
    list_plan=listing.plan(
        table(tables.LISTS, [{"list_id": "5", "name": "Fair"}]), table(tables.SEGMENTS, []), MEMBERS
    ),
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as the workbook writes it."""
    file = tmp_path / decisions.NAME
    _write(file, PLANS)
    return file


def _write(path: Path, plans: planning.Plans, before: decisions.Decisions | None = None) -> None:
    rows = decision_rows.rows(
        mapping=tables.MAPPING.empty(), stages=tables.STAGES.empty(), owners=tables.OWNERS.empty(),
        choices=tables.CHOICES.empty(), history=planning.rows(plans), fields=tables.FIELDS.empty(),
        before=before.kept if before else {},
    )  # fmt: skip
    decisions.write_csv(path, rows.to_dicts())


def _decide(path: Path, entity: str, field: str, target: str, decision: str = "changed") -> None:
    rows = [row for _, row in csvfiles.read(path, decisions.COLUMNS)]
    for row in rows:
        if (row["entity"], row["source_field"]) == (entity, field):
            row |= {"target_field": target, "decision": decision}
    csvfiles.write(path, decisions.COLUMNS, rows)


def _read(path: Path) -> decisions.Decisions:
    return decisions.parsed(decisions.read_csv(path))


def _after(path: Path) -> planning.Plans:
    return planning.with_decisions(PLANS, _read(path).history, NO_FIELDS)


def test_every_plan_is_put_up_for_decision(path: Path) -> None:
    """One row each, with what stands there now."""
    rows = {
        (r["entity"], r["source_field"]): r["target_field"] for _, r in csvfiles.read(path, decisions.COLUMNS)
    }

    assert {
        ("activity_type", "1"): "sales_activities",
        ("activity_type", "2"): "appointments",
        ("event", "paid, in cash"): "notes",
        ("list", "list:5"): "Fair",
        ("tag", "contact"): "multi_select",
        ("tag", "company"): "native",
        ("tag", "deal"): "native",
    } == rows
    assert "'=Call" not in str(rows)


def test_a_file_nobody_touched_changes_nothing(path: Path) -> None:
    """What is written is what is read."""
    after = _after(path)

    assert _read(path).history.height == 0
    assert all(getattr(after, name).equals(getattr(PLANS, name)) for name in vars(PLANS))


@pytest.mark.parametrize(
    ("expected", "entity", "field", "target", "decision"),
    [
        pytest.param(
            ("activity_types", "carrier", "tasks"), "activity_type", "1", "tasks", "changed", id="carrier"
        ),
        pytest.param(
            ("activity_types", "carrier", "skip"), "activity_type", "1", "", "skip", id="left behind"
        ),
        pytest.param(
            ("event_types", "carrier", "tasks"), "event", "paid, in cash", "tasks", "changed", id="event"
        ),
        pytest.param(("tag_plan", "mode", "native"), "tag", "contact", "native", "changed", id="tags"),
        pytest.param(("list_plan", "target_name", "Messe"), "list", "list:5", "Messe", "changed", id="list"),
        pytest.param(
            ("list_plan", "target_name", ""), "list", "list:5", "Fair", "skip", id="list left behind"
        ),
    ],
)
def test_a_persons_decision_is_taken_kept_and_hashed(
    path: Path, expected: tuple[str, str, str], entity: str, field: str, target: str, decision: str
) -> None:
    """It changes the plan, survives the next run in the file, and needs a new approval."""
    _decide(path, entity, field, target, decision)
    after = _after(path)
    _write(path, after, _read(path))

    name, column, value = expected
    assert value in getattr(after, name)[column].to_list()
    assert getattr(after, name).equals(getattr(_after(path), name))
    nothing = (tables.MAPPING.empty(), tables.STAGES.empty(), tables.OWNERS.empty())
    assert mapping.effective_hash(*nothing, PLANS.effective()) != mapping.effective_hash(
        *nothing, after.effective()
    )


def test_counts_and_reasons_have_no_say_in_the_hash() -> None:
    """A confirmed proposal hashes as the proposal did, whatever order the rows have."""
    other = replace(
        PLANS,
        activity_types=PLANS.activity_types.reverse().with_columns(
            records=pl.lit(9, pl.Int64), reason=pl.lit("x")
        ),
    )
    nothing = (tables.MAPPING.empty(), tables.STAGES.empty(), tables.OWNERS.empty())

    assert mapping.effective_hash(*nothing, PLANS.effective()) == mapping.effective_hash(
        *nothing, other.effective()
    )


@pytest.mark.parametrize(
    ("expected", "entity", "field", "target", "decision"),
    [
        pytest.param(
            "expected one of sales_activities, ap", "activity_type", "1", "calls", "changed", id="carrier"
        ),
        pytest.param(
            "expected one of notes, sales_a", "event", "paid, in cash", "appointments", "changed", id="event"
        ),
        pytest.param("expected one of native, multi", "tag", "contact", "labels", "confirmed", id="mode"),
        pytest.param("is empty; name a target", "list", "list:5", " ", "changed", id="name"),
        pytest.param("left behind by the row `tags`", "tag", "contact", "", "skip", id="tags"),
    ],
)
def test_a_fault_names_its_line(
    path: Path, expected: str, entity: str, field: str, target: str, decision: str
) -> None:
    """And what was expected."""
    _decide(path, entity, field, target, decision)

    with pytest.raises(ConfigError, match=rf"decisions.csv line \d+, column .*{expected}"):
        _read(path)


def test_rows_for_what_is_gone_have_no_effect(path: Path) -> None:
    """A list deleted in the source since."""
    gone = pl.DataFrame([("list", "list:99", "x", "changed")], schema=planning.DECIDED, orient="row")

    after = planning.with_decisions(PLANS, gone, NO_FIELDS)

    assert after.list_plan.equals(PLANS.list_plan)
