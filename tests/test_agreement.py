"""Whether a record shows what was written, in the vendor's words, and the image a write must have left."""

from typing import Any

import pytest

from crmbook.phases import agreement, images

SHOWN = {
    "name": "Rollout", "amount": "1234.5", "due_date": "2024-05-03T08:00:00-04:00", "tags": ["theirs", "ours"],
    "sales_accounts": [{"id": 7, "is_primary": True}, {"id": 8, "is_primary": False}], "contact_ids": [1, 2],
    "custom_field": {"cf_topics": "a;b", "cf_plan": "Paid", "cf_agreed": False, "cf_note": "a &amp; b"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": " Rollout", "amount": 1234.5, "due_date": "2024-05-03T12:00:00.250000Z"}, []),
        ({"name": "Rollback", "amount": 1}, ["amount", "name"]),
        ({"due_date": "2024-05-03T12:00:01Z"}, ["due_date"]),
        ({"tags": ["ours"], "contacts_added_list": [2]}, []),
        ({"tags": ["else"], "contacts_added_list": [3]}, ["contacts_added_list", "tags"]),
        ({"sales_accounts": [{"id": 7, "is_primary": True}]}, []),
        ({"sales_accounts": [{"id": 8, "is_primary": True}]}, ["sales_accounts"]),
        ({"custom_field": {"cf_topics": ["b", "a"], "cf_plan": 70, "cf_agreed": False, "cf_note": "a & b"}}, []),
        ({"custom_field": {"cf_topics": ["a"], "cf_agreed": True}}, ["custom_field.cf_agreed", "custom_field.cf_topics"]),
        ({"external_id": "9", "custom_field": {}}, []),
        ({"targetable_type": "Contact", "targetable_id": 5}, []),
    ],
    ids=["same", "other", "second", "among", "not-among", "links", "primary", "custom", "other-custom", "not-shown", "parent"],
)  # fmt: skip
def test_what_is_shown_otherwise_is_named(body: dict[str, Any], expected: list[str]) -> None:
    """Zones, number formats, joined choices and what others added are no difference; a choice's id can't be told."""
    assert expected == agreement.differing(SHOWN, body)


def test_a_value_changed_since_is_imaged_as_it_was_written() -> None:
    """So that whoever compares the record with the image later sees the change, and only that one."""
    body = {"name": "Rollback", "amount": 1234.5, "custom_field": {"cf_plan": "Free", "cf_note": "a & b"}}
    image = agreement.left(SHOWN, body)
    assert images.changed(image, SHOWN) == ["custom_field.cf_plan", "name"]
    assert sorted(image) == ["amount", "custom_field.cf_note", "custom_field.cf_plan", "name"]
