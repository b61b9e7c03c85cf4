"""Reading a target back: exact shapes, precise refusals, and the comparison after a real load into the sandbox."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import apply, readback, tables
from crmbook.errors import DataError
from crmbook.phases import compare as comparing
from crmbook.phases import link_check, load, target_ids
from crmbook.phases import reconciliation as rec
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import ADMIN, REALM, TENANT, frame, loading, opened

FIELDS = frame(
    tables.TARGET_FIELDS,
    *(
        {"module": "contacts", "api_name": name, "field_type": kind, "is_custom": True, "choices": choices}
        for name, kind, choices in [
            ("cf_usercom_original_id", "text", []),
            ("cf_text", "text", []),
            ("cf_number", "number", []),
            ("cf_flag", "checkbox", []),
            ("cf_day", "date", []),
            ("cf_moment", "datetime", []),
            ("cf_topics", "multi_select_dropdown", ["a", "b;c", "d"]),
        ]
    ),
    {"module": "contacts", "api_name": "city", "field_type": "text", "is_custom": False},
)
INCLUDED = {"owner_id": None, "contact_status_id": None, "lifecycle_stage_id": None, "sales_accounts": []}


def contact(target_id: Any = 7, **values: Any) -> dict[str, Any]:
    custom = {name: values.pop(name) for name in list(values) if name.startswith("cf_")}
    return {"id": target_id, **INCLUDED, "custom_field": custom or None, **values}


def read(*rows: Any) -> pl.DataFrame:
    return readback.shaped("contacts", rows, FIELDS)


def test_record_becomes_a_row_with_the_types_of_the_normalized_table() -> None:
    """Ids, mark, texts, links with the primary first, and custom fields by their declared type."""
    row = read(
        contact(
            owner_id=91, contact_status_id="521", lifecycle_stage_id=52, external_id="1", city="Łódź", first_name="",
            zipcode=90210, tags=["b", "a"], cf_usercom_original_id="1", cf_text=" x", cf_number="12.50", cf_flag=True,
            cf_day="2024-03-31", cf_moment="2024-03-31T03:30:00.250000+02:00", cf_topics="a;b;c",
            sales_accounts=[{"id": 11, "is_primary": False}, {"id": 10, "is_primary": True}],
        )
    ).row(0, named=True)  # fmt: skip
    expected = {
        "target_id": 7, "owner_id": 91, "contact_status_id": 521, "lifecycle_stage_id": 52, "external_id": "1",
        "city": "Łódź", "first_name": None, "zipcode": "90210", "tags": ["b", "a"], "source_id": "1",
        "cf_text": " x", "cf_number": 12.5, "cf_flag": True, "cf_day": date(2024, 3, 31),
        "cf_moment": "2024-03-31T01:30:00.250Z", "cf_topics": ["a", "b;c"], "account_ids": ["10", "11"],
        "primary_account_id": "10",
    }  # fmt: skip
    assert expected == {
        name: value for name, value in row.items() if value is not None or name == "first_name"
    }


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("a;d", ["a", "d"], id="text"),
        pytest.param(["d", "a"], ["d", "a"], id="list"),
        pytest.param("b;c", ["b;c"], id="label with the separator"),
        pytest.param("d; b;c ;a", ["d", "b;c", "a"], id="among others"),
        pytest.param("b", ["b"], id="no known choice"),
        pytest.param("", None, id="nothing"),
        pytest.param([], [], id="empty list"),
    ],
)
def test_choices_are_read_from_text_or_list(written: Any, expected: list[str] | None) -> None:
    """Both shapes the sources report give the labels; a label that holds the separator stays whole."""
    assert expected == read(contact(cf_topics=written))["cf_topics"].to_list()[0]


def test_amount_is_read_from_decimal_text() -> None:
    """The vendor writes money as text; account and contacts come as text ids."""
    row = {
        "id": 3, "name": "D", "amount": "9007199254740991.0", "expected_close": "2026-03-31", "owner_id": 1,
        "sales_account_id": 10, "contact_ids": [7, 8], "currency_id": 61, "custom_field": {},
    }  # fmt: skip
    shown = readback.shaped("deals", [row], tables.TARGET_FIELDS.empty())
    expected = (9007199254740991.0, date(2026, 3, 31), "10", ["7", "8"])
    assert expected == shown.select("amount", "expected_close", "account_id", "contact_ids").row(0)


def test_record_shown_twice_counts_once_as_last_seen() -> None:
    """Paging may repeat a record that moved; the later reading wins."""
    assert [(7, "new")] == read(contact(city="old"), contact(city="new")).select("target_id", "city").rows()


def test_foreign_fields_and_unknown_keys_are_left_out() -> None:
    """What no settings name is not read; the mark is the column source_id, not a custom column."""
    columns = read(contact(surprise={"a": 1}, cf_unknown="x", cf_usercom_original_id="1")).columns
    assert not {"surprise", "cf_unknown", "cf_usercom_original_id"} & set(columns)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(
            contact(target_id=None), "contacts: record 1 of the All view has no usable id", id="no id"
        ),
        pytest.param(
            contact(target_id="x1"), "record 1 of the All view has no usable id", id="id of letters"
        ),
        pytest.param(contact(target_id=True), "record 1 of the All view has no usable id", id="id of truth"),
        pytest.param(contact(target_id=2**63), "record 1 of the All view has no usable id", id="huge id"),
        pytest.param("nothing", "record 1 of the All view has no usable id", id="no object"),
        pytest.param(contact(city=["x"]), "contacts 7: city is a list, expected text", id="list for text"),
        pytest.param(
            contact(owner_id="bob"), "contacts 7: owner_id is a text, expected a whole number", id="owner"
        ),
        pytest.param(contact(tags="a,b"), "contacts 7: tags is a text, expected a list of texts", id="tags"),
        pytest.param(
            contact(tags=[{"id": 1}]), "contacts 7: tags is a list, expected a list of texts", id="tag rows"
        ),
        pytest.param(
            contact(sales_accounts=[3]),
            "sales_accounts is a list, expected a list of accounts",
            id="account ids",
        ),
        pytest.param(
            contact(sales_accounts=[{}]),
            "sales_accounts is a list, expected a whole number",
            id="account without id",
        ),
        pytest.param(
            contact(cf_number="many"), "custom_field.cf_number is a text, expected a number", id="number"
        ),
        pytest.param(
            contact(cf_number="1e999"), "cf_number is a text, expected a finite number", id="infinity"
        ),
        pytest.param(
            contact(cf_number=10**400), "cf_number is a number, expected a number", id="beyond any float"
        ),
        pytest.param(contact(cf_flag="maybe"), "cf_flag is a text, expected true or false", id="flag"),
        pytest.param(contact(cf_day="31.03.2024"), "cf_day is a text, expected a date", id="day"),
        pytest.param(contact(cf_day={"y": 1}), "cf_day is an object, expected a date", id="day object"),
        pytest.param(
            contact(cf_moment="2024-03-31T03:30:00"),
            "cf_moment is a text, expected a point in time",
            id="no offset",
        ),
        pytest.param(
            contact(cf_moment="0001-01-01T00:00:00+10:00"),
            "cf_moment is a text, expected a point in time",
            id="year 0",
        ),
        pytest.param(
            {**contact(), "custom_field": [1]}, "custom_field is a list, expected an object", id="custom"
        ),
    ],
)
def test_malformed_record_is_named_without_its_value(row: Any, message: str) -> None:
    """The error names module, id and key and what was expected; the value stays out of it."""
    with pytest.raises(DataError, match=message) as stop:
        read(row)
    assert not any(value in str(stop.value) for value in ("bob", "many", "maybe", "31.03", "a,b"))


def test_include_that_went_unheard_is_no_loss_of_data() -> None:
    """Records of ours without the keys an include brings are refused, not compared as if they had no owner."""
    row = {k: v for k, v in contact(cf_usercom_original_id="1").items() if k != "owner_id"}
    with pytest.raises(DataError, match="contacts: none of 1 records has owner_id"):
        readback.shaped("contacts", [row], FIELDS, links=("owner",))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def loaded(
    sandbox: Sandbox, customers: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Sandbox, Run, Freshsales]]:
    """A finished load of the small case, and 06_reconciliation open behind it."""
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    with loading(sandbox, customers) as (run, client):
        plan = apply.plan_of(run, client).collect()
        apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=0.4)
        run.save("crosswalk", apply.crosswalk(run))
        run.close()
        yield sandbox, opened(run.record, "06_reconciliation"), client


def links(contacts: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    """LINKS of a case in which nothing was merged or dropped."""

    def pairs(rows: pl.DataFrame, relation: str, column: str) -> pl.DataFrame:
        found = rows.select(from_id="source_id", to_id=column)
        if isinstance(found.schema["to_id"], pl.List):
            found = found.explode("to_id", empty_as_null=True)
        return found.drop_nulls().select(
            "from_id", "to_id", relation=pl.lit(relation), kept_from="from_id", kept_to="to_id", is_primary=True,
            state=pl.lit("kept"), reason=pl.lit(""),
        )  # fmt: skip

    parts = [
        pairs(contacts, "contact_account", "account_ids"),
        pairs(contacts, "contact_owner", "owner_agent_id"),
        pairs(deals, "deal_account", "account_id"),
        pairs(deals, "deal_contact", "contact_ids"),
        pairs(deals, "deal_owner", "owner_agent_id"),
    ]
    return tables.conform(pl.concat(parts), tables.LINKS)


def findings(run: Run, client: Freshsales) -> set[tuple[str, ...]]:
    """What the comparison says about the target as it is now."""
    actual = readback.by_entity(readback.records(run, client))
    normalized = rec.by_entity(*run.frames("sales_accounts", "contacts", "deals"))
    existing, crosswalk = run.frames("existing", "crosswalk")
    settings = ["owners", "stages", "target_owners", "target_stages", "target_statuses", "target_currencies"]
    ids = target_ids.resolve(**dict(zip(settings, run.frames(*settings), strict=True)), admin_email=ADMIN)
    classes = rec.classes(
        sources=normalized, normalized=normalized, actual=actual, rejects=tables.REJECTS.empty(),
        excluded=tables.EXCLUDED.empty(), merges=tables.MERGES.empty(), crosswalk=crosswalk, existing=existing,
        refused=apply.rejected(run),
    )  # fmt: skip
    only = rec.target_only(existing=existing, classes=classes, actual=actual)
    fields = comparing.compare(
        normalized=normalized, actual=actual, classes=classes, crosswalk=crosswalk, ids=ids
    )
    related = link_check.link_classes(
        links=links(normalized["contact"], normalized["deal"]), people=normalized, classes=classes,
        crosswalk=crosswalk, actual=actual, ids=ids,
    ).filter(~pl.col("class").is_in(["found", "repointed"]))  # fmt: skip
    return {
        *classes.filter(pl.col("class") != "loaded").select("entity", "source_id", "class").rows(),
        *only.filter(pl.col("class") != "pre_existing").select("module", "class").rows(),
        *fields.differences.select("entity", "source_id", "field").rows(),
        *related.select("relation", "from_id", "to_id", "class").rows(),
    }


def test_target_after_a_load_has_no_finding(loaded: tuple[Sandbox, Run, Freshsales]) -> None:
    """Every field and link of every loaded record, matched ones included, is what was loaded."""
    _box, run, client = loaded
    assert set() == findings(run, client)


def doc(box: Sandbox, module: str, source_id: str) -> dict[str, Any]:
    rows: Sequence[dict[str, Any]] = box.admin("GET", f"{REALM}/{module}")
    return next(row for row in rows if row["custom_field"].get("cf_usercom_original_id") == source_id)


def test_defects_planted_in_the_target_are_named(loaded: tuple[Sandbox, Run, Freshsales]) -> None:
    """A person's edits through the target's own interface are found on their records, all at once."""
    box, run, client = loaded
    open_deal, lost = doc(box, "deals", "900"), doc(box, "contacts", "103")
    both = doc(box, "contacts", "100")["sales_accounts"]
    box.admin("PUT", f"{REALM}/deals/{open_deal['id']}", {"amount": "123450.0", "sales_account_id": None})
    person = doc(box, "contacts", "102")
    born = person["custom_field"] | {"cf_born": "1970-01-01"}
    box.admin("PUT", f"{REALM}/contacts/{person['id']}", {"custom_field": born})
    primary = [link | {"is_primary": not link["is_primary"]} for link in both[:2]]
    box.admin("PUT", f"{REALM}/contacts/{doc(box, 'contacts', '100')['id']}", {"sales_accounts": primary})
    box.admin("DELETE", f"{REALM}/contacts/{lost['id']}")
    client.create("deals", {"name": "Open one", "amount": 1, "custom_field": {}})
    expected = {
        ("deal", "900", "amount"),
        ("deal_account", "900", "5000", "missing"),
        ("contact", "102", "cf_born"),
        ("contact_account", "100", "5000", "wrong_primary"),
        ("contact_account", "100", "5001", "wrong_primary"),
        ("contact", "103", "missing"),
        ("deals", "unexpected"),
    }
    assert expected == findings(run, client)


def test_reading_asks_for_a_hundred_records_a_call(loaded: tuple[Sandbox, Run, Freshsales]) -> None:
    """Three modules take a view list and a page each, never a call per record."""
    box, run, client = loaded
    before = box.admin("GET", f"requests?realm={REALM}")["total"]
    readback.records(run, client)
    assert 6 == box.admin("GET", f"requests?realm={REALM}")["total"] - before
