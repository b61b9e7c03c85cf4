"""Source records to target-shaped ones: what is kept, merged, refused, moved and told."""

import dataclasses
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

import source_rows as source
from crmbook import tables
from crmbook.errors import DataError
from crmbook.phases import normalization
from crmbook.phases.shape import Decisions, Shaped
from normalization_case import FIELDS, STAGES, Policy, choices, custom_fields, decided, mapping, stages

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def with_properties(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """*frame* with the custom properties every account of these tests declares."""
    missing = [name for name in names if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)


def firms_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return with_properties(source.companies(*rows), "p_website")


def people_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return with_properties(source.contacts(*rows), "p_plan", "p_score")


def companies(*rows: dict[str, Any], under: Decisions | None = None) -> Shaped:
    return normalization.accounts(firms_of(*rows), under or decided())


def contacts(
    *rows: dict[str, Any],
    deals: tuple[dict[str, Any], ...] = (),
    under: Decisions | None = None,
    accounts: Shaped | None = None,
) -> Shaped:
    return normalization.contacts(
        people_of(*rows),
        under or decided(),
        source_deals=source.deals(*deals),
        accounts=accounts or companies(),
    )


def deals(
    *rows: dict[str, Any],
    under: Decisions | None = None,
    people: Shaped | None = None,
    accounts: Shaped | None = None,
) -> Shaped:
    made = [
        {"name": "Deal", "pipeline_id": "1", "stage_id": "10", "status": 1, "value": "1.00", **r}
        for r in rows
    ]
    return normalization.deals(
        source.deals(*made),
        under or decided(),
        accounts=accounts or companies(),
        contacts=people or contacts(),
    )


def person(source_id: str, **cells: Any) -> dict[str, Any]:
    return {"source_id": source_id, "email": f"p{source_id}@a.example", "name": f"Ann No{source_id}", **cells}


def cell(part: Shaped, source_id: str, column: str) -> Any:
    return part.rows.row(by_predicate=pl.col("source_id") == source_id, named=True)[column]


def told(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.drop("entity").rows()


def test_an_empty_account_gives_empty_conformed_tables() -> None:
    """Nothing in, nothing out, every table with its columns."""
    none = {"mapping": mapping(), "custom_fields": custom_fields(), "choices": choices(), "stages": stages()}
    under = normalization.Decisions(
        **none, owners=decided().owners, policy=Policy(), time_zone="UTC", account_name_unique=True
    )
    made = normalization.normalize(
        {"contact": source.contacts(), "company": source.companies(), "deal": source.deals()}, under
    )
    for name in (
        "sales_accounts",
        "contacts",
        "deals",
        "links",
        "rejects",
        "excluded",
        "merges",
        "changes",
        "loss",
    ):
        assert getattr(made, name).schema == pl.Schema(tables.of(name).columns)
    assert made.balance.drop("entity").rows() == [(0, 0, 0, 0, 0, 0)] * 3


# companies


def test_a_company_becomes_an_account() -> None:
    """Standard cells cleaned, the source id carried, the first phone number taken."""
    made = companies(
        {"source_id": "5", "name": " Acme ", "p_website": "ACME.example", "size": 12, "tags": ["b", "a"],
         "phone_numbers": ["", "+48 600 100 200"]},
    )  # fmt: skip
    columns = (
        "name",
        "website",
        "number_of_employees",
        "tags",
        "phone",
        "cf_usercom_original_id",
        "owner_agent_id",
    )
    assert made.rows.select(columns).row(0) == (
        "Acme", "https://acme.example", 12, ["b", "a"], "+48600100200", "5", None,
    )  # fmt: skip
    assert told(made.changes) == [("name", "name", 1), ("p_website", "url", 1), ("phone_numbers", "phone", 1)]


def test_a_company_without_a_name_is_rejected() -> None:
    """Null and blanks alike; the target refuses them."""
    made = companies(
        {"source_id": "1", "name": None}, {"source_id": "2", "name": " \t"}, {"source_id": "3", "name": "A"}
    )
    assert made.rows["source_id"].to_list() == ["3"]
    assert told(made.rejects) == [("1", "name_missing", "name", True), ("2", "name_missing", "name", True)]


def test_further_phone_numbers_go_to_their_field_or_are_told() -> None:
    """All of them in the custom field where there is one, else counted as lost."""
    row = {"source_id": "1", "name": "A", "phone_numbers": ["600 1", "600 2"]}
    kept = companies(
        row, under=decided(custom_fields=custom_fields(("sales_accounts", "cf_usercom_phone_numbers")))
    )
    assert (cell(kept, "1", "cf_usercom_phone_numbers"), told(kept.loss)) == ("600 1, 600 2", [])
    assert told(companies(row).loss) == [("phone_numbers", "dropped", 1)]


def test_same_name_and_site_is_one_account() -> None:
    """Case, blanks, scheme and www don't matter; a missing site never matches; the lowest id survives."""
    made = companies(
        {
            "source_id": "10",
            "name": "ACME  Sp",
            "p_website": "http://acme.example/pl",
            "size": 5,
            "tags": ["x"],
        },
        {"source_id": "9", "name": "Acme sp ", "p_website": "www.acme.example", "tags": ["y"]},
        {"source_id": "8", "name": "Acme sp"},
        {"source_id": "7", "name": "Acme sp"},
    )
    assert made.merges.rows() == [("company", "10", "9", "name_and_website")]
    assert (cell(made, "9", "number_of_employees"), cell(made, "9", "tags")) == (5, ["y", "x"])
    assert dict(made.rows.select("source_id", "name").iter_rows()) == {
        "7": "Acme sp", "8": "Acme sp (8)", "9": "Acme sp (9)",
    }  # fmt: skip
    assert ("name", "suffixed", 2) in told(made.changes)


@pytest.mark.parametrize(
    ("policy", "is_unique", "names", "merged"),
    [
        ("merge", True, ["A", "A (3)"], 1),
        ("merge", False, ["A", "A"], 1),
        ("suffix", False, ["A", "A (2)", "A (3)"], 0),
    ],
)
def test_accounts_of_one_name_follow_the_policy(
    policy: str, is_unique: bool, names: list[str], merged: int
) -> None:
    """A suffix only where names must be unique, merging only where the policy says so."""
    made = companies(
        {"source_id": "1", "name": "A", "p_website": "a.example"},
        {"source_id": "2", "name": "A", "p_website": "a.example"},
        {"source_id": "3", "name": "A", "p_website": "b.example"},
        under=decided(policy=Policy(duplicate_account=policy), account_name_unique=is_unique),
    )
    assert (made.rows["name"].to_list(), made.merges.height) == (names, merged)


def test_a_suffix_never_makes_a_name_too_long() -> None:
    """The name is cut to make room, and the cut is told."""
    made = companies({"source_id": "1", "name": "x" * 255}, {"source_id": "2", "name": "x" * 255})
    assert cell(made, "2", "name") == "x" * 251 + " (2)"
    assert told(made.loss) == [("name", "truncated", 1)]


# contacts


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, "unidentified"),
        ({"email": " ", "phone_number": "", "custom_id": ""}, "unidentified"),
        ({"web_push_subscription": True}, "push_only"),
        ({"fcm_key": True}, "push_only"),
        ({"last_heard": NOW}, "chat_only"),
        ({"last_heard": NOW, "web_push_subscription": True}, "chat_only"),
    ],
)
def test_who_can_not_be_identified_is_left_out(cells: dict[str, Any], expected: str) -> None:
    """Neither e-mail, phone nor user id: excluded with the reason, not rejected."""
    made = contacts({"source_id": "1", **cells})
    assert (made.rows.height, made.excluded.rows(), made.rejects.height) == (
        0,
        [("contact", "1", expected)],
        0,
    )


@pytest.mark.parametrize("cells", [{"phone_number": "600"}, {"custom_id": "u1"}, {"email": "no address"}])
def test_whoever_has_an_identity_is_no_visitor(cells: dict[str, Any]) -> None:
    """One of the three is enough not to be excluded, even with a chat."""
    assert contacts({"source_id": "1", "last_heard": NOW, **cells}).excluded.height == 0


def test_a_contact_without_an_address_is_rejected_with_the_reason() -> None:
    """A missing one and an invalid one are told apart, once each."""
    made = contacts(
        {"source_id": "1", "phone_number": "600"}, {"source_id": "2", "email": "a@b"}, person("3")
    )
    assert made.rows["source_id"].to_list() == ["3"]
    assert told(made.rejects) == [
        ("1", "email_missing", "email", True),
        ("2", "email_invalid", "email", True),
    ]
    assert made.fate["reason"].to_list() == [
        "contact rejected: email_missing",
        "contact rejected: email_invalid",
        "",
    ]


def test_a_placeholder_address_reaches_nobody_and_is_marked() -> None:
    """Under the policy every identified contact is loaded; an invalid text is still reported."""
    made = contacts(
        {"source_id": "1", "phone_number": "600", "tags": ["vip"]}, {"source_id": "2", "email": "a@b"}, person("3"),
        under=decided(policy=Policy(contact_without_email="placeholder")),
    )  # fmt: skip
    assert made.rows.select("email", "tags").rows() == [
        ("usercom-1@placeholder.invalid", ["vip", "no-email"]),
        ("usercom-2@placeholder.invalid", ["no-email"]),
        ("p3@a.example", []),
    ]
    assert told(made.rejects) == [("2", "email_invalid", "email", False)]
    assert ("email", "dropped", 1) in told(made.loss)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ola Nowak", "Ola", "Nowak"),
        ("  Anna  Maria\tNowak-Lis ", "Anna Maria", "Nowak-Lis"),
        ("Cher", None, "Cher"),
        ("=HYPERLINK(1) <b>x</b>", "=HYPERLINK(1)", "<b>x</b>"),
        ("山田 太郎", "山田", "太郎"),
        ("😀 Zoe\u0308", "😀", "Zoë"),
        (None, None, "p1"),
        (" ", None, "p1"),
        ("a " * 130 + "b" * 200, ("a " * 128).strip(), "a a " + "b" * 200),
        ("x" * 300, None, "x" * 255),
    ],
    ids=["two", "three", "one", "formula", "script", "emoji", "none", "blank", "long", "too long"],
)
def test_names_are_made_of_the_full_name(name: str | None, first: str | None, last: str) -> None:
    """The last word is the last name; who has none borrows it from the address."""
    made = contacts(person("1", name=name))
    assert made.rows.select("first_name", "last_name").row(0) == (first, last)


def test_a_name_that_can_not_be_held_is_told() -> None:
    """Cut to the vendor's length, with the record named and the loss counted."""
    made = contacts(person("1", name="x" * 300), person("2", name=None))
    assert told(made.rejects) == [("1", "too_long", "name", False)]
    assert told(made.loss) == [("name", "truncated", 1)]
    assert told(made.changes) == [("name", "last_name_from_email", 1)]


def test_one_address_is_one_contact() -> None:
    """The fullest survives, then the last seen, then the lowest id; case and blanks make no difference."""
    made = contacts(
        person("4", email="A@x.example", city="Hel"),
        person("3", email=" a@X.example"),
        person("2", email="b@x.example", last_seen=NOW.replace(year=2023)),
        person("1", email="B@x.example", last_seen=NOW),
        person("6", email="c@x.example"),
        person("5", email="c@x.example"),
    )
    assert dict(made.merges.select("source_id", "survivor_id").iter_rows()) == {"3": "4", "2": "1", "6": "5"}
    assert made.rows["external_id"].to_list() == ["1", "4", "5"]


def test_a_survivor_takes_over_what_it_lacks() -> None:
    """Empty cells, tags and accounts come from the merged record; the name stays whole; what differs is told."""
    accounts = companies({"source_id": "50", "name": "A"}, {"source_id": "51", "name": "B"})
    made = contacts(
        person("1", email="a@x.example", name="Ola", city="Hel", p_score="5", tags=["x"], company_ids=["50"]),
        person("2", email="A@x.example", name="Ola Nowak", phone_number="600", p_score="6", tags=["y"],
               company_ids=["51", "50"], assigned_to="7"),
        accounts=accounts,
    )  # fmt: skip
    columns = ("source_id", "first_name", "last_name", "email", "city", "mobile_number", "cf_score", "tags")
    assert made.rows.select(columns).row(0) == (
        "2",
        "Ola",
        "Nowak",
        "A@x.example",
        "Hel",
        "600",
        6,
        ["y", "x"],
    )
    assert (cell(made, "2", "account_ids"), cell(made, "2", "owner_agent_id")) == (["51", "50"], "7")
    assert told(made.changes) == [("city", "filled_from_merged", 1), ("tags", "filled_from_merged", 1)]
    assert told(made.loss) == [("name", "collapsed", 1), ("p_score", "collapsed", 1)]


def test_duplicates_may_be_rejected_instead() -> None:
    """Under the policy `reject` only the best of one address is loaded and nothing is taken over."""
    made = contacts(
        person("1", email="a@x.example"),
        person("2", email="A@x.example", city="Hel"),
        under=decided(policy=Policy(duplicate_email="reject")),
    )
    assert (made.rows["source_id"].to_list(), made.merges.height) == (["2"], 0)
    assert told(made.rejects) == [("1", "email_duplicate", "email", True)]


def test_the_split_looks_at_everything_merged() -> None:
    """A deal of the merged record makes the survivor a Contact, a won one a Customer."""
    made = contacts(
        person("1", email="a@x.example", city="Hel"), person("2", email="A@x.example"), person("3"),
        person("4", last_contacted=NOW),
        deals=({"source_id": "9", "contact_id": "2", "status": 2},),
    )  # fmt: skip
    assert made.rows.select("source_id", "split", "lifecycle").rows() == [
        ("1", "Contact", "Customer"),
        ("3", "Lead", "Lead"),
        ("4", "Contact", "Sales Qualified Lead"),
    ]


def test_accounts_of_a_contact_are_survivors_primary_first() -> None:
    """A merged company stands for its survivor, a rejected one is gone, the order of the source stays."""
    accounts = companies(
        {"source_id": "50", "name": "A", "p_website": "a.example"}, {"source_id": "51", "name": " "},
        {"source_id": "52", "name": "A", "p_website": "a.example"}, {"source_id": "53", "name": "C"},
    )  # fmt: skip
    made = contacts(person("1", company_ids=["51", "53", "52", "50", "99"]), accounts=accounts)
    assert cell(made, "1", "account_ids") == ["53", "50"]


# cells


def test_a_choice_is_translated_and_an_unknown_one_is_told() -> None:
    """Values go by the table of choices; two that become one are a loss, one that is nowhere is refused."""
    table = choices(
        ("contact", "p_plan", "pro", "Pro"), ("contact", "p_plan", "PRO", "Pro"), ("contact", "p_plan", "old", None),
    )  # fmt: skip
    rows = [
        person(str(i), p_plan=plan) for i, plan in enumerate(['["pro"]', "PRO", "old", "other", None, "[]"])
    ]
    made = contacts(*rows, under=decided(choices=table))
    assert made.rows["cf_plan"].to_list() == ["Pro", "Pro", None, None, None, None]
    assert told(made.rejects) == [("3", "choice_unknown", "p_plan", False)]
    assert told(made.loss) == [("p_plan", "collapsed", 2), ("p_plan", "dropped", 2)]
    assert told(made.changes) == [("p_plan", "choice", 2)]


def test_several_choices_are_translated_each() -> None:
    """Known ones are kept beside unknown ones, which are told."""
    fields = [*FIELDS[:3], ("contact", "p_plan", "cf_plans", "choices")]
    table = choices(("contact", "p_plan", "a, b", "A/B"), ("contact", "p_plan", "c", "c"))
    made = contacts(
        person("1", p_plan='["a, b","c"]'), person("2", p_plan='{c,"x"}'), person("3", p_plan="[]"),
        under=decided(mapping=mapping(*fields), choices=table),
    )  # fmt: skip
    assert made.rows["cf_plans"].to_list() == [["A/B", "c"], ["c"], None]
    assert told(made.rejects) == [("2", "choice_unknown", "p_plan", False)]


def test_a_value_its_field_can_not_hold_is_dropped_and_told() -> None:
    """The record goes on without it; the reject names record, rule and field, never the value."""
    made = contacts(person("1", p_score="many", phone_number="brak", city="x" * 256))
    assert made.rows.select("cf_score", "mobile_number", "city").row(0) == (None, None, None)
    assert told(made.rejects) == [
        ("1", "integer_invalid", "p_score", False),
        ("1", "phone_invalid", "phone_number", False),
        ("1", "too_long", "city", False),
    ]
    assert told(made.loss) == [
        ("city", "dropped", 1),
        ("p_score", "dropped", 1),
        ("phone_number", "dropped", 1),
    ]


def test_typed_source_columns_need_no_parsing() -> None:
    """Instants, booleans and numbers of the source arrive in the target's types."""
    fields = [
        FIELDS[0],
        ("contact", "created_at", "cf_created", "datetime"),
        ("contact", "unsubscribed", "cf_unsubscribed", "checkbox"),
        ("contact", "page_views", "cf_views", "integer"),
        ("contact", "list_ids", "cf_lists", "text"),
    ]
    made = contacts(
        person(
            "1", created_at=NOW.replace(microsecond=5), unsubscribed=True, page_views=3, list_ids=["1", "2"]
        ),
        under=decided(mapping=mapping(*fields)),
    )
    columns = ("cf_created", "cf_unsubscribed", "cf_views", "cf_lists")
    assert made.rows.select(columns).row(0) == ("2024-05-01T12:00:00.000005Z", True, 3, "1, 2")
    assert (told(made.rejects), told(made.loss)) == ([], [])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (("contact", "city", "city", "shout"), "rule 'shout' is unknown"),
        (("contact", "p_gone", "cf_gone", "text"), "no such column"),
        (("contact", "city", "planet", "copy"), "has no field 'planet'"),
        (("contact", "region", "email", "copy"), "email already takes email"),
    ],
)
def test_a_decision_that_can_not_be_carried_out_stops(field: tuple[str, str, str, str], words: str) -> None:
    """The error names the decision and what is wrong with it."""
    with pytest.raises(DataError, match=words):
        contacts(person("1"), under=decided(mapping=mapping(FIELDS[0], field)))


def test_what_the_mapping_leaves_behind_stays_behind() -> None:
    """A skipped structural field is not carried, and its relations are dropped with that reason."""
    skipped = (
        ("contact", "tags"),
        ("contact", "assigned_to"),
        ("contact", "company_ids"),
        ("contact", "name"),
    )
    under = decided(mapping=mapping(*FIELDS, skipped=skipped))
    accounts = companies({"source_id": "50", "name": "A"})
    row = person("1", tags=["x"], assigned_to="7", company_ids=["50"])
    made = contacts(row, under=under, accounts=accounts)
    columns = ("tags", "owner_agent_id", "account_ids", "first_name", "last_name")
    assert made.rows.select(columns).row(0) == ([], None, [], None, "p1")
    people = people_of(row)
    listed = normalization.links(
        people, source.deals(), under, accounts=accounts, contacts=made, deals=deals(under=under)
    )
    assert set(listed.select("state", "reason").iter_rows()) == {("dropped", "left behind by the mapping")}


# deals


def test_a_deal_keeps_its_place_links_and_dates() -> None:
    """An open deal stays in its stage; contact and participants are linked, the contact first."""
    people = contacts(person("1"), person("2", email="P1@a.example"), person("3"), {"source_id": "4"})
    accounts = companies({"source_id": "50", "name": "A"})
    made = deals(
        {"source_id": "9", "value": "1234.50", "currency": "pln", "contact_id": "3", "participants": ["2", "3", "4"],
         "company_id": "50", "assigned_to": "7", "tags": ["x"], "expected_close_date": date(2020, 2, 29)},
        people=people, accounts=accounts,
    )  # fmt: skip
    assert made.rows.drop("cf_usercom_original_id", "name").row(0, named=True) == {
        "source_id": "9", "owner_agent_id": "7", "amount": 1234.5, "currency": "PLN", "pipeline_id": "1",
        "stage_id": "10", "expected_close": date(2020, 2, 29), "closed_date": None, "account_id": "50",
        "contact_ids": ["3", "1"], "tags": ["x"], "cf_usercom_deal_status": "in progress",
        "cf_usercom_stage": "Sales / New",
    }  # fmt: skip
    assert told(made.changes) == [("currency", "upper_case", 1)]


@pytest.mark.parametrize(
    ("status", "pipeline", "stage", "expected", "label"),
    [
        (1, "1", "10", "10", "in progress"),
        (0, "1", "10", "10", "abandoned"),
        (4, "1", "10", "10", "archived"),
        (2, "1", "10", "12", "won"),
        (2, "1", "12", "12", "won"),
        (3, "1", "10", "lost", "lost"),
        (3, "1", "12", "lost", "lost"),
        (2, "2", "20", "won", "won"),
    ],
)
def test_a_closed_deal_stands_in_a_closed_stage(
    status: int, pipeline: str, stage: str, expected: str, label: str
) -> None:
    """Won goes to a won stage of its pipeline, the source's own before an added one; lost likewise."""
    made = deals({"source_id": "9", "status": status, "pipeline_id": pipeline, "stage_id": stage})
    assert made.rows.select("stage_id", "pipeline_id", "cf_usercom_deal_status").row(0) == (
        expected,
        pipeline,
        label,
    )


@pytest.mark.parametrize(
    ("cells", "rule", "field"),
    [
        ({"pipeline_id": "3"}, "pipeline_unknown", "pipeline_id"),
        ({"pipeline_id": None}, "pipeline_unknown", "pipeline_id"),
        ({"stage_id": "20"}, "stage_unknown", "stage_id"),
        ({"stage_id": "lost"}, "stage_unknown", "stage_id"),
        ({"pipeline_id": "2", "stage_id": "20", "status": 3}, "closed_stage_missing", "status"),
    ],
)
def test_a_deal_without_a_place_is_rejected(cells: dict[str, Any], rule: str, field: str) -> None:
    """An unknown pipeline or stage, or no stage to close it in, is named."""
    made = deals({"source_id": "9", **cells}, {"source_id": "8"})
    assert (made.rows["source_id"].to_list(), told(made.rejects)) == (["8"], [("9", rule, field, True)])


@pytest.mark.parametrize(
    ("won_at", "expected"),
    [
        (datetime(2024, 3, 30, 22, 59, tzinfo=UTC), date(2024, 3, 30)),
        (datetime(2024, 3, 30, 23, 0, tzinfo=UTC), date(2024, 3, 31)),
        (datetime(2024, 3, 31, 21, 59, tzinfo=UTC), date(2024, 3, 31)),
        (datetime(2024, 3, 31, 22, 0, tzinfo=UTC), date(2024, 4, 1)),
        (datetime(1969, 12, 31, 23, 30, tzinfo=UTC), date(1970, 1, 1)),
        (datetime(2999, 12, 31, 22, 0, tzinfo=UTC), date(2999, 12, 31)),
    ],
)
def test_a_deal_is_closed_on_the_day_it_was_where_the_customer_is(won_at: datetime, expected: date) -> None:
    """Warsaw's midnight decides, on both sides of the change to summer time."""
    assert cell(deals({"source_id": "9", "status": 2, "won_at": won_at}), "9", "closed_date") == expected


def test_only_the_status_closes_a_deal() -> None:
    """Dates left from an earlier life don't; a closed deal without a date is told."""
    made = deals(
        {"source_id": "8", "status": 1, "won_at": NOW, "lost_at": NOW},
        {"source_id": "9", "status": 3, "won_at": NOW},
    )
    assert made.rows["closed_date"].to_list() == [None, None]
    assert ("closed_date", "shifted", 1) in told(made.loss)


def test_what_a_deal_loses_is_told() -> None:
    """Rounded stages, the time of closing, and status or stage where no field keeps them."""
    bare = decided(custom_fields=custom_fields())
    made = deals(
        {"source_id": "7", "status": 2, "won_at": NOW},
        {"source_id": "8", "status": 4},
        {"source_id": "9", "status": 2, "stage_id": "12", "won_at": datetime(2024, 4, 30, 22, tzinfo=UTC)},
        under=bare,
    )
    assert made.loss.rows() == [
        ("deal", "probability", "rounded", 1),
        ("deal", "stage_id", "collapsed", 1),
        ("deal", "status", "collapsed", 1),
        ("deal", "won_at", "truncated", 1),
        ("deal_stage", "probability", "rounded", 1),
    ]
    assert ("stage_id", "closed_by_status", 1) in told(made.changes)


def test_an_empty_amount_and_name_are_filled_and_told() -> None:
    """The target wants both: 0 and the source id."""
    made = deals({"source_id": "9", "name": " ", "value": None})
    assert made.rows.select("name", "amount").row(0) == ("(no name) 9", 0.0)
    assert told(made.changes) == [("name", "name_filled", 1), ("value", "zero_filled", 1)]


# the whole


def test_every_row_is_accounted_for_and_every_end_of_a_link_exists() -> None:
    """A small account with one of each: the balance adds up, links point to rows that are there."""
    people = people_of(
        person("1", company_ids=["50", "51"], assigned_to="7"),
        person("2", email="P1@a.example", company_ids=["52"]),
        person("3", email="broken"),
        {"source_id": "4", "last_heard": NOW},
        person("5", assigned_to="99"),
    )
    firms = firms_of(
        {"source_id": "50", "name": "A", "p_website": "a.example"},
        {"source_id": "51", "name": "A", "p_website": "a.example"},
        {"source_id": "52", "name": " "},
        {"source_id": "53", "name": "B"},
    )
    sales = source.deals(
        {"source_id": "9", "name": "D", "pipeline_id": "1", "stage_id": "10", "status": 1, "value": "1",
         "contact_id": "2", "participants": ["3", "5"], "company_id": "51", "assigned_to": "8"},
        {"source_id": "8", "name": "E", "pipeline_id": "x", "contact_id": "1", "status": 1},
    )  # fmt: skip
    under = dataclasses.replace(decided(), stages=stages(*STAGES), account_name_unique=True)
    made = normalization.normalize({"contact": people, "company": firms, "deal": sales}, under)
    assert made.balance.rows() == [
        ("company", 4, 2, 1, 1, 0, 0),
        ("contact", 5, 2, 1, 1, 1, 0),
        ("deal", 2, 1, 0, 1, 0, 0),
    ]
    assert made.links.select(
        "relation", "from_id", "to_id", "kept_from", "kept_to", "is_primary", "state"
    ).rows() == [
        ("contact_account", "1", "50", "1", "50", True, "kept"),
        ("contact_account", "1", "51", "1", "50", True, "repointed"),
        ("contact_account", "2", "52", None, None, True, "dropped"),
        ("contact_owner", "1", "7", "1", "7", True, "kept"),
        ("contact_owner", "5", "99", None, None, True, "dropped"),
        ("deal_account", "9", "51", "9", "50", True, "repointed"),
        ("deal_contact", "8", "1", None, None, True, "dropped"),
        ("deal_contact", "9", "2", "9", "1", True, "repointed"),
        ("deal_contact", "9", "3", None, None, False, "dropped"),
        ("deal_contact", "9", "5", "9", "5", False, "kept"),
        ("deal_owner", "9", "8", "9", "8", True, "kept"),
    ]
    assert normalization.splits(made.contacts).rows() == [("Contact", "Sales Qualified Lead", 2)]
    assert normalization.reasons(made.rejects).select("entity", "rule", "records").rows() == [
        ("company", "name_missing", 1),
        ("contact", "email_invalid", 1),
        ("deal", "pipeline_unknown", 1),
    ]


def test_the_result_does_not_depend_on_the_order_of_the_source() -> None:
    """Shuffled input gives the same tables, so two runs can be compared byte by byte."""
    rows = [
        {
            "p_plan": None,
            "p_score": None,
            **person(str(i), email=f"p{i % 7}@a.example", city=f"C{i % 3}", tags=[str(i)]),
        }
        for i in range(40)
    ]
    one, other = (
        normalization.contacts(frame, decided(), source_deals=source.deals(), accounts=companies())
        for frame in (people_of(*rows), people_of(*rows[::-1]))
    )
    assert (one.rows.equals(other.rows), one.merges.equals(other.merges), one.loss.equals(other.loss)) == (
        True,
    ) * 3


def test_normalizing_again_changes_nothing_and_touches_no_input() -> None:
    """The functions are pure: the same frames in give the same frames out and stay as they were."""
    frame = firms_of({"source_id": "1", "name": " A "})
    before = frame.clone()
    first, second = (normalization.accounts(frame, decided()) for _ in range(2))
    assert first.rows.equals(second.rows)
    assert frame.equals(before)
