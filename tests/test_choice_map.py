"""Choices by their keys: every value has one of its own, and a person's targets reach the field that offers them."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmbook import tables
from crmbook.phases import choice_map, planning

CHOICES = pl.DataFrame(
    [("contact", "p_plan", "Gold", "Gold", 5), ("contact", "p_plan", "gold ", "gold ", 1), ("deal", "p_plan", "Gold", "Gold", 2)],
    schema=tables.CHOICES.columns,
    orient="row",
)  # fmt: skip
FIELDS = pl.DataFrame(
    [("contacts", "cf_plan", "Plan", "dropdown", ["Gold", "Never used", "gold "], False),
     ("contacts", "cf_other", "Other", "dropdown", ["Gold"], False)],
    schema=tables.CUSTOM_FIELDS.columns,
    orient="row",
)  # fmt: skip
MAPPING = pl.DataFrame(
    [("contact", "p_plan", "contacts", "cf_plan", "choice", "proposed", 1.0, "", "")],
    schema=tables.MAPPING.columns,
    orient="row",
)


def _edited(**targets: tuple[str, str]) -> pl.DataFrame:
    rows = [("choice", key, target, decision) for key, (target, decision) in targets.items()]
    return pl.DataFrame(rows, schema=planning.DECIDED, orient="row")


def _key(row: int) -> str:
    keys: list[str] = choice_map.with_keys(CHOICES)["key"].to_list()
    return keys[row]


def test_a_plain_value_is_its_own_key() -> None:
    """What an editor would trim is quoted."""
    assert ["contact.p_plan:Gold", 'contact.p_plan:"gold "', "deal.p_plan:Gold"] == [
        _key(n) for n in range(3)
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, max_size=20))
def test_no_two_values_share_a_key_and_no_editor_changes_one(values: list[str]) -> None:
    """Whatever is in them, however long: one line, no blanks at the ends."""
    rows: list[Any] = [("contact", "p_x", value, value, 1) for value in values]

    keys = choice_map.with_keys(pl.DataFrame(rows, schema=tables.CHOICES.columns, orient="row"))[
        "key"
    ].to_list()

    assert len(set(keys)) == len(values)
    assert [key for key in keys if key != key.strip() or len(key.splitlines()) != 1 or len(key) > 300] == []


def test_keys_that_would_be_the_same_are_told_apart() -> None:
    """A property's part and its value may spell what another property's value spells."""
    rows = [("contact", "p_a", "$.x:v", "v", 1), ("contact", "p_a:$.x", "v", "v", 1)]

    keys = choice_map.with_keys(pl.DataFrame(rows, schema=tables.CHOICES.columns, orient="row"))[
        "key"
    ].to_list()

    assert keys[0] == "contact.p_a:$.x:v"
    assert keys[1].startswith("contact.p_a:$.x:v #")


def test_a_persons_target_stands_and_a_skip_is_blank() -> None:
    """Choices nobody decided stay themselves; rows for what is gone have no effect."""
    edited = _edited(
        **{_key(0): ("Au", "changed"), _key(1): ("gold ", "skip"), "contact.p_gone:x": ("y", "changed")}
    )

    made = choice_map.with_decisions(CHOICES, edited)

    assert ["Au", "", "Gold"] == made["target_value"].to_list()
    assert [("contact", "p_plan", "Gold", "Au"), ("contact", "p_plan", "gold ", "")] == choice_map.changed(
        made
    ).rows()


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        pytest.param({0: ("Au", "changed")}, ["Au", "Never used", "gold "], id="renamed"),
        pytest.param({1: ("Gold", "changed")}, ["Gold", "Never used"], id="merged"),
        pytest.param({0: ("", "skip")}, ["Never used", "gold "], id="dropped"),
        pytest.param({0: ("Never used", "changed")}, ["Never used", "gold "], id="onto another"),
    ],
)
def test_a_field_offers_what_its_choices_become(
    edits: dict[int, tuple[str, str]], expected: list[str]
) -> None:
    """In its order, each once; a field fed by something else is left alone."""
    choices = choice_map.with_decisions(CHOICES, _edited(**{_key(n): edit for n, edit in edits.items()}))

    made = choice_map.applied(FIELDS, MAPPING, choices)

    assert expected == made.filter(pl.col("api_name") == "cf_plan")["choices"].to_list()[0]
    assert ["Gold"] == made.filter(pl.col("api_name") == "cf_other")["choices"].to_list()[0]
