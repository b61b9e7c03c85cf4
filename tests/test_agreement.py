"""What a record shows against what was sent: the same by meaning, not by spelling."""

from typing import Any

import pytest

from crmbook.phases.agreement import lacking, part

SAME: list[tuple[str, Any, Any]] = [
    ("money", 1234.5, "1234.50"),
    ("whole money", 20.0, "20.0"),
    ("nothing is zero money", 0.0, "0.0"),
    ("case of an e-mail", "A@X.example", "a@x.example"),
    ("blanks", " two  words ", "two words"),
    ("choices", ["b", "a"], "a;b"),
    ("one choice", ["a"], "a"),
    ("an instant", "2026-03-02T09:30:00Z", "2026-03-02T05:30:00-04:00"),
    ("a day", "2019-05-03", "2019-05-03"),
    ("an unset checkbox", False, None),
    ("a set one", True, True),
    ("an object", {"name": "Acme"}, {"name": "acme", "id": 7}),
]
OTHER: list[tuple[str, Any, Any]] = [
    ("nulled", "none", None),
    ("another number", 10, "10.5"),
    ("another choice", ["a", "b"], "a"),
    ("another instant", "2026-03-02T09:30:00Z", "2026-03-02T09:31:00Z"),
    ("a checkbox", True, False),
    ("text that is no number", "10", "ten"),
    ("infinity is text", "inf", "nan"),
    ("beyond all time", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00"),
]


@pytest.mark.parametrize(("sent", "there"), [s[1:] for s in SAME], ids=[s[0] for s in SAME])
def test_the_same_by_meaning(sent: Any, there: Any) -> None:
    """However the vendor writes it, as a field of its own or a custom one."""
    assert lacking({"a": sent}, {"a": there}) == []
    assert lacking({"custom_field": {"cf_a": sent}}, {"custom_field": {"cf_a": there}}) == []


@pytest.mark.parametrize(("sent", "there"), [s[1:] for s in OTHER], ids=[s[0] for s in OTHER])
def test_something_else(sent: Any, there: Any) -> None:
    """A value that differs is named by its key."""
    assert lacking({"a": sent}, {"a": there}) == ["a"]
    assert lacking({"custom_field": {"cf_a": sent}}, {"custom_field": {"cf_a": there}}) == [
        "custom_field.cf_a"
    ]


@pytest.mark.parametrize(
    ("body", "record", "expected"),
    [
        ({"sales_accounts": [{"id": 1, "is_primary": True}]}, {"sales_accounts": [{"id": 1, "is_primary": True}, {"id": 2}]}, []),
        ({"sales_accounts": [{"id": 1, "is_primary": True}]}, {"sales_accounts": [{"id": 1, "is_primary": False}]}, ["sales_accounts"]),
        ({"sales_accounts": [{"id": 1}]}, {}, ["sales_accounts"]),
        ({"contacts_added_list": [1, 2]}, {"contact_ids": [3, 2, 1]}, []),
        ({"contacts_added_list": [1, 2]}, {"contact_ids": [2]}, ["contacts_added_list"]),
        ({"sales_account_id": 5}, {"sales_account_id": None}, ["sales_account_id"]),
        ({"tags": ["a"]}, {"tags": ["b", "a"]}, []),
        ({"tags": ["a"]}, {"tags": []}, ["tags"]),
        ({"name": "x"}, {}, []),
    ],
    ids=["more-links", "other-primary", "links-not-shown", "contacts", "contact-lost", "account-lost", "tags", "tag-lost",
         "value-not-shown"],
)  # fmt: skip
def test_links_and_lists(body: dict[str, Any], record: dict[str, Any], expected: list[str]) -> None:
    """Further ones agree; a link that is not shown counts as not written, a value that is not shown does not."""
    assert lacking(body, record) == expected


def test_a_body_is_cut_down_to_what_lacks() -> None:
    """Custom fields under their one key; nothing else is sent again."""
    body = {"name": "x", "tags": [], "custom_field": {"cf_a": 1, "cf_b": 2}}
    assert part(body, ["custom_field.cf_b", "name"]) == {"name": "x", "custom_field": {"cf_b": 2}}
    assert part(body, ["tags"]) == {"tags": []}
