"""Lead or Contact, by the rule of the specification."""

from datetime import UTC, datetime

import polars as pl
import pytest

import source_rows as source
from crmbook.phases import split

TALKED = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("has_deal", "is_engaged", "has_won", "side", "stage"),
    [
        (False, False, False, "Lead", "Lead"),
        (True, False, False, "Contact", "Sales Qualified Lead"),
        (False, True, False, "Contact", "Sales Qualified Lead"),
        (True, True, False, "Contact", "Sales Qualified Lead"),
        (True, False, True, "Contact", "Customer"),
        (True, True, True, "Contact", "Customer"),
        (None, None, None, "Lead", "Lead"),
        (None, True, None, "Contact", "Sales Qualified Lead"),
    ],
)
def test_the_split_rule(
    has_deal: bool | None, is_engaged: bool | None, has_won: bool | None, side: str, stage: str
) -> None:
    """A deal or recorded engagement makes a Contact, a won deal a Customer; an e-mail alone is a Lead."""
    flags = {"has_deal": [has_deal], "is_engaged": [is_engaged], "has_won": [has_won]}
    rows = pl.DataFrame(flags, schema=dict.fromkeys(flags, pl.Boolean)).with_columns(
        side=split.side(has_deal=pl.col("has_deal"), is_engaged=pl.col("is_engaged"))
    )
    told = rows.select("side", stage=split.lifecycle(split=pl.col("side"), has_won=pl.col("has_won")))
    assert told.row(0) == (side, stage)


def test_evidence_counts_deals_of_users_and_participants() -> None:
    """Whoever a deal names is part of it; only a won deal is won; a last contact is engagement."""
    contacts = source.contacts(
        {"source_id": "1"},
        {"source_id": "2"},
        {"source_id": "3", "last_contacted": TALKED},
        {"source_id": "4"},
    )
    deals = source.deals(
        {"source_id": "10", "contact_id": "1", "participants": ["1", "2"], "status": 2},
        {"source_id": "11", "contact_id": None, "participants": ["4"], "status": 3},
        {"source_id": "12", "contact_id": "5", "status": 1},
    )
    assert split.evidence(contacts, deals).rows() == [
        ("1", True, True, False),
        ("2", True, True, False),
        ("3", False, False, True),
        ("4", True, False, False),
    ]


def test_what_the_history_says_is_engagement() -> None:
    """A recorded call, meeting or read e-mail counts like a last contact; a contact the history calls quiet stays one."""
    contacts = source.contacts({"source_id": "1"}, {"source_id": "2"}, {"source_id": "3"})
    engagement = pl.DataFrame({"contact_id": ["1", "2"], "is_engaged": [True, False]})

    told = split.evidence(contacts, source.deals(), engagement)

    assert [("1", True), ("2", False), ("3", False)] == told.select("source_id", "is_engaged").rows()


def test_a_survivor_stands_on_the_evidence_of_everything_merged_into_it() -> None:
    """What is recorded of a merged record counts for its survivor; what was dropped counts for nobody."""
    evidence = pl.DataFrame(
        {
            "source_id": ["1", "2", "3"],
            "has_deal": [False, True, True],
            "has_won": [False, False, True],
            "is_engaged": [True, False, False],
        }
    )
    fate = pl.DataFrame({"source_id": ["1", "2", "3"], "kept_id": ["1", "1", None], "reason": ["", "", "x"]})
    assert split.of_survivors(evidence, fate).rows() == [("1", True, False, True)]
