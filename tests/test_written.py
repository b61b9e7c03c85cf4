"""What a write left, told by what its record shows now: changes of others stand out, the vendor's own words don't."""

from typing import Any

import pytest

from crmbook.phases import images, written

SHOWN = {
    "name": "Rollout &amp; more", "amount": "1234.5", "tags": ["theirs", "ours"],
    "custom_field": {"cf_topics": "a;b", "cf_plan": "Paid", "cf_score": "7"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "Rollout & more", "amount": 1234.5, "tags": ["ours"]}, []),
        ({"name": "Rollback", "amount": 1, "tags": ["else"]}, ["amount", "name", "tags"]),
        ({"custom_field": {"cf_topics": ["b", "a"], "cf_plan": 70, "cf_score": 7}}, []),
        ({"custom_field": {"cf_topics": ["a"], "cf_plan": "Free", "cf_score": 8}},
         ["custom_field.cf_plan", "custom_field.cf_score", "custom_field.cf_topics"]),
        ({"external_id": "9", "targetable_type": "Contact", "targetable_id": 5}, []),
    ],
    ids=["same", "other", "choice-by-id", "other-custom", "not-shown"],
)  # fmt: skip
def test_what_was_changed_since_is_named(body: dict[str, Any], expected: list[str]) -> None:
    """Number formats, escapes, joined choices and what others added are no change."""
    assert expected == written.changed_since(SHOWN, body)


def test_a_value_changed_since_is_imaged_as_it_was_written() -> None:
    """So that whoever compares the record with the image later sees the change, and only that one."""
    body = {"name": "Rollback", "amount": 1234.5, "custom_field": {"cf_plan": "Free", "cf_score": 7}}
    image = written.left(SHOWN, body)
    assert images.changed(image, SHOWN) == ["custom_field.cf_plan", "name"]
    assert sorted(image) == ["amount", "custom_field.cf_plan", "custom_field.cf_score", "name"]
