"""The plan of lists, history and documents: each row once, each after what it hangs on, in the vendor's words."""

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

import history_case
import load_case as case
from crmbook import tables
from crmbook.errors import UpstreamError
from crmbook.phases import documents, forecast, load, load_history, operations
from crmbook.phases.history_existing import recognized
from crmbook.phases.history_tables import History
from crmbook.phases.scoping import Limit
from test_load import ADMIN_ID, OLA_ID, tenant

TYPES = [(61, "Phone", "phone", True, 2), (62, "Email", "email", True, 5), (63, "Task", "task", True, 4), (64, "Cold call", "phone", False, 1)]  # fmt: skip


def types(*rows: tuple[int, str, str, bool, int]) -> pl.DataFrame:
    names = list(tables.TARGET_ACTIVITY_TYPES.columns)
    return case.frame(tables.TARGET_ACTIVITY_TYPES, *(dict(zip(names, row, strict=True)) for row in rows))


def plan(history: History | None = None, **changed: Any) -> pl.DataFrame:
    given = {
        "sales_accounts": case.accounts(), "contacts": case.contacts(), "deals": case.deals(), "stages": case.stages(),
        "owners": case.owners(), **tenant(), "existing": tables.EXISTING.empty(), "capabilities": case.capabilities(),
        "admin_email": case.ADMIN, "history": lambda: history or history_case.history(), "target_activity_types": types(*TYPES),
    }  # fmt: skip
    return operations.numbered(load.parts(**(given | changed)))


def row(planned: pl.DataFrame, op_id: str) -> dict[str, Any]:
    found = planned.row(by_predicate=pl.col("op_id") == op_id, named=True)
    return found | {"payload": json.loads(found["payload"])}


def existing(*rows: tuple[str, int, str | None, str | None]) -> pl.DataFrame:
    names = ("module", "target_id", "original_id", "name")
    return case.frame(tables.EXISTING, *(dict(zip(names, row, strict=True)) for row in rows))


def crosswalk(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return case.frame(tables.CROSSWALK, *({"entity": e, "source_id": s, "target_id": t, "origin": "created"} for e, s, t in rows))  # fmt: skip


def test_every_row_has_one_write_after_what_it_hangs_on() -> None:
    """All of it is covered, and no write stands before the write of the record it needs."""
    made, history = plan(), history_case.history()
    cover = load.coverage(
        made, sales_accounts=case.accounts(), contacts=case.contacts(), deals=case.deals(), history=history
    )
    assert cover.select("entity", "planned").rows() == [
        ("appointment", 2), ("company", 3), ("contact", 4), ("deal", 3), ("document", 2), ("document_link", 1),
        ("list", 3), ("membership", 5), ("note", 12), ("sales_activity", 4), ("task", 4),
    ]  # fmt: skip
    assert cover.select(pl.sum("uncovered", "repeated")).row(0) == (0, 0)
    seq = dict(made.select("op_id", "seq").iter_rows())
    assert [
        op for op, after in made.select("op_id", "after").iter_rows() if any(seq[a] > seq[op] for a in after)
    ] == []
    assert row(made, "note:create:overflow:company:5002:description")["after"] == ["company:create:5002"]
    assert row(made, "list:add:list:1:1")["after"] == [
        "contact:create:100",
        "contact:create:102",
        "list:create:list:1",
    ]


@pytest.mark.parametrize(
    ("op_id", "payload"),
    [
        ("task:create:activity:1", {"title": "Call back", "due_date": "1969-07-20T20:17:40Z", "status": 1, "owner_id": OLA_ID, "targetable_type": "Contact", "targetable_id": {"$id": "contact:100"}}),
        ("task:create:activity:3", {"title": "Renew", "due_date": "9999-12-31T23:59:59Z", "status": 0, "owner_id": ADMIN_ID, "targetable_type": "Deal", "targetable_id": {"$id": "deal:900"}}),
        ("appointment:create:activity:10", {"title": "Demo", "from_date": "2019-10-27T00:30:00Z", "end_date": "2019-10-27T01:30:00Z", "description": "Zażółć", "time_zone": "UTC", "targetable_type": "SalesAccount", "targetable_id": {"$id": "company:5000"}}),
        ("sales_activity:create:email:5:opened", {"title": "Email opened: Hi", "start_date": "2020-02-29T12:00:00.750000Z", "end_date": "2020-02-29T12:00:00.750000Z", "owner_id": ADMIN_ID, "sales_activity_type_id": 62, "targetable_type": "Contact", "targetable_id": {"$id": "contact:103"}}),
        ("list:create:list:2", {"name": "Nobody"}),
        ("list:add:list:1:1", {"ids": [{"$id": "contact:100"}, {"$id": "contact:102"}]}),
        ("document_link:create:link:1", {"name": "contract", "url": "https://files.example/x.pdf", "targetable_type": "SalesAccount", "targetable_id": {"$id": "company:5000"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_payloads(op_id: str, payload: dict[str, Any]) -> None:
    """Instants in UTC to the microsecond, done as 1, both ends of an entry, no attendees, empty values left out."""
    assert row(plan(), op_id)["payload"] == payload


def test_the_vendors_own_type_stands_before_a_namesake() -> None:
    """Two types share the internal name phone: the built-in one is used, whatever its position."""
    assert row(plan(), "sales_activity:create:activity:20")["payload"]["sales_activity_type_id"] == 61


def test_members_go_a_hundred_a_call() -> None:
    """250 members are three calls of one list, everybody once; the forecast counts calls, not members."""
    people = case.contacts(250)
    members = case.frame(
        tables.LIST_MEMBERS, *({"list_key": "list:1", "contact_id": one} for one in people["source_id"])
    )
    made = plan(replace(history_case.history(), list_members=members), contacts=people)
    adds = made.filter(pl.col("action") == "add")
    assert adds["op_id"].to_list() == ["list:add:list:1:1", "list:add:list:1:2", "list:add:list:1:3"]
    assert [len(json.loads(payload)["ids"]) for payload in adds["payload"]] == [100, 100, 50]
    assert load_history.membership_coverage(made, members, tables.UNTOUCHED.empty()) == {
        "entity": "membership", "normalized": 250, "planned": 250, "untouched": 0, "uncovered": 0, "repeated": 0,
    }  # fmt: skip
    expected = forecast.forecast(made, {"pro": 1000}, chosen={}, existing=tables.EXISTING.empty())
    assert expected.filter(pl.col("entity") == "list")["calls"].to_list() == [3 + 3]


def test_membership_coverage_tells_a_gap_from_a_repeat() -> None:
    """A call sent twice and another lost do not add up to covered."""
    made, members = plan(), history_case.members()
    lost = made.filter(pl.col("op_id") != "list:add:list:1:1")
    twice = pl.concat([lost, lost.filter(pl.col("op_id") == "list:add:segment:1:1")])
    found = load_history.membership_coverage(twice, members, tables.UNTOUCHED.empty())
    assert (found["uncovered"], found["repeated"]) == (2, 3)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["a:10", "a:9", "a:1"], ["a:1", "a:9", "a:10"]),
        (["conversation:7:2", "conversation:12:1", "conversation:7:11"], ["conversation:7:2", "conversation:7:11", "conversation:12:1"]),
        (["b:1", "a:2", "a"], ["a", "a:2", "b:1"]),
    ],
    ids=["numbers", "parts", "mixed"],
)  # fmt: skip
def test_ids_sort_as_a_person_counts(ids: list[str], expected: list[str]) -> None:
    """Part 11 comes after part 2."""
    assert load_history.in_order(pl.DataFrame({"source_id": ids}))["source_id"].to_list() == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tasks": history_case.tasks().with_columns(parent_id=pl.lit("404"))}, "tasks: 4 rows hang on records that are not loaded"),
        ({"list_members": history_case.members().with_columns(contact_id=pl.lit("404")).unique()}, "list_members: 2 rows name records"),
        ({"target_lists": history_case.lists().head(1)}, "list_members: 3 rows name records"),
        ({"sales_activities": history_case.sales_activities().with_columns(activity_type=pl.lit("telex"))}, "no activity type telex"),
    ],
    ids=["parent", "member", "list", "type"],
)  # fmt: skip
def test_what_does_not_resolve_stops_the_plan(changed: dict[str, pl.DataFrame], message: str) -> None:
    """A dangling parent, member, list or type is an error here, never at the vendor."""
    with pytest.raises(UpstreamError, match=message):
        plan(replace(history_case.history(), **changed))


MARKED = [("contacts", 85, "100", None), ("deals", 95, "900", None)]
EARLIER = [("contact", "100", 85), ("deal", "900", 95), ("task", "activity:1", 7), ("task", "activity:3", 8), ("list", "list:1", 3), ("note", "conversation:7:1", 9)]  # fmt: skip


def told(found: pl.DataFrame) -> set[tuple[Any, ...]]:
    ours = found.filter(~pl.col("module").is_in(["contacts", "deals"]))
    return set(ours.select("module", "target_id", "original_id").iter_rows())


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (
            [*MARKED, ("lists", 3, None, "newsletter ")],
            {("tasks", 7, "activity:1"), ("tasks", 8, "activity:3"), ("notes", 9, "conversation:7:1"), ("lists", 3, "list:1")},
        ),
        ([*MARKED, ("lists", 3, None, "Renamed")], {("tasks", 7, "activity:1"), ("tasks", 8, "activity:3"), ("notes", 9, "conversation:7:1"), ("lists", 3, None)}),
        ([*MARKED, ("lists", 4, None, "Newsletter")], {("tasks", 7, "activity:1"), ("tasks", 8, "activity:3"), ("notes", 9, "conversation:7:1"), ("lists", 4, None)}),
        ([("contacts", 86, "100", None), MARKED[1]], {("tasks", 8, "activity:3")}),
        ([("contacts", 85, "101", None)], set()),
        ([], set()),
    ],
    ids=["all-there", "list-renamed", "other-list", "parent-made-anew", "parent-is-another", "empty-tenant"],
)  # fmt: skip
def test_an_earlier_run_counts_while_its_records_carry_our_mark(
    there: list[tuple[str, int, str | None, str | None]], expected: set[tuple[Any, ...]]
) -> None:
    """History of an earlier run is known by the record it hangs on, lists by id and name; ids alone prove nothing."""
    found = recognized(existing(*there), crosswalk(*EARLIER), history_case.history())
    assert told(found) == expected


def test_what_an_earlier_run_wrote_is_updated() -> None:
    """A task known from before is changed where it stands, all others are created."""
    held = recognized(existing(*MARKED), crosswalk(*EARLIER), history_case.history())
    made = plan(existing=held)
    assert row(made, "task:update:activity:1")["target_id"] == 7
    assert made.filter(pl.col("entity") == "task")["action"].to_list() == [
        "update",
        "create",
        "update",
        "create",
    ]


def test_a_list_of_somebody_else_stops_the_plan() -> None:
    """Names are compared without case and outer blanks."""
    with pytest.raises(UpstreamError, match="target_lists: 1 names"):
        plan(existing=existing(("lists", 5, None, " newsLETTER")))


ROOM = {"file": Limit(150.0, "pro"), "all": Limit(400.0, "pro")}


@pytest.mark.parametrize(
    ("sizes", "room", "fits"),
    [
        ([150, 250], {"file": Limit(250.0, "x"), "all": Limit(400.0, "x")}, [True, True]),
        ([151], ROOM, [True, False]),
        ([150, 150, 101], ROOM, [False, True]),
        ([], {"file": Limit(150.0, "x"), "all": Limit(0.0, "free")}, [True, True]),
        ([151], {"file": Limit(None, "not published"), "all": Limit(None, "not published")}, [None, None]),
    ],
    ids=["to-the-byte", "one-too-big", "all-too-big", "no-files-no-room", "nobody-says"],
)
def test_storage_is_checked_before_anything_is_sent(
    sizes: list[int], room: dict[str, Limit], fits: list[bool | None]
) -> None:
    """One file and all together beside what the plan allows; a limit nobody publishes neither fits nor fails."""
    rows = ({"source_id": str(n), "kind": "file", "size_bytes": size} for n, size in enumerate(sizes))
    link = {"source_id": "link", "kind": "link", "size_bytes": None}
    stored = documents.storage(case.frame(tables.DOCUMENTS, *rows, link), room)
    assert stored["fits"].to_list() == fits
    if False in fits:
        with pytest.raises(UpstreamError, match="remove files from source.files"):
            documents.require(stored)
    else:
        documents.require(stored)
