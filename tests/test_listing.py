"""Lists and segments: the same names and members, clashes told, nobody in a list who is not there."""

from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import listing
from history_rows import FATES, states
from source_rows import contacts, table

MEMBERS = listing.members(
    contacts(
        {"source_id": "1", "list_ids": ["5"]},
        {"source_id": "2", "list_ids": ["5", "6"]},
        {"source_id": "3", "list_ids": ["5"]},
    ),
    table(
        tables.SEGMENT_MEMBERS,
        [{"segment_id": "9", "contact_id": "1"}, {"segment_id": "9", "contact_id": "44"}],
    ),
)


def _plan(lists: list[tuple[str, str | None]], segments: list[tuple[str, str]]) -> pl.DataFrame:
    return listing.plan(
        table(tables.LISTS, [{"list_id": i, "name": n} for i, n in lists]),
        table(tables.SEGMENTS, [{"segment_id": i, "name": n} for i, n in segments]),
        MEMBERS,
    )


def _names(planned: pl.DataFrame) -> dict[str, str]:
    return dict(planned.select("list_key", "target_name").iter_rows())


PLAN = _plan([("5", "Fair"), ("6", "News"), ("7", "Empty")], [("9", "fair")])


def test_every_list_and_segment_has_its_members_counted() -> None:
    """Empty ones too."""
    expected = {"list:5": 3, "list:6": 1, "list:7": 0, "segment:9": 2}
    assert expected == dict(PLAN.select("list_key", "members").iter_rows())


@pytest.mark.parametrize(
    ("expected", "lists", "segments"),
    [
        pytest.param(
            ["Fair", "fair (segment)"], [("5", "Fair")], [("9", "fair")], id="a segment named like a list"
        ),
        pytest.param(["Fair", "FAIR (2)"], [("5", "Fair"), ("6", "FAIR")], [], id="lists but for case"),
        pytest.param(
            ["Fair", "FAIR (2)"], [("6", "FAIR"), ("5", "Fair")], [], id="the lower id keeps its name"
        ),
        pytest.param(
            ["a", "a (segment)", "a (segment) (2)"],
            [("5", "a")],
            [("8", "a"), ("9", "a")],
            id="two segments and a list",
        ),
        pytest.param(["List 5", "List 6"], [("5", None), ("6", " ")], [], id="no name"),
    ],
)
def test_names_are_told_apart(
    expected: list[str], lists: list[tuple[str, str | None]], segments: list[tuple[str, str]]
) -> None:
    """And whoever has another name than in the source is marked."""
    made = _plan(lists, segments).filter(
        pl.col("list_key").is_in([f"list:{i}" for i, _ in lists] + [f"segment:{i}" for i, _ in segments])
    )

    assert expected == made["target_name"].to_list()
    assert [(row["target_name"] != row["name"]) for row in made.to_dicts()] == made["is_renamed"].to_list()


def test_a_list_only_its_members_name_is_planned() -> None:
    """The account lists neither the list nor the segment any more; who was in it is known."""
    made = _plan([], [])

    assert {"list:5": "List 5", "list:6": "List 6", "segment:9": "Segment 9"} == _names(made)


def _decided(**rows: tuple[str, str]) -> pl.DataFrame:
    made = [(key.replace("_", ":"), *row) for key, row in rows.items()]
    return pl.DataFrame(made, schema=["source_field", "target_field", "decision"], orient="row")


def test_a_person_may_name_or_leave_a_list() -> None:
    """A name somebody else has is told apart again."""
    made = listing.with_decisions(PLAN, _decided(list_6=("FAIR", "changed"), list_7=("Empty", "skip")))

    assert {"list:5": "Fair", "list:6": "FAIR (2)", "list:7": "", "segment:9": "fair (segment)"} == _names(
        made
    )
    assert {"list:5": False, "list:6": True, "list:7": False, "segment:9": True} == dict(
        made.select("list_key", "is_renamed").iter_rows()
    )


def test_lists_of_the_target_keep_their_names() -> None:
    """Ours gets a number; skipped ones are not made."""
    planned = listing.with_decisions(PLAN, _decided(list_7=("", "skip")))

    made = listing.target_lists(planned, ["NEWS ", "news (2)"])

    expected = {"list:5": "Fair", "list:6": "News (3)", "segment:9": "fair (segment)"}
    assert expected == dict(made.select("source_id", "name").iter_rows())


def test_members_are_the_survivors() -> None:
    """Merged contacts stand once; the others are listed with the reason."""
    planned = listing.with_decisions(PLAN, _decided(list_6=("", "skip")))

    there, carried = listing.kept(MEMBERS, planned, FATES["contact"])

    assert [("list:5", "1"), ("segment:9", "1")] == there.rows()
    assert {
        "list:5:1": ("carried", ""),
        "list:5:2": ("carried", ""),
        "list:5:3": ("rejected", "contact rejected: email_missing"),
        "list:6:2": ("skipped", "by decision"),
        "segment:9:1": ("carried", ""),
        "segment:9:44": ("rejected", "contact not in the source"),
    } == states(carried)


def test_a_membership_counts_once() -> None:
    """A source that sends a list twice does not make two members."""
    twice = listing.members(
        contacts({"source_id": "1", "list_ids": ["5", "5"]}), table(tables.SEGMENT_MEMBERS, [])
    )

    assert [("list:5", "1")] == twice.rows()


def test_no_list_at_all_is_no_error() -> None:
    """An account without lists and segments."""
    empty: list[dict[str, Any]] = []
    nobody = listing.members(contacts(), table(tables.SEGMENT_MEMBERS, empty))

    planned = listing.plan(table(tables.LISTS, empty), table(tables.SEGMENTS, empty), nobody)

    assert (0, 0) == (planned.height, listing.target_lists(planned, ["x"]).height)
