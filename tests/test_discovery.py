"""What the source holds: kinds, fill, choices, and who is billed."""

from datetime import UTC, datetime

import polars as pl
import pytest

from crmbook.phases import discovery, kinds
from source_rows import attributes, companies, contacts, deals

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        pytest.param("boolean", ["t", "F", "true"], id="t and f in any case"),
        pytest.param("integer", ["0", "-12", "99999999999"], id="eleven digits"),
        pytest.param("long_integer", ["999999999999"], id="twelve digits"),
        pytest.param("long_decimal", ["5", "9007199254740993"], id="one number too long for a number field"),
        pytest.param("decimal", ["1", "2.5", "0.123456"], id="whole numbers and decimals"),
        pytest.param("text", ["007", "12"], id="a leading zero is a code"),
        pytest.param("date", ["2024-02-30", "1969-01-01"], id="dates by form"),
        pytest.param("datetime", ["2024-01-01", "2024-01-01T10:00:00+02:00"], id="dates and times"),
        pytest.param("email", ["a@b.example"], id="e-mail"),
        pytest.param("url", ["acme.example", "https://acme.example/x?y"], id="web addresses"),
        pytest.param("phone", ["+48 600 100 200", "(22) 555-01-02"], id="telephone numbers"),
        pytest.param("choice", ['["a, b"]', "[]", '["c"]'], id="one choice each"),
        pytest.param("choices", ['["a","b \\"c\\""]', '["d"]'], id="several choices"),
        pytest.param("json", ['{"a": 1}', "[1, 2]"], id="JSON that is no list of texts"),
        pytest.param("text", ["true", "maybe"], id="one value that does not fit"),
        pytest.param("empty", ["", "  ", "[]", None], id="nothing filled"),
    ],
)
def test_a_kind_is_claimed_only_if_every_value_has_it(expected: str, values: list[str | None]) -> None:
    """The narrowest kind that all filled values share."""
    assert expected == kinds.observe(pl.Series("p", values, dtype=pl.String)).kind


def test_the_kind_of_nine_in_ten_values_is_told_beside() -> None:
    """One junk value leaves the field text, but what the field is meant to be stays visible."""
    values = [f"company-{n}.example" for n in range(19)] + ["none"]

    assert kinds.Observed("text", "url", 0.95) == kinds.observe(pl.Series("p", values))


def test_a_late_value_overrules_the_first_thousand() -> None:
    """The first rows only rule kinds out; all rows decide."""
    values = ["1"] * 5000 + ["x"]

    assert kinds.observe(pl.Series("p", values)).kind == "text"


@pytest.mark.parametrize(
    ("expected", "declared", "observed", "distinct", "max_length"),
    [
        pytest.param("checkbox", "boolean", "boolean", 2, 5, id="boolean"),
        pytest.param("checkbox", "string", "boolean", 2, 1, id="t and f in a text property"),
        pytest.param("text", "integer", "long_decimal", 9, 16, id="a number the field would round"),
        pytest.param("integer", "integer", "integer", 9, 5, id="integer"),
        pytest.param("number", "float", "integer", 9, 5, id="float that holds whole numbers"),
        pytest.param("text", "float", "long_decimal", 9, 20, id="float that is too long"),
        pytest.param("date", "date", "datetime", 9, 25, id="date sent with a time"),
        pytest.param("text", "date", "text", 9, 10, id="date that is none"),
        pytest.param("datetime", "datetime", "datetime", 9, 27, id="datetime"),
        pytest.param("choice", "fixed", "choice", 300, 5, id="300 choices"),
        pytest.param("json_text", "fixed", "choices", 301, 5, id="301 choices are too many"),
        pytest.param("choice", "fixed", "text", 3, 5, id="choices sent as plain text"),
        pytest.param("textarea", "string", "text", 9, 257, id="longer than a text field"),
        pytest.param("text", "string", "integer", 9, 5, id="declared text stays text"),
        pytest.param("json_text", "string", "json", 9, 50, id="JSON in a text property"),
        pytest.param("json_text", "json", "text", 9, 50, id="broken JSON stays as it is"),
        pytest.param("choices", "", "choices", 9, 50, id="not declared"),
        pytest.param("number", "", "decimal", 9, 50, id="not declared number"),
        pytest.param("text", "", "phone", 9, 20, id="no field type of its own"),
    ],
)
def test_the_rule_follows_what_is_declared_and_holds_for_every_value(
    expected: str, declared: str, observed: str, distinct: int, max_length: int
) -> None:
    """A declared type is believed only where the values agree; nothing is forced into a field it doesn't fit."""
    assert expected == kinds.rule_for(
        declared=declared, observed=observed, distinct=distinct, max_length=max_length
    )


def _fields(*rows: dict[str, object]) -> dict[str, dict[str, object]]:
    declared = attributes(
        ("contact", "plan", "Plan type", "fixed"), ("company", "plan", "Other plan", "string")
    )
    made = discovery.fields(contacts(*rows), companies(), deals(), declared)
    return {r["field"]: r for r in made.filter(pl.col("entity") == "contact").iter_rows(named=True)}


def test_every_column_has_one_row() -> None:
    """Nothing the source sent is missing from the profile."""
    people, firms, sales = contacts({"source_id": "1", "p_x": "1"}), companies(), deals({"source_id": "9"})

    made = discovery.fields(people, firms, sales, attributes())

    expected = {("contact", c) for c in people.columns} | {("company", c) for c in firms.columns}
    assert expected | {("deal", c) for c in sales.columns} == set(made.select("entity", "field").iter_rows())


def test_fill_counts_neither_null_nor_blank_nor_empty_lists() -> None:
    """A field of blanks is empty."""
    found = _fields(
        {"source_id": "1", "city": " ", "p_plan": "[]", "tags": []},
        {"source_id": "2", "city": "Łódź", "p_plan": '["a"]', "tags": ["x", "y"]},
    )

    assert [1, 1, 1, 2] == [found[f]["filled"] for f in ("city", "p_plan", "tags", "source_id")]
    assert (2, 2) == (found["tags"]["max_choices"], found["tags"]["distinct"])


def test_choices_are_single_values_in_alphabetical_order() -> None:
    """A comma inside a choice does not split it."""
    found = _fields(
        {"source_id": "1", "p_plan": '["pro, yearly"]'}, {"source_id": "2", "p_plan": '["basic"]'}
    )

    assert ["basic", "pro, yearly"] == found["p_plan"]["choices"]
    assert ("Plan type", "fixed", "choice") == tuple(
        found["p_plan"][k] for k in ("label", "declared", "observed")
    )


def test_more_than_300_choices_are_counted_but_not_listed() -> None:
    """The list would be useless, the number decides."""
    found = _fields(*({"source_id": str(n), "p_plan": f'["{n}"]'} for n in range(301)))

    assert (301, []) == (found["p_plan"]["distinct"], found["p_plan"]["choices"])


def test_the_longest_text_is_measured_in_characters() -> None:
    """Bytes would overstate every accent."""
    assert _fields({"source_id": "1", "city": "Łódź"})["city"]["max_length"] == 4


@pytest.mark.parametrize(
    ("tier", "is_billable", "row"),
    [
        pytest.param("identified", True, {"email": "a@b.example"}, id="e-mail"),
        pytest.param("identified", True, {"phone_number": "+48"}, id="phone"),
        pytest.param("identified", True, {"custom_id": "7"}, id="user id"),
        pytest.param(
            "chat_only", True, {"last_heard": MOMENT, "web_push_subscription": True}, id="chat and push"
        ),
        pytest.param("push_only", True, {"web_push_subscription": True}, id="web push"),
        pytest.param("push_only", True, {"fcm_key": True}, id="mobile push"),
        pytest.param("unidentified", False, {"email": " ", "web_push_subscription": False}, id="nothing"),
    ],
)
def test_one_attribute_makes_a_contact_billable(tier: str, is_billable: bool, row: dict[str, object]) -> None:
    """Any of six attributes bills a contact; only e-mail, phone and user id identify it."""
    made = discovery.billing(contacts({"source_id": "1", **row})).row(0, named=True)

    assert (tier, is_billable) == (made["tier"], made["is_billable"])


def test_tiers_add_up_to_all_contacts() -> None:
    """Every contact is in one group."""
    billed = discovery.billing(
        contacts(
            {"source_id": "1", "email": "a@b.example"},
            {"source_id": "2"},
            {"source_id": "3", "custom_id": "c"},
        )
    )

    assert [("identified", 2, 2), ("unidentified", 1, 0)] == discovery.tiers(billed).drop("share").rows()
