"""The kind of a refusal, from the vendor's words and ours, without a value in it."""

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import refusals


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("a@x.example already exists.", "duplicate"),
        ("Name has already been taken", "duplicate"),
        ("Need to fill this Email", "required"),
        ("Deal name can't be empty", "required"),
        ("Name is not in required length", "too_long"),
        ("website is not in required format", "invalid_value"),
        ("x is an invalid email address", "invalid_value"),
        ("Invalid contact status provided.", "unknown_reference"),
        ("Deal stage doesn't exist", "unknown_reference"),
        ("contact:5 is not in the target", "depends_on_missing"),
        ("the record it matched is no longer there", "gone"),
        ("the file is no longer in the attachments folder", "file"),
        ("You are not authorized to perform this action.", "not_allowed"),
        ("Dit is niet toegestaan", "other"),
    ],
)
def test_kind(message: str, kind: str) -> None:
    """Live sentences by their meaning; another language is `other`."""
    assert refusals.kind([message]) == kind


def test_failed_keys_hold_no_words() -> None:
    """One row a refused write; what was said stays in the ledger."""
    rejected = pl.DataFrame(
        {"op_id": ["contact:create:5"], "entity": ["contact"], "action": ["create"], "source_id": ["5"],
         "messages": [["a@x.example already exists."]]}
    )  # fmt: skip
    assert refusals.failed_keys(rejected).rows() == [("contact:create:5", "contact", "5", "duplicate")]
    assert refusals.failed_keys(rejected.clear()).equals(tables.FAILED_KEYS.empty())
