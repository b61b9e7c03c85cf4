"""Which findings of a delta's reconciliation are a person's, and which stay ours."""

from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import delta_kept
from load_case import frame

NOBODY = tables.CROSSWALK.empty()
QUIET = tables.CONFLICTS.empty()


def created(*keys: tuple[str, str]) -> pl.DataFrame:
    rows = (
        {"entity": e, "source_id": i, "target_id": n, "origin": "created"} for n, (e, i) in enumerate(keys, 1)
    )
    return frame(tables.CROSSWALK, *rows)


def conflict(key: str, winner: str = "target") -> pl.DataFrame:
    return frame(
        tables.CONFLICTS,
        {"entity": "contact", "source_id": "1", "target_id": 71, "key": key, "winner": winner},
    )


def difference(field: str = "job_title") -> pl.DataFrame:
    row = {"entity": "contact", "source_id": "1", "target_id": 71, "field": field, "kind": "changed"}
    return frame(tables.DIFFERENCES, row)


def person(title: str | None) -> dict[str, pl.DataFrame]:
    return {
        "contact": pl.DataFrame(
            {"source_id": ["1"], "job_title": [title]}, schema_overrides={"job_title": pl.String}
        )
    }


@pytest.mark.parametrize(
    ("then", "now", "conflicts", "made", "is_kept"),
    [
        pytest.param("Clerk", "Clerk", QUIET, NOBODY, True, id="unchanged in the source"),
        pytest.param(None, None, QUIET, NOBODY, True, id="empty in the source then and now"),
        pytest.param("Clerk", "Boss", QUIET, NOBODY, False, id="changed in the source and not written"),
        pytest.param("Clerk", "Boss", conflict("job_title"), NOBODY, True, id="a conflict the target won"),
        pytest.param("Clerk", "Boss", conflict("job_title", "source"), NOBODY, False, id="a conflict the source won"),
        pytest.param("Clerk", "Boss", conflict("email"), NOBODY, False, id="a conflict about something else"),
        pytest.param("Clerk", "Clerk", QUIET, created(("contact", "1")), False, id="made by this run"),
    ],
)  # fmt: skip
def test_a_difference_is_a_persons_only_where_nothing_of_ours_explains_it(
    then: str | None, now: str | None, conflicts: pl.DataFrame, made: pl.DataFrame, is_kept: bool
) -> None:
    """Told from the source then and now, not from the plan: what the delta failed to write stays a difference."""
    left, kept, counts = delta_kept.fields(
        difference(), now=person(now), before=person(then), conflicts=conflicts, created=made
    )
    assert (left.height, kept.height, counts["kept"].sum()) == ((0, 1, 1) if is_kept else (1, 0, 0))


def test_what_is_kept_is_no_longer_counted_as_different() -> None:
    """Compared stays; different and kept share what is not equal."""
    told = frame(
        tables.FIELD_FIDELITY,
        {"entity": "contact", "field": "job_title", "compared": 5, "equal": 2, "different": 3},
    )
    counts = pl.DataFrame({"entity": ["contact"], "field": ["job_title"], "kept": [2]})
    assert delta_kept.fidelity(told, counts).rows() == [("contact", "job_title", 5, 2, 1, 2)]


@pytest.mark.parametrize(
    ("before", "made", "expected"),
    [
        pytest.param("loaded", NOBODY, "kept_by_target", id="it was there"),
        pytest.param("merged", NOBODY, "kept_by_target", id="its survivor was there"),
        pytest.param("rejected", NOBODY, "missing", id="it never was"),
        pytest.param("loaded", created(("contact", "1")), "missing", id="made by this run"),
    ],
)
def test_a_record_that_is_gone(before: str, made: pl.DataFrame, expected: str) -> None:
    """A person deleted what stood there when the run before was approved; what we lost ourselves is missing."""
    row = {"entity": "contact", "source_id": "1", "reason": "gone from the target"}
    classes, then = (frame(tables.CLASSES, row | {"class": name}) for name in ("missing", before))
    settled, kept = delta_kept.records(classes, then, made)
    assert (settled["class"].to_list(), kept.height) == ([expected], int(expected == "kept_by_target"))


def link(to_id: str = "5", **given: Any) -> dict[str, Any]:
    row = {"relation": "contact_account", "from_id": "1", "to_id": to_id, "kept_from": "1", "kept_to": to_id}
    return row | {"is_primary": True, "state": "kept", "reason": ""} | given


def linked(verdict: str, to_id: str = "5") -> pl.DataFrame:
    return frame(
        tables.LINK_CLASSES,
        {"relation": "contact_account", "from_id": "1", "to_id": to_id, "class": verdict, "reason": "x"},
    )


STANDING = frame(
    tables.CROSSWALK, {"entity": "contact", "source_id": "1", "target_id": 71, "origin": "created"},
    {"entity": "company", "source_id": "5", "target_id": 85, "origin": "created"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "to_id", "now", "before", "left"),
    [
        pytest.param("missing", "5", [link()], [link()], ["kept_by_target"], id="taken away by a person"),
        pytest.param("wrong_primary", "5", [link()], [link()], ["kept_by_target"], id="another primary one"),
        pytest.param("missing", "5", [link()], [], ["missing"], id="new in the source"),
        pytest.param(
            "wrong_primary", "5", [link()], [link(is_primary=False)], ["wrong_primary"], id="primary by now"
        ),
        pytest.param("extra", "target:99", [], [], [], id="added by a person"),
        pytest.param("extra", "target:85", [], [link()], ["extra"], id="ours, gone from the source"),
        pytest.param("extra", "5", [], [link()], ["extra"], id="ours between records that stand"),
    ],
)
def test_a_link_is_a_persons_only_where_it_was_right_before(
    verdict: str, to_id: str, now: list[Any], before: list[Any], left: list[str]
) -> None:
    """What changed in the source is ours to write, and what we linked once is ours to take away."""
    settled, kept = delta_kept.links(
        linked(verdict, to_id), now=frame(tables.LINKS, *now), before=frame(tables.LINKS, *before),
        classes_before=linked("found") if before else tables.LINK_CLASSES.empty(), standing=STANDING,
        conflicts=QUIET, created=NOBODY,
    )  # fmt: skip
    assert settled["class"].to_list() == left
    assert kept.height == int(left in ([], ["kept_by_target"]))


@pytest.mark.parametrize(
    ("verdict", "before", "made", "left"),
    [
        pytest.param("missing", ["1"], NOBODY, ["kept_by_target"], id="taken out by a person"),
        pytest.param("missing", [], NOBODY, ["missing"], id="new in the source"),
        pytest.param("extra", ["2"], NOBODY, [], id="put in by a person"),
        pytest.param("extra", ["1"], NOBODY, ["extra"], id="left it in the source"),
        pytest.param("missing", ["1"], created(("list", "list:1")), ["missing"], id="a list of this run"),
    ],
)
def test_a_membership_likewise(verdict: str, before: list[str], made: pl.DataFrame, left: list[str]) -> None:
    """Who was in the list before and is not, or is and never was."""
    row = {"list_key": "list:1", "contact_id": "1", "class": verdict, "reason": ""}
    then = frame(tables.LIST_MEMBERS, *({"list_key": "list:1", "contact_id": one} for one in before))
    settled, _ = delta_kept.members(frame(tables.MEMBER_CLASSES, row), then, made)
    assert settled["class"].to_list() == left
