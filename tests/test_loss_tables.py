"""What was named, what was lost and what was found are laid side by side, and a difference is never silent."""

from typing import Any

import polars as pl
import pytest

import load_case as case
from crmbook import tables
from crmbook.phases import loss_tables
from crmbook.phases.loss_words import HISTORY, RECORD
from crmbook.phases.roundtrip import MEASURED


def measured(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=MEASURED, orient="row")


NAMED = measured(
    ("contact", "phone_number", "mobile_number", "phone", "dropped", 3, 10),
    ("contact", "name", "last_name", "identity", "whitespace", 2, 10),
    ("contact", RECORD, "", "email_missing", "rejected", 4, 20),
    ("contact", "scope", "", "", "left_behind", 20, 20),
    ("company", "name", "name", "name", "truncated", 2, 8),
    ("activity", "done", "", HISTORY, "collapsed", 5, 7),
)
LOST = (
    {"entity": "contact", "field": "phone_number", "kind": "dropped", "records": 3},
    {"entity": "company", "field": "name", "kind": "truncated", "records": 2},
    {"entity": "activity", "field": "done", "kind": "collapsed", "records": 5},
)
REJECTS = tuple(
    {"entity": "contact", "source_id": str(i), "rule": "email_missing", "field": "email", "is_blocking": True}
    for i in range(4)
)


def agreed(
    *lost: dict[str, Any],
    rejects: tuple[dict[str, Any], ...] = REJECTS,
    unique: bool = True,
    types: bool = True,
) -> dict[str, tuple[int, int, int, str]]:
    made = loss_tables.agreement(
        loss_tables.preview(NAMED), loss=case.frame(tables.LOSS, *(lost or LOST)),
        rejects=case.frame(tables.REJECTS, *rejects), excluded=tables.EXCLUDED.empty(), names_unique=unique,
        has_all_types=types,
    )  # fmt: skip
    return {
        f"{r['entity']} {r['source_field']}": (r["previewed"], r["lost"], r["unexplained"], r["why"])
        for r in made.iter_rows(named=True)
    }


def test_the_same_loss_by_two_ways_agrees() -> None:
    """Row by row; changes and fields left behind are no loss to be counted again."""
    assert agreed() == {
        "contact phone_number": (3, 3, 0, ""), f"contact {RECORD}": (4, 4, 0, ""), "company name": (2, 2, 0, ""),
        "activity done": (5, 5, 0, ""),
    }  # fmt: skip


@pytest.mark.parametrize("records", [2, 4], ids=["less", "more"])
def test_a_difference_either_way_is_unexplained(records: int) -> None:
    """Losing less than was said is as wrong as losing more: one of the two numbers is false."""
    found = agreed({**LOST[0], "records": records}, *LOST[1:])
    assert found["contact phone_number"] == (3, records, 1, "")


def test_a_loss_nobody_named_is_unexplained() -> None:
    """A field that was not in the preview at all, and records rejected for a new reason."""
    found = agreed(
        *LOST, {"entity": "deal", "field": "value", "kind": "rounded", "records": 7}, rejects=REJECTS[:1]
    )
    assert found["deal value"] == (0, 7, 7, "")
    assert found[f"contact {RECORD}"] == (4, 1, 3, "")


def test_facts_measured_in_between_explain_their_own_difference_only() -> None:
    """Names that need no suffix, types the target lacks: told, and no excuse for anything else."""
    other = ({**LOST[0], "records": 1}, {**LOST[1], "records": 1}, {**LOST[2], "records": 6})
    found = agreed(*other, unique=False, types=False)
    assert found["company name"] == (2, 1, 0, loss_tables.UNIQUE_NAMES)
    assert found["activity done"] == (5, 6, 0, loss_tables.NO_TYPE)
    assert found["contact phone_number"] == (3, 1, 2, "")
    assert agreed(*other)["company name"] == (2, 1, 1, "")


def test_the_target_may_lose_no_more_than_was_named() -> None:
    """More rows, another kind or another field are unnamed; fewer are not, their records are elsewhere."""
    there = measured(
        ("contact", "phone_number", "mobile_number", "phone", "dropped", 4, 10),
        ("contact", "phone_number", "mobile_number", "phone", "missing", 1, 10),
        ("contact", "name", "last_name", "identity", "whitespace", 3, 10),
        ("company", "name", "name", "name", "truncated", 1, 8),
    )
    compared = [("contact", "phone_number", 6), ("contact", "phone_number", 4), ("company", "name", 8)]
    made = loss_tables.found(loss_tables.preview(NAMED), there, compared=compared)
    rows = {(r["source_field"], r["kind"]): r for r in made.iter_rows(named=True)}
    columns = ("named", "found", "unnamed", "unannounced", "compared")
    assert {key: tuple(row[c] for c in columns) for key, row in rows.items()} == {
        ("phone_number", "dropped"): (3, 4, 1, 0, 10), ("phone_number", "missing"): (0, 1, 1, 0, 10),
        ("name", "whitespace"): (2, 3, 0, 1, 0), ("name", "truncated"): (2, 1, 0, 0, 8),
    }  # fmt: skip


def test_whoever_approves_reads_one_sentence() -> None:
    """Values, fields, records, history, fields left behind; changes are not counted."""
    assert loss_tables.headline(loss_tables.preview(NAMED)) == (
        "loses 5 values in 2 fields and 4 records; 5 values of the history stand in texts, 1 fields are left behind"
    )


def test_a_preview_holds_shares_and_words() -> None:
    """The share is of the values that are there, at most all of them; each row says what follows."""
    made = loss_tables.preview(NAMED, measured(("email", "at", "", HISTORY, "truncated", 9, 7)))
    shares = dict(made.select("source_field", "share").iter_rows())
    assert (shares["phone_number"], shares["at"], shares["scope"]) == (0.3, 1.0, 1.0)
    assert made["consequence"].str.len_chars().min() > 10
    assert loss_tables.shown(made)["kind"].to_list()[-1] == "whitespace"
    assert set(loss_tables.summary(made)["kind"]) == {
        "dropped", "rejected", "left_behind", "truncated", "collapsed",
    }  # fmt: skip
