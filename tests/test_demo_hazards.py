"""Every hazard of the demo account is found again in its rows alone, with exactly the ids it lists."""

import re
import unicodedata
from collections.abc import Callable

import pytest

from crmbook.sandbox import demo
from crmbook.sandbox.demo_case import OUTCOMES
from crmbook.sandbox.demo_words import COUNTRIES
from crmbook.sandbox.scenario_keys import KINDS
from demo_account import (
    FORMULA,
    SEEDS,
    STEMS,
    Account,
    address,
    attribute,
    closes_on_another_day,
    has,
    in_dst_night,
    is_far,
    is_json,
    is_nobody,
    is_other_script,
    is_valid_email,
    letters,
    texts,
)

Test = Callable[[dict, Account], bool]

CONTACTS: dict[str, Test] = {
    "chat_only": lambda r, a: is_nobody(r) and r["id"] in a.chatters,
    "push_only": lambda r, a: is_nobody(r) and r["id"] not in a.chatters and r["web_push_subscription"],
    "unidentified": lambda r, a: is_nobody(r) and r["id"] not in a.chatters and not r["web_push_subscription"],
    "phone_only": lambda r, _: not r["email"] and has(r, "phone_number") and not r["custom_id"],
    "user_id_only": lambda r, _: not r["email"] and has(r, "custom_id") and not r["phone_number"],
    "visitor_with_email": lambda r, _: has(r, "email") and r["status"] == "visitor",
    "duplicate_email": lambda r, a: r["id"] in a.duplicates,
    "duplicate_email_loser": lambda r, a: r["id"] in a.merged,
    "invalid_email": lambda r, _: has(r, "email") and not is_valid_email(r),
    "unusual_email": lambda r, a: (
        is_valid_email(r)
        and r["id"] not in a.duplicates
        and (r["email"] != r["email"].strip() or bool(re.search(r"['+_]", r["email"])))
    ),
    "several_companies": lambda r, _: len(r["company_ids"]) > 1,
    "member_since_unordered": lambda r, _: (
        (dates := [c["member_since"] for c in r["company_ids"] if c["member_since"]]) != sorted(dates)
    ),
    "member_since_missing": lambda r, _: (
        len(r["company_ids"]) > 1 and any(c["member_since"] is None for c in r["company_ids"])
    ),
    "company_not_moved": lambda r, a: any(
        not c["name"].strip() for c in a.rows["companies"] if c["id"] in {x["id"] for x in r["company_ids"]}
    ),
    "name_one_word": lambda r, _: len((r["name"] or "").split()) == 1,
    "name_long": lambda r, _: len(r["name"] or "") > 40 and "<" not in r["name"],
    "name_emoji": lambda r, _: any(ord(c) > 0xFFFF for c in r["name"] or ""),
    "name_html": lambda r, _: "<" in (r["name"] or ""),
    "name_formula": lambda r, _: (r["name"] or "").startswith(FORMULA),
    "name_missing": lambda r, _: has(r, "email") and not (r["name"] or "").strip(),
    "name_blanks": lambda r, _: bool(
        (r["name"] or "").strip() and re.search(r"[\t\r\n\u00a0\u200b]|  ", r["name"])
    ),
    "name_decomposed": lambda r, _: unicodedata.normalize("NFC", r["name"] or "") != (r["name"] or ""),
    "name_other_script": lambda r, _: is_other_script(r["name"]),
    "boolean_as_text": lambda r, _: attribute(r, "is_vip") in ("t", "f"),
    "empty_text": lambda r, _: any(not text.strip() for text in texts(r)),
    "choice_punctuation": lambda r, _: any(re.search(r'[,;"{}]', c) for c in attribute(r, "plan_type") or ()),
    "choices_punctuation": lambda r, _: any(
        re.search(r'[,;"{}|\\]', c) for c in attribute(r, "interests") or ()
    ),
    "choice_empty": lambda r, _: any(value == [] for value in r["attributes"].values()),
    "datetime_offset": lambda r, _: not (attribute(r, "next_trip_at") or "Z").endswith("Z"),
    "date_extreme": lambda r, _: is_far(attribute(r, "birthday")),
    "datetime_dst_night": lambda r, _: in_dst_night(attribute(r, "next_trip_at")),
    "json_property": lambda r, _: is_json(attribute(r, "preferences") or "no"),
    "json_malformed": lambda r, _: not is_json(attribute(r, "preferences") or "{}"),
    "text_over_256": lambda r, _: any(256 < len(text) <= 10_000 for text in texts(r)),
    "text_over_10000": lambda r, _: any(len(text) > 10_000 for text in texts(r)),
    "integer_beyond_float": lambda r, _: (attribute(r, "loyalty_points") or 0) > 2**53,
    "names_collide": lambda r, _: {"lead_source", "lead-source"} <= set(r["attributes"]),
    "standard_name": lambda r, _: "region" in r["attributes"],
    "float_exact": lambda r, _: (
        (spend := attribute(r, "average_spend") or 0) < 0 or round(spend, 2) != spend
    ),
    "formula_value": lambda r, _: any(text.startswith(FORMULA) for text in texts(r)),
    "country_free_text": lambda r, _: r["country"] is not None and r["country"] not in COUNTRIES,
    "phone_national": lambda r, _: bool(re.fullmatch(r"[\d() -]+", r["phone_number"] or "")),
    "phone_junk": lambda r, _: bool(re.search(r"[a-z]", r["phone_number"] or "")),
    "phone_empty": lambda r, _: r["phone_number"] == "",
    "unsubscribed": lambda r, _: r["unsubscribed"],
    "tag_long": lambda r, a: a.has_tag(r, lambda tag: len(tag) > 40),
    "tag_formula": lambda r, a: a.has_tag(r, lambda tag: tag.startswith(FORMULA)),
    "tag_case_twins": lambda r, a: {"VIP", "vip"} <= {a.tags[i] for i in r["tag_ids"]},
    "owner_gone": lambda r, a: a.is_gone(r),
    "owner_not_in_target": lambda r, a: r["assigned_to"] in a.unseated,
    "owner_inactive": lambda r, a: r["assigned_to"] in a.inactive,
    "email_in_target": lambda r, a: address(r) in {c["email"].casefold() for c in a.target["existing"]["contacts"]},
    "contact_by_deal": lambda r, a: r["id"] in a.silent & a.buyers,
    "contact_by_participation": lambda r, a: r["id"] in (a.silent & a.participants) - a.buyers,
    "contact_by_call": lambda r, a: r["id"] in a.silent & a.talked_to,
    "contact_by_mail": lambda r, a: r["id"] in a.silent & a.readers,
    "lead_with_chat": lambda r, a: r["id"] in a.leads & a.chatters,
    "lead_with_events": lambda r, a: r["id"] in a.leads & {event["user_id"] for event in a.rows["events"]},
}  # fmt: skip

COMPANIES: dict[str, Test] = {
    "same_name_same_website": lambda r, a: r["id"] in a.twins,
    "same_name_other_website": lambda r, a: r["id"] in a.namesakes,
    "company_name_blank": lambda r, _: not r["name"].strip(),
    "company_name_formula": lambda r, _: r["name"].startswith(FORMULA),
    "company_name_over_255": lambda r, _: len(r["name"]) > 255,
    "company_name_over_40": lambda r, _: len(r["name"]) > 40,
    "phone_numbers_null": lambda r, _: r["phone_numbers"] is None,
    "phone_numbers_empty": lambda r, _: r["phone_numbers"] == [],
    "phone_numbers_several": lambda r, _: len(r["phone_numbers"] or ()) > 1,
    "account_in_target": lambda r, a: (
        r["name"] in {x["name"] for x in a.target["existing"]["sales_accounts"]}
    ),
    "website_bare": lambda r, _: "//" not in (attribute(r, "website") or "//"),
    "company_tag_long": lambda r, a: a.has_tag(r, lambda tag: len(tag) > 40),
    "description_long": lambda r, _: len(r["description"] or "") > 256,
    "description_html": lambda r, _: "<" in (r["description"] or ""),
    "size_odd": lambda r, _: r["size"] is not None and not 0 < r["size"] < 10**6,
    "company_country_free_text": lambda r, _: r["country"] not in COUNTRIES,
}

DEALS: dict[str, Test] = {
    "lost_with_reason": lambda r, _: r["status"] == 3 and has(r, "loss_reason_description"),
    "lost_in_open_stage": lambda r, a: r["status"] == 3 and a.probability[r["stage"]] != 0,
    "lost_without_reason": lambda r, _: r["status"] == 3 and not r["loss_reason_description"],
    "won": lambda r, a: r["status"] == 2 and a.probability[r["stage"]] == 100,
    "won_in_open_stage": lambda r, a: r["status"] == 2 and a.probability[r["stage"]] != 100,
    "closed_around_midnight": lambda r, _: closes_on_another_day(r),
    "won_with_reason": lambda r, _: r["status"] == 2 and "closed_won_reason" in r["attributes"],
    "abandoned": lambda r, _: r["status"] == 0,
    "archived": lambda r, _: r["status"] == 4,
    "deal_without_contact": lambda r, _: r["user_id"] is None and r["company_id"] is not None,
    "deal_without_company": lambda r, _: r["user_id"] is not None and r["company_id"] is None,
    "deal_alone": lambda r, _: r["user_id"] is None and r["company_id"] is None,
    "with_participants": lambda r, _: bool(r["participants"]),
    "deal_of_unmoved_contact": lambda r, a: r["user_id"] in a.unmoved,
    "deal_of_merged_contact": lambda r, a: r["user_id"] in a.merged,
    "deal_of_merged_company": lambda r, a: r["company_id"] in a.merged_companies,
    "deal_of_unmoved_company": lambda r, a: r["company_id"] in {c["id"] for c in a.rows["companies"] if not c["name"].strip()},
    "deal_makes_contact": lambda r, a: r["user_id"] in a.silent,
    "deal_owner_gone": lambda r, a: a.is_gone(r),
    "deal_owner_not_in_target": lambda r, a: r["assigned_to"] in a.unseated,
    "deal_owner_inactive": lambda r, a: r["assigned_to"] in a.inactive,
    "with_products": lambda r, _: bool(r["products"]),
    "probability_fraction": lambda r, a: a.probability[r["stage"]] % 1 != 0,
    "currency_not_base": lambda r, a: r["currency"] not in {c["currency_code"] for c in a.target["currencies"] if c["is_base"]},
    "value_zero": lambda r, _: r["value"] is not None and float(r["value"]) == 0,
    "value_huge": lambda r, _: float(r["value"] or 0) >= 10**9,
    "value_many_decimals": lambda r, _: len((r["value"] or "0.00").partition(".")[2]) > 2,
    "value_missing": lambda r, _: r["value"] is None,
    "deal_name_long": lambda r, _: len(r["name"]) > 255,
    "deal_name_missing": lambda r, _: not r["name"].strip(),
    "deal_name_formula": lambda r, _: r["name"].startswith(FORMULA),
    "deal_tag_long": lambda r, a: a.has_tag(r, lambda tag: len(tag) > 40),
}  # fmt: skip

ACTIVITIES: dict[str, Test] = {
    "activity_without_contact": lambda r, _: r["user_id"] is None and bool(r["company_id"] or r["deal_id"]),
    "activity_alone": lambda r, _: not any((r["user_id"], r["company_id"], r["deal_id"])),
    "activity_several_parents": lambda r, _: has(r, "user_id", "company_id", "deal_id"),
    "activity_dst_night": lambda r, _: in_dst_night(r["due_date"]),
    "activity_extreme_time": lambda r, _: is_far(r["due_date"]),
    "done_without_date": lambda r, _: r["done"] and r["done_date"] is None,
    "duration_missing": lambda r, _: r["duration"] is None,
    "duration_odd": lambda r, _: r["duration"] is not None and not 0 < r["duration"] <= 1440,
    "due_date_missing": lambda r, _: r["due_date"] is None,
    "activity_owner_gone": lambda r, a: a.is_gone(r),
    "activity_owner_not_in_target": lambda r, a: r["assigned_to"] in a.unseated,
    "activity_of_unmoved_contact": lambda r, a: r["user_id"] in a.unmoved,
    "activity_of_merged_contact": lambda r, a: r["user_id"] in a.merged,
    "activity_type_other": lambda r, a: a.kinds[r["activity_type"]] == "other",
    "activity_html": lambda r, _: "<" in r["description"],
    "activity_description_over_10000": lambda r, _: len(r["description"]) > 10_000,
    "activity_formula": lambda r, _: r["name"].startswith(FORMULA),
    "activity_makes_contact": lambda r, a: (
        r["user_id"] in a.silent and a.kinds[r["activity_type"]] in ("call", "meeting", "email")
    ),
    "activity_of_lead": lambda r, a: r["user_id"] in a.leads,
}

MAILS: dict[str, Test] = {
    "mail_makes_contact": lambda r, a: r["user_id"] in a.silent and bool(r["opened_at"] or r["clicked_at"]),
    "mail_to_lead": lambda r, a: r["user_id"] in a.leads,
    "clicked_not_opened": lambda r, _: bool(r["clicked_at"]) and not r["opened_at"],
    "mail_never_sent": lambda r, _: r["sent_at"] is None,
    "mail_dst_night": lambda r, _: in_dst_night(r["opened_at"]),
    "mail_without_subject": lambda r, _: not r["subject"],
}

EVENTS: dict[str, Test] = {
    "event_of_lead": lambda r, a: r["user_id"] in a.leads,
    "event_of_unmoved_contact": lambda r, a: r["user_id"] in a.unmoved,
    "event_of_merged_contact": lambda r, a: r["user_id"] in a.merged,
    "event_without_data": lambda r, _: not r["data"],
    "event_nested_data": lambda r, _: (
        "attendees" not in r["data"] and any(isinstance(value, list | dict) for value in r["data"].values())
    ),
    "event_time_edge": lambda r, _: (
        "attendees" not in r["data"] and (in_dst_night(r["timestamp"]) or is_far(r["timestamp"]))
    ),
    "event_with_attendees": lambda r, _: "attendees" in r["data"],
    "event_name_long": lambda r, _: len(r["name"]) > 255,
}

TALKS: dict[str, Test] = {
    "talk_of_chat_only": lambda r, a: r["user_id"] in a.unmoved,
    "talk_of_lead": lambda r, a: r["user_id"] in a.leads,
    "talk_of_merged_contact": lambda r, a: r["user_id"] in a.merged,
    "talk_html": lambda r, _: any("</" in (m["content"] or "") for m in r["messages"]),
    "talk_long": lambda r, _: sum(len(m["content"] or "") for m in r["messages"]) > 10_000,
    "talk_unordered": lambda r, _: (at := [m["timestamp"] for m in r["messages"]]) != sorted(at),
    "talk_empty": lambda r, _: not r["messages"],
    "talk_blank_message": lambda r, _: any(not m["content"] for m in r["messages"]),
    "talk_agent_gone": lambda r, a: r["agent_id"] not in a.agents,
    "talk_dst_night": lambda r, _: any(in_dst_night(m["timestamp"]) for m in r["messages"]),
}

DEFINITIONS: dict[str, Test] = {
    "segment_empty": lambda r, _: not r["user_ids"],
    "segment_named_like_list": lambda r, a: r["name"] in {row["name"] for row in a.rows["lists"]},
    "segment_with_unmoved": lambda r, a: not (a.unmoved | a.merged).isdisjoint(r["user_ids"]),
    "segment_formula": lambda r, _: r["name"].startswith(FORMULA),
    "long_tag_name": lambda r, _: len(r["name"]) > 40,
    "case_twin_tag_name": lambda r, a: any(
        row["name"] != r["name"] and row["name"].casefold() == r["name"].casefold() for row in a.rows["tags"]
    ),
    "agent_without_seat": lambda r, a: r["id"] in a.unseated,
    "agent_inactive": lambda r, a: r["id"] in a.inactive,
    "agent_email_other_case": lambda r, a: (
        r["id"] not in a.unseated and r["email"] not in {owner["email"] for owner in a.target["owners"]}
    ),
    "pipeline_without_end": lambda r, _: {0, 100} - {stage["probability"] for stage in r["stages"]} != set(),
    "attribute_names_collide": lambda r, a: [
        letters(row["name"]) for row in a.rows["attributes"] if row["content_type"] == r["content_type"]
    ].count(letters(r["name"])) > 1,
    "attribute_standard_name": lambda r, _: r["name_std"] in {key for keys in KINDS[STEMS[r["content_type"]]] for key in keys},
    "campaign_history": lambda r, _: bool(r["name"]),
}  # fmt: skip


TESTS = CONTACTS | COMPANIES | DEALS | ACTIVITIES | MAILS | EVENTS | TALKS | DEFINITIONS
HAZARDS = demo.hazards()


@pytest.fixture(scope="module", params=SEEDS, ids=[f"seed {seed}" for seed in SEEDS])
def account(request):
    return Account(request.param)


def test_every_hazard_has_a_test_and_a_name_of_its_own():
    """A hazard nobody recomputes could drift from its rows."""
    assert sorted(TESTS) == sorted(hazard.name for hazard in HAZARDS)


@pytest.mark.parametrize("hazard", HAZARDS, ids=[hazard.name for hazard in HAZARDS])
def test_hazard_names_exactly_the_records_that_have_it(account, hazard):
    """The ids listed are the ids found in the rows by the hazard's meaning."""
    is_hit = TESTS[hazard.name]
    found = sorted(row["id"] for row in account.rows[hazard.entity] if is_hit(row, account))
    assert found == list(hazard.source_ids)


def test_hazards_say_what_is_expected():
    """Each begins with a known outcome and says more than that word."""
    assert [h.name for h in HAZARDS if not re.match(rf"({'|'.join(OUTCOMES)}): \S", h.expected)] == []
    assert [h.name for h in HAZARDS if not h.meaning or not h.source_ids] == []
