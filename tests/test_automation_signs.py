"""What in the data says that an automation exists: strong or weak, listed or a question to the customer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import automation_signs as looking
from crmbook.phases import handoff
from reconciliation_world import frame

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
TYPES = frame(
    tables.ACTIVITY_TYPES,
    {"activity_type_id": "1", "name": "Push", "kind": "push"},
    {"activity_type_id": "2", "name": "Task", "kind": "task"},
    {"activity_type_id": "3", "name": "Call", "kind": "call"},
)


def mails(subject: str, number: int, *, days: int) -> list[dict[str, Any]]:
    """*number* mails of one subject on so many days."""
    return [
        {"source_id": f"{subject}{n}", "subject": subject, "sent_at": START + timedelta(days=n % days)} for n in range(number)
    ]  # fmt: skip


def activities(kind: str, name: str, number: int) -> list[dict[str, Any]]:
    return [
        {"source_id": f"{kind}{name}{n}", "activity_type_id": kind, "name": name, "created_at": START + timedelta(days=n)}
        for n in range(number)
    ]  # fmt: skip


def chats(content: str, number: int, *, after_s: int) -> list[dict[str, Any]]:
    rows = []
    for n in range(number):
        talk = {"conversation_id": f"{content}{n}"}
        rows.append(
            {**talk, "position": 1, "side": "contact", "content": "hello", "at": START + timedelta(days=n)}
        )
        rows.append({**talk, "position": 2, "side": "agent", "content": content, "at": START + timedelta(days=n, seconds=after_s)})  # fmt: skip
    return rows


def signs(
    *automations: dict[str, Any], **rows: list[dict[str, Any]]
) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Kind and sign to records, strength, the automation it belongs to, and whether it is explained."""
    contracts = {
        "tags": tables.TAGS, "lists": tables.LISTS, "contacts": tables.SOURCE_CONTACTS, "companies": tables.SOURCE_COMPANIES,
        "deals": tables.SOURCE_DEALS, "events": tables.HISTORY_EVENTS, "emails": tables.HISTORY_EMAILS,
        "activities": tables.HISTORY_ACTIVITIES, "messages": tables.HISTORY_MESSAGES,
    }  # fmt: skip
    frames = {name: frame(contract, *rows.get(name, [])) for name, contract in contracts.items()}
    listed = handoff.automations([{"trigger": "", "conditions": "", "actions": "", "is_active": True, "notes": "", **a} for a in automations])  # fmt: skip
    found = looking.automation_signs(listed, looking.Source(**frames, activity_types=TYPES))
    columns = found.select("records", "strength", "listed_in", "is_explained").rows()
    return dict(zip(found.select("kind", "sign").rows(), columns, strict=True))


def test_the_same_mail_on_many_days_is_nobodys_handwork() -> None:
    """Often and on many days is strong; often on one day is a campaign; seldom is a person."""
    sent = [*mails("Your cart", 6, days=6), *mails("Summer sale", 30, days=1), *mails("Hello", 2, days=2)]
    assert {("mail", "mail 2"): (6, "strong", "", False)} == signs(emails=sent)


def test_a_mail_of_a_listed_automation_is_explained() -> None:
    """Most of its long words stand in one automation; half of them are not enough."""
    welcome = {"name": "Welcome guests", "actions": "Mail: your booking"}
    assert {("mail", "mail 1"): (5, "strong", "Welcome guests", True)} == signs(
        welcome, emails=mails("Welcome, guests!", 5, days=5)
    )
    assert {("mail", "mail 1"): (5, "strong", "", False)} == signs(
        welcome, emails=mails("Welcome newsletter", 5, days=5)
    )


def test_names_people_give_to_what_a_machine_sets() -> None:
    """A tag or list with such a word is strong, unless an automation names it; whole words only."""
    people = [{"source_id": "1", "tags": ["win-back", "Robotics"], "list_ids": ["7"]}, {"source_id": "2", "tags": ["win-back"], "list_ids": ["7"]}]  # fmt: skip
    known = {
        "tags": [{"tag_id": "1", "name": "win-back"}, {"tag_id": "2", "name": "Robotics"}],
        "lists": [{"list_id": "7", "name": "Onboarding, step 2"}],
        "contacts": people,
    }
    assert {
        ("tag", "win-back"): (2, "strong", "", False),
        ("list", "Onboarding, step 2"): (2, "strong", "Start", True),
    } == signs({"name": "Start", "trigger": 'Added to list "Onboarding, step 2"'}, **known)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("1", {("push activity", "push 1"): (5, "strong", "", False)}, id="push"),
        pytest.param("2", {("task activity", "task 1"): (5, "weak", "", True)}, id="task"),
        pytest.param("3", {}, id="a call is a person's"),
    ],
)
def test_titles_that_come_again_and_again(kind: str, expected: dict[Any, Any]) -> None:
    """What is pushed is sent by a machine; people do make the same task every day."""
    assert expected == signs(activities=activities(kind, "Look", 5))


@pytest.mark.parametrize(
    ("after_s", "strength"), [pytest.param(2, "strong", id="at once"), pytest.param(600, "weak", id="later")]
)
def test_an_answer_faster_than_a_person_reads(after_s: int, strength: str) -> None:
    """The same first answer in many chats: automatic where it comes at once."""
    found = signs(messages=chats("We are closed", 5, after_s=after_s))
    assert {("chat answer", "answer 1"): (5, strength, "", strength == "weak")} == found


def test_events_and_scores_are_only_told() -> None:
    """They are there for something, but prove nothing; an automation that names the event gets it."""
    found = signs(
        {"name": "Quote", "trigger": "Event trip_viewed, 3 times"},
        events=[{"source_id": "1", "contact_id": "1", "name": "trip_viewed", "at": START}],
        contacts=[{"source_id": "1", "score": 10}, {"source_id": "2", "score": 0}],
    )
    assert {
        ("event", "trip_viewed"): (1, "weak", "Quote", True),
        ("score", "contact score"): (1, "weak", "", True),
    } == found


def test_what_somebody_wrote_stays_in_the_personal_column() -> None:
    """The sign of a mail is its number, in the table's other columns is no word of it."""
    none = {name: frame(contract) for name, contract in (
        ("tags", tables.TAGS), ("lists", tables.LISTS), ("contacts", tables.SOURCE_CONTACTS),
        ("companies", tables.SOURCE_COMPANIES), ("deals", tables.SOURCE_DEALS), ("events", tables.HISTORY_EVENTS),
        ("activities", tables.HISTORY_ACTIVITIES), ("messages", tables.HISTORY_MESSAGES),
    )}  # fmt: skip
    sent = frame(tables.HISTORY_EMAILS, *mails("Dear Anna", 5, days=5))
    found = looking.automation_signs(
        handoff.automations([]), looking.Source(**none, emails=sent, activity_types=TYPES)
    )
    assert (["Dear Anna"], True) == (found["text"].to_list(), tables.AUTOMATION_SIGNS.is_personal("text"))
    assert [] == found.drop("text").select(pl.concat_str(pl.col(pl.String)).str.contains("Anna").alias("it")).filter("it").rows()  # fmt: skip
