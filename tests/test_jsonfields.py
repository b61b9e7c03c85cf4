"""Parts of JSON properties become fields by a person's row, and only by it."""

from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.errors import DataError
from crmbook.phases import discovery, jsonfields, mapping
from source_rows import attributes, companies, contacts, deals

SOURCE = contacts(
    {"source_id": "1", "p_prefs": '{"diet":{"kind":"vegan"},"seats":[2,3],"vip":true,"price":12.50}'},
    {"source_id": "2", "p_prefs": '{"diet":{"kind":"none"},"seats":[]}'},
    {"source_id": "3", "p_prefs": "{broken"},
    {"source_id": "4", "p_prefs": None},
)
FIELDS = discovery.fields(SOURCE, companies(), deals(), attributes(("contact", "prefs", "Prefs", "json")))


def _row(source_field: str, **changed: Any) -> dict[str, Any]:
    return {
        "entity": "contact", "source_field": source_field, "target_entity": "contacts", "target_field": "cf_diet",
        "rule": "text", "decision": "confirmed", "confidence": 1.0, "reason": "", "note": "", **changed,
    }  # fmt: skip


def _mapping(*rows: dict[str, Any]) -> pl.DataFrame:
    edited = pl.DataFrame(rows, schema=tables.MAPPING.columns)
    proposed = mapping.propose(FIELDS)
    return mapping.with_decisions(pl.concat([proposed, jsonfields.requested(edited, FIELDS)]), edited)


@pytest.mark.parametrize(
    ("expected", "path"),
    [
        pytest.param(["vegan", "none", None, None], "$.diet.kind", id="text"),
        pytest.param(["2", None, None, None], "$.seats[0]", id="an element"),
        pytest.param(["[2,3]", "[]", None, None], "$.seats", id="a list as JSON"),
        pytest.param(["true", None, None, None], "$.vip", id="a boolean"),
        pytest.param(["12.5", None, None, None], "$.price", id="a number"),
        pytest.param([None, None, None, None], "$.nothing", id="nothing there"),
    ],
)
def test_a_part_is_what_stands_at_its_path(expected: list[str | None], path: str) -> None:
    """Null where the value is no JSON or has nothing there; every row stays."""
    name = f"p_prefs:{path}"

    made = jsonfields.extended(SOURCE, _mapping(_row(name)), "contact")

    assert expected == made[name].to_list()
    assert SOURCE["p_prefs"].to_list() == made["p_prefs"].to_list()


def test_the_property_itself_keeps_its_own_row() -> None:
    """Extracting a part takes nothing away."""
    made = _mapping(_row("p_prefs:$.diet.kind"))

    rows = {r["source_field"]: r for r in made.to_dicts()}
    assert ("cf_prefs", "json_text", "proposed") == tuple(
        rows["p_prefs"][c] for c in ("target_field", "rule", "decision")
    )
    assert ("cf_diet", "text", "confirmed") == tuple(
        rows["p_prefs:$.diet.kind"][c] for c in ("target_field", "rule", "decision")
    )
    fields = mapping.custom_fields(made, FIELDS).filter(pl.col("api_name") == "cf_diet")
    assert [("contacts", "Diet", "text")] == fields.select("module", "label", "field_type").rows()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(_row("p_unknown:$.a"), id="no such property"),
        pytest.param(_row("p_prefs"), id="no path"),
        pytest.param(_row("name:$.a"), id="a standard field"),
    ],
)
def test_other_rows_ask_for_nothing(row: dict[str, Any]) -> None:
    """Only a known property and a path make a part."""
    edited = pl.DataFrame([row], schema=tables.MAPPING.columns)

    assert jsonfields.requested(edited, FIELDS).height == 0


def test_a_skipped_part_is_not_read() -> None:
    """The row may stay in the file."""
    made = jsonfields.extended(SOURCE, _mapping(_row("p_prefs:$.vip", decision="skip")), "contact")

    assert SOURCE.columns == made.columns


def test_a_part_may_be_a_choice() -> None:
    """Its values are the choices, and stand in the choices table."""
    decided = _mapping(_row("p_prefs:$.diet.kind", rule="choice"))
    source = jsonfields.extended(SOURCE, decided, "contact")
    found = jsonfields.choices({"contact": source}, decided)

    fields = mapping.custom_fields(decided, FIELDS, found).filter(pl.col("api_name") == "cf_diet")
    values = mapping.choices(decided, contacts=source, companies=companies(), deals=deals())

    assert [("dropdown", ["none", "vegan"])] == fields.select("field_type", "choices").rows()
    assert [("none", 1), ("vegan", 1)] == values.filter(
        pl.col("source_field") == "p_prefs:$.diet.kind"
    ).select("source_value", "records").rows()


def test_a_path_that_is_none_is_named() -> None:
    """With the row and what was expected."""
    with pytest.raises(DataError, match=r"contact.p_prefs:\$.diet\[: .* is no JSON path; expected"):
        jsonfields.extended(SOURCE.clear(), _mapping(_row("p_prefs:$.diet[")), "contact")
