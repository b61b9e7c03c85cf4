"""A whole plan cut down to what is still to be written, key by key, and whose value counts where two changed it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.apply_places import widened
from crmbook.apply_writes import resolved
from crmbook.phases import delta_plan, delta_written, images
from crmbook.phases.delta_plan import Now, Reduced
from crmbook.phases.delta_written import Result, Written
from crmbook.phases.operations import few, numbered, op, primary
from crmbook.phases.payloads import reference

THEN = {"last_name": "Lis", "job_title": "Clerk", "custom_field": {"cf_plan": "pro"}, "tags": ["a", "b"]}
SHOWN = {"id": 71, **THEN}
LIFECYCLE = {"lifecycle_stage_id": 3, "contact_status_id": 7}


def whole(*ops: dict[str, Any]) -> pl.DataFrame:
    return numbered([few(ops)])


def contact(body: Mapping[str, Any], *, source_id: str = "1", target_id: int | None = 71) -> dict[str, Any]:
    return primary("contact", source_id, {source_id: target_id} if target_id else {}, body)


def wrote(*runs: tuple[pl.DataFrame, Mapping[str, Any]], state: str = "done") -> Written:
    """What the runs of these plans left, each with the record as the target showed it; entity contact, id 71."""
    known = Written()
    for plan, record in runs:
        results = {
            op_id: Result(entity, 71, state, images.text(images.image(record, json.loads(payload))))
            for op_id, entity, payload in plan.select("op_id", "entity", "payload").iter_rows()
        }
        delta_written.grow(known, plan, results)
    return known


def cut(
    plan: pl.DataFrame, record: Mapping[str, Any] | None = SHOWN, *, written: Written | None = None,
    winner: Callable[[str, str], str] = lambda *_: "target", places: Mapping[Any, int] | None = None,
) -> Reduced:  # fmt: skip
    records = {"contact": {71: record} if record else {}}
    now = Now(places if places is not None else {("contact", "1"): 71}, records, lambda _op: record)
    known = written if written is not None else wrote((whole(contact(THEN, target_id=None)), SHOWN))
    return delta_plan.reduced(plan, written=known, now=now, winner=winner)


def sent(made: Reduced) -> dict[str, Any]:
    return {op_id: json.loads(payload) for op_id, payload in made.plan.select("op_id", "payload").iter_rows()}


def test_what_was_written_so_is_not_written_again() -> None:
    """The same payload: no write, and the record is accounted for."""
    made = cut(whole(contact(THEN)))
    assert made.plan.height == 0
    assert made.untouched.rows() == [("contact", "1", "same")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"job_title": "Boss"}, {"job_title": "Boss"}, id="a field"),
        pytest.param({"custom_field": {"cf_plan": "free"}}, {"custom_field": {"cf_plan": "free"}}, id="a custom field"),
        pytest.param({"custom_field": {"cf_plan": "pro", "cf_n": 2}}, {"custom_field": {"cf_n": 2}}, id="a new custom field"),
        pytest.param({"job_title": None}, {"job_title": None}, id="emptied"),
        pytest.param({"custom_field": {}}, {"custom_field": {"cf_plan": None}}, id="an emptied custom field"),
        pytest.param({"last_name": None}, None, id="what the target won't have empty"),
        pytest.param({"tags": ["b", "c"]}, {"tags": ["b", "c"], "$dropped": {"tags": ["a"]}}, id="tags"),
        pytest.param({"tags": []}, {"tags": [], "$dropped": {"tags": ["a", "b"]}}, id="no tags any more"),
    ],
)  # fmt: skip
def test_only_what_changed_is_sent(change: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """The changed keys; what is empty in the source by now is cleared."""
    body = {key: value for key, value in (THEN | change).items() if value not in (None, [], {})}
    assert sent(cut(whole(contact(body)))) == ({"contact:update:1": expected} if expected else {})


def test_what_a_person_had_beside_ours_stays() -> None:
    """Tags replace what stands: theirs are sent along, ours that went are not."""
    body = {
        "tags": ["b", "c"],
        "$dropped": {"tags": ["a"], "sales_accounts": [5]},
        "sales_accounts": [{"id": 6, "is_primary": True}],
    }
    before = {"tags": ["theirs", "a", "b"], "sales_accounts": [{"id": 5}, {"id": 9}]}
    assert widened(body, before) == {
        "tags": ["theirs", "b", "c"],
        "sales_accounts": [{"id": 6, "is_primary": True}, {"id": 9, "is_primary": False}],
    }  # fmt: skip


def test_an_emptied_link_is_sent_as_such() -> None:
    """Null and the empty list clear; a reference is the target's id."""
    assert resolved({"sales_account_id": None, "sales_accounts": []}, {}) == (
        {"sales_account_id": None, "sales_accounts": []}, [],
    )  # fmt: skip
    assert resolved({"sales_account_id": reference("company", "5")}, {"company:5": 8}) == (
        {"sales_account_id": 8},
        [],
    )


@pytest.mark.parametrize(
    ("theirs", "winner", "writes", "conflicts"),
    [
        pytest.param({"job_title": "CEO"}, "target", {}, [("job_title", "target")], id="the person's counts"),
        pytest.param({"job_title": "CEO"}, "source", {"job_title": "Boss"}, [("job_title", "source")], id="the source's counts"),
        pytest.param({"city": "Gdynia"}, "target", {"job_title": "Boss"}, [], id="another field of theirs"),
        pytest.param({"job_title": "Boss"}, "target", {}, [], id="both said the same"),
    ],
)  # fmt: skip
def test_where_a_person_and_the_source_changed_a_field(
    theirs: dict[str, Any], winner: str, writes: dict[str, Any], conflicts: list[Any]
) -> None:
    """The person's value stands and is reported, unless the policy says otherwise."""
    made = cut(whole(contact(THEN | {"job_title": "Boss"})), SHOWN | theirs, winner=lambda *_: winner)
    assert sent(made) == ({"contact:update:1": writes} if writes else {})
    assert made.conflicts.select("key", "winner").rows() == conflicts


def test_a_field_only_a_person_filled_is_theirs() -> None:
    """We never wrote it; now the source has a value too."""
    made = cut(whole(contact(THEN | {"city": "Sopot"})), SHOWN | {"city": "Gdynia"})
    assert (made.plan.height, made.conflicts["key"].to_list()) == (0, ["city"])
    assert made.untouched["why"].to_list() == ["kept"]


def test_the_policy_is_asked_per_field() -> None:
    """One field by the source, the other by the person."""
    both = THEN | {"job_title": "Boss", "last_name": "Nowak"}
    theirs = SHOWN | {"job_title": "CEO", "last_name": "Kos"}
    made = cut(
        whole(contact(both)), theirs, winner=lambda _e, key: "source" if key == "job_title" else "target"
    )
    assert sent(made) == {"contact:update:1": {"job_title": "Boss"}}
    assert made.conflicts.select("key", "winner").rows() == [("job_title", "source"), ("last_name", "target")]


def test_everything_of_ours_that_a_person_changed_is_reported() -> None:
    """Also where the source did not change; what was deleted is the whole record."""
    made = cut(whole(contact(THEN)), SHOWN | {"job_title": "CEO", "tags": ["a"], "city": "Sopot"})
    assert made.target_changes.rows() == [("contact", "1", 71, ["job_title", "tags"])]
    assert cut(whole(contact(THEN)), None).target_changes.rows() == [("contact", "1", 71, ["record"])]


@pytest.mark.parametrize(
    ("body", "winner", "ops", "conflicts"),
    [
        pytest.param(THEN, "target", [], 0, id="unchanged in the source"),
        pytest.param(THEN | {"job_title": "Boss"}, "target", [], 1, id="changed in the source"),
        pytest.param(THEN, "source", ["contact:create:1"], 0, id="the source counts"),
    ],
)
def test_what_a_person_deleted_is_not_made_again(
    body: dict[str, Any], winner: str, ops: list[str], conflicts: int
) -> None:
    """Unless the policy gives the source the last word; then it is a new record."""
    made = cut(whole(contact(body, target_id=None)), None, winner=lambda *_: winner)
    assert (made.plan["op_id"].to_list(), made.conflicts.height) == (ops, conflicts)
    assert made.plan["target_id"].to_list() == [None] * len(ops)


def test_later_runs_count_over_earlier_ones() -> None:
    """A key a delta wrote is compared with that, the others with what the whole run wrote."""
    first = whole(contact(THEN, target_id=None))
    second = whole(
        op("contact", "update", "1", {"job_title": "Boss", "custom_field": {"cf_plan": None}}, target_id=71)
    )
    shown = SHOWN | {"job_title": "Boss", "custom_field": {"cf_plan": None}}
    known = wrote((first, SHOWN), (second, shown))
    body = {"last_name": "Lis", "job_title": "Boss", "tags": ["a", "b"]}
    assert cut(whole(contact(body)), shown, written=known).untouched["why"].to_list() == ["same"]


@pytest.mark.parametrize(("body", "ops"), [(THEN, []), (THEN | {"job_title": "Boss"}, ["contact:create:1"])])
def test_what_was_refused_is_sent_again_only_when_it_changed(body: dict[str, Any], ops: list[str]) -> None:
    """Or an account with one refused record would never see an empty delta."""
    plan = whole(contact(THEN, target_id=None))
    known = wrote((plan, SHOWN), state="rejected")
    made = cut(whole(contact(body, target_id=None)), None, written=known, places={})
    assert made.plan["op_id"].to_list() == ops
    assert made.untouched["why"].to_list() == ([] if ops else ["refused"])


def test_a_link_to_a_new_record_is_written() -> None:
    """What referred in vain to a record that was refused gets its link once that one is made."""
    links = {"sales_accounts": [{"id": reference("company", "5"), "is_primary": True}]}
    first = whole(primary("company", "5", {}, {"name": "X"}), contact(THEN | links, target_id=None))
    known = wrote((first.filter(pl.col("entity") == "contact"), SHOWN))
    made = cut(whole(primary("company", "5", {}, {"name": "Y"}), contact(THEN | links)), SHOWN, written=known)
    assert sent(made) == {"company:create:5": {"name": "Y"}, "contact:update:1": links}
    assert made.plan.filter(pl.col("entity") == "contact")["after"].to_list() == [["company:create:5"]]


def test_what_an_old_record_gives_up_goes_before_who_takes_it() -> None:
    """Changes come before new records of the kind: an e-mail may change hands."""
    known = wrote(
        (whole(contact({"email": "a@x.example"}, target_id=None)), {"id": 71, "email": "a@x.example"})
    )
    new = contact({"email": "a@x.example"}, source_id="0", target_id=None)
    made = cut(
        whole(new, contact({"email": "b@x.example"})), {"id": 71, "email": "a@x.example"}, written=known
    )
    assert made.plan["op_id"].to_list() == ["contact:update:1", "contact:create:0"]


def deal(stage: int, *, target_id: int | None = 81) -> dict[str, Any]:
    body = {"name": "D", "deal_stage_id": stage, "contacts_added_list": [reference("contact", "1")]}
    return primary("deal", "9", {"9": target_id} if target_id else {}, body, needs=["contact:1"])


def test_what_a_deal_moves_is_put_back() -> None:
    """A new stage stamps the closing date and moves its contacts' lifecycle: both are written after it, else not."""
    close = op("deal", "close", "9", {"closed_date": "2026-01-01"})
    stage = op("contact", "lifecycle", "1", LIFECYCLE)
    first = whole(contact(THEN, target_id=None), deal(1, target_id=None), close, stage)
    close, stage = (
        op("deal", "close", "9", {"closed_date": "2026-01-01"}),
        op("contact", "lifecycle", "1", LIFECYCLE),
    )
    shown = {
        "contact": SHOWN | LIFECYCLE,
        "deal": {"id": 81, "name": "D", "deal_stage_id": 1, "contact_ids": [71], "closed_date": "2026-01-01"},
    }
    known = Written()
    results = {
        row["op_id"]: Result(row["entity"], {"contact": 71, "deal": 81}[row["entity"]], "done", None)
        for row in first.iter_rows(named=True)
    }
    delta_written.grow(known, first, results)
    now = Now(
        {("contact", "1"): 71, ("deal", "9"): 81},
        {"contact": {71: shown["contact"]}, "deal": {81: shown["deal"]}},
        lambda _: None,
    )

    def ops(stage_id: int) -> list[str]:
        plan = whole(contact(THEN), deal(stage_id), dict(close), dict(stage))
        return (
            delta_plan.reduced(plan, written=known, now=now, winner=lambda *_: "target")
            .plan["op_id"]
            .to_list()
        )

    close, stage = (
        op("deal", "close", "9", {"closed_date": "2026-01-01"}),
        op("contact", "lifecycle", "1", LIFECYCLE),
    )
    assert ops(1) == []
    assert ops(2) == ["deal:update:9", "deal:close:9", "contact:lifecycle:1"]


def test_members_join_and_leave() -> None:
    """Only who is new and who went; everybody else is accounted for."""

    def add(*ids: str) -> dict[str, Any]:
        return op("list", "add", "list:1", {"ids": [reference("contact", one) for one in ids]}, part=1)

    people = {("contact", one): 70 + int(one) for one in "123"}
    before = whole(primary("list", "list:1", {}, {"name": "L"}), add("1", "2"))
    known = Written()
    delta_written.grow(known, before, {one: Result("list", 5, "done", None) for one in before["op_id"]})
    firsts = [contact(THEN, source_id=one, target_id=t) for (_, one), t in people.items()]
    for (_, one), target_id in people.items():
        plan = whole(contact(THEN, source_id=one, target_id=None))
        delta_written.grow(known, plan, {plan["op_id"][0]: Result("contact", target_id, "done", None)})
    now = Now(
        {**people, ("list", "list:1"): 5}, {"contact": dict.fromkeys(people.values(), SHOWN)}, lambda _: None
    )
    plan = whole(*firsts, primary("list", "list:1", {"list:1": 5}, {"name": "L"}), add("2", "3"))
    made = delta_plan.reduced(plan, written=known, now=now, winner=lambda *_: "target")
    assert sent(made) == {
        "list:add:list:1:1": {"ids": [reference("contact", "3")]},
        "list:remove:list:1:1": {"ids": [reference("contact", "1")]},
    }  # fmt: skip
    assert ("membership", "list:1:2", "same") in made.untouched.rows()


def test_the_tables_conform() -> None:
    """Each frame is what its table declares, empty or not."""
    made = cut(whole(contact(THEN | {"job_title": "Boss"})), SHOWN | {"job_title": "CEO"})
    for name in ("plan", "untouched", "conflicts", "target_changes"):
        assert getattr(made, name).schema == tables.conform(getattr(made, name), tables.of(name)).schema
