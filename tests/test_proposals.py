"""What everything may become: the decision first, then what else is likely, with reasons that hold no value."""

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import discovery, mapping, proposal_targets, proposal_values, proposals
from load_case import frame
from source_rows import attributes, companies, contacts, deals

DECLARED = attributes(
    ("contact", "stanowisko_pracy", "Stanowisko w pracy", "string"),
    ("contact", "rola", "Rola w firmie", "string"),
    ("contact", "vorname", "Vorname", "string"),
    ("contact", "klub", "Klub lojalnościowy", "fixed"),
    ("contact", "dostawa", "Miasto dostawy", "string"),
    ("company", "seats_size", "Fleet size", "integer"),
)
PEOPLE: list[dict[str, object]] = [
    {"source_id": str(n), "name": f"Ann {n}", "p_stanowisko_pracy": f"Secret{n}", "p_rola": f"Hidden{n}" if n else None,
     "p_vorname": f"Private{n}", "p_dostawa": f"Masked{n % 2}", "p_klub": '["Gold"]' if n % 2 else '["Silver"]'}
    for n in range(6)
]  # fmt: skip
FIELDS = discovery.fields(
    contacts(*PEOPLE), companies({"source_id": "7", "p_seats_size": "5"}), deals(), DECLARED
)
MAPPING = mapping.propose(FIELDS)
TENANT = frame(
    tables.TARGET_FIELDS,
    {"module": "contacts", "api_name": "cf_loyalty_club", "label": "Klub lojalnosciowy", "field_type": "dropdown",
     "is_custom": True, "choices": ["gold", "Silver", "Bronze"], "choice_ids": ["1", "2", "3"]},
    {"module": "contacts", "api_name": "cf_shoe", "label": "Shoe", "field_type": "dropdown", "is_custom": True,
     "choices": ["a"], "choice_ids": ["1"]},
)  # fmt: skip


def _rows(made: pl.DataFrame, field: str) -> list[tuple[object, ...]]:
    rows = made.filter(pl.col("source_field") == field)
    return rows.select("rank", "target_field", "is_chosen").rows()


def test_every_field_has_its_decision_first() -> None:
    """Rank 1 is what the mapping proposes, field by field."""
    made = proposals.of_fields(FIELDS, MAPPING)

    first = made.filter("is_chosen").select("entity", "source_field", "target_field", "confidence", "reason")
    assert first.rows() == MAPPING.select(first.columns).rows()
    assert made.group_by("entity", "source_field").agg(pl.col("rank").max()).get_column("rank").max() <= 4


def test_of_two_that_mean_the_same_the_fuller_gets_the_field() -> None:
    """The other keeps a field of its own and says what it would mean."""
    rows = {r["source_field"]: r for r in MAPPING.iter_rows(named=True)}

    assert rows["p_stanowisko_pracy"]["target_field"] == "job_title"
    assert rows["p_rola"]["target_field"] == "cf_rola_w_firmie"
    assert "job_title would mean the same, but is taken" in rows["p_rola"]["reason"]


def test_what_structure_fills_is_never_given_to_a_property() -> None:
    """The first name comes from the name; a property that says so stays a field of its own."""
    made = proposals.of_fields(FIELDS, MAPPING)

    assert _rows(made, "p_vorname") == [(1, "cf_vorname", True), (2, "first_name", False)]
    assert "structure fills that field" in made.filter(rank=2, source_field="p_vorname")["reason"].item()


def test_a_near_miss_says_why_it_is_none() -> None:
    """The city of a delivery stays a field of its own, as sure as any, and the reason names the word."""
    row = MAPPING.filter(pl.col("source_field") == "p_dostawa").row(0, named=True)

    assert ("cf_miasto_dostawy", 0.9) == (row["target_field"], row["confidence"])
    assert row["reason"].endswith("; not city, because of dostawy (delivery)")


def test_a_name_half_understood_is_a_suggestion() -> None:
    """Below the confidence the safe default stays, names the suggestion, and is less sure itself."""
    row = MAPPING.filter(pl.col("source_field") == "p_seats_size").row(0, named=True)

    assert row["target_field"] == "cf_fleet_size"
    assert "perhaps number_of_employees" in row["reason"]
    assert row["confidence"] < 0.6
    assert _rows(proposals.of_fields(FIELDS, MAPPING), "p_seats_size")[1] == (2, "number_of_employees", False)


def test_a_field_the_tenant_has_is_suggested_by_name_and_choices() -> None:
    """Never filled in: the map would depend on the tenant."""
    made = proposals.of_fields(FIELDS, MAPPING, TENANT)

    assert _rows(made, "p_klub") == [(1, "cf_klub_lojalnościowy", True), (2, "cf_loyalty_club", False)]
    told = made.filter(rank=2, source_field="p_klub").row(0, named=True)
    assert told["confidence"] > 0.9
    assert "100% of the choices are there; both dropdown" in told["reason"]


def test_no_reason_holds_a_value() -> None:
    """Reasons are shown in notebooks and files; the values they speak of are personal."""
    told = " ".join(proposals.of_fields(FIELDS, MAPPING, TENANT)["reason"])
    values = {str(v) for row in PEOPLE for k, v in row.items() if k.startswith("p_") and k != "p_klub"}

    assert [v for v in values if v in told] == []


def test_the_same_fields_give_the_same_proposals() -> None:
    """Whatever the order they come in."""
    turned = FIELDS.reverse()

    assert mapping.propose(turned).equals(MAPPING)
    assert proposals.of_fields(turned, MAPPING, TENANT).equals(proposals.of_fields(FIELDS, MAPPING, TENANT))


@pytest.mark.parametrize(
    ("expected", "evidence"),
    [
        pytest.param(["website"], {"label": "Web", "kind": "url", "max_length": 40}, id="a web address"),
        pytest.param([], {"label": "Web", "kind": "url", "max_length": 300}, id="one too long for the field"),
        pytest.param([], {"label": "Web", "kind": "integer", "max_length": 4}, id="a number called Web"),
        pytest.param([], {"label": "Country", "kind": "choice", "sign": "country", "sign_share": 1.0}, id="a list of one"),
        pytest.param([], {"label": "Country", "kind": "text"}, id="countries nobody recognises"),
        pytest.param(["country"], {"label": "Country", "kind": "text", "sign": "country", "sign_share": 0.9}, id="countries"),
        pytest.param([], {"label": "Billing country", "kind": "text", "sign": "country", "sign_share": 0.9}, id="another one's"),
        pytest.param([], {"label": "Web xyzzy", "kind": "url"}, id="half of it is not understood"),
        pytest.param(["city"], {"label": "xyz_city", "kind": "text"}, id="a system's prefix"),
        pytest.param([], {"label": "city_xyz", "kind": "text"}, id="which stands before a name"),
    ],
)  # fmt: skip
def test_only_what_name_and_values_say_is_filled_in(expected: list[str], evidence: dict[str, object]) -> None:
    """One without the other is a suggestion."""
    found = proposal_targets.prefilled(proposal_targets.Evidence(entity="company", **evidence))  # type: ignore[arg-type]

    assert expected == [c.target for c in found]


def test_a_stage_is_suggested_by_name_probability_and_end() -> None:
    """First the stage of the same name, then what the tenant has; one that closes a deal comes last or not at all."""
    ours = frame(
        tables.STAGES,
        {"pipeline_id": "1", "stage_id": "2", "target_pipeline": "Sales", "target_stage": "Offer sent",
         "target_probability": 40, "forecast_type": "Open"},
    )  # fmt: skip
    theirs = frame(
        tables.TARGET_STAGES,
        {"stage_id": 1, "pipeline": "Default", "stage": "Offer sent", "probability": 45.0, "forecast_type": "Open"},
        {"stage_id": 2, "pipeline": "Default", "stage": "Sent offer", "probability": 100.0, "forecast_type": "Closed Won"},
    )  # fmt: skip

    made = proposals.of_stages(ours, theirs)

    assert [(1, "Sales / Offer sent", 1.0), (2, "Default / Offer sent", 0.96)] == made.select(
        "rank", "target_field", "confidence"
    ).rows()[:2]
    assert [1.0] == proposals.of_stages(ours)["confidence"].to_list()


def test_an_activity_types_name_may_speak_against_its_kind() -> None:
    """Then the carrier is less sure, and the other one is suggested."""
    types = frame(
        tables.ACTIVITY_MAP,
        {"activity_type_id": "1", "name": "Rozmowa telefoniczna", "kind": "call", "carrier": "sales_activities", "reason": "r"},
        {"activity_type_id": "2", "name": "Spotkanie w biurze", "kind": "other", "carrier": "notes", "reason": "r"},
    )  # fmt: skip

    made = proposals.of_activity_types(types).select("source_field", "rank", "target_field", "confidence")

    assert made.rows() == [
        ("1", 1, "sales_activities", 1.0), ("2", 1, "notes", 0.6), ("2", 2, "appointments", 0.5),
    ]  # fmt: skip


def test_an_activity_type_may_be_the_second_of_its_kind() -> None:
    """A number in its name says no kind, and is no reason to be less sure."""
    type_ = {
        "activity_type_id": "1",
        "name": "Call 2",
        "kind": "call",
        "carrier": "sales_activities",
        "reason": "r",
    }

    made = proposals.of_activity_types(frame(tables.ACTIVITY_MAP, type_))

    assert made.select("target_field", "confidence").rows() == [("sales_activities", 1.0)]


def test_a_choice_is_carried_as_it_is_and_told_what_it_resembles() -> None:
    """Only where the field exists already."""
    choices = frame(
        tables.CHOICES,
        {"entity": "contact", "source_field": "p_klub", "source_value": "Gold", "target_value": "Gold", "records": 3},
    )  # fmt: skip
    there = MAPPING.with_columns(
        target_field=pl.when(pl.col("source_field") == "p_klub").then(pl.lit("cf_loyalty_club")).otherwise("target_field")
    )  # fmt: skip
    columns = ("rank", "target_value", "confidence")

    assert [(1, "Gold", 1.0)] == proposal_values.of_choices(choices, MAPPING).select(columns).rows()
    found = proposal_values.of_choices(choices, there, TENANT).select(columns).rows()
    assert [(1, "Gold", 0.7), (2, "gold", 0.99)] == found


def test_an_owner_of_another_e_mail_is_only_suggested() -> None:
    """The same e-mail settles it; a name alone never stands first as if it did."""
    owners = frame(
        tables.OWNERS,
        {"agent_id": "1", "name": "Ann Berg", "email": "ann@a.example"},
        {"agent_id": "2", "name": "Bea Alm", "email": "bea@old.example"},
        {"agent_id": "3", "name": None, "email": None},
    )
    users = frame(
        tables.TARGET_OWNERS,
        {"owner_id": 1, "name": "Anna Berg", "email": "ANN@a.example"},
        {"owner_id": 2, "name": "Alm, Bea", "email": "bea@new.example"},
    )

    made = proposal_values.of_owners(owners, users).select("agent_id", "rank", "email", "confidence")

    assert made.rows() == [
        ("1", 1, "ANN@a.example", 1.0), ("2", 1, "bea@old.example", 0.9), ("2", 2, "bea@new.example", 0.8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("Miasto dostawy", "delivery"), ("Rechnungsstadt", "billing"), ("ville de naissance", "birth"),
        ("ciudad del cónyuge", "other person"), ("previous city", "previous"), ("druhé město", "second"),
        ("бажане місто", "desired"), ("cidade do evento", "thing"),
    ],
)  # fmt: skip
def test_a_word_that_makes_it_another_field_is_named_in_the_reason(label: str, meant: str) -> None:
    """A city of something else is not filled in, and the analyst reads why."""
    evidence = proposal_targets.Evidence("contact", label, "text")
    city = next(c for c in proposal_targets.candidates(evidence) if c.target == "city")

    assert proposal_targets.prefilled(evidence) == []
    assert meant in city.why
