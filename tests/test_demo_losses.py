"""The demo's map loses exactly what the account's hazards plant, said before approval and found in the target."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Demo
from crmbook.phases.loss_words import RECORD
from crmbook.sandbox import demo as scenario
from demo_account import WARSAW, instant
from demo_results import Results

HAZARDS = {hazard.name: hazard for hazard in scenario.hazards()}
Key = tuple[str, str, str]

# Kinds of difference that keep the meaning, and the hazard or decision that plants each.
CHANGES: dict[Key, str] = {
    ("contact", RECORD, "merged"): "duplicate_email_loser",
    ("company", RECORD, "merged"): "same_name_same_website",
    ("contact", "name", "whitespace"): "name_blanks",
    ("contact", "name", "notation"): "name_decomposed, and zero-width blanks of name_blanks",
    ("contact", "name", "filled"): "name_missing: what stands before the @",
    ("contact", "name", "to_note"): "name_long: a word of more than 255 letters",
    ("contact", "email", "case"): "duplicate_email and unusual_email: the domain in lower case",
    ("contact", "email", "whitespace"): "unusual_email: blanks around",
    ("contact", "country", "whitespace"): "country_free_text: a blank behind",
    ("contact", "phone_number", "filled"): "duplicate_email: the survivor lacks what the other has",
    ("contact", "last_heard", "filled"): "duplicate_email: the survivor lacks what the other has",
    ("contact", "p_consent_at", "notation"): "instants written without decimals",
    (
        "contact",
        "p_next_trip_at",
        "notation",
    ): "datetime_offset, datetime_dst_night, instants without decimals",
    ("contact", "p_is_vip", "notation"): "boolean_as_text",
    ("contact", "p_travel_notes", "whitespace"): "text_over_256: a blank behind",
    ("contact", "p_travel_notes", "to_note"): "text_over_10000",
    ("company", "name", "whitespace"): "same_name_same_website: runs of blanks",
    ("company", "name", "case"): "same_name_same_website: capitals of the merged one",
    ("company", "name", "suffixed"): "same_name_other_website",
    ("company", "name", "to_note"): "company_name_over_255",
    ("company", "description", "whitespace"): "description_long: a blank behind",
    ("company", "p_website", "notation"): "website_bare: https is added",
    ("company", "p_website", "case"): "same_name_same_website: capitals in a host",
    ("company", "custom_id", "filled"): "same_name_same_website: the survivor lacks what the other has",
    ("company", "description", "filled"): "same_name_same_website: the survivor lacks what the other has",
    ("company", "email", "filled"): "same_name_same_website: the survivor lacks what the other has",
    ("company", "size", "filled"): "same_name_same_website: the survivor lacks what the other has",
    ("company", "p_fleet_size", "filled"): "same_name_same_website: the survivor lacks what the other has",
    ("company", "p_partner_since", "filled"): "same_name_same_website: the survivor lacks what the other has",
    ("deal", "name", "filled"): "deal_name_missing",
    ("deal", "name", "to_note"): "deal_name_long",
    ("deal", "value", "notation"): "values with a zero behind the decimal point",
}
LEFT_BEHIND = {
    ("contact", "web_push_subscription"): "belongs to the source's web site",
    ("deal", "scope"): "who may see a deal is set by roles in the target",
    ("deal", "activities_status"): "follows from the deal's activities",
}


@pytest.fixture(scope="module")
def results(demo: Demo) -> Results:
    return Results(demo.run)


def _ids(*names: str) -> int:
    return sum(len(HAZARDS[name].source_ids) for name in names)


def _whole(results: Results) -> Iterator[tuple[Key, int]]:
    yield ("contact", RECORD, "rejected"), _ids("phone_only", "user_id_only", "invalid_email")
    yield ("contact", RECORD, "excluded"), _ids("chat_only", "push_only", "unidentified")
    yield ("company", RECORD, "rejected"), _ids("company_name_blank")
    for entity, field in LEFT_BEHIND:
        yield (entity, field, "left_behind"), len(results.rows[entity])


def _values(results: Results) -> Iterator[tuple[Key, int]]:
    people = [results.rows["contact"][i] for entity, i in results.made if entity == "contact"]
    spent = [p["attributes"]["average_spend"] for p in people if p["attributes"].get("average_spend")]
    sites = [
        results.rows["company"][str(i)]["attributes"]["website"] for i in HAZARDS["website_bare"].source_ids
    ]
    yield ("contact", "phone_number", "dropped"), _ids("phone_junk")
    yield ("contact", "p_average_spend", "rounded"), sum(round(value, 4) != value for value in spent)
    yield (
        ("contact", "name", "truncated"),
        sum(any(len(word) > 255 for word in (p["name"] or "").split()) for p in people),
    )
    yield ("company", "name", "truncated"), _ids("company_name_over_255")
    yield ("company", "p_website", "dropped"), sum(not re.search(r"\w\.\w", site) for site in sites)
    yield ("deal", "name", "truncated"), _ids("deal_name_long")


def _deals(results: Results) -> Iterator[tuple[Key, int]]:
    fractions = {str(i) for i, probability in results.account.probability.items() if probability % 1}
    yield ("deal_stage", "probability", "rounded"), len(fractions)
    standing = [row["stage_id"] for (entity, _), row in results.made.items() if entity == "deal"]
    yield ("deal", "probability", "rounded"), sum(stage in fractions for stage in standing)
    for at, status in (("won_at", 2), ("lost_at", 3)):
        closed = [
            instant(row[at]) for row in results.rows["deal"].values() if row["status"] == status and row[at]
        ]
        clocks = [moment.astimezone(WARSAW).strftime("%H%M%S%f") for moment in closed]
        yield ("deal", at, "truncated"), sum(clock.strip("0") != "" for clock in clocks)


def _merged(results: Results) -> Iterator[tuple[Key, int]]:
    """Values of merged records beside the survivor's own, as discovery tells both."""
    names = {"contact": "source_contacts", "company": "source_companies"}
    rows = {e: {r["source_id"]: r for r in results.table(t).iter_rows(named=True)} for e, t in names.items()}
    mapped = results.table("mapping").filter(decision="proposed")
    for (entity, i), survivor in results.survivors.items():
        for field in mapped.filter(entity=entity)["source_field"]:
            mine, theirs = (_plain(rows[entity][who][field]) for who in (i, survivor))
            # Links, tags and choices of both are kept; the key of a merge is the same by definition.
            is_key = field in ("source_id", "email" if entity == "contact" else "name")
            if not is_key and mine and theirs and mine != theirs:
                yield (entity, field, "collapsed"), 1


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if value and value[0].startswith("+") else None
    text = "" if value is None else " ".join(str(value).split())
    return None if text.startswith('["') and text.count('"') > 2 else text


def _history(results: Results) -> Iterator[tuple[Key, int]]:
    """What a carrier has no field for stands in its text; parts of seconds as well."""
    seen = results.table("source_activities")
    for row in seen.iter_rows(named=True):
        for carried in results.carried["activity", row["source_id"]]:
            if carried["state"] != "carried":
                continue
            module = carried["carrier_module"]
            parent = results.history[module, carried["carrier_id"]]["parent_kind"]
            told = {
                "created_at": row["created_at"],
                "done_date": row["done_date"],
                "done": None if module == "tasks" else row["is_done"],
                "duration": row["duration"] if module in ("tasks", "notes") else None,
                "assigned_to": row["assigned_to"] if module in ("appointments", "notes") else None,
                "company_id": None if parent == "company" else row["company_id"],
                "deal_id": None if parent == "deal" else row["deal_id"],
            }
            for field, value in told.items():
                yield ("activity", field, "collapsed"), int(value is not None)
    marks = {"sent": "sent_at", "opened": "opened_at", "clicked": "clicked_at"}
    mails = {row["source_id"]: row for row in results.table("source_emails").iter_rows(named=True)}
    for row in results.table("carried").filter(entity="email", state="carried").iter_rows(named=True):
        mail, _, mark = row["source_id"].partition(":")
        yield ("email", "at", "truncated"), int(mails[mail][marks[mark]].microsecond > 0)


def expected(results: Results) -> Counter[Key]:
    """Rows per (entity, source field, kind), from the account and its hazards."""
    found: Counter[Key] = Counter()
    for part in (_whole, _values, _deals, _merged, _history):
        for key, number in part(results):
            found[key] += number
    return +found


def _told(results: Results, *, is_loss: bool) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for row in results.table("loss_preview").filter(is_loss=is_loss).iter_rows(named=True):
        found[row["entity"], row["source_field"], row["kind"]] += row["rows"]
    return found


def test_exactly_the_planted_losses_are_named_before_approval(results: Results) -> None:
    """Every field, every kind, every row, and nothing else."""
    assert _told(results, is_loss=True) == expected(results)


def test_exactly_the_planted_changes_are_named_beside_them(results: Results) -> None:
    """What keeps its meaning is told too, each for a reason that was planted."""
    assert sorted(_told(results, is_loss=False)) == sorted(CHANGES)


def test_what_was_named_is_what_was_lost(results: Results) -> None:
    """04 counted every loss by another way, and came to the same number in every row."""
    agreed = results.table("loss_agreement")
    assert agreed.height > 40
    assert agreed["previewed"].to_list() == agreed["lost"].to_list()


def test_the_target_lacks_exactly_what_was_named(results: Results) -> None:
    """Every value read back, taken to the source's words: the differences are the named ones, row for row."""
    found = results.table("lost_fields")
    assert found["found"].to_list() == found["named"].to_list()
    assert int(found["compared"].min()) > 0
    assert (int(found["unnamed"].sum()), int(found["unannounced"].sum())) == (0, 0)


def test_whoever_approves_reads_the_total(demo: Demo, results: Results) -> None:
    """The line that is approved says how many values, records and fields."""
    import json

    summary = json.loads((demo.run / "run.json").read_text(encoding="utf-8"))["offers"]["mapping"]["summary"]
    records = sum(n for (_, field, _), n in expected(results).items() if field == RECORD)
    assert f"and {records} records; " in summary
    assert summary.endswith(f"{len(LEFT_BEHIND)} fields are left behind")
