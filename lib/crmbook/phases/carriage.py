"""In what each object of the source arrives, what is kept, and what is lost on the way: the words of the report.

The README's table and the customer's report are made of these, so that they can't say different things. What
a run did with its own decisions is counted in `moved`, not told here.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Words:
    """What a reader is told of one kind of object; `carrier` is the usual one, the table counts the ones used."""

    carrier: str
    kept: str
    lossy: str


OBJECTS: Final = {
    "contacts": Words(
        "contact in its lifecycle stage; on Classic a lead or a contact",
        "every mapped field, source id, accounts with the primary one, owner, tags",
        "records of one e-mail address become one; the dates of the source stand in fields; a lead of Classic names"
        " one company",
    ),
    "companies": Words(
        "account",
        "every mapped field, source id, tags",
        "further phone numbers stand in a text field; equal names get a suffix where the target wants them unique",
    ),
    "deals": Words(
        "deal",
        "name, amount, currency, stage, closing dates, people, account, owner, loss reason",
        "won and lost in an open stage move to a closed one; the stage and status they had stand in fields",
    ),
    "deal products": Words(
        "text field on the deal",
        "ids and order lines with quantity, value and currency",
        "no lines the target could add up",
    ),
    "deal stages": Words(
        "stage of a pipeline", "pipeline, name, order", "probability is rounded to whole percents"
    ),
    "activities": Words(
        "sales activity, meeting, task or note, by type",
        "instant to the second, title, text, person, length of calls and meetings, done state of tasks,"
        " owner of calls, e-mails and tasks",
        "as text only: fractions of a second, done state and length elsewhere, owner of meetings and notes, further records"
        " it is about;"
        " a note is dated on the day of the load and tells its instant",
    ),
    "e-mails": Words(
        "sales activity of type Email",
        "subject and the instants of sending, opening and click, a record each",
        "fractions of a second stand in the text; the source gives no body",
    ),
    "events": Words(
        "one note per contact and event, or a record each by decision",
        "every occurrence with its exact instant and its data",
        "no record of its own in the summary; guests are named, not invited",
    ),
    "conversations": Words(
        "note on the contact, in numbered parts where it is long",
        "every message in order with its exact instant and its side, the chat id in the first line",
        "the note itself is dated on the day of the load; markup is shown as text",
    ),
    "messages": Words("a block of its conversation's note", "text, instant, side, order", "pictures"),
    "tags": Words(
        "tags, a multi-select field, or a dropdown where no record has two",
        "word for word",
        "as a field, no tags of the target's own; over 40 characters listed for review",
    ),
    "segments": Words(
        "list of the same name",
        "name and members on the day of the move",
        "the rule: rebuilt as a filter from the segment guide",
    ),
    "lists": Words("list of the same name", "name and members", "description"),
    "memberships": Words(
        "member of a list", "who is in which list", "since when; leads of Classic are in no list"
    ),
    "custom properties": Words(
        "custom field",
        "type, choices, values; too long ones whole in a note",
        "more than 15 digits or 4 decimals are rounded; constants and empty ones stay behind, listed",
    ),
    "owners": Words(
        "user of the same e-mail address",
        "owner of contacts, deals, tasks and activities",
        "without such a user the admin stands in until reassigned",
    ),
    "documents": Words("file on its record", "name and bytes", "folder and upload date"),
    "links": Words(
        "document link on its record, for the properties marked so in the mapping",
        "address",
        "its title is the property's name",
    ),
    "campaigns": Words("none", "nothing", "no interface takes campaigns or e-mail templates"),
}
