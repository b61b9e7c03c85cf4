"""Calls foretold: each way of writing has its price, and what was used stands beside it."""

from typing import Any

import polars as pl
import pytest

import bulk_world as bulk
import load_case as case
from crmbook import tables
from crmbook.phases import bulk_values, forecast, strategies
from crmbook.phases.strategies import SINGLE, THEN_LINKS, WITH_LINKS, Way

NOTHING = tables.EXISTING.empty()
ALONE = {"contact": Way(SINGLE, "", "")}
KEPT = {"contact": Way(WITH_LINKS, "k", ""), "deal": Way(WITH_LINKS, "k", "")}
DROPPED = {"contact": Way(THEN_LINKS, "k", "")}


def ops(entity: str, action: str, count: int, *, links: int = 0) -> list[dict[str, Any]]:
    payloads = [
        '{"sales_accounts":[]}' if i < links else '{"last_name":"\\"sales_accounts\\":"}'
        for i in range(count)
    ]
    return [
        {"op_id": f"{entity}:{action}:{i}", "entity": entity, "action": action, "source_id": str(i), "payload": text}
        for i, text in enumerate(payloads)
    ]  # fmt: skip


def planned(*rows: dict[str, Any]) -> pl.DataFrame:
    return case.frame(tables.PLAN, *({"seq": n} | row for n, row in enumerate(rows)))


def held(count: int) -> pl.DataFrame:
    return case.frame(tables.EXISTING, *({"module": "contacts", "target_id": i} for i in range(count)))


PRICES = [
    ("one by one, an update is read first", ops("contact", "create", 3) + ops("contact", "update", 2), ALONE, 0, 7),
    ("too few for a job", ops("contact", "create", 4), KEPT, 0, 4),
    # posted, asked twice, read back, the view looked up
    ("a lone job", ops("contact", "create", 100, links=100), KEPT, 0, 5),
    ("links after it", ops("contact", "create", 100, links=60), DROPPED, 0, 65),
    # a first call of people alone; then ten posted, asked once, read back, and the time they take learned
    ("a wave of several", ops("contact", "create", 1100), KEPT, 0, 5 + 21 + 4),
    ("a rest of few", ops("contact", "create", 1103), KEPT, 0, 5 + 21 + 4 + 3),
    ("deals at once", ops("deal", "create", 1000), KEPT, 0, 1 + 21 + 4),
    ("two stages of one module", ops("contact", "create", 50) + ops("contact", "lifecycle", 50), KEPT, 0, 9),
    ("what stood there, by pages", ops("contact", "update", 50), KEPT, 450, 10),
    ("what stood there, one by one", ops("contact", "update", 5), KEPT, 9_000, 11),
    ("history", ops("note", "update", 2) + ops("list", "add", 3) + ops("document", "update", 4), KEPT, 0, 11),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "chosen", "there", "calls"), [p[1:] for p in PRICES], ids=[p[0] for p in PRICES]
)
def test_each_way_has_its_price(
    rows: list[dict[str, Any]], chosen: dict[str, Way], there: int, calls: int
) -> None:
    """Writes, what is read before a change, the questions for a job's end, and the reading back."""
    assert sum(forecast.calls(planned(*rows), chosen, held(there)).values()) == calls


def test_hours_are_calls_by_the_quota_of_each_plan() -> None:
    """Per plan one row an entity, the guards and the total."""
    found = forecast.forecast(
        planned(*ops("contact", "create", 15), *ops("deal", "create", 3)), {"growth": 10, "pro": 20},
        chosen=ALONE, existing=NOTHING, guard_calls=2,
    )  # fmt: skip
    assert found.filter(pl.col("plan") == "growth").select("entity", "calls", "requests_per_hour", "hours").rows() == [
        ("contact", 15, 10, 1.5), ("deal", 3, 10, 0.3), ("guards", 2, 10, 0.2), ("total", 20, 10, 2.0),
    ]  # fmt: skip
    assert found.filter((pl.col("plan") == "pro") & (pl.col("entity") == "total"))["hours"].item() == 1.0


def test_an_empty_plan_takes_nothing() -> None:
    """No writes, no calls, and nothing to divide by."""
    empty = forecast.forecast(tables.PLAN.empty(), {"pro": 20}, chosen=KEPT, existing=NOTHING)
    assert empty.select("entity", "calls").rows() == [("guards", 0), ("total", 0)]
    assert forecast.error(empty, {}).rows() == [("guards", 0, 0, None), ("total", 0, 0, None)]


def test_the_error_is_of_the_calls_really_used() -> None:
    """By entity and in all; calls nobody foretold are told too."""
    made = forecast.forecast(
        planned(*ops("contact", "create", 20)), {"a": 1, "b": 2}, chosen=ALONE, existing=NOTHING
    )
    told = forecast.error(made, {"contact": 25, "note": 1})
    assert told.rows() == [
        ("contact", 20, 25, 0.25), ("guards", 0, 0, None), ("note", 0, 1, None), ("total", 20, 26, 0.3),
    ]  # fmt: skip
    assert forecast.numbers(told) == {"calls_forecast": 20, "calls_used": 26}


@pytest.mark.parametrize(
    ("rows", "chosen", "expected"),
    [
        (ops("contact", "create", 3), ALONE, (3, 0)),
        (ops("contact", "create", 204), ALONE, (204, 3)),
        (ops("contact", "create", 1100) + ops("contact", "update", 5), KEPT, (1100, 2)),
        (ops("contact", "create", 150) + ops("lead", "create", 50), DROPPED, (200, 2)),
        (ops("deal", "create", 500), KEPT, (0, 0)),
    ],
    ids=["too-few", "one-by-one", "in-waves", "leads-too", "no-people"],
)
def test_pauses_to_look_after_people(
    rows: list[dict[str, Any]], chosen: dict[str, Way], expected: tuple[int, int]
) -> None:
    """After the first four, then when a hundred more are there; between waves only."""
    assert forecast.looks(planned(*rows), chosen, first=4, every=100) == expected


FIELDS = case.frame(
    tables.TARGET_FIELDS,
    {"module": "contacts", "api_name": strategies.MARK, "is_unique": False},
    {"module": "sales_accounts", "api_name": strategies.MARK, "is_unique": True},
    {"module": "deals", "api_name": strategies.MARK, "is_unique": None},
    {"module": "deals", "api_name": "cf_other", "is_unique": False},
)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (bulk.LINKS_KEPT, dict.fromkeys(("company", "contact", "lead", "deal"), WITH_LINKS)),
        (bulk.LINKS_DROPPED, {"company": WITH_LINKS, "contact": THEN_LINKS, "lead": WITH_LINKS, "deal": THEN_LINKS}),
        (
            {"bulk_upsert": "true", "bulk_key_contacts": "external_id"},
            {"company": SINGLE, "contact": THEN_LINKS, "lead": SINGLE, "deal": SINGLE},
        ),
        (
            bulk.LINKS_KEPT | {"bulk_key_contacts": "emails", "bulk_key_sales_accounts": "name"},
            dict.fromkeys(("company", "contact"), SINGLE) | {"lead": WITH_LINKS, "deal": WITH_LINKS},
        ),
        (bulk.NO_BULK, dict.fromkeys(("company", "contact", "lead", "deal"), SINGLE)),
        ({}, dict.fromkeys(("company", "contact", "lead", "deal"), SINGLE)),
    ],
    ids=["links-kept", "links-dropped", "contacts-only", "other-keys", "refused", "unmeasured"],
)  # fmt: skip
def test_the_way_follows_from_what_was_measured(known: dict[str, str], expected: dict[str, str]) -> None:
    """Bulk only where it was seen to work and a key carries the source id; contacts have their external id."""
    found = strategies.ways(known, FIELDS)
    assert {entity: way.strategy for entity, way in found.items()} == expected
    assert {way.key for way in found.values() if way.is_bulk} <= {strategies.MARK, strategies.EXTERNAL_ID}


def test_an_accepted_key_that_is_not_unique_is_no_key() -> None:
    """A job by a field nobody guards could make a record twice when it is repeated; contacts have their external id."""
    found = strategies.ways(bulk.LINKS_KEPT, FIELDS.with_columns(is_unique=pl.lit(value=False)))
    assert {entity: (way.strategy, way.key) for entity, way in found.items()} == {
        "company": (SINGLE, ""), "contact": (WITH_LINKS, "external_id"), "lead": (WITH_LINKS, strategies.MARK),
        "deal": (SINGLE, ""),
    }  # fmt: skip


CHOOSING = case.frame(
    tables.TARGET_FIELDS,
    {"module": "contacts", "api_name": "cf_one", "field_type": "dropdown", "is_custom": True,
     "choices": ["a", "b"], "choice_ids": ["71", "72"]},
    {"module": "contacts", "api_name": "cf_some", "field_type": "multi_select_dropdown", "is_custom": True,
     "choices": ["a", "b"], "choice_ids": ["81", "82"]},
    {"module": "contacts", "api_name": "status", "field_type": "dropdown", "is_custom": False, "choices": ["a"],
     "choice_ids": ["1"]},
)  # fmt: skip


@pytest.mark.parametrize(
    ("singly", "in_job", "value", "expected"),
    [
        ("label", "id", "b", 72),
        ("id", "label", 72, "b"),
        ("array_label", "semicolon_label", ["b", "a"], "b;a"),
        ("array_label", "array_id", ["b", "a"], [82, 81]),
        ("semicolon_id", "array_label", "82;81", ["b", "a"]),
        ("array_id", "semicolon_id", [82], "82"),
    ],
)
def test_choices_are_told_to_a_job_its_own_way(singly: str, in_job: str, value: Any, expected: Any) -> None:
    """The same labels, as the tenant was measured to take them in jobs."""
    name, field = ("choice_write", "cf_one") if singly in ("label", "id") else ("multi_write", "cf_some")
    found = bulk_values.translations(CHOOSING, {name: singly, f"bulk_{name}": in_job})
    assert found["contacts"][field](value) == expected
    assert list(found["contacts"]) == [field]


def test_the_same_way_needs_no_translation() -> None:
    """Nor does one that was never measured singly, because then nothing is written that way."""
    same = {
        "choice_write": "label",
        "bulk_choice_write": "label",
        "multi_write": "unknown",
        "bulk_multi_write": "array_id",
    }
    assert bulk_values.translations(CHOOSING, same) == {}


def test_a_choice_no_job_takes_keeps_its_module_single() -> None:
    """Dropping it silently would be a loss; the reason names the field."""
    known = bulk.LINKS_KEPT | {"choice_write": "label", "bulk_choice_write": "unknown"}
    found = strategies.ways(known, pl.concat([FIELDS, CHOOSING]))
    assert (found["contact"].strategy, found["contact"].reason) == (
        SINGLE,
        "no way to choose in cf_one by a job was found",
    )
    assert found["company"].strategy == WITH_LINKS


def test_the_strategies_are_shown_with_their_reason() -> None:
    """Each entity of the plan has one row; what bulk does not exist for says so."""
    made = planned(*ops("deal", "create", 1), *ops("note", "create", 1), *ops("list", "create", 1))
    guarded = FIELDS.with_columns(is_unique=pl.lit(value=False))
    assert strategies.shown(made, strategies.ways(bulk.LINKS_KEPT, guarded)).select("entity", "strategy", "reason").rows() == [
        ("deal", SINGLE, "cf_usercom_original_id is not unique, so a call of unknown fate could not be repeated"),
        ("list", SINGLE, "made one by one; its members go in by the hundred"),
        ("note", SINGLE, "the vendor has no bulk call for it"),
    ]  # fmt: skip
