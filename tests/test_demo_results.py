"""Every hazard of the demo account ends as its expectation says, seen in the tables of one finished run."""

import pytest

from conftest import Demo
from crmbook.sandbox import demo as scenario
from crmbook.sandbox.demo_case import Hazard
from demo_results import (
    ENTITIES,
    HISTORY,
    Results,
    Seen,
    at_its_instant,
    blank,
    buyer_is_contact,
    closed_on_its_day,
    forecast,
    is_split,
    linked,
    matched,
    named,
    of_split,
    oldest_is_primary,
    on_survivor,
    one_class,
    owned_by_admin,
    participants_linked,
    repaired,
    same,
    same_instant,
    status_kept,
    tagged,
    told_in_order,
)

HAZARDS = scenario.hazards()
PAST = [h for h in HAZARDS if h.entity in HISTORY]
MOVED = [h for h in HAZARDS if h.entity in ENTITIES]
REASONS = {
    "chat_only": "chat_only", "push_only": "push_only", "unidentified": "unidentified", "no e-mail": "email_missing",
    "invalid e-mail": "email_invalid", "no name": "name_missing",
}  # fmt: skip

contact, company, deal = (
    lambda field, source, e=e: same(e, field, source) for e in ("contact", "company", "deal")
)

CHECKS: dict[str, Seen] = {
    "visitor_with_email": contact("cf_usercom_status", "status"),
    "unusual_email": contact("email", "email"),
    "several_companies": oldest_is_primary,
    "member_since_unordered": oldest_is_primary,
    "member_since_missing": oldest_is_primary,
    "company_not_moved": one_class("contact_account", "dropped"),
    "name_one_word": lambda r, i: r.actual["contact", i]["first_name"] is None and named(r, i),
    "name_emoji": named,
    "name_html": named,
    "name_formula": named,
    "name_blanks": named,
    "name_decomposed": named,
    "name_other_script": named,
    "name_missing": lambda r, i: r.rows["contact"][i]["email"].startswith(r.actual["contact", i]["last_name"]),
    "boolean_as_text": lambda r, i: (
        r.actual["contact", i]["cf_is_vip"] is (r.rows["contact"][i]["attributes"]["is_vip"] == "t")
    ),
    "empty_text": blank("contact", "cf_travel_notes"),
    "choice_punctuation": contact("cf_plan_type", "plan_type"),
    "choices_punctuation": contact("cf_interests", "interests"),
    "choice_empty": blank("contact", "cf_interests"),
    "datetime_offset": same_instant,
    "datetime_dst_night": same_instant,
    "date_extreme": lambda r, i: (
        r.actual["contact", i]["cf_birthday"].isoformat() == r.rows["contact"][i]["attributes"]["birthday"]
    ),
    "json_property": contact("cf_preferences", "preferences"),
    "json_malformed": repaired("contact", "json_invalid", "p_preferences"),
    "text_over_256": contact("cf_travel_notes", "travel_notes"),
    "text_over_10000": lambda r, i: (
        repaired("contact", "too_long", "p_travel_notes")(r, i)
        and any(name.startswith(f"overflow:contact:{i}:p_travel_notes") for _, name in r.history)
    ),
    "integer_beyond_float": lambda r, i: (
        r.actual["contact", i]["cf_loyalty_points"] == str(r.rows["contact"][i]["attributes"]["loyalty_points"])
    ),
    "names_collide": lambda r, i: (
        contact("cf_lead-source", "lead-source")(r, i) and contact("cf_lead_source_2", "lead_source")(r, i)
    ),
    "standard_name": contact("state", "region"),
    "float_exact": lambda r, i: (
        abs(r.actual["contact", i]["cf_average_spend"] - r.rows["contact"][i]["attributes"]["average_spend"]) <= 5e-5
    ),
    "formula_value": contact("job_title", "job_title"),
    "country_free_text": contact("country", "country"),
    "phone_national": contact("mobile_number", "phone_number"),
    "phone_junk": lambda r, i: (
        blank("contact", "mobile_number")(r, i) and repaired("contact", "phone_invalid", "phone_number")(r, i)
    ),
    "phone_empty": blank("contact", "mobile_number", "work_number"),
    "unsubscribed": contact("cf_usercom_unsubscribed", "unsubscribed"),
    "tag_formula": tagged,
    "tag_case_twins": tagged,
    "email_in_target": matched("contact"),
    "contact_by_deal": is_split("Contact"),
    "contact_by_participation": is_split("Contact"),
    "contact_by_call": is_split("Contact"),
    "contact_by_mail": is_split("Contact"),
    "tag_long": repaired("contact", "tag_over_40", "tags"),
    "company_tag_long": repaired("company", "tag_over_40", "tags"),
    "deal_tag_long": repaired("deal", "tag_over_40", "tags"),
    "lead_with_chat": is_split("Lead"),
    "lead_with_events": is_split("Lead"),
    "same_name_other_website": lambda r, i: (
        r.actual["company", i]["name"] in (name := r.rows["company"][i]["name"], f"{name} ({i})")
    ),
    "company_name_formula": company("name", "name"),
    "company_name_over_255": repaired("company", "too_long", "name"),
    "phone_numbers_null": blank("company", "phone", "cf_usercom_phone_numbers"),
    "phone_numbers_empty": blank("company", "phone", "cf_usercom_phone_numbers"),
    "phone_numbers_several": lambda r, i: set(r.rows["company"][i]["phone_numbers"]) == set(
        (r.actual["company", i]["cf_usercom_phone_numbers"] or r.actual["company", i]["phone"]).split(", ")
    ),
    "account_in_target": matched("company"),
    "website_bare": lambda r, i: (
        (r.actual["company", i]["website"] or "").startswith("https://")
        or repaired("company", "url_invalid", "p_website")(r, i)
    ),
    "description_long": company("cf_usercom_description", "description"),
    "description_html": company("cf_usercom_description", "description"),
    "size_odd": company("number_of_employees", "size"),
    "company_country_free_text": company("country", "country"),
    "lost_with_reason": lambda r, i: (
        forecast("Closed Lost")(r, i) and deal("cf_loss_reason_description", "loss_reason_description")(r, i)
    ),
    "lost_in_open_stage": lambda r, i: forecast("Closed Lost")(r, i) and status_kept(r, i),
    "lost_without_reason": forecast("Closed Lost"),
    "won": lambda r, i: forecast("Closed Won")(r, i) and closed_on_its_day(r, i),
    "won_in_open_stage": lambda r, i: forecast("Closed Won")(r, i) and status_kept(r, i),
    "closed_around_midnight": closed_on_its_day,
    "won_with_reason": deal("cf_closed_won_reason", "closed_won_reason"),
    "abandoned": lambda r, i: forecast("Open")(r, i) and status_kept(r, i),
    "archived": lambda r, i: forecast("Open")(r, i) and status_kept(r, i),
    "deal_without_contact": blank("deal", "contact_ids"),
    "deal_without_company": blank("deal", "account_id"),
    "deal_alone": blank("deal", "contact_ids", "account_id"),
    "with_participants": participants_linked,
    "deal_of_unmoved_contact": one_class("deal_contact", "dropped"),
    "deal_of_merged_contact": one_class("deal_contact", "repointed"),
    "deal_of_merged_company": linked("deal_account", "repointed"),
    "deal_of_unmoved_company": linked("deal_account", "dropped"),
    "deal_makes_contact": buyer_is_contact,
    "with_products": lambda r, i: (
        r.actual["deal", i]["cf_usercom_products"].split(", ")
        == [str(p) for p in dict.fromkeys(r.rows["deal"][i]["products"])]
    ),
    "value_zero": lambda r, i: r.actual["deal", i]["amount"] == 0,
    "value_huge": lambda r, i: r.actual["deal", i]["amount"] == float(r.rows["deal"][i]["value"]),
    "value_many_decimals": lambda r, i: (
        r.actual["deal", i]["amount"] == round(float(r.rows["deal"][i]["value"]), 2)
    ),
    "value_missing": lambda r, i: r.actual["deal", i]["amount"] == 0,
    "deal_name_long": repaired("deal", "too_long", "name"),
    "deal_name_missing": lambda r, i: i in r.actual["deal", i]["name"],
    "deal_name_formula": deal("name", "name"),
}  # fmt: skip

HISTORY_CHECKS: dict[str, Seen] = {
    "activity_dst_night": at_its_instant("activity"),
    "activity_extreme_time": at_its_instant("activity"),
    "activity_of_merged_contact": on_survivor("activity"),
    "activity_makes_contact": of_split("activity", "Contact"),
    "activity_of_lead": of_split("activity", "Lead"),
    "mail_makes_contact": of_split("email", "Contact"),
    "mail_to_lead": of_split("email", "Lead"),
    "mail_dst_night": at_its_instant("email"),
    "event_of_lead": of_split("event", "Lead"),
    "event_of_merged_contact": on_survivor("event"),
    "event_time_edge": at_its_instant("event"),
    "talk_of_lead": of_split("conversation", "Lead"),
    "talk_of_merged_contact": on_survivor("conversation"),
    "talk_html": told_in_order,
    "talk_long": told_in_order,
    "talk_unordered": told_in_order,
    "talk_blank_message": told_in_order,
    "talk_agent_gone": told_in_order,
    "talk_dst_night": told_in_order,
}

LISTED = {
    "name_blanks": ("changes", ("contact", "name", "name")),
    "name_decomposed": ("changes", ("contact", "name", "name")),
    "phone_junk": ("losses", ("contact", "phone_number", "dropped")),
    "same_name_other_website": ("changes", ("company", "name", "suffixed")),
    "website_bare": ("losses", ("company", "p_website", "dropped")),
    "probability_fraction": ("losses", ("deal", "probability", "rounded")),
    "deal_name_missing": ("changes", ("deal", "name", "name_filled")),
    "company_name_over_255": ("losses", ("company", "name", "truncated")),
    "deal_name_long": ("losses", ("deal", "name", "truncated")),
    "float_exact": ("losses", ("contact", "p_average_spend", "rounded")),
}


@pytest.fixture(scope="module")
def results(demo: Demo) -> Results:
    return Results(demo.run)


def _outcome(results: Results, hazard: Hazard, source_id: str) -> bool:
    """Whether the record is in the class that its hazard's outcome means."""
    entity, (outcome, _, tail) = ENTITIES[hazard.entity], hazard.expected.partition(": ")
    found, reason = results.classes[entity, source_id]
    merged = results.account.merged if entity == "contact" else results.account.merged_companies
    if outcome in ("excluded", "rejected"):
        return found == outcome and reason.endswith(REASONS[tail])
    if outcome == "merged":
        return found == ("merged" if int(source_id) in merged else "loaded")
    if outcome == "queued":
        return found == "loaded" and owned_by_admin(results, entity, source_id)
    return found == "loaded" and (entity, source_id) not in results.differing


@pytest.mark.parametrize("hazard", MOVED, ids=[h.name for h in MOVED])
def test_every_record_of_a_hazard_ends_as_expected(results: Results, hazard: Hazard) -> None:
    """Its class is the one the outcome means; what is loaded reads back as it was written."""
    assert [i for i in map(str, hazard.source_ids) if not _outcome(results, hazard, i)] == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_hazards_values_and_links_are_as_promised(results: Results, name: str) -> None:
    """What the expectation says beyond the class is seen in every record, in the target where it is a value."""
    hazard = next(h for h in MOVED if h.name == name)
    assert [i for i in map(str, hazard.source_ids) if not CHECKS[name](results, i)] == []


def _history_outcome(results: Results, hazard: Hazard, source_id: str) -> bool:
    """Whether the row is carried by loaded records, or listed with the reason why not."""
    entity, outcome = HISTORY[hazard.entity], hazard.expected.partition(": ")[0]
    rows, found = results.carried[entity, source_id], results.carriers(entity, source_id)
    if outcome == "listed":
        return not found and all(row["state"] == "rejected" and row["reason"] for row in rows)
    if outcome == "queued":
        admin = results.owners[scenario.ADMIN_EMAIL]
        return bool(found) and {results.owner_of[c["module"], c["target_id"]] for c in found} == {admin}
    return bool(found) and {c["class"] for c in found} == {"loaded"}


@pytest.mark.parametrize("hazard", PAST, ids=[h.name for h in PAST])
def test_every_row_of_the_history_ends_as_expected(results: Results, hazard: Hazard) -> None:
    """Carried by records that reconciliation found in the target, or listed with a reason."""
    assert [i for i in map(str, hazard.source_ids) if not _history_outcome(results, hazard, i)] == []


@pytest.mark.parametrize("name", HISTORY_CHECKS)
def test_the_history_is_told_as_promised(results: Results, name: str) -> None:
    """On the right record, at the same instant, in order."""
    hazard = next(h for h in PAST if h.name == name)
    assert [i for i in map(str, hazard.source_ids) if not HISTORY_CHECKS[name](results, i)] == []


@pytest.mark.parametrize("name", LISTED)
def test_what_was_changed_or_lost_is_listed(results: Results, name: str) -> None:
    """The field stands in `changes` or `loss` with the rule or the kind."""
    table, row = LISTED[name]
    assert row in getattr(results, table)


def test_every_hazard_of_a_moved_entity_is_looked_at(results: Results) -> None:
    """By its class alone where that is all it promises, else by a check of its own."""
    by_class = ("excluded", "rejected", "merged", "queued")
    plain = {"name_long", "company_name_over_40", "currency_not_base"}
    unseen = [
        h.name for h in MOVED
        if not h.expected.startswith(by_class) and h.name not in {*CHECKS, *LISTED, *plain}
    ]  # fmt: skip
    assert unseen == []


def test_amounts_and_currencies_are_as_given(results: Results) -> None:
    """Every deal, in whatever currency: the amount and the currency of the source."""
    codes = dict(results.table("target_currencies").select("currency_id", "code").iter_rows())
    wrong = [
        i for i, row in results.rows["deal"].items()
        if (found := results.actual["deal", i]) and (round(float(row["value"] or 0), 2), row["currency"])
        != (found["amount"], codes[found["currency_id"]])
    ]  # fmt: skip
    assert wrong == []


def test_merged_records_live_on_in_the_right_one(results: Results) -> None:
    """The survivor is the most complete, most recently seen, lowest id; of companies the lowest id."""
    merged = {int(i) for entity, i in results.survivors if entity == "contact"}
    assert merged == results.account.merged
    for (entity, i), survivor in results.survivors.items():
        if entity == "company":
            assert int(survivor) < int(i)
        assert results.classes[entity, survivor][0] == "loaded"


def test_a_survivor_keeps_the_losers_tags_and_companies(results: Results) -> None:
    """Nothing that hung on a merged contact is gone."""
    for (entity, i), survivor in results.survivors.items():
        if entity == "contact":
            tags = {results.account.tags[t] for t in results.rows["contact"][i]["tag_ids"]}
            assert tags <= set(results.made["contact", survivor]["cf_tags"] or [])
            companies = {
                results.living("company", str(c["id"])) for c in results.rows["contact"][i]["company_ids"]
            }
            assert companies <= set(results.made["contact", survivor]["account_ids"])


def test_lists_and_segments_are_there_with_who_moved(results: Results) -> None:
    """One list each, empty ones too, another name only where two clash; members that stayed behind are listed."""
    plan = {row["list_key"]: row for row in results.table("list_plan").iter_rows(named=True)}
    names = {h.name: h.source_ids for h in HAZARDS if h.entity == "segments"}
    held = set(results.table("actual_lists").get_column("name"))
    assert {row["target_name"] for row in plan.values()} <= held
    renamed = {key for key, row in plan.items() if row["is_renamed"]}
    assert renamed == {f"segment:{i}" for i in names["segment_named_like_list"]}
    members = results.table("list_members").get_column("list_key").to_list()
    assert {f"segment:{i}" for i in names["segment_empty"]}.isdisjoint(members)
    left = {key.rpartition(":")[0] for (entity, key), rows in results.carried.items()
            if entity == "membership" and rows[0]["state"] == "rejected"}  # fmt: skip
    assert {f"segment:{i}" for i in names["segment_with_unmoved"]} <= left


def test_what_does_not_move_is_listed_with_its_reason(results: Results) -> None:
    """Campaigns: the customer's table counts them as not moved and says why."""
    row = results.table("moved").filter(object="campaigns").row(0, named=True)
    assert (row["in_source"], row["in_target"], row["not_moved"]) == (3, 0, 3)
    assert row["why"] == "no interface takes campaigns or e-mail templates"


def test_the_queue_names_the_agents_without_an_active_user(results: Results) -> None:
    """Those of the list who have no seat or an inactive one, and the one the account no longer knows."""
    account = results.account
    assigned = {
        row["assigned_to"]
        for rows in results.rows.values()
        for row in rows.values()
        if row.get("assigned_to")
    }
    gone = assigned - set(account.agents)
    assert results.queued == {str(agent) for agent in account.unseated | account.inactive | gone}


def test_owners_with_a_user_keep_their_records(results: Results) -> None:
    """Every other contact and deal that moved belongs to the user with its agent's e-mail, in whatever case."""
    agents = results.account.agents
    wrong = [
        i for (entity, i), found in results.actual.items()
        if entity in ("contact", "deal") and i
        and (agent := agents.get(results.rows[entity][i]["assigned_to"])) and str(agent["id"]) not in results.queued
        and (entity, i) not in {(e, s) for (e, _), s in results.survivors.items()}
        and found["owner_id"] != results.owners[agent["email"].casefold()]
    ]  # fmt: skip
    assert wrong == []


def test_a_pipeline_without_an_end_gets_one(results: Results) -> None:
    """Deals closed in it need stages that are won and lost; they are added, and said to be."""
    hazard = next(h for h in HAZARDS if h.name == "pipeline_without_end")
    added = results.table("stages").filter("is_added").select("pipeline_id").to_series().unique().to_list()
    assert sorted(map(int, added)) == list(hazard.source_ids)


def test_an_attribute_nobody_fills_is_listed(results: Results) -> None:
    """Among the custom properties not moved, with the reason."""
    row = results.table("moved").filter(object="custom properties").row(0, named=True)
    assert (row["not_moved"], row["why"]) == (1, "1 empty in every record")
