"""Clean data gives no finding; each planted defect is named in its class, on its record."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

import reconciliation_world as world
from crmbook import tables
from crmbook.errors import DataError, UpstreamError
from crmbook.phases import compare as comparing
from crmbook.phases import link_check
from crmbook.phases import reconciliation as rec
from crmbook.phases import spot_check as spots
from reconciliation_world import ACTUAL, CROSSWALK, changed, frame, with_copy, without

Actual = dict[str, pl.DataFrame]
GOOD_LINKS = ("found", "repointed", "dropped")


def planted(entity: str, rows: pl.DataFrame) -> Actual:
    return {**ACTUAL, entity: rows}


def class_of(classes: pl.DataFrame, entity: str, source_id: str) -> tuple[str, str]:
    found = classes.filter((pl.col("entity") == entity) & (pl.col("source_id") == source_id))
    return found.select("class", "reason").row(0)


def findings(actual: Actual, crosswalk: pl.DataFrame = CROSSWALK) -> set[tuple[str, ...]]:
    """Everything the comparison finds wrong: records, target-only records, fields and links."""
    classes = world.classes(actual, crosswalk=crosswalk)
    only = rec.target_only(existing=world.EXISTING, classes=classes, actual=actual)
    fields = world.comparison(actual, crosswalk).differences
    links = world.links(actual, crosswalk).filter(~pl.col("class").is_in(GOOD_LINKS))
    return {
        *classes.filter(pl.col("class").is_in(["missing", "duplicated"]))
        .select("entity", "source_id", "class")
        .rows(),
        *only.filter(pl.col("class") == "unexpected")
        .select("module", pl.col("target_id").cast(pl.String))
        .rows(),
        *fields.select("entity", "source_id", "field", "kind").rows(),
        *links.select("relation", "from_id", "to_id", "class").rows(),
    }


def test_clean_target_gives_no_finding() -> None:
    """Order of tags and choices, case in an e-mail, an unset checkbox and an empty list are no differences."""
    assert findings(ACTUAL) == set()


def test_records_read_in_parts_compare_like_one_frame() -> None:
    """The only suspect pair (the order of its tags) is in the second part; the first has nothing left then."""
    companies = world.NORMALIZED["company"]
    parts = pl.concat([companies[:1], companies[1:]], rechunk=False)
    assert 2 == parts.n_chunks()
    found = world.comparison(normalized={**world.NORMALIZED, "company": parts})
    assert found.differences.is_empty()
    assert found.fidelity.equals(world.comparison().fidelity)


def test_every_source_record_is_in_exactly_one_class() -> None:
    """The classes of the clean world, with the reason of everything that is not simply loaded."""
    expected = [
        ("company", "10", "loaded", ""),
        ("company", "11", "loaded", ""),
        ("contact", "1", "loaded", ""),
        ("contact", "2", "loaded", ""),
        ("contact", "3", "merged", "into 2 (duplicate_email)"),
        ("contact", "4", "excluded", "chat_only"),
        ("contact", "5", "rejected", "email: email_missing"),
        ("deal", "100", "loaded", ""),
        ("deal", "101", "loaded", ""),
    ]
    assert expected == world.classes().select("entity", "source_id", "class", "reason").rows()


CONTACT, COMPANY, DEAL = ACTUAL["contact"], ACTUAL["company"], ACTUAL["deal"]
DEFECTS = {
    "amount x100": (
        planted("deal", changed(DEAL, 3100, amount=125050.0)),
        {("deal", "100", "amount", "changed")},
    ),
    "amount lost": (
        planted("deal", changed(DEAL, 3100, amount=None)),
        {("deal", "100", "amount", "missing")},
    ),
    "currency swapped": (
        planted("deal", changed(DEAL, 3100, currency_id=62)),
        {("deal", "100", "currency_id", "changed")},
    ),
    "date shifted by a day": (
        planted("deal", changed(DEAL, 3101, closed_date=date(2024, 5, 4))),
        {("deal", "101", "closed_date", "changed")},
    ),
    "expected close lost": (
        planted("deal", changed(DEAL, 3100, expected_close=None)),
        {("deal", "100", "expected_close", "missing")},
    ),
    "custom date shifted": (
        planted("contact", changed(CONTACT, 2001, cf_born=date(1990, 3, 24))),
        {("contact", "1", "cf_born", "changed")},
    ),
    "stage of the right name in another pipeline": (
        planted("deal", changed(DEAL, 3100, deal_pipeline_id=72, deal_stage_id=721)),
        {("deal", "100", "deal_pipeline_id", "changed"), ("deal", "100", "deal_stage_id", "changed")},
    ),
    "wrong stage": (
        planted("deal", changed(DEAL, 3100, deal_stage_id=712)),
        {("deal", "100", "deal_stage_id", "changed")},
    ),
    "closing date on an open deal": (
        planted("deal", changed(DEAL, 3100, closed_date=date(2026, 1, 1))),
        {("deal", "100", "closed_date", "extra")},
    ),
    "mojibake": (
        planted("contact", changed(CONTACT, 2001, last_name="BergstrÃ¶m")),
        {("contact", "1", "last_name", "changed")},
    ),
    "text cut at 255": (
        planted("contact", changed(CONTACT, 2001, cf_note="n" * 255)),
        {("contact", "1", "cf_note", "changed")},
    ),
    "tag lost": (
        planted("contact", changed(CONTACT, 2001, tags=["vip"])),
        {("contact", "1", "tags", "changed")},
    ),
    "all tags lost": (
        planted("contact", changed(CONTACT, 2001, tags=[])),
        {("contact", "1", "tags", "missing")},
    ),
    "foreign tag": (
        planted("contact", changed(CONTACT, 2002, tags=["x"])),
        {("contact", "2", "tags", "extra")},
    ),
    "two choices merged": (
        planted("contact", changed(CONTACT, 2001, cf_topics=["c"])),
        {("contact", "1", "cf_topics", "changed")},
    ),
    "checkbox cleared": (
        planted("contact", changed(CONTACT, 2001, cf_news=False)),
        {("contact", "1", "cf_news", "changed")},
    ),
    "lead that should be a contact": (
        planted("contact", changed(CONTACT, 2001, lifecycle_stage_id=51, contact_status_id=511)),
        {("contact", "1", "lifecycle_stage_id", "changed"), ("contact", "1", "contact_status_id", "changed")},
    ),
    "status of the right stage but not the loaded one": (
        planted("contact", changed(CONTACT, 2001, contact_status_id=522)),
        {("contact", "1", "contact_status_id", "changed")},
    ),
    "owners swapped": (
        planted("contact", changed(changed(CONTACT, 2001, owner_id=92), 2002, owner_id=91)),
        {
            ("contact", "1", "owner_id", "changed"),
            ("contact", "2", "owner_id", "changed"),
            ("contact_owner", "1", "a1", "missing"),
            ("contact_owner", "2", "a2", "missing"),
        },
    ),
    "source ids swapped": (
        planted("company", changed(changed(COMPANY, 1010, source_id="11"), 1011, source_id="10")),
        {
            ("company", "10", "cf_usercom_original_id", "changed"),
            ("company", "11", "cf_usercom_original_id", "changed"),
        },
    ),
    "source id lost": (
        planted("deal", changed(DEAL, 3100, source_id=None)),
        {("deal", "100", "cf_usercom_original_id", "missing")},
    ),
    "external id of another contact": (
        planted("contact", changed(CONTACT, 2001, external_id="2")),
        {("contact", "1", "external_id", "changed")},
    ),
    "secondary account dropped": (
        planted("contact", changed(CONTACT, 2001, account_ids=["1010"])),
        {("contact_account", "1", "11", "missing")},
    ),
    "wrong primary": (
        planted("contact", changed(CONTACT, 2001, account_ids=["1011", "1010"], primary_account_id="1011")),
        {("contact_account", "1", "10", "wrong_primary"), ("contact_account", "1", "11", "wrong_primary")},
    ),
    "no primary": (
        planted("contact", changed(CONTACT, 2001, primary_account_id=None)),
        {("contact_account", "1", "10", "wrong_primary")},
    ),
    "link to an account of ours nobody asked for": (
        planted("contact", changed(CONTACT, 2002, account_ids=["1011", "1010"])),
        {("contact_account", "2", "10", "extra")},
    ),
    "link to a foreign account": (
        planted("contact", changed(CONTACT, 2002, account_ids=["1011", "1999"])),
        {("contact_account", "2", "target:1999", "extra")},
    ),
    "deal on another account": (
        planted("deal", changed(DEAL, 3100, account_id="1011")),
        {("deal_account", "100", "10", "missing"), ("deal_account", "100", "11", "extra")},
    ),
    "participant lost": (
        planted("deal", changed(DEAL, 3101, contact_ids=["2002"])),
        {("deal_contact", "101", "1", "missing")},
    ),
    "orphaned deal": (
        planted("deal", changed(DEAL, 3100, contact_ids=[])),
        {("deal_contact", "100", "1", "missing")},
    ),
    "owner of a waiting deal taken away": (
        planted("deal", changed(DEAL, 3101, owner_id=91)),
        {("deal", "101", "owner_id", "changed"), ("deal_owner", "101", "a3", "missing")},
    ),
    "record lost": (
        planted("deal", without(DEAL, 3100)),
        {
            ("deal", "100", "missing"),
            ("deal_account", "100", "10", "missing"),
            ("deal_contact", "100", "1", "missing"),
            ("deal_owner", "100", "a1", "missing"),
        },
    ),
    "record twice": (
        planted("deal", with_copy(DEAL, 3100, 3900)),
        {("deal", "100", "duplicated"), ("deals", "3900")},
    ),
    "copy without a mark": (
        planted("company", with_copy(COMPANY, 1010, 1900, source_id=None)),
        {("sales_accounts", "1900")},
    ),
    "lost row offset by a duplicate": (
        planted("company", with_copy(without(COMPANY, 1010), 1011, 1900)),
        {
            ("company", "10", "missing"),
            ("company", "11", "duplicated"),
            ("sales_accounts", "1900"),
            ("contact_account", "1", "10", "missing"),
            ("contact_account", "1", "target:1010", "extra"),
            ("deal_account", "100", "10", "missing"),
            ("deal_account", "100", "target:1010", "extra"),
        },
    ),
    "record nobody loaded": (
        planted("contact", with_copy(CONTACT, 2002, 2900, source_id=None, external_id=None)),
        {("contacts", "2900")},
    ),
    "rejected contact written all the same": (
        planted("contact", with_copy(CONTACT, 2002, 2900, source_id="5", external_id="5")),
        {("contacts", "2900")},
    ),
}


@pytest.mark.parametrize(("actual", "expected"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defect_is_named_and_nothing_else(actual: Actual, expected: set[tuple[str, ...]]) -> None:
    """One planted defect gives exactly the findings that name it."""
    assert expected == findings(actual)


def test_record_missing_in_the_crosswalk_is_found_by_its_mark() -> None:
    """A record the ledger does not know is loaded, and flagged; its fields are compared all the same."""
    crosswalk = CROSSWALK.filter(pl.col("target_id") != 3100)
    actual = planted("deal", changed(DEAL, 3100, amount=1.0))
    expected = ("loaded", "found by its mark, not in the crosswalk")
    assert expected == class_of(world.classes(actual, crosswalk=crosswalk), "deal", "100")
    assert {("deal", "100", "amount", "changed")} == findings(actual, crosswalk)


def test_contact_is_found_by_its_external_id_alone() -> None:
    """Where the custom field was lost, the external id leads to the contact, and the loss is named."""
    crosswalk = CROSSWALK.filter(pl.col("target_id") != 2001)
    actual = planted("contact", changed(CONTACT, 2001, source_id=None))
    assert {("contact", "1", "cf_usercom_original_id", "missing")} == findings(actual, crosswalk)


def test_external_id_of_a_record_that_was_there_before_is_no_mark() -> None:
    """Another system's number that happens to equal a source id makes no duplicate."""
    foreign = with_copy(CONTACT, 2002, 2900, source_id=None, external_id="1")
    existing = pl.concat([world.EXISTING, frame(tables.EXISTING, {"module": "contacts", "target_id": 2900})])
    classes = world.classes(planted("contact", foreign), existing=existing)
    assert ("loaded", "") == class_of(classes, "contact", "1")


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        pytest.param(
            {"crosswalk": CROSSWALK}, ("missing", "gone from the target"), id="deleted after the load"
        ),
        pytest.param(
            {"crosswalk": CROSSWALK.filter(pl.col("target_id") != 3100)},
            ("missing", "never written"),
            id="never written",
        ),
        pytest.param(
            {"refused": pl.DataFrame({"entity": ["deal"], "source_id": ["100"]})},
            ("rejected", "refused by the target"),
            id="refused during the load",
        ),
    ],
)
def test_missing_record_says_how_it_got_lost(
    replaced: dict[str, pl.DataFrame], expected: tuple[str, str]
) -> None:
    """Written and gone, never written, and refused are told apart."""
    classes = world.classes(planted("deal", without(DEAL, 3100)), **replaced)
    assert expected == class_of(classes, "deal", "100")


def test_merged_record_shares_the_fate_of_its_survivor() -> None:
    """With the survivor gone, the record merged into it is missing too."""
    classes = world.classes(planted("contact", without(CONTACT, 2002)))
    assert ("missing", "into 2 (duplicate_email), which is not there") == class_of(classes, "contact", "3")


def test_merges_in_a_circle_end_as_missing() -> None:
    """A merge table that leads nowhere neither hangs nor hides the records."""
    merges = pl.concat(
        frame(tables.MERGES, {"entity": "contact", "source_id": a, "survivor_id": b, "rule": "r"})
        for a, b in (("3", "4"), ("4", "3"))
    )
    classes = world.classes(merges=merges, excluded=tables.EXCLUDED.empty())
    assert ["missing", "missing"] == [class_of(classes, "contact", i)[0] for i in ("3", "4")]


def test_record_no_table_knows_is_missing() -> None:
    """A source record that normalization lost is in the class missing, with that reason."""
    sources = {**world.SOURCES, "deal": pl.DataFrame({"source_id": ["100", "101", "102"]})}
    assert ("missing", "lost in normalization") == class_of(world.classes(sources=sources), "deal", "102")


def test_record_that_was_there_before_is_compared_only_where_written() -> None:
    """Foreign values and tags on a matched record are its own; a written value that is gone is a finding."""
    crosswalk = CROSSWALK.with_columns(
        origin=pl.when(pl.col("target_id") == 2002).then(pl.lit("matched")).otherwise("origin")
    )
    kept = changed(CONTACT, 2002, city="Oslo", tags=["old"], account_ids=["1011", "1999"])
    assert set() == findings(planted("contact", kept), crosswalk)
    lost = changed(kept, 2002, last_name="Other")
    assert {("contact", "2", "last_name", "changed")} == findings(planted("contact", lost), crosswalk)


def test_difference_shows_words_for_ids() -> None:
    """A wrong stage is told as pipeline and stage on both sides, with the ids."""
    actual = planted("deal", changed(DEAL, 3100, deal_pipeline_id=72, deal_stage_id=721))
    shown = world.comparison(actual).differences.filter(pl.col("field") == "deal_stage_id")
    assert ("Sales / New (#711)", "Service / New (#721)") == shown.select("expected", "actual").row(0)


def test_stage_currency_or_lifecycle_the_tenant_lacks_never_matches() -> None:
    """What can't be resolved is a difference on every record that needs it."""
    ids = world.ids(
        target_stages=world.TARGET_STAGES.filter(pl.col("stage_id") != 711),
        target_currencies=world.TARGET_CURRENCIES.filter(pl.col("code") != "USD"),
        target_statuses=world.TARGET_STATUSES.filter(pl.col("stage_id") != 53),
    )
    found = comparing.compare(
        normalized=world.NORMALIZED, actual=ACTUAL, classes=world.classes(), crosswalk=CROSSWALK, ids=ids
    )
    expected = {
        ("100", "deal_stage_id"),
        ("101", "currency_id"),
        ("2", "lifecycle_stage_id"),
        ("2", "contact_status_id"),
    }
    assert expected == set(found.differences.select("source_id", "field").rows())


def test_fidelity_counts_values_not_empty_pairs() -> None:
    """Compared are the pairs in which at least one side holds a value; equal and different add up to them."""
    found = world.comparison(planted("contact", changed(CONTACT, 2001, tags=["vip"]))).fidelity
    rows = found.filter(
        (pl.col("entity") == "contact") & pl.col("field").is_in(["tags", "first_name", "city"])
    )
    expected = [("city", 0, 0, 0), ("first_name", 1, 1, 0), ("tags", 1, 0, 1)]
    assert expected == rows.select("field", "compared", "equal", "different").rows()


def test_field_that_is_gone_from_the_target_loses_its_values() -> None:
    """A custom field somebody deleted is missing on every record that had a value, and nowhere else."""
    actual = planted("contact", CONTACT.drop("cf_note"))
    assert {("contact", "1", "cf_note", "missing")} == findings(actual)


def test_field_whose_type_changed_stops_with_its_name() -> None:
    """Values of another type can't be compared; the field and both types are told."""
    actual = planted("contact", CONTACT.with_columns(pl.col("cf_born").cast(pl.String)))
    with pytest.raises(UpstreamError, match="contacts: cf_born was loaded as Date and is String"):
        world.comparison(actual)


def test_tenant_without_the_admin_is_refused() -> None:
    """Without the admin nobody can say who should own what has no owner; the e-mail is not repeated."""
    with pytest.raises(DataError, match=r"customer\.admin_email") as stop:
        world.ids(admin_email="nobody@x.example")
    assert "nobody" not in str(stop.value)


def test_owners_resolve_by_active_user_and_say_why_not() -> None:
    """E-mail matches without case and blanks; an inactive, absent or unknown owner falls back to the admin."""
    owners = pl.concat(
        [
            world.OWNERS,
            frame(tables.OWNERS, {"agent_id": "a4", "is_known": False}, {"agent_id": "a5", "is_known": True}),
            frame(tables.OWNERS, {"agent_id": "a6", "is_known": True, "email": "six@x.example"}),
        ]
    )
    found = world.ids(owners=owners).owners.sort("agent_id")
    expected = [
        ("a1", 91, None), ("a2", 92, None), ("a3", 9, "inactive user"), ("a4", 9, "unknown agent"),
        ("a5", 9, "no e-mail"), ("a6", 9, "no such user"),
    ]  # fmt: skip
    assert expected == found.select("agent_id", "owner_id", "reason").rows()


def test_edition_without_lifecycles_compares_none() -> None:
    """Where the tenant has no lifecycle stages, the columns are left out instead of being wrong everywhere."""
    ids = world.ids(target_statuses=tables.TARGET_STATUSES.empty())
    found = comparing.compare(
        normalized=world.NORMALIZED, actual=ACTUAL, classes=world.classes(), crosswalk=CROSSWALK, ids=ids
    )
    assert 0 == found.differences.height
    assert not set(found.fidelity["field"]) & {"lifecycle_stage_id", "contact_status_id"}


@pytest.mark.parametrize(("extracted", "unaccounted"), [(5, 0), (6, 1), (4, -1)])
def test_class_balance_stands_against_the_extract(extracted: int, unaccounted: int) -> None:
    """A record the classes do not know, or know too often, shows as unaccounted."""
    only = rec.target_only(existing=world.EXISTING, classes=world.classes(), actual=ACTUAL)
    balance = rec.class_balance(
        classes=world.classes(), target_only=only, extracted={"company": 2, "contact": extracted, "deal": 2}
    )
    expected = (extracted, 2, 1, 1, 1, 0, 0, 0, 0, unaccounted)
    assert expected == balance.filter(pl.col("entity") == "contact").drop("entity").row(0)


def test_target_records_add_up() -> None:
    """Located and target-only records together are the target's records, also with copies and losses in it."""
    actual = planted("company", with_copy(without(COMPANY, 1010), 1011, 1900))
    classes = world.classes(actual)
    only = rec.target_only(existing=world.EXISTING, classes=classes, actual=actual)
    located = classes.filter(
        (pl.col("entity") == "company") & pl.col("class").is_in(["loaded", "duplicated"])
    )
    assert (
        actual["company"].height == located.height + only.filter(pl.col("module") == "sales_accounts").height
    )


SOURCE_CONTACTS = frame(
    tables.SOURCE_CONTACTS,
    {"source_id": "1", "company_ids": ["10", "11"], "assigned_to": "a1"},
    {"source_id": "2", "company_ids": ["11"], "assigned_to": "a2"},
    {"source_id": "3", "company_ids": ["11", "11"]},
    {"source_id": "4"},
    {"source_id": "5", "company_ids": ["10"]},
)
SOURCE_DEALS = frame(
    tables.SOURCE_DEALS,
    {"source_id": "100", "contact_id": "1", "company_id": "10", "assigned_to": "a1", "participants": ["1"]},
    {
        "source_id": "101",
        "contact_id": "2",
        "company_id": "11",
        "assigned_to": "a3",
        "participants": ["1", "2"],
    },
)


def test_links_counted_in_the_source_equal_the_classes() -> None:
    """Counted from the source records alone, repeated mentions once, the relations are all accounted for."""
    counted = link_check.source_links(SOURCE_CONTACTS, SOURCE_DEALS)
    balance = link_check.link_balance(link_classes=world.links(), extracted=counted)
    assert {
        "contact_account": 5,
        "deal_contact": 3,
        "deal_account": 2,
        "contact_owner": 2,
        "deal_owner": 2,
    } == counted
    assert [0] * 5 == balance["unaccounted"].to_list()
    row = balance.filter(pl.col("relation") == "contact_account").drop("relation").row(0)
    assert (5, 3, 1, 1, 0, 0, 0, 0, 0) == row


def test_relation_nobody_judged_is_unaccounted() -> None:
    """A relation of the source that LINKS forgot shows in the balance; an extra one does not offset it."""
    extra = planted("contact", changed(CONTACT, 2002, account_ids=["1011", "1010"]))
    counted = {**link_check.source_links(SOURCE_CONTACTS, SOURCE_DEALS), "contact_account": 6}
    balance = link_check.link_balance(link_classes=world.links(extra), extracted=counted)
    shown = balance.filter(pl.col("relation") == "contact_account").select("extra", "unaccounted").row(0)
    assert (1, 1) == shown


def test_link_says_which_end_is_missing() -> None:
    """A relation of a lost account names the end that is not there; a deal's other relations stand."""
    links = world.links(planted("company", without(COMPANY, 1010)))
    shown = links.filter(
        (pl.col("relation") == "deal_account") & (pl.col("from_id") == "100") & (pl.col("to_id") == "10")
    )
    assert ("missing", "its company is not in the target") == shown.select("class", "reason").row(0)


def test_owner_queue_counts_what_stands_with_the_admin() -> None:
    """One row per owner without an active user that owns something."""
    queue = rec.owner_queue(
        ids=world.ids(), contacts=world.NORMALIZED["contact"], deals=world.NORMALIZED["deal"]
    )
    assert [("a3", "three@x.example", "inactive user", 0, 1)] == queue.rows()


def spot_check(actual: Actual = ACTUAL, find: Callable[[], pl.DataFrame] = world.classes) -> pl.DataFrame:
    evidence = spots.evidence(
        contacts=world.NORMALIZED["contact"],
        deals=world.NORMALIZED["deal"],
        rejects=world.REJECTS,
        merges=world.MERGES,
        differences=world.comparison(actual).differences,
    )
    return spots.spot_check(
        classes=find(),
        link_classes=world.links(actual),
        evidence=evidence,
        source_base_url="https://acme.user.com/api/public/",
        target_base_url="https://acme.myfreshworks.com/crm/sales/api",
    )


def test_spot_check_covers_everything_that_occurs() -> None:
    """Every class, relation state, repair, merge and difference is on the sheet, with addresses in both systems."""
    sheet = spot_check(planted("contact", changed(CONTACT, 2001, tags=["vip"])))
    covered = {part for row in sheet["covers"] for part in row.split("; ")}
    assert {
        "contact loaded", "contact merged", "contact excluded", "contact rejected", "contact_account repointed",
        "contact_account dropped", "deal_owner repointed", "mobile_number: phone", "merged: duplicate_email",
        "survivor: duplicate_email", "tags changed in the target", "closed deal", "split: Contact",
    } <= covered  # fmt: skip
    ada = sheet.filter((pl.col("entity") == "contact") & (pl.col("source_id") == "1")).row(0, named=True)
    assert "https://acme.user.com/api/public/users/1/" == ada["source_url"]
    assert "https://acme.myfreshworks.com/crm/sales/contacts/2001" == ada["target_url"]


def test_spot_check_has_twenty_to_forty_rows_and_is_the_same_again() -> None:
    """Ordinary records fill the sheet to twenty; sixty things to see still make no more than forty rows."""
    many = pl.DataFrame({"entity": "deal", "source_id": [str(n) for n in range(300)], "class": "loaded"})
    classes = many.with_columns(module=pl.lit("deals"), target_id=pl.lit(7, pl.Int64), reason=pl.lit(""))
    rare = many.head(60).select("entity", "source_id", covers=pl.format("hazard {}", "source_id"))

    def sheet(evidence: pl.DataFrame) -> pl.DataFrame:
        return spots.spot_check(
            classes=classes,
            link_classes=tables.LINK_CLASSES.empty(),
            evidence=evidence,
            source_base_url="https://a.example",
            target_base_url="https://b.example/api",
        )

    assert (20, 40) == (sheet(rare.clear()).height, sheet(rare).height)
    assert sheet(rare).equals(sheet(rare.reverse()))


def test_changed_examples_name_one_record_per_changed_field() -> None:
    """The first record whose text cleaning changed stands for the field; unchanged fields have none."""
    source = frame(
        tables.SOURCE_CONTACTS,
        {"source_id": "1", "email": " a@b.example", "city": "Oslo"},
        {"source_id": "2", "email": "c@d.example ", "city": "Rome"},
    )
    normalized = frame(
        tables.CONTACTS,
        {"source_id": "1", "email": "a@b.example", "city": "Oslo"},
        {"source_id": "2", "email": "c@d.example", "city": "Rome"},
    )
    mapping = frame(
        tables.MAPPING,
        {"entity": "contact", "source_field": "email", "target_field": "email", "rule": "email"},
        {"entity": "contact", "source_field": "city", "target_field": "city", "rule": "text"},
        {"entity": "company", "source_field": "name", "target_field": "name", "rule": "text"},
    )
    found = spots.changed_examples("contact", source, normalized, mapping)
    assert [("contact", "1", "email changed by email")] == found.rows()
