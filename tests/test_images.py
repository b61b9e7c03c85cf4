"""Images: what a record showed after our write, key by key."""

from crmbook.phases import images

BODY = {
    "name": "x", "tags": ["b", "a"], "sales_accounts": [{"id": 7, "is_primary": True}],
    "contacts_added_list": [3], "custom_field": {"cf_a": "1", "cf_b": None},
}  # fmt: skip
RECORD = {
    "id": 1, "name": "x", "phone": "1", "tags": ["a", "b"], "contact_ids": [3],
    "sales_accounts": [{"id": 7, "name": "Acme", "is_primary": True}],
    "custom_field": {"cf_a": "1", "cf_b": None, "cf_c": "2"},
}  # fmt: skip


def test_an_untouched_record_has_no_changed_keys():
    """The order of tags and what links show besides their ids do not matter, nor fields we never wrote."""
    later = RECORD | {
        "id": 9, "phone": "2", "tags": ["b", "a"], "sales_accounts": [{"id": 7, "name": "New", "is_primary": True}],
        "custom_field": {"cf_a": "1", "cf_b": None, "cf_c": "3"},
    }  # fmt: skip
    assert images.changed(images.image(RECORD, BODY), later) == []


def test_each_changed_key_is_named():
    """A person's edit is told by field, custom ones and links included."""
    later = RECORD | {
        "name": "y", "contact_ids": [3, 4], "sales_accounts": [], "custom_field": {"cf_a": "0", "cf_b": None},
    }  # fmt: skip
    assert images.changed(images.image(RECORD, BODY), later) == [
        "contacts_added_list", "custom_field.cf_a", "name", "sales_accounts",
    ]  # fmt: skip


def test_what_the_answer_did_not_show_is_not_vouched_for():
    """An image holds only keys that were seen, so that a fuller view later is not taken for a change."""
    made = images.image({"name": "x"}, BODY)
    assert list(made) == ["name"]
    assert images.changed(made, RECORD) == []


def test_later_writes_win_key_by_key():
    """A record written twice is compared with what the second write left, and the first for the rest."""
    first, second = images.image(RECORD, BODY), images.image({"name": "y"}, {"name": "y"})
    both = images.merged([images.text(first), None, images.text(second)])
    assert images.changed(both, RECORD) == ["name"]
