"""What is sent in place of references, and what a record that was there before keeps."""

import pytest

from crmbook.apply_places import widened
from crmbook.apply_writes import resolved

IDS = {"company:1": 71, "company:2": 72, "contact:5": 85}


def ref(name):
    return {"$id": name}


def link(name, *, primary):
    return {"id": ref(name), "is_primary": primary}


@pytest.mark.parametrize(
    ("payload", "body", "without"),
    [
        ({"name": "x"}, {"name": "x"}, []),
        ({"sales_account_id": ref("company:1")}, {"sales_account_id": 71}, []),
        ({"sales_account_id": ref("company:9")}, {}, ["company:9"]),
        ({"contacts_added_list": [ref("contact:5"), ref("contact:9")]}, {"contacts_added_list": [85]}, ["contact:9"]),
        ({"contacts_added_list": [ref("contact:9")]}, {}, ["contact:9"]),
        (
            {"sales_accounts": [link("company:1", primary=True), link("company:2", primary=False)]},
            {"sales_accounts": [{"id": 71, "is_primary": True}, {"id": 72, "is_primary": False}]},
            [],
        ),
        (
            {"sales_accounts": [link("company:9", primary=True), link("company:2", primary=False)]},
            {"sales_accounts": [{"id": 72, "is_primary": True}]},
            ["company:9"],
        ),
        ({"sales_accounts": [link("company:9", primary=True)]}, {}, ["company:9"]),
        ({"title": "x", "targetable_id": ref("contact:5")}, {"title": "x", "targetable_id": 85}, []),
        ({"title": "x", "targetable_id": ref("deal:5")}, {"title": "x"}, ["deal:5"]),
        ({"ids": [ref("contact:5"), ref("contact:9")]}, {"ids": [85]}, ["contact:9"]),
        ({"ids": [ref("contact:9")]}, {"ids": []}, ["contact:9"]),
    ],
    ids=[
        "plain", "account", "account-gone", "one-contact-gone", "no-contact-left", "links", "next-is-primary",
        "no-link-left", "hangs-on", "hangs-on-nothing", "members", "no-member-left",
    ],
)  # fmt: skip
def test_references_become_ids(payload, body, without):
    """Known records by their id; unknown ones are left out and named."""
    assert resolved(payload, IDS) == (body, without)


def test_an_update_adds_and_never_removes():
    """Tags and account links replace what stands there, so what stands there is sent along."""
    before = {
        "tags": ["a", "b"],
        "sales_accounts": [{"id": 72, "is_primary": True}, {"id": 9, "is_primary": False}],
    }
    body = {
        "tags": ["b", "c"],
        "sales_accounts": [{"id": 71, "is_primary": True}, {"id": 72, "is_primary": False}],
    }
    assert widened(body, before) == {
        "tags": ["a", "b", "c"],
        "sales_accounts": [
            {"id": 71, "is_primary": True},
            {"id": 72, "is_primary": False},
            {"id": 9, "is_primary": False},
        ],
    }


def test_an_update_without_links_or_tags_touches_neither():
    """Keys that are not sent stay as they are at the vendor."""
    assert widened({"name": "x"}, {"tags": ["a"], "sales_accounts": [{"id": 1}]}) == {"name": "x"}
