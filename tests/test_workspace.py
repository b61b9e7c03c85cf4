"""The checklist: what the mapping needs beside what the tenant's settings say."""

from dataclasses import dataclass

import polars as pl
import pytest

from crmbook import tables
from crmbook.errors import SchemaError
from crmbook.phases import workspace


@dataclass(frozen=True)
class Policy:
    custom_fields: str = "checklist"
    workflows_disabled: bool = True


FIELD = {
    "module": "contacts", "api_name": "cf_plan", "label": "Plan", "field_type": "dropdown",
    "choices": ["free", "paid, yearly"], "is_unique": False,
}  # fmt: skip
MARK = {
    "module": "deals", "api_name": "cf_usercom_original_id", "label": "User.com original id",
    "field_type": "text", "choices": [], "is_unique": True,
}  # fmt: skip
SETTING = {
    "module": "contacts", "api_name": "cf_plan", "label": "Plan", "field_type": "dropdown", "is_custom": True,
    "is_required": False, "choices": ["paid, yearly", "free", "trial"], "choice_ids": ["1", "2", "3"],
}  # fmt: skip


def stage(stage_id, name, position, probability, forecast="Open", pipeline="Sales"):
    return {
        "pipeline_id": "9", "stage_id": stage_id, "pipeline": pipeline, "stage": name, "probability": 12.5,
        "target_pipeline": pipeline, "target_stage": name, "target_position": position,
        "target_probability": probability, "forecast_type": forecast, "is_rounded": False, "is_added": False, "deals": 1,
    }  # fmt: skip


def target_stage(stage_id, name, position, probability, forecast="Open", pipeline="Sales"):
    return {
        "stage_id": stage_id, "pipeline_id": 4, "pipeline": pipeline, "stage": name, "position": position,
        "probability": float(probability), "forecast_type": forecast,
    }  # fmt: skip


def frame(table, *rows):
    return pl.DataFrame(list(rows), schema=table.columns)


OWNERS = frame(
    tables.OWNERS,
    {"agent_id": "1", "name": "Ola", "email": "Ola@x.example", "is_known": True, "records": 2},
    {"agent_id": "2", "name": "Boss", "email": "ADMIN@x.example", "is_known": True, "records": 2},
    {"agent_id": "3", "name": None, "email": None, "is_known": False, "records": 1},
)
USERS = frame(
    tables.TARGET_OWNERS,
    {"owner_id": 1, "name": "Ola", "email": "ola@X.example", "is_active": True},
    {"owner_id": 2, "name": "Boss", "email": "admin@x.example", "is_active": True},
)


NEW = (stage("1", "New", 1, 12),)
NEW_THERE = (target_stage(7, "New", 1, 12),)


def needs(fields=(FIELD,), stages=NEW, owners=OWNERS, currencies=("eur", "EUR ", None, "")):
    return workspace.needs(
        custom_fields=frame(tables.CUSTOM_FIELDS, *fields),
        stages=frame(tables.STAGES, *stages),
        owners=owners,
        currencies=currencies,
        admin_email="admin@x.example",
    )


def check(
    needed,
    *,
    fields=(SETTING,),
    users=USERS,
    stages=NEW_THERE,
    policy=Policy(),
    euro=True,
):
    money = (
        [{"currency_id": 5, "code": "EUR", "is_active": euro, "is_base": True}] if euro is not None else []
    )
    return workspace.check(
        needed,
        target_fields=frame(tables.TARGET_FIELDS, *fields),
        target_owners=users,
        target_stages=frame(tables.TARGET_STAGES, *stages),
        target_currencies=frame(tables.TARGET_CURRENCIES, *money),
        policy=policy,
    )


def row(checklist, item_id):
    return checklist.row(by_predicate=pl.col("item_id") == item_id, named=True)


def verdict(checklist, item_id):
    found = row(checklist, item_id)
    return found["status"], found["found"]


def test_each_need_has_one_stable_item():
    """One row per thing: fields, pipelines, stages, owners by agent, the administrator once, settings."""
    assert needs(fields=(FIELD, MARK))["item_id"].to_list() == [
        "field:contacts:cf_plan",
        "field:deals:cf_usercom_original_id",
        "owner:1",
        "owner:admin",
        "pipeline:Sales",
        "setting:currency:EUR",
        "setting:workflows_off",
        "stage:Sales/New",
    ]


def test_a_field_need_tells_an_admin_all_there_is():
    """Label, type, choices as JSON in order, uniqueness: what a person or a script needs to create it."""
    found = row(needs(fields=(FIELD, MARK)), "field:contacts:cf_plan")
    assert tuple(found[k] for k in ("label", "field_type", "choices", "unique", "how")) == (
        "Plan",
        "dropdown",
        '["free", "paid, yearly"]',
        False,
        "admin",
    )
    assert row(needs(fields=(FIELD, MARK)), "field:deals:cf_usercom_original_id")["unique"] is True


def test_two_source_stages_of_one_target_stage_are_one_need():
    """Stages that fall together in the target are asked for once, in the order of the pipeline."""
    made = needs(
        stages=(
            stage("2", "Won", 2, 100, "Closed Won"),
            stage("won", "Won", 2, 100, "Closed Won"),
            stage("1", "New", 1, 12),
        )
    )
    stages = made.filter(pl.col("kind") == "stage").sort("position")
    assert list(stages.select("stage", "probability", "position").iter_rows()) == [
        ("New", 12, 1),
        ("Won", 100, 2),
    ]


def test_all_present():
    """A tenant that has everything, in other case and order, with more besides, stops nothing."""
    made = check(needs())
    assert {"present"} == set(made["status"])
    assert workspace.blocking(made).height == 0


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({}, ("present", "")),
        ({"field_type": "radio"}, ("present", "")),
        ({"field_type": "text"}, ("mismatch", "type text")),
        ({"choices": ["free"], "choice_ids": ["2"]}, ("mismatch", "1 choices missing: paid, yearly")),
        ({"choices": None, "choice_ids": None}, ("mismatch", "2 choices missing: free, paid, yearly")),
        ({"api_name": "cf_plan_1"}, ("mismatch", "the label stands on cf_plan_1")),
        ({"api_name": "cf_plan_1", "label": "Other"}, ("missing", "")),
        ({"module": "deals"}, ("missing", "")),
    ],
    ids=["same", "radio", "text", "choice", "no-choices", "label-elsewhere", "absent", "other-module"],
)
def test_fields(setting, expected):
    """A field is present only under its exact api name, with a type that holds it and all its choices."""
    made = check(needs(), fields=(SETTING | setting,))
    assert ("set", expected[1].count("free")) == (
        "set",
        verdict(made, "field:contacts:cf_plan")[1].count("free"),
    )
    assert expected[0] == verdict(made, "field:contacts:cf_plan")[0]
    assert sorted(expected[1]) == sorted(verdict(made, "field:contacts:cf_plan")[1])


@pytest.mark.parametrize(
    ("told", "found"),
    [(True, ""), (None, ""), (False, "not unique: these records are written one by one")],
    ids=["unique", "not-told", "not-unique"],
)
def test_a_field_that_is_not_unique_stops_nothing_but_is_said(told, found):
    """The load works without it, in more calls; so the item is present, with what that costs."""
    setting = SETTING | MARK | {"is_unique": told}
    checklist = check(needs(fields=(MARK,)), fields=(setting,))
    assert verdict(checklist, "field:deals:cf_usercom_original_id") == ("present", found)


def test_a_unique_text_field_may_not_be_a_text_area():
    """Only a text or number field can be unique, so the mark does not accept its roomier relative."""
    area = SETTING | {
        "module": "deals",
        "api_name": "cf_usercom_original_id",
        "field_type": "textarea",
        "choices": [],
    }
    assert verdict(check(needs(fields=(MARK,)), fields=(area,)), "field:deals:cf_usercom_original_id") == (
        "mismatch",
        "type textarea",
    )


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([target_stage(7, " NEW", 1, 12), target_stage(8, "Won", 2, 100, "Closed Won")], ("present", "")),
        (
            [
                target_stage(7, "New", 1, 12),
                target_stage(6, "Extra", 2, 50),
                target_stage(8, "Won", 3, 100, "Closed Won"),
            ],
            ("present", ""),
        ),
        (
            [target_stage(7, "New", 1, 13), target_stage(8, "Won", 2, 100, "Closed Won")],
            ("mismatch", "probability 13.0"),
        ),
        (
            [target_stage(7, "New", 1, 12, "Closed Lost"), target_stage(8, "Won", 2, 100, "Closed Won")],
            ("mismatch", "forecast type Closed Lost"),
        ),
        (
            [target_stage(7, "New", 5, 12), target_stage(8, "Won", 2, 100, "Closed Won")],
            ("mismatch", "position 5"),
        ),
        (
            [target_stage(7, "New", 1, 12, pipeline="Other"), target_stage(8, "Won", 2, 100, "Closed Won")],
            ("missing", ""),
        ),
    ],
    ids=["same", "more-between", "probability", "forecast", "order", "other-pipeline"],
)
def test_stages(there, expected):
    """A stage is present in its own pipeline, in the mapping's order, with its probability and kind."""
    made = check(
        needs(stages=(stage("1", "New", 1, 12), stage("2", "Won", 2, 100, "Closed Won"))), stages=there
    )
    assert expected == verdict(made, "stage:Sales/New")


def test_a_missing_pipeline_stops_the_load():
    """Pipeline and stages are separate items; none of them being there blocks."""
    made = check(needs(), stages=())
    assert workspace.blocking(made)["item_id"].to_list() == ["pipeline:Sales", "stage:Sales/New"]


def test_owners_wait_but_the_administrator_stops():
    """An agent without an active user goes to the queue; without the administrator nothing can be owned."""
    users = USERS.with_columns(is_active=pl.lit(value=False))
    made = check(needs(), users=users)
    assert verdict(made, "owner:1") == ("mismatch", "inactive user")
    assert workspace.blocking(made)["item_id"].to_list() == ["owner:admin"]
    assert workspace.blocking(check(needs(), users=USERS.clear()))["item_id"].to_list() == ["owner:admin"]


@pytest.mark.parametrize(
    ("euro", "expected"),
    [(True, ("present", "")), (False, ("mismatch", "inactive")), (None, ("missing", ""))],
    ids=["active", "inactive", "absent"],
)
def test_currencies(euro, expected):
    """A currency counts when it is active."""
    assert expected == verdict(check(needs(), euro=euro), "setting:currency:EUR")


def test_workflows_are_off_only_when_the_customer_says_so():
    """Nothing in the API tells it, so the policy is the evidence."""
    made = check(needs(), policy=Policy(workflows_disabled=False))
    assert verdict(made, "setting:workflows_off") == (
        "missing",
        "not confirmed: policy.workflows_disabled is false",
    )
    assert workspace.blocking(made)["item_id"].to_list() == ["setting:workflows_off"]


def test_the_api_creates_only_what_it_is_known_to_create():
    """Choices and uniqueness through the API are unknown, so those fields stay with the admin."""
    plain = FIELD | {"api_name": "cf_note", "field_type": "text", "choices": []}
    made = check(needs(fields=(FIELD, MARK, plain)), policy=Policy(custom_fields="api"))
    fields = made.filter(pl.col("kind") == "custom_field")
    assert dict(fields.select("api_name", "how").iter_rows()) == {
        "cf_plan": "admin",
        "cf_usercom_original_id": "admin",
        "cf_note": "api",
    }


def test_counts_by_kind():
    """The table a notebook shows: every kind, and how much of it stops the load."""
    made = workspace.by_status(check(needs(), stages=(), users=USERS.head(1)))
    assert list(made.select("kind", "present", "missing", "mismatch", "blocking").iter_rows()) == [
        ("custom_field", 1, 0, 0, 0),
        ("owner", 1, 1, 0, 1),
        ("pipeline", 0, 1, 0, 1),
        ("setting", 2, 0, 0, 0),
        ("stage", 0, 1, 0, 1),
    ]


def test_readiness_leaves_out_what_stops_nothing():
    """A missing owner is no reason to wait; the missing pipeline and its stage are counted."""
    made = workspace.readiness(check(needs(), stages=(), users=USERS.tail(1)))
    assert made.rows() == [
        ("custom_field", 1, 0, 0),
        ("owner", 1, 0, 0),
        ("pipeline", 0, 1, 0),
        ("setting", 2, 0, 0),
        ("stage", 0, 1, 0),
    ]


def test_nothing_needed_is_nothing_but_the_admin_and_workflows():
    """Empty frames in, no crash."""
    made = check(needs(fields=(), stages=(), owners=OWNERS.clear(), currencies=()))
    assert made["item_id"].to_list() == ["owner:admin", "setting:workflows_off"]


def test_a_frame_that_is_no_need_is_refused():
    """The checklist is made of `needs`; anything else says which columns it lacks."""
    with pytest.raises(SchemaError, match="item_id"):
        check(pl.DataFrame({"kind": ["x"]}))


def carried(*rows):
    names = ("activity_type_id", "kind", "carrier", "records")
    return frame(tables.ACTIVITY_MAP, *(dict(zip(names, row, strict=True)) for row in rows))


def activity_items(types, *there):
    needed = workspace.needs(
        custom_fields=frame(tables.CUSTOM_FIELDS), stages=frame(tables.STAGES), owners=OWNERS, currencies=[],
        admin_email="admin@x.example", activity_types=types,
    )  # fmt: skip
    found = frame(
        tables.TARGET_ACTIVITY_TYPES,
        *({"type_id": n, "name": "x", "internal_name": name} for n, name in enumerate(there)),
    )
    checklist = workspace.check(
        needed, target_fields=frame(tables.TARGET_FIELDS), target_owners=USERS, target_stages=frame(tables.TARGET_STAGES),
        target_currencies=frame(tables.TARGET_CURRENCIES), policy=Policy(), target_activity_types=found,
    )  # fmt: skip
    return (
        checklist.filter(pl.col("item_id").str.starts_with("setting:activity_type"))
        .select("item_id", "status")
        .rows()
    )


@pytest.mark.parametrize(
    ("types", "there", "expected"),
    [
        ([("1", "call", "sales_activities", 4), ("2", "email", "sales_activities", 1)], ["phone", "task"], [("setting:activity_type:email", "missing"), ("setting:activity_type:phone", "present")]),
        ([("1", "call", "sales_activities", 4), ("2", "call", "sales_activities", 4)], ["phone", "phone"], [("setting:activity_type:phone", "present")]),
        ([("1", "call", "tasks", 4), ("2", "email", "sales_activities", 0), ("3", "push", "sales_activities", 3)], [], []),
    ],
    ids=["one-missing", "once-each", "none-needed"],
)  # fmt: skip
def test_calls_and_mails_need_their_type_of_activity(types, there, expected):
    """Only where a sales activity carries them; a type without records, or with a substitute, asks for nothing."""
    assert activity_items(carried(*types), *there) == expected
