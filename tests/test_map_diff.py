"""The difference of two maps: every decision that has another effect, nothing else, and no value in it."""

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import map_diff

BASE = {
    ("contact", "p_a"): ("cf_a", "text", "proposed", 10),
    ("contact", "p_b"): ("", "copy", "skip", 4),
    ("stage", "1/10"): ("Sales / New", "round", "proposed", 7),
    ("owner", "7"): ("ann@a.example", "identity", "proposed", 9),
    ("choice", "contact.p_a:Gold"): ("Gold", "identity", "proposed", 3),
    ("choice", "contact.p_j:$.x:Gold"): ("Gold", "identity", "proposed", 2),
    ("event", "seen"): ("notes", "identity", "proposed", 6),
}
Cell = tuple[str, str, str, int]


def _map(**changes: Cell | None) -> pl.DataFrame:
    """BASE with the rows given by `<entity> <source field>`; None takes one away."""
    rows = {f"{entity} {field}": row for (entity, field), row in BASE.items()} | changes
    made = [
        {"entity": key.partition(" ")[0], "source_field": key.partition(" ")[2], "target_entity": "", "target_field": r[0],
         "rule": r[1], "decision": r[2], "confidence": 1.0, "reason": "", "note": "", "records": r[3], "position": n}
        for n, (key, r) in enumerate(rows.items()) if r is not None
    ]  # fmt: skip
    return pl.DataFrame(made, schema=tables.DECISION_ROWS.columns)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"contact p_a": ("cf_a", "text", "confirmed", 12)}, [], id="confirmed and grown"),
        pytest.param({"contact p_a": ("cf_z", "text", "changed", 10)},
                     [("contact", "p_a", "cf_a (text)", "cf_z (text)", 10)], id="target"),
        pytest.param({"contact p_a": ("cf_a", "textarea", "changed", 12)},
                     [("contact", "p_a", "cf_a (text)", "cf_a (textarea)", 12)], id="rule"),
        pytest.param({"contact p_a": ("", "copy", "skip", 10)},
                     [("contact", "p_a", "cf_a (text)", "left behind", 10)], id="skipped"),
        pytest.param({"contact p_new": ("cf_new", "text", "proposed", 2)},
                     [("contact", "p_new", "not there", "cf_new (text)", 2)], id="new"),
        pytest.param({"contact p_new": ("", "copy", "skip", 0)}, [], id="new and left behind"),
        pytest.param({"contact p_a": None}, [("contact", "p_a", "cf_a (text)", "not there", 10)], id="gone"),
        pytest.param({"stage 1/10": ("Sales / New", "40 %", "changed", 7)},
                     [("stage", "1/10", "Sales / New", "Sales / New, 40 %", 7)], id="probability"),
        pytest.param({"owner 7": ("eve@a.example", "identity", "changed", 9)},
                     [("owner", "7", "a user", "another user", 9)], id="owner"),
        pytest.param({"owner 7": ("", "identity", "proposed", 9)}, [("owner", "7", "a user", "no user", 9)], id="no owner"),
        pytest.param({"event seen": ("", "identity", "skip", 6)}, [("event", "seen", "notes", "left behind", 6)], id="event"),
        pytest.param({"choice contact.p_a:Gold": ("Au", "identity", "changed", 3),
                      "choice contact.p_a:Tin": ("Tin", "identity", "proposed", 1),
                      "choice contact.p_j:$.x:Gold": None},
                     [("choice", "contact.p_a", "its choices", "1 other targets, 1 new, 0 gone", 4),
                      ("choice", "contact.p_j:$.x", "its choices", "0 other targets, 0 new, 1 gone", 2)], id="choices"),
    ],
)  # fmt: skip
def test_a_decision_differs_where_its_effect_does(
    changes: dict[str, Cell | None], expected: list[tuple[str, str, str, str, int]]
) -> None:
    """Who decided, and how many records there are by now, is no change."""
    assert expected == map_diff.changes(_map(), _map(**changes)).rows()
