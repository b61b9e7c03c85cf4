"""What is taken back and what stays, told from frames alone; and what puts back one record."""

from typing import Any

import polars as pl
import pytest

from crmbook.phases import edits, images, restoring, rollback
from crmbook.phases.restoring import Written
from crmbook.phases.rollback import CHANGED, NEEDED, REFERENCES, REFERRED, STANDING, UNTOUCHED


def standing(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = {
        "origin": "created",
        "is_there": True,
        "is_done": False,
        "changed": [],
        "restores": [],
        "members": 0,
    }
    made = [blank | {"target_id": number, **row} for number, row in enumerate(rows, 1)]
    return pl.DataFrame(made, schema=STANDING)


def named(name: str, **row: Any) -> dict[str, Any]:
    entity, _, source_id = name.partition(":")
    return {"entity": entity, "source_id": source_id, **row}


def references(*rows: tuple[str, str, str | None]) -> pl.DataFrame:
    made = [(*name.split(":"), by, by_ours) for name, by, by_ours in rows]
    return pl.DataFrame(made, schema=REFERENCES, orient="row")


def told(planned: pl.DataFrame) -> dict[str, tuple[str, str]]:
    rows = planned.select(pl.format("{}:{}", "entity", "source_id"), "action", "reason").iter_rows()
    return {name: (action, reason) for name, action, reason in rows}


def test_a_kept_record_keeps_what_it_refers_to_and_not_what_refers_to_it() -> None:
    """A note somebody changed keeps its deal, that its contact, that its account; the contact's other note goes."""
    chain = [("deal:1", "note 1", "note:1"), ("contact:1", "deal 2", "deal:1"), ("company:1", "contact 3", "contact:1"),
             ("contact:1", "note 5", "note:2")]  # fmt: skip
    rows = [
        named("note:1", changed=["description"]),
        *map(named, ("deal:1", "contact:1", "company:1", "note:2")),
    ]
    planned = rollback.plan(standing(*rows), references(*chain))
    assert told(planned) == {
        "note:1": ("keep", CHANGED), "deal:1": ("keep", NEEDED), "contact:1": ("keep", NEEDED),
        "company:1": ("keep", NEEDED), "note:2": ("delete", UNTOUCHED),
    }  # fmt: skip
    assert planned.filter(entity="company")["because"].to_list() == [["contact 3"]]


def test_a_reference_of_somebody_else_keeps_a_record_by_name() -> None:
    """Also where one of ours refers to it too; ours alone does not."""
    refs = references(
        ("contact:1", "deal 99", None), ("contact:1", "deal 2", "deal:1"), ("contact:2", "deal 2", "deal:1")
    )
    planned = rollback.plan(standing(*map(named, ("contact:1", "contact:2", "deal:1"))), refs)
    assert told(planned)["contact:1"] == ("keep", REFERRED)
    assert told(planned)["contact:2"] == told(planned)["deal:1"] == ("delete", UNTOUCHED)
    assert planned.filter(source_id="1", entity="contact")["because"].to_list() == [["deal 99"]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(named("contact:1", origin="matched", restores=["tags"]), "restore", id="ours in it"),
        pytest.param(
            named("contact:1", origin="matched", changed=["name"]), "keep", id="only edited keys of ours"
        ),
        pytest.param(named("contact:1", origin="matched"), "none", id="nothing of ours"),
        pytest.param(named("contact:1", is_there=False, changed=[]), "gone", id="somebody deleted it"),
        pytest.param(named("list:1"), "empty", id="our list"),
        pytest.param(named("list:1", changed=["name"]), "keep", id="our list, renamed"),
        pytest.param(named("list:1", origin="matched"), "leave", id="their list"),
        pytest.param(named("document:1"), "leave", id="a file"),
        pytest.param(named("contact:1", is_there=False, is_done=True), "delete", id="taken back before"),
    ],
)
def test_each_record_has_its_action(row: dict[str, Any], expected: str) -> None:
    """One record alone."""
    planned = rollback.plan(standing(row), references())
    assert planned["action"].to_list() == [expected]
    assert planned["is_done"].to_list() == [row.get("is_done", False)]


def test_every_record_is_accounted_for() -> None:
    """An act that was announced and has no outcome shows as unaccounted."""
    planned = rollback.plan(standing(*map(named, ("note:1", "note:2", "note:3", "document:1"))), references())
    undone = pl.DataFrame(
        [("note", "1", "done"), ("note", "2", "intent"), ("note", "3", "refused")],
        schema=["entity", "source_id", "state"], orient="row",
    )  # fmt: skip
    rows = {row["entity"]: row for row in rollback.outcomes(planned, undone).to_dicts()}
    assert {k: rows["note"][k] for k in ("written", "deleted", "refused", "unaccounted")} == {
        "written": 3, "deleted": 1, "refused": 1, "unaccounted": 1,
    }  # fmt: skip
    assert (rows["document"]["left"], rows["document"]["unaccounted"]) == (1, 0)


BEFORE: dict[str, Any] = {
    "id": 7, "last_name": "Was", "email": "a@x.example", "tags": ["theirs"], "owner_id": 1,
    "sales_accounts": [{"id": 50, "is_primary": True}], "custom_field": {"cf_a": None, "cf_b": "old"},
}  # fmt: skip
SENT: dict[str, Any] = {
    "last_name": "Ours", "email": "a@x.example", "tags": ["ours"], "owner_id": 2,
    "sales_accounts": [{"id": 60, "is_primary": True}], "custom_field": {"cf_a": "1", "cf_b": "new"},
}  # fmt: skip
LEFT: dict[str, Any] = SENT | {
    "id": 7, "tags": ["theirs", "ours"],
    "sales_accounts": [{"id": 60, "is_primary": True}, {"id": 50, "is_primary": False}],
}  # fmt: skip


def matched() -> Written:
    plain = {key: value for key, value in LEFT.items() if key not in ("owner_id", "sales_accounts")}
    return Written("contact", "1", 7, "matched", images.image(plain, SENT), SENT, BEFORE)


def test_a_record_is_put_back_key_by_key() -> None:
    """Everything this run wrote that is still as it left it; a value it did not change is not written."""
    back = restoring.restoration(matched(), LEFT)
    assert back.stays == []
    assert back.body == {
        "last_name": "Was", "tags": ["theirs"], "owner_id": 1, "sales_accounts": [{"id": 50, "is_primary": True}],
        "custom_field": {"cf_a": None, "cf_b": "old"},
    }  # fmt: skip


def test_what_a_person_changed_is_not_written() -> None:
    """Keys, and the part of tags and links that is theirs: what they added stays, what they took out stays out."""
    now = LEFT | {
        "last_name": "Theirs", "owner_id": 3, "tags": ["ours", "vip"],
        "sales_accounts": [{"id": 60, "is_primary": False}, {"id": 70, "is_primary": True}],
        "custom_field": {"cf_a": "1", "cf_b": "mine"},
    }  # fmt: skip
    back = restoring.restoration(matched(), now)
    assert back.stays == ["custom_field.cf_b", "last_name", "owner_id"]
    assert back.body == {
        "tags": ["vip"], "sales_accounts": [{"id": 70, "is_primary": True}], "custom_field": {"cf_a": None},
    }  # fmt: skip


def test_put_back_twice_is_put_back_once() -> None:
    """On what the first restoration left there is nothing to do."""
    back = restoring.restoration(matched(), LEFT)
    now = LEFT | back.body
    assert restoring.restoration(matched(), now) == restoring.Restoration({}, [], [])


def test_only_contacts_this_run_linked_leave_a_deal() -> None:
    """By the removing list the vendor has for that; those linked before or since stay."""
    deal = Written(
        "deal", "1", 9, "matched", {}, {"contacts_added_list": [1, 2]}, {"id": 9, "contact_ids": [2, 5]}
    )
    back = restoring.restoration(deal, {"id": 9, "contact_ids": [1, 2, 5, 6]})
    assert back.body == {"contacts_removed_list": [1]}


def made(number: int, **sent: Any) -> Written:
    return Written("contact", str(number), number, "created", {}, {"last_name": "x", **sent})


def test_what_somebody_filled_in_is_seen_though_the_run_never_wrote_it() -> None:
    """Empty fields filled since are an edit; what the tenant fills in for most records by itself is none."""
    custom = {"cf_region": "North", "cf_formula": 3, "cf_free": None}
    pairs = [(made(n), {"id": n, "custom_field": custom}) for n in range(6)]
    known = edits.presets("contact", pairs)
    row = {"id": 9, "phone_numbers": [{"value": "1"}], "custom_field": custom | {"cf_free": "call me"}}
    assert edits.added(made(9), row, known, ["cf_formula"]) == ["custom_field.cf_free", "phone_numbers"]
    moved = {"id": 9, "custom_field": custom | {"cf_region": "South"}}
    assert edits.added(made(9), moved, known, ["cf_formula"]) == ["custom_field.cf_region"]
    assert edits.added(made(9, custom_field={"cf_region": "South"}), moved, known) == []


def test_a_key_no_answer_vouched_for_is_judged_by_what_was_sent() -> None:
    """Ids of owner and links, which plain answers leave out; texts nobody vouched for are not judged."""
    one = made(1, owner_id=4, job_title="sent as")
    assert restoring.changed(one, {"id": 1, "last_name": "x", "owner_id": 4, "job_title": "shown so"}) == []
    assert restoring.changed(one, {"id": 1, "last_name": "x", "owner_id": 5}) == ["owner_id"]
