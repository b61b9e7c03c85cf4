"""Which history makes a contact one the company has talked to."""

from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import engagement
from source_rows import table

TYPES = pl.DataFrame(
    {"activity_type_id": list("12345"), "kind": ["Call", "meeting", "email", "task", "push"]}
)
MOMENT = pl.Series(["2024-01-01T00:00:00Z"]).str.to_datetime("%+", time_unit="us", time_zone="UTC")[0]


def _engagement(activities: list[dict[str, Any]] = (), emails: list[dict[str, Any]] = ()) -> pl.DataFrame:
    rows = [{"source_id": str(n), "contact_id": "c", **row} for n, row in enumerate(activities)]
    mails = [{"source_id": str(n), "contact_id": "c", **row} for n, row in enumerate(emails)]
    return engagement.engagement(
        table(tables.HISTORY_ACTIVITIES, rows), TYPES, table(tables.HISTORY_EMAILS, mails)
    )


@pytest.mark.parametrize(
    ("expected", "activities", "emails"),
    [
        pytest.param(True, [{"activity_type_id": "1"}], [], id="call, however its kind is spelled"),
        pytest.param(True, [{"activity_type_id": "2", "is_done": False}], [], id="meeting not yet held"),
        pytest.param(True, [{"activity_type_id": "3"}], [], id="e-mail activity"),
        pytest.param(False, [{"activity_type_id": "4"}], [], id="task"),
        pytest.param(False, [{"activity_type_id": "5"}], [], id="push"),
        pytest.param(False, [{"activity_type_id": "9"}], [], id="unknown type"),
        pytest.param(False, [{"activity_type_id": None}], [], id="no type"),
        pytest.param(False, [], [{"sent_at": MOMENT}], id="mail sent only"),
        pytest.param(True, [], [{"sent_at": MOMENT, "opened_at": MOMENT}], id="mail opened"),
        pytest.param(True, [], [{"clicked_at": MOMENT}], id="mail clicked, images off"),
        pytest.param(False, [], [{}], id="mail never sent"),
    ],
)
def test_calls_meetings_and_read_mails_engage(
    expected: bool, activities: list[dict[str, Any]], emails: list[dict[str, Any]]
) -> None:
    """Everything else is no sign that anybody was talked to."""
    assert [("c", expected)] == _engagement(activities, emails).select("contact_id", "is_engaged").rows()


def test_everything_is_counted_per_contact() -> None:
    """One row a contact, sorted; what belongs to nobody is nobody's."""
    activities = [
        {"activity_type_id": t, "contact_id": c} for t, c in (("1", "b"), ("1", "b"), ("2", "a"), ("1", None))
    ]
    emails = [
        {"contact_id": "b", "sent_at": MOMENT},
        {"contact_id": "b", "sent_at": MOMENT, "opened_at": MOMENT},
    ]

    assert [
        {"contact_id": "a", "calls": 0, "meetings": 1, "email_activities": 0, "emails_sent": 0, "emails_opened": 0,
         "emails_clicked": 0, "is_engaged": True},
        {"contact_id": "b", "calls": 2, "meetings": 0, "email_activities": 0, "emails_sent": 2, "emails_opened": 1,
         "emails_clicked": 0, "is_engaged": True},
    ] == _engagement(activities, emails).to_dicts()  # fmt: skip


def test_no_history_is_an_empty_frame_of_the_same_shape() -> None:
    """Also where the account tells no activity types."""
    made = engagement.engagement(
        tables.HISTORY_ACTIVITIES.empty(), tables.ACTIVITY_TYPES.empty(), tables.HISTORY_EMAILS.empty()
    )

    assert ["contact_id", *engagement.COUNTS, "is_engaged"] == made.columns
    assert (0, pl.Boolean) == (made.height, made.schema["is_engaged"])
