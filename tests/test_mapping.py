"""Where every source field goes: proposals, a person's rows, what they need and what is left behind."""

import polars as pl
import pytest

from crmbook import clean, tables
from crmbook.errors import DataError
from crmbook.phases import discovery, mapping, matching, proposal_targets, standard_map, structure
from crmbook.sandbox import demo
from source_rows import attributes, companies, contacts, deals

DECLARED = attributes(
    ("contact", "lead_source", "Lead source", "fixed"),
    ("contact", "lead-source", "Lead-Source", "string"),
    ("contact", "stanowisko", "Stanowisko", "string"),
    ("contact", "notes", "Notes", "string"),
    ("company", "domain", "Domain", "string"),
    ("company", "headcount", "Headcount", "integer"),
)


def _profile(people: list[dict[str, object]], firms: list[dict[str, object]] | None = None) -> pl.DataFrame:
    return discovery.fields(contacts(*people), companies(*(firms or [])), deals({"source_id": "d"}), DECLARED)


PEOPLE: list[dict[str, object]] = [
    {"source_id": "1", "city": "Oslo", "p_lead_source": '["web, ads"]', "p_lead-source": "x", "p_stanowisko": "CEO",
     "p_notes": "n" * 300, "gender": "male", "score": 0, "unsubscribed": False, "last_ip": "10.0.0.1"},
    {"source_id": "2", "city": None, "p_lead_source": '["fair"]', "p_lead-source": None, "p_stanowisko": None,
     "p_notes": None, "gender": "female", "score": 0, "unsubscribed": False, "last_ip": None},
]  # fmt: skip
FIRMS: list[dict[str, object]] = [
    {"source_id": "7", "size": 5, "p_domain": "acme.example", "p_headcount": "5", "phone_numbers": ["1", "2"]}
]
FIELDS = _profile(PEOPLE, FIRMS)


def _proposed(fields: pl.DataFrame = FIELDS) -> dict[tuple[str, str], dict[str, object]]:
    rows = mapping.propose(fields).iter_rows(named=True)
    return {(r["entity"], r["source_field"]): r for r in rows}


def _target(entity: str, field: str, fields: pl.DataFrame = FIELDS) -> tuple[object, ...]:
    row = _proposed(fields)[entity, field]
    return row["target_field"], row["rule"], row["decision"]


def test_every_source_field_has_exactly_one_row_and_a_reason() -> None:
    """A field without a decision would be lost without anybody knowing."""
    made = mapping.propose(FIELDS)

    assert set(FIELDS.select("entity", "field").iter_rows()) == set(
        made.select("entity", "source_field").iter_rows()
    )
    assert made.filter(pl.col("reason") == "").is_empty()


def test_the_standard_map_knows_every_standard_column() -> None:
    """A column added to the source tables needs a place, or a reason to have none."""
    expected = {
        "contact": tables.SOURCE_CONTACTS,
        "company": tables.SOURCE_COMPANIES,
        "deal": tables.SOURCE_DEALS,
    }

    assert {e: set(t.columns) for e, t in expected.items()} == {
        e: set(p) for e, p in standard_map.PLACES.items()
    }


def test_the_standard_map_names_real_fields_and_rules() -> None:
    """Every target is a column of the target-shaped table or a custom field; every rule exists."""
    shaped = {"contact": tables.CONTACTS, "company": tables.ACCOUNTS, "deal": tables.DEALS}
    for entity, places in standard_map.PLACES.items():
        for place in places.values():
            assert place.rule in clean.RULES
            assert (
                place.rule == "identity"
                or place.is_custom
                or not place.target
                or place.target in shaped[entity].columns
            )
        for target in proposal_targets.targets(entity):
            assert target.name in shaped[entity].columns
            assert target.rule in clean.RULES


@pytest.mark.parametrize(
    ("entity", "field", "expected"),
    [
        pytest.param("contact", "city", ("city", "copy", "proposed"), id="same meaning"),
        pytest.param("contact", "company_ids", ("", "copy", "skip"), id="no relation filled"),
        pytest.param("contact", "email", ("", "copy", "skip"), id="empty everywhere"),
        pytest.param(
            "contact", "gender", ("cf_usercom_gender", "choice", "proposed"), id="kept in a custom field"
        ),
        pytest.param("contact", "score", ("", "copy", "skip"), id="technical and the same on all records"),
        pytest.param(
            "contact", "unsubscribed", ("cf_usercom_unsubscribed", "checkbox", "proposed"), id="consent"
        ),
        pytest.param("contact", "last_ip", ("", "copy", "skip"), id="left behind"),
        pytest.param("contact", "source_id", ("cf_usercom_original_id", "text", "proposed"), id="source id"),
        pytest.param("contact", "p_stanowisko", ("job_title", "copy", "proposed"), id="a Polish job title"),
        pytest.param(
            "contact", "p_notes", ("cf_notes", "textarea", "proposed"), id="too long for a text field"
        ),
        pytest.param(
            "contact", "p_lead_source", ("cf_lead_source_2", "choice", "proposed"), id="a name taken"
        ),
        pytest.param(
            "contact", "p_lead-source", ("cf_lead-source", "text", "proposed"), id="the first of that name"
        ),
        pytest.param("company", "p_domain", ("website", "url", "proposed"), id="domain is the website"),
        pytest.param(
            "company", "p_headcount", ("cf_headcount", "integer", "proposed"), id="size has the place already"
        ),
        pytest.param(
            "company", "phone_numbers", ("phone", "phone", "proposed"), id="first of several numbers"
        ),
    ],
)
def test_a_field_goes_where_its_meaning_and_values_fit(
    entity: str, field: str, expected: tuple[str, ...]
) -> None:
    """Standard field where one means the same, custom field else, nowhere only with a reason."""
    assert expected == _target(entity, field)


def test_a_name_alone_does_not_make_a_website() -> None:
    """A property called Domain that holds words is a text of its own; one bad value in ten does not change it."""
    words = _profile([], [{"source_id": str(n), "p_domain": "logistics"} for n in range(3)])
    mostly = _profile(
        [], [{"source_id": str(n), "p_domain": f"c{n}.example" if n else "none"} for n in range(10)]
    )

    assert ("cf_domain", "text", "proposed") == _target("company", "p_domain", words)
    assert ("website", "url", "proposed") == _target("company", "p_domain", mostly)
    assert "90% of the values" in str(_proposed(mostly)["company", "p_domain"]["reason"])


def test_no_two_fields_of_the_demo_share_a_target() -> None:
    """Neither literally nor once punctuation is folded away, since a tenant may fold it."""
    names = [a for a in demo.scenario().usercom["attributes"] if a["content_type"] == "user"]
    rows = [{"source_id": "1", **{f"p_{a['name_std']}": "x" for a in names}}]
    declared = attributes(*(("contact", a["name_std"], a["name"], "string") for a in names))
    made = mapping.propose(discovery.fields(contacts(*rows), companies(), deals(), declared))

    targets = made.filter(pl.col("target_field").str.starts_with("cf_")).get_column("target_field").to_list()
    assert len(names) - 1 <= len(targets)
    assert len({matching.fold(t[3:]) for t in targets}) == len(targets)


@pytest.mark.parametrize(
    ("expected", "label"),
    [
        pytest.param("cf_plan_type", "Plan  Type", id="blanks become one underscore"),
        pytest.param("cf_lead-source", "Lead-Source", id="a dash survives"),
        pytest.param("cf_źródło", "Źródło", id="letters stay letters"),
    ],
)
def test_the_api_name_follows_from_the_label(expected: str, label: str) -> None:
    """The target derives it, so the label decides."""
    assert expected == matching.api_name(label)


def test_labels_of_custom_fields_give_their_api_names() -> None:
    """The admin types the label; the api name that comes out must be the one the load writes to."""
    made = mapping.custom_fields(mapping.propose(FIELDS), FIELDS)

    assert made.height > 10
    assert made.get_column("api_name").to_list() == [matching.api_name(x) for x in made.get_column("label")]


def test_custom_fields_have_the_rules_type_and_the_sources_choices() -> None:
    """Structure's own fields are there too: the source id everywhere, unique; a deal's status and stage."""
    made = mapping.custom_fields(mapping.propose(FIELDS), FIELDS)
    found = {
        (r["module"], r["api_name"]): (r["field_type"], r["choices"], r["is_unique"]) for r in made.to_dicts()
    }

    assert ("dropdown", ["fair", "web, ads"], False) == found["contacts", "cf_lead_source_2"]
    assert ("textarea", [], False) == found["contacts", "cf_notes"]
    assert ("number", [], False) == found["sales_accounts", "cf_headcount"]
    assert ("text", [], False) == found["sales_accounts", "cf_usercom_phone_numbers"]
    assert ("dropdown", list(standard_map.DEAL_STATUSES), False) == found["deals", "cf_usercom_deal_status"]
    for module in ("contacts", "sales_accounts", "deals"):
        assert ("text", [], True) == found[module, "cf_usercom_original_id"]


def test_choices_are_counted_verbatim() -> None:
    """Every choice in the data becomes itself until somebody decides otherwise."""
    made = mapping.choices(
        mapping.propose(FIELDS), contacts=contacts(*PEOPLE), companies=companies(*FIRMS), deals=deals()
    )

    rows = made.filter(pl.col("source_field") == "p_lead_source").select(
        "source_value", "target_value", "records"
    )
    assert [("fair", "fair", 1), ("web, ads", "web, ads", 1)] == rows.rows()


def test_what_goes_nowhere_is_listed_with_its_reason() -> None:
    """Only filled fields: an empty one loses nothing."""
    made = mapping.unmapped(mapping.propose(FIELDS), FIELDS)

    assert {"score", "last_ip"} == set(made.filter(pl.col("entity") == "contact").get_column("field"))


def test_coverage_notices_a_field_nobody_decided() -> None:
    """A field that is neither mapped nor listed is unaccounted for, and the gate fails on it."""
    proposed = mapping.propose(FIELDS)
    whole = mapping.coverage(proposed, FIELDS, mapping.unmapped(proposed, FIELDS))
    torn = proposed.filter(pl.col("source_field") != "city")
    listed = mapping.unmapped(torn, FIELDS)

    assert [0, 0, 0] == whole.get_column("unaccounted").to_list()
    assert ("contact", "city", 1, "no decision") in listed.rows()
    gone = mapping.coverage(torn, FIELDS, listed.filter(pl.col("field") != "city"))
    assert [0, 1, 0] == gone.get_column("unaccounted").to_list()


def _edit(field: str, **changes: str) -> pl.DataFrame:
    """The whole proposal with one contact row changed, as it comes back from the file."""
    here = (pl.col("entity") == "contact") & (pl.col("source_field") == field)
    return mapping.propose(FIELDS).with_columns(
        pl.when(here).then(pl.lit(value)).otherwise(column).alias(column) for column, value in changes.items()
    )


def _decided(edited: pl.DataFrame, field: str = "p_notes") -> tuple[object, ...]:
    made = mapping.with_decisions(mapping.propose(FIELDS), edited)
    row = made.filter(pl.col("entity") == "contact", pl.col("source_field") == field).row(0, named=True)
    return row["target_field"], row["rule"], row["decision"]


def test_an_unedited_file_changes_nothing() -> None:
    """Reading back what was written is the proposal."""
    proposed = mapping.propose(FIELDS)

    assert proposed.equals(mapping.with_decisions(proposed, proposed))


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        pytest.param(
            ("cf_memo", "textarea", "changed"),
            {"target_field": "cf_memo", "decision": "changed"},
            id="changed",
        ),
        pytest.param(("cf_notes", "textarea", "confirmed"), {"decision": "confirmed"}, id="confirmed"),
        pytest.param(("", "textarea", "skip"), {"decision": "skip"}, id="skip empties the target"),
        pytest.param(
            ("cf_memo", "textarea", "changed"), {"target_field": "cf_memo"}, id="edited, mark forgotten"
        ),
        pytest.param(
            ("cf_notes", "textarea", "proposed"),
            {"rule": "text", "reason": "of another day"},
            id="stale proposal",
        ),
    ],
)
def test_a_persons_row_wins(expected: tuple[str, ...], changes: dict[str, str]) -> None:
    """Marked or silently edited; a proposal of an earlier day does not."""
    assert expected == _decided(_edit("p_notes", **changes))


def test_a_field_left_behind_while_empty_is_proposed_anew_once_filled() -> None:
    """A skip the workbook made itself is no decision of a person."""
    before = mapping.propose(_profile([{"source_id": "1", "p_notes": None, "city": None}]))
    now = _profile([{"source_id": "1", "p_notes": "n", "city": "Oslo"}])

    made = mapping.with_decisions(mapping.propose(now), before)

    rows = made.filter(pl.col("source_field").is_in(["p_notes", "city"]), pl.col("entity") == "contact")
    assert ["proposed", "proposed"] == rows.get_column("decision").to_list()


def test_rows_for_fields_that_are_gone_are_dropped() -> None:
    """The source decides which fields exist."""
    edited = _edit("p_notes", decision="confirmed")
    gone = mapping.propose(FIELDS.filter(pl.col("field") != "p_notes"))

    assert gone.equals(mapping.with_decisions(gone, edited))


def test_proposals_move_out_of_a_persons_way() -> None:
    """A custom field is numbered; a standard field that is taken leaves the proposal without a place, and says so."""
    assert _decided(_edit("p_notes", target_field="cf_lead-source", decision="changed"), "p_lead-source") == (
        "cf_lead-source_2", "text", "proposed",
    )  # fmt: skip
    assert _decided(_edit("p_notes", target_field="city", decision="changed"), "city") == ("", "copy", "skip")


def test_two_rows_of_a_person_cannot_share_a_target() -> None:
    """The second would overwrite the first."""
    edited = mapping.propose(FIELDS).with_columns(
        decision=pl.lit("confirmed"),
        target_field=pl.when(pl.col("source_field").is_in(["p_notes", "p_lead-source"]))
        .then(pl.lit("cf_both"))
        .otherwise("target_field"),
    )

    with pytest.raises(DataError, match="contact p_lead-source, p_notes all go to cf_both"):
        mapping.with_decisions(mapping.propose(FIELDS), edited)


STAGES = structure.stages(pl.DataFrame(schema=tables.SOURCE_STAGES.columns), deals())
OWNERS = pl.DataFrame([("1", "Ann", "Ann@a.example", True, 3)], schema=tables.OWNERS.columns, orient="row")


def _hash(edited: pl.DataFrame, owners: pl.DataFrame = OWNERS) -> str:
    return mapping.effective_hash(edited, STAGES, owners)


@pytest.mark.parametrize(
    ("is_same", "changes"),
    [
        pytest.param(True, {"decision": "confirmed"}, id="confirmed as proposed"),
        pytest.param(True, {"note": "asked Ann", "reason": "because"}, id="words"),
        pytest.param(False, {"decision": "skip"}, id="skipped"),
        pytest.param(False, {"target_field": "cf_memo"}, id="another target"),
        pytest.param(False, {"rule": "text"}, id="another rule"),
    ],
)
def test_the_hash_changes_with_effects_only(is_same: bool, changes: dict[str, str]) -> None:
    """An approval stays good until something else would be written."""
    assert is_same == (_hash(mapping.propose(FIELDS)) == _hash(_edit("p_notes", **changes)))


def test_the_hash_ignores_order_counts_and_the_case_of_an_email() -> None:
    """Owners are matched by e-mail without case; how many records they own changes by the hour."""
    same = OWNERS.with_columns(
        email=pl.lit("ann@a.example"), records=pl.lit(4, dtype=pl.Int64), name=pl.lit("Anna")
    )
    other = OWNERS.with_columns(email=pl.lit("eve@a.example"))
    proposed = mapping.propose(FIELDS)

    assert _hash(proposed) == _hash(proposed.reverse(), same)
    assert _hash(proposed) != _hash(proposed, other)


@pytest.mark.parametrize("api_name", ["cf_memo", "cf_a__b", "cf_straße", "cf_lead-source_2"])
def test_a_renamed_field_gets_a_label_that_gives_its_api_name(api_name: str) -> None:
    """A person names the api name; the admin types the label."""
    made = mapping.custom_fields(_edit("p_notes", target_field=api_name, decision="changed"), FIELDS)

    labels = made.filter(pl.col("module") == "contacts", pl.col("api_name") == api_name).get_column("label")
    assert [api_name] == [matching.api_name(label) for label in labels]
