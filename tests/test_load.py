"""The plan: each record written once, in an order that works, in the words of the tenant."""

import json
from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import load_case as case
from crmbook import tables
from crmbook.errors import UpstreamError
from crmbook.phases import load, operations

FIELDS = [
    ("contacts", "cf_usercom_original_id", "text", [], []),
    ("sales_accounts", "cf_usercom_original_id", "text", [], []),
    ("deals", "cf_usercom_original_id", "text", [], []),
    ("contacts", "cf_plan", "dropdown", ["free", "paid, yearly"], ["71", "72"]),
    ("contacts", "cf_topics", "multi_select_dropdown", ["a", "b", "c"], ["81", "82", "83"]),
    ("contacts", "cf_agreed", "checkbox", [], []),
    ("contacts", "cf_born", "date", [], []),
    ("deals", "cf_score", "number", [], []),
]
ADMIN_ID, OLA_ID, INES_ID = 11, 12, 13
STATUSES = [
    ("Lead", 41, 1, 51, 1),
    ("Lead", 41, 1, 52, 2),
    ("Sales Qualified Lead", 42, 2, 53, 1),
    ("Customer", 43, 3, 54, 1),
]


def tenant() -> dict[str, pl.DataFrame]:
    fields = ({"module": m, "api_name": n, "label": n, "field_type": t, "is_custom": True, "is_required": False, "choices": c, "choice_ids": i} for m, n, t, c, i in FIELDS)  # fmt: skip
    users = [
        (ADMIN_ID, case.ADMIN.upper(), True),
        (OLA_ID, "OLA@case.example", True),
        (INES_ID, "ines@case.example", False),
    ]
    stages = [
        (21, "New", 1, 20.0, "Open"),
        (22, "won ", 2, 100.0, "Closed Won"),
        (23, "Lost", 3, 0.0, "Closed Lost"),
    ]
    return {
        "target_fields": case.frame(tables.TARGET_FIELDS, *fields),
        "target_owners": case.frame(tables.TARGET_OWNERS, *({"owner_id": i, "name": "x", "email": e, "is_active": a} for i, e, a in users)),
        "target_stages": case.frame(tables.TARGET_STAGES, *({"stage_id": i, "pipeline_id": 20, "pipeline": "sales", "stage": n, "position": p, "probability": c, "forecast_type": f} for i, n, p, c, f in stages)),
        "target_statuses": case.frame(tables.TARGET_STATUSES, *({"status_id": s, "status": "x", "position": p, "stage_id": l, "stage": "renamed", "stage_type": t, "stage_position": lp} for t, l, lp, s, p in STATUSES)),
        "target_currencies": case.frame(tables.TARGET_CURRENCIES, {"currency_id": 31, "code": "EUR", "is_active": True, "is_base": True}, {"currency_id": 32, "code": "PLN", "is_active": True, "is_base": False}),
    }  # fmt: skip


def plan(**changed: Any) -> pl.DataFrame:
    given = {
        "sales_accounts": case.accounts(), "contacts": case.contacts(), "deals": case.deals(), "stages": case.stages(),
        "owners": case.owners(), **tenant(), "existing": tables.EXISTING.empty(), "capabilities": case.capabilities(),
        "admin_email": case.ADMIN,
    }  # fmt: skip
    return operations.numbered(load.parts(**(given | changed)))


def payload(planned: pl.DataFrame, op_id: str) -> dict[str, Any]:
    return json.loads(planned.row(by_predicate=pl.col("op_id") == op_id, named=True)["payload"])


def existing(*rows: dict[str, Any]) -> pl.DataFrame:
    return case.frame(tables.EXISTING, *rows)


def test_order_and_coverage():
    """Accounts, contacts, deals, closing dates, lifecycle stages; every normalized row once."""
    made = plan()
    assert made["op_id"].to_list() == [
        "company:create:5000", "company:create:5001", "company:create:5002",
        "contact:create:100", "contact:create:101", "contact:create:102", "contact:create:103",
        "deal:create:900", "deal:create:901", "deal:create:902", "deal:close:901",
        "contact:lifecycle:100", "contact:lifecycle:101", "contact:lifecycle:102",
    ]  # fmt: skip
    assert made["seq"].to_list() == list(range(1, 15))
    cover = load.coverage(made, sales_accounts=case.accounts(), contacts=case.contacts(), deals=case.deals())
    assert cover.filter(pl.col("normalized") > 0).rows() == [
        ("company", 3, 3, 0, 0, 0),
        ("contact", 4, 4, 0, 0, 0),
        ("deal", 3, 3, 0, 0, 0),
    ]


def test_coverage_tells_a_gap_from_a_repeat():
    """A plan that lost a row and has another twice is not covered by its count."""
    made = plan()
    lost = made.filter(pl.col("op_id") != "deal:create:900")
    twice = pl.concat(
        [lost, lost.filter(pl.col("op_id") == "deal:create:901").with_columns(op_id=pl.lit("again"))]
    )
    cover = load.coverage(twice, sales_accounts=case.accounts(), contacts=case.contacts(), deals=case.deals())
    assert cover.row(by_predicate=pl.col("entity") == "deal") == ("deal", 3, 3, 0, 1, 1)


def test_a_write_comes_after_what_it_needs():
    """Every op named in `after` has a smaller number, and the links of a record are among them."""
    made = plan()
    seq = dict(made.select("op_id", "seq").iter_rows())
    after = dict(made.select("op_id", "after").iter_rows())
    assert [op for op, needs in after.items() if any(seq[need] >= seq[op] for need in needs)] == []
    assert after["contact:create:100"] == ["company:create:5000", "company:create:5001"]
    assert after["deal:create:900"] == ["company:create:5000", "contact:create:102"]
    assert after["deal:close:901"] == ["deal:create:901"]
    assert after["contact:lifecycle:101"] == ["contact:create:101", "deal:create:901"]


def test_bodies():
    """Empty values left out, links as references with the first account primary, ids for stage, owner, currency."""
    made = plan()
    assert payload(made, "contact:create:100") == {
        "email": "known@X.example", "last_name": "P 0", "external_id": "100", "owner_id": OLA_ID, "tags": ["ours"],
        "sales_accounts": [{"id": {"$id": "company:5001"}, "is_primary": True}, {"id": {"$id": "company:5000"}, "is_primary": False}],
        "lifecycle_stage_id": 41, "contact_status_id": 51, "custom_field": {"cf_usercom_original_id": "100"},
    }  # fmt: skip
    assert payload(made, "deal:create:900") == {
        "name": "Open one", "amount": 1234.5, "currency_id": 32, "deal_pipeline_id": 20, "deal_stage_id": 21,
        "sales_account_id": {"$id": "company:5000"}, "contacts_added_list": [{"$id": "contact:102"}], "owner_id": OLA_ID,
        "custom_field": {"cf_usercom_original_id": "900"},
    }  # fmt: skip
    assert payload(made, "deal:create:901")["amount"] == 0.0
    assert payload(made, "deal:close:901") == {"closed_date": "2019-05-03"}
    assert payload(made, "contact:lifecycle:101") == {"lifecycle_stage_id": 43, "contact_status_id": 54}
    assert payload(made, "contact:create:102")["custom_field"] == {
        "cf_agreed": False, "cf_born": "1969-12-31", "cf_usercom_original_id": "102",
    }  # fmt: skip


@pytest.mark.parametrize(("agent", "owner"), [("1", OLA_ID), ("2", ADMIN_ID), ("9", ADMIN_ID), ("77", ADMIN_ID), (None, ADMIN_ID)],
                         ids=["active", "inactive", "no-e-mail", "unknown", "none"])  # fmt: skip
def test_owners(agent, owner):
    """E-mails match in any case, only active users own; everything else is the administrator's."""
    made = plan(contacts=case.contacts().with_columns(owner_agent_id=pl.lit(agent)))
    assert payload(made, "contact:create:103")["owner_id"] == owner


@pytest.mark.parametrize(
    ("choice", "multi", "plan_value", "topics"),
    [
        ("label", "array_label", "paid, yearly", ["b", "a"]),
        ("id", "array_id", 72, [82, 81]),
        ("label", "semicolon_label", "paid, yearly", "b;a"),
        ("id", "semicolon_id", 72, "82;81"),
    ],
    ids=["labels", "ids", "semicolons", "semicolon-ids"],
)
def test_choices_as_the_tenant_wants_them(choice, multi, plan_value, topics):
    """Dropdowns and multi-selects are written the way the tenant was measured to take them."""
    made = plan(capabilities=case.capabilities(choice_write=choice, multi_write=multi))
    custom = payload(made, "contact:create:101")["custom_field"]
    assert (custom["cf_plan"], custom["cf_topics"]) == (plan_value, topics)


def test_a_radio_button_takes_its_label():
    """Radio fields are written by label whatever dropdowns want (vendor docs)."""
    fields = tenant()["target_fields"].with_columns(
        field_type=pl.col("field_type").replace("dropdown", "radio")
    )
    made = plan(target_fields=fields, capabilities=case.capabilities(choice_write="id"))
    assert payload(made, "contact:create:101")["custom_field"]["cf_plan"] == "paid, yearly"


EXISTING = [
    ("mark before e-mail", [{"module": "contacts", "target_id": 7, "original_id": "103"}, {"module": "contacts", "target_id": 8, "email": "p3@x.example"}], {"contact:update:103": 7}),
    ("external id", [{"module": "contacts", "target_id": 7, "external_id": "103"}], {"contact:update:103": 7}),
    ("e-mail in other case", [{"module": "contacts", "target_id": 7, "email": " P3@X.example"}], {"contact:update:103": 7}),
    ("account name", [{"module": "sales_accounts", "target_id": 7, "name": " acme "}], {"company:update:5000": 7}),
    ("deal by its mark only", [{"module": "deals", "target_id": 7, "original_id": "900"}, {"module": "deals", "target_id": 8, "name": "Won one"}], {"deal:update:900": 7}),
    ("the mark of another module", [{"module": "deals", "target_id": 7, "original_id": "103"}], {}),
    ("one target for one source", [{"module": "contacts", "target_id": 7, "original_id": "100", "email": "p3@x.example"}], {"contact:update:100": 7}),
    ("the mark twice", [{"module": "contacts", "target_id": 9, "original_id": "103"}, {"module": "contacts", "target_id": 8, "original_id": "103"}], {"contact:update:103": 8}),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), [pytest.param(r, e, id=i) for i, r, e in EXISTING])
def test_what_exists_is_updated(rows, expected):
    """A record the target holds is recognised by mark, external id, e-mail or unique name, never twice."""
    made = plan(existing=existing(*rows)).filter(pl.col("action") == "update")
    assert dict(made.select("op_id", "target_id").iter_rows()) == expected


def test_names_do_not_match_where_they_are_not_unique():
    """Two accounts of one name may be two companies."""
    rows = existing({"module": "sales_accounts", "target_id": 7, "name": "ACME"})
    made = plan(existing=rows, capabilities=case.capabilities(account_name_unique="false"))
    assert "update" not in made["action"]


def test_the_hash_is_of_the_content_not_of_the_order_it_came_in():
    """Input rows in another order give the same plan; one changed value gives another hash."""
    first = plan()
    shuffled = plan(
        contacts=case.contacts().reverse(), deals=case.deals().sample(fraction=1, shuffle=True, seed=3)
    )
    assert_frame_equal(first, shuffled)
    assert load.plan_hash(first) == load.plan_hash(shuffled.sample(fraction=1, shuffle=True, seed=1))
    changed = plan(deals=case.deals().with_columns(amount=pl.col("amount") + 0.01))
    assert load.plan_hash(first) != load.plan_hash(changed)


def test_summary_and_headline():
    """What a person approves, in one line and in one table."""
    made = plan()
    assert load.summary(made).rows() == [
        ("company", "create", 3), ("contact", "create", 4), ("deal", "create", 3), ("deal", "close", 1), ("contact", "lifecycle", 3),
    ]  # fmt: skip
    assert (
        load.headline(made)
        == "14 writes: 3 company create, 4 contact create, 3 deal create, 1 deal close, 3 contact lifecycle"
    )


def without_field(name):
    return tenant()["target_fields"].filter(pl.col("api_name") != name)


REFUSALS = {
    "no such field": ({"target_fields": without_field("cf_born")}, r"contacts: the target has no field cf_born and would drop"),
    "unmeasured choice": ({"capabilities": case.capabilities(choice_write="unknown")}, r"cf_plan .* was not measured \(choice_write is unknown"),
    "unmeasured multi-select": ({"capabilities": case.capabilities(multi_write="unknown")}, r"cf_topics .* \(multi_write is unknown"),
    "unknown choice": ({"contacts": case.contacts().with_columns(cf_plan=pl.lit("gold"))}, r"1 different values of cf_plan are not among its choices"),
    "unknown choice of several": ({"contacts": case.contacts().with_columns(cf_topics=pl.lit(["a", "z"]))}, r"1 different values of cf_topics"),
    "no number": ({"deals": case.deals().with_columns(amount=pl.lit(float("nan")))}, r"deals: amount holds values that are not numbers"),
    "no stage": ({"target_stages": tenant()["target_stages"].head(2)}, r"deals: 1 have a stage that the target does not have"),
    "inactive currency": ({"target_currencies": tenant()["target_currencies"].with_columns(is_active=pl.lit(value=False))}, r"deals: 2 have a currency"),
    "no lifecycle": ({"target_statuses": tenant()["target_statuses"].head(2)}, r"no status in a lifecycle stage of type Customer, Sales Qualified Lead"),
    "no administrator": ({"admin_email": "ines@case.example"}, r"customer.admin_email is no active user"),
    "dangling account": ({"sales_accounts": case.accounts().head(2)}, r"contacts: account_ids names 1 records that are not loaded"),
    "dangling contact": ({"contacts": case.contacts().head(2)}, r"deals: contact_ids names 1 records"),
    "no mark": ({"deals": case.deals().with_columns(cf_usercom_original_id=pl.lit(None, dtype=pl.String))}, r"deals: 3 rows do not carry their source id in cf_usercom_original_id"),
    "another external id": ({"contacts": case.contacts().with_columns(external_id=pl.lit("x"))}, r"contacts: 4 rows do not carry their source id in external_id"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_vendor_would_drop_or_refuse_stops_here(changed, message):
    """Nothing is planned that is known to fail; the message names where and what to do, no value."""
    with pytest.raises(UpstreamError, match=message) as stop:
        plan(**changed)
    assert "run 0" in str(stop.value)
    assert "gold" not in str(stop.value)


def test_an_empty_migration_is_an_empty_plan():
    """No records: no writes, a hash all the same, coverage of zero."""
    empty = {name: getattr(case, maker)().clear() for name, maker in (("sales_accounts", "accounts"), ("contacts", "contacts"), ("deals", "deals"))}  # fmt: skip
    made = plan(**empty)
    assert (made.height, len(load.plan_hash(made)), load.headline(made)) == (0, 64, "0 writes")
    assert load.coverage(made, **empty)["planned"].sum() == 0


def test_an_unfilled_custom_column_needs_no_field():
    """`cf_empty` is null everywhere and unknown to the tenant: nothing would be lost."""
    assert "cf_empty" not in payload(plan(), "contact:create:100")["custom_field"]


def test_text_is_written_as_it_is():
    """Quotes, emoji and markup survive the canonical JSON."""
    name = '="x" <b>Ö🙂</b>\\'
    made = plan(deals=case.deals().with_columns(name=pl.lit(name), expected_close=pl.lit(date(2099, 1, 2))))
    assert payload(made, "deal:create:900")["name"] == name
    assert payload(made, "deal:create:900")["expected_close"] == "2099-01-02"
